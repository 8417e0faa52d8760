// Package jsondoc finds the records in JSON of any size, even in broken files.
//
// A [Document] walks one value or several, finds the objects that are messages, and
// keeps their surroundings as facts. A broken piece is a problem with its place, and
// reading continues with the next record. One record is held at a time.
package jsondoc

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Document walks JSON of any size, one value or several in a row, and finds the records
// in it: the objects that are messages. The values around them are facts, and a fact applies
// to each record in its container, even if the fact is in an object of its own: guild.name
// applies to the messages beside guild.
type Document struct {
	*Objects
	shape Shape
	// Open are the containers around the current place, outermost first.
	Open []container
	// Facts are the facts known at this place, under the keys that lead there.
	Facts []argus.Field
	// damaged: a container may have ended unseen; ended: the end was reported; listed: a list
	// for records was found, though it may be empty.
	damaged, ended, listed bool
	keys                   Keys
	late                   Late
	path                   []string
	messages               build.Messages
}

// Shape describes where a format has its records in documents.
type Shape struct {
	// Lists reports whether the list under a key holds only records; the key is "" for a list
	// that is the whole document.
	Lists func(key string) bool
	// Begins reports whether the bytes begin a record, in any place. It must return
	// false for an object inside a record.
	Begins func([]byte) bool
	// Take takes a fact that has a place in the format, and reports whether it did. Default:
	// no fact is taken.
	Take func(name, text string) bool
	// At, if set, reports whether an object at the current place is a record: then no others
	// are, and Begins is asked only after damage. Default: Lists and Begins decide.
	At func(d *Document) bool
	// Many means that a document may hold several conversations, so that earlier facts
	// may not apply after a broken place.
	Many bool
}

// Path returns the way to the value at the current place, from the top of the document: the
// key of each member, and "" for each element of a list. After damage, unknown keys are ""
// too.
func (d *Document) Path() []string {
	path := d.path[:0]
	for i, c := range d.Open {
		if i > 0 {
			path = append(path, c.Key)
		}
	}
	if n := len(d.Open); n > 0 {
		last := ""
		if !d.Open[n-1].List {
			last = d.Open[n-1].last
		}
		path = append(path, last)
	}
	d.path = path
	return path
}

// container is an object or a list around the current place.
type container struct {
	// Key leads to it in the object around it; a list's elements have none.
	Key  string
	List bool
	// last is the last key in it; valued is set until the value of that key has been read.
	last   string
	valued bool
	// facts is how many facts were known before the container, before how many were known
	// before its last record; records is set if it contains records.
	facts, before int
	records       bool
	commas        Commas
}

// aroundDepth is how deep the values around records may be nested, FactLimit how many facts
// are kept, and FactSize how many bytes of each.
const (
	aroundDepth = 24
	FactLimit   = 64
	FactSize    = 512
)

// New returns a document at the beginning of a file.
func New(in reader.Input, s Shape) *Document {
	if s.Take == nil {
		s.Take = func(string, string) bool { return false }
	}
	return &Document{Objects: NewObjects(in.Reader(), in.RecordLimit(), s.Begins), shape: s}
}

// Items yields one item for each record and one for each broken stretch; Record counts
// both. Without parse, records are skipped.
func (d *Document) Items(ctx context.Context, parse func(raw string) (*argus.Message, error)) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		for record := uint64(1); ; {
			item, err := d.next(ctx, parse)
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			last := item.Message == nil && item.Problem == ""
			if last && item.Where.Length > 0 {
				continue
			}
			if last && parse != nil {
				item = d.late.Item(d.At)
				last = item.Problem == ""
			}
			if last {
				return
			}
			item.Where.Record = record
			record++
			if !yield(item, nil) {
				return
			}
		}
	}
}

// StatedItems yields the items, and after them the number of records that the document
// claims to have, if a fact states it.
func (d *Document) StatedItems(ctx context.Context, parse func(raw string) (*argus.Message, error), what string, count *string) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		last, remarks := argus.Where{}, uint64(0)
		for item, err := range d.Items(ctx, parse) {
			if last = item.Where; last.Length == 0 {
				remarks++
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		if n, err := strconv.ParseUint(*count, 10, 64); err == nil {
			yield(reader.Item{Stated: &argus.Stated{What: what, Count: n, Besides: remarks},
				Where: argus.Where{Record: last.Record + 1, Offset: last.Offset + last.Length}}, nil)
		}
	}
}

