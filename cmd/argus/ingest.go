package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// errNoSource says that there is nothing to take in.
var errNoSource = errors.New("no such file or folder")

// errIngestStopped says that what is in hand can be resumed.
var errIngestStopped = errors.New("the delivery is interrupted")

type ingestFlags struct {
	format, timezone, service, owner, country string
	columns                                   []string
	via                                       string
	resume, abandon, dryRun                   bool
	reason                                    string
	batch                                     int
}

func (a *app) ingestCommand() *cobra.Command {
	var f ingestFlags
	c := &cobra.Command{
		Use:   "ingest PATH… [-- ARGUMENT…]",
		Short: "Take in deliveries: files, folders, archives",
		Long: `Take in each path as one delivery: every file is kept byte for byte, read with
the reader that recognises its content, and sealed with a signature. Archives
(zip, tar, gzip, bzip2, Zstandard) are looked into. Each delivery gets a receipt
with a balanced account:

  read = stored + sightings of known messages + quarantined

What no reader can make sense of is quarantined with the reason and stops
nothing. Taking the same in again makes no second message. What was interrupted
goes on with the same command, or with --resume. The store is made if there is
none yet.

Calls, contacts and what else is no message are counted by type below it. Then
comes what to ask the source about: attachments that are named and not
there, running numbers that no message has, conversations in which only one side
sends, times that go backwards, answers that are stated and not there, files that
state another number of records than was found; and in which conversations and
from which accounts, those with most of it first. With --json up to 100 of each
are named. None of it is an error.

With --dry-run everything is read and nothing is kept: it says which reader would
read what, how many messages, accounts and conversations there are, from when to
when, and what would be quarantined and why. No store is needed and none is made;
large entries of archives are unfolded on the disk of --store while they are read.

With --via a program of yours reads each file: it gets the file on its standard
input and prints Argus JSON lines (docs/readers.md). What stands behind -- are
its arguments. The originals are kept as ever, and the seal names the program
with its SHA-256.`,
		Example: `  argus ingest phone/ server-archive.zip
  argus ingest --timezone Europe/Brussels 'WhatsApp Chat with Ali.txt'
  argus ingest --map from=Afzender --map text=Bericht sheet.xlsx
  argus ingest --dry-run --json phone/
  argus ingest --via ./old-dump.py old-server/ -- --codepage 850`,
		Args: func(c *cobra.Command, args []string) error {
			args, behind := splitAtDash(c, args)
			switch {
			case len(behind) > 0 && f.via == "":
				return errors.New("what stands behind -- goes to the program that --via names")
			case f.via != "" && f.format != "":
				return errors.New("--via and --format exclude each other")
			case f.dryRun && (f.resume || f.abandon):
				return errors.New("--dry-run begins nothing that could be resumed")
			case f.resume && f.abandon:
				return errors.New("--resume and --abandon exclude each other")
			case (f.resume || f.abandon) && (f.format != "" || f.timezone != "" || f.service != "" || f.owner != "" || f.country != "" || f.via != "" || len(f.columns) > 0):
				return errors.New("--resume and --abandon take no reading options: the delivery has its own")
			case (f.resume || f.abandon) && len(args) > 0:
				return errors.New("--resume and --abandon take no path: the delivery has its own")
			case !f.resume && !f.abandon && len(args) == 0:
				return errors.New("name a file or folder to take in")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.ingest(c, f, args) },
	}
	f.readingFlags(c)
	flags := c.Flags()
	flags.StringVar(&f.via, "via", "", "have this `program` read each file and print Argus JSON lines")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be read, and keep nothing")
	flags.BoolVar(&f.resume, "resume", false, "finish what was interrupted")
	flags.BoolVar(&f.abandon, "abandon", false, "seal what was interrupted as it is, marked incomplete")
	flags.IntVar(&f.batch, "batch", 4096, "the most records that are made durable at once")
	flags.StringVar(&f.reason, "reason", "abandoned by the operator", "with --abandon: why, for the seal")
	return c
}

// readingFlags adds the flags that change what is read.
func (f *ingestFlags) readingFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.format, "format", "", "read with this `format` instead of recognising it (argus formats lists them)")
	flags.StringVar(&f.timezone, "timezone", "", "the `zone` of clocks that state none, such as Europe/Amsterdam (default UTC, marked as assumed)")
	flags.StringVar(&f.service, "service", "", "the `name` of the service where the data does not tell it")
	flags.StringVar(&f.owner, "owner", "", "the `account` of the device that was exported, where the data does not tell it")
	flags.StringVar(&f.country, "country", "", "the `countries` of the case, such as NL,BE: for telephone numbers in national form, and dates like 3/4/2021 where nothing else decides")
	flags.StringArrayVar(&f.columns, "map", nil, "for sheets, and JSON of no known program: `field=header`, may be repeated (docs/format/sheet.md lists the fields)")
}

