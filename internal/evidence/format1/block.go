package format1

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
)

// The form of a segment, which will not change.
const (
	segmentMagic  = "ARGUSEG1"
	blockMagic    = 0x314b4c42 // "BLK1"
	footerMagic   = 0x31544f46 // "FOT1"
	segmentHeader = 32
	blockHeader   = 48
	footerTrailer = 16
	footerEntry   = 32
	flagBatchEnd  = 1
	maxRecords    = 256
	maxBlockBytes = 65 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// block is a block's header, and its position.
type block struct {
	first    uint64 // sequence number of its first record
	leaf     uint64 // index of its first record among those of the delivery
	segment  int
	offset   int64
	count    uint32
	delivery argus.DeliveryNumber
	batchEnd bool
	length   uint32 // of the payload
	raw      uint32 // of the payload, decompressed
	crc      uint32 // of the payload
}

func (b *block) size() int64 { return blockHeader + int64(b.length) }

// parseBlock reads a header.
func parseBlock(b []byte) (block, error) {
	if len(b) < blockHeader || binary.LittleEndian.Uint32(b) != blockMagic {
		return block{}, fmt.Errorf("%w: no block begins here", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[44:]) != checksum(b[:44]) {
		return block{}, fmt.Errorf("%w: the block header does not match its checksum", argus.ErrDamaged)
	}
	flags := binary.LittleEndian.Uint32(b[4:])
	h := block{
		batchEnd: flags&flagBatchEnd != 0,
		length:   binary.LittleEndian.Uint32(b[8:]),
		raw:      binary.LittleEndian.Uint32(b[12:]),
		first:    binary.LittleEndian.Uint64(b[16:]),
		count:    binary.LittleEndian.Uint32(b[24:]),
		delivery: argus.DeliveryNumber(binary.LittleEndian.Uint32(b[28:])),
		leaf:     binary.LittleEndian.Uint64(b[32:]),
		crc:      binary.LittleEndian.Uint32(b[40:]),
	}
	switch {
	case flags&^flagBatchEnd != 0:
		return h, fmt.Errorf("%w: the block has flags %#x, which format 1 does not have", argus.ErrDamaged, flags)
	case h.count == 0 || h.count > maxRecords:
		return h, fmt.Errorf("%w: the block claims %d records", argus.ErrDamaged, h.count)
	case h.raw > maxBlockBytes || h.length > maxBlockBytes:
		return h, fmt.Errorf("%w: the block claims %d bytes, %d decompressed", argus.ErrDamaged, h.length, h.raw)
	}
	return h, nil
}

// newDecoder makes the process's only decompressor on first use: it is large, and keeps
// no state between calls.
var newDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlockBytes+1<<20))
})

// open checks a payload, decompresses it into a buffer that may be nil, and returns the
// buffer and the records in it.
func (b *block) open(dec *zstd.Decoder, payload, into []byte) (raw []byte, records [][]byte, err error) {
	if checksum(payload) != b.crc {
		return into, nil, fmt.Errorf("%w: the block does not match its checksum", argus.ErrDamaged)
	}
	if raw, err = dec.DecodeAll(payload, into[:0]); err != nil {
		return into, nil, fmt.Errorf("%w: decompress the block: %w", argus.ErrDamaged, err)
	}
	if len(raw) != int(b.raw) {
		return raw, nil, fmt.Errorf("%w: the block decompresses to %d bytes, but claims %d", argus.ErrDamaged, len(raw), b.raw)
	}
	records, err = split(raw, int(b.count))
	return raw, records, err
}

// split cuts a decompressed payload into its records.
func split(raw []byte, count int) ([][]byte, error) {
	lengths := make([]uint64, count)
	total := uint64(0)
	for i := range lengths {
		n, size := binary.Uvarint(raw)
		if size <= 0 || n > uint64(len(raw)) {
			return nil, fmt.Errorf("%w: the length of record %d of the block is impossible", argus.ErrDamaged, i+1)
		}
		raw = raw[size:]
		lengths[i] = n
		total += n
	}
	if total != uint64(len(raw)) {
		return nil, fmt.Errorf("%w: the records of the block have %d bytes, but claim %d", argus.ErrDamaged, len(raw), total)
	}
	records := make([][]byte, count)
	for i, n := range lengths {
		records[i], raw = raw[:n:n], raw[n:]
	}
	return records, nil
}

// parseSegment checks the header of a segment against the expected values.
func parseSegment(b []byte, number int, first uint64) error {
	switch {
	case len(b) < segmentHeader:
		return fmt.Errorf("%w: the segment header is truncated", argus.ErrDamaged)
	case string(b[:8]) != segmentMagic:
		return fmt.Errorf("%w: this is not a segment of format 1", argus.ErrDamaged)
	case binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]):
		return fmt.Errorf("%w: the segment header does not match its checksum", argus.ErrDamaged)
	case binary.LittleEndian.Uint32(b[8:]) != uint32(number):
		return fmt.Errorf("%w: the header of the segment has the number %d", argus.ErrDamaged, binary.LittleEndian.Uint32(b[8:]))
	case binary.LittleEndian.Uint64(b[12:]) != first:
		return fmt.Errorf("%w: the segment begins with record %d, want %d", argus.ErrDamaged, binary.LittleEndian.Uint64(b[12:]), first)
	}
	return nil
}

// appendTable writes the table of blocks that ends a segment; it repeats the blocks'
// headers.
func appendTable(b []byte, blocks []block, offset int64) []byte {
	start := len(b)
	for i := range blocks {
		one := &blocks[i]
		b = binary.LittleEndian.AppendUint64(b, one.first)
		b = binary.LittleEndian.AppendUint64(b, one.leaf)
		b = binary.LittleEndian.AppendUint32(b, uint32(one.offset))
		b = binary.LittleEndian.AppendUint32(b, one.count)
		b = binary.LittleEndian.AppendUint32(b, uint32(one.delivery))
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	b = binary.LittleEndian.AppendUint32(b, footerMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(blocks)))
	b = binary.LittleEndian.AppendUint32(b, uint32(offset))
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}
