// Package claims reads the claims of the ledger about everything else in a store.
package claims

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Claims are the claims of the ledger about files outside the ledger: the SHA-256 of each file,
// keyed by its name in its folder.
type Claims struct {
	// Files holds the hash of argus.json and the text of the public key.
	Files       map[string]string
	Authorities map[string]string
	// Documents holds the lists, the maps, the people and the directories of protected
	// persons, keyed by their folder.
	Documents map[string]Documents
	// Envelopes holds the keys of sealed records, and State is the SHA-256 of the newest
	// state of the matchers of protected communication, or "" if there is none.
	Envelopes map[string]string
	State     string
	// Kept holds the files that remain from a store of format 1.
	Kept map[string]string
	// Seals holds the first seal of each delivery, keyed by the delivery's number, and
	// Again holds a second, different one.
	Seals, Again map[string]string
	Deliveries   map[string]*Delivery
}

// Documents are the files of a folder of named documents.
type Documents struct {
	// Files holds the SHA-256 of each document, keyed by its file's name, and Unnamed
	// those of files whose names were destroyed.
	Files   map[string]string
	Unnamed map[string]bool
}

// documentFolders maps each act that adds a document to the document's folder.
var documentFolders = map[string]string{ledger.AddList: layout.Lists, ledger.AddMap: layout.Maps, ledger.AddPerson: layout.People, ledger.AddDirectory: layout.Privilege, ledger.DecideProtected: layout.Privilege}

// documents returns a copy that has all folders.
func documents(of map[string]Documents) map[string]Documents {
	all := map[string]Documents{}
	for _, folder := range documentFolders {
		d := Documents{map[string]string{}, map[string]bool{}}
		maps.Copy(d.Files, of[folder].Files)
		maps.Copy(d.Unnamed, of[folder].Unnamed)
		all[folder] = d
	}
	return all
}

// Read reads the claims of the ledger of the store in a folder.
func Read(ctx context.Context, dir, key string) (*Claims, error) {
	l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: key})
	if err != nil {
		return nil, err
	}
	said, err := Of(ctx, l)
	return said, errors.Join(err, l.Close())
}

// Of reads the claims of a ledger.
func Of(ctx context.Context, l *ledger.Ledger) (*Claims, error) {
	said := &Claims{Files: map[string]string{}, Authorities: map[string]string{}, Documents: documents(nil),
		Envelopes: map[string]string{}, Kept: map[string]string{}, Seals: map[string]string{}, Again: map[string]string{}, Deliveries: map[string]*Delivery{}}
	for e, err := range l.Sealed(ctx, 1, 0) {
		if err != nil {
			return nil, err
		}
		if err := said.add(ctx, l, &e); err != nil {
			return nil, err
		}
	}
	return said, nil
}

func (c *Claims) add(ctx context.Context, l *ledger.Ledger, e *ledger.Entry) error {
	if d, err := argus.ParseDelivery(e.Subject); err == nil {
		if c.Deliveries[e.Subject] == nil {
			c.Deliveries[e.Subject] = &Delivery{Number: d}
		}
		c.Deliveries[e.Subject].Add(e)
	}
	switch e.Action {
	case ledger.Init:
		maps.Copy(c.Files, e.Detail)
	case ledger.AddAuthority, ledger.ChangeAuthority:
		c.Authorities[layout.Authority(e.Subject)] = e.Detail["sha256"]
	case ledger.RevokeAuthority:
		c.Authorities[layout.Revocation(e.Subject)] = e.Detail["sha256"]
	case ledger.AddList, ledger.AddMap, ledger.AddPerson, ledger.AddDirectory, ledger.DecideProtected:
		into := c.Documents[documentFolders[e.Action]]
		for named, err := range l.Entries(ctx, e.Seq, 1) {
			if err != nil {
				return err
			}
			if named.Destroyed {
				into.Unnamed[e.Detail["sha256"]] = true
			} else {
				into.Files[named.Subject] = e.Detail["sha256"]
			}
		}
	case ledger.ProtectDelivery:
		c.State = e.Detail["state"]
		c.Envelopes[e.Detail["batch"]+layout.EnvelopeSuffix] = e.Detail["envelope"]
	case ledger.SealDelivery:
		// A crash can record the same seal twice.
		if before, ok := c.Seals[e.Subject]; ok && before != e.Detail["seal"] {
			c.Again[e.Subject] = e.Detail["seal"]
			return nil
		}
		c.Seals[e.Subject] = e.Detail["seal"]
	case ledger.UpgradeSeal:
		// After a crash, the seal of format 1 may be missing from the ledger.
		before, ok := c.Seals[e.Subject]
		if !ok {
			before = e.Detail["before"]
		}
		c.Kept[e.Subject+".seal"] = before
		c.Seals[e.Subject] = e.Detail["seal"]
	case ledger.Upgrade:
		c.Kept[layout.Info] = c.Files[layout.Info]
		c.Files[layout.Info] = e.Detail[layout.Info]
	}
	return nil
}

