package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) conversationCommand() *cobra.Command {
	req := desk.PageRequest{}
	var zone string
	c := &cobra.Command{
		Use:   "conversation REF",
		Short: "Show the conversation around a message",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			where, err := time.LoadLocation(cmp.Or(zone, "UTC"))
			if err != nil {
				return usageError{fmt.Errorf("--zone %q: want a name like Europe/Amsterdam", zone), c.CommandPath()}
			}
			for flag, number := range map[string]int{"before": req.Before, "after": req.After} {
				if err := between(c, flag, number, 0, desk.MostSide); err != nil {
					return err
				}
			}
			req.Ref = args[0]
			req.Before, req.After = none(req.Before), none(req.After)
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				page, err := d.Page(ctx, who, req)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "conversation", page, func(o *voice.Output, p *desk.Page) { printPage(o, p, where, args[0]) })
			})
		},
	}
	c.Flags().IntVar(&req.Before, "before", 10, "the maximum number of messages to print before it, up to 500")
	c.Flags().IntVar(&req.After, "after", 10, "the maximum number of messages to print after it, up to 500")
	c.Flags().StringVar(&zone, "zone", "", "the time `zone` of printed times (default UTC)")
	return c
}

// printPage prints part of a conversation, and marks the message that was asked for.
func printPage(o *voice.Output, p *desk.Page, zone *time.Location, ref string) {
	o.Linef("%s  %s", printable.OneLine(p.Service), o.Bold(printable.OneLine(cmp.Or(p.Title, p.Conversation))))
	if p.Earlier > 0 {
		o.Linef("  … %s", printable.Count(p.Earlier, "earlier item", "earlier items"))
	}
	for _, h := range p.Hits {
		voice.PrintHit(o, h, zone, strings.HasPrefix(h.Ref.String(), strings.ToLower(ref)))
	}
	if p.Later > 0 {
		o.Linef("  … %s", printable.Count(p.Later, "later item", "later items"))
	}
}
