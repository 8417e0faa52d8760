package original

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// File is an original that is open for reading. Its methods may be called concurrently.
// It uses at most about 8 MiB of memory, whatever its size.
type File struct {
	root    argus.Hash
	size    int64
	spans   []Span
	data    io.ReaderAt
	rest    io.ReaderAt // the substitutes; nil if no block has one
	places  func(group int) ([]place, error)
	decoder *zstd.Decoder
	closers []io.Closer

	mu     sync.Mutex
	blocks recent[[]byte]
	groups recent[[]place]
}

// place is the position of a readable block, and its key.
type place struct {
	rest   bool // the block is in the file of substitutes
	there  bool // if not set, there is no key
	at     int64
	stored uint32
	key    [32]byte
}

// The bounds of an open file's caches.
const (
	recentBlocks = 64 // 4 MiB
	recentGroups = 64 // 4 MiB of memory, for 4 GiB of the original
)

// recent holds the most recently used values.
type recent[T any] struct {
	keys   []int // most recently used last
	values []T
}

func (r *recent[T]) get(key int) (v T, ok bool) {
	for i := len(r.keys) - 1; i >= 0; i-- {
		if r.keys[i] == key {
			v = r.values[i]
			copy(r.keys[i:], r.keys[i+1:])
			copy(r.values[i:], r.values[i+1:])
			r.keys[len(r.keys)-1], r.values[len(r.keys)-1] = key, v
			return v, true
		}
	}
	return v, false
}

func (r *recent[T]) put(key int, v T, most int) {
	if len(r.keys) == most {
		r.keys, r.values = append(r.keys[:0], r.keys[1:]...), append(r.values[:0], r.values[1:]...)
	}
	r.keys, r.values = append(r.keys, key), append(r.values, v)
}

// Open opens an original. It reads only the received bytes: a damaged, withheld or
// destroyed block is an error.
func (s *Store) Open(name argus.FileName) (*File, error) {
	f, err := s.openFile(name)
	if errors.Is(err, argus.ErrNotFound) {
		// A change may have replaced a file in the meantime.
		f, err = s.openFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("open original %s: %w", name, err)
	}
	return f, nil
}

func (s *Store) openFile(name argus.FileName) (_ *File, err error) {
	t, closer, err := s.openTable(name, tableFile)
	if err != nil {
		return nil, err
	}
	f := &File{root: t.root, size: t.size, spans: t.spans, decoder: s.decoder, closers: []io.Closer{closer}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if f.data, err = s.openBlocks(f, DataFile(name), name, 0); err != nil {
		return nil, err
	}
	if err := t.restSecrets(); err != nil {
		return nil, err
	}
	if len(t.rest) > 0 {
		if f.rest, err = s.openBlocks(f, fileOf(name, restFile(t.change)), name, t.change); err != nil {
			return nil, err
		}
	}
	if t.sealed && len(t.groups) > 0 {
		// An error here tells the caller early that the file cannot be read.
		if _, err := t.places(0); err != nil {
			return nil, err
		}
	}
	f.places = t.places
	return f, nil
}

// openBlocks opens a file of blocks for f, which closes it.
func (s *Store) openBlocks(f *File, file string, name argus.FileName, change uint32) (durable.File, error) {
	opened, err := s.disk.OpenFile(s.path(file), os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", file, argus.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	f.closers = append(f.closers, opened)
	head := make([]byte, dataHead)
	if _, err := opened.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !checkHead(head, name, change) {
		return nil, &Damage{file, 0, "the file does not begin as a file of the original's blocks must"}
	}
	return opened, nil
}

// places returns the positions of the readable blocks in a group.
func (t *table) places(group int) ([]place, error) {
	g, err := t.group(group)
	if err != nil {
		return nil, err
	}
	secrets, err := t.opened(g.secrets())
	if err != nil {
		return nil, err
	}
	list := make([]place, g.count)
	at := g.data
	for i := range list {
		e, err := t.entry(g, i)
		if err != nil {
			return list[:i], err
		}
		s, err := parseSecret(secrets[i*secretSize:])
		// A damaged key makes only its own block unreadable.
		list[i] = place{there: err == nil && s != secret{}, at: at, stored: e.stored, key: s.key}
		at += int64(e.stored)
	}
	first := sort.Search(len(t.rest), func(i int) bool { return t.rest[i].block >= g.first })
	for _, r := range t.rest[first:] {
		if r.block >= g.first+g.count {
			break
		}
		if r.kind == restOpen {
			list[r.block-g.first] = place{true, true, r.at, r.stored, r.key}
		}
	}
	return list, nil
}

// Root returns the Merkle tree hash (RFC 6962) over the blocks, according to the table.
func (f *File) Root() argus.Hash { return f.root }

// Size returns the size of the original in bytes.
func (f *File) Size() int64 { return f.size }

// Whole reports whether no part of it is withheld or destroyed.
func (f *File) Whole() bool { return len(f.spans) == 0 }

// Close closes its files.
func (f *File) Close() error {
	var err error
	for _, c := range f.closers {
		err = errors.Join(err, c.Close())
	}
	f.closers = nil
	return err
}

// ReadAt implements [io.ReaderAt]. In a withheld or destroyed part it returns the
// bytes before the part and an [Unreadable] error.
func (f *File) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 {
		return 0, fmt.Errorf("read original: negative offset %d", at)
	}
	var end error
	if int64(len(p)) > f.size-at {
		p, end = p[:max(0, f.size-at)], io.EOF
	}
	first := sort.Search(len(f.spans), func(i int) bool { return f.spans[i].To > at })
	if first < len(f.spans) && f.spans[first].From < at+int64(len(p)) {
		p, end = p[:max(0, f.spans[first].From-at)], &Unreadable{f.spans[first]}
	}
	n := 0
	for n < len(p) {
		block := int((at + int64(n)) / BlockSize)
		plain, err := f.block(block)
		if err != nil {
			return n, fmt.Errorf("read original at byte %d: %w", at+int64(n), err)
		}
		n += copy(p[n:], plain[at+int64(n)-int64(block)*BlockSize:])
	}
	return n, end
}

// block returns the plain bytes of a block. They must not be changed.
func (f *File) block(block int) ([]byte, error) {
	f.mu.Lock()
	plain, ok := f.blocks.get(block)
	f.mu.Unlock()
	if ok {
		return plain, nil
	}
	p, err := f.place(block)
	if err != nil {
		return nil, err
	}
	if !p.there {
		return nil, fmt.Errorf("the key of block %d is gone or damaged, and nothing records that the block was withheld or destroyed: %w", block, argus.ErrDamaged)
	}
	from := f.data
	if p.rest {
		from = f.rest
	}
	length := plainLength(f.size, block)
	if from == nil || !(entry{stored: p.stored}).fits(length) {
		return nil, fmt.Errorf("block %d cannot be at the offset stated in the table: %w", block, argus.ErrDamaged)
	}
	stored := make([]byte, p.stored)
	if _, err := from.ReadAt(stored, p.at); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("the data ends before block %d: %w", block, argus.ErrDamaged)
	} else if err != nil {
		return nil, err
	}
	plain, err = openBlock(f.decoder, block, stored, &secret{key: p.key}, length)
	if err != nil {
		return nil, fmt.Errorf("block %d: %w: %w", block, err, argus.ErrDamaged)
	}
	f.mu.Lock()
	f.blocks.put(block, plain, recentBlocks)
	f.mu.Unlock()
	return plain, nil
}

