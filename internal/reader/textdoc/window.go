package textdoc

import (
	"fmt"
	"io"
)

// chunk is how many bytes of a file are requested at once.
const chunk = 256 << 10

// Window is a bounded view of a file that moves forward through it. Its bytes are valid
// until More or Drop.
type Window struct {
	// Source is the file, from its beginning.
	Source io.Reader
	// Buf is the bytes in view, inside mem.
	Buf, mem []byte
	// At is the place of Buf[0] in the file.
	At int64
	// EOF is set if nothing follows the view.
	EOF bool
}

// More extends the view: by a chunk, or as much again as it holds, so that scanning a
// growing view from its beginning stays linear. At the end of the file it sets EOF.
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

// Drop moves the beginning of the view forward by n bytes.
func (w *Window) Drop(n int) {
	w.At += int64(n)
	w.Buf = w.Buf[n:]
}

// PeekSize is how many bytes of a record are examined to recognise its beginning.
const PeekSize = 4 << 10
