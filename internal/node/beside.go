package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/verify"
)

// A besideLedger is a reader's own ledger, signed with the reader's own key. It records
// acts on a store whose ledger cannot be written, because the medium is write-protected
// or the disk is full. Its first entry holds the store's signed checkpoint, and with it
// the root of the store's ledger. There is another such entry for each later state of the
// store that is read.
type besideLedger struct {
	dir  string // the folder of the reader's files for this store
	from string // the store's folder
	o    ledger.Options

	mu     sync.Mutex
	ledger *ledger.Ledger // nil until it is needed
}

// openedCheckpoint is the name of the detail that holds the store's checkpoint.
const openedCheckpoint = "checkpoint"

// besideDir returns the folder of a reader's files for a store. Copies of a store have
// the same id, and therefore the same folder.
func besideDir(o Options, store string) string {
	return filepath.Join(o.ReaderDir, filepath.Base(store))
}

// besideError is an error from a reader's own ledger, which is in the folder dir.
type besideError struct {
	error
	dir string
}

func (e *besideError) Unwrap() error { return e.error }

// makeReaderDir makes a folder for a reader's own files.
func makeReaderDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for the reader's own files: %w; name another one with --reader or $ARGUS_READER", err)
	}
	return nil
}

// Append records an act in the reader's ledger, and creates the ledger if there is none.
func (b *besideLedger) Append(ctx context.Context, act ledger.Act) (ledger.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ledger == nil {
		l, err := b.open(ctx, act.Actor)
		if err != nil {
			return ledger.Entry{}, &besideError{fmt.Errorf("record %s beside the store: %w", act.Action, layout.Damaged(b.dir, err)), b.dir}
		}
		b.ledger = l
	}
	e, err := b.ledger.Append(ctx, act)
	if err != nil {
		err = &besideError{layout.Damaged(b.dir, err), b.dir}
	}
	return e, err
}

func (b *besideLedger) open(ctx context.Context, actor string) (_ *ledger.Ledger, err error) {
	if err := makeReaderDir(b.dir); err != nil {
		return nil, err
	}
	k, err := admin.MakeReaderKeys(b.dir)
	if err != nil {
		return nil, err
	}
	o := b.o
	o.PublicKey, o.PrivateKey = k.Public, k.Private
	dir := layout.File(b.dir, layout.Ledger)
	l, err := ledger.Open(dir, o)
	if errors.Is(err, fs.ErrNotExist) {
		if l, err = ledger.Create(dir, o); errors.Is(err, fs.ErrExist) {
			l, err = ledger.Open(dir, o) // another process was faster
		}
	}
	if err != nil {
		return nil, err
	}
	if err := b.name(ctx, l, actor); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// name records the state of the store in the ledger, unless one of the last entries does.
func (b *besideLedger) name(ctx context.Context, l *ledger.Ledger, actor string) error {
	const last = 1000
	checkpoint, err := layout.Read(durable.OS{}, b.from, layout.Checkpoint)
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	named := ""
	for e, err := range l.Entries(ctx, size-min(size, last)+1, last) {
		if err != nil {
			return err
		}
		if e.Action == ledger.OpenStore {
			named = e.Detail[openedCheckpoint]
		}
	}
	if named == string(checkpoint) {
		return nil
	}
	_, err = l.Append(ctx, ledger.Act{Actor: actor, Action: ledger.OpenStore, Subject: filepath.Base(b.dir), Detail: map[string]string{openedCheckpoint: string(checkpoint)}})
	return err
}

func (b *besideLedger) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ledger == nil {
		return nil
	}
	return b.ledger.Close()
}

// recorder writes to the store's ledger or, if that is not possible, to the reader's.
type recorder struct {
	*ledger.Ledger
	beside    *besideLedger
	protected bool
	went      atomic.Bool // an act went to the reader's ledger
	tell      func()      // called for the first such act
}

func (r *recorder) isBeside() bool { return r.protected || r.went.Load() }

// Append records an act in the store's ledger, or in the reader's.
func (r *recorder) Append(ctx context.Context, act ledger.Act) (ledger.Entry, error) {
	if !r.protected {
		e, err := r.Ledger.Append(ctx, act)
		if !durable.NoRoom(err) {
			return e, err
		}
	}
	e, err := r.beside.Append(ctx, act)
	if err == nil && !r.went.Swap(true) {
		r.tell()
	}
	return e, err
}

// isProtected reports whether this process cannot write the ledger of a store.
func isProtected(dir string) bool {
	for _, name := range []string{layout.Ledger, layout.LedgerLock, layout.Checkpoint} {
		if durable.WriteProtected(layout.File(dir, name)) {
			return true
		}
	}
	return false
}

// BesideLedger describes the reader's ledger for a store.
type BesideLedger struct {
	// Dir is its folder; Key is the reader's public key.
	Dir     string         `json:"dir"`
	Key     string         `json:"key"`
	Entries []ledger.Entry `json:"entries"`
}

// Beside returns the most recent acts that this reader recorded in his own ledger, and
// the result of checking that ledger. It returns nil if there is none. The acts are the
// reader's own, so no authority is needed.
func (n *Node) Beside(ctx context.Context, limit int) (*BesideLedger, *verify.LedgerReport, error) {
	dir := besideDir(n.o, n.Info.Store)
	k, err := admin.ReaderKeys(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the ledger beside the store: %w", err)
	}
	b := &BesideLedger{Dir: layout.File(dir, layout.Ledger), Key: k.Public}
	report, err := verify.LedgerIn(ctx, b.Dir, b.Key, b.Dir)
	if err != nil || !report.Sound() {
		return b, report, err
	}
	l, err := ledger.Open(b.Dir, ledger.Options{PublicKey: b.Key})
	if err != nil {
		return nil, nil, err
	}
	for e, err := range l.Entries(ctx, report.Entries-min(report.Entries, uint64(limit))+1, limit) {
		if err != nil {
			return nil, nil, errors.Join(err, l.Close())
		}
		b.Entries = append(b.Entries, e)
	}
	return b, report, l.Close()
}

// temp creates a temporary file next to the originals or, if that is impossible, among
// the reader's own files.
func (n *Node) temp() (*os.File, error) {
	if !n.protected {
		return n.evidence.TempFile()
	}
	dir := besideDir(n.o, n.Info.Store)
	if err := makeReaderDir(dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "reading-*.tmp")
	if err == nil {
		os.Remove(f.Name())
	}
	return f, err
}
