//go:build !linux && !windows

package durable

import "errors"

// Exchange gives two files or folders each the name of the other, at once. Where
// that is not possible, nothing was done and the error is errors.ErrUnsupported.
func Exchange(a, _ string) error { return unsupported("exchange", a, errors.ErrUnsupported) }

// Free is how many bytes there are for files in a folder. Where that cannot be
// known, the error is errors.ErrUnsupported.
func Free(dir string) (int64, error) { return 0, unsupported("look at", dir, errors.ErrUnsupported) }
