package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence/format1"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/upgrade"
	"github.com/argus-evidence/argus/internal/verify"
)

// Upgraded is the result of an upgrade.
type Upgraded struct {
	Store string `json:"store"`
	// Kept is the new path of the format 1 store.
	Kept string `json:"kept"`
	// Finished is set if this run only did the renaming that an interrupted upgrade still
	// lacked. In that case, the other figures are unknown.
	Finished bool `json:"finished,omitempty"`
	*upgrade.Result
}

// Upgrading has callbacks for the progress of an upgrade. All may be nil.
type Upgrading struct {
	// Begin is called with the maximum size of the new store and the free space on the
	// disk, both in bytes. free is -1 if it is unknown.
	Begin func(need, free int64)
	// Progress is called with the number of records done in each step.
	Progress func(step upgrade.Step, done, total uint64)
}

// Upgrade converts a store of format 1 to the current format, and proves that the two are
// equivalent. It works in DIR.upgrading, next to the store, and resumes there after an
// interruption. Then it renames the format 1 store to DIR.format-1, and the new store
// takes its name. actor is the person who upgrades the store; "" means the user's name.
//
// If the store is not as it was sealed, the error is ErrDamaged and the store stays as it
// is. The error is ErrNoKey if the private key is missing, ErrOpenKey if other people can
// use it, and ErrLocked if another process uses the store.
func Upgrade(ctx context.Context, dir, actor string, o Options, tell Upgrading) (*Upgraded, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if tell.Begin == nil {
		tell.Begin = func(int64, int64) {}
	}
	if tell.Progress == nil {
		tell.Progress = func(upgrade.Step, uint64, uint64) {}
	}
	// Derive the other names from the real folder, not from a link to it.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if dir = filepath.Clean(dir); filepath.Base(dir) == "." || filepath.Base(dir) == ".." {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, err
		}
	}
	u := &upgrading{dir: dir, making: dir + ".upgrading", kept: dir + ".format-1", actor: cmp.Or(actor, admin.ActorName()), o: o, tell: tell}
	done, err := u.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("upgrade %s: %w", dir, err)
	}
	return done, nil
}

type upgrading struct {
	dir, making, kept string
	actor             string
	o                 Options
	tell              Upgrading
	info              layout.StoreInfo
	keys              admin.Keys
	old               *format1.Store
}

func (u *upgrading) run(ctx context.Context) (_ *Upgraded, err error) {
	if done, err := u.finish(); done != nil || err != nil {
		return done, err
	}
	u.info, err = layout.ReadInfo(u.dir)
	if err == nil {
		return nil, fmt.Errorf("the store already has format %d", u.info.Format)
	}
	if !errors.Is(err, argus.ErrOlder) {
		return nil, err
	}
	if layout.There(u.kept) {
		return nil, fmt.Errorf("%s already exists, but the format 1 store needs this name; move the folder away", u.kept)
	}
	if u.keys, err = admin.ReadKeys(u.dir, u.o.KeyDir, u.info.Store, false); err != nil {
		return nil, err
	}
	signer, verifier, err := u.keys.Pair()
	if err != nil {
		return nil, err
	}
	if u.old, err = format1.Open(u.dir, note.VerifierList(verifier)); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, u.old.Close()) }()
	if err := u.space(); err != nil {
		return nil, err
	}
	if err := u.check(ctx); err != nil {
		return nil, err
	}
	u.o.failpoint("upgrade.checked")
	if err := os.MkdirAll(u.making, 0o700); err != nil {
		return nil, err
	}
	result, err := upgrade.Evidence(ctx, upgrade.Options{
		Old: u.old, Dir: u.making, Store: u.info.Store, Signer: signer, SegmentBytes: u.info.SegmentBytes, Failpoint: u.o.failpoint, Now: u.o.Now,
		Progress: func(step upgrade.Step, done uint64) { u.tell.Progress(step, done, u.old.Last()) },
	})
	if errors.Is(err, argus.ErrDamaged) {
		err = errors.Join(err, os.RemoveAll(u.making)) // the unfinished store cannot be used
	}
	if err != nil {
		return nil, err
	}
	u.o.failpoint("upgrade.compared")
	if err := u.complete(ctx, result); err != nil {
		return nil, err
	}
	u.o.failpoint("upgrade.complete")
	if err := u.swap(); err != nil {
		return nil, err
	}
	return &Upgraded{Store: u.info.Store, Kept: u.kept, Result: result}, nil
}

