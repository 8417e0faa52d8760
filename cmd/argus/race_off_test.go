//go:build !race

package main

// underRace says that the race detector is on. Tests of the real binary, which is built
// without it, have nothing new to say then.
const underRace = false
