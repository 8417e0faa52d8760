package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/argus-evidence/argus"
)

// writer is what only a store opened for writing has. Its goroutine owns the
// active segment; everybody else talks to it through requests.
type writer struct {
	requests chan *request
	calls    chan func()
	stop     chan struct{}
	finished chan struct{}
	commit   commit
	failed   error // the first write that went wrong; nothing is written after it
	crowds   map[argus.ID]*crowd
	crowded  int // versions in crowds

	mu         sync.Mutex // for deliveries
	deliveries map[argus.DeliveryNumber]*openDelivery
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

	blocks []pending
}

// answer lets the caller of Append go on.
func (q *request) answer() { q.answered.Do(func() { close(q.done) }) }

// groupRecords is the most that one sync covers.
const groupRecords = 64 << 10

// MaxRecord is the most that a record may take, as [argus.Record.Size] counts.
const MaxRecord = maxRecordBytes / 2

func (s *Store) startWriter() error {
	w := &writer{
		requests:   make(chan *request, 64),
		calls:      make(chan func()),
		stop:       make(chan struct{}),
		finished:   make(chan struct{}),
		deliveries: map[argus.DeliveryNumber]*openDelivery{},
	}
	var err error
	if w.commit, err = s.readCommit(); err != nil {
		return err
	}
	if err := s.disk.MkdirAll(s.path(idsDir)); err != nil {
		return fmt.Errorf("open ids: %w", err)
	}
	if s.ids, err = openIDs(s.disk, s.path(idsDir), s.opt.IDsInMemory); err != nil && !errors.Is(err, argus.ErrDamaged) && !errors.Is(err, errOtherIDs) {
		// Damaged ids are derived and are built again; a disk that does not
		// answer is another matter.
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if s.ids.covered > s.last {
		// A copy made of a store in use can have newer ids than records.
		// Messages must not be taken for known by them.
		err := s.ids.close(false)
		s.ids = newIDs(s.disk, s.path(idsDir), s.opt.IDsInMemory)
		if err != nil {
			return fmt.Errorf("open ids: %w", err)
		}
	}
	if err := s.ids.clean(); err != nil {
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
	if w.commit.seq != s.last {
		// Whole batches that were written and not yet acknowledged stay.
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

// foreignSegment says what is wrong with a segment behind the last one that holds
// records.
const foreignSegment = "the segment holds records, and the manifest does not know it: Argus names a segment there before it writes records to it. " +
	"Nothing of the store is in it; move the file away"

// removeTemporary removes files that a crash left half written.
func (s *Store) removeTemporary() error {
	for _, dir := range []string{evidenceDir, deliveryDir, originalsDir} {
		entries, err := s.disk.ReadDir(s.path(dir))
		if err != nil {
			return fmt.Errorf("open evidence: %w", err)
		}
		for _, e := range entries {
			name := e.Name()
			next := dir == evidenceDir && name == filepath.Base(segmentName(s.closed+2))
			if filepath.Ext(name) != ".tmp" && !next {
				continue
			}
			if info, err := e.Info(); next && err == nil && info.Size() > segmentHeader {
				return fmt.Errorf("open evidence: %w: %s/%s: %s", argus.ErrDamaged, dir, name, foreignSegment)
			}
			if err := s.disk.Remove(filepath.Join(s.path(dir), name)); err != nil {
				return fmt.Errorf("open evidence: remove what a crash left: %w", err)
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

// Append adds records to an open delivery and takes them over: it sets their
// sequence numbers, computes the identity of messages that have none yet, and
// makes a message that is known already, in all that [argus.Message.Identity]
// covers, a sighting of it. When it returns nil, the records are durable; when
// it returns an error, none of them is there, or the process has to open the
// store again to learn it. An identity that is set already must be that of the
// message. Openings and sightings are not taken: Begin and Append make them. Batches that wait at the same time share one sync.
func (s *Store) Append(ctx context.Context, d argus.DeliveryNumber, records []*argus.Record) error {
	if len(records) == 0 {
		return nil
	}
	return s.submit(ctx, &request{delivery: d, records: records})
}

// Begin opens a new delivery and returns its number. It becomes durable together with
// the records that belong to its opening.
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
	// Once handed over, the batch is written whatever ctx says.
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

// call runs a function in the writer's goroutine, between batches. An error is, like
// one of writing, the end of writing.
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
			// What was handed over before is written; nobody hands over more.
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

// gather takes what waits behind the first request, up to groupRecords.
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

// tryGroup returns an error only when writing itself went wrong; a batch that
// cannot be accepted gets its own error and the others go on.
func (s *Store) tryGroup(w *writer, group []*request) error {
	stage := stage{s: s, w: w, next: s.last + 1, fresh: newIDTable()}
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
	var blocks []blockRef
	for _, q := range accepted {
		for i := range q.blocks {
			b := &q.blocks[i]
			b.head.segment, b.head.offset = uint32(s.closed+1), uint32(active.size+int64(len(out)))
			out = append(out, b.bytes...)
			blocks = append(blocks, b.head.blockRef)
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
	if err := s.ids.add(stage.fresh.list, stage.next-1); err != nil {
		return err
	}
	s.publish(accepted, blocks, stage.next-1, active, int64(len(out)))
	return nil
}

// acknowledge writes down, durably, up to where the store is promised.
func (s *Store) acknowledge(seq uint64, offset int64) error {
	return s.writeCommit(commit{s.writer.commit.counter + 1, seq, uint32(s.closed + 1), uint32(offset), s.writer.commit.rewritings})
}

func (s *Store) writeCommit(c commit) error {
	f, err := s.disk.OpenFile(s.path(commitName), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(c.bytes(), int64(c.counter%2)*commitSlot)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	s.writer.commit = c
	return nil
}

// recentBytes is the most that the newest records may take in memory.
const recentBytes = 128 << 20

// publish shows the new records to readers.
func (s *Store) publish(accepted []*request, blocks []blockRef, last uint64, active *segment, grew int64) {
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
func (s *Store) remember(p *pending) {
	s.recent = append(s.recent, p.records...)
	for i, r := range p.records {
		s.recentBytes += r.Size()
		s.contents = append(s.contents, p.proofs[i].content)
	}
}

// forget drops the oldest of too many decoded records.
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
	// New arrays, so that the old records can go.
	s.recent, s.contents = slices.Clone(s.recent[over:]), slices.Clone(s.contents[over:])
}

// stage gives the records of a group their numbers and finds known messages,
// without changing anything that outlives the group.
type stage struct {
	s       *Store
	w       *writer
	next    uint64
	fresh   *idTable // the group's own messages
	hasher  argus.Hasher
	openLen map[argus.DeliveryNumber]uint64 // leaves so far, with those of the group
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
			return fmt.Errorf("a record of %d bytes is more than %d", n, MaxRecord)
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
	known := t.s.ids.look(of)
	defer known.end()
	for i, r := range q.records {
		r.Seq, r.Delivery = t.next, q.delivery
		t.next++
		if r.Kind != argus.KindMessage {
			t.fresh.entries(r)
			continue
		}
		if t.failed = t.resolve(r, known, i); t.failed != nil {
			return t.failed
		}
		if r.Kind == argus.KindMessage && r.Met != (argus.ID{}) {
			// What it was to meet is not there.
			r.Met, r.Of = argus.ID{}, 0
			r.ID, r.Version = t.hasher.Identity(r.Message)
		}
		t.fresh.entries(r)
	}
	if t.openLen == nil {
		t.openLen = map[argus.DeliveryNumber]uint64{}
	}
	t.openLen[q.delivery] = leaf + uint64(len(q.records))
	q.blocks = splitRecords(q, leaf)
	for i := range q.blocks {
		if _, err := io.ReadFull(t.s.opt.Random, q.blocks[i].seed[:]); err != nil {
			t.failed = fmt.Errorf("draw salts: %w", err)
			return t.failed
		}
	}
	return nil
}

// cited returns why an opened record cannot be stored: what it cites has to be
// there, durably.
func (t *stage) cited(r *argus.Record) error {
	if _, err := t.s.commitment(r.Of); err != nil {
		return fmt.Errorf("look for record %d, which was opened: %w", r.Of, err)
	}
	key, err := t.s.Get(context.Background(), r.Opened.Key)
	if err == nil && key.Kind != argus.KindKey {
		err = fmt.Errorf("it is of kind %s", key.Kind)
	}
	if err != nil {
		return fmt.Errorf("look for the key %d of an opened record: %w", r.Opened.Key, err)
	}
	return nil
}

// ownKind returns why a record is one that only this package makes.
func ownKind(q *request, r *argus.Record) error {
	switch {
	case q.opening && r.Kind == argus.KindOpening:
		return nil
	case r.Kind == argus.KindOpening, r.Kind == argus.KindSighting:
		return fmt.Errorf("a record of kind %s is made by the evidence itself", r.Kind)
	case r.Kind == argus.KindAmendment && !q.amends:
		return fmt.Errorf("a record of kind %s is made by Amend", r.Kind)
	case r.Of != 0 && r.Kind != argus.KindOpened || r.Content != (argus.Hash{}):
		return fmt.Errorf("the record says of which other record it is, which the evidence finds out itself")
	}
	return nil
}

// leaf returns the place of the request's first record in its delivery's tree.
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
	return d.records, nil
}

// resolve makes a message a sighting, or a copy that differs, of a known one:
// that the store has, at place i of a lookup, or the group.
func (t *stage) resolve(r *argus.Record, stored *lookup, i int) error {
	if c := t.w.crowds[r.MessageID()]; c != nil {
		t.w.crowded += c.resolve(r)
		return nil
	}
	known, err := stored.find(i)
	if err != nil {
		return err
	}
	before := len(known)
	known = t.fresh.find(known, r.MessageID())
	slices.Reverse(known[before:])
	if broken == "ids" {
		known = nil
	}
	if len(known) >= crowdFrom {
		t.gatherCrowd(r, known)
		return nil
	}
	for _, e := range known {
		if e.Sighting {
			continue // also one that has this id and is of another message
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
	r.Kind, r.Of, r.Message = argus.KindSighting, of, &aside
}

// A crowd is what is known of a message of which there are many copies, so that
// one more costs no walk over all of them.
type crowd struct {
	first  uint64                   // sequence number of the first copy
	stored map[argus.Version]uint64 // and of the first of each version
}

const (
	crowdFrom = 64      // copies
	maxCrowds = 4 << 20 // versions in all crowds; beyond it they are gathered again
)

func (t *stage) gatherCrowd(r *argus.Record, known []Entry) {
	c := &crowd{stored: map[argus.Version]uint64{}}
	for _, e := range known {
		if e.Sighting {
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

// resolve does what stage.resolve does, and returns how many versions it added.
func (c *crowd) resolve(r *argus.Record) int {
	if seq, ok := c.stored[r.Version]; ok {
		makeSighting(r, seq)
		return 0
	}
	r.Of = c.first
	c.stored[r.Version] = r.Seq
	return 1
}

// splitRecords cuts a batch into blocks.
func splitRecords(q *request, leaf uint64) []pending {
	var blocks []pending
	for start := 0; start < len(q.records); {
		end, size := start, 0
		for end < len(q.records) && end-start < blockRecords && size < blockBytes {
			size += q.records[end].Size()
			end++
		}
		blocks = append(blocks, pending{
			head:    blockHead{blockRef: blockRef{first: q.records[start].Seq, leaf: leaf + uint64(start), delivery: q.delivery}},
			records: q.records[start:end],
		})
		start = end
	}
	blocks[len(blocks)-1].head.flags = flagBatchEnd
	return blocks
}

// encode makes the blocks of all requests, on all cores.
func (s *Store) encode(group []*request) error {
	var all []*pending
	for _, q := range group {
		for i := range q.blocks {
			all = append(all, &q.blocks[i])
		}
	}
	first := all[0].head.first
	// of returns the commitment to a content, which is in the group or stored.
	of := func(seq uint64) (argus.Hash, error) {
		if seq < first {
			return s.commitment(seq)
		}
		at := sort.Search(len(all), func(i int) bool { return all[i].head.end() > seq })
		if at == len(all) {
			return argus.Hash{}, fmt.Errorf("%w: there is no such record", argus.ErrDamaged)
		}
		return all[at].proofs[seq-all[at].head.first].content, nil
	}
	if err := s.each(all, (*maker).makeContents); err != nil {
		return err
	}
	return s.each(all, func(m *maker, p *pending) error { return m.makeStatements(p, of) })
}

// each does one step of the making of blocks, on all cores.
func (s *Store) each(all []*pending, step func(*maker, *pending) error) error {
	var wg sync.WaitGroup
	next := make(chan *pending, len(all))
	for _, p := range all {
		next <- p
	}
	close(next)
	for range min(len(all), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			m := &maker{codec: s.codec}
			for p := range next {
				p.err = step(m, p)
			}
		})
	}
	wg.Wait()
	for _, p := range all {
		if p.err != nil {
			return p.err
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

// rotate closes the active segment and begins the next.
// Any moment of it may be the last: what the manifest does not name yet is
// dropped when the store is opened again.
func (s *Store) rotate() error {
	active := s.segments[s.closed]
	var own []blockRef
	for i := len(s.blocks) - 1; i >= 0 && s.blocks[i].segment == uint32(s.closed+1); i-- {
		own = s.blocks[i:]
	}
	footer := appendFooter(nil, own, active.size)
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
