package desk

import (
	"cmp"
	"context"
	"fmt"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Piece is a piece that a reader could not understand: its place, its beginning as Raw, and
// the reason.
type Piece struct {
	Sighting
	Reason string `json:"reason"`
}

// MostPieces is the most pieces that Quarantine returns at once.
const MostPieces = 1000

// Quarantine returns the quarantined pieces of a delivery after the record numbered after,
// in order, at most limit (default 50) of them. A piece is not a message and is in no
// scope: an asker who may not see the whole delivery sees none of them. For a delivery that
// was read again, the pieces are those of the newest reading.
func (d *Desk) Quarantine(ctx context.Context, who Who, n argus.DeliveryNumber, after uint64, limit int) ([]Piece, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.Quarantined, Subject: n.String()}, func(p *Permit) ([]Piece, error) { return p.Quarantine(ctx, n, after, limit) })
}

// Quarantine returns the quarantined pieces of a delivery, as [Desk.Quarantine] does.
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
