//go:build !unix && !windows

package durable

// WriteProtected says whether a file or folder is there and this process may not write
// to it; where the system cannot tell, false.
func WriteProtected(string) bool { return false }

// NoRoom says whether an error tells that the disk is full; where the system cannot tell,
// false.
func NoRoom(error) bool { return false }
