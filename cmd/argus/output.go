package main

import (
	"bufio"
	"fmt"

	"github.com/argus-evidence/argus/internal/printable"
)

// The formats of all text, under the short names that this package uses everywhere.
var (
	plain, oneLine, seconds = printable.Plain, printable.OneLine, printable.Seconds
	count, group, size      = printable.Count, printable.Group, printable.Size
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
