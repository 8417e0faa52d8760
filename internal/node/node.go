// Package node wires the parts into a running Argus, on one machine or many.
//
// Who holds a node can take deliveries in, keep the index up to date, check
// the store and administer it. Data leaves only through its Desk.
package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/follow"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// The errors that callers may ask for.
var (
	// ErrNoStore says that there is no store at the path.
	ErrNoStore = errors.New("there is no store")
	// ErrNoKey says that the store's private key is not where it was looked
	// for. Without it no act can be recorded, and so none can be done.
	ErrNoKey = errors.New("the private key of the store is not there")
	// ErrOpenKey says that others than its owner may read or write a private key.
	ErrOpenKey = errors.New("others can use the private key")
)

// Options say how a node works. The zero value works.
type Options struct {
	// KeyDir is the folder of private keys. Default $ARGUS_KEYS, then
	// argus/keys in the user's configuration folder.
	KeyDir string
	// ReaderDir is the folder of what a reader keeps of stores that cannot be
	// written: his ledgers, their keys, indexes. Default $ARGUS_READER, then
	// argus/reader in the user's configuration folder.
	ReaderDir string
	// Note is told, in a sentence, what does not work as it does elsewhere. Default:
	// nobody is.
	Note func(sentence string)
	// Formats are those that are read. Default: none, so that nothing is recognised.
	Formats reader.Formats
	// Software names this Argus in seals.
	Software string
	// Write opens the evidence for a delivery.
	Write bool
	// Catching is told how far the index is, when it has to catch up with the
	// evidence before it can be used.
	Catching func(done, total uint64)
	// SegmentBytes is, for Create, the size at which a segment of evidence is
	// closed. Default evidence's own.
	SegmentBytes int64
	// Failpoint ends the process at named moments, in tests.
	Failpoint func(name string)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Catching == nil {
		o.Catching = func(uint64, uint64) {}
	}
	if o.KeyDir == "" {
		o.KeyDir = os.Getenv("ARGUS_KEYS")
	}
	if o.ReaderDir == "" {
		o.ReaderDir = os.Getenv("ARGUS_READER")
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.KeyDir != "" && o.ReaderDir != "" {
		return o, nil
	}
	config, err := os.UserConfigDir()
	if err != nil && o.KeyDir == "" {
		return o, fmt.Errorf("look for the private key: %w; name its folder with --keys or $ARGUS_KEYS", err)
	}
	o.KeyDir = first(o.KeyDir, filepath.Join(config, "argus", "keys"))
	if err == nil { // else whoever needs it says so
		o.ReaderDir = first(o.ReaderDir, filepath.Join(config, "argus", "reader"))
	}
	return o, nil
}

// Info is what a store says of itself, in argus.json.
type Info struct {
	// Format is the version of the whole layout.
	Format int `json:"format"`
	// MinReader is the least format that a program must know to read it.
	MinReader int       `json:"min_reader"`
	Store     string    `json:"store"`
	Created   time.Time `json:"created"`
	// SegmentBytes is the size at which a segment of evidence is closed, 0 for
	// the default.
	SegmentBytes int64 `json:"segment_bytes,omitempty"`
}

// The versions of the store's layout. Who changes it raises storeFormat, and
// storeMinReader with it if an Argus that knows only the format before could
// misread the new one.
//
// 1: the first.
// 2: records are proved by salted commitments; texts lie apart; min_reader.
const (
	storeFormat    = 2
	storeMinReader = 2
	// oldestFormat is the first format that is read as it is. [Upgrade] converts
	// older ones.
	oldestFormat = 2
)

const (
	infoName      = "argus.json"
	publicKeyName = "keys/store.pub"
	ledgerDir     = "ledger"
	authorityDir  = "authorities"
	listDir       = "lists"
	indexDir      = "index"
)

// Node is an open store.
type Node struct {
	// Desk is the way to the data.
	Desk *desk.Desk
	Info Info

	dir         string
	o           Options
	keys        keys
	evidence    *evidence.Store
	current     *evidence.Current // the same, for index and desk
	index       *embedded.Index
	follows     bool // this process keeps the index
	protected   bool // nothing can be written into the store
	ledger      *recorder
	authorities *authority.Store
	lists       *wordlist.Store
}

type keys struct{ private, public string }

// Create makes an empty store in dir, which does not exist or is empty, with a
// key pair and one authority that covers everything in it for everybody who
// can open it: it is your own data until you say otherwise.
func Create(ctx context.Context, dir string, o Options) (err error) {
	if o, err = o.withDefaults(); err != nil {
		return err
	}
	// Whatever lies there and is no empty folder is somebody's: it stays.
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("make store %s: there is a file or a link of that name", dir)
	}
	if Exists(dir) {
		return fmt.Errorf("make store %s: there is a store already", dir)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("make store %s: the folder is not empty", dir)
	}
	// Made beside its place and renamed, so that there is a whole store or none.
	making := filepath.Clean(dir) + ".making"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("make store %s: %w", dir, err)
	}
	err = create(ctx, making, o)
	if err == nil {
		err = syncDir(making)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make store %s: %w", dir, err), os.RemoveAll(making))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("make store %s: %w", dir, err)
	}
	if err := os.Rename(making, dir); err != nil {
		return fmt.Errorf("make store %s: %w", dir, err)
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

func create(ctx context.Context, dir string, o Options) error {
	for _, d := range []string{dir, filepath.Join(dir, "keys"), o.KeyDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	info := Info{Format: storeFormat, MinReader: storeMinReader, Store: newStoreID(), Created: o.Now().UTC().Truncate(time.Second), SegmentBytes: o.SegmentBytes}
	var k keys
	var err error
	if k.private, k.public, err = ledger.NewKey(keyName(info.Store)); err != nil {
		return err
	}
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	for _, f := range []struct {
		name string
		data []byte
	}{
		{keyPath(o.KeyDir, info.Store), []byte(k.private + "\n")},
		{filepath.Join(dir, filepath.FromSlash(publicKeyName)), []byte(k.public + "\n")},
		{filepath.Join(dir, infoName), text},
	} {
		if err := writeOnce(f.name, f.data); err != nil {
			return err
		}
	}
	e, err := evidence.Create(dir, evidence.Options{})
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return err
	}
	l, err := ledger.Create(filepath.Join(dir, ledgerDir), ledger.Options{PublicKey: k.public, PrivateKey: k.private, Now: o.Now})
	if err != nil {
		return err
	}
	return errors.Join(begin(ctx, dir, l, o, k, text), l.Close())
}

// begin writes the first acts: the store itself, and its first authority.
func begin(ctx context.Context, dir string, l *ledger.Ledger, o Options, k keys, info []byte) error {
	actor := ActorName()
	_, err := l.Append(ctx, ledger.Act{Actor: actor, Action: ledger.Init, Detail: map[string]string{
		infoName: hashOf(info), publicKeyName: strings.TrimSpace(k.public),
	}})
	if err != nil {
		return err
	}
	store, err := authority.Open(filepath.Join(dir, authorityDir))
	if err != nil {
		return err
	}
	return l.Hold(ctx, func(record recorded) error {
		_, err := addAuthority(store, l, record, o, actor, authority.Authority{
			Title: "Own data", Basis: "The holder's own data", GrantedBy: actor, Purpose: "reading own data",
		})
		return err
	})
}

// recorded writes an act to the ledger that is held.
type recorded = func(ledger.Act) (ledger.Entry, error)

// change changes files that the ledger names. Each has its entry before it is in
// place, nobody else changes any meanwhile, and what an earlier change was interrupted
// in is finished first. argus.ErrLocked: the ledger is busy, and nothing was done.
func (n *Node) change(ctx context.Context, work func(record recorded) error) error {
	return n.ledger.Hold(ctx, func(record recorded) error {
		if err := n.settleFiles(ctx); err != nil {
			return err
		}
		return work(record)
	})
}

// unsettled says whether a change of files was interrupted, or is under way.
func (n *Node) unsettled() (bool, error) {
	for _, dir := range []string{authorityDir, listDir} {
		if some, err := durable.Unsettled(filepath.Join(n.dir, dir)); some || err != nil {
			return some, err
		}
	}
	return false, nil
}

// settleFiles puts the files in place that the ledger has and removes those that it
// has not: a crash came between.
func (n *Node) settleFiles(ctx context.Context) error {
	some, err := n.unsettled()
	if err != nil || !some {
		return err
	}
	said, err := claimsOf(ctx, n.ledger.Ledger)
	if err != nil {
		return err
	}
	for _, f := range said.folders() {
		err = errors.Join(err, durable.SettleRecords(filepath.Join(n.dir, f.name), func(name string, data []byte) bool {
			return f.files[name] == hashOf(data)
		}))
	}
	return err
}

// AddAuthority adds an authority; who adds it administers and does not read.
func (n *Node) AddAuthority(ctx context.Context, actor string, a authority.Authority) (added *authority.Authority, err error) {
	if n.protected {
		return nil, fmt.Errorf("add authority: %w", ErrWriteProtected)
	}
	err = n.change(ctx, func(record recorded) error {
		added, err = addAuthority(n.authorities, n.ledger.Ledger, record, n.o, first(actor, ActorName()), a)
		return err
	})
	return added, err
}

func addAuthority(s *authority.Store, l *ledger.Ledger, record recorded, o Options, actor string, a authority.Authority) (*authority.Authority, error) {
	now, err := l.Now()
	if err != nil {
		return nil, err
	}
	return s.Add(a, now, func(number authority.Number, file argus.Hash) error {
		return o.record(record, ledger.Act{Actor: actor, Action: ledger.AddAuthority, Subject: number.String(),
			Detail: map[string]string{"sha256": file.String()}})
	})
}

// WiderAuthorities returns the authorities that leave another one without effect
// ([authority.Store.Wider]).
func (n *Node) WiderAuthorities(than *authority.Authority) ([]authority.Authority, error) {
	now, err := n.ledger.Now()
	if err != nil {
		return nil, err
	}
	return n.authorities.Wider(than, now)
}

// record writes the entry of a change, between the moments of its two crashes.
func (o Options) record(record recorded, act ledger.Act) error {
	o.failpoint("change.ready")
	_, err := record(act)
	if err == nil {
		o.failpoint("change.recorded")
	}
	return err
}

// RevokeAuthority ends an authority at once.
func (n *Node) RevokeAuthority(ctx context.Context, actor string, number authority.Number, reason string) error {
	actor = first(actor, ActorName())
	if n.protected {
		return fmt.Errorf("revoke authority: %w", ErrWriteProtected)
	}
	return n.change(ctx, func(record recorded) error {
		now, err := n.ledger.Now()
		if err != nil {
			return err
		}
		return n.authorities.Revoke(number, actor, reason, now, func(file argus.Hash) error {
			return n.o.record(record, ledger.Act{Actor: actor, Action: ledger.RevokeAuthority, Subject: number.String(),
				Detail: map[string]string{"sha256": file.String()}})
		})
	})
}

// AddList keeps a list of words or accounts for queries to name; known says
// that it was there already.
func (n *Node) AddList(ctx context.Context, actor, name string, data []byte) (v wordlist.Version, known bool, err error) {
	if n.protected {
		return v, false, fmt.Errorf("add list: %w", ErrWriteProtected)
	}
	err = n.change(ctx, func(record recorded) error {
		v, known, err = n.lists.Add(name, data, func(v wordlist.Version) error {
			return n.o.record(record, ledger.Act{Actor: first(actor, ActorName()), Action: ledger.AddList, Subject: v.File(),
				Detail: map[string]string{"sha256": v.Hash}})
		})
		return err
	})
	return v, known, err
}

// CorrectTime records that the time of an entry of the ledger was wrong
// ([ledger.Ledger.Correct]).
func (n *Node) CorrectTime(ctx context.Context, actor string, entry uint64, reason string) (ledger.Entry, error) {
	if n.protected {
		return ledger.Entry{}, fmt.Errorf("correct the ledger: %w", ErrWriteProtected)
	}
	return n.ledger.Correct(ctx, first(actor, ActorName()), entry, reason)
}

// DestroyWords destroys the words of entries of the ledger, by an order that is
// recorded before ([ledger.Ledger.Destroy]).
func (n *Node) DestroyWords(ctx context.Context, actor string, entries []ledger.Span, order string) (ledger.Entry, error) {
	if n.protected {
		return ledger.Entry{}, fmt.Errorf("destroy words of the ledger: %w", ErrWriteProtected)
	}
	return n.ledger.Destroy(ctx, first(actor, ActorName()), entries, order)
}

// ParseEntries reads numbers of entries of the ledger, and runs of them: "3,7-9".
func ParseEntries(text string) ([]ledger.Span, error) { return ledger.ParseSpans(text) }

// Lists returns all versions of all lists.
func (n *Node) Lists() ([]wordlist.Version, error) { return n.lists.List() }

// Exists says whether there is a store at a path.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, infoName))
	return err == nil
}

