package transcript

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Jabber is described in docs/format/jabber.md.
var Jabber = &reader.Format{
	Name:    "jabber",
	Version: 4,
	About:   "Jabber (XMPP) logs as JSON objects {ts, from, to, body}, one after another",
	Checked: "invented examples only, broken as public dumps are",
	Kept: []string{
		"from", "lang", "nick", "resource", "room", "stanza_id", "subject", "thread", "to", "type",
	},
	Detect: detectJabber,
	Read:   readJabber,
}

// detectJabber looks for an object that has ts, from and body, possibly after mending.
func detectJabber(s reader.Sample) int {
	text := s.Text
	for range 2000 { // of the places that look like an object: texts may contain source code
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			return 0
		}
		text = text[start:]
		if !beginsJabber(text) {
			text = text[1:]
			continue
		}
		found := 0
		m := jsondoc.Scanner[[]byte]{Text: text}
		for m.Next() {
			switch {
			case isKey(m.Key, "ts"), isKey(m.Key, "from"), isKey(m.Key, "body"):
				found++
			case string(m.Key) == `"service"`:
				return 0
			}
		}
		if found == 3 && m.Err == nil {
			return 85
		}
		if _, ok := mendJabber(string(text[:jabberPiece(text)])); ok {
			return 85
		}
		text = text[1:]
	}
	return 0
}

// isKey compares a quoted key, ignoring case.
func isKey(key []byte, name string) bool {
	return len(key) == len(name)+2 && strings.EqualFold(string(key[1:len(key)-1]), name)
}

// beginsJabber looks for one of the keys that every record has.
func beginsJabber(b []byte) bool {
	return jsondoc.HasMember(b, func(key, _ []byte) bool {
		return isKey(key, "ts") || isKey(key, "from") || isKey(key, "body")
	})
}

// jabberPiece returns the end of the record at the start of b: the start of the next record,
// or the end of b.
func jabberPiece(b []byte) int {
	for at := 1; at < len(b); at++ {
		next := bytes.IndexByte(b[at:], '{')
		if next < 0 {
			break
		}
		if at += next; beginsJabber(b[at:]) {
			return at
		}
	}
	return len(b)
}

// mendJabber makes JSON from a broken record that has only one possible reading: the four
// keys in their order, with a comma missing or line breaks in the body. Quotes in the body
// would allow several readings.
func mendJabber(raw string) (mended string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimRight(raw, " \t\r\n,]"), "{")
	if !ok {
		return "", false
	}
	rest = strings.TrimRight(strings.TrimSuffix(rest, "}"), " \t\r\n,")
	space := func() { rest = strings.TrimLeft(rest, " \t\r\n") }
	var out strings.Builder
	for i, key := range [...]string{"ts", "from", "to", "body"} {
		if space(); i > 0 {
			rest = strings.TrimPrefix(rest, ",")
			space()
		}
		if len(rest) < len(key)+2 || !isKey([]byte(rest[:len(key)+2]), key) {
			return "", false
		}
		rest = rest[len(key)+2:]
		space()
		if rest, ok = strings.CutPrefix(rest, ":"); !ok {
			return "", false
		}
		space()
		if rest, ok = strings.CutPrefix(rest, `"`); !ok {
			return "", false
		}
		var value string
		if key == "body" {
			if value, ok = strings.CutSuffix(rest, `"`); !ok {
				return "", false
			}
		} else if value, rest, ok = strings.Cut(rest, `"`); !ok {
			return "", false
		}
		if value, ok = escapeControls(value); !ok {
			return "", false
		}
		out.WriteString(`{,,,`[i:i+1] + `"` + key + `":"` + value + `"`)
	}
	return out.String() + "}", true
}

// escapeControls escapes control characters for JSON. ok is false if a quotation mark in the
// text is not escaped.
func escapeControls(s string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return "", false
		case c == '\\' && i+1 < len(s):
			out.WriteString(s[i : i+2])
			i++
		case c == '\\':
			return "", false
		case c < ' ':
			fmt.Fprintf(&out, `\u%04x`, c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String(), true
}

// readJabber yields one item for each object and one for each stretch that is not an object;
// Record counts both.
func readJabber(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		o := jsondoc.NewObjects(in.Reader(), in.RecordLimit(), beginsJabber)
		for record := uint64(1); ; record++ {
			item, err := nextJabber(ctx, o, in.Options)
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if item.Message == nil && item.Problem == "" {
				return
			}
			item.Where.Record = record
			if !yield(item, nil) {
				return
			}
		}
	}
}

// nextJabber returns the next item, or none at the end of the file.
func nextJabber(ctx context.Context, o *jsondoc.Objects, options reader.Options) (reader.Item, error) {
	if err := ctx.Err(); err != nil {
		return reader.Item{}, err
	}
	found, err := o.Pass("[],")
	if !found || err != nil {
		return reader.Item{}, err
	}
	if o.Buf[0] != '{' {
		return o.Resume("want a JSON object, found something else")
	}
	end, broken, err := o.Value()
	if err != nil {
		return reader.Item{}, err
	}
	if broken != nil {
		if item, ok, err := mendNext(o, broken.Error(), options); ok || err != nil {
			return item, err
		}
		return o.Resume(broken.Error())
	}
	return o.Record(end, func(raw string) (*argus.Message, error) { return parseJabber(raw, options) }), nil
}

