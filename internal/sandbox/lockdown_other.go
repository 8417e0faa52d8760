//go:build unix && !(linux && (amd64 || arm64))

package sandbox

import (
	"fmt"
	"os"
	"runtime/metrics"
	"time"
)

// Lacks says what of a sandbox this system does not have; it is empty on one that has
// all of it.
const Lacks = "a process of its own, which this system does not confine"

// lockDown ends this process when it has taken more memory than it may. The
// system is not asked to hold it: each has another way.
func lockDown(memory int64) error {
	go func() {
		taken := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
		for range time.Tick(20 * time.Millisecond) {
			if metrics.Read(taken); taken[0].Value.Uint64() > uint64(memory) {
				fmt.Fprintln(os.Stderr, "fatal error: out of memory")
				os.Exit(2)
			}
		}
	}()
	return nil
}
