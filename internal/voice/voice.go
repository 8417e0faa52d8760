// Package voice prints the answers of the commands: as text for people, or as
// objects for programs, both from one value.
package voice

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// The voice of the command. Everything that it prints is read by people who are not
// programmers, some of them in court, so each sentence follows these rules:
//
//   - Subject first, verb second, in the words of the glossary. "No period is
//     completely counted", not "Of no time are all messages counted".
//   - An answer ends with a full stop and begins with a capital letter if it is
//     a sentence. Rows of a list, headings and flags do not.
//   - An error says in lower case which act failed, on which object, and why:
//     "read the list: permission denied". A hint below it names the next step.
//   - The help of a flag is a noun phrase that ends with the default; the help of a
//     switch is an imperative.
//   - Numbers have commas and a noun: "2,311 messages". Times are UTC unless
//     the user chose a zone.
//   - Text from the evidence passes through printable.OneLine or printable.Plain.
//   - A sentence says no more than the records show: "No record found in the
//     scope of A-0001", never "there was no contact".
//
// [Say] makes text and JSON from the same value, so that they cannot state different
// things.

// Voice prints the answers of a command: text for people or, with --json, objects for
// programs. Tests use both.
type Voice struct {
	text     *Output       // nil with --json
	objects  *bufio.Writer // nil without --json
	Terminal bool          // the standard output is a terminal
}

// New returns a voice that prints text.
func New(w io.Writer) *Voice {
	v := &Voice{text: &Output{Writer: bufio.NewWriter(w)}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.Terminal = true
		v.text.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return v
}

// Both returns a voice that prints text and objects. Tests compare them.
func Both(text, objects io.Writer) *Voice {
	v := New(text)
	v.objects = bufio.NewWriter(objects)
	return v
}

// AsObjects makes the voice print objects instead of text.
func (v *Voice) AsObjects() { v.text, v.objects = nil, v.text.Writer }

// Say prints one answer at once. Programs get the value as a line of JSON that begins
// with the event, and people get the text made from the same value.
func Say[T any](v *Voice, event string, value T, text func(*Output, T)) error {
	if v.text != nil {
		text(v.text, value)
		if err := v.text.Flush(); err != nil {
			return err
		}
	}
	return v.Progress(event, value)
}

// Progress prints an object that only programs get: people watch progress on the
// terminal.
func (v *Voice) Progress(event string, value any) error {
	if v.objects == nil {
		return nil
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	rest, ok := bytes.CutPrefix(line.Bytes(), []byte("{"))
	if !ok {
		return fmt.Errorf("print %s: want an object, found %T", event, value)
	}
	comma := ","
	if rest[0] == '}' {
		comma = ""
	}
	fmt.Fprintf(v.objects, `{"event":%q%s%s`, event, comma, rest)
	return v.objects.Flush()
}

// Aside prints a line that only people see: a heading, a hint, or the remark that a list
// is empty. It states nothing that is missing from the objects.
func (v *Voice) Aside(format string, args ...any) {
	if v.text != nil {
		v.text.Linef(format, args...)
	}
}

// Flush writes the buffered text.
func (v *Voice) Flush() error {
	if v.text == nil {
		return nil
	}
	return v.text.Flush()
}

// Output is the text that people read. A failed write is reported by Flush, as
// with a bufio.Writer.
type Output struct {
	*bufio.Writer
	color bool
}

// Linef prints a line.
func (o *Output) Linef(format string, args ...any) {
	fmt.Fprintf(o, format+"\n", args...)
}

// Bold returns text in bold on a terminal.
func (o *Output) Bold(s string) string { return o.Style("1", s) }

// Dim returns faint text on a terminal.
func (o *Output) Dim(s string) string { return o.Style("2", s) }

// Style returns text under an escape code (ECMA-48, SGR) on a terminal.
func (o *Output) Style(code, s string) string {
	if !o.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
