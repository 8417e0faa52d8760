package voice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/mapping"
)

// PrintAccount prints everything about one delivery.
func PrintAccount(o *Output, d *desk.Delivery) {
	if d.Partial {
		printPartial(o, d)
		return
	}
	PrintReceipt(o, &d.Receipt, d.Limited)
	if h := d.Holds; h != nil {
		o.Linef("  it holds %s; each counts once", Counted(h.Messages, h.Beside))
		if n := h.Messages - h.Distinct; n > 0 {
			o.Linef("  %s the same content as another of them (argus search --distinct)", printable.Count(n, "message has", "messages have"))
		}
	}
}

// PrintDelivery prints the row of a delivery in a list.
func PrintDelivery(o *Output, d *desk.Delivery) {
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
	o.Linef("%s  %s  %s  %s", d.Delivery, Account(d.Counts, d.Limited), state, printable.OneLine(d.Opening.Source))
}

// Account formats the account of a delivery, or only two of its counts if it is limited.
func Account(c argus.Counts, limited bool) string {
	if limited {
		return fmt.Sprintf("read %s, quarantined %s", printable.Group(c.Read), printable.Group(c.Quarantined))
	}
	return fmt.Sprintf("read %s = stored %s + sightings %s + quarantined %s", printable.Group(c.Read), printable.Group(c.Stored), printable.Group(c.Sightings), printable.Group(c.Quarantined))
}

// printPartial prints a delivery that the scope covers only in part.
func printPartial(o *Output, d *desk.Delivery) {
	o.Linef("%s  %s", o.Bold(d.Delivery.String()), printable.OneLine(d.Opening.Source))
	o.Linef("  The authority covers only a part of it; its account and its seal are withheld.")
}

// MostFiles is the maximum number of files that a receipt lists by name, in total and
// below each reason.
const MostFiles = 10

// PrintReceipt prints the account of a delivery. If it is limited, PrintReceipt prints
// only the part that the scope allows.
func PrintReceipt(o *Output, r *argus.Receipt, limited bool) {
	o.Linef("%s  %s", o.Bold(r.Delivery.String()), printable.Plain(r.Opening.Source))
	printReadings(o, r)
	printOptions(o, r.Opening.Options)
	c := r.Counts
	o.Linef("  %s", Account(c, limited))
	if limited {
		o.Linef("  The authority covers this delivery but not all others, so its other counts are withheld.")
	}
	PrintBeside(o, "stored copies", c)
	if c.Differing > 0 {
		o.Linef("  %s from the known message (edited, deleted, other content)", printable.Count(c.Differing, "copy differs", "copies differ"))
	}
	if c.Locked > 0 {
		o.Linef("  %s locked: no key is held yet", printable.Count(c.Locked, "stored copy is", "stored copies are"))
	}
	PrintCompleteness(o, r.Completeness)
	PrintFiles(o, r.Files)
	if s := r.Seal; s != nil {
		span := ""
		if s.First.Known() {
			span = fmt.Sprintf(", messages from %s to %s", s.First, s.Last)
		}
		o.Linef("  sealed %s, root %s%s", s.Sealed.Format(time.RFC3339), s.Root, span)
		if s.Incomplete != "" {
			o.Linef("  incomplete: %s", printable.Plain(s.Incomplete))
		}
	} else {
		o.Linef("  not sealed: its ingest is under way or was interrupted (argus ingest --resume)")
	}
}

// printReadings names the delivery that this one reads again, and the one that replaced it.
func printReadings(o *Output, r *argus.Receipt) {
	if r.Reads != 0 {
		o.Linef("  reads the originals of %s again; its messages are listed under that number", r.Reads)
	}
	if r.ReadAgainBy != 0 {
		o.Linef("  read again by %s, which counts in its place; the account below is the sealed one", r.ReadAgainBy)
	}
}

// printOptions prints the reading options that the operator gave, and whether the
// readers ran without the sandbox that other systems have.
func printOptions(o *Output, options []argus.Field) {
	var said []string
	for _, x := range options {
		if x.Name == "sandbox" {
			o.Linef("  sandbox: %s", printable.OneLine(x.Value))
			continue
		}
		value := x.Value
		if name, text, ok := mapping.ParseOption(value); ok && x.Name == "map" {
			value = name + "@" + mapping.Hash(text) // its text is in the seal
		}
		said = append(said, x.Name+" "+value)
	}
	if said != nil {
		o.Linef("  read with %s", printable.OneLine(strings.Join(said, ", ")))
	}
}

// PrintBeside prints the number of copies of messages, of calls and so on, unless all
// copies are of messages. One message may have several copies.
func PrintBeside(o *Output, copies string, c argus.Counts) {
	var of []string
	if n := c.Messages(); n > 0 {
		of = append(of, printable.Count(n, "of a message", "of messages"))
	}
	beside := false
	for kind, n := range c.Beside.All() {
		beside = true
		of = append(of, printable.Count(n, "of a "+noun(kind.String()), "of "+noun(kind.String())+"s"))
	}
	if beside {
		o.Linef("  %s: %s", copies, strings.Join(of, ", "))
	}
}

// PrintFiles prints the first files, then the reasons for quarantined pieces and for
// fields that were not understood. Each reason is printed once, above the files in which
// it is most frequent.
func PrintFiles(o *Output, files []argus.FileAccount) {
	for _, f := range files[:min(len(files), MostFiles)] {
		o.Linef("  %s  %s", printable.OneLine(f.Original.Path), o.Dim(fmt.Sprintf("%s, %s, %s read", printable.Size(f.Original.Size), cmp.Or(strings.Join(f.Readers, " "), "no reader"), printable.Group(f.Counts.Read))))
	}
	if len(files) > MostFiles {
		o.Linef("  … and %s", printable.Count(uint64(len(files)-MostFiles), "file", "files"))
	}
	printReasons(o, files, func(n uint64) string { return "quarantined " + printable.Group(n) }, func(f argus.FileAccount) []argus.Reason { return f.Problems })
	printReasons(o, files, func(n uint64) string { return "of " + printable.Count(n, "copy", "copies") }, func(f argus.FileAccount) (list []argus.Reason) {
		for _, r := range f.Remarks {
			list = append(list, argus.Reason{Value: r.Value, Count: r.Count})
		}
		return list
	})
}

// mostReasons is the maximum number of reasons of one kind that a receipt prints.
const mostReasons = 40

// printReasons prints reasons by reader, most frequent first.
func printReasons(o *Output, files []argus.FileAccount, so func(n uint64) string, of func(argus.FileAccount) []argus.Reason) {
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
	reasons := slices.SortedFunc(maps.Keys(in), func(a, b key) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), strings.Compare(a.reader, b.reader), strings.Compare(a.reason, b.reason))
	})
	for _, k := range reasons[:min(len(reasons), mostReasons)] {
		by := ", by " + k.reader
		if k.reader == "" {
			by = ""
		}
		o.Linef("  %s%s: %s", so(total[k]), by, printable.OneLine(k.reason))
		slices.SortStableFunc(in[k], func(a, b argus.Tally) int { return cmp.Compare(b.Count, a.Count) })
		for _, f := range in[k][:min(len(in[k]), MostFiles)] {
			o.Linef("    %s  %s", printable.OneLine(f.Value), printable.Group(f.Count))
		}
		if more := len(in[k]) - MostFiles; more > 0 {
			o.Linef("    … and %s", printable.Count(uint64(more), "file", "files"))
		}
	}
	if more := len(reasons) - mostReasons; more > 0 {
		o.Linef("  … and %s; --json lists all", printable.Count(uint64(more), "other reason", "other reasons"))
	}
}
