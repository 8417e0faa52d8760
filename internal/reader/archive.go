package reader

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// File is one file to read: an original, or a piece of one that is an archive.
type File struct {
	// Path leads to the file inside the original, "" for the original itself,
	// "outer.zip!/inner.txt" for an entry of an archive in it. It is a label from a
	// hostile source: U+FFFD replaces control characters and marks that change the direction
	// of text, and the path may contain ../ or be absolute.
	Path string
	// Input reads the file, and Sample is its beginning. Both are valid until the walk
	// moves on; Input.Options is the zero value. They are empty when Problem is set.
	Input  Input
	Sample Sample
	// Packed is set for an archive inside another: its contents follow, and the file
	// itself is not read.
	Packed bool
	// Problem explains, in a sentence, why the file at Path cannot be read, or how the
	// archive there is broken. The walk continues after it.
	Problem string
}

// Limits bound how far an archive may unpack.
type Limits struct {
	// Depth is the maximum depth to which archives may be nested. Default 3.
	Depth int
	// Bytes is the maximum total size to which the entries of one original may unpack.
	// Default 64 GiB.
	Bytes int64
	// Entries is the maximum number of entries in one original. Default 1,000,000.
	Entries int
	// Ratio is the maximum ratio of an entry's unpacked size to its stored size, once it
	// unpacks to more than RatioFrom bytes. Default 1000, from 100 MiB.
	Ratio, RatioFrom int64
	// Temp makes a private temporary file, for large entries while they are
	// read. Default [TempFile].
	Temp func() (*os.File, error) `json:"-"`
}

func (l Limits) withDefaults() Limits {
	set := func(n *int64, value int64) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&l.Bytes, 64<<30)
	set(&l.Ratio, 1000)
	set(&l.RatioFrom, 100<<20)
	if l.Depth <= 0 {
		l.Depth = 3
	}
	if l.Entries <= 0 {
		l.Entries = 1_000_000
	}
	if l.Temp == nil {
		l.Temp = TempFile
	}
	return l
}

// ArchiveHead is how many bytes at the beginning of a file show whether it is an
// archive.
const ArchiveHead = packedHead

// IsArchive reports whether a file that begins with head may be an archive, so that
// [Formats.Files] may yield more than the file itself.
func IsArchive(head []byte) bool { return packingOf(head) != nil }

// Files walks the contents of an original. A plain file yields itself, and so does an
// archive that a format reads as a whole (a spreadsheet). Any other zip archive yields its
// entries in the order of its directory, and their contents if they are archives. If the
// directory is missing or broken, as in an archive that was cut off, the entries are found
// by their own headers. A tar archive yields its entries, and a compressed file (gzip,
// bzip2, Zstandard) its unpacked content.
//
// If an entry is cut off or damaged, its readable part is yielded after the problem. A
// fault inside is yielded as a File with a Problem: an entry that is encrypted, does not
// match its checksum, is compressed by an unknown method, or exceeds a limit. An error from
// the file itself, the temporary folder or the context ends the walk. No name from an
// archive is ever used on disk.
func (l Formats) Files(ctx context.Context, name string, file io.ReaderAt, size int64, limits Limits) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		w := walk{
			ctx: ctx, formats: l, limits: limits.withDefaults(), yield: yield,
			stored:  bufio.NewReaderSize(nil, 64<<10),
			inflate: flate.NewReader(nil),
			chunk:   make([]byte, 64<<10),
		}
		w.unfold = w.limits.Bytes
		if err := w.file(name, "", file, size, 0); err != nil && !errors.Is(err, errStopped) {
			yield(File{}, err)
		}
	}
}

// errStopped means that the receiver wants no more.
var errStopped = errors.New("stopped")

// walk is one walk over one original.
type walk struct {
	ctx     context.Context
	formats Formats
	limits  Limits
	yield   func(File, error) bool
	unfold  int64 // how many bytes may still be unpacked
	entries int   // how many entries were met

	// buffers for one entry at a time
	stored  *bufio.Reader
	inflate io.ReadCloser
	chunk   []byte
}

func (w *walk) give(f File) error {
	if !w.yield(f, nil) {
		return errStopped
	}
	return nil
}

func (w *walk) problem(path, format string, args ...any) error {
	return w.give(File{Path: path, Problem: fmt.Sprintf(format, args...)})
}

// file yields a file that is nested inside depth archives, or its contents.
func (w *walk) file(name, path string, file io.ReaderAt, size int64, depth int) error {
	sample, err := NewSample(name, file, size)
	if err != nil {
		return err
	}
	f := File{Path: path, Input: Input{Name: name, Size: size, File: file, Temp: w.limits.Temp}, Sample: sample}
	packed := packingOf(sample.Head)
	if packed == nil {
		return w.give(f)
	}
	if format, _ := w.formats.Detect(sample); format != nil {
		return w.give(f)
	}
	if depth == w.limits.Depth {
		return w.problem(path, "want archives nested at most %d deep, found a deeper one", depth)
	}
	inside := ""
	if path != "" {
		f.Packed, inside = true, path+"!/"
		if err := w.give(f); err != nil {
			return err
		}
	}
	switch {
	case packed.open != nil:
		return w.compressed(packed, name, inside, file, size, depth)
	case packed == tarPacking:
		return w.tar(name, inside, path, file, size, depth)
	}
	return w.archive(name, inside, path, file, size, depth)
}

