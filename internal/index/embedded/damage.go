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

// A malformedError is what a decoder found wrong, before the file is known.
type malformedError string

func (e malformedError) Error() string { return string(e) }

func malformed(format string, args ...any) error { return malformedError(fmt.Sprintf(format, args...)) }

// guard turns a malformedError with which a decoder panics into the error of the
// function that defers it. The checksums of a segment are compared by Check and before
// a merge, not on every read, so a read of damaged bytes may also leave an array, here
// or in a library: then guard looks whether one of the segments that are read is
// damaged. A panic that no segment is to blame for goes on, with its stack.
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

// read calls a function that reads the segment, and returns what it panics with.
func (s *segment) read(work func()) (err error) {
	defer guard(s.name, &err, s)
	work()
	return nil
}

// damaged gives a decoder's error its place.
func damaged(file string, offset int64, err error) error {
	var m malformedError
	if errors.As(err, &m) {
		return damageOf(file, offset, m.Error())
	}
	return err
}
