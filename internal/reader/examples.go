package reader

import "embed"

// Examples are the invented test files of the readers, below testdata, in a folder for
// each format.
//
//go:embed all:testdata
var Examples embed.FS
