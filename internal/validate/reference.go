package validate

import (
	"embed"
	"io/fs"
)

//go:embed all:reference
var reference embed.FS

// BuiltIn are the references that belong to Argus, most of them made from the examples
// in the readers' tests. All of their data is invented.
func BuiltIn(examples fs.FS) Set {
	files, err := fs.Sub(reference, "reference")
	if err != nil {
		panic("the built-in references are missing: " + err.Error())
	}
	return Set{Name: "built-in", Files: files, Examples: examples}
}
