package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) authorityCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "authority",
		Short: "List, add or revoke the legal bases for reading",
		Long: `An authority states who granted access, for which purpose, to which data and until when.
Its scope is a query: every search, count and page under the authority covers only
matching messages. The ledger records each authority that is added or revoked.`,
		Args: cobra.ArbitraryArgs,
		RunE: menu,
	}
	c.AddCommand(a.authorityList(), a.authorityPreview(), a.authorityAdd(), a.authorityBeyond(), a.authorityRevoke(), a.authorityExport(), a.authorityImport(),
		a.authorityChange(authority.Suspend, "suspend NUMBER", "Suspend an authority at once, until it is resumed"),
		a.authorityChange(authority.Resume, "resume NUMBER", "Put a suspended authority back into force"),
		a.authorityChange(authority.Extend, "extend NUMBER", "Move the end of an authority to a later time"))
	return c
}

func (a *app) authorityList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the authorities that name you",
		Long: `List the authorities that name you. In a store with people, --all lists those of everybody, for
custodian, prosecutor, judge and overseer; the ledger records it.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := node.Open(c.Context(), a.storePath(), a.nodeOptions())
			if err != nil {
				return err
			}
			var list []desk.Order
			who := a.says()
			who.Actor, err = n.Admin.Actor(c.Context(), who.Actor)
			if err == nil {
				list, err = n.Desk.Orders(c.Context(), who, all)
			}
			for _, one := range list {
				err = errors.Join(err, voice.Say(a.out, "authority", &one, printOrder))
			}
			if err == nil && len(list) == 0 {
				a.out.Aside("No authority names you.")
			}
			return errors.Join(err, n.Close())
		},
	}
	c.Flags().BoolVar(&all, "all", false, "list those of everybody")
	return c
}

func printOrder(o *voice.Output, one *desk.Order) {
	printAuthority(o, &one.Authority)
	if one.State != authority.Damaged {
		o.Linef("  %-8s %s", "state", one.State)
	}
}

func printAuthority(o *voice.Output, one *authority.Authority) {
	until := "no end"
	if !one.Until.IsZero() {
		until = one.Until.Format(time.RFC3339)
	}
	if one.Damage != "" {
		o.Linef("%s  DAMAGED: nobody can act under it", o.Bold(one.Number.String()))
		o.Linef("  %s", printable.OneLine(one.Damage))
		return
	}
	o.Linef("%s  %s", o.Bold(one.Number.String()), printable.OneLine(cmp.Or(one.Title, one.Basis)))
	line := func(name, value string) {
		if value != "" {
			o.Linef("  %-8s %s", name, printable.OneLine(value))
		}
	}
	line("for", everyone(one))
	line("basis", one.Basis+", granted by "+one.GrantedBy)
	line("order", strings.Trim(one.Kind+", "+one.Order, ", "))
	if one.Document != (argus.Hash{}) {
		line("document", "SHA-256 "+one.Document.String())
	}
	line("origin", one.Origin)
	line("purpose", one.Purpose)
	line("offences", strings.Join(one.Offences, "; "))
	line("scope", cmp.Or(one.Scope, "everything in the store"))
	line("acts", strings.Join(one.Acts, ", "))
	line("terms", one.Conditions)
	line("handling", strings.Join(one.Handling, ", "))
	o.Linef("  from     %s until %s", one.From.Format(time.RFC3339), until)
	o.Linef("  added    %s", one.Created.Format(time.RFC3339))
	if !one.Due.IsZero() {
		line("answer", "due by "+one.Due.Format(time.RFC3339))
	}
	if !one.Retain.IsZero() {
		line("keep", "until "+one.Retain.Format(time.RFC3339))
	}
	for _, c := range one.Changes {
		about := fmt.Sprintf("%s by %s: %s", c.At.Format(time.RFC3339), c.By, c.Reason)
		if c.Kind == authority.Extend {
			about = fmt.Sprintf("%s until %s by %s: %s", c.At.Format(time.RFC3339), c.Until.Format(time.RFC3339), c.By, c.Reason)
		}
		line(string(c.Kind), about)
	}
	if one.Revoked != nil {
		o.Linef("  revoked  %s by %s: %s", one.Revoked.At.Format(time.RFC3339), printable.OneLine(one.Revoked.By), printable.OneLine(one.Revoked.Reason))
	}
}

func (a *app) authorityAdd() *cobra.Command {
	var one authority.Authority
	var from, until, due, retain, document string
	var endWider bool
	c := &cobra.Command{
		Use:   "add",
		Short: "Add an authority",
		Long: `Add an authority. It restricts nobody as long as a wider authority that names the same
