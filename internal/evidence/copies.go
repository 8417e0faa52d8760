package evidence

import (
	"context"

	"github.com/argus-evidence/argus"
)

// Copies implements the evidence interface of an index.
type Copies struct{ *Current }

// Whole returns the record of a copy with the complete message of that copy.
func (c Copies) Whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := c.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return c.Fill(ctx, r)
}

// Fill is like [Copies.Whole], but for a record that has already been read.
func (c Copies) Fill(ctx context.Context, r *argus.Record) (_ *argus.Record, err error) {
	if r.Kind != argus.KindSighting {
		return r, nil
	}
	whole := *r
	whole.Message, err = c.WholeOf(ctx, r)
	return &whole, err
}

// Copies returns, in order, the numbers of the records that carry the message first
// stored with the given id.
func (c Copies) Copies(_ context.Context, id argus.ID) (seqs []uint64, err error) {
	entries, err := c.Find(id)
	for _, e := range entries {
		if !e.Met { // otherwise it belongs to another message
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs, err
}
