//go:build !unix

package embedded

import "github.com/argus-evidence/argus/internal/durable"

// mapFile reads the file: a mapped one could not be removed after a merge.
func mapFile(f durable.File, size int) (data []byte, unmap func(), err error) {
	return readWhole(f, size)
}
