package original

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Kept is an original as it was kept.
type Kept struct {
	Name argus.FileName
	// Root is the Merkle tree hash (RFC 6962) over its blocks.
	Root argus.Hash
	// Hash is the SHA-256 of the original's bytes, and Size their number.
	Hash argus.Hash
	Size int64
}

// Put keeps the content of r. When it returns, the original is durable. Equal contents
// are kept only once, as long as they can be read in full; this applies to the first
// mostKnown originals whose tables have their SHA-256.
//
// The first call reads each existing table, about 30 µs each. Put takes about 4 MiB of
// memory, whatever the size of the file. If r returns an error, Put wraps it and keeps
// nothing.
func (s *Store) Put(ctx context.Context, r io.Reader) (Kept, error) {
	b := s.Batch()
	kept, err := b.Put(ctx, r)
	return kept, errors.Join(err, b.Commit())
}

// Batch keeps originals together: one request to the disk makes many of them durable, since it
// takes as long for one as for many. They share one folder, which is synced only once. Each
// waiting original holds two open files.
type Batch struct {
	s       *Store
	shard   byte   // the first byte of all names
	plain   []byte // reused
	waiting []*putting
	own     map[argus.Hash]Kept // originals waiting for Commit
	dirs    map[string]bool     // folders whose names have to become durable
}

// Batch begins a batch. Its originals are durable once Commit has returned. Commit must
// always be called, even after an error: it removes the files that are not kept.
func (s *Store) Batch() *Batch {
	b := &Batch{s: s, plain: make([]byte, together*BlockSize)}
	b.begin()
	return b
}

func (b *Batch) begin() {
	b.waiting, b.own, b.dirs = nil, map[argus.Hash]Kept{}, map[string]bool{}
	var shard [1]byte
	rand.Read(shard[:])
	b.shard = shard[0]
}

// Put does the same as [Store.Put], except that the original is not durable until Commit has
// returned.
func (b *Batch) Put(ctx context.Context, r io.Reader) (Kept, error) {
	p := &putting{s: b.s, plain: b.plain}
	kept, err := p.put(ctx, r, b.shard)
	var same *Kept
	if err == nil {
		same, err = b.same(ctx, &kept)
	}
	if err != nil || same != nil {
		if err = errors.Join(err, p.discard()); err != nil {
			return Kept{}, err
		}
		return *same, nil
	}
	p.kept = kept
	b.waiting, b.own[kept.Hash] = append(b.waiting, p), kept
	return kept, nil
}

// same returns the original that already has these bytes, or nil.
func (b *Batch) same(ctx context.Context, kept *Kept) (*Kept, error) {
	if own, ok := b.own[kept.Hash]; ok {
		return &own, nil
	}
	b.s.indexing.Lock()
	defer b.s.indexing.Unlock()
	if err := b.s.index(); err != nil {
		return nil, err
	}
	same, err := b.s.same(ctx, kept)
	if same != nil {
		// A crash may have happened after the file was renamed but before the name was durable.
		b.dirs[b.s.dir], b.dirs[b.s.shard(same.Name)] = true, true
	}
	return same, err
}

// Commit makes the originals durable and puts them in place. After an error, some of them may
// be in place.
func (b *Batch) Commit() error {
	if len(b.waiting)+len(b.dirs) == 0 {
		return nil
	}
	var files []durable.File
	for _, p := range b.waiting {
		files = append(files, p.files...)
	}
	err := each(files, durable.File.Sync)
	for _, f := range files {
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		err = b.install()
	}
	for _, p := range b.waiting {
		p.files = nil
		err = errors.Join(err, p.discard())
	}
	b.begin()
	return err
}

