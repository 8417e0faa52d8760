//go:build unix

package account

import (
	"runtime"
	"syscall"
)

// cpuSeconds returns the processor time that work takes.
func cpuSeconds(work func()) float64 {
	runtime.GC()
	used := func() float64 {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	before := used()
	work()
	return used() - before
}
