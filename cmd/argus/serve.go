package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/voice"
)

type serveFlags struct {
	port   int
	noOpen bool
	people []string // who gets a link, in place of the user
	plays  bool     // one browser plays all people, and only the first gets a link
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
browser, through a file that only you can read and that it removes afterwards.

In a store with people ("argus people"), --for makes a link for each person that it
names, in place of your own. Anyone who opens a link acts as that person, so hand it
over in private.

While the server runs, "argus ingest" and "argus reread" hand their deliveries to this
server, over a socket in the store's folder that only you can reach (not on Windows).`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			n, asks, err := a.openFor(c.Context(), f.people)
			if err != nil {
				return err
			}
			name, err := filepath.Abs(a.storePath())
			if err != nil {
				name = a.storePath()
			}
			s := node.NewShared(c.Context(), a.storePath(), a.nodeOptions())
			return errors.Join(a.serve(c, n, s, asks, filepath.Base(name), f), n.Close())
		},
	}
	f.add(c)
	c.Flags().StringSliceVar(&f.people, "for", nil, "the `people` who get a link each, by their ids (default you)")
	return c
}

// openFor opens the store, and returns who gets a link.
func (a *app) openFor(ctx context.Context, people []string) (*node.Node, []desk.Who, error) {
	n, err := node.Open(ctx, a.storePath(), a.nodeOptions())
	if err != nil {
		return nil, nil, err
	}
	var asks []desk.Who
	if len(people) == 0 {
		who, err := n.WhoServed(ctx, a.says())
		if err != nil {
			return nil, nil, errors.Join(err, n.Close())
		}
		return n, []desk.Who{who}, nil
	}
	for _, id := range people {
		var who desk.Who
		if who, err = n.WhoFor(ctx, a.actorName(), desk.Who{Actor: id, Purpose: a.purpose}); err != nil {
			return nil, nil, errors.Join(err, n.Close())
		}
		asks = append(asks, who)
	}
	return n, asks, nil
}

// serving is the output when the server is ready.
type serving struct {
	Store string       `json:"store"`
	URL   string       `json:"url"` // the first
	Links []servedLink `json:"links"`
	Plays int          `json:"plays,omitempty"` // how many people the page can be, in the demonstration
}

// servedLink is the link of one actor.
type servedLink struct {
	Actor string `json:"actor"`
	URL   string `json:"url"`
}

func printServing(o *voice.Output, s serving) {
	if len(s.Links) == 1 {
		o.Linef("Argus serves %s to one browser on this machine. Open this link; it works once:", s.Store)
		o.Linef("%s", s.URL)
		if s.Plays > 1 {
			o.Linef("In it, you can play each of the %d people of the case: press the button with the authority.", s.Plays)
		}
	} else {
		o.Linef("Argus serves %s on this machine, to each person by a link of their own. Each works once:", s.Store)
		for _, l := range s.Links {
			o.Linef("%-16s %s", l.Actor, l.URL)
		}
	}
	o.Linef("Stop it with Ctrl-C.")
}

// serve answers requests until the context of the command ends, which is not an error. s
// writes to the store that n reads, on behalf of other commands. The functions in beside
// run meanwhile; an error from any of them ends serving.
func (a *app) serve(c *cobra.Command, n *node.Node, s *node.Shared, asks []desk.Who, name string, f serveFlags, beside ...func(context.Context) error) error {
	ctx := c.Context()
	if jobs, err := handover.Listen(ctx, s.Dir()); err == nil {
		defer func() { a.complain(jobs.Close()) }()
		beside = append(beside, func(ctx context.Context) error { return a.serveJobs(ctx, jobs, c.CommandPath(), n, s) })
	} else if !errors.Is(err, errors.ErrUnsupported) {
		a.note(fmt.Sprintf("No command can hand deliveries to this server: %v.", err))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return fmt.Errorf("listen: %w; choose another port with --port", err)
	}
	served := node.Served{Store: name, Switch: f.plays, Log: slog.New(slog.NewTextHandler(a.err, nil))}
	said := serving{Store: name}
	for _, who := range asks {
		token := node.NewToken()
		served.Links = append(served.Links, node.Link{Who: who, Token: token})
		// A browser does not send the part after # with its request.
		said.Links = append(said.Links, servedLink{who.Actor, fmt.Sprintf("http://%s/#token=%s", listener.Addr(), token)})
	}
	said.URL = said.Links[0].URL
	if f.plays {
		said.Links, said.Plays = said.Links[:1], len(asks)
	}
	if err := voice.Say(a.out, "serving", said, printServing); err != nil {
		return errors.Join(err, listener.Close())
	}
	if own := &served.Links[0]; !f.noOpen && a.out.Terminal && len(f.people) == 0 {
		if page, err := linkPage(said.URL); err == nil {
			own.Opened = func() { os.Remove(page) }
			defer own.Opened()
			openBrowser(ctx, page)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, len(beside))
	for _, work := range beside {
		go func() {
			err := work(ctx)
			if err != nil {
				stop()
			}
			done <- err
		}()
	}
	err = n.Serve(ctx, listener, served)
	stop()
	for range beside {
		err = errors.Join(err, <-done)
	}
	return err
}

// serveJobs does the jobs that other commands hand over, until the context ends. s writes
// to the store that n reads.
func (a *app) serveJobs(ctx context.Context, l *handover.Listener, command string, n *node.Node, s *node.Shared) error {
	return l.Serve(ctx, handover.Hello{Software: software(), Command: command}, func(job context.Context, j handover.Job, tell func(handover.Event) error) error {
		err := s.Use(func(w *node.Node) error { return a.do(job, w, j, tell) })
		if err == nil {
			err = n.FollowOnce(ctx)
		}
		if err == nil {
			return nil
		}
		code, hint := explain(err)
		return &handover.Failure{Text: message(err), Code: code, Hint: hint}
	})
}

// linkPage makes a page that leads to the link, in a file that only this user can read,
// since every user of the machine can read the arguments of a program. The caller removes
// the file.
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
