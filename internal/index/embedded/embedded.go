// Package embedded is the default index, in files next to the evidence. It holds the messages
// in immutable segments, ordered by sent time, and reads them in place in mapped files: memory
// use depends on the options, not on the amount of data. Flushed data survives a crash at any
// moment. One process writes; others may read, and see newly flushed data when they call
// Refresh. The text of the messages stays in the evidence. docs/format/index.md describes the
// files to the byte.
package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// Options of an index. All but Evidence are optional.
type Options struct {
	// Evidence provides the messages for regular expressions and for further copies of a
	// message. Without it, both fail with an error.
	Evidence index.Evidence
	// ReadOnly opens an index that another process may be writing. Default false.
	ReadOnly bool
	// Rebuild discards the content of the index. Default false.
	Rebuild bool
	// BatchBytes is the approximate memory for messages that are not yet in a
	// segment. Default 96 MiB.
	BatchBytes int
	// SegmentDocs is the maximum number of messages in a merged segment. Default
	// 2,000,000.
	SegmentDocs int
	// CacheBytes bounds the memory for recurring scopes and late facts. Default 64 MiB.
	CacheBytes int
	// Mark is as in [index.Options].
	Mark func(seq uint64, before string) (string, error)
	// Disk is the disk on which the files are kept. Default [durable.OS].
	Disk durable.Disk
}

// segmentBytes is the maximum total size in bytes of the segments that are merged.
const segmentBytes = 1 << 30

// Index is an [index.Index].
type Index struct {
	dir     string
	options Options
	disk    durable.Disk
	unlock  func() error // nil if read-only
	cache   *cache

	// These belong to the goroutine that calls Add.
	batch *batch
	builder

	// publishing serializes the changes of the manifest, and guards broken, the reason
	// why nothing can be written any more.
	publishing sync.Mutex
	broken     error
	next       atomic.Uint64 // number of the next segment

	mu       sync.Mutex
	current  *snapshot // nil when closed
	mergeErr error     // an error that has not been reported yet
	merged   sync.Cond // on mu: a merge has ended

	wake chan struct{}
	stop context.CancelFunc
	done chan struct{}
}

// A snapshot is what a search sees: the segments of one manifest.
type snapshot struct {
	segments []*segment
	position uint64
	readings argus.DeliveryNumber
	mark     string // identifies the evidence up to position
	refs     atomic.Int32
}

