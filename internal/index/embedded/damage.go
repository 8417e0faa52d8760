package embedded

import (
	"errors"
	"fmt"

	"github.com/argus-evidence/argus"
)

// Damage says that bytes of the index are not what was written. It is an
// [argus.ErrDamaged]. Nothing is lost by it: the index is derived.
type Damage struct {
	File   string // inside the index
	Offset int64  // of the file, or of the section that is damaged
	Reason string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("index file %s is damaged at byte %d: %s; `argus reindex` rebuilds the index from the evidence",
		d.File, d.Offset, d.Reason)
}

func (d *Damage) Unwrap() error { return argus.ErrDamaged }

// A malformedError is what a decoder found wrong, before the file is known.
type malformedError string

func (e malformedError) Error() string { return string(e) }

func malformed(format string, args ...any) error { return malformedError(fmt.Sprintf(format, args...)) }

// guard turns what decoders panic with when they meet damage into the error of
// the function that defers it. The checksums of a segment are compared by
// Check and before a merge, not on every read; a read of damaged bytes may
// therefore leave an array, here or in a library.
func guard(file string, err *error) {
	switch p := recover().(type) {
	case nil:
	case malformedError:
		*err = &Damage{file, 0, p.Error()}
	default:
		*err = &Damage{file, 0, fmt.Sprintf("a decoder stopped: %v", p)}
	}
}

// read calls a function that reads the segment, and returns what it panics with.
func (s *segment) read(work func()) (err error) {
	defer guard(s.name, &err)
	work()
	return nil
}

// damaged gives a decoder's error its place.
func damaged(file string, offset int64, err error) error {
	var m malformedError
	if errors.As(err, &m) {
		return &Damage{file, offset, m.Error()}
	}
	return err
}
