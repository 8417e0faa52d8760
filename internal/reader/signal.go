package reader

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// signalFormat reads the lines of JSON that signal-cli prints of what an
// account receives (--output=json), and what it sent from other devices.
//
//   - From and To: the number where there is one, else the account's UUID, which
//     is kept in Extra otherwise. Both ends of a conversation then see the same.
//   - ServiceID: the sent time in milliseconds, by which Signal itself names a
//     message of a sender.
//   - Conversation: the group's id, else the two accounts.
//   - A reaction is one, the offer of a call is a call; deletions for everybody,
//     receipts and typing are the service's. ReplyTo is the ServiceID of the message
//     that they are about. An edit is a message of its own with the edited state.
//   - A card that was sent is a contact beside the text.
//   - Exceptions that signal-cli prints in place of content are problems.
var signalFormat = &Format{
	Name:    "signal",
	Version: 4,
	About:   "Signal as signal-cli prints it, in lines of JSON",
	Checked: "invented examples only",
	Detect:  detectSignal,
	Read:    readSignal,
}

func beginsSignal(b []byte) bool {
	return hasKeys(b, "envelope") || hasMember(b, func(key, value []byte) bool { return string(key) == `"jsonrpc"` })
}

// detectSignal wants an envelope with a source and a time.
func detectSignal(s Sample) int {
	return sureOfRecord(s, `"envelope"`, 95, func(b []byte) bool {
		return hasKeys(b, "source", "timestamp") || hasKeys(b, "sourceNumber", "timestamp") || hasKeys(b, "sourceUuid", "timestamp")
	})
}

