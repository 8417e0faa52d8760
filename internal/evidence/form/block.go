package form

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
)

// The form of a block, described to the byte in docs/format/segment.md.
const (
	blockMagic     = 0x324b4c42 // "BLK2"
	flagBatchEnd   = 1
	flagRewritten  = 2 // the block has a table of its records instead of the seed
	flagsKnown     = flagBatchEnd | flagRewritten
	flagsSkippable = ^uint32(firstSkippable - 1)
	seedBytes      = sha256.Size
	saltBytes      = 16
	blockRecords   = 64      // when writing; to read one message, its whole block is read
	maxRecords     = 256     // when reading
	blockBytes     = 1 << 20 // a block ends when its records reach this
	maxBlockBytes  = blockBytes + MaxPart
)

// HeadSize is the size of a block's header in bytes.
const HeadSize = 64

// MaxPart is the maximum size in bytes of a part of a record.
const MaxPart = 64 << 20

// The first byte of hashed data tells its kind: RFC 6962 uses 0 for a leaf and 1 for a
// node.
const (
	hashStatement = 2
	hashContent   = 3
)

// Ref locates a block and its records.
type Ref struct {
	First    uint64 // sequence number of its first record
	Leaf     uint64 // index of its first record in the delivery's tree
	Segment  uint32
	Offset   uint32
	Count    uint32
	Delivery argus.DeliveryNumber
}

// End is the sequence number after the last record.
func (b Ref) End() uint64 { return b.First + uint64(b.Count) }

// Head reads the header of the block that a table of blocks refers to. The error is
// argus.ErrDamaged if the header is another block's.
func (b Ref) Head(data []byte) (Head, error) {
	h, err := ParseHead(data)
	if err == nil && (h.First != b.First || h.Count != b.Count || h.Delivery != b.Delivery || h.Leaf != b.Leaf) {
		err = fmt.Errorf("%w: the block differs from the one in the table of blocks", argus.ErrDamaged)
	}
	return h, err
}

// frame is a zstd frame of a block.
type frame struct {
	length uint32
	raw    uint32 // size when decompressed
	crc    uint32
}

// Head is a block's header in memory.
type Head struct {
	Ref
	flags      uint32
	salts      uint32 // length of the seed, or of the table of records
	statements frame  // its checksum also covers the seed or the table
	contents   frame  // of length 0 if no record has content
}

func (h *Head) batchEnd() bool { return h.flags&flagBatchEnd != 0 }

// Rewritten reports whether an amendment wrote the block.
func (h *Head) Rewritten() bool { return h.flags&flagRewritten != 0 }

// Body returns the number of bytes after the header.
func (h *Head) Body() int64 {
	return int64(h.salts) + int64(h.statements.length) + int64(h.contents.length)
}

// Size returns the size of the block in bytes.
func (h *Head) Size() int64 { return HeadSize + h.Body() }

// put writes the header over the first bytes of a block.
func (h *Head) put(block []byte) {
	b := block[:0]
	b = binary.LittleEndian.AppendUint32(b, blockMagic)
	b = binary.LittleEndian.AppendUint32(b, h.flags)
	b = binary.LittleEndian.AppendUint32(b, h.statements.length)
	b = binary.LittleEndian.AppendUint32(b, h.statements.raw)
	b = binary.LittleEndian.AppendUint32(b, h.contents.length)
	b = binary.LittleEndian.AppendUint32(b, h.contents.raw)
	b = binary.LittleEndian.AppendUint64(b, h.First)
	b = binary.LittleEndian.AppendUint64(b, h.Leaf)
	b = binary.LittleEndian.AppendUint32(b, h.Count)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.Delivery))
	b = binary.LittleEndian.AppendUint32(b, h.salts)
	b = binary.LittleEndian.AppendUint32(b, h.statements.crc)
	b = binary.LittleEndian.AppendUint32(b, h.contents.crc)
	binary.LittleEndian.PutUint32(block[len(b):], checksum(b))
}

