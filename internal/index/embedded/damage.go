package embedded

import (
	"errors"
	"fmt"
	"math"

	"github.com/argus-evidence/argus/internal/index"
)

func damageOf(file string, offset int64, reason string) *index.Damage {
	return &index.Damage{File: file, Offset: offset, Reason: reason}
}

// A malformedError is a decoder's finding before the file is known.
type malformedError string

func (e malformedError) Error() string { return string(e) }

func malformed(format string, args ...any) error { return malformedError(fmt.Sprintf(format, args...)) }

// guard turns a decoder's panic with a malformedError into the error of the function that
// defers guard. Check and merges compare a segment's checksums but reads do not, so
// reading damaged bytes may also run past the end of an array, here or in a library. In
// that case, guard checks whether one of the segments is damaged. If none is, the panic
// continues, with its stack.
func guard(file string, err *error, segments ...*segment) {
	p := recover()
	if p == nil {
		return
	}
	if m, ok := p.(malformedError); ok {
		*err = damageOf(file, 0, m.Error())
		return
	}
	for _, s := range segments {
		damage := s.verify()
		if damage == nil {
			damage = s.valid(math.MaxUint64)
		}
		if damage == nil {
			damage = s.validAutomaton()
		}
		if damage != nil {
			*err = damaged(s.name, 0, damage)
			return
		}
	}
	panic(p)
}

// decode calls a library's decoder, which may panic when it meets damage.
func decode(what string, work func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = malformed("%s: %v", what, p)
		}
	}()
	if err := work(); err != nil {
		return malformed("%s: %v", what, err)
	}
	return nil
}

// read calls a function that reads the segment, and returns its panic as an error.
func (s *segment) read(work func()) (err error) {
	defer guard(s.name, &err, s)
	work()
	return nil
}

// damaged adds the file and the offset to a decoder's error.
func damaged(file string, offset int64, err error) error {
	var m malformedError
	if errors.As(err, &m) {
		return damageOf(file, offset, m.Error())
	}
	return err
}
