package embedded

import (
	"errors"
	"io"
	"os"

	"github.com/argus-evidence/argus"
	"golang.org/x/sys/windows"
)

// mapFile reads the file: a mapped one could not be removed after a merge.
func mapFile(f *os.File, size int) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func unmapFile([]byte) {}

// lockFile makes this process the only writer until the file is closed.
func lockFile(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return argus.ErrLocked
	}
	return err
}
