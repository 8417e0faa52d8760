// Package ids finds the records that carry a message, in sorted runs that follow from the
// records.
//
// Entries gather in memory and are written as runs; eight runs of one level are merged
// into one of the next, so n records are in about 7·log8(n/limit) runs. Memory holds the
// newest entries, and for each entry about 10 bits of filter and half a bit of fences.
// The caller adds the entries of records in order, and adds them again if files are
// missing or damaged. docs/format/segment.md describes the files to the byte.
package ids

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence/hashed"
)

// Set holds the entries of all records up to some record, in a folder. Only one goroutine may
// add, amend or close; any number may look up ids.
type Set struct {
	disk durable.Disk
	dir  string
	// limit is the number of entries that gather in memory before they are written.
	limit int

	mu      sync.RWMutex // guards runs, memory, older, closed
	runs    []*run       // oldest first
	memory  *Table
	older   *Table // being written, nil if there is none
	covered uint64 // the runs cover the records up to here
	next    uint64 // number of the next run file
	done    chan struct{}
	failed  error // the error of the background goroutine
	closed  bool
}

// ErrOther means that the ids must be rebuilt.
var ErrOther = errors.New("a different version of Argus wrote the ids")

// ErrClosed means that the set was closed, for example by an amendment.
var ErrClosed = errors.New("the ids have been closed")

// Table holds entries in memory.
type Table struct {
	latest map[argus.ID]int32 // index in list, +1
	list   []Entry
	chain  []int32 // the index of the previous entry with the same id, +1
	last   uint64  // the highest record seen, with or without an id
}

// NewTable returns an empty table with room for n entries.
func NewTable(n int) *Table {
	return &Table{latest: make(map[argus.ID]int32, n), list: make([]Entry, 0, n), chain: make([]int32, 0, n)}
}

func (t *Table) add(e Entry) {
	t.chain = append(t.chain, t.latest[e.ID])
	t.list = append(t.list, e)
	t.latest[e.ID] = int32(len(t.list))
	t.last = e.Seq
}

// Add adds the entries of a record.
func (t *Table) Add(r *argus.Record) {
	for e := range Of(r) {
		t.add(e)
	}
}

// All returns the entries in the order in which they were added.
func (t *Table) All() []Entry { return t.list }

// Find appends the entries of an id to dst, newest first.
func (t *Table) Find(dst []Entry, id argus.ID) []Entry {
	if t == nil {
		return dst
	}
	for at := t.latest[id]; at != 0; at = t.chain[at-1] {
		dst = append(dst, t.list[at-1])
	}
	return dst
}

const mergeFactor = 8

// New returns an empty set for a folder. limit is the number of entries that gather in
// memory before they are written.
func New(d durable.Disk, dir string, limit int) *Set {
	return &Set{disk: d, dir: dir, limit: limit, memory: NewTable(0), next: 1}
}

// Open opens the set in a folder. If it fails, it also returns as much of the set as can
// be read, and the caller must add the records after [Set.Covered]. The error is
// argus.ErrDamaged, [ErrOther], or an error from the disk.
func Open(d durable.Disk, dir string, limit int) (*Set, error) {
	x := New(d, dir, limit)
	names, err := x.readManifest()
	if err != nil {
		return x, err
	}
	for _, name := range names {
		r, err := openRun(d, dir, name)
		if err == nil && r.first != x.covered+1 {
			err = errors.Join(fmt.Errorf("open ids %s: %w: it begins with record %d, want %d", name, argus.ErrDamaged, r.first, x.covered+1), r.release())
		}
		if err != nil {
			return x, err
		}
		x.runs = append(x.runs, r)
		x.covered = r.last
		x.memory.last = r.last
	}
	return x, nil
}

// Covered returns the number of the last record that the files cover.
func (x *Set) Covered() uint64 { return x.covered }

// Last returns the number of the last record that was added.
func (x *Set) Last() uint64 { return x.memory.last }

