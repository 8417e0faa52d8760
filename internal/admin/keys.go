package admin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Errors of keys.
var (
	// ErrNoKey means that the store's private key was not found. Without it, no act can
	// be recorded, so none is performed.
	ErrNoKey = errors.New("the private key of the store is missing")
	// ErrOpenKey means that people other than its owner can read or write a private key.
	ErrOpenKey = errors.New("other people can use the private key")
)

// KeyDir returns the folder of private keys: the given one, $ARGUS_KEYS, or argus/keys in
// the user's configuration folder.
func KeyDir(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if dir := os.Getenv("ARGUS_KEYS"); dir != "" {
		return dir, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("look for the private key: %w; name its folder with --keys or $ARGUS_KEYS", err)
	}
	return filepath.Join(config, "argus", "keys"), nil
}

// Keys are the key pair of a store, in the format of signed notes.
type Keys struct{ Private, Public string }

// MakeKeys makes the key pair of a new store. The private key goes into the folder of
// private keys, which is created if needed, the public one into the store.
func MakeKeys(dir, keyDir, store string) (k Keys, err error) {
	if k.Private, k.Public, err = ledger.NewKey(layout.KeyName(store)); err != nil {
		return k, err
	}
	public := layout.File(dir, layout.PublicKey)
	for _, d := range []string{keyDir, filepath.Dir(public)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return k, err
		}
	}
	if err := durable.WriteNew(durable.OS{}, layout.PrivateKey(keyDir, store), []byte(k.Private+"\n")); err != nil {
		return k, err
	}
	return k, durable.WriteNew(durable.OS{}, public, []byte(k.Public+"\n"))
}

// ReadKeys reads the keys of a store, or only the public key if nothing can be recorded
// in the store.
func ReadKeys(dir, keyDir, store string, protected bool) (Keys, error) {
	var k Keys
	public, err := layout.Read(durable.OS{}, dir, layout.PublicKey)
	if err != nil {
		return k, fmt.Errorf("open store: %w", err)
	}
	if _, err := note.NewVerifier(strings.TrimSpace(string(public))); err != nil {
		return k, fmt.Errorf("open store: %s: %w: %w", layout.PublicKey, argus.ErrDamaged, err)
	}
	if protected {
		return Keys{Public: strings.TrimSpace(string(public))}, nil
	}
	name := layout.PrivateKey(keyDir, store)
	private, err := readPrivate(name)
	if errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("open store: %w: %s", ErrNoKey, name)
	}
	if err != nil {
		return k, fmt.Errorf("open store: %w", err)
	}
	return Keys{Private: strings.TrimSpace(string(private)), Public: strings.TrimSpace(string(public))}, nil
}

// readPrivate reads a file that must be accessible only to its owner, like ssh's keys.
func readPrivate(name string) ([]byte, error) {
	f, err := durable.OS{}.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// On Windows, the mode does not show who may read the file.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: its mode is %04o; make sure that nobody has a copy, then run \"chmod 600 %s\"", ErrOpenKey, mode, name)
	}
	return io.ReadAll(io.NewSectionReader(f, 0, maxKey))
}

// ReadSecret reads a file that must be accessible only to its owner.
func ReadSecret(name string) ([]byte, error) { return readPrivate(name) }

// maxKey is the maximum number of bytes that are read from a key file.
const maxKey = 4 << 10

// ReadPublicKey reads a public key from a file that the user names. If the file cannot
// hold one, wrong says why.
func ReadPublicKey(name string) (key, wrong string, err error) {
	data, err := durable.ReadGiven(name, maxKey)
	key = strings.TrimSpace(string(data))
	switch {
	case errors.Is(err, durable.ErrUnfit):
		return "", fmt.Sprintf("%s has more than %d bytes", name, maxKey), nil
	case err != nil:
		return "", "", err
	case key == "":
		return "", name + " is empty", nil
	case strings.HasPrefix(key, "PRIVATE+KEY+"):
		return "", name + " holds a private key, which is not needed for checking and must stay secret; name the file with the public key, which ends in .pub", nil
	}
	return key, "", nil
}

// Pair returns both halves, which must belong together.
func (k Keys) Pair() (note.Signer, note.Verifier, error) {
	signer, err := note.NewSigner(k.Private)
	if err != nil {
		return nil, nil, fmt.Errorf("read the private key: %w", err)
	}
	verifier, err := note.NewVerifier(k.Public)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", layout.PublicKey, argus.ErrDamaged, err)
	}
	signed, err := note.Sign(&note.Note{Text: "argus upgrade\n"}, signer)
	if err == nil {
		_, err = note.Open(signed, note.VerifierList(verifier))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the private key does not belong to %s: %w", layout.PublicKey, err)
	}
	return signer, verifier, nil
}

// readerKey is the file with a reader's key pair: the private key on the first line, the
// public key on the second.
const readerKey = "reader.key"

// ReaderKeys reads a reader's own key pair for a store from a folder. The error is
// fs.ErrNotExist if there is none, and [ErrOpenKey] if other people can use it.
func ReaderKeys(dir string) (Keys, error) {
	data, err := readPrivate(filepath.Join(dir, readerKey))
	private, public, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	return Keys{Private: private, Public: public}, err
}

// MakeReaderKeys is like ReaderKeys, but makes the pair and the folder if there is none.
// If two processes call it, the first one makes the pair.
func MakeReaderKeys(dir string) (Keys, error) {
	k, err := ReaderKeys(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k.Private, k.Public, err = ledger.NewKey("argus/" + filepath.Base(dir) + "/reader"); err != nil {
		return k, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return k, err
	}
	err = durable.WriteNew(durable.OS{}, filepath.Join(dir, readerKey), []byte(k.Private+"\n"+k.Public+"\n"))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return k, err
	}
	return ReaderKeys(dir)
}
