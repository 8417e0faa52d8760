package original

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Commit carries out the prepared change with the hash state. When it returns, the change
// is durable, and the removed keys are overwritten, provided that the file system writes
// in place. After a crash, calling it again finishes the change.
func (s *Store) Commit(ctx context.Context, name argus.FileName, state argus.Hash) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.commit(name, state); err != nil {
		return fmt.Errorf("change original %s: %w", name, err)
	}
	return nil
}

func (s *Store) commit(name argus.FileName, state argus.Hash) error {
	now, f, err := s.openTable(name, tableFile)
	if err == nil {
		_ = f.Close()
		if now.state() == state {
			return s.tidy(name, now.change)
		}
	}
	// A table that a crash left half overwritten is replaced below.
	next, f, err := s.openTable(name, nextFile)
	if errors.Is(err, argus.ErrNotFound) {
		return errors.New("this change was not prepared, and the original is in a different state")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if next.state() != state {
		return errors.New("a different change is prepared")
	}
	// The keys are removed first: after a crash in between, they are gone, and the new table is
	// ready to be put in place.
	if err := s.forget(name, next); err != nil {
		return err
	}
	s.o.Failpoint("original.forgotten")
	if err := s.replace(TableFile(name), f, next.length); err != nil {
		return err
	}
	s.o.Failpoint("original.changed")
	s.forgetHash()
	return s.tidy(name, next.change)
}

// Prepared returns the hash of a change to an original that is waiting for its Commit.
func (s *Store) Prepared(name argus.FileName) (state argus.Hash, waits bool) {
	next, f, err := s.openTable(name, nextFile)
	if err != nil {
		return state, false
	}
	_ = f.Close()
	return next.state(), true
}

// replace puts a copy of a file in place. The copied file stays until the copy is
// durable, so a crash leaves one or the other.
func (s *Store) replace(file string, from io.ReaderAt, size int64) error {
	temporary := s.path(file + ".tmp")
	f, err := s.disk.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(&offsetWriter{f: f}, io.NewSectionReader(from, 0, size))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.Install(s.disk, temporary, s.path(file))
}

type offsetWriter struct {
	f  durable.File
	at int64
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.f.WriteAt(p, w.at)
	w.at += int64(n)
	return n, err
}

// tidy removes all files of a change except those that the table refers to.
func (s *Store) tidy(name argus.FileName, change uint32) error {
	if err := s.scrub(s.path(fileOf(name, nextFile))); err != nil {
		return err
	}
	return s.clean(name, change)
}

// forgetHash clears the index of contents, because a changed original no longer has the
// content that the index gives for it.
func (s *Store) forgetHash() {
	s.indexing.Lock()
	defer s.indexing.Unlock()
	s.known = nil // it is rebuilt when needed
}

// forget overwrites those keys in the table of an original that the next table no longer
// has.
func (s *Store) forget(name argus.FileName, next *table) error {
	f, err := s.disk.OpenFile(s.path(TableFile(name)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = s.forgetIn(f, next)
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *Store) forgetIn(f durable.File, next *table) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	old, err := readTable(TableFile(next.name), f, info.Size(), s.openSecrets)
	if err != nil || len(old.groups) != len(next.groups) {
		return zero(f, tableHead, info.Size()-tableHead) // missing after a crash in between, or because of damage
	}
	for n := range old.groups {
		have, err := old.groupHead(n)
		if err != nil {
			return zero(f, tableHead, info.Size()-tableHead)
		}
		want, err := next.groupHead(n)
		if err != nil {
			return err
		}
		if err := forgetSection(f, old, have.secrets(), next, want.secrets()); err != nil {
			return err
		}
	}
	return zero(f, old.secrets.at, int64(old.secrets.length))
}

func forgetSection(f durable.File, old *table, at section, next *table, nextAt section) error {
	have, err := old.readAt(at.length, at.at)
	if err != nil {
		return err
	}
	want, err := next.raw(nextAt)
	if err != nil || slices.Equal(have, want) {
		return err
	}
	if old.sealed {
		return zero(f, at.at, int64(at.length))
	}
	for i := range at.count {
		if allZero(want[i*secretSize:][:secretSize]) && !allZero(have[i*secretSize:][:secretSize]) {
			if err := zero(f, at.at+int64(i)*secretSize, secretSize); err != nil {
				return err
			}
		}
	}
	return nil
}

// zero overwrites bytes of a file.
func zero(f durable.File, at, n int64) error {
	b := make([]byte, min(n, 1<<20))
	for n > 0 {
		b = b[:min(n, int64(len(b)))]
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		at, n = at+int64(len(b)), n-int64(len(b))
	}
	return nil
}

// errBegun means that a change can only be finished, not discarded.
var errBegun = errors.New("a change has begun and must be finished with Commit: some keys are only in its table")

// Discard removes a prepared change that was not committed.
func (s *Store) Discard(name argus.FileName) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.discard(name); err != nil {
		return fmt.Errorf("change original %s: %w", name, err)
	}
	return nil
}

func (s *Store) discard(name argus.FileName) error {
	now, f, err := s.openTable(name, tableFile)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if next, of, err := s.openTable(name, nextFile); err == nil {
		_ = of.Close()
		if next.state() != now.state() && !now.complete() {
			return errBegun
		}
	}
	return s.tidy(name, now.change)
}

// complete reports whether a table has all the keys that it should have.
func (t *table) complete() bool {
	for n := range t.groups {
		g, err := t.groupHead(n)
		if err != nil {
			return false
		}
		b, err := t.raw(g.secrets())
		if err != nil {
			return false
		}
		for i := range g.count {
			if t.sealed {
				break // only its checksum can be checked
			}
			s, err := parseSecret(b[i*secretSize:])
			if err != nil || (s == secret{}) != coverOf(t.spans, t.size, g.first+i).touched() {
				return false
			}
		}
	}
	if t.sealed {
		_, err := t.raw(t.secrets)
		return err == nil
	}
	whole, err := t.whole()
	return err == nil && (whole == argus.Hash{}) == (len(t.spans) > 0) && t.restSecrets() == nil
}

// clean removes the files of an original that belong to changes other than its latest.
func (s *Store) clean(name argus.FileName, change uint32) error {
	shard := filepath.Dir(s.path(TableFile(name)))
	entries, err := s.disk.ReadDir(shard)
	if err != nil {
		return err
	}
	prefix := filepath.Base(fileOf(name, "."))
	stay := []string{dataFile, tableFile, nextFile, restFile(change), judgeFile(change)}
	removed := false
	for _, e := range entries {
		end, ok := strings.CutPrefix(e.Name(), prefix)
		_, known := NameOf(filepath.Base(shard) + "/" + strings.TrimSuffix(e.Name(), ".tmp"))
		if !ok || !known || slices.Contains(stay, "."+end) {
			continue
		}
		if err := s.scrub(filepath.Join(shard, e.Name())); err != nil {
			return err
		}
		removed = true
	}
	if !removed {
		return nil
	}
	return s.disk.SyncDir(shard)
}

// scrub overwrites a file and removes it.
func (s *Store) scrub(path string) error {
	f, err := s.disk.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = zero(f, 0, info.Size())
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return s.disk.Remove(path)
}
