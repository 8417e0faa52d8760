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
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "Add or show lists of words or accounts for queries",
		Long: `A list is a file with one word, phrase or account per line, up to 10,000 lines. The
store keeps it byte for byte. In a query, list:NAME finds messages whose text contains
an entry, and from:list:NAME (to:, with:, in:) finds the messages of its accounts; =
before an account requires the exact spelling. A changed list is a new version. The
ledger names the version that a search used by its SHA-256, and a scope keeps the
version that it was granted with.`,
	}
	c.AddCommand(a.listAdd(), a.listShow(), a.listLs())
	return c
}

// listed is one version of a list.
type listed struct {
	Name    string `json:"list"`
	Version int    `json:"version"`
	Hash    string `json:"sha256"`
	Known   bool   `json:"known,omitempty"`  // it had been added already
	Damage  string `json:"damage,omitempty"` // why no query can use it
}

func printListed(o *voice.Output, l listed) {
	was := ""
	if l.Known {
		was = ", unchanged"
	}
	o.Linef("list:%s@%s  version %d%s", l.Name, l.Hash, l.Version, was)
	if l.Damage != "" {
		o.Linef("  DAMAGED: %s", printable.OneLine(l.Damage))
	}
}

// shownList is a version of a list with its entries.
type shownList struct {
	Name    string   `json:"list"`
	Hash    string   `json:"sha256"`
	Entries []string `json:"entries"`
}

func (a *app) listAdd() *cobra.Command {
	return &cobra.Command{
		Use:     "add NAME FILE",
		Short:   "Add a list, or a new version of one",
		Example: "  argus list add goods goods.txt\n  argus search list:goods",
		Args:    arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readList(args[1])
			if err != nil {
				return err
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				list, known, err := n.Admin.AddList(ctx, a.actorName(), args[0], data)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "list", listed{list.Name, list.Version, list.Hash, known, ""}, printListed)
			})
		},
	}
}

// readList reads a file, up to one byte more than a list may have.
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
				return voice.Say(a.out, "list", shownList{list.Name, list.Hash, list.Entries}, func(o *voice.Output, l shownList) {
					for _, entry := range l.Entries {
						o.Linef("%s", printable.OneLine(entry))
					}
				})
			})
		},
	}
}

func (a *app) listLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List all lists and their versions",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.administer(c, func(_ context.Context, n *node.Node) error {
				versions, err := n.Admin.Lists()
				if err != nil {
					return err
				}
				for _, v := range versions {
					err = errors.Join(err, voice.Say(a.out, "list", listed{v.Name, v.Version, v.Hash, false, v.Damage}, printListed))
				}
				if len(versions) == 0 {
					a.out.Aside("No list has been added.")
				}
				return err
			})
		},
	}
}
