package jsondoc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
)

// Records that are almost JSON get a second look: a record that lacks a comma, has one too
// many, has a line end in a text, or is cut off by the end of the file can still have a
// single possible reading. It is then a message, and Extra records that it was mended and
// how. Everything else stays a problem.

// MendSize is the maximum number of bytes of a broken record that are examined.
const MendSize = 64 << 10

// The kinds of mending, as recorded in Extra.
const (
	mendedField   = reader.ExtraRepaired
	mendedComma   = "a comma was missing"
	mendedSurplus = "a comma was too many"
	mendedControl = "a text had a line end or another control character"
	mendedCut     = "the file ends inside the record: the rest is unknown"
)

// Commas counts the commas between the elements of a list: there must be one between two
// elements.
type Commas struct {
	elements bool // there was an element
	commas   int  // since the last one
}

// Comma counts a comma.
func (c *Commas) Comma() { c.commas++ }

// Element begins an element, and returns in the words of Extra how the commas before it
// were mended, "" if they are right.
func (c *Commas) Element() (did string) {
	switch {
	case c.elements && c.commas == 0:
		did = mendedComma
	case c.elements && c.commas > 1 || !c.elements && c.commas > 0:
		did = mendedSurplus
	}
	*c = Commas{elements: true}
	return did
}

// KeepMended keeps how the commas before a record were mended.
func KeepMended(m *argus.Message, did string) {
	if m != nil {
		build.Keep(m, mendedField, did)
	}
}

// mender rewrites a value as JSON.
type mender struct {
	b    []byte
	i    int
	out  []byte
	did  []string
	eof  bool // the file ends where b does
	ends bool // the value was cut off
}

func (m *mender) done(what string) {
	if slices.Contains(m.did, what) {
		return
	}
	m.did = append(m.did, what)
}

// mend returns the value at the beginning of b as JSON, its end in b, and how it was mended.
func mend(b []byte, eof bool) (mended []byte, end int, did []string, ok bool) {
	m := mender{b: b, eof: eof}
	if !m.value(0) || len(m.did) == 0 {
		return nil, 0, nil, false
	}
	if _, err := valueEnd(m.out, 0, 0); err != nil { // whatever was mended
		return nil, 0, nil, false
	}
	return m.out, m.i, m.did, true
}

// cut reports whether the open containers may end here.
func (m *mender) cut() bool {
	if m.i < len(m.b) || !m.eof {
		return false
	}
	m.ends = true
	m.done(mendedCut)
	return true
}

func (m *mender) value(depth int) bool {
	switch c := m.b[m.i]; {
	case c == '"':
		return m.text()
	case c == '{' || c == '[':
		return depth < depthLimit && m.container(c, depth)
	}
	end, err := valueEnd(m.b, m.i, depth)
	if err != nil || end == len(m.b) {
		return false // also for text that may continue beyond the end of the file
	}
	m.out, m.i = append(m.out, m.b[m.i:end]...), end
	return true
}

// text copies a text.
func (m *mender) text() bool {
	m.out = append(m.out, '"')
	for m.i++; m.i < len(m.b); m.i++ {
		switch c := m.b[m.i]; {
		case c == '"':
			m.out, m.i = append(m.out, '"'), m.i+1
			return true
		case c == '\\':
			end, err := escapeEnd(m.b, m.i)
			if err != nil {
				if !err.Ends || !m.eof {
					return false
				}
				m.i = len(m.b) - 1 // half of an escape
				continue
			}
			m.out = append(m.out, m.b[m.i:end]...)
			m.i = end - 1
		case c < ' ':
			m.out = fmt.Appendf(m.out, `\u%04x`, c)
			m.done(mendedControl)
		default:
			m.out = append(m.out, c)
		}
	}
	for n := 0; n < utf8.UTFMax && !utf8.Valid(m.out[max(0, len(m.out)-utf8.UTFMax):]) && len(m.out) > 1; n++ {
		m.out = m.out[:len(m.out)-1] // half of a character
	}
	m.out = append(m.out, '"')
	return m.cut()
}

