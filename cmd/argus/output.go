package main

import (
	"bufio"
	"fmt"
	"strings"
	"time"
	"unicode"
)

// output is the text that people read. A failed write is reported by Flush, as
// with a bufio.Writer.
type output struct {
	*bufio.Writer
	color bool
}

func (o *output) linef(format string, args ...any) {
	fmt.Fprintf(o, format+"\n", args...)
}

func (o *output) bold(s string) string { return o.style("1", s) }
func (o *output) dim(s string) string  { return o.style("2", s) }

func (o *output) style(code, s string) string {
	if !o.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// plain makes evidence safe to print on a terminal: it replaces control
// characters and marks that change the direction of text, and keeps new lines
// and tabs.
func plain(s string) string {
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

// oneLine returns plain text with line ends and tabs made visible.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(plain(s), func(r rune) bool { return r == '\n' || r == '\t' }), " ⏎ ")
}

// count formats a number with its noun: 1 message, 2,311 messages.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(n) + " " + many
}

// group formats a number with commas between thousands.
func group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size formats a number of bytes.
func size(n int64) string {
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

// seconds formats how long an act took.
func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
