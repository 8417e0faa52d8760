//go:build !linux && !windows

package durable

import "errors"

// Exchange gives two files or folders each the name of the other, atomically. Where
// that is not possible, it does nothing and returns errors.ErrUnsupported.
func Exchange(a, _ string) error { return unsupported("exchange", a, errors.ErrUnsupported) }

// Free returns the number of bytes available for files in a folder, or
// errors.ErrUnsupported where that is unknown.
func Free(dir string) (int64, error) { return 0, unsupported("look at", dir, errors.ErrUnsupported) }
