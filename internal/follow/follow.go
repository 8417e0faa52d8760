// Package follow feeds the evidence, in order, to whatever is derived from it.
//
// A follower keeps the position up to which it has followed together with its
// own data, so that after a crash it goes on where it was, and sees no record
// twice and none not at all. It can be thrown away and rebuilt from position 0,
// and must then be equal.
package follow

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/argus-evidence/argus"
)

// Source is the evidence, as far as it is read in order.
type Source interface {
	// Last is the sequence number of the last durable record, 0 for none.
	Last() uint64
	// From yields the records from seq to Last, in order and without a gap,
	// until the first error.
	From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error]
}

// Follower is derived from the evidence.
type Follower interface {
	// Position is the last record that a crash would not undo.
	Position() uint64
	// Add takes the records that follow the last one added. It may keep the
	// records, and not the slice.
	Add(ctx context.Context, records []*argus.Record) error
	// Flush moves Position to the last record added.
	Flush(ctx context.Context) error
}

// Options of a run. The zero value works.
type Options struct {
	// Batch is the most records of one Add. Default 1,000.
	Batch int
	// FlushEvery is the least time between two flushes, and about the longest
	// that a record waits for one. Default 500 ms.
	FlushEvery time.Duration
	// BulkRecords is how many records within FlushEvery make a bulk, such as an
	// archive that is read: they wait up to BulkEvery, so that the follower
	// writes fewer and larger pieces. Default 8,192.
	BulkRecords int
	// BulkEvery is FlushEvery of a bulk. Default 5 s.
	BulkEvery time.Duration
	// FlushRecords flushes after so many records, however fast they come.
	// Default 1,000,000.
	FlushRecords int
	// Poll is how often Last is asked when nobody notifies. Default 250 ms.
	Poll time.Duration
}

// A run is one follower on its way through the source. It begins where the
// follower's data ends.
type run struct {
	source   Source
	follower Follower
	options  Options
	progress func(position, last uint64)

	position uint64 // of what was added
	pending  int    // records added since the last flush
	flushed  time.Time
	batch    []*argus.Record
}

func newRun(source Source, follower Follower, o Options, progress func(position, last uint64)) *run {
	o.Batch = cmp.Or(o.Batch, 1000)
	o.FlushEvery = cmp.Or(o.FlushEvery, 500*time.Millisecond)
	o.BulkRecords = cmp.Or(o.BulkRecords, 8192)
	o.BulkEvery = max(cmp.Or(o.BulkEvery, 5*time.Second), o.FlushEvery)
	o.FlushRecords = cmp.Or(o.FlushRecords, 1_000_000)
	o.Poll = cmp.Or(o.Poll, 250*time.Millisecond)
	return &run{source: source, follower: follower, options: o, progress: progress, position: follower.Position()}
}

// CatchUp feeds the follower until it has everything that the source has, and
// flushes it. If progress is not nil, it is told how far the follower is after
// each batch. It flushes after every million records and at the end only, and
// returns the first error, which names the record.
func CatchUp(ctx context.Context, source Source, follower Follower, progress func(position, last uint64)) error {
	r := newRun(source, follower, Options{FlushEvery: 1 << 62}, progress)
	for r.position < source.Last() {
		if err := r.feed(ctx); err != nil {
			return err
		}
	}
	if r.position > source.Last() {
		return fmt.Errorf("follow the evidence: the follower is at record %d, the evidence ends at %d; rebuild the follower",
			r.position, source.Last())
	}
	return r.flush(ctx)
}

// Run follows the source until ctx ends, whose error it then returns, or
// something goes wrong; the error names the record. It looks for more when
// notify gives something, or if notify is nil from time to time. What was not
// flushed when it returns will be fed again by the next run.
func Run(ctx context.Context, source Source, follower Follower, notify <-chan struct{}, o Options) error {
	r := newRun(source, follower, o, nil)
	for {
		if err := r.feed(ctx); err != nil {
			return err
		}
		wait := time.Duration(-1)
		if notify == nil {
			wait = r.options.Poll
		}
		if r.pending > 0 {
			left := r.untilFlush()
			if left <= 0 {
				if err := r.flush(ctx); err != nil {
					return err
				}
				continue // more may have come meanwhile
			}
			if wait < 0 || left < wait {
				wait = left
			}
		}
		if err := sleep(ctx, notify, wait); err != nil {
			return err
		}
	}
}

// sleep waits until notify gives something, the time is over unless it is
// negative, or ctx ends.
func sleep(ctx context.Context, notify <-chan struct{}, wait time.Duration) error {
	var over <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-notify:
	case <-over:
	}
	return nil
}

// feed gives the follower what the source has now.
func (r *run) feed(ctx context.Context) error {
	if r.position >= r.source.Last() {
		return ctx.Err()
	}
	next := r.position + 1
	for record, err := range r.source.From(ctx, next) {
		if err != nil {
			return fmt.Errorf("follow the evidence: read record %d: %w", next, err)
		}
		if record.Seq != next {
			return fmt.Errorf("follow the evidence: record %d came where %d should", record.Seq, next)
		}
		r.batch = append(r.batch, record)
		next++
		if len(r.batch) == r.options.Batch {
			if err := r.add(ctx); err != nil {
				return err
			}
		}
	}
	return r.add(ctx)
}

// add gives the batch to the follower, and flushes it when it is time.
func (r *run) add(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	first, last := r.batch[0].Seq, r.batch[len(r.batch)-1].Seq
	if err := r.follower.Add(ctx, r.batch); err != nil {
		return fmt.Errorf("follow the evidence: add records %d to %d: %w", first, last, err)
	}
	r.pending += len(r.batch)
	r.position = last
	clear(r.batch)
	r.batch = r.batch[:0]
	if r.progress != nil {
		r.progress(r.position, r.source.Last())
	}
	if r.flushed.IsZero() {
		r.flushed = time.Now()
	}
	if r.pending >= r.options.FlushRecords || r.untilFlush() <= 0 {
		return r.flush(ctx)
	}
	return nil
}

// untilFlush is how long the pending records may still wait.
func (r *run) untilFlush() time.Duration {
	wait := r.options.FlushEvery
	if r.pending >= r.options.BulkRecords {
		wait = r.options.BulkEvery
	}
	return wait - time.Since(r.flushed)
}

func (r *run) flush(ctx context.Context) error {
	if err := r.follower.Flush(ctx); err != nil {
		return fmt.Errorf("follow the evidence: flush at record %d: %w", r.position, err)
	}
	r.pending, r.flushed = 0, time.Now()
	return nil
}
