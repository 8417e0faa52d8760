//go:build !linux && !windows

package durable

import "errors"

// Exchange swaps the names of two files or folders atomically. If that is not possible, it does
// nothing and returns errors.ErrUnsupported.
func Exchange(a, _ string) error { return unsupported("exchange", a, errors.ErrUnsupported) }

// Free returns the number of bytes available for files in a folder, or errors.ErrUnsupported if
// that is unknown.
func Free(dir string) (int64, error) { return 0, unsupported("look at", dir, errors.ErrUnsupported) }
