package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/verify"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) ledgerCommand() *cobra.Command {
	var from uint64
	var limit int
	var oversee bool
	c := &cobra.Command{
		Use:   "ledger",
		Short: "List the recorded acts, and check that none was changed",
		Long: `List the recorded acts, and check that none was changed.

In a store with people, these are the acts under your authority. --oversee lists the acts of
everybody, for an overseer or the judge, and needs no authority: who did what, when, under
which authority and why. Only the judge also sees the words of each act, and nobody but the
defence those of the defence. Reading the ledger is itself an act in it.

If the store cannot be written, because its media are write-protected or its disk
is full, Argus records your acts in a ledger of your own (--reader), signed with a
key of your own. They are listed below the acts of the store, marked "own".`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := between(c, "limit", limit, 1, math.MaxInt); err != nil {
				return err
			}
			if oversee {
				return a.administer(c, func(ctx context.Context, n *node.Node) error { return a.oversee(ctx, n, from, limit) })
			}
			n, who, err := a.open(c.Context())
			if err != nil {
				return err
			}
			err = a.listLedger(c.Context(), n, who, from, limit)
			return errors.Join(err, n.Close())
		},
	}
	c.Flags().Uint64Var(&from, "from", 0, "the number of the first entry to list (default the last --limit entries)")
	c.Flags().IntVar(&limit, "limit", 50, "the maximum number of entries to list")
	c.Flags().BoolVar(&oversee, "oversee", false, "list the acts of everybody, without the words that you may not read")
	c.AddCommand(a.ledgerCorrect(), a.ledgerDestroy())
	return c
}

func printEntry(o *voice.Output, mark string, e desk.Entry) {
	head := fmt.Sprintf("%s%6d  %s  %-16s ", mark, e.Seq, e.Time.Format(time.RFC3339), e.Action)
	if e.Destroyed {
		why := "words missing, although no order destroyed them"
		if e.DestroyedBy > 0 {
			why = fmt.Sprintf("words destroyed by order, entry %d", e.DestroyedBy)
		}
		o.Linef("%s%s  %s  (%s)", head, e.Authority, printable.OneLine(e.Subject), why)
		printDetail(o, e.Detail)
		return
	}
	purpose := ""
	if e.Purpose != "" {
		purpose = " for " + printable.OneLine(e.Purpose)
	}
	clock := ""
	if !e.Clock.IsZero() {
		clock = "  (the clock showed " + e.Clock.Format(time.RFC3339) + ")"
	}
	o.Linef("%s%s %s%s  %s%s", head, printable.OneLine(e.Actor), e.Authority, purpose, printable.OneLine(e.Subject), clock)
	printDetail(o, e.Detail)
}

// printDetail prints the further facts of an act below it, one per line.
func printDetail(o *voice.Output, detail map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(detail)) {
		o.Linef("          %s: %s", printable.OneLine(name), printable.OneLine(strings.TrimSpace(detail[name])))
	}
}

func (a *app) ledgerCorrect() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "correct ENTRY",
		Short: "Correct the time of an entry written while the clock was ahead",
		Long: `Correct the time of an entry written while the clock was ahead. Argus decides whether an
authority is in force at the later of two times: the clock and the last entry. An ended
authority therefore does not return when somebody sets the clock back, but an entry from
the future would end authorities too early. Name the first such entry once the clock is
right again. The correction is a new entry; the wrong one is not changed.`,
		Example: "  argus ledger correct 17 --reason 'the clock of the machine was a year ahead'",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := strconv.ParseUint(args[0], 10, 64)
			if err == nil && reason == "" {
				err = errors.New("missing --reason")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				e, err := n.Admin.CorrectTime(ctx, a.actorName(), number, reason)
				if err != nil {
					return err
				}
				if err := voice.Say(a.out, "entry", e, func(o *voice.Output, e desk.Entry) { printEntry(o, "", e) }); err != nil {
					return err
				}
				later, err := n.Admin.LaterAuthorities()
				for _, one := range later {
					err = errors.Join(err, voice.Say(a.out, "begins_later", &one, func(o *voice.Output, one *authority.Authority) {
						o.Linef("%s begins at %s, because it was added while the clock was ahead.", one.Number, one.From.Format(time.RFC3339))
						o.Linef("  To use it earlier, add it again with \"argus authority add\", and end this one with \"argus authority revoke %s --reason …\".", one.Number)
					}))
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "the `reason`, recorded in the ledger")
	return c
}

