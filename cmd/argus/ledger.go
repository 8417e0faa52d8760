package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/verify"
)

func (a *app) ledgerCommand() *cobra.Command {
	var from uint64
	var limit int
	c := &cobra.Command{
		Use:   "ledger",
		Short: "List the acts that were recorded, and check that none was changed",
		Long: `List the acts that were recorded, and check that none was changed.

What you do with a store that cannot be written, since it is on write-protected
media or its disk is full, is in a ledger of your own (--reader), with a key of
your own. Its acts are listed below those of the store, marked with "own".`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := between(c, "limit", limit, 1, math.MaxInt); err != nil {
				return err
			}
			n, who, err := a.open(c.Context())
			if err != nil {
				return err
			}
			err = a.listLedger(c.Context(), n, who, from, limit)
			return errors.Join(err, n.Close())
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "the first entry to list (default the last --limit ones)")
	c.Flags().IntVar(&limit, "limit", 50, "the most entries to list")
	c.AddCommand(a.ledgerCorrect(), a.ledgerDestroy())
	return c
}

func (a *app) printEntry(mark string, e desk.Entry) {
	head := fmt.Sprintf("%s%6d  %s  %-16s ", mark, e.Seq, e.Time.Format(time.RFC3339), e.Action)
	if e.Destroyed {
		why := "words missing, and no order destroyed them"
		if e.DestroyedBy > 0 {
			why = fmt.Sprintf("words destroyed by order, entry %d", e.DestroyedBy)
		}
		a.out.linef("%s%s  %s  (%s)", head, e.Authority, oneLine(e.Subject), why)
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
				e, err := n.Admin.CorrectTime(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), number, reason)
				if err != nil {
					return err
				}
				if a.json {
					return a.out.object("entry", e)
				}
				a.printEntry("", e)
				return nil
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	return c
}

func (a *app) ledgerDestroy() *cobra.Command {
	var order string
	c := &cobra.Command{
		Use:   "destroy ENTRY ...",
		Short: "Destroy the words of entries, by an order",
		Long: `Destroy the words of entries, by an order: who acted, what for, what was asked. Name
entries by their numbers, or runs of them such as 7-9. The log still proves that,
when and under which authority each act was done.

The act is recorded first: which entries, and in an envelope of its own who does it
and the words of the order. Then the words are overwritten for good; a crash between
is made good by the next command that opens the store. argus verify accepts words that
are missing only where the ledger has such an order. Copies and backups of the store
keep the words: SECURITY.md says what else.

It needs no authority, as adding one needs none: whoever holds the private key of the
store can do it, and the ledger has it.`,
		Example: "  argus ledger destroy 12 17-20 --order 'court of first instance, order 31/2026'",
		Args:    arguments(1, math.MaxInt),
		RunE: func(c *cobra.Command, args []string) error {
			entries, err := admin.ParseEntries(strings.Join(args, ","))
			if err == nil && order == "" {
				err = errors.New("say by whose order: --order")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				e, err := n.Admin.DestroyWords(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), entries, order)
				if err != nil {
					return err
				}
				if a.json {
					return a.out.object("entry", e)
				}
				a.printEntry("", e)
				return nil
			})
		},
	}
	c.Flags().StringVar(&order, "order", "", "whose order, in words")
	return c
}

func (a *app) listLedger(ctx context.Context, n *node.Node, who desk.Who, from uint64, limit int) error {
	entries, err := n.Desk.Ledger(ctx, who, from, limit)
	if err != nil {
		return err
	}
	if err := a.printEntries("", "entry", entries); err != nil {
		return err
	}
	report, err := verify.Ledger(ctx, a.storePath(), "")
	if err != nil {
		return err
	}
	err = a.printLedgerReport("verified", report)
	own, ownReport, besideErr := n.Beside(ctx, limit)
	if besideErr != nil || own == nil {
		return errors.Join(err, besideErr)
	}
	if !a.json {
		a.out.linef("Your own acts, beside the store, in %s, key %s:", oneLine(own.Dir), oneLine(own.Key))
	}
	if err := a.printEntries("own ", "own_entry", own.Entries); err != nil {
		return err
	}
	if ownErr := a.printLedgerReport("own_verified", ownReport); ownErr != nil {
		return ownErr
	}
	return err
}

func (a *app) printEntries(mark, name string, entries []desk.Entry) error {
	for _, e := range entries {
		if a.json {
			if err := a.out.object(name, e); err != nil {
				return err
			}
			continue
		}
		a.printEntry(mark, e)
	}
	return nil
}

// printLedgerReport says whether a ledger is what was signed.
func (a *app) printLedgerReport(name string, report *verify.LedgerReport) error {
	if a.json {
		if err := a.out.object(name, report); err != nil {
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
