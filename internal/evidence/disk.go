package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/argus-evidence/argus"
)

// disk is where the store's files lie. It exists so that a test can cut the
// power between any two operations; the product has one, osDisk.
type disk interface {
	// OpenFile opens like os.OpenFile.
	OpenFile(name string, flag int, mode fs.FileMode) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	MkdirAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock locks an open file against other processes, shared or exclusive, until
	// unlock. held is false where another one holds it.
	Lock(name string, exclusive bool) (unlock func() error, held bool, err error)
}

// file is an open file.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the content durable.
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

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

type osDisk struct{}

func (osDisk) OpenFile(name string, flag int, mode fs.FileMode) (file, error) {
	return os.OpenFile(name, flag, mode)
}
func (osDisk) Rename(from, to string) error               { return os.Rename(from, to) }
func (osDisk) Remove(name string) error                   { return os.Remove(name) }
func (osDisk) MkdirAll(name string) error                 { return os.MkdirAll(name, 0o700) }
func (osDisk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

func (osDisk) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osDisk) Lock(name string, exclusive bool) (func() error, bool, error) {
	lock := flock.New(name, flock.SetFlag(os.O_RDONLY))
	try := lock.TryRLock
	if exclusive {
		try = lock.TryLock
	}
	held, err := try()
	return lock.Unlock, held, err
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
func writeFile(d disk, name string, data []byte) error {
	temporary := name + ".tmp"
	f, err := d.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return install(d, temporary, name)
}

// install renames a synced file to its name and makes the name durable.
func install(d disk, temporary, name string) error {
	if err := d.Rename(temporary, name); err != nil {
		return fmt.Errorf("put %s in place: %w", filepath.Base(name), err)
	}
	return d.SyncDir(filepath.Dir(name))
}
