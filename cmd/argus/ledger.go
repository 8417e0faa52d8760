package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
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
					a.printEntry(e)
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
	c.AddCommand(a.ledgerCorrect())
	return c
}

func (a *app) printEntry(e desk.Entry) {
	head := fmt.Sprintf("%6d  %s  %-16s ", e.Seq, e.Time.Format(time.RFC3339), e.Action)
	if e.Destroyed {
		a.out.linef("%s%s  %s  (envelope destroyed)", head, e.Authority, oneLine(e.Subject))
		return
	}
	purpose := ""
	if e.Purpose != "" {
		purpose = " for " + oneLine(e.Purpose)
	}
	clock := ""
	if !e.Clock.IsZero() {
		clock = "  (by a clock at " + e.Clock.Format(time.RFC3339) + ")"
	}
	a.out.linef("%s%s %s%s  %s%s", head, oneLine(e.Actor), e.Authority, purpose, oneLine(e.Subject), clock)
}

func (a *app) ledgerCorrect() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "correct ENTRY",
		Short: "Correct the time of an entry that a clock which was ahead has written",
		Long: `Correct the time of an entry that a clock which was ahead has written. Whether an
authority has begun or ended is decided at the later of the clock and the last
entry, so that nothing comes back when a clock is set back; an entry with a time
too late would hold that time. Name the first such entry, when the clock is right
again. The correction is an entry itself; the wrong one stays as it is.`,
		Example: "  argus ledger correct 17 --reason 'the clock of the machine was a year ahead'",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err == nil && reason == "" {
				err = errors.New("say why: --reason")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				e, err := n.CorrectTime(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), number, reason)
				if err != nil {
					return err
				}
				if a.json {
					return a.out.object("entry", e)
				}
				a.printEntry(e)
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
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
