package query

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/language"
	"github.com/argus-evidence/argus/internal/same"
)

// MaxTerm is the maximum size of a term in bytes. A longer term is cut to this size,
// between two characters, in texts and queries alike.
const MaxTerm = 256

// An Analyzer turns text into terms, the same for texts and for queries. It reuses its
// buffers and does not allocate; each goroutine needs its own.
//
//	var a query.Analyzer
//	for a.Reset(text); a.Next(); {
//		use(a.Term(), a.Start(), a.End())
//	}
//
// The terms are the words of Unicode UAX 29 with these differences: all punctuation, also
// between letters or digits, and the underscore separate words (but not the quotes inside
// a Hebrew acronym); and Han, kana, the scripts of South-East Asia that are written
// without spaces, and emoji yield one term for each character. Characters are
// compatibility-decomposed (NFKD, with Hangul composed) and lose their case and
// diacritics. A word that mixes Latin and Cyrillic look-alikes is converted to one
// script; docs/query.md lists them. Analysing a term yields the same term.
type Analyzer struct {
	text string
	pos  int // position of the next character

	// rest holds the remaining parts of the character at [restStart, restEnd).
	rest               []folded
	restStart, restEnd int

	start, end int
	n          int  // length of the term in buf
	single     bool // only marks can be added to the term
	cyrillic   bool // the term contains a Cyrillic letter
	other      bool // the term contains a character that is not Cyrillic
	full       bool // the term was cut
	buf        [MaxTerm + utf8.UTFMax]byte

	whole     []byte // see Terms
	same      same.Hasher
	finder    entity.Finder
	languages language.Detector
	mixed     []byte // see oneScript
}

// Reset begins a new text.
func (a *Analyzer) Reset(text string) {
	a.text, a.pos, a.rest = text, 0, nil
	a.start, a.end, a.n = 0, 0, 0
}

// Term returns the current term. It is valid until the next call.
func (a *Analyzer) Term() []byte { return a.buf[:a.n] }

// Start returns the byte offset in the text at which the current term begins.
func (a *Analyzer) Start() int { return a.start }

// End returns the byte offset after the current term, even if the term was cut. Terms may
// share a character (½ yields 1 and 2); starts and ends never decrease.
func (a *Analyzer) End() int { return a.end }

// Next advances to the next term and reports whether there is one.
func (a *Analyzer) Next() bool {
	text, i := a.text, a.pos
	if len(a.rest) > 0 {
		return a.next(i, 0)
	}
	for i < len(text) && ascii[text[i]] == asciiSeparator {
		i++
	}
	n := 0
	a.start = i
	for i < len(text) {
		c := ascii[text[i]]
		if c <= asciiBeyond {
			break
		}
		if n < MaxTerm {
			a.buf[n] = c
			n++
		}
		i++
	}
	if i < len(text) && text[i] >= utf8.RuneSelf {
		return a.next(i, n)
	}
	a.n, a.end, a.pos, a.single = n, i, i, false
	return n > 0
}

// next is Next for all characters. It starts at i, after n bytes of a term were read.
func (a *Analyzer) next(i, n int) bool {
	a.cyrillic, a.other = false, n > 0
	found := a.read(i, n)
	if a.cyrillic && a.other {
		a.mixed = oneScript(a.mixed[:0], a.buf[:a.n])
		a.n = copy(a.buf[:], a.mixed)
	}
	return found
}

func (a *Analyzer) read(i, n int) bool {
	a.n, a.end, a.single, a.full = n, i, false, n == MaxTerm
	open := n > 0
	for {
		f, from, to := a.peek(i)
		if to == 0 {
			a.pos = i
			return open
		}
		switch f.kind() {
		case kindSeparator:
			if open && !a.hebrewQuote(f.char(), to) {
				a.pos = i
				return true
			}
		case kindNothing:
		case kindAccent:
			if open {
				a.accent(f.char())
			}
		case kindMark:
			if open {
				a.mark(f.char())
			}
		case kindLetter:
			if open && a.single {
				a.pos = i
				return true
			}
			a.letter(f.char())
		case kindSingle, kindFlag:
			if open {
				a.pos = i
				return true
			}
			a.single = true
			a.letter(f.char())
			if f.kind() == kindFlag {
				to = a.flag(to)
			}
		}
		if !open && a.n > 0 {
			open, a.start = true, from
		}
		i = to
		a.rest = a.rest[min(1, len(a.rest)):]
		if open {
			a.end = to
		}
	}
}

