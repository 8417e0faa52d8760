package evidence

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/argus-evidence/argus"
)

// Get returns a record. The error is ErrNotFound for a number that was never
// given, ErrDamaged for one whose bytes are not what was written, ErrNewer for one
// that this version must understand and does not.
func (s *Store) Get(ctx context.Context, seq uint64) (*argus.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	r := s.recentAt(seq)
	var at located
	var err error
	if r == nil {
		at, err = s.locate(seq)
	}
	s.mu.RUnlock()
	if r != nil {
		return r, nil
	}
	if err == nil {
		defer at.release()
		r, err = s.read(at, seq)
	}
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	return r, nil
}

func (s *Store) read(at located, seq uint64) (*argus.Record, error) {
	b, err := s.readBlock(at.blockRef, at.segment)
	if err != nil {
		return nil, err
	}
	var hasher argus.Hasher
	r, err := b.record(int(seq-at.first), &hasher)
	if err != nil {
		return nil, err
	}
	r.Seq, r.Delivery = seq, at.delivery
	return r, nil
}

// Whole returns the message as the copy that a record holds says it: of a
// sighting, what the copy states itself together with the content that it shares.
// The error is ErrNotFound for a record that is no message, or none any more.
func (s *Store) Whole(ctx context.Context, seq uint64) (*argus.Message, error) {
	r, err := s.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return s.WholeOf(ctx, r)
}

// WholeOf is Whole for a record that the caller has already.
func (s *Store) WholeOf(ctx context.Context, r *argus.Record) (*argus.Message, error) {
	switch {
	case r.Message == nil:
		return nil, fmt.Errorf("read the message of record %d: %w: it is of kind %s", r.Seq, argus.ErrNotFound, r.Kind)
	case r.Kind != argus.KindSighting:
		return r.Message, nil
	}
	of, err := s.Get(ctx, r.Of)
	var said *argus.Message
	switch {
	case err == nil && of.Kind == argus.KindMessage && of.Gone == 0 && of.Version == r.Version:
		said = of.Message
	case err == nil && of.Gone&argus.GoneStatement != 0:
		said, err = s.said(r.Of)
	case err == nil || errors.Is(err, argus.ErrNotFound):
		err = fmt.Errorf("%w: it does not hold the message", argus.ErrDamaged)
	}
	if err != nil {
		return nil, fmt.Errorf("read the content of record %d in record %d: %w", r.Seq, r.Of, err)
	}
	return r.Message.Join(said), nil
}

// recentAt returns a record that is still decoded in memory. The caller holds mu.
func (s *Store) recentAt(seq uint64) *argus.Record {
	if len(s.recent) == 0 || seq < s.recent[0].Seq || seq > s.last {
		return nil
	}
	return s.recent[seq-s.recent[0].Seq]
}

// commitment returns the hash of the content of a message record, which its
// sightings state.
func (s *Store) commitment(seq uint64) (argus.Hash, error) {
	s.mu.RLock()
	if s.recentAt(seq) != nil {
		defer s.mu.RUnlock()
		return s.contents[seq-s.recent[0].Seq], nil
	}
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if err != nil {
		return argus.Hash{}, err
	}
	defer at.release()
	b, err := s.readBlock(at.blockRef, at.segment)
	if err != nil {
		return argus.Hash{}, err
	}
	i := int(seq - at.first)
	if kind := b.kind(i); kind != argus.KindMessage {
		return argus.Hash{}, fmt.Errorf("%w: it is of kind %s", argus.ErrDamaged, kind)
	}
	return b.content(i), nil
}

// said returns a message with nothing but the content of a record whose statement
// may be gone.
func (s *Store) said(seq uint64) (*argus.Message, error) {
	s.mu.RLock()
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	defer at.release()
	b, err := s.readBlock(at.blockRef, at.segment)
	if err != nil {
		return nil, err
	}
	i := int(seq - at.first)
	if kind := b.kind(i); kind != argus.KindMessage || b.entries != nil && b.entries[i].gone&argus.GoneContent != 0 {
		return nil, fmt.Errorf("%w: a record of kind %s without a content", argus.ErrDamaged, kind)
	}
	var c content
	err = decodeContent(b.contents[i], &c)
	return &argus.Message{Text: c.Text, Facts: c.Facts, Attachments: c.Attachments, Locked: c.Locked}, err
}

// located is a block with its segment, which whoever was given it lets go of.
type located struct {
	blockRef
	segment *segment
}

func (l *located) release() { _ = l.segment.release() } // it was only read

