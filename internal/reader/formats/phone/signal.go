// Package phone reads what phones hold: databases of apps, backups and address books.
package phone

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
)

// Signal reads the JSON lines that signal-cli prints for messages that an account receives
// (--output=json) and for those that it sent from other devices.
//
//   - From and To: the number if there is one, otherwise the account's UUID; with a
//     number the UUID is kept in Extra. Both ends of a conversation then have the same identifiers.
//   - ServiceID: the sent time in milliseconds, by which Signal itself identifies a
//     message of a sender.
//   - Conversation: the group's id, otherwise the two accounts.
//   - Reactions are kept as reactions, and the offer of a call as a call; deletions for everybody,
//     receipts and typing are the service's. ReplyTo is the ServiceID of the message
//     that they refer to. An edit is a message of its own with the edited state.
//   - A sent card is a contact in addition to the text.
//   - Exceptions that signal-cli prints in place of content are problems.
var Signal = &reader.Format{
	Name:    "signal",
	Version: 5,
	About:   "Signal as signal-cli prints it, in lines of JSON",
	Checked: "invented examples only",
	Ignored: map[string]string{"jsonrpc": "of the protocol of signal-cli", "method": "of the protocol of signal-cli"},
	Kept: []string{
		"account", "adminDelete", "attachments", "contacts", "destination", "destinationUuid", "envelope", "expirationStartTimestamp", "expiresInSeconds",
		"groupInfo.*", "hasIncoming", "id", "isExpirationUpdate", "isReceived", "isRecipientUpdate", "isStory", "mentions", "payment", "pinMessage",
		"pollCreate", "pollTerminate", "pollVote", "previews", "quote", "reaction", "readMessages", "relay", "remoteDelete", "sentMessage",
		"serverReceivedTimestamp", "source", "sourceDevice", "sourceUuid", "sticker", "storyContext", "subscription", "textStyles", "timestamp",
		"unidentifiedStatus", "unpinMessage", "viewOnce",
	},
	Detect: detectSignal,
	Read:   readSignal,
}

func beginsSignal(b []byte) bool {
	return jsondoc.HasKeys(b, "envelope") || jsondoc.HasMember(b, func(key, value []byte) bool { return string(key) == `"jsonrpc"` })
}

// detectSignal looks for an envelope with a source and a time.
func detectSignal(s reader.Sample) int {
	return jsondoc.SureOfRecord(s, `"envelope"`, 95, func(b []byte) bool {
		return jsondoc.HasKeys(b, "source", "timestamp") || jsondoc.HasKeys(b, "sourceNumber", "timestamp") || jsondoc.HasKeys(b, "sourceUuid", "timestamp")
	})
}

// readSignal reads one envelope after the other.
func readSignal(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	d := jsondoc.New(in, jsondoc.Shape{Lists: func(key string) bool { return key == "" }, Begins: beginsSignal})
	return d.Items(ctx, func(raw string) (*argus.Message, error) {
		e := signalEnvelope{Message: &argus.Message{Service: cmp.Or(in.Service, "signal")}}
		if err := e.line(raw); err != nil {
			return nil, err
		}
		return e.Message, e.finish()
	})
}

// signalEnvelope becomes a message member by member.
type signalEnvelope struct {
	*argus.Message
	account, group, stamp string
	// outer is the time of the envelope, which may repeat the one inside.
	outer          string
	from, to       signalAccount
	failed         string
	content, edits bool
}

// signalAccount is an account as the members of one object name it.
type signalAccount struct{ number, uuid, any, name string }

func (a *signalAccount) id() string { return cmp.Or(a.number, a.any, a.uuid) }

// more keeps the name of an account that its number replaced, unless it is that number.
func (a *signalAccount) more(m *argus.Message, name string) {
	if a.any != a.id() && a.any != a.uuid {
		build.Keep(m, name, a.any)
	}
}

// line takes one line of signal-cli: an envelope, and the account that received it. When it
// runs as a JSON-RPC server, it wraps both in params.
func (e *signalEnvelope) line(raw string) error {
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "envelope":
			err = jsondoc.Members(raw, e.envelope)
		case "account":
			e.account, err = jsondoc.String(raw)
		case "params", "result":
			err = e.line(raw)
		case "exception":
			e.failed = jsondoc.Compact(raw)
		case "jsonrpc", "method":
		default:
			jsondoc.KeepMember(e.Message, key, raw)
		}
		return err
	})
}

