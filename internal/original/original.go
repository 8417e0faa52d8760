// Package original keeps received files in blocks that can be proved, withheld
// and destroyed alone.
//
// An original has two files: the data, which is never rewritten, and the table, which has a key
// for each block. Removing a key makes the block unreadable wherever its bytes were copied; the
// root over the blocks stays the same and can still be computed. docs/format/original.md
// describes the bytes. The package does not decide who may read, or why a part is withheld or
// destroyed. That is up to the evidence, which refers to originals by name and root.
package original

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Errors that a caller may test for, in addition to [argus.ErrNotFound] and
// [argus.ErrDamaged].
var (
	// ErrWithheld means that a part can be read only with a judge's key.
	ErrWithheld = errors.New("withheld")
	// ErrDestroyed means that nobody can read a part, ever again.
	ErrDestroyed = errors.New("destroyed")
	// ErrNoKey means that keys are encrypted to a recipient whose private key is missing.
	ErrNoKey = errors.New("the key that decrypts the original's keys is missing")
)

// Unreadable is the error returned for reading a withheld or destroyed part. It matches
// [ErrWithheld] or [ErrDestroyed].
type Unreadable struct{ Span }

func (u *Unreadable) Error() string {
	return fmt.Sprintf("bytes %d to %d of the original are %s", u.From, u.To, u.State)
}

func (u *Unreadable) Unwrap() error {
	if u.State == Withheld {
		return ErrWithheld
	}
	return ErrDestroyed
}

// Options of a store of originals. The zero value works.
type Options struct {
	// Custodians, if any, are the recipients whose keys open the tables. Default: the
	// tables hold the keys of the blocks in the clear.
	Custodians []age.Recipient
	// Identities are the keys that open encrypted tables. Default none.
	Identities []age.Identity
	// Disk is the disk on which the files are kept. Default [durable.OS].
	Disk durable.Disk
	// Failpoint, if set, is called at named moments, so that a test can end the
	// process there. Default none.
	Failpoint func(name string)
}

// Store is a folder of originals. Its methods may be called concurrently; only one
// process at a time may put or change originals.
type Store struct {
	dir      string
	o        Options
	disk     durable.Disk
	decoder  *zstd.Decoder
	incoming atomic.Uint64
	encoders sync.Pool // of *zstd.Encoder

	changing sync.Mutex // one change at a time
	indexing sync.Mutex // for the fields below
	known    map[fingerprint]argus.FileName
	shards   [256]bool // the folders whose names are durable
}

// New returns the store of the originals in a folder, which must exist.
func New(dir string, o Options) (*Store, error) {
	if o.Disk == nil {
		o.Disk = durable.OS{}
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	decoder, err := newDecoder()
	if err != nil {
		return nil, fmt.Errorf("open originals: %w", err)
	}
	return &Store{dir: dir, o: o, disk: o.Disk, decoder: decoder}, nil
}

// The suffixes of an original's files.
const (
	dataFile  = ".data"
	tableFile = ".table"
	nextFile  = ".next" // the table of a prepared change
)

func restFile(change uint32) string  { return fmt.Sprintf(".%d.rest", change) }
func judgeFile(change uint32) string { return fmt.Sprintf(".%d.judge", change) }

// fileOf returns the path of an original's file, relative to the folder, with forward
// slashes. end is one of the suffixes above.
func fileOf(name argus.FileName, end string) string {
	text := name.String()
	return text[:2] + "/" + text[2:] + end
}

// DataFile returns the path of an original's data, relative to the folder,
// with forward slashes.
func DataFile(name argus.FileName) string { return fileOf(name, dataFile) }

// TableFile returns the path of an original's table, like [DataFile].
func TableFile(name argus.FileName) string { return fileOf(name, tableFile) }

// NameOf returns the name of the original that a file belongs to, given the file's path
// in the folder.
func NameOf(file string) (name argus.FileName, ok bool) {
	shard, base, ok := strings.Cut(file, "/")
	stem, end, dotted := strings.Cut(base, ".")
	if !ok || !dotted || name.UnmarshalText([]byte(shard+stem)) != nil || name.String() != shard+stem {
		return name, false
	}
	end = "." + end
	if end == dataFile || end == tableFile || end == nextFile {
		return name, true
	}
	change, _, _ := strings.Cut(end[1:], ".")
	var n uint32
	_, err := fmt.Sscanf(change, "%d", &n)
	return name, err == nil && (end == restFile(n) || end == judgeFile(n))
}

func (s *Store) path(file string) string { return filepath.Join(s.dir, filepath.FromSlash(file)) }

// openTable opens a table and reads it. The caller must close the file.
func (s *Store) openTable(name argus.FileName, end string) (*table, durable.File, error) {
	file := fileOf(name, end)
	f, err := s.disk.OpenFile(s.path(file), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s: %w", file, argus.ErrNotFound)
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	t, err := readTable(file, f, info.Size(), s.openSecrets)
	if err == nil && t.name != name {
		err = t.damage(8, "the table belongs to the original %s", t.name)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return t, f, nil
}

func (s *Store) openSecrets(t *table, sealed []byte) ([]byte, error) {
	plain, err := openWith(s.o.Identities, sealed, t.custodians)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", t.file, err)
	}
	return plain, nil
}

// whole returns the SHA-256 of the original, or zero if it is not in the table.
func (t *table) whole() (argus.Hash, error) {
	b, err := t.opened(t.secrets)
	if err != nil {
		return argus.Hash{}, err
	}
	s, err := parseSecret(b)
	if err != nil {
		return argus.Hash{}, t.damage(t.secrets.at, "the SHA-256 of the original does not match its checksum")
	}
	return s.key, nil
}

// restSecrets reads the secrets of the substitute blocks.
func (t *table) restSecrets() error {
	if len(t.rest) == 0 {
		return nil
	}
	b, err := t.opened(t.secrets)
	if err != nil {
		return err
	}
	for i := range t.rest {
		s, err := parseSecret(b[(1+i)*secretSize:])
		if err == nil && (t.rest[i].kind == restOpen) != (s != secret{}) {
			err = errSecret
		}
		if err != nil {
			return t.damage(t.secrets.at+int64(1+i)*secretSize, "block %d: %v", t.rest[i].block, err)
		}
		t.rest[i].secret = s
	}
	return nil
}

// checkHead checks the beginning of a data file.
func checkHead(b []byte, name argus.FileName, change uint32) bool {
	return string(b) == string(blocksHead(dataMagic, name, change))
}