// next returns the next item, or none at the end of the file.
func (d *Document) next(ctx context.Context, parse func(string) (*argus.Message, error)) (reader.Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return reader.Item{}, err
		}
		found, err := d.Pass("")
		switch {
		case err != nil:
			return reader.Item{}, err
		case !found && !d.listed && d.At > 0 && !d.ended && len(d.Open) == 0:
			d.ended = true
			return reader.Item{Problem: "want records, found a document without any", Where: argus.Where{Offset: d.At}}, nil
		case !found && (d.ended || d.damaged || len(d.Open) == 0):
			return reader.Item{}, nil
		case !found:
			d.ended = true
			return reader.Item{Problem: "want the end of the document, found the end of the file", Where: argus.Where{Offset: d.At}}, nil
		}
		if d.Buf[0] == '{' {
			if err := d.See(textdoc.PeekSize); err != nil {
				return reader.Item{}, err
			}
			if d.inRecords() || (d.shape.At == nil || d.damaged) && d.shape.Begins(d.Buf) {
				return d.message(parse)
			}
		}
		if reason, err := d.step(); reason != "" || err != nil {
			return d.broken(reason, err)
		}
	}
}

// inRecords reports whether the place is in a list of records.
func (d *Document) inRecords() bool {
	if d.shape.At != nil {
		return d.shape.At(d)
	}
	n := len(d.Open)
	return n > 0 && d.Open[n-1].List && d.shape.Lists(d.Open[n-1].Key)
}

// message reads the record at the beginning of the view.
func (d *Document) message(parse func(string) (*argus.Message, error)) (reader.Item, error) {
	did := ""
	if n := len(d.Open); n > 0 && d.Open[n-1].List {
		did = d.Open[n-1].commas.Element()
	}
	end, broken, err := d.Value()
	if err != nil {
		return reader.Item{}, err
	}
	if broken != nil {
		item, ok, err := d.Mend(parse)
		if ok {
			d.recorded()
			KeepMended(item.Message, did)
		}
		if ok || err != nil {
			return item, err
		}
		return d.broken(broken.Error(), nil)
	}
	d.recorded()
	if parse == nil {
		d.Drop(end)
		return reader.Item{Where: argus.Where{Length: int64(end)}}, nil
	}
	item := d.Record(end, parse)
	KeepMended(item.Message, did)
	return item, nil
}

// recorded marks the containers around a record.
func (d *Document) recorded() {
	d.listed = true
	if n := len(d.Open); n > 0 {
		d.Open[n-1].valued, d.Open[n-1].records = false, true
	}
	for i := range d.Open {
		d.Open[i].before = len(d.Facts)
	}
}

// broken moves to the next record.
func (d *Document) broken(reason string, err error) (reader.Item, error) {
	if err != nil {
		return reader.Item{}, err
	}
	d.damaged, d.listed = true, true
	for i := range d.Open {
		d.Open[i].valued, d.Open[i].commas = false, Commas{}
		if d.shape.Many {
			d.Open[i].Key, d.Facts = "", nil
			d.Open[i].facts = 0
		}
	}
	return d.Resume(reason)
}

// step reads one token around the records. reason describes a token that is not allowed
// there.
func (d *Document) step() (reason string, err error) {
	top := new(container)
	if n := len(d.Open); n > 0 {
		top = &d.Open[n-1]
	}
	switch c := d.Buf[0]; c {
	case '{', '[':
		if len(d.Open) == aroundDepth {
			return fmt.Sprintf("want at most %d levels around records, found more", aroundDepth), nil
		}
		top.commas.Element() // missing or extra commas around the records are not reported
		inside := container{List: c == '[', facts: len(d.Facts)}
		if top.valued {
			inside.Key, top.valued = top.last, false
		}
		d.Open = append(d.Open, inside)
		d.listed = d.listed || d.inRecords()
	case '}', ']':
		if len(d.Open) == 0 && !d.damaged {
			return "want one end of the document, found a second", nil
		}
		d.close()
	case ':':
		top.valued = true
	case ',':
		top.valued = false
		top.commas.Comma()
	default:
		return d.scalar(top)
	}
	d.Drop(1)
	return "", nil
}

