package desk

import (
	"context"
	"iter"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Protected calls work with the sealed records that count, in order; they can be read
// several times, each time from the evidence. They stay sealed: the desk has no key. The
// act needs no authority, because no authority covers them, but the roles that the rules
// demand: argus.ErrRefused, also if they end before work does. The subject of the act
// says which records are wanted.
func (d *Desk) Protected(ctx context.Context, who Who, act ledger.Act, work func(all iter.Seq2[*argus.Record, error]) error) error {
	act.Actor, act.Purpose = who.Actor, who.Purpose
	if err := d.parts.May(who.Actor, act.Action); err != nil {
		return d.refused(ctx, act, err)
	}
	if _, err := d.parts.Ledger.Append(ctx, act); err != nil {
		return err
	}
	if err := d.parts.Evidence.Refresh(); err != nil {
		return err
	}
	err := work(func(yield func(*argus.Record, error) bool) {
		for r, err := range d.parts.Evidence.From(ctx, 1) {
			if (err != nil || r.Kind == argus.KindSealed) && !yield(r, err) || err != nil {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if err := d.parts.May(who.Actor, act.Action); err != nil {
		return d.refused(ctx, act, err)
	}
	return nil
}