func (f *File) place(block int) (place, error) {
	i := block % groupBlocks
	// In a group with a damaged entry, the blocks before it can be read.
	list, err := f.group(block / groupBlocks)
	switch {
	case i < len(list):
		return list[i], nil
	case err == nil:
		err = fmt.Errorf("block %d is not in its group: %w", block, argus.ErrDamaged)
	}
	return place{}, err
}

// group returns the positions of a group's blocks; with an error, those of the blocks before
// the damaged one.
func (f *File) group(n int) ([]place, error) {
	f.mu.Lock()
	list, ok := f.groups.get(n)
	f.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := f.places(n)
	if err == nil {
		f.mu.Lock()
		f.groups.put(n, list, recentGroups)
		f.mu.Unlock()
	}
	return list, err
}

// Handed describes a file to a process that has received its descriptors and can ask for
// its groups.
type Handed struct {
	Size  int64
	Spans []Span
	// First is the only group of a small file, as returned by [File.Group]. It saves a
	// request. It is absent if the group is damaged.
	First []byte `json:",omitempty"`
}

// Hand returns everything that another process needs to read the file: the
// description and the files of blocks (rest is nil if there is none). The process asks
// for the groups.
func (f *File) Hand() (h Handed, data, rest *os.File, err error) {
	data, ok := f.data.(*os.File)
	if f.rest != nil && ok {
		rest, ok = f.rest.(*os.File)
	}
	if !ok {
		return h, nil, nil, errors.New("the original is not a file on this system's disk, so it cannot be handed to another process")
	}
	h = Handed{Size: f.size, Spans: f.spans}
	if groupsOf(f.size) == 1 {
		if h.First, err = f.Group(0); err != nil {
			h.First = nil // a request for it returns the reason
		}
	}
	return h, data, rest, nil
}

const placeSize = 1 + 8 + 4 + 32

// Group returns the positions and keys of a group's blocks, for a process that reads the file.
func (f *File) Group(group int) ([]byte, error) {
	if group < 0 || group >= groupsOf(f.size) {
		return nil, fmt.Errorf("there is no group %d", group)
	}
	list, err := f.group(group)
	if err != nil && len(list) == 0 {
		return nil, err
	}
	b := make([]byte, 0, len(list)*placeSize)
	for _, p := range list {
		kind := byte(0)
		if p.there {
			kind |= 1
		}
		if p.rest {
			kind |= 2
		}
		b = append(b, kind)
		b = binary.LittleEndian.AppendUint64(b, uint64(p.at))
		b = binary.LittleEndian.AppendUint32(b, p.stored)
		b = append(b, p.key[:]...)
	}
	return b, nil
}

// receiving is the decoder shared by all received files: it keeps no state between blocks, and
// takes more memory than a small file.
var receiving = sync.OnceValues(newDecoder)

// Receive opens a file in the process that received it. group requests a group from the
// other process.
func Receive(h Handed, data, rest io.ReaderAt, group func(int) ([]byte, error)) (*File, error) {
	decoder, err := receiving()
	if err != nil {
		return nil, err
	}
	return &File{size: h.Size, spans: h.Spans, data: data, rest: rest, decoder: decoder, places: func(n int) (_ []place, err error) {
		b := h.First
		if n > 0 || b == nil {
			if b, err = group(n); err != nil {
				return nil, err
			}
		}
		list := make([]place, len(b)/placeSize)
		for i := range list {
			p := b[i*placeSize:]
			list[i] = place{there: p[0]&1 != 0, rest: p[0]&2 != 0, at: int64(binary.LittleEndian.Uint64(p[1:])), stored: binary.LittleEndian.Uint32(p[9:])}
			copy(list[i].key[:], p[13:])
		}
		return list, nil
	}}, nil
}
