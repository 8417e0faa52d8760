package reader

import (
	"fmt"
	"io"
)

// chunk is how much of a file is asked for at once, in bytes.
const chunk = 256 << 10

// window is a bounded view of a file that moves on through it. Its bytes are
// good until more or drop.
type window struct {
	src io.Reader
	// buf is what is in view, inside mem.
	buf, mem []byte
	// at is the place of buf[0] in the file.
	at  int64
	eof bool
}

// more reads on behind what is in view: a chunk, or as much again as there is,
// so that looking at a growing view from its beginning stays linear. At the
// end of the file it sets eof.
func (w *window) more() error {
	if w.eof {
		return nil
	}
	have := len(w.buf)
	want := max(chunk, have)
	if cap(w.mem) < have+want {
		w.mem = make([]byte, have+want)
	}
	copy(w.mem, w.buf)
	n, err := io.ReadFull(w.src, w.mem[have:have+want])
	w.buf = w.mem[:have+n]
	switch err {
	case nil:
	case io.EOF, io.ErrUnexpectedEOF:
		w.eof = true
	default:
		return fmt.Errorf("read the file at byte %d: %w", w.at+int64(have+n), err)
	}
	return nil
}

// drop moves the beginning of the view n bytes on.
func (w *window) drop(n int) {
	w.at += int64(n)
	w.buf = w.buf[n:]
}

// peekSize is how much of a record is looked at to see that it begins one.
const peekSize = 4 << 10
