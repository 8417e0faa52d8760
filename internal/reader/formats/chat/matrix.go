package chat

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"golang.org/x/net/html"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
)

// Matrix reads the events of Matrix (spec.matrix.org, client-server API) from any file: a
// client's export of a room, lists of events, the answers to /messages, /context and /sync,
// one event per file or per line.
//
//   - Conversation: room_id, or the key of the room that a sync answer lists the
//     event under. From: sender. ServiceID: event_id.
//   - m.room.message and m.sticker are written by accounts. m.room.encrypted is
//     locked: KeyID is the session_id, or the sender_key if Olm has no session.
//   - An edit (m.replace) is a message of its own with the edited state, whose
//     Text is the new text and whose ReplyTo is the changed event. A
//     redacted event has the deleted state.
//   - m.reaction is a reaction, a poll's start a poll, m.call.invite a call,
//     m.room.member a membership, m.room.name a new name, m.room.topic a room. An
//     m.location has its place in addition to its words.
//   - Everything else is the service's: its type, then its facts. ReplyTo of redactions,
//     reactions, receipts and keyed events is the event that they refer to.
//   - content is unchanged in Extra if Text does not cover all of it.
//   - Events without a room that carry keys or ask for them (m.room_key …) are
//     problems: a key is not a message.
var Matrix = &reader.Format{
	Name:    "matrix",
	Version: 4,
	About:   "Matrix events: exports of rooms, lists of events, sync answers, single events",
	Checked: "matrix-nio's test data: 12 messages, 3 locked, 63 of the service, 4 refused",
	Ignored: map[string]string{
		"age": "repeats unsigned", "user_id": "repeats sender",
		"start": "of a page", "end": "of a page", "prev_batch": "of a page", "next_batch": "of a page", "limited": "of a page", "unread_notifications": "of a screen",
	},
	Kept: []string{
		"body", "content", "device_id", "device_lists.*", "device_one_time_keys_count.*", "end", "export_date", "exported_by", "external_url", "file",
		"format", "formatted_body", "geo_uri", "global", "info", "invite_room_state", "m.asset", "m.file", "m.html", "m.location", "m.mentions",
		"m.new_content", "m.relates_to", "m.text", "m.ts", "membership", "msgtype", "next_batch", "org.matrix.msc1767.*", "org.matrix.msc2516.*",
		"org.matrix.msc3245.*", "org.matrix.msc3488.*", "origin_server_ts", "prev_batch", "prev_content", "replaces_state", "room_avatar", "room_creator",
		"room_name", "sender_device", "sender_key", "start", "topic", "unsigned", "url",
	},
	Detect: detectMatrix,
	Read:   readMatrix,
}

// detectMatrix looks for an event.
func detectMatrix(s reader.Sample) int {
	sure := jsondoc.SureOfRecord(s, "{", 90, func(b []byte) bool { return isMatrixEvent(b, true) })
	if sure == 0 {
		sure = jsondoc.SureOfRecord(s, "{", 60, func(b []byte) bool { return isMatrixEvent(b, false) })
	}
	return sure
}

// isMatrixEvent reports whether an object has the content of an event and a Matrix type, or
// its content and a sender or an id. sure means that a type without a sender or an id is not
// enough.
func isMatrixEvent(b []byte, sure bool) bool {
	m := jsondoc.Scanner[[]byte]{Text: b[:min(len(b), build.ExtraLimit)]}
	found := 0
	for n := 0; n < 32 && m.Next(); n++ {
		switch string(m.Key) {
		case `"type"`:
			if strings.HasPrefix(string(m.Value), `"m.`) {
				found |= 1
			}
		case `"content"`:
			if m.Value[0] == '{' {
				found |= 2
			}
		case `"sender"`, `"event_id"`:
			found |= 4
		}
	}
	return found == 7 || found == 3 && !sure || found == 6
}

// beginsMatrix looks for two of the keys of events, or for content so long that the rest is
// out of view.
func beginsMatrix(b []byte) bool {
	long := jsondoc.HasMember(b, func(key, value []byte) bool { return string(key) == `"content"` && value == nil })
	return long || jsondoc.HasKeys(b, "event_id", "origin_server_ts") || jsondoc.HasKeys(b, "content", "type") || jsondoc.HasKeys(b, "content", "sender") || jsondoc.HasKeys(b, "content", "event_id")
}