// envelope takes a member of an envelope.
func (e *signalEnvelope) envelope(key, raw string) (err error) {
	switch key {
	case "source":
		e.from.any, err = jsondoc.String(raw)
	case "sourceNumber":
		e.from.number, err = jsondoc.String(raw)
	case "sourceUuid":
		e.from.uuid, err = jsondoc.String(raw)
		jsondoc.KeepMember(e.Message, key, raw)
	case "sourceName":
		e.from.name, err = jsondoc.TextMember(e.Message, key, raw)
	case "timestamp":
		e.outer, err = jsondoc.ScalarMember(raw)
	case "serverDeliveredTimestamp":
		at, problem := jsondoc.MillisMember(raw)
		e.Received = jsondoc.Further(e.Message, key, raw, at, problem)
	case "dataMessage":
		e.content = true
		err = jsondoc.Members(raw, e.data)
	case "editMessage":
		e.content, e.edits = true, true
		err = jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "targetSentTimestamp":
				e.ReplyTo, err = jsondoc.ScalarMember(raw)
			case "dataMessage":
				err = jsondoc.Members(raw, e.data)
			default:
				jsondoc.KeepMember(e.Message, "editMessage."+key, raw)
			}
			return err
		})
	case "syncMessage":
		err = jsondoc.Members(raw, e.sync)
	case "callMessage":
		e.content = true
		if offer := jsondoc.Inside(raw, "offerMessage"); offer != "" {
			video := strings.Contains(jsondoc.InsideText(offer, "type"), "VIDEO")
			build.Called(e.Message, argus.Call{Direction: "in", Video: video}, key, jsondoc.Compact(raw))
			break
		}
		build.Notice(e.Message, key, jsondoc.Compact(raw))
	case "receiptMessage", "typingMessage", "storyMessage":
		e.content = true
		build.Notice(e.Message, key, jsondoc.Compact(raw))
	default:
		jsondoc.KeepMember(e.Message, key, raw)
	}
	return err
}

// sync takes a member of an action of another device of the account.
func (e *signalEnvelope) sync(key, raw string) error {
	if key != "sentMessage" {
		e.content = true
		if e.Text == "" {
			build.Notice(e.Message, "syncMessage."+key, jsondoc.Compact(raw))
			return nil
		}
		jsondoc.KeepMember(e.Message, key, raw)
		return nil
	}
	e.content = true
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "destination":
			e.to.any, err = jsondoc.String(raw)
		case "destinationNumber":
			e.to.number, err = jsondoc.String(raw)
		case "destinationUuid":
			e.to.uuid, err = jsondoc.String(raw)
			jsondoc.KeepMember(e.Message, key, raw)
		case "editMessage":
			err = e.envelope(key, raw)
		default:
			err = e.data(key, raw)
		}
		return err
	})
}

// data takes a member of a sent message.
func (e *signalEnvelope) data(key, raw string) (err error) {
	m := e.Message
	switch key {
	case "timestamp":
		e.stamp, err = jsondoc.ScalarMember(raw)
	case "message":
		if m.Type == argus.TypeText {
			m.Text, err = jsondoc.TextOf(m, key, raw)
		}
	case "groupInfo":
		err = jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "groupId":
				e.group, err = jsondoc.String(raw)
			case "groupName", "name":
				m.Title, err = jsondoc.TextMember(m, key, raw)
			case "type":
				if raw != `"DELIVER"` {
					build.Notice(m, "groupInfo", jsondoc.Compact(raw))
				}
			default:
				jsondoc.KeepMember(m, "groupInfo."+key, raw)
			}
			return err
		})
	case "quote":
		jsondoc.AddExtra(m, key, raw)
		err = signalTarget(raw, "id", &m.ReplyTo)
	case "reaction":
		emoji := ""
		jsondoc.AddExtra(m, key, raw)
		err = signalTarget(raw, "emoji", &emoji)
		if err == nil {
			err = signalTarget(raw, "targetSentTimestamp", &m.ReplyTo)
		}
		build.Reacted(m, argus.Reaction{To: m.ReplyTo, Sign: emoji, Removed: jsondoc.Inside(raw, "isRemove") == "true"}, key, emoji)
	case "remoteDelete":
		err = signalTarget(raw, "timestamp", &m.ReplyTo)
		jsondoc.KeepMembers(m, raw, "timestamp")
		build.Notice(m, key, m.ReplyTo)
	case "contacts":
		jsondoc.KeepMember(m, key, raw)
		for one := range jsondoc.Listed(raw) {
			build.SentCard(m, signalCard(one))
			break
		}
	case "attachments":
		jsondoc.KeepMember(m, key, raw)
		err = jsondoc.Elements(raw, func(raw string) error { return addSignalFile(m, raw) })
	case "expiresInSeconds":
		if raw != "0" {
			jsondoc.AddExtra(m, key, raw)
		}
	default:
		jsondoc.KeepMember(m, key, raw)
	}
	return err
}

