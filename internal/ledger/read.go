package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/argus-evidence/argus"
)

// Entries yields up to limit entries (0: all) from a sequence number on (0 is
// taken as 1), in order, as far as the checkpoint of this moment covers them.
// Each is compared with the tree's leaf; that the leaves are those that were
// signed is for [Verify] to say. An error ends it; argus.ErrDamaged means that
// stored bytes have changed.
func (l *Ledger) Entries(ctx context.Context, from uint64, limit int) iter.Seq2[Entry, error] {
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
			for _, e := range entries[(from-1)%layout.EntryBundleWidth:] {
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

// bundle reads the bundle that holds entry n, counted from 0.
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
		// A partial bundle goes when a longer one has come, with a new
		// checkpoint. With the old one, it is missing.
		if tried == size {
			return nil, fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		tried = size
	}
}

func (l *Ledger) bundleAt(n, size uint64) ([]Entry, error) {
	first := n - n%layout.EntryBundleWidth
	count := int(min(size-first, layout.EntryBundleWidth))
	path := bundlePath(n, size)
	raw, err := os.ReadFile(filepath.Join(l.dir, path))
	if err != nil {
		return nil, err
	}
	tile, err := os.ReadFile(filepath.Join(l.dir, tilePath(0, n, size)))
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
	entries := make([]Entry, count)
	for i, span := range spans {
		seq := first + uint64(i) + 1
		if leafHash(span.data) != leaves[i] {
			return nil, fmt.Errorf("read entry %d in %s at byte %d: it is not what was recorded: %w", seq, path, span.offset, argus.ErrDamaged)
		}
		if entries[i], err = decode(span.data); err != nil {
			return nil, fmt.Errorf("read %s at byte %d: %w: %w", path, span.offset, err, argus.ErrDamaged)
		}
		if entries[i].Seq != seq {
			return nil, fmt.Errorf("read %s at byte %d: entry %d says that it is number %d: %w", path, span.offset, seq, entries[i].Seq, argus.ErrDamaged)
		}
	}
	return entries, nil
}

// span is an encoded entry with its place in the bundle's file, where its two
// bytes of length begin.
type span struct {
	offset int
	data   []byte
}

// parseBundle splits a bundle (C2SP tlog-tiles): each entry has its length, two
// bytes, big endian, before it. It returns what it could read with the error.
func parseBundle(raw []byte, count int) ([]span, error) {
	spans := make([]span, 0, count)
	at := 0
	for range count {
		if len(raw)-at < 2 {
			return spans, fmt.Errorf("at byte %d the length of an entry is missing", at)
		}
		end := at + 2 + int(binary.BigEndian.Uint16(raw[at:]))
		if end > len(raw) {
			return spans, fmt.Errorf("at byte %d an entry is to end at byte %d, and the file at %d", at, end, len(raw))
		}
		spans = append(spans, span{at, raw[at+2 : end]})
		at = end
	}
	if at != len(raw) {
		return spans, fmt.Errorf("from byte %d on it holds more than %d entries", at, count)
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
