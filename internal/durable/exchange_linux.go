package durable

import "golang.org/x/sys/unix"

// Exchange swaps the names of two files or folders atomically. If that is not possible, it does
// nothing and returns errors.ErrUnsupported.
func Exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if err == unix.ENOSYS || err == unix.EINVAL {
		return unsupported("exchange", a, err)
	}
	return err
}

// Free returns the number of bytes available for files in a folder.
func Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * s.Bsize, nil
}
