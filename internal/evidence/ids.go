package evidence

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// ids finds the records that carry a message. It is derived from the segments:
// entries gather in memory, go out as sorted runs, and eight runs of a level
// become one of the next, so that n records lie in about 7·log8(n/runEntries)
// runs. In memory it costs the newest entries, and about 10 bits of filter and
// half a bit of fences an entry.
type ids struct {
	disk disk
	dir  string
	// limit is how many entries gather in memory before they go out.
	limit int

	mu      sync.RWMutex // for runs, memory, older, closed
	runs    []*run       // oldest first
	memory  *idTable
	older   *idTable // on its way out, or nil
	covered uint64   // the runs cover the records up to here
	next    uint64   // number of the next run file
	done    chan struct{}
	failed  error // of the background
	closed  bool
}

// errOtherIDs says that the ids have to be built again.
var errOtherIDs = errors.New("another version of Argus wrote the ids")

// errIDsClosed says that an amendment came: the ids have to be opened again.
var errIDsClosed = errors.New("the ids were closed meanwhile")

// idTable is the entries in memory.
type idTable struct {
	latest map[argus.ID]int32 // place in list, +1
	list   []Entry
	chain  []int32 // the place of the entry before with the same id, +1
	last   uint64  // the highest record seen, with or without an id
}

func newIDTable() *idTable { return &idTable{latest: map[argus.ID]int32{}} }

func (t *idTable) add(e Entry) {
	t.chain = append(t.chain, t.latest[e.ID])
	t.list = append(t.list, e)
	t.latest[e.ID] = int32(len(t.list))
	t.last = e.Seq
}

// entries adds those of a record.
func (t *idTable) entries(r *argus.Record) {
	for e := range entriesOf(r) {
		t.add(e)
	}
}

// find appends the entries of an id, newest first.
func (t *idTable) find(dst []Entry, id argus.ID) []Entry {
	if t == nil {
		return dst
	}
	for at := t.latest[id]; at != 0; at = t.chain[at-1] {
		dst = append(dst, t.list[at-1])
	}
	return dst
}

const mergeFactor = 8

func newIDs(d disk, dir string, limit int) *ids {
	return &ids{disk: d, dir: dir, limit: limit, memory: newIDTable(), next: 1}
}

