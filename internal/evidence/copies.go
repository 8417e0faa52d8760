package evidence

import (
	"context"

	"github.com/argus-evidence/argus"
)

// Copies gives an index the evidence as it needs it.
type Copies struct{ *Current }

// Whole returns the record of a copy with everything that the copy says.
func (c Copies) Whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := c.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return c.Fill(ctx, r)
}

// Fill is [Copies.Whole] of a record that was read already.
func (c Copies) Fill(ctx context.Context, r *argus.Record) (_ *argus.Record, err error) {
	if r.Kind != argus.KindSighting {
		return r, nil
	}
	whole := *r
	whole.Message, err = c.WholeOf(ctx, r)
	return &whole, err
}

// Copies returns the numbers of the records that carry the message that was first stored
// with an id, in order.
func (c Copies) Copies(_ context.Context, id argus.ID) (seqs []uint64, err error) {
	entries, err := c.Find(id)
	for _, e := range entries {
		if !e.Met { // else it is of another message
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs, err
}
