package evidence

import (
	"errors"
	"sync/atomic"

	"github.com/argus-evidence/argus/internal/durable"
)

// Disk operations go through durable, so that a test can cut the power between any two.
type (
	disk   = durable.Disk
	file   = durable.File
	osDisk = durable.OS
)

// counted is an open file with several users. Whoever opens it is the first user; the
// last user to release it closes it.
type counted struct {
	file
	users atomic.Int32
	after func() error // called when the file is closed, if it is not nil
}

func (c *counted) open(f file) {
	c.file = f
	c.users.Store(1)
}

// hold begins another use. The caller must keep the file from being closed in the meantime,
// either as a user itself or by holding the lock under which the file is released.
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
