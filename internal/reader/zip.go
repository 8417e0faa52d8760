package reader

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// The structures of a zip archive, read in constant memory for any number of entries,
// and also from archives that were cut off: package archive/zip holds the whole directory in
// memory and cannot read an archive without one. Source: PKWARE APPNOTE.TXT 6.3.10, whose
// sections are named below.

const (
	zipStored   = 0
	zipDeflated = 8

	zipLocal       = "PK\x03\x04" // 4.3.7
	zipDescriptor  = "PK\x07\x08" // 4.3.9
	zipCentral     = "PK\x01\x02" // 4.3.12
	zip64End       = "PK\x06\x06" // 4.3.14
	zip64Locator   = "PK\x06\x07" // 4.3.15
	zipEnd         = "PK\x05\x06" // 4.3.16
	zipLocalSize   = 30
	zipCentralSize = 46
	zipEndSize     = 22
)

// IsZip reports whether a file begins like a zip archive.
func IsZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipLocal)) || bytes.HasPrefix(head, []byte(zipEnd))
}

// ZipEntry is an entry according to its header.
type ZipEntry struct {
	Name      string
	method    uint16
	encrypted bool
	checksum  uint32
	Packed    int64 // bytes as stored
	size      int64 // bytes unpacked
	// central is set for a header in the directory: header is then the place of the entry's
	// own header, and data is known once that has been read.
	central bool
	header  int64
	data    int64
	// streamed means that the size and the checksum follow the data.
	streamed bool
}

// Content unpacks an entry from the directory as it is read. It checks nothing and has no
// limit.
func (e *ZipEntry) Content(file io.ReaderAt, size int64) (io.Reader, error) {
	if err := e.locate(file, size); err != nil {
		return nil, err
	}
	if e.encrypted {
		return nil, errors.New("a part is encrypted, and no password is held")
	}
	if e.Packed < 0 || e.data+e.Packed > size {
		return nil, errors.New("a part is cut off")
	}
	stored := bufio.NewReader(io.NewSectionReader(file, e.data, e.Packed))
	switch e.method {
	case zipDeflated:
		return flate.NewReader(stored), nil
	case zipStored:
		return stored, nil
	}
	return nil, fmt.Errorf("a part is compressed with method %d, which is not read", e.method)
}

// zipDirectory reads an archive's directory, entry by entry.
type zipDirectory struct {
	r      *bufio.Reader
	base   int64 // bytes in the file before the archive
	stated uint64
	read   uint64
}

// OpenZip finds the directory of an archive. The error is a sentence that describes how the
// archive is broken.
func OpenZip(file io.ReaderAt, size int64) (*zipDirectory, error) {
	tail := make([]byte, min(size, zipEndSize+math.MaxUint16))
	if n, err := file.ReadAt(tail, size-int64(len(tail))); n < len(tail) {
		return nil, fmt.Errorf("the end of the archive cannot be read: %w", err)
	}
	end := bytes.LastIndex(tail[:max(0, len(tail)-zipEndSize+4)], []byte(zipEnd))
	if end < 0 {
		return nil, fmt.Errorf("the archive has no directory: it was cut off")
	}
	record := tail[end:]
	entries := uint64(binary.LittleEndian.Uint16(record[10:]))
	length := uint64(binary.LittleEndian.Uint32(record[12:]))
	offset := uint64(binary.LittleEndian.Uint32(record[16:]))
	behind := uint64(size) - uint64(len(tail)-end) // the end of the directory
	if entries == math.MaxUint16 || length == math.MaxUint32 || offset == math.MaxUint32 {
		if large, at := zip64Record(file, tail[:end], size); large != nil {
			entries = binary.LittleEndian.Uint64(large[32:])
			length = binary.LittleEndian.Uint64(large[40:])
			offset = binary.LittleEndian.Uint64(large[48:])
			behind = at
		}
	}
	if length > behind || offset > behind {
		return nil, fmt.Errorf("the archive's directory is not where the end of the archive locates it")
	}
	for _, start := range []uint64{offset, behind - length} {
		signature := make([]byte, 4)
		if _, err := file.ReadAt(signature, int64(start)); entries > 0 && (err != nil || string(signature) != zipCentral) {
			continue
		}
		section := io.NewSectionReader(file, int64(start), int64(behind-start))
		return &zipDirectory{r: bufio.NewReaderSize(section, 64<<10), base: int64(start - offset), stated: entries}, nil
	}
	return nil, fmt.Errorf("the archive's directory is not where the end of the archive locates it")
}

