package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// The names of the documents in the privilege folder.
const (
	setupName     = "setup"
	directoryName = "directory"
)

// OpenPrivilege opens the folder of the setup and the directories of protected persons,
// and creates it if it is missing.
func OpenPrivilege(dir string) (*wordlist.Store, error) {
	return wordlist.OpenKind(dir, wordlist.Kind{Word: "directory", Suffix: ".privilege", Limit: 1 << 30, Hash: func(_ string, data []byte) (string, error) {
		return argus.Hash(sha256.Sum256(data)).String(), nil
	}})
}

// PrivilegeSetup returns how protected communication is sealed, or nil if the store does
// not seal any.
func PrivilegeSetup(store *wordlist.Store) (*privilege.Setup, error) {
	data, err := store.Read(setupName, "")
	if errors.Is(err, argus.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return privilege.ParseSetup(data)
}

// PrivilegeDirectory returns the encoded set of the newest directory, and the sealed directory itself.
// The error is argus.ErrNotFound if there is none.
func PrivilegeDirectory(store *wordlist.Store) (set, sealed []byte, err error) {
	data, err := store.Read(directoryName, "")
	if err != nil {
		return nil, nil, err
	}
	return privilege.SplitDirectory(data)
}

// ErrSetUp means that privilege was already set up.
var ErrSetUp = errors.New("privilege is already set up, and the recipients of sealed messages cannot change")

// SetUpPrivilege makes a store seal the communication of protected persons from now on,
// and returns the key with which its hashes are made. The key is nowhere in the store:
// save, which is called first, must keep it durably. lines are the public keys of those
// who can open the seals ([privilege.ParseRecipients]).
func (a *Admin) SetUpPrivilege(ctx context.Context, actor, lines string, save func(privilege.Key) error) (*privilege.Setup, error) {
	key := privilege.NewKey()
	setup, err := privilege.NewSetup(lines, key)
	if err != nil {
		return nil, err
	}
	text, err := setup.Encode()
	if err != nil {
		return nil, err
	}
	return setup, a.addPrivilege(ctx, actor, setupName, text, map[string]string{"recipients": fmt.Sprint(len(setup.Recipients))}, func() error {
		switch before, err := PrivilegeSetup(a.o.Privilege); {
		case err != nil:
			return err
		case before != nil:
			return ErrSetUp
		}
		return save(key)
	})
}

// ErrNoPrivilege means that a store does not seal protected communication.
var ErrNoPrivilege = errors.New("privilege is not set up in this store")

// AddDirectory replaces the directory of protected persons; everything that is ingested
// from then on is judged by it. Without a report, the directory is empty, which is a
// decision that the ledger records.
func (a *Admin) AddDirectory(ctx context.Context, actor string, key privilege.Key, d *privilege.Directory, report *privilege.ReadReport) error {
	setup, err := PrivilegeSetup(a.o.Privilege)
	if err != nil {
		return err
	}
	if setup == nil {
		return ErrNoPrivilege
	}
	if err := setup.Fits(key); err != nil {
		return err
	}
	set, err := privilege.NewSet(d, key)
	if err != nil {
		return err
	}
	sealed, err := d.Seal(setup.To())
	if err != nil {
		return err
	}
	facts := map[string]string{"entries": fmt.Sprint(len(d.Entries))}
	if report != nil {
		facts["rows"], facts["lost"] = fmt.Sprint(report.Rows), fmt.Sprint(report.Lost())
	}
	return a.addPrivilege(ctx, actor, directoryName, privilege.JoinDirectory(set, sealed), facts, unchecked)
}

// addPrivilege adds a document to the folder of privilege. The facts are for the ledger.
func (a *Admin) addPrivilege(ctx context.Context, actor, name string, data []byte, facts map[string]string, check func() error) error {
	actor, err := a.may(ctx, actor, ledger.AddDirectory)
	if err != nil {
		return err
	}
	return a.change(ctx, "add "+name+" of protected persons", func(record recorded) error {
		if err := check(); err != nil {
			return err
		}
		_, _, err := a.o.Privilege.Add(name, data, func(v wordlist.Version) error {
			facts["sha256"] = v.Hash
			_, err := record(ledger.Act{Actor: actor, Action: ledger.AddDirectory, Subject: v.File(), Detail: facts})
			return err
		})
		return err
	})
}

// Protect keeps the state of the matchers and the envelope of a batch, which are needed
// to seal the suspected messages of a delivery. It records both in the act, whose subject
// is the delivery. When it returns, they are durable.
func (a *Admin) Protect(ctx context.Context, act ledger.Act, batch argus.Hash, envelope, state []byte) error {
	disk, dir := durable.OS{}, layout.File(a.o.Dir, layout.Sealing)
	sum := claims.Hash(state)
	act.Action = ledger.ProtectDelivery
	act.Detail = map[string]string{"batch": batch.String(), "envelope": claims.Hash(envelope), "state": sum}
	return a.change(ctx, "protect delivery "+act.Subject, func(record recorded) error {
		if !layout.There(dir) {
			if err := errors.Join(disk.MkdirAll(dir), disk.SyncDir(a.o.Dir)); err != nil {
				return err
			}
		}
		// The entry names the state by its hash, so it is in place first; whether it is the
		// newest, only the ledger says.
		if err := durable.WriteNew(disk, layout.File(a.o.Dir, layout.State(sum)), state); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		err := durable.Record(disk, layout.File(a.o.Dir, layout.Envelope(batch)), envelope, func() error {
			_, err := record(act)
			return err
		})
		if err != nil {
			return err
		}
		return removeStates(dir, sum)
	})
}

// removeStates removes all states except the newest and the one before it, which another
// process may be reading.
func removeStates(dir, newest string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type state struct {
		name string
		made int64
	}
	var older []state
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), layout.StateSuffix) || e.Name() == newest+layout.StateSuffix {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		older = append(older, state{e.Name(), info.ModTime().UnixNano()})
	}
	slices.SortFunc(older, func(a, b state) int { return cmp.Compare(b.made, a.made) })
	for _, s := range older[min(1, len(older)):] {
		if err := os.Remove(filepath.Join(dir, s.name)); err != nil {
			return err
		}
	}
	return nil
}

// ReadKey reads the key of protected persons from the file that the judge lent.
func ReadKey(name string) (k privilege.Key, err error) {
	text, err := readPrivate(name)
	if err != nil {
		return k, err
	}
	return privilege.ParseKey(string(text))
}

// SaveKey writes the key of protected persons into a new file for the judge.
func SaveKey(name string) func(privilege.Key) error {
	return func(k privilege.Key) error { return durable.WriteNew(durable.OS{}, name, []byte(k.Text()+"\n")) }
}

// ReadIdentities reads the private keys of a judge from a file that must be accessible
// only to its owner.
func ReadIdentities(name string) (privilege.Identities, error) {
	text, err := readPrivate(name)
	if err != nil {
		return nil, err
	}
	return privilege.ParseIdentities(text)
}

// PrivilegeDecisions returns the decisions about sealed messages. Each is a document of
// its own, and a missing one is argus.ErrDamaged.
func PrivilegeDecisions(store *wordlist.Store) (*privilege.Log, error) {
	versions, err := store.List()
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, v := range versions {
		if v.Name != layout.Decision {
			continue
		}
		if v.Damage != "" {
			return nil, fmt.Errorf("read the decisions: %w: %s", argus.ErrDamaged, v.Damage)
		}
		line, err := store.Read(v.Name, v.Hash)
		if err != nil {
			return nil, err
		}
		text = append(text, line...)
	}
	return privilege.ParseLog(text)
}
