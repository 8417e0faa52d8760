package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/verify"
)

// openIndex opens the index that this Argus uses. Another implementation would become
// another case here.
func openIndex(dir string, o index.Options) (index.Index, error) {
	ix, err := embedded.Open(dir, embedded.Options{Evidence: o.Evidence, Mark: o.Mark, ReadOnly: o.ReadOnly, Rebuild: o.Rebuild})
	if err != nil {
		return nil, err
	}
	return ix, nil
}

// keepIndex opens the index in a folder as its keeper or, if another process keeps it, as
// a reader. It rebuilds an index of another version. It returns an error for a damaged
// index, because rebuilding it here would hide the damage.
func (n *Node) keepIndex(ctx context.Context, dir string) error {
	var err error
	o := index.Options{Evidence: evidence.Copies{Current: n.current}, Mark: n.evidence.Mark}
	n.index, err = openIndex(dir, o)
	if errors.Is(err, index.ErrOutdated) {
		n.note("Another version of Argus built the index. Argus rebuilds it from the evidence.")
		o.Rebuild = true
		n.index, err = openIndex(dir, o)
	}
	if errors.Is(err, argus.ErrLocked) {
		o.ReadOnly, o.Rebuild = true, false
		if n.index, err = openIndex(dir, o); err != nil {
			return err
		}
		if err := n.checkMark(ctx); err != nil {
			return err
		}
		return n.current.Know(n.index.Readings())
	}
	if err != nil {
		return err
	}
	n.followers = []follower{{"index", n.index}}
	if err = n.adopt(); err == nil {
		err = n.checkMark(ctx)
	}
	if err == nil && !n.o.Write { // otherwise the delivery updates the index
		err = n.catchUp(ctx)
	}
	return n.withoutRoom(err)
}

// openProtectedIndex opens the index of a write-protected store. If there is none, or if
// it has not seen all of the evidence, an index is built among the reader's own files.
func (n *Node) openProtectedIndex(ctx context.Context) error {
	var err error
	n.index, err = openIndex(layout.File(n.dir, layout.Index), index.Options{Evidence: evidence.Copies{Current: n.current}, ReadOnly: true})
	if err != nil && !errors.Is(err, index.ErrOutdated) {
		return err
	}
	if err == nil {
		if err := n.checkMark(ctx); err != nil {
			return err
		}
	}
	newest, newestErr := n.current.Newest()
	if newestErr != nil {
		return newestErr
	}
	if err == nil && n.index.Position() >= n.evidence.Last() && n.index.Readings() == newest {
		return n.current.Know(newest)
	}
	if err == nil {
		if err := n.index.Close(); err != nil {
			return err
		}
	}
	// Each state of the store, and each copy of it, has its own index.
	checkpoint, err := layout.Read(durable.OS{}, n.dir, layout.Checkpoint)
	if err != nil {
		return err
	}
	dir := filepath.Join(besideDir(n.o, n.Info.Store), fmt.Sprintf("index-%x", sha256.Sum256(checkpoint)))
	if err := makeReaderDir(dir); err != nil {
		return err
	}
	n.note("The index of the store is behind the evidence and cannot be written. Argus uses an index in " + dir + ".")
	return n.keepIndex(ctx, dir)
}

// withoutRoom continues with the existing index if the disk has no room for a newer one.
func (n *Node) withoutRoom(err error) error {
	if !durable.NoRoom(err) || n.o.Write {
		return err
	}
	n.followers = nil
	n.note(fmt.Sprintf("The disk is full: the index ends at record %d of %d, and answers do not cover later records. Free some space and ask again.", n.index.Position(), n.evidence.Last()))
	return n.current.Know(n.index.Readings())
}

// checkMark refuses an index that was built from other evidence. If the evidence cannot
// be read here, checkMark accepts the index, and whoever needs that part of the evidence
// gets the error.
func (n *Node) checkMark(ctx context.Context) error {
	// The index may already have records that were added meanwhile.
	if err := n.evidence.Refresh(); err != nil {
		return err
	}
	position, mark := n.index.Mark()
	if position == 0 {
		return nil
	}
	if err := n.evidence.Marked(position, mark); errors.Is(err, evidence.ErrOther) {
		if _, err := n.evidence.Get(ctx, position); errors.Is(err, argus.ErrDamaged) {
			return fmt.Errorf("open store: %w", err) // the index itself may be sound
		}
		return fmt.Errorf("open index: %w; `argus reindex` rebuilds it from this evidence", err)
	}
	return nil
}

// Reindex deletes the index and builds it again from the evidence. It returns the number
// of messages in it.
func Reindex(ctx context.Context, dir string, o Options) (uint64, error) {
	o, err := o.withDefaults()
	if err != nil {
		return 0, err
	}
	if _, err := readInfo(dir, true); err != nil {
		return 0, err
	}
	if durable.WriteProtected(dir) || durable.WriteProtected(layout.File(dir, layout.Index)) {
		return 0, fmt.Errorf("rebuild the index of %s: %w", dir, admin.ErrWriteProtected)
	}
	store, err := evidence.Open(dir, evidence.Options{ReadOnly: true, Stop: ctx.Err})
	if err != nil {
		return 0, err
	}
	n := Node{o: o, evidence: store}
	messages, err := n.reindex(ctx, layout.File(dir, layout.Index))
	return messages, errors.Join(err, n.Close())
}

func (n *Node) reindex(ctx context.Context, dir string) (uint64, error) {
	var err error
	if n.current, err = evidence.NewCurrent(n.evidence); err != nil {
		return 0, err
	}
	n.index, err = openIndex(dir, index.Options{Evidence: evidence.Copies{Current: n.current}, Mark: n.evidence.Mark, Rebuild: true})
	if err != nil {
		return 0, err
	}
	n.followers = []follower{{"index", n.index}}
	if err = n.adopt(); err == nil {
		err = n.catchUp(ctx)
	}
	return n.index.Stats().Messages, err
}

// Verify recomputes, from a store's folder alone, everything that the store claims
// ([verify.Store]), including the index that this Argus uses.
func Verify(ctx context.Context, dir, key string, report func(verify.Finding), advance func(bytes int64)) (*verify.Verified, error) {
	return verify.Store(ctx, dir, verify.Options{Key: key, OpenIndex: openIndex, Report: report, Advance: advance})
}
