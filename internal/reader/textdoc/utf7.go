package textdoc

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// IsUTF7 reports whether a charset is UTF-7 (RFC 2152), by one of its names.
func IsUTF7(charset string) bool {
	switch strings.ToLower(charset) {
	case "utf-7", "utf7", "x-utf-7", "csutf7", "unicode-1-1-utf-7", "x-unicode-1-1-utf-7", "x-unicode-2-0-utf-7", "csunicode11utf7":
		return true
	}
	return false
}

// UTF7 decodes UTF-7: + begins base64 of UTF-16, which ends at the first character
// outside its alphabet; a - there is left out, and +- is a +. It returns false if the
// text after a + is not base64 of UTF-16.
func UTF7(b []byte) (string, bool) {
	var out []byte
	var units []uint16
	for i := 0; i < len(b); i++ {
		if b[i] >= utf8.RuneSelf {
			return "", false
		}
		if b[i] != '+' {
			out = append(out, b[i])
			continue
		}
		end := i + 1
		for end < len(b) && isBase64(b[end]) {
			end++
		}
		if end == i+1 {
			if end == len(b) || b[end] != '-' {
				return "", false
			}
			out = append(out, '+')
			i = end
			continue
		}
		stored, err := base64.RawStdEncoding.Strict().DecodeString(string(b[i+1 : end]))
		if err != nil || len(stored) < 2 || len(stored)%2 == 1 && stored[len(stored)-1] != 0 {
			return "", false
		}
		units = units[:0]
		for n := 0; n+1 < len(stored); n += 2 {
			units = append(units, uint16(stored[n])<<8|uint16(stored[n+1]))
		}
		for _, r := range utf16.Decode(units) {
			out = utf8.AppendRune(out, r)
		}
		if i = end - 1; end < len(b) && b[end] == '-' {
			i = end
		}
	}
	return string(out), true
}

func isBase64(c byte) bool {
	return 'A' <= c&^0x20 && c&^0x20 <= 'Z' || IsDigit(c) || c == '+' || c == '/'
}