// Open opens the index in a directory, and creates it if there is none. It returns
// [argus.ErrLocked] if another process is writing, an [argus.ErrDamaged] if files are damaged,
// and [index.ErrOutdated] if another version wrote them. Rebuild repairs the last two.
func Open(dir string, options Options) (*Index, error) {
	options.BatchBytes = cmp.Or(options.BatchBytes, 96<<20)
	options.SegmentDocs = cmp.Or(options.SegmentDocs, 2_000_000)
	options.CacheBytes = cmp.Or(options.CacheBytes, 64<<20)
	if options.Disk == nil {
		options.Disk = durable.OS{}
	}
	ix := &Index{dir: dir, options: options, disk: options.Disk, cache: newCache(options.CacheBytes), wake: make(chan struct{}, 1), done: make(chan struct{})}
	ix.merged.L = &ix.mu
	if options.ReadOnly {
		close(ix.done)
		ix.stop = func() {}
		if err := ix.load(); err != nil {
			return nil, err
		}
		return ix, nil
	}
	if err := ix.openWriter(); err != nil {
		if ix.unlock != nil {
			err = errors.Join(err, ix.unlock())
		}
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	ix.stop = stop
	go ix.mergeLoop(ctx)
	ix.wakeMerger()
	return ix, nil
}

func (ix *Index) openWriter() (err error) {
	if err := ix.lock(); err != nil {
		return fmt.Errorf("open index %s: %w", ix.dir, err)
	}
	if ix.options.Rebuild {
		err = ix.clear()
	} else {
		err = ix.load()
	}
	if err != nil {
		return err
	}
	ix.start(ix.current.position)
	return ix.removeLeftovers()
}

// lock makes this process the only writer, until Close.
func (ix *Index) lock() error {
	if err := ix.disk.MkdirAll(ix.dir); err != nil {
		return err
	}
	path := filepath.Join(ix.dir, lockName)
	f, err := ix.disk.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	unlock, held, err := ix.disk.Lock(path, true)
	if err == nil && !held {
		err = argus.ErrLocked
	}
	if err == nil {
		ix.unlock = unlock
	}
	return err
}

// start prepares to add the records after position.
func (ix *Index) start(position uint64) {
	ix.batch = newBatch()
	ix.builder = newBuilder(ix.options.Evidence, ix.batch)
	ix.added = position
}

// clear makes the index empty.
func (ix *Index) clear() error {
	empty := &manifest{Version: formatVersion, Analysis: query.AnalysisVersion}
	// Numbers continue, so that a reader never takes a new segment for an old one.
	entries, err := ix.disk.ReadDir(ix.dir)
	if err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	for _, e := range entries {
		var number uint64
		if _, err := fmt.Sscanf(e.Name(), "%d.seg", &number); err == nil {
			empty.Next = max(empty.Next, number+1)
		}
	}
	ix.next.Store(empty.Next)
	ix.current = newSnapshot(nil, 0, 0)
	return writeManifest(ix.disk, ix.dir, empty)
}

// load opens the segments that the manifest lists. A writing process may replace the
// manifest and remove segments in between; then load reads it again.
func (ix *Index) load() error {
	for {
		m, err := readManifest(ix.disk, ix.dir)
		if err != nil {
			return err
		}
		old := ix.acquire()
		snapshot, err := openSnapshot(ix.disk, ix.dir, m, old)
		old.release()
		if errors.Is(err, fs.ErrNotExist) {
			if again, againErr := readManifest(ix.disk, ix.dir); againErr != nil || !m.equal(again) {
				continue
			}
			missing := manifestName
			if path, ok := errors.AsType[*fs.PathError](err); ok {
				missing = filepath.Base(path.Path)
			}
			return fmt.Errorf("open index: %w", damageOf(missing, 0, "the segment is missing, although the manifest lists it"))
		}
		if err != nil {
			return fmt.Errorf("open index: %w", err)
		}
		ix.next.Store(m.Next)
		if err := ix.countGone(snapshot); err != nil {
			snapshot.release()
			return err
		}
		ix.replace(snapshot)
		return nil
	}
}

func openSnapshot(d durable.Disk, dir string, m *manifest, old *snapshot) (*snapshot, error) {
	var segments []*segment
	opened := newSnapshot(nil, 0, 0) // holds the opened segments until the end
	defer opened.release()
	for _, entry := range m.Segments {
		if s := old.find(entry.Name); s != nil {
			segments = append(segments, s)
			continue
		}
		s, err := openSegment(d, dir, entry.Name)
		if err != nil {
			return nil, err
		}
		opened.segments = append(opened.segments, s)
		if s.size != entry.Size || s.sum != entry.Sum {
			return nil, damageOf(entry.Name, 0, "this is not the segment that the manifest lists")
		}
		segments = append(segments, s)
	}
	next := newSnapshot(segments, m.Position, m.Readings)
	next.mark = m.Evidence
	return next, nil
}

// removeLeftovers removes files left by a crash that are not listed in any manifest.
func (ix *Index) removeLeftovers() error {
	entries, err := ix.disk.ReadDir(ix.dir)
	if err != nil {
		return fmt.Errorf("open index: %w", err)
	}
	for _, e := range entries {
		leftover := isSegmentName(e.Name()) && ix.current.find(e.Name()) == nil || e.Name() == manifestName+".tmp"
		if !leftover {
			continue
		}
		if err := ix.disk.Remove(filepath.Join(ix.dir, e.Name())); err != nil {
			return fmt.Errorf("open index: %w", err)
		}
	}
	if _, err := ix.disk.Stat(filepath.Join(ix.dir, manifestName)); errors.Is(err, fs.ErrNotExist) {
		return ix.writeManifest(ix.current)
	}
	return nil
}

func newSnapshot(segments []*segment, position uint64, readings argus.DeliveryNumber) *snapshot {
	s := &snapshot{segments: segments, position: position, readings: readings}
	s.refs.Store(1)
	for _, seg := range segments {
		seg.refs.Add(1)
	}
	return s
}

func (s *snapshot) find(name string) *segment {
	if s == nil {
		return nil
	}
	if i := slices.IndexFunc(s.segments, func(seg *segment) bool { return seg.name == name }); i >= 0 {
		return s.segments[i]
	}
	return nil
}

// release gives a snapshot back; the last release closes the segments that no other
// snapshot has.
func (s *snapshot) release() {
	if s == nil || s.refs.Add(-1) > 0 {
		return
	}
	for _, seg := range s.segments {
		seg.release()
	}
}

func (s *segment) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	s.close()
	if s.obsolete.Load() {
		_ = s.remove() // if this fails, the next opening removes it as a leftover
	}
}

