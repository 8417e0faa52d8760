package query

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/language"
)

// AnalysisVersion identifies the rules that turn text into terms, the Unicode version of
// their tables, and the version of the rules for identifiers. An index that was built
// with another version has different terms and is rebuilt.
//
// 1: the first. 2: look-alikes of Latin and Cyrillic in one word. 3: identifiers.
const AnalysisVersion = "8 unicode " + unicode.Version + " normalization " + norm.Version + " entity " + entity.Version + " language " + language.Version

// A folded character is the result of folding one character of a text: a kind in the high
// byte, and in the rest a character or, for kindSeveral, an index into its page's list.
type folded uint32

type kind uint8

const (
	// kindSeparator ends a term. The character is itself (NFKC); white space and control
	// characters are ' '.
	kindSeparator kind = iota
	// kindNothing leaves no trace and does not end a term: dropped diacritics,
	// tatweel, joiners, direction marks, skin tones.
	kindNothing
	// kindLetter is part of a word: a letter or a digit.
	kindLetter
	// kindSingle is a term by itself: Han, kana, Thai, emoji.
	kindSingle
	// kindMark belongs to the letter before it and carries meaning.
	kindMark
	// kindAccent is dropped, unless it turns a Cyrillic letter into another one.
	kindAccent
	// kindFlag is half of a flag.
	kindFlag
	// kindSeveral means more than one folded character.
	kindSeveral
)

func fold(k kind, r rune) folded { return folded(k)<<24 | folded(r) }

func (f folded) kind() kind { return kind(f >> 24) }
func (f folded) char() rune { return rune(f & 0xFFFFFF) }

// A page holds the folded forms of 256 characters. Pages depend only on the Unicode tables,
// are computed when they are first needed, and take at most 5 MB for all of Unicode.
type page struct {
	chars   [256]folded
	several [][]folded
}

var pages [(unicode.MaxRune + 1) / 256]atomic.Pointer[page]

func pageOf(r rune) *page {
	slot := &pages[r>>8]
	if p := slot.Load(); p != nil {
		return p
	}
	p := &page{}
	for i := range p.chars {
		list := foldChar(r&^0xFF + rune(i))
		switch len(list) {
		case 0:
			p.chars[i] = fold(kindNothing, 0)
		case 1:
			p.chars[i] = list[0]
		default:
			p.chars[i] = fold(kindSeveral, rune(len(p.several)))
			p.several = append(p.several, list)
		}
	}
	slot.Store(p)
	return p
}

// foldChar folds one character: it applies compatibility decomposition, folds case, and
// then folds diacritics and letter variants that people often leave out.
func foldChar(r rune) []folded {
	if lower := lowerCase(r); strings.ContainsRune(cyrillicKept, lower) {
		return []folded{fold(kindLetter, lower)}
	}
	var out []folded
	for _, c := range norm.NFKD.String(string(r)) {
		c = lowerCase(c)
		if to, ok := letterVariants[c]; ok {
			for _, l := range to {
				out = append(out, fold(kindLetter, l))
			}
			continue
		}
		if f := classify(c); f.kind() != kindNothing {
			out = append(out, f)
		}
	}
	return composeHangul(out)
}

