package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) receiptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receipt [DELIVERY]",
		Short: "List the deliveries, or show the balanced account of one",
		Args:  arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				if len(args) == 0 {
					return a.sayDeliveries(ctx, d, who)
				}
				number, err := argus.ParseDelivery(args[0])
				if err != nil {
					return usageError{err, c.CommandPath()}
				}
				receipt, err := d.Receipt(ctx, who, number)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "receipt", receipt, voice.PrintAccount)
			})
		},
	}
}

func (a *app) sayDeliveries(ctx context.Context, d *desk.Desk, who desk.Who) error {
	list, err := d.Deliveries(ctx, who)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := voice.Say(a.out, "delivery", &r, voice.PrintDelivery); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		a.out.Aside("No deliveries yet. Ingest one with \"argus ingest PATH\".")
	}
	return nil
}
