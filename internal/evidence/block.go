package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
)

// The form of a block; docs/format/segment.md has it to the byte.
const (
	blockMagic     = 0x324b4c42 // "BLK2"
	blockHeader    = 64
	flagBatchEnd   = 1
	flagRewritten  = 2 // a table of its records stands in the place of the seed
	flagsKnown     = flagBatchEnd | flagRewritten
	flagsSkippable = ^uint32(firstSkippable - 1)
	seedBytes      = sha256.Size
	saltBytes      = 16
	blockRecords   = 64      // in a block that is written: to read one message costs a block
	maxRecords     = 256     // in a block that is read
	blockBytes     = 1 << 20 // a block ends when its records reach this
	maxRecordBytes = 64 << 20
	maxBlockBytes  = blockBytes + maxRecordBytes
)

// The first byte of what is hashed says what it is: RFC 6962 has 0 for a leaf and 1
// for a node.
const (
	hashStatement = 2
	hashContent   = 3
)

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

// frame is a zstd frame of a block.
type frame struct {
	length uint32
	raw    uint32 // decompressed
	crc    uint32
}

// blockHead is a block's header in memory.
type blockHead struct {
	blockRef
	flags      uint32
	salts      uint32 // length of the seed, or of the table of records
	statements frame  // its checksum is over the seed or the table, too
	contents   frame  // of length 0 where no record has content
}

func (h *blockHead) batchEnd() bool { return h.flags&flagBatchEnd != 0 }

// body is how long the block is behind its header.
func (h *blockHead) body() int64 {
	return int64(h.salts) + int64(h.statements.length) + int64(h.contents.length)
}

func (h *blockHead) size() int64 { return blockHeader + h.body() }

func (h *blockHead) append(b []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, blockMagic)
	b = binary.LittleEndian.AppendUint32(b, h.flags)
	b = binary.LittleEndian.AppendUint32(b, h.statements.length)
	b = binary.LittleEndian.AppendUint32(b, h.statements.raw)
	b = binary.LittleEndian.AppendUint32(b, h.contents.length)
	b = binary.LittleEndian.AppendUint32(b, h.contents.raw)
	b = binary.LittleEndian.AppendUint64(b, h.first)
	b = binary.LittleEndian.AppendUint64(b, h.leaf)
	b = binary.LittleEndian.AppendUint32(b, h.count)
	b = binary.LittleEndian.AppendUint32(b, uint32(h.delivery))
	b = binary.LittleEndian.AppendUint32(b, h.salts)
	b = binary.LittleEndian.AppendUint32(b, h.statements.crc)
	b = binary.LittleEndian.AppendUint32(b, h.contents.crc)
	return binary.LittleEndian.AppendUint32(b, checksum(b[start:]))
}

