package durable

import (
	"errors"
	"fmt"
)

func unsupported(what, name string, err error) error {
	return fmt.Errorf("%s %s: %w: %w", what, name, errors.ErrUnsupported, err)
}
