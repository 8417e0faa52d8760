// Package node wires the parts into a running Argus, on one machine or many.
//
// The holder of a node can ingest deliveries, keep the index up to date, check the store
// and administer it. Data leaves only through its Desk.
package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// Options configure a node. The zero value works.
type Options struct {
	// KeyDir is the folder of private keys. Default: $ARGUS_KEYS, then argus/keys in the
	// user's configuration folder.
	KeyDir string
	// ReaderDir is the folder of a reader's own files for stores that cannot be written:
	// ledgers, their keys, indexes. Default: $ARGUS_READER, then argus/reader in the
	// user's configuration folder.
	ReaderDir string
	// Note is called with a sentence about each feature that does not work as usual.
	// Default: none.
	Note func(sentence string)
	// Formats are the formats to read. Default: none, so that nothing is recognised.
	Formats reader.Formats
	// Software names this Argus in seals.
	Software string
	// Write opens the evidence for a delivery.
	Write bool
	// Catching is called with the progress of the index if the index must catch up with
	// the evidence before use.
	Catching func(done, total uint64)
	// SegmentBytes is used by Create: the size at which a segment of evidence is closed.
	// Default: that of package evidence.
	SegmentBytes int64
	// Countries are used by Create: the countries of the case ([intake.Countries]).
	// Default: none.
	Countries []string
	// Failpoint ends the process at named moments, in tests.
	Failpoint func(name string)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Catching == nil {
		o.Catching = func(uint64, uint64) {}
	}
	if o.ReaderDir == "" {
		o.ReaderDir = os.Getenv("ARGUS_READER")
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	var err error
	if o.KeyDir, err = admin.KeyDir(o.KeyDir); err != nil {
		return o, err
	}
	if o.ReaderDir == "" {
		if config, err := os.UserConfigDir(); err == nil { // otherwise whoever needs the folder reports that it is missing
			o.ReaderDir = filepath.Join(config, "argus", "reader")
		}
	}
	return o, nil
}

// Node is an open store.
type Node struct {
	// Desk gives access to the data, and Admin administers the store.
	Desk  *desk.Desk
	Admin *admin.Admin
	Info  layout.StoreInfo

	dir         string
	o           Options
	keys        admin.Keys
	evidence    *evidence.Store
	current     *evidence.Current // the same, for index and desk
	index       index.Index
	followers   []follower // only those that this process keeps
	feeding     feeding
	following   sync.Mutex // held while FollowOnce runs
	hands       intake.Hands
	protected   bool // nothing can be written into the store
	ledger      *recorder
	authorities *authority.Store
	lists       *wordlist.Store
	people      *wordlist.Store
	privilege   *wordlist.Store // the setup and the directories of protected persons
	guarding    guarding
}

// Create makes an empty store in dir, which must not exist or must be empty. The store
// has a key pair, and one authority that covers everything for everybody who can open the
// store: it is your own data until you say otherwise.
func Create(ctx context.Context, dir string, o Options) (err error) {
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	// Leave anything alone that is not an empty folder: it belongs to somebody.
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("make store %s: a file or a link has this name", dir)
	}
	if layout.Exists(dir) {
		return fmt.Errorf("make store %s: a store already exists there", dir)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("make store %s: the folder is not empty", dir)
	}
	// Make the store under another name and rename it, so that it exists as a whole or
	// not at all.
	making := filepath.Clean(dir) + ".making"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("make store %s: %w", dir, err)
	}
	err = create(ctx, making, o)
	if err == nil {
		err = durable.OS{}.SyncDir(making)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make store %s: %w", dir, err), os.RemoveAll(making))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make store %s: %w", dir, err)
	}
	return durable.Install(durable.OS{}, making, filepath.Clean(dir))
}

func create(ctx context.Context, dir string, o Options) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info := layout.StoreInfo{Format: layout.Format, MinReader: layout.MinReader, Store: newStoreID(), Created: o.Now().UTC().Truncate(time.Second), SegmentBytes: o.SegmentBytes, Countries: o.Countries}
	k, err := admin.MakeKeys(dir, o.KeyDir, info.Store)
	if err != nil {
		return err
	}
	text, err := info.Encode()
	if err != nil {
		return err
	}
	if err := durable.WriteNew(durable.OS{}, layout.File(dir, layout.Info), text); err != nil {
		return err
	}
	e, err := evidence.Create(dir, evidence.Options{})
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	l, err := ledger.Create(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: k.Public, PrivateKey: k.Private, Now: o.Now})
	if err != nil {
		return err
	}
	return errors.Join(begin(ctx, dir, l, k, text), l.Close())
}

// begin records the first acts: the store itself, and its first authority.
func begin(ctx context.Context, dir string, l *ledger.Ledger, k admin.Keys, info []byte) error {
	actor := admin.ActorName()
	_, err := l.Append(ctx, ledger.Act{Actor: actor, Action: ledger.Init, Detail: map[string]string{
		layout.Info: claims.Hash(info), layout.PublicKey: strings.TrimSpace(k.Public),
	}})
	if err != nil {
		return err
	}
	authorities, err := authority.Open(layout.File(dir, layout.Authorities))
	if err != nil {
		return err
	}
	_, err = admin.New(admin.Options{Dir: dir, Ledger: l, Authorities: authorities}).AddAuthority(ctx, actor, authority.Authority{
		Title: "Own data", Basis: "The holder's own data", GrantedBy: actor, Purpose: "reading own data",
	})
	return err
}

