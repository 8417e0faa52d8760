package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/voice"
)

// identityFlag adds the flag for the private key of a judge.
func identityFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "identity", "", "the `file` with the judge's private keys of age (AGE-SECRET-KEY-…)")
}

// judges runs a command of a judge about sealed messages. Without a file, there are no
// keys; then the node refuses, and the ledger has it.
func (a *app) judges(c *cobra.Command, identity string, work func(context.Context, *node.Node, desk.Who, privilege.Identities) error) error {
	var keys privilege.Identities
	if identity != "" {
		var err error
		if keys, err = admin.ReadIdentities(identity); err != nil {
			return err
		}
	}
	return a.administer(c, func(ctx context.Context, n *node.Node) error {
		who := a.says()
		var err error
		if who.Actor, err = n.Admin.Actor(ctx, who.Actor); err != nil {
			return err
		}
		return work(ctx, n, who, keys)
	})
}

func (a *app) privilegeList() *cobra.Command {
	var identity string
	c := &cobra.Command{
		Use:   "list",
		Short: "List what is sealed, for a judge",
		Long: `List the sealed messages and other sealed pieces: how each was recognised, its state,
conversation, time and delivery, and the persons of the directory who take part. Texts
are not listed. The counts below are by state, kind of recognition, delivery,
conversation and person. Only a judge among the people of the store can do this, with
the private key of a recipient, and the ledger records it first.`,
		Example: "  argus privilege list --identity judge.key",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.judges(c, identity, func(ctx context.Context, n *node.Node, who desk.Who, keys privilege.Identities) error {
				list, counts, err := n.ListSealed(ctx, who, keys)
				if err != nil {
					return err
				}
				for _, one := range list {
					if err := voice.Say(a.out, "sealed", one, printSealed); err != nil {
						return err
					}
				}
				return voice.Say(a.out, "sealed_counts", counts, printSealedCounts)
			})
		},
	}
	identityFlag(c, &identity)
	return c
}

func (a *app) privilegeShow() *cobra.Command {
	var identity string
	c := &cobra.Command{
		Use:   "show NUMBER|ID",
		Short: "Open one sealed message, for a judge",
		Long: `Open one sealed message, by its number or its id in "argus privilege list". The reasons
for the suspicion are those that today's rules and directory find in the sealed messages
alone: the reasons at intake are not kept. Decisions are shown with their reasons.`,
		Example: "  argus privilege show 17 --identity judge.key",
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.judges(c, identity, func(ctx context.Context, n *node.Node, who desk.Who, keys privilege.Identities) error {
				shown, err := n.ShowSealed(ctx, who, keys, args[0])
				if err != nil {
					return err
				}
				return voice.Say(a.out, "sealed_message", shown, printSealedShown)
			})
		},
	}
	identityFlag(c, &identity)
	return c
}

