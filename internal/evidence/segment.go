package evidence

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
)

// The form of a segment; docs/format/segment.md has it to the byte.
const (
	segmentMagic   = "ARGUSEG1"
	blockMagic     = 0x314b4c42 // "BLK1"
	footerMagic    = 0x31544f46 // "FOT1"
	segmentHeader  = 32
	blockHeader    = 48
	footerTrailer  = 16
	footerEntry    = 32
	flagBatchEnd   = 1
	blockRecords   = 64      // in a block that is written: to read one message costs a block
	maxRecords     = 256     // in a block that is read
	blockBytes     = 1 << 20 // a block ends when its records reach this
	maxRecordBytes = 64 << 20
	maxBlockBytes  = blockBytes + maxRecordBytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// blockRef says where a block is and what is in it.
type blockRef struct {
	first    uint64 // sequence number of its first record
	leaf     uint64 // index of its first record in the delivery's tree
	segment  uint32
	offset   uint32
	count    uint32
	delivery argus.DeliveryNumber
}

func (b blockRef) end() uint64 { return b.first + uint64(b.count) }

// blockHead is a block's header in memory.
type blockHead struct {
	blockRef
	batchEnd bool
	length   uint32 // of the payload
	raw      uint32 // of the payload, decompressed
	crc      uint32 // of the payload
}

func (h *blockHead) size() int64 { return blockHeader + int64(h.length) }

func (h *blockHead) append(b []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, blockMagic)
	flags := uint32(0)
	if h.batchEnd {
		flags = flagBatchEnd
	}
	b = binary.LittleEndian.AppendUint32(b, flags)
	b = binary.LittleEndian.AppendUint32(b, h.length)
	b = binary.LittleEndian.AppendUint32(b, h.raw)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = binary.LittleEndian.AppendUint32(b, h.count)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.delivery))
	b = binary.LittleEndian.AppendUint64(b, h.leaf)
	b = binary.LittleEndian.AppendUint32(b, h.crc)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// parseBlockHead reads a header; offset and segment are the caller's to fill.
