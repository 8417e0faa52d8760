//go:build !unix

package account

import "time"

// cpuSeconds returns the time that work takes.
func cpuSeconds(work func()) float64 {
	begun := time.Now()
	work()
	return time.Since(begun).Seconds()
}
