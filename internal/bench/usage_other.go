//go:build !unix

package bench

import "time"

// cpuTime and peakMemory are not supported on this system.
func cpuTime() time.Duration { return 0 }
func peakMemory() int64      { return 0 }
