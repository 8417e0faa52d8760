package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/world"
)

type serveFlags struct {
	port   int
	noOpen bool
}

func (f *serveFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&f.port, "port", 0, "the port on this machine (default a free one)")
	c.Flags().BoolVar(&f.noOpen, "no-open", false, "do not open a browser")
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Search in the browser, on this machine only",
		Long: `Serve the store to a browser on this machine. The link that is printed works once
and for one browser; nothing is reachable from other machines. With a terminal, the
browser is opened, by a file that only you can read and that is removed then.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			n, who, err := a.open(c.Context())
			if err != nil {
				return err
			}
			name, err := filepath.Abs(a.storePath())
			if err != nil {
				name = a.storePath()
			}
			return errors.Join(a.serve(c.Context(), n, who, filepath.Base(name), f, nil), n.Close())
		},
	}
	f.add(c)
	return c
}

// serve answers until the context ends, which is no error. Beside it runs what
// is given, if anything; serving ends when that fails.
func (a *app) serve(ctx context.Context, n *node.Node, who desk.Who, name string, f serveFlags, beside func(context.Context) error) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port with --port", err)
	}
	token := node.NewToken()
	// Behind the #, it is not sent with the request for the page.
	link := fmt.Sprintf("http://%s/#token=%s", listener.Addr(), token)
	if a.json {
		err = a.out.object("serving", map[string]any{"url": link})
	} else {
		a.out.linef("Argus serves %s to one browser on this machine. Open this link; it works once:", name)
		a.out.linef("%s", link)
		a.out.linef("Stop it with Ctrl-C.")
		err = a.out.flush()
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	session := node.Session{Who: who, Store: name, Token: token}
	if !f.noOpen && a.out.width > 0 {
		if page, err := linkPage(link); err == nil {
			session.Opened = func() { os.Remove(page) }
			defer session.Opened()
			openBrowser(ctx, page)
		}
	}
	if beside == nil {
		return n.Serve(ctx, listener, session)
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		err := beside(ctx)
		if err != nil {
			stop()
		}
		done <- err
	}()
	err = n.Serve(ctx, listener, session)
	stop()
	return errors.Join(err, <-done)
}

// linkPage makes a file that leads to the link, which nobody else can read: the
// arguments of a program can be read by every user of the machine. The caller
// removes it.
func linkPage(link string) (string, error) {
	// A browser that is confined, as in a snap, sees its own /tmp only.
	dir, _ := os.UserHomeDir()
	f, err := os.CreateTemp(dir, "argus-*.html")
	if err != nil {
		f, err = os.CreateTemp("", "argus-*.html")
	}
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=%[1]s"><title>Argus</title><p><a href="%[1]s">Open Argus</a></p></html>
`, link)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// openBrowser tries to open a page; the link is printed in any case.
func openBrowser(ctx context.Context, page string) {
	command := map[string][]string{
		"darwin":  {"open"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	c := exec.CommandContext(ctx, command[0], append(command[1:], page)...)
	if c.Start() == nil {
		go func() { _ = c.Wait() }() // only to leave no zombie
	}
}

func (a *app) demoCommand() *cobra.Command {
	var f serveFlags
	var keep string
	var messages int
	var seed uint64
	var every time.Duration
	c := &cobra.Command{
		Use:   "demo",
		Short: "Take in an invented case and open it in the browser",
		Long: `Make an invented case of 20,000 messages, a third of its archive locked, take it
in through the ordinary road, and serve it to a browser on this machine. A live
feed of two more weeks goes on while you look: four hours of it are handed over
at a time, each a delivery of its own. "Follow" in the page shows what arrives.

Everything lies in a temporary folder that is removed at the end; --keep FOLDER
keeps it, and the feed goes on there where it stopped.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
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
			return a.demo(c.Context(), dir, demoWorld(seed, messages), every, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&keep, "keep", "", "make it in this `folder` and keep it")
	c.Flags().IntVar(&messages, "messages", 20_000, "about how many messages")
	c.Flags().Uint64Var(&seed, "seed", 1, "what everything follows from")
	c.Flags().DurationVar(&every, "feed", 10*time.Second, "how long until the live feed hands over the next four hours; 0 for no feed")
	return c
}

// demoFeed is how many of the last days of the case arrive while it is looked at.
const demoFeed = 14

func demoWorld(seed uint64, messages int) world.Options {
	o := world.Presets["demo"]
	o.Seed, o.Messages, o.Feed = seed, messages, demoFeed
	return o
}

func (a *app) demo(ctx context.Context, dir string, w world.Options, every time.Duration, f serveFlags) error {
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
	who, err := a.who(ctx, n)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	var feed func(context.Context) error
	if every > 0 {
		feed = func(ctx context.Context) error {
			return a.feed(ctx, filepath.Join(deliveries, world.FeedFolder), store, o, every)
		}
	}
	return errors.Join(a.serve(ctx, n, who, "the invented case", f, feed), n.Close())
}

// feed takes in what lies in a folder, one file after the other as if it
// arrived, like another argus would beside the one that serves. What was taken
// in is kept in the store and goes from the folder, so that a feed that was
// stopped goes on with the next.
func (a *app) feed(ctx context.Context, dir, store string, o node.Options, every time.Duration) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for the live feed: %w", err)
	}
	o.Write = true
	n, err := node.Open(ctx, store, o)
	if err != nil {
		return err
	}
	who, err := a.who(ctx, n)
	for i := 0; err == nil && i < len(files); i++ {
		select {
		case <-ctx.Done():
			return n.Close()
		case <-time.After(every):
		}
		name := filepath.Join(dir, files[i].Name())
		err = n.Ingest(ctx, who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			receipt, err := intake.Ingest(ctx, o, name)
			if err != nil {
				return err
			}
			return errors.Join(a.demoReceipt(world.FeedFolder, receipt), os.Remove(name))
		})
	}
	if ctx.Err() != nil {
		err = nil // what was begun is finished the next time
	}
	return errors.Join(err, n.Close())
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
	who, err := a.who(ctx, n)
	if err != nil {
		return errors.Join(err, n.Close())
	}
	err = n.Ingest(ctx, who, intake.Options{Apart: true}, func(ctx context.Context, o intake.Options) error {
		for _, name := range world.Written(deliveries) {
			receipt, err := intake.Ingest(ctx, o, filepath.Join(deliveries, name))
			if err != nil {
				return err
			}
			if err := a.demoReceipt(name, receipt); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, n.Close())
}

func (a *app) demoReceipt(name string, r *argus.Receipt) error {
	if a.json {
		return a.out.object("receipt", r)
	}
	c := r.Counts
	a.out.linef("%s  %-20s read %s = stored %s + sightings %s + quarantined %s", r.Delivery, name,
		group(c.Read), group(c.Stored), group(c.Sightings), group(c.Quarantined))
	return a.out.flush()
}
