// Package wordlist keeps the lists of words and accounts that queries name,
// each version as it was handed in, under its SHA-256.
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
	// Known returns the SHA-256 that the ledger has of each file, by its name, and of the
	// files whose names are destroyed. A file that the ledger does not have, and a missing
	// one, is damage. Set it before any call. Default: files are not compared.
	Known func() (named map[string]string, unnamed map[string]bool, err error)
}

// Open opens a directory of lists and makes it if it is missing.
func Open(dir string) (*Store, error) { return openOn(durable.OS{}, dir) }

func openOn(d durable.Disk, dir string) (*Store, error) {
	if err := d.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open lists: %w", err)
	}
	return &Store{disk: d, dir: dir}, nil
}

// Version is one version of a list.
type Version struct {
	Name    string `json:"list"`
	Version int    `json:"version"` // from 1
	Hash    string `json:"sha256"`
	// Damage explains why no query can use it. Default: it is sound.
	Damage string `json:"damage,omitempty"`
}

// File is the name of the version's file.
func (v Version) File() string { return fmt.Sprintf("%s.%d.%s%s", v.Name, v.Version, v.Hash, suffix) }

const suffix = ".txt"

// parseFile returns false for a file that is not a version of a list.
func parseFile(name string) (v Version, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 4 || "."+parts[3] != suffix {
		return v, false
	}
	number, err := strconv.Atoi(parts[1])
	v = Version{Name: parts[0], Version: number, Hash: parts[2]}
	return v, err == nil && number > 0 && v.File() == name
}

// Add keeps a list and returns it. record must write it to the ledger; only after that
// does the version exist. If record fails, it may come to exist when the store is
// settled. If the last version of that name has the same content, Add returns it, and
// known is true. The version is durable when Add returns. Callers must not add
// concurrently.
func (s *Store) Add(name string, data []byte, record func(Version) error) (v Version, known bool, err error) {
	list, err := query.ParseList(name, data)
	if err != nil {
		return v, false, err
	}
	versions, err := s.versions(name)
	if err != nil {
		return v, false, fmt.Errorf("add list %s: %w", name, err)
	}
	v = Version{Name: name, Version: 1, Hash: list.Hash}
	if len(versions) > 0 {
		last := versions[len(versions)-1]
		if last.Hash == list.Hash && last.Damage == "" {
			return last, true, nil
		}
		v.Version = last.Version + 1
	}
	if err := durable.Record(s.disk, filepath.Join(s.dir, v.File()), data, func() error { return record(v) }); err != nil {
		return v, false, fmt.Errorf("add list %s: %w", name, err)
	}
	return v, false, nil
}

// Find returns the version of a list with a hash, or its last version if hash is
// "". If there is none, the error is argus.ErrNotFound. It is a query.Options.Lists.
func (s *Store) Find(name, hash string) (*query.WordList, error) {
	versions, err := s.versions(name)
	if err != nil {
		return nil, fmt.Errorf("read list %s: %w", name, err)
	}
	for _, v := range slices.Backward(versions) {
		if hash != "" && v.Hash != hash {
			continue
		}
		if v.Damage != "" {
			return nil, fmt.Errorf("read list %s: %w: %s", name, argus.ErrDamaged, v.Damage)
		}
		data, err := s.read(v.File())
		if errors.Is(err, durable.ErrUnfit) {
			err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		if err != nil {
			return nil, fmt.Errorf("read list %s: %w", name, err)
		}
		list, err := query.ParseList(name, data)
		if err == nil && list.Hash != v.Hash {
			err = fmt.Errorf("read list %s: its SHA-256 is %s", v.File(), list.Hash)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		return list, nil
	}
	return nil, fmt.Errorf("read list %s: %w", name, argus.ErrNotFound)
}

// List returns all versions of all lists, by name and number.
func (s *Store) List() ([]Version, error) {
	versions, err := s.versions("")
	if err != nil {
		return nil, fmt.Errorf("list the lists: %w", err)
	}
	return versions, nil
}

// read returns a file, also while it is on its way to its name.
func (s *Store) read(file string) (data []byte, err error) {
	for _, name := range []string{file, durable.Prepared + file, file} {
		data, err = durable.ReadFile(s.disk, filepath.Join(s.dir, name), query.MaxListBytes)
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return data, err
}

// versions returns the versions of a name, or all if it is "".
func (s *Store) versions(name string) ([]Version, error) {
	entries, err := s.disk.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var known map[string]string
	var unnamed map[string]bool
	if s.Known != nil {
		if known, unnamed, err = s.Known(); err != nil { // after the files, whose entries are written first
			return nil, err
		}
	}
	var versions []Version
	add := func(file, damage string) {
		if v, ok := parseFile(file); ok && (name == "" || v.Name == name) {
			v.Damage = damage
			versions = append(versions, v)
		}
	}
	there := map[string]bool{}
	for _, entry := range entries {
		file, damage := entry.Name(), ""
		there[file] = true
		if v, ok := parseFile(file); ok && s.Known != nil && known[file] == "" && !unnamed[v.Hash] {
			damage = fmt.Sprintf("%s/%s: the ledger does not know this list, so Argus did not add it; remove the file", filepath.Base(s.dir), file)
		}
		add(file, damage)
	}
	for file := range known {
		if there[file] {
			continue
		}
		damage := ""
		if _, err := s.read(file); errors.Is(err, fs.ErrNotExist) {
			damage = fmt.Sprintf("%s/%s: the ledger knows this list and the file is missing; put it back from a copy of the store", filepath.Base(s.dir), file)
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
