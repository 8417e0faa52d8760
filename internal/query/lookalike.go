package query

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Cyrillic letters, in folded case, whose capital or small form looks Latin.
const (
	lookalikeCyrillic = "авекмнорстухіјѕ"
	lookalikeLatin    = "abekmhopctyxijs"
)

var toLatin, toCyrillic = func() (latin, cyrillic map[rune]rune) {
	latin, cyrillic = map[rune]rune{}, map[rune]rune{}
	other := []rune(lookalikeCyrillic)
	for i, r := range lookalikeLatin {
		latin[other[i]], cyrillic[r] = r, other[i]
	}
	return latin, cyrillic
}()

func isCyrillic(r rune) bool { return r >= 0x400 && r <= 0x52F }

// oneScript appends a folded word to dst. It converts the word to one script if the word
// mixes Latin and Cyrillic, or has a letter after a digit, as number plates do: to Latin
// if all its Cyrillic letters have Latin look-alikes, otherwise to Cyrillic if all its
// Latin letters have Cyrillic look-alikes. A word of only Cyrillic letters stays
// unchanged, whatever it looks like, and so does a word that may have been cut.
func oneScript(dst, word []byte) []byte {
	latin, cyrillic, behindDigit, digit := false, false, false, false
	latinLooks, cyrillicLooks := true, true
	size := 0 // the word's size if each letter with a look-alike took two bytes, as in Cyrillic
	for rest := word; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		switch {
		case isCyrillic(r):
			cyrillic = true
			behindDigit = behindDigit || digit
			cyrillicLooks = cyrillicLooks && toLatin[r] != 0
		case unicode.Is(unicode.Latin, r):
			latin = true
			latinLooks = latinLooks && toCyrillic[r] != 0
			n = max(n, 2)
		default:
			digit = digit || r >= '0' && r <= '9'
		}
		size += n
	}
	to := map[rune]rune(nil)
	switch {
	case !cyrillic || !latin && !behindDigit || size > longestUncut:
	case cyrillicLooks:
		to = toLatin
	case latinLooks:
		to = toCyrillic
	}
	if to == nil {
		return append(dst, word...)
	}
	for rest := word; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if other := to[r]; other != 0 {
			r = other
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// oneScripts applies oneScript to each word of a name.
func oneScripts(dst, name []byte) []byte {
	// A letter with a look-alike counts as two bytes in either script, so that a name
	// fits after the conversion if and only if it fits before.
	size := 0
	for _, r := range string(name) {
		size += max(utf8.RuneLen(r), 1)
		if toCyrillic[r] != 0 {
			size++
		}
	}
	if size > longestUncut {
		return append(dst, name...)
	}
	for len(name) > 0 {
		end := bytes.IndexFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.M, r) })
		if end < 0 {
			end = len(name)
		}
		dst = oneScript(dst, name[:end])
		_, n := utf8.DecodeRune(name[end:])
		dst = append(dst, name[end:end+n]...)
		name = name[end+n:]
	}
	return dst
}
