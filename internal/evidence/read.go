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
)

// Get returns a record. The error is ErrNotFound for a number that was never
// given, ErrDamaged for one whose bytes are not what was written.
func (s *Store) Get(ctx context.Context, seq uint64) (*argus.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := s.recentAt(seq); r != nil {
		return r, nil
	}
	i, err := s.blockOf(seq)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	records, err := s.readBlock(i)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	b := s.blocks[i]
	r, err := decodeRecord(records[seq-b.first])
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	r.Seq, r.Delivery = seq, b.delivery
	return r, nil
}

// recentAt returns a record that is still decoded in memory. The caller holds mu.
func (s *Store) recentAt(seq uint64) *argus.Record {
	if len(s.recent) == 0 || seq < s.recent[0].Seq || seq > s.last {
		return nil
	}
	return s.recent[seq-s.recent[0].Seq]
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

// readBlock returns the bytes of a block's records. The caller holds mu.
func (s *Store) readBlock(i int) ([][]byte, error) {
	b := s.blocks[i]
	if records := s.cache.get(b.first); records != nil {
		return records, nil
	}
	records, err := s.readBlockAt(b)
	if err != nil {
		return nil, fmt.Errorf("%s at offset %d, records %d to %d of delivery %s: %w",
			segmentName(int(b.segment)), b.offset, b.first, b.end()-1, b.delivery, err)
	}
	s.cache.put(b.first, records)
	return records, nil
}

func (s *Store) readBlockAt(b blockRef) ([][]byte, error) {
	f := s.segments[b.segment-1].f
	// One read brings most blocks whole.
	buf := make([]byte, 32<<10)
	n, err := f.ReadAt(buf, int64(b.offset))
	if n < blockHeader {
		return nil, errors.Join(err, argus.ErrDamaged)
	}
	h, err := parseBlockHead(buf[:blockHeader])
	if err != nil {
		return nil, err
	}
	if h.first != b.first || h.count != b.count || h.delivery != b.delivery || h.leaf != b.leaf {
		return nil, fmt.Errorf("%w: the block is not the one that the table of blocks names", argus.ErrDamaged)
	}
	payload := buf[blockHeader:n]
	if int(h.length) > len(payload) {
		payload = make([]byte, h.length)
		if _, err := f.ReadAt(payload, int64(b.offset)+blockHeader); err != nil {
			return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
		}
	}
	return s.codec.openBlock(&h, payload[:h.length])
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
	defer s.mu.RUnlock()
	if s.recentAt(seq) != nil {
		rest := s.recent[seq-s.recent[0].Seq:]
		return rest[:min(len(rest), 4096)], nil
	}
	i, err := s.blockOf(seq)
	if errors.Is(err, argus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for only != 0 && s.blocks[i].delivery != only {
		if i++; i == len(s.blocks) {
			return nil, nil
		}
		if s.blocks[i].first != s.blocks[i-1].end() {
			return nil, s.damage // what is missing may be of this delivery
		}
		seq = s.blocks[i].first
	}
	b := s.blocks[i]
	raw, err := s.readBlock(i)
	if err != nil {
		return nil, err
	}
	batch := make([]*argus.Record, 0, len(raw))
	for j := seq - b.first; j < uint64(len(raw)); j++ {
		r, err := decodeRecord(raw[j])
		if err != nil {
			return nil, err
		}
		r.Seq, r.Delivery = b.first+j, b.delivery
		batch = append(batch, r)
	}
	return batch, nil
}

// Find returns every record that carries a message, in order: the message, the
// copies that differ, the sightings. None is no error. An entry that has Met is of
// another message, which its record names.
func (s *Store) Find(id argus.ID) ([]Entry, error) {
	x, err := s.currentIDs()
	if err != nil {
		return nil, err
	}
	found, err := x.find(id)
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
	x, err := s.currentIDs()
	if err != nil {
		return nil, err
	}
	return x.between(from, to, limit)
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
		if r.Kind != argus.KindMessage && !sighting || !yield(Entry{r.MessageID(), r.Version, r.Seq, sighting, false}) {
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
	items map[uint64]*list.Element // by first record
	order list.List                // newest used in front
}

type cachedBlock struct {
	first   uint64
	records [][]byte
	size    int64
}

func (c *blockCache) get(first uint64) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[first]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).records
}

func (c *blockCache) put(first uint64, records [][]byte) {
	size := int64(len(records)) * 24
	for _, r := range records {
		size += int64(len(r))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil {
		c.items = map[uint64]*list.Element{}
	}
	if _, ok := c.items[first]; ok {
		return
	}
	c.items[first] = c.order.PushFront(&cachedBlock{first, records, size})
	c.size += size
	for c.size > c.limit && c.order.Len() > 1 {
		old := c.order.Remove(c.order.Back()).(*cachedBlock)
		delete(c.items, old.first)
		c.size -= old.size
	}
}

func (c *blockCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items, c.size = nil, 0
	c.order.Init()
}
