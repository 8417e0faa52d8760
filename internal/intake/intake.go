// Package intake reads files and feeds into evidence, exactly once, with a balanced
// account.
//
// Files are first kept byte for byte, and then read from the kept bytes. Each piece that a
// reader finds becomes a message, a sighting of a known message, or a quarantined piece with
// the reason; a broken piece never stops the rest. An interrupted delivery resumes where it
// stopped, without a second message.
package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// Options are the target, authority and settings of an intake.
type Options struct {
	Store *evidence.Store
	// StorePath is the store's folder, which is left out if the delivery contains it.
	// Default: nothing is left out.
	StorePath string
	// StoreID names the store in seals.
	StoreID string
	// Signer signs seals.
	Signer note.Signer
	// Record durably writes an act of the intake to the ledger: its action
	// (ledger.OpenDelivery, ResumeDelivery, AbandonDelivery or SealDelivery), the
	// delivery, and details.
	Record func(ctx context.Context, action string, d argus.DeliveryNumber, details []argus.Field) error

	// Actor is the person who takes the delivery in, under Authority.
	Actor, Authority string
	// Covers reports whether the authority allows access to a whole delivery: reading
	// it again reveals its content. Default: it does.
	Covers func(d argus.DeliveryNumber) bool
	// Software is the name and version of this Argus.
	Software string
	// Formats are the formats that are read. Default: none, so that nothing is
	// recognised.
	Formats reader.Formats
	// Format is the name of the only format to use. Default: detected.
	Format  string
	Reading reader.Options
	// Terms are the conditions under which a delivery was received, for its record. Their
	// names begin with [TermPrefix]. Default: none.
	Terms []argus.Field
	// ReadingNames are Reading's settings as they were given, for the record.
	ReadingNames []argus.Field
	// Countries are the countries of the case: the value of the setting country for a path that
	// is taken in without that setting. Default none.
	Countries []string
	Limits    reader.Limits
	// Via reads every file instead of the readers; the fields that [NewVia]
	// gave are in ReadingNames. Default: none.
	Via *Via
	// Say, if set, receives the standard error of the program in Via, line by line.
	Say func(line string)
	// Folder is the folder in which relative paths start and the program in Via runs, and
	// Environ is the program's environment. Default: those of this process.
	Folder  string
	Environ []string
	// Apart runs the readers in a process of their own; the binary must call sandbox.Main.
	// Default: they run in this process.
	Apart bool
	// lacks describes the missing parts of this system's sandbox ([sandbox.Lacks]).
	lacks string

	// BatchRecords and BatchBytes limit one Append. Default 4096 and 8 MiB.
	BatchRecords, BatchBytes int
	// Pace, if set, is called before each batch, and may wait for followers.
	Pace func(ctx context.Context) error
	// Progress, if set, is called after each batch and each file.
	Progress func(Progress)
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Lent is the key that the judge lent, as text; node.Ingest makes Guard from it. Default
	// none.
	Lent string
	// Guard judges the messages and seals the suspected ones. Default: none are sealed.
	Guard *Guard
	// Hands holds the deliveries in hand. It is shared by everyone who takes in deliveries
	// through the store at the same time. Default: no one else does.
	Hands *Hands
}