// Open opens a store, and updates its index if no other process does. The context also
// limits the building of the ids, which may continue after Open has returned.
func Open(ctx context.Context, dir string, o Options) (_ *Node, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	n := &Node{dir: dir, o: o}
	n.feeding.n = n
	if n.Info, err = readInfo(dir, o.Write); err != nil {
		return nil, err
	}
	if n.protected = isProtected(dir); n.protected && o.Write {
		return nil, fmt.Errorf("open %s: %w", dir, admin.ErrWriteProtected)
	}
	if n.keys, err = admin.ReadKeys(dir, o.KeyDir, n.Info.Store, n.protected); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	n.ledger = &recorder{protected: n.protected, beside: &besideLedger{dir: besideDir(o, n.Info.Store), from: dir, o: ledger.Options{Now: o.Now}}}
	n.ledger.tell = func() {
		n.note("Nothing can be recorded in the store. The act is in the reader's own ledger: " + filepath.Join(n.ledger.beside.dir, layout.Ledger) + ".")
	}
	n.ledger.Ledger, err = ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: n.keys.Public, PrivateKey: n.keys.Private, Now: o.Now, Failpoint: o.Failpoint})
	if err != nil {
		return nil, err
	}
	if first := layout.Authorities + "/" + layout.Authority("A-0001"); !layout.There(layout.File(dir, first)) {
		// Create made the first authority, and nothing removes it.
		return nil, &layout.DamagedError{File: first, Err: fs.ErrNotExist}
	}
	if n.authorities, err = authority.Open(layout.File(dir, layout.Authorities)); err != nil {
		return nil, err
	}
	folder := func(name string) string {
		path := layout.File(dir, name)
		if _, err := os.Stat(path); n.protected && errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(besideDir(o, n.Info.Store), name) // the store has no such folder
		}
		return path
	}
	if n.lists, err = wordlist.Open(folder(layout.Lists)); err != nil {
		return nil, err
	}
	maps, err := admin.OpenMaps(folder(layout.Maps))
	if err != nil {
		return nil, err
	}
	if n.people, err = admin.OpenPeople(folder(layout.People)); err != nil {
		return nil, err
	}
	if n.privilege, err = admin.OpenPrivilege(folder(layout.Privilege)); err != nil {
		return nil, err
	}
	known := claims.Follow(n.ledger.Ledger)
	n.authorities.Lists, n.authorities.Known, n.lists.Known = n.lists.Find, known.Authorities, known.Documents(layout.Lists)
	maps.Known, n.people.Known = known.Documents(layout.Maps), known.Documents(layout.People)
	n.privilege.Known = known.Documents(layout.Privilege)
	n.authorities.May, n.authorities.RolesOf = n.may, n.rolesOf
	n.Admin = admin.New(admin.Options{May: n.mayAdminister, Dir: dir, Ledger: n.ledger.Ledger, Authorities: n.authorities, Lists: n.lists, Maps: maps, People: n.people, Privilege: n.privilege,
		Store: n.Info.Store, PrivateKey: n.keys.Private, Protected: n.protected, Failpoint: o.Failpoint})
	if err := n.Admin.Settle(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	n.evidence, err = evidence.Open(dir, evidence.Options{
		ReadOnly: !o.Write, SegmentBytes: n.Info.SegmentBytes, Recent: 1 << 16, Failpoint: o.Failpoint, Ledger: n.ledger.Head, Stop: ctx.Err,
	})
	if err != nil {
		return nil, err
	}
	if err := n.settle(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if n.current, err = evidence.NewCurrent(n.evidence); err != nil {
		return nil, err
	}
	if n.protected {
		err = n.openProtectedIndex(ctx)
	} else {
		err = n.keepIndex(ctx, layout.File(dir, layout.Index))
	}
	if err != nil {
		return nil, err
	}
	n.Desk = desk.New(desk.Parts{Evidence: n.current, Index: n.index, Ledger: n.ledger, Beside: n.ledger.isBeside, Authorities: n.authorities,
		May: n.mayAsMember, MayRead: n.mayRead, Inside: n.inside, Sealing: n.sealing, Lists: n.lists.Find})
	return n, nil
}

// Close closes the store.
func (n *Node) Close() error {
	var err error
	if n.index != nil {
		err = n.index.Close()
	}
	if n.evidence != nil {
		err = errors.Join(err, n.evidence.Close())
	}
	if n.ledger != nil {
		err = errors.Join(err, n.ledger.beside.Close())
		if n.ledger.Ledger != nil {
			err = errors.Join(err, n.ledger.Close())
		}
	}
	return err
}

func newStoreID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// readInfo reads the argus.json of a store that is about to be opened.
func readInfo(dir string, write bool) (layout.StoreInfo, error) {
	info, err := layout.ReadInfo(dir)
	if errors.Is(err, layout.ErrNoStore) || errors.Is(err, argus.ErrOlder) {
		return info, fmt.Errorf("open %s: %w", dir, err)
	}
	if err != nil {
		return info, fmt.Errorf("open store: %s: %w", layout.Info, err)
	}
	if write {
		if err := info.Writable(); err != nil {
			return info, fmt.Errorf("open %s: %w", dir, err)
		}
	}
	return info, nil
}

// PrivateKeyPath returns the path of the store's private key.
func (n *Node) PrivateKeyPath() string { return layout.PrivateKey(n.o.KeyDir, n.Info.Store) }

func (n *Node) note(sentence string) { n.o.Note(sentence) }