people is in force, such as A-0001, which "argus init" makes. Argus lists the wider
authorities. Revoke them with --end-wider, or answer yes on a terminal.`,
		Example: `  argus authority add --basis 'Warrant 21/2207' --granted-by 'Examining judge B.' --for 'trafficking, case Argus' \
    --scope 'delivery:D-0001 sent:2021-02-14..2021-03-09' --until 2027-01-01T00:00:00Z --for-actor analyst1`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, bound := range []struct {
				flag, text string
				into       *time.Time
			}{{"from", from, &one.From}, {"until", until, &one.Until}, {"due", due, &one.Due}, {"retain-until", retain, &one.Retain}} {
				if bound.text == "" {
					continue
				}
				at, err := timeFlag(c, bound.flag, bound.text)
				if err != nil {
					return err
				}
				*bound.into = at
			}
			if document != "" {
				if err := one.Document.UnmarshalText([]byte(document)); err != nil {
					return usageError{fmt.Errorf("--document %q: want the SHA-256 of an original, 64 hexadecimal digits", document), c.CommandPath()}
				}
			}
			if one.Basis == "" || one.GrantedBy == "" || one.Purpose == "" {
				return usageError{errors.New("an authority needs --basis, --granted-by and --for"), c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				added, err := n.Admin.AddAuthority(ctx, a.actorName(), one)
				if err != nil {
					return err
				}
				if err := voice.Say(a.out, "authority", added, printAuthority); err != nil {
					return err
				}
				return a.wider(ctx, c, n, added, endWider)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&endWider, "end-wider", false, "revoke the wider authorities that name the same people, for everybody they name")
	flags.StringVar(&one.Title, "title", "", "a short name")
	flags.StringVar(&one.Basis, "basis", "", "the legal basis, such as a law with its article, or a warrant")
	flags.StringVar(&one.GrantedBy, "granted-by", "", "the person or court that granted it")
	flags.StringVar(&one.Purpose, "for", "", "the purpose of the grant")
	flags.StringVar(&one.Scope, "scope", "", "the messages that it covers, as a `query` (default all)")
	flags.StringSliceVar(&one.Actors, "for-actor", nil, "a person who may use it; may be repeated (default every actor of this store)")
	flags.StringSliceVar(&one.Acts, "act", nil, "an act that it allows: "+strings.Join(authority.Acts, ", ")+"; may be repeated (default all)")
	flags.StringSliceVar(&one.Roles, "for-role", nil, "a role whose people may use it; may be repeated (default every actor of this store)")
	flags.StringVar(&one.Kind, "kind", "", "the `kind` of order: "+strings.Join(authority.Kinds, ", "))
	flags.StringVar(&one.Order, "order", "", "the `number` of the order, as its issuer writes it")
	flags.StringVar(&document, "document", "", "the `SHA-256` of the order itself, which was ingested")
	flags.StringArrayVar(&one.Offences, "offence", nil, "an offence that it was granted for; may be repeated")
	flags.StringVar(&one.Conditions, "conditions", "", "the conditions of the order, in its own words")
	flags.StringSliceVar(&one.Handling, "handling", nil, "the handling `codes`: H0 to H3")
	flags.StringVar(&due, "due", "", "the `time` by which the order must be answered, in RFC 3339")
	flags.StringVar(&retain, "retain-until", "", "the `time` until which its data may be kept, in RFC 3339")
	flags.StringVar(&from, "from", "", "the first second of access, in RFC 3339 (default now)")
	flags.StringVar(&until, "until", "", "the first second after access ends, in RFC 3339 (default no end)")
	return c
}

// wider lists the authorities that make a new one ineffective, and revokes those that the
// user wants to end.
func (a *app) wider(ctx context.Context, c *cobra.Command, n *node.Node, added *authority.Authority, end bool) error {
	list, err := n.Admin.WiderAuthorities(added)
	if err != nil {
		return err
	}
	for _, w := range list {
		err := voice.Say(a.out, "wider", &w, func(o *voice.Output, w *authority.Authority) {
			stays := " and stays in force"
			if end || a.asks(c) {
				stays = ""
			}
			o.Linef("%s is wider%s: %s can use it instead.", w.Number, stays, printable.OneLine(sharedActors(added, w)))
			o.Linef("  It covers %s, for %s.", printable.OneLine(cmp.Or(w.Scope, "everything in the store")), printable.OneLine(everyone(w)))
		})
		if err != nil {
			return err
		}
		if !end && !a.agrees(c, fmt.Sprintf("Revoke %s now, for everybody it names? [y/N] ", w.Number)) {
			a.out.Aside("  \"argus authority revoke %s --reason …\" ends it.", w.Number)
			continue
		}
		if err := a.revoke(ctx, n, w.Number, added.Number.String()+" takes its place"); err != nil {
			return err
		}
	}
	return nil
}

// everyone formats the people who may use an authority.
func everyone(a *authority.Authority) string {
	names := slices.Clone(a.Actors)
	for _, r := range a.Roles {
		names = append(names, "everybody with the role "+r)
	}
	if len(names) == 0 {
		return "every actor of this store"
	}
	return strings.Join(names, ", ")
}

// sharedActors formats the people whom both authorities may name.
func sharedActors(a, b *authority.Authority) string {
	switch {
	case len(a.Actors)+len(a.Roles) == 0:
		return everyone(b)
	case len(a.Roles)+len(b.Roles) > 0:
		return everyone(a)
	}
	return everyone(&authority.Authority{Actors: slices.DeleteFunc(slices.Clone(a.Actors), func(actor string) bool { return !b.Names(actor) })})
}

// timeFlag reads the time in a flag.
func timeFlag(c *cobra.Command, flag, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		err = usageError{fmt.Errorf("--%s %q: want a time like 2027-01-01T00:00:00Z", flag, text), c.CommandPath()}
	}
	return at, err
}

// authorityChange is the command for one kind of change.
func (a *app) authorityChange(kind authority.ChangeKind, use, short string) *cobra.Command {
	change := authority.Change{Kind: kind}
	var until string
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := authority.ParseNumber(args[0])
			switch {
			case err != nil:
			case change.Reason == "":
				err = errors.New("missing --reason")
			case kind == authority.Extend && until == "":
				err = errors.New("missing --until")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			if until != "" {
				if change.Until, err = timeFlag(c, "until", until); err != nil {
					return err
				}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				changed, err := n.Admin.ChangeAuthority(ctx, a.actorName(), number, change)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "authority", changed, printAuthority)
			})
		},
	}
	c.Flags().StringVar(&change.Reason, "reason", "", "the `reason`, recorded with the change")
	if kind == authority.Extend {
		c.Flags().StringVar(&until, "until", "", "the new `end`, in RFC 3339")
	}
	return c
}

// asks reports whether somebody at a terminal can answer a question.
func (a *app) asks(c *cobra.Command) bool {
	in, ok := c.InOrStdin().(*os.File)
	return ok && !a.json && term.IsTerminal(int(in.Fd()))
}

// agrees asks on a terminal. Any answer other than yes counts as no.
func (a *app) agrees(c *cobra.Command, question string) bool {
	if !a.asks(c) {
		return false
	}
	fmt.Fprint(a.err, question)
	answer, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// revocation is the output of authority revoke.
type revocation struct {
	Authority authority.Number `json:"authority"`
}

func (a *app) revoke(ctx context.Context, n *node.Node, number authority.Number, reason string) error {
	if err := n.Admin.RevokeAuthority(ctx, a.actorName(), number, reason); err != nil {
		return err
	}
	return voice.Say(a.out, "revoked", revocation{number}, func(o *voice.Output, r revocation) { o.Linef("Revoked %s.", r.Authority) })
}

func (a *app) authorityRevoke() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "revoke NUMBER",
		Short: "Revoke an authority at once",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := authority.ParseNumber(args[0])
			if err == nil && reason == "" {
				err = errors.New("missing --reason")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error { return a.revoke(ctx, n, number, reason) })
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "the `reason`, recorded in the ledger")
	return c
}