// close leaves a container. Facts from a container with records no longer apply.
func (d *Document) close() {
	n := len(d.Open) - 1
	if n < 0 {
		return
	}
	if d.Open[n].records {
		d.late.Add(d.Facts[min(d.Open[n].before, len(d.Facts)):]...)
		d.Facts = d.Facts[:d.Open[n].facts]
		for i := range d.Open {
			d.Open[i].before = min(d.Open[i].before, len(d.Facts))
		}
		if n > 0 {
			d.Open[n-1].records = true
		}
	}
	d.Open = d.Open[:n]
}

// scalar reads a text, number or word: a key, or a fact.
func (d *Document) scalar(top *container) (reason string, err error) {
	end, broken, err := d.Value()
	for err == nil && broken == nil && end == len(d.Buf) && !d.EOF && d.Buf[0] != '"' {
		if err = d.More(); err == nil { // a number may continue
			end, broken, err = d.Value()
		}
	}
	if err != nil {
		return "", err
	}
	if broken != nil {
		return broken.Error(), nil
	}
	if (top.List || top.valued) && d.inRecords() || len(d.Open) == 0 {
		return "want a record, found something else", nil
	}
	raw := d.Buf[:end]
	text := string(raw[:min(end, build.ExtraLimit)])
	if raw[0] == '"' && end <= build.ExtraLimit {
		text, _ = Unquote(string(raw))
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	d.Drop(end)
	if !top.List && !top.valued {
		top.last = strings.ToValidUTF8(text[:min(len(text), FactSize)], "")
		return "", nil
	}
	top.valued = false
	if text != "" && text != "null" && text != "false" {
		d.fact(text)
	}
	return "", nil
}

// fact keeps the value at this place.
func (d *Document) fact(text string) {
	var keys []string
	for _, c := range d.Open {
		if c.Key != "" {
			keys = append(keys, c.Key)
		}
	}
	if top := d.Open[len(d.Open)-1]; !top.List {
		keys = append(keys, top.last)
	}
	name := strings.Join(keys, ".")
	if d.shape.Take(name, text) {
		return
	}
	if len(text) > FactSize {
		text = strings.ToValidUTF8(text[:FactSize], "") + "…"
	}
	fact := argus.Field{Name: name, Value: text}
	if len(d.Facts) == FactLimit {
		d.late.Add(fact)
		return
	}
	d.Facts = append(d.Facts, fact)
}

// Begin makes a message from the facts that apply here and the members of an object, which
// set takes one by one. A member that is null is skipped.
func (d *Document) Begin(service, raw string, set func(m *argus.Message, key, raw string) error) (*argus.Message, error) {
	m := d.messages.Next()
	m.Service = service
	_, err := d.keys.Each(raw, 0, func(key, raw string) error {
		if raw == "null" {
			return nil
		}
		return set(m, key, raw)
	})
	m.Extra = append(m.Extra, d.Facts...)
	return m, err
}

// Under returns the last key on the way to the place for which is returns true.
func (d *Document) Under(is func(string) bool) string {
	for _, c := range slices.Backward(d.Open) {
		if is(c.Key) {
			return c.Key
		}
	}
	return ""
}

// SureOfRecord returns sure if a file begins like JSON and one of the objects after a
// certain word near its beginning is a record.
func SureOfRecord(s reader.Sample, word string, sure int, is func([]byte) bool) int {
	text := s.Text
	if i := Space(text, 0); i == len(text) || text[i] != '{' && text[i] != '[' {
		return 0
	}
	at := bytes.Index(text, []byte(word))
	if at < 0 {
		return 0
	}
	for range 1000 {
		n := bytes.IndexByte(text[at:], '{')
		if n < 0 {
			return 0
		}
		if at += n; is(text[at:]) {
			return sure
		}
		at++
	}
	return 0
}

// HasKeys reports whether all the given keys are among the first keys of an object.
func HasKeys(b []byte, keys ...string) bool {
	all, found := 1<<len(keys)-1, 0
	return HasMember(b, func(key, _ []byte) bool {
		if n := slices.Index(keys, string(key[1:len(key)-1])); n >= 0 {
			found |= 1 << n
		}
		return found == all
	})
}

// Members that several readers of records have in common.

// Members calls set for each member of a nested object that is not null.
func Members(raw string, set func(key, raw string) error) error {
	if raw[0] != '{' {
		return fmt.Errorf("want an object, found %s", Kind(raw))
	}
	var keys Keys
	_, err := keys.Each(raw, 0, func(key, raw string) error {
		if raw == "null" {
			return nil
		}
		return set(key, raw)
	})
	return err
}

// Elements calls one for each element of a list that is not null.
func Elements(raw string, one func(raw string) error) error {
	_, err := List(raw, func(raw string) (none struct{}, err error) {
		if raw == "null" {
			return none, nil
		}
		return none, one(raw)
	})
	return err
}

// KeepMember keeps a member for which Argus has no field, unless it is empty or false, which
// counts as no member.
func KeepMember(m *argus.Message, name, raw string) {
	switch raw {
	case "null", "false", `""`, "[]", "{}":
	default:
		AddExtra(m, name, raw)
	}
}

// EditedAt marks a message as edited at the time in a member. A value that makes no sense is
// marked as not understood.
func EditedAt(m *argus.Message, name, raw string, at argus.Time) {
	build.Edited(m, at)
	if !at.Known() {
		build.NotUnderstood(m, name, Compact(raw))
		return
	}
	AddExtra(m, name, raw)
}

// Further returns a time other than the time of sending. One that makes no sense is marked,
// and the message is kept.
func Further(m *argus.Message, name, raw string, t argus.Time, err error) argus.Time {
	if err != nil {
		build.NotUnderstood(m, name, Compact(raw))
		return argus.Time{}
	}
	return t
}

// ScalarOf returns a text, number or word as text. It marks any other value as not
// understood.
func ScalarOf(m *argus.Message, name, raw string) string {
	text := ScalarText(raw)
	if text == "" && (raw[0] == '{' || raw[0] == '[') {
		build.NotUnderstood(m, name, Compact(raw))
	}
	return text
}

// Compact returns a raw value in the form in which Extra holds it.
func Compact(raw string) string {
	var m argus.Message
	AddExtra(&m, "", raw)
	return m.Extra[0].Value
}

// TextOf is TextMember with \n line ends.
func TextOf(m *argus.Message, key, raw string) (string, error) {
	text, err := TextMember(m, key, raw)
	return textdoc.LineFeeds(text), err
}

// AtZero keeps a time of 0, which programs write when there is no time; MillisMember,
// unixMember and ISOMember treat it so.
func AtZero(m *argus.Message, key, raw string, t argus.Time) {
	if !t.Known() {
		AddExtra(m, key, raw)
	}
}

// MillisMember reads milliseconds since 1970, given as a number or as text.
func MillisMember(raw string) (argus.Time, error) {
	text, err := ScalarMember(raw)
	if err != nil {
		return argus.Time{}, err
	}
	if t, ok := dates.Millis(text); ok {
		return dates.UnlessZero(t), nil
	}
	return argus.Time{}, fmt.Errorf("want milliseconds since 1970, found another number or text")
}

// ISOMember reads a time in ISO 8601.
func ISOMember(raw string, o reader.Options) (argus.Time, error) {
	text, err := String(raw)
	if err != nil {
		return argus.Time{}, err
	}
	t, ok := dates.ISO(text, o)
	if !ok {
		return t, fmt.Errorf("want a time like 2021-02-14T12:03:11Z, found other text")
	}
	return dates.UnlessZero(t), nil
}

// SizeMember reads a number of bytes.
func SizeMember(raw string) (int64, error) {
	n, err := Uint(raw, 63)
	return int64(n), err
}

// SiblingRecords yields the objects in a file beside the current one, or none if there is no
// such file.
func SiblingRecords(ctx context.Context, in reader.Input, name, id string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if in.Sibling == nil {
			return
		}
		file, size, ok := in.Sibling(path.Join(path.Dir(in.Name), name))
		if !ok {
			return
		}
		d := New(reader.Input{Size: size, File: file, Options: in.Options},
			Shape{Lists: func(string) bool { return true }, Begins: func(b []byte) bool { return HasKeys(b, id) }})
		record := ""
		for item, err := range d.Items(ctx, func(raw string) (*argus.Message, error) { record = raw; return &argus.Message{}, nil }) {
			if err != nil || item.Message != nil && !yield(record) {
				return
			}
		}
	}
}
