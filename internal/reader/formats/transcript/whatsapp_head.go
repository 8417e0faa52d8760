package transcript

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// whatsappLayout is the form that all messages of one export share.
type whatsappLayout struct {
	bracket, colon, comma, seconds bool
	clockFirst                     bool
	yearFirst                      bool // also if the month is a word
	longYear                       bool // the year has four digits, or an era
	separator                      byte // of the date: / . - or a space next to the month's name
}

// whatsappHead is the beginning of a message, before its name. Its slices belong to the line.
type whatsappHead struct {
	whatsappLayout
	date                 [3]int // as written, not yet in order
	era                  byte   // the era that the year names: 'R' and 'H' of Japan, 0 for none
	hour, minute, second int
	period               byte   // of a 12-hour clock, as in clockWords: 0 none, '?' unknown word
	word                 []byte // the unknown word
	stray                bool   // the word is before the time, or nothing separates the time from the name
	raw                  []byte // date and time as written
	rest                 []byte // the rest of the line
}

// parseWhatsAppHead reads the beginning of a message. The fields of the time are not yet
// checked.
func parseWhatsAppHead(text []byte) (h whatsappHead, ok bool) {
	if len(text) < len("1/1/19 1:11") || text[0] > '9' && text[0] != '[' && text[0] < 0x80 && !beginsWithDay(text) {
		return h, false
	}
	c := clockText{text, 0}
	c.marks()
	if h.bracket = c.byte('['); h.bracket {
		c.marks()
	}
	start := c.at
	if h.clockFirst = c.clockBegins(); h.clockFirst {
		if !c.clock(&h) || !c.periodBehind(&h) || !c.gap(&h) || !c.date(&h) {
			return h, false
		}
	} else if !c.date(&h) || !c.gap(&h) || !c.periodBefore(&h) || !c.clock(&h) {
		return h, false
	}
	end := c.at
	tail := text[end:min(len(text), end+40)]
	stop, size := bytes.IndexByte(tail, ']'), 1
	if !h.bracket {
		stop, size = dash(tail)
		if colon := bytes.Index(tail, []byte(": ")); colon >= 0 && (stop < 0 || colon < stop) {
			stop, size = -1, 0
			if word := bytes.TrimFunc(tail[:colon], isSpaceOrMark); h.seconds && (len(word) == 0 || clockWord(word) != 0) {
				h.colon, stop, size = true, colon, 2
			}
		}
	}
	if stop < 0 && !h.bracket {
		return h, c.undivided(&h, start, tail)
	}
	if stop < 0 {
		return h, false
	}
	if word := bytes.TrimRightFunc(tail[:stop], isSpaceOrMark); len(word) > 0 {
		if bytes.ContainsAny(word, "0123456789:") {
			return h, false
		}
		switch period := clockWord(word); period {
		case '-':
		case 0:
			h.period, h.word = '?', bytes.TrimLeftFunc(word, isSpaceOrMark)
		default:
			h.period = period
		}
		end += len(word)
	}
	h.raw = text[start:end]
	h.rest = text[c.at+stop+size:]
	if h.bracket && len(h.rest) > 0 {
		if h.rest[0] != ' ' {
			return h, false
		}
		h.rest = h.rest[1:]
	}
	if h.stray && bytes.Index(h.rest, []byte(": ")) <= 0 {
		return h, false
	}
	return h, true
}

// undivided reads a head whose time is directly followed by a name, as in scanned or
// hand-edited text: a message with a damaged beginning.
func (c *clockText) undivided(h *whatsappHead, start int, tail []byte) bool {
	at := bytes.Index(c.b[c.at:min(len(c.b), c.at+100)], []byte(": "))
	if at < 2 || tail[0] != ' ' || h.clockFirst {
		return false
	}
	h.stray, h.raw, h.rest = true, c.b[start:c.at], c.b[c.at:]
	return true
}

// beginsWithDay reports whether a text begins with the name of a day or of a month.
func beginsWithDay(text []byte) bool {
	at := 0
	for at < min(len(text)-1, 12) && text[at] != ' ' && text[at] != ',' {
		at++
	}
	return at >= 3 && (text[at] == ',' || monthOf(text) > 0)
}

// dash finds the dash between the time and the name, and its length.
func dash(b []byte) (at, size int) {
	for _, d := range []string{" - ", " – ", "\u00A0- "} {
		if at := bytes.Index(b, []byte(d)); at >= 0 {
			return at, len(d)
		}
	}
	return -1, 0
}

func isSpaceOrMark(r rune) bool { return unicode.IsSpace(r) || isMark(r) }

// isMark reports whether r sets the direction of text.
func isMark(r rune) bool { return r == 0xFEFF || unicode.Is(unicode.Bidi_Control, r) }

