package desk

import (
	"context"

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Ledger returns up to limit entries (0 for all) from a sequence number on, in order. If
// from is 0, it returns the most recent entries, which end with this act. Under an
// authority with a scope, it returns only the entries of that authority.
func (d *Desk) Ledger(ctx context.Context, who Who, from uint64, limit int) ([]ledger.Entry, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.ReadLedger}, func(p *Permit) ([]ledger.Entry, error) { return p.Ledger(ctx, from, limit) })
}

// Ledger does the same as [Desk.Ledger].
func (p *Permit) Ledger(ctx context.Context, from uint64, limit int) ([]ledger.Entry, error) {
	return within(p, func() (entries []ledger.Entry, err error) {
		last := from == 0 && limit > 0
		if last && p.all && p.entry > uint64(limit) && !p.desk.parts.Beside() {
			from = p.entry - uint64(limit) + 1
		}
		for e, err := range p.desk.parts.Ledger.Entries(ctx, from, 0) {
			if err != nil {
				return nil, err
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
		return entries, nil
	})
}

// Authorities lists the authorities that name an actor, including those that have ended.
// It reads no data from the investigation, and is not an act.
func (d *Desk) Authorities(ctx context.Context, actor string) ([]authority.Authority, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.parts.Authorities.Naming(actor)
}
