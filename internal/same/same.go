// Package same says which messages have the same content.
package same

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/argus-evidence/argus"
)

// A Key says which messages have the same content: those with equal keys. It depends on
// nothing but the message. The zero key is that of messages without a content to compare.
//
// The content is the service, the sender, the sent time with its precision, the title (of a
// mail the subject), the text, the attachments, and whether it is a poll. Receivers,
// conversation and ids do not count, so a mail in two folders that has an id in each has one
// content. Texts and titles are compared in NFC, line by line, without white space at the end
// of lines, and without empty lines at both ends. An attachment is its bytes, or its name if
// the bytes are not held. Equal messages that a log without ids has one after another
// ([argus.Message.Repeat]) are different.
//
// These have no content to compare: anything that is not a message, a statement of the service, a
// message whose sent time is unknown, a locked one, and one with neither a text nor an
// attachment that is held.
//
// Two contents with one key are nowhere to be expected: among n different messages of one
// moment the odds are n² to 2¹²⁹, and nobody can make two with fewer than 2⁶⁴ attempts.
type Key struct {
	Micros int64 // of the sent time
	// Sum is a part of the SHA-256 of the rest, zero in the zero key.
	Sum [16]byte
}

// A Hasher computes keys. It reuses its buffer, so each goroutine needs its own. The zero
// Hasher is ready.
type Hasher struct{ buf []byte }

// Key returns the key of one copy of a message.
func (h *Hasher) Key(m *argus.Message) (key Key) {
	if !m.Type.IsMessage() || m.From == "" || !m.Sent.Known() || m.State&argus.StateLocked != 0 || m.Locked != nil {
		return key
	}
	b := append(h.buf[:0], "argus same 1"...)
	b = appendSized(append(b, byte(m.Type), byte(m.Sent.Precision)), m.Service, m.From)
	b = appendPlain(b, m.Title)
	before := len(b)
	b = appendPlain(b, m.Text)
	says := len(b) > before+plainEnd
	b = binary.AppendUvarint(b, uint64(len(m.Attachments)))
	for i := range m.Attachments {
		if at := &m.Attachments[i]; at.Missing() {
			b = appendSized(append(b, 0), at.Name)
		} else {
			b = append(append(b, 1), at.Hash[:]...)
			says = true
		}
	}
	if m.ServiceID == "" {
		b = binary.AppendUvarint(b, uint64(m.Repeat))
	}
	if h.buf = b; says {
		sum := sha256.Sum256(b)
		key.Micros = m.Sent.Micros
		copy(key.Sum[:], sum[:])
	}
	if cap(h.buf) > 1<<20 {
		h.buf = nil
	}
	return key
}

func appendSized(b []byte, list ...string) []byte {
	for _, s := range list {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

// plainEnd is the number of bytes with which appendPlain ends a text. No text has the first of
// them, since it is not UTF-8.
const plainEnd = 1

// appendPlain appends a text as contents are compared.
func appendPlain(b []byte, s string) []byte {
	if !norm.NFC.IsNormalString(s) {
		s = norm.NFC.String(s)
	}
	begin := len(b)
	for len(s) > 0 {
		line := s
		if end := strings.IndexAny(s, "\r\n"); end < 0 {
			s = ""
		} else {
			line = s[:end]
			s = strings.TrimPrefix(s[end+1:], crlf[s[end]])
		}
		if line = strings.TrimRightFunc(line, unicode.IsSpace); line == "" && len(b) == begin {
			continue
		}
		b = append(append(b, line...), '\n')
	}
	return append(append(b[:begin], bytes.TrimRight(b[begin:], "\n")...), 0xFF)
}

// crlf has the second character of a line's end, by the first.
var crlf = map[byte]string{'\r': "\n"}

// String writes the key as queries write it: =, and in hexadecimal the moment and the sum.
func (k Key) String() string {
	var b [8 + len(k.Sum)]byte
	binary.BigEndian.PutUint64(b[:], uint64(k.Micros)^1<<63)
	copy(b[8:], k.Sum[:])
	return "=" + hex.EncodeToString(b[:])
}

// Parse reads a key.
func Parse(s string) (k Key, ok bool) {
	digits, is := strings.CutPrefix(s, "=")
	b, err := hex.DecodeString(digits)
	if !is || err != nil || len(b) != 8+len(k.Sum) {
		return k, false
	}
	k.Micros = int64(binary.BigEndian.Uint64(b) ^ 1<<63)
	copy(k.Sum[:], b[8:])
	return k, k.String() == s && k.Sum != [16]byte{}
}
