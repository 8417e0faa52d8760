package durable

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/windows"
)

// syncDir does nothing: Windows flushes directories only for administrators. NTFS writes names
// in a journal, in order, so that after a power cut a name may be the previous one, as if the
// last operations had not been done.
func syncDir(string) error { return nil }

// rename and openFile retry while another program has the file open, such as a reader of Argus
// or a virus scanner: Windows then does not allow it to be replaced, or to be opened while it
// is replaced.
func rename(from, to string) error {
	return patiently(func() error { return os.Rename(from, to) }, windows.ERROR_SHARING_VIOLATION, windows.ERROR_ACCESS_DENIED)
}

func openFile(name string, flag int, mode fs.FileMode) (f *os.File, err error) {
	err = patiently(func() error {
		f, err = os.OpenFile(name, flag, mode)
		return err
	}, windows.ERROR_SHARING_VIOLATION)
	return f, err
}

// patiently repeats an operation for two seconds while it returns one of the errors.
func patiently(operation func() error, passing ...error) (err error) {
	for pause := time.Millisecond; pause < 2*time.Second; pause *= 2 {
		err = operation()
		if !slices.ContainsFunc(passing, func(p error) bool { return errors.Is(err, p) }) {
			return err
		}
		time.Sleep(pause)
	}
	return err
}

// NoWait is the flag that keeps the opening of a pipe or a device from blocking.
const NoWait = 0

// WriteProtected reports whether a file or folder exists and this process may not write
// to it: by its permissions, or because the medium is write-protected.
func WriteProtected(name string) bool {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return false
	}
	// In a folder, the same right allows making files.
	h, err := windows.CreateFile(path, windows.FILE_WRITE_DATA, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err == nil {
		_ = windows.CloseHandle(h) // nothing was written
	}
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_WRITE_PROTECT)
}

// NoRoom reports whether an error means that the disk is full. A library may have turned the
// error into text.
func NoRoom(err error) bool {
	for _, full := range [...]windows.Errno{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL} {
		if err != nil && (errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error())) {
			return true
		}
	}
	return false
}

// Exchange swaps the names of two files or folders atomically. If that is not possible, it does
// nothing and returns errors.ErrUnsupported.
func Exchange(a, _ string) error { return unsupported("exchange", a, errors.ErrUnsupported) }

// Free returns the number of bytes available for files in a folder.
func Free(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, err
	}
	return int64(min(free, 1<<63-1)), nil
}