func parseBlockHead(b []byte) (blockHead, error) {
	var h blockHead
	if len(b) < blockHeader {
		return h, fmt.Errorf("%w: a block header needs %d bytes, %d are there", argus.ErrDamaged, blockHeader, len(b))
	}
	if binary.LittleEndian.Uint32(b) != blockMagic {
		return h, fmt.Errorf("%w: no block begins here", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[44:]) != checksum(b[:44]) {
		return h, fmt.Errorf("%w: the block header does not match its checksum", argus.ErrDamaged)
	}
	flags := binary.LittleEndian.Uint32(b[4:])
	h.batchEnd = flags&flagBatchEnd != 0
	h.length = binary.LittleEndian.Uint32(b[8:])
	h.raw = binary.LittleEndian.Uint32(b[12:])
	h.first = binary.LittleEndian.Uint64(b[16:])
	h.count = binary.LittleEndian.Uint32(b[24:])
	h.delivery = argus.DeliveryNumber(binary.LittleEndian.Uint32(b[28:]))
	h.leaf = binary.LittleEndian.Uint64(b[32:])
	h.crc = binary.LittleEndian.Uint32(b[40:])
	switch {
	case flags&^flagBatchEnd != 0:
		return h, fmt.Errorf("%w: the block has flags %#x that this version does not know", argus.ErrDamaged, flags)
	case h.count == 0 || h.count > maxRecords:
		return h, fmt.Errorf("%w: the block claims %d records", argus.ErrDamaged, h.count)
	case h.raw > maxBlockBytes || h.length > maxBlockBytes:
		return h, fmt.Errorf("%w: the block claims %d bytes, %d decompressed", argus.ErrDamaged, h.length, h.raw)
	}
	return h, nil
}

// newCodec makes the one compressor and decompressor of the process, at first
// use: they are large, hold nothing between calls, and take them from several
// goroutines.
var newCodec = sync.OnceValues(func() (*codec, error) {
	// The default level takes 1.6 times the CPU and saves 5 of 100 bytes of the
	// evidence (a block of messages is too short for more).
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("prepare compression: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlockBytes+1<<20))
	if err != nil {
		return nil, fmt.Errorf("prepare decompression: %w", err)
	}
	return &codec{enc, dec}, nil
})

// codec makes blocks and opens them.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// encodeBlock makes a block of records, header and payload, and the leaf hash
// of each record. head says what the caller knows: first, leaf, delivery,
// batchEnd; body is for reuse.
func (c *codec) encodeBlock(body *bytes.Buffer, head *blockHead, records []*argus.Record) (block []byte, leaves [][]byte, err error) {
	body.Reset()
	ends := make([]int, len(records))
	for i, r := range records {
		if err := encodeRecord(body, r); err != nil {
			return nil, nil, fmt.Errorf("encode record %d: %w", head.first+uint64(i), err)
		}
		ends[i] = body.Len()
	}
	leaves = make([][]byte, len(records))
	payload := make([]byte, 0, body.Len()+3*len(records))
	start := 0
	for i, end := range ends {
		if end-start > maxRecordBytes {
			return nil, nil, fmt.Errorf("encode record %d: %d bytes are more than %d", head.first+uint64(i), end-start, maxRecordBytes)
		}
		leaves[i] = leafHash(body.Bytes()[start:end])
		payload = binary.AppendUvarint(payload, uint64(end-start))
		start = end
	}
	payload = append(payload, body.Bytes()...)
	if len(payload) > maxBlockBytes {
		return nil, nil, fmt.Errorf("encode records %d to %d: %d bytes are more than %d", head.first, head.first+uint64(len(records))-1, len(payload), maxBlockBytes)
	}
	block = make([]byte, blockHeader, blockHeader+len(payload)/2)
	block = c.enc.EncodeAll(payload, block)
	head.count = uint32(len(records))
	head.raw = uint32(len(payload))
	head.length = uint32(len(block) - blockHeader)
	head.crc = checksum(block[blockHeader:])
	head.append(block[:0])
	return block, leaves, nil
}

// openBlock checks and decompresses a payload into its records' bytes.
func (c *codec) openBlock(head *blockHead, payload []byte) ([][]byte, error) {
	if checksum(payload) != head.crc {
		return nil, fmt.Errorf("%w: the block does not match its checksum", argus.ErrDamaged)
	}
	raw, err := c.dec.DecodeAll(payload, make([]byte, 0, head.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: decompress the block: %w", argus.ErrDamaged, err)
	}
	if len(raw) != int(head.raw) {
		return nil, fmt.Errorf("%w: the block decompresses to %d bytes and claims %d", argus.ErrDamaged, len(raw), head.raw)
	}
	return splitBlock(raw, int(head.count))
}

func splitBlock(raw []byte, count int) ([][]byte, error) {
	lengths := make([]int, count)
	total := 0
	for i := range lengths {
		n, size := binary.Uvarint(raw)
		if size <= 0 || n > uint64(len(raw)) {
			return nil, fmt.Errorf("%w: the length of record %d of the block is impossible", argus.ErrDamaged, i+1)
		}
		raw = raw[size:]
		lengths[i] = int(n)
		total += int(n)
	}
	if total != len(raw) {
		return nil, fmt.Errorf("%w: the records of the block have %d bytes and claim %d", argus.ErrDamaged, len(raw), total)
	}
	records := make([][]byte, count)
	for i, n := range lengths {
		records[i], raw = raw[:n:n], raw[n:]
	}
	return records, nil
}

func appendSegmentHeader(b []byte, segment uint32, first uint64) []byte {
	start := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, segment)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = append(b, make([]byte, 8)...)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

func parseSegmentHeader(b []byte) (segment uint32, first uint64, err error) {
	if len(b) < segmentHeader {
		return 0, 0, fmt.Errorf("%w: the segment header is cut off", argus.ErrDamaged)
	}
	if string(b[:8]) != segmentMagic {
		return 0, 0, fmt.Errorf("%w: this is no segment of version 1", argus.ErrDamaged)
	}
	if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
		return 0, 0, fmt.Errorf("%w: the segment header does not match its checksum", argus.ErrDamaged)
	}
	return binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[12:]), nil
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
