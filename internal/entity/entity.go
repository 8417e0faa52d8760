// Package entity finds identifiers in text: phones, containers, accounts, vessels, plates, coordinates, amounts; and the countries of a message.
//
// It prefers a missed identifier to a wrong one: check digits are verified, and ambiguous
// forms are not identifiers. A finding says that the text has this form at this place,
// not that a phone, an account or a plate exists. Anything not found here can still be
// found as text. Names of places are not found, because that would need a gazetteer.
package entity

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// Version identifies the rules. Different rules find different identifiers, so an index
// that was built with another version is rebuilt.
//
// 1: the first version. 2: countries of numbers.
const Version = "2"

// An Entity is an identifier at a place in a text.
type Entity struct {
	Kind string `json:"kind"`
	// Normal is the normal form, the same for every spelling in a text. It is ASCII,
	// except for the sign of a currency and the letters of a host, and has at most
	// MaxNormal bytes. [Normal] of a normal form returns it unchanged, and it is never
	// the name of a kind.
	Normal string `json:"normal"`
	// Start and End delimit the bytes [Start, End) of the identifier in the text.
	Start int `json:"start"`
	End   int `json:"end"`
}

// MaxNormal is the maximum size of a normal form in bytes.
const MaxNormal = 254

// A kind is one kind of identifier.
type kind struct {
	name   string
	anchor anchor
	// least is the minimum length of an anchor, in characters.
	least int
	// find looks for the identifier that has its anchor at [from, to), in time that does
	// not depend on the length of the text. normal is empty if there is no identifier.
	find func(b []byte, from, to int) (start, end int, normal string)
	// context is the part that may be missing when an identifier is given on its own.
	context string
}

// kinds lists all kinds. If two identifiers overlap, the one that begins first counts;
// if both begin at the same place, the longer one; then the first in this table.
var kinds = [...]kind{
	{"phone", word, 1, phone, ""},
	{"container", word, 6, container, ""},
	{"vessel", word, 7, vessel, "IMO "},
	{"iban", word, 4, iban, ""},
	{"crypto", word, 14, crypto, ""},
	{"imei", word, 1, imei, "IMEI "},
	{"plate", word, 1, plate, ""},
	{"coordinates", word, 1, coordinates, ""},
	{"amount", word, 1, amount, ""},
	{"weight", word, 1, weight, ""},
	{"email", at, 1, email, ""},
	{"host", scheme, 1, host, "https://"},
}

// Kinds returns the names of all kinds, in lower-case letters.
func Kinds() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// IsKind reports whether a string is the name of a kind.
func IsKind[S string | []byte](s S) bool {
	for i := range kinds {
		if kinds[i].name == string(s) {
			return true
		}
	}
	return false
}

// An anchor is a piece of text that every identifier of a kind contains and most texts do
// not.
type anchor uint8

const (
	word   anchor = iota // a run of letters and digits with at least one digit
	at                   // @
	scheme               // ://
)

// A Finder finds identifiers. It reuses its memory; each goroutine needs its own.
type Finder struct {
	text  plainText
	found []Entity
}

// Find returns the identifiers of a text in order. No two overlap, so there are never
// more identifiers than words. The slice is valid until the next call. A text without a
// digit, @ or :// takes only one look at each byte.
func (f *Finder) Find(text string) []Entity {
	if !candidate(text) {
		return nil
	}
	f.text.read(text)
	f.found = f.found[:0]
	b, last := f.text.bytes, 0 // last is where the last word ends
	for i := anchorAt(b, 0); i < len(b); i = anchorAt(b, i) {
		from := i
		switch i++; {
		case isDigit(b[from]):
			for from > last && class[b[from-1]] >= classDigit {
				from--
			}
			for i < len(b) && class[b[i]] >= classDigit {
				i++
			}
			f.try(text, word, from, i)
			last = i
		case b[from] == '@':
			f.try(text, at, from, i)
		case i+1 < len(b) && b[i] == '/' && b[i+1] == '/':
			f.try(text, scheme, from, i+2)
		}
	}
	return f.resolved()
}