func (o Options) withDefaults() Options {
	if o.BatchRecords <= 0 {
		o.BatchRecords = 4096
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 8 << 20
	}
	if o.Pace == nil {
		o.Pace = func(context.Context) error { return nil }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hands == nil {
		o.Hands = new(Hands)
	}
	o.lacks = cmp.Or(o.lacks, sandbox.Lacks)
	if o.Covers == nil {
		o.Covers = func(argus.DeliveryNumber) bool { return true }
	}
	return o
}

// Progress is the state of an intake. Everything it counts is durable.
type Progress struct {
	Delivery argus.DeliveryNumber `json:"delivery"`
	// Phase is keeping, reading or sealing.
	Phase string `json:"phase"`
	// File is the current file's path in the delivery.
	File string `json:"file,omitempty"`
	// Bytes of Total have been kept, or read.
	Bytes  int64        `json:"bytes"`
	Total  int64        `json:"total"`
	Counts argus.Counts `json:"counts"`
	// Acknowledged is the last durable record of the evidence.
	Acknowledged uint64 `json:"acknowledged"`
}

// The errors that a caller may check for.
var (
	// ErrOtherFiles means that the files of an interrupted delivery were replaced by different
	// files.
	ErrOtherFiles = errors.New("the files differ from those that the delivery began with")
	// ErrOtherReaders means that a delivery was begun with different readers.
	ErrOtherReaders = errors.New("the delivery began with different readers")
	// ErrNoRoom means that the delivery may not fit on the disk.
	ErrNoRoom = errors.New("the store's disk does not have enough free space")
)

// readerNames lists the readers that a delivery may use, in the form of its record.
func (o Options) readerNames() []string {
	if o.Via != nil {
		return []string{o.Via.name()}
	}
	var names []string
	for _, f := range o.Formats {
		names = append(names, f.String())
	}
	return names
}

// Ingest takes in the file or folder at path as one delivery, and seals it. If the intake of
// the same path was interrupted before, it resumes there. Other deliveries may be open and
// taken in at the same time.
func Ingest(ctx context.Context, o Options, path string) (*argus.Receipt, error) {
	o = o.withDefaults()
	if err := o.KnownFormat(); err != nil {
		return nil, err
	}
	if err := KnownPath(path); err != nil {
		return nil, err
	}
	o, err := o.inCase()
	if err != nil {
		return nil, fmt.Errorf("ingest %s: %w", path, err)
	}
	place, err := filepath.Abs(PathIn(o.Folder, path))
	if err != nil {
		return nil, fmt.Errorf("ingest %s: %w", path, err)
	}
	files, err := walk(PathIn(o.Folder, path), o.StorePath)
	if err != nil {
		return nil, fmt.Errorf("ingest %s: %w", path, err)
	}
	d, begun, err := o.begin(ctx, path, place, files)
	if err != nil {
		return nil, fmt.Errorf("ingest %s: %w", path, err)
	}
	defer o.Hands.leave(d.Number)
	if !begun {
		return resume(ctx, o, d, files)
	}
	in := newIntake(o, d.Number)
	if err := in.recall(ctx); err != nil {
		return nil, err
	}
	if err := o.recordOpening(ctx, d.Number, in.about(path)...); err != nil {
		return nil, fmt.Errorf("ingest %s: %w", path, err)
	}
	return in.run(ctx, files)
}

// begin resumes the interrupted delivery of a path, or begins a new one.
func (o Options) begin(ctx context.Context, path, place string, files []foundFile) (d evidence.Delivery, begun bool, err error) {
	o.Hands.mu.Lock()
	defer o.Hands.mu.Unlock()
	list, err := open(ctx, o.Store)
	if err != nil {
		return d, false, err
	}
	for _, d := range list {
		if d.Opening.Sort == argus.OpeningHandOver && d.Opening.Place == place && slices.Equal(settingsOf(d.Opening.Options), o.Settings()) {
			if !o.Hands.take(d.Number) {
				return d, false, fmt.Errorf("%w: %s", ErrInHand, d.Number)
			}
			return d, false, nil
		}
	}
	if err := room(o.Store.Free, files); err != nil {
		return d, false, err
	}
	if err := o.canRead(); err != nil {
		return d, false, err
	}
	d.Number, err = o.Store.Begin(ctx, argus.Opening{
		Source: path, Place: label(place), Authority: o.Authority, Actor: o.Actor, Started: o.Now().UnixMicro(),
		Software: o.Software, Readers: o.readerNames(), Options: o.recorded(),
	})
	if err == nil {
		o.Hands.begun(d.Number)
	}
	return d, true, err
}

// canRead returns an error if the readers cannot run on this machine. It is called before any
// step that needs them begins.
func (o Options) canRead() error {
	r := sandbox.New(sandbox.Options{Apart: o.Apart, Formats: o.Formats})
	defer r.Close()
	return r.Start()
}

// Resume finishes the named deliveries, or the only interrupted one, each from the path and
// with the reading options with which it was begun. The error is [ErrSeveral] if several
// were interrupted and none is named, [ErrInHand] if one is in hand elsewhere, and
// argus.ErrNotFound if one is not open. There are no receipts if there is nothing to finish.
func Resume(ctx context.Context, o Options, which ...argus.DeliveryNumber) ([]*argus.Receipt, error) {
	return o.finish(ctx, which, func(o Options, d evidence.Delivery) (*argus.Receipt, error) {
		var files []foundFile
		if d.Opening.Sort != argus.OpeningReading { // otherwise they are already kept
			var err error
			if files, err = walk(d.Opening.Place, o.StorePath); err != nil {
				return nil, fmt.Errorf("resume %s: %w", d.Number, err)
			}
		}
		as, err := o.With(d.Opening.Options)
		if err != nil {
			return nil, fmt.Errorf("resume %s: %w", d.Number, err)
		}
		return resume(ctx, as, d, files)
	})
}

// finish calls do for each of the named deliveries, or for the only interrupted one, until
// the first error.
func (o Options) finish(ctx context.Context, which []argus.DeliveryNumber, do func(Options, evidence.Delivery) (*argus.Receipt, error)) (receipts []*argus.Receipt, err error) {
	o = o.withDefaults()
	list, err := o.takeNamed(ctx, which)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		defer o.Hands.leave(d.Number)
	}
	for _, d := range list {
		receipt, err := do(o, d)
		if err != nil {
			return receipts, err
		}
		receipts = append(receipts, receipt)
	}
	return receipts, nil
}

