package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A SyntaxError says why and where a query does not parse.
type SyntaxError struct {
	Query string `json:"query"`
	// Offset and Length delimit, in bytes of Query, the part that the message is about.
	// Length is 0 at the end of the query.
	Offset int `json:"offset"`
	Length int `json:"length"`
	// Message describes the error. Hint suggests a correction; it may be empty.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error gives the place as the number of a character, counted from 1.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("query, character %d: %s", utf8.RuneCountInString(e.Query[:e.Offset])+1, e.Message)
}

// shown is the number of characters shown on either side of a place.
const shown = 40

// Show returns two lines: the query, or the part of it around the place, and below it
// carets under the place. If text that runs from right to left makes columns meaningless,
// it returns one line with the place between [[ and ]].
func (e *SyntaxError) Show() string {
	before, at, after := e.Query[:e.Offset], e.Query[e.Offset:e.Offset+e.Length], e.Query[e.Offset+e.Length:]
	before, at, after = oneLine(before), oneLine(at), oneLine(after)
	if n := utf8.RuneCountInString(before); n > shown {
		before = "…" + string([]rune(before)[n-shown:])
	}
	if utf8.RuneCountInString(at) > 2*shown {
		at = string([]rune(at)[:2*shown]) + "…"
	}
	if utf8.RuneCountInString(after) > shown {
		after = string([]rune(after)[:shown]) + "…"
	}
	line := before + at + after
	if strings.ContainsFunc(line, rightToLeft) {
		return before + "[[" + at + "]]" + after
	}
	return line + "\n" + blank(before, ' ', '\u3000') + blank(at+strings.Repeat(" ", 1-min(1, len(at))), '^', '＾')
}

// oneLine replaces characters that would break or hide the line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

// blank replaces each character with one of the same width.
func blank(s string, narrow, wide rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
			return -1
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
			r >= 0xFF01 && r <= 0xFF60, r >= 0x1F300 && r <= 0x1FAFF:
			return wide
		}
		return narrow
	}, s)
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Adlam)
}

func (p *parser) fail(start, end int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: start, Length: max(0, min(end, len(p.text))-start), Message: fmt.Sprintf(format, args...)}
}

func (e *SyntaxError) hint(text string) *SyntaxError {
	e.Hint = text
	return e
}
