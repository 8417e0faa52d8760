// Package durable puts files in place so that they survive a power cut.
//
// Whoever writes to disk takes a [Disk], so that a test can cut the power
// between any two operations (package durabletest).
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Disk is where files lie. The product has one, [OS].
type Disk interface {
	// OpenFile opens like os.OpenFile.
	OpenFile(name string, flag int, mode fs.FileMode) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	MkdirAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock locks an existing file against other processes, shared or exclusive,
	// until unlock. held is false where another one holds it.
	Lock(name string, exclusive bool) (unlock func() error, held bool, err error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the content durable.
	Sync() error
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
}

// OS is the disk of the operating system. What it opens is an *os.File.
type OS struct{}

// OpenFile implements [Disk].
func (OS) OpenFile(name string, flag int, mode fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements [Disk].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [Disk].
func (OS) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements [Disk]: nobody else may look into the directory.
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, 0o700) }

// ReadDir implements [Disk].
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// SyncDir implements [Disk].
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock implements [Disk].
func (OS) Lock(name string, exclusive bool) (unlock func() error, held bool, err error) {
	lock := flock.New(name, flock.SetFlag(os.O_RDONLY))
	try := lock.TryRLock
	if exclusive {
		try = lock.TryLock
	}
	held, err = try()
	return lock.Unlock, held, err
}

// Replace puts a whole file in place: after a crash there is the old one or the
// new one.
func Replace(d Disk, name string, data []byte) error {
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
	return Install(d, temporary, name)
}

// Install renames a synced file to its name and makes the name durable.
func Install(d Disk, temporary, name string) error {
	if err := d.Rename(temporary, name); err != nil {
		return fmt.Errorf("put %s in place: %w", filepath.Base(name), err)
	}
	return d.SyncDir(filepath.Dir(name))
}
