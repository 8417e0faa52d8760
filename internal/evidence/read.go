package evidence

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
)

// Get returns a record. The error is ErrNotFound for a number that was never assigned,
// ErrDamaged if the record's bytes have changed, and ErrNewer if this version would have
// to understand the record but does not.
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
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return nil, err
	}
	var hasher argus.Hasher
	r, err := b.Record(int(seq-at.First), &hasher)
	if err != nil {
		return nil, err
	}
	r.Seq, r.Delivery = seq, at.Delivery
	return r, nil
}

// Whole returns the message as in the copy that a record holds: for a sighting, its own
// statement together with the content that it shares. The error is ErrNotFound for a
// record that is not, or is no longer, a message.
func (s *Store) Whole(ctx context.Context, seq uint64) (*argus.Message, error) {
	r, err := s.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return s.WholeOf(ctx, r)
}

// WholeOf is Whole for a record that the caller already has.
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
		return nil, fmt.Errorf("read the content of record %d from record %d: %w", r.Seq, r.Of, err)
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

// commitment returns the hash of the content of a message record; the record's sightings
// state this hash.
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
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return argus.Hash{}, err
	}
	i := int(seq - at.First)
	if kind := b.Kind(i); kind != argus.KindMessage {
		return argus.Hash{}, fmt.Errorf("%w: it is of kind %s", argus.ErrDamaged, kind)
	}
	return b.Commitment(i), nil
}

// said returns a message with only the content of a record. The record's statement may be
// gone.
func (s *Store) said(seq uint64) (*argus.Message, error) {
	s.mu.RLock()
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	defer at.release()
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return nil, err
	}
	i := int(seq - at.First)
	if kind := b.Kind(i); kind != argus.KindMessage || b.Gone(i)&argus.GoneContent != 0 {
		return nil, fmt.Errorf("%w: a record of kind %s without content", argus.ErrDamaged, kind)
	}
	var c form.Content
	err = form.DecodeContent(b.Contents()[i], &c)
	return &argus.Message{Text: c.Text, Facts: c.Facts, Attachments: c.Attachments, Locked: c.Locked}, err
}

// located is a block and its segment. Whoever receives it must release the segment.
type located struct {
	form.Ref
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
	seg := s.segments[ref.Segment-1]
	seg.hold()
	return located{ref, seg}
}

// blockOf returns the index of a record's block. The caller holds mu.
func (s *Store) blockOf(seq uint64) (int, error) {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].End() > seq })
	switch {
	case i < len(s.blocks) && s.blocks[i].First <= seq && seq > 0:
		return i, nil
	case s.damage != nil && seq > 0 && (seq <= s.promised || i < len(s.blocks)):
		return 0, s.damage
	}
	return 0, argus.ErrNotFound
}

// readBlock returns a block. The caller holds its segment.
func (s *Store) readBlock(ref form.Ref, seg *segment) (*form.Block, error) {
	key := cacheKey{seg, ref.First}
	if b := s.cache.get(key); b != nil {
		return b, nil
	}
	b, err := s.codec.Read(seg, ref)
	if err != nil {
		return nil, fmt.Errorf("%s at offset %d, records %d to %d of delivery %s: %w",
			seg.name, ref.Offset, ref.First, ref.End()-1, ref.Delivery, err)
	}
	s.cache.put(key, b)
	return b, nil
}

// From yields the records from seq on in order, including those that are added in the meantime.
// It ends at the first error.
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

// next returns some records from seq on: those of a block, or part of the recent ones. If
// only is set, it skips the blocks of other deliveries.
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
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return nil, err
	}
	var hasher argus.Hasher
	batch := make([]*argus.Record, 0, b.Len())
	for i := max(seq, at.First) - at.First; i < uint64(b.Len()); i++ {
		r, err := b.Record(int(i), &hasher)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", at.First+i, err)
		}
		r.Seq, r.Delivery = at.First+i, at.Delivery
		batch = append(batch, r)
	}
	return batch, nil
}

// locateNext returns the block of a record, or the next block of a delivery. The caller
// holds mu.
func (s *Store) locateNext(seq uint64, only argus.DeliveryNumber) (at located, ok bool, err error) {
	i, err := s.blockOf(seq)
	if errors.Is(err, argus.ErrNotFound) {
		return at, false, nil
	}
	if err != nil {
		return at, false, err
	}
	for only != 0 && s.blocks[i].Delivery != only {
		if i++; i == len(s.blocks) {
			if s.last < s.promised {
				return at, false, s.damage
			}
			return at, false, nil
		}
		if s.blocks[i].First != s.blocks[i-1].End() {
			return at, false, s.damage // the missing records may belong to this delivery
		}
	}
	return s.hold(i), true, nil
}

// Content is the content of a message record, or of a record of kind opened.
type Content struct {
	Seq         uint64
	Text        string
	Facts       *argus.Facts
	Attachments []argus.Attachment
	Locked      *argus.Locked
}

