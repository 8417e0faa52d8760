// Package format1 reads the evidence of stores of format 1 and checks it, for their
// upgrade. It holds that format's types, identities and seals, separate from today's, so
// that today's may change. It changes nothing in a store, and keeps other processes out
// while the store is open. docs/format/format-1.md describes the files to the byte.
package format1

import (
	"bufio"
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/gofrs/flock"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
)

// The files of a store.
const (
	manifestName = "evidence/manifest"
	commitName   = "evidence/commit"
	manifestHead = "argus evidence 1\n"
	commitSlot   = 32
)

func segmentName(number int) string { return fmt.Sprintf("evidence/%08d.seg", number) }

// SealName is the path of a delivery's seal.
func SealName(d argus.DeliveryNumber) string { return "deliveries/" + d.String() + ".seal" }

// OriginalName is the path of an original.
func OriginalName(h argus.Hash) string {
	name := h.String()
	return "originals/" + name[:2] + "/" + name[2:]
}

// Delivery is one hand-over, open or sealed.
type Delivery struct {
	Number argus.DeliveryNumber
	// First is the sequence number of its opening record, Records the number of its
	// records.
	First, Records uint64
	// Seal is nil while the delivery is open. Its signature was checked.
	Seal *Seal
}

// Raw is a record as it is stored. Its Data are valid until the next one is
// read.
type Raw struct {
	Seq      uint64
	Delivery argus.DeliveryNumber
	Data     []byte
}

// Store is the evidence of a store, open for reading. It is for one goroutine.
type Store struct {
	dir        string
	locks      []*flock.Flock
	segments   []*os.File
	blocks     []block
	last       uint64
	deliveries map[argus.DeliveryNumber]*Delivery
	dec        *zstd.Decoder
	cache      blockCache
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// damage returns the error for a position in a file of the store.
func damage(file string, at int64, err error) error {
	if !errors.Is(err, argus.ErrDamaged) {
		err = fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return fmt.Errorf("%s at offset %d: %w", file, at, err)
}

// Open opens the evidence of a store and keeps other processes out; if one has the store
// open, the error is ErrLocked. It reads the headers of all blocks, and the seals, which
// must all be signed by one of the keys. The error is ErrDamaged if anything has changed.
func Open(dir string, keys note.Verifiers) (_ *Store, err error) {
	s := &Store{dir: dir, deliveries: map[argus.DeliveryNumber]*Delivery{}, cache: blockCache{limit: 64 << 20, items: map[int]*list.Element{}}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open evidence of format 1: %w", err), s.Close())
		}
	}()
	if s.dec, err = newDecoder(); err != nil {
		return nil, err
	}
	// A process that reads evidence and records these reads holds the second lock.
	for _, name := range []string{"evidence/lock", "index/lock"} {
		info, err := os.Stat(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && !info.Mode().IsRegular() { // opening a pipe would block
			return nil, damage(name, 0, errors.New("a lock must be an empty file"))
		}
		lock := flock.New(s.path(name))
		held, err := lock.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if !held {
			return nil, fmt.Errorf("the store is %w", argus.ErrLocked)
		}
		s.locks = append(s.locks, lock)
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, s.loadSeals(keys)
}

// Close lets other processes in again.
func (s *Store) Close() error {
	var err error
	for _, f := range s.segments {
		err = errors.Join(err, f.Close())
	}
	for _, lock := range s.locks {
		err = errors.Join(err, lock.Unlock())
	}
	return err
}

// Last returns the number of the last record.
func (s *Store) Last() uint64 { return s.last }

// Deliveries returns the deliveries in the order of their numbers.
func (s *Store) Deliveries() []Delivery {
	all := make([]Delivery, 0, len(s.deliveries))
	for _, d := range s.deliveries {
		all = append(all, *d)
	}
	slices.SortFunc(all, func(a, b Delivery) int { return int(a.Number) - int(b.Number) })
	return all
}

func (s *Store) load() error {
	data, err := os.ReadFile(s.path(commitName))
	if err != nil {
		return s.missing(commitName, err)
	}
	promised, segment, offset, err := parseCommit(data)
	if err != nil {
		return damage(commitName, 0, err)
	}
	if data, err = os.ReadFile(s.path(manifestName)); err != nil {
		return s.missing(manifestName, err)
	}
	sizes, err := parseManifest(data)
	if err != nil {
		return damage(manifestName, 0, err)
	}
	for i, size := range sizes {
		if err := s.loadSegment(i+1, size, -1); err != nil {
			return err
		}
	}
	active := len(sizes) + 1
	if segment != active {
		offset = segmentHeader
	}
	if err := s.loadSegment(active, -1, offset); err != nil {
		return err
	}
	if s.last < promised {
		return damage(segmentName(active), offset, fmt.Errorf("records up to %d were acknowledged, but there are only %d", promised, s.last))
	}
	return nil
}

// missing returns the error for a file that every store must have.
func (s *Store) missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", argus.ErrDamaged, name)
	}
	return err
}

// parseCommit returns the end of the acknowledged records.
func parseCommit(data []byte) (seq uint64, segment int, offset int64, err error) {
	if len(data) != 2*commitSlot {
		return 0, 0, 0, fmt.Errorf("%w: %d bytes, want %d", argus.ErrDamaged, len(data), 2*commitSlot)
	}
	var newest uint64
	zero := false
	for i := range 2 {
		b := data[i*commitSlot:][:commitSlot]
		if bytes.Equal(b, make([]byte, commitSlot)) {
			zero = true
			continue
		}
		if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
			return 0, 0, 0, fmt.Errorf("%w: slot %d does not match its checksum", argus.ErrDamaged, i)
		}
		if counter := binary.LittleEndian.Uint64(b); counter > newest {
			newest, seq = counter, binary.LittleEndian.Uint64(b[8:])
			segment, offset = int(binary.LittleEndian.Uint32(b[16:])), int64(binary.LittleEndian.Uint32(b[20:]))
		}
	}
	if zero && newest > 1 {
		return 0, 0, 0, fmt.Errorf("%w: a slot that was written is empty", argus.ErrDamaged)
	}
	return seq, segment, offset, nil
}

