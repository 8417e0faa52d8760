package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
)

type serveFlags struct {
	port   int
	noOpen bool
}

func (f *serveFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&f.port, "port", 0, "the `port` on this machine (default a free one)")
	c.Flags().BoolVar(&f.noOpen, "no-open", false, "do not open a browser")
}

func (f *serveFlags) check(c *cobra.Command) error {
	return between(c, "port", f.port, 0, math.MaxUint16)
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Search in the browser, on this machine only",
		Long: `Serve the store to a browser on this machine. The printed link works once, in one
browser; other machines cannot reach the server. On a terminal, Argus opens the
browser, through a file that only you can read and that it removes afterwards.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
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

// serving is the answer when the server is ready.
type serving struct {
	Store string `json:"store"`
	URL   string `json:"url"`
}

// serve answers until the context ends, which is not an error. The function beside,
// unless it is nil, runs meanwhile; its error ends serving.
func (a *app) serve(ctx context.Context, n *node.Node, who desk.Who, name string, f serveFlags, beside func(context.Context) error) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port with --port", err)
	}
	token := node.NewToken()
	// A browser does not send the part after # with its request.
	link := fmt.Sprintf("http://%s/#token=%s", listener.Addr(), token)
	err = say(a.out, "serving", serving{name, link}, func(o *output, s serving) {
		o.linef("Argus serves %s to one browser on this machine. Open this link; it works once:", s.Store)
		o.linef("%s", s.URL)
		o.linef("Stop it with Ctrl-C.")
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	session := node.Session{Who: who, Store: name, Token: token}
	if !f.noOpen && a.out.terminal {
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

// linkPage makes a page that leads to the link, in a file that only this user can
// read: every user of the machine can read the arguments of a program. The caller
// removes the file.
func linkPage(link string) (string, error) {
	// A confined browser, such as one in a snap, sees only its own /tmp.
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

// openBrowser tries to open a page. Failure is silent: the link has been printed.
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
		go func() { _ = c.Wait() }() // so that no zombie is left
	}
}