// acquire returns the current snapshot, which the caller must release, or nil if the
// index is closed.
func (ix *Index) acquire() *snapshot {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if ix.current != nil {
		ix.current.refs.Add(1)
	}
	return ix.current
}

// replace makes a snapshot the current one.
func (ix *Index) replace(next *snapshot) {
	ix.mu.Lock()
	old := ix.current
	ix.current = next
	ix.mu.Unlock()
	old.release()
}

var (
	errClosed   = errors.New("the index is closed")
	errReadOnly = errors.New("change the index: it is open for reading only")
)

// Position implements [index.Index].
func (ix *Index) Position() uint64 {
	s := ix.acquire()
	if s == nil {
		return 0
	}
	defer s.release()
	return s.position
}

// Readings implements [index.Index].
func (ix *Index) Readings() argus.DeliveryNumber {
	s := ix.acquire()
	if s == nil {
		return 0
	}
	defer s.release()
	return s.readings
}

// Mark implements [index.Index].
func (ix *Index) Mark() (position uint64, mark string) {
	s := ix.acquire()
	if s == nil {
		return 0, ""
	}
	defer s.release()
	return s.position, s.mark
}

// Begin discards the content of the index, durably and at once, to follow the evidence
// from its first record with the given readings. It must be called by the goroutine that
// adds.
func (ix *Index) Begin(readings argus.DeliveryNumber) error {
	if ix.options.ReadOnly {
		return errReadOnly
	}
	ix.start(0)
	if err := ix.put(func(*snapshot) *snapshot { return newSnapshot(nil, 0, readings) }); err != nil {
		return fmt.Errorf("begin index: %w", err)
	}
	return nil
}

