package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// TestPowerCut: an acknowledged file exists after a power cut, and every file is whole:
// a version at least as new as the last acknowledged one.
func TestPowerCut(t *testing.T) {
	versions := []string{"the first", "the second version", "3"}
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		acknowledged := -1
		put := durable.WriteNew
		for i, text := range versions {
			if err := put(d, "folder/file", []byte(text)); err != nil {
				break
			}
			acknowledged, put = i, durable.Replace
		}
		return func(after *durabletest.Disk) error {
			data, err := durable.ReadFile(after, "folder/file", 100)
			if errors.Is(err, fs.ErrNotExist) && acknowledged < 0 {
				return nil
			}
			if err != nil {
				return err
			}
			for i := max(acknowledged, 0); i < len(versions); i++ {
				if string(data) == versions[i] {
					return nil
				}
			}
			return fmt.Errorf("%d versions were acknowledged, but the file holds %q", acknowledged+1, data)
		}
	}
	cuts, err := durabletest.EachCut(200, false, work)
	if err != nil || cuts < 200*10 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(200, true, work); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

// TestWriteNew: a new file never replaces another, and no other file is left behind.
func TestWriteNew(t *testing.T) {
	for _, d := range []durable.Disk{durable.OS{}, durabletest.New(1)} {
		dir := t.TempDir()
		name := dir + "/file"
		if err := durable.WriteNew(d, name, []byte("one")); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteNew(d, name, []byte("two")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v", err)
		}
		if data, err := durable.ReadFile(d, name, 3); err != nil || string(data) != "one" {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := durable.ReadFile(d, name, 2); !errors.Is(err, durable.ErrUnfit) {
			t.Errorf("a file that is too large: %v", err)
		}
		if entries, err := d.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%v, %v", entries, err)
		}
	}
	if _, err := durable.ReadFile(durable.OS{}, t.TempDir(), 1<<20); !errors.Is(err, durable.ErrUnfit) {
		t.Errorf("a folder: %v", err)
	}
}