// peek returns the folded character at i and its place; to is 0 at the end of the text.
func (a *Analyzer) peek(i int) (f folded, from, to int) {
	if len(a.rest) > 0 {
		return a.rest[0], a.restStart, a.restEnd
	}
	if i >= len(a.text) {
		return 0, i, 0
	}
	r, size := utf8.DecodeRuneInString(a.text[i:])
	p := pageOf(r)
	f = p.chars[r&0xFF]
	if f.kind() == kindSeveral {
		a.rest, a.restStart, a.restEnd = p.several[f.char()], i, i+size
		f = a.rest[0]
	}
	return f, i, i + size
}

// letter adds a character to the term, unless the term is full.
func (a *Analyzer) letter(r rune) {
	if r >= 0x1161 && r <= 0x11C2 && !a.full {
		last, size := utf8.DecodeLastRune(a.buf[:a.n])
		if syllable, ok := hangul(last, r); ok {
			a.n -= size
			r = syllable
		}
	}
	if a.full = a.full || a.n+utf8.RuneLen(r) > MaxTerm; !a.full {
		a.n += utf8.EncodeRune(a.buf[a.n:], r)
	}
	a.cyrillic = a.cyrillic || isCyrillic(r)
	a.other = a.other || !isCyrillic(r)
}

// accent combines an accent with the last letter into another letter, or drops the accent.
func (a *Analyzer) accent(r rune) {
	last, size := utf8.DecodeLastRune(a.buf[:a.n])
	at := a.n - size
	for at > 0 && combiningClass(a.buf[at:]) != 0 { // marks that sort before the accent
		last, size = utf8.DecodeLastRune(a.buf[:at])
		at -= size
	}
	if to, ok := cyrillicAccents[[2]rune{last, r}]; ok && !a.full {
		utf8.EncodeRune(a.buf[at:], to) // as long as the letter
	}
}

// mark adds a mark in canonical order (Unicode, section 3.11).
func (a *Analyzer) mark(r rune) {
	size := utf8.RuneLen(r)
	if a.full = a.full || a.n+size > MaxTerm; a.full {
		return
	}
	at := a.n
	a.n += utf8.EncodeRune(a.buf[a.n:], r)
	class := combiningClass(a.buf[at:a.n])
	for class != 0 && at > 0 {
		_, before := utf8.DecodeLastRune(a.buf[:at])
		if combiningClass(a.buf[at-before:at]) <= class {
			return
		}
		copy(a.buf[at-before+size:], a.buf[at-before:at])
		at -= before
		utf8.EncodeRune(a.buf[at:], r)
	}
}

func combiningClass(r []byte) uint8 { return norm.NFD.Properties(r).CCC() }

// flag adds the second half of a flag, if it is at i, and returns its end.
func (a *Analyzer) flag(i int) int {
	r, size := utf8.DecodeRuneInString(a.text[i:])
	if pageOf(r).chars[r&0xFF].kind() != kindFlag {
		return i
	}
	a.letter(r)
	return i + size
}

// hebrewQuote reports whether a quote is inside a Hebrew acronym or name, between the last
// letter read and the one at i.
func (a *Analyzer) hebrewQuote(quote rune, i int) bool {
	switch quote {
	case '"', '\'', '״', '׳', '’', '”':
		last, _ := utf8.DecodeLastRune(a.buf[:a.n])
		next, _ := utf8.DecodeRuneInString(a.text[i:])
		return isHebrewLetter(last) && isHebrewLetter(next)
	}
	return false
}

func isHebrewLetter(r rune) bool { return r >= 0x5D0 && r <= 0x5EA }

const (
	asciiSeparator = 0
	asciiBeyond    = 1 // the first byte of a longer character
)

// ascii maps letters and digits to their folded forms.
var ascii = func() (table [256]byte) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
			table[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			table[c] = byte(c) + 'a' - 'A'
		case c >= utf8.RuneSelf:
			table[c] = asciiBeyond
		}
	}
	return table
}()

// Analyze returns the terms of a text.
func Analyze(text string) []string {
	var terms []string
	var a Analyzer
	for a.Reset(text); a.Next(); {
		terms = append(terms, string(a.Term()))
	}
	return terms
}
