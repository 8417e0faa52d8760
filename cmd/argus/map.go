package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/survey"
	"github.com/argus-evidence/argus/internal/voice"
)

type mapFlags struct {
	from, name, out string
	set             []string
}

func (a *app) mapCommand() *cobra.Command {
	var f mapFlags
	c := &cobra.Command{
		Use:   "map [FILE]",
		Short: "Propose a map for a source of an unknown program, and keep it",
		Long: `A map says where a source has its records, and which of their columns hold the sender,
the receivers, the time and the text (docs/format/map.md). The source is JSON, JSON
lines, a sheet, an SQLite database or an SQL dump.

Argus looks at the beginning of the file and proposes a map by its content: times, short
values that repeat, long words. It prints the columns with the reason for each choice,
the map, and the first records as the map reads them, with the countries of the case
("argus init --country"). Nothing is ingested.

Correct the map with --set and run the command again: FIELD=PATH names another column,
FIELD= removes a field, FIELD.time=ms and the like set how it is read, and records=PATH
names another list or table. Keep it as a file with --out, or in the store with --name;
"argus ingest --map" takes both. The ledger records each map that is kept in the store; a
changed map is a new version. Without FILE the command lists the maps in the store.`,
		Example: `  argus map chats.json
  argus map chats.json --set to=receiver --set sent.time=ms --name chatapp
  argus ingest --map chatapp chats.json`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listMaps(c)
			}
			return a.mapFile(c, f, args[0])
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.from, "map", "", "the `map` to start from: its name in the store, or its file (default the proposed map)")
	flags.StringArrayVar(&f.set, "set", nil, "a correction, `field=path`; may be repeated")
	flags.StringVar(&f.name, "name", "", "keep the map in the store under this `name`")
	flags.StringVar(&f.out, "out", "", "write the map into this new `file`")
	return c
}

// listedMap is one version of a map.
type listedMap struct {
	Name    string `json:"map"`
	Version int    `json:"version"`
	Hash    string `json:"sha256"`
	Known   bool   `json:"known,omitempty"`
}

func printListedMap(o *voice.Output, l listedMap) {
	was := ""
	if l.Known {
		was = ", unchanged"
	}
	o.Linef("%s@%s  version %d%s", l.Name, l.Hash, l.Version, was)
}

func (a *app) listMaps(c *cobra.Command) error {
	return a.administer(c, func(_ context.Context, n *node.Node) error {
		versions, err := n.Admin.Maps()
		if err != nil {
			return err
		}
		for _, v := range versions {
			err = errors.Join(err, voice.Say(a.out, "map", listedMap{v.Name, v.Version, v.Hash, false}, printListedMap))
		}
		if len(versions) == 0 {
			a.out.Aside("No map has been kept.")
		}
		return err
	})
}

// mapOption returns the value of --map for the record of a delivery: field=header as it is,
// otherwise a map with its text.
func (a *app) mapOption(value string) (string, error) {
	if _, err := os.Stat(value); err != nil && strings.Contains(value, "=") {
		return value, nil
	}
	name, text, err := a.findMap(value)
	if err != nil {
		return "", fmt.Errorf("map %q: %w", value, err)
	}
	return mapping.Option(name, text), nil
}

// findMap finds a map by its file, or by its name in the store.
func (a *app) findMap(value string) (name, text string, err error) {
	data, err := durable.ReadGiven(value, mapping.MaxBytes)
	if err == nil || errors.Is(err, durable.ErrUnfit) {
		return filepath.Base(value), string(data), err
	}
	name, _, _ = strings.Cut(value, "@")
	if mapping.CheckName(name) != nil {
		return "", "", fmt.Errorf("there is no such file, and no map in the store has such a name; want field=header, a file or a name")
	}
	text, err = admin.FindMap(a.storePath(), value)
	if errors.Is(err, argus.ErrNotFound) {
		err = fmt.Errorf(`there is no such file, and no map of that name in the store; "argus map FILE --name %s" makes one`, name)
	}
	return name, text, err
}