// finish renames the folders if that is the only missing step of an upgrade.
func (u *upgrading) finish() (*Upgraded, error) {
	now, errNow := layout.ReadInfo(u.dir)
	beside, errBeside := layout.ReadInfo(u.making)
	var err error
	switch {
	case errNow == nil && errors.Is(errBeside, argus.ErrOlder) && now.Store == beside.Store && !layout.There(u.kept):
		err = os.Rename(u.making, u.kept)
	case errors.Is(errNow, layout.ErrNoStore) && errBeside == nil && !layout.There(u.dir):
		older, errOlder := layout.ReadInfo(u.kept)
		if !errors.Is(errOlder, argus.ErrOlder) || older.Store != beside.Store {
			return nil, nil
		}
		now, err = beside, os.Rename(u.making, u.dir)
	default:
		return nil, nil
	}
	if err = errors.Join(err, durable.OS{}.SyncDir(filepath.Dir(u.dir))); err != nil {
		return nil, err
	}
	return &Upgraded{Store: now.Store, Kept: u.kept, Finished: true}, nil
}

// space checks whether the new store fits next to the old one.
func (u *upgrading) space() error {
	var evidence, rest int64
	err := filepath.WalkDir(u.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(u.dir, path)
		switch top, _, _ := strings.Cut(filepath.ToSlash(rel), "/"); top {
		case layout.Evidence:
			evidence += info.Size()
		case layout.Index:
		default:
			rest += info.Size()
		}
		return err
	})
	if err != nil {
		return err
	}
	// As measured, the new evidence takes 0.9 times the space of the old if it has only
	// messages, and 1.5 times if it has only sightings. An incompressible original grows
	// by 1 byte in 500.
	need := 2*evidence + rest + rest/100 + 1<<20
	free, err := durable.Free(filepath.Dir(u.dir))
	if err != nil {
		free = -1 // unknown here
	}
	u.tell.Begin(need, free)
	if free >= 0 && free+taken(u.making) < need {
		return fmt.Errorf("the upgrade needs up to %d bytes of free disk space next to the store, but only %d are free", need, free)
	}
	return nil
}

// taken returns the total size of the files in a folder, as far as it is known.
func taken(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}

// check reads a format 1 store except for its records and originals, which are checked
// while they are converted and compared.
func (u *upgrading) check(ctx context.Context) error {
	var damage error
	report := func(f verify.Finding) {
		if !f.Note && damage == nil {
			damage = fmt.Errorf("%s: %w: %s", f.File, argus.ErrDamaged, f.Problem)
		}
	}
	said, err := verify.LedgerAndFiles(ctx, u.dir, u.keys.Public, &verify.Verified{}, report)
	if said != nil {
		for _, f := range said.Folders() {
			verify.Folder(u.dir, f, f, report)
		}
	}
	if err = errors.Join(err, damage); err != nil {
		return err
	}
	for _, d := range u.old.Deliveries() {
		number, name := d.Number.String(), format1.SealName(d.Number)
		want, known := said.Seals[number]
		delete(said.Seals, number)
		switch {
		case said.Again[number] != "":
			return fmt.Errorf("%s: %w: the ledger records two seals of the delivery", name, argus.ErrDamaged)
		case d.Seal == nil && known:
			return fmt.Errorf("%s: %w: the ledger records the seal of the delivery, but the seal is missing", name, argus.ErrDamaged)
		case d.Seal == nil:
		case d.Seal.Store != u.info.Store:
			return fmt.Errorf("%s: %w: the seal belongs to another store, %s", name, argus.ErrDamaged, d.Seal.Store)
		case known && claims.Hash(d.Seal.File) != want:
			return fmt.Errorf("%s: %w: the seal has the SHA-256 %s, but the ledger has %s", name, argus.ErrDamaged, claims.Hash(d.Seal.File), want)
		}
	}
	for number := range said.Seals {
		return fmt.Errorf("deliveries: %w: the ledger records the seal of %s, but the delivery is missing", argus.ErrDamaged, number)
	}
	return nil
}

