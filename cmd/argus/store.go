package main

import (
	"bufio"
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
	"github.com/argus-evidence/argus/internal/reader/all"
)

func (a *app) reindexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Throw the index away and build it from the evidence",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			o := a.nodeOptions()
			o.Catching = a.catching("indexed")
			started := time.Now()
			messages, err := node.Reindex(c.Context(), a.storePath(), o)
			if err != nil {
				return err
			}
			if a.json {
				return a.out.object("indexed", map[string]any{"messages": messages, "seconds": time.Since(started).Seconds()})
			}
			a.out.linef("Indexed %s in %s.", count(messages, "message", "messages"), time.Since(started).Round(time.Millisecond))
			return nil
		},
	}
}

// catching shows on a terminal how far the index is.
func (a *app) catching(word string) func(done, total uint64) {
	f, ok := a.err.(*os.File)
	if !ok || a.json || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	var shown time.Time
	return func(done, total uint64) {
		if done < total && time.Since(shown) < 200*time.Millisecond {
			return
		}
		shown = time.Now()
		fmt.Fprintf(f, "\r\x1b[K%s of %s records %s", group(done), group(total), word)
		if done >= total {
			fmt.Fprint(f, "\r\x1b[K")
		}
	}
}

func (a *app) authorityCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "authority",
		Short: "The legal bases for reading: list, add, revoke",
		Long: `An authority says who granted reading, for which purpose, over which data and
until when. Its scope is a query: whoever acts under it sees, counts and is
shown only what matches. Adding and revoking is recorded in the ledger.`,
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
			list, err := n.Desk.Authorities(c.Context(), first(a.actor, os.Getenv("ARGUS_ACTOR"), node.ActorName()))
			for _, one := range list {
				if a.json {
					err = errors.Join(err, a.out.object("authority", one))
					continue
				}
				printAuthority(a.out, one)
			}
			if err == nil && len(list) == 0 && !a.json {
				a.out.linef("No authority names you.")
			}
			return errors.Join(err, n.Close())
		},
	}
}

func printAuthority(o *output, one authority.Authority) {
	until := "no end"
	if !one.Until.IsZero() {
		until = one.Until.Format(time.RFC3339)
	}
	o.linef("%s  %s", o.bold(one.Number.String()), oneLine(first(one.Title, one.Basis)))
	o.linef("  basis    %s, granted by %s", oneLine(one.Basis), oneLine(one.GrantedBy))
	o.linef("  purpose  %s", oneLine(one.Purpose))
	o.linef("  scope    %s", oneLine(first(one.Scope, "everything in the store")))
	if len(one.Acts) > 0 {
		o.linef("  acts     %s", oneLine(strings.Join(one.Acts, ", ")))
	}
	o.linef("  from     %s until %s", one.From.Format(time.RFC3339), until)
	if one.Revoked != nil {
		o.linef("  revoked  %s by %s: %s", one.Revoked.At.Format(time.RFC3339), oneLine(one.Revoked.By), oneLine(one.Revoked.Reason))
	}
}

func (a *app) authorityAdd() *cobra.Command {
	var one authority.Authority
	var from, until string
	var endWider bool
	c := &cobra.Command{
		Use:   "add",
		Short: "Add an authority",
		Long: `Add an authority. It narrows nothing as long as a wider one that names the same
people is in force, such as A-0001, which "argus init" makes: each such one is
named, and can be ended with --end-wider or, on a terminal, by an answer.`,
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
				return usageError{errors.New("say on which legal basis, granted by whom and for what: --basis, --granted-by, --for"), c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				added, err := n.AddAuthority(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), one)
				if err != nil {
					return err
				}
				if a.json {
					err = a.out.object("authority", added)
				} else {
					printAuthority(a.out, *added)
				}
				if err != nil {
					return err
				}
				return a.wider(ctx, c, n, added, endWider)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&endWider, "end-wider", false, "end the wider authorities that name the same people, for all whom they name")
	flags.StringVar(&one.Title, "title", "", "a short name")
	flags.StringVar(&one.Basis, "basis", "", "the legal basis: a law and article, a warrant")
	flags.StringVar(&one.GrantedBy, "granted-by", "", "who granted it")
	flags.StringVar(&one.Purpose, "for", "", "the purpose that it was granted for")
	flags.StringVar(&one.Scope, "scope", "", "what it covers, as a query (default everything)")
	flags.StringSliceVar(&one.Actors, "for-actor", nil, "who may use it; may be repeated (default every actor of this store)")
	flags.StringSliceVar(&one.Acts, "act", nil, "what it allows: "+strings.Join(authority.Acts, ", ")+"; may be repeated (default all)")
	flags.StringVar(&from, "from", "", "the first second of access (default now)")
	flags.StringVar(&until, "until", "", "the first second without access (default no end)")
	return c
}

