// Package textdoc reads text of any charset: lines, bounded views of a file, and
// charsets by their names.
//
// It holds at most one record, whose size is limited; a longer one is a problem. Text
// in an unstated charset is read as UTF-8, as UTF-16 if its NUL bytes show that, and
// otherwise as Windows-1252.
package textdoc

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// Charset is the stored encoding of a line.
type Charset uint8

const (
	UTF8 Charset = iota
	UTF16LE
	UTF16BE
	// Windows1252 is assumed for a line that is not valid UTF-8.
	Windows1252
)

// String returns the charset's name.
func (c Charset) String() string {
	return [...]string{"utf-8", "utf-16le", "utf-16be", "windows-1252"}[c]
}

// Line is one line of a text file. The lines of a file cover it without gaps: each Offset is
// the sum of the Lengths before it.
type Line struct {
	// Text is the line as UTF-8, without its end and without a byte order mark at the
	// start of the file. It is valid until the next call of Next. NUL stays U+0000;
	// half a UTF-16 pair becomes U+FFFD.
	Text []byte
	// Offset and Length delimit the stored bytes, with the line's end and the
	// byte order mark.
	Offset, Length int64
	// Number counts from 1.
	Number uint64
	// Charset is the stored encoding.
	Charset Charset
	// Problem is set instead of Text for a line longer than the limit; Raw is
	// then its beginning, owned by the receiver.
	Problem string
	Raw     []byte
}

// Beginning returns a copy of the line's beginning for a problem's Item.Raw. Lines that
// were not stored as UTF-8 are returned decoded.
func (l *Line) Beginning() []byte {
	if l.Problem != "" {
		return l.Raw
	}
	return bytes.Clone(l.Text[:min(len(l.Text), argus.QuarantineRaw)])
}

// Where returns the line's place, with its number as the record.
func (l *Line) Where() argus.Where {
	return argus.Where{Record: l.Number, Offset: l.Offset, Length: l.Length}
}

// Lines cuts a text file into lines, whatever its encoding: UTF-8, UTF-16 with a byte
// order mark or recognised by its NUL bytes, and Windows-1252 for each line of a UTF-8
// file that is not valid UTF-8. Lines end with \n or \r\n; a lone \r is text, unless
// the beginning of the file has \r and no \n.
//
//	lines := textdoc.NewLines(ctx, in.Reader(), limit)
//	for lines.Next() { use lines.Text, lines.Where(), lines.Problem … }
//	return lines.Err
//
// It holds at most about one record of the limit, and reads a longer line to its end
// without keeping it.
type Lines struct {
	Line
	// Err is why Next returned false: nil at the end of the file, otherwise the
	// context's or the file's error.
	Err error

	ctx     context.Context
	file    io.Reader
	max     int
	buf     []byte // buf[start:] is read and not yet returned
	room    int    // the least to read at once, in bytes
	start   int
	eof     bool
	charset Charset
	end     byte // \n, or \r
	decoded []byte
}

const readSize = 256 << 10

// HeadSize is how many bytes at the beginning of a file are used to detect its
// encoding.
const HeadSize = 64 << 10

// NewLines cuts r into lines of at most limit bytes. An archive may hold a million
// short files, each examined by several formats: a file that is known to be short gets
// a small buffer.
func NewLines(ctx context.Context, r io.Reader, limit int) *Lines {
	size := int64(readSize)
	if sized, ok := r.(interface{ Size() int64 }); ok {
		size = min(size, 2*sized.Size()+64)
	}
	return &Lines{ctx: ctx, file: r, max: max(limit, 2), end: '\n', buf: make([]byte, 0, size), room: int(size / 4)}
}

// Next moves to the next line and reports whether it exists.
func (s *Lines) Next() bool {
	if s.Number == 0 {
		s.sniff()
	}
	s.Offset += s.Length
	s.Length = 0
	s.Text, s.Raw, s.Problem = nil, nil, ""
	n := s.find()
	if n == 0 {
		return false
	}
	s.Number++
	s.Length += int64(n)
	stored := s.buf[s.start : s.start+n]
	s.start += n
	if s.Problem == "" {
		s.decode(stored)
	}
	return true
}

