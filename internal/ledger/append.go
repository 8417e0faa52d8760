package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Append records an act. On return the entry is durable and covered by a
// signed checkpoint. With an error it may or may not be in the ledger, but
// nobody may act as if it were. Cancelling ctx ends the wait for others that
// append, not the writing. argus.ErrLocked: another process held the ledger
// for too long; argus.ErrDamaged: the ledger is not what was signed, and
// nothing more is signed until it is repaired.
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

// Hold keeps everybody else from appending while work goes on. Work appends with
// record, as [Ledger.Append] does, and with nothing else. argus.ErrLocked without
// a word of work: another process held the ledger for too long, and nothing was
// done.
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
		return l.record(ctx, act, last)
	})
}

// Correct records that the time of an entry was wrong, since the clock was ahead:
// from here on the time goes on from the entry before it. The error is
// argus.ErrNotFound if there is no such entry, and says why it cannot be corrected
// if the clock is not behind it, or if it was corrected before.
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
			return Entry{}, fmt.Errorf("entry %d is a correction already, and counts for all entries before it", e.Seq)
		}
	}
	switch now := l.now(); {
	case seq == 0 || of.IsZero():
		return Entry{}, argus.ErrNotFound
	case !now.Before(of):
		return Entry{}, fmt.Errorf("the clock, at %s, is not behind it", now.UTC().Format(time.RFC3339))
	case !before.Before(of):
		return Entry{}, fmt.Errorf("the entry before it has the same time; name the first entry with a wrong one")
	}
	return l.record(ctx, act, before)
}

// record appends an act, under the lock, whose time is not before another.
func (l *Ledger) record(ctx context.Context, act Act, earliest time.Time) (Entry, error) {
	last, err := l.head()
	if err != nil {
		return Entry{}, err
	}
	tree, err := l.recover(last)
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
	if err := l.start(); err != nil {
		return Entry{}, err
	}
	// The envelope reaches the disk while Tessera writes the entry, and both before
	// the checkpoint.
	kept := make(chan error, 1)
	go func() { kept <- l.keepEnvelope(entry.Seq, envelope) }()
	// The future resolves when Tessera has written and synced the entry, the
	// tiles and its state.
	_, err = l.appender.Add(context.WithoutCancel(ctx), tessera.NewEntry(data))()
	if err = errors.Join(err, <-kept); err != nil {
		return Entry{}, err
	}
	written, err := l.readTreeState()
	if err != nil {
		return Entry{}, err
	}
	next := head{entry.Seq, rootOf(tree.add(leafHash(data)))}
	if written != next {
		return Entry{}, fmt.Errorf("the tree does not extend the last checkpoint: %w", argus.ErrDamaged)
	}
	if err := l.publish(next); err != nil {
		return Entry{}, err
	}
	l.known.set(next.size, entry.Time)
	l.prune(last.size)
	return entry, nil
}

// recover makes the tree what the last checkpoint says: what an interrupted
// Append wrote beyond it was never acknowledged and will be overwritten.
func (l *Ledger) recover(last head) (edge, error) {
	state, err := l.readTreeState()
	if err != nil {
		return nil, err
	}
	if state.size < last.size || state.size == last.size && state.root != last.root {
		return nil, fmt.Errorf("%s is not of the last checkpoint: %w", treeStateName, argus.ErrDamaged)
	}
	tree, err := l.readEdge(last.size, last.size)
	if err != nil {
		return nil, err
	}
	if rootOf(tree) != last.root {
		return nil, fmt.Errorf("the tiles are not of the last checkpoint: %w", argus.ErrDamaged)
	}
	if state != last {
		return tree, durable.Replace(l.disk, filepath.Join(l.dir, treeStateName), last.treeState())
	}
	return tree, nil
}

// readEdge reads the right edge that the tree had with a number of entries, from
// the tiles of the size that it has.
func (l *Ledger) readEdge(entries, size uint64) (edge, error) {
	var tree edge
	for level := 0; nodesAt(level, entries) > 0; level++ {
		n := nodesAt(level, entries)
		if n%layout.TileWidth == 0 {
			tree = append(tree, nil)
			continue
		}
		path := tilePath(level, n, size)
		raw, err := os.ReadFile(filepath.Join(l.dir, path))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing: %w: %w", path, err, argus.ErrDamaged)
		} else if err != nil {
			return nil, err
		}
		count := int(min(nodesAt(level, size)-n+n%layout.TileWidth, layout.TileWidth))
		nodes, ok := parseTile(raw, count)
		if !ok {
			return nil, fmt.Errorf("%s has %d bytes: %w", path, len(raw), argus.ErrDamaged)
		}
		tree = append(tree, nodes[:n%layout.TileWidth])
	}
	return tree, nil
}

// prune removes the partial tiles of a size that was outgrown by one entry:
// the longer ones hold all that they held. What a crash leaves of them does no
// harm, so an error does not matter.
func (l *Ledger) prune(size uint64) {
	for level := 0; nodesAt(level, size) != nodesAt(level, size+1); level++ {
		n := nodesAt(level, size)
		if n%layout.TileWidth == 0 {
			continue
		}
		paths := []string{tilePath(level, n, size)}
		if level == 0 {
			paths = append(paths, bundlePath(n, size))
		}
		for _, path := range paths {
			path = filepath.Join(l.dir, path)
			os.Remove(path)
			if (n+1)%layout.TileWidth == 0 {
				os.Remove(filepath.Dir(path))
			}
		}
	}
}

// lock makes this the only one that appends, in this process (turn) and among
// all (a lock on a file of our own: Tessera's locks belong to the process, and
// end when any file of that name is closed in it).
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
	if err := flock(ctx, l.lockFile, syscall.LOCK_EX); err != nil {
		<-l.turn
		return nil, err
	}
	return func() {
		// The lock also ends with the file; unlocking has no way to fail.
		_ = syscall.Flock(int(l.lockFile.Fd()), syscall.LOCK_UN)
		<-l.turn
	}, nil
}

// flock polls, as a wait in the kernel could not be cancelled.
func flock(ctx context.Context, f *os.File, how int) error {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