// wider names the authorities that leave a new one without effect, and ends them if
// that is wanted.
func (a *app) wider(ctx context.Context, c *cobra.Command, n *node.Node, added *authority.Authority, end bool) error {
	list, err := n.WiderAuthorities(added)
	if err != nil {
		return err
	}
	for _, w := range list {
		if a.json {
			err = a.out.object("wider", w)
		} else {
			a.out.linef("%s is wider and stays in force: %s can use it instead.", w.Number, oneLine(sharedActors(added, &w)))
			a.out.linef("  It covers %s, for %s.", oneLine(first(w.Scope, "everything in the store")), oneLine(everyone(w.Actors)))
			err = a.out.flush()
		}
		if err != nil {
			return err
		}
		if !end && !a.agrees(c, fmt.Sprintf("End %s now, for all whom it names? [y/N] ", w.Number)) {
			if !a.json {
				a.out.linef("  \"argus authority revoke %s --reason …\" ends it.", w.Number)
			}
			continue
		}
		if err := n.RevokeAuthority(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), w.Number, added.Number.String()+" takes its place"); err != nil {
			return err
		}
		if err := a.revoked(w.Number); err != nil {
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

// sharedActors are those whom two authorities name.
func sharedActors(a, b *authority.Authority) string {
	if len(a.Actors) == 0 {
		return everyone(b.Actors)
	}
	return everyone(slices.DeleteFunc(slices.Clone(a.Actors), func(actor string) bool { return !b.Names(actor) }))
}

// agrees asks on a terminal, and takes everything but a yes for a no.
func (a *app) agrees(c *cobra.Command, question string) bool {
	in, ok := c.InOrStdin().(*os.File)
	if !ok || a.json || !term.IsTerminal(int(in.Fd())) {
		return false
	}
	fmt.Fprint(a.err, question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

func (a *app) revoked(number authority.Number) error {
	if a.json {
		return a.out.object("revoked", map[string]any{"authority": number})
	}
	a.out.linef("Revoked %s.", number)
	return nil
}

func (a *app) authorityRevoke() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "revoke NUMBER",
		Short: "End an authority at once",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := authority.ParseNumber(args[0])
			if err == nil && reason == "" {
				err = errors.New("say why: --reason")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				if err := n.RevokeAuthority(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), number, reason); err != nil {
					return err
				}
				return a.revoked(number)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why")
	return c
}

// administer runs a command that changes the store and reads no data.
func (a *app) administer(c *cobra.Command, work func(ctx context.Context, n *node.Node) error) error {
	n, err := node.Open(c.Context(), a.storePath(), a.nodeOptions())
	if err != nil {
		return err
	}
	return errors.Join(work(c.Context(), n), n.Close())
}

func (a *app) formatsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "formats",
		Short: "List the formats that can be read, and what each was checked on",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			for _, f := range all.Formats() {
				if a.json {
					if err := a.out.object("format", map[string]any{"format": f.Name, "version": f.Version, "about": f.About, "checked": f.Checked}); err != nil {
						return err
					}
					continue
				}
				a.out.linef("%s  %s", a.out.bold(f.String()), f.About)
				a.out.linef("  checked on: %s", f.Checked)
			}
			return nil
		},
	}
}
