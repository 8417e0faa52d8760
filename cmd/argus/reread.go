package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) rereadCommand() *cobra.Command {
	var f ingestFlags
	c := &cobra.Command{
		Use:   "reread DELIVERY",
		Short: "Read the originals of a delivery again with today's readers",
		Long: `Read the kept originals of a delivery again, with the readers of this Argus and the
options of the first reading, unless flags change them. The new reading becomes a sealed
delivery of its own. From then on it replaces the first reading in every answer, under
the number of the first. The first reading stays sealed and can still be proved, but no
longer counts.

The answer compares the two readings: new, gone and changed messages by reader and by
conversation, those with the most changes first, and the reasons for quarantined pieces.
Each message, and everything else with an id, counts once.

An interrupted reading continues with the same command, or with "argus ingest --resume";
until it is sealed, the first reading counts. A delivery that lost records to an order
cannot be read again. A running server does the work, as for "argus ingest".`,
		Example: `  argus reread D-0003
  argus reread D-0003 --timezone Europe/Brussels --reason 'the phone was set to local time'`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := argus.ParseDelivery(args[0])
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			tuneGC()
			return a.reread(c, f, number)
		},
	}
	f.readingFlags(c)
	lentFlag(c, &f.key)
	c.Flags().IntVar(&f.batch, "batch", 4096, "the maximum number of records that are made durable at once")
	c.Flags().StringVar(&f.reason, "reason", "", "the `reason`, recorded in the opening")
	return c
}

func (a *app) reread(c *cobra.Command, f ingestFlags, number argus.DeliveryNumber) error {
	_, names, err := a.reading(f)
	if err == nil {
		err = (intake.Options{Formats: all.Formats(), Format: f.format}).KnownFormat()
	}
	if err != nil {
		return usageError{err, c.CommandPath()}
	}
	key, err := lent(f.key)
	if err != nil {
		return err
	}
	work := intake.Options{Format: f.format, ReadingNames: names}
	return a.takeIn(c.Context(), handover.Job{Do: handover.Reread, Deliveries: []argus.DeliveryNumber{number}, Reason: f.reason, Settings: work.Settings(), Batch: f.batch, Lent: key})
}

func printDifference(o *voice.Output, d *intake.Difference) {
	o.Linef("%s  reads %s again and replaces %s in every answer", o.Bold(d.Now.String()), d.Of, d.Then)
	o.Linef("  messages and other items: %s unchanged, %s new, %s gone, %s changed", printable.Group(d.Same), printable.Group(d.New), printable.Group(d.Gone), printable.Group(d.Changed))
	for _, r := range d.Readers {
		o.Linef("  by %s → %s: %s", printable.OneLine(cmp.Or(r.Then, "no reader")), printable.OneLine(cmp.Or(r.Now, "no reader")), changes(r.Changes))
	}
	for _, c := range d.Conversations[:min(len(d.Conversations), voice.MostFiles)] {
		o.Linef("    %s: %s", printable.OneLine(c.Service+" in "+c.Conversation), changes(c.Changes))
	}
	if more := d.MoreConversations + uint64(max(0, len(d.Conversations)-voice.MostFiles)); more > 0 {
		o.Linef("    … and %s", printable.Count(more, "conversation", "conversations"))
	}
	if d.Beyond != (intake.Changes{}) {
		o.Linef("    … and in further conversations: %s", changes(d.Beyond))
	}
	for _, q := range d.Quarantined {
		o.Linef("  quarantined: %s before, %s now: %s", printable.Count(q.Then, "piece", "pieces"), printable.Group(q.Now), printable.OneLine(q.Reason))
	}
}

func changes(c intake.Changes) string {
	var list []string
	for _, one := range []struct {
		n    uint64
		word string
	}{{c.New, "new"}, {c.Gone, "gone"}, {c.Changed, "changed"}} {
		if one.n > 0 {
			list = append(list, fmt.Sprintf("%s %s", printable.Group(one.n), one.word))
		}
	}
	return strings.Join(list, ", ")
}
