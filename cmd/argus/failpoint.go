package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// failpoint reads $ARGUS_CRASH_AT (NAME:N). The process kills itself, as abruptly as a
// power cut, when it reaches the named moment for the N-th time. The crash tests use it,
// and so can anybody who wants to check the promise.
func failpoint() func(string) {
	name, nth, ok := strings.Cut(os.Getenv("ARGUS_CRASH_AT"), ":")
	if !ok {
		return nil
	}
	want, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		return nil
	}
	var reached atomic.Int64
	return func(here string) {
		if here == name && reached.Add(1) == want {
			if self, err := os.FindProcess(os.Getpid()); err == nil && self.Kill() == nil {
				select {}
			}
		}
	}
}