// Clean removes the files that the manifest does not list, after a crash or damage. It
// must run before the first Add.
func (x *Set) Clean() error {
	entries, err := x.disk.ReadDir(x.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		used := slices.ContainsFunc(x.runs, func(r *run) bool { return r.name == e.Name() })
		if !used && e.Name() != "manifest" {
			if err := x.disk.Remove(filepath.Join(x.dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		var n uint64
		if _, err := fmt.Sscanf(e.Name(), "%d.ids", &n); err == nil {
			x.next = max(x.next, n+1)
		}
	}
	return x.writeManifest(x.runs)
}

const (
	manifestName    = "manifest"
	manifestKind    = "argus ids "
	manifestVersion = '2'
	maxManifest     = 1 << 20 // bytes
)

// Manifest returns the bytes of a manifest.
func Manifest(names ...string) []byte {
	text := fmt.Appendf(nil, "%s%c\n", manifestKind, manifestVersion)
	for _, name := range names {
		text = fmt.Appendln(text, name)
	}
	return hashed.End(text)
}

func (x *Set) readManifest() (names []string, err error) {
	f, err := x.disk.OpenFile(filepath.Join(x.dir, manifestName), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open ids: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, 0, maxManifest+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("open ids: %w", err)
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("open ids: manifest: %w: it is longer than %d bytes", argus.ErrDamaged, maxManifest)
	}
	version, body, err := hashed.Open(data, manifestKind)
	if err != nil {
		return nil, fmt.Errorf("open ids: manifest: %w: %w", argus.ErrDamaged, err)
	}
	if version != manifestVersion {
		return nil, fmt.Errorf("open ids: %w", ErrOther)
	}
	for line := range strings.Lines(body) {
		name := strings.TrimSuffix(line, "\n")
		if filepath.Base(name) != name {
			return nil, fmt.Errorf("open ids: manifest: %w: %q is not a file name", argus.ErrDamaged, name)
		}
		names = append(names, name)
	}
	return names, nil
}

func (x *Set) writeManifest(runs []*run) error {
	names := make([]string, len(runs))
	for i, r := range runs {
		names[i] = r.name
	}
	if err := durable.Replace(x.disk, filepath.Join(x.dir, manifestName), Manifest(names...)); err != nil {
		return fmt.Errorf("write ids: %w", err)
	}
	return nil
}

// Has reports whether a file with the given name belongs in the folder. If the manifest
// cannot be read, any file may belong there.
func (x *Set) Has(name string) bool {
	names, err := x.readManifest() // a writer may have changed it since Open
	return err != nil || name == manifestName || slices.Contains(names, name) ||
		slices.ContainsFunc(x.runs, func(r *run) bool { return r.name == name })
}

// Check calls each with every entry in the files. It stops at the first file in which an
// entry cannot be found, and returns its name and the error.
func (x *Set) Check(each func(Entry)) (file string, err error) {
	for _, r := range x.runs {
		for e, err := range r.check() {
			if err != nil {
				return r.name, err
			}
			each(e)
		}
	}
	return "", nil
}

// Find returns the entries of an id in the order of their records. The error is
// [ErrClosed], argus.ErrDamaged, or an error from the disk.
func (x *Set) Find(id argus.ID) ([]Entry, error) {
	l := x.Look([]argus.ID{id})
	defer l.End()
	return l.Find(0)
}

// A Lookup looks up several ids in the runs that existed when it began. It keeps their
// files open, and holds no lock while it reads them.
type Lookup struct {
	set  *Set
	of   []argus.ID
	runs []*run
	// older and memory are the tables whose entries are not in the runs yet.
	older, memory *Table
	may           []uint64 // for each of the first 64 runs, one bit in each element
	gone          bool     // the ids were closed before the lookup began
}

// hold returns a lookup whose runs stay open until it ends.
func (x *Set) hold() *Lookup {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return &Lookup{set: x, gone: true}
	}
	for _, r := range x.runs {
		r.hold()
	}
	return &Lookup{set: x, runs: x.runs, older: x.older, memory: x.memory}
}

// Look begins a lookup, which the caller must end. It looks up all ids in the filter of one
// run, then in the next: each lookup waits for memory, and several can wait at once.
func (x *Set) Look(of []argus.ID) *Lookup {
	l := x.hold()
	l.of, l.may = of, make([]uint64, len(of))
	for bit, r := range l.runs[:min(64, len(l.runs))] {
		r.mayHave(of, l.may, bit)
	}
	return l
}

// End releases the files.
func (l *Lookup) End() {
	for _, r := range l.runs {
		_ = r.release() // it was only read
	}
}

// Find returns the entries of id i in the order of their records, as [Set.Find] does.
func (l *Lookup) Find(i int) ([]Entry, error) {
	var found []Entry
	if l.gone {
		return nil, ErrClosed
	}
	l.set.mu.RLock()
	found = l.memory.Find(found, l.of[i])
	found = l.older.Find(found, l.of[i])
	l.set.mu.RUnlock()
	for bit, r := range l.runs {
		if bit < 64 && l.may[i]>>bit&1 == 0 {
			continue
		}
		for e, err := range r.between(l.of[i], l.of[i]) {
			if err != nil {
				return nil, err
			}
			found = append(found, e)
		}
	}
	slices.SortFunc(found, compareEntries)
	return found, nil
}

// Between returns up to limit distinct ids in [from, to]. Its errors are those of Find.
func (x *Set) Between(from, to argus.ID, limit int) ([]argus.ID, error) {
	l := x.hold()
	defer l.End()
	if l.gone {
		return nil, ErrClosed
	}
	var found []argus.ID
	x.mu.RLock()
	for _, t := range []*Table{l.memory, l.older} {
		if t == nil {
			continue
		}
		for _, e := range t.list {
			if bytes.Compare(e.ID[:], from[:]) >= 0 && bytes.Compare(e.ID[:], to[:]) <= 0 {
				found = append(found, e.ID)
			}
		}
	}
	x.mu.RUnlock()
	for _, r := range l.runs {
		n, last := 0, argus.ID{}
		for e, err := range r.between(from, to) {
			if err != nil {
				return nil, err
			}
			if n > 0 && e.ID == last {
				continue
			}
			if n++; n > limit {
				break
			}
			found, last = append(found, e.ID), e.ID
		}
	}
	slices.SortFunc(found, func(a, b argus.ID) int { return bytes.Compare(a[:], b[:]) })
	found = slices.Compact(found)
	return found[:min(limit, len(found))], nil
}

// Add adds the entries of committed records, and notes the number of the last record,
// which may have no entry. It does not keep the slice.
func (x *Set) Add(entries []Entry, last uint64) error {
	x.mu.Lock()
	for _, e := range entries {
		x.memory.add(e)
	}
	x.memory.last = last
	full := len(x.memory.list) >= x.limit
	x.mu.Unlock()
	if !full {
		return nil
	}
	return x.spill()
}

// spill writes the entries in memory in the background, after the previous spill has
// ended.
func (x *Set) spill() error {
	if err := x.wait(); err != nil {
		return err
	}
	if x.memory.last == x.covered {
		return nil
	}
	x.mu.Lock()
	x.older, x.memory = x.memory, NewTable(len(x.memory.list))
	x.memory.last = x.older.last
	x.mu.Unlock()
	x.done = make(chan struct{})
	go func() {
		defer close(x.done)
		x.failed = x.writeOlder()
	}()
	return nil
}

// wait waits for the background goroutine and returns its error.
func (x *Set) wait() error {
	if x.done != nil {
		<-x.done
	}
	return x.failed
}

func (x *Set) writeOlder() error {
	entries := slices.Clone(x.older.list)
	slices.SortFunc(entries, compareEntries)
	r, err := writeRun(x.disk, x.dir, x.next, 0, x.covered+1, x.older.last, uint64(len(entries)), func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if err := x.replace(append(slices.Clone(x.runs), r), nil); err != nil {
		return err
	}
	return x.merge()
}

// merge joins the newest runs for as long as enough of them have the same level.
func (x *Set) merge() error {
	for {
		n := len(x.runs)
		if n < mergeFactor {
			return nil
		}
		old := x.runs[n-mergeFactor:]
		level := old[0].level
		var count uint64
		for _, r := range old {
			if r.level != level {
				return nil
			}
			count += r.count
		}
		r, err := writeRun(x.disk, x.dir, x.next, level+1, old[0].first, old[mergeFactor-1].last, count, mergeRuns(old))
		if err != nil {
			return err
		}
		if err := x.replace(append(slices.Clone(x.runs[:n-mergeFactor]), r), old); err != nil {
			return err
		}
	}
}

// Amend replaces the entries of the changed records.
func (x *Set) Amend(changed map[uint64]bool, entries []Entry) error {
	if err := x.spill(); err != nil {
		return err
	}
	if err := x.wait(); err != nil {
		return err
	}
	slices.SortFunc(entries, compareEntries)
	runs := slices.Clone(x.runs)
	var old []*run
	for i, r := range runs {
		touched := false
		for seq := range changed {
			touched = touched || r.first <= seq && seq <= r.last
		}
		if !touched {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return e.Seq < r.first || e.Seq > r.last })
		amended := func(yield func(Entry, error) bool) {
			rest := own
			for e, err := range r.all() {
				for err == nil && len(rest) > 0 && compareEntries(rest[0], e) <= 0 {
					if !yield(rest[0], nil) {
						return
					}
					rest = rest[1:]
				}
				if (err != nil || !changed[e.Seq]) && !yield(e, err) {
					return
				}
			}
			for _, e := range rest {
				if !yield(e, nil) {
					return
				}
			}
		}
		count := uint64(0)
		for _, err := range amended {
			if err != nil {
				return err
			}
			count++
		}
		next, err := writeRun(x.disk, x.dir, x.next, r.level, r.first, r.last, count, amended)
		if err != nil {
			return err
		}
		x.next++
		runs[i] = next
		old = append(old, r)
	}
	if len(old) == 0 {
		return nil
	}
	return x.replace(runs, old)
}

// replace durably makes runs the current runs, and drops the old ones.
func (x *Set) replace(runs, drop []*run) error {
	if err := x.writeManifest(runs); err != nil {
		return err
	}
	x.mu.Lock()
	x.runs = runs
	x.covered = runs[len(runs)-1].last
	x.next++
	x.older = nil
	x.mu.Unlock()
	for _, r := range drop {
		if err := errors.Join(r.release(), x.disk.Remove(filepath.Join(x.dir, r.name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("drop ids %s: %w", r.name, err)
		}
	}
	return nil
}

// Close closes the files. If flush is set, it first writes the entries in memory.
func (x *Set) Close(flush bool) error {
	var err error
	if flush {
		err = x.spill()
	}
	err = errors.Join(err, x.wait())
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, r := range x.runs {
		err = errors.Join(err, r.release())
	}
	return err
}