// splitAtDash tells what stands before -- from what stands behind it.
func splitAtDash(c *cobra.Command, args []string) (before, behind []string) {
	if at := c.ArgsLenAtDash(); at >= 0 {
		return args[:at], args[at:]
	}
	return args, nil
}

// reading turns flags into reading options, and into their record.
func (f ingestFlags) reading() (reader.Options, []argus.Field, error) {
	var names []argus.Field
	if f.timezone != "" {
		names = append(names, argus.Field{Name: "timezone", Value: f.timezone})
	}
	if f.service != "" {
		names = append(names, argus.Field{Name: "service", Value: strings.ToLower(f.service)})
	}
	if f.owner != "" {
		names = append(names, argus.Field{Name: "owner", Value: f.owner})
	}
	if f.country != "" {
		names = append(names, argus.Field{Name: "country", Value: strings.ToUpper(f.country)})
	}
	for _, column := range f.columns {
		names = append(names, argus.Field{Name: "map", Value: column})
	}
	o, err := intake.Reading(names)
	if err != nil {
		err = fmt.Errorf("--%w", err)
	}
	return o, names, err
}

func (a *app) ingest(c *cobra.Command, f ingestFlags, paths []string) error {
	reading, names, err := f.reading()
	if err != nil {
		return usageError{err, c.CommandPath()}
	}
	if err := (intake.Options{Formats: all.Formats(), Format: f.format}).KnownFormat(); err != nil {
		return usageError{err, c.CommandPath()}
	}
	paths, behind := splitAtDash(c, paths)
	work := intake.Options{Formats: all.Formats(), Format: f.format, Reading: reading, ReadingNames: names, BatchRecords: f.batch, Apart: true}
	if f.via != "" {
		via, record, err := intake.NewVia(f.via, behind)
		if err != nil {
			return fmt.Errorf("--via: %w", err)
		}
		work.Via, work.ReadingNames = via, append(names, record...)
	}
	for _, p := range paths {
		if err := intake.KnownPath(p); err != nil && !f.dryRun {
			return err
		}
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take in %s: %w", p, errNoSource)
		} else if err != nil {
			return fmt.Errorf("look at what to take in: %w", err)
		}
	}
	if f.dryRun {
		work.Limits.Temp = node.TempBeside(a.storePath())
		return a.dryRun(c.Context(), work, paths)
	}
	path := a.storePath()
	if !node.Exists(path) && len(paths) > 0 {
		if err := node.Create(c.Context(), path, a.nodeOptions()); err != nil {
			return err
		}
		if err := a.created(c, path); err != nil {
			return err
		}
	}
	o := a.nodeOptions()
	o.Write = true
	n, err := node.Open(c.Context(), path, o)
	if err != nil {
		return err
	}
	err = a.ingestInto(c.Context(), n, f, paths, work)
	return errors.Join(err, n.Close())
}

