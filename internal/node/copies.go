package node

import (
	"context"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
)

// Copies gives an index the evidence as it needs it.
type Copies struct{ *evidence.Current }

// Whole implements [index.Evidence].
func (c Copies) Whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := c.Get(ctx, seq)
	if err != nil {
		return nil, err
	}
	return c.wholeOf(ctx, r)
}

func (c Copies) wholeOf(ctx context.Context, r *argus.Record) (_ *argus.Record, err error) {
	if r.Kind != argus.KindSighting {
		return r, nil
	}
	whole := *r
	whole.Message, err = c.WholeOf(ctx, r)
	return &whole, err
}

// Copies implements [index.Evidence].
func (c Copies) Copies(_ context.Context, id argus.ID) (seqs []uint64, err error) {
	entries, err := c.Find(id)
	for _, e := range entries {
		if !e.Met { // else it is of another message
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs, err
}
