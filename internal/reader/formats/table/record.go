package table

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// ownerOf returns the owner of the device that a file is from: the one that the operator
// names, otherwise an account that represents the owner.
func ownerOf(in reader.Input) string { return cmp.Or(in.Owner, argus.OwnerOf+in.Name) }

// record is one record of a source of no known program: its values by field.
type record struct {
	options reader.Options
	service string
	// owner is the owner of the device, for records that do not name one.
	owner string
	said  [sheetFields]string
	// names are the source's own names of the fields.
	names [sheetFields]string
	// kept marks the fields whose values the message already holds as they are in the source.
	kept [sheetFields]bool
	// to and attachments are the separate values of those fields. The sender is left out of
	// the receivers if others is set.
	to, attachments []string
	others          bool
	// kind is the word for a type, or "" for a text.
	kind string
	time func(f sheetField, s string) (argus.Time, error)
}

// message fills a message, which holds only the other members of the record.
func (r *record) message(m *argus.Message) (err error) {
	m.Service = r.service
	m.Conversation, m.Title = argus.CleanName(r.said[fieldConversation]), argus.CleanName(r.said[fieldTitle])
	m.ServiceID, m.ReplyTo, m.Text = r.said[fieldID], r.said[fieldReplyTo], textdoc.LineFeeds(r.said[fieldText])
	if err := r.accounts(m); err != nil {
		return err
	}
	if m.Conversation == "" && len(m.To) == 1 && m.From != "" {
		m.Conversation = argus.DirectConversation(m.From, m.To[0])
	}
	for _, name := range r.attachments {
		m.Attachments = append(m.Attachments, argus.Attachment{Name: path.Clean(strings.ReplaceAll(name, `\`, "/"))})
	}
	switch said := r.said[fieldDeleted]; strings.ToLower(said) {
	case "", "0", "false", "no":
	default:
		m.State |= argus.StateDeleted
	}
	r.lock(m)
	if err := r.times(m); err != nil {
		return err
	}
	local := func(id string) bool { return id != "" && !build.IsWorldwide(id) }
	if local(m.From) || slices.ContainsFunc(m.To, local) {
		m.AccountReach = argus.ReachExport
	}
	if slices.ContainsFunc(strings.Split(m.Conversation, "|"), local) {
		m.ConversationReach = argus.ReachExport
	}
	r.typed(m)
	return nil
}

// accounts sets sender and receivers: from their fields, or from the direction, the owner
// and the contact.
func (r *record) accounts(m *argus.Message) error {
	from, to := r.said[fieldFrom], r.to
	word := r.said[fieldDirection]
	direction := build.DirectionOf(strings.TrimSpace(word))
	contact, owner := r.said[fieldContact], cmp.Or(r.said[fieldOwner], r.owner)
	m.FromName = argus.CleanName(r.said[fieldFromName])
	switch {
	case direction != 0:
		if direction > 0 {
			from = cmp.Or(from, owner)
			if len(to) == 0 && contact != "" {
				to = []string{contact}
			}
			break
		}
		from = cmp.Or(from, contact)
		if len(to) == 0 {
			to = []string{owner}
		}
	case word != "":
		build.NotUnderstood(m, cmp.Or(r.names[fieldDirection], "direction"), word)
		if from == "" {
			return fmt.Errorf("want a word that says in or out, found %.40q", word)
		}
	default:
		from = cmp.Or(from, contact)
		if from == "" && len(to) > 0 {
			from = r.said[fieldOwner]
		}
	}
	m.From = build.AccountOf(argus.CleanName(from))
	if m.From == "" {
		m.From, m.FromName = m.FromName, ""
	}
	for _, one := range to {
		one = build.AccountOf(argus.CleanName(one))
		if one == "" || r.others && (one == m.From || slices.Contains(m.To, one)) {
			continue
		}
		if len(m.To) == build.ParticipantLimit {
			build.KeepExtra(m, "to", one)
			continue
		}
		m.To = append(m.To, one)
	}
	if direction != 0 {
		r.keep(m, fieldDirection)
	}
	for _, f := range []sheetField{fieldOwner, fieldContact} {
		if one := build.AccountOf(argus.CleanName(r.said[f])); one != m.From && !slices.Contains(m.To, one) {
			r.keep(m, f)
		}
	}
	return nil
}

// keep keeps values that the message shows nowhere else.
func (r *record) keep(m *argus.Message, fields ...sheetField) {
	for _, f := range fields {
		if r.kept[f] {
			continue
		}
		build.KeepExtra(m, cmp.Or(r.names[f], sheetWords[f].name), r.said[f])
	}
}

// lock sets the encrypted content.
func (r *record) lock(m *argus.Message) {
	payload := strings.TrimSpace(r.said[fieldPayload])
	if payload == "" {
		r.keep(m, fieldKeyID, fieldAlgorithm)
		return
	}
	m.Locked = &argus.Locked{KeyID: r.said[fieldKeyID], Algorithm: r.said[fieldAlgorithm]}
	var known bool
	if m.Locked.Payload, known = decodePayload(payload); !known {
		build.Keep(m, "payload_encoding", "text")
	}
	if strings.TrimSpace(m.Text) == "" {
		m.State |= argus.StateLocked
		m.Text = ""
	}
}

// times sets the times. A time of receipt or reading that makes no sense is kept as it is.
func (r *record) times(m *argus.Message) (err error) {
	sent := r.said[fieldSent]
	if sent == "" {
		sent = strings.TrimSpace(r.said[fieldDate] + " " + r.said[fieldTime])
		if _, ok := dates.SplitDate(r.said[fieldDate]); !ok && r.said[fieldTime] != "" {
			sent = dates.AddSerials(r.said[fieldDate], r.said[fieldTime])
		}
	} else {
		r.keep(m, fieldDate, fieldTime)
	}
	if m.Sent, err = r.time(fieldSent, sent); err != nil {
		return err
	}
	for _, t := range []struct {
		to    *argus.Time
		field sheetField
	}{{&m.Received, fieldReceived}, {&m.Read, fieldRead}} {
		if *t.to, err = r.time(t.field, r.said[t.field]); err != nil {
			*t.to = argus.Time{}
			build.NotUnderstood(m, cmp.Or(r.names[t.field], sheetWords[t.field].name), r.said[t.field])
		}
	}
	if d, ok := dates.SplitDate(m.Sent.Raw); ok && !d.YearFirst && !d.Named && d.Separator != '.' && d.A != d.B && dates.OrderOf(r.options) == dates.Assumed {
		build.Keep(m, "date_order", "assumed: day first")
	}
	return nil
}

// typed gives the message its type. Such a source lacks the facts that some types need; a
// record of a type that is meaningless without them is a notice.
func (r *record) typed(m *argus.Message) {
	if r.kind == "" {
		return
	}
	kind, ok := argus.ParseType(strings.ToLower(r.kind))
	if !ok {
		build.NotUnderstood(m, "type", r.kind)
		return
	}
	word := cmp.Or(m.Text, r.kind)
	switch kind {
	case argus.TypeText:
	case argus.TypeCall:
		build.Called(m, argus.Call{}, word, "")
	case argus.TypeDraft, argus.TypeNote:
		build.Happened(m, kind, argus.Facts{}, word, "")
	default:
		build.Notice(m, word, "")
		if kind != argus.TypeNotice {
			build.Keep(m, "type", r.kind)
		}
	}
}

// ownExport returns the export's id if it is among the message's extra fields.
func ownExport(m *argus.Message) (own string) {
	for _, field := range m.Extra {
		if own == "" && isExportID(field.Name) {
			own = field.Value
		}
	}
	return own
}
