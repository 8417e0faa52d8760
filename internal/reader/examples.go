package reader

import "embed"

// Examples are the invented files that the readers are tested with, below testdata, in a
// folder for each format.
//
//go:embed all:testdata
var Examples embed.FS
