// Package ledger is the tamper-evident log of acts: who looked at what, under which
// authority and why.
//
// It is a Merkle tree log (RFC 6962 hashing) in plain files, laid out as in C2SP
// tlog-tiles. The signed checkpoint is its only commit point: it covers the ledger, and
// anything beyond it was never acknowledged.
//
// [Ledger.Append] returns when the entry, the tiles above it and a signed checkpoint that
// covers them are written and synced, with their directories. Entries are numbered from 1
// without a gap, across all processes that append. Nothing is ever changed or removed, and no
// checkpoint is signed that does not extend the last one. A ledger by itself cannot show that
// it was replaced as a whole by an older copy; to detect that, a checkpoint has to be kept
// outside the store. An entry does not hold the words that people wrote, only a salted hash
// over them. The words are kept outside the log in an envelope, which can be destroyed while
// the log still proves that an act was done, when, and under which authority.
//
// docs/format/ledger.md specifies the files to the byte.
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// The acts that are recorded.
const (
	Init            = "init"
	AddAuthority    = "authority.add"
	RevokeAuthority = "authority.revoke"
	// ChangeAuthority: an authority was suspended, resumed or extended.
	ChangeAuthority = "authority.change"
	// ExportAuthority: the signed file of an authority left the store.
	ExportAuthority = "authority.export"
	AddList         = "list.add"
	AddMap          = "map.add"
	AddPerson       = "people.add"
	// AddDirectory: privilege was set up, or has another directory of protected persons.
	AddDirectory = "directory.add"
	ShowList     = "list.show"
	OpenDelivery = "ingest.open"
	// ResumeDelivery: an interrupted delivery continues.
	ResumeDelivery = "ingest.resume"
	// AbandonDelivery: an interrupted delivery was sealed as it is.
	AbandonDelivery = "ingest.abandon"
	// ProtectDelivery: the messages of a delivery are judged, and the suspected ones will be
	// sealed.
	ProtectDelivery = "ingest.protect"
	SealDelivery    = "ingest.seal"
	// UpgradeSeal: a delivery was sealed anew, in another format.
	UpgradeSeal = "upgrade.seal"
	// Upgrade: the store was converted into another format.
	Upgrade     = "upgrade"
	Search      = "search"
	Show        = "show"
	Page        = "page"
	Deliveries  = "deliveries"
	Receipt     = "receipt"
	Quarantined = "quarantine"
	// Beyond: the messages that an authority leaves out were counted.
	Beyond     = "beyond"
	ReadLedger = "ledger"
	// ListAuthorities: the authorities and people of everybody were listed.
	ListAuthorities = "authority.list"
	// Oversee: the acts of everybody were read ([Entry.WithoutWords]).
	Oversee = "ledger.oversee"
	// RequestCase: messages of another store were asked for. CountCase: those of a request
	// were counted. GrantCase and RefuseCase: a request was decided. SendTransfer: messages
	// left for another store. ReceiveTransfer: they came from one. AskHits and AnswerHits: a
	// store asks whether another has messages of accounts, which answers.
	RequestCase     = "case.request"
	CountCase       = "case.count"
	GrantCase       = "case.grant"
	RefuseCase      = "case.refuse"
	SendTransfer    = "transfer.send"
	ReceiveTransfer = "transfer.receive"
	AskHits         = "hits.ask"
	AnswerHits      = "hits.answer"
	// ListProtected: sealed messages were listed. ReadProtected: one was read. DecideProtected:
	// a judge decided about some. LogProtected: the decisions were listed.
	ListProtected   = "privilege.list"
	ReadProtected   = "privilege.read"
	DecideProtected = "privilege.decide"
	LogProtected    = "privilege.log"
	// Correct: the time of the entry in the subject was wrong ([Ledger.Correct]).
	Correct = "ledger.correct"
	// Destroy: the words of the entries in the subject were destroyed ([Ledger.Destroy]).
	Destroy = "ledger.destroy"
	Refused = "refused"
	// OpenStore appears only in a reader's own ledger: from now on, a store that cannot be
	// written to is read as it is.
	OpenStore = "store.open"
)

