package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
)

// Current is a store as its newest readings show it. If a delivery was read again, the records
// of the newest complete reading replace its own: they appear under its number, and the records
// of older readings appear as records without a kind. The records of a reading that is not
// sealed, or that was given up before its end, also appear without a kind. Openings and
// originals stay as they are.
//
// Only [Current.Know] decides which readings count, so that everything derived from the
// evidence can choose when to switch over. All methods that Current does not redefine
// show the store as it was sealed.
type Current struct {
	*Store

	mu     sync.RWMutex
	looked uint64 // the last record whose opening was looked at
	// reads maps each reading to the delivery that it reads, or to 0 if it names no
	// earlier delivery.
	reads map[argus.DeliveryNumber]argus.DeliveryNumber
	any   atomic.Bool                          // reads is not empty
	seals map[argus.DeliveryNumber]*argus.Seal // of the readings that were loaded

	counts atomic.Pointer[counting]
}

// counting holds the readings that count: the complete ones, up to newest in the order of
// sealing.
type counting struct {
	newest argus.DeliveryNumber
	there  bool                                          // if not set, this process has not seen newest yet
	by     map[argus.DeliveryNumber]argus.DeliveryNumber // the newest reading of each delivery
}

// NewCurrent returns a store as its readings up to [Current.Newest] show it.
func NewCurrent(s *Store) (*Current, error) {
	c := &Current{Store: s, reads: map[argus.DeliveryNumber]argus.DeliveryNumber{}, seals: map[argus.DeliveryNumber]*argus.Seal{}}
	c.counts.Store(&counting{by: map[argus.DeliveryNumber]argus.DeliveryNumber{}})
	newest, err := c.Newest()
	if err == nil {
		err = c.Know(newest)
	}
	return c, err
}

// Newest returns the complete reading that was sealed last, or 0 if there is none.
func (c *Current) Newest() (argus.DeliveryNumber, error) {
	list, err := c.complete()
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[len(list)-1].Delivery, nil
}

// complete returns the seals of the readings that were not given up, in the order of
// sealing.
func (c *Current) complete() (list []*argus.Seal, err error) {
	if err := c.look(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for d, of := range c.reads {
		if of == 0 {
			continue
		}
		seal := c.seals[d]
		if seal == nil {
			if seal, err = c.readSeal(d); errors.Is(err, fs.ErrNotExist) {
				continue
			} else if err != nil {
				return nil, err
			}
			c.seals[d] = seal
		}
		if seal.Incomplete == "" {
			list = append(list, seal)
		}
	}
	slices.SortFunc(list, CompareSeals)
	return list, nil
}

// Know makes the complete readings up to newest count, in the order of sealing.
func (c *Current) Know(newest argus.DeliveryNumber) error {
	if now := c.counts.Load(); now.newest == newest && now.there {
		return nil
	}
	list, err := c.complete()
	if err != nil {
		return err
	}
	end := slices.IndexFunc(list, func(s *argus.Seal) bool { return s.Delivery == newest })
	next := &counting{newest, end >= 0 || newest == 0, map[argus.DeliveryNumber]argus.DeliveryNumber{}}
	for _, seal := range list[:end+1] {
		of, _ := c.readsAgain(seal.Delivery)
		next.by[of] = seal.Delivery
	}
	c.counts.Store(next)
	return nil
}

// Known returns the newest reading that counts, as passed to Know.
func (c *Current) Known() argus.DeliveryNumber { return c.counts.Load().newest }

// Without returns the store without the records of a delivery and of its readings.
func (c *Current) Without(d argus.DeliveryNumber) (*Current, error) {
	without, err := NewCurrent(c.Store)
	if err != nil {
		return nil, err
	}
	without.any.Store(true)
	without.counts.Load().by[d] = 1<<32 - 1 // there is no such reading
	return without, nil
}

// look looks for readings among the new deliveries.
func (c *Current) look() error {
	last := c.Last()
	c.mu.RLock()
	looked := c.looked
	c.mu.RUnlock()
	if looked >= last {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range c.openings(c.looked) {
		first := b.First
		r, err := c.Store.Get(context.Background(), first)
		if err != nil {
			// The seal repeats the opening, so damage to a delivery that is not a reading
			// does not matter here.
			if seal, sealErr := c.readSeal(b.Delivery); sealErr == nil && seal.Opening.Sort != argus.OpeningReading {
				continue
			}
			return fmt.Errorf("look for readings: %w", err)
		}
		if r.Opening == nil || r.Opening.Sort != argus.OpeningReading {
			continue
		}
		of, err := c.Store.Get(context.Background(), first+1)
		if err != nil && !errors.Is(err, argus.ErrNotFound) {
			return fmt.Errorf("look for readings: %w", err)
		}
		c.reads[r.Delivery] = 0
		if err == nil && of.Reading != nil && of.Delivery == r.Delivery && of.Reading.Of < r.Delivery {
			if _, again := c.reads[of.Reading.Of]; !again {
				c.reads[r.Delivery] = of.Reading.Of
			}
		}
		c.any.Store(true)
	}
	c.looked = last
	return nil
}

// openings returns those blocks after record seq that begin a delivery.
func (s *Store) openings(seq uint64) (list []form.Ref) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	from := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].First > seq })
	for _, b := range s.blocks[from:] {
		if b.Leaf == 0 {
			list = append(list, b)
		}
	}
	return list
}

