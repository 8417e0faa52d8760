package reader

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// sampleEntries is how many names from an archive a Sample holds at most, and sampleNames
// how many bytes of them.
const (
	sampleEntries = 4096
	sampleNames   = 1 << 20
)

// NewSample reads the beginning of a file and, if it is an archive, a database or a
// compound file, its own list of contents.
func NewSample(name string, file io.ReaderAt, size int64) (Sample, error) {
	head := make([]byte, min(size, HeadSize))
	if n, err := file.ReadAt(head, 0); n < len(head) {
		return Sample{}, fmt.Errorf("read the beginning of %q: %w", name, err)
	}
	s := Sample{Name: name, Head: head}
	if bytes.HasPrefix(head, []byte(databaseMagic)) {
		s.Schema = sqliteSchema(head, file, size)
		return s, nil
	}
	if bytes.HasPrefix(head, []byte(CompoundMagic)) {
		s.Schema = cfbDirectory(head, file, size)
		return s, nil
	}
	if packed := packingOf(head); packed == nil {
		s.Text = textdoc.SampleText(head)
		return s, nil
	} else if !IsZip(head) {
		return s, nil
	}
	directory, err := OpenZip(file, size)
	if err != nil {
		return s, nil //nolint:nilerr // a damaged archive; the walk says how
	}
	for names := 0; len(s.Entries) < sampleEntries && names < sampleNames; {
		entry, err := directory.Next()
		if err != nil {
			return s, nil //nolint:nilerr // as above, or the end of the directory
		}
		s.Entries = append(s.Entries, entry.Name)
		names += len(entry.Name)
	}
	return s, nil
}

// CompoundMagic is the beginning of every compound file.
const CompoundMagic = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"

// cfbDirectory returns the first sector of a compound file's directory (MS-CFB 2.2), or nil
// if there is none.
func cfbDirectory(head []byte, file io.ReaderAt, size int64) []byte {
	if len(head) < 512 {
		return nil
	}
	shift := binary.LittleEndian.Uint16(head[30:])
	if shift != 9 && shift != 12 {
		return nil
	}
	sector := make([]byte, 1<<shift)
	at := (int64(binary.LittleEndian.Uint32(head[48:])) + 1) << shift
	if at > size-int64(len(sector)) {
		return nil
	}
	if n, err := file.ReadAt(sector, at); n < len(sector) {
		_ = err // whoever reads the file gets the same error
		return nil
	}
	return sector
}

// databaseMagic is the beginning of every SQLite database.
const databaseMagic = "SQLite format 3\x00"

// schemaPages is the maximum number of schema pages that are read, and schemaBytes the
// maximum number of bytes.
const (
	schemaPages = 256
	schemaBytes = 1 << 20
)

// sqliteSchema returns the pages of the table that holds the schema: its root is the
// first page, the others can be anywhere (sqlite.org/fileformat2.html, 1.6). If the tree is
// broken, it returns the pages found up to that point.
func sqliteSchema(head []byte, file io.ReaderAt, size int64) []byte {
	if len(head) < 100 {
		return nil
	}
	pageSize := int64(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 {
		pageSize = 64 << 10
	}
	if pageSize < 512 || pageSize > size {
		return nil
	}
	var schema []byte
	page, next := make([]byte, pageSize), []int64{1}
	for n := 0; n < len(next) && n < schemaPages && len(schema) < schemaBytes; n++ {
		at := (next[n] - 1) * pageSize
		if at < 0 || at > size-pageSize {
			continue
		}
		if k, err := file.ReadAt(page, at); k < len(page) {
			_ = err // whoever reads the file gets the same error
			continue
		}
		schema = append(schema, page...)
		header := page
		if n == 0 {
			header = page[100:]
		}
		if header[0] != 0x05 { // not an inner page of a table
			continue
		}
		next = append(next, int64(binary.BigEndian.Uint32(header[8:])))
		for i := range int(binary.BigEndian.Uint16(header[3:])) {
			if 12+2*i+2 > len(header) || len(next) > schemaPages {
				break
			}
			if cell := int(binary.BigEndian.Uint16(header[12+2*i:])); cell+4 <= len(page) {
				next = append(next, int64(binary.BigEndian.Uint32(page[cell:])))
			}
		}
	}
	return schema
}
