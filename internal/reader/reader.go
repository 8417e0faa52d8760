// Package reader holds the contract of the readers: formats, the files that they are
// given, archives unpacked, and the items that they find.
//
// A reader streams: whatever the size of the file, it holds a bounded piece of
// it. It trusts nothing in it. A piece that it cannot make sense of is yielded
// as a problem, with the reason, and reading goes on behind it.
//
// The formats are in the packages below formats, which do not know of each other. They
// stand on toolkits: textdoc, jsondoc, xmldoc, sqlitedoc, sheetdoc and rtfdoc for what a
// file is written in, dates and build for what is in it. Package all lists the formats.
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
	// Name is the word that --format takes and each message's trace shows.
	Name string
	// Version rises whenever the same input would give other messages.
	Version int
	// About says in one line what the export is and which program writes it.
	About string
	// Checked says on which data the reader was checked, with the counts.
	Checked string
	// OfDevice says that it is what one device has: what its owner sent has the
	// device's own time and no time of receipt. Default: a service's, or unknown.
	OfDevice bool
	// Log says that each message stands in it once, in the order in which they
	// were written, so that two equal ones in one second are two. Default: the
	// same message may stand in it again.
	Log bool
	// Devices says that a file may hold the copies of several devices, each with a
	// clock of its own, and that Item.Device names them. Default: one device's, or
	// nobody knows.
	Devices bool
	// Detect says how surely a file is of this format, from 0 (it is not) to
	// 100, from its content; the name may only decide between equals.
	Detect func(Sample) int
	// Read yields what is in the file, in its order, and the same items each
	// time. An error ends the file; what was yielded before it stays good.
	Read func(ctx context.Context, in Input) iter.Seq2[Item, error]
}

// String is how a message's trace names the reader: name/version.
func (f *Format) String() string { return f.Name + "/" + strconv.Itoa(f.Version) }

// Sample is what a format is detected from.
type Sample struct {
	// Name is the file's path in the delivery, with forward slashes.
	Name string
	// Head is the beginning of the file, up to HeadSize bytes, as stored.
	Head []byte
	// Text is Head as UTF-8 with a byte order mark removed, whatever encoding
	// it was stored in; nil when it is not text.
	Text []byte
	// Entries are the names in the file if it is a zip archive.
	Entries []string
	// Schema holds the pages with the statements that made its tables if it is an
	// SQLite database, and the beginning of its directory if it is a compound file.
	Schema []byte
	// Map is that of [Options]: it can make a file one that is recognised.
	Map map[string]string
}

// HeadSize is how much of a file is looked at to detect its format, in bytes.
const HeadSize = textdoc.HeadSize

// Input is one file to read.
type Input struct {
	// Name is the file's path in the delivery, with forward slashes. Some
	// formats keep facts in it: a date, the name of a chat. It is hostile and
	// never opened.
	Name string
	// Size counts bytes.
	Size int64
	// File reads the file from any place.
	File io.ReaderAt
	// Sibling opens another file of the delivery by its path, for formats that
	// keep names beside the messages; false where there is none that can be
	// held. What it returns is good as long as File. Default: nil, there is
	// nothing beside the file.
	Sibling func(name string) (file io.ReaderAt, size int64, ok bool)
	// Temp makes a private temporary file. Default [TempFile].
	Temp func() (*os.File, error)
	Options
}

// Reader reads the file from its beginning.
func (in Input) Reader() io.Reader { return io.NewSectionReader(in.File, 0, in.Size) }

// Options are what an operator says about a delivery.
type Options struct {
	// Zone is the time zone of clocks that name none. Default: nobody said,
	// UTC is assumed, and each time says so.
	Zone *time.Location
	// Map names the columns of a sheet: canonical field to header. Default:
	// the header is sniffed.
	Map map[string]string
	// Service names the service of formats that do not tell it. Default: each
	// format documents its own.
	Service string
	// Owner names the account of the device that an export was made on, for
	// formats that do not tell it. Default: each format documents its own.
	Owner string
	// Countries are those of the case by their codes (ISO 3166): they decide the order of
	// day and month where a sheet or a mail leaves it open. Default: day first in sheets,
	// and no time in mails.
	Countries []string
	// MaxRecord is the longest record that is read, in bytes; a longer one is
	// a problem. Default 16 MiB.
	MaxRecord int
}

// ProblemOf is the item for a line that made no sense.
func ProblemOf(l *textdoc.Line, reason string) Item {
	return Item{Problem: reason, Raw: l.Beginning(), Where: l.Where()}
}

// Item is what a reader found at one place: a message, a problem, or what the
// source says of itself.
type Item struct {
	// Message is set when the piece was understood. The receiver owns it.
	Message *argus.Message
	// Problem is set otherwise: a sentence with what was expected and what
	// stood there, without the piece itself.
	Problem string
	// Stated, in an item that is neither, is how many records the source says
	// that it has. It comes behind all of them; whether as many were found is
	// not the reader's to judge.
	Stated *argus.Stated
	// Raw is the beginning of the piece behind a problem, at most
	// argus.QuarantineRaw bytes.
	Raw []byte
	// Where is the place: Record, Offset and Length are the reader's to fill.
	Where argus.Where
	// Device names the device or account whose copy it is, where a file holds
	// those of several: each is a log of its own. Default: one, or nobody knows.
	Device string
}

// defaultMaxRecord is Options.MaxRecord when nobody set it, in bytes.
const defaultMaxRecord = 16 << 20

// RecordLimit returns the limit that holds.
func (o Options) RecordLimit() int {
	if o.MaxRecord <= 0 {
		return defaultMaxRecord
	}
	return o.MaxRecord
}

// ZoneOrUTC returns the zone of clocks that name none, and who said so.
func (o Options) ZoneOrUTC() (*time.Location, argus.ZoneSource) {
	if o.Zone == nil {
		return time.UTC, argus.ZoneAssumed
	}
	return o.Zone, argus.ZoneOperator
}
