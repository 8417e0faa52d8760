package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// output is where answers go. What went wrong in writing is told by flush, as
// with a bufio.Writer.
type output struct {
	*bufio.Writer
	color bool
	width int // of the terminal, 0 if it is none
}

func newOutput(w io.Writer) *output {
	o := &output{Writer: bufio.NewWriter(w)}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		o.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		o.width, _, _ = term.GetSize(int(f.Fd()))
	}
	return o
}

func (o *output) flush() error { return o.Flush() }

// object prints one line of JSON, at once: an object that begins with its kind.
func (o *output) object(event string, v any) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(line.Bytes(), []byte("{"))
	if !ok {
		return fmt.Errorf("print %s: want an object, found %T", event, v)
	}
	comma := ","
	if rest[0] == '}' {
		comma = ""
	}
	fmt.Fprintf(o, `{"event":%q%s%s`, event, comma, rest)
	return o.Flush()
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

// plain makes evidence safe to print on a terminal: control characters and
// marks that turn the direction of text become visible, new lines stay.
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

// oneLine is plain text without line ends.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(plain(s), func(r rune) bool { return r == '\n' || r == '\t' }), " ⏎ ")
}

// count writes a number with its noun: 1 message, 2,311 messages.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(n) + " " + many
}

// group writes a number with commas between thousands.
func group(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes.
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
