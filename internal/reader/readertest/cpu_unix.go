//go:build unix

package readertest

import (
	"syscall"
	"time"
)

// CPUTime is what the process has used of all cores, which other work on the
// machine does not lengthen; 0 where nobody knows.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