// locate returns a record's block. The caller holds mu.
func (s *Store) locate(seq uint64) (located, error) {
	i, err := s.blockOf(seq)
	if err != nil {
		return located{}, err
	}
	return s.hold(i), nil
}

// hold returns block i. The caller holds mu.
func (s *Store) hold(i int) located {
	ref := s.blocks[i]
	seg := s.segments[ref.segment-1]
	seg.hold()
	return located{ref, seg}
}

// blockOf returns the place of a record's block. The caller holds mu.
func (s *Store) blockOf(seq uint64) (int, error) {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].end() > seq })
	switch {
	case i < len(s.blocks) && s.blocks[i].first <= seq && seq > 0:
		return i, nil
	case s.damage != nil && seq > 0 && (seq <= s.promised || i < len(s.blocks)):
		return 0, s.damage
	}
	return 0, argus.ErrNotFound
}

// readBlock returns a block, whose segment the caller holds.
func (s *Store) readBlock(ref blockRef, seg *segment) (*block, error) {
	key := cacheKey{seg, ref.first}
	if b := s.cache.get(key); b != nil {
		return b, nil
	}
	b, err := s.readBlockAt(ref, seg)
	if err != nil {
		return nil, fmt.Errorf("%s at offset %d, records %d to %d of delivery %s: %w",
			seg.name, ref.offset, ref.first, ref.end()-1, ref.delivery, err)
	}
	s.cache.put(key, b)
	return b, nil
}

func (s *Store) readBlockAt(ref blockRef, f io.ReaderAt) (*block, error) {
	// One read brings most blocks whole.
	buf := make([]byte, 32<<10)
	n, err := f.ReadAt(buf, int64(ref.offset))
	if n < blockHeader {
		return nil, errors.Join(err, argus.ErrDamaged)
	}
	h, err := headOf(ref, buf)
	if err != nil {
		return nil, err
	}
	body := buf[blockHeader:n]
	if h.body() > int64(len(body)) {
		body = make([]byte, h.body())
		if _, err := f.ReadAt(body, int64(ref.offset)+blockHeader); err != nil {
			return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
		}
	}
	return s.codec.openBlock(&h, body[:h.body()])
}

// headOf reads the header of a block that the table of blocks names.
func headOf(ref blockRef, b []byte) (blockHead, error) {
	h, err := parseBlockHead(b)
	if err == nil && (h.first != ref.first || h.count != ref.count || h.delivery != ref.delivery || h.leaf != ref.leaf) {
		err = fmt.Errorf("%w: the block is not the one that the table of blocks names", argus.ErrDamaged)
	}
	return h, err
}

// From yields the records from seq to the last one there is when it gets
// there, in order. An error ends it.
func (s *Store) From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error] {
	return s.records(ctx, max(seq, 1), 0)
}

// Records yields the records of one delivery in order.
func (s *Store) Records(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	return s.records(ctx, 1, d)
}

func (s *Store) records(ctx context.Context, seq uint64, only argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	return func(yield func(*argus.Record, error) bool) {
		for {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			batch, err := s.next(seq, only)
			if err != nil {
				yield(nil, fmt.Errorf("read record %d: %w", seq, err))
				return
			}
			if len(batch) == 0 {
				return
			}
			for _, r := range batch {
				if only != 0 && r.Delivery != only {
					continue
				}
				if !yield(r, nil) {
					return
				}
			}
			seq = batch[len(batch)-1].Seq + 1
		}
	}
}

// next returns the records that follow, a block or a piece of the recent ones,
// from seq on; blocks of other deliveries than only are skipped.
func (s *Store) next(seq uint64, only argus.DeliveryNumber) ([]*argus.Record, error) {
	s.mu.RLock()
	if s.recentAt(seq) != nil {
		defer s.mu.RUnlock()
		rest := s.recent[seq-s.recent[0].Seq:]
		return rest[:min(len(rest), 4096)], nil
	}
	at, ok, err := s.locateNext(seq, only)
	s.mu.RUnlock()
	if err != nil || !ok {
		return nil, err
	}
	defer at.release()
	b, err := s.readBlock(at.blockRef, at.segment)
	if err != nil {
		return nil, err
	}
	var hasher argus.Hasher
	batch := make([]*argus.Record, 0, len(b.statements))
	for i := max(seq, at.first) - at.first; i < uint64(len(b.statements)); i++ {
		r, err := b.record(int(i), &hasher)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", at.first+i, err)
		}
		r.Seq, r.Delivery = at.first+i, at.delivery
		batch = append(batch, r)
	}
	return batch, nil
}

