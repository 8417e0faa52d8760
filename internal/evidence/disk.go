package evidence

import (
	"errors"
	"sync/atomic"

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
	after func() error // called when the file is closed; nil if there is nothing to do
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