// clockWord looks up a word in the forms that people and phones write: "a. m.", "PM".
func clockWord(word []byte) byte {
	return clockWords[strings.Map(func(r rune) rune {
		if r == '.' || r == '״' || isSpaceOrMark(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, string(word))]
}

// monthOf returns the month with this name in dates.MonthNames, or 0 if there is none.
func monthOf(word []byte) int {
	if len(word) < 3 {
		return 0
	}
	key := [3]byte{word[0] | 0x20, word[1] | 0x20, word[2] | 0x20} // lower case, of letters
	return dates.MonthNames[string(key[:])]
}

// clockText is a position in a line that holds a date and a time.
type clockText struct {
	b  []byte
	at int
}

func (c *clockText) byte(want byte) bool {
	if c.at < len(c.b) && c.b[c.at] == want {
		c.at++
		return true
	}
	return false
}

func (c *clockText) bytes(want string) bool {
	if bytes.HasPrefix(c.b[c.at:], []byte(want)) {
		c.at += len(want)
		return true
	}
	return false
}

// marks skips the marks that set the direction of text.
func (c *clockText) marks() {
	if c.at < len(c.b) && c.b[c.at] >= 0x80 {
		c.skipMarks()
	}
}

func (c *clockText) skipMarks() {
	for c.at < len(c.b) && c.b[c.at] >= 0x80 {
		r, n := utf8.DecodeRune(c.b[c.at:])
		if !isMark(r) {
			return
		}
		c.at += n
	}
}

// spaces skips white space of any kind, and marks. It reports whether there was any.
func (c *clockText) spaces() bool {
	start := c.at
	for c.marks(); c.at < len(c.b); c.marks() {
		n := 1
		if c.b[c.at] != ' ' {
			var r rune
			if r, n = utf8.DecodeRune(c.b[c.at:]); r < 0x80 || !unicode.IsSpace(r) {
				break
			}
		}
		c.at += n
	}
	return c.at > start
}

// number reads a number of at most limit digits, in any script that phones write.
func (c *clockText) number(limit int) (n, digits int) {
	for c.at < len(c.b) {
		if d := c.b[c.at] - '0'; d < 10 {
			n = 10*n + int(d)
			c.at++
		} else if c.b[c.at] < 0x80 {
			break
		} else {
			r, size := utf8.DecodeRune(c.b[c.at:])
			d := digitOf(r)
			if d < 0 {
				break
			}
			n = 10*n + d
			c.at += size
		}
		if digits++; digits > limit {
			return 0, 0
		}
	}
	return n, digits
}

// digitOf returns the value of a decimal digit of any script, or -1. Unicode has the digits of
// each script in order, beginning with zero (TestDigits).
func digitOf(r rune) int {
	for _, span := range unicode.Nd.R16 {
		if r <= rune(span.Hi) {
			if r < rune(span.Lo) {
				return -1
			}
			return int(r-rune(span.Lo)) % 10
		}
	}
	return -1
}

// date reads three numbers, or two and the name of a month.
func (c *clockText) date(h *whatsappHead) bool {
	if c.at < len(c.b) && (c.b[c.at]|0x20 >= 'a' && c.b[c.at]|0x20 <= 'z') {
		if at := bytes.IndexByte(c.b[c.at:min(len(c.b), c.at+12)], ','); at > 0 && monthOf(c.b[c.at:c.at+at]) == 0 {
			c.at += at + 1 // the name of the day
			c.spaces()
		}
		return c.namedDate(h)
	}
	var digits [3]int
	for i := range h.date {
		if i == 2 && c.at < len(c.b) && (c.b[c.at] == 'R' || c.b[c.at] == 'H') {
			h.era = c.b[c.at]
			c.at++
		}
		h.date[i], digits[i] = c.number(4)
		c.marks()
		if digits[i] == 0 || c.at == len(c.b) {
			return false
		}
		if i == 2 {
			break
		}
		separator := c.b[c.at]
		if i == 0 && separator == ' ' && digits[0] <= 2 {
			c.at++
			return c.namedDay(h, h.date[0])
		}
		if separator != '/' && separator != '.' && separator != '-' || i == 1 && separator != h.separator {
			return false
		}
		h.separator = separator
		c.at++
		c.marks()
		if separator == '.' {
			c.byte(' ')
		}
	}
	h.yearFirst = digits[0] == 4
	h.longYear = h.yearFirst || digits[2] == 4 || h.era != 0
	if h.separator == '.' {
		c.byte('.') // 2019. 1. 20.
	}
	if h.yearFirst {
		return digits[1] <= 2 && digits[2] <= 2
	}
	return digits[0] <= 2 && digits[1] <= 2 && (digits[2] == 2 || digits[2] == 4 || h.era != 0)
}

// namedDate reads Jun 20, 2025.
func (c *clockText) namedDate(h *whatsappHead) bool {
	month := c.month()
	c.spaces()
	day, digits := c.number(2)
	return month > 0 && digits > 0 && c.namedYear(h, month, day)
}

// namedDay reads the part after the day in 28 Aug 2013.
func (c *clockText) namedDay(h *whatsappHead, day int) bool {
	month := c.month()
	return month > 0 && c.namedYear(h, month, day)
}

// namedYear reads the year after day and month. Exports from before 2015 omit the year in
// which they were made.
func (c *clockText) namedYear(h *whatsappHead, month, day int) bool {
	behind := c.at
	c.byte(',')
	c.spaces()
	year, digits := c.number(4)
	if digits != 4 {
		year, c.at = 0, behind
	}
	h.date = [3]int{year, month, day}
	h.yearFirst, h.longYear, h.separator = true, true, ' '
	return true
}

// month reads the name of a month before a space. It returns 0 if there is none.
func (c *clockText) month() int {
	at := bytes.IndexByte(c.b[c.at:min(len(c.b), c.at+24)], ' ')
	if at < 0 {
		return 0
	}
	month := monthOf(c.b[c.at : c.at+at])
	c.at += at
	return month
}

// gap reads the separator between the date and the time.
func (c *clockText) gap(h *whatsappHead) bool {
	space := c.spaces()
	if !h.clockFirst && c.at < len(c.b) && !textdoc.IsDigit(c.b[c.at]) && c.b[c.at] != ',' {
		c.eraWord(h)
		space = c.spaces() || space
	}
	h.comma = c.byte(',') || c.bytes("،")
	return c.spaces() || h.comma || space
}

// eraWord skips the word for an era after a four-digit year: BE, г. The number identifies
// the era (dates.Calendar).
func (c *clockText) eraWord(h *whatsappHead) {
	if !h.longYear {
		return
	}
	end := bytes.IndexAny(c.b[c.at:min(len(c.b), c.at+24)], " ,")
	if end > 0 && eraWords[strings.ToLower(strings.ReplaceAll(string(c.b[c.at:c.at+end]), ".", ""))] {
		c.at += end
	}
}

// periodBefore reads the word before a time. A line with an unknown word is still a message,
// with an unreadable time.
func (c *clockText) periodBefore(h *whatsappHead) bool {
	word := c.word()
	if len(word) == 0 {
		return true
	}
	switch period := clockWord(word); period {
	case '-':
	case 0:
		if bytes.ContainsAny(word, "[]<>:,;/") {
			return false
		}
		h.period, h.word, h.stray = '?', word, true
	default:
		h.period = period
	}
	return true
}

// periodBehind reads the word between a time and the date that follows it.
func (c *clockText) periodBehind(h *whatsappHead) bool {
	end := bytes.IndexByte(c.b[c.at:min(len(c.b), c.at+24)], ',')
	if end <= 0 {
		return true
	}
	word := bytes.TrimFunc(c.b[c.at:c.at+end], isSpaceOrMark)
	if h.period = clockWord(word); len(word) > 0 && (h.period == 0 || h.period == '-') {
		return false
	}
	c.at += end
	return true
}

// clockBegins reports whether a time begins here: a date has no colon.
func (c *clockText) clockBegins() bool {
	at := c.at
	for at < len(c.b) && at < c.at+2 && textdoc.IsDigit(c.b[at]) {
		at++
	}
	return at > c.at && at < len(c.b) && c.b[at] == ':'
}

// clock reads 14:05, 14.05, 14:05:11 and 14 h 05.
func (c *clockText) clock(h *whatsappHead) bool {
	var digits int
	if h.hour, digits = c.number(2); digits == 0 {
		return false
	}
	separator := byte(':')
	if !c.byte(separator) {
		if separator = '.'; !c.byte(separator) {
			separator = 0
			if c.spaces(); !c.byte('h') {
				return false
			}
			c.spaces()
		}
	}
	if h.minute, digits = c.number(2); digits != 2 {
		return false
	}
	if separator != 0 && c.byte(separator) {
		h.seconds = true
		if h.second, digits = c.number(2); digits != 2 {
			return false
		}
	}
	return true
}

// word returns the text before the first digit of the time, at most 24 bytes.
func (c *clockText) word() []byte {
	start := c.at
	for c.at < len(c.b) && c.at-start < 24 {
		r, n := utf8.DecodeRune(c.b[c.at:])
		if r >= '0' && r <= '9' || r >= 0x80 && digitOf(r) >= 0 {
			return bytes.TrimSpace(c.b[start:c.at])
		}
		c.at += n
	}
	return nil
}
