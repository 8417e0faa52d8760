package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// The voice of the command. Everything that it prints is read by people who
// are not programmers, some of them in court, so each sentence keeps these
// rules:
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
//   - Text from the evidence passes through oneLine or plain.
//   - A sentence says no more than the records show: "No record found in the
//     scope of A-0001", never "there was no contact".
//
// [say] makes text and JSON of the same value, so that they cannot state different
// things.

// voice prints the answers of a command: text for people or, with --json,
// objects for programs. Tests ask for both.
type voice struct {
	text     *output       // nil with --json
	objects  *bufio.Writer // nil without --json
	terminal bool          // the standard output is one
}

func newVoice(w io.Writer) *voice {
	v := &voice{text: &output{Writer: bufio.NewWriter(w)}}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		v.terminal = true
		v.text.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return v
}

// asObjects makes the voice print objects in place of text.
func (v *voice) asObjects() { v.text, v.objects = nil, v.text.Writer }

// say prints one answer at once. Programs get the value as a line of JSON that
// begins with the event, people get the text that is made of the same value.
func say[T any](v *voice, event string, value T, text func(*output, T)) error {
	if v.text != nil {
		text(v.text, value)
		if err := v.text.Flush(); err != nil {
			return err
		}
	}
	return v.progress(event, value)
}

// progress prints an object for programs only: people watch progress on the
// terminal.
func (v *voice) progress(event string, value any) error {
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

// aside prints a line for people only: a heading, a hint, or the remark that a
// list is empty. It states nothing that the objects leave out.
func (v *voice) aside(format string, args ...any) {
	if v.text != nil {
		v.text.linef(format, args...)
	}
}

func (v *voice) flush() error {
	if v.text == nil {
		return nil
	}
	return v.text.Flush()
}