func (a *app) ledgerDestroy() *cobra.Command {
	var order string
	c := &cobra.Command{
		Use:   "destroy ENTRY ...",
		Short: "Destroy the words of entries by order",
		Long: `Destroy the words of entries by order: the actor, the purpose and the subject of
each act. Name entries by their numbers, or by ranges such as 7-9. The log still
proves each act, its time and its authority.

Argus first records the act: the numbers of the entries and, in an envelope of its
own, the actor and the words of the order. Then it overwrites the words for good; after
a crash in between, the next command that opens the store completes it. argus verify
accepts missing words only if the ledger has such an order. Copies and backups of the
store keep the words; SECURITY.md lists other traces.

The command needs no authority, like authority add: anyone who holds the private key of
the store can run it, and the ledger records it.`,
		Example: "  argus ledger destroy 12 17-20 --order 'court of first instance, order 31/2026'",
		Args:    arguments(1, math.MaxInt),
		RunE: func(c *cobra.Command, args []string) error {
			entries, err := admin.ParseEntries(strings.Join(args, ","))
			if err == nil && order == "" {
				err = errors.New("missing --order")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				e, err := n.Admin.DestroyWords(ctx, a.actorName(), entries, order)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "entry", e, func(o *voice.Output, e desk.Entry) { printEntry(o, "", e) })
			})
		},
	}
	c.Flags().StringVar(&order, "order", "", "the `order` in words, with the court that issued it")
	return c
}

// oversee lists the acts of everybody.
func (a *app) oversee(ctx context.Context, n *node.Node, from uint64, limit int) error {
	who := a.says()
	var err error
	if who.Actor, err = n.Admin.Actor(ctx, who.Actor); err != nil {
		return err
	}
	entries, err := n.Desk.Oversee(ctx, who, from, limit)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := voice.Say(a.out, "entry", e, func(o *voice.Output, e desk.Overseen) {
			printEntry(o, "", e.Entry)
			if e.Withheld && !e.Destroyed {
				o.Linef("          its words are withheld")
			}
		})
		if err != nil {
			return err
		}
	}
	report, err := verify.Ledger(ctx, a.storePath(), "")
	if err != nil {
		return err
	}
	return a.sayLedgerReport("verified", report)
}

func (a *app) listLedger(ctx context.Context, n *node.Node, who desk.Who, from uint64, limit int) error {
	entries, err := n.Desk.Ledger(ctx, who, from, limit)
	if err != nil {
		return err
	}
	if err := a.sayEntries("", "entry", entries); err != nil {
		return err
	}
	report, err := verify.Ledger(ctx, a.storePath(), "")
	if err != nil {
		return err
	}
	err = a.sayLedgerReport("verified", report)
	own, ownReport, besideErr := n.Beside(ctx, limit)
	if besideErr != nil || own == nil {
		return errors.Join(err, besideErr)
	}
	if ownErr := voice.Say(a.out, "own_ledger", ownLedger{own.Dir, own.Key}, func(o *voice.Output, l ownLedger) {
		o.Linef("Your own acts, recorded outside the store in %s, key %s:", printable.OneLine(l.Dir), printable.OneLine(l.Key))
	}); ownErr != nil {
		return ownErr
	}
	if err := a.sayEntries("own ", "own_entry", own.Entries); err != nil {
		return err
	}
	if ownErr := a.sayLedgerReport("own_verified", ownReport); ownErr != nil {
		return ownErr
	}
	return err
}

// ownLedger names the folder and the key of the reader's own ledger.
type ownLedger struct {
	Dir string `json:"dir"`
	Key string `json:"key"`
}

func (a *app) sayEntries(mark, event string, entries []desk.Entry) error {
	for _, e := range entries {
		if err := voice.Say(a.out, event, e, func(o *voice.Output, e desk.Entry) { printEntry(o, mark, e) }); err != nil {
			return err
		}
	}
	return nil
}

// sayLedgerReport prints whether a ledger is unchanged since it was signed.
func (a *app) sayLedgerReport(event string, report *verify.LedgerReport) error {
	err := voice.Say(a.out, event, report, func(o *voice.Output, r *verify.LedgerReport) {
		for _, f := range r.Findings {
			printFinding(o, f)
		}
		if r.Sound() {
			o.Linef("Verified: %s, root %s.", printable.Count(r.Entries, "entry", "entries"), r.Root)
		}
	})
	if err == nil && !report.Sound() {
		return errDamageFound
	}
	return err
}
