//go:build !unix && !windows

package durable

// NoWait is the flag that keeps the opening of a pipe or a device from blocking.
const NoWait = 0

// WriteProtected reports whether a file or folder exists and this process may not write to it,
// or false if the system does not provide that information.
func WriteProtected(string) bool { return false }

// NoRoom reports whether an error means that the disk is full, or false if the system does not
// provide that information.
func NoRoom(error) bool { return false }