// ParseHead parses a header; the caller sets Segment and Offset. In every version, a block
// begins with its magic, and the last four bytes of the header are its checksum: they
// distinguish a newer block from a damaged one. The error is argus.ErrNewer or
// argus.ErrDamaged.
func ParseHead(b []byte) (Head, error) {
	var h Head
	if len(b) < HeadSize {
		return h, fmt.Errorf("%w: a block header needs %d bytes, but there are %d", argus.ErrDamaged, HeadSize, len(b))
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	if u32(0)&0xffffff != blockMagic&0xffffff {
		return h, fmt.Errorf("%w: no block begins here", argus.ErrDamaged)
	}
	if u32(60) != checksum(b[:60]) {
		return h, fmt.Errorf("%w: the block header does not match its checksum", argus.ErrDamaged)
	}
	if u32(0) != blockMagic {
		return h, otherVersion("block", b[3], blockMagic>>24)
	}
	h.flags = u32(4)
	h.statements = frame{length: u32(8), raw: u32(12), crc: u32(52)}
	h.contents = frame{length: u32(16), raw: u32(20), crc: u32(56)}
	h.First = binary.LittleEndian.Uint64(b[24:])
	h.Leaf = binary.LittleEndian.Uint64(b[32:])
	h.Count = u32(40)
	h.Delivery = argus.DeliveryNumber(u32(44))
	h.salts = u32(48)
	switch {
	case h.flags&^(flagsKnown|flagsSkippable) != 0:
		return h, fmt.Errorf("%w: the block has the flags %#x, which this version does not support", argus.ErrNewer, h.flags)
	case h.Count == 0 || h.Count > maxRecords:
		return h, fmt.Errorf("%w: the block claims %d records", argus.ErrDamaged, h.Count)
	case h.flags&flagRewritten == 0 && h.salts != seedBytes, h.salts > h.Count*maxEntry:
		return h, fmt.Errorf("%w: the block claims %d bytes of salts", argus.ErrDamaged, h.salts)
	case max(h.statements.raw, h.statements.length, h.contents.raw, h.contents.length) > maxBlockBytes:
		return h, fmt.Errorf("%w: the block claims %d and %d bytes, %d and %d decompressed", argus.ErrDamaged,
			h.statements.length, h.contents.length, h.statements.raw, h.contents.raw)
	}
	return h, nil
}

// NewCodec returns the process's codec, created by the first call: the compressor and
// decompressor are large, and keep no state between calls.
func NewCodec() (*Codec, error) { return newCodec() }

var newCodec = sync.OnceValues(func() (*Codec, error) {
	// The default level takes 1.6 times the CPU time and saves only 5% of the space, because a
	// block of messages is short.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, fmt.Errorf("prepare compression: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxBlockBytes+1<<20))
	if err != nil {
		return nil, fmt.Errorf("prepare decompression: %w", err)
	}
	return &Codec{enc, dec}, nil
})

// Codec makes blocks and opens them. Several goroutines may use it.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

// seed generates the salts of a block.
type seed [seedBytes]byte

// salt returns the n-th salt of a block: salt 2i is for statement i, 2i+1 for content i.
func (s *seed) salt(n uint64) (salt [saltBytes]byte) {
	var b [seedBytes + 8]byte
	copy(b[:], s[:])
	binary.LittleEndian.PutUint64(b[seedBytes:], n)
	sum := sha256.Sum256(b[:])
	copy(salt[:], sum[:])
	return salt
}

// Proof holds the two hashes that make up a record's leaf.
type Proof struct{ Statement, Content argus.Hash }

// Leaf returns the hash of a record's leaf in its delivery's Merkle tree.
func (p *Proof) Leaf() argus.Hash {
	var b [1 + 2*sha256.Size]byte
	copy(b[1:], p.Statement[:])
	copy(b[1+sha256.Size:], p.Content[:])
	return sha256.Sum256(b[:])
}

// saltedSpace is the number of bytes that precede a part of a record when it is hashed.
const saltedSpace = 1 + saltBytes

// salted returns the hash of a part of a record. The part begins after the first
// saltedSpace bytes of b, which salted fills.
func salted(b []byte, what byte, salt [saltBytes]byte) argus.Hash {
	b[0] = what
	copy(b[1:], salt[:])
	return sha256.Sum256(b)
}

// Block is a block that has been read. It is immutable.
type Block struct {
	seed       seed
	entries    []entry // of a rewritten block, which has no seed
	statements [][]byte
	contents   [][]byte
}

// Len returns the number of records.
func (b *Block) Len() int { return len(b.statements) }

// Size returns the approximate size in memory, in bytes.
func (b *Block) Size() int64 {
	n := int64(48 * len(b.statements))
	for i := range b.statements {
		n += int64(len(b.statements[i]) + len(b.contents[i]))
	}
	return n
}

// split returns the offset of the contents, counted from the end of the header.
func (h *Head) split() int64 { return int64(h.salts) + int64(h.statements.length) }

// Check compares the bytes after the header with its checksums.
func (h *Head) Check(body []byte) error {
	if int64(len(body)) != h.Body() {
		return fmt.Errorf("%w: the block is truncated", argus.ErrDamaged)
	}
	if checksum(body[:h.split()]) != h.statements.crc {
		return fmt.Errorf("%w: the block does not match its checksum", argus.ErrDamaged)
	}
	return h.checkContents(body[h.split():])
}

func (h *Head) checkContents(data []byte) error {
	if checksum(data) != h.contents.crc {
		return fmt.Errorf("%w: the contents of the block do not match their checksum", argus.ErrDamaged)
	}
	return nil
}

// Read reads the block that an entry of a table of blocks refers to.
func (c *Codec) Read(f io.ReaderAt, ref Ref) (*Block, error) {
	// One read is enough for most blocks.
	buf := make([]byte, 32<<10)
	n, err := f.ReadAt(buf, int64(ref.Offset))
	if n < HeadSize {
		return nil, errors.Join(err, argus.ErrDamaged)
	}
	h, err := ref.Head(buf)
	if err != nil {
		return nil, err
	}
	body := buf[HeadSize:n]
	if h.Body() > int64(len(body)) {
		body = make([]byte, h.Body())
		if _, err := f.ReadAt(body, int64(ref.Offset)+HeadSize); err != nil {
			return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
		}
	}
	return c.Open(&h, body[:h.Body()])
}

// Open checks and decompresses the bytes after a block's header.
func (c *Codec) Open(head *Head, body []byte) (*Block, error) {
	if err := head.Check(body); err != nil {
		return nil, err
	}
	b := new(Block)
	var err error
	if head.flags&flagRewritten == 0 {
		copy(b.seed[:], body)
	} else if b.entries, err = parseEntries(body[:head.salts], int(head.Count)); err != nil {
		return nil, err
	}
	if b.statements, err = c.openFrame(head.statements, body[head.salts:head.split()], int(head.Count)); err != nil {
		return nil, err
	}
	b.contents, err = c.openContents(head, body[head.split():])
	return b, err
}

// ReadContents reads only the contents of a block at offset. The block must not be
// rewritten.
func (c *Codec) ReadContents(f io.ReaderAt, offset int64, h *Head) ([][]byte, error) {
	data := make([]byte, h.contents.length)
	if _, err := f.ReadAt(data, offset+HeadSize+h.split()); err != nil && len(data) > 0 {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if err := h.checkContents(data); err != nil {
		return nil, err
	}
	return c.openContents(h, data)
}

// openContents returns the content of each record of a block.
func (c *Codec) openContents(head *Head, data []byte) ([][]byte, error) {
	if head.contents == (frame{}) {
		return make([][]byte, head.Count), nil
	}
	return c.openFrame(head.contents, data, int(head.Count))
}

func (c *Codec) openFrame(f frame, data []byte, count int) ([][]byte, error) {
	raw, err := c.dec.DecodeAll(data, make([]byte, 0, f.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: decompress the block: %w", argus.ErrDamaged, err)
	}
	if len(raw) != int(f.raw) {
		return nil, fmt.Errorf("%w: the block decompresses to %d bytes, but claims %d", argus.ErrDamaged, len(raw), f.raw)
	}
	return splitFrame(raw, count)
}

func splitFrame(raw []byte, count int) ([][]byte, error) {
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
		return nil, fmt.Errorf("%w: the records of the block have %d bytes, but claim %d", argus.ErrDamaged, len(raw), total)
	}
	records := make([][]byte, count)
	for i, n := range lengths {
		records[i], raw = raw[:n:n], raw[n:]
	}
	return records, nil
}

// Record returns record i of the block without its number and delivery. The error is
// argus.ErrDamaged or argus.ErrNewer.
func (b *Block) Record(i int, hasher *argus.Hasher) (*argus.Record, error) {
	if b.entries == nil {
		return decodeRecord(b.statements[i], b.contents[i], hasher)
	}
	e := &b.entries[i]
	said := b.said(i)
	if err := b.checkGone(i); err != nil {
		return nil, err
	}
	if e.Gone&argus.GoneStatement != 0 {
		return &argus.Record{Gone: e.Gone, Was: e.Was}, nil
	}
	r, err := decodeRecord(b.statements[i], said, hasher)
	if err != nil {
		return nil, err
	}
	if r.Gone = e.Gone; r.Kind == argus.KindMessage && e.Gone&argus.GoneContent != 0 {
		r.ID, r.Version, r.Met = e.ID, e.Version, argus.ID{}
	}
	return r, nil
}

// said returns the content of record i, or nil if it cannot be read.
func (b *Block) said(i int) []byte {
	if b.Gone(i)&argus.GoneContent != 0 {
		return nil
	}
	return b.contents[i]
}

// checkGone returns an error if a part that is gone still has bytes, or a withheld one
// has none.
func (b *Block) checkGone(i int) error {
	gone := b.Gone(i)
	withheld := gone&argus.Withheld != 0
	switch {
	case gone&argus.GoneStatement != 0 && withheld == (len(b.statements[i]) == 0),
		gone&argus.GoneContent != 0 && (withheld && gone&argus.GoneStatement == 0) == (len(b.contents[i]) == 0):
		return fmt.Errorf("%w: a record marked as gone (%#x) has parts of %d and %d bytes", argus.ErrDamaged, uint8(gone), len(b.statements[i]), len(b.contents[i]))
	}
	return nil
}

// Contents returns the content of each record, or nil for one that cannot be read.
func (b *Block) Contents() [][]byte {
	if b.entries == nil {
		return b.contents
	}
	said := make([][]byte, len(b.contents))
	for i := range said {
		said[i] = b.said(i)
	}
	return said
}

// Rewritten reports whether an amendment wrote the block.
func (b *Block) Rewritten() bool { return b.entries != nil }

// Gone returns the parts of record i that are gone.
func (b *Block) Gone(i int) argus.Gone {
	if b.entries == nil {
		return 0
	}
	return b.entries[i].Gone
}

// Kind returns the kind of record i, even if its statement is gone.
func (b *Block) Kind(i int) argus.Kind {
	if b.Gone(i)&argus.GoneStatement != 0 {
		return b.entries[i].Was.Kind
	}
	return kindOf(b.statements[i])
}

// Proof recomputes the hashes that make up the leaf of record i; for parts that are gone,
// it uses the hashes kept in the block.
func (b *Block) Proof(i int, r *argus.Record) Proof {
	p := Proof{Content: r.Content}
	if b.Gone(i)&argus.GoneStatement != 0 {
		p.Statement = b.entries[i].statement
		p.Content = b.Commitment(i)
		return p
	}
	p.Statement = b.salted(2*i, hashStatement, b.statements[i])
	if r.Kind != argus.KindSighting {
		p.Content = b.Commitment(i)
	}
	return p
}

// Commitment returns the hash of the content of record i, which must not be a sighting
// that still has its statement.
func (b *Block) Commitment(i int) argus.Hash {
	if b.Gone(i)&argus.GoneContent != 0 {
		return b.entries[i].content
	}
	return b.salted(2*i+1, hashContent, b.contents[i])
}

// Canonical reports whether the stored parts of record i, which is r, are its only valid
// encoding. This version cannot write a record with keys that may be skipped; skipped
// reports such a record. p is scratch space.
func (b *Block) Canonical(i int, r *argus.Record, p *Splitter) (same, skipped bool) {
	if r.Gone&argus.GoneStatement != 0 {
		return true, false
	}
	return canonical(r, b.statements[i], b.said(i), p)
}

// salt returns a salt of the block.
func (b *Block) salt(n int) (salt [saltBytes]byte) {
	switch {
	case b.entries == nil:
		return b.seed.salt(uint64(n))
	case n%2 == 0:
		copy(salt[:], b.entries[n/2].statement[:])
	default:
		copy(salt[:], b.entries[n/2].content[:])
	}
	return salt
}

func (b *Block) salted(n int, what byte, data []byte) argus.Hash {
	var small [1 << 10]byte // most parts are small enough to need no allocation
	return salted(append(small[:saltedSpace], data...), what, b.salt(n))
}
