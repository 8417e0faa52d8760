package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/reader/mapping"
)

func (a *app) receiptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "receipt [DELIVERY]",
		Short: "List the deliveries, or show the balanced account of one",
		Args:  arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				if len(args) == 0 {
					return a.sayDeliveries(ctx, d, who)
				}
				number, err := argus.ParseDelivery(args[0])
				if err != nil {
					return usageError{err, c.CommandPath()}
				}
				receipt, err := d.Receipt(ctx, who, number)
				if err != nil {
					return err
				}
				return say(a.out, "receipt", receipt, printAccount)
			})
		},
	}
}

func (a *app) sayDeliveries(ctx context.Context, d *desk.Desk, who desk.Who) error {
	list, err := d.Deliveries(ctx, who)
	if err != nil {
		return err
	}
	for _, r := range list {
		if err := say(a.out, "delivery", &r, printDelivery); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		a.out.aside("No deliveries yet. Ingest one with \"argus ingest PATH\".")
	}
	return nil
}

// printAccount prints everything about one delivery.
func printAccount(o *output, d *desk.Delivery) {
	if d.Partial {
		printPartial(o, d)
		return
	}
	printReceipt(o, &d.Receipt, d.Limited)
	if h := d.Holds; h != nil {
		o.linef("  it holds %s; each counts once", counted(h.Messages, h.Beside))
	}
}

// printDelivery prints the row of a delivery in a list.
func printDelivery(o *output, d *desk.Delivery) {
	if d.Partial {
		printPartial(o, d)
		return
	}
	state := "not sealed"
	if d.Seal != nil {
		state = "sealed " + d.Seal.Sealed.Format(time.RFC3339)
	}
	if d.Reads != 0 {
		state += fmt.Sprintf(", reads %s again", d.Reads)
	}
	if d.ReadAgainBy != 0 {
		state += fmt.Sprintf(", read again by %s", d.ReadAgainBy)
	}
	o.linef("%s  %s  %s  %s", d.Delivery, account(d.Counts, d.Limited), state, oneLine(d.Opening.Source))
}

// account formats the sum of a delivery, or the two counts of a limited one.
func account(c argus.Counts, limited bool) string {
	if limited {
		return fmt.Sprintf("read %s, quarantined %s", group(c.Read), group(c.Quarantined))
	}
	return fmt.Sprintf("read %s = stored %s + sightings %s + quarantined %s", group(c.Read), group(c.Stored), group(c.Sightings), group(c.Quarantined))
}

// printPartial prints a delivery that the scope covers only in part.
func printPartial(o *output, d *desk.Delivery) {
	o.linef("%s  %s", o.bold(d.Delivery.String()), oneLine(d.Opening.Source))
	o.linef("  The authority covers only a part of it: its account and its seal are withheld.")
}

// maxFiles is the most files that a receipt lists by name, in all and below each reason.
const maxFiles = 10

// printReceipt prints the account of a delivery, or the part of it that the scope
// allows if it is limited.
func printReceipt(o *output, r *argus.Receipt, limited bool) {
	o.linef("%s  %s", o.bold(r.Delivery.String()), plain(r.Opening.Source))
	printReadings(o, r)
	printOptions(o, r.Opening.Options)
	c := r.Counts
	o.linef("  %s", account(c, limited))
	if limited {
		o.linef("  The authority covers this delivery but not all others: its other counts are withheld.")
	}
	printBeside(o, "stored copies", c)
	if c.Differing > 0 {
		o.linef("  %s from the known message (edited, deleted, other content)", count(c.Differing, "copy differs", "copies differ"))
	}
	if c.Locked > 0 {
		o.linef("  %s locked: no key is held yet", count(c.Locked, "stored copy is", "stored copies are"))
	}
	printCompleteness(o, r.Completeness)
	printFiles(o, r.Files)
	if s := r.Seal; s != nil {
		span := ""
		if s.First.Known() {
			span = fmt.Sprintf(", messages from %s to %s", s.First, s.Last)
		}
		o.linef("  sealed %s, root %s%s", s.Sealed.Format(time.RFC3339), s.Root, span)
		if s.Incomplete != "" {
			o.linef("  incomplete: %s", plain(s.Incomplete))
		}
	} else {
		o.linef("  not sealed: its ingest is under way or was interrupted (argus ingest --resume)")
	}
}

