// Package corecbor writes and reads canonical CBOR without reflection, for the most
// frequent records.
//
// A record is a map with unsigned integers as keys, in the core deterministic encoding of RFC
// 8949, section 4.2.1. A general library handles all other CBOR.
package corecbor

import (
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"
)

// The major types of RFC 8949, section 3.1.
const (
	majorUint = iota << 5
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
)

// An Encoder appends to a buffer. The keys of a map must be given in ascending order.
// Methods whose names end in At omit a pair whose value is zero.
type Encoder struct {
	Buf  []byte
	open []mapping
}

// mapping is a map that has not been ended yet.
type mapping struct{ at, pairs int }

// Begin begins a map.
func (e *Encoder) Begin() {
	e.open = append(e.open, mapping{at: len(e.Buf)})
	e.Buf = append(e.Buf, majorMap)
}

// End ends the map that was begun last.
func (e *Encoder) End() {
	m := e.open[len(e.open)-1]
	e.open = e.open[:len(e.open)-1]
	if m.pairs < 24 {
		e.Buf[m.at] |= byte(m.pairs)
		return
	}
	head := appendHead(nil, majorMap, uint64(m.pairs))
	e.Buf = slices.Replace(e.Buf, m.at, m.at+1, head...)
}

// Key begins a pair; its value follows.
func (e *Encoder) Key(key uint64) {
	e.open[len(e.open)-1].pairs++
	e.head(majorUint, key)
}

// Uint writes an unsigned integer.
func (e *Encoder) Uint(n uint64) { e.head(majorUint, n) }

// Text writes a string, which must be UTF-8.
func (e *Encoder) Text(s string) {
	e.head(majorText, uint64(len(s)))
	e.Buf = append(e.Buf, s...)
}

// Bytes writes a byte string.
func (e *Encoder) Bytes(b []byte) {
	e.head(majorBytes, uint64(len(b)))
	e.Buf = append(e.Buf, b...)
}

// Array begins an array of n elements, which follow.
func (e *Encoder) Array(n int) { e.head(majorArray, uint64(n)) }

// UintAt writes a pair with an unsigned integer.
func (e *Encoder) UintAt(key, n uint64) {
	if n != 0 {
		e.Key(key)
		e.Uint(n)
	}
}

// IntAt writes a pair with an integer.
func (e *Encoder) IntAt(key uint64, n int64) {
	switch {
	case n > 0:
		e.Key(key)
		e.Uint(uint64(n))
	case n < 0:
		e.Key(key)
		e.head(majorNegative, uint64(-1-n))
	}
}

// TextAt writes a pair with a string, which must be UTF-8.
func (e *Encoder) TextAt(key uint64, s string) {
	if s != "" {
		e.Key(key)
		e.Text(s)
	}
}

// BytesAt writes a pair with a byte string.
func (e *Encoder) BytesAt(key uint64, b []byte) {
	if len(b) > 0 {
		e.Key(key)
		e.Bytes(b)
	}
}

// TextsAt writes a pair with an array of strings, which must be UTF-8.
func (e *Encoder) TextsAt(key uint64, list []string) {
	if len(list) == 0 {
		return
	}
	e.Key(key)
	e.Array(len(list))
	for _, s := range list {
		e.Text(s)
	}
}

func (e *Encoder) head(major byte, n uint64) {
	if n < 24 {
		e.Buf = append(e.Buf, major|byte(n))
		return
	}
	e.Buf = appendHead(e.Buf, major, n)
}

func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

// A Decoder reads only the output of an Encoder: it fails at any other encoding of the same
// values, at a pair whose value the methods that end in At omit, and at text that is not UTF-8.
// After a failure, it reads zero values. The strings that it returns share one copy of the
// data.
type Decoder struct {
	data   string
	at     int
	failed bool
}

// NewDecoder returns a decoder of data.
func NewDecoder(data []byte) *Decoder { return &Decoder{data: string(data)} }

// Fail marks the data as invalid.
func (d *Decoder) Fail() { d.failed = true }

// Sound reports whether nothing has failed yet.
func (d *Decoder) Sound() bool { return !d.failed }

