package reader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// objects finds JSON objects in a file and, behind a broken one, its way to
// the next. It holds one object of at most limit bytes.
type objects struct {
	window
	limit int
	// begins says whether the bytes, which begin with "{" and are at least
	// peekSize or all there is, look like the beginning of a record. It is
	// asked only when something broke: what is inside a broken record must not
	// be taken for one.
	begins func([]byte) bool
	// mending is how many bytes were looked at to mend what is broken.
	mending int64
}

func newObjects(file io.Reader, limit int, begins func([]byte) bool) *objects {
	return &objects{window: window{src: file}, limit: limit, begins: begins}
}

// see brings at least n bytes into view, or all there is.
func (o *objects) see(n int) error {
	for len(o.buf) < n && !o.eof {
		if err := o.more(); err != nil {
			return err
		}
	}
	return nil
}

// pass moves over white space, separators and a byte order mark at the start,
// and says whether there is anything behind them.
func (o *objects) pass(separators string) (bool, error) {
	for {
		if o.at == 0 && bytes.HasPrefix(o.buf, []byte("\ufeff")) {
			o.drop(len("\ufeff"))
		}
		n := 0
		for n < len(o.buf) && (jsonSpace(o.buf[n:n+1], 0) == 1 || bytes.IndexByte([]byte(separators), o.buf[n]) >= 0) {
			n++
		}
		o.drop(n)
		if len(o.buf) > 0 || o.eof {
			return len(o.buf) > 0, nil
		}
		if err := o.more(); err != nil {
			return false, err
		}
	}
}

// value returns the end in view of the value that the view begins with, or
// where and why it breaks.
func (o *objects) value() (int, *jsonError, error) {
	for {
		end, broken := jsonEnd(o.buf, 0, 0)
		if broken == nil || !broken.ends || o.eof {
			return end, broken, nil
		}
		if len(o.buf) > o.limit {
			return end, jsonWant(o.buf, 0, "a record that ends sooner"), nil
		}
		if err := o.more(); err != nil {
			return 0, nil, err
		}
	}
}

// resume moves from the beginning of something broken to where the next
// record begins, or to the end of the file. The item it returns has the place,
// and Raw.
func (o *objects) resume(reason string) (Item, error) {
	item := Item{Problem: reason, Where: argus.Where{Offset: o.at}}
	if err := o.see(argus.QuarantineRaw); err != nil {
		return item, err
	}
	item.Raw = bytes.Clone(o.buf[:min(len(o.buf), argus.QuarantineRaw)])
	o.drop(1)
	for {
		n := bytes.IndexByte(o.buf, '{')
		if n < 0 {
			o.drop(len(o.buf))
			if o.eof {
				break
			}
			if err := o.more(); err != nil {
				return item, err
			}
			continue
		}
		o.drop(n)
		if err := o.see(peekSize); err != nil {
			return item, err
		}
		if o.begins(o.buf) {
			break
		}
		o.drop(1)
	}
	item.Where.Length = o.at - item.Where.Offset
	item.Raw = item.Raw[:min(int64(len(item.Raw)), item.Where.Length)]
	return item, nil
}

// hasMember says whether a member for which is says yes is among the first of
// the object that the bytes begin with. The value of the last one may be nil:
// it did not end in view.
func hasMember(b []byte, is func(key, value []byte) bool) bool {
	m := jsonMembers[[]byte]{s: b[:min(len(b), peekSize)]}
	for range 16 {
		more := m.next()
		if m.key != nil && is(m.key, m.value) {
			return true
		}
		if !more {
			return false
		}
		m.value = nil
	}
	return false
}

// record makes an item of the object that ends at end, and moves behind it.
// The message's strings share one copy of the object.
func (o *objects) record(end int, parse func(string) (*argus.Message, error)) Item {
	item := Item{Where: argus.Where{Offset: o.at, Length: int64(end)}}
	raw := o.buf[:end]
	var m *argus.Message
	var err error
	if utf8.Valid(raw) {
		m, err = parse(string(raw))
	} else {
		err = errors.New("want UTF-8, found bytes that are not")
	}
	if err != nil {
		item.Problem = err.Error()
		item.Raw = bytes.Clone(raw[:min(len(raw), argus.QuarantineRaw)])
	} else {
		item.Message = m
	}
	o.drop(end)
	return item
}

// addExtra keeps a member that Argus has no field for: text as it is, anything
// else as JSON without the spaces between. A longer one than extraLimit is cut and ends in "…".
func addExtra(m *argus.Message, name, raw string) {
	if raw[0] == '"' {
		text, _ := unquoteJSON(raw)
		keepField(m, name, text)
		return
	}
	keepField(m, name, withoutSpace(raw))
}

// withoutSpace returns JSON without the white space between its tokens.
func withoutSpace(raw string) string {
	space := 0
	for space < len(raw) && raw[space] > ' ' {
		if raw[space] == '"' {
			space, _ = jsonStringEnd(raw, space)
		} else {
			space++
		}
	}
	if space == len(raw) {
		return raw
	}
	out := append(make([]byte, 0, len(raw)), raw[:space]...)
	for i := space; i < len(raw); {
		end := i + 1
		if raw[i] == '"' {
			end, _ = jsonStringEnd(raw, i)
		}
		if raw[i] > ' ' {
			out = append(out, raw[i:end]...)
		}
		i = end
	}
	return string(out)
}

// textMember returns the text of a member that must be text. Half of a
// surrogate pair, as programs leave it when they cut text, becomes U+FFFD, and
// the member is kept as it stood.
func textMember(m *argus.Message, name, raw string) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("want text, found %s", jsonKind(raw))
	}
	text, whole := unquoteJSON(raw)
	if !whole {
		m.Extra = append(m.Extra, argus.Field{Name: name + "_raw", Value: raw})
	}
	return text, nil
}
