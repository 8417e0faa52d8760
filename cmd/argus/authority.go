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

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) authorityCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "authority",
		Short: "List, add or revoke the legal bases for reading",
		Long: `An authority states who granted access, for which purpose, to which data and until
when. Its scope is a query: every search, count and page under the authority
covers matching messages only. The ledger records each authority that is added or
revoked.`,
		Args: cobra.ArbitraryArgs,
		RunE: menu,
	}
	c.AddCommand(a.authorityList(), a.authorityAdd(), a.authorityRevoke())
	return c
}

func (a *app) authorityList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the authorities that name you",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			n, err := node.Open(c.Context(), a.storePath(), a.nodeOptions())
			if err != nil {
				return err
			}
			var list []authority.Authority
			actor, err := n.Admin.Actor(c.Context(), a.actorName())
			if err == nil {
				list, err = n.Desk.Authorities(c.Context(), actor)
			}
			for _, one := range list {
				err = errors.Join(err, voice.Say(a.out, "authority", &one, printAuthority))
			}
			if err == nil && len(list) == 0 {
				a.out.Aside("No authority names you.")
			}
			return errors.Join(err, n.Close())
		},
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
	o.Linef("  for      %s", printable.OneLine(everyone(one.Actors)))
	o.Linef("  basis    %s, granted by %s", printable.OneLine(one.Basis), printable.OneLine(one.GrantedBy))
	o.Linef("  purpose  %s", printable.OneLine(one.Purpose))
	o.Linef("  scope    %s", printable.OneLine(cmp.Or(one.Scope, "everything in the store")))
	if len(one.Acts) > 0 {
		o.Linef("  acts     %s", printable.OneLine(strings.Join(one.Acts, ", ")))
	}
	o.Linef("  from     %s until %s", one.From.Format(time.RFC3339), until)
	o.Linef("  added    %s", one.Created.Format(time.RFC3339))
	if one.Revoked != nil {
		o.Linef("  revoked  %s by %s: %s", one.Revoked.At.Format(time.RFC3339), printable.OneLine(one.Revoked.By), printable.OneLine(one.Revoked.Reason))
	}
}

func (a *app) authorityAdd() *cobra.Command {
	var one authority.Authority
	var from, until string
	var endWider bool
	c := &cobra.Command{
		Use:   "add",
		Short: "Add an authority",
		Long: `Add an authority. It restricts nobody while a wider authority that names the same
people is in force, such as A-0001, which "argus init" makes. Argus lists the
wider ones; --end-wider revokes them, and so does your answer on a terminal.`,
		Example: `  argus authority add --basis 'Warrant 21/2207' --granted-by 'Examining judge B.' --for 'trafficking, case Argus' \
    --scope 'delivery:D-0001 sent:2021-02-14..2021-03-09' --until 2027-01-01T00:00:00Z --for-actor analyst1`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, bound := range []struct {
				flag, text string
				into       *time.Time
			}{{"from", from, &one.From}, {"until", until, &one.Until}} {
				if bound.text == "" {
					continue
				}
				at, err := time.Parse(time.RFC3339, bound.text)
				if err != nil {
					return usageError{fmt.Errorf("--%s %q: want a time like 2027-01-01T00:00:00Z", bound.flag, bound.text), c.CommandPath()}
				}
				*bound.into = at
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
	flags.StringVar(&from, "from", "", "the first second of access, in RFC 3339 (default now)")
	flags.StringVar(&until, "until", "", "the first second after access ends, in RFC 3339 (default no end)")
	return c
}

// wider lists the authorities that leave a new one without effect, and revokes
// those that the user wants to end.
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
			o.Linef("  It covers %s, for %s.", printable.OneLine(cmp.Or(w.Scope, "everything in the store")), printable.OneLine(everyone(w.Actors)))
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

func everyone(actors []string) string {
	if len(actors) == 0 {
		return "every actor of this store"
	}
	return strings.Join(actors, ", ")
}

// sharedActors formats the people whom both authorities name.
func sharedActors(a, b *authority.Authority) string {
	if len(a.Actors) == 0 {
		return everyone(b.Actors)
	}
	return everyone(slices.DeleteFunc(slices.Clone(a.Actors), func(actor string) bool { return !b.Names(actor) }))
}

// asks reports whether somebody at a terminal can answer a question.
func (a *app) asks(c *cobra.Command) bool {
	in, ok := c.InOrStdin().(*os.File)
	return ok && !a.json && term.IsTerminal(int(in.Fd()))
}

// agrees asks on a terminal. Any answer but yes is a no.
func (a *app) agrees(c *cobra.Command, question string) bool {
	if !a.asks(c) {
		return false
	}
	fmt.Fprint(a.err, question)
	answer, err := bufio.NewReader(c.InOrStdin()).ReadString('\n')
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

// revocation is the answer of authority revoke.
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
