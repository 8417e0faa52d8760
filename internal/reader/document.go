package reader

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
)

// document walks JSON of any size, one value or several one behind the other,
// and finds the records in it: the objects that are messages. What stands
// around them are facts, and a fact holds for each record in the container
// that it stands in, also through objects between: guild.name for the messages
// beside guild.
type document struct {
	*objects
	shape shape
	// open are the containers that the place is in, outermost first.
	open []container
	// facts are what is known at this place, under the keys that lead there.
	facts []argus.Field
	// damaged says that a container may have ended unseen; ended that the end
	// was reported; listed that there was a list for records, if an empty one.
	damaged, ended, listed bool
	keys                   jsonKeys
	messages               messages
}

// shape is how one format lays records into documents.
type shape struct {
	// lists says whether the list under a key, "" for one that is the whole
	// document, holds records and nothing else.
	lists func(key string) bool
	// begins says whether the bytes begin a record, wherever they stand. It
	// must not say so of an object inside a record.
	begins func([]byte) bool
	// take takes a fact that the format has a place for and says whether it
	// did. Default: none.
	take func(name, text string) bool
	// many says that a document may hold several conversations, so that what
	// was known before something broke may not hold behind it.
	many bool
}

// container is an object or a list that the place is in.
type container struct {
	// key leads to it in the object around it; a list's elements have none.
	key  string
	list bool
	// last is the last key in it; valued says that its value has not come yet.
	last   string
	valued bool
	// facts is how many were known before it; records says that it has some.
	facts   int
	records bool
}

// aroundDepth is how deep what is around records may be nested, factLimit how
// many facts are kept, and factSize how much of one, in bytes.
const (
	aroundDepth = 24
	factLimit   = 64
	factSize    = 512
)

func newDocument(in Input, s shape) *document {
	if s.take == nil {
		s.take = func(string, string) bool { return false }
	}
	return &document{objects: newObjects(in.Reader(), in.maxRecord(), s.begins), shape: s}
}

