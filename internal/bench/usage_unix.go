//go:build unix

package bench

import (
	"runtime"
	"syscall"
	"time"
)

func usage(of int) syscall.Rusage {
	var u syscall.Rusage
	if err := syscall.Getrusage(of, &u); err != nil {
		return syscall.Rusage{}
	}
	return u
}

// cpuTime returns the CPU time that the process has used on all cores, including the
// readers' worker processes that it started and that have ended.
func cpuTime() time.Duration {
	own, readers := usage(syscall.RUSAGE_SELF), usage(syscall.RUSAGE_CHILDREN)
	return time.Duration(own.Utime.Nano() + own.Stime.Nano() + readers.Utime.Nano() + readers.Stime.Nano())
}

// peakMemory returns the peak memory of the process in bytes, plus the largest peak among
// the processes that it started.
func peakMemory() int64 {
	most := int64(usage(syscall.RUSAGE_SELF).Maxrss) + int64(usage(syscall.RUSAGE_CHILDREN).Maxrss) //nolint:unconvert // 32 bits wide on some platforms
	if runtime.GOOS == "darwin" {
		return most
	}
	return most * 1024
}