// Known follows the claims of a ledger about authorities, lists and maps, without
// rereading the whole ledger. Its methods are safe for concurrent use, and the caller
// must not change the maps.
type Known struct {
	ledger *ledger.Ledger
	mu     sync.Mutex
	seen   int // the number of entries of ledger.Named that are in said
	said   *Claims
}

// Follow returns a Known with the claims of a ledger, as they are at the time of each call.
func Follow(l *ledger.Ledger) *Known {
	return &Known{ledger: l, said: &Claims{}}
}

// Authorities returns the SHA-256 of each authority and revocation, keyed by its file's
// name.
func (k *Known) Authorities() (map[string]string, error) {
	said, err := k.now()
	return said.Authorities, err
}

// Documents returns a function that returns the SHA-256 of each document in a folder,
// keyed by its file's name, and the SHA-256 of those whose names were destroyed.
func (k *Known) Documents(folder string) func() (named map[string]string, unnamed map[string]bool, err error) {
	return func() (map[string]string, map[string]bool, error) {
		said, err := k.now()
		d := said.Documents[folder]
		return d.Files, d.Unnamed, err
	}
}

func (k *Known) now() (*Claims, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	ctx := context.Background()
	entries, err := k.ledger.Named(ctx)
	if err != nil || len(entries) == k.seen {
		return k.said, err
	}
	// Answers that have already been given must not change.
	next := &Claims{Authorities: map[string]string{}, Documents: documents(k.said.Documents)}
	maps.Copy(next.Authorities, k.said.Authorities)
	for _, e := range entries[k.seen:] {
		if err := next.add(ctx, k.ledger, &e); err != nil {
			return k.said, err
		}
	}
	k.said, k.seen = next, len(entries)
	return next, nil
}

// Hash returns the SHA-256 of a file in the ledger's notation.
func Hash(data []byte) string { return argus.Hash(sha256.Sum256(data)).String() }

// Folder is a folder whose files are named in the ledger.
type Folder struct {
	Name   string // its name in the store
	What   string // the word for one of its files
	Suffix string
	Files  map[string]string // maps names to SHA-256
	// Unnamed holds the SHA-256 of files whose names were destroyed.
	Unnamed map[string]bool
}

// Folders returns the folders whose files are named in the ledger, always in the same
// order.
func (c *Claims) Folders() []Folder {
	return []Folder{
		{layout.Authorities, "authority", ".json", c.Authorities, nil},
		c.folder(layout.Lists, "list", ".txt"),
		c.folder(layout.Maps, "map", ".json"),
		c.folder(layout.People, "person", ".json"),
		c.folder(layout.Privilege, "directory", ".privilege"),
		{layout.Sealing, "envelope", layout.EnvelopeSuffix, c.Envelopes, nil},
		{layout.Kept, "file", "", c.Kept, nil},
	}
}

func (c *Claims) folder(name, what, suffix string) Folder {
	return Folder{name, what, suffix, c.Documents[name].Files, c.Documents[name].Unnamed}
}

// Delivery is the state of a delivery according to the ledger.
type Delivery struct {
	Number         argus.DeliveryNumber
	Opened, Sealed bool
	// Opening is the root over the records of the opening. It is "" in older entries.
	Opening string
}

// Add takes into account an entry whose subject is the delivery.
func (d *Delivery) Add(e *ledger.Entry) {
	switch e.Action {
	case ledger.OpenDelivery:
		d.Opened, d.Opening = true, e.Detail["opening"]
	case ledger.ResumeDelivery:
		// Before the ledger had hashes of openings, an opening that was missing after a crash
		// was never recorded.
		d.Opened = d.Opened || e.Envelope == (argus.Hash{})
	case ledger.SealDelivery, ledger.UpgradeSeal:
		d.Sealed = true
	}
}

// Contradict describes how a delivery contradicts the ledger, or returns "" if it does
// not.
func (d *Delivery) Contradict(with evidence.Begun) string {
	switch {
	case !d.Opened && with.More:
		return fmt.Sprintf("delivery %s has records, but the ledger has no entry for its opening: Argus did not ingest it, or the ledger was truncated", d.Number)
	case d.Opening != "" && d.Opening != with.Root.String():
		return fmt.Sprintf("the opening of delivery %s has the root %s, but the ledger states %s", d.Number, with.Root, d.Opening)
	}
	return ""
}

// OtherLedger describes the problem with a seal that states the head of a different ledger.
func OtherLedger(seal *argus.Seal) string {
	return fmt.Sprintf("when delivery %s was sealed, the ledger had %d entries and the root %s, but this ledger never had that root: it has been truncated or replaced",
		seal.Delivery, seal.Ledger.Entries, seal.Ledger.Root)
}