func (a *app) mapFile(c *cobra.Command, f mapFlags, path string) error {
	if f.name != "" {
		if err := mapping.CheckName(f.name); err != nil {
			return usageError{err, c.CommandPath()}
		}
	}
	countries, err := a.caseCountries()
	if err != nil {
		return err
	}
	o := survey.Options{Formats: all.Formats(), Apart: true, Countries: countries, Set: f.set, Limits: reader.Limits{Temp: node.TempBeside(a.storePath())}}
	if f.from != "" {
		_, text, err := a.findMap(f.from)
		if err == nil {
			o.From, err = mapping.Draft(text)
		}
		if err != nil {
			return fmt.Errorf("--map %q: %w", f.from, err)
		}
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("map %s: %w", path, errNoSource)
	}
	shown, err := survey.Look(c.Context(), o, path)
	if errors.Is(err, survey.ErrCorrection) {
		return usageError{err, c.CommandPath()}
	}
	if err != nil {
		return err
	}
	text, err := shown.Map.Encode()
	if err != nil {
		return err
	}
	if err := voice.Say(a.out, "proposal", shown, printMap); err != nil {
		return err
	}
	return a.keepMap(c, f, text, shown.Lacks)
}

// keepMap keeps a map as a file, in the store, or both, as the flags say.
func (a *app) keepMap(c *cobra.Command, f mapFlags, text []byte, lacks string) error {
	if f.out == "" && f.name == "" {
		if lacks == "" {
			a.out.Aside("The map has not been kept. Correct it with --set; keep it with --name or --out; use it with \"argus ingest --map\".")
		}
		return nil
	}
	if lacks != "" {
		return errors.New("keep the map: " + lacks)
	}
	if f.out != "" {
		file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write the map: %w", err)
		}
		_, err = file.Write(text)
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write the map: %w", err)
		}
	}
	if f.name == "" {
		return nil
	}
	if store := a.storePath(); !layout.Exists(store) {
		if err := node.Create(c.Context(), store, a.nodeOptions()); err != nil {
			return err
		}
		if err := a.created(c, store); err != nil {
			return err
		}
	}
	return a.administer(c, func(ctx context.Context, n *node.Node) error {
		v, known, err := n.Admin.AddMap(ctx, a.actorName(), f.name, text)
		if err != nil {
			return err
		}
		return voice.Say(a.out, "map", listedMap{v.Name, v.Version, v.Hash, known}, printListedMap)
	})
}

func printMap(o *voice.Output, s *survey.Shown) {
	records := ""
	if s.Map.Records != "" {
		records = ", records in " + printable.OneLine(s.Map.Records)
	}
	o.Linef("%s%s", o.Bold(s.Map.Kind), records)
	for _, p := range s.Places {
		place := "at the top of the document"
		if p.Records != "" {
			place = "in " + printable.OneLine(p.Records)
		}
		o.Linef("  also found: %s %s", printable.Count(uint64(p.Seen), "record", "records"), place)
	}
	for _, c := range s.Columns {
		use := "not a field, kept with the message"
		if c.Field != "" {
			use = c.Field
			if c.Why != "" {
				use += ", because: " + printable.OneLine(c.Why)
			}
		}
		o.Linef("  %s: %s", o.Bold(printable.OneLine(c.Name)), use)
		o.Linef("    %s, such as %s", c.Looks, printable.OneLine(c.Example))
	}
	if s.Lacks != "" {
		o.Linef("The map cannot be used yet: %s. Name the column with --set.", printable.OneLine(s.Lacks))
	} else {
		o.Linef("The first records, as the map reads them:")
	}
	for _, r := range s.Records {
		from := r.From
		if r.FromName != "" {
			from += " (" + r.FromName + ")"
		}
		if len(r.To) > 0 {
			from += " → " + strings.Join(r.To, ", ")
		}
		if r.Conversation != "" {
			from += " in " + r.Conversation
		}
		assumed := ""
		if r.Zone == argus.ZoneAssumed.String() {
			assumed = " (UTC assumed)"
		}
		o.Linef("  %s%s  %s: %s", r.Sent, assumed, printable.OneLine(from), printable.OneLine(r.Text))
	}
	for _, p := range s.Problems {
		o.Linef("  quarantined: %s", printable.OneLine(p))
	}
	if text, err := s.Map.Encode(); err == nil {
		o.Linef("%s", strings.TrimSpace(printable.Plain(string(text))))
	}
}