// Add implements [index.Index].
func (ix *Index) Add(ctx context.Context, records []*argus.Record) error {
	if ix.options.ReadOnly {
		return errReadOnly
	}
	for _, r := range records {
		if err := ix.add(ctx, r); err != nil {
			return fmt.Errorf("add to index: %w", err)
		}
		if !ix.full(ix.batch.size, ix.options.BatchBytes) {
			continue
		}
		if err := ix.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Remove implements [index.Index]. A removal is a late fact; the segment that holds
// the message is rewritten when there is nothing else to merge.
func (ix *Index) Remove(ctx context.Context, seqs []uint64) error {
	if ix.options.ReadOnly {
		return errReadOnly
	}
	for _, seq := range seqs {
		ix.batch.addFact(factRemoved, seq)
	}
	return ix.Flush(ctx)
}

// countGone counts the removed and replaced documents of each segment, and the
// messages that are left.
func (ix *Index) countGone(in *snapshot) error {
	q := &search{ctx: context.Background(), cache: ix.cache, snapshot: in}
	for _, s := range in.segments {
		if err := q.countGone(s); err != nil {
			return damaged(s.name, 0, err)
		}
	}
	return nil
}

func (q *search) countGone(s *segment) (err error) {
	defer guard(s.name, &err, s)
	v, err := q.view(s, nil, nil)
	if err != nil {
		return err
	}
	messages, gone := uint64(s.docs), uint64(0)
	if v.visible != nil {
		messages = v.visible.GetCardinality()
	}
	if v.selected != nil {
		gone = uint64(s.docs) - v.selected.GetCardinality()
	}
	removed, err := q.removed(s)
	if err != nil {
		return err
	}
	s.messages.Store(messages)
	s.gone.Store(gone)
	s.removed.Store(removed != nil && !removed.IsEmpty())
	return nil
}

// maxWaiting is the number of segments that may be waiting for a merge before Flush
// waits.
const maxWaiting = 64

// Flush implements [index.Index].
func (ix *Index) Flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	snapshot := ix.acquire()
	if snapshot == nil {
		return errClosed
	}
	defer snapshot.release()
	if err := cmp.Or(ix.whyBroken(), ix.waitForMerges()); err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	if ix.added == snapshot.position && ix.batch.empty() && len(ix.pending) == 0 {
		return nil
	}
	written, err := ix.writeAdded(ctx)
	for _, s := range written {
		defer s.release()
	}
	if err == nil {
		err = ix.publish(ix.added, func(segments []*segment) []*segment { return append(segments, written...) })
	} else {
		ix.breaks(err)
	}
	if err != nil {
		return fmt.Errorf("flush index: %w", err)
	}
	ix.wakeMerger()
	return nil
}

// writeAdded writes segments of the added messages and of the pending groups. If it
// fails, the added messages are lost.
func (ix *Index) writeAdded(ctx context.Context) (written []*segment, err error) {
	write := func() error {
		if ix.batch.empty() {
			return nil
		}
		s, err := ix.write(ix.batch.content())
		if err == nil {
			written = append(written, s)
			ix.batch.reset()
		}
		return err
	}
	err = ix.addPending(ctx, func() error {
		if ix.batch.size < ix.options.BatchBytes {
			return nil
		}
		return write()
	})
	if err == nil {
		err = write()
	}
	return written, err
}

// breaks records why nothing can be written until the index is opened again.
func (ix *Index) breaks(err error) {
	ix.publishing.Lock()
	defer ix.publishing.Unlock()
	ix.broken = cmp.Or(ix.broken, fmt.Errorf("an earlier change did not complete: %w", err))
}

func (ix *Index) whyBroken() error {
	ix.publishing.Lock()
	defer ix.publishing.Unlock()
	return ix.broken
}

// write writes a segment and opens it.
func (ix *Index) write(c *content) (*segment, error) {
	name := segmentName(ix.next.Add(1) - 1)
	err := writeSegment(ix.disk, ix.dir, name, c)
	var s *segment
	if err == nil {
		s, err = openSegment(ix.disk, ix.dir, name)
	}
	if err != nil {
		_ = ix.disk.Remove(filepath.Join(ix.dir, name)) // if this fails, the next opening removes it as a leftover
		return nil, err
	}
	return s, nil
}

// publish makes a change to the segments durable and visible. Position 0 keeps the
// current position. If it is unclear whether the manifest was replaced, nothing can be
// written until the index is opened again.
func (ix *Index) publish(position uint64, change func([]*segment) []*segment) error {
	return ix.put(func(old *snapshot) *snapshot {
		return newSnapshot(change(slices.Clone(old.segments)), cmp.Or(position, old.position), old.readings)
	})
}

// put makes the snapshot that follows the current one durable and visible.
func (ix *Index) put(follows func(old *snapshot) *snapshot) error {
	ix.publishing.Lock()
	defer ix.publishing.Unlock()
	if ix.broken != nil {
		return ix.broken
	}
	old := ix.acquire()
	if old == nil {
		return errClosed
	}
	defer old.release()
	next := follows(old)
	err := cmp.Or(ix.setMark(next, old), ix.countGone(next))
	if err == nil {
		err = ix.writeManifest(next)
	}
	if err != nil {
		ix.broken = fmt.Errorf("an earlier change did not complete: %w", err)
		next.release()
		return err
	}
	for _, s := range old.segments {
		if next.find(s.name) == nil {
			s.obsolete.Store(true)
		}
	}
	ix.replace(next)
	return nil
}

// setMark sets the mark of the evidence that a snapshot covers.
func (ix *Index) setMark(next, old *snapshot) (err error) {
	if next.position == old.position {
		next.mark = old.mark
	} else if ix.options.Mark != nil && next.position > 0 {
		next.mark, err = ix.options.Mark(next.position, old.mark)
	}
	return err
}

func (ix *Index) writeManifest(s *snapshot) error {
	m := &manifest{Version: formatVersion, Analysis: query.AnalysisVersion, Position: s.position, Readings: s.readings, Evidence: s.mark, Next: ix.next.Load()}
	for _, seg := range s.segments {
		m.Segments = append(m.Segments, segmentEntry{seg.name, seg.size, seg.sum})
	}
	return writeManifest(ix.disk, ix.dir, m)
}

// Refresh implements [index.Index].
func (ix *Index) Refresh() error {
	if !ix.options.ReadOnly {
		return nil
	}
	ix.publishing.Lock() // so that a later manifest is kept
	defer ix.publishing.Unlock()
	return ix.load()
}

// Stats implements [index.Index].
func (ix *Index) Stats() index.Stats {
	var stats index.Stats
	snapshot := ix.acquire()
	if snapshot == nil {
		return stats
	}
	defer snapshot.release()
	for _, s := range snapshot.segments {
		stats.Messages += s.messages.Load()
		stats.Bytes += s.size
	}
	stats.Segments = len(snapshot.segments)
	return stats
}

// Check implements [index.Index].
func (ix *Index) Check(ctx context.Context) iter.Seq[error] {
	return func(yield func(error) bool) {
		snapshot := ix.acquire()
		if snapshot == nil {
			yield(errClosed)
			return
		}
		defer snapshot.release()
		if err := ix.checkManifest(); err != nil && !yield(err) {
			return
		}
		for _, s := range snapshot.segments {
			if err := ctx.Err(); err != nil {
				yield(fmt.Errorf("check index: %w", err))
				return
			}
			if !s.check(yield) {
				return
			}
		}
	}
}

// Strays implements [index.Index].
func (ix *Index) Strays() ([]string, error) {
	entries, err := ix.disk.ReadDir(ix.dir)
	if err != nil {
		return nil, fmt.Errorf("scan the index: %w", err)
	}
	snapshot := ix.acquire()
	if snapshot == nil {
		return nil, errClosed
	}
	defer snapshot.release()
	var strays []string
	for _, e := range entries {
		if name := e.Name(); name != manifestName && name != lockName && snapshot.find(name) == nil {
			strays = append(strays, name)
		}
	}
	return strays, nil
}

// checkManifest reads the manifest and checks that the files it lists exist.
func (ix *Index) checkManifest() error {
	ix.publishing.Lock()
	defer ix.publishing.Unlock()
	for {
		m, err := readManifest(ix.disk, ix.dir)
		if err != nil {
			return err
		}
		missing := ""
		for _, entry := range m.Segments {
			if info, err := ix.disk.Stat(filepath.Join(ix.dir, entry.Name)); err != nil || info.Size() != entry.Size {
				missing = entry.Name
			}
		}
		if missing == "" {
			return nil
		}
		// Another process may have replaced the manifest in the meantime.
		if again, err := readManifest(ix.disk, ix.dir); err == nil && !m.equal(again) {
			continue
		}
		return damageOf(missing, 0, "the manifest lists a different segment")
	}
}

func (m *manifest) equal(other *manifest) bool {
	return m.Position == other.Position && m.Readings == other.Readings && m.Next == other.Next && slices.Equal(m.Segments, other.Segments)
}

// Close ends the merges and closes the files; those that a search is still reading are closed
// when the search ends. Added messages that were not flushed are lost.
func (ix *Index) Close() error {
	ix.stop()
	<-ix.done
	ix.replace(nil)
	ix.merged.Broadcast()
	if ix.unlock == nil {
		return nil
	}
	if err := ix.unlock(); err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
}

var _ index.Index = (*Index)(nil)
