// Package web embeds the built user interface.
//
// Its sources are the Svelte files in this folder. `npm ci && npm run build` makes dist
// from them, byte for byte the same on every machine. The folder dist is committed, so
// that building Argus needs only Go.
package web

import (
	"embed"
	"io/fs"
)

//go:embed dist
var dist embed.FS

// Files returns the interface's files, with index.html at the root.
func Files() fs.FS {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	return files
}
