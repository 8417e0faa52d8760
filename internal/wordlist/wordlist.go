// Package wordlist keeps the lists of words and accounts that queries name, and other named
// documents. Each version is kept as it was added, and is identified by its SHA-256.
//
// A version is a file that is written once and never changed; a changed list
// is a new version. docs/format/list.md describes the file.
package wordlist

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/query"
)

// Store is a directory of lists. It keeps nothing in memory; any number of
// processes may use one directory.
type Store struct {
	disk durable.Disk
	dir  string
	Kind
	// Known returns the SHA-256 of each file in the ledger, keyed by the file's name, and
	// those of files whose names were destroyed. A file that is not in the ledger is
	// damage, and so is a missing one. Set Known before any call. Default: files are not
	// compared.
	Known func() (named map[string]string, unnamed map[string]bool, err error)
}

// Kind is a kind of document that a store keeps.
type Kind struct {
	// Word is the noun for such a document, and Suffix is the end of its file's name.
	Word, Suffix string
	// Limit is the maximum size of a document, in bytes.
	Limit int64
	// Hash returns the SHA-256 of a document that may be kept under a name.
	Hash func(name string, data []byte) (string, error)
}

var lists = Kind{"list", ".txt", query.MaxListBytes, func(name string, data []byte) (string, error) {
	list, err := query.ParseList(name, data)
	if err != nil {
		return "", err
	}
	return list.Hash, nil
}}

// Open opens a directory of lists and makes it if it is missing.
func Open(dir string) (*Store, error) { return openOn(durable.OS{}, dir, lists) }

// OpenKind opens a directory of other documents and makes it if it is missing.
func OpenKind(dir string, k Kind) (*Store, error) { return openOn(durable.OS{}, dir, k) }

func openOn(d durable.Disk, dir string, k Kind) (*Store, error) {
	if err := d.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open %ss: %w", k.Word, err)
	}
	return &Store{disk: d, dir: dir, Kind: k}, nil
}

// Version is one version of a list.
type Version struct {
	Name    string `json:"list"`
	Version int    `json:"version"` // from 1
	Hash    string `json:"sha256"`
	// Damage explains why no query can use the version, or is "" if the version is sound.
	Damage string `json:"damage,omitempty"`

	suffix string
}

// File is the name of the version's file.
func (v Version) File() string { return fmt.Sprintf("%s.%d.%s%s", v.Name, v.Version, v.Hash, v.suffix) }

// parseFile returns false for a file that is not a version.
func (k Kind) parseFile(name string) (v Version, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 || "."+parts[3] != k.Suffix {
		return v, false
	}
	number, err := strconv.Atoi(parts[1])
	v = Version{Name: parts[0], Version: number, Hash: parts[2], suffix: k.Suffix}
	return v, err == nil && number > 0 && v.File() == name
}

// Add keeps a list and returns it. record must write it to the ledger; only after that does the
// version exist. If record fails, the version may still come to exist when the store is
// settled. If the latest version with that name has the same content, Add returns that version,
// and known is true. The version is durable when Add returns. Callers must not add
// concurrently.
func (s *Store) Add(name string, data []byte, record func(Version) error) (v Version, known bool, err error) {
	hash, err := s.Hash(name, data)
	if err != nil {
		return v, false, err
	}
	versions, err := s.versions(name)
	if err != nil {
		return v, false, fmt.Errorf("add %s %s: %w", s.Word, name, err)
	}
	v = Version{Name: name, Version: 1, Hash: hash, suffix: s.Suffix}
	if len(versions) > 0 {
		last := versions[len(versions)-1]
		if last.Hash == hash && last.Damage == "" {
			return last, true, nil
		}
		v.Version = last.Version + 1
	}
	if err := durable.Record(s.disk, filepath.Join(s.dir, v.File()), data, func() error { return record(v) }); err != nil {
		return v, false, fmt.Errorf("add %s %s: %w", s.Word, name, err)
	}
	return v, false, nil
}

// Find returns the version of a list with the given hash, or the latest version if hash is "".
// If there is none, the error is argus.ErrNotFound. Find can be used as query.Options.Lists.
func (s *Store) Find(name, hash string) (*query.WordList, error) {
	data, err := s.Read(name, hash)
	if err != nil {
		return nil, err
	}
	return query.ParseList(name, data)
}

// Read returns the text of the version with the given hash, or of the latest version if hash is
// "". If there is none, the error is argus.ErrNotFound.
func (s *Store) Read(name, hash string) ([]byte, error) {
	versions, err := s.versions(name)
	if err != nil {
		return nil, fmt.Errorf("read %s %s: %w", s.Word, name, err)
	}
	for _, v := range slices.Backward(versions) {
		if hash != "" && v.Hash != hash {
			continue
		}
		if v.Damage != "" {
			return nil, fmt.Errorf("read %s %s: %w: %s", s.Word, name, argus.ErrDamaged, v.Damage)
		}
		data, err := s.read(v.File())
		if errors.Is(err, durable.ErrUnfit) {
			err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s %s: %w", s.Word, name, err)
		}
		is, err := s.Hash(name, data)
		if err == nil && is != v.Hash {
			err = fmt.Errorf("read %s %s: its SHA-256 is %s", s.Word, v.File(), is)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		return data, nil
	}
	return nil, fmt.Errorf("read %s %s: %w", s.Word, name, argus.ErrNotFound)
}

// List returns all versions of all lists, sorted by name and number.
func (s *Store) List() ([]Version, error) {
	versions, err := s.versions("")
	if err != nil {
		return nil, fmt.Errorf("list the %ss: %w", s.Word, err)
	}
	return versions, nil
}

// read returns the content of a file, even while the file is still being renamed into
// place.
func (s *Store) read(file string) (data []byte, err error) {
	for _, name := range []string{file, durable.Prepared + file, file} {
		data, err = durable.ReadFile(s.disk, filepath.Join(s.dir, name), s.Limit)
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return data, err
}

// versions returns the versions with a name, or all versions if the name is "".
func (s *Store) versions(name string) ([]Version, error) {
	entries, err := s.disk.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var known map[string]string
	var unnamed map[string]bool
	if s.Known != nil {
		if known, unnamed, err = s.Known(); err != nil { // after the files, since their entries are written first
			return nil, err
		}
	}
	var versions []Version
	add := func(file, damage string) {
		if v, ok := s.parseFile(file); ok && (name == "" || v.Name == name) {
			v.Damage = damage
			versions = append(versions, v)
		}
	}
	there := map[string]bool{}
	for _, entry := range entries {
		file, damage := entry.Name(), ""
		there[file] = true
		if v, ok := s.parseFile(file); ok && s.Known != nil && known[file] == "" && !unnamed[v.Hash] {
			damage = fmt.Sprintf("%s/%s: the ledger has no entry for this %s, so Argus did not add it; remove the file", filepath.Base(s.dir), file, s.Word)
		}
		add(file, damage)
	}
	for file := range known {
		if there[file] {
			continue
		}
		damage := ""
		if _, err := s.read(file); errors.Is(err, fs.ErrNotExist) {
			damage = fmt.Sprintf("%s/%s: the ledger has an entry for this %s, but the file is missing; restore it from a copy of the store", filepath.Base(s.dir), file, s.Word)
		}
		add(file, damage)
	}
	slices.SortFunc(versions, func(a, b Version) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return a.Version - b.Version
	})
	return versions, nil
}