// sniff reads the beginning of the file and decides on encoding and line end.
func (s *Lines) sniff() {
	for len(s.buf) < HeadSize && s.fill() {
	}
	s.charset = SniffCharset(s.buf)
	if head := s.buf[:min(len(s.buf), HeadSize)]; bytes.IndexByte(head, '\n') < 0 && bytes.IndexByte(head, '\r') >= 0 {
		s.end = '\r'
	}
}

// find returns the stored length of the next line with its end, or 0 at the end of the file.
// s.Length counts the bytes already dropped from an overlong line.
func (s *Lines) find() int {
	searched := 0
	for {
		pending := s.buf[s.start:]
		if n := s.cut(pending, searched); n > 0 && (n <= s.max || s.Problem != "") {
			return n
		} else if n > 0 {
			s.tooLong(pending[:n])
			return n
		}
		if len(pending) > s.max {
			s.tooLong(pending)
			// An even number of bytes is dropped and the last pair is kept, so that a UTF-16
			// line end is not split.
			drop := (len(pending) - 2) &^ 1
			s.start += drop
			s.Length += int64(drop)
		}
		searched = len(s.buf) - s.start
		if !s.fill() {
			if s.Err != nil {
				return 0
			}
			return len(s.buf) - s.start
		}
	}
}

// tooLong makes the line a problem. The limit cuts Raw too, so that it does not depend
// on how much of the file has been read.
func (s *Lines) tooLong(beginning []byte) {
	if s.Problem != "" {
		return
	}
	s.Problem = fmt.Sprintf("the line is longer than %d bytes, the longest record that is read", s.max)
	s.Raw = bytes.Clone(beginning[:min(s.max, argus.QuarantineRaw)])
}

// cut returns the length of the first line in b with its end, or 0 if it does not end in b.
// The first searched bytes hold no line end, except possibly in the last pair.
func (s *Lines) cut(b []byte, searched int) int {
	from := max(0, searched-1) &^ 1
	if s.charset != UTF16LE && s.charset != UTF16BE {
		if at := bytes.IndexByte(b[from:], s.end); at >= 0 {
			return from + at + 1
		}
		return 0
	}
	low := 0 // the place of the low byte in its pair
	if s.charset == UTF16BE {
		low = 1
	}
	for i := from; ; {
		at := bytes.IndexByte(b[i:], s.end)
		if at < 0 {
			return 0
		}
		i += at
		if pair := i - low; pair%2 == 0 && pair >= 0 && pair+1 < len(b) && b[pair+1-low] == 0 {
			return pair + 2
		}
		i++
	}
}

// fill reads more of the file and reports whether there was more.
func (s *Lines) fill() bool {
	if s.Err != nil || s.eof {
		return false
	}
	if s.Err = s.ctx.Err(); s.Err != nil {
		return false
	}
	if s.start > 0 && (s.start == len(s.buf) || cap(s.buf)-len(s.buf) < s.room) {
		s.buf = s.buf[:copy(s.buf, s.buf[s.start:])]
		s.start = 0
	}
	if cap(s.buf)-len(s.buf) < s.room {
		grown := make([]byte, len(s.buf), 2*cap(s.buf))
		copy(grown, s.buf)
		s.buf = grown
	}
	for range 100 {
		n, err := s.file.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err == io.EOF {
			s.eof = true
			return n > 0
		}
		if err != nil {
			s.Err = fmt.Errorf("read after line %d: %w", s.Number, err)
			return false
		}
		if n > 0 {
			return true
		}
	}
	s.Err = fmt.Errorf("read after line %d: %w", s.Number, io.ErrNoProgress)
	return false
}

// decode sets Text and Charset from the stored bytes of a line.
func (s *Lines) decode(stored []byte) {
	s.Charset = s.charset
	if s.charset == UTF8 {
		if s.Number == 1 {
			stored = bytes.TrimPrefix(stored, []byte("\xEF\xBB\xBF"))
		}
		s.Text = s.trimEnd(stored)
		if !utf8.Valid(s.Text) {
			s.Charset = Windows1252
			s.decoded = AppendWindows1252(s.decoded[:0], s.Text)
			s.Text = s.decoded
		}
		return
	}
	var order binary.ByteOrder = binary.LittleEndian
	if s.charset == UTF16BE {
		order = binary.BigEndian
	}
	s.decoded = AppendUTF16(s.decoded[:0], stored, order)
	if s.Number == 1 {
		s.decoded = bytes.TrimPrefix(s.decoded, []byte("\uFEFF"))
	}
	s.Text = s.trimEnd(s.decoded)
}