func resume(ctx context.Context, o Options, d evidence.Delivery, files []foundFile) (*argus.Receipt, error) {
	if !slices.Equal(d.Opening.Readers, o.readerNames()) {
		return nil, fmt.Errorf("resume %s: %w: records that were not read yet could be skipped", d.Number, ErrOtherReaders)
	}
	if sandboxOf(d.Opening.Options) != sandboxOf(o.recorded()) {
		return nil, fmt.Errorf("resume %s: %w: they ran in a different sandbox", d.Number, ErrOtherReaders)
	}
	in := newIntake(o, d.Number)
	if err := in.recall(ctx); err != nil {
		return nil, err
	}
	if in.again != 0 && !o.Covers(in.again) {
		return nil, fmt.Errorf("resume %s: read %s again: %w", d.Number, in.again, argus.ErrNotFound)
	}
	if err := o.recordOpening(ctx, d.Number, in.about(d.Opening.Source)...); err != nil {
		return nil, fmt.Errorf("resume %s: %w", d.Number, err)
	}
	if err := o.Record(ctx, ledger.ResumeDelivery, d.Number, in.about(d.Opening.Source)); err != nil {
		return nil, fmt.Errorf("resume %s: %w", d.Number, err)
	}
	return in.run(ctx, files)
}

// Abandon seals deliveries as they are, marked incomplete. It selects deliveries and
// returns errors as [Resume] does.
func Abandon(ctx context.Context, o Options, reason string, which ...argus.DeliveryNumber) ([]*argus.Receipt, error) {
	return o.finish(ctx, which, func(o Options, d evidence.Delivery) (*argus.Receipt, error) {
		in := newIntake(o, d.Number)
		if err := in.recall(ctx); err != nil {
			return nil, err
		}
		if err := o.recordOpening(ctx, d.Number, in.about(d.Opening.Source)...); err != nil {
			return nil, fmt.Errorf("abandon %s: %w", d.Number, err)
		}
		if err := o.Record(ctx, ledger.AbandonDelivery, d.Number, []argus.Field{{Name: "reason", Value: reason}}); err != nil {
			return nil, fmt.Errorf("abandon %s: %w", d.Number, err)
		}
		return in.seal(ctx, reason)
	})
}

// Fits returns ErrNoRoom if the files at paths have more bytes than are free on the disk where
// a store would be made.
func Fits(free func() (int64, error), store string, paths []string) error {
	var all []foundFile
	for _, path := range paths {
		files, err := walk(path, store)
		if err != nil {
			return fmt.Errorf("ingest %s: %w", path, err)
		}
		all = append(all, files...)
	}
	return room(free, all)
}

// room returns ErrNoRoom if files have more bytes than the disk has free. They may need
// less, since blocks are compressed, but that is not known in advance, and a full disk
// interrupts a delivery.
func room(look func() (int64, error), files []foundFile) error {
	free, err := look()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("determine the free space: %w", err)
	}
	need := int64(0)
	for _, f := range files {
		if need += f.size; need < 0 {
			need = math.MaxInt64
			break
		}
	}
	if need > free {
		return fmt.Errorf("%w: %d bytes are needed, %d are free", ErrNoRoom, need, free)
	}
	return nil
}

// KnownPath returns an error if a path could not be recorded.
func KnownPath(path string) error {
	if !utf8.ValidString(path) {
		return fmt.Errorf("ingest %q: the path is not valid UTF-8 and cannot be recorded; ingest a parent folder instead", path)
	}
	return nil
}

// KnownFormat returns an error that lists the formats if Format is not one of them; "" means
// that the format is detected.
func (o Options) KnownFormat() error {
	if _, ok := o.Formats.ByName(o.Format); o.Format != "" && !ok {
		var names []string
		for _, f := range o.Formats {
			names = append(names, f.Name)
		}
		return fmt.Errorf("unknown format %q; the formats are %v", o.Format, names)
	}
	return nil
}

