//go:build unix

package embedded

import (
	"os"
	"syscall"

	"github.com/argus-evidence/argus/internal/durable"
)

// mapFile maps a file of the operating system, and reads the whole of any other file.
func mapFile(f durable.File, size int) (data []byte, unmap func(), err error) {
	file, ok := f.(*os.File)
	if !ok {
		return readWhole(f, size)
	}
	if data, err = syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED); err != nil {
		return nil, nil, err
	}
	return data, func() { _ = syscall.Munmap(data) }, nil // nothing can be done about an error
}