func (s *Lines) trimEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == s.end {
		b = b[:n-1]
		if n > 1 && s.end == '\n' && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// SniffCharset recognises UTF-16 by its byte order mark, or by NUL in one half of the
// pairs and hardly any in the other, as in any text with spaces and digits.
func SniffCharset(head []byte) Charset {
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return UTF16LE
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return UTF16BE
	}
	head = head[:min(len(head), 4096)&^1]
	var nul [2]int
	for i, b := range head {
		if b == 0 {
			nul[i&1]++
		}
	}
	enough := max(2, len(head)/2/8)
	switch {
	case nul[1] >= enough && nul[0] <= nul[1]/16:
		return UTF16LE
	case nul[0] >= enough && nul[1] <= nul[0]/16:
		return UTF16BE
	}
	return UTF8
}

// AppendUTF16 appends UTF-16 as UTF-8; half a pair, or half a unit, becomes U+FFFD.
func AppendUTF16(dst, stored []byte, order binary.ByteOrder) []byte {
	for len(stored) >= 2 {
		r := rune(order.Uint16(stored))
		stored = stored[2:]
		if utf16.IsSurrogate(r) && len(stored) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(stored))); pair != utf8.RuneError {
				r, stored = pair, stored[2:]
			}
		}
		dst = utf8.AppendRune(dst, r) // half a pair is written as U+FFFD
	}
	if len(stored) == 1 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}

// windows1252 holds the meanings of bytes 0x80 to 0x9F; the five without one stay
// control characters, as in https://encoding.spec.whatwg.org/.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8D, 'Ž', 0x8F,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9D, 'ž', 'Ÿ',
}

// AppendWindows1252 appends Windows-1252 as UTF-8.
func AppendWindows1252(dst, stored []byte) []byte {
	for _, b := range stored {
		switch {
		case b < 0x80:
			dst = append(dst, b)
		case b < 0xA0:
			dst = utf8.AppendRune(dst, windows1252[b-0x80])
		default:
			dst = utf8.AppendRune(dst, rune(b))
		}
	}
	return dst
}

// SampleText returns the beginning of a file as UTF-8 for Sample.Text, its lines ending
// with \n, or nil when it is not text: when control characters that no program writes
// into text are frequent.
func SampleText(head []byte) []byte {
	stored := trimPartialRune(head)
	lines := Lines{ctx: context.Background(), max: max(len(stored), 2), end: '\n', buf: stored, eof: true}
	text := make([]byte, 0, len(stored)+1)
	for lines.Next() {
		text = append(text, lines.Text...)
		text = append(text, '\n')
	}
	// A long run of NUL is a hole, as a power cut leaves it, and does not affect the
	// text around it.
	hole := bytes.Repeat([]byte{0}, 64)
	for {
		before, after, found := bytes.Cut(text, hole)
		if !found {
			break
		}
		text = append(before, bytes.TrimLeft(after, "\x00")...)
	}
	nul, control := 0, 0
	for _, b := range text {
		switch {
		case b == 0:
			nul++
		case b < ' ' && !bytes.ContainsRune(textControls, rune(b)):
			control++
		}
	}
	if nul > len(text)/3 || control > len(text)/50 || len(bytes.TrimSpace(text)) == 0 && len(head) > 0 {
		return nil
	}
	return text
}

// textControls occur in text: white space, ESC of terminals, and the bold, colour and
// underline codes of IRC.
var textControls = []byte("\t\n\v\f\r\x1b\x02\x03\x0f\x16\x1d\x1f")

// trimPartialRune drops a UTF-8 sequence that is cut off at the end of the head.
func trimPartialRune(head []byte) []byte {
	for i := 1; i <= min(len(head), utf8.UTFMax-1); i++ {
		if b := head[len(head)-i]; utf8.RuneStart(b) {
			if b >= 0xC0 && !utf8.FullRune(head[len(head)-i:]) {
				return head[:len(head)-i]
			}
			break
		}
	}
	return head
}
