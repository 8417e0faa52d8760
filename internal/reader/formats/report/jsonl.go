package report

import (
	"bytes"
	"context"
	"encoding"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// JSONL is described key by key in docs/format/jsonl.md.
var JSONL = &reader.Format{
	Name:    "jsonl",
	Version: 4,
	About:   "Argus JSON lines, one message per line, as docs/format/jsonl.md describes them",
	Checked: "lines that Argus wrote itself: every message comes back equal, except for the keys of ids that need one (property test)",
	Detect:  detectJSONL,
	Read:    readJSONL,
}

// detectJSONL looks among the first lines for one with the members that every message has: the
// service, and a sender, a state or a type. The line may be cut off at the end of the sample.
func detectJSONL(s reader.Sample) int {
	n := 0
	for line := range bytes.Lines(s.Text) {
		start := jsondoc.Space(line, 0)
		if start == len(line) {
			continue
		}
		if n++; n > 20 {
			return 0
		}
		if line[start] != '{' {
			continue
		}
		service, actor := false, false
		// Without its line feed, so that a truncated line ends there.
		m := jsondoc.Scanner[string]{Text: string(bytes.TrimRight(line, "\r\n")), At: start}
		for m.Next() {
			service = service || m.Key == `"service"`
			actor = actor || m.Key == `"from"` || m.Key == `"state"` || m.Key == `"type"`
		}
		if service && actor && (m.Err == nil || m.Err.Ends) {
			return 90
		}
	}
	return 0
}

// readJSONL yields one item for each line that is not blank. Record is the number of the line,
// including blank ones.
func readJSONL(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
		var parser lineParser
		export := sync.OnceValue(func() string { return keyOfLines(ctx, in) })
		for lines.Next() {
			var item reader.Item
			if lines.Problem != "" {
				item = reader.ProblemOf(&lines.Line, lines.Problem)
			} else if jsondoc.Space(lines.Text, 0) == len(lines.Text) {
				continue
			} else if m, err := parser.parse(&lines.Line); err != nil {
				item = reader.ProblemOf(&lines.Line, err.Error())
			} else {
				build.Keyed(m, parser.within, export)
				item = reader.Item{Message: m, Where: lines.Where()}
			}
			if !yield(item, nil) {
				return
			}
		}
		if lines.Err != nil {
			yield(reader.Item{}, lines.Err)
		}
	}
}

// keyOfLines computes the key of a file whose lines do not state the scope of their ids.
func keyOfLines(ctx context.Context, in reader.Input) string {
	lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
	var parser lineParser
	var facts build.Export
	for lines.Next() {
		if lines.Problem != "" || jsondoc.Space(lines.Text, 0) == len(lines.Text) {
			continue
		}
		if m, err := parser.parse(&lines.Line); err == nil {
			facts.Add(m)
		}
	}
	return facts.Key() // the reading itself will meet the same error
}

// lineParser makes messages of lines.
type lineParser struct {
	*argus.Message
	// within is the id of the server or export in which the line's ids are unique.
	within string
	keys   jsondoc.Keys
}

// parse makes a message of a line that is not blank. The message's strings
// share one copy of the line.
func (p *lineParser) parse(l *textdoc.Line) (*argus.Message, error) {
	if l.Charset == textdoc.Windows1252 {
		return nil, errors.New("want UTF-8, found bytes that are not")
	}
	text := string(l.Text)
	start := jsondoc.Space(text, 0)
	if text[start] != '{' {
		return nil, errors.New("want a JSON object, found something else")
	}
	p.Message, p.within = new(argus.Message), ""
	end, err := p.keys.Each(text, start, p.set)
	if err != nil {
		return nil, err
	}
	if end = jsondoc.Space(text, end); end < len(text) {
		return nil, fmt.Errorf("want one object per line, found more after it at byte %d", end)
	}
	if p.Locked != nil && p.Text == "" {
		p.State |= argus.StateLocked
	}
	return p.Message, p.Valid()
}