// locateNext returns the block of a record, or the next one of a delivery. The
// caller holds mu.
func (s *Store) locateNext(seq uint64, only argus.DeliveryNumber) (at located, ok bool, err error) {
	i, err := s.blockOf(seq)
	if errors.Is(err, argus.ErrNotFound) {
		return at, false, nil
	}
	if err != nil {
		return at, false, err
	}
	for only != 0 && s.blocks[i].delivery != only {
		if i++; i == len(s.blocks) {
			if s.last < s.promised {
				return at, false, s.damage
			}
			return at, false, nil
		}
		if s.blocks[i].first != s.blocks[i-1].end() {
			return at, false, s.damage // what is missing may be of this delivery
		}
	}
	return s.hold(i), true, nil
}

// Content is what a message record, or one of kind opened, says, without who said it.
type Content struct {
	Seq         uint64
	Text        string
	Facts       *argus.Facts
	Attachments []argus.Attachment
	Locked      *argus.Locked
}

// Contents yields the contents of messages from record seq on, in order, and reads
// nothing else of them: half of what From reads. Sightings have none of their own.
// An error ends it.
func (s *Store) Contents(ctx context.Context, seq uint64) iter.Seq2[Content, error] {
	return func(yield func(Content, error) bool) {
		seq = max(seq, 1)
		for {
			ref, said, err := s.nextContents(ctx, seq)
			if err != nil {
				yield(Content{}, fmt.Errorf("read the contents from record %d on: %w", seq, err))
				return
			}
			for i, data := range said {
				if at := ref.first + uint64(i); at < seq || len(data) == 0 {
					continue // it has none, or none any more
				}
				var c content
				if err := decodeContent(data, &c); err != nil {
					yield(Content{}, fmt.Errorf("read the content of record %d: %w", ref.first+uint64(i), err))
					return
				}
				if len(c.Raw) > 0 || len(c.Sealed) > 0 {
					continue // a quarantined piece, a sealed message
				}
				if !yield(Content{ref.first + uint64(i), c.Text, c.Facts, c.Attachments, c.Locked}, nil) {
					return
				}
			}
			if ref.count == 0 {
				return
			}
			seq = ref.end()
		}
	}
}

