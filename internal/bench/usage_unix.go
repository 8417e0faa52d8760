//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

func usage() syscall.Rusage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return syscall.Rusage{}
	}
	return u
}

// cpuTime is what the process has used of all cores.
func cpuTime() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMemory is the most memory that the process ever held, in bytes.
func peakMemory() int64 {
	if runtime.GOOS == "darwin" {
		return int64(usage().Maxrss) //nolint:unconvert // 32 bits wide on some platforms
	}
	return int64(usage().Maxrss) * 1024 //nolint:unconvert // as above
}
