package jsondoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Objects finds JSON objects in a file and, after a broken one, finds its way to the next.
// It holds one object of at most limit bytes.
type Objects struct {
	textdoc.Window
	limit int
	// begins reports whether the bytes, which begin with "{" and are at least
	// textdoc.PeekSize or the rest of the file, look like the beginning of a record. It
	// is called only after damage, and must return false for objects inside a broken
	// record.
	begins func([]byte) bool
	// mending is how many bytes have been examined to mend broken records.
	mending int64
}

// NewObjects makes an Objects for a file; limit is the maximum size of an object in bytes.
func NewObjects(file io.Reader, limit int, begins func([]byte) bool) *Objects {
	return &Objects{Window: textdoc.Window{Source: file}, limit: limit, begins: begins}
}

// See brings at least n bytes into view, or the rest of the file.
func (o *Objects) See(n int) error {
	for len(o.Buf) < n && !o.EOF {
		if err := o.More(); err != nil {
			return err
		}
	}
	return nil
}

// Pass skips white space, separators and a byte order mark at the start, and reports
// whether anything follows.
func (o *Objects) Pass(separators string) (bool, error) {
	for {
		if o.At == 0 && bytes.HasPrefix(o.Buf, []byte("\ufeff")) {
			o.Drop(len("\ufeff"))
		}
		n := 0
		for n < len(o.Buf) && (Space(o.Buf[n:n+1], 0) == 1 || bytes.IndexByte([]byte(separators), o.Buf[n]) >= 0) {
			n++
		}
		o.Drop(n)
		if len(o.Buf) > 0 || o.EOF {
			return len(o.Buf) > 0, nil
		}
		if err := o.More(); err != nil {
			return false, err
		}
	}
}

// Value returns the end in view of the value at its beginning, or where and why it
// breaks.
func (o *Objects) Value() (int, *Error, error) {
	for {
		end, broken := valueEnd(o.Buf, 0, 0)
		if broken == nil || !broken.Ends || o.EOF {
			return end, broken, nil
		}
		if len(o.Buf) > o.limit {
			return end, want(o.Buf, 0, "a record that ends sooner"), nil
		}
		if err := o.More(); err != nil {
			return 0, nil, err
		}
	}
}

// Resume moves from the beginning of a broken piece to the beginning of the next
// record, or to the end of the file. The item has the place, and Raw.
func (o *Objects) Resume(reason string) (reader.Item, error) {
	item := reader.Item{Problem: reason, Where: argus.Where{Offset: o.At}}
	if err := o.See(argus.QuarantineRaw); err != nil {
		return item, err
	}
	item.Raw = bytes.Clone(o.Buf[:min(len(o.Buf), argus.QuarantineRaw)])
	o.Drop(1)
	for {
		n := bytes.IndexByte(o.Buf, '{')
		if n < 0 {
			o.Drop(len(o.Buf))
			if o.EOF {
				break
			}
			if err := o.More(); err != nil {
				return item, err
			}
			continue
		}
		o.Drop(n)
		if err := o.See(textdoc.PeekSize); err != nil {
			return item, err
		}
		if o.begins(o.Buf) {
			break
		}
		o.Drop(1)
	}
	item.Where.Length = o.At - item.Where.Offset
	item.Raw = item.Raw[:min(int64(len(item.Raw)), item.Where.Length)]
	return item, nil
}

// HasMember reports whether is returns true for one of the first members of the object at
// the beginning of the bytes. The value of the last member may be nil: it did not end in
// view.
func HasMember(b []byte, is func(key, value []byte) bool) bool {
	m := Scanner[[]byte]{Text: b[:min(len(b), textdoc.PeekSize)]}
	for range 16 {
		more := m.Next()
		if m.Key != nil && is(m.Key, m.Value) {
			return true
		}
		if !more {
			return false
		}
		m.Value = nil
	}
	return false
}

// Record makes an item of the object that ends at end, and moves past it.
// The message's strings share one copy of the object.
func (o *Objects) Record(end int, parse func(string) (*argus.Message, error)) reader.Item {
	item := reader.Item{Where: argus.Where{Offset: o.At, Length: int64(end)}}
	raw := o.Buf[:end]
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
	o.Drop(end)
	return item
}

// AddExtra keeps a member for which Argus has no field: text as it is, other values as JSON
// without white space. A value longer than build.ExtraLimit is truncated and ends in "…".
func AddExtra(m *argus.Message, name, raw string) {
	if raw[0] == '"' {
		text, _ := Unquote(raw)
		build.KeepField(m, name, text)
		return
	}
	build.KeepField(m, name, withoutSpace(raw))
}

// withoutSpace returns JSON without the white space between its tokens.
func withoutSpace(raw string) string {
	space := 0
	for space < len(raw) && raw[space] > ' ' {
		if raw[space] == '"' {
			space, _ = stringEnd(raw, space)
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
			end, _ = stringEnd(raw, i)
		}
		if raw[i] > ' ' {
			out = append(out, raw[i:end]...)
		}
		i = end
	}
	return string(out)
}

// TextMember returns the text of a member that must be text. U+FFFD replaces half of a
// surrogate pair, which programs leave when they cut text, and the raw member is kept.
func TextMember(m *argus.Message, name, raw string) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("want text, found %s", Kind(raw))
	}
	text, whole := Unquote(raw)
	if !whole {
		m.Extra = append(m.Extra, argus.Field{Name: name + "_raw", Value: raw})
	}
	return text, nil
}
