package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/demo"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
	"github.com/argus-evidence/argus/internal/world"
)

func (a *app) demoCommand() *cobra.Command {
	var f serveFlags
	var keep string
	var messages int
	var seed uint64
	var every time.Duration
	c := &cobra.Command{
		Use:   "demo",
		Short: "Ingest an invented case and open it in the browser",
		Long: `Make an invented case with 20,000 messages, ingest it like any delivery, and serve it to
a browser on this machine. A third of its archive is locked. A live feed adds two more
weeks while you look; each of its deliveries covers four hours. "Follow" in the page
shows new messages.

The case has a person for each role, and an authority for those who read. The page opens
as its analyst; the button with the authority lets you play the others, and so see what
the law shows to each. On the command line, you are its custodian and an analyst.

Everything is kept in a temporary folder that is removed at the end. --keep FOLDER
keeps it, and the feed continues there the next time.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			dir := keep
			if dir == "" {
				var err error
				if dir, err = os.MkdirTemp("", "argus-demo-"); err != nil {
					return fmt.Errorf("make a folder for the demo: %w", err)
				}
				defer os.RemoveAll(dir)
			} else if err := os.MkdirAll(dir, 0o700); err != nil {
				return fmt.Errorf("make a folder for the demo: %w", err)
			}
			return a.demo(c, dir, demoWorld(seed, messages), every, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&keep, "keep", "", "work in this `folder` and keep it (default a temporary one)")
	c.Flags().IntVar(&messages, "messages", 20_000, "the approximate `number` of messages")
	c.Flags().Uint64Var(&seed, "seed", 1, "the `number` from which everything is derived")
	c.Flags().DurationVar(&every, "feed", 10*time.Second, "the `time` between two deliveries of the live feed; 0 for no feed")
	return c
}

// demoFeed is the number of days at the end of the case that the live feed delivers.
const demoFeed = 14

func demoWorld(seed uint64, messages int) world.Options {
	o := world.Presets["demo"]
	o.Seed, o.Messages, o.Feed = seed, messages, demoFeed
	return o
}

func (a *app) demo(c *cobra.Command, dir string, w world.Options, every time.Duration, f serveFlags) error {
	ctx := c.Context()
	deliveries := filepath.Join(dir, "deliveries")
	store := filepath.Join(dir, "demo.argus")
	o := a.nodeOptions()
	o.KeyDir = filepath.Join(dir, "keys")
	if !layout.Exists(store) {
		if err := a.makeDemo(ctx, deliveries, store, o, w); err != nil {
			return err
		}
	}
	n, err := node.Open(ctx, store, o)
	if err != nil {
		return err
	}
	asks, err := demo.Asks(ctx, n)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	f.plays = true
	s := node.NewShared(ctx, store, o)
	var beside []func(context.Context) error
	if every > 0 {
		beside = append(beside, func(ctx context.Context) error {
			return s.Use(func(n *node.Node) error {
				return a.feed(ctx, filepath.Join(deliveries, world.FeedFolder), n, every)
			})
		})
	}
	return errors.Join(a.serve(c, n, s, asks, "the invented case", f, beside...), n.Close())
}

// feed ingests the files of a folder, one at a time, as if each had just arrived and
// another argus ingested it while the server runs. It removes each file from the folder
// once the store keeps it, so that a stopped feed continues with the next file.
func (a *app) feed(ctx context.Context, dir string, n *node.Node, every time.Duration) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the folder of the live feed: %w", err)
	}
	who, err := n.Who(ctx, desk.Who{})
	for i := 0; err == nil && i < len(files); i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		name := filepath.Join(dir, files[i].Name())
		err = n.Ingest(ctx, who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			receipt, err := intake.Ingest(ctx, o, name)
			if err != nil {
				return err
			}
			return errors.Join(a.demoReceipt(receipt), os.Remove(name))
		})
	}
	if ctx.Err() != nil {
		err = nil // the next start finishes an open delivery
	}
	return err
}

func (a *app) makeDemo(ctx context.Context, deliveries, store string, o node.Options, w world.Options) error {
	if err := os.MkdirAll(deliveries, 0o700); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	if err := world.Write(ctx, deliveries, w); err != nil {
		return err
	}
	if err := node.Create(ctx, store, o); err != nil {
		return err
	}
	o.Write = true
	n, err := node.Open(ctx, store, o)
	if err != nil {
		return err
	}
	if err := demo.Fill(ctx, n); err != nil {
		return errors.Join(err, n.Close())
	}
	who, err := n.Who(ctx, desk.Who{})
	if err != nil {
		return errors.Join(err, n.Close())
	}
	err = n.Ingest(ctx, who, intake.Options{Apart: true}, func(ctx context.Context, o intake.Options) error {
		for _, name := range world.Written(deliveries) {
			receipt, err := intake.Ingest(ctx, o, filepath.Join(deliveries, name))
			if err != nil {
				return err
			}
			if err := a.demoReceipt(receipt); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, n.Close())
}

// demoReceipt prints the receipt of a delivery in one line.
func (a *app) demoReceipt(r *argus.Receipt) error {
	return voice.Say(a.out, "receipt", r, func(o *voice.Output, r *argus.Receipt) {
		o.Linef("%s  %-20s %s", r.Delivery, printable.OneLine(filepath.Base(r.Opening.Source)), voice.Account(r.Counts, false))
	})
}