// The log itself holds only the parts of an act that argus verify compares with other
// files, and nothing that a person wrote: the subject of the acts in plainSubjects, which
// is a number, and for all acts the details in plainDetails, which are hashes and
// numbers. The envelope holds everything else.
var (
	plainSubjects = []string{
		AddAuthority, RevokeAuthority, ChangeAuthority, ExportAuthority, OpenDelivery, ResumeDelivery, AbandonDelivery, SealDelivery, UpgradeSeal, Upgrade, Correct,
		Destroy, ProtectDelivery,
	}
	plainDetails = []string{
		"argus.json", "keys/store.pub", "sha256", "opening", "reads", "read", "seal", "root", "before", "root_before", "records", "same", "completed",
		"messages", "sightings", "quarantined", "batch", "envelope", "state",
	}
)

// Act is a person's action that is recorded in the ledger. A run of invalid UTF-8 is
// recorded as U+FFFD.
type Act struct {
	Actor     string `json:"actor"`
	Authority string `json:"authority,omitempty"`
	Purpose   string `json:"purpose,omitempty"`
	// Action is one of the constants above.
	Action string `json:"action"`
	// Subject is the object of the action: a query, a reference, a number.
	Subject string            `json:"subject,omitempty"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// WithoutWords returns an entry with who acted, when, under which authority and why, and
// without what was asked for or written: its subject and details are as in the log itself, and
// for a refusal also the act and the reason that Argus gave.
func (e Entry) WithoutWords() Entry {
	if !slices.Contains(plainSubjects, e.Action) {
		e.Subject = ""
	}
	detail := map[string]string{}
	for name, value := range e.Detail {
		if slices.Contains(plainDetails, name) || e.Action == Refused && (name == "action" || name == "reason") {
			detail[name] = value
		}
	}
	if e.Detail = detail; len(detail) == 0 {
		e.Detail = nil
	}
	return e
}

func (a Act) clean() Act {
	for _, s := range []*string{&a.Actor, &a.Authority, &a.Purpose, &a.Action, &a.Subject} {
		*s = strings.ToValidUTF8(*s, "\ufffd")
	}
	detail := a.Detail
	a.Detail = nil
	for name, value := range detail {
		if a.Detail == nil {
			a.Detail = map[string]string{}
		}
		a.Detail[strings.ToValidUTF8(name, "\ufffd")] = strings.ToValidUTF8(value, "\ufffd")
	}
	return a
}

// Entry is a recorded act.
type Entry struct {
	// Seq counts from 1 without a gap.
	Seq uint64 `json:"seq"`
	// Time is the time at which the act was recorded, in UTC and whole microseconds: according
	// to the clock of the machine that recorded it, or the time of the previous entry if that
	// is later.
	Time time.Time `json:"time"`
	// Clock is that clock's time if Time is later; otherwise zero.
	Clock time.Time `json:"clock,omitzero"`
	Act
	// Envelope is the salted hash over the words of the act, held in the log in place of
	// the words. It is zero for an entry of form 1, which holds the words themselves.
	Envelope argus.Hash `json:"-"`
	// Destroyed is set if the envelope is gone: the entry has only the parts in the log.
	// DestroyedBy is the entry that ordered the destruction; 0 means damage.
	Destroyed   bool   `json:"destroyed,omitempty"`
	DestroyedBy uint64 `json:"destroyed_by,omitempty"`
}

// MaxEntry is the maximum length of an encoded entry, and of the line of an envelope, in bytes.
// Append refuses longer ones.
const MaxEntry = math.MaxUint16

// formatVersion is in each entry.
//
// 1: the first; it held the words of the act. 2: the words are in an envelope; clock.
const formatVersion = 2

// encodedEntry is an entry in the form held in the log.
type encodedEntry struct {
	Version int       `json:"v"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Clock   time.Time `json:"clock,omitzero"`
	// Actor and Purpose are set in form 1 only.
	Actor     *string           `json:"actor,omitempty"`
	Authority string            `json:"authority,omitempty"`
	Purpose   string            `json:"purpose,omitempty"`
	Action    string            `json:"action"`
	Subject   string            `json:"subject,omitempty"`
	Detail    map[string]string `json:"detail,omitempty"`
	Envelope  argus.Hash        `json:"envelope,omitzero"`
}

