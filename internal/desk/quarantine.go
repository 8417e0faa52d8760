package desk

import (
	"cmp"
	"context"
	"fmt"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Piece is a piece of a file that a reader could not understand. It has a place, a
// reason, and its beginning as Raw.
type Piece struct {
	Sighting
	Reason string `json:"reason"`
}

// MostPieces is the maximum number of pieces that Quarantine returns at once.
const MostPieces = 1000

// Quarantine returns quarantined pieces of a delivery in order, beginning after the
// record numbered after. It returns at most limit of them (default 50). A piece is not a
// message and is in no scope: an asker who may not see the whole delivery sees none of
// them. For a delivery that was read again, the pieces are those of the newest reading.
func (d *Desk) Quarantine(ctx context.Context, who Who, n argus.DeliveryNumber, after uint64, limit int) ([]Piece, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.Quarantined, Subject: n.String()}, func(p *Permit) ([]Piece, error) { return p.Quarantine(ctx, n, after, limit) })
}

// Quarantine does the same as [Desk.Quarantine].
func (p *Permit) Quarantine(ctx context.Context, n argus.DeliveryNumber, after uint64, limit int) ([]Piece, error) {
	return within(p, func() ([]Piece, error) { return p.quarantine(ctx, n, after, count(limit, 50, MostPieces)) })
}

func (p *Permit) quarantine(ctx context.Context, n argus.DeliveryNumber, after uint64, limit int) (pieces []Piece, err error) {
	all, err := p.desk.deliveries(ctx)
	if err != nil {
		return nil, err
	}
	whole, known := p.whole(n), false
	for _, delivery := range all {
		if delivery.Number == n {
			whole, known = p.whole(cmp.Or(delivery.Reads, n)), true
		}
	}
	if !whole || !known {
		return nil, fmt.Errorf("delivery %s: %w", n, argus.ErrNotFound)
	}
	for r, err := range p.desk.parts.Evidence.Records(ctx, n) {
		if err != nil {
			return nil, err
		}
		if r.Kind != argus.KindQuarantined || r.Seq <= after {
			continue
		}
		if len(pieces) == limit {
			break
		}
		at, err := p.desk.sighting(ctx, r)
		if err != nil {
			return nil, err
		}
		at.Raw = r.Quarantine.Raw
		pieces = append(pieces, Piece{at, r.Quarantine.Reason})
	}
	return pieces, nil
}