// lowerCase applies simple case folding. The additions of full case folding (such as ß)
// are in letterVariants or follow from the decomposition.
func lowerCase(r rune) rune {
	if !unicode.IsLetter(r) {
		return r // mainly U+0345, which would become an iota
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// cyrillicKept lists letters that decompose but are letters in their own right: nobody who
// writes Russian leaves out the breve of й. But ё, which most people write as е, is folded.
const cyrillicKept = "йўїѓќ"

// cyrillicAccents maps letters with a separate accent to those in cyrillicKept.
var cyrillicAccents = map[[2]rune]rune{
	{'и', 0x306}: 'й', {'у', 0x306}: 'ў', {'і', 0x308}: 'ї', {'г', 0x301}: 'ѓ', {'к', 0x301}: 'ќ',
}

// letterVariants maps letters that do not decompose to the letters that people type
// instead if their keyboard lacks them.
var letterVariants = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th",
	'ħ': "h", 'ŧ': "t", 'ŋ': "n", 'ı': "i", 'ȷ': "j", 'ĸ': "k", 'ə': "e", 'ǝ': "e",
	'ƀ': "b", 'ƒ': "f", 'ɓ': "b", 'ɗ': "d", 'ɖ': "d", 'ƙ': "k", 'ƴ': "y", 'ɨ': "i", 'ʉ': "u",
	'ɛ': "e", 'ɔ': "o",
	'ٱ': "ا", 'ى': "ي", 'ی': "ي", 'ة': "ه", 'ۃ': "ه", 'ہ': "ه", 'ک': "ك",
	'ـ': "", // tatweel
}

func classify(r rune) folded {
	switch {
	case unicode.Is(unicode.Nd, r):
		return fold(kindLetter, '0'+digit(r))
	case unicode.IsLetter(r):
		switch {
		case r == 0x2BB || r == 0x2BC: // apostrophes, whatever their class
			return fold(kindSeparator, '\'')
		case unicode.In(r, writtenWithoutSpaces...) || r == 'ー':
			return fold(kindSingle, r)
		}
		return fold(kindLetter, r)
	case r == 0x3099 || r == 0x309A: // voiced kana: か and が are different
		return fold(kindMark, r)
	case r == 0x301 || r == 0x306 || r == 0x308:
		return fold(kindAccent, r)
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r):
		if unicode.In(r, droppedMarks...) || norm.NFD.PropertiesString(string(r)).CCC() == nukta {
			return fold(kindNothing, 0)
		}
		return fold(kindMark, r)
	case unicode.Is(unicode.Mc, r):
		return fold(kindMark, r)
	case unicode.Is(unicode.Cf, r) && r != 0x200B, // a zero-width space counts as a space
		r >= 0x1F3FB && r <= 0x1F3FF: // skin tones
		return fold(kindNothing, 0)
	case r >= 0x1F1E6 && r <= 0x1F1FF:
		return fold(kindFlag, r)
	case unicode.Is(unicode.Nl, r):
		if unicode.Is(unicode.Han, r) {
			return fold(kindSingle, r)
		}
		return fold(kindLetter, r)
	case r == utf8.RuneError, unicode.IsSpace(r), unicode.IsControl(r), r == 0x200B:
		return fold(kindSeparator, ' ')
	case unicode.IsPunct(r), unicode.In(r, unicode.Sc, unicode.Sm, unicode.Sk, unicode.Z):
		return fold(kindSeparator, r)
	}
	// Emoji and other symbols, non-decimal numbers, private-use characters, and
	// characters that these tables do not know yet can each be found individually.
	return fold(kindSingle, r)
}

// nukta is the combining class of the dot that turns an Indic letter into a
// similar sound, and is often left out.
const nukta = 7

var (
	writtenWithoutSpaces = []*unicode.RangeTable{
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer,
		unicode.Myanmar, unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet, unicode.Ahom,
		unicode.Tangut, unicode.Nushu, unicode.Khitan_Small_Script,
	}
	// Scripts whose marks are accents, pointing or vowels that are usually not written. The
	// marks of all others, such as Indic vowel signs, are kept.
	droppedMarks = []*unicode.RangeTable{
		unicode.Inherited, unicode.Common, unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew,
		unicode.Arabic, unicode.Syriac, unicode.Nko, unicode.Mongolian, unicode.Glagolitic, unicode.Coptic,
	}
)

// digit returns the value of a decimal digit of any script.
func digit(r rune) rune {
	for _, run := range unicode.Nd.R16 {
		if r <= rune(run.Hi) {
			return (r - rune(run.Lo)) % 10
		}
	}
	for _, run := range unicode.Nd.R32 {
		if r <= rune(run.Hi) {
			return (r - rune(run.Lo)) % 10
		}
	}
	return 0
}

// composeHangul puts together the syllables that decomposition took apart.
func composeHangul(list []folded) []folded {
	out := list[:0]
	for _, f := range list {
		if len(out) > 0 {
			if syllable, ok := hangul(out[len(out)-1].char(), f.char()); ok {
				out[len(out)-1] = fold(kindLetter, syllable)
				continue
			}
		}
		out = append(out, f)
	}
	return out
}

// hangul composes a syllable with its next jamo (Unicode, section 3.12).
func hangul(last, next rune) (rune, bool) {
	const (
		leads, vowels, trails, syllables  = 0x1100, 0x1161, 0x11A7, 0xAC00
		leadCount, vowelCount, trailCount = 19, 21, 28
	)
	switch {
	case last >= leads && last < leads+leadCount && next >= vowels && next < vowels+vowelCount:
		return syllables + ((last-leads)*vowelCount+(next-vowels))*trailCount, true
	case last >= syllables && last < syllables+leadCount*vowelCount*trailCount &&
		(last-syllables)%trailCount == 0 && next > trails && next < trails+trailCount:
		return last + next - trails, true
	}
	return 0, false
}
