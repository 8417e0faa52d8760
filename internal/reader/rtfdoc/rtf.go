// Package rtfdoc reads the text of RTF, even if Outlook compressed it.
package rtfdoc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// The form in which Outlook keeps the body of a mail (property 1009): RTF, compressed
// (MS-OXRTFCP). Only its text is used, if a mail has no other.

// begin is the initial content of the compression window (MS-OXRTFCP 3.1.1).
const begin = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier` +
	"{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"

// Unpack decompresses up to a limit. The bytes before an error are valid.
func Unpack(b []byte, limit int) ([]byte, error) {
	if len(b) < 16 {
		return nil, errors.New("want a header of compressed RTF, found its end")
	}
	kind, size := string(b[8:12]), binary.LittleEndian.Uint32(b[4:])
	b = b[16:]
	switch {
	case kind == "MELA":
		return b[:min(len(b), limit, int(min(size, 1<<30)))], nil
	case kind != "LZFu":
		return nil, fmt.Errorf("want RTF that is compressed as LZFu or not (MELA), found %q", kind)
	}
	out, err := unpackLZFu(b, limit)
	if len(out) > limit {
		return out[:limit], fmt.Errorf("want RTF of at most %d bytes, found more", limit)
	}
	return out, err
}

// unpackLZFu stops soon after the limit.
func unpackLZFu(b []byte, limit int) ([]byte, error) {
	window := make([]byte, 4096)
	at := copy(window, begin)
	var out []byte
	add := func(c byte) {
		out = append(out, c)
		window[at] = c
		at = (at + 1) % len(window)
	}
	for len(b) > 0 && len(out) <= limit {
		flags := b[0]
		b = b[1:]
		for range 8 {
			if flags&1 == 0 {
				if len(b) == 0 {
					return out, nil
				}
				add(b[0])
				b = b[1:]
			} else {
				if len(b) < 2 {
					return out, errors.New("want a reference in compressed RTF, found its end")
				}
				reference := binary.BigEndian.Uint16(b)
				b = b[2:]
				from := int(reference >> 4)
				if from == at { // its end
					return out, nil
				}
				for i := range int(reference&0xF) + 2 {
					add(window[(from+i)%len(window)])
				}
			}
			flags >>= 1
		}
	}
	return out, nil
}

// state is the state inside a group.
type state struct {
	silent bool // the group is not text
	fonts  bool // it is the font table
	font   int
	skip   int // how many fallback characters follow a Unicode character
}

// reading reads RTF (1.9.1) as far as its text requires.
type reading struct {
	rest  []byte
	text  strings.Builder
	bytes []byte   // in the charset of their font, not yet in text
	units []uint16 // of UTF-16, not yet in text
	state
	groups   []state
	codepage uint32
	charsets map[int]uint32 // of fonts
	after    int            // fallback characters left to skip after a Unicode character
}

// Limits of RTF: how deep groups may be nested, and how many fonts are known.
const (
	rtfDeep  = 1024
	rtfFonts = 1024
)

// Text returns the text of a document, without its pictures, styles and
// fields.
func Text(rtf []byte) string {
	r := reading{rest: rtf, codepage: 1252, charsets: map[int]uint32{}, state: state{skip: 1}}
	for len(r.rest) > 0 {
		c := r.rest[0]
		r.rest = r.rest[1:]
		switch c {
		case '{':
			r.flush()
			if len(r.groups) == rtfDeep {
				return r.text.String()
			}
			r.groups = append(r.groups, r.state)
		case '}':
			r.flush()
			if n := len(r.groups); n > 0 {
				r.state, r.groups = r.groups[n-1], r.groups[:n-1]
			}
		case '\\':
			r.control()
		case '\r', '\n', 0:
		default:
			r.byte(c)
		}
	}
	r.flush()
	return strings.TrimSpace(r.text.String())
}

// byte takes a byte of text.
func (r *reading) byte(c byte) {
	if r.after > 0 {
		r.after--
	} else if !r.silent {
		r.flushUnits()
		r.bytes = append(r.bytes, c)
	}
}

// say takes a character from outside the document's charset.
func (r *reading) say(s string) {
	if !r.silent {
		r.flush()
		r.text.WriteString(s)
	}
}

func (r *reading) flushUnits() {
	if len(r.units) > 0 {
		r.text.WriteString(string(utf16.Decode(r.units)))
		r.units = r.units[:0]
	}
}

// flush writes the gathered characters.
func (r *reading) flush() {
	r.flushUnits()
	if len(r.bytes) > 0 {
		codepage, ok := r.charsets[r.font]
		if !ok {
			codepage = r.codepage
		}
		r.text.WriteString(textdoc.Decode(r.bytes, textdoc.Codepage(codepage)))
		r.bytes = r.bytes[:0]
	}
	r.after = 0
}

// rtfSilent are the destinations that are not text.
var rtfSilent = textdoc.Phrases("fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "headerl", "headerr", "footerl", "footerr", "fldinst", "xe", "tc", "bkmkstart", "bkmkend")

// rtfSigns are control words that stand for characters.
var rtfSigns = map[string]string{
	"par": "\n", "line": "\n", "row": "\n", "page": "\n", "sect": "\n", "tab": "\t", "cell": "\t", "emdash": "—", "endash": "–", "bullet": "•",
	"lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”",
}

// rtfCharsets are the code pages of the charsets of fonts (fcharset).
var rtfCharsets = map[int]uint32{0: 1252, 77: 10000, 128: 932, 129: 949, 134: 936, 136: 950, 161: 1253, 162: 1254, 163: 1258, 177: 1255, 178: 1256, 186: 1257, 204: 1251, 222: 874, 238: 1250}

// control reads the text after a backslash.
func (r *reading) control() {
	if len(r.rest) == 0 {
		return
	}
	n := 0
	for n < len(r.rest) && n < 32 && (r.rest[n]|0x20) >= 'a' && (r.rest[n]|0x20) <= 'z' {
		n++
	}
	if n == 0 {
		r.symbol()
		return
	}
	word := string(r.rest[:n])
	r.rest = r.rest[n:]
	n = 0
	if len(r.rest) > 0 && r.rest[0] == '-' {
		n = 1
	}
	for n < len(r.rest) && n < 11 && textdoc.IsDigit(r.rest[n]) {
		n++
	}
	value, err := strconv.Atoi(string(r.rest[:n]))
	r.rest = r.rest[n:]
	r.rest = bytes.TrimPrefix(r.rest, []byte(" "))
	r.word(word, value, err == nil)
}

// symbol reads a backslash followed by a sign.
func (r *reading) symbol() {
	c := r.rest[0]
	r.rest = r.rest[1:]
	switch c {
	case '\'':
		if len(r.rest) < 2 {
			return
		}
		if n, err := strconv.ParseUint(string(r.rest[:2]), 16, 8); err == nil {
			r.rest = r.rest[2:]
			r.byte(byte(n))
		}
	case '*':
		r.silent = true
	case '~':
		r.say("\u00A0")
	case '\r', '\n':
		r.say("\n")
	case '{', '}', '\\':
		r.byte(c)
	}
}

// word takes a control word and its number.
func (r *reading) word(word string, value int, has bool) {
	if sign, ok := rtfSigns[word]; ok {
		r.say(sign)
		return
	}
	switch word {
	case "u":
		if has && !r.silent {
			if len(r.bytes) > 0 {
				r.flush()
			}
			r.units = append(r.units, uint16(value))
			r.after = r.skip
		}
	case "uc":
		r.skip = max(0, min(value, 16))
	case "bin":
		r.rest = r.rest[max(0, min(value, len(r.rest))):]
	case "ansicpg":
		r.codepage = uint32(value)
	case "f":
		r.flush()
		r.font = value
	case "fcharset":
		if r.fonts && len(r.charsets) < rtfFonts {
			if codepage, ok := rtfCharsets[value]; ok {
				r.charsets[r.font] = codepage
			}
		}
	case "fonttbl":
		r.fonts, r.silent = true, true
	default:
		r.silent = r.silent || rtfSilent[word]
	}
}