// Whole reports whether all of the data was read without a failure.
func (d *Decoder) Whole() bool { return !d.failed && d.at == len(d.data) }

// head reads the head of a value (RFC 8949, section 3), which must have the given major type.
func (d *Decoder) head(major byte) uint64 {
	if d.failed || d.at >= len(d.data) || d.data[d.at]&0xe0 != major {
		d.failed = true
		return 0
	}
	short := d.data[d.at] & 0x1f
	d.at++
	if short < 24 {
		return uint64(short)
	}
	if short > 27 || len(d.data)-d.at < 1<<(short-24) {
		d.failed = true
		return 0
	}
	var n uint64
	for range 1 << (short - 24) {
		n = n<<8 | uint64(d.data[d.at])
		d.at++
	}
	// Only the shortest form is valid.
	if short == 24 && n < 24 || short > 24 && n>>(4<<(short-24)) == 0 {
		d.failed = true
		return 0
	}
	return n
}

// Pairs iterates over the pairs of a map.
type Pairs struct {
	// Key is the key of the pair whose value is next.
	Key   uint64
	left  uint64
	d     *Decoder
	begun bool
}

// Map begins a map.
func (d *Decoder) Map() Pairs {
	p := Pairs{left: d.head(majorMap), d: d}
	if p.left == 0 {
		d.failed = true
	}
	return p
}

// Next reads the next key. It returns false at the end of the map.
func (p *Pairs) Next() bool {
	if p.left == 0 || p.d.failed {
		return false
	}
	p.left--
	key := p.d.head(majorUint)
	if p.begun && key <= p.Key {
		p.d.failed = true
	}
	p.Key, p.begun = key, true
	return !p.d.failed
}

// Uint reads an unsigned integer from 1 to most.
func (d *Decoder) Uint(most uint64) uint64 {
	n := d.head(majorUint)
	if n == 0 || n > most {
		d.failed = true
		return 0
	}
	return n
}

// Int reads an integer other than zero.
func (d *Decoder) Int() int64 {
	if d.at < len(d.data) && d.data[d.at]&0xe0 == majorNegative {
		n := d.head(majorNegative)
		if n > math.MaxInt64 {
			d.failed = true
			return 0
		}
		return -1 - int64(n)
	}
	return int64(d.Uint(math.MaxInt64))
}

// take reads the bytes of a string.
func (d *Decoder) take(major byte) string {
	n := d.head(major)
	if n > uint64(len(d.data)-d.at) {
		d.failed = true
	}
	if d.failed {
		return ""
	}
	s := d.data[d.at : d.at+int(n)]
	d.at += int(n)
	return s
}

// TextOrEmpty reads a string.
func (d *Decoder) TextOrEmpty() string {
	s := d.take(majorText)
	if !utf8.ValidString(s) {
		d.failed = true
		return ""
	}
	return s
}

// Text reads a string that is not empty.
func (d *Decoder) Text() string {
	s := d.TextOrEmpty()
	if s == "" {
		d.failed = true
	}
	return s
}

// Bytes reads a byte string that is not empty.
func (d *Decoder) Bytes() []byte {
	s := d.take(majorBytes)
	if s == "" {
		d.failed = true
		return nil
	}
	return []byte(s)
}

// Fixed reads a byte string into b. It must have the same length as b, and must not be all
// zeros.
func (d *Decoder) Fixed(b []byte) {
	s := d.take(majorBytes)
	if len(s) != len(b) {
		d.failed = true
		return
	}
	copy(b, s)
	for i := range len(s) {
		if s[i] != 0 {
			return
		}
	}
	d.failed = true
}

// Array begins an array of 1 to most elements.
func (d *Decoder) Array(most int) int {
	n := d.head(majorArray)
	// Each element takes a byte.
	if n == 0 || n > uint64(most) || n > uint64(len(d.data)-d.at) {
		d.failed = true
		return 0
	}
	return int(n)
}

// Texts reads an array of strings.
func (d *Decoder) Texts(most int) []string {
	n := d.Array(most)
	if d.failed {
		return nil
	}
	list := make([]string, n) // at most 16 bytes for each byte of data
	for i := range list {
		list[i] = d.TextOrEmpty()
	}
	return list
}