// each calls do with all elements of a list, many at a time: one write of the disk's journal
// serves all calls that are waiting for it.
func each[T any](list []T, do func(T) error) error {
	const most = 64
	errs := make([]error, len(list))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(most, len(list)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				errs[i] = do(list[i])
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// putting keeps one original.
type putting struct {
	s           *Store
	data, table durable.File
	files       []durable.File // both files, while they are open
	temporary   []string       // their names, until they are in place
	kept        Kept

	dataAt, tableAt, groupAt int64
	entries                  []entry // of the current group
	secrets                  []secret
	buffer                   []byte
	plain                    []byte // the bytes read last
}

// discard closes and removes the files that are not in place.
func (p *putting) discard() error {
	var err error
	for _, f := range p.files {
		err = errors.Join(err, f.Close())
	}
	for _, name := range p.temporary {
		// A discarded second copy must not leave keys on the disk.
		if strings.HasSuffix(name, tableFile+".tmp") {
			err = errors.Join(err, p.s.scrub(name))
		} else {
			err = errors.Join(err, p.s.disk.Remove(name))
		}
	}
	p.files, p.temporary = nil, nil
	return err
}

func (p *putting) put(ctx context.Context, r io.Reader, shard byte) (kept Kept, err error) {
	s := p.s
	rand.Read(kept.Name[:])
	kept.Name[0] = shard
	incoming := s.path(fmt.Sprintf("incoming-%d", s.incoming.Add(1)))
	if p.data, err = p.create(incoming+dataFile+".tmp", 0o400); err != nil {
		return kept, err
	}
	if p.table, err = p.create(incoming+tableFile+".tmp", 0o600); err != nil {
		return kept, err
	}
	p.tableAt, p.groupAt = tableHead, dataHead
	p.buffer = blocksHead(dataMagic, kept.Name, 0)
	whole, leaves := sha256.New(), newTree()
	plain := p.plain
	for first := 0; ; first += together {
		if err := ctx.Err(); err != nil {
			return kept, err
		}
		n, err := io.ReadFull(r, plain)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return kept, err
		}
		if n == 0 {
			break
		}
		if kept.Size += int64(n); kept.Size > MaxSize {
			return kept, fmt.Errorf("the file is longer than %d bytes, the maximum for an original", int64(MaxSize))
		}
		if err := p.seal(first, plain[:n], whole, leaves); err != nil {
			return kept, err
		}
		if n < len(plain) {
			break
		}
	}
	whole.Sum(kept.Hash[:0])
	if kept.Root, err = leaves.root(); err != nil {
		return kept, err
	}
	if err := errors.Join(p.flush(), p.group()); err != nil {
		return kept, err
	}
	return kept, p.finish(&kept)
}

// together is the number of blocks that are sealed at once.
const together = 16

// seal seals some blocks, on all cores, and writes them.
func (p *putting) seal(first int, plain []byte, whole io.Writer, leaves tree) error {
	var blocks [together]sealedBlock
	n := (len(plain) + BlockSize - 1) / BlockSize
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			blocks[i] = p.s.seal(first+i, plain[i*BlockSize:min(len(plain), (i+1)*BlockSize)])
		}
	}
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		workers.Go(work)
	}
	_, _ = whole.Write(plain) // a hash never fails
	work()
	workers.Wait()
	for _, b := range blocks[:n] {
		if b.err != nil {
			return b.err
		}
		if err := leaves.Append(b.entry.leaf(), nil); err != nil {
			return err
		}
		p.buffer = append(p.buffer, b.stored...)
		p.entries, p.secrets = append(p.entries, b.entry), append(p.secrets, b.secret)
		if len(p.entries) == groupBlocks {
			if err := p.group(); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

type sealedBlock struct {
	stored []byte
	entry  entry
	secret secret
	err    error
}

func (s *Store) seal(block int, plain []byte) (b sealedBlock) {
	enc, ok := s.encoders.Get().(*zstd.Encoder)
	if !ok {
		if enc, b.err = newEncoder(); b.err != nil {
			return b
		}
	}
	defer s.encoders.Put(enc)
	b.stored, b.entry, b.secret, b.err = sealBlock(make([]byte, 0, BlockSize/2), enc, block, plain)
	return b
}

func (p *putting) create(name string, mode fs.FileMode) (durable.File, error) {
	f, err := p.s.disk.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_RDWR, mode)
	if err == nil {
		p.files, p.temporary = append(p.files, f), append(p.temporary, name)
	}
	return f, err
}

func (p *putting) flush() error {
	_, err := p.data.WriteAt(p.buffer, p.dataAt)
	p.dataAt += int64(len(p.buffer))
	p.buffer = p.buffer[:0]
	return err
}

// group writes the entries and the keys of some blocks. Their data may still be
// in the buffer.
func (p *putting) group() error {
	if len(p.entries) == 0 {
		return nil
	}
	secrets, err := packSecrets(p.secrets, p.s.o.Custodians)
	if err != nil {
		return err
	}
	b := appendGroup(nil, p.groupAt, p.entries, secrets)
	_, err = p.table.WriteAt(b, p.tableAt)
	p.tableAt += int64(len(b))
	for _, e := range p.entries {
		p.groupAt += int64(e.stored)
	}
	p.entries, p.secrets = p.entries[:0], p.secrets[:0]
	return err
}

// finish writes the end and then the beginning of the table.
func (p *putting) finish(kept *Kept) error {
	t := &table{name: kept.Name, size: kept.Size, root: kept.Root, tail: p.tableAt, custodians: texts(p.s.o.Custodians)}
	t.sealed = len(t.custodians) > 0
	tail, err := t.appendTail([]secret{{key: kept.Hash}}, p.s.o.Custodians)
	if err != nil {
		return err
	}
	if _, err := p.table.WriteAt(tail, p.tableAt); err != nil {
		return err
	}
	_, err = p.table.WriteAt(t.head(), 0)
	return err
}

// install puts the files in place.
func (b *Batch) install() error {
	s := b.s
	s.o.Failpoint("original.before-rename")
	s.indexing.Lock()
	defer s.indexing.Unlock()
	if len(b.waiting) > 0 && !s.shards[b.shard] {
		if err := errors.Join(s.disk.MkdirAll(s.shard(b.waiting[0].kept.Name)), s.disk.SyncDir(s.dir)); err != nil {
			return err
		}
		s.shards[b.shard] = true
	}
	for _, p := range b.waiting {
		for _, end := range [...]string{dataFile, tableFile} {
			name := fileOf(p.kept.Name, end)
			if err := s.disk.Rename(p.temporary[0], s.path(name)); err != nil {
				return fmt.Errorf("put %s in place: %w", name, err)
			}
			p.temporary = p.temporary[1:]
		}
		b.dirs[s.shard(p.kept.Name)] = true
	}
	if err := each(slices.Sorted(maps.Keys(b.dirs)), s.disk.SyncDir); err != nil {
		return err
	}
	for _, p := range b.waiting {
		s.know(p.kept.Hash, p.kept.Name)
	}
	return nil
}

// shard returns the folder of an original's files.
func (s *Store) shard(name argus.FileName) string { return filepath.Dir(s.path(DataFile(name))) }

// fingerprint is the first bytes of a SHA-256. It is kept only in memory.
type fingerprint [16]byte

// mostKnown is the maximum number of originals known by their SHA-256, at about 64 bytes of
// memory each. The contents of further originals may be kept twice.
const mostKnown = 1 << 20

func (s *Store) know(h argus.Hash, name argus.FileName) {
	if len(s.known) < mostKnown && h != (argus.Hash{}) {
		s.known[fingerprint(h[:16])] = name
	}
}

// index learns the existing contents at the first Put, from the end of each table. It skips
// tables that cannot be read or whose keys are encrypted to a different recipient; Verify
// reports the errors.
func (s *Store) index() error {
	if s.known != nil {
		return nil
	}
	s.known = map[fingerprint]argus.FileName{}
	for shard := range 256 {
		names, err := s.inShard(fmt.Sprintf("%02x", shard))
		if err != nil {
			return err
		}
		for _, name := range names {
			t, f, err := s.openTable(name, tableFile)
			if err != nil {
				continue
			}
			if h, err := t.whole(); err == nil {
				s.know(h, name)
			}
			f.Close()
		}
	}
	return nil
}

// inShard lists the originals whose names begin with the given byte.
func (s *Store) inShard(shard string) ([]argus.FileName, error) {
	entries, err := s.disk.ReadDir(filepath.Join(s.dir, shard))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for originals: %w", err)
	}
	var names []argus.FileName
	for _, e := range entries {
		if name, ok := NameOf(shard + "/" + e.Name()); ok && strings.HasSuffix(e.Name(), tableFile) {
			names = append(names, name)
		}
	}
	return names, nil
}

// same returns the original that already has these bytes, or nil. It reads the whole
// original, because damaged bytes do not count.
func (s *Store) same(ctx context.Context, kept *Kept) (*Kept, error) {
	name, ok := s.known[fingerprint(kept.Hash[:16])]
	if !ok {
		return nil, nil
	}
	f, err := s.Open(name)
	if err != nil {
		return nil, ctx.Err()
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	_, err = io.Copy(sum, &contextReader{ctx, io.NewSectionReader(f, 0, f.Size())})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || argus.Hash(sum.Sum(nil)) != kept.Hash {
		return nil, nil // the content is kept again, and Verify reports the damage to the other copy
	}
	return &Kept{Name: name, Root: f.root, Hash: kept.Hash, Size: kept.Size}, nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
