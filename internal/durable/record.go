package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Prepared is the prefix of the name of a file that is ready but not yet in place.
const Prepared = ".new-"

// Record makes a new file in three steps, so that in the end either both the file and its
// record exist, or neither: the file is made ready under a different name; record notes
// elsewhere that the file will exist; then the file gets its name. The error is fs.ErrExist if
// the name is taken. No other process may call Record in the folder at the same time. After a
// crash, [SettleRecords] finishes the call; it also settles a file whose record failed, because
// the record may have been written nevertheless.
func Record(d Disk, name string, data []byte, record func() error) error {
	entries, err := d.ReadDir(filepath.Dir(name))
	if err != nil {
		return err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == filepath.Base(name) }) {
		return fmt.Errorf("make %s: %w", filepath.Base(name), fs.ErrExist)
	}
	ready := readyName(name)
	if err := d.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := write(d, ready, os.O_EXCL, 0o400, data); err != nil {
		return err
	}
	if err := d.SyncDir(filepath.Dir(name)); err != nil {
		return errors.Join(err, d.Remove(ready))
	}
	if err := record(); err != nil {
		return err
	}
	return place(d, name)
}

func readyName(name string) string {
	return filepath.Join(filepath.Dir(name), Prepared+filepath.Base(name))
}

// place gives a file that is ready its name. A link, unlike a rename, does not replace
// a file.
func place(d Disk, name string) error {
	if err := d.Link(readyName(name), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.SyncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return d.Remove(readyName(name))
}

// Unsettled reports whether a folder has files that Record has made ready but not put in
// place, possibly because it is still running in some process.
func Unsettled(d Disk, dir string) (bool, error) {
	names, err := filesReady(d, dir)
	return len(names) > 0, err
}

func filesReady(d Disk, dir string) (names []string, err error) {
	entries, err := d.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), Prepared); ok && e.Type().IsRegular() {
			names = append(names, name)
		}
	}
	return names, nil
}

// maxRecord is the maximum size in bytes of a file that SettleRecords reads.
const maxRecord = 1 << 30

// SettleRecords finishes interrupted calls of Record: it puts the files in place for
// which recorded returns true, and removes the others. No other process may make files in
// the folder at the same time.
func SettleRecords(d Disk, dir string, recorded func(name string, data []byte) bool) error {
	names, err := filesReady(d, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		data, err := ReadFile(d, readyName(path), maxRecord)
		if err != nil {
			return err
		}
		if recorded(name, data) {
			err = place(d, path)
		} else {
			err = d.Remove(readyName(path))
		}
		if err != nil {
			return fmt.Errorf("finish an interrupted change: %s: %w", name, err)
		}
	}
	return nil
}
