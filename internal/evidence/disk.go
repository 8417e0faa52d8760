package evidence

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// The disk is durable's, so that a test can cut the power between any two
// operations.
type (
	disk   = durable.Disk
	file   = durable.File
	osDisk = durable.OS
)

// counted is an open file that several use at a time; the last one to let go
// closes it. Who opens it uses it.
type counted struct {
	file
	users atomic.Int32
	after func() error // what to do once it is closed, or nil
}

func (c *counted) open(f file) {
	c.file = f
	c.users.Store(1)
}

// hold begins another use. The caller keeps the file from being closed meanwhile:
// he uses it himself, or holds the lock under which it is let go.
func (c *counted) hold() { c.users.Add(1) }

func (c *counted) release() error {
	if c.users.Add(-1) > 0 {
		return nil
	}
	err := c.Close()
	if c.after != nil {
		err = errors.Join(err, c.after())
	}
	return err
}

// smallFile is the most that readFile reads: the hashes of a delivery of 2^31
// records.
const smallFile = 256 << 20

// readFile reads a whole small file. A larger one is damage.
func readFile(d disk, name string) ([]byte, error) {
	data, err := durable.ReadFile(d, name, smallFile)
	if errors.Is(err, durable.ErrUnfit) {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return data, err
}
