//go:build unix

package embedded

import (
	"errors"
	"os"
	"syscall"

	"github.com/argus-evidence/argus"
)

func mapFile(f *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
}

func unmapFile(data []byte) {
	if data != nil {
		_ = syscall.Munmap(data) // nothing can be done about it
	}
}

// lockFile makes this process the only writer until the file is closed.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return argus.ErrLocked
	}
	return err
}