// zip64Record returns the zip64 end record that the locator at the end of tail points
// to, and its place, or nil if there is none.
func zip64Record(file io.ReaderAt, tail []byte, size int64) ([]byte, uint64) {
	const locatorSize, recordSize = 20, 56
	if len(tail) < locatorSize || string(tail[len(tail)-locatorSize:][:4]) != zip64Locator {
		return nil, 0
	}
	at := binary.LittleEndian.Uint64(tail[len(tail)-locatorSize+8:])
	if at > uint64(size) {
		return nil, 0
	}
	record := make([]byte, recordSize)
	if n, _ := file.ReadAt(record, int64(at)); n < recordSize || string(record[:4]) != zip64End {
		return nil, 0
	}
	return record, at
}

// Next returns the next entry, io.EOF after the last, or an error: a sentence that says
// where the directory stops making sense.
func (d *zipDirectory) Next() (*ZipEntry, error) {
	header := make([]byte, zipCentralSize)
	n, err := io.ReadFull(d.r, header)
	if n < 4 || string(header[:4]) != zipCentral {
		// Old programs keep the count modulo 65536 (4.4.21).
		if uint16(d.read) != uint16(d.stated) {
			return nil, fmt.Errorf("the archive's directory ends after %d entries and should have %d", d.read, d.stated)
		}
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("the archive's directory is cut off in entry %d", d.read+1)
	}
	d.read++
	nameSize := int(binary.LittleEndian.Uint16(header[28:]))
	extraSize := int(binary.LittleEndian.Uint16(header[30:]))
	commentSize := int(binary.LittleEndian.Uint16(header[32:]))
	rest := make([]byte, nameSize+extraSize+commentSize)
	if _, err := io.ReadFull(d.r, rest); err != nil {
		return nil, fmt.Errorf("the archive's directory is cut off in entry %d", d.read)
	}
	size, packed, offset := header[24:28], header[20:24], header[42:46]
	e := newZipEntry(header[8:], rest[:nameSize])
	e.central = true
	e.checksum = binary.LittleEndian.Uint32(header[16:])
	large := zip64Extra(rest[nameSize : nameSize+extraSize])
	e.size, e.Packed, e.header = large.number(size), large.number(packed), large.number(offset)
	if e.header > math.MaxInt64-d.base {
		return nil, fmt.Errorf("entry %d of the archive's directory lies at an impossible place", d.read)
	}
	e.header += d.base
	return e, nil
}

// newZipEntry makes an entry from header fields, which begin with the flags and the method.
func newZipEntry(fields, name []byte) *ZipEntry {
	flags := binary.LittleEndian.Uint16(fields)
	return &ZipEntry{
		Name:      entryName(name),
		method:    binary.LittleEndian.Uint16(fields[2:]),
		encrypted: flags&(1|1<<6|1<<13) != 0,
		streamed:  flags&(1<<3) != 0,
	}
}

// zip64Numbers holds the 64-bit numbers of an extra field (4.5.3), in the order of the
// 32-bit numbers that they replace.
type zip64Numbers []byte

func zip64Extra(extra []byte) *zip64Numbers {
	for len(extra) >= 4 {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			break
		}
		if id == 1 {
			numbers := zip64Numbers(extra[:size])
			return &numbers
		}
		extra = extra[size:]
	}
	return &zip64Numbers{}
}

