// Package admin keeps a store's authorities, lists, maps, people, directories of protected
// persons and keys. It records each change in the ledger first.
//
// Administering is not reading: no evidence leaves through this package.
package admin

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// ErrWriteProtected means that nothing can be recorded in a store.
var ErrWriteProtected = errors.New("the store is write-protected")

// Options describe the store of an Admin. Options without a default are required.
type Options struct {
	// Dir is the store's folder.
	Dir         string
	Ledger      *ledger.Ledger
	Authorities *authority.Store
	Lists, Maps *wordlist.Store
	// People holds the people of the store. Default: the store has none.
	People *wordlist.Store
	// Privilege holds the setup and the directories of protected persons. Default: the store
	// has none.
	Privilege *wordlist.Store
	// May returns argus.ErrRefused if an actor may not do an act. Default: everybody may do
	// everything.
	May func(actor, action string) error
	// Store is the id of the store, and PrivateKey its key: files that leave the store have
	// them. Default: none leaves.
	Store, PrivateKey string
	// Protected is set if nothing can be written into the store. Default: false.
	Protected bool
	// Failpoint ends the process at named moments, in tests.
	Failpoint func(name string)
}

// Admin changes a store's authorities and lists, and corrects its ledger's time. Its
// methods may be called concurrently, in any number of processes. They return
// [ErrWriteProtected] if nothing can be written, and argus.ErrLocked, having done
// nothing, if another process held the ledger for too long. For the actor, see
// [Admin.Actor].
type Admin struct {
	o          Options
	recognised string // who acts, if the caller knows; "" for the user of this process
}

// New returns the Admin of a store.
func New(o Options) *Admin {
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	return &Admin{o: o}
}

// recorded writes an act to the ledger, which the caller already holds.
type recorded = func(ledger.Act) (ledger.Entry, error)

// change changes files that the ledger names. The ledger has an entry for each file
// before the file is in place, and no other process changes files meanwhile. First,
// change finishes an earlier change that was interrupted.
func (a *Admin) change(ctx context.Context, what string, work func(record recorded) error) error {
	if a.o.Protected {
		return fmt.Errorf("%s: %w", what, ErrWriteProtected)
	}
	return a.o.Ledger.Hold(ctx, func(record recorded) error {
		if err := a.settleFiles(ctx); err != nil {
			return err
		}
		return work(func(act ledger.Act) (ledger.Entry, error) {
			a.o.Failpoint("change.ready")
			e, err := record(act)
			if err == nil {
				a.o.Failpoint("change.recorded")
			}
			return e, err
		})
	})
}

// Settle finishes interrupted changes to files.
func (a *Admin) Settle(ctx context.Context) error {
	some, err := a.unsettled()
	if err != nil || !some || a.o.Protected {
		return err
	}
	return a.change(ctx, "settle", func(recorded) error { return nil })
}

// unsettled reports whether a change to files was interrupted or is in progress.
func (a *Admin) unsettled() (bool, error) {
	for _, dir := range []string{layout.Authorities, layout.Lists, layout.Maps, layout.People, layout.Privilege, layout.Sealing} {
		if some, err := durable.Unsettled(durable.OS{}, layout.File(a.o.Dir, dir)); some || err != nil {
			return some, err
		}
	}
	return false, nil
}

// settleFiles finishes changes after a crash: it puts files in place for which the ledger
// has an entry, and removes those for which it has none.
func (a *Admin) settleFiles(ctx context.Context) error {
	some, err := a.unsettled()
	if err != nil || !some {
		return err
	}
	said, err := claims.Of(ctx, a.o.Ledger)
	if err != nil {
		return err
	}
	for _, f := range said.Folders() {
		err = errors.Join(err, durable.SettleRecords(durable.OS{}, layout.File(a.o.Dir, f.Name), func(name string, data []byte) bool {
			return f.Files[name] == claims.Hash(data)
		}))
	}
	return err
}

