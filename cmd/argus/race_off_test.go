//go:build !race

package main

// underRace reports whether the race detector is on. It does not see into the real
// binary, so tests of the binary are skipped.
const underRace = false
