package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Deliveries lists the deliveries that the scope covers at least in part, in numerical
// order.
func (d *Desk) Deliveries(ctx context.Context, who Who) ([]Delivery, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.Deliveries}, func(p *Permit) ([]Delivery, error) { return p.Deliveries(ctx) })
}

// Deliveries does the same as [Desk.Deliveries].
func (p *Permit) Deliveries(ctx context.Context) ([]Delivery, error) {
	return within(p, func() (list []Delivery, err error) {
		all, err := p.desk.deliveries(ctx)
		if err != nil {
			return nil, err
		}
		for _, delivery := range all {
			shown, err := p.delivery(ctx, delivery)
			if err != nil {
				return nil, err
			}
			if shown != nil {
				p.limit(shown)
				list = append(list, *shown)
			}
		}
		return list, nil
	})
}

// Receipt returns a delivery with the account of each of its files. The account is withheld
// if the scope covers only a part of the delivery.
func (d *Desk) Receipt(ctx context.Context, who Who, n argus.DeliveryNumber) (*Delivery, error) {
	return answer(ctx, d, who, ledger.Act{Action: ledger.Receipt, Subject: n.String()}, func(p *Permit) (*Delivery, error) { return p.Receipt(ctx, n) })
}

// Receipt does the same as [Desk.Receipt].
func (p *Permit) Receipt(ctx context.Context, n argus.DeliveryNumber) (*Delivery, error) {
	return within(p, func() (*Delivery, error) { return p.receipt(ctx, n) })
}

func (p *Permit) receipt(ctx context.Context, n argus.DeliveryNumber) (shown *Delivery, err error) {
	all, err := p.desk.deliveries(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(delivery evidence.Delivery) bool { return delivery.Number == n })
	if at >= 0 {
		if shown, err = p.delivery(ctx, all[at]); err != nil {
			return nil, err
		}
	}
	if shown == nil {
		return nil, fmt.Errorf("delivery %s: %w", n, argus.ErrNotFound)
	}
	if !shown.Partial && shown.Files == nil {
		if err := p.desk.account(ctx, shown); err != nil {
			return nil, err
		}
	}
	p.limit(shown)
	if shown.Partial {
		return shown, nil
	}
	found, err := p.in(ctx, cmp.Or(shown.Reads, n))
	if err != nil {
		return nil, err
	}
	shown.Holds = &Holding{found.Messages, found.Distinct, found.Beside}
	return shown, nil
}

// sealing reports whether protected communication is sealed in the store.
func (d *Desk) sealing() (bool, error) {
	if d.parts.Sealing == nil {
		return false, nil
	}
	return d.parts.Sealing()
}

func (d *Desk) deliveries(ctx context.Context) ([]evidence.Delivery, error) {
	if err := d.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	return d.parts.Evidence.Deliveries(ctx)
}

// delivery returns the part of a delivery that the asker may see, or nil if there is
// none.
func (p *Permit) delivery(ctx context.Context, delivery evidence.Delivery) (*Delivery, error) {
	shown := &Delivery{Receipt: argus.Receipt{Delivery: delivery.Number, Opening: delivery.Opening, Seal: delivery.Seal,
		Reads: delivery.Reads, ReadAgainBy: delivery.ReadAgain}}
	if shown.Seal != nil {
		sealing, err := p.desk.sealing()
		if err != nil {
			return nil, err
		}
		if sealing {
			shown.Seal = shown.Seal.Shown()
		}
		shown.Counts = shown.Seal.Counts
	}
	// A reading is covered to the same extent as the delivery that it reads, because its
	// messages were found there.
	of := cmp.Or(delivery.Reads, delivery.Number)
	if p.whole(of) {
		if shown.Seal == nil {
			return shown, p.desk.account(ctx, shown) // the account so far, if the delivery is open
		}
		return shown, nil
	}
	n, err := p.countIn(ctx, of)
	if err != nil || n == 0 {
		return nil, err
	}
	shown.Seal, shown.Counts, shown.Partial = nil, argus.Counts{}, true
	return shown, nil
}

// limit removes facts about other deliveries and acts from an account: how many of the
// messages were already known, and how many acts the ledger holds.
func (p *Permit) limit(shown *Delivery) {
	if p.all || shown.Partial {
		return
	}
	limit := func(c *argus.Counts) { *c = argus.Counts{Read: c.Read, Quarantined: c.Quarantined} }
	limit(&shown.Counts)
	for i := range shown.Files {
		limit(&shown.Files[i].Counts)
	}
	if shown.Seal != nil {
		seal := *shown.Seal
		limit(&seal.Counts)
		seal.Ledger = argus.LedgerHead{} // the head counts everybody's acts
		shown.Seal = &seal
	}
	shown.Limited = true
}

// account reads a delivery once, and fills in the outcome for each file.
func (d *Desk) account(ctx context.Context, shown *Delivery) error {
	var book account.Bookkeeper
	if shown.Reads != 0 { // the delivery whose originals it reads
		for r, err := range d.parts.Evidence.AsSealed(ctx, shown.Reads) {
			if err != nil {
				return err
			}
			if r.Kind == argus.KindOriginal {
				book.Add(r)
			}
		}
	}
	for r, err := range d.parts.Evidence.AsSealed(ctx, shown.Delivery) {
		if err != nil {
			return err
		}
		book.Add(r)
	}
	if shown.Seal != nil && shown.Seal.Counts != book.Counts() {
		return fmt.Errorf("the records of delivery %s add up to %+v, but its seal says %+v: %w", shown.Delivery, book.Counts(), shown.Seal.Counts, argus.ErrDamaged)
	}
	reads, again := shown.Reads, shown.ReadAgainBy
	shown.Receipt = *book.Receipt(shown.Seal)
	shown.Reads, shown.ReadAgainBy = reads, again
	return nil
}
