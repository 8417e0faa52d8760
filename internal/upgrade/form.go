package upgrade

import (
	"errors"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/format1"
)

// errForeign means that a record has a part that format 1 cannot express.
var errForeign = errors.New("it has a part that format 1 cannot express")

// The options by which the opening of a delivery refers to its seal of format 1.
const (
	// RootOption names the Merkle tree hash of the seal.
	RootOption = "format-1.root"
	// SealOption names the SHA-256 of the seal's file.
	SealOption = "format-1.seal"
)

// ofDevice are the readers of format 1 that read the data of one device.
var ofDevice = []string{"imessage", "smsbackup", "ufdr", "whatsapp-db"}

// clockOf returns the clock that stamped a message. Format 1 did not store the clock, but
// computed it this way when it looked for copies with differing clocks.
func clockOf(reader string, m *argus.Message) argus.Clock {
	name, _, _ := strings.Cut(reader, "/")
	switch {
	case !m.Sent.Known() || !slices.Contains(ofDevice, name):
		return argus.ClockService
	case !m.Received.Known():
		return argus.ClockSender
	case m.Received.Micros == m.Sent.Micros:
		return argus.ClockReceiver
	}
	return argus.ClockService
}

func toTime(t format1.TimeForm) argus.Time {
	return argus.Time{Micros: t.Micros, Raw: t.Raw, Zone: argus.ZoneSource(t.Zone), Precision: argus.Precision(t.Precision)}
}

func fromTime(t argus.Time) format1.TimeForm {
	return format1.TimeForm{Micros: t.Micros, Raw: t.Raw, Zone: uint8(t.Zone), Precision: uint8(t.Precision)}
}

// toMessage converts a whole message of format 1 to today's form.
func toMessage(m *format1.MessageForm) *argus.Message {
	n := &argus.Message{
		Service: m.Service, Conversation: m.Conversation, Title: m.Title, From: m.From, FromName: m.FromName, To: m.To, ServiceID: m.ServiceID,
		Sequence: m.Sequence, Sent: toTime(m.Sent), Received: toTime(m.Received), Read: toTime(m.Read), Text: m.Text, Lang: m.Lang,
		State: argus.State(m.State), ReplyTo: m.ReplyTo, ForwardedFrom: m.ForwardedFrom, Repeat: m.Repeat,
	}
	for _, a := range m.Attachments {
		n.Attachments = append(n.Attachments, argus.Attachment{Name: a.Name, Hash: a.Hash, Size: a.Size, Type: a.Type})
	}
	if l := m.Locked; l != nil {
		n.Locked = &argus.Locked{KeyID: l.KeyID, Algorithm: l.Algorithm, Payload: l.Payload}
	}
	for _, x := range m.Extra {
		n.Extra = append(n.Extra, argus.Field{Name: x.Name, Value: x.Value})
	}
	return n
}

// fromMessage is the reverse of toMessage. Format 1 did not store the clock of the sent
// time, so that is left to the caller.
func fromMessage(m *argus.Message, f *format1.MessageForm) error {
	if m.Type != 0 || m.Facts != nil || m.Edited != (argus.Time{}) || m.AccountReach != 0 || m.ConversationReach != 0 ||
		m.Received.Clock != 0 || m.Read.Clock != 0 {
		return errForeign
	}
	*f = format1.MessageForm{
		Service: m.Service, Conversation: m.Conversation, Title: m.Title, From: m.From, FromName: m.FromName, To: m.To, ServiceID: m.ServiceID,
		Sequence: m.Sequence, Sent: fromTime(m.Sent), Received: fromTime(m.Received), Read: fromTime(m.Read), Text: m.Text, Lang: m.Lang,
		State: uint8(m.State), ReplyTo: m.ReplyTo, ForwardedFrom: m.ForwardedFrom, Repeat: m.Repeat,
	}
	for _, a := range m.Attachments {
		f.Attachments = append(f.Attachments, format1.AttachmentForm{Name: a.Name, Hash: a.Hash, Size: a.Size, Type: a.Type})
	}
	if l := m.Locked; l != nil {
		f.Locked = &format1.LockedForm{KeyID: l.KeyID, Algorithm: l.Algorithm, Payload: l.Payload}
	}
	for _, x := range m.Extra {
		f.Extra = append(f.Extra, format1.FieldForm{Name: x.Name, Value: x.Value})
	}
	return nil
}

func toWhere(w format1.WhereForm) argus.Where {
	return argus.Where{Original: w.Original, Path: w.Path, Record: w.Record, Offset: w.Offset, Length: w.Length, Reader: w.Reader}
}

func fromWhere(w argus.Where) format1.WhereForm {
	return format1.WhereForm{Original: w.Original, Path: w.Path, Record: w.Record, Offset: w.Offset, Length: w.Length, Reader: w.Reader}
}

// toOpening converts an opening to today's form. The opening of a sealed delivery refers
// to the seal.
func toOpening(o *format1.OpeningForm, seal *format1.Seal) argus.Opening {
	n := argus.Opening{Source: o.Source, Place: o.Place, Authority: o.Authority, Actor: o.Actor, Started: o.Started, Software: o.Software, Readers: o.Readers}
	for _, x := range o.Options {
		n.Options = append(n.Options, argus.Field{Name: x.Name, Value: x.Value})
	}
	if seal != nil {
		n.Options = append(n.Options, namesOf(seal)...)
	}
	return n
}

func namesOf(seal *format1.Seal) []argus.Field {
	return []argus.Field{{Name: RootOption, Value: seal.Root.String()}, {Name: SealOption, Value: hashOf(seal.File).String()}}
}

// fromOpening is the reverse of toOpening.
func fromOpening(o *argus.Opening, seal *format1.Seal) (*format1.OpeningForm, error) {
	options := o.Options
	if seal != nil {
		own := len(options) - 2
		if own < 0 || !slices.Equal(options[own:], namesOf(seal)) {
			return nil, errors.New("it does not name its format 1 seal")
		}
		options = options[:own]
	}
	if o.Sort != 0 {
		return nil, errForeign
	}
	f := &format1.OpeningForm{Source: o.Source, Place: o.Place, Authority: o.Authority, Actor: o.Actor, Started: o.Started, Software: o.Software, Readers: o.Readers}
	for _, x := range options {
		f.Options = append(f.Options, format1.FieldForm{Name: x.Name, Value: x.Value})
	}
	return f, nil
}

// KeptSeal returns the SHA-256 of the format 1 seal that an opening refers to.
func KeptSeal(o *argus.Opening) string {
	for _, x := range o.Options {
		if x.Name == SealOption {
			return x.Value
		}
	}
	return ""
}
