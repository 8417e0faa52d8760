package evidence

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/gofrs/flock"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/original"
)

// Options tune a store. The zero value works.
type Options struct {
	// ReadOnly takes no lock and changes nothing.
	ReadOnly bool
	// SegmentBytes is the size at which a segment is closed, at most 1 GiB.
	// Default 256 MiB.
	SegmentBytes int64
	// CacheBytes bounds the cache of decompressed blocks. Default 64 MiB.
	CacheBytes int64
	// Recent is the number of newest records that stay decoded in memory for readers that
	// follow closely, up to 128 MiB in total. Default 32768.
	Recent int
	// IDsInMemory is the number of ids that gather in memory before they are written as a
	// sorted run. Default 262144.
	IDsInMemory int
	// Originals are the options for received files; their Disk and Failpoint are those of
	// the store. Default: as in an empty Options of package original.
	Originals original.Options
	// Stop is called repeatedly while the ids are built, which may take minutes; an error
	// from it stops the building, and is returned. Default: never stop.
	Stop func() error
	// Failpoint, if set, is called at named moments of every change, so that a test can
	// end the process there. Default none.
	Failpoint func(name string)
	// Ledger, if set, returns the head of the ledger, which is stated in each seal. Default:
	// seals state no head.
	Ledger func() (argus.LedgerHead, error)
	// Random is the source of the salts of records. Anyone who can predict it can test
	// guesses about destroyed records. Default crypto/rand.
	Random io.Reader

	disk disk // default osDisk
}

func (o Options) withDefaults() Options {
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 256 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, 1<<30)
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	if o.Recent <= 0 {
		o.Recent = 32 << 10
	}
	if o.IDsInMemory <= 0 {
		o.IDsInMemory = 256 << 10
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	if o.Stop == nil {
		o.Stop = func() error { return nil }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.disk == nil {
		o.disk = osDisk{}
	}
	return o
}

// Store is an open evidence store. Its methods may be called from several goroutines.
// Returned records are shared and must not be changed.
type Store struct {
	opt   Options
	dir   string
	disk  disk
	lock  *flock.Flock // nil when read-only
	codec *form.Codec
	cache blockCache

	// mu guards the fields below. It is never held while a file is read or written: a
	// reader copies the fields that it needs, holds the segment, and unlocks mu.
	mu          sync.RWMutex
	segments    []*segment // number i+1 at index i; the last one is active
	closed      int        // number of complete segments
	blocks      []form.Ref // all committed blocks, in order
	last        uint64
	recent      []*argus.Record // the newest committed records, in order
	contents    []argus.Hash    // the commitments to their contents
	recentBytes int             // their approximate size in memory
	damage      error           // why some records up to promised are missing
	promised    uint64          // the last acknowledged record, according to the commit file
	rewritings  uint32          // the number of amendments visible in the segments
	grown       chan struct{}   // closed when last moves

	retired map[string]*segment // replaced and still read in this process

	refreshing sync.Mutex // one Refresh at a time

	idsMu sync.Mutex // held while the ids are opened and caught up when read-only
	ids   *ids.Set

	sealsMu sync.Mutex
	seals   map[argus.DeliveryNumber]sealed // see sealOf

	originals  *original.Store
	amending   sync.Mutex // one Amend at a time
	unfinished bool       // an amendment is sealed but not carried out
	writer     *writer    // nil when read-only
	closing    sync.Once
	closeErr   error
}

// segment is an open segment file.
type segment struct {
	counted
	name       string
	generation int // how often it was rewritten
	first      uint64
	size       int64 // committed bytes
}

// The files of a store.
const (
	evidenceDir  = layout.Evidence
	idsDir       = layout.IDs
	deliveryDir  = layout.Deliveries
	originalsDir = layout.Originals
	manifestName = layout.EvidenceManifest
	commitName   = layout.Commit
	lockName     = layout.EvidenceLock
)

func segmentName(number int) string { return layout.Segment(number, 0) }

func (s *Store) path(name string) string { return layout.File(s.dir, name) }

// Create makes the folders and files of an empty store in the existing folder dir.
func Create(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{opt: o, dir: dir, disk: o.disk}
	for _, d := range []string{evidenceDir, idsDir, deliveryDir, originalsDir} {
		if err := s.disk.MkdirAll(s.path(d)); err != nil {
			return nil, fmt.Errorf("create evidence: %w", err)
		}
	}
	if _, err := s.disk.OpenFile(s.path(manifestName), os.O_RDONLY, 0); err == nil {
		return nil, fmt.Errorf("create evidence: %s already has evidence", dir)
	}
	first, err := s.createSegment(1, 1)
	if err != nil {
		return nil, fmt.Errorf("create evidence: %w", err)
	}
	if err := first.release(); err != nil {
		return nil, fmt.Errorf("create evidence: %w", err)
	}
	if err := durable.Replace(s.disk, s.path(commitName), make([]byte, 2*form.CommitSlot)); err != nil {
		return nil, fmt.Errorf("create evidence: %w", err)
	}
	if err := s.writeManifest(nil); err != nil {
		return nil, fmt.Errorf("create evidence: %w", err)
	}
	if err := s.disk.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("create evidence: %w", err)
	}
	return Open(dir, o)
}

