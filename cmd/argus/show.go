package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) showCommand() *cobra.Command {
	var trace bool
	c := &cobra.Command{
		Use:   "show REF",
		Short: "Show one message, its copies and where each copy was found",
		Long: `Show one message. REF is its id, or at least the first six digits of it. --trace
adds each place where the message was found: delivery, original with its SHA-256,
record and bytes, reader and version, the statements in which that copy differs,
and the raw record, unless it holds something outside your scope.`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				shown, err := d.Show(ctx, who, args[0], trace)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "message", shown, func(o *voice.Output, s *desk.Shown) { voice.PrintShown(o, s, trace) })
			})
		},
	}
	c.Flags().BoolVar(&trace, "trace", false, "show where each copy was found, and the raw records")
	return c
}