// seal puts the words of an entry into an envelope, and returns the envelope and the
// entry encoded for the log.
func (e *Entry) seal() (data, envelope []byte, err error) {
	plain, words := e.Act.split()
	if e.Envelope, envelope, err = newEnvelope(e.Seq, words); err != nil {
		return nil, nil, fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	data, err = encodedEntry{Version: formatVersion, Seq: e.Seq, Time: e.Time, Clock: e.Clock, Authority: plain.Authority, Action: plain.Action,
		Subject: plain.Subject, Detail: plain.Detail, Envelope: e.Envelope}.encode()
	return data, envelope, err
}

// split separates the parts of an act for the log and for the envelope.
func (a Act) split() (plain Act, w words) {
	plain = Act{Authority: a.Authority, Action: a.Action}
	w = words{Actor: a.Actor, Purpose: a.Purpose}
	if slices.Contains(plainSubjects, a.Action) {
		plain.Subject = a.Subject
	} else {
		w.Subject = a.Subject
	}
	for name, value := range a.Detail {
		into := &w.Detail
		if slices.Contains(plainDetails, name) {
			into = &plain.Detail
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[name] = value
	}
	return plain, w
}

func (e encodedEntry) encode() ([]byte, error) {
	data, err := canonical(e)
	if err != nil {
		return nil, fmt.Errorf("encode entry %d: %w", e.Seq, err)
	}
	if len(data) > MaxEntry {
		return nil, fmt.Errorf("encode entry %d: it has %d bytes, want at most %d", e.Seq, len(data), MaxEntry)
	}
	return data, nil
}

// canonical encodes a value in its only valid form.
func canonical(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// decode accepts exactly the output of encode: each entry has one form. The envelope is
// not opened.
func decode(data []byte) (Entry, error) {
	var e encodedEntry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w: %w", err, argus.ErrDamaged)
	}
	if e.Version > formatVersion {
		return Entry{}, fmt.Errorf("decode entry: it has form %d, but this Argus reads forms up to %d: %w", e.Version, formatVersion, argus.ErrNewer)
	}
	again, err := e.encode()
	if err != nil {
		return Entry{}, err
	}
	old := e.Version == 1 && e.Actor != nil && e.Clock.IsZero() && e.Envelope == (argus.Hash{})
	now := e.Version == 2 && e.Actor == nil && e.Purpose == "" && e.Envelope != (argus.Hash{})
	if !bytes.Equal(again, data) || !old && !now {
		return Entry{}, fmt.Errorf("decode entry %d: it is not in its canonical form: %w", e.Seq, argus.ErrDamaged)
	}
	act := Act{Authority: e.Authority, Purpose: e.Purpose, Action: e.Action, Subject: e.Subject, Detail: e.Detail}
	if old {
		act.Actor = *e.Actor
	}
	return Entry{Seq: e.Seq, Time: e.Time, Clock: e.Clock, Act: act, Envelope: e.Envelope}, nil
}

// Options configure an open ledger.
type Options struct {
	// PublicKey checks checkpoints, in the form of [NewKey]. Required.
	PublicKey string
	// PrivateKey signs checkpoints. Default: none; the ledger is read-only.
	PrivateKey string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Wait is the maximum time that Append waits for another process. Default 30 s.
	Wait time.Duration
	// Failpoint ends the process at named moments, in tests. Default: none.
	Failpoint func(name string)
}

// Ledger is an open ledger. Its methods may be called at the same time, and
// any number of processes may append to one directory.
type Ledger struct {
	dir      string
	disk     durable.Disk
	verifier note.Verifier
	signer   note.Signer
	now      func() time.Time
	wait     time.Duration

	known known
	named named
	// envelopesEnd belongs to the goroutine that appends.
	envelopesEnd ends
	turn         chan struct{} // held by the goroutine that appends

	failpoint func(name string)
	ordering  sync.Mutex // for the fields below
	orders    []order    // to destroy envelopes, among the entries up to ordersTo
	ordersTo  uint64
}

// NewKey makes an Ed25519 key pair in the form of C2SP signed notes. The name
// becomes the origin line of each checkpoint; it has no spaces and no plus
// sign.
func NewKey(name string) (private, public string, err error) {
	private, public, err = note.GenerateKey(nil, name)
	if err == nil {
		_, err = note.NewVerifier(public)
	}
	if err != nil {
		return "", "", fmt.Errorf("make key %q: %w", name, err)
	}
	return private, public, nil
}

// Create makes an empty ledger with a signed checkpoint and opens it. It completes an
// interrupted Create; if a ledger exists, it returns an error.
func Create(dir string, o Options) (*Ledger, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	l, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	if err := l.create(); err != nil {
		return nil, errors.Join(fmt.Errorf("create ledger in %s: %w", dir, err), l.Close())
	}
	return l, nil
}

func (l *Ledger) create() error {
	if l.signer == nil {
		return errors.New("a private key is needed")
	}
	unlock, err := l.lock(context.Background())
	if err != nil {
		return err
	}
	defer unlock()
	switch _, err := l.head(); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := os.Stat(filepath.Join(l.dir, "tile")); err == nil {
		return fmt.Errorf("it has entries but no checkpoint: %w", argus.ErrDamaged)
	}
	return l.publish(head{root: rootOf(nil)})
}

// Open opens a ledger. Without a private key it can only be read.
func Open(dir string, o Options) (*Ledger, error) {
	l, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if _, err := l.head(); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), l.Close())
	}
	if _, err := os.Stat(filepath.Join(dir, destroyingName)); err == nil && l.signer != nil {
		// The holder of the lock finishes the destruction.
		if err := l.Hold(context.Background(), func(func(Act) (Entry, error)) error { return nil }); err != nil {
			return nil, errors.Join(fmt.Errorf("open ledger: %w", err), l.Close())
		}
	}
	return l, nil
}

