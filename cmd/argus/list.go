package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/query"
)

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Lists of words or accounts that queries name: add, show, ls",
		Long: `A list is a file with a word, phrase or account a line, up to 10,000 of them, kept
byte for byte. list:NAME in a query finds messages with one of them in the text,
from:list:NAME (to:, with:, in:) those of the accounts; = before an account makes
it letter for letter. A changed list is a new version. The ledger says which
version a search used, by its SHA-256, and a scope keeps the version that it was
granted with.`,
	}
	c.AddCommand(a.listAdd(), a.listShow(), a.listLs())
	return c
}

func (a *app) listAdd() *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME FILE",
		Short:   "Keep a list, or a new version of it",
		Example: "  argus list add goods goods.txt\n  argus search list:goods",
		Args:    arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readList(args[1])
			if err != nil {
				return err
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				added, known, err := n.Admin.AddList(ctx, first(a.actor, os.Getenv("ARGUS_ACTOR")), args[0], data)
				if err != nil {
					return err
				}
				if a.json {
					return a.out.object("list", added)
				}
				was := ""
				if known {
					was = ", as it was"
				}
				a.out.linef("list:%s@%s  version %d%s", added.Name, added.Hash, added.Version, was)
				return nil
			})
		},
	}
}

// readList reads a file, and no more of it than a list may have.
func readList(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read list: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, query.MaxListBytes+1))
	return data, errors.Join(err, f.Close())
}

func (a *app) listShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME[@HASH]",
		Short: "Print the entries of a list",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			name, hash, _ := strings.Cut(strings.TrimPrefix(args[0], "list:"), "@")
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				list, err := d.List(ctx, who, name, hash)
				if err != nil {
					return err
				}
				if a.json {
					return a.out.object("list", map[string]any{"list": list.Name, "sha256": list.Hash, "entries": list.Entries})
				}
				for _, entry := range list.Entries {
					a.out.linef("%s", oneLine(entry))
				}
				return nil
			})
		},
	}
}

func (a *app) listLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the lists with all their versions",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.administer(c, func(_ context.Context, n *node.Node) error {
				versions, err := n.Admin.Lists()
				if err != nil {
					return err
				}
				for _, v := range versions {
					if a.json {
						err = errors.Join(err, a.out.object("list", v))
						continue
					}
					a.out.linef("list:%s@%s  version %d", v.Name, v.Hash, v.Version)
				}
				if len(versions) == 0 && !a.json {
					a.out.linef("There is no list yet.")
				}
				return err
			})
		},
	}
}
