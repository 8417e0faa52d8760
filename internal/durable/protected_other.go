//go:build !unix && !windows

package durable

// NoWait is the flag that keeps the opening of a pipe or a device from blocking.
const NoWait = 0

// WriteProtected reports whether a file or folder exists and this process may not write
// to it, or false where the system cannot tell.
func WriteProtected(string) bool { return false }

// NoRoom reports whether an error means that the disk is full; false where the system
// cannot tell.
func NoRoom(error) bool { return false }
