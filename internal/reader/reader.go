// Package reader holds the contract of the readers: formats, the files that they are
// given, archives unpacked, and the items that they find.
//
// A reader streams: whatever the size of the file, it holds a bounded piece of it. It
// trusts nothing in it. A piece that is invalid is yielded as a problem, with the
// reason, and reading continues after it.
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
	// Name is the word for --format, and each message's trace shows it.
	Name string
	// Version rises whenever the same input would give other messages.
	Version int
	// About names in one line the export and the program that writes it.
	About string
	// Checked names the data that the reader was checked with, with the counts.
	Checked string
	// OfDevice is set for the data of one device: messages that its owner sent have the
	// device's own time and no time of receipt. Default: a service's, or unknown.
	OfDevice bool
	// Log is set if each message is in the file once, in the order in which they were
	// written, so that two equal ones in one second are two. Default: the same message
	// may be repeated.
	Log bool
	// Devices is set if a file may hold the copies of several devices, each with its
	// own clock, and Item.Device names them. Default: one device's, or unknown.
	Devices bool
	// Kept names the fields that the reader understands and keeps beside a message
	// because Argus has no place for them; "author.*" names all that begin so. A field
	// with another name is not understood, and the receipt counts it. Default: fields of
	// any name are expected, as in mails and sheets.
	Kept []string
	// Ignored names the fields that the reader leaves out on purpose, each with the
	// reason.
	Ignored map[string]string
	// Detect returns how surely a file is of this format, from 0 (it is not) to 100,
	// from its content; the name may only decide between equals.
	Detect func(Sample) int
	// Read yields the items of the file, in its order, and the same items each time. An
	// error ends the file; the items before it stay valid.
	Read func(ctx context.Context, in Input) iter.Seq2[Item, error]
}

// String returns name/version, as in a message's trace.
func (f *Format) String() string { return f.Name + "/" + strconv.Itoa(f.Version) }

// Sample is the part of a file that formats are detected from.
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
	// Schema holds the pages with the statements that made its tables if it is an
	// SQLite database, and the beginning of its directory if it is a compound file.
	Schema []byte
	// Map and MapText are those of [Options]: with them a file may be recognised that
	// would not be otherwise.
	Map     map[string]string
	MapText string
}

// HeadSize is how many bytes at the beginning of a file are used to detect its format.
const HeadSize = textdoc.HeadSize

// Input is one file to read.
type Input struct {
	// Name is the file's path in the delivery, with forward slashes. Some formats keep
	// facts in it: a date, the name of a chat. It is hostile and never opened.
	Name string
	// Size is in bytes.
	Size int64
	File io.ReaderAt
	// Sibling opens another file of the delivery by its path, for formats that keep
	// names beside the messages. ok is false if no such file can be held. The file is
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
	// Zone is the time zone of clocks that name none. Default: UTC is assumed, and each
	// time records that.
	Zone *time.Location
	// Map names the columns of a sheet: canonical field to header. Default: the header
	// is sniffed.
	Map map[string]string
	// MapText is the text of a map (docs/format/map.md), which says how to read sources
	// of no known program. Default: there is none.
	MapText string
	// Service names the service for formats that do not record it. Default: each format
	// documents its own.
	Service string
	// Owner names the account of the device that an export was made on, for formats
	// that do not record it. Default: each format documents its own.
	Owner string
	// Countries are the codes (ISO 3166) of the countries of the case: they decide the
	// order of day and month where a sheet or a mail leaves it open. Default: day first
	// in sheets, and no time in mails.
	Countries []string
	// MaxRecord is the longest record that is read, in bytes; a longer one is a
	// problem. Default 16 MiB.
	MaxRecord int
}

// ProblemOf returns the item for a line that made no sense.
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
	// Stated, in an item that is neither, is how many records the source claims to
	// have. It comes after all of them; the reader does not compare it with its own
	// count.
	Stated *argus.Stated
	// Raw is the beginning of the piece after a problem, at most
	// argus.QuarantineRaw bytes.
	Raw []byte
	// Where is the place: the reader sets Record, Offset and Length.
	Where argus.Where
	// Device names the device or account whose copy it is, if a file holds those of
	// several: each is a log of its own. Default: one, or unknown.
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

// ZoneOrUTC returns the zone of clocks that name none, and its source.
func (o Options) ZoneOrUTC() (*time.Location, argus.ZoneSource) {
	if o.Zone == nil {
		return time.UTC, argus.ZoneAssumed
	}
	return o.Zone, argus.ZoneOperator
}
