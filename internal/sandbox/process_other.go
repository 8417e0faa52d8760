//go:build !unix

package sandbox

import (
	"context"
	"errors"

	"github.com/argus-evidence/argus/internal/reader"
)

// On these systems a descriptor cannot be passed to a running process in the way used on
// other systems, so the readers run in this process.
const canStart = false

// Lacks names the parts of a sandbox that this system does not have. It is empty if the
// system has all of them.
const Lacks = "none on this system: the readers ran in the process that writes the store"

type process struct{}

func start(Options) (*process, error) { return nil, errors.ErrUnsupported }

func (*process) end() {}

func (*Readers) apart(_ context.Context, _ job, _ Content, yield func(Event, error) bool) {
	yield(Event{}, errors.ErrUnsupported)
}

// Main does nothing on this system.
func Main(reader.Formats) {}