func (a *app) privilegeLog() *cobra.Command {
	return &cobra.Command{
		Use:   "log",
		Short: "List the privilege log: what is sealed, and the decisions, without content",
		Long: `List the privilege log by item and by category: the number, id and delivery of each
sealed item, how it was recognised, its state, and each decision with its judge and
time. No content, account, conversation or reason is shown. It is for the judge, the
privilege officer, the prosecutor and the defence among the people of the store, and
the ledger records it first.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.judges(c, "", func(ctx context.Context, n *node.Node, who desk.Who, _ privilege.Identities) error {
				list, counts, err := n.LogSealed(ctx, who)
				if err != nil {
					return err
				}
				for _, one := range list {
					err := voice.Say(a.out, "sealed", one, func(o *voice.Output, one node.SealedLogged) {
						printSealed(o, one.SealedItem)
						for _, d := range one.Decisions {
							printSealedDecision(o, d)
						}
					})
					if err != nil {
						return err
					}
				}
				return voice.Say(a.out, "sealed_counts", counts, printSealedCounts)
			})
		},
	}
}

// verdicts maps the words of --verdict to verdicts.
var verdicts = map[string]privilege.Verdict{"keep": privilege.ConfirmedKeep, "destroy": privilege.ConfirmedDestroy, "release": privilege.RejectedRelease}

func (a *app) privilegeDecide() *cobra.Command {
	var identity, verdict, reason string
	var settles []uint
	c := &cobra.Command{
		Use:   "decide NUMBER|ID ...",
		Short: "Record a judge's decision about sealed messages",
		Long: `Record a judge's decision about sealed messages, named as in "argus privilege show".
The verdict is keep (it is protected and stays sealed), destroy (it is protected and is
to be destroyed) or release (it is not protected). The last decision of each judge
counts. If two judges differ, the message is conflicting and stays sealed, until one of
them changes the decision or another judge settles it: --settle names the decisions of
others that this one overrules.

The decision is recorded, and not carried out yet: whatever the verdict, the message stays
sealed. The reason is kept sealed to the judge.`,
		Example: `  argus privilege decide 17 18 --verdict keep --reason 'advice about the case' --identity judge.key
  argus privilege decide 17 --verdict release --reason 'about a car' --settle 1 --identity judge.key`,
		Args: arguments(1, math.MaxInt),
		RunE: func(c *cobra.Command, args []string) error {
			d := privilege.Decision{Verdict: verdicts[verdict], Reason: reason}
			if d.Verdict == "" || strings.TrimSpace(reason) == "" {
				return usageError{errors.New("--verdict keep, destroy or release, and --reason are required"), c.CommandPath()}
			}
			for _, number := range settles {
				d.Settles = append(d.Settles, uint64(number))
			}
			return a.judges(c, identity, func(ctx context.Context, n *node.Node, who desk.Who, keys privilege.Identities) error {
				decided, err := n.DecideSealed(ctx, who, keys, args, d)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "sealed_decided", decided, printSealedDecided)
			})
		},
	}
	identityFlag(c, &identity)
	c.Flags().StringVar(&verdict, "verdict", "", "the `verdict`: keep, destroy or release")
	c.Flags().StringVar(&reason, "reason", "", "the `reason`, for judges only")
	c.Flags().UintSliceVar(&settles, "settle", nil, "the `numbers` of decisions of other judges that this one overrules")
	return c
}

func printSealedDecided(o *voice.Output, d *node.SealedDecided) {
	printSealedDecision(o, d.SealedDecision)
	for _, one := range d.Items {
		why := ""
		switch one.State {
		case privilege.Conflicting:
			why = ": judges differ about it"
		case privilege.ToDestroy, privilege.ToRelease:
			why = ": nothing carries out the verdict yet"
		case privilege.Suspected, privilege.Confirmed, privilege.Destroyed, privilege.Released:
		}
		o.Linef("%6d  %s  %s%s. It stays sealed.", one.Number, one.ID, o.Bold(string(one.State)), why)
	}
}

func printSealed(o *voice.Output, one *node.SealedItem) {
	kind := ""
	if one.Kind != "" {
		kind = one.Kind + ", "
	}
	o.Linef("%6d  %s  %s  %s  %s  %s%s", one.Number, one.ID, one.Delivery, printable.OneLine(one.Class), o.Bold(string(one.State)), kind, printable.Count(one.Copies, "copy", "copies"))
	if one.Damage != "" {
		o.Linef("        damaged: %s", printable.OneLine(one.Damage))
	}
	if one.Sent != "" {
		o.Linef("        %s  %s  %s → %s  in %s", one.Sent, printable.OneLine(one.Service), printable.OneLine(one.From), printable.OneLine(strings.Join(one.To, ", ")), printable.OneLine(one.Conversation))
	}
	if one.Persons != nil {
		o.Linef("        with %s", printable.OneLine(strings.Join(one.Persons, ", ")))
	}
}

func printSealedCounts(o *voice.Output, c *node.SealedCounts) {
	o.Linef("%s, %s", printable.Count(c.Items, "sealed item", "sealed items"), printable.Count(c.Copies, "copy", "copies"))
	for _, part := range []struct {
		name   string
		counts []argus.Tally
	}{{"state", c.States}, {"recognised by", c.Classes}, {"delivery", c.Deliveries}, {"conversation", c.Conversations}, {"person", c.Persons}} {
		for _, t := range part.counts {
			o.Linef("  %-14s %s  %s", part.name, printable.OneLine(t.Value), printable.Group(t.Count))
		}
	}
}

func printSealedShown(o *voice.Output, s *node.SealedShown) {
	printSealed(o, &s.SealedItem)
	text := s.Raw
	if s.Message != nil {
		text = s.Message.Text
	}
	if s.Reason != "" {
		o.Linef("  in quarantine: %s", printable.OneLine(s.Reason))
	}
	for line := range strings.Lines(printable.Plain(text)) {
		o.Linef("    %s", strings.TrimSuffix(line, "\n"))
	}
	for _, r := range s.Reasons {
		o.Linef("  suspected by %s: %s  %s", r.Class, printable.OneLine(r.Rule), printable.OneLine(r.Words))
	}
	if len(s.Reasons) == 0 {
		o.Linef("  The rules and the directory of today find no reason in the sealed messages alone.")
	}
	for _, d := range s.Decisions {
		printSealedDecision(o, d)
	}
}

func printSealedDecision(o *voice.Output, d node.SealedDecision) {
	settles := ""
	if len(d.Settles) > 0 {
		settles = fmt.Sprintf("  settles %d", d.Settles)
	}
	o.Linef("  decision %d  %s  %s: %s%s", d.Number, d.Time.Format(time.RFC3339), printable.OneLine(d.Judge), d.Verdict, settles)
	if d.Reason != "" {
		o.Linef("    %s", printable.OneLine(d.Reason))
	}
}
