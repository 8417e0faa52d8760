// Package layout defines the names of all files and folders in a store, and the version of this
// layout. All code that writes, reads or verifies a file of a store gets the file's name here.
// Names are relative to the store's folder, with slashes; [File] turns them into paths.
package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// The parts of a store.
const (
	Info        = "argus.json"
	Keys        = "keys"
	PublicKey   = Keys + "/store.pub"
	Ledger      = "ledger"
	Authorities = "authorities"
	Lists       = "lists"
	Maps        = "maps"
	People      = "people"
	// Privilege has the setup and the directories of protected persons, Sealing the keys of
	// the judge and the state of the matchers.
	Privilege  = "privilege"
	Sealing    = "sealing"
	Index      = "index"
	Evidence   = "evidence"
	Originals  = "originals"
	Deliveries = "deliveries"
	// Kept is the folder in which an upgraded store keeps its seals and its argus.json of
	// format 1.
	Kept = "format-1"
	// Server is the folder for the socket of a server that has the store open.
	Server = "server"
)

// The files in the parts.
const (
	Checkpoint       = Ledger + "/checkpoint"
	LedgerLock       = Ledger + "/lock"
	IndexLock        = Index + "/lock"
	IndexManifest    = Index + "/manifest"
	IDs              = Evidence + "/ids"
	EvidenceManifest = Evidence + "/manifest"
	Commit           = Evidence + "/commit"
	EvidenceLock     = Evidence + "/lock"
	Socket           = Server + "/socket"
)

// Parts lists everything that belongs directly in a store's folder.
func Parts() []string {
	return []string{Info, Keys, Ledger, Authorities, Lists, Maps, People, Privilege, Sealing, Index, Kept, Evidence, Originals, Deliveries, Server}
}

// Locks lists the files that processes lock to keep each other out. They are empty.
func Locks() []string { return []string{EvidenceLock, IndexLock, LedgerLock} }

// File returns the path of a file of the store in a folder.
func File(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

// There reports whether a file or folder exists.
func There(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// KeyName returns the name of the key that signs a store's seals and its ledger.
func KeyName(store string) string { return "argus/" + store }

// PrivateKey returns the path of a store's private key in the folder of private keys.
func PrivateKey(keyDir, store string) string {
	return filepath.Join(keyDir, filepath.Base(store)+".key")
}

// Seal returns the name of a delivery's seal file.
func Seal(d argus.DeliveryNumber) string { return Deliveries + "/" + d.String() + ".seal" }

// KeptSeal returns the name of the file with the seal that a delivery had before its
// store was upgraded.
func KeptSeal(d argus.DeliveryNumber) string { return Kept + "/" + d.String() + ".seal" }

// Tree returns the name of the file with the hashes over full runs of 256 records in a
// delivery's Merkle tree.
func Tree(d argus.DeliveryNumber) string { return Deliveries + "/" + d.String() + ".tree" }

// Segment returns the name of a segment's file. Generation 0 is the first file; an
// amendment replaces it with the next generation.
func Segment(number, generation int) string {
	if generation == 0 {
		return fmt.Sprintf("%s/%08d.seg", Evidence, number)
	}
	return fmt.Sprintf("%s/%08d-%d.seg", Evidence, number, generation)
}

// ParseSegment parses the name of a file in the folder of evidence. ok is false if it is
// not the name of a segment.
func ParseSegment(base string) (number, generation int, ok bool) {
	name, _ := strings.CutSuffix(base, ".seg")
	digits, suffix, rewritten := strings.Cut(name, "-")
	number, err := strconv.Atoi(digits)
	if err == nil && rewritten {
		generation, err = strconv.Atoi(suffix)
	}
	return number, generation, err == nil && path.Base(Segment(number, generation)) == base
}

// Authority returns the base name of an authority's file.
func Authority(number string) string { return number + ".json" }

// Revocation returns the base name of the file that ends an authority.
func Revocation(number string) string { return number + ".revoked.json" }

// The suffixes of the names of files in the folder [Sealing].
const (
	EnvelopeSuffix = ".envelope"
	StateSuffix    = ".state"
)

// Envelope returns the name of the file with the key of a batch of sealed records.
func Envelope(batch argus.Hash) string { return Sealing + "/" + batch.String() + EnvelopeSuffix }

// State returns the name of the file with a state of the matchers, which is named by its
// SHA-256.
func State(sum string) string { return Sealing + "/" + sum + StateSuffix }

// Decision is the name of the documents that are decisions of judges about sealed records.
const Decision = "decision"

// ParseDecision returns the number of a decision from the base name of its file. ok is false
// for another file.
func ParseDecision(base string) (number int, ok bool) {
	parts := strings.Split(base, ".")
	if len(parts) != 4 || parts[0] != Decision {
		return 0, false
	}
	number, err := strconv.Atoi(parts[1])
	return number, err == nil
}

// maxFile is the maximum number of bytes that [Read] reads, enough for the hashes of a
// delivery with 2^31 records.
const maxFile = 256 << 20

// Read reads the whole of a small file. The error is argus.ErrDamaged if the file is too
// large.
func Read(d durable.Disk, dir, name string) ([]byte, error) {
	data, err := durable.ReadFile(d, File(dir, name), maxFile)
	if errors.Is(err, durable.ErrUnfit) {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return data, err
}

// A DamagedError means that a file of a store is missing or is not a regular file.
type DamagedError struct {
	File string // a name as in the rest of this package
	Err  error  // the error of accessing the file
}

// Error implements error.
func (e *DamagedError) Error() string {
	why := "it is not a regular file"
	if errors.Is(e.Err, fs.ErrNotExist) {
		why = "it is missing"
	}
	return fmt.Sprintf("%v: %s: %s", argus.ErrDamaged, e.File, why)
}

// Unwrap makes the error match argus.ErrDamaged.
func (e *DamagedError) Unwrap() []error { return []error{argus.ErrDamaged, e.Err} }

// Damaged turns an error about a file or folder of the store in dir into a [DamagedError]
// if the file or folder is missing or of the wrong kind, since a store must have all its
// files. Other errors are returned unchanged.
func Damaged(dir string, err error) error {
	of, ok := errors.AsType[*fs.PathError](err)
	if !ok || errors.Is(err, argus.ErrDamaged) {
		return err
	}
	name, relErr := filepath.Rel(dir, of.Path)
	if relErr != nil || !filepath.IsLocal(name) || name == "." {
		return err
	}
	for _, not := range []error{fs.ErrNotExist, durable.ErrUnfit, syscall.EISDIR, syscall.ENOTDIR} {
		if errors.Is(of.Err, not) {
			return &DamagedError{filepath.ToSlash(name), err}
		}
	}
	return err
}
