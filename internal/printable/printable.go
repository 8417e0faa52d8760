// Package printable formats text and numbers for people who read a terminal or a sheet.
package printable

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Plain makes evidence safe to print on a terminal: it replaces control characters and marks
// that change the direction of text, but keeps newlines and tabs.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, s)
}

// OneLine returns plain text with line ends and tabs made visible.
func OneLine(s string) string {
	return strings.Join(strings.FieldsFunc(Plain(s), func(r rune) bool { return r == '\n' || r == '\t' }), " ⏎ ")
}

// Count formats a number with its noun: 1 message, 2,311 messages.
func Count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Group(n) + " " + many
}

// Group formats a number with commas between thousands.
func Group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Size formats a number of bytes.
func Size(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for ; f >= 1000 && i < len(units)-1; i++ {
		f /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}

// Seconds formats the duration of an act.
func Seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}

// Cell keeps a spreadsheet from running a cell as a formula.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Time formats a time in a zone (RFC 3339), and the zero time as "".
func Time(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(time.RFC3339)
}
