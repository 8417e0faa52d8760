package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// errNoSource is returned for a path that does not exist.
var errNoSource = errors.New("no such file or folder")

// errIngestStopped is returned for an interrupted delivery, which can be resumed.
var errIngestStopped = errors.New("the delivery was interrupted")

type ingestFlags struct {
	format, timezone, service, owner, country string
	columns                                   []string
	via, key                                  string
	resume, abandon, dryRun                   bool
	reason                                    string
	batch                                     int
}

func (a *app) ingestCommand() *cobra.Command {
	var f ingestFlags
	c := &cobra.Command{
		Use:   "ingest PATH… [-- ARGUMENT…]",
		Short: "Ingest deliveries: files, folders, archives",
		Long: `Ingest each path as one delivery: Argus keeps every file byte for byte, reads it
with the reader that recognises its content, and seals the delivery with a
signature. It looks into archives (zip, tar, gzip, bzip2, Zstandard). Each delivery
gets a receipt with a balanced account:

  read = stored + sightings of known messages + quarantined

A piece that no reader understands is quarantined with the reason; reading
continues after it. Ingesting the same files again makes no second message. If there is no
store, one is made.

An interrupted ingest continues with the same command, or with --resume. It does not
block other deliveries. If several are unfinished, --resume and --abandon need
their numbers.

Calls, contacts and other types are counted separately below the account. The receipt
then lists questions for the source: attachments that are named but missing, running
numbers that no message has, conversations in which only one side sends, times that go
backwards, replies that are stated but missing, and files that state a different number
of records than were found. Each question comes with the conversations and accounts that
it affects most. --json names up to 100 of each. None of these is an error.

--dry-run reads everything and keeps nothing. It reports which reader would read each
file, the number of messages, accounts and conversations, the first and the last time,
and the pieces that would be quarantined, with reasons. It neither needs nor makes a
store, but it unpacks large archive entries on the disk of --store.

--via lets a program of yours read each file: the program gets the file on its standard
input and prints Argus JSON lines (docs/readers.md). Arguments after -- are passed to
it. The originals are kept as usual, and the seal names the program with its SHA-256.

While "argus serve" or "argus demo" has the store open, the command hands its paths to
that server, which reads the files, and prints the same output. Ctrl-C interrupts the
delivery in either case. If the server cannot ingest it, because it is a different version
or sees different files, the command says so and does the work itself. It always does a
--dry-run itself; on Windows, it does everything itself.`,
		Example: `  argus ingest phone/ server-archive.zip
  argus ingest --timezone Europe/Brussels 'WhatsApp Chat with Ali.txt'
  argus ingest --map from=Afzender --map text=Bericht sheet.xlsx
  argus ingest --dry-run --json phone/
  argus ingest --resume D-0007
  argus ingest --via ./old-dump.py old-server/ -- --codepage 850`,
		Args: func(c *cobra.Command, args []string) error {
			args, behind := splitAtDash(c, args)
			switch {
			case len(behind) > 0 && f.via == "":
				return errors.New("arguments after -- are for the program that --via names")
			case f.via != "" && f.format != "":
				return errors.New("--via and --format exclude each other")
			case f.dryRun && (f.resume || f.abandon):
				return errors.New("--dry-run keeps nothing that could be resumed")
			case f.resume && f.abandon:
				return errors.New("--resume and --abandon exclude each other")
			case (f.resume || f.abandon) && (f.format != "" || f.timezone != "" || f.service != "" || f.owner != "" || f.country != "" || f.via != "" || len(f.columns) > 0):
				return errors.New("--resume and --abandon take no reading options: the delivery keeps its own")
			case f.resume || f.abandon:
				_, err := deliveriesOf(args)
				return err
			case len(args) == 0:
				return errors.New("missing argument: name a file or folder to ingest")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			tuneGC()
			return a.ingest(c, f, args)
		},
	}
	f.readingFlags(c)
	lentFlag(c, &f.key)
	flags := c.Flags()
	flags.StringVar(&f.via, "via", "", "have this `program` read each file and print Argus JSON lines")
	flags.BoolVar(&f.dryRun, "dry-run", false, "report how each file would be read, and keep nothing")
	flags.BoolVar(&f.resume, "resume", false, "finish the named interrupted deliveries, or the only one")
	flags.BoolVar(&f.abandon, "abandon", false, "seal the named interrupted deliveries, or the only one, as they are, marked incomplete")
	flags.IntVar(&f.batch, "batch", 4096, "the maximum number of records that are made durable at once")
	flags.StringVar(&f.reason, "reason", "abandoned by the operator", "with --abandon: the `reason`, stated in the seal")
	return c
}

// tuneGC lets a command that takes in messages use a fifth more memory, for 4 % less CPU
// time. GOGC in the environment takes precedence.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(150)
	}
}

// readingFlags adds the flags that change how files are read.
func (f *ingestFlags) readingFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.format, "format", "", "the `format` of the files, as listed by argus formats (default recognised by content)")
	flags.StringVar(&f.timezone, "timezone", "", "the time `zone` of times that state none, such as Europe/Amsterdam (default UTC, marked as assumed)")
	flags.StringVar(&f.service, "service", "", "the `name` of the service, where the data does not state it")
	flags.StringVar(&f.owner, "owner", "", "the `account` of the exported device, where the data does not state it")
	flags.StringVar(&f.country, "country", "", "the `countries` of the case, such as NL,BE: for telephone numbers in national form, and for dates like 3/4/2021 whose order the data does not settle (default those given to argus init)")
	flags.StringArrayVar(&f.columns, "map", nil, "a map (docs/format/map.md): its `name` in the store, or its file; or, for sheets and unknown JSON, field=header, which may be repeated (docs/format/sheet.md lists the fields)")
}

