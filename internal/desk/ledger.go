package desk

import (
	"context"

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Ledger returns up to limit entries (0: all) from a sequence number on, in
// order; from 0 means the last ones, of which this act is the very last. Under
// an authority with a scope, they are those of that authority only.
func (d *Desk) Ledger(ctx context.Context, who Who, from uint64, limit int) ([]ledger.Entry, error) {
	var entries []ledger.Entry
	last := from == 0 && limit > 0
	err := d.act(ctx, who, ledger.Act{Action: ledger.ReadLedger}, func(p *permit) error {
		if last && p.all && p.entry > uint64(limit) && !d.parts.Beside() {
			from = p.entry - uint64(limit) + 1
		}
		for e, err := range d.parts.Ledger.Entries(ctx, from, 0) {
			if err != nil {
				return err
			}
			if p.all || e.Authority == p.authority.Number.String() {
				entries = append(entries, e)
			}
			if last && len(entries) > limit {
				entries = entries[1:]
			}
			if !last && limit > 0 && len(entries) == limit {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Authorities lists the authorities that name an actor, also those that have
// ended. It holds no data of the investigation and is no act.
func (d *Desk) Authorities(ctx context.Context, actor string) ([]authority.Authority, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := d.parts.Authorities.List()
	if err != nil {
		return nil, err
	}
	return authority.For(actor, list), nil
}