// nextContents reads the contents of the block of a record; the block has no
// records if there is none.
func (s *Store) nextContents(ctx context.Context, seq uint64) (ref blockRef, said [][]byte, err error) {
	if err := ctx.Err(); err != nil {
		return ref, nil, err
	}
	s.mu.RLock()
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if errors.Is(err, argus.ErrNotFound) {
		return ref, nil, nil
	}
	if err != nil {
		return ref, nil, err
	}
	defer at.release()
	if b := s.cache.get(cacheKey{at.segment, at.first}); b != nil {
		return at.blockRef, b.clear(), nil
	}
	head := make([]byte, blockHeader)
	if _, err := at.segment.ReadAt(head, int64(at.offset)); err != nil {
		return ref, nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	h, err := headOf(at.blockRef, head)
	if err != nil {
		return ref, nil, err
	}
	if h.flags&flagRewritten != 0 {
		b, err := s.readBlock(at.blockRef, at.segment)
		if err != nil {
			return ref, nil, err
		}
		return at.blockRef, b.clear(), nil
	}
	data := make([]byte, h.contents.length)
	if _, err := at.segment.ReadAt(data, int64(at.offset)+blockHeader+h.split()); err != nil && len(data) > 0 {
		return ref, nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if err := h.checkContents(data); err != nil {
		return ref, nil, err
	}
	said, err = s.codec.openContents(&h, data)
	return at.blockRef, said, err
}

// Find returns every record that carries a message, in order: the message, the
// copies that differ, the sightings. None is no error. An entry that has Met is of
// another message, which its record names.
func (s *Store) Find(id argus.ID) ([]Entry, error) {
	var found []Entry
	err := s.withIDs(func(x *ids) (err error) {
		found, err = x.find(id)
		return err
	})
	// A writer may have written ids of records that a reader does not see yet.
	last := s.Last()
	return slices.DeleteFunc(found, func(e Entry) bool { return e.Seq > last }), err
}

// FindPrefix returns the ids that begin with the hexadecimal digits, in order,
// up to limit.
func (s *Store) FindPrefix(digits string, limit int) ([]argus.ID, error) {
	from, to, err := prefixRange(digits)
	if err != nil {
		return nil, err
	}
	var found []argus.ID
	err = s.withIDs(func(x *ids) (err error) {
		found, err = x.between(from, to, limit)
		return err
	})
	return found, err
}

// withIDs asks the ids, and once more if an amendment had them opened again.
func (s *Store) withIDs(ask func(*ids) error) error {
	for {
		x, err := s.currentIDs()
		if err == nil {
			err = ask(x)
		}
		if !errors.Is(err, errIDsClosed) {
			return err
		}
	}
}

// forgetIDs has a reader open the ids again: those of records that are gone have
// gone.
func (s *Store) forgetIDs() error {
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	if s.ids == nil {
		return nil
	}
	err := s.ids.close(false)
	s.ids = nil
	return err
}

func prefixRange(digits string) (from, to argus.ID, err error) {
	low, high := []byte("00000000000000000000000000000000"), []byte("ffffffffffffffffffffffffffffffff")
	if len(digits) > len(low) {
		return from, to, fmt.Errorf("parse reference %q: a message has %d digits", digits, len(low))
	}
	copy(low, digits)
	copy(high, digits)
	if err := errors.Join(from.UnmarshalText(bytes.ToLower(low)), to.UnmarshalText(bytes.ToLower(high))); err != nil {
		return from, to, fmt.Errorf("parse reference %q: want hexadecimal digits", digits)
	}
	return from, to, nil
}

// currentIDs returns the ids, up to date with the records. The writer keeps
// them so; a reader catches up here.
func (s *Store) currentIDs() (*ids, error) {
	if s.writer != nil {
		return s.ids, nil
	}
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	if s.ids == nil {
		var err error
		// Another process may replace runs while they are being opened.
		for try := range 5 {
			if s.ids, err = openIDs(s.disk, s.path(idsDir), 1<<30); err == nil || try == 4 {
				break
			}
			if err := s.ids.close(false); err != nil {
				return nil, err
			}
		}
	}
	return s.ids, s.catchUpIDs(s.ids)
}

// catchUpIDs adds the records that the ids have not seen.
func (s *Store) catchUpIDs(x *ids) error {
	var entries []Entry
	for r, err := range s.From(context.Background(), x.memory.last+1) {
		if err != nil {
			return fmt.Errorf("build ids: %w", err)
		}
		if r.Seq%blockRecords == 0 {
			if err := s.opt.Stop(); err != nil {
				return fmt.Errorf("build ids: %w", err)
			}
		}
		entries = slices.AppendSeq(entries, entriesOf(r))
		if len(entries) >= blockRecords {
			if err := x.add(entries, r.Seq); err != nil {
				return err
			}
			entries = entries[:0]
		}
		x.memory.last = r.Seq
	}
	return x.add(entries, x.memory.last)
}

// entriesOf yields the entries of a record: none, or one for its message, and one
// for its own id where that is another.
func entriesOf(r *argus.Record) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		sighting := r.Kind == argus.KindSighting
		if r.Kind != argus.KindMessage && r.Kind != argus.KindSealed && !sighting || !yield(Entry{r.MessageID(), r.Version, r.Seq, sighting, false}) {
			return
		}
		if r.Met != (argus.ID{}) {
			yield(Entry{r.ID, r.Version, r.Seq, sighting, true})
		}
	}
}

// blockCache keeps the newest used blocks, decompressed, up to a limit.
type blockCache struct {
	mu    sync.Mutex
	limit int64
	size  int64
	items map[cacheKey]*list.Element
	order list.List // newest used in front
}

// cacheKey names a block of one file by its first record.
type cacheKey struct {
	segment *segment
	first   uint64
}

type cachedBlock struct {
	key   cacheKey
	block *block
	size  int64
}

func (c *blockCache) get(key cacheKey) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).block
}

func (c *blockCache) put(key cacheKey, b *block) {
	size := b.size()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil {
		c.items = map[cacheKey]*list.Element{}
	}
	if _, ok := c.items[key]; ok {
		return
	}
	c.items[key] = c.order.PushFront(&cachedBlock{key, b, size})
	c.size += size
	for c.size > c.limit && c.order.Len() > 1 {
		old := c.order.Remove(c.order.Back()).(*cachedBlock)
		delete(c.items, old.key)
		c.size -= old.size
	}
}

func (c *blockCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items, c.size = nil, 0
	c.order.Init()
}

// drop forgets the blocks of a file.
func (c *blockCache) drop(seg *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.items {
		if key.segment == seg {
			c.size -= c.order.Remove(e).(*cachedBlock).size
			delete(c.items, key)
		}
	}
}
