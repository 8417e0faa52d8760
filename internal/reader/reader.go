// Package reader holds the contract of the readers: formats, the files that they are
// given, archives unpacked, and the items that they find.
//
// A reader streams: whatever the size of the file, it holds a bounded piece of it. It trusts
// nothing in the file. A piece that is invalid is yielded as a problem, with the reason, and
// reading continues after it.
//
// The formats are in the packages below formats, which do not import each other. They
// share toolkits: textdoc, jsondoc, xmldoc, sqlitedoc, sheetdoc and rtfdoc for the
// syntax of a file, dates and build for its content. Package all lists the formats.
package reader

import (
	"context"
	"io"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Format is one kind of export.
type Format struct {
	// Name is the word for --format; each message's trace shows it.
	Name string
	// Version is raised whenever the same input would give different messages.
	Version int
	// About is one line that names the export and the program that writes it.
	About string
	// Checked names the data that the reader was checked with, with the counts.
	Checked string
	// OfDevice is set for the data of one device: messages that its owner sent have the
	// device's own time and no time of receipt. Default: a service's, or unknown.
	OfDevice bool
	// Log is set if each message is in the file once, in the order of writing, so that two
	// equal messages in the same second are two messages. Default: the same message may be
	// repeated.
	Log bool
	// Devices is set if a file may hold copies from several devices, each with its own clock,
	// which Item.Device names. Default: the file is one device's, or that is unknown.
	Devices bool
	// Stored is set if the messages come from a store of Argus: nothing is added to them or
	// left out, and they keep their identity. Default: they are a source's.
	Stored bool
	// Kept names the fields that the reader understands and keeps beside a message
	// because Argus has no place for them; "author.*" means all names that begin with
	// "author.". A field with any other name is counted by the receipt as not understood.
	// Default: fields of any name are expected, as in mails and sheets.
	Kept []string
	// Ignored names the fields that the reader leaves out on purpose, each with the
	// reason.
	Ignored map[string]string
	// Detect returns how sure it is, from 0 (it is not) to 100, that a file has this format.
	// It judges by the content; the name may only break a tie.
	Detect func(Sample) int
	// Read yields the items of the file in order, the same ones each time. An
	// error ends the file; the items before it stay valid.
	Read func(ctx context.Context, in Input) iter.Seq2[Item, error]
}

// String returns name/version, as in a message's trace.
func (f *Format) String() string { return f.Name + "/" + strconv.Itoa(f.Version) }

// Sample is the part of a file that is used to detect its format.
type Sample struct {
	// Name is the file's path in the delivery, with forward slashes.
	Name string
	// Head is the beginning of the file, up to HeadSize bytes, as stored.
	Head []byte
	// Text is Head as UTF-8 with a byte order mark removed, whatever its stored
	// encoding; nil when it is not text.
	Text []byte
	// Entries are the names in the file if it is a zip archive.
	Entries []string
	// Schema holds, for an SQLite database, the pages with the statements that created its
	// tables, and for a compound file the beginning of its directory.
	Schema []byte
	// Map and MapText are those of [Options]: they allow a file to be recognised that
	// otherwise would not be.
	Map     map[string]string
	MapText string
}

// HeadSize is how many bytes at the beginning of a file are used to detect its format.
const HeadSize = textdoc.HeadSize

// Input is one file to read.
type Input struct {
	// Name is the file's path in the delivery, with forward slashes. Some formats keep facts
	// in it, such as a date or the name of a chat. It is hostile: no file is ever opened by
	// it.
	Name string
	// Size is in bytes.
	Size int64
	File io.ReaderAt
	// Sibling opens another file of the delivery by its path, for formats that keep
	// names beside the messages. ok is false if there is no such file. The file is
	// valid as long as File. Default: nil, the file has no siblings.
	Sibling func(name string) (file io.ReaderAt, size int64, ok bool)
	// Temp makes a private temporary file. Default [TempFile].
	Temp func() (*os.File, error)
	Options
}

// Reader reads the file from its beginning.
func (in Input) Reader() io.Reader { return io.NewSectionReader(in.File, 0, in.Size) }

// Options are an operator's statements about a delivery.
type Options struct {
	// Zone is the time zone of times that do not state one. Default: UTC is assumed, and
	// each time records that.
	Zone *time.Location
	// Map names the columns of a sheet: canonical field to header. Default: the header
	// is sniffed.
	Map map[string]string
	// MapText is the text of a map (docs/format/map.md), which describes how to read
	// sources from unknown programs. Default: no map.
	MapText string
	// Service names the service for formats that do not record it. Default: each format
	// documents its own.
	Service string
	// Owner names the account of the device on which an export was made, for formats that do
	// not record it. Default: each format documents its own.
	Owner string
	// Countries are the codes (ISO 3166) of the countries of the case: they decide the order
	// of day and month where a sheet or a mail leaves it open. Default: day first in sheets;
	// in mails, such a date gives no time.
	Countries []string
	// PackageKey is the public key of the store that a package comes from. Default: none, so
	// that packages are not read.
	PackageKey string
	// MaxRecord is the maximum length of a record, in bytes; a longer one is a problem.
	// Default 16 MiB.
	MaxRecord int
}

// ProblemOf returns the item for a line that does not make sense.
func ProblemOf(l *textdoc.Line, reason string) Item {
	return Item{Problem: reason, Raw: l.Beginning(), Where: l.Where()}
}

// Item is one finding of a reader: a message, a problem, or a statement of the source
// about itself.
type Item struct {
	// Message is set when the piece was understood. The receiver owns it.
	Message *argus.Message
	// Problem is set otherwise: a sentence that names the expected and the actual kind
	// of content, without the piece itself.
	Problem string
	// Stated, in an item that is neither a message nor a problem, is how many records the
	// source claims to have. It comes after all of them; the reader does not compare it with
	// its own count.
	Stated *argus.Stated
	// Raw is the beginning of the piece after a problem, at most
	// argus.QuarantineRaw bytes.
	Raw []byte
	// Where is the place: the reader sets Record, Offset and Length.
	Where argus.Where
	// Device names the device or account that the copy belongs to, if a file holds copies of
	// several: each is a log of its own. Default: there is only one, or it is unknown.
	Device string
}

// defaultMaxRecord replaces a zero Options.MaxRecord, in bytes.
const defaultMaxRecord = 16 << 20

// RecordLimit returns MaxRecord or its default.
func (o Options) RecordLimit() int {
	if o.MaxRecord <= 0 {
		return defaultMaxRecord
	}
	return o.MaxRecord
}

// ZoneOrUTC returns the zone of times that name none, and the source of that zone.
func (o Options) ZoneOrUTC() (*time.Location, argus.ZoneSource) {
	if o.Zone == nil {
		return time.UTC, argus.ZoneAssumed
	}
	return o.Zone, argus.ZoneOperator
}
