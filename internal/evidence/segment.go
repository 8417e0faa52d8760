package evidence

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/layout"
)

// The form of a segment; docs/format/segment.md has it to the byte.
const (
	segmentMagic  = "ARGUSEG2"
	footerMagic   = 0x31544f46 // "FOT1"
	segmentHeader = layout.SegmentHeader
	footerTrailer = 16
	footerEntry   = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendSegmentHeader(b []byte, segment uint32, first uint64) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, segment)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = append(b, make([]byte, 8)...)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// parseSegmentHeader reads a header. In every version its last four bytes are its
// checksum.
func parseSegmentHeader(b []byte) (segment uint32, first uint64, err error) {
	if len(b) < segmentHeader {
		return 0, 0, fmt.Errorf("%w: the segment header is cut off", argus.ErrDamaged)
	}
	version := len(segmentMagic) - 1
	if string(b[:version]) != segmentMagic[:version] {
		return 0, 0, fmt.Errorf("%w: this is no segment", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return 0, 0, fmt.Errorf("%w: the segment header does not match its checksum", argus.ErrDamaged)
	}
	if b[version] != segmentMagic[version] {
		return 0, 0, otherVersion("segment", b[version], segmentMagic[version])
	}
	return binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[12:]), nil
}

// otherVersion is the error about a file of another version than this Argus reads.
func otherVersion(what string, version, mine byte) error {
	if version > mine {
		return fmt.Errorf("%w: the %s is of version %q", argus.ErrNewer, what, version)
	}
	return fmt.Errorf("the %s is of version %q, this Argus reads version %q", what, version, mine)
}

// appendFooter writes the table of blocks that closes a segment.
func appendFooter(b []byte, blocks []blockRef, offset int64) []byte {
	start := len(b)
	for _, ref := range blocks {
		b = binary.LittleEndian.AppendUint64(b, ref.first)
		b = binary.LittleEndian.AppendUint64(b, ref.leaf)
		b = binary.LittleEndian.AppendUint32(b, ref.offset)
		b = binary.LittleEndian.AppendUint32(b, ref.count)
		b = binary.LittleEndian.AppendUint32(b, uint32(ref.delivery))
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, footerMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(blocks)))
	b = binary.LittleEndian.AppendUint32(b, uint32(offset))
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// parseTrailer reads the last bytes of a closed segment: where the table of
// blocks begins and how many there are.
func parseTrailer(b []byte) (offset int64, count int, err error) {
	if len(b) != footerTrailer || binary.LittleEndian.Uint32(b) != footerMagic {
		return 0, 0, fmt.Errorf("%w: the segment does not end with a table of blocks", argus.ErrDamaged)
	}
	return int64(binary.LittleEndian.Uint32(b[8:])), int(binary.LittleEndian.Uint32(b[4:])), nil
}

// parseFooter reads the table of blocks, trailer included.
func parseFooter(b []byte, segment uint32) ([]blockRef, error) {
	if len(b) < footerTrailer || (len(b)-footerTrailer)%footerEntry != 0 {
		return nil, fmt.Errorf("%w: the table of blocks has an impossible length", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[len(b)-4:]) != checksum(b[:len(b)-4]) {
		return nil, fmt.Errorf("%w: the table of blocks does not match its checksum", argus.ErrDamaged)
	}
	blocks := make([]blockRef, (len(b)-footerTrailer)/footerEntry)
	for i := range blocks {
		e := b[i*footerEntry:]
		blocks[i] = blockRef{
			first:    binary.LittleEndian.Uint64(e),
			leaf:     binary.LittleEndian.Uint64(e[8:]),
			segment:  segment,
			offset:   binary.LittleEndian.Uint32(e[16:]),
			count:    binary.LittleEndian.Uint32(e[20:]),
			delivery: argus.DeliveryNumber(binary.LittleEndian.Uint32(e[24:])),
		}
	}
	return blocks, nil
}
