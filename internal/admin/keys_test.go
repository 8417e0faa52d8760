package admin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/layout"
)

func TestKeys(t *testing.T) {
	dir, keyDir := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	made, err := MakeKeys(dir, keyDir, "0123")
	if err != nil {
		t.Fatal(err)
	}
	if k, err := ReadKeys(dir, keyDir, "0123", false); err != nil || k != made {
		t.Errorf("%v, %v", k, err)
	}
	if k, err := ReadKeys(dir, "nowhere", "0123", true); err != nil || k != (Keys{Public: made.Public}) {
		t.Errorf("protected: %v, %v", k, err)
	}
	if _, err := MakeKeys(dir, keyDir, "0123"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another key: %v", err)
	}
	if _, _, err := made.Pair(); err != nil {
		t.Error(err)
	}
	other, err := MakeKeys(t.TempDir(), keyDir, "4567")
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]Keys{
		"two pairs":      {Private: made.Private, Public: other.Public},
		"no public key":  {Private: made.Private, Public: "x"},
		"no private key": {Private: "x", Public: made.Public},
	} {
		if _, _, err := k.Pair(); err == nil || errors.Is(err, argus.ErrDamaged) != (name == "no public key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	private := layout.PrivateKey(keyDir, "0123")
	if runtime.GOOS != "windows" {
		if err := os.Chmod(private, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeys(dir, keyDir, "0123", false); !errors.Is(err, ErrOpenKey) {
			t.Errorf("other people can read it: %v", err)
		}
	}
	if err := os.Remove(private); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeys(dir, keyDir, "0123", false); !errors.Is(err, ErrNoKey) {
		t.Errorf("no private key: %v", err)
	}
	if _, err := ReadKeys(t.TempDir(), keyDir, "0123", false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v", err)
	}
}

func TestKeyDir(t *testing.T) {
	t.Setenv("ARGUS_KEYS", "/of/the/environment")
	if dir, err := KeyDir("given"); dir != "given" || err != nil {
		t.Errorf("%s, %v", dir, err)
	}
	if dir, err := KeyDir(""); dir != "/of/the/environment" || err != nil {
		t.Errorf("%s, %v", dir, err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	t.Setenv("ARGUS_KEYS", "")
	t.Setenv("XDG_CONFIG_HOME", "/config")
	if dir, err := KeyDir(""); dir != "/config/argus/keys" || err != nil {
		t.Errorf("%s, %v", dir, err)
	}
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("HOME", "")
	if dir, err := KeyDir(""); err == nil || !strings.Contains(err.Error(), "--keys") {
		t.Errorf("%s, %v", dir, err)
	}
}

// Several callers make a reader's key pair at the same time, and all get the same one.
func TestReaderKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "0123")
	if _, err := ReaderKeys(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	var all sync.WaitGroup
	got := make([]Keys, 8)
	for i := range got {
		all.Go(func() {
			var err error
			if got[i], err = MakeReaderKeys(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, k := range got {
		if k != got[0] || !strings.HasPrefix(k.Public, "argus/0123/reader+") {
			t.Errorf("%v, want %v", k, got[0])
		}
	}
	if _, _, err := got[0].Pair(); err != nil {
		t.Error(err)
	}
}

// A reader's private key is not used if other people have access to it.
func TestOpenReaderKey(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := filepath.Join(t.TempDir(), "0123")
	if _, err := MakeReaderKeys(dir); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o660, 0o604, 0o666} {
		if err := os.Chmod(filepath.Join(dir, readerKey), mode); err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(string) (Keys, error){ReaderKeys, MakeReaderKeys} {
			if _, err := read(dir); !errors.Is(err, ErrOpenKey) {
				t.Errorf("mode %04o: %v", mode, err)
			}
		}
	}
}

func TestValidationKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	made, err := OpenValidationKey(dir)
	if err != nil || !made.Made {
		t.Fatalf("%+v, %v", made, err)
	}
	again, err := OpenValidationKey(dir)
	if err != nil || again.Made || again.Public != made.Public || again.Signer.KeyHash() != made.Signer.KeyHash() {
		t.Errorf("%+v, %v", again, err)
	}
	// A crash between the two files leaves the public one.
	if err := os.Remove(made.Path); err != nil {
		t.Fatal(err)
	}
	if other, err := OpenValidationKey(dir); err != nil || !other.Made || other.Public == made.Public {
		t.Errorf("%+v, %v", other, err)
	}
	if err := os.Remove(filepath.Join(dir, "validation.pub")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenValidationKey(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the public key: %v", err)
	}
}