// set sets one member. null counts as no member.
func (p *lineParser) set(key, raw string) (err error) {
	if raw == "null" {
		return nil
	}
	switch key {
	case "service":
		p.Service, err = jsondoc.String(raw)
	case "conversation":
		p.Conversation, err = jsondoc.String(raw)
	case "title":
		p.Title, err = jsondoc.String(raw)
	case "from":
		p.From, err = jsondoc.String(raw)
	case "from_name":
		p.FromName, err = jsondoc.String(raw)
	case "to":
		p.To, err = jsondoc.List(raw, jsondoc.String)
	case "id":
		p.ServiceID, err = jsondoc.String(raw)
	case "seq":
		p.Sequence, err = jsondoc.Uint(raw, 64)
	case "sent":
		p.Sent, err = jsonTime(raw)
	case "received":
		p.Received, err = jsonTime(raw)
	case "read":
		p.Read, err = jsonTime(raw)
	case "text":
		p.Text, err = jsondoc.String(raw)
		p.Text = textdoc.LineFeeds(p.Text)
	case "lang":
		p.Lang, err = jsondoc.String(raw)
	case "state":
		var states []argus.State
		states, err = jsondoc.List(raw, jsonState)
		for _, s := range states {
			p.State |= s
		}
	case "reply_to":
		p.ReplyTo, err = jsondoc.String(raw)
	case "forwarded_from":
		p.ForwardedFrom, err = jsondoc.String(raw)
	case "attachments":
		p.Attachments, err = jsondoc.List(raw, jsonAttachment)
	case "locked":
		p.Locked, err = jsonLocked(raw)
	case "extra":
		var fields []argus.Field
		fields, err = jsondoc.List(raw, jsonField)
		p.Extra = append(p.Extra, fields...)
	case "type":
		p.Type, err = jsonType(raw)
	case "facts":
		p.Facts, err = jsonFacts(raw)
	case "edited":
		p.Edited, err = jsonTime(raw)
	case "account_reach":
		err = jsonKnown(raw, &p.AccountReach, "service, server, export or file")
	case "conversation_reach":
		err = jsonKnown(raw, &p.ConversationReach, "service, server, export or file")
	case "within":
		p.within, err = jsondoc.String(raw)
		p.Extra = append(p.Extra, argus.Field{Name: key, Value: raw})
	case "repeat":
		var n uint64
		n, err = jsondoc.Uint(raw, 32)
		p.Repeat = uint32(n)
	default:
		// Kept as JSON, so that a program gets back its own value.
		p.Extra = append(p.Extra, argus.Field{Name: key, Value: raw})
	}
	return err
}

// jsonObject reads a nested object with known keys only, each at most once.
func jsonObject(raw string, keys []string, set func(key, raw string) error) error {
	if raw[0] != '{' {
		return fmt.Errorf("want an object, found %s", jsondoc.Kind(raw))
	}
	var seen uint
	m := jsondoc.Scanner[string]{Text: raw}
	for m.Next() {
		n := slices.Index(keys, m.Key[1:len(m.Key)-1])
		if n < 0 {
			return fmt.Errorf("want only the keys %s, found another", strings.Join(keys, ", "))
		}
		if seen&(1<<n) != 0 {
			return fmt.Errorf("want %s once, found it twice", keys[n])
		}
		seen |= 1 << n
		if m.Value == "null" {
			continue
		}
		if err := set(keys[n], m.Value); err != nil {
			return fmt.Errorf("%s: %w", keys[n], err)
		}
	}
	return nil
}

func jsonState(raw string) (argus.State, error) {
	word, err := jsondoc.String(raw)
	if err != nil {
		return 0, err
	}
	state, ok := argus.ParseState(word)
	if !ok {
		return 0, fmt.Errorf("want one of %s, found another word", strings.Join(argus.StateWords[:], ", "))
	}
	return state, nil
}

func jsonType(raw string) (t argus.Type, err error) {
	return t, jsonKnown(raw, &t, "one of "+strings.Join(argus.TypeWords[:], ", "))
}

// jsonKnown reads a word from a fixed set.
func jsonKnown(raw string, to encoding.TextUnmarshaler, want string) error {
	word, err := jsondoc.String(raw)
	if err == nil && to.UnmarshalText([]byte(word)) != nil {
		err = fmt.Errorf("want %s, found another word", want)
	}
	return err
}

