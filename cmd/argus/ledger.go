package main

import (
	"context"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
)

func (a *app) ledgerCommand() *cobra.Command {
	var from uint64
	var limit int
	c := &cobra.Command{
		Use:   "ledger",
		Short: "List the acts that were recorded, and check that none was changed",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := between(c, "limit", limit, 1, math.MaxInt); err != nil {
				return err
			}
			err := a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				entries, err := d.Ledger(ctx, who, from, limit)
				if err != nil {
					return err
				}
				for _, e := range entries {
					if a.json {
						if err := a.out.object("entry", e); err != nil {
							return err
						}
						continue
					}
					purpose := ""
					if e.Purpose != "" {
						purpose = " for " + oneLine(e.Purpose)
					}
					a.out.linef("%6d  %s  %-16s %s %s%s  %s", e.Seq, e.Time.Format(time.RFC3339), e.Action, oneLine(e.Actor), e.Authority, purpose, oneLine(e.Subject))
				}
				return nil
			})
			if err != nil {
				return err
			}
			return a.checkLedger(c.Context())
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "the first entry to list (default the last --limit ones)")
	c.Flags().IntVar(&limit, "limit", 50, "the most entries to list")
	return c
}

// checkLedger verifies the ledger and says so.
func (a *app) checkLedger(ctx context.Context) error {
	report, err := node.VerifyLedger(ctx, a.storePath(), "")
	if err != nil {
		return err
	}
	if a.json {
		if err := a.out.object("verified", report); err != nil {
			return err
		}
	} else {
		for _, f := range report.Findings {
			printFinding(a.out, f)
		}
		if report.Sound() {
			a.out.linef("Verified: %s, root %s.", count(report.Entries, "entry", "entries"), report.Root)
		}
	}
	if !report.Sound() {
		return errDamageFound
	}
	return nil
}
