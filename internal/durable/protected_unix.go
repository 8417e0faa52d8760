//go:build unix

package durable

import (
	"errors"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NoWait is the flag that keeps the opening of a pipe or a device from blocking.
const NoWait = unix.O_NONBLOCK

// WriteProtected reports whether a file or folder exists and this process may not write
// to it: by its permissions, or because the disk is mounted read-only.
func WriteProtected(name string) bool {
	err := unix.Access(name, unix.W_OK)
	return errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS)
}

// NoRoom reports whether an error means that the disk is full. A library may have turned the
// error into text.
func NoRoom(err error) bool {
	for _, full := range [...]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT} {
		if err != nil && (errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error())) {
			return true
		}
	}
	return false
}
