package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) quarantineCommand() *cobra.Command {
	var after uint64
	var limit int
	c := &cobra.Command{
		Use:   "quarantine DELIVERY",
		Short: "Show the pieces that no reader understood, and where each was found",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := argus.ParseDelivery(args[0])
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			if err := between(c, "limit", limit, 1, desk.MostPieces); err != nil {
				return err
			}
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				pieces, err := d.Quarantine(ctx, who, number, after, limit)
				if err != nil {
					return err
				}
				return a.sayPieces(pieces, limit)
			})
		},
	}
	c.Flags().Uint64Var(&after, "after", 0, "continue after this `record`")
	c.Flags().IntVar(&limit, "limit", 50, "the maximum number of pieces to print, up to 1000")
	return c
}

func (a *app) sayPieces(pieces []desk.Piece, limit int) error {
	for _, p := range pieces {
		err := voice.Say(a.out, "quarantined", p, func(o *voice.Output, p desk.Piece) {
			o.Linef("%s", o.Bold(printable.OneLine(p.Reason)))
			voice.PrintPlace(o, p.Sighting)
			voice.PrintRaw(o, p.Raw)
		})
		if err != nil {
			return err
		}
	}
	if len(pieces) == 0 {
		a.out.Aside("Nothing is quarantined here.")
	}
	if len(pieces) == limit {
		a.out.Aside("More: --after %d", pieces[len(pieces)-1].Seq)
	}
	return nil
}
