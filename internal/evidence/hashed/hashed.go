// Package hashed ends a small text with its own hash, so that a reader can tell whether
// the text is whole. The first line of the text is its kind followed by one byte, its
// version; the last line is "sha256 " and the SHA-256 of everything before it, in
// hexadecimal.
package hashed

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// End returns the text with its hash appended.
func End(text []byte) []byte {
	return fmt.Appendf(text, "sha256 %x\n", sha256.Sum256(text))
}

// Open returns the version of a text of the given kind, and the lines between the first
// and the last one. It fails if the text is damaged.
func Open(data []byte, kind string) (version byte, lines string, err error) {
	at := bytes.LastIndex(data, []byte("sha256 "))
	if at < 0 || !bytes.Equal(End(slices.Clip(data[:at])), data) {
		return 0, "", errors.New("the file does not match its hash")
	}
	text, ok := strings.CutPrefix(string(data[:at]), kind)
	if !ok || len(text) < 2 || text[1] != '\n' {
		return 0, "", fmt.Errorf("the file does not begin with %q", strings.TrimSpace(kind))
	}
	return text[0], text[2:], nil
}