// parseManifest returns the sizes of the closed segments.
func parseManifest(data []byte) (sizes []int64, err error) {
	at := bytes.LastIndex(data, []byte("sha256 "))
	if at < len(manifestHead) || string(data[at:]) != fmt.Sprintf("sha256 %x\n", sha256.Sum256(data[:at])) || !bytes.HasPrefix(data, []byte(manifestHead)) {
		return nil, fmt.Errorf("%w: the file does not match its hash", argus.ErrDamaged)
	}
	for line := range strings.Lines(string(data[len(manifestHead):at])) {
		var number int
		var first uint64
		var size int64
		_, err := fmt.Sscanf(line, "segment %d first %d bytes %d\n", &number, &first, &size)
		if err != nil || number != len(sizes)+1 || size < segmentHeader+footerTrailer {
			return nil, fmt.Errorf("%w: line %q", argus.ErrDamaged, line)
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// loadSegment reads the headers of a segment's blocks. A closed segment has size bytes.
// The active one must have at least acknowledged bytes; whole batches after them count
// too, as they do for a writer.
func (s *Store) loadSegment(number int, size, acknowledged int64) error {
	name := segmentName(number)
	f, err := os.Open(s.path(name))
	if err != nil {
		return s.missing(name, err)
	}
	s.segments = append(s.segments, f)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if size >= 0 && info.Size() != size {
		return damage(name, min(size, info.Size()), fmt.Errorf("the segment has %d bytes, but the manifest states %d", info.Size(), size))
	}
	if info.Size() < acknowledged {
		return damage(name, info.Size(), fmt.Errorf("the segment ends here, but it was acknowledged up to offset %d", acknowledged))
	}
	head := make([]byte, blockHeader)
	n, err := f.ReadAt(head[:segmentHeader], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := parseSegment(head[:n], number, s.last+1); err != nil {
		return damage(name, 0, err)
	}
	end := info.Size()
	if size >= 0 {
		if end, err = tableOffset(f, size); err != nil {
			return damage(name, size-footerTrailer, err)
		}
	}
	before, at := len(s.blocks), int64(segmentHeader)
	whole, wholeAt := before, at
	for at < end {
		b, err := s.blockAt(f, number, at, end, head)
		if err != nil && size < 0 && at >= acknowledged {
			break // never acknowledged, and incomplete
		}
		if err != nil {
			return damage(name, at, err)
		}
		s.blocks = append(s.blocks, b)
		at += b.size()
		if b.batchEnd {
			whole, wholeAt = len(s.blocks), at
		}
	}
	if size >= 0 && whole != len(s.blocks) || wholeAt < acknowledged {
		return damage(name, wholeAt, errors.New("a batch begins here but does not end"))
	}
	s.blocks = s.blocks[:whole]
	if size >= 0 {
		table := make([]byte, size-end)
		if _, err := f.ReadAt(table, end); err != nil {
			return err
		}
		if !bytes.Equal(table, appendTable(nil, s.blocks[before:], end)) {
			return damage(name, end, errors.New("the table of blocks differs from the blocks in the segment"))
		}
	}
	return s.number(name, s.blocks[before:])
}

func tableOffset(f io.ReaderAt, size int64) (int64, error) {
	trailer := make([]byte, footerTrailer)
	if _, err := f.ReadAt(trailer, size-footerTrailer); err != nil {
		return 0, err
	}
	count, offset := int64(binary.LittleEndian.Uint32(trailer[4:])), int64(binary.LittleEndian.Uint32(trailer[8:]))
	if binary.LittleEndian.Uint32(trailer) != footerMagic || offset < segmentHeader || offset+count*footerEntry+footerTrailer != size {
		return 0, fmt.Errorf("%w: the segment does not end with a table of blocks", argus.ErrDamaged)
	}
	return offset, nil
}

func (s *Store) blockAt(f io.ReaderAt, segment int, at, end int64, head []byte) (block, error) {
	n, err := f.ReadAt(head[:min(int64(blockHeader), end-at)], at)
	if err != nil && !errors.Is(err, io.EOF) {
		return block{}, err
	}
	b, err := parseBlock(head[:n])
	if err == nil && at+b.size() > end {
		err = fmt.Errorf("%w: the block is truncated", argus.ErrDamaged)
	}
	b.segment, b.offset = segment, at
	return b, err
}

// number checks the numbers of a segment's records, and
// counts the records by delivery.
func (s *Store) number(name string, blocks []block) error {
	for _, b := range blocks {
		d := s.deliveries[b.delivery]
		if d == nil {
			d = &Delivery{Number: b.delivery, First: b.first}
			if want := argus.DeliveryNumber(len(s.deliveries) + 1); b.delivery != want {
				return damage(name, b.offset, fmt.Errorf("delivery %s begins instead of delivery %s", b.delivery, want))
			}
			s.deliveries[b.delivery] = d
		}
		if b.first != s.last+1 {
			return damage(name, b.offset, fmt.Errorf("record %d follows record %d", b.first, s.last))
		}
		if b.leaf != d.Records {
			return damage(name, b.offset, fmt.Errorf("the block holds leaf %d of delivery %s, want %d", b.leaf, b.delivery, d.Records))
		}
		d.Records += uint64(b.count)
		s.last += uint64(b.count)
	}
	return nil
}

func (s *Store) loadSeals(keys note.Verifiers) error {
	for _, d := range s.deliveries {
		name := SealName(d.Number)
		file, err := os.ReadFile(s.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if d.Seal, err = openSeal(file, keys); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if d.Seal.Delivery != d.Number || d.Seal.Records != d.Records {
			return fmt.Errorf("%s: %w: the seal covers %d records of delivery %s, but there are %d of %s", name, argus.ErrDamaged,
				d.Seal.Records, d.Seal.Delivery, d.Records, d.Number)
		}
	}
	entries, err := os.ReadDir(s.path("deliveries"))
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".seal"); ok {
			if n, parse := argus.ParseDelivery(base); parse != nil || s.deliveries[n] == nil {
				return fmt.Errorf("deliveries/%s: %w: the seal belongs to a missing delivery", e.Name(), argus.ErrDamaged)
			}
		}
	}
	return err
}

// CheckSealed compares a sealed delivery with the account of all its records. The error
// for any difference is ErrDamaged.
func (s *Store) CheckSealed(d *Delivery, a *Account) error {
	root, err := a.Root()
	if err != nil {
		return err
	}
	if root != d.Seal.Root {
		return fmt.Errorf("%s: %w: records %d to %d of delivery %s have the root %s but were sealed with %s", SealName(d.Number), argus.ErrDamaged,
			d.First, d.First+d.Records-1, d.Number, root, d.Seal.Root)
	}
	if err := a.sealed(d.Seal); err != nil {
		return fmt.Errorf("%s: %w: %w", SealName(d.Number), argus.ErrDamaged, err)
	}
	name := "deliveries/" + d.Number.String() + ".tree"
	nodes, err := os.ReadFile(s.path(name))
	if err != nil {
		return s.missing(name, err)
	}
	if !bytes.Equal(nodes, a.tree.nodes) {
		return fmt.Errorf("%s: %w: the hashes do not match the records, which match the seal", name, argus.ErrDamaged)
	}
	return nil
}

// OpenOriginal opens a received file. It does not check the file's bytes.
func (s *Store) OpenOriginal(h argus.Hash) (*os.File, error) {
	name := OriginalName(h)
	info, err := os.Lstat(s.path(name))
	if err != nil {
		return nil, s.missing(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: the original is not a file", name, argus.ErrDamaged)
	}
	return os.Open(s.path(name))
}

// Records yields the records from seq on, in order, each block checked against its
// checksum. An error ends it.
func (s *Store) Records(ctx context.Context, seq uint64) iter.Seq2[Raw, error] {
	return func(yield func(Raw, error) bool) {
		var in *bufio.Reader
		var segment int
		var at int64
		var payload, raw []byte
		first := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first+uint64(s.blocks[i].count) > seq })
		for i := first; i < len(s.blocks); i++ {
			b := &s.blocks[i]
			if err := ctx.Err(); err != nil {
				yield(Raw{}, err)
				return
			}
			if in == nil || segment != b.segment || at != b.offset {
				in = bufio.NewReaderSize(io.NewSectionReader(s.segments[b.segment-1], b.offset, 1<<32), 1<<18)
			}
			segment, at = b.segment, b.offset+b.size()
			payload = slices.Grow(payload[:0], int(b.size()))[:b.size()]
			_, err := io.ReadFull(in, payload)
			var records [][]byte
			if err == nil {
				raw, records, err = b.open(s.dec, payload[blockHeader:], raw)
			}
			if err != nil {
				yield(Raw{}, fmt.Errorf("%w; records %d to %d of delivery %s", damage(segmentName(b.segment), b.offset, err), b.first, b.first+uint64(b.count)-1, b.delivery))
				return
			}
			for j, data := range records {
				if n := b.first + uint64(j); n >= seq && !yield(Raw{n, b.delivery, data}, nil) {
					return
				}
			}
		}
	}
}

// Get returns a record.
func (s *Store) Get(seq uint64) (*Record, error) {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first+uint64(s.blocks[i].count) > seq })
	if seq == 0 || i == len(s.blocks) {
		return nil, fmt.Errorf("read record %d: %w: there is no such record", seq, argus.ErrDamaged)
	}
	b := &s.blocks[i]
	records := s.cache.get(i)
	if records == nil {
		payload := make([]byte, b.length)
		_, err := s.segments[b.segment-1].ReadAt(payload, b.offset+blockHeader)
		var raw []byte
		if err == nil {
			raw, records, err = b.open(s.dec, payload, nil)
		}
		if err != nil {
			return nil, damage(segmentName(b.segment), b.offset, err)
		}
		s.cache.put(i, records, len(raw))
	}
	r, err := Decode(records[seq-b.first])
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	return r, nil
}

// blockCache keeps the most recently used blocks, decompressed, up to a limit.
type blockCache struct {
	limit, size int
	items       map[int]*list.Element // keyed by the block's position
	order       list.List             // most recently used first
}

type cachedBlock struct {
	place   int
	records [][]byte
	size    int
}

func (c *blockCache) get(place int) [][]byte {
	e, ok := c.items[place]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedBlock).records
}

func (c *blockCache) put(place int, records [][]byte, size int) {
	c.items[place] = c.order.PushFront(&cachedBlock{place, records, size})
	c.size += size
	for c.size > c.limit && c.order.Len() > 1 {
		old := c.order.Remove(c.order.Back()).(*cachedBlock)
		delete(c.items, old.place)
		c.size -= old.size
	}
}
