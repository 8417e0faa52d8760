package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
)

func (a *app) receiptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receipt [DELIVERY]",
		Short: "Show the deliveries, or the balanced account of one",
		Args:  arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				if len(args) == 1 {
					number, err := argus.ParseDelivery(args[0])
					if err != nil {
						return usageError{err, c.CommandPath()}
					}
					receipt, err := d.Receipt(ctx, who, number)
					if err != nil {
						return err
					}
					if a.json {
						return a.out.object("receipt", receipt)
					}
					if receipt.Partial {
						a.printPartial(receipt)
						return nil
					}
					printReceipt(a.out, &receipt.Receipt, receipt.Limited)
					if h := receipt.Holds; h != nil {
						a.out.linef("  it holds %s, however many copies of each", counted(h.Messages, h.Beside))
					}
					return nil
				}
				list, err := d.Deliveries(ctx, who)
				if err != nil {
					return err
				}
				for _, r := range list {
					if a.json {
						if err := a.out.object("delivery", r); err != nil {
							return err
						}
						continue
					}
					if r.Partial {
						a.printPartial(&r)
						continue
					}
					state := "not sealed"
					if r.Seal != nil {
						state = fmt.Sprintf("sealed %s", r.Seal.Sealed.Format(time.RFC3339))
					}
					if r.Reads != 0 {
						state += fmt.Sprintf(", reads %s again", r.Reads)
					}
					if r.ReadAgainBy != 0 {
						state += fmt.Sprintf(", read again by %s", r.ReadAgainBy)
					}
					a.out.linef("%s  %s  %s  %s", r.Delivery, account(r.Counts, r.Limited), state, oneLine(r.Opening.Source))
				}
				if len(list) == 0 && !a.json {
					a.out.linef("No deliveries yet: argus ingest PATH")
				}
				return nil
			})
		},
	}
}

// account writes the sum of a delivery, or what of it a limited one has.
func account(c argus.Counts, limited bool) string {
	if limited {
		return fmt.Sprintf("read %s, quarantined %s", group(c.Read), group(c.Quarantined))
	}
	return fmt.Sprintf("read %s = stored %s + sightings %s + quarantined %s", group(c.Read), group(c.Stored), group(c.Sightings), group(c.Quarantined))
}

// printPartial says of a delivery what may be said of it under a scope that
// covers a part.
func (a *app) printPartial(d *desk.Delivery) {
	a.out.linef("%s  %s", a.out.bold(d.Delivery.String()), oneLine(d.Opening.Source))
	a.out.linef("  The authority covers only a part of it: its account and its seal are withheld.")
}
