package evidence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
	"github.com/argus-evidence/argus/internal/layout"
)

// writer is the part of a store that is needed only for writing. Its goroutine owns the
// active segment; other goroutines send it requests.
type writer struct {
	requests chan *request
	calls    chan func()
	stop     chan struct{}
	finished chan struct{}
	commit   form.Commit
	failed   error // the first failed write; nothing is written after it
	crowds   map[argus.ID]*crowd
	crowded  int // number of versions in crowds

	mu         sync.Mutex // guards deliveries
	deliveries map[argus.DeliveryNumber]*sealing.Draft
	last       argus.DeliveryNumber
}

// request is one batch on its way to the disk.
type request struct {
	delivery argus.DeliveryNumber
	opening  bool
	amends   bool
	records  []*argus.Record
	err      error
	done     chan struct{}
	answered sync.Once

	blocks []form.Pending
}

// answer makes Append return to its caller.
func (q *request) answer() { q.answered.Do(func() { close(q.done) }) }

// groupRecords is the maximum number of records that one sync covers.
const groupRecords = 64 << 10

// MaxRecord is the maximum size of a record, as counted by [argus.Record.Size].
const MaxRecord = form.MaxPart / 2

func (s *Store) startWriter() error {
	w := &writer{
		requests:   make(chan *request, 64),
		calls:      make(chan func()),
		stop:       make(chan struct{}),
		finished:   make(chan struct{}),
		deliveries: map[argus.DeliveryNumber]*sealing.Draft{},
	}
	var err error
	if w.commit, err = s.readCommit(); err != nil {
		return err
	}
	if err := s.disk.MkdirAll(s.path(idsDir)); err != nil {
		return fmt.Errorf("open ids: %w", err)
	}
	if s.ids, err = ids.Open(s.disk, s.path(idsDir), s.opt.IDsInMemory); err != nil && !errors.Is(err, argus.ErrDamaged) && !errors.Is(err, ids.ErrOther) {
		// Damaged ids are derived and are rebuilt; a disk error is not repaired.
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if s.ids.Covered() > s.last {
		// A copy of a store in use can have ids that are newer than its records. Such ids must
		// not make messages known.
		err := s.ids.Close(false)
		s.ids = ids.New(s.disk, s.path(idsDir), s.opt.IDsInMemory)
		if err != nil {
			return fmt.Errorf("open ids: %w", err)
		}
	}
	if err := s.ids.Clean(); err != nil {
		return fmt.Errorf("open ids: %w", err)
	}
	if err := s.catchUpIDs(s.ids); err != nil {
		return err
	}
	if err := s.removeTemporary(); err != nil {
		return err
	}
	if err := s.openDeliveries(w); err != nil {
		return err
	}
	s.writer = w
	if w.commit.Seq != s.last {
		// Whole batches that were written but not yet acknowledged are kept.
		if err := s.acknowledge(s.last, s.segments[s.closed].size); err != nil {
			s.writer = nil
			return fmt.Errorf("open evidence: %w", err)
		}
	}
	if err := s.finishAmendments(); err != nil {
		s.writer = nil
		return fmt.Errorf("open evidence: finish an amendment: %w", err)
	}
	go s.write(w)
	return nil
}

// begun reports whether a file is a segment that Argus began but has not yet listed in the
// manifest.
func (s *Store) begun(number int) bool {
	f, err := s.disk.OpenFile(s.path(segmentName(number)), os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && form.Begun(f, info.Size(), number)
}

// removeTemporary removes half-written files left by a crash.
func (s *Store) removeTemporary() error {
	for _, dir := range []string{evidenceDir, deliveryDir, originalsDir} {
		entries, err := s.disk.ReadDir(s.path(dir))
		if err != nil {
			return fmt.Errorf("open evidence: %w", err)
		}
		for _, e := range entries {
			name := e.Name()
			number, generation, ok := layout.ParseSegment(name)
			later := dir == evidenceDir && ok && generation == 0 && number > s.closed+1
			if filepath.Ext(name) != ".tmp" && !later {
				continue
			}
			if later && (number > s.closed+2 || !s.begun(number)) {
				return fmt.Errorf("open evidence: %w: %s/%s: %s", argus.ErrDamaged, dir, name, form.Unnamed)
			}
			if err := s.disk.Remove(filepath.Join(s.path(dir), name)); err != nil {
				return fmt.Errorf("open evidence: remove the leftovers of a crash: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) stopWriter() error {
	close(s.writer.stop)
	<-s.writer.finished
	return s.writer.failed
}

// Append adds records to an open delivery and takes ownership of them. It sets their sequence
// numbers, computes the identity of messages that have none, and turns a message into a
// sighting if one that is equal in everything that [argus.Message.Identity] covers is already
// known. If an identity is set, it must be that of the message. Append does not accept openings
// or sightings: Begin and Append make them.
//
// If Append returns nil, the records are durable. If it returns an error, either none of them
// is stored, or the store must be reopened to find out whether they are. Batches that are
// waiting at the same time share one sync.
func (s *Store) Append(ctx context.Context, d argus.DeliveryNumber, records []*argus.Record) error {
	if len(records) == 0 {
		return nil
	}
	return s.submit(ctx, &request{delivery: d, records: records})
}

// Begin opens a new delivery and returns its number. The opening becomes durable together
// with the records that belong to it.
func (s *Store) Begin(ctx context.Context, o argus.Opening, with ...*argus.Record) (argus.DeliveryNumber, error) {
	q := &request{opening: true, records: append([]*argus.Record{{Kind: argus.KindOpening, Opening: &o}}, with...)}
	err := s.submit(ctx, q)
	return q.delivery, err
}

func (s *Store) submit(ctx context.Context, q *request) error {
	if s.writer == nil {
		return fmt.Errorf("append to evidence: the store is open for reading only")
	}
	q.done = make(chan struct{})
	select {
	case s.writer.requests <- q:
	case <-s.writer.stop:
		return fmt.Errorf("append to evidence: the store is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	// Once handed over, the batch is written even if ctx is cancelled.
	select {
	case <-q.done:
	case <-s.writer.finished:
		select {
		case <-q.done:
		default:
			return fmt.Errorf("append to evidence: the store is closed")
		}
	}
	if q.err != nil {
		return fmt.Errorf("append to evidence: %w", q.err)
	}
	return nil
}

// call runs a function in the writer's goroutine, between batches. An error ends writing,
// like a failed write.
func (s *Store) call(do func() error) error {
	w := s.writer
	done := make(chan error, 1)
	call := func() {
		if w.failed == nil {
			w.failed = do()
		}
		done <- w.failed
	}
	select {
	case w.calls <- call:
		return <-done
	case <-w.finished:
		return errors.New("the store is closed")
	}
}

func (s *Store) write(w *writer) {
	defer close(w.finished)
	for {
		select {
		case first := <-w.requests:
			s.writeGroup(w, gather(w, first))
		case call := <-w.calls:
			call()
		case <-w.stop:
			// Write the batches that were handed over before; no more will come.
			for {
				select {
				case q := <-w.requests:
					s.writeGroup(w, []*request{q})
				default:
					return
				}
			}
		}
	}
}

// gather collects the requests waiting behind the first one, up to groupRecords.
func gather(w *writer, first *request) []*request {
	group, n := []*request{first}, len(first.records)
	for n < groupRecords {
		select {
		case q := <-w.requests:
			group = append(group, q)
			n += len(q.records)
		default:
			return group
		}
	}
	return group
}

// writeGroup makes a group of batches durable with one sync.
func (s *Store) writeGroup(w *writer, group []*request) {
	defer func() {
		for _, q := range group {
			q.answer()
		}
	}()
	if w.failed == nil {
		w.failed = s.tryGroup(w, group)
	}
	if w.failed != nil {
		for _, q := range group {
			q.err = w.failed
		}
	}
}

// tryGroup returns an error only if writing itself failed; a batch that cannot be accepted
// gets its own error and the others continue.
func (s *Store) tryGroup(w *writer, group []*request) error {
	var records int
	for _, q := range group {
		records += len(q.records)
	}
	stage := stage{s: s, w: w, next: s.last + 1, fresh: ids.NewTable(records)}
	var accepted []*request
	for _, q := range group {
		if q.err = stage.prepare(q); q.err == nil {
			accepted = append(accepted, q)
		}
	}
	if stage.failed != nil {
		return stage.failed
	}
	if len(accepted) == 0 {
		return nil
	}
	if err := s.encode(accepted); err != nil {
		return err
	}
	if err := s.rotateIfFull(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	active := s.segments[s.closed]
	var out []byte
	var blocks []form.Ref
	for _, q := range accepted {
		for i := range q.blocks {
			b := &q.blocks[i]
			b.Segment, b.Offset = uint32(s.closed+1), uint32(active.size+int64(len(out)))
			out = append(out, b.Bytes...)
			blocks = append(blocks, b.Ref)
		}
	}
	if broken == "ack" {
		for _, q := range accepted {
			q.answer()
		}
	}
	s.opt.Failpoint("append.before-write")
	if _, err := active.WriteAt(out, active.size); err != nil {
		return err
	}
	s.opt.Failpoint("append.before-sync")
	if broken != "sync" {
		if err := active.Sync(); err != nil {
			return err
		}
	}
	s.opt.Failpoint("append.before-acknowledge")
	if err := s.acknowledge(stage.next-1, active.size+int64(len(out))); err != nil {
		return err
	}
	s.opt.Failpoint("append.acknowledged")
	for _, q := range accepted {
		w.add(q)
	}
	if err := s.ids.Add(stage.fresh.All(), stage.next-1); err != nil {
		return err
	}
	s.publish(accepted, blocks, stage.next-1, active, int64(len(out)))
	return nil
}

// acknowledge durably records the last acknowledged record and offset.
func (s *Store) acknowledge(seq uint64, offset int64) error {
	c := s.writer.commit
	c.Counter++
	c.Seq, c.Segment, c.Offset = seq, uint32(s.closed+1), uint32(offset)
	return s.writeCommit(c)
}

func (s *Store) writeCommit(c form.Commit) error {
	f, err := s.disk.OpenFile(s.path(commitName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	slot, at := c.Slot()
	_, err = f.WriteAt(slot, at)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	s.writer.commit = c
	return nil
}

// recentBytes is the maximum memory for the newest records, in bytes.
const recentBytes = 128 << 20

// publish makes the new records visible to readers.
func (s *Store) publish(accepted []*request, blocks []form.Ref, last uint64, active *segment, grew int64) {
	s.show(func() {
		active.size += grew
		s.blocks = append(s.blocks, blocks...)
		s.last, s.promised = last, last
		for _, q := range accepted {
			for i := range q.blocks {
				s.remember(&q.blocks[i])
			}
		}
		s.forget()
	})
}

// remember keeps the records of a block decoded.
func (s *Store) remember(p *form.Pending) {
	s.recent = append(s.recent, p.Records...)
	for i, r := range p.Records {
		s.recentBytes += r.Size()
		s.contents = append(s.contents, p.Proofs[i].Content)
	}
}

// forget drops the oldest decoded records if there are too many.
func (s *Store) forget() {
	if len(s.recent) <= s.opt.Recent+s.opt.Recent/2 && s.recentBytes <= recentBytes {
		return
	}
	over := max(0, len(s.recent)-s.opt.Recent)
	for _, r := range s.recent[:over] {
		s.recentBytes -= r.Size()
	}
	for ; s.recentBytes > recentBytes/2; over++ {
		s.recentBytes -= s.recent[over].Size()
	}
	// Copy the slices, so that the old records can be freed, and leave spare room until the
	// next call.
	room := s.opt.Recent + s.opt.Recent/2
	s.recent = append(make([]*argus.Record, 0, room), s.recent[over:]...)
	s.contents = append(make([]argus.Hash, 0, room), s.contents[over:]...)
}

// stage numbers the records of a group and finds known messages, without changing anything
// that outlives the group.
type stage struct {
	s       *Store
	w       *writer
	next    uint64
	fresh   *ids.Table // the group's own messages
	hasher  argus.Hasher
	openLen map[argus.DeliveryNumber]uint64 // number of leaves so far, including the group's
	begun   argus.DeliveryNumber
	failed  error
}

func (t *stage) prepare(q *request) error {
	leaf, err := t.leaf(q)
	if err != nil {
		return err
	}
	for _, r := range q.records {
		if err := ownKind(q, r); err != nil {
			return err
		}
		if n := r.Size(); n > MaxRecord {
			return fmt.Errorf("a record has %d bytes, want at most %d", n, MaxRecord)
		}
		if err := r.Valid(); err != nil {
			return err
		}
		if r.Kind == argus.KindOpened {
			if err := t.cited(r); err != nil {
				return err
			}
		}
		if r.Kind == argus.KindMessage && r.ID == (argus.ID{}) {
			r.ID, r.Version = t.hasher.Identity(r.Message)
		}
	}
	of := make([]argus.ID, len(q.records))
	for i, r := range q.records {
		of[i] = r.MessageID()
	}
	known := t.s.ids.Look(of)
	defer known.End()
	for i, r := range q.records {
		r.Seq, r.Delivery = t.next, q.delivery
		t.next++
		if r.Kind != argus.KindMessage {
			t.fresh.Add(r)
			continue
		}
		if t.failed = t.resolve(r, known, i); t.failed != nil {
			return t.failed
		}
		if r.Kind == argus.KindMessage && (r.Of == 0 || r.Moved == 0) && r.Met != (argus.ID{}) {
			// The message that this one was matched to is not stored.
			r.Met, r.Moved, r.Of = argus.ID{}, 0, 0
			r.ID, r.Version = t.hasher.Identity(r.Message)
		}
		t.fresh.Add(r)
	}
	if t.openLen == nil {
		t.openLen = map[argus.DeliveryNumber]uint64{}
	}
	t.openLen[q.delivery] = leaf + uint64(len(q.records))
	q.blocks, t.failed = form.Split(q.records, q.delivery, leaf, t.s.opt.Random)
	return t.failed
}

// cited returns an error if an opened record cannot be stored: the records that it cites
// must be durable already.
func (t *stage) cited(r *argus.Record) error {
	if _, err := t.s.commitment(r.Of); err != nil {
		return fmt.Errorf("read record %d, which was opened: %w", r.Of, err)
	}
	key, err := t.s.Get(context.Background(), r.Opened.Key)
	if err == nil && key.Kind != argus.KindKey {
		err = fmt.Errorf("it is of kind %s", key.Kind)
	}
	if err != nil {
		return fmt.Errorf("read the key %d of an opened record: %w", r.Opened.Key, err)
	}
	return nil
}

// ownKind returns an error for a record that only this package may make.
func ownKind(q *request, r *argus.Record) error {
	switch {
	case q.opening && r.Kind == argus.KindOpening:
		return nil
	case r.Kind == argus.KindOpening, r.Kind == argus.KindSighting:
		return fmt.Errorf("only the evidence itself makes a record of kind %s", r.Kind)
	case r.Kind == argus.KindAmendment && !q.amends:
		return fmt.Errorf("only Amend makes a record of kind %s", r.Kind)
	case r.Of != 0 && r.Kind != argus.KindOpened || r.Content != (argus.Hash{}):
		return fmt.Errorf("the record states to which other record it belongs, but only the evidence may set that field")
	}
	return nil
}

// leaf returns the index of the request's first record in its delivery's tree.
func (t *stage) leaf(q *request) (uint64, error) {
	if q.opening {
		t.begun = max(t.begun, t.w.last) + 1
		q.delivery = t.begun
		return 0, nil
	}
	if n, ok := t.openLen[q.delivery]; ok {
		return n, nil
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	d := t.w.deliveries[q.delivery]
	if d == nil {
		return 0, fmt.Errorf("delivery %s is not open", q.delivery)
	}
	return d.Seal.Records, nil
}

// resolve turns a message into a sighting or a differing copy of a known one, which is
// either in the store (at index i of the lookup) or in the group.
func (t *stage) resolve(r *argus.Record, stored *ids.Lookup, i int) error {
	if c := t.w.crowds[r.MessageID()]; c != nil {
		t.w.crowded += c.resolve(r)
		return nil
	}
	known, err := stored.Find(i)
	if err != nil {
		return err
	}
	before := len(known)
	known = t.fresh.Find(known, r.MessageID())
	slices.Reverse(known[before:])
	if broken == "ids" {
		known = nil
	}
	if len(known) >= crowdFrom {
		t.gatherCrowd(r, known)
		return nil
	}
	for _, e := range known {
		if e.Sighting || e.Met { // Met: it has this id but belongs to another message
			continue
		}
		if r.Of == 0 {
			r.Of = e.Seq
		}
		if e.Version == r.Version {
			makeSighting(r, e.Seq)
			break
		}
	}
	return nil
}

func makeSighting(r *argus.Record, of uint64) {
	aside := r.Message.Aside()
	r.Kind, r.Of, r.Moved, r.Message = argus.KindSighting, of, 0, &aside
}

// A crowd holds the versions of a message that has many copies, so that adding a copy
// need not walk over all of them.
type crowd struct {
	first  uint64                   // sequence number of the first copy
	stored map[argus.Version]uint64 // sequence number of the first copy of each version
}

const (
	crowdFrom = 64      // copies
	maxCrowds = 4 << 20 // versions in all crowds; beyond this, crowds are rebuilt
)

func (t *stage) gatherCrowd(r *argus.Record, known []ids.Entry) {
	c := &crowd{stored: map[argus.Version]uint64{}}
	for _, e := range known {
		if e.Sighting || e.Met {
			continue
		}
		if c.first == 0 {
			c.first = e.Seq
		}
		if _, ok := c.stored[e.Version]; !ok {
			c.stored[e.Version] = e.Seq
		}
	}
	if t.w.crowds == nil || t.w.crowded > maxCrowds {
		t.w.crowds, t.w.crowded = map[argus.ID]*crowd{}, 0
	}
	t.w.crowds[r.MessageID()] = c
	t.w.crowded += len(c.stored) + c.resolve(r)
}

// resolve does the work of stage.resolve, and returns the number of versions that it
// added.
func (c *crowd) resolve(r *argus.Record) int {
	if seq, ok := c.stored[r.Version]; ok {
		makeSighting(r, seq)
		return 0
	}
	if c.first == 0 {
		if r.Met != (argus.ID{}) {
			return 0 // the message that this one was matched to is not stored
		}
		c.first = r.Seq
	} else {
		r.Of = c.first
	}
	c.stored[r.Version] = r.Seq
	return 1
}

// encode makes the blocks of all requests, on all cores.
func (s *Store) encode(group []*request) error {
	var all []*form.Pending
	for _, q := range group {
		for i := range q.blocks {
			all = append(all, &q.blocks[i])
		}
	}
	first := all[0].First
	// of returns the commitment to a content, either from the group or from the store.
	of := func(seq uint64) (argus.Hash, error) {
		if seq < first {
			return s.commitment(seq)
		}
		at := sort.Search(len(all), func(i int) bool { return all[i].End() > seq })
		if at == len(all) {
			return argus.Hash{}, fmt.Errorf("%w: there is no such record", argus.ErrDamaged)
		}
		return all[at].Proofs[seq-all[at].First].Content, nil
	}
	if err := s.each(all, (*form.Maker).Contents); err != nil {
		return err
	}
	return s.each(all, func(m *form.Maker, p *form.Pending) error { return m.Statements(p, of) })
}

// each runs one step of making the blocks, on all cores.
func (s *Store) each(all []*form.Pending, step func(*form.Maker, *form.Pending) error) error {
	var wg sync.WaitGroup
	next := make(chan int, len(all))
	for i := range all {
		next <- i
	}
	close(next)
	errs := make([]error, len(all))
	for range min(len(all), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			m := s.codec.Maker()
			for i := range next {
				errs[i] = step(m, all[i])
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// rotateIfFull closes the active segment when it is full.
func (s *Store) rotateIfFull() error {
	if s.segments[s.closed].size < s.opt.SegmentBytes {
		return nil
	}
	return s.rotate()
}

// rotate closes the active segment and begins the next. A crash may interrupt it at any
// point: a segment not yet named in the manifest is dropped when the store is next
// opened.
func (s *Store) rotate() error {
	active := s.segments[s.closed]
	var own []form.Ref
	for i := len(s.blocks) - 1; i >= 0 && s.blocks[i].Segment == uint32(s.closed+1); i-- {
		own = s.blocks[i:]
	}
	footer := form.AppendTable(nil, own, active.size)
	s.opt.Failpoint("rotate.before-table")
	if _, err := active.WriteAt(footer, active.size); err != nil {
		return err
	}
	if err := active.Sync(); err != nil {
		return err
	}
	s.opt.Failpoint("rotate.before-next")
	next, err := s.createSegment(s.closed+2, s.last+1)
	if err != nil {
		return err
	}
	s.opt.Failpoint("rotate.before-manifest")
	s.mu.Lock()
	active.size += int64(len(footer))
	s.segments = append(s.segments, next)
	s.closed++
	s.mu.Unlock()
	return s.writeManifest(s.segments[:s.closed])
}
