// Package durable puts files in place so that they survive a power cut.
//
// Code that writes to disk takes a [Disk], so that a test can cut the power between any two
// operations (package durabletest). On Windows, the contents of files are made durable, but not
// their names: after a power cut, the names may be those from a few moments earlier, as if the
// last operations had not been done.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Disk is the storage of files. The product has one, [OS].
type Disk interface {
	// OpenFile opens a regular file like os.OpenFile. For anything else, it returns
	// [ErrUnfit] without blocking.
	OpenFile(name string, flag int, mode fs.FileMode) (File, error)
	Rename(from, to string) error
	// Link gives a file a second name. The error is fs.ErrExist if that name is taken.
	Link(from, to string) error
	Remove(name string) error
	Stat(name string) (fs.FileInfo, error)
	MkdirAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
	// Lock locks an existing file against other processes, shared or exclusive, until
	// unlock is called. held is false if another process holds the lock.
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

// OS is the disk of the operating system. Its files are *os.File.
type OS struct{}

// OpenFile implements [Disk].
func (OS) OpenFile(name string, flag int, mode fs.FileMode) (File, error) {
	f, err := openFile(name, flag|NoWait, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrUnfit}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Rename implements [Disk].
func (OS) Rename(from, to string) error { return rename(from, to) }

// Link implements [Disk].
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Stat implements [Disk].
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// Remove implements [Disk].
func (OS) Remove(name string) error { return os.Remove(name) }

// MkdirAll implements [Disk]: only the owner has access to the directory.
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, 0o700) }

// ReadDir implements [Disk].
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// SyncDir implements [Disk].
func (OS) SyncDir(name string) error { return syncDir(name) }

// Lock implements [Disk].
func (OS) Lock(name string, exclusive bool) (unlock func() error, held bool, err error) {
	lock := flock.New(name, flock.SetFlag(os.O_RDONLY|NoWait))
	try := lock.TryRLock
	if exclusive {
		try = lock.TryLock
	}
	held, err = try()
	return lock.Unlock, held, err
}

// Replace puts a whole file in place: after a crash, the file is either the old one or
// the new one.
func Replace(d Disk, name string, data []byte) error {
	temporary := name + ".tmp"
	if err := write(d, temporary, os.O_TRUNC, 0o600, data); err != nil {
		return err
	}
	return Install(d, temporary, name)
}

// WriteNew makes a new file. After a crash, it exists whole or not at all; if several
// processes make it at the same time, only one succeeds. The error is fs.ErrExist if the
// name is taken.
func WriteNew(d Disk, name string, data []byte) error {
	temporary := name + "." + rand.Text() + ".tmp"
	if err := write(d, temporary, os.O_EXCL, 0o600, data); err != nil {
		return err
	}
	err := d.Link(temporary, name)
	if err := errors.Join(err, d.Remove(temporary)); err != nil {
		return err
	}
	return d.SyncDir(filepath.Dir(name))
}

// write writes a file and makes its content durable. If it fails, the file is removed.
func write(d Disk, name string, flag int, mode fs.FileMode, data []byte) error {
	f, err := d.OpenFile(name, os.O_CREATE|os.O_RDWR|flag, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, d.Remove(name))
	}
	return nil
}

// Install renames a synced file and makes the name durable.
func Install(d Disk, temporary, name string) error {
	if err := d.Rename(temporary, name); err != nil {
		return fmt.Errorf("put %s in place: %w", filepath.Base(name), err)
	}
	return d.SyncDir(filepath.Dir(name))
}

// ErrUnfit means that a name does not belong to a regular file of the expected size.
var ErrUnfit = errors.New("it is not a regular file of the expected size")

// ReadFile reads a file of at most the given size. The error is [ErrUnfit] if it is
// larger, or not a regular file.
func ReadFile(d Disk, name string, most int64) ([]byte, error) {
	info, err := d.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it has %d bytes and the mode %s, want at most %d bytes: %w", info.Size(), info.Mode(), most, ErrUnfit)}
	}
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, most))
	return data, errors.Join(err, f.Close())
}

// ReadGiven reads a file or a pipe named by the user. The error is [ErrUnfit] if it has
// more than the given number of bytes.
func ReadGiven(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is longer than %d bytes: %w", name, most, ErrUnfit)
	}
	return data, errors.Join(err, f.Close())
}
