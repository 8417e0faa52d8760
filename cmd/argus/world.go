package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/world"
)

// worldFlags say how large a world is and in which form it is written.
type worldFlags struct {
	options world.Options
	preset  string
	form    string
	truth   string
}

func (a *app) worldCommand() *cobra.Command {
	var f worldFlags
	c := &cobra.Command{
		Use:   "world FOLDER",
		Short: "Write an invented case to try things on",
		Long: `Invent a phone service, those who use it and the crime among them, and write what
they say into a folder, with what is true of it in a file beside the folder
(docs/format/truth.md). The same options give the same bytes on any machine.
Nobody and nothing in it exists.

Presets are demo (200 accounts, 20,000 messages), encrochat (60,000 accounts, 20
million messages in three months) and skyecc (70,000 accounts, 11,000 of them in
one country, 80 million messages over two years). The other flags change what the
preset says.

Written as deliveries it is an archive partly locked, a live feed, phones, a room,
a channel, sheets, and a damaged stick, with copies of the same messages in
several of them; with --feed, the last days lie apart, to be handed over one after
the other. Written as jsonl it is one file of Argus JSON lines, and so it is
as bench, which has no meaning and many more different words, for measurements.`,
		Example: `  argus world case
  argus world large --preset skyecc --as jsonl`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := f.resolve(c)
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.world(c.Context(), args[0], o, f)
		},
	}
	flags := c.Flags()
	flags.Uint64Var(&f.options.Seed, "seed", 1, "what everything follows from")
	flags.StringVar(&f.preset, "preset", "demo", "how large: "+strings.Join(slices.Sorted(maps.Keys(world.Presets)), ", "))
	flags.StringVar(&f.form, "as", "deliveries", "deliveries, jsonl or bench")
	flags.IntVar(&f.options.Messages, "messages", 0, "about how many messages (default the preset's)")
	flags.IntVar(&f.options.Accounts, "accounts", 0, "how many accounts (default the preset's)")
	flags.IntVar(&f.options.Days, "days", 0, "how many days (default the preset's)")
	flags.IntVar(&f.options.Locked, "locked", 0, "how many of 100 keys were not handed over (default the preset's)")
	flags.IntVar(&f.options.Feed, "feed", 0, "how many of the last days go into the folder feed instead, a file for each four hours")
	flags.StringVar(&f.truth, "truth", "", "the `file` for what is true (default FOLDER.truth.jsonl)")
	return c
}

// resolve is the preset with what the flags change.
func (f *worldFlags) resolve(c *cobra.Command) (world.Options, error) {
	o, ok := world.Presets[f.preset]
	if !ok {
		return o, fmt.Errorf("--preset %q: want %s", f.preset, strings.Join(slices.Sorted(maps.Keys(world.Presets)), ", "))
	}
	if !slices.Contains([]string{"deliveries", "jsonl", "bench"}, f.form) {
		return o, fmt.Errorf("--as %q: want deliveries, jsonl or bench", f.form)
	}
	o.Seed, o.Feed = f.options.Seed, f.options.Feed
	o.Messages = cmp.Or(f.options.Messages, o.Messages)
	o.Accounts = cmp.Or(f.options.Accounts, o.Accounts)
	o.Days = cmp.Or(f.options.Days, o.Days)
	if c.Flags().Changed("locked") {
		o.Locked = f.options.Locked
	}
	return o, nil
}

func (a *app) world(ctx context.Context, dir string, o world.Options, f worldFlags) error {
	if f.form == "bench" {
		return into(filepath.Join(dir, "messages.jsonl"), func(w io.Writer) error { return world.Bench(w, o.Seed, o.Messages) })
	}
	w, err := world.New(o)
	if err != nil {
		return err
	}
	truth := cmp.Or(f.truth, filepath.Clean(dir)+".truth.jsonl")
	err = into(truth, func(truth io.Writer) error {
		if f.form == "jsonl" {
			return into(filepath.Join(dir, "messages.jsonl"), func(out io.Writer) error { return w.WriteLines(ctx, out, truth) })
		}
		return w.WriteDeliveries(ctx, dir, truth)
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.out.object("world", map[string]any{"folder": dir, "truth": truth})
	}
	a.out.linef("Wrote %s; what is true of it is in %s.", dir, truth)
	return nil
}

// into writes a file, whose folder is made if it is missing.
func into(name string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write an invented world: %w", err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	err = write(out)
	return errors.Join(err, out.Flush(), f.Close())
}