func (s *Store) createSegment(number int, first uint64) (*segment, error) {
	flag := os.O_CREATE | os.O_EXCL | os.O_RDWR
	if number == 1 {
		flag = os.O_CREATE | os.O_TRUNC | os.O_RDWR // an interrupted Create may have left it
	}
	f, err := s.disk.OpenFile(s.path(segmentName(number)), flag, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(form.AppendHeader(nil, uint32(number), first), 0)
	if err = errors.Join(err, f.Sync()); err == nil {
		err = s.disk.SyncDir(s.path(evidenceDir))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	seg := &segment{name: segmentName(number), first: first, size: form.HeaderSize}
	seg.open(f)
	return seg, nil
}

// writeManifest writes the list of closed segments; the active one follows them.
func (s *Store) writeManifest(closed []*segment) error {
	list := make([]form.Closed, len(closed))
	for i, seg := range closed {
		list[i] = form.Closed{Generation: seg.generation, First: seg.first, Size: seg.size}
	}
	return durable.Replace(s.disk, s.path(manifestName), form.Manifest(list))
}

func (s *Store) readManifest() ([]form.Closed, error) {
	data, err := layout.Read(s.disk, s.dir, manifestName)
	if err != nil {
		return nil, err
	}
	return form.ParseManifest(data)
}

func (s *Store) readCommit() (form.Commit, error) {
	data, err := layout.Read(s.disk, s.dir, commitName)
	if err != nil {
		return form.Commit{}, fmt.Errorf("open evidence: %w", err)
	}
	c, _, err := form.ParseCommit(data)
	if err != nil {
		return form.Commit{}, fmt.Errorf("open evidence: %s: %w", commitName, err)
	}
	return c, nil
}

// Open opens a store. When opening for writing, it first removes any unacknowledged
// records left by a crash. Damage to acknowledged records stops a writer; a reader gets
// the readable ones, and ErrDamaged for the rest.
func Open(dir string, o Options) (_ *Store, err error) {
	o = o.withDefaults()
	s := &Store{opt: o, dir: dir, disk: o.disk, grown: make(chan struct{})}
	s.cache.limit = o.CacheBytes
	if s.codec, err = form.NewCodec(); err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	if err := s.openOriginals(); err != nil {
		return nil, fmt.Errorf("open evidence: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if !o.ReadOnly {
		s.lock = flock.New(s.path(lockName), flock.SetFlag(os.O_CREATE|os.O_RDONLY|durable.NoWait))
		held, err := s.lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("open evidence: lock %s: %w", lockName, err)
		}
		if !held {
			return nil, fmt.Errorf("open evidence: the store is %w", argus.ErrLocked)
		}
	}
	if err := s.loadWhole(); err != nil {
		return nil, err
	}
	if o.ReadOnly {
		return s, nil
	}
	if s.damage != nil {
		return nil, fmt.Errorf("open evidence for writing: %w", s.damage)
	}
	if err := s.startWriter(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends writing and closes the files. Acknowledged records are safe even without it.
func (s *Store) Close() error {
	s.closing.Do(func() {
		if s.writer != nil {
			s.closeErr = s.stopWriter()
		}
		s.closeErr = errors.Join(s.closeErr, s.closeFiles())
	})
	return s.closeErr
}

func (s *Store) closeFiles() error {
	var err error
	if s.ids != nil {
		err = s.ids.Close(s.writer != nil && s.writer.failed == nil)
	}
	for _, seg := range s.segments {
		err = errors.Join(err, seg.release())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	return err
}

// errReplaced means that an amendment has replaced a file since the manifest was read.
var errReplaced = errors.New("the file was replaced in the meantime")

// loadWhole loads the store in one consistent state, while another process may be
// replacing segments.
func (s *Store) loadWhole() error {
	for try := 0; ; try++ {
		err := s.load()
		if !errors.Is(err, errReplaced) || try == 5 {
			return err
		}
		if err := s.closeSegments(); err != nil {
			return err
		}
	}
}

// closeSegments closes the segments that load opened.
func (s *Store) closeSegments() error {
	var err error
	for _, seg := range s.segments {
		err = errors.Join(err, seg.release())
	}
	s.segments, s.blocks, s.closed, s.last, s.damage = nil, nil, 0, 0, nil
	return err
}

// load opens the segments and builds the table of blocks.
func (s *Store) load() error {
	// Read the commit file first: the other files must hold all records that it promises,
	// and another process may be adding more.
	promise, err := s.readCommit()
	if err != nil {
		return err
	}
	closed, err := s.readManifest()
	if err != nil {
		return fmt.Errorf("open evidence: %s: %w", manifestName, err)
	}
	s.promised, s.rewritings = promise.Seq, promise.Rewritings
	for i, m := range closed {
		if err := s.loadClosed(i+1, m); err != nil {
			return err
		}
	}
	return s.loadActive(promise)
}

// openSegment opens the file of a segment. A reader takes a shared lock on it, so that a
// writer can see that the file is still being read after being replaced.
func (s *Store) openSegment(number, generation int) (*segment, int64, error) {
	flag := os.O_RDWR
	if s.opt.ReadOnly {
		flag = os.O_RDONLY
	}
	seg := &segment{name: layout.Segment(number, generation), generation: generation}
	f, err := s.disk.OpenFile(s.path(seg.name), flag, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, s.missing(seg.name, number, generation)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open evidence: %w", err)
	}
	if s.opt.ReadOnly {
		unlock, held, err := s.disk.Lock(s.path(seg.name), false)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !held {
			return nil, 0, errors.Join(s.missing(seg.name, number, generation), f.Close())
		}
		if err == nil { // a file system without locks can still be read
			seg.after = unlock
		}
	}
	info, err := f.Stat()
	seg.open(f)
	if err != nil {
		return nil, 0, errors.Join(err, seg.release())
	}
	return seg, info.Size(), nil
}

// missing returns the error for a missing segment: it is damage, or another file has
// replaced the segment.
func (s *Store) missing(name string, number, generation int) error {
	if now, err := s.readManifest(); err == nil && number <= len(now) && now[number-1].Generation > generation {
		return fmt.Errorf("open evidence: %s: %w", name, errReplaced)
	}
	return fmt.Errorf("open evidence: %w: %s is missing", argus.ErrDamaged, name)
}

func (s *Store) loadClosed(number int, m form.Closed) error {
	seg, size, err := s.openSegment(number, m.Generation)
	if err != nil {
		return err
	}
	seg.first, seg.size = m.First, m.Size
	s.segments = append(s.segments, seg)
	s.closed = number
	blocks, err := form.ReadTable(seg, uint32(number), size)
	if err != nil || size != m.Size {
		// The table is a convenience; the headers of the blocks have the same data.
		scan := form.Scan(seg, number, size, false)
		blocks = scan.Blocks
	}
	for _, b := range blocks {
		if b.First != s.last+1 {
			s.noteDamage(fmt.Errorf("%s: %w: record %d follows record %d", seg.name, argus.ErrDamaged, b.First, s.last))
			// Keep the blocks after the hole: the table stays sorted.
			if b.First <= s.last {
				continue
			}
		}
		s.blocks = append(s.blocks, b)
		s.last = b.End() - 1
	}
	return nil
}

func (s *Store) noteDamage(err error) {
	if s.damage == nil {
		s.damage = err
	}
}

// loadActive reads the segment that is currently being written.
func (s *Store) loadActive(promise form.Commit) error {
	number := s.closed + 1
	f, size, err := s.openSegment(number, 0)
	if err != nil {
		return err
	}
	if s.opt.ReadOnly && promise.Segment == uint32(number) {
		size = min(size, int64(promise.Offset)) // the rest is not acknowledged
	} else if s.opt.ReadOnly {
		size = min(size, form.HeaderSize)
	}
	scan := form.Scan(f, number, size, !s.opt.ReadOnly)
	f.first, f.size = s.last+1, scan.End
	s.segments = append(s.segments, f)
	for _, b := range scan.Blocks {
		if b.First != s.last+1 {
			s.noteDamage(fmt.Errorf("%s: %w: record %d follows record %d", segmentName(number), argus.ErrDamaged, b.First, s.last))
			break
		}
		s.blocks = append(s.blocks, b)
		s.last = b.End() - 1
	}
	if s.last < promise.Seq {
		why := scan.Err
		if why == nil {
			why = fmt.Errorf("%w: the segment ends at offset %d", argus.ErrDamaged, scan.End)
		}
		s.noteDamage(fmt.Errorf("%s at offset %d: %w; records up to %d were acknowledged, %d can be read",
			segmentName(number), scan.Stop, why, promise.Seq, s.last))
	}
	if s.opt.ReadOnly || s.damage != nil {
		return nil //nolint:nilerr // noted as damage above; a reader gets the rest
	}
	// Cut off an unacknowledged tail: it was never promised.
	if err := errors.Join(f.Truncate(scan.End), f.Sync()); err != nil {
		return fmt.Errorf("open evidence: drop the unacknowledged tail of %s: %w", segmentName(number), err)
	}
	return nil
}

// extend reads the blocks that were added to the active segment. ok is false if there were
// other changes.
func (s *Store) extend(promise form.Commit) (blocks []form.Ref, ok bool) {
	active := s.segments[s.closed]
	head := make([]byte, form.HeadSize)
	last := s.last
	at := active.size
	for at < int64(promise.Offset) {
		if _, err := active.ReadAt(head, at); err != nil {
			return nil, false
		}
		h, err := form.ParseHead(head)
		if err != nil || h.First != last+1 {
			return nil, false
		}
		h.Segment, h.Offset = promise.Segment, uint32(at)
		blocks = append(blocks, h.Ref)
		last = h.End() - 1
		at += h.Size()
	}
	return blocks, at == int64(promise.Offset) && last == promise.Seq
}

// Last returns the sequence number of the newest durable record, or 0 if there is none.
func (s *Store) Last() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last
}

// Wait returns when there is a record after seq or ctx is done. A read-only store sees
// only the records up to its last Refresh.
func (s *Store) Wait(ctx context.Context, seq uint64) error {
	for {
		s.mu.RLock()
		last, grown := s.last, s.grown
		s.mu.RUnlock()
		if last > seq {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Refresh makes the records that another process has added visible in a read-only store.
func (s *Store) Refresh() error {
	if !s.opt.ReadOnly {
		return nil
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	promise, err := s.readCommit()
	if err != nil {
		return err
	}
	if promise.Seq <= s.promised && promise.Rewritings == s.rewritings {
		return nil
	}
	if s.damage == nil && promise.Rewritings == s.rewritings && int(promise.Segment) == s.closed+1 {
		if blocks, ok := s.extend(promise); ok {
			s.show(func() {
				s.blocks = append(s.blocks, blocks...)
				s.last, s.promised, s.segments[s.closed].size = promise.Seq, promise.Seq, int64(promise.Offset)
			})
			return nil
		}
	}
	// Keep the old segments until all of the new ones are read.
	fresh := &Store{opt: s.opt, dir: s.dir, disk: s.disk}
	if err := fresh.loadWhole(); err != nil {
		return errors.Join(err, fresh.closeFiles())
	}
	old := Store{segments: s.segments}
	s.show(func() {
		s.segments, s.blocks, s.closed, s.last, s.promised, s.damage = fresh.segments, fresh.blocks, fresh.closed, fresh.last, fresh.promised, fresh.damage
		s.rewritings = fresh.rewritings
	})
	s.cache.clear()
	if err := errors.Join(old.closeFiles(), s.forgetIDs()); err != nil {
		return fmt.Errorf("refresh evidence: %w", err)
	}
	return nil
}

// show changes the records that readers see, and wakes those that are waiting.
func (s *Store) show(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.grown)
	s.grown = make(chan struct{})
}
