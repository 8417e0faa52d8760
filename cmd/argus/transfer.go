package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) transferCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "transfer",
		Short: "Send messages to the store of a case, and take them in there",
		Args:  cobra.ArbitraryArgs,
		RunE:  menu,
	}
	c.AddCommand(a.transferOut(), a.transferIn())
	return c
}

func (a *app) transferOut() *cobra.Command {
	var out string
	c := a.withRequest(&cobra.Command{
		Use:   "out REQUEST",
		Short: "Write the package of the messages that a granted request gets",
		Long: `Write a signed package with the messages that a granted request gets: only those copies
that the authority of the grant covers and the request asks for. Each copy has the proof
that it is in a sealed delivery of this store. Copies that cannot be proved, such as those
of a delivery that is still open, stay, and are counted. The package names the conditions,
the handling codes and the ends of the authority. You act under that authority. With the
code H2 nothing leaves.`,
		Example: `  argus transfer out case.request --from case.pub --authority A-0002 --out case.package`,
	}, func(c *cobra.Command, file []byte, key string) error {
		if out == "" {
			return usageError{errors.New("missing --out"), c.CommandPath()}
		}
		n, who, err := a.open(c.Context())
		if err != nil {
			return err
		}
		text, sent, err := n.TransferOut(c.Context(), who, file, key)
		if err == nil {
			err = voice.Say(a.out, "sent", sent, printSent)
		}
		if err == nil {
			err = a.handOut(out, "argus/"+n.Info.Store, text)
		}
		return errors.Join(err, n.Close())
	})
	c.Flags().StringVar(&out, "out", "", "write the package to this new `file`")
	return c
}

func printSent(o *voice.Output, s *node.Sent) {
	o.Linef("%s in %s of %s", printable.Count(s.Messages, "message", "messages"), printable.Count(uint64(s.Copies), "copy", "copies"), printable.Count(uint64(s.Deliveries), "delivery", "deliveries"))
	if s.Left > 0 {
		o.Linef("  left out, because nothing proves them yet or any more: %s", printable.Count(s.Left, "copy", "copies"))
	}
	o.Linef("  basis    %s, granted by %s", printable.OneLine(s.Basis), printable.OneLine(s.GrantedBy))
	if s.Conditions != "" {
		o.Linef("  terms    %s", printable.OneLine(s.Conditions))
	}
	if len(s.Handling) > 0 {
		o.Linef("  handling %s", strings.Join(s.Handling, ", "))
	}
	for _, end := range []struct {
		name string
		at   time.Time
	}{{"until", s.Until}, {"keep", s.Retain}} {
		if !end.at.IsZero() {
			o.Linef("  %-8s %s", end.name, end.at.Format(time.RFC3339))
		}
	}
}

func (a *app) transferIn() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "in PACKAGE",
		Short: "Take in a package that answers a request of this store",
		Long: `Take in a package as a delivery. It has to be signed with the key in --from, and to answer
a request that this store made. Argus proves each copy against the seal of the delivery
that it comes from, before it is stored; a copy that is not proved is quarantined with the
reason. The package is kept byte for byte like any original, and the receipt names its
conditions.

Every authority in force that would reach the delivery has to have the conditions of the
package: its handling codes, its conditions in its words, its ends. Otherwise nothing is
taken in, and the command names those authorities. A package is taken in once.`,
		Example: `  argus transfer in case.package --from holder.pub --authority A-0002`,
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if from == "" {
				return usageError{errors.New("missing --from"), c.CommandPath()}
			}
			key, err := publicKey(from)
			if err != nil {
				return err
			}
			tuneGC()
			return a.receive(c, args[0], key)
		},
	}
	fromFlag(c, &from)
	return c
}

func (a *app) receive(c *cobra.Command, path, key string) error {
	progress := a.newProgress()
	defer progress.close()
	job := handover.Job{Do: handover.Ingest, Paths: []string{path}}
	err := node.NewShared(c.Context(), a.storePath(), a.nodeOptions()).Use(func(n *node.Node) error {
		who, err := a.who(c.Context(), n)
		if err != nil {
			return err
		}
		o, err := job.Options(intake.Options{Formats: all.Formats(), Apart: true}, progress.tell)
		if err != nil {
			return err
		}
		return n.TransferIn(c.Context(), who, o, path, key, func(ctx context.Context, o intake.Options) error { return job.Work(ctx, o, progress.tell) })
	})
	if err != nil && c.Context().Err() != nil {
		return errIngestStopped
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
