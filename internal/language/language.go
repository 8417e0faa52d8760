// Package language finds the language of a text from its letters and words. The answer is
// a statistical guess from the text alone: the same text always gets the same answer,
// whatever texts came before. Only the first 32 words within the first 4,096 bytes are
// looked at. Words with digits, links and addresses do not count, and neither do words of
// more than 24 letters.
package language

import (
	"hash/maphash"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Version identifies the rules and the table: it is raised when the answer for any text
// changes.
const Version = "1"

// These are the answers that are not a language.
const (
	Unknown = "unknown" // too few words, or words that fit no language better than another
	Mixed   = "mixed"   // words of two languages, in about equal parts
)

// Darija is Moroccan Arabic in Latin letters. Algerian Arabic is close to it, and also
// gets this answer.
const Darija = "ary-Latn"

// A script is a set of letters.
type script uint8

const (
	latin script = iota
	cyrillic
	arab
	han // this script and those below have no model, since each has one language
	kana
	hangul
	greek
	hebrew
	devanagari
	thai
	georgian
	armenian
	bengali
	gurmukhi
	gujarati
	tamil
	telugu
	strange // a letter of another script
	scripts
	ignored // a mark on a letter
	none    // no letter
)

// languages is the number of languages in the table, rounded up to the range of the number in a
// slot.
const languages = 32

// tags are the languages of the table, indexed by number. tools/language has the same
// order.
var tags = [...]string{
	"en", "nl", "fr", "de", "es", "pt", "it", "sq", "sh", "tr", "pl", "ro", "hu", "cs", "sk", "lt", "lv", "et", "sv", "da", "nb", "fi", "vi", "so",
	"ru", "uk", "bg", "sr",
	"ar", "fa", "ur",
}

// models gives, for each script with a model, its first language and the one after its
// last.
var models = [han][2]int{latin: {0, 24}, cyrillic: {24, 28}, arab: {28, 31}}

// scriptTags are the languages of the scripts that have no model.
var scriptTags = [scripts]string{
	han: "zh", kana: "ja", hangul: "ko", greek: "el", hebrew: "he", devanagari: "hi", thai: "th", georgian: "ka", armenian: "hy",
	bengali: "bn", gurmukhi: "pa", gujarati: "gu", tamil: "ta", telugu: "te",
}

// names are the English names of the answers.
var names = map[string]string{
	"en": "English", "nl": "Dutch", "fr": "French", "de": "German", "es": "Spanish", "pt": "Portuguese", "it": "Italian", "sq": "Albanian",
	"sh": "Bosnian, Croatian or Serbian", "tr": "Turkish", "pl": "Polish", "ro": "Romanian", "hu": "Hungarian", "cs": "Czech", "sk": "Slovak",
	"lt": "Lithuanian", "lv": "Latvian", "et": "Estonian", "sv": "Swedish", "da": "Danish", "nb": "Norwegian", "fi": "Finnish", "vi": "Vietnamese",
	"so": "Somali", "ru": "Russian", "uk": "Ukrainian", "bg": "Bulgarian", "sr": "Serbian", "ar": "Arabic", "fa": "Persian", "ur": "Urdu",
	"zh": "Chinese", "ja": "Japanese", "ko": "Korean", "el": "Greek", "he": "Hebrew", "hi": "Hindi", "th": "Thai", "ka": "Georgian", "hy": "Armenian",
	"bn": "Bengali", "pa": "Punjabi", "gu": "Gujarati", "ta": "Tamil", "te": "Telugu", Darija: "Moroccan Arabic in Latin letters",
	Mixed: "several languages", Unknown: "unknown",
}

// Name returns the English name of an answer, or the answer itself if it has none.
func Name(tag string) string {
	if name, ok := names[tag]; ok {
		return name
	}
	return tag
}

const (
	mostBytes   = 4096
	mostWords   = 32
	mostLetters = 24      // maximum number of letters in a word
	mostKey     = 12      // maximum number of bytes in a remembered word
	firstCache  = 1 << 10 // initial number of places for remembered words
	mostCache   = 1 << 15 // maximum number of places, of 64 bytes each: more would not fit in a processor's cache, and then scoring again is as fast
)

// The thresholds were chosen using lingua's test data and the sentences in the tests.
// Margins are differences of logarithms of probabilities, in steps of the table.
const (
	leastMargin = 4 * steps // minimum lead of the best language over the second
	clearWord   = 2 * steps // minimum lead of a word's own language over the text's for the word to count towards a mixture
	clearPart   = 8 * steps // the same, for all words of a part together
	leastWords  = 3         // minimum number of words in a part of a mixture
	leastShort  = 2         // minimum number of letters of a text whose script has only one language
)

// A Detector finds languages. It remembers the scores of words that it has seen, but this
// never changes an answer. Each goroutine needs its own.
type Detector struct {
	cache   []word // two places for each of the hashes of words
	taken   int    // number of places taken in cache
	words   [mostWords]word
	n       int // number of words
	letters [scripts]int
	key     [4 * mostLetters]byte
	runes   [mostLetters]rune
}

// most is the maximum number of languages of a script with a model.
const most = 24

// A word holds its scores for each language of its script, from the first one on. It is
// as long as a line of the processor's cache.
type word struct {
	scores [most]int16
	key    [mostKey]byte
	length uint8 // length of the key
	script script
	kind   kind
	best   uint8 // language of the script
}

// Detect returns the language of a text as a BCP 47 tag, or [Unknown] or [Mixed]. It
// returns "" if the text is empty.
func (d *Detector) Detect(text string) string {
	if text == "" {
		return ""
	}
	d.read(text)
	main, second := d.main()
	if main == scripts {
		return Unknown
	}
	if second != scripts && d.letters[second] >= 8 && 3*d.letters[second] >= d.letters[main] {
		return Mixed
	}
	if main < han {
		return d.ofWords(main)
	}
	if d.letters[main] < leastShort && main != han {
		return Unknown
	}
	if main == strange {
		return Unknown
	}
	return scriptTags[main]
}

// main returns the scripts with the most and the second most letters. Japanese uses two
// scripts.
func (d *Detector) main() (first, second script) {
	if d.letters[kana] > 0 && 10*d.letters[kana] >= d.letters[han] {
		d.letters[kana] += d.letters[han]
		d.letters[han] = 0
	}
	first, second = scripts, scripts
	for s, n := range d.letters {
		switch {
		case n == 0:
		case first == scripts || n > d.letters[first]:
			first, second = script(s), first
		case second == scripts || n > d.letters[second]:
			second = script(s)
		}
	}
	return first, second
}

// read splits the text into words and scores them.
func (d *Detector) read(text string) {
	d.n, d.letters = 0, [scripts]int{}
	if len(text) > mostBytes {
		text = text[:mostBytes]
	}
	links := strings.IndexByte(text, '@') >= 0 || strings.Contains(text, "://") || strings.Contains(text, "www.")
	for i := 0; i < len(text) && d.n < mostWords; {
		if links && (i == 0 || text[i-1] <= ' ') {
			end := i
			for end < len(text) && text[end] > ' ' {
				end++
			}
			if part := text[i:end]; strings.IndexByte(part, '@') >= 0 || strings.Contains(part, "://") || strings.HasPrefix(part, "www.") {
				if i = end; i == len(text) {
					return
				}
			}
		}
		i = d.word(text, i)
	}
}

// word reads the word at i, if there is one, and returns its end. A word consists of
// letters of one script and any digits among them.
func (d *Detector) word(text string, i int) int {
	n, letters, digits := 0, 0, false
	of := none
	for i < len(text) {
		c := text[i]
		if c < utf8.RuneSelf {
			lower := asciiLetters[c]
			if lower == 0 || of != none && of != latin {
				if n == 0 && lower == 0 {
					i++ // no word begins here
				}
				break
			}
			if lower <= '9' {
				digits = true
			} else {
				of = latin
				letters++
			}
			if n+1 < len(d.key) {
				d.key[n] = lower
				n++
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		s := scriptOf(r)
		if s == ignored {
			i += size
			continue
		}
		if s == none || of != none && s != of || s >= han || of == none && digits && s != latin {
			if n == 0 {
				i += size
				if s < scripts {
					d.letters[s]++
				}
			}
			break
		}
		of = s
		letters++
		if r = unicode.ToLower(r); n+utf8.RuneLen(r) < len(d.key) {
			n += utf8.EncodeRune(d.key[n:], r)
		}
		i += size
	}
	if of != none && letters <= mostLetters {
		d.add(d.key[:n], of, letters, digits)
	}
	return i
}

// add adds a word to the words of the text, using its scores from the cache if they are
// there.
func (d *Detector) add(key []byte, of script, letters int, digits bool) {
	w := &d.words[d.n]
	switch {
	case digits:
		kind := listed[string(key)]
		if kind == other {
			return
		}
		*w = word{script: of, kind: kind}
	case len(key) > mostKey:
		d.score(w, key, of)
	default:
		*w = *d.cached(key, of)
	}
	d.letters[of] += letters
	d.n++
}

// score scores a word.
func (d *Detector) score(w *word, key []byte, of script) {
	*w = word{script: of, kind: listed[string(key)]}
	var scores [languages]int16
	letters := d.letter(key)
	t := tables()
	t.long.score(&scores, letters)
	copy(w.scores[:], scores[models[of][0]:models[of][1]])
	t.short.score(&w.scores, letters, of)
	for l, s := range w.scores[:models[of][1]-models[of][0]] {
		if s > w.scores[w.best] {
			w.best = uint8(l)
		}
	}
}

var seed = maphash.MakeSeed()

// cached returns a word from the cache, which keeps the last two words for each hash. A cache
// that is half full is emptied and doubled in size, up to its maximum.
func (d *Detector) cached(key []byte, of script) *word {
	if 2*d.taken >= len(d.cache) && len(d.cache) < mostCache {
		d.cache, d.taken = make([]word, max(firstCache, 2*len(d.cache))), 0
	}
	at := int(maphash.Bytes(seed, key)) & (len(d.cache) - 2) // with a seed, nobody can choose words that collide
	last, before := &d.cache[at], &d.cache[at+1]
	switch {
	case string(last.key[:last.length]) == string(key):
		return last
	case string(before.key[:before.length]) == string(key):
		return before
	case before.length == 0:
		d.taken++
	}
	*before = *last
	d.score(last, key, of)
	last.length = uint8(copy(last.key[:], key))
	return last
}

// ofWords returns the language of the words of a script.
func (d *Detector) ofWords(of script) string {
	var tally [darija + 1]int
	words := 0
	for i := range d.words[:d.n] {
		if w := &d.words[i]; w.script == of {
			tally[w.kind]++
			words++
		}
	}
	first, margin := d.sum(of)
	if hits := tally[darija] + tally[arabic]; tally[darija] > 0 && hits >= 2 && 3*hits >= words {
		if rest := words - hits; rest > leastWords && 2*rest > hits && margin >= clearPart {
			return Mixed
		}
		return Darija
	}
	if d.mixed(of, first) {
		return Mixed
	}
	if margin < leastMargin {
		return Unknown
	}
	return tags[models[of][0]+first]
}

// sum returns the language of a script with the best score over all words, and its lead
// over the second. Words of Moroccan Arabic do not count for other languages.
func (d *Detector) sum(of script) (first int, margin int32) {
	var scores [most]int32
	for i := range d.words[:d.n] {
		if w := &d.words[i]; w.script == of && w.kind != darija {
			for l, s := range &w.scores {
				scores[l] += int32(s)
			}
		}
	}
	n := models[of][1] - models[of][0]
	first, second := 0, 1
	if scores[second] > scores[first] {
		first, second = second, first
	}
	for l := 2; l < n; l++ {
		if scores[l] > scores[first] {
			first, second = l, first
		} else if scores[l] > scores[second] {
			second = l
		}
	}
	return first, scores[first] - scores[second]
}

// letter returns the letters of a word. The result is valid until the next call.
func (d *Detector) letter(word []byte) []rune {
	n := 0
	for _, r := range string(word) {
		if n < len(d.runes) {
			d.runes[n] = r
			n++
		}
	}
	return d.runes[:n]
}

// mixed reports whether a good part of the words is in a language other than the first,
// and a good part is in the first.
func (d *Detector) mixed(of script, first int) bool {
	var others [most]uint8
	foreign := 0
	for i := range d.words[:d.n] {
		if w := &d.words[i]; w.script == of && w.scores[w.best]-w.scores[first] >= clearWord {
			others[w.best]++
			foreign++
		}
	}
	if foreign < leastWords {
		return false
	}
	second := 0
	for l := range others {
		if others[l] > others[second] {
			second = l
		}
	}
	var native, alien, nativeGain, alienGain, words int
	for i := range d.words[:d.n] {
		w := &d.words[i]
		if w.script != of {
			continue
		}
		words++
		switch gain := int(w.scores[second]) - int(w.scores[first]); {
		case gain >= clearWord:
			alien++
			alienGain += gain
		case gain <= -clearWord:
			native++
			nativeGain -= gain
		}
	}
	return native >= leastWords && alien >= leastWords && 4*alien >= words && 4*native >= words && alienGain >= clearPart && nativeGain >= clearPart
}

// asciiLetters maps letters to lower case, digits to themselves, and everything between
// words to 0.
var asciiLetters = func() (table [utf8.RuneSelf]byte) {
	for c := range table {
		switch {
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
			table[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			table[c] = byte(c) + 'a' - 'A'
		}
	}
	return table
}()

var letterTables = [strange]*unicode.RangeTable{
	unicode.Latin, unicode.Cyrillic, unicode.Arabic, unicode.Han, nil, unicode.Hangul, unicode.Greek, unicode.Hebrew, unicode.Devanagari,
	unicode.Thai, unicode.Georgian, unicode.Armenian, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati, unicode.Tamil, unicode.Telugu,
}

// scriptOf returns the script of a letter.
func scriptOf(r rune) script {
	switch {
	case r >= 0xC0 && r < 0x250 && r != 0xD7 && r != 0xF7:
		return latin
	case r >= 0x400 && r < 0x482:
		return cyrillic
	case r >= 0x4E00 && r < 0xA000:
		return han
	case r >= 0x3041 && r <= 0x30FF:
		return kana
	case unicode.Is(unicode.M, r), r == 0x640, r == 0x200C, r == 0x200D: // tatweel, and joiners inside of words
		return ignored
	case !unicode.IsLetter(r):
		return none
	}
	for s, t := range letterTables {
		if t != nil && unicode.Is(t, r) {
			return script(s)
		}
	}
	return strange
}
