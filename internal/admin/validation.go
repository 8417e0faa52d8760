package admin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/ledger"
)

// ValidationKey is the key pair that signs validation records.
type ValidationKey struct {
	Signer note.Signer
	// Public is needed to check a signature.
	Public string
	// Path is the file with the private key; the file with the public key ends in .pub.
	Path string
	// Made is set if the pair is new.
	Made bool
}

// OpenValidationKey reads the key pair, or makes one in the folder of private keys
// ([KeyDir]).
func OpenValidationKey(keyDir string) (*ValidationKey, error) {
	keyDir, err := KeyDir(keyDir)
	if err != nil {
		return nil, err
	}
	k := &ValidationKey{Path: filepath.Join(keyDir, "validation.key")}
	public := filepath.Join(keyDir, "validation.pub")
	private, err := readPrivate(k.Path)
	if errors.Is(err, fs.ErrNotExist) {
		private, err = makeValidationKey(k.Path, public)
		k.Made = true
	}
	if err != nil {
		return nil, err
	}
	text, err := durable.ReadFile(durable.OS{}, public, maxKey)
	if err != nil {
		return nil, err
	}
	k.Public = strings.TrimSpace(string(text))
	k.Signer, _, err = Keys{strings.TrimSpace(string(private)), k.Public}.Pair()
	return k, err
}

// makeValidationKey writes the public key first. If a crash then leaves no private key,
// the next run starts again.
func makeValidationKey(path, public string) ([]byte, error) {
	text, of, err := ledger.NewKey("argus/validation")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(public); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := durable.WriteNew(durable.OS{}, public, []byte(of+"\n")); err != nil {
		return nil, err
	}
	return []byte(text), durable.WriteNew(durable.OS{}, path, []byte(text+"\n"))
}