// PathIn returns the path of a file whose name is relative to a folder; "" is the working
// folder.
func PathIn(folder, name string) string {
	if folder == "" || filepath.IsAbs(name) {
		return name
	}
	return folder + string(filepath.Separator) + name // a cleaned path would not follow links before ..
}

// With returns the options with different settings: those from [Options.Settings], or from a
// delivery's record.
func (o Options) With(settings []argus.Field) (Options, error) {
	settings = settingsOf(settings)
	o.Format, o.ReadingNames = "", settings
	if len(settings) > 0 && settings[0].Name == "format" {
		o.Format, o.ReadingNames = settings[0].Value, settings[1:]
	}
	via, names, err := o.viaOf(o.ReadingNames)
	if err != nil {
		return o, err
	}
	o.Via = via
	if o.Reading, err = Reading(names); err != nil {
		return o, err
	}
	return o, o.KnownFormat()
}

// Reading makes reading options from their names and values, as a delivery's record keeps
// them: timezone, service, owner, and map, whose value is a map ([mapping.Option]) or
// field=header, which may be repeated; and package-key.
func Reading(settings []argus.Field) (reader.Options, error) {
	var o readingOptions
	for _, s := range settings {
		switch s.Name {
		case "timezone":
			zone, err := time.LoadLocation(s.Value)
			if err != nil || s.Value == "Local" {
				return o.Options, fmt.Errorf("timezone %q: expected a name like Europe/Amsterdam", s.Value)
			}
			o.Zone = zone
		case "service":
			o.Service = s.Value
		case "owner":
			o.Owner = s.Value
		case "package-key":
			o.PackageKey = s.Value
		case "country":
			list, err := Countries(s.Value)
			if err != nil {
				return o.Options, err
			}
			o.Countries = list
		case "map":
			if _, text, ok := mapping.ParseOption(s.Value); ok {
				if err := o.takeMap(text); err != nil {
					return o.Options, err
				}
				continue
			}
			field, header, ok := strings.Cut(s.Value, "=")
			if !ok || field == "" || header == "" {
				return o.Options, fmt.Errorf("map %q: expected field=header, such as from=Afzender", s.Value)
			}
			if o.Map == nil {
				o.Map = map[string]string{}
			}
			o.Map[field] = header
		default:
			return o.Options, fmt.Errorf("unknown reading option %q", s.Name)
		}
	}
	if o.MapText != "" && o.Map != nil {
		return o.Options, errors.New("map: a map and field=header cannot be combined")
	}
	o.Zone = cmp.Or(o.Zone, o.zoneOfMap)
	return o.Options, nil
}

// readingOptions are reading options; some may come from a map.
type readingOptions struct {
	reader.Options
	zoneOfMap *time.Location
}

func (o *readingOptions) takeMap(text string) error {
	m, err := mapping.Parse(text)
	if err != nil {
		return err
	}
	if o.MapText != "" && o.MapText != text {
		return errors.New("map: only one map can be given")
	}
	o.MapText = text
	o.zoneOfMap, err = m.Location()
	return err
}

// Settings returns the options that change the result of reading, as a delivery's record
// keeps them.
func (o Options) Settings() []argus.Field {
	var list []argus.Field
	if o.Format != "" {
		list = append(list, argus.Field{Name: "format", Value: o.Format})
	}
	return append(list, o.ReadingNames...)
}

// sandboxOption is the name of an option in the record of a delivery whose readers ran on a
// system with no sandbox or a weaker one. The option's value describes the sandbox. It is not a
// setting.
const sandboxOption = "sandbox"

// recorded returns the options in the form of a delivery's record.
func (o Options) recorded() []argus.Field {
	list := o.Settings()
	if o.Apart && o.lacks != "" {
		list = append(list, argus.Field{Name: sandboxOption, Value: o.lacks})
	}
	return append(list, o.Terms...)
}

// TermPrefix begins the names of the options in the record of a delivery that state the
// conditions under which it was received. They are not settings.
const TermPrefix = "received "

// sandboxOf returns the sandbox that options name, or "" if they name none.
func sandboxOf(options []argus.Field) string {
	for _, f := range options {
		if f.Name == sandboxOption {
			return f.Value
		}
	}
	return ""
}

// settingsOf returns the recorded options of a delivery that change the result of
// reading.
func settingsOf(recorded []argus.Field) []argus.Field {
	return slices.DeleteFunc(slices.Clone(recorded), func(f argus.Field) bool {
		return f.Name == sandboxOption || strings.HasPrefix(f.Name, TermPrefix) || strings.HasPrefix(f.Name, fromUpgrade)
	})
}