// jsonKey is a key of a nested object and the destination of its value.
type jsonKey struct {
	name string
	to   any
}

// oneOfWords is a text that must be one of a set of words.
type oneOfWords struct {
	to    *string
	words []string
}

// jsonInto reads a nested object that has only these keys.
func jsonInto(raw string, keys ...jsonKey) error {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return jsonObject(raw, names, func(key, raw string) (err error) {
		switch to := keys[slices.Index(names, key)].to.(type) {
		case *string:
			*to, err = jsondoc.String(raw)
		case oneOfWords:
			if *to.to, err = jsondoc.String(raw); err == nil && !slices.Contains(to.words, *to.to) {
				err = fmt.Errorf("want %s, found another word", strings.Join(to.words, " or "))
			}
		case *[]string:
			*to, err = jsondoc.List(raw, jsondoc.String)
		case *[]argus.Field:
			*to, err = jsondoc.List(raw, jsonField)
		case *uint64:
			*to, err = jsondoc.Uint(raw, 64)
		case *bool:
			if *to = raw == "true"; raw != "true" && raw != "false" {
				err = fmt.Errorf("want true or false, found %s", jsondoc.Kind(raw))
			}
		}
		return err
	})
}

var factKeys = []string{"call", "contact", "room", "membership", "reaction", "location", "device", "poll", "replies"}

// jsonFacts reads facts; an empty object counts as no member.
func jsonFacts(raw string) (*argus.Facts, error) {
	f := new(argus.Facts)
	err := jsonObject(raw, factKeys, func(key, raw string) (err error) {
		switch key {
		case "call":
			c := new(argus.Call)
			f.Call, err = c, jsonInto(raw, jsonKey{"direction", oneOfWords{&c.Direction, []string{"in", "out"}}}, jsonKey{"seconds", &c.Seconds},
				jsonKey{"answered", oneOfWords{&c.Answered, []string{"yes", "no"}}}, jsonKey{"video", &c.Video}, jsonKey{"participants", &c.Participants})
		case "contact":
			c := new(argus.Contact)
			f.Contact, err = c, jsonInto(raw, jsonKey{"names", &c.Names}, jsonKey{"accounts", &c.Accounts})
		case "room":
			r := new(argus.Room)
			f.Room, err = r, jsonInto(raw, jsonKey{"name", &r.Name}, jsonKey{"topic", &r.Topic}, jsonKey{"members", &r.Members})
		case "membership":
			m := new(argus.Membership)
			f.Membership, err = m, jsonInto(raw, jsonKey{"action", &m.Action}, jsonKey{"members", &m.Members}, jsonKey{"name", &m.Name})
		case "reaction":
			r := new(argus.Reaction)
			f.Reaction, err = r, jsonInto(raw, jsonKey{"to", &r.To}, jsonKey{"sign", &r.Sign}, jsonKey{"removed", &r.Removed})
		case "location":
			l := new(argus.Location)
			f.Location, err = l, jsonInto(raw, jsonKey{"latitude", &l.Latitude}, jsonKey{"longitude", &l.Longitude}, jsonKey{"accuracy", &l.Accuracy},
				jsonKey{"source", &l.Source}, jsonKey{"name", &l.Name})
		case "device":
			d := new(argus.Device)
			f.Device, err = d, jsonInto(raw, jsonKey{"name", &d.Name}, jsonKey{"model", &d.Model}, jsonKey{"identifiers", &d.Identifiers})
		case "poll":
			p := new(argus.Poll)
			f.Poll, err = p, jsonInto(raw, jsonKey{"question", &p.Question}, jsonKey{"options", &p.Options})
		default:
			f.Replies, err = jsondoc.Uint(raw, 64)
		}
		return err
	})
	if err != nil || *f == (argus.Facts{}) {
		return nil, err
	}
	return f, nil
}

var attachmentKeys = []string{"name", "sha256", "size", "type"}