func (f *Finder) try(text string, a anchor, from, to int) {
	for i := range kinds {
		if kinds[i].anchor != a || to-from < kinds[i].least {
			continue
		}
		start, end, normal := kinds[i].find(f.text.bytes, from, to)
		if normal == "" {
			continue
		}
		e := Entity{Kind: kinds[i].name, Normal: normal}
		e.Start, e.End = f.text.place(text, start, end)
		if a == scheme {
			e.Normal = strings.ToLower(text[e.Start:e.End]) // including letters beyond ASCII
		}
		f.found = append(f.found, e)
	}
}

// resolved removes overlapping identifiers.
func (f *Finder) resolved() []Entity {
	if len(f.found) < 2 {
		return f.found
	}
	slices.SortStableFunc(f.found, func(a, b Entity) int { return cmp.Or(a.Start-b.Start, b.End-a.End) })
	kept, end := f.found[:0], 0
	for _, e := range f.found {
		if e.Start >= end {
			kept = append(kept, e)
			end = e.End
		}
	}
	return kept
}

// Find returns the identifiers of a text, as [Finder.Find] does.
func Find(text string) []Entity { return new(Finder).Find(text) }

// Normal returns the normal form of an identifier on its own, in any spelling that a text
// could use. A host, an IMEI and an IMO number may lack the https://, IMEI or IMO that
// they need in a text.
func Normal(written string) (normal string, ok bool) {
	written = strings.TrimSpace(written)
	if len(written) > 2*MaxNormal {
		return "", false
	}
	var f Finder
	whole := func(text string) bool {
		found := f.Find(text)
		if len(found) == 1 && found[0].End == len(text) && found[0].Start <= len(text)-len(written) {
			normal, ok = found[0].Normal, true
		}
		return ok
	}
	if whole(written) {
		return normal, true
	}
	for i := range kinds {
		if kinds[i].context != "" && whole(kinds[i].context+written) {
			return normal, true
		}
	}
	return "", false
}

// candidate reports whether a text has a byte that may begin an anchor.
func candidate(text string) bool {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		x := uint64(text[i]) | uint64(text[i+1])<<8 | uint64(text[i+2])<<16 | uint64(text[i+3])<<24 |
			uint64(text[i+4])<<32 | uint64(text[i+5])<<40 | uint64(text[i+6])<<48 | uint64(text[i+7])<<56
		if (x&highs|anchors(x)) != 0 && candidateIn(text, i, i+8) {
			return true
		}
	}
	return candidateIn(text, i, len(text))
}

// highs has the bits that are set in no ASCII byte.
const highs = 0x8080808080808080

// anchors returns the highest bit of each of eight bytes that is a digit, a : or an @, if
// all bytes are ASCII.
func anchors(x uint64) uint64 {
	const ones = 0x0101010101010101
	digits := (x + (0x80-'0')*ones) &^ (x + (0x80-';')*ones) // '0' to '9', and ':', which follows '9'
	x ^= '@' * ones
	return (digits | (x-ones)&^x) & highs
}

// anchorAt returns the place of the next digit, : or @ in plain bytes, or their end.
func anchorAt(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if found := anchors(binary.LittleEndian.Uint64(b[i:])); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && first[b[i]] != firstAnchor && first[b[i]] != firstColon {
		i++
	}
	return i
}

func candidateIn(text string, from, to int) bool {
	for i := from; i < to; i++ {
		switch first[text[i]] {
		case 0:
		case firstColon:
			if strings.HasPrefix(text[i:], "://") {
				return true
			}
		case firstBeyond:
			if i+1 == len(text) || !second[text[i+1]] {
				continue
			}
			if r, _ := utf8.DecodeRuneInString(text[i:]); digitOf(r) >= 0 || r == '＠' {
				return true
			}
		default:
			return true
		}
	}
	return false
}

const (
	firstAnchor = 1 + iota
	firstColon
	firstBeyond // the first byte of some digits beyond ASCII
)

// first classifies first bytes; second marks the second bytes of digits beyond ASCII.
var first, second = func() (first [256]uint8, second [256]bool) {
	for c := '0'; c <= '9'; c++ {
		first[c] = firstAnchor
	}
	first['@'] = firstAnchor
	first[':'] = firstColon
	beyond := []rune{'＠'}
	for _, zero := range zeros {
		for d := range rune(10) {
			beyond = append(beyond, zero+d)
		}
	}
	for _, r := range beyond {
		first[string(r)[0]] = firstBeyond
		second[string(r)[1]] = true
	}
	return first, second
}()