// deliveriesOf parses the delivery numbers after --resume and --abandon.
func deliveriesOf(args []string) (which []argus.DeliveryNumber, err error) {
	for _, arg := range args {
		d, err := argus.ParseDelivery(arg)
		if err != nil {
			return nil, fmt.Errorf("--resume and --abandon take delivery numbers, such as D-0007: %w", err)
		}
		which = append(which, d)
	}
	return which, nil
}

// splitAtDash splits the arguments at --.
func splitAtDash(c *cobra.Command, args []string) (before, behind []string) {
	if at := c.ArgsLenAtDash(); at >= 0 {
		return args[:at], args[at:]
	}
	return args, nil
}

// reading turns the flags into reading options, and into their record in the opening.
func (a *app) reading(f ingestFlags) (reader.Options, []argus.Field, error) {
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
		value, err := a.mapOption(column)
		if err != nil {
			return reader.Options{}, nil, err
		}
		names = append(names, argus.Field{Name: "map", Value: value})
	}
	o, err := intake.Reading(names)
	if err != nil {
		err = fmt.Errorf("--%w", err)
	}
	return o, names, err
}

func (a *app) ingest(c *cobra.Command, f ingestFlags, paths []string) error {
	reading, names, err := a.reading(f)
	if err != nil {
		return usageError{err, c.CommandPath()}
	}
	if err := (intake.Options{Formats: all.Formats(), Format: f.format}).KnownFormat(); err != nil {
		return usageError{err, c.CommandPath()}
	}
	paths, behind := splitAtDash(c, paths)
	job := handover.Job{Do: handover.Ingest, Reason: f.reason, Batch: f.batch}
	if job.Lent, err = lent(f.key); err != nil {
		return err
	}
	if f.resume || f.abandon {
		job.Do = handover.Resume
		if f.abandon {
			job.Do = handover.Abandon
		}
		if job.Deliveries, err = deliveriesOf(paths); err != nil {
			return usageError{err, c.CommandPath()}
		}
		paths = nil
	}
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
			return fmt.Errorf("ingest %s: %w", p, errNoSource)
		} else if err != nil {
			return fmt.Errorf("ingest: %w", err)
		}
	}
	if f.dryRun {
		work.Limits.Temp = node.TempBeside(a.storePath())
		if work.Countries, err = a.caseCountries(); err != nil {
			return err
		}
		return a.dryRun(c.Context(), work, paths)
	}
	path := a.storePath()
	if !layout.Exists(path) && len(paths) > 0 {
		if err := intake.Fits(func() (int64, error) { return freeAbove(path) }, path, paths); err != nil {
			return err
		}
		if err := node.Create(c.Context(), path, a.nodeOptions()); err != nil {
			return err
		}
		if err := a.created(c, path); err != nil {
			return err
		}
	}
	job.Paths, job.Settings = paths, work.Settings()
	return a.takeIn(c.Context(), job)
}

// caseCountries returns the countries of the case, for a command that reads files and does
// not open the store. It returns none if there is no store.
func (a *app) caseCountries() ([]string, error) {
	if !layout.Exists(a.storePath()) {
		return nil, nil
	}
	info, err := layout.ReadInfo(a.storePath())
	return info.Countries, err
}

// freeAbove returns the number of free bytes on the disk on which a store would be made.
func freeAbove(path string) (int64, error) {
	for dir := filepath.Dir(filepath.Clean(path)); ; dir = filepath.Dir(dir) {
		free, err := durable.Free(dir)
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return free, err
		}
	}
}

// takeIn does a job that takes in deliveries. It hands the job to the server that has the
// store open, or does it itself if no server can. The parts of the answer are the same
// either way.
func (a *app) takeIn(ctx context.Context, job handover.Job) error {
	job.Actor, job.Authority, job.Purpose = a.actorName(), a.authority, cmp.Or(a.purpose, os.Getenv("ARGUS_PURPOSE"))
	progress := a.newProgress()
	defer progress.close()
	err := handover.Do(ctx, a.storePath(), software(), job, progress.tell)
	if errors.Is(err, handover.ErrCannot) {
		a.note(fmt.Sprintf("This command ingests the delivery itself: %v.", err))
	}
	if errors.Is(err, handover.ErrCannot) || errors.Is(err, handover.ErrNobody) {
		err = node.NewShared(ctx, a.storePath(), a.nodeOptions()).Use(func(n *node.Node) error { return a.do(ctx, n, job, progress.tell) })
	}
	if err != nil && ctx.Err() != nil {
		return errIngestStopped
	}
	return err
}

// do runs a job on an open store.
func (a *app) do(ctx context.Context, n *node.Node, job handover.Job, tell func(handover.Event) error) error {
	who, err := n.Who(ctx, desk.Who{Actor: job.Actor, Authority: job.Authority, Purpose: job.Purpose})
	if err != nil {
		return err
	}
	o, err := job.Options(intake.Options{Formats: all.Formats(), Apart: true}, tell)
	if err != nil {
		return err
	}
	return n.Ingest(ctx, who, o, func(ctx context.Context, o intake.Options) error { return job.Work(ctx, o, tell) })
}

// viaSays prints a line that the program of --via wrote to its standard error.
func (a *app) viaSays(line string) { fmt.Fprintln(a.err, "via: "+printable.Plain(line)) }