// openIDs opens what is there. What is missing or damaged of it is left out:
// covered says from where the caller has to add records again.
func openIDs(d disk, dir string, limit int) (*ids, error) {
	x := newIDs(d, dir, limit)
	names, err := x.readManifest()
	if err != nil {
		return x, err
	}
	for _, name := range names {
		r, err := openRun(d, dir, name)
		if err == nil && r.first != x.covered+1 {
			err = errors.Join(fmt.Errorf("open ids %s: %w: it begins with record %d, want %d", name, argus.ErrDamaged, r.first, x.covered+1), r.f.release())
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

// clean removes the files that the manifest does not name, after a crash or
// damage, and sees to it that a new run gets a new name.
func (x *ids) clean() error {
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

const idsManifestHead = "argus ids 2\n"

func (x *ids) readManifest() (names []string, err error) {
	data, err := readFile(x.disk, filepath.Join(x.dir, "manifest"))
	if err != nil {
		return nil, fmt.Errorf("open ids: %w", err)
	}
	body, err := checkedText(data, idsManifestHead)
	if err != nil && !errors.Is(err, argus.ErrDamaged) {
		return nil, fmt.Errorf("open ids: %w", errOtherIDs)
	}
	if err != nil {
		return nil, fmt.Errorf("open ids: manifest: %w", err)
	}
	for line := range strings.Lines(body) {
		name := strings.TrimSuffix(line, "\n")
		if filepath.Base(name) != name {
			return nil, fmt.Errorf("open ids: manifest: %w: %q is no file name", argus.ErrDamaged, name)
		}
		names = append(names, name)
	}
	return names, nil
}

func (x *ids) writeManifest(runs []*run) error {
	var b bytes.Buffer
	b.WriteString(idsManifestHead)
	for _, r := range runs {
		fmt.Fprintln(&b, r.name)
	}
	if err := durable.Replace(x.disk, filepath.Join(x.dir, "manifest"), sealText(b.Bytes())); err != nil {
		return fmt.Errorf("write ids: %w", err)
	}
	return nil
}

// sealText ends a small text file with its own hash.
func sealText(text []byte) []byte {
	return fmt.Appendf(text, "sha256 %x\n", sha256.Sum256(text))
}

// checkedText returns the lines between head and the hash of such a file.
func checkedText(data []byte, head string) (string, error) {
	at := bytes.LastIndex(data, []byte("sha256 "))
	if at < len(head) || !bytes.Equal(sealText(slices.Clip(data[:at])), data) {
		return "", fmt.Errorf("%w: the file does not match its hash", argus.ErrDamaged)
	}
	if version := len(head) - 2; bytes.HasPrefix(data, []byte(head[:version])) && data[version] != head[version] && data[version+1] == '\n' {
		return "", otherVersion("file", data[version], head[version])
	}
	if !bytes.HasPrefix(data, []byte(head)) {
		return "", fmt.Errorf("%w: want a file that begins with %q", argus.ErrDamaged, strings.TrimSpace(head))
	}
	return string(data[len(head):at]), nil
}

// find returns the entries of an id in the order of their records.
func (x *ids) find(id argus.ID) ([]Entry, error) {
	l := x.look([]argus.ID{id})
	defer l.end()
	return l.find(0)
}

// A lookup looks for several ids in the runs that there are when it begins. It
// holds them, and no lock while it reads them.
type lookup struct {
	*ids
	of   []argus.ID
	runs []*run
	// older and memory are the tables that the runs do not have yet.
	older, memory *idTable
	may           []uint64 // by run, a bit each of the first 64
	gone          bool     // the ids were closed before it began
}

// hold returns a lookup whose runs stay open until it ends.
func (x *ids) hold() *lookup {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.closed {
		return &lookup{ids: x, gone: true}
	}
	for _, r := range x.runs {
		r.f.hold()
	}
	return &lookup{ids: x, runs: x.runs, older: x.older, memory: x.memory}
}

// look asks the filter of one run after the other for all ids: an answer takes
// as long as memory takes, and it can be asked for several at once.
func (x *ids) look(of []argus.ID) *lookup {
	l := x.hold()
	l.of, l.may = of, make([]uint64, len(of))
	for bit, r := range l.runs[:min(64, len(l.runs))] {
		r.mayHave(of, l.may, bit)
	}
	return l
}

func (l *lookup) end() {
	for _, r := range l.runs {
		_ = r.f.release() // it was only read
	}
}

// find returns the entries of an id in the order of their records.
func (l *lookup) find(i int) ([]Entry, error) {
	var found []Entry
	if l.gone {
		return nil, errIDsClosed
	}
	l.mu.RLock()
	found = l.memory.find(found, l.of[i])
	found = l.older.find(found, l.of[i])
	l.mu.RUnlock()
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

// between returns up to limit different ids in [from, to].
func (x *ids) between(from, to argus.ID, limit int) ([]argus.ID, error) {
	l := x.hold()
	defer l.end()
	if l.gone {
		return nil, errIDsClosed
	}
	var found []argus.ID
	x.mu.RLock()
	for _, t := range []*idTable{l.memory, l.older} {
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

// add takes the entries of committed records, and the number of the last
// record, which may have none. Only one goroutine adds.
func (x *ids) add(entries []Entry, last uint64) error {
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

// spill sends the memory out in the background, after an earlier one has gone.
func (x *ids) spill() error {
	if err := x.wait(); err != nil {
		return err
	}
	if x.memory.last == x.covered {
		return nil
	}
	x.mu.Lock()
	x.older, x.memory = x.memory, newIDTable()
	x.memory.last = x.older.last
	x.mu.Unlock()
	x.done = make(chan struct{})
	go func() {
		defer close(x.done)
		x.failed = x.writeOlder()
	}()
	return nil
}

// wait waits for the background and returns what went wrong there.
func (x *ids) wait() error {
	if x.done != nil {
		<-x.done
	}
	return x.failed
}

func (x *ids) writeOlder() error {
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

// merge joins the newest runs while there are enough of one level.
func (x *ids) merge() error {
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

// amend puts other entries, or none, in the place of those of records that changed.
// Only one goroutine adds and amends.
func (x *ids) amend(changed map[uint64]bool, entries []Entry) error {
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

// replace makes runs the runs, durably, and drops old ones.
func (x *ids) replace(runs, drop []*run) error {
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
		if err := errors.Join(r.f.release(), x.disk.Remove(filepath.Join(x.dir, r.name))); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("drop ids %s: %w", r.name, err)
		}
	}
	return nil
}

// close sends everything out if flush is set, and closes the files.
func (x *ids) close(flush bool) error {
	var err error
	if flush {
		err = x.spill()
	}
	err = errors.Join(err, x.wait())
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, r := range x.runs {
		err = errors.Join(err, r.f.release())
	}
	return err
}