// container copies an object or a list.
func (m *mender) container(opens byte, depth int) bool {
	closes := opens + 2 // in ASCII, for both
	m.out = append(m.out, opens)
	m.i++
	for n, comma := 0, true; ; {
		m.i = Space(m.b, m.i)
		before := len(m.out)
		switch {
		case m.ends || m.i >= len(m.b):
			if !m.ends && !m.cut() {
				return false
			}
			m.out = append(bytes.TrimSuffix(m.out, []byte(",")), closes)
			return true
		case m.b[m.i] == closes:
			if n > 0 && comma {
				m.out = bytes.TrimSuffix(m.out, []byte(","))
				m.done(mendedSurplus)
			}
			m.out, m.i = append(m.out, closes), m.i+1
			return true
		case m.b[m.i] == ',':
			if comma {
				return false
			}
			m.out, m.i, comma = append(m.out, ','), m.i+1, true
			continue
		case !comma:
			m.out = append(m.out, ',')
			m.done(mendedComma)
		}
		if opens == '{' {
			if m.b[m.i] != '"' || !m.text() {
				return false
			}
			m.i = Space(m.b, m.i)
			if m.ends || m.i >= len(m.b) && m.cut() {
				m.out = m.out[:before] // a key without a value
				continue
			}
			if m.i >= len(m.b) || m.b[m.i] != ':' {
				return false
			}
			m.out = append(m.out, ':')
			if m.i = Space(m.b, m.i+1); m.i >= len(m.b) && m.cut() {
				m.out = m.out[:before]
				continue
			}
		}
		if m.i >= len(m.b) {
			return false
		}
		if !m.value(depth + 1) {
			if m.i = len(m.b); !m.eof || !m.unfinished() || !m.cut() {
				return false
			}
			m.out = m.out[:before] // half of a number or word
			continue
		}
		n, comma = n+1, false
	}
}

// unfinished reports whether b ends in the beginning of a number or a word.
func (m *mender) unfinished() bool {
	tail := m.b[bytes.LastIndexAny(m.b, ",:[{} \n\"")+1:]
	return len(tail) > 0 && len(tail) < 32 && !bytes.ContainsAny(tail, `\`)
}

// Mend makes an item of the broken record at the beginning of the view, if there is one
// way to read it: no other record begins inside it, the text after it can follow a
// record, and a record that is cut off names its sender and time. If parse is nil, the
// record is skipped.
func (o *Objects) Mend(parse func(string) (*argus.Message, error)) (item reader.Item, ok bool, err error) {
	if err := o.See(min(MendSize, o.limit)); err != nil {
		return item, false, err
	}
	view := o.Buf[:min(len(o.Buf), MendSize)]
	// A hostile file may have a broken record every few bytes: all attempts together examine
	// at most 16 times the bytes read.
	if o.mending += int64(len(view)); o.mending > 16*(o.At+MendSize) {
		return item, false, nil
	}
	mended, end, did, ok := mend(view, o.EOF && len(view) == len(o.Buf))
	if !ok {
		return item, false, nil
	}
	for at := 1; at < end; at++ {
		next := bytes.IndexByte(view[at:end], '{')
		if next < 0 {
			break
		}
		if at += next; o.begins(view[at:]) {
			return item, false, nil
		}
	}
	if behind := Space(view, end); behind < len(view) && !bytes.ContainsAny(view[behind:behind+1], ",]}{") {
		return item, false, nil
	}
	item.Where = argus.Where{Offset: o.At, Length: int64(end)}
	if parse != nil {
		if !utf8.Valid(mended) {
			return item, false, nil
		}
		m, err := parse(string(mended))
		if err != nil || m == nil || did[len(did)-1] == mendedCut && (m.Text == "" || m.From == "" || !m.Sent.Known()) {
			return reader.Item{}, false, nil //nolint:nilerr // the JSON is at fault
		}
		build.Keep(m, mendedField, strings.Join(did, "; "))
		item.Message = m
	}
	o.Drop(end)
	return item, true, nil
}