// Open opens a store, and brings its index up to date if nobody else does. The end of
// the context also ends the building of the ids, when somebody needs them later.
func Open(ctx context.Context, dir string, o Options) (_ *Node, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	n := &Node{dir: dir, o: o}
	if n.Info, err = readInfo(dir); err != nil {
		return nil, err
	}
	if o.Write {
		if err := n.Info.writable(); err != nil {
			return nil, fmt.Errorf("open %s: %w", dir, err)
		}
	}
	if n.protected = isProtected(dir); n.protected && o.Write {
		return nil, fmt.Errorf("open %s: %w", dir, ErrWriteProtected)
	}
	if n.keys, err = readKeys(dir, o.KeyDir, n.Info.Store, n.protected); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	n.ledger = &recorder{protected: n.protected, beside: &besideLedger{dir: besideDir(o, n.Info.Store), from: dir, o: ledger.Options{Now: o.Now}}}
	n.ledger.tell = func() {
		n.note("Nothing can be recorded in the store. The act is in the reader's own ledger: " + filepath.Join(n.ledger.beside.dir, ledgerDir) + ".")
	}
	n.ledger.Ledger, err = ledger.Open(filepath.Join(dir, ledgerDir), ledger.Options{PublicKey: n.keys.public, PrivateKey: n.keys.private, Now: o.Now, Failpoint: o.Failpoint})
	if err != nil {
		return nil, err
	}
	if n.authorities, err = authority.Open(filepath.Join(dir, authorityDir)); err != nil {
		return nil, err
	}
	lists := filepath.Join(dir, listDir)
	if _, err := os.Stat(lists); n.protected && errors.Is(err, fs.ErrNotExist) {
		lists = filepath.Join(besideDir(o, n.Info.Store), listDir) // which has none
	}
	if n.lists, err = wordlist.Open(lists); err != nil {
		return nil, err
	}
	n.authorities.Lists = n.lists.Find
	if some, err := n.unsettled(); err != nil {
		return nil, err
	} else if some && !n.protected {
		if err := n.change(ctx, func(recorded) error { return nil }); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	n.evidence, err = evidence.Open(dir, evidence.Options{
		ReadOnly: !o.Write, SegmentBytes: n.Info.SegmentBytes, Recent: 1 << 17, Failpoint: o.Failpoint, Ledger: n.ledger.Head, Stop: ctx.Err,
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
	openIndex := n.openIndex
	if n.protected {
		openIndex = n.openProtectedIndex
	}
	if err := openIndex(ctx); err != nil {
		return nil, err
	}
	n.Desk = desk.New(desk.Parts{Evidence: n.current, Index: n.index, Ledger: n.ledger, Beside: n.ledger.isBeside, Authorities: n.authorities,
		Inside: n.inside, Lists: n.lists.Find})
	return n, nil
}

// openIndex opens the index to keep it, or beside the process that does. An
// index of another version is built again; a damaged one is an error, since
// rebuilding it here would hide the damage.
func (n *Node) openIndex(ctx context.Context) error { return n.openIndexIn(ctx, indexPath(n.dir)) }

func (n *Node) openIndexIn(ctx context.Context, dir string) error {
	var err error
	o := embedded.Options{Evidence: Copies{Current: n.current}, Mark: n.evidence.Mark}
	n.index, err = embedded.Open(dir, o)
	if errors.Is(err, embedded.ErrOutdated) {
		o.Rebuild = true
		n.index, err = embedded.Open(dir, o)
	}
	if errors.Is(err, argus.ErrLocked) {
		o.ReadOnly, o.Rebuild = true, false
		if n.index, err = embedded.Open(dir, o); err != nil {
			return err
		}
		if err := n.checkMark(); err != nil {
			return err
		}
		return n.current.Know(n.index.Readings())
	}
	if err != nil {
		return err
	}
	n.follows = true
	if err = n.adopt(); err == nil {
		err = n.checkMark()
	}
	if err == nil && !n.o.Write { // else the delivery brings it along
		err = n.catchUp(ctx)
	}
	return n.withoutRoom(err)
}

func (n *Node) note(sentence string) { n.o.Note(sentence) }

// withoutRoom goes on with the index as it is where the disk has no room for a newer one.
func (n *Node) withoutRoom(err error) error {
	if !durable.NoRoom(err) || n.o.Write {
		return err
	}
	n.follows = false
	n.note(fmt.Sprintf("The disk is full: the index ends at record %d of %d, and what comes after it is in no answer. Make room and ask again.", n.index.Position(), n.evidence.Last()))
	return n.current.Know(n.index.Readings())
}

// checkMark refuses an index that was built from other evidence. Where the evidence
// cannot be read, whoever needs that part learns it.
func (n *Node) checkMark() error {
	// The index may know records that came meanwhile.
	if err := n.evidence.Refresh(); err != nil {
		return err
	}
	position, mark := n.index.Mark()
	if position == 0 {
		return nil
	}
	if err := n.evidence.Marked(position, mark); errors.Is(err, evidence.ErrOther) {
		return fmt.Errorf("open index: %w; `argus reindex` rebuilds it from this evidence", err)
	}
	return nil
}

// adopt has the newest complete readings count, and begins the index anew if it was
// made without one of them. A crash at any moment leaves this to the next who opens the
// index.
func (n *Node) adopt() error {
	newest, err := n.current.Newest()
	if err != nil {
		return err
	}
	if n.index.Readings() != newest {
		if err := n.index.Begin(newest); err != nil {
			return err
		}
	}
	return n.current.Know(newest)
}

func (n *Node) catchUp(ctx context.Context) error {
	if n.index.Position() >= n.evidence.Last() {
		return nil
	}
	return follow.CatchUp(ctx, n.current, n.index, n.o.Catching)
}

// Close ends the use of the store.
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

// Follow keeps a node that reads up to date with what other processes take
// in, until the context ends.
func (n *Node) Follow(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := n.evidence.Refresh(); err != nil {
			return err
		}
		if !n.follows {
			if err := n.index.Refresh(); err != nil {
				return err
			}
			if err := n.current.Know(n.index.Readings()); err != nil {
				return err
			}
			continue
		}
		err := n.adopt()
		if err == nil {
			err = n.catchUp(ctx)
		}
		if err := n.withoutRoom(err); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// Who completes who asks: the user's own name, the only authority that names
// the actor and has not ended, and the authority's purpose.
func (n *Node) Who(ctx context.Context, who desk.Who) (desk.Who, error) {
	who.Actor = first(who.Actor, ActorName())
	list, err := n.Desk.Authorities(ctx, who.Actor)
	if err != nil {
		return who, err
	}
	if who.Authority == "" {
		now, err := n.ledger.Now()
		if err != nil {
			return who, err
		}
		open := slices.DeleteFunc(slices.Clone(list), func(a authority.Authority) bool {
			return a.Revoked != nil || !a.Until.IsZero() && !now.Before(a.Until)
		})
		if len(open) == 0 {
			open = list // why it is at an end is told when it is used
		}
		switch len(open) {
		case 0:
			return who, fmt.Errorf("%w: no authority names %s", argus.ErrRefused, who.Actor)
		case 1:
			who.Authority = open[0].Number.String()
		default:
			return who, fmt.Errorf("%w: %d authorities name %s; say under which one you ask with --authority", argus.ErrRefused, len(open), who.Actor)
		}
	}
	for _, a := range list {
		if number, err := authority.ParseNumber(who.Authority); err == nil && a.Number == number {
			who.Purpose = first(who.Purpose, a.Purpose)
		}
	}
	return who, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// ActorName is the name of the user who runs this process.
func ActorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// keyName is the name of the key of a store.
func keyName(store string) string { return "argus/" + store }

func newStoreID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func hashOf(data []byte) string { return argus.Hash(sha256.Sum256(data)).String() }

// readInfo reads what the store says of itself, in order to open it.
func readInfo(dir string) (Info, error) {
	info, err := infoOf(dir)
	if errors.Is(err, ErrNoStore) || errors.Is(err, argus.ErrOlder) {
		return info, fmt.Errorf("open %s: %w", dir, err)
	}
	if err != nil {
		return info, fmt.Errorf("open store: %s: %w", infoName, err)
	}
	return info, nil
}

// writable returns why this Argus may not write into a store that it can read.
func (i *Info) writable() error {
	if i.Format > storeFormat {
		return fmt.Errorf("%w: the store is of format %d; this Argus can read it and writes up to %d", argus.ErrNewer, i.Format, storeFormat)
	}
	return nil
}

func infoOf(dir string) (Info, error) {
	var info Info
	data, err := os.ReadFile(filepath.Join(dir, infoName))
	if errors.Is(err, fs.ErrNotExist) {
		// A store is made whole or not at all: what has a ledger had this file.
		if _, err := os.Stat(filepath.Join(dir, ledgerDir)); err == nil {
			return info, fmt.Errorf("%w: the file is missing", argus.ErrDamaged)
		}
		return info, ErrNoStore
	}
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	switch {
	case info.Format <= 0 || info.MinReader > info.Format:
		return info, fmt.Errorf("%w: format %d, which whoever knows format %d can read", argus.ErrDamaged, info.Format, info.MinReader)
	case info.Format < oldestFormat:
		return info, fmt.Errorf("the store is of format %d, %w; \"argus upgrade %s\" converts it", info.Format, argus.ErrOlder, dir)
	case info.MinReader > storeFormat:
		return info, fmt.Errorf("%w: the store is of format %d, this Argus reads up to %d", argus.ErrNewer, info.Format, storeFormat)
	}
	return info, nil
}

// readKeys reads the keys of a store; of one that nothing is recorded in, the public one.
func readKeys(dir, keyDir, store string, protected bool) (keys, error) {
	var k keys
	public, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(publicKeyName)))
	if err != nil {
		return k, fmt.Errorf("open store: %w", err)
	}
	if protected {
		return keys{public: strings.TrimSpace(string(public))}, nil
	}
	name := keyPath(keyDir, store)
	private, err := readPrivate(name)
	if errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("open store: %w: %s", ErrNoKey, name)
	}
	if err != nil {
		return k, fmt.Errorf("open store: %w", err)
	}
	return keys{private: strings.TrimSpace(string(private)), public: strings.TrimSpace(string(public))}, nil
}

// readPrivate reads a file that must be its owner's alone, as ssh has it.
func readPrivate(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// On Windows the mode tells nothing of who may read.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%w: its mode is %04o; make sure that nobody has a copy, then run \"chmod 600 %s\"", ErrOpenKey, mode, name)
	}
	return io.ReadAll(f)
}

// writeOnce writes a file that does not exist yet, durably.
func writeOnce(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// PrivateKeyPath is where the store's private key is.
func (n *Node) PrivateKeyPath() string { return keyPath(n.o.KeyDir, n.Info.Store) }

func keyPath(dir, store string) string { return filepath.Join(dir, filepath.Base(store)+".key") }
