package textdoc

import (
	"fmt"
	"io"
)

// chunk is how much of a file is asked for at once, in bytes.
const chunk = 256 << 10

// Window is a bounded view of a file that moves on through it. Its bytes are
// good until More or Drop.
type Window struct {
	// Source is the file, from its beginning.
	Source io.Reader
	// Buf is what is in view, inside mem.
	Buf, mem []byte
	// At is the place of Buf[0] in the file.
	At int64
	// EOF says that nothing stands behind what is in view.
	EOF bool
}

// More reads on behind what is in view: a chunk, or as much again as there is,
// so that looking at a growing view from its beginning stays linear. At the
// end of the file it sets EOF.
func (w *Window) More() error {
	if w.EOF {
		return nil
	}
	have := len(w.Buf)
	want := max(chunk, have)
	if cap(w.mem) < have+want {
		w.mem = make([]byte, have+want)
	}
	copy(w.mem, w.Buf)
	n, err := io.ReadFull(w.Source, w.mem[have:have+want])
	w.Buf = w.mem[:have+n]
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		w.EOF = true
	default:
		return fmt.Errorf("read the file at byte %d: %w", w.At+int64(have+n), err)
	}
	return nil
}

// Drop moves the beginning of the view n bytes on.
func (w *Window) Drop(n int) {
	w.At += int64(n)
	w.Buf = w.Buf[n:]
}

// PeekSize is how much of a record is looked at to see that it begins one.
const PeekSize = 4 << 10
