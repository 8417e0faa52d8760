package intake

import (
	"context"

	"github.com/argus-evidence/argus"
)

// batch gathers records and makes them durable in the background, one batch
// while the next one is read.
type batch struct {
	in      *intake
	records []*argus.Record
	bytes   int

	full     chan []*argus.Record
	finished chan struct{}
	running  bool
	err      error // set in the background; may be read after finished
}

func newBatch(in *intake) *batch { return &batch{in: in} }

func (b *batch) add(ctx context.Context, r *argus.Record) error {
	b.records = append(b.records, r)
	b.bytes += r.Size()
	if len(b.records) < b.in.o.BatchRecords && b.bytes < b.in.o.BatchBytes {
		return nil
	}
	return b.send(ctx)
}

func (b *batch) send(ctx context.Context) error {
	if len(b.records) == 0 {
		return nil
	}
	if !b.running {
		b.full, b.finished, b.running = make(chan []*argus.Record, 1), make(chan struct{}), true
		go b.write(ctx)
	}
	records := b.records
	b.records, b.bytes = make([]*argus.Record, 0, len(records)), 0
	select {
	case b.full <- records:
		return nil
	case <-b.finished:
		return b.err
	}
}

// write appends records until the channel closes or an error occurs.
func (b *batch) write(ctx context.Context) {
	defer close(b.finished)
	for records := range b.full {
		if b.err = b.in.o.Pace(ctx); b.err != nil {
			return
		}
		if b.err = b.in.put(ctx, records); b.err != nil {
			return
		}
		for _, r := range records {
			b.in.book.Add(r)
		}
		b.in.advance(func(p *Progress) {
			p.Counts, p.Acknowledged = b.in.book.Counts(), records[len(records)-1].Seq
		})
	}
}

// finish makes all added records durable.
func (b *batch) finish(ctx context.Context) error {
	if err := b.send(ctx); err != nil {
		return err
	}
	return b.stop()
}

// stop ends the background work and returns its error.
func (b *batch) stop() error {
	if !b.running {
		return nil
	}
	b.running = false
	close(b.full)
	<-b.finished
	return b.err
}
