package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Entries yields up to limit entries (0 for all) in order, with the content of their envelopes.
// It begins at a sequence number (0 counts as 1) and goes as far as the current checkpoint.
// Each entry is compared with its leaf in the tree, and each envelope with its entry; [Verify]
// checks that the leaves are the signed ones. Entries ends at the first error; argus.ErrDamaged
// means that stored bytes have changed.
func (l *Ledger) Entries(ctx context.Context, from uint64, limit int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var held map[uint64]envelope
		var of uint64 // the first entry, counted from 1, of the bundle in held
		for e, err := range l.Sealed(ctx, from, limit) {
			if n := (e.Seq + tileWidth - 1) / tileWidth; err == nil && n != of {
				of = n
				held, err = l.envelopes(e.Seq)
			}
			if err == nil {
				err = e.open(held)
			}
			if err == nil && e.Destroyed {
				var orders []order
				orders, err = l.ordersNow(ctx)
				e.DestroyedBy = orderedBy(orders, e.Seq)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Sealed yields entries as Entries does, without opening envelopes: only the parts in
// the log itself.
func (l *Ledger) Sealed(ctx context.Context, from uint64, limit int) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		size, err := l.Size()
		if err != nil {
			yield(Entry{}, fmt.Errorf("read the ledger: %w", err))
			return
		}
		from := max(from, 1)
		if limit > 0 {
			size = min(size, from-1+uint64(limit))
		}
		for from <= size {
			entries, err := l.bundle(from - 1)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("read the ledger: %w", err))
				return
			}
			for _, e := range entries {
				if from > size {
					return
				}
				if !yield(e, nil) {
					return
				}
				from++
			}
		}
	}
}

// last returns the time of the last entry, or zero if there is none.
func (l *Ledger) last() (time.Time, error) {
	size, err := l.Size()
	if err != nil || size == 0 {
		return time.Time{}, err
	}
	if at, ok := l.known.get(size); ok {
		return at, nil
	}
	entries, err := l.bundle(size - 1) // may include entries appended since
	if err != nil {
		return time.Time{}, err
	}
	e := entries[len(entries)-1]
	l.known.set(e.Seq, e.Time)
	return e.Time, nil
}

// Now returns the later of the clock and the time of the last entry: setting a clock back does
// not revive what has expired.
func (l *Ledger) Now() (time.Time, error) {
	now := l.now()
	at, err := l.last()
	if err != nil {
		return now, fmt.Errorf("read the time of the last entry of the ledger: %w", err)
	}
	if at.After(now) {
		now = at
	}
	return now, nil
}

// Head returns the number of entries, and the root over them.
func (l *Ledger) Head() (argus.LedgerHead, error) {
	h, err := l.head()
	return argus.LedgerHead{Entries: h.size, Root: h.root}, err
}

// Extends reports whether the ledger once had the given head, that is, whether the root
// over its first entries is the same.
func (l *Ledger) Extends(of argus.LedgerHead) (bool, error) {
	for tried := uint64(0); ; {
		size, err := l.Size()
		if err != nil || of.Entries > size {
			return false, err
		}
		tree, err := l.readEdge(of.Entries, size)
		if err == nil {
			return rootOf(tree) == of.Root, nil
		}
		// Partial tiles are removed when longer ones exist.
		if !errors.Is(err, fs.ErrNotExist) || tried == size {
			return false, fmt.Errorf("read the ledger: %w", err)
		}
		tried = size
	}
}

// bundle reads the bundle that holds entry n (counted from 0), and returns the entries from n
// on.
func (l *Ledger) bundle(n uint64) ([]Entry, error) {
	for tried := uint64(0); ; {
		size, err := l.Size()
		if err != nil {
			return nil, err
		}
		entries, err := l.bundleAt(n, size)
		if !errors.Is(err, fs.ErrNotExist) {
			return entries, err
		}
		// A partial bundle is removed once a longer one exists, under a new checkpoint.
		// If the checkpoint is still the old one, the bundle is missing.
		if tried == size {
			return nil, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		tried = size
	}
}

func (l *Ledger) bundleAt(n, size uint64) ([]Entry, error) {
	first := n - n%tileWidth
	count := int(min(size-first, tileWidth))
	path := bundlePath(n, size)
	raw, err := l.read(path)
	if err != nil {
		return nil, err
	}
	tile, err := l.read(tilePath(0, n, size))
	if err != nil {
		return nil, err
	}
	leaves, ok := parseTile(tile, count)
	if !ok {
		return nil, fmt.Errorf("read %s: it has %d bytes: %w", tilePath(0, n, size), len(tile), argus.ErrDamaged)
	}
	spans, err := parseBundle(raw, count)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", path, err, argus.ErrDamaged)
	}
	var entries []Entry
	for i := int(n - first); i < count; i++ {
		seq, span := first+uint64(i)+1, spans[i]
		if leafHash(span.data) != leaves[i] {
			return nil, fmt.Errorf("read entry %d in %s at byte %d: it differs from the recorded entry: %w", seq, path, span.offset, argus.ErrDamaged)
		}
		e, err := decode(span.data)
		if err != nil {
			return nil, fmt.Errorf("read %s at byte %d: %w", path, span.offset, err)
		}
		if e.Seq != seq {
			return nil, fmt.Errorf("read %s at byte %d: entry %d states the number %d: %w", path, span.offset, seq, e.Seq, argus.ErrDamaged)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// read reads a file of the ledger.
func (l *Ledger) read(name string) ([]byte, error) {
	raw, err := durable.ReadFile(l.disk, filepath.Join(l.dir, name), longest)
	if errors.Is(err, durable.ErrUnfit) {
		err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
	}
	return raw, err
}

// span is an encoded entry, with the offset in the bundle's file at which its two bytes of
// length begin.
type span struct {
	offset int
	data   []byte
}

// parseBundle splits a bundle (C2SP tlog-tiles): each entry is preceded by its length (two
// bytes, big endian). If it fails, it also returns the entries before the fault.
func parseBundle(raw []byte, count int) ([]span, error) {
	spans := make([]span, 0, count)
	at := 0
	for range count {
		if len(raw)-at < 2 {
			return spans, fmt.Errorf("at byte %d the length of an entry is missing", at)
		}
		end := at + 2 + int(binary.BigEndian.Uint16(raw[at:]))
		if end > len(raw) {
			return spans, fmt.Errorf("the entry at byte %d should end at byte %d, but the file ends at byte %d", at, end, len(raw))
		}
		spans = append(spans, span{at, raw[at+2 : end]})
		at = end
	}
	if at != len(raw) {
		return spans, fmt.Errorf("from byte %d on, there are more than %d entries", at, count)
	}
	return spans, nil
}

// parseTile splits a tile into its nodes.
func parseTile(raw []byte, count int) ([]argus.Hash, bool) {
	if len(raw) != count*len(argus.Hash{}) {
		return nil, false
	}
	nodes := make([]argus.Hash, count)
	for i := range nodes {
		nodes[i] = argus.Hash(raw[i*len(argus.Hash{}):])
	}
	return nodes, true
}