// number reads a 32-bit number, or the next 64-bit number if it refers to one. It returns
// MaxInt64 for a number that no file could have.
func (z *zip64Numbers) number(short []byte) int64 {
	n := binary.LittleEndian.Uint32(short)
	if n != math.MaxUint32 || len(*z) < 8 {
		return int64(n)
	}
	long := binary.LittleEndian.Uint64(*z)
	*z = (*z)[8:]
	return int64(min(long, math.MaxInt64))
}

// locate finds the data of an entry in the directory. It ignores the other facts in the
// entry's own header: those in the directory count.
func (e *ZipEntry) locate(file io.ReaderAt, size int64) error {
	local, err := readLocalHeader(file, size, e.header)
	if err != nil {
		return badEntry("the entry is not where the archive's directory locates it")
	}
	e.data, e.streamed = local.data, false
	return nil
}

// readLocalHeader reads the header before an entry's data.
func readLocalHeader(file io.ReaderAt, size, at int64) (*ZipEntry, error) {
	header := make([]byte, zipLocalSize)
	if at < 0 || at > size-zipLocalSize {
		return nil, io.ErrUnexpectedEOF
	}
	if n, err := file.ReadAt(header, at); n < len(header) {
		return nil, err
	}
	if string(header[:4]) != zipLocal {
		return nil, fmt.Errorf("no entry begins at byte %d", at)
	}
	nameSize := int(binary.LittleEndian.Uint16(header[26:]))
	extraSize := int(binary.LittleEndian.Uint16(header[28:]))
	rest := make([]byte, nameSize+extraSize)
	if n, err := file.ReadAt(rest, at+zipLocalSize); n < len(rest) {
		return nil, err
	}
	e := newZipEntry(header[6:], rest[:nameSize])
	e.header = at
	e.data = at + zipLocalSize + int64(len(rest))
	e.checksum = binary.LittleEndian.Uint32(header[14:])
	large := zip64Extra(rest[nameSize:])
	e.size, e.Packed = large.number(header[22:26]), large.number(header[18:22])
	if e.Packed > 0 {
		e.streamed = false // some programs always set the flag, even if the size is there
	}
	if e.Packed > math.MaxInt64-e.data {
		return nil, fmt.Errorf("the entry at byte %d has an impossible size", at)
	}
	return e, nil
}

// nextLocalHeader returns the place of the next entry's header, or size.
func nextLocalHeader(ctx context.Context, file io.ReaderAt, size, from int64) (int64, error) {
	chunk := make([]byte, 256<<10)
	for from < size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := file.ReadAt(chunk[:min(int64(len(chunk)), size-from)], from)
		if at := bytes.Index(chunk[:n], []byte(zipLocal)); at >= 0 {
			return from + int64(at), nil
		}
		if err != nil && err != io.EOF {
			return 0, fmt.Errorf("search for entries of an archive: %w", err)
		}
		if n < len(zipLocal) {
			break
		}
		from += int64(n - len(zipLocal) + 1)
	}
	return size, nil
}

// readDescriptor reads the descriptor after the data of a streamed entry: the checksum
// and the two sizes, which must equal packed and size.
func (e *ZipEntry) readDescriptor(file io.ReaderAt, fileSize, packed, size int64) error {
	at := e.data + packed
	b := make([]byte, min(24, fileSize-at))
	if n, _ := file.ReadAt(b, at); n < len(b) || n < 12 {
		return badEntry("the entry is cut off: its checksum is missing")
	}
	b = bytes.TrimPrefix(b, []byte(zipDescriptor))
	switch {
	case len(b) >= 12 && int64(binary.LittleEndian.Uint32(b[4:])) == packed && int64(binary.LittleEndian.Uint32(b[8:])) == size:
	case len(b) >= 20 && binary.LittleEndian.Uint64(b[4:]) == uint64(packed) && binary.LittleEndian.Uint64(b[12:]) == uint64(size):
	default:
		return badEntry("the entry is damaged: %d stored bytes unpack to %d, which differs from its stated sizes", packed, size)
	}
	e.checksum = binary.LittleEndian.Uint32(b)
	e.Packed, e.size, e.streamed = packed, size, false
	return nil
}
