package evidence

import (
	"context"
	"iter"

	"github.com/argus-evidence/argus"
)

// Opened yields the opened records that count, in order. An order that withdraws or
// destroys an opened record, or its key, removes the record; a later order that releases
// the same record or key restores it. A locked message without an opened record stays
// locked. Opened reads the evidence twice, and holds the orders in memory.
func (s *Store) Opened(ctx context.Context) iter.Seq2[*argus.Record, error] {
	return func(yield func(*argus.Record, error) bool) {
		var orders []*argus.Record
		for r, err := range s.From(ctx, 1) {
			if err != nil {
				yield(nil, err)
				return
			}
			if r.Act != nil {
				orders = append(orders, r)
			}
		}
		counts := func(seq uint64) bool {
			for i := len(orders) - 1; i >= 0; i-- {
				if orders[i].Act.Has(seq) {
					return orders[i].Kind == argus.KindReleased
				}
			}
			return true
		}
		for r, err := range s.From(ctx, 1) {
			if err != nil {
				yield(nil, err)
				return
			}
			if r.Opened != nil && counts(r.Seq) && counts(r.Opened.Key) && !yield(r, nil) {
				return
			}
		}
	}
}