func jsonAttachment(raw string) (a argus.Attachment, err error) {
	err = jsonObject(raw, attachmentKeys, func(key, raw string) (err error) {
		switch key {
		case "name":
			a.Name, err = jsondoc.String(raw)
		case "type":
			a.Type, err = jsondoc.String(raw)
		case "size":
			var n uint64
			n, err = jsondoc.Uint(raw, 63)
			a.Size = int64(n)
		case "sha256":
			var digits string
			if digits, err = jsondoc.String(raw); err == nil && a.Hash.UnmarshalText([]byte(digits)) != nil {
				err = errors.New("want 64 hexadecimal digits, found other text")
			}
		}
		return err
	})
	return a, err
}

var lockedKeys = []string{"key_id", "algorithm", "payload"}

func jsonLocked(raw string) (*argus.Locked, error) {
	l := new(argus.Locked)
	return l, jsonObject(raw, lockedKeys, func(key, raw string) error {
		text, err := jsondoc.String(raw)
		switch {
		case err != nil:
			return err
		case key == "key_id":
			l.KeyID = text
		case key == "algorithm":
			l.Algorithm = text
		default:
			if l.Payload, err = base64.StdEncoding.DecodeString(text); err != nil {
				return errors.New("want base64 with padding, found other text")
			}
		}
		return nil
	})
}

var fieldKeys = []string{"name", "value"}

func jsonField(raw string) (f argus.Field, err error) {
	err = jsonObject(raw, fieldKeys, func(key, raw string) (err error) {
		if key == "name" {
			f.Name, err = jsondoc.String(raw)
		} else {
			f.Value, err = jsondoc.String(raw)
		}
		return err
	})
	return f, err
}

const wantTime = "want a time like 2021-02-14T12:03:11Z"

var timeKeys = []string{"utc", "raw", "zone", "clock"}

// jsonTime reads a time as argus.Time.MarshalJSON writes it.
func jsonTime(raw string) (t argus.Time, err error) {
	switch raw[0] {
	case '"':
		return parseStated(raw)
	case '{':
	default:
		return t, fmt.Errorf("%s, found %s", wantTime, jsondoc.Kind(raw))
	}
	var stood string
	zone, clock := argus.ZoneStated, argus.ClockService
	err = jsonObject(raw, timeKeys, func(key, raw string) (err error) {
		switch key {
		case "utc":
			if raw == `"unknown"` {
				return nil
			}
			t, err = parseStated(raw)
		case "raw":
			stood, err = jsondoc.String(raw)
		case "zone":
			var word string
			if word, err = jsondoc.String(raw); err == nil {
				zone, err = parseZoneSource(word)
			}
		case "clock":
			clock, err = jsonClock(raw)
		}
		return err
	})
	t.Zone, t.Clock = zone, clock
	if stood != "" {
		t.Raw = stood
	}
	return t, err
}

func jsonClock(raw string) (argus.Clock, error) {
	word, err := jsondoc.String(raw)
	if err != nil {
		return 0, err
	}
	for c := argus.ClockService; c <= argus.ClockReceiver; c++ {
		if c.String() == word {
			return c, nil
		}
	}
	return 0, errors.New("want service, sender or receiver, found another word")
}

func parseZoneSource(word string) (argus.ZoneSource, error) {
	for z := argus.ZoneStated; z <= argus.ZoneAssumed; z++ {
		if z.String() == word {
			return z, nil
		}
	}
	return 0, errors.New("want stated, file, operator or assumed, found another word")
}

// parseStated reads a time in quotes. Most have one of the forms that dates.UTC reads ten
// times as fast.
func parseStated(raw string) (argus.Time, error) {
	if t, ok := dates.UTC(raw[1 : len(raw)-1]); ok {
		return t, nil
	}
	text, err := jsondoc.String(raw)
	if err != nil {
		return argus.Time{}, err
	}
	t, err := argus.ParseTime(text)
	if err != nil || strings.IndexByte(text, ',') >= 0 {
		return argus.Time{}, fmt.Errorf("%s, found other text", wantTime)
	}
	if _, fraction, _ := strings.Cut(text, "."); textdoc.DigitsEnd(fraction, 0) > 6 {
		t.Raw = text
	}
	return t, nil
}