// complete makes a store from the converted evidence: it adds everything else from the
// format 1 store, and records the upgrade in the ledger.
func (u *upgrading) complete(ctx context.Context, result *upgrade.Result) error {
	for _, name := range []string{layout.Keys, layout.Authorities, layout.Lists, layout.Ledger} {
		into := filepath.Join(u.making, name)
		if err := os.RemoveAll(into); err != nil {
			return err
		}
		if err := copyFolder(filepath.Join(u.dir, name), into); err != nil {
			return err
		}
	}
	before, err := os.ReadFile(filepath.Join(u.dir, layout.Info))
	if err != nil {
		return err
	}
	if err := u.keep(before); err != nil {
		return err
	}
	now := u.info
	now.Format, now.MinReader = layout.Format, layout.MinReader
	text, err := now.Encode()
	if err != nil {
		return err
	}
	if err := durable.Replace(durable.OS{}, filepath.Join(u.making, layout.Info), text); err != nil {
		return err
	}
	u.o.failpoint("upgrade.before-ledger")
	if err := u.record(ctx, result, before, text); err != nil {
		return err
	}
	for _, name := range []string{layout.Kept, layout.Originals, layout.Deliveries, layout.Evidence, "."} {
		if err := (durable.OS{}).SyncDir(filepath.Join(u.making, name)); err != nil {
			return err
		}
	}
	return nil
}

// keep copies the seals and the argus.json of format 1 into the new store.
func (u *upgrading) keep(info []byte) error {
	into := filepath.Join(u.making, layout.Kept)
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	if err := os.Mkdir(into, 0o700); err != nil {
		return err
	}
	err := durable.Replace(durable.OS{}, filepath.Join(into, layout.Info), info)
	for _, d := range u.old.Deliveries() {
		if d.Seal != nil && err == nil {
			err = durable.Replace(durable.OS{}, layout.File(u.making, layout.KeptSeal(d.Number)), d.Seal.File)
		}
	}
	return err
}

// record appends the acts of the upgrade to a copy of the ledger.
func (u *upgrading) record(ctx context.Context, result *upgrade.Result, before, now []byte) (err error) {
	dir := layout.File(u.making, layout.Ledger)
	copied, err := os.ReadFile(layout.File(u.making, layout.Checkpoint))
	if err != nil {
		return err
	}
	l, err := ledger.Open(dir, ledger.Options{PublicKey: u.keys.Public, PrivateKey: u.keys.Private, Now: u.o.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, d := range result.Deliveries {
		if d.Seal == (argus.Hash{}) {
			continue // still open: the next ingest continues or seals the delivery
		}
		if _, err := l.Append(ctx, ledger.Act{Actor: u.actor, Action: ledger.UpgradeSeal, Subject: d.Number.String(), Detail: map[string]string{
			"seal": d.Seal.String(), "before": d.Before.String(), "root_before": d.Root.String(), "records": number(d.Records),
		}}); err != nil {
			return err
		}
	}
	if _, err := l.Append(ctx, ledger.Act{Actor: u.actor, Action: ledger.Upgrade, Subject: "format " + strconv.Itoa(layout.Format), Detail: map[string]string{
		layout.Info: claims.Hash(now), "before": claims.Hash(before), "software": u.o.Software, "same": result.Same.String(), "records": number(result.Records),
		"messages": number(result.Messages), "sightings": number(result.Sightings), "quarantined": number(result.Quarantined),
	}}); err != nil {
		return err
	}
	// Readers also write to the ledger, and no lock on the evidence keeps them out.
	if last, err := os.ReadFile(layout.File(u.dir, layout.Checkpoint)); err != nil || !bytes.Equal(last, copied) {
		return errors.Join(errors.New("another process used the store meanwhile; stop it and run the upgrade again, which continues from here"), err)
	}
	return nil
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// swap gives the new store the name of the old one, atomically if the system can.
func (u *upgrading) swap() error {
	if err := (durable.OS{}).SyncDir(filepath.Dir(u.dir)); err != nil {
		return err
	}
	err := durable.Exchange(u.making, u.dir)
	switch {
	case err == nil:
		u.o.failpoint("upgrade.swapped")
		err = os.Rename(u.making, u.kept)
	case errors.Is(err, errors.ErrUnsupported):
		if err = os.Rename(u.dir, u.kept); err == nil {
			u.o.failpoint("upgrade.between")
			err = os.Rename(u.making, u.dir)
		}
	}
	return errors.Join(err, durable.OS{}.SyncDir(filepath.Dir(u.dir)))
}

// copyFolder copies a folder of regular files durably, byte for byte. It skips a missing
// folder.
func copyFolder(from, into string) error {
	if !layout.There(from) {
		return nil
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := filepath.Join(into, rel)
		if e.IsDir() {
			return os.MkdirAll(name, 0o700)
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("copy %s: it is not a regular file", path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return durable.WriteNew(durable.OS{}, name, data)
	})
}