// signalTarget takes one member of an object, as text.
func signalTarget(raw, name string, to *string) error {
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		if key == name {
			*to, err = jsondoc.ScalarMember(raw)
		}
		return err
	})
}

// signalCard reads a sent card.
func signalCard(raw string) *argus.Contact {
	name := jsondoc.Inside(raw, "name")
	whole := cmp.Or(jsondoc.InsideText(name, "display"), jsondoc.InsideText(name, "nickname"), strings.TrimSpace(jsondoc.InsideText(name, "given")+" "+jsondoc.InsideText(name, "family")))
	var accounts []string
	for _, list := range []string{"phone", "email"} {
		for one := range jsondoc.Listed(jsondoc.Inside(raw, list)) {
			accounts = append(accounts, build.AccountOf(argus.CleanName(jsondoc.InsideText(one, "value"))))
		}
	}
	return build.Card(accounts, whole)
}

func addSignalFile(m *argus.Message, raw string) error {
	var a argus.Attachment
	id := ""
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "contentType":
			a.Type, err = jsondoc.String(raw)
		case "filename":
			a.Name, err = jsondoc.TextMember(m, key, raw)
		case "id":
			id, err = jsondoc.ScalarMember(raw)
		case "size":
			a.Size, err = jsondoc.SizeMember(raw)
		}
		return err
	})
	// signal-cli stores the bytes under the id.
	a.Name = cmp.Or(id, a.Name, "file")
	m.Attachments = append(m.Attachments, a)
	return err
}

// finish sets the fields that depend on several members.
func (e *signalEnvelope) finish() error {
	if e.failed != "" && !e.content {
		return fmt.Errorf("signal-cli could not read the message: %.300q", e.failed)
	}
	if !e.content {
		build.Notice(e.Message, "envelope", "")
	}
	e.stamp = cmp.Or(e.stamp, e.outer) // a sync message's own time is the time of sending
	if e.outer != e.stamp {
		build.Keep(e.Message, "timestamp", e.outer)
	}
	e.from.more(e.Message, "source")
	e.to.more(e.Message, "destination")
	var ok bool
	if e.Sent, ok = dates.Millis(e.stamp); !ok {
		return fmt.Errorf("timestamp: want milliseconds since 1970, found other text or none")
	}
	if e.Sent = dates.UnlessZero(e.Sent); !e.Sent.Known() {
		build.Keep(e.Message, "timestamp", e.stamp)
	}
	e.From, e.FromName = e.from.id(), argus.CleanName(e.from.name)
	if e.edits {
		build.Edited(e.Message, e.Sent)
	}
	if e.Sent.Known() && (e.Type == argus.TypeText || e.ReplyTo != "") {
		e.ServiceID = e.stamp
		e.Sequence, _ = strconv.ParseUint(e.stamp, 10, 64)
	}
	e.Conversation = e.group
	to := cmp.Or(e.to.id(), e.account)
	switch {
	case e.group != "":
	case to != "" && e.From != "" && (to != e.From || e.to != signalAccount{}): // otherwise the account to itself, about others
		e.Conversation = argus.DirectConversation(e.From, to)
		e.To = []string{to}
	}
	if e.account != e.From && !slices.Contains(e.To, e.account) {
		build.Keep(e.Message, "account", e.account) // the owner of the device
	}
	return build.Valid(e.Message)
}