// items yields one item for each record and one for each stretch that is
// broken; Record counts both. Without parse, records are passed over.
func (d *document) items(ctx context.Context, parse func(raw string) (*argus.Message, error)) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for record := uint64(1); ; {
			item, err := d.next(ctx, parse)
			if err != nil {
				yield(Item{}, err)
				return
			}
			if item.Message == nil && item.Problem == "" {
				if item.Where.Length > 0 {
					continue
				}
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

// statedItems yields the items, and behind them how many records the document
// says that it has, in a fact that was taken by then.
func (d *document) statedItems(ctx context.Context, parse func(raw string) (*argus.Message, error), what string, count *string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		last, remarks := argus.Where{}, uint64(0)
		for item, err := range d.items(ctx, parse) {
			if last = item.Where; last.Length == 0 {
				remarks++
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
		if n, err := strconv.ParseUint(*count, 10, 64); err == nil {
			yield(Item{Stated: &argus.Stated{What: what, Count: n, Besides: remarks},
				Where: argus.Where{Record: last.Record + 1, Offset: last.Offset + last.Length}}, nil)
		}
	}
}

// next returns the next item, or none at the end of the file.
func (d *document) next(ctx context.Context, parse func(string) (*argus.Message, error)) (Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Item{}, err
		}
		found, err := d.pass("")
		switch {
		case err != nil:
			return Item{}, err
		case !found && !d.listed && d.at > 0 && !d.ended && len(d.open) == 0:
			d.ended = true
			return Item{Problem: "want records, found a document without any", Where: argus.Where{Offset: d.at}}, nil
		case !found && (d.ended || d.damaged || len(d.open) == 0):
			return Item{}, nil
		case !found:
			d.ended = true
			return Item{Problem: "want the end of the document, found the end of the file", Where: argus.Where{Offset: d.at}}, nil
		}
		if d.buf[0] == '{' {
			if err := d.see(peekSize); err != nil {
				return Item{}, err
			}
			if d.inRecords() || d.shape.begins(d.buf) {
				return d.message(parse)
			}
		}
		if reason, err := d.step(); reason != "" || err != nil {
			return d.broken(reason, err)
		}
	}
}

// inRecords says whether the place is in a list of records.
func (d *document) inRecords() bool {
	n := len(d.open)
	return n > 0 && d.open[n-1].list && d.shape.lists(d.open[n-1].key)
}

// message reads the record that the view begins with.
func (d *document) message(parse func(string) (*argus.Message, error)) (Item, error) {
	end, broken, err := d.value()
	if err != nil {
		return Item{}, err
	}
	if broken != nil {
		item, ok, err := d.mend(parse)
		if ok {
			d.recorded()
		}
		if ok || err != nil {
			return item, err
		}
		return d.broken(broken.Error(), nil)
	}
	d.recorded()
	if parse == nil {
		d.drop(end)
		return Item{Where: argus.Where{Length: int64(end)}}, nil
	}
	return d.record(end, parse), nil
}

// recorded says that there is a record in the place.
func (d *document) recorded() {
	d.listed = true
	if n := len(d.open); n > 0 {
		d.open[n-1].valued, d.open[n-1].records = false, true
	}
}

// broken moves to the next record.
func (d *document) broken(reason string, err error) (Item, error) {
	if err != nil {
		return Item{}, err
	}
	d.damaged, d.listed = true, true
	for i := range d.open {
		d.open[i].valued = false
		if d.shape.many {
			d.open[i].key, d.facts = "", nil
			d.open[i].facts = 0
		}
	}
	return d.resume(reason)
}

// step reads one token of what is around the records. It says what is wrong
// with a token that cannot stand there.
func (d *document) step() (reason string, err error) {
	top := new(container)
	if n := len(d.open); n > 0 {
		top = &d.open[n-1]
	}
	switch c := d.buf[0]; c {
	case '{', '[':
		if len(d.open) == aroundDepth {
			return fmt.Sprintf("want at most %d levels around records, found more", aroundDepth), nil
		}
		inside := container{list: c == '[', facts: len(d.facts)}
		if top.valued {
			inside.key, top.valued = top.last, false
		}
		d.open = append(d.open, inside)
		d.listed = d.listed || d.inRecords()
	case '}', ']':
		if len(d.open) == 0 && !d.damaged {
			return "want a document that ends once, found a second end", nil
		}
		d.close()
	case ':':
		top.valued = true
	case ',':
		top.valued = false
	default:
		return d.scalar(top)
	}
	d.drop(1)
	return "", nil
}

// close leaves a container. What was known in one with records holds no more.
func (d *document) close() {
	n := len(d.open) - 1
	if n < 0 {
		return
	}
	if d.open[n].records {
		d.facts = d.facts[:d.open[n].facts]
		if n > 0 {
			d.open[n-1].records = true
		}
	}
	d.open = d.open[:n]
}

// scalar reads a text, number or word: a key, or a fact.
func (d *document) scalar(top *container) (reason string, err error) {
	end, broken, err := d.value()
	for err == nil && broken == nil && end == len(d.buf) && !d.eof && d.buf[0] != '"' {
		if err = d.more(); err == nil { // a number may go on
			end, broken, err = d.value()
		}
	}
	if err != nil {
		return "", err
	}
	if broken != nil {
		return broken.Error(), nil
	}
	if d.inRecords() || len(d.open) == 0 {
		return "want a record, found something else", nil
	}
	raw := d.buf[:end]
	text := string(raw[:min(end, extraLimit)])
	if raw[0] == '"' && end <= extraLimit {
		text, _ = unquoteJSON(string(raw))
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	d.drop(end)
	if !top.list && !top.valued {
		top.last = strings.ToValidUTF8(text[:min(len(text), factSize)], "")
		return "", nil
	}
	top.valued = false
	if text != "" && text != "null" && text != "false" {
		d.fact(text)
	}
	return "", nil
}

// fact keeps what stands at this place.
func (d *document) fact(text string) {
	var keys []string
	for _, c := range d.open {
		if c.key != "" {
			keys = append(keys, c.key)
		}
	}
	if top := d.open[len(d.open)-1]; !top.list {
		keys = append(keys, top.last)
	}
	name := strings.Join(keys, ".")
	if d.shape.take(name, text) || len(d.facts) == factLimit {
		return
	}
	if len(text) > factSize {
		text = strings.ToValidUTF8(text[:factSize], "") + "…"
	}
	d.facts = append(d.facts, argus.Field{Name: name, Value: text})
}

// begin makes a message that has the facts of the place and the members of an
// object, each of which set takes. A null says as much as no member.
func (d *document) begin(service, raw string, set func(m *argus.Message, key, raw string) error) (*argus.Message, error) {
	m := d.messages.next()
	m.Service = service
	_, err := d.keys.each(raw, 0, func(key, raw string) error {
		if raw == "null" {
			return nil
		}
		return set(m, key, raw)
	})
	m.Extra = append(m.Extra, d.facts...)
	return m, err
}

// under returns the last key on the way to the place for which is says yes.
func (d *document) under(is func(string) bool) string {
	for _, c := range slices.Backward(d.open) {
		if is(c.key) {
			return c.key
		}
	}
	return ""
}

// sureOfRecord returns sure if a file begins as JSON and one of the objects
// behind a word in its beginning is a record.
func sureOfRecord(s Sample, word string, sure int, is func([]byte) bool) int {
	text := s.Text
	if i := jsonSpace(text, 0); i == len(text) || text[i] != '{' && text[i] != '[' {
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

// hasKeys says whether all of some keys are among the first of an object.
func hasKeys(b []byte, keys ...string) bool {
	all, found := 1<<len(keys)-1, 0
	return hasMember(b, func(key, _ []byte) bool {
		if n := slices.Index(keys, string(key[1:len(key)-1])); n >= 0 {
			found |= 1 << n
		}
		return found == all
	})
}

// The members that readers of records share.

// members calls set for each member of a nested object that is not null.
func members(raw string, set func(key, raw string) error) error {
	if raw[0] != '{' {
		return fmt.Errorf("want an object, found %s", jsonKind(raw))
	}
	var keys jsonKeys
	_, err := keys.each(raw, 0, func(key, raw string) error {
		if raw == "null" {
			return nil
		}
		return set(key, raw)
	})
	return err
}

// elements calls one for each element of a list that is not null.
func elements(raw string, one func(raw string) error) error {
	_, err := jsonList(raw, func(raw string) (none struct{}, err error) {
		if raw == "null" {
			return none, nil
		}
		return none, one(raw)
	})
	return err
}

// keepMember keeps a member that Argus has no field for, unless it is empty or
// false, which says as much as no member.
func keepMember(m *argus.Message, name, raw string) {
	switch raw {
	case "null", "false", `""`, "[]", "{}":
	default:
		addExtra(m, name, raw)
	}
}

// compactJSON returns a raw value as Extra keeps it.
func compactJSON(raw string) string {
	var m argus.Message
	addExtra(&m, "", raw)
	return m.Extra[0].Value
}

// textOf returns what textMember does, with \n line ends.
func textOf(m *argus.Message, key, raw string) (string, error) {
	text, err := textMember(m, key, raw)
	return withLineFeeds(text), err
}

// atZero keeps a time of 0, which programs write where they have none: it is no
// time, as millisMember, unixMember and isoMember say.
func atZero(m *argus.Message, key, raw string, t argus.Time) {
	if !t.Known() {
		addExtra(m, key, raw)
	}
}

// millisMember reads milliseconds since 1970, as a number or as text of one.
func millisMember(raw string) (argus.Time, error) {
	text, err := scalarMember(raw)
	if err != nil {
		return argus.Time{}, err
	}
	if t, ok := parseMillis(text); ok {
		return unlessZero(t), nil
	}
	return argus.Time{}, fmt.Errorf("want milliseconds since 1970, found another number or text")
}

// isoMember reads a time in ISO 8601.
func isoMember(raw string, o Options) (argus.Time, error) {
	text, err := jsonString(raw)
	if err != nil {
		return argus.Time{}, err
	}
	t, ok := parseISO(text, o)
	if !ok {
		return t, fmt.Errorf("want a time like 2021-02-14T12:03:11Z, found other text")
	}
	return unlessZero(t), nil
}

// sizeMember reads a number of bytes.
func sizeMember(raw string) (int64, error) {
	n, err := jsonUint(raw, 63)
	return int64(n), err
}

// siblingRecords yields the objects in a file beside the one that is read, none
// where there is no such file.
func siblingRecords(ctx context.Context, in Input, name, id string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if in.Sibling == nil {
			return
		}
		file, size, ok := in.Sibling(path.Join(path.Dir(in.Name), name))
		if !ok {
			return
		}
		d := newDocument(Input{Size: size, File: file, Options: in.Options},
			shape{lists: func(string) bool { return true }, begins: func(b []byte) bool { return hasKeys(b, id) }})
		record := ""
		for item, err := range d.items(ctx, func(raw string) (*argus.Message, error) { record = raw; return &argus.Message{}, nil }) {
			if err != nil || item.Message != nil && !yield(record) {
				return
			}
		}
	}
}
