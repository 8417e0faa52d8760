package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > smallFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, want at most %d", argus.ErrDamaged, filepath.Base(name), info.Size(), smallFile)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}

// writeFile puts a whole file in place durably: after a crash there is the old
// one or the new one.
func writeFile(d disk, name string, data []byte) error { return durable.Replace(d, name, data) }
