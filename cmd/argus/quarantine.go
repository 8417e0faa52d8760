package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
)

func (a *app) quarantineCommand() *cobra.Command {
	var after uint64
	var limit int
	c := &cobra.Command{
		Use:   "quarantine DELIVERY",
		Short: "Show what no reader could make sense of, and where it stands",
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
				return a.printPieces(pieces, limit)
			})
		},
	}
	c.Flags().Uint64Var(&after, "after", 0, "go on behind this `record`")
	c.Flags().IntVar(&limit, "limit", 50, "the most pieces to print, up to 1000")
	return c
}

func (a *app) printPieces(pieces []desk.Piece, limit int) error {
	for _, p := range pieces {
		if a.json {
			if err := a.out.object("quarantined", p); err != nil {
				return err
			}
			continue
		}
		a.out.linef("%s", a.out.bold(oneLine(p.Reason)))
		a.printPlace(p.Sighting)
		for line := range strings.Lines(plain(strings.ToValidUTF8(string(p.Raw), "\uFFFD"))) {
			a.out.linef("      │ %s", strings.TrimRight(line, "\r\n"))
		}
	}
	if a.json {
		return nil
	}
	if len(pieces) == 0 {
		a.out.linef("Nothing is quarantined here.")
	}
	if len(pieces) == limit {
		a.out.linef("More: --after %d", pieces[len(pieces)-1].Seq)
	}
	return nil
}
