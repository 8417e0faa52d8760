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

// A Key identifies the content of a message: messages with equal keys have the same
// content. It depends only on the message. Messages without content to compare have the
// zero key.
//
// The content is the service, the sender, the sent time with its precision, the title (of a
// mail the subject), the text, the attachments, and whether it is a poll. Receivers,
// conversation and ids do not count, so a mail that has a different id in each of two folders
// has one content. Texts and titles are compared in NFC, line by line, without white space at
// the end of lines, and without empty lines at both ends. An attachment is compared by its
// bytes, or by its name if the bytes are not held. Equal messages that follow each other in a
// log without ids ([argus.Message.Repeat]) are different.
//
// The following have no content to compare: anything that is not a message, a statement of the
// service, a message whose sent time is unknown, a locked message, and a message with neither a
// text nor an attachment whose bytes are held.
//
// Two different contents with the same key are not to be expected: among n different
// messages sent at the same moment, the probability is n²/2¹²⁹, and making such a pair on
// purpose takes about 2⁶⁴ attempts.
type Key struct {
	Micros int64 // the sent time
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

// plainEnd is the number of bytes that appendPlain appends after a text. No text contains the
// first of them, since it is not UTF-8.
const plainEnd = 1

// appendPlain appends a text in the form in which contents are compared.
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

// crlf maps the first character of a line ending to the second.
var crlf = map[byte]string{'\r': "\n"}

// String formats the key as in queries: an = sign, followed by the moment and the sum in
// hexadecimal.
func (k Key) String() string {
	var b [8 + len(k.Sum)]byte
	binary.BigEndian.PutUint64(b[:], uint64(k.Micros)^1<<63)
	copy(b[8:], k.Sum[:])
	return "=" + hex.EncodeToString(b[:])
}

// Parse parses the result of [Key.String].
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