// mendNext makes a message of the broken record in view, if it can be mended.
func mendNext(o *jsondoc.Objects, reason string, options reader.Options) (reader.Item, bool, error) {
	if err := o.See(jsondoc.MendSize); err != nil {
		return reader.Item{}, false, err
	}
	end := jabberPiece(o.Buf[:min(len(o.Buf), jsondoc.MendSize)])
	if end == jsondoc.MendSize { // its end is not in view
		return reader.Item{}, false, nil
	}
	mended, ok := mendJabber(string(o.Buf[:end]))
	if !ok || !utf8.ValidString(mended) {
		return reader.Item{}, false, nil
	}
	m, err := parseJabber(mended, options)
	if err != nil {
		return reader.Item{}, false, nil //nolint:nilerr // it remains a problem, with the first reason
	}
	m.Extra = append(m.Extra, argus.Assumed("record", "mended, since its keys allow only one reading: "+reason))
	item := reader.Item{Message: m, Where: argus.Where{Offset: o.At, Length: int64(end)}}
	o.Drop(end)
	return item, true, nil
}

// parseJabber makes a message of one object.
func parseJabber(raw string, options reader.Options) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(options.Service, "xmpp")}
	var from, to string
	found := 0
	var keys jsondoc.Keys
	_, err := keys.Each(raw, 0, func(key, raw string) (err error) {
		name := key
		if lower := strings.ToLower(key); lower == "ts" || lower == "from" || lower == "to" || lower == "body" {
			if name = lower; name != key {
				m.Extra = append(m.Extra, argus.Assumed("key", key+", taken for "+name))
			}
		}
		switch name {
		case "ts":
			found++
			m.Sent, err = jabberTime(raw, options)
		case "from":
			found++
			from, err = jsondoc.TextMember(m, key, raw)
		case "to":
			to, err = jsondoc.TextMember(m, key, raw)
		case "body":
			found++
			m.Text, err = jsondoc.TextMember(m, key, raw)
			m.Text = textdoc.LineFeeds(m.Text)
		case "id":
			m.ServiceID, err = jsondoc.TextMember(m, key, raw)
		default:
			jsondoc.AddExtra(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if found != 3 {
		return nil, errors.New("want an object with ts, from and body, found one without")
	}
	setParties(m, from, to, false)
	return m, m.Valid()
}

func jabberTime(raw string, options reader.Options) (argus.Time, error) {
	text, err := jsondoc.String(raw)
	if err != nil {
		return argus.Time{}, err
	}
	t, ok := dates.ISO(text, options)
	if !ok {
		return t, errors.New("want a time like 2021-02-14T12:03:11.123456, found other text")
	}
	return t, nil
}

// setParties sets the accounts and the conversation from two Jabber ids
// (local@domain/resource, RFC 7622). In a room the resource is the speaker, and each member
// gets a copy. A message to one member, or one whose type is private, is between the two and
// not in the room (XEP-0045, 7.5).
func setParties(m *argus.Message, from, to string, private bool) {
	sender, resource := bareJID(from)
	receiver, whom := bareJID(to)
	private = (private && isRoom(sender) || isRoom(receiver) && whom != "") && (resource != "" || !isRoom(sender)) && receiver != ""
	switch {
	case isRoom(sender) && !private:
		m.Conversation = sender
		m.FromName = resource
		if resource != "" {
			m.From = sender + "/" + resource
		} else {
			m.State |= argus.StateSystem // the room itself speaks
		}
		if receiver != "" && receiver != sender {
			m.To = []string{receiver}
		}
	case isRoom(receiver) && !private:
		m.Conversation, m.From = receiver, sender
	default:
		m.From = sender
		if isRoom(sender) {
			m.From, m.FromName = sender+"/"+resource, resource
		}
		if receiver != "" {
			one := receiver
			if isRoom(receiver) {
				one += "/" + whom
			}
			m.To = []string{one}
			m.Conversation = argus.DirectConversation(m.From, one)
		}
	}
	if from != m.From {
		m.Extra = append(m.Extra, argus.Field{Name: "from", Value: from})
	}
	if to != receiver {
		m.Extra = append(m.Extra, argus.Field{Name: "to", Value: to})
	}
}

// bareJID returns an id without its resource, in lower case as servers compare it, and the
// resource unchanged.
func bareJID(jid string) (bare, resource string) {
	bare, resource, _ = strings.Cut(argus.CleanName(jid), "/")
	return strings.ToLower(bare), resource
}

// roomDomains are the first labels of domains that servers use for rooms by default (XEP-0045
// names none).
var roomDomains = map[string]bool{
	"conference": true, "muc": true, "conf": true, "rooms": true, "room": true, "groupchat": true, "chatrooms": true,
}

func isRoom(bare string) bool {
	_, domain, _ := strings.Cut(bare, "@")
	label, _, _ := strings.Cut(domain, ".")
	return roomDomains[label]
}
