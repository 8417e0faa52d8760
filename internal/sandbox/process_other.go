//go:build !unix

package sandbox

import (
	"context"
	"errors"

	"github.com/argus-evidence/argus/internal/reader"
)

// A descriptor cannot be handed to a running process here as it can elsewhere:
// the readers run in this one.
const canStart = false

// Lacks says what of a sandbox this system does not have; it is empty on one that has
// all of it.
const Lacks = "none on this system: the readers ran in the process that writes the store"

type process struct{}

func start(Options) (*process, error) { return nil, errors.ErrUnsupported }

func (*process) end() {}

func (*Readers) apart(_ context.Context, _ job, _ Content, yield func(Event, error) bool) {
	yield(Event{}, errors.ErrUnsupported)
}

// Main does nothing on this system.
func Main(reader.Formats) {}
