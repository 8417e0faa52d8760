// Package follow feeds the evidence, in order, to whatever is derived from it.
//
// A follower stores its position with its own data. After a crash it continues from
// there, and sees every record exactly once. It can be deleted and rebuilt from
// position 0, and must then be equal.
package follow

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/argus-evidence/argus"
)

// Source is the evidence, read in order.
type Source interface {
	// Last returns the sequence number of the last durable record, 0 if there is none.
	Last() uint64
	// From yields the records from seq to Last, in order and without a gap,
	// until the first error.
	From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error]
}

// Follower is derived from the evidence.
type Follower interface {
	// Position returns the last record that a crash would not undo.
	Position() uint64
	// Add takes the records after the last one added. It may keep the records, but not
	// the slice.
	Add(ctx context.Context, records []*argus.Record) error
	// Flush moves Position to the last record added.
	Flush(ctx context.Context) error
}

// Options of a run. The zero value works.
type Options struct {
	// Batch is the maximum number of records in one Add. Default 1,000.
	Batch int
	// FlushEvery is the minimum time between two flushes, and approximately the maximum
	// time that a record waits for a flush. Default 500 ms.
	FlushEvery time.Duration
	// BulkRecords is the number of records within FlushEvery that count as a bulk, such
	// as an archive. They wait up to BulkEvery, so that the follower writes fewer and
	// larger pieces. Default 8,192.
	BulkRecords int
	// BulkEvery replaces FlushEvery for a bulk. Default 5 s.
	BulkEvery time.Duration
	// FlushRecords is the maximum number of records between two flushes, at any speed.
	// Default 1,000,000.
	FlushRecords int
	// Poll is the interval at which Last is checked if there are no notifications.
	// Default 250 ms.
	Poll time.Duration
}

// A run feeds one follower from the source. It begins where the follower's data ends.
type run struct {
	source   Source
	follower Follower
	options  Options
	progress func(position, last uint64)

	position uint64 // last record added
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

// CatchUp feeds the follower until it has every record of the source. If progress is not
// nil, it gets the position after each batch. CatchUp flushes the follower after every
// million records and at the end. It returns the first error, which names the record.
func CatchUp(ctx context.Context, source Source, follower Follower, progress func(position, last uint64)) error {
	r := newRun(source, follower, Options{FlushEvery: 1 << 62}, progress)
	for r.position < source.Last() {
		if err := r.feed(ctx); err != nil {
			return err
		}
	}
	if r.position > source.Last() {
		return fmt.Errorf("follow the evidence: the follower is at record %d, but the evidence ends at %d; rebuild the follower",
			r.position, source.Last())
	}
	return r.flush(ctx)
}

// Run follows the source until ctx ends or an error occurs, and returns the error, which
// names the record unless it is that of ctx. It looks for more records when notify
// yields, or from time to time if notify is nil. Records that were not flushed when Run
// returned are fed again by the next run.
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
				continue // more records may have arrived meanwhile
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

// sleep waits until notify yields, the time is over, or ctx ends. If wait is negative,
// there is no time limit.
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

// feed gives the follower the records that the source has now.
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
			return fmt.Errorf("follow the evidence: got record %d, want %d", record.Seq, next)
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

// add gives the batch to the follower, and flushes the follower if it is time.
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

// untilFlush returns the time that the pending records may still wait.
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