// AddAuthority adds an authority.
func (a *Admin) AddAuthority(ctx context.Context, actor string, one authority.Authority) (added *authority.Authority, err error) {
	if actor, err = a.may(ctx, actor, ledger.AddAuthority); err != nil {
		return nil, err
	}
	err = a.change(ctx, "add authority", func(record recorded) error {
		now, err := a.o.Ledger.Now()
		if err != nil {
			return err
		}
		added, err = a.o.Authorities.Add(one, now, func(number authority.Number, file argus.Hash) error {
			_, err := record(ledger.Act{Actor: actor, Action: ledger.AddAuthority, Subject: number.String(),
				Detail: map[string]string{"sha256": file.String()}})
			return err
		})
		return err
	})
	return added, err
}

// WiderAuthorities returns the authorities that make the limits of another pointless
// ([authority.Store.Wider]).
func (a *Admin) WiderAuthorities(than *authority.Authority) ([]authority.Authority, error) {
	now, err := a.o.Ledger.Now()
	if err != nil {
		return nil, err
	}
	return a.o.Authorities.Wider(than, now)
}

// RevokeAuthority ends an authority at once.
func (a *Admin) RevokeAuthority(ctx context.Context, actor string, number authority.Number, reason string) (err error) {
	if actor, err = a.may(ctx, actor, ledger.RevokeAuthority); err != nil {
		return err
	}
	return a.change(ctx, "revoke authority", func(record recorded) error {
		now, err := a.o.Ledger.Now()
		if err != nil {
			return err
		}
		return a.o.Authorities.Revoke(number, actor, reason, now, func(file argus.Hash) error {
			_, err := record(ledger.Act{Actor: actor, Action: ledger.RevokeAuthority, Subject: number.String(),
				Detail: map[string]string{"sha256": file.String()}})
			return err
		})
	})
}

// ChangeAuthority suspends, resumes or extends an authority at once.
func (a *Admin) ChangeAuthority(ctx context.Context, actor string, number authority.Number, c authority.Change) (changed *authority.Authority, err error) {
	if c.By, err = a.may(ctx, actor, ledger.ChangeAuthority); err != nil {
		return nil, err
	}
	err = a.change(ctx, string(c.Kind)+" authority", func(record recorded) error {
		now, err := a.o.Ledger.Now()
		if err != nil {
			return err
		}
		changed, err = a.o.Authorities.Change(number, c, now, func(name string, file argus.Hash) error {
			_, err := record(ledger.Act{Actor: c.By, Action: ledger.ChangeAuthority, Subject: name, Detail: map[string]string{"sha256": file.String()}})
			return err
		})
		return err
	})
	return changed, err
}

// AddList stores a list of words or accounts that queries can name. known is true if it
// was already stored.
func (a *Admin) AddList(ctx context.Context, actor, name string, data []byte) (v wordlist.Version, known bool, err error) {
	return a.addTo(ctx, a.o.Lists, "add list", ledger.AddList, actor, name, data, unchecked)
}

// AddMap stores a map with which sources can be read. known is true if it was already
// stored.
func (a *Admin) AddMap(ctx context.Context, actor, name string, data []byte) (v wordlist.Version, known bool, err error) {
	return a.addTo(ctx, a.o.Maps, "add map", ledger.AddMap, actor, name, data, unchecked)
}

func unchecked() error { return nil }

// addTo adds a document. check is called while no other process changes any.
func (a *Admin) addTo(ctx context.Context, to *wordlist.Store, what, action, actor, name string, data []byte, check func() error) (v wordlist.Version, known bool, err error) {
	if actor, err = a.may(ctx, actor, action); err != nil {
		return v, false, err
	}
	err = a.change(ctx, what, func(record recorded) error {
		if err := check(); err != nil {
			return err
		}
		v, known, err = to.Add(name, data, func(v wordlist.Version) error {
			_, err := record(ledger.Act{Actor: actor, Action: action, Subject: v.File(),
				Detail: map[string]string{"sha256": v.Hash}})
			return err
		})
		return err
	})
	return v, known, err
}

