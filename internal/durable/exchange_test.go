package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestExchange(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, name := range []string{a, b} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(name, "f"), []byte(filepath.Base(name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := Exchange(a, b)
	want := "b"
	if errors.Is(err, errors.ErrUnsupported) {
		want, err = "a", nil // the exchange then did nothing
	}
	if text, read := os.ReadFile(filepath.Join(a, "f")); err != nil || read != nil || string(text) != want {
		t.Errorf("a has %q, want %q: %v, %v", text, want, err, read)
	}
	if err := Exchange(a, filepath.Join(dir, "c")); err == nil {
		t.Error("exchanged with nothing")
	}
}

func TestFree(t *testing.T) {
	if free, err := Free(t.TempDir()); err == nil && free <= 0 || err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%d, %v", free, err)
	}
}
