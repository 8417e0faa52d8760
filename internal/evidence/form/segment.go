package form

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/argus-evidence/argus"
)

// The form of a segment, described to the byte in docs/format/segment.md.
const (
	segmentMagic = "ARGUSEG2"
	tableMagic   = 0x31544f46 // "FOT1"
	tableEntry   = 32
)

// The sizes in bytes of a segment's header, and of the trailer that ends its table of
// blocks.
const (
	HeaderSize  = 32
	TrailerSize = 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// AppendHeader appends the header of a segment; first is the number of its first record.
func AppendHeader(b []byte, segment uint32, first uint64) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, segment)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = append(b, make([]byte, 8)...)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// ParseHeader parses the header of a segment. In every version its last four bytes are its
// checksum. The error is argus.ErrNewer or argus.ErrDamaged.
func ParseHeader(b []byte) (segment uint32, first uint64, err error) {
	if len(b) < HeaderSize {
		return 0, 0, fmt.Errorf("%w: the segment header is truncated", argus.ErrDamaged)
	}
	version := len(segmentMagic) - 1
	if string(b[:version]) != segmentMagic[:version] {
		return 0, 0, fmt.Errorf("%w: this is not a segment", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return 0, 0, fmt.Errorf("%w: the segment header does not match its checksum", argus.ErrDamaged)
	}
	if b[version] != segmentMagic[version] {
		return 0, 0, otherVersion("segment", b[version], segmentMagic[version])
	}
	return binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[12:]), nil
}

// AppendTable appends the table of blocks that closes a segment. offset is the offset at which
// the table begins.
func AppendTable(b []byte, blocks []Ref, offset int64) []byte {
	start := len(b)
	for _, ref := range blocks {
		b = binary.LittleEndian.AppendUint64(b, ref.First)
		b = binary.LittleEndian.AppendUint64(b, ref.Leaf)
		b = binary.LittleEndian.AppendUint32(b, ref.Offset)
		b = binary.LittleEndian.AppendUint32(b, ref.Count)
		b = binary.LittleEndian.AppendUint32(b, uint32(ref.Delivery))
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, tableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(blocks)))
	b = binary.LittleEndian.AppendUint32(b, uint32(offset))
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// ParseTrailer parses the last bytes of a closed segment of the given size, and returns
// the offset of the table of blocks.
func ParseTrailer(b []byte, size int64) (offset int64, err error) {
	if len(b) != TrailerSize || binary.LittleEndian.Uint32(b) != tableMagic {
		return 0, fmt.Errorf("%w: the segment does not end with a table of blocks", argus.ErrDamaged)
	}
	offset, count := int64(binary.LittleEndian.Uint32(b[8:])), int64(binary.LittleEndian.Uint32(b[4:]))
	if offset < HeaderSize+count*HeadSize || offset+count*tableEntry+TrailerSize != size {
		return 0, fmt.Errorf("%w: the table of blocks does not fit the segment", argus.ErrDamaged)
	}
	return offset, nil
}

// ParseTable parses the table of blocks, including its trailer.
func ParseTable(b []byte, segment uint32) ([]Ref, error) {
	if len(b) < TrailerSize || (len(b)-TrailerSize)%tableEntry != 0 {
		return nil, fmt.Errorf("%w: the table of blocks has an impossible length", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return nil, fmt.Errorf("%w: the table of blocks does not match its checksum", argus.ErrDamaged)
	}
	blocks := make([]Ref, (len(b)-TrailerSize)/tableEntry)
	for i := range blocks {
		e := b[i*tableEntry:]
		blocks[i] = Ref{
			First:    binary.LittleEndian.Uint64(e),
			Leaf:     binary.LittleEndian.Uint64(e[8:]),
			Segment:  segment,
			Offset:   binary.LittleEndian.Uint32(e[16:]),
			Count:    binary.LittleEndian.Uint32(e[20:]),
			Delivery: argus.DeliveryNumber(binary.LittleEndian.Uint32(e[24:])),
		}
	}
	return blocks, nil
}

// ReadTable reads the table of blocks of a closed segment.
func ReadTable(f io.ReaderAt, segment uint32, size int64) ([]Ref, error) {
	trailer := make([]byte, TrailerSize)
	if size < HeaderSize+TrailerSize {
		return nil, fmt.Errorf("%w: the segment is truncated", argus.ErrDamaged)
	}
	if _, err := f.ReadAt(trailer, size-TrailerSize); err != nil {
		return nil, err
	}
	offset, err := ParseTrailer(trailer, size)
	if err != nil {
		return nil, err
	}
	table := make([]byte, size-offset)
	if _, err := f.ReadAt(table, offset); err != nil {
		return nil, err
	}
	return ParseTable(table, segment)
}

// otherVersion returns the error for a file whose version this Argus does not read.
func otherVersion(what string, version, mine byte) error {
	if version > mine {
		return fmt.Errorf("%w: the %s has version %q", argus.ErrNewer, what, version)
	}
	return fmt.Errorf("the %s has version %q, but this Argus reads version %q", what, version, mine)
}
