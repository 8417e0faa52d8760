package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) privilegeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "privilege",
		Short: "Seal the communication of lawyers and other protected persons to a judge",
		Long: `Seal the communication of protected persons before it is stored, so that only a judge
can read it. "argus privilege init" sets a store up, once, and makes a key for the
judge. "argus privilege directory" says who is protected. From then on, "argus ingest"
and "argus reread" need that key (--privilege-key), and take nothing in without it.
"argus privilege list" and "argus privilege show" let the judge read what is sealed, and
"argus privilege decide" records the judge's decisions. "argus privilege log" tells
prosecutor and defence how much is sealed, without content.

A message that they recognise is suspected, and nothing more: the judge decides. A
message that they do not recognise can be protected, too (docs/privilege.md).`,
		RunE: menu,
	}
	c.AddCommand(a.privilegeInit(), a.privilegeDirectory(), a.privilegeList(), a.privilegeShow(), a.privilegeDecide(), a.privilegeLog())
	return c
}

// maxPublicKeys is the most bytes of a file of public keys.
const maxPublicKeys = 1 << 20

// privilegeSet is the answer when privilege was set up.
type privilegeSet struct {
	// Recipients are the public keys of those who can open what is sealed.
	Recipients []string `json:"recipients"`
	Key        string   `json:"key"` // the judge's file
}

func (a *app) privilegeInit() *cobra.Command {
	var judge, second, key string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the store seal protected communication, and make the judge's key",
		Long: `Make the store seal protected communication from now on. --judge and --second name files
with public keys of age (age1… or age1pq1…), one a line: those of the judge, and those
of a second recipient, so that a lost key does not lose the evidence. They do not change
afterwards.

The key that the store's hashes are made with goes into the new file --key and nowhere
else. Hand the file to the judge: the judge lends it to those who take deliveries in.
Whoever has it and the store can test whether a number or an address is in the directory.`,
		Example: "  argus privilege init --judge judge.pub --second court.pub --key lent.key",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if judge == "" || second == "" || key == "" {
				return usageError{errors.New("--judge, --second and --key are required"), c.CommandPath()}
			}
			var lines []string
			for _, name := range []string{judge, second} {
				keys, err := durable.ReadGiven(name, maxPublicKeys)
				if err != nil {
					return err
				}
				lines = append(lines, string(keys))
			}
			place, err := filepath.Abs(key)
			if err != nil {
				return err
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				setup, err := n.Admin.SetUpPrivilege(ctx, a.actorName(), strings.Join(lines, "\n"), admin.SaveKey(place))
				if err != nil {
					return err
				}
				return voice.Say(a.out, "privilege_set_up", privilegeSet{setup.Recipients, place}, func(o *voice.Output, s privilegeSet) {
					o.Linef("The store seals protected communication from now on, to %s.", printable.Count(uint64(len(s.Recipients)), "key", "keys"))
					o.Linef("The judge's key is %s: hand it to the judge, and keep no copy.", printable.OneLine(s.Key))
					o.Linef("Now say who is protected: argus privilege directory")
				})
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&judge, "judge", "", "the `file` with the judge's public keys")
	flags.StringVar(&second, "second", "", "the `file` with the public keys of the second recipient")
	flags.StringVar(&key, "key", "", "the new `file` for the judge's key")
	return c
}

// directoryAdded is the answer when a directory was added. It names nobody.
type directoryAdded struct {
	Rows     uint64                 `json:"rows"`
	Entries  uint64                 `json:"entries"`
	Lost     uint64                 `json:"lost"`
	Problems []directoryProblem     `json:"problems,omitempty"`
	by       map[directoryFault]int // places in Problems
}

// directoryProblem is a reason, with the number of rows that it concerns and the first of
// them.
type directoryProblem struct {
	directoryFault
	Count uint64 `json:"count"`
	Row   uint64 `json:"first_row"`
}

type directoryFault struct {
	Reason string `json:"reason"`
	// Lost means that the whole row was left out.
	Lost bool `json:"lost,omitempty"`
}