func (a *app) ingestInto(ctx context.Context, n *node.Node, f ingestFlags, paths []string, o intake.Options) error {
	who, err := a.who(ctx, n)
	if err != nil {
		return err
	}
	progress := a.newProgress()
	defer progress.close()
	o.Progress = progress.show
	if o.Via != nil {
		o.Via.Say = a.viaSays
	}
	err = n.Ingest(ctx, who, o, func(ctx context.Context, o intake.Options) error {
		switch {
		case f.resume:
			return a.several(ctx, o, progress, "There is nothing to resume.", func() ([]*argus.Receipt, error) { return intake.Resume(ctx, o) })
		case f.abandon:
			return a.several(ctx, o, progress, "There is nothing to abandon.", func() ([]*argus.Receipt, error) { return intake.Abandon(ctx, o, f.reason) })
		}
		for _, p := range paths {
			receipt, err := intake.Ingest(ctx, o, p)
			if err != nil {
				return err
			}
			if err := progress.receipt(receipt); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return errIngestStopped
	}
	return err
}

// viaSays shows what a program of --via prints on its standard error.
func (a *app) viaSays(line string) { fmt.Fprintln(a.err, "via: "+plain(line)) }

// dryRun shows what an intake would find.
func (a *app) dryRun(ctx context.Context, o intake.Options, paths []string) error {
	progress := a.newProgress()
	defer progress.close()
	if !a.json {
		o.Progress = progress.show
	}
	if o.Via != nil {
		o.Via.Say = a.viaSays
	}
	for _, path := range paths {
		plan, err := intake.PlanIngest(ctx, o, path)
		if err != nil {
			return err
		}
		progress.end()
		if a.json {
			err = a.out.object("plan", plan)
		} else {
			printPlan(a.out, plan)
			err = a.out.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func printPlan(o *output, p *intake.Plan) {
	o.linef("%s  nothing is kept", o.bold(plain(p.Source)))
	o.linef("  would read %s = messages %s + quarantined %s", group(p.Read), group(p.Messages), group(p.Quarantined))
	o.linef("  %s, %s, %s", estimate(p.Different, "different message", "different messages"),
		estimate(p.Accounts, "account", "accounts"), estimate(p.Conversations, "conversation", "conversations"))
	printBeside(o, argus.Counts{Stored: p.Messages, Beside: p.Beside})
	if p.Locked > 0 {
		o.linef("  %s locked: no key is held yet", count(p.Locked, "message is", "messages are"))
	}
	if p.First.Known() {
		o.linef("  messages from %s to %s", p.First, p.Last)
	}
	printCompleteness(o, p.Completeness)
	files := make([]argus.FileAccount, len(p.Files))
	for i, f := range p.Files {
		files[i] = argus.FileAccount{Original: argus.Original{Path: f.Path, Size: f.Size}, Readers: f.Readers,
			Counts: argus.Counts{Read: f.Messages + f.Quarantined}, Problems: f.Problems, Remarks: f.Remarks}
	}
	printFiles(o, files)
}

// estimate writes a number that may be one.
func estimate(e intake.Estimate, one, many string) string {
	if e.Estimated {
		return "about " + count(e.Count, one, many)
	}
	return count(e.Count, one, many)
}

// printCompleteness prints what is not there, as far as the messages tell.
func printCompleteness(o *output, c argus.Completeness) {
	var asks []string
	ask := func(n uint64, one, many string) {
		if n > 0 {
			asks = append(asks, count(n, one, many))
		}
	}
	ask(c.Missing, "attachment is named and not there", "attachments are named and not there")
	ask(c.Unseen, "running number is not seen", "running numbers are not seen")
	ask(c.OneSided, "conversation has one side only", "conversations have one side only")
	ask(c.Backwards, "step goes against time", "steps go against time")
	ask(c.Replies, "answer is stated and not there", "answers are stated and not there")
	ask(c.Differs, "file states another number of records than it has", "files state another number of records than they have")
	if len(asks) > 0 {
		o.linef("  to ask about: %s", strings.Join(asks, "; "))
	}
	for _, s := range c.Differing[:min(len(c.Differing), maxFiles)] {
		o.linef("    %s states %s = %s, found %s", oneLine(s.File), oneLine(s.What), group(s.Stated), group(s.Found))
	}
	if more := c.Differs - uint64(min(len(c.Differing), maxFiles)); more > 0 {
		o.linef("    … and %s", count(more, "file", "files"))
	}
	printGaps(o, c, "conversation", "conversations", c.More.Conversations, func(g argus.Gap) bool { return g.Account == "" })
	printGaps(o, c, "account", "accounts", c.More.Accounts, func(g argus.Gap) bool {
		told := argus.Gap{Service: g.Service, Account: g.Account, Name: g.Name, OneSided: 1} // in the line of the conversation
		return g.Account != "" && g != told
	})
	if c.Unnamed > 0 {
		o.linef("  %s without its account: name it with --owner, so that it meets what others have of the same messages", count(c.Unnamed, "device's owner is", "devices' owners are"))
	}
	if c.BeyondLook > 0 {
		o.linef("  %s in conversations beyond the first %s, which were not looked at for gaps", count(c.BeyondLook, "message is", "messages are"), group(c.Conversations))
	}
	if c.AccountsBeyond > 0 {
		o.linef("  %s from accounts beyond the first %s, which were not looked at for gaps", count(c.AccountsBeyond, "message is", "messages are"), group(c.Accounts))
	}
}

// printGaps prints in which conversations or accounts something is missing, the
// first of them.
func printGaps(o *output, c argus.Completeness, one, many string, more uint64, is func(argus.Gap) bool) {
	shown := 0
	for _, g := range c.In {
		if !is(g) {
			continue
		}
		if shown++; shown > maxFiles {
			more++
			continue
		}
		o.linef("    %s", gapLine(g))
	}
	if more > 0 {
		o.linef("    … and %s", count(more, one, many))
	}
}

// gapLine says what is missing where.
func gapLine(g argus.Gap) string {
	where := g.Service
	switch {
	case g.Conversation != "":
		where += " in " + named(g.Conversation, g.Name)
	case g.Account != "":
		where += " from " + named(g.Account, g.Name)
	}
	var gaps []string
	if g.Missing > 0 {
		gaps = append(gaps, count(g.Missing, "attachment not there", "attachments not there"))
	}
	if g.Unseen > 0 {
		gaps = append(gaps, fmt.Sprintf("%s of the numbers %d to %d not seen", group(g.Unseen), g.First, g.Last))
	}
	if g.Only != "" {
		gaps = append(gaps, "only "+named(g.Only, g.OnlyName)+" sends")
	}
	if g.OneSided > 0 {
		gaps = append(gaps, "the only one who sends in "+count(g.OneSided, "conversation", "conversations"))
	}
	if g.Backwards > 0 {
		gaps = append(gaps, count(g.Backwards, "step against time", "steps against time"))
	}
	if g.Replies > 0 {
		gaps = append(gaps, count(g.Replies, "stated answer not there", "stated answers not there"))
	}
	return oneLine(where) + ": " + strings.Join(gaps, "; ")
}

func (a *app) several(ctx context.Context, o intake.Options, p *progress, none string, work func() ([]*argus.Receipt, error)) error {
	receipts, err := work()
	for _, r := range receipts {
		err = errors.Join(err, p.receiptOf(ctx, o, r))
	}
	if len(receipts) == 0 && err == nil && !a.json {
		a.out.linef("%s", none)
	}
	return err
}

// progress shows how an intake goes on: a bar on a terminal, JSON with --json,
// else nothing but the receipts.
type progress struct {
	a      *app
	bars   *mpb.Progress
	bar    *mpb.Bar
	latest atomic.Pointer[intake.Progress]
}

func (a *app) newProgress() *progress {
	p := &progress{a: a}
	p.latest.Store(&intake.Progress{})
	if f, ok := a.err.(*os.File); ok && !a.json && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	return p
}

func (p *progress) show(now intake.Progress) {
	before := p.latest.Swap(&now)
	if now.Delivery != before.Delivery || now.Phase != before.Phase {
		p.next(now)
	}
	if p.bar != nil {
		p.bar.SetCurrent(now.Bytes)
	}
	if p.a.json && now.Acknowledged != before.Acknowledged {
		if err := p.a.out.object("progress", now); err != nil {
			fmt.Fprintln(p.a.err, "argus: "+err.Error())
		}
	}
}

// next begins the bar of a phase.
func (p *progress) next(now intake.Progress) {
	p.end()
	if p.bars == nil || now.Total == 0 || now.Phase == "sealing" {
		return
	}
	started, base := time.Now(), now.Counts.Read
	p.bar = p.bars.New(now.Total, mpb.BarStyle(),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(
			decor.Name(fmt.Sprintf("%s %s ", now.Delivery, now.Phase)),
			decor.CountersKiloByte("% .1f / % .1f"),
		),
		mpb.AppendDecorators(
			decor.Percentage(),
			decor.Any(func(decor.Statistics) string {
				if now.Phase != "reading" {
					return ""
				}
				rate := float64(p.latest.Load().Counts.Read-base) / max(time.Since(started).Seconds(), 0.001)
				return fmt.Sprintf("  %s messages/s", group(uint64(rate)))
			}),
			decor.Any(func(s decor.Statistics) string {
				if s.Current == 0 || s.Current >= s.Total {
					return ""
				}
				left := time.Duration(float64(time.Since(started)) * float64(s.Total-s.Current) / float64(s.Current))
				return fmt.Sprintf("  %s left", left.Round(time.Second))
			}),
		))
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
}

func (p *progress) close() {
	p.end()
	if p.bars != nil {
		p.bars.Shutdown()
	}
}

func (p *progress) receipt(r *argus.Receipt) error {
	p.end()
	if p.a.json {
		return p.a.out.object("receipt", r)
	}
	printReceipt(p.a.out, r, false)
	return p.a.out.flush()
}

// maxFiles is how many files a receipt lists by name, in all and beneath each reason.
const maxFiles = 10

// printReceipt prints what became of a delivery; of one that is limited, what
// the scope leaves.
func printReceipt(o *output, r *argus.Receipt, limited bool) {
	o.linef("%s  %s", o.bold(r.Delivery.String()), plain(r.Opening.Source))
	printReadings(o, r)
	printOptions(o, r.Opening.Options)
	c := r.Counts
	o.linef("  %s", account(c, limited))
	if limited {
		o.linef("  The authority covers it and not all others: its other counts are withheld.")
	}
	printBeside(o, c)
	if c.Differing > 0 {
		o.linef("  %s from a message that was known (edited, deleted, other content)", count(c.Differing, "copy differs", "copies differ"))
	}
	if c.Locked > 0 {
		o.linef("  %s locked: no key is held yet", count(c.Locked, "message is", "messages are"))
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
		o.linef("  not sealed: its ingest goes on or was interrupted (argus ingest --resume)")
	}
}

// printReadings says what a delivery reads again, and which one took its place.
func printReadings(o *output, r *argus.Receipt) {
	if r.Reads != 0 {
		o.linef("  reads the originals of %s again; its messages come under that number", r.Reads)
	}
	if r.ReadAgainBy != 0 {
		o.linef("  read again by %s, which counts instead; the account below is as it was sealed", r.ReadAgainBy)
	}
}

// printOptions says what the operator said about a delivery.
func printOptions(o *output, options []argus.Field) {
	var said []string
	for _, x := range options {
		said = append(said, x.Name+" "+x.Value)
	}
	if said != nil {
		o.linef("  read with %s", oneLine(strings.Join(said, ", ")))
	}
}

// printBeside prints how many of the stored copies are of messages, and of what is
// none, if anything.
func printBeside(o *output, c argus.Counts) {
	var beside []argus.Tally
	for kind, n := range c.Beside.All() {
		beside = append(beside, argus.Tally{Value: kind.String(), Count: n})
	}
	if beside != nil {
		o.linef("  stored copies of %s", counted(c.Messages(), beside))
	}
}

// printFiles prints the first files, and why pieces of any were quarantined or fields not
// understood: each reason once, with the files beneath in which it is most frequent.
func printFiles(o *output, files []argus.FileAccount) {
	for _, f := range files[:min(len(files), maxFiles)] {
		o.linef("  %s  %s", oneLine(f.Original.Path), o.dim(fmt.Sprintf("%s, %s, %s read", size(f.Original.Size), first(strings.Join(f.Readers, " "), "no reader"), group(f.Counts.Read))))
	}
	if len(files) > maxFiles {
		o.linef("  … and %s", count(uint64(len(files)-maxFiles), "file", "files"))
	}
	printReasons(o, files, func(n uint64) string { return "quarantined " + group(n) }, func(f argus.FileAccount) []argus.Reason { return f.Problems })
	printReasons(o, files, func(n uint64) string { return "of " + count(n, "message", "messages") }, func(f argus.FileAccount) (list []argus.Reason) {
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
