package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/voice"
	"github.com/argus-evidence/argus/internal/world"
)

// worldFlags give the size of a world and the form that it is written in.
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
		Short: "Write an invented case to try things out on",
		Long: `Invent a phone service, its users and the crime among them. Argus writes their
messages into a folder, and the truth about the case into a file next to the folder
(docs/format/truth.md). The same options give the same bytes on any machine. All
people and events are invented.

The presets are demo (200 accounts, 20,000 messages), encrochat (60,000 accounts, 20
million messages in three months) and skyecc (70,000 accounts, 11,000 of them in one
country, 80 million messages over two years). The other flags change the preset.

Written as deliveries, the case is a partly locked archive, a live feed, phones, a room,
a channel, sheets and a damaged stick, and several of them hold copies of the same
messages. With --feed, the last days are kept apart, to be ingested one after the other.
Written as jsonl, it is one file of Argus JSON lines. Written as bench, it is one such
file of meaningless text with a much larger vocabulary, for measurements.`,
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
	flags.Uint64Var(&f.options.Seed, "seed", 1, "the `number` from which everything is derived")
	flags.StringVar(&f.preset, "preset", "demo", "the `size`: "+strings.Join(slices.Sorted(maps.Keys(world.Presets)), ", "))
	flags.StringVar(&f.form, "as", "deliveries", "the `form`: deliveries, jsonl or bench")
	flags.IntVar(&f.options.Messages, "messages", 0, "the approximate `number` of messages (default the preset's)")
	flags.IntVar(&f.options.Accounts, "accounts", 0, "the `number` of accounts (default the preset's)")
	flags.IntVar(&f.options.Days, "days", 0, "the `number` of days (default the preset's)")
	flags.IntVar(&f.options.Locked, "locked", 0, "the `percentage` of keys that were not handed over (default the preset's)")
	flags.IntVar(&f.options.Feed, "feed", 0, "the `number` of days at the end that are written into the folder feed, one file for every four hours")
	flags.StringVar(&f.truth, "truth", "", "the `file` for the truth about the case (default FOLDER.truth.jsonl)")
	return c
}

// resolve returns the preset with the changes of the flags.
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
	done := written{Folder: dir}
	if f.form != "bench" {
		done.Truth = cmp.Or(f.truth, filepath.Clean(dir)+".truth.jsonl")
	}
	if err := world.Save(ctx, done.Folder, done.Truth, f.form, o); err != nil {
		return err
	}
	return voice.Say(a.out, "world", done, func(o *voice.Output, w written) {
		if w.Truth == "" {
			o.Linef("Wrote %s.", w.Folder)
			return
		}
		o.Linef("Wrote %s, and the truth about it to %s.", w.Folder, w.Truth)
	})
}

// written names the folder of an invented case, and the file with the truth
// about it, empty if there is none.
type written struct {
	Folder string `json:"folder"`
	Truth  string `json:"truth,omitempty"`
}
