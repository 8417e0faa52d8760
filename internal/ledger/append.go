package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Append records an act. On return the entry is durable and covered by a signed
// checkpoint. If it returns an error, the entry may or may not be in the ledger, but
// nobody may act as if it were. Cancelling ctx ends the wait for other appenders, not the
// writing. argus.ErrLocked means that another process held the ledger for too long;
// argus.ErrDamaged, that the ledger differs from the signed one, and nothing more is
// signed until it is repaired.
func (l *Ledger) Append(ctx context.Context, act Act) (Entry, error) {
	entry, err := l.append(ctx, act)
	if err != nil {
		return Entry{}, fmt.Errorf("record %s in the ledger: %w", act.Action, err)
	}
	return entry, nil
}

func (l *Ledger) append(ctx context.Context, act Act) (entry Entry, err error) {
	err = l.Hold(ctx, func(record func(Act) (Entry, error)) error {
		entry, err = record(act)
		return err
	})
	return entry, err
}

// Hold keeps all others from appending while work runs. work must append only with record,
// which does the same as [Ledger.Append]. argus.ErrLocked, unless work returned it, means that
// another process held the ledger for too long, and nothing was done.
func (l *Ledger) Hold(ctx context.Context, work func(record func(Act) (Entry, error)) error) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.settle(ctx); err != nil {
		return err
	}
	return work(func(act Act) (Entry, error) {
		last, err := l.last()
		if err != nil {
			return Entry{}, err
		}
		return l.record(act, last)
	})
}

// Correct records that the time of an entry was wrong because the clock was ahead: from
// now on, the time continues from the entry before it. The error is argus.ErrNotFound if
// there is no such entry; other errors explain that the clock is not behind the entry, or
// that the entry was already corrected.
func (l *Ledger) Correct(ctx context.Context, actor string, seq uint64, reason string) (Entry, error) {
	entry, err := l.correct(ctx, Act{Actor: actor, Action: Correct, Subject: strconv.FormatUint(seq, 10), Detail: map[string]string{"reason": reason}}, seq)
	if err != nil {
		return Entry{}, fmt.Errorf("correct the time of entry %d: %w", seq, err)
	}
	return entry, nil
}

func (l *Ledger) correct(ctx context.Context, act Act, seq uint64) (Entry, error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if err := l.settle(ctx); err != nil {
		return Entry{}, err
	}
	var before, of time.Time
	for e, err := range l.Sealed(ctx, max(seq, 2)-1, 0) {
		switch {
		case err != nil:
			return Entry{}, err
		case e.Seq < seq:
			before = e.Time
		case e.Seq == seq:
			of = e.Time
		case e.Action == Correct:
			return Entry{}, fmt.Errorf("entry %d is already a correction, and it covers all entries before it", e.Seq)
		}
	}
	switch now := l.now(); {
	case seq == 0 || of.IsZero():
		return Entry{}, argus.ErrNotFound
	case !now.Before(of):
		return Entry{}, fmt.Errorf("the clock shows %s, which is not earlier than the time of the entry", now.UTC().Format(time.RFC3339))
	case !before.Before(of):
		return Entry{}, fmt.Errorf("the entry before it has the same time; specify the first entry with a wrong time")
	}
	return l.record(act, before)
}

// record appends an act, under the lock, with a time that is not before earliest.
func (l *Ledger) record(act Act, earliest time.Time) (Entry, error) {
	last, err := l.head()
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Seq: last.size + 1, Time: l.now().UTC().Truncate(time.Microsecond), Act: act.clean()}
	if entry.Time.Before(earliest) {
		entry.Time, entry.Clock = earliest, entry.Time
	}
	data, envelope, err := entry.seal()
	if err != nil {
		return Entry{}, err
	}
	// The envelope and the entry reach the disk at the same time, and both before the
	// checkpoint.
	kept := make(chan error, 1)
	go func() { kept <- l.keepEnvelope(entry.Seq, envelope) }()
	next, err := l.grow(last, data)
	if err = errors.Join(err, <-kept); err != nil {
		return Entry{}, err
	}
	if err := l.publish(next); err != nil {
		return Entry{}, err
	}
	l.known.set(next.size, entry.Time)
	l.prune(last.size)
	return entry, nil
}

// grow makes durable the entry that follows those of a head, and the tiles that it changes, and
// returns the head that covers it. It overwrites the leftovers of an interrupted act, which was
// never acknowledged.
func (l *Ledger) grow(last head, data []byte) (head, error) {
	tree, err := l.readEdge(last.size, last.size)
	if err != nil {
		return head{}, err
	}
	if rootOf(tree) != last.root {
		return head{}, fmt.Errorf("the tiles do not match the last checkpoint: %w", argus.ErrDamaged)
	}
	bundle, err := l.partialBundle(last.size, tree)
	if err != nil {
		return head{}, err
	}
	if err := l.forgetTessera(); err != nil {
		return head{}, err
	}
	bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(data))), data...)
	size := last.size + 1
	if err := l.put(bundles, size, bundle); err != nil {
		return head{}, err
	}
	tree, tiles := tree.add(leafHash(data))
	for level := len(tiles) - 1; level >= 0; level-- { // the leaves come last: once they are there, everything is
		var tile []byte
		for _, node := range tiles[level] {
			tile = append(tile, node[:]...)
		}
		if err := l.put(level, size, tile); err != nil {
			return head{}, err
		}
	}
	return head{size, rootOf(tree)}, nil
}