func open(dir string, o Options) (*Ledger, error) {
	l := &Ledger{dir: dir, disk: durable.OS{}, now: o.Now, wait: o.Wait, failpoint: o.Failpoint, turn: make(chan struct{}, 1)}
	if l.now == nil {
		l.now = time.Now
	}
	if l.failpoint == nil {
		l.failpoint = func(string) {}
	}
	if l.wait == 0 {
		l.wait = 30 * time.Second
	}
	var err error
	if l.verifier, err = note.NewVerifier(o.PublicKey); err != nil {
		return nil, fmt.Errorf("read its public key: %w", err)
	}
	if o.PrivateKey == "" {
		return l, nil
	}
	if l.signer, err = note.NewSigner(o.PrivateKey); err != nil {
		return nil, fmt.Errorf("read its private key: %w", err)
	}
	if l.signer.Name() != l.verifier.Name() || l.signer.KeyHash() != l.verifier.KeyHash() {
		return nil, errors.New("its private key does not match its public key")
	}
	lock, err := l.disk.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return l, lock.Close()
}

// Size returns the number of entries that the signed checkpoint covers.
func (l *Ledger) Size() (uint64, error) {
	h, err := l.head()
	return h.size, err
}

// Close waits for a running Append and closes the ledger. Acknowledged entries are
// already on disk.
func (l *Ledger) Close() error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.signer = nil
	return nil
}
