package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The most bytes of files that flags name.
const (
	maxKey    = 4 << 10
	maxRecord = 16 << 20 // of a validation
)

// readBounded reads a file or a pipe of at most so many bytes.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, errors.Join(err, f.Close())
}

// readPublicKey reads a file with a public key. wrong says why it cannot be one.
func readPublicKey(name string) (key, wrong string, err error) {
	data, err := readBounded(name, maxKey)
	key = strings.TrimSpace(string(data))
	switch {
	case int64(len(data)) > maxKey:
		return "", fmt.Sprintf("%s has more than %d bytes", name, maxKey), nil
	case err != nil:
		return "", "", err
	case key == "":
		return "", name + " is empty", nil
	case strings.HasPrefix(key, "PRIVATE+KEY+"):
		return "", name + " holds a private key, which nobody needs for checking and which has to stay secret; name the file of the public key, which ends in .pub", nil
	}
	return key, "", nil
}
