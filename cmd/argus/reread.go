package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
)

func (a *app) rereadCommand() *cobra.Command {
	var f ingestFlags
	c := &cobra.Command{
		Use:   "reread DELIVERY",
		Short: "Read the originals of a delivery again with today's readers",
		Long: `Read a delivery once more, from the originals that the store keeps, with the
readers of this Argus and the options of the first time, unless flags say
otherwise. The reading becomes a delivery of its own, which is sealed. From then
on it takes the place of the first one, in every answer and under the delivery's
own number. The first reading stays as it was sealed, can be proved, and counts no
more.

Nothing is overwritten, so there is a difference to look at: what is new, gone
and changed, by reader and by conversation, those with most of it first, and the
reasons of what is quarantined. Messages, and everything that has an id, count once each.

An interrupted reading goes on with the same command, or with "argus ingest
--resume"; until it is sealed the delivery counts as before. A delivery that
lost records by an order cannot be read again.`,
		Example: `  argus reread D-0003
  argus reread D-0003 --timezone Europe/Brussels --reason 'the phone was set to local time'`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := argus.ParseDelivery(args[0])
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.reread(c, f, number)
		},
	}
	f.readingFlags(c)
	c.Flags().IntVar(&f.batch, "batch", 4096, "the most records that are made durable at once")
	c.Flags().StringVar(&f.reason, "reason", "", "why it is read again, for the record")
	return c
}

func (a *app) reread(c *cobra.Command, f ingestFlags, number argus.DeliveryNumber) error {
	reading, names, err := f.reading()
	if err == nil {
		err = (intake.Options{Formats: all.Formats(), Format: f.format}).KnownFormat()
	}
	if err != nil {
		return usageError{err, c.CommandPath()}
	}
	o := a.nodeOptions()
	o.Write = true
	n, err := node.Open(c.Context(), a.storePath(), o)
	if err != nil {
		return err
	}
	work := intake.Options{Formats: all.Formats(), Format: f.format, Reading: reading, ReadingNames: names, BatchRecords: f.batch, Apart: true}
	return errors.Join(a.rereadIn(c.Context(), n, f, number, work), n.Close())
}

func (a *app) rereadIn(ctx context.Context, n *node.Node, f ingestFlags, number argus.DeliveryNumber, o intake.Options) error {
	who, err := a.who(ctx, n)
	if err != nil {
		return err
	}
	progress := a.newProgress()
	defer progress.close()
	o.Progress = progress.show
	err = n.Ingest(ctx, who, o, func(ctx context.Context, o intake.Options) error {
		receipt, err := intake.Reread(ctx, o, number, f.reason)
		if err != nil {
			return err
		}
		return progress.receiptOf(ctx, o, receipt)
	})
	if err != nil && ctx.Err() != nil {
		return errIngestStopped
	}
	return err
}

// receiptOf prints a receipt, and for a complete reading what it says otherwise.
func (p *progress) receiptOf(ctx context.Context, o intake.Options, r *argus.Receipt) error {
	if err := p.receipt(r); err != nil || r.Reads == 0 || r.Seal.Incomplete != "" {
		return err
	}
	d, err := intake.Compare(ctx, o.Store, r.Delivery)
	if err != nil {
		return err
	}
	if p.a.json {
		return p.a.out.object("difference", d)
	}
	printDifference(p.a.out, d)
	return p.a.out.flush()
}

func printDifference(o *output, d *intake.Difference) {
	o.linef("%s  reads %s again and takes the place of %s in every answer", o.bold(d.Now.String()), d.Of, d.Then)
	o.linef("  the same %s, new %s, gone %s, changed %s", group(d.Same), group(d.New), group(d.Gone), group(d.Changed))
	for _, r := range d.Readers {
		o.linef("  by %s → %s: %s", oneLine(first(r.Then, "nobody")), oneLine(first(r.Now, "nobody")), changes(r.Changes))
	}
	for _, c := range d.Conversations[:min(len(d.Conversations), maxFiles)] {
		o.linef("    %s: %s", oneLine(c.Service+" in "+c.Conversation), changes(c.Changes))
	}
	if more := d.MoreConversations + uint64(max(0, len(d.Conversations)-maxFiles)); more > 0 {
		o.linef("    … and %s", count(more, "conversation", "conversations"))
	}
	if d.Beyond != (intake.Changes{}) {
		o.linef("    … and beyond those that are told apart: %s", changes(d.Beyond))
	}
	for _, q := range d.Quarantined {
		o.linef("  quarantined then %s, now %s: %s", group(q.Then), group(q.Now), oneLine(q.Reason))
	}
}

func changes(c intake.Changes) string {
	var list []string
	for _, one := range []struct {
		n    uint64
		word string
	}{{c.New, "new"}, {c.Gone, "gone"}, {c.Changed, "changed"}} {
		if one.n > 0 {
			list = append(list, fmt.Sprintf("%s %s", one.word, group(one.n)))
		}
	}
	return strings.Join(list, ", ")
}