// readsAgain returns the delivery that another delivery reads again, if it is a reading.
func (c *Current) readsAgain(d argus.DeliveryNumber) (of argus.DeliveryNumber, is bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	of, is = c.reads[d]
	return of, is
}

// under returns the number of the delivery under which a delivery's records appear, or 0
// if they do not appear.
func (c *Current) under(d argus.DeliveryNumber) (argus.DeliveryNumber, error) {
	if err := c.look(); err != nil {
		return 0, err
	}
	if !c.any.Load() {
		return d, nil
	}
	by := c.counts.Load().by
	of, is := c.readsAgain(d)
	switch {
	case !is && by[d] == 0:
		return d, nil
	case is && of != 0 && by[of] == d:
		return of, nil
	}
	return 0, nil
}

// read reports whether records of kind k are made by a reader from an original.
func read(k argus.Kind) bool {
	switch k {
	case argus.KindMessage, argus.KindSighting, argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindSealed, argus.KindOpened:
		return true
	case argus.KindOpening, argus.KindOriginal, argus.KindKey, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindDerived,
		argus.KindReading, argus.KindAmendment:
	}
	return false
}

// Show returns a record of the store as it counts.
func (c *Current) Show(r *argus.Record) (*argus.Record, error) {
	under, err := c.under(r.Delivery)
	switch {
	case err != nil:
		return nil, err
	case under == r.Delivery || !read(r.Kind):
		return r, nil
	case under == 0:
		return &argus.Record{Seq: r.Seq, Delivery: r.Delivery}, nil
	}
	shown := *r
	shown.Delivery, shown.ReadIn = under, r.Delivery
	return &shown, nil
}

// Get returns a record as it counts.
func (c *Current) Get(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := c.Store.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return c.Show(r)
}

// Whole is [Store.Whole] for a record that counts; for others the error is ErrNotFound.
func (c *Current) Whole(ctx context.Context, seq uint64) (*argus.Message, error) {
	r, err := c.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	if r.Kind == 0 {
		return nil, fmt.Errorf("read the message of record %d: %w: a newer reading has replaced it", seq, argus.ErrNotFound)
	}
	return c.Store.WholeOf(ctx, r)
}

// From yields the records as they count, each under its own number in the evidence.
func (c *Current) From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error] {
	return c.shown(c.Store.From(ctx, seq))
}

// Records yields the records of a delivery that count: if it was read again, those of the
// newest reading. d is the delivery or any of its readings.
func (c *Current) Records(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	if err := c.look(); err != nil {
		return func(yield func(*argus.Record, error) bool) { yield(nil, err) }
	}
	if of, is := c.readsAgain(d); is {
		d = of
	}
	if by := c.counts.Load().by[d]; by != 0 {
		d = by
	}
	return c.shown(c.Store.Records(ctx, d))
}

func (c *Current) shown(records iter.Seq2[*argus.Record, error]) iter.Seq2[*argus.Record, error] {
	return func(yield func(*argus.Record, error) bool) {
		for r, err := range records {
			if err == nil {
				r, err = c.Show(r)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// AsSealed yields the records of a delivery as it was sealed, ignoring later readings.
func (c *Current) AsSealed(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	return c.Store.Records(ctx, d)
}

// Find is [Store.Find] for the records that count.
func (c *Current) Find(id argus.ID) ([]Entry, error) {
	found, err := c.Store.Find(id)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil || !c.any.Load() {
		return found, err
	}
	var failed error
	found = slices.DeleteFunc(found, func(e Entry) bool {
		d, err := c.deliveryOf(e.Seq)
		if err == nil {
			d, err = c.under(d)
		}
		failed = errors.Join(failed, err)
		return d == 0
	})
	return found, failed
}

// deliveryOf returns the delivery of a record.
func (s *Store) deliveryOf(seq uint64) (argus.DeliveryNumber, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, err := s.blockOf(seq)
	if err != nil {
		return 0, fmt.Errorf("find the delivery of record %d: %w", seq, err)
	}
	return s.blocks[i].Delivery, nil
}

// Deliveries returns all deliveries in the order of their numbers, each with the delivery that
// it reads again or that reads it again.
func (c *Current) Deliveries(ctx context.Context) ([]Delivery, error) {
	list, err := c.Store.Deliveries(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.look(); err != nil {
		return nil, err
	}
	by := c.counts.Load().by
	for i := range list {
		d := &list[i]
		d.Reads, _ = c.readsAgain(d.Number)
		if d.ReadAgain = by[d.Number]; d.Reads != 0 && by[d.Reads] > d.Number {
			d.ReadAgain = by[d.Reads]
		}
	}
	return list, nil
}