func newDirectoryAdded(r *privilege.ReadReport) *directoryAdded {
	d := &directoryAdded{Rows: r.Rows, Entries: r.Entries, Lost: r.Lost(), by: map[directoryFault]int{}}
	for _, p := range r.Problems {
		f := directoryFault{p.Reason, p.Lost}
		at, ok := d.by[f]
		if !ok {
			at = len(d.Problems)
			d.by[f] = at
			d.Problems = append(d.Problems, directoryProblem{directoryFault: f, Row: p.Row})
		}
		d.Problems[at].Count++
	}
	return d
}

// maxRegister is the most bytes of a register.
const maxRegister = 1 << 30

func (a *app) privilegeDirectory() *cobra.Command {
	var key, profession, country, source string
	var empty bool
	c := &cobra.Command{
		Use:   "directory FILE",
		Short: "Say who is protected: the register of lawyers, notaries, clergy, doctors, journalists",
		Long: `Read a register of protected persons as its keeper delivers it: CSV, a workbook, JSON or
JSON lines. It replaces the directory before it, and what is taken in from then on is
judged by it. The store keeps it sealed to the judge, and a set of keyed hashes to
recognise accounts, numbers and addresses by. The answer counts rows and says which
were not understood. It names nobody, and nor does the ledger.

--empty makes an empty directory: only words and copies are recognised then. That is a
decision, and the ledger has it.`,
		Example: `  argus privilege directory lawyers.csv --profession lawyer --country NL --privilege-key lent.key
  argus privilege directory --empty --privilege-key lent.key`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if empty != (len(args) == 0) {
				return usageError{errors.New("name the file of the register, or --empty"), c.CommandPath()}
			}
			o := privilege.ReadOptions{Jurisdiction: country, Source: source}
			if profession != "" {
				if err := o.Profession.UnmarshalText([]byte(profession)); err != nil {
					return usageError{fmt.Errorf("--profession: %w", err), c.CommandPath()}
				}
			}
			lent, err := admin.ReadKey(key)
			if key == "" {
				err = node.ErrNotLent
			}
			if err != nil {
				return err
			}
			d, report := privilege.NewDirectory(nil), &privilege.ReadReport{}
			if !empty {
				data, err := durable.ReadGiven(args[0], maxRegister)
				if err != nil {
					return err
				}
				if d, report, err = privilege.ReadDirectory(c.Context(), data, o); err != nil {
					return err
				}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				if err := n.Admin.AddDirectory(ctx, a.actorName(), lent, d, report); err != nil {
					return err
				}
				return voice.Say(a.out, "directory_added", newDirectoryAdded(report), printDirectory)
			})
		},
	}
	flags := c.Flags()
	lentFlag(c, &key)
	flags.StringVar(&profession, "profession", "", "the `profession` of entries that state none: lawyer, notary, clergy, doctor, journalist")
	flags.StringVar(&country, "country", "", "the `country` (two letters) of entries that state none, for numbers in national form")
	flags.StringVar(&source, "source", "", "the `name` of the register")
	flags.BoolVar(&empty, "empty", false, "make an empty directory")
	return c
}

func printDirectory(o *voice.Output, d *directoryAdded) {
	o.Linef("rows %s = entries %s + lost %s", printable.Group(d.Rows), printable.Group(d.Entries), printable.Group(d.Lost))
	for _, p := range d.Problems {
		state := "kept without it"
		if p.Lost {
			state = "lost"
		}
		o.Linef("  %s, %s, the first is row %s: %s", printable.Count(p.Count, "row", "rows"), state, printable.Group(p.Row), printable.OneLine(p.Reason))
	}
	if d.Entries == 0 {
		o.Linef("Nobody is in the directory: only words and copies are recognised.")
	}
}

// lentFlag adds the flag for the key that the judge lends.
func lentFlag(c *cobra.Command, key *string) {
	c.Flags().StringVar(key, "privilege-key", "", "the `file` with the key that the judge lent, in a store that seals protected communication")
}

// lent reads the key that the judge lent, as text; "" if there is none.
func lent(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	key, err := admin.ReadKey(name)
	if err != nil {
		return "", fmt.Errorf("read the judge's key: %w", err)
	}
	return key.Text(), nil
}
