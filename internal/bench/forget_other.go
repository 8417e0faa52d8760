//go:build !linux

package bench

import "errors"

// forget is not supported on this system.
func forget(string) error {
	return errors.New("only Linux can drop files from memory on request; omit --cold")
}