// archive yields the contents of a zip archive.
func (w *walk) archive(name, inside, path string, file io.ReaderAt, size int64, depth int) error {
	directory, err := OpenZip(file, size)
	if err != nil {
		if err := w.problem(path, "%v; its entries are searched for one by one", err); err != nil {
			return err
		}
		return w.recovered(name+"!/", inside, file, size, depth)
	}
	var packed int64
	for {
		entry, err := directory.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return w.problem(path, "%v", err)
		}
		if packed += entry.Packed; packed > size {
			return w.problem(path, "the entries of the archive overlap: they claim more bytes than it has; the rest of it is not read")
		}
		if stop, err := w.entry(name+"!/", inside, file, size, entry, depth); stop || err != nil {
			return err
		}
	}
}

// recovered yields the intact entries of an archive that has no directory.
func (w *walk) recovered(name, inside string, file io.ReaderAt, size int64, depth int) error {
	for at := int64(0); at < size; {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		entry, err := readLocalHeader(file, size, at)
		if err != nil {
			if at, err = nextLocalHeader(w.ctx, file, size, at+1); err != nil {
				return err
			}
			continue
		}
		if stop, err := w.entry(name, inside, file, size, entry, depth); stop || err != nil {
			return err
		}
		at = entry.data + entry.Packed
		if entry.streamed || at > size { // its end is not known
			if at, err = nextLocalHeader(w.ctx, file, size, entry.data); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry yields one entry of an archive, or its contents. stop is set when a limit of
// the whole original is reached.
func (w *walk) entry(name, inside string, file io.ReaderAt, size int64, entry *ZipEntry, depth int) (stop bool, _ error) {
	if err := w.ctx.Err(); err != nil {
		return true, err
	}
	path := inside + entry.Name
	if w.entries++; w.entries > w.limits.Entries {
		return true, w.problem(path, "the archive has more than %d entries; the rest of it is not read", w.limits.Entries)
	}
	if strings.HasSuffix(entry.Name, "/") && entry.size == 0 && !entry.streamed {
		return false, nil // a folder
	}
	spool, err := w.unpack(file, size, entry)
	if spool != nil {
		defer spool.Close()
	}
	if err != nil {
		var bad *EntryError
		if !errors.As(err, &bad) {
			return true, err
		}
		if spool == nil || spool.Size == 0 {
			return bad.last, w.problem(path, "%s", bad.reason)
		}
		if err := w.problem(path, "%s; it is read as it is", bad.reason); err != nil {
			return true, err
		}
	}
	return false, w.file(name+entry.Name, path, spool.ReaderAt(), spool.Size, depth+1)
}

// EntryError describes a fault in an archive's entry.
type EntryError struct {
	reason string
	limit  bool // it unpacks to more than the limit, and none of it is read
	last   bool // nor is anything after it
}

func (e *EntryError) Error() string { return e.reason }

func badEntry(format string, args ...any) error {
	return &EntryError{reason: fmt.Sprintf(format, args...)}
}

// unpack decompresses an entry into a spool, which the caller closes. The error is an
// *EntryError when the entry is at fault. If the entry is cut off or damaged, the spool
// holds its readable part.
func (w *walk) unpack(file io.ReaderAt, size int64, entry *ZipEntry) (_ *Spool, err error) {
	if entry.central {
		if err := entry.locate(file, size); err != nil {
			return nil, err
		}
	}
	if entry.encrypted {
		return nil, badEntry("the entry is encrypted, and no password is held")
	}
	packed := entry.Packed
	if entry.streamed {
		packed = size - entry.data
	}
	var bad error
	if entry.data+packed > size {
		bad = badEntry("the entry is cut off: %d of its %d bytes are there", size-entry.data, packed)
		packed = max(0, size-entry.data)
	}
	w.stored.Reset(io.NewSectionReader(file, entry.data, packed))
	stored := &countingReader{r: w.stored}
	var content io.Reader = stored
	switch {
	case entry.method == zipDeflated:
		if err := w.inflate.(flate.Resetter).Reset(stored, nil); err != nil {
			return nil, fmt.Errorf("unpack an archive: %w", err)
		}
		content = w.inflate
	case entry.method != zipStored:
		return nil, badEntry("the entry is compressed with method %d, which is not read", entry.method)
	case entry.streamed:
		return nil, badEntry("the entry is stored without its size, which only the missing directory states")
	}
	s := &Spool{temp: w.limits.Temp}
	kept := false
	defer func() {
		if !kept {
			s.Close()
		}
	}()
	sum := crc32.NewIEEE()
	wrong, err := w.pour("entry", s, stored, content, sum)
	if err != nil {
		return nil, err
	}
	if wrong != nil && wrong.limit {
		return nil, wrong
	}
	if wrong != nil {
		kept = true
		return s, cmp.Or(bad, error(wrong))
	}
	if bad == nil && entry.streamed {
		bad = entry.readDescriptor(file, size, stored.n, s.Size)
	}
	switch {
	case bad != nil:
	case s.Size != entry.size:
		bad = badEntry("the entry is damaged: it holds %d bytes and should hold %d", s.Size, entry.size)
	case sum.Sum32() != entry.checksum:
		bad = badEntry("the entry is damaged: its checksum is %08x and should be %08x", sum.Sum32(), entry.checksum)
	}
	kept = true
	return s, bad
}

// countingReader counts the bytes read. It implements io.ByteReader so that decompressors do
// not read beyond the end of the compressed data.
type countingReader struct {
	r   *bufio.Reader
	n   int64
	err error // why reading stopped before the end
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	c.failed(err)
	return n, err
}

func (c *countingReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	c.failed(err)
	return b, err
}

func (c *countingReader) failed(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
}

// TempFile makes a temporary file that nobody else can open. The caller closes it and then
// removes it by name. On systems where an open file can be removed, it is removed at once,
// so that a crash leaves nothing behind.
func TempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "argus-entry-*")
	if err == nil {
		os.Remove(f.Name())
	}
	return f, err
}

// Spool holds an unpacked entry: in memory while it is small, otherwise in a temporary
// file that nobody else can open and that Close removes.
type Spool struct {
	temp   func() (*os.File, error)
	Size   int64
	memory []byte
	disk   *os.File
}

const spoolMemory = 4 << 20

// NewSpool makes a spool. temp makes its temporary file; the default is [TempFile].
func NewSpool(temp func() (*os.File, error)) *Spool {
	if temp == nil {
		temp = TempFile
	}
	return &Spool{temp: temp}
}

func (s *Spool) write(b []byte) error {
	s.Size += int64(len(b))
	if s.disk == nil && s.Size <= spoolMemory {
		s.memory = append(s.memory, b...)
		return nil
	}
	if s.disk == nil {
		disk, err := s.temp()
		if err != nil {
			return fmt.Errorf("unpack an archive: %w", err)
		}
		s.disk = disk
		b = append(s.memory, b...)
		s.memory = nil
	}
	if _, err := s.disk.Write(b); err != nil {
		return fmt.Errorf("unpack an archive: %w", err)
	}
	return nil
}

// Fill writes all of r to a spool.
func (s *Spool) Fill(r io.Reader) error {
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.Read(chunk)
		if writeErr := s.write(chunk[:n]); writeErr != nil {
			return writeErr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ReaderAt reads the written bytes, and is valid until Close.
func (s *Spool) ReaderAt() io.ReaderAt {
	if s.disk != nil {
		return s.disk
	}
	return bytes.NewReader(s.memory)
}

// Close releases the memory and the file.
func (s *Spool) Close() {
	if s.disk != nil {
		s.disk.Close()
		os.Remove(s.disk.Name())
	}
}

// entryName turns a name from an archive into a label: decoded as UTF-8, or as Windows-1252
// if it is not valid UTF-8, and without characters that could deceive a reader.
func entryName(stored []byte) string {
	if len(stored) == 0 {
		return "(no name)"
	}
	if !utf8.Valid(stored) {
		stored = textdoc.AppendWindows1252(nil, stored)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, string(stored))
}

// Archive finds the files of a zip archive by name.
type Archive struct {
	walk
	content *Spool
	entries map[string]*ZipEntry
}

// OpenArchive reads the directory of an archive. It keeps at most the given number of
// entries, which may together unpack to at most most bytes. The caller closes content after
// the last opened file.
func OpenArchive(ctx context.Context, content *Spool, most int64, entries int) (*Archive, error) {
	directory, err := OpenZip(content.ReaderAt(), content.Size)
	if err != nil {
		return nil, err
	}
	limits := Limits{Temp: content.temp}
	a := &Archive{content: content, entries: map[string]*ZipEntry{}}
	a.walk = walk{
		ctx: ctx, limits: limits.withDefaults(), unfold: most,
		stored: bufio.NewReaderSize(nil, 64<<10), inflate: flate.NewReader(nil), chunk: make([]byte, 64<<10),
	}
	for len(a.entries) < entries {
		entry, err := directory.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if a.entries[entry.Name] == nil {
			a.entries[entry.Name] = entry
		}
	}
	return a, nil
}

// Has reports whether the archive has a file with the given name.
func (a *Archive) Has(name string) bool { return a.entries[name] != nil }

// Open unpacks an existing file into a spool that the caller closes. The error is an
// *EntryError if the file is at fault.
func (a *Archive) Open(name string) (*Spool, error) {
	return a.unpack(a.content.ReaderAt(), a.content.Size, a.entries[name])
}