// parseBlockHead reads a header; offset and segment are the caller's to fill. In
// every version, a block begins with its magic and has the checksum of its header
// in the header's last four bytes, so that a newer block is told from a damaged one.
func parseBlockHead(b []byte) (blockHead, error) {
	var h blockHead
	if len(b) < blockHeader {
		return h, fmt.Errorf("%w: a block header needs %d bytes, %d are there", argus.ErrDamaged, blockHeader, len(b))
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
	h.first = binary.LittleEndian.Uint64(b[24:])
	h.leaf = binary.LittleEndian.Uint64(b[32:])
	h.count = u32(40)
	h.delivery = argus.DeliveryNumber(u32(44))
	h.salts = u32(48)
	switch {
	case h.flags&^(flagsKnown|flagsSkippable) != 0:
		return h, fmt.Errorf("%w: the block has the flags %#x, which this version does not know", argus.ErrNewer, h.flags)
	case h.count == 0 || h.count > maxRecords:
		return h, fmt.Errorf("%w: the block claims %d records", argus.ErrDamaged, h.count)
	case h.flags&flagRewritten == 0 && h.salts != seedBytes, h.salts > h.count*maxEntry:
		return h, fmt.Errorf("%w: the block claims %d bytes of salts", argus.ErrDamaged, h.salts)
	case max(h.statements.raw, h.statements.length, h.contents.raw, h.contents.length) > maxBlockBytes:
		return h, fmt.Errorf("%w: the block claims %d and %d bytes, %d and %d decompressed", argus.ErrDamaged,
			h.statements.length, h.contents.length, h.statements.raw, h.contents.raw)
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

// seed is what the salts of a block follow from.
type seed [seedBytes]byte

// salt is the n-th salt of a block: that of statement i is number 2i, that of
// content i number 2i+1.
func (s *seed) salt(n uint64) (salt [saltBytes]byte) {
	var b [seedBytes + 8]byte
	copy(b[:], s[:])
	binary.LittleEndian.PutUint64(b[seedBytes:], n)
	sum := sha256.Sum256(b[:])
	copy(salt[:], sum[:])
	return salt
}

// proof is what a record's leaf is made of.
type proof struct{ statement, content argus.Hash }

// leaf is the hash of a record's leaf in its delivery's Merkle tree.
func (p *proof) leaf() argus.Hash {
	var b [1 + 2*sha256.Size]byte
	copy(b[1:], p.statement[:])
	copy(b[1+sha256.Size:], p.content[:])
	return sha256.Sum256(b[:])
}

// saltedSpace is how many bytes stand before a part of a record while it is hashed.
const saltedSpace = 1 + saltBytes

// salted returns the hash of a part of a record that begins behind saltedSpace
// bytes of b, which it fills.
func salted(b []byte, what byte, salt [saltBytes]byte) argus.Hash {
	b[0] = what
	copy(b[1:], salt[:])
	return sha256.Sum256(b)
}

// pending is a block that is being made: first its contents, then its statements,
// since a sighting states the commitment to a content that may be of the same group.
type pending struct {
	head     blockHead
	records  []*argus.Record
	seed     seed
	contents []byte // the frame
	proofs   []proof
	bytes    []byte
	err      error
}

// maker makes blocks. Each goroutine needs its own.
type maker struct {
	*codec
	splitter
	body, payload []byte
}

// part encodes a part of a record and returns its hash, its encoding appended to
// the body.
func (m *maker) part(what byte, salt [saltBytes]byte, encode func(*splitter, []byte) ([]byte, error)) (argus.Hash, error) {
	start := len(m.body)
	b, err := encode(&m.splitter, append(m.body, make([]byte, saltedSpace)...))
	if err != nil {
		return argus.Hash{}, err
	}
	n := len(b) - start - saltedSpace
	if n > maxRecordBytes {
		return argus.Hash{}, fmt.Errorf("%d bytes are more than %d", n, maxRecordBytes)
	}
	hash := salted(b[start:], what, salt)
	copy(b[start:], b[start+saltedSpace:])
	m.body = b[:start+n]
	m.payload = binary.AppendUvarint(m.payload, uint64(n))
	return hash, nil
}

func (m *maker) begin() { m.body, m.payload = m.body[:0], m.payload[:0] }

// frame compresses what part has gathered, behind b.
func (m *maker) frame(b []byte) ([]byte, frame, error) {
	m.payload = append(m.payload, m.body...)
	if len(m.payload) > maxBlockBytes {
		return nil, frame{}, fmt.Errorf("%d bytes are more than %d", len(m.payload), maxBlockBytes)
	}
	start := len(b)
	b = m.enc.EncodeAll(m.payload, b)
	f := frame{length: uint32(len(b) - start), raw: uint32(len(m.payload))}
	if cap(m.payload) > 4*blockBytes {
		m.body, m.payload = nil, nil
	}
	return b, f, nil
}

// makeContents makes the contents of a block, and the commitment to each but those
// of the sightings.
func (m *maker) makeContents(p *pending) error {
	m.begin()
	p.proofs = make([]proof, len(p.records))
	p.head.count = uint32(len(p.records))
	p.head.salts = seedBytes
	said := false
	for i, r := range p.records {
		if r.Kind == argus.KindSighting {
			m.payload = append(m.payload, 0)
			continue
		}
		m.split(r)
		said = said || !m.content.empty()
		var err error
		if p.proofs[i].content, err = m.part(hashContent, p.seed.salt(uint64(2*i+1)), (*splitter).appendContent); err != nil {
			return fmt.Errorf("encode the content of record %d: %w", r.Seq, err)
		}
	}
	if !said {
		return nil
	}
	var err error
	if p.contents, p.head.contents, err = m.frame(nil); err != nil {
		return fmt.Errorf("encode the contents of records %d to %d: %w", p.head.first, p.head.end()-1, err)
	}
	p.head.contents.crc = checksum(p.contents)
	return nil
}

// makeStatements makes the rest of the block. It asks of for the commitment to the
// content that a sighting is of, and sets it in the record.
func (m *maker) makeStatements(p *pending, of func(seq uint64) (argus.Hash, error)) error {
	m.begin()
	for i, r := range p.records {
		var err error
		if r.Kind == argus.KindSighting || r.Kind == argus.KindOpened {
			if r.Content, err = of(r.Of); err != nil {
				return fmt.Errorf("look for the content of record %d, which record %d is of: %w", r.Of, r.Seq, err)
			}
		}
		if r.Kind == argus.KindSighting {
			p.proofs[i].content = r.Content
		}
		m.split(r)
		if p.proofs[i].statement, err = m.part(hashStatement, p.seed.salt(uint64(2*i)), (*splitter).appendStatement); err != nil {
			return fmt.Errorf("encode record %d: %w", r.Seq, err)
		}
	}
	block := make([]byte, blockHeader, blockHeader+seedBytes+len(m.payload)+len(m.body)/2+len(p.contents))
	block = append(block, p.seed[:]...)
	block, frame, err := m.frame(block)
	if err != nil {
		return fmt.Errorf("encode records %d to %d: %w", p.head.first, p.head.end()-1, err)
	}
	p.head.statements = frame
	p.head.statements.crc = checksum(block[blockHeader:])
	p.bytes = append(block, p.contents...)
	p.contents = nil
	p.head.append(p.bytes[:0])
	return nil
}

// block is a block that was read.
type block struct {
	seed       seed
	entries    []entry // of a rewritten block, which has no seed
	statements [][]byte
	contents   [][]byte
}

// size is about what it takes in memory.
func (b *block) size() int64 {
	n := int64(48 * len(b.statements))
	for i := range b.statements {
		n += int64(len(b.statements[i]) + len(b.contents[i]))
	}
	return n
}

// split is where the contents begin behind the header.
func (h *blockHead) split() int64 { return int64(h.salts) + int64(h.statements.length) }

// check compares what follows a header with its checksums.
func (h *blockHead) check(body []byte) error {
	if int64(len(body)) != h.body() {
		return fmt.Errorf("%w: the block is cut off", argus.ErrDamaged)
	}
	if checksum(body[:h.split()]) != h.statements.crc {
		return fmt.Errorf("%w: the block does not match its checksum", argus.ErrDamaged)
	}
	return h.checkContents(body[h.split():])
}

func (h *blockHead) checkContents(data []byte) error {
	if checksum(data) != h.contents.crc {
		return fmt.Errorf("%w: the contents of the block do not match their checksum", argus.ErrDamaged)
	}
	return nil
}

// openBlock checks and decompresses what follows a block's header.
func (c *codec) openBlock(head *blockHead, body []byte) (*block, error) {
	if err := head.check(body); err != nil {
		return nil, err
	}
	b := new(block)
	var err error
	if head.flags&flagRewritten == 0 {
		copy(b.seed[:], body)
	} else if b.entries, err = parseEntries(body[:head.salts], int(head.count)); err != nil {
		return nil, err
	}
	if b.statements, err = c.openFrame(head.statements, body[head.salts:head.split()], int(head.count)); err != nil {
		return nil, err
	}
	b.contents, err = c.openContents(head, body[head.split():])
	return b, err
}

// openContents returns the content of each record of a block.
func (c *codec) openContents(head *blockHead, data []byte) ([][]byte, error) {
	if head.contents == (frame{}) {
		return make([][]byte, head.count), nil
	}
	return c.openFrame(head.contents, data, int(head.count))
}

func (c *codec) openFrame(f frame, data []byte, count int) ([][]byte, error) {
	raw, err := c.dec.DecodeAll(data, make([]byte, 0, f.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: decompress the block: %w", argus.ErrDamaged, err)
	}
	if len(raw) != int(f.raw) {
		return nil, fmt.Errorf("%w: the block decompresses to %d bytes and claims %d", argus.ErrDamaged, len(raw), f.raw)
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
		return nil, fmt.Errorf("%w: the records of the block have %d bytes and claim %d", argus.ErrDamaged, len(raw), total)
	}
	records := make([][]byte, count)
	for i, n := range lengths {
		records[i], raw = raw[:n:n], raw[n:]
	}
	return records, nil
}

// record returns record i of the block, but for its number and delivery.
func (b *block) record(i int, hasher *argus.Hasher) (*argus.Record, error) {
	if b.entries == nil {
		return decodeRecord(b.statements[i], b.contents[i], hasher)
	}
	e := &b.entries[i]
	said := b.contents[i]
	if e.gone&argus.GoneContent != 0 {
		said = nil
	}
	if err := b.checkGone(i); err != nil {
		return nil, err
	}
	if e.gone&argus.GoneStatement != 0 {
		return &argus.Record{Gone: e.gone, Was: e.was}, nil
	}
	r, err := decodeRecord(b.statements[i], said, hasher)
	if err != nil {
		return nil, err
	}
	if r.Gone = e.gone; r.Kind == argus.KindMessage && e.gone&argus.GoneContent != 0 {
		r.ID, r.Version = e.id, e.version
	}
	return r, nil
}

// checkGone says whether something stands where a part of a record is gone.
func (b *block) checkGone(i int) error {
	gone := b.entries[i].gone
	withheld := gone&argus.Withheld != 0
	switch {
	case gone&argus.GoneStatement != 0 && withheld == (len(b.statements[i]) == 0),
		gone&argus.GoneContent != 0 && (withheld && gone&argus.GoneStatement == 0) == (len(b.contents[i]) == 0):
		return fmt.Errorf("%w: of a record that is gone as %#x there are %d and %d bytes", argus.ErrDamaged, uint8(gone), len(b.statements[i]), len(b.contents[i]))
	}
	return nil
}

// clear returns the contents that can be read.
func (b *block) clear() [][]byte {
	if b.entries == nil {
		return b.contents
	}
	said := make([][]byte, len(b.contents))
	for i := range said {
		if b.entries[i].gone&argus.GoneContent == 0 {
			said[i] = b.contents[i]
		}
	}
	return said
}

// kind returns the kind of record i, also where its statement is gone.
func (b *block) kind(i int) argus.Kind {
	if b.entries != nil && b.entries[i].gone&argus.GoneStatement != 0 {
		return b.entries[i].was.Kind
	}
	return kindOf(b.statements[i])
}

// proof recomputes what the leaf of record i is made of, as far as it is there.
func (b *block) proof(i int, r *argus.Record) proof {
	p := proof{content: r.Content}
	if b.entries != nil && b.entries[i].gone&argus.GoneStatement != 0 {
		p.statement = b.entries[i].statement
		p.content = b.content(i)
		return p
	}
	p.statement = b.salted(2*i, hashStatement, b.statements[i])
	if r.Kind != argus.KindSighting {
		p.content = b.content(i)
	}
	return p
}

// content is the commitment to the content of record i, which is no sighting with a
// statement.
func (b *block) content(i int) argus.Hash {
	if b.entries != nil && b.entries[i].gone&argus.GoneContent != 0 {
		return b.entries[i].content
	}
	return b.salted(2*i+1, hashContent, b.contents[i])
}

// salt returns a salt of the block.
func (b *block) salt(n int) (salt [saltBytes]byte) {
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

func (b *block) salted(n int, what byte, data []byte) argus.Hash {
	var small [1 << 10]byte // most parts are, and cost no memory then
	return salted(append(small[:saltedSpace], data...), what, b.salt(n))
}