// partialBundle reads the entries to be copied into a longer bundle, and compares them
// with their leaves. It is empty if a bundle has just been filled.
func (l *Ledger) partialBundle(size uint64, tree edge) ([]byte, error) {
	if size%tileWidth == 0 {
		return nil, nil
	}
	name := bundlePath(size-1, size)
	raw, err := l.covered(name)
	if err != nil {
		return nil, err
	}
	spans, err := parseBundle(raw, len(tree[0]))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w: %w", name, err, argus.ErrDamaged)
	}
	for i, s := range spans {
		if leafHash(s.data) != tree[0][i] {
			return nil, fmt.Errorf("read %s: the entry at byte %d differs from the recorded one: %w", name, s.offset, argus.ErrDamaged)
		}
	}
	return raw, nil
}

// put makes the last tile of a level, or the last bundle, durable.
func (l *Ledger) put(level int, size uint64, data []byte) error {
	last := nodesAt(max(level, 0), size) - 1
	name := filepath.Join(l.dir, tilePath(level, last, size))
	first := last%tileWidth == 0
	if first {
		if err := l.disk.MkdirAll(filepath.Dir(name)); err != nil {
			return err
		}
	}
	if err := durable.Replace(l.disk, name, data); err != nil || !first {
		return err
	}
	return l.syncFolders(name)
}

// syncFolders makes the names of a file's folders durable, because the folders may be new.
func (l *Ledger) syncFolders(name string) error {
	for dir := filepath.Dir(name); len(dir) >= len(l.dir); dir = filepath.Dir(dir) {
		if err := l.disk.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// covered reads a tile or a bundle that the checkpoint covers.
func (l *Ledger) covered(name string) ([]byte, error) {
	raw, err := l.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is missing: %w: %w", name, err, argus.ErrDamaged)
	}
	return raw, err
}

// readEdge reads the right edge that the tree had with the given number of entries, from
// the tiles of its current size.
func (l *Ledger) readEdge(entries, size uint64) (edge, error) {
	var tree edge
	for level := 0; nodesAt(level, entries) > 0; level++ {
		n := nodesAt(level, entries)
		if n%tileWidth == 0 {
			tree = append(tree, nil)
			continue
		}
		path := tilePath(level, n, size)
		raw, err := l.covered(path)
		if err != nil {
			return nil, err
		}
		count := int(min(nodesAt(level, size)-n+n%tileWidth, tileWidth))
		nodes, ok := parseTile(raw, count)
		if !ok {
			return nil, fmt.Errorf("%s has %d bytes: %w", path, len(raw), argus.ErrDamaged)
		}
		tree = append(tree, nodes[:n%tileWidth])
	}
	return tree, nil
}

// prune removes the partial tiles of a tree that has since grown by one entry: the longer tiles
// contain them. Leftover tiles do no harm, so an error does not matter.
func (l *Ledger) prune(size uint64) {
	for level := 0; nodesAt(level, size) != nodesAt(level, size+1); level++ {
		n := nodesAt(level, size)
		if n%tileWidth == 0 {
			continue
		}
		paths := []string{tilePath(level, n, size)}
		if level == 0 {
			paths = append(paths, bundlePath(n, size))
		}
		for _, path := range paths {
			path = filepath.Join(l.dir, path)
			_ = l.disk.Remove(path)
			if (n+1)%tileWidth == 0 {
				_ = l.disk.Remove(filepath.Dir(path))
			}
		}
	}
}

// tesseraState lists the files that Tessera, which wrote the ledger in earlier versions,
// kept next to the tiles: the number of entries it had written, and locks.
var tesseraState = []string{treeStateName, ".state/version", ".state/treeState.lock", ".state/publish.lock"}

const treeStateName = ".state/treeState"

// forgetTessera durably removes Tessera's state before there are more entries than it
// states.
func (l *Ledger) forgetTessera() error {
	found := false
	for _, name := range tesseraState {
		err := l.disk.Remove(filepath.Join(l.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		found = found || err == nil
	}
	if !found {
		return nil
	}
	folder := filepath.Join(l.dir, filepath.Dir(treeStateName))
	err := l.disk.SyncDir(folder)
	_ = l.disk.Remove(folder) // succeeds only if the folder is empty
	return err
}

// lock gives the caller the sole right to append, within this process (turn) and among all
// processes (a lock on a file).
func (l *Ledger) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.wait, argus.ErrLocked)
	defer cancel()
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l.signer == nil {
		<-l.turn
		return nil, errors.New("it is closed, or open for reading only")
	}
	release, err := lockFile(ctx, l.disk, filepath.Join(l.dir, lockName), true)
	if err != nil {
		<-l.turn
		return nil, err
	}
	return func() {
		release()
		<-l.turn
	}, nil
}

// lockFile polls, because a wait in the kernel could not be cancelled.
func lockFile(ctx context.Context, disk durable.Disk, name string, exclusive bool) (release func(), err error) {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		unlock, held, err := disk.Lock(name, exclusive)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if held {
			return func() { _ = unlock() }, nil // closing the file, which always happens, releases the lock
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
