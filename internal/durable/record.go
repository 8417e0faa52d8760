package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Prepared begins the name of a file that is ready and not yet in its place.
const Prepared = ".new-"

// Record makes a new file in three steps, so that its record and the file are both
// there in the end, or neither: the file is made ready under another name; record
// writes elsewhere that there is to be such a file; then it gets its name. The error
// is fs.ErrExist if there is a file of that name. Nobody else does this in the folder
// meanwhile. What a crash leaves is for [SettleRecords]; so is a file whose record
// fails, since it may have been written all the same.
func Record(name string, data []byte, record func() error) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make %s: %w", filepath.Base(name), errors.Join(err, fs.ErrExist))
	}
	ready := readyName(name)
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(ready, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = OS{}.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(ready))
	}
	if err := record(); err != nil {
		return err
	}
	return place(name)
}

func readyName(name string) string {
	return filepath.Join(filepath.Dir(name), Prepared+filepath.Base(name))
}

// place gives a file that is ready its name. A link, unlike a rename, does not take
// the place of a file.
func place(name string) error {
	if err := os.Link(readyName(name), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := (OS{}).SyncDir(filepath.Dir(name)); err != nil {
		return err
	}
	return os.Remove(readyName(name))
}

// Unsettled says whether a folder has files that Record has made ready and not put
// in place, be it because somebody is at it.
func Unsettled(dir string) (bool, error) {
	names, err := filesReady(dir)
	return len(names) > 0, err
}

func filesReady(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
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

// SettleRecords finishes what Record was interrupted in: it puts the files in place
// of which recorded says that there is a record, and removes the others. Nobody else
// makes files in the folder meanwhile.
func SettleRecords(dir string, recorded func(name string, data []byte) bool) error {
	names, err := filesReady(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(readyName(path))
		if err != nil {
			return err
		}
		if recorded(name, data) {
			err = place(path)
		} else {
			err = os.Remove(readyName(path))
		}
		if err != nil {
			return fmt.Errorf("finish what was interrupted: %s: %w", name, err)
		}
	}
	return nil
}
