package desk

import (
	"context"
	"errors"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
)

// words is the act of reading the words of other people's acts. It is part of others, and has
// no entry of its own.
const words = "ledger.words"

// Ledger returns up to limit entries (0: all) from a sequence number on, in order. If from
// is 0, it returns the last entries, and this act is the last of them. Under an authority
// with a scope, and in a store with people, it returns only the entries of that authority.
func (d *Desk) Ledger(ctx context.Context, who Who, from uint64, limit int) ([]ledger.Entry, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.ReadLedger}, func(p *Permit) ([]ledger.Entry, error) { return p.Ledger(ctx, from, limit) })
}

// Ledger does the same as [Desk.Ledger].
func (p *Permit) Ledger(ctx context.Context, from uint64, limit int) ([]ledger.Entry, error) {
	return within(p, func() ([]ledger.Entry, error) {
		sees, err := p.desk.parts.MayRead(p.request.Actor, ledger.ReadLedger, p.authority)
		if err != nil {
			return nil, err
		}
		if p.all && sees == nil {
			return p.desk.entries(ctx, p.entry, from, limit, nil)
		}
		return p.desk.entries(ctx, p.entry, from, limit, func(e *ledger.Entry) bool {
			return e.Authority == p.authority.Number.String() && (sees == nil || sees(e))
		})
	})
}

// entries returns those of the ledger that are wanted (nil: all), as [Desk.Ledger] does for
// the act of an entry.
func (d *Desk) entries(ctx context.Context, act, from uint64, limit int, wanted func(*ledger.Entry) bool) (entries []ledger.Entry, err error) {
	last := from == 0 && limit > 0
	if last && wanted == nil && act > uint64(limit) && !d.parts.Beside() {
		from = act - uint64(limit) + 1
	}
	for e, err := range d.parts.Ledger.Entries(ctx, from, 0) {
		if err != nil {
			return nil, err
		}
		if wanted == nil || wanted(&e) {
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
}

// Overseen is an act as an overseer sees it.
type Overseen struct {
	ledger.Entry
	// Withheld is set if the asker may not read its words ([ledger.Entry.WithoutWords]).
	Withheld bool `json:"withheld,omitempty"`
}

// Oversee returns the acts of everybody, as Ledger does, without the words of those whose words
// the asker may not read. It needs no authority, because it reaches no message, but a store
// with people: argus.ErrRefused.
func (d *Desk) Oversee(ctx context.Context, who Who, from uint64, limit int) ([]Overseen, error) {
	act := ledger.Act{Actor: who.Actor, Purpose: who.Purpose, Action: ledger.Oversee}
	if _, _, err := d.oversees(who.Actor); err != nil {
		return nil, d.refused(ctx, act, err)
	}
	entry, err := d.parts.Ledger.Append(ctx, act)
	if err != nil {
		return nil, err
	}
	entries, err := d.entries(ctx, entry.Seq, from, limit, nil)
	if err != nil {
		return nil, err
	}
	sees, reads, err := d.oversees(who.Actor)
	if err != nil {
		return nil, d.refused(ctx, act, err)
	}
	var list []Overseen
	for _, e := range entries {
		switch {
		case !sees(&e):
		case reads(&e):
			list = append(list, Overseen{Entry: e})
		default:
			list = append(list, Overseen{e.WithoutWords(), true})
		}
	}
	return list, nil
}

// oversees returns which acts an actor oversees, and whose words among them he reads.
func (d *Desk) oversees(actor string) (sees, reads func(*ledger.Entry) bool, err error) {
	if sees, err = d.parts.MayRead(actor, ledger.Oversee, nil); err != nil {
		return nil, nil, err
	}
	reads, err = d.parts.MayRead(actor, words, nil)
	if errors.Is(err, argus.ErrRefused) {
		return sees, func(*ledger.Entry) bool { return false }, nil
	}
	return sees, reads, err
}

// Authorities lists the authorities that name an actor, including those that have ended. It
// reads no data of the investigation and is not an act.
func (d *Desk) Authorities(ctx context.Context, actor string) ([]authority.Authority, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return d.parts.Authorities.Naming(actor)
}
