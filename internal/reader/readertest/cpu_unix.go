//go:build unix

package readertest

import (
	"syscall"
	"time"
)

// CPUTime returns the time that the process has used on all cores, independent of other
// work on the machine; 0 if unknown.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
