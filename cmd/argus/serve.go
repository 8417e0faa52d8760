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

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
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
and for one browser; nothing is reachable from other machines.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			n, who, err := a.open(c.Context())
			if err != nil {
				return err
			}
			name, err := filepath.Abs(a.storePath())
			if err != nil {
				name = a.storePath()
			}
			return errors.Join(a.serve(c.Context(), n, who, filepath.Base(name), f), n.Close())
		},
	}
	f.add(c)
	return c
}

// serve answers until the context ends, which is no error.
func (a *app) serve(ctx context.Context, n *node.Node, who desk.Who, name string, f serveFlags) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port with --port", err)
	}
	token := node.NewToken()
	link := fmt.Sprintf("http://%s/?token=%s", listener.Addr(), token)
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
	if !f.noOpen && a.out.width > 0 {
		openBrowser(ctx, link)
	}
	return n.Serve(ctx, listener, who, name, token)
}

// openBrowser tries to; the link is printed in any case.
func openBrowser(ctx context.Context, link string) {
	command := map[string][]string{
		"darwin":  {"open"},
		"windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	c := exec.CommandContext(ctx, command[0], append(command[1:], link)...)
	if c.Start() == nil {
		go func() { _ = c.Wait() }() // only to leave no zombie
	}
}

func (a *app) demoCommand() *cobra.Command {
	var f serveFlags
	var keep string
	var messages int
	var seed uint64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Take in an invented case and open it in the browser",
		Long: `Make an invented case of 20,000 messages, a third of its archive locked, take it
in through the ordinary road, and serve it to a browser on this machine.
Everything lies in a temporary folder that is removed at the end; --keep FOLDER
keeps it.`,
		Args: cobra.NoArgs,
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
			return a.demo(c.Context(), dir, seed, messages, f)
		},
	}
	f.add(c)
	c.Flags().StringVar(&keep, "keep", "", "make it in this `folder` and keep it")
	c.Flags().IntVar(&messages, "messages", 20_000, "about how many messages")
	c.Flags().Uint64Var(&seed, "seed", 1, "what everything follows from")
	return c
}

func (a *app) demo(ctx context.Context, dir string, seed uint64, messages int, f serveFlags) error {
	deliveries := filepath.Join(dir, "deliveries")
	store := filepath.Join(dir, "demo.argus")
	o := a.nodeOptions()
	o.KeyDir = filepath.Join(dir, "keys")
	if !node.Exists(store) {
		if err := a.makeDemo(ctx, deliveries, store, o, seed, messages); err != nil {
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
	return errors.Join(a.serve(ctx, n, who, "the invented case", f), n.Close())
}

func (a *app) makeDemo(ctx context.Context, deliveries, store string, o node.Options, seed uint64, messages int) error {
	if err := os.MkdirAll(deliveries, 0o700); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	if err := world.Write(deliveries, seed, messages); err != nil {
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
		for _, name := range world.Deliveries {
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
