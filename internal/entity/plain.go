package entity

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// A plainText is a text with one byte for each character, so that a kind only has to read
// bytes: digits of all scripts, full-width forms, dashes and spaces become ASCII, and
// some signs become the bytes below; combining marks, direction marks and invisible
// characters are removed.
type plainText struct {
	bytes []byte
	// at has the original place of each byte; it is empty if none has moved.
	at []int32
}

// The bytes for characters beyond ASCII.
const (
	plainLetter  = 0x80 + iota // any letter
	plainOther                 // any other character
	plainDegree                // °
	plainSign                  // the first of signs
	plainSignEnd = plainSign + 10
)

// signs are signs of currencies.
var signs = [plainSignEnd - plainSign]rune{'€', '£', '¥', '₺', '₽', '₴', '₿', '₹', '₪', '₩'}

// zeros are the zeros of the scripts with decimal digits; nine more digits follow
// each (Unicode, General_Category Nd).
var zeros = [...]rune{
	0x660, 0x6F0, // Arabic
	0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, // Indic scripts
	0xE50, 0xED0, 0x1040, 0x17E0, // Thai, Lao, Burmese, Khmer
	0xFF10, // full-width
}

func digitOf(r rune) int {
	for _, zero := range zeros {
		if r < zero {
			break
		}
		if r <= zero+9 {
			return int(r - zero)
		}
	}
	return -1
}

func (t *plainText) read(text string) {
	t.bytes, t.at = append(t.bytes[:0], text...), t.at[:0]
	i := 0
	for i+8 <= len(text) && binary.LittleEndian.Uint64(t.bytes[i:])&highs == 0 {
		i += 8
	}
	for i < len(text) && text[i] < utf8.RuneSelf {
		i++
	}
	if i == len(text) {
		return
	}
	t.bytes = t.bytes[:i]
	for at := range i {
		t.at = append(t.at, int32(at))
	}
	for i < len(text) {
		b, size := text[i], 1
		if b >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(text[i:]); r != utf8.RuneError {
				b = plainOf(r)
			} else {
				b = plainOther
			}
		}
		if b != 0 || size == 1 {
			t.bytes = append(t.bytes, b)
			t.at = append(t.at, int32(i))
		}
		i += size
	}
}

// plainOf returns 0 for characters that are removed.
func plainOf(r rune) byte {
	if d := digitOf(r); d >= 0 {
		return '0' + byte(d)
	}
	for i, sign := range signs {
		if r == sign {
			return plainSign + byte(i)
		}
	}
	switch {
	case r == '°':
		return plainDegree
	case r > 0xFF00 && r < 0xFF5F: // full-width
		return byte(r - 0xFEE0)
	case r >= 0x2010 && r <= 0x2015 || r == '−':
		return '-'
	case r == 0x200B, unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.IsLetter(r), unicode.IsNumber(r):
		return plainLetter
	case unicode.In(r, unicode.M, unicode.Cf):
		return 0
	}
	return plainOther
}

// place returns the bytes of the text that correspond to plain bytes.
func (t *plainText) place(text string, start, end int) (int, int) {
	if len(t.at) == 0 {
		return start, end
	}
	last := int(t.at[end-1])
	_, size := utf8.DecodeRuneInString(text[last:])
	return int(t.at[start]), last + size
}

// class classifies a plain byte. Letters and digits of words come last.
var class = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9':
			table[c] = classDigit
		case c >= 'A' && c <= 'Z':
			table[c] = classUpper
		case c >= 'a' && c <= 'z':
			table[c] = classLower
		case c == '_' || c == plainLetter:
			table[c] = classGlue
		}
	}
	return table
}()

const (
	classNone  = iota
	classGlue  // no identifier begins or ends next to it
	classDigit // this class and those below occur in words
	classUpper
	classLower
)

func isDigit(c byte) bool  { return class[c] == classDigit }
func isLetter(c byte) bool { return class[c] >= classUpper }

// begins reports whether an identifier may begin at i, ends whether one may end at i, and
// free whether both hold.
func begins(b []byte, i int) bool        { return i == 0 || class[b[i-1]] == classNone }
func ends(b []byte, i int) bool          { return i == len(b) || class[b[i]] == classNone }
func free(b []byte, start, end int) bool { return begins(b, start) && ends(b, end) }

// digitAt reports whether there is a digit at i, which may be out of range.
func digitAt(b []byte, i int) bool { return i >= 0 && i < len(b) && isDigit(b[i]) }

// digitsEnd returns the end of the digits from i on.
func digitsEnd(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func upper(c byte) byte {
	if class[c] == classLower {
		return c - 'a' + 'A'
	}
	return c
}

func lower(c byte) byte {
	if class[c] == classUpper {
		return c - 'A' + 'a'
	}
	return c
}
