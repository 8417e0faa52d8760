package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// storePath returns the path of the store that the command works on.
func (a *app) storePath() string {
	return cmp.Or(a.store, os.Getenv("ARGUS_STORE"), "case.argus")
}

// actorName returns the name that the user gave, empty if there is none.
func (a *app) actorName() string { return cmp.Or(a.actor, os.Getenv("ARGUS_ACTOR")) }

func (a *app) nodeOptions() node.Options {
	return node.Options{Formats: all.Formats(), KeyDir: a.keys, ReaderDir: a.reader, Software: software(), Failpoint: failpoint(),
		Note: a.note}
}

// note prints a sentence for people, apart from the answer.
func (a *app) note(sentence string) { fmt.Fprintln(a.err, "argus: "+printable.Plain(sentence)) }

// open opens the store for reading, and returns who reads.
func (a *app) open(ctx context.Context) (*node.Node, desk.Who, error) {
	n, err := node.Open(ctx, a.storePath(), a.nodeOptions())
	if err != nil {
		return nil, desk.Who{}, err
	}
	who, err := a.who(ctx, n)
	if err != nil {
		return nil, who, errors.Join(err, n.Close())
	}
	return n, who, nil
}

// who returns the asker: from the flags, then the environment, then the store.
func (a *app) who(ctx context.Context, n *node.Node) (desk.Who, error) {
	return n.Who(ctx, a.says())
}

// says returns who asks according to the flags and the environment.
func (a *app) says() desk.Who {
	return desk.Who{Actor: a.actorName(), Authority: a.authority, Purpose: cmp.Or(a.purpose, os.Getenv("ARGUS_PURPOSE"))}
}

// reads runs a command that reads through the desk.
func (a *app) reads(c *cobra.Command, work func(ctx context.Context, d *desk.Desk, who desk.Who) error) error {
	n, who, err := a.open(c.Context())
	if err != nil {
		return err
	}
	return errors.Join(work(c.Context(), n.Desk, who), n.Close())
}

// administer runs a command that changes the store and reads no data.
func (a *app) administer(c *cobra.Command, work func(ctx context.Context, n *node.Node) error) error {
	n, err := node.Open(c.Context(), a.storePath(), a.nodeOptions())
	if err != nil {
		return err
	}
	return errors.Join(work(c.Context(), n), n.Close())
}

// watched reports whether somebody watches progress: the standard error is a
// terminal, and --json is not set.
func (a *app) watched() bool {
	f, ok := a.err.(*os.File)
	return ok && !a.json && term.IsTerminal(int(f.Fd()))
}

// clearLine makes a terminal clear the current line.
const clearLine = "\r\x1b[K"

// complain prints an error that does not stop the command.
func (a *app) complain(err error) {
	if err != nil {
		fmt.Fprintln(a.err, "argus: "+err.Error())
	}
}