// readMatrix reads the events of a file.
func readMatrix(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	lists := func(key string) bool {
		switch key {
		case "", "chunk", "events", "messages", "timeline", "state", "events_before", "events_after":
			return true
		}
		return false
	}
	title := ""
	d := jsondoc.New(in, jsondoc.Shape{Lists: lists, Begins: beginsMatrix, Many: true, Take: func(name, text string) bool {
		if name == "room_name" {
			title = argus.CleanName(text)
		}
		switch name[strings.LastIndexByte(name, '.')+1:] {
		case "start", "end", "prev_batch", "next_batch", "limited", "highlight_count", "notification_count": // ignored
			return true
		}
		return title != "" && name == "room_name"
	}})
	return d.Items(ctx, func(raw string) (*argus.Message, error) { return matrixMessage(d, in.Options, title, raw) })
}

// matrixEvent becomes a message member by member.
type matrixEvent struct {
	kind, content, stateKey, redacts string
	redacted                         bool
}

func matrixMessage(d *jsondoc.Document, options reader.Options, title, raw string) (*argus.Message, error) {
	var e matrixEvent
	m, err := d.Begin(cmp.Or(options.Service, "matrix"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "type":
			e.kind, err = jsondoc.String(raw)
		case "content":
			e.content = raw
		case "sender":
			m.From, err = jsondoc.TextMember(m, key, raw)
		case "event_id":
			m.ServiceID, err = jsondoc.TextMember(m, key, raw)
		case "room_id":
			m.Conversation, err = jsondoc.TextMember(m, key, raw)
		case "origin_server_ts":
			m.Sent, err = jsondoc.MillisMember(raw)
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "state_key":
			e.stateKey, err = jsondoc.TextMember(m, key, raw)
		case "redacts":
			e.redacts, err = jsondoc.TextMember(m, key, raw)
		case "unsigned":
			e.redacted = strings.Contains(raw, `"redacted_because"`)
			jsondoc.KeepMember(m, key, raw)
		case "age", "user_id": // repeat unsigned and sender
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.Conversation == "" {
		m.Conversation = d.Under(func(key string) bool { return strings.HasPrefix(key, "!") })
	}
	m.Title = title
	switch {
	case e.kind == "" || e.content == "":
		return nil, fmt.Errorf("want an event with type and content, found one without")
	case m.Conversation == "" && m.ServiceID == "" && e.carriesKey():
		return nil, fmt.Errorf("want a message, found an event that carries keys between devices (%.40q)", e.kind)
	case e.kind == "m.room.encrypted":
		return m, e.encrypted(m)
	case e.kind == "m.room.message" || e.kind == "m.sticker":
		err = e.message(m)
	default:
		err = e.other(m)
	}
	if err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	if e.redacted {
		m.State |= argus.StateDeleted
	}
	if m.State&argus.StateEdited != 0 {
		m.Edited = m.Sent // the event is the edit
	}
	return m, build.Valid(m)
}

// carriesKey reports whether an event carries keys or asks for them.
func (e *matrixEvent) carriesKey() bool {
	return strings.Contains(e.kind, "room_key") || strings.Contains(e.kind, "secret") || strings.Contains(e.content, `"session_key"`)
}

// encrypted makes a locked message. The ciphertext is kept unchanged: base64, or for Olm an
// object with one for each device.
func (e *matrixEvent) encrypted(m *argus.Message) error {
	locked := new(argus.Locked)
	sender := ""
	err := jsondoc.Members(e.content, func(key, raw string) (err error) {
		switch key {
		case "algorithm":
			locked.Algorithm, err = jsondoc.String(raw)
		case "session_id":
			locked.KeyID, err = jsondoc.String(raw)
		case "sender_key":
			sender, err = jsondoc.String(raw)
			jsondoc.KeepMember(m, key, raw)
		case "ciphertext":
			locked.Payload = []byte(raw)
			if raw[0] == '"' {
				var text string
				text, err = jsondoc.String(raw)
				locked.Payload = []byte(text)
			}
		case "m.relates_to":
			err = e.relation(m, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("content: %w", err)
	}
	if e.redacted || len(locked.Payload) == 0 {
		m.State |= argus.StateDeleted
		return m.Valid()
	}
	locked.KeyID = cmp.Or(locked.KeyID, sender)
	m.Locked = locked
	m.State |= argus.StateLocked
	return m.Valid()
}

// message makes a message that an account wrote.
func (e *matrixEvent) message(m *argus.Message) error {
	var file argus.Attachment
	kind, size, named, replaced := "", int64(0), "", ""
	attached := e.kind == "m.sticker"
	empty := true
	var place argus.Location
	err := jsondoc.Members(e.content, func(key, raw string) (err error) {
		empty = false
		switch key {
		case "body":
			m.Text, err = jsondoc.TextOf(m, key, raw)
		case "msgtype":
			kind, err = jsondoc.String(raw)
		case "filename":
			named, err = jsondoc.TextMember(m, key, raw)
		case "geo_uri":
			place, err = matrixPlace(m, raw)
			jsondoc.KeepMember(m, key, raw)
		case "url", "file":
			attached = true
			jsondoc.KeepMember(m, key, raw)
		case "info":
			jsondoc.KeepMember(m, key, raw)
			err = jsondoc.Members(raw, func(key, raw string) (err error) {
				switch key {
				case "mimetype":
					file.Type, err = jsondoc.String(raw)
				case "size":
					size, err = jsondoc.SizeMember(raw)
				}
				return err
			})
		case "m.relates_to":
			err = e.relation(m, raw)
		case "m.new_content":
			jsondoc.AddExtra(m, key, raw)
			err = jsondoc.Members(raw, func(key, raw string) (err error) {
				if key == "body" {
					replaced, err = jsondoc.TextOf(m, key, raw)
				}
				return err
			})
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return err
	}
	if empty { // left by a redaction
		m.State |= argus.StateDeleted
	}
	if m.State&argus.StateEdited != 0 && replaced != "" {
		build.Keep(m, "body", m.Text)
		m.Text = replaced
	}
	if kind != "" && kind != "m.text" {
		build.Keep(m, "msgtype", kind)
	}
	if strings.Contains(e.content, "href=") && !attached {
		formatted := jsondoc.InsideText(e.content, "formatted_body")
		if replaced != "" {
			formatted = jsondoc.InsideText(e.content, "m.new_content", "formatted_body")
		}
		if tree, err := html.Parse(strings.NewReader(formatted)); err == nil {
			var links []string
			shownText(tree, &links)
			build.AlsoSaid(m, links...) // the targets of links whose words show something else
		}
	}
	if attached {
		// The body of a file without a filename member is its name, not a text.
		file.Name, file.Size = cmp.Or(named, m.Text, "file"), size
		if named == "" {
			m.Text = ""
		}
		m.Attachments = []argus.Attachment{file}
	}
	build.SentPlace(m, place)
	return nil
}

// matrixPlace reads a geo URI (RFC 5870).
func matrixPlace(m *argus.Message, raw string) (l argus.Location, err error) {
	uri, err := jsondoc.TextMember(m, "geo_uri", raw)
	at, parameters, _ := strings.Cut(strings.TrimPrefix(uri, "geo:"), ";")
	if place := strings.Split(at, ","); len(place) >= 2 {
		l.Latitude, l.Longitude = place[0], place[1]
	}
	for parameter := range strings.SplitSeq(parameters, ";") {
		if radius, ok := strings.CutPrefix(parameter, "u="); ok {
			l.Accuracy = radius
		}
	}
	return l, err
}

// relation takes m.relates_to.
func (e *matrixEvent) relation(m *argus.Message, raw string) error {
	kind, target, answered, key := "", "", "", ""
	jsondoc.AddExtra(m, "m.relates_to", raw)
	err := jsondoc.Members(raw, func(name, raw string) (err error) {
		switch name {
		case "rel_type":
			kind, err = jsondoc.String(raw)
		case "event_id":
			target, err = jsondoc.String(raw)
		case "key":
			key, err = jsondoc.TextMember(m, name, raw)
		case "m.in_reply_to":
			err = jsondoc.Members(raw, func(name, raw string) (err error) {
				if name == "event_id" {
					answered, err = jsondoc.String(raw)
				}
				return err
			})
		}
		return err
	})
	if kind == "m.replace" {
		m.State |= argus.StateEdited
		answered = ""
	}
	m.ReplyTo = cmp.Or(answered, target)
	if e.kind == "m.reaction" {
		build.Reacted(m, argus.Reaction{To: target, Sign: key}, e.kind, key)
	}
	return err
}

// other makes an event of the service.
func (e *matrixEvent) other(m *argus.Message) error {
	var told []string
	if e.stateKey != "" && e.stateKey != m.From {
		told = append(told, e.stateKey)
	}
	if e.redacts != "" {
		m.ReplyTo = e.redacts
		told = append(told, e.redacts)
	}
	err := jsondoc.Members(e.content, func(key, raw string) (err error) {
		switch {
		case key == "m.relates_to":
			return e.relation(m, raw)
		case key == "redacts" && e.kind == "m.room.redaction":
			m.ReplyTo, err = jsondoc.String(raw)
		case e.kind == "m.reaction":
			jsondoc.KeepMember(m, key, raw)
			return nil
		}
		value := jsondoc.Compact(raw)
		if len(value) > jsondoc.FactSize {
			jsondoc.AddExtra(m, key, raw)
			value = strings.ToValidUTF8(value[:jsondoc.FactSize], "") + "…"
		}
		told = append(told, key+": "+value)
		return err
	})
	if m.Text == "" {
		e.happened(m, strings.Join(told, "; "))
	}
	return err
}

// happened sets the type and the facts of an event of the service.
func (e *matrixEvent) happened(m *argus.Message, told string) {
	switch e.kind {
	case "m.room.member":
		e.member(m, told)
	case "m.room.create":
		build.Joined(m, "create", nil, e.kind, told)
	case "m.room.name":
		build.Renamed(m, jsondoc.InsideText(e.content, "name"), e.kind, told)
	case "m.room.topic":
		build.SetTopic(m, jsondoc.InsideText(e.content, "topic"), e.kind, told)
	case "m.call.invite":
		sdp := jsondoc.InsideText(e.content, "offer", "sdp")
		build.Called(m, argus.Call{Video: strings.Contains(sdp, "m=video")}, e.kind, told)
	case "m.poll.start", "org.matrix.msc3381.poll.start":
		e.poll(m, told)
	default:
		build.Notice(m, e.kind, told)
	}
}

// member describes a membership change, whose object is the state key. A change of name or
// picture is a change from a membership to the same membership.
func (e *matrixEvent) member(m *argus.Message, told string) {
	action := jsondoc.InsideText(e.content, "membership")
	var whom []string
	if e.stateKey != "" && e.stateKey != m.From {
		if whom = []string{e.stateKey}; action == "leave" {
			action = "remove"
		}
	}
	if action == "" {
		build.Notice(m, e.kind, told)
		return
	}
	build.Joined(m, action, whom, e.kind, told)
}

// poll reads a question and its answers, in the words of the specification or of the earlier
// proposal that clients used.
func (e *matrixEvent) poll(m *argus.Message, told string) {
	poll := cmp.Or(jsondoc.Inside(e.content, "m.poll"), jsondoc.Inside(e.content, "org.matrix.msc3381.poll.start"))
	words := func(raw string) string {
		if text := cmp.Or(jsondoc.InsideText(raw, "m.text"), jsondoc.InsideText(raw, "org.matrix.msc1767.text"), jsondoc.InsideText(raw, "body")); text != "" {
			return text
		}
		for one := range jsondoc.Listed(jsondoc.Inside(raw, "m.text")) {
			return jsondoc.InsideText(one, "body")
		}
		return ""
	}
	var options []string
	for answer := range jsondoc.Listed(jsondoc.Inside(poll, "answers")) {
		options = append(options, words(answer))
	}
	question := words(jsondoc.Inside(poll, "question"))
	if question == "" && options == nil {
		build.Notice(m, e.kind, told)
		return
	}
	jsondoc.AddExtra(m, "content", e.content)
	build.Polled(m, question, options)
}