// printReadings names the delivery that this one reads again, and the one that took its place.
func printReadings(o *output, r *argus.Receipt) {
	if r.Reads != 0 {
		o.linef("  reads the originals of %s again; its messages are found under that number", r.Reads)
	}
	if r.ReadAgainBy != 0 {
		o.linef("  read again by %s, which counts in its place; the account below is as it was sealed", r.ReadAgainBy)
	}
}

// printOptions prints the reading options that the operator gave, and whether the
// readers ran without the sandbox that other systems have.
func printOptions(o *output, options []argus.Field) {
	var said []string
	for _, x := range options {
		if x.Name == "sandbox" {
			o.linef("  sandbox: %s", oneLine(x.Value))
			continue
		}
		value := x.Value
		if name, text, ok := mapping.ParseOption(value); ok && x.Name == "map" {
			value = name + "@" + mapping.Hash(text) // the seal has its text
		}
		said = append(said, x.Name+" "+value)
	}
	if said != nil {
		o.linef("  read with %s", oneLine(strings.Join(said, ", ")))
	}
}

// printBeside prints how many of the copies are of messages, of calls and so on, unless
// all are of messages. One message may have several copies.
func printBeside(o *output, copies string, c argus.Counts) {
	var of []string
	if n := c.Messages(); n > 0 {
		of = append(of, count(n, "of a message", "of messages"))
	}
	beside := false
	for kind, n := range c.Beside.All() {
		beside = true
		of = append(of, count(n, "of a "+noun(kind.String()), "of "+noun(kind.String())+"s"))
	}
	if beside {
		o.linef("  %s: %s", copies, strings.Join(of, ", "))
	}
}

// printFiles prints the first files, then the reasons for quarantined pieces and
// for fields that were not understood: each reason once, above the files in which
// it is most frequent.
func printFiles(o *output, files []argus.FileAccount) {
	for _, f := range files[:min(len(files), maxFiles)] {
		o.linef("  %s  %s", oneLine(f.Original.Path), o.dim(fmt.Sprintf("%s, %s, %s read", size(f.Original.Size), cmp.Or(strings.Join(f.Readers, " "), "no reader"), group(f.Counts.Read))))
	}
	if len(files) > maxFiles {
		o.linef("  … and %s", count(uint64(len(files)-maxFiles), "file", "files"))
	}
	printReasons(o, files, func(n uint64) string { return "quarantined " + group(n) }, func(f argus.FileAccount) []argus.Reason { return f.Problems })
	printReasons(o, files, func(n uint64) string { return "of " + count(n, "copy", "copies") }, func(f argus.FileAccount) (list []argus.Reason) {
		for _, r := range f.Remarks {
			list = append(list, argus.Reason{Value: r.Value, Count: r.Count})
		}
		return list
	})
}

// printReasons prints reasons by reader, most frequent first.
func printReasons(o *output, files []argus.FileAccount, so func(n uint64) string, of func(argus.FileAccount) []argus.Reason) {
	type key struct{ reader, reason string }
	in := map[key][]argus.Tally{} // the files
	total := map[key]uint64{}
	for _, f := range files {
		for _, p := range of(f) {
			k := key{p.Reader, p.Value}
			in[k] = append(in[k], argus.Tally{Value: f.Original.Path, Count: p.Count})
			total[k] += p.Count
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(in), func(a, b key) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), strings.Compare(a.reader, b.reader), strings.Compare(a.reason, b.reason))
	}) {
		by := ", by " + k.reader
		if k.reader == "" {
			by = ""
		}
		o.linef("  %s%s: %s", so(total[k]), by, oneLine(k.reason))
		slices.SortStableFunc(in[k], func(a, b argus.Tally) int { return cmp.Compare(b.Count, a.Count) })
		for _, f := range in[k][:min(len(in[k]), maxFiles)] {
			o.linef("    %s  %s", oneLine(f.Value), group(f.Count))
		}
		if more := len(in[k]) - maxFiles; more > 0 {
			o.linef("    … and %s", count(uint64(more), "file", "files"))
		}
	}
}