// Contents yields the contents of messages from record seq on, in order. It reads only the
// contents, about half of the bytes that From reads. Sightings have no content of their own. It
// ends at the first error.
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
				if at := ref.First + uint64(i); at < seq || len(data) == 0 {
					continue // it has no content, or no longer any
				}
				var c form.Content
				if err := form.DecodeContent(data, &c); err != nil {
					yield(Content{}, fmt.Errorf("read the content of record %d: %w", ref.First+uint64(i), err))
					return
				}
				if len(c.Raw) > 0 || len(c.Sealed) > 0 {
					continue // a quarantined piece, a sealed message
				}
				if !yield(Content{ref.First + uint64(i), c.Text, c.Facts, c.Attachments, c.Locked}, nil) {
					return
				}
			}
			if ref.Count == 0 {
				return
			}
			seq = ref.End()
		}
	}
}

// nextContents reads the contents of the block that holds a record; if there is none, the
// returned block has no records.
func (s *Store) nextContents(ctx context.Context, seq uint64) (ref form.Ref, said [][]byte, err error) {
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
	if b := s.cache.get(cacheKey{at.segment, at.First}); b != nil {
		return at.Ref, b.Contents(), nil
	}
	head := make([]byte, form.HeadSize)
	if _, err := at.segment.ReadAt(head, int64(at.Offset)); err != nil {
		return ref, nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	h, err := at.Head(head)
	if err != nil {
		return ref, nil, err
	}
	if h.Rewritten() {
		b, err := s.readBlock(at.Ref, at.segment)
		if err != nil {
			return ref, nil, err
		}
		return at.Ref, b.Contents(), nil
	}
	said, err = s.codec.ReadContents(at.segment, int64(at.Offset), &h)
	return at.Ref, said, err
}

// Entry names a record that carries a message.
type Entry = ids.Entry

// Find returns every record that carries a message, in order: the message, the copies
// that differ, the sightings. It is not an error if there are none. An entry with Met set
// belongs to another message, named in its record.
func (s *Store) Find(id argus.ID) ([]Entry, error) {
	var found []Entry
	err := s.withIDs(func(x *ids.Set) (err error) {
		found, err = x.Find(id)
		return err
	})
	// A writer may have written the ids of records that a reader does not see yet.
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
	err = s.withIDs(func(x *ids.Set) (err error) {
		found, err = x.Between(from, to, limit)
		return err
	})
	return found, err
}

// withIDs calls ask with the ids, and calls it again if an amendment has forced the ids
// to be reopened.
func (s *Store) withIDs(ask func(*ids.Set) error) error {
	for {
		x, err := s.currentIDs()
		if err == nil {
			err = ask(x)
		}
		if !errors.Is(err, ids.ErrClosed) {
			return err
		}
	}
}

// forgetIDs makes a reader reopen the ids, because an amendment has removed some.
func (s *Store) forgetIDs() error {
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	if s.ids == nil {
		return nil
	}
	err := s.ids.Close(false)
	s.ids = nil
	return err
}

func prefixRange(digits string) (from, to argus.ID, err error) {
	low, high := []byte("00000000000000000000000000000000"), []byte("ffffffffffffffffffffffffffffffff")
	if len(digits) > len(low) {
		return from, to, fmt.Errorf("parse reference %q: a message reference has %d digits", digits, len(low))
	}
	copy(low, digits)
	copy(high, digits)
	if err := errors.Join(from.UnmarshalText(bytes.ToLower(low)), to.UnmarshalText(bytes.ToLower(high))); err != nil {
		return from, to, fmt.Errorf("parse reference %q: it is not a hexadecimal number", digits)
	}
	return from, to, nil
}

// currentIDs returns the ids, up to date with the records. The writer keeps them up to
// date; a reader catches up here.
func (s *Store) currentIDs() (*ids.Set, error) {
	if s.writer != nil {
		return s.ids, nil
	}
	s.idsMu.Lock()
	defer s.idsMu.Unlock()
	if s.ids == nil {
		var err error
		// Another process may replace runs while they are being opened.
		for try := range 5 {
			if s.ids, err = ids.Open(s.disk, s.path(idsDir), 1<<30); err == nil || try == 4 {
				break
			}
			if err := s.ids.Close(false); err != nil {
				return nil, err
			}
		}
	}
	return s.ids, s.catchUpIDs(s.ids)
}

// catchUpIDs adds the records that the ids have not seen.
func (s *Store) catchUpIDs(x *ids.Set) error {
	const together = 64 // entries added at a time
	var entries []Entry
	last := x.Last()
	for r, err := range s.From(context.Background(), last+1) {
		if err != nil {
			return fmt.Errorf("build ids: %w", err)
		}
		if r.Seq%together == 0 {
			if err := s.opt.Stop(); err != nil {
				return fmt.Errorf("build ids: %w", err)
			}
		}
		last = r.Seq
		entries = slices.AppendSeq(entries, ids.Of(r))
		if len(entries) >= together {
			if err := x.Add(entries, last); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	return x.Add(entries, last)
}

// blockCache keeps the most recently used blocks, decompressed, up to a limit.
type blockCache struct {
	mu    sync.Mutex
	limit int64
	size  int64
	items map[cacheKey]*list.Element
	order list.List // most recently used first
}

// cacheKey identifies a block of one file by its first record.
type cacheKey struct {
	segment *segment
	first   uint64
}

type cachedBlock struct {
	key   cacheKey
	block *form.Block
	size  int64
}

func (c *blockCache) get(key cacheKey) *form.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).block
}

func (c *blockCache) put(key cacheKey, b *form.Block) {
	size := b.Size()
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

// drop removes the blocks of a file.
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
