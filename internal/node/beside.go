package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/ledger"
)

// ErrWriteProtected says that nothing can be recorded in a store.
var ErrWriteProtected = errors.New("the store is write-protected")

// A store whose ledger cannot be written, since it is on write-protected media or its
// disk is full, is read all the same: the acts go into a ledger of the reader's own,
// with the reader's own key. Its first entry, and one for each state of the store that is
// read later, has the store's signed checkpoint, and with it the root of its ledger.
type besideLedger struct {
	dir  string // of the reader, for this store
	from string // the store's folder
	o    ledger.Options

	mu     sync.Mutex
	ledger *ledger.Ledger // nil until it is needed
}

// The files of a reader for a store.
const (
	readerKeyName  = "reader.key"
	checkpointName = "checkpoint"
)

// besideDir is where a reader's files for a store are. Copies of one store have the same
// id, and the same place.
func besideDir(o Options, store string) string {
	return filepath.Join(o.ReaderDir, filepath.Base(store))
}

// Append records an act in the reader's ledger, which it makes if there is none.
func (b *besideLedger) Append(ctx context.Context, act ledger.Act) (ledger.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ledger == nil {
		l, err := b.open(ctx, act.Actor)
		if err != nil {
			return ledger.Entry{}, fmt.Errorf("record %s beside the store: %w", act.Action, err)
		}
		b.ledger = l
	}
	return b.ledger.Append(ctx, act)
}

func (b *besideLedger) open(ctx context.Context, actor string) (_ *ledger.Ledger, err error) {
	k, err := b.keys()
	if err != nil {
		return nil, err
	}
	o := b.o
	o.PublicKey, o.PrivateKey = k.public, k.private
	dir := filepath.Join(b.dir, ledgerDir)
	l, err := ledger.Open(dir, o)
	if errors.Is(err, fs.ErrNotExist) {
		if l, err = ledger.Create(dir, o); errors.Is(err, fs.ErrExist) {
			l, err = ledger.Open(dir, o) // another process was quicker
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

// keys reads the reader's keys, or makes them.
func (b *besideLedger) keys() (keys, error) {
	k, err := readerKeys(b.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k.private, k.public, err = ledger.NewKey("argus/" + filepath.Base(b.dir) + "/reader"); err != nil {
		return k, err
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return k, err
	}
	// Whole or not at all, and the first of two processes stays.
	temporary := filepath.Join(b.dir, fmt.Sprintf("%s.%d.tmp", readerKeyName, os.Getpid()))
	err = writeOnce(temporary, []byte(k.private+"\n"+k.public+"\n"))
	if err == nil {
		err = os.Link(temporary, filepath.Join(b.dir, readerKeyName))
	}
	_ = os.Remove(temporary)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return k, err
	}
	if err := syncDir(b.dir); err != nil {
		return k, err
	}
	return readerKeys(b.dir)
}

func readerKeys(dir string) (keys, error) {
	data, err := os.ReadFile(filepath.Join(dir, readerKeyName))
	private, public, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	return keys{private: private, public: public}, err
}

// name has the ledger name the state of the store, unless one of the last entries does.
func (b *besideLedger) name(ctx context.Context, l *ledger.Ledger, actor string) error {
	const last = 1000
	checkpoint, err := os.ReadFile(filepath.Join(b.from, ledgerDir, checkpointName))
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
			named = e.Detail[checkpointName]
		}
	}
	if named == string(checkpoint) {
		return nil
	}
	_, err = l.Append(ctx, ledger.Act{Actor: actor, Action: ledger.OpenStore, Subject: filepath.Base(b.dir), Detail: map[string]string{checkpointName: string(checkpoint)}})
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

// recorder is the store's ledger, and the reader's for what the store's cannot take.
type recorder struct {
	*ledger.Ledger
	beside    *besideLedger
	protected bool
	went      atomic.Bool // an act went beside
	tell      func()      // told of the first
}

func (r *recorder) isBeside() bool { return r.protected || r.went.Load() }

// Append records an act in the store's ledger, or beside it.
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

// isProtected says whether the ledger of a store cannot be written by this process.
func isProtected(dir string) bool {
	for _, name := range []string{ledgerDir, ledgerDir + "/lock", ledgerDir + "/" + checkpointName} {
		if durable.WriteProtected(filepath.Join(dir, filepath.FromSlash(name))) {
			return true
		}
	}
	return false
}

// BesideLedger is the reader's ledger for a store.
type BesideLedger struct {
	// Dir is its folder, and Key the reader's public key.
	Dir     string         `json:"dir"`
	Key     string         `json:"key"`
	Entries []ledger.Entry `json:"entries"`
}

// Beside returns the last acts that this reader recorded beside the store, and what
// checking them gives; nil if there are none. They are the reader's own: no authority is asked.
func (n *Node) Beside(ctx context.Context, limit int) (*BesideLedger, *LedgerReport, error) {
	dir := besideDir(n.o, n.Info.Store)
	k, err := readerKeys(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the ledger beside the store: %w", err)
	}
	b := &BesideLedger{Dir: filepath.Join(dir, ledgerDir), Key: k.public}
	report, err := verifyLedgerIn(ctx, b.Dir, b.Key, b.Dir)
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

// temp makes a temporary file beside the originals, or where that cannot be, among the
// reader's own files.
func (n *Node) temp() (*os.File, error) {
	if !n.protected {
		return n.evidence.TempFile()
	}
	dir := besideDir(n.o, n.Info.Store)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "reading-*.tmp")
	if err == nil {
		os.Remove(f.Name())
	}
	return f, err
}

// openProtectedIndex opens the index of a write-protected store. If there is none, or it
// has not seen all of the evidence, one is made among the reader's own files.
func (n *Node) openProtectedIndex(ctx context.Context) error {
	var err error
	n.index, err = embedded.Open(indexPath(n.dir), embedded.Options{Evidence: Copies{Current: n.current}, ReadOnly: true})
	if err != nil && !errors.Is(err, embedded.ErrOutdated) {
		return err
	}
	if err == nil {
		if err := n.checkMark(); err != nil {
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
	// Another state of the store, or another copy, has another index.
	checkpoint, err := os.ReadFile(filepath.Join(n.dir, ledgerDir, checkpointName))
	if err != nil {
		return err
	}
	dir := filepath.Join(besideDir(n.o, n.Info.Store), fmt.Sprintf("index-%x", sha256.Sum256(checkpoint)))
	n.note("The index of the store has not seen all that is in the store, and cannot be written. Another one is in " + dir + ".")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	return n.openIndexIn(ctx, dir)
}