// Maps returns all versions of all maps.
func (a *Admin) Maps() ([]wordlist.Version, error) { return a.o.Maps.List() }

// OpenMaps opens a directory of maps, and creates it if it is missing.
func OpenMaps(dir string) (*wordlist.Store, error) { return wordlist.OpenKind(dir, MapKind) }

// MapKind is the kind of document that a map is.
var MapKind = wordlist.Kind{Word: "map", Suffix: ".json", Limit: mapping.MaxBytes, Hash: func(name string, data []byte) (string, error) {
	if err := mapping.CheckName(name); err != nil {
		return "", err
	}
	m, err := mapping.Parse(string(data))
	if err == nil {
		_, err = m.Location()
	}
	return mapping.Hash(string(data)), err
}}

// FindMap returns the text of the map with the given name in the store in dir. If there
// is none, the error is argus.ErrNotFound. A map for which the ledger has no entry counts
// as damage.
func FindMap(dir, name string) (_ string, err error) {
	if !layout.There(layout.File(dir, layout.Maps)) {
		return "", fmt.Errorf("read map %s: %w", name, argus.ErrNotFound)
	}
	maps, err := OpenMaps(layout.File(dir, layout.Maps))
	if err != nil {
		return "", err
	}
	key, wrong, err := ReadPublicKey(layout.File(dir, layout.PublicKey))
	if wrong != "" {
		err = fmt.Errorf("%s: %w", wrong, argus.ErrDamaged)
	}
	if err != nil {
		return "", err
	}
	l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: key})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	maps.Known = claims.Follow(l).Documents(layout.Maps)
	name, hash, _ := strings.Cut(name, "@")
	text, err := maps.Read(name, hash)
	return string(text), err
}

// Lists returns all versions of all lists.
func (a *Admin) Lists() ([]wordlist.Version, error) { return a.o.Lists.List() }

// CorrectTime records that the time of a ledger entry was wrong ([ledger.Ledger.Correct]).
func (a *Admin) CorrectTime(ctx context.Context, actor string, entry uint64, reason string) (ledger.Entry, error) {
	if a.o.Protected {
		return ledger.Entry{}, fmt.Errorf("correct the ledger: %w", ErrWriteProtected)
	}
	actor, err := a.may(ctx, actor, ledger.Correct)
	if err != nil {
		return ledger.Entry{}, err
	}
	return a.o.Ledger.Correct(ctx, actor, entry, reason)
}

// LaterAuthorities returns the authorities that begin later because they were added while
// the ledger's time was ahead.
func (a *Admin) LaterAuthorities() ([]authority.Authority, error) {
	now, err := a.o.Ledger.Now()
	if err != nil {
		return nil, err
	}
	list, err := a.o.Authorities.List()
	return slices.DeleteFunc(list, func(one authority.Authority) bool {
		return one.Revoked != nil || !one.Created.After(now) || !one.From.After(now)
	}), err
}

// DestroyWords destroys the words of ledger entries on the basis of an order, which is
// recorded first ([ledger.Ledger.Destroy]).
func (a *Admin) DestroyWords(ctx context.Context, actor string, entries []ledger.Span, order string) (ledger.Entry, error) {
	if a.o.Protected {
		return ledger.Entry{}, fmt.Errorf("destroy words in the ledger: %w", ErrWriteProtected)
	}
	actor, err := a.may(ctx, actor, ledger.Destroy)
	if err != nil {
		return ledger.Entry{}, err
	}
	return a.o.Ledger.Destroy(ctx, actor, entries, order)
}

// ParseEntries parses numbers and ranges of ledger entries: "3,7-9".
func ParseEntries(text string) ([]ledger.Span, error) { return ledger.ParseSpans(text) }

// ActorName returns the name of the user who runs this process.
func ActorName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}
