//go:build !linux

package bench

import "errors"

// forget is not supported on this system.
func forget(string) error {
	return errors.New("only Linux drops files from memory when asked; leave out --cold")
}