// readSignal reads one envelope after the other.
func readSignal(ctx context.Context, in Input) iter.Seq2[Item, error] {
	d := newDocument(in, shape{lists: func(key string) bool { return key == "" }, begins: beginsSignal})
	return d.items(ctx, func(raw string) (*argus.Message, error) {
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
	account, to, group, stamp string
	from                      signalAccount
	failed                    string
	content, edits            bool
}

// signalAccount is an account as the members of one object name it.
type signalAccount struct{ number, uuid, any, name string }

func (a *signalAccount) id() string { return cmp.Or(a.number, a.any, a.uuid) }

// line takes what signal-cli prints at once: an envelope, and the account that
// received it. As a JSON-RPC server it wraps both in params.
func (e *signalEnvelope) line(raw string) error {
	return members(raw, func(key, raw string) (err error) {
		switch key {
		case "envelope":
			err = members(raw, e.envelope)
		case "account":
			e.account, err = jsonString(raw)
		case "params", "result":
			err = e.line(raw)
		case "exception":
			e.failed = compactJSON(raw)
		case "jsonrpc", "method":
		default:
			keepMember(e.Message, key, raw)
		}
		return err
	})
}

// envelope takes a member of an envelope.
func (e *signalEnvelope) envelope(key, raw string) (err error) {
	switch key {
	case "source":
		e.from.any, err = jsonString(raw)
	case "sourceNumber":
		e.from.number, err = jsonString(raw)
	case "sourceUuid":
		e.from.uuid, err = jsonString(raw)
		keepMember(e.Message, key, raw)
	case "sourceName":
		e.from.name, err = textMember(e.Message, key, raw)
	case "timestamp":
		if e.stamp == "" { // a sync message's own time says when it was sent
			e.stamp, err = scalarMember(raw)
		}
	case "serverDeliveredTimestamp":
		e.Received, err = millisMember(raw)
	case "dataMessage":
		e.content = true
		err = members(raw, e.data)
	case "editMessage":
		e.content, e.edits = true, true
		err = members(raw, func(key, raw string) (err error) {
			switch key {
			case "targetSentTimestamp":
				e.ReplyTo, err = scalarMember(raw)
			case "dataMessage":
				err = members(raw, e.data)
			}
			return err
		})
	case "syncMessage":
		err = members(raw, e.sync)
	case "callMessage":
		e.content = true
		if offer := inside(raw, "offerMessage"); offer != "" {
			video := strings.Contains(insideText(offer, "type"), "VIDEO")
			called(e.Message, argus.Call{Direction: "in", Video: video}, key, compactJSON(raw))
			break
		}
		notice(e.Message, key, compactJSON(raw))
	case "receiptMessage", "typingMessage", "storyMessage":
		e.content = true
		notice(e.Message, key, compactJSON(raw))
	default:
		keepMember(e.Message, key, raw)
	}
	return err
}

// sync takes a member of what another device of the account did.
func (e *signalEnvelope) sync(key, raw string) error {
	if key != "sentMessage" {
		e.content = true
		if e.Text == "" {
			notice(e.Message, "syncMessage."+key, compactJSON(raw))
			return nil
		}
		keepMember(e.Message, key, raw)
		return nil
	}
	e.content = true
	var to signalAccount
	err := members(raw, func(key, raw string) (err error) {
		switch key {
		case "destination":
			to.any, err = jsonString(raw)
		case "destinationNumber":
			to.number, err = jsonString(raw)
		case "destinationUuid":
			to.uuid, err = jsonString(raw)
			keepMember(e.Message, key, raw)
		case "editMessage":
			err = e.envelope(key, raw)
		default:
			err = e.data(key, raw)
		}
		return err
	})
	e.to = to.id()
	return err
}

// data takes a member of what was sent.
func (e *signalEnvelope) data(key, raw string) (err error) {
	m := e.Message
	switch key {
	case "timestamp":
		e.stamp, err = scalarMember(raw)
	case "message":
		if m.Type == argus.TypeText {
			m.Text, err = textOf(m, key, raw)
		}
	case "groupInfo":
		err = members(raw, func(key, raw string) (err error) {
			switch key {
			case "groupId":
				e.group, err = jsonString(raw)
			case "groupName", "name":
				m.Title, err = textMember(m, key, raw)
			case "type":
				if raw != `"DELIVER"` {
					notice(m, "groupInfo", compactJSON(raw))
				}
			default:
				keepMember(m, "groupInfo."+key, raw)
			}
			return err
		})
	case "quote":
		addExtra(m, key, raw)
		err = signalTarget(raw, "id", &m.ReplyTo)
	case "reaction":
		emoji := ""
		addExtra(m, key, raw)
		err = signalTarget(raw, "emoji", &emoji)
		if err == nil {
			err = signalTarget(raw, "targetSentTimestamp", &m.ReplyTo)
		}
		reacted(m, argus.Reaction{To: m.ReplyTo, Sign: emoji, Removed: inside(raw, "isRemove") == "true"}, key, emoji)
	case "remoteDelete":
		err = signalTarget(raw, "timestamp", &m.ReplyTo)
		notice(m, key, m.ReplyTo)
	case "contacts":
		keepMember(m, key, raw)
		for one := range listed(raw) {
			sentCard(m, signalCard(one))
			break
		}
	case "attachments":
		keepMember(m, key, raw)
		err = elements(raw, func(raw string) error { return addSignalFile(m, raw) })
	case "expiresInSeconds":
		if raw != "0" {
			addExtra(m, key, raw)
		}
	default:
		keepMember(m, key, raw)
	}
	return err
}

// signalTarget takes one member of an object, as text.
func signalTarget(raw, name string, to *string) error {
	return members(raw, func(key, raw string) (err error) {
		if key == name {
			*to, err = scalarMember(raw)
		}
		return err
	})
}

// signalCard reads a card that was sent.
func signalCard(raw string) *argus.Contact {
	name := inside(raw, "name")
	whole := cmp.Or(insideText(name, "display"), insideText(name, "nickname"), strings.TrimSpace(insideText(name, "given")+" "+insideText(name, "family")))
	var accounts []string
	for _, list := range []string{"phone", "email"} {
		for one := range listed(inside(raw, list)) {
			accounts = append(accounts, accountOf(argus.CleanName(insideText(one, "value"))))
		}
	}
	return card(accounts, whole)
}

func addSignalFile(m *argus.Message, raw string) error {
	var a argus.Attachment
	id := ""
	err := members(raw, func(key, raw string) (err error) {
		switch key {
		case "contentType":
			a.Type, err = jsonString(raw)
		case "filename":
			a.Name, err = textMember(m, key, raw)
		case "id":
			id, err = scalarMember(raw)
		case "size":
			a.Size, err = sizeMember(raw)
		}
		return err
	})
	// signal-cli stores the bytes under the id.
	a.Name = cmp.Or(id, a.Name, "file")
	m.Attachments = append(m.Attachments, a)
	return err
}

// finish sets what several members say together.
func (e *signalEnvelope) finish() error {
	if e.failed != "" && !e.content {
		return fmt.Errorf("signal-cli could not read the message: %.300q", e.failed)
	}
	if !e.content {
		notice(e.Message, "envelope", "")
	}
	var ok bool
	if e.Sent, ok = parseMillis(e.stamp); !ok {
		return fmt.Errorf("timestamp: want milliseconds since 1970, found other text or none")
	}
	if e.Sent = unlessZero(e.Sent); !e.Sent.Known() {
		keep(e.Message, "timestamp", e.stamp)
	}
	e.From, e.FromName = e.from.id(), argus.CleanName(e.from.name)
	if e.edits {
		edited(e.Message, e.Sent)
	}
	if e.Sent.Known() && (e.Type == argus.TypeText || e.ReplyTo != "") {
		e.ServiceID = e.stamp
		e.Sequence, _ = strconv.ParseUint(e.stamp, 10, 64)
	}
	e.Conversation = e.group
	to := cmp.Or(e.to, e.account)
	switch {
	case e.group != "":
		keep(e.Message, "account", e.account) // whose device it is of
	case to != "" && e.From != "" && (to != e.From || e.to != ""): // else the account to itself, about others
		e.Conversation = argus.DirectConversation(e.From, to)
		e.To = []string{to}
	}
	return valid(e.Message)
}
