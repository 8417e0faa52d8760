// Package verify recomputes everything that a store claims from its folder alone,
// without a server and without a secret.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/upgrade"
)

// Finding is a problem or a note that Verify reports about a store.
type Finding = check.Finding

// Verified is the result of [Store].
type Verified struct {
	Store string `json:"store"`
	*check.Verified
	// Entries counts the entries of the ledger.
	Entries uint64 `json:"ledger_entries"`
	// Indexed counts the messages in the index; IndexedTo is the last record that it has
	// seen.
	Indexed   uint64 `json:"indexed"`
	IndexedTo uint64 `json:"indexed_to"`
	// Key is the public key with which the seals and the ledger were checked; KeyFrom is
	// its source.
	Key     string `json:"key"`
	KeyFrom string `json:"key_from,omitempty"`
}

// Sources of the public key.
const (
	KeyGiven  = "given"
	KeyStored = "store"
)

// ErrKey means that a given key is not the public key of a store.
var ErrKey = errors.New("the given key is not the public key of a store")

// Options configure a verification.
type Options struct {
	// Key is the public key that the caller trusts; if it is empty, the key in the store
	// is used, which proves only that the store agrees with itself.
	Key string
	// OpenIndex opens the index.
	OpenIndex index.Open
	// Report is called with each finding, and Advance with the number of further bytes
	// read.
	Report  func(Finding)
	Advance func(bytes int64)
}

// Store recomputes everything that the store in a folder claims. The error is
// argus.ErrOlder for a store that must be upgraded first, and [ErrKey] for an invalid key.
func Store(ctx context.Context, dir string, o Options) (*Verified, error) {
	report, key := o.Report, o.Key
	damage := func(file, format string, args ...any) {
		report(Finding{File: file, Offset: -1, Problem: fmt.Sprintf(format, args...)})
	}
	result := &Verified{Verified: &check.Verified{}}
	if at, err := os.Stat(dir); err == nil && !at.IsDir() {
		return nil, fmt.Errorf("open %s: %w", dir, layout.ErrNoStore)
	}
	info, err := layout.ReadInfo(dir)
	if errors.Is(err, layout.ErrNoStore) || errors.Is(err, argus.ErrOlder) {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if errors.Is(err, argus.ErrNewer) {
		report(Finding{File: layout.Info, Offset: -1, Newer: true, Problem: err.Error() + "; nothing was checked"})
		return result, nil
	}
	if err != nil {
		damage(layout.Info, "%s", strings.TrimPrefix(err.Error(), argus.ErrDamaged.Error()+": "))
	}
	result.Store = info.Store
	stored, unread := layout.Read(durable.OS{}, dir, layout.PublicKey)
	if unread != nil {
		damage(layout.PublicKey, "the public key cannot be read: %v", unread)
	}
	result.KeyFrom = KeyGiven
	if key == "" {
		key, result.KeyFrom = strings.TrimSpace(string(stored)), KeyStored
	} else if _, err := note.NewVerifier(key); err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrKey, err)
	} else if unread == nil && strings.TrimSpace(string(stored)) != key {
		damage(layout.PublicKey, "the key in the store differs from the given key")
	}
	var verifiers note.Verifiers
	verifier, err := note.NewVerifier(key)
	switch {
	case err == nil:
		result.Key, verifiers = key, note.VerifierList(verifier)
	case unread == nil:
		damage(layout.PublicKey, "the public key is invalid: %v", err)
	}
	if err != nil {
		result.KeyFrom = ""
	}
	// Another process may be writing: derived files are read first and the evidence last,
	// so that the evidence contains everything that they mention. The ledger is read once
	// more after the evidence, so that it mentions everything in the evidence.
	var said *claims.Claims
	// cannot turns the error of a part into a finding, so that verification always ends
	// with a verdict.
	cannot := func(part string, err error) error {
		if err == nil || ctx.Err() != nil || errors.Is(err, argus.ErrLocked) {
			return err
		}
		damage(part, "it cannot be read: %v", err)
		return nil
	}
	if verifier != nil {
		said, err = LedgerAndFiles(ctx, dir, key, result, report)
		if err := cannot(layout.Ledger, err); err != nil {
			return nil, err
		}
		// Otherwise the ledger has shown which of the two is wrong.
		if name := layout.KeyName(info.Store); said == nil && result.KeyFrom == KeyStored && info.Store != "" && verifier.Name() != name {
			damage(layout.PublicKey, "the public key belongs to the store %s, but this store is %s", verifier.Name(), name)
		}
	}
	index, sealed := &indexCheck{open: o.OpenIndex}, &sealedCheck{}
	if err := cannot(layout.Index, index.begin(ctx, dir, result, report)); err != nil {
		return nil, err
	}
	result.Verified, err = check.Verify(ctx, dir, verifiers, index.listen(report), o.Advance, func(r *argus.Record) {
		index.follow(ctx, r)
		sealed.add(r)
	}, index.trees...)
	if err := errors.Join(err, cannot(layout.Index, index.end(ctx, result, report))); err != nil {
		return nil, err
	}
	for _, d := range result.Unsealed {
		if said == nil || said.Seals[d.String()] == "" { // otherwise it has been reported already
			report(Finding{File: layout.Seal(d), Offset: -1, Delivery: d, Note: true,
				Problem: fmt.Sprintf("delivery %s is not sealed: its ingest is under way or was interrupted (argus ingest --resume)", d)})
		}
	}
	if said != nil {
		if err := cannot(layout.Ledger, verifyDeliveries(ctx, dir, key, said, sealed, result, report)); err != nil {
			return nil, err
		}
	}
	return result, verifyStrays(dir, report)
}

// LedgerAndFiles checks the ledger and its claims about other files. It returns the
// claims, or nil if they cannot be trusted.
func LedgerAndFiles(ctx context.Context, dir, key string, result *Verified, report func(Finding)) (*claims.Claims, error) {
	if !layout.There(layout.File(dir, layout.Ledger)) {
		report(Finding{File: layout.Ledger, Offset: -1, Problem: "the folder is missing: no act on the store is recorded"})
		return nil, nil
	}
	checked, err := Ledger(ctx, dir, key)
	if err != nil {
		return nil, err
	}
	result.Entries = checked.Entries
	for _, f := range checked.Findings {
		report(f)
	}
	if !checked.Sound() {
		return nil, nil
	}
	said, err := claims.Read(ctx, dir, key)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{layout.Info, layout.PublicKey} {
		data, err := layout.Read(durable.OS{}, dir, name)
		if err != nil {
			continue // reported already
		}
		got := claims.Hash(data)
		if name == layout.PublicKey {
			got = strings.TrimSpace(string(data))
			if want := said.Files[name] + "\n"; string(data) != want {
				got = "another text"
			}
		}
		if got != said.Files[name] {
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the file differs from the ledger: %s, want %s", got, said.Files[name])})
		}
	}
	return said, nil
}

// Folder compares the files of a folder with the claims of the ledger, both from before the
// files were read (f) and from afterwards (now).
func Folder(dir string, f, now claims.Folder, report func(Finding)) {
	path := filepath.Join(dir, f.Name)
	if f.Name != layout.Authorities && len(f.Files)+len(f.Unnamed) == 0 && !layout.There(path) {
		return // it is created on demand
	}
	what := func(name string) string {
		if f.Name == layout.Authorities && strings.HasSuffix(name, ".revoked.json") {
			return "revocation"
		}
		return f.What
	}
	say := func(note bool, file, format string, args ...any) {
		report(Finding{File: file, Offset: -1, Note: note, Problem: fmt.Sprintf(format, args...)})
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		say(false, f.Name, "the folder cannot be read: %v", err)
		return
	}
	unnamed := maps.Clone(f.Unnamed)
	for _, e := range entries {
		name := f.Name + "/" + e.Name()
		data, err := layout.Read(durable.OS{}, dir, name)
		delete(unnamed, claims.Hash(data))
		want, known := now.Files[e.Name()]
		made, waits := strings.CutPrefix(e.Name(), durable.Prepared)
		switch {
		case f.Name == layout.Sealing && strings.HasSuffix(e.Name(), layout.StateSuffix):
			// The newest state is checked separately, and the one before it may be there, too.
		case errors.Is(err, fs.ErrNotExist) && waits:
			// It has been renamed to its final name in the meantime.
		case err != nil:
			say(false, name, "the %s cannot be read: %v", what(e.Name()), err)
		case waits && now.Files[made] == claims.Hash(data):
			// It is reported under its final name.
		case !known && now.Unnamed[claims.Hash(data)]:
			say(true, name, "the ledger records the %s, but the envelope with its name has been destroyed", f.What)
		case !known && !waits && strings.HasSuffix(e.Name(), f.Suffix):
			say(false, name, "the ledger has no entry for this %s: Argus did not add it, since it writes the entry before the file", what(e.Name()))
		case !known:
			say(true, name, "the file is not part of the store, or was left behind by a crash")
		case claims.Hash(data) != want:
			say(false, name, "the %s has the SHA-256 %s, but the ledger has %s", what(e.Name()), claims.Hash(data), want)
		}
	}
	for hash := range unnamed {
		say(true, f.Name, "the ledger records a %s with the SHA-256 %s, whose name was destroyed with its envelope, but no file matches it", f.What, hash)
	}
	for name, hash := range f.Files {
		file := f.Name + "/" + name
		if layout.There(filepath.Join(path, name)) {
			continue
		}
		if data, err := layout.Read(durable.OS{}, path, durable.Prepared+name); err == nil && claims.Hash(data) == hash {
			say(true, file, "the ledger records the %s, but its file is not in place: a crash interrupted Argus, and the act is completed the next time the store is opened", what(name))
			continue
		}
		if !layout.There(filepath.Join(path, name)) { // it may have been renamed in between
			say(false, file, "the %s is missing, but the ledger records that it was added", what(name))
		}
	}
}

// verifyDeliveries compares the evidence with the ledger. said holds the claims of the
// ledger from before the evidence was read.
func verifyDeliveries(ctx context.Context, dir, key string, said *claims.Claims, sealed *sealedCheck, result *Verified, report func(Finding)) error {
	l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: key})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was only read
	now, err := claims.Of(ctx, l)
	if err != nil {
		return err
	}
	for i, f := range said.Folders() {
		Folder(dir, f, now.Folders()[i], report)
	}
	sealed.report(dir, now, report)
	if now.State != "" {
		name := layout.State(now.State)
		if data, err := layout.Read(durable.OS{}, dir, name); err != nil {
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the state of protected conversations cannot be read: %v", err)})
		} else if got := claims.Hash(data); got != now.State {
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the state of protected conversations has the SHA-256 %s, but the ledger has %s", got, now.State)})
		}
	}
	cut := false
	for i := range result.Seals {
		seal := &result.Seals[i]
		if seal.Ledger == (argus.LedgerHead{}) {
			continue
		}
		if ok, err := l.Extends(seal.Ledger); err != nil {
			return err
		} else if !ok {
			cut = true
			report(Finding{File: layout.Ledger, Offset: -1, Delivery: seal.Delivery, Problem: claims.OtherLedger(seal)})
		}
	}
	verifySeals(said, now, cut, result, report)
	verifyOpenings(now, cut, result, report)
	return nil
}

// verifySeals compares the seals with the ledger. cut is set if the ledger is known to have
// been truncated or replaced: that explains a missing seal.
func verifySeals(said, now *claims.Claims, cut bool, result *Verified, report func(Finding)) {
	sealed := map[string]bool{}
	var newest *argus.Seal
	for i := range result.Seals {
		if newest == nil || evidence.CompareSeals(newest, &result.Seals[i]) < 0 {
			newest = &result.Seals[i]
		}
	}
	for i, seal := range result.Seals {
		number := seal.Delivery.String()
		sealed[number] = true
		f := Finding{File: layout.Seal(seal.Delivery), Offset: -1, Delivery: seal.Delivery}
		switch want, known := now.Seals[number]; {
		case seal.Store != result.Store && result.Store != "": // otherwise it has been reported already
			f.Problem = fmt.Sprintf("the seal belongs to a different store, %s", seal.Store)
			report(f)
		case !known && cut:
			f.File = layout.Ledger
			f.Problem = fmt.Sprintf("the seal of delivery %s is missing from the ledger, which was truncated or replaced", seal.Delivery)
			report(f)
		case !known && evidence.CompareSeals(&result.Seals[i], newest) < 0:
			f.Problem = "this seal is missing from the ledger, and no crash explains the gap: the ledger was truncated, or Argus did not make the seal"
			report(f)
		case !known:
			f.Note = true
			f.Problem = "the ledger does not have this seal yet: a crash interrupted Argus, and the next ingest will record the seal"
			report(f)
		case result.SealHashes[i].String() != want:
			f.Problem = fmt.Sprintf("the seal has the SHA-256 %s, but the ledger has %s", result.SealHashes[i], want)
			report(f)
		case now.Kept[number+".seal"] != upgrade.KeptSeal(&seal.Opening):
			f.Problem = fmt.Sprintf("the seal names the format 1 seal %q, but the ledger names %q", upgrade.KeptSeal(&seal.Opening), now.Kept[number+".seal"])
			report(f)
		}
	}
	for number, hash := range said.Again {
		report(Finding{File: "deliveries/" + number + ".seal", Offset: -1,
			Problem: fmt.Sprintf("the ledger records two seals of the delivery, first %s and then %s", said.Seals[number], hash)})
	}
	for number := range said.Seals {
		if !sealed[number] {
			report(Finding{File: "deliveries/" + number + ".seal", Offset: -1, Problem: "the ledger records the seal of the delivery, but there is no sound seal"})
		}
	}
}

// verifyOpenings compares the openings of deliveries with the ledger.
func verifyOpenings(now *claims.Claims, cut bool, result *Verified, report func(Finding)) {
	for _, d := range slices.Sorted(maps.Keys(result.Begun)) {
		with, of := result.Begun[d], now.Deliveries[d.String()]
		if of == nil {
			of = &claims.Delivery{Number: d}
		}
		f := Finding{File: layout.Ledger, Offset: -1, Delivery: d}
		at := slices.IndexFunc(result.Seals, func(s argus.Seal) bool { return s.Delivery == d })
		switch f.Problem = of.Contradict(with); {
		case f.Problem != "":
		case of.Opened:
			continue
		case at >= 0 && result.Seals[at].Ledger != (argus.LedgerHead{}):
			f.Problem = fmt.Sprintf("delivery %s is sealed, but its opening is missing from the ledger: the ledger was truncated or replaced", d)
		case cut:
			f.Problem = fmt.Sprintf("the opening of delivery %s is missing from the ledger, which was truncated or replaced", d)
		default:
			f.Note = true
			f.Problem = fmt.Sprintf("the ledger does not have the opening of delivery %s yet: a crash interrupted Argus, and the next ingest will record the opening", d)
		}
		report(f)
	}
}

// verifyStrays reports files in the store that are not part of it.
func verifyStrays(dir string, report func(Finding)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		report(Finding{File: ".", Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)})
	}
	for _, e := range entries {
		if !slices.Contains(layout.Parts(), e.Name()) {
			report(Finding{File: e.Name(), Offset: -1, Note: true, Problem: "the file is not part of the store"})
		}
	}
	for _, name := range layout.Locks() {
		at, err := os.Lstat(layout.File(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && layout.There(filepath.Dir(layout.File(dir, name))):
			report(Finding{File: name, Offset: -1, Note: true, Problem: "the lock, an empty file, is missing; Argus makes a new one when it needs one"})
		case err == nil && at.IsDir():
			report(Finding{File: name, Offset: -1, Problem: "a lock is an empty file, but this is a folder"})
		case err == nil && at.Mode().IsRegular() && at.Size() > 0 && name != layout.LedgerLock: // the check of the ledger reports its own lock
			report(Finding{File: name, Offset: 0, Problem: fmt.Sprintf("a lock is an empty file, but the size of this one is %d", at.Size())})
		}
	}
	for folder, only := range map[string]string{layout.Keys: layout.PublicKey, layout.Server: layout.Socket} {
		entries, err = os.ReadDir(layout.File(dir, folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a missing key has been reported already
			report(Finding{File: folder, Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)})
		}
		for _, e := range entries {
			if name := folder + "/" + e.Name(); name != only {
				report(Finding{File: name, Offset: -1, Note: true, Problem: "the file is not part of the store"})
			}
		}
	}
	return verifyLinks(dir, report)
}

// verifyLinks reports links and everything that is neither a file nor a folder: a copy of
// the store would lack their targets. The check of the ledger reports those in its
// folder.
func verifyLinks(dir string, report func(Finding)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(dir, path)
		if relErr != nil {
			return relErr
		}
		name = filepath.ToSlash(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".": // it has been removed in the meantime
			return nil
		case err != nil:
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)})
			return nil
		case name == layout.Ledger:
			return fs.SkipDir
		case d.Type().IsRegular() || d.IsDir():
			return nil
		case name == layout.Socket && d.Type() == fs.ModeSocket:
			return nil // a server has the store open, or was killed
		}
		at, err := os.Stat(layout.File(dir, name))
		if err == nil && at.IsDir() {
			report(Finding{File: name, Offset: -1, Note: true, Problem: "it is a link to a folder: a copy of the store would lack the content of that folder"})
		} else {
			report(Finding{File: name, Offset: -1, Problem: "it is not a regular file: a copy of the store would lack its content"})
		}
		return nil
	})
}

// LedgerReport is the result of checking the ledger alone.
type LedgerReport struct {
	Entries  uint64     `json:"entries"`
	Root     argus.Hash `json:"root"`
	Findings []Finding  `json:"findings,omitempty"`
}

// Sound reports whether the ledger is unchanged since it was signed.
func (r *LedgerReport) Sound() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Note })
}

// Ledger checks a store's ledger. key is as in [Options].
func Ledger(ctx context.Context, dir, key string) (*LedgerReport, error) {
	if key == "" {
		stored, err := layout.Read(durable.OS{}, dir, layout.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("verify ledger: %w", err)
		}
		key = strings.TrimSpace(string(stored))
	}
	return LedgerIn(ctx, layout.File(dir, layout.Ledger), key, layout.Ledger)
}

// LedgerIn checks the ledger in a folder. Findings call the ledger name.
func LedgerIn(ctx context.Context, dir, key, name string) (*LedgerReport, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return &LedgerReport{Findings: []Finding{{File: name, Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)}}}, nil
	}
	checked, err := ledger.Verify(ctx, dir, key)
	if err != nil {
		return nil, err
	}
	report := &LedgerReport{Entries: checked.Entries, Root: checked.Root}
	for _, f := range checked.Findings {
		problem := f.Problem
		if f.Entry > 0 {
			problem = fmt.Sprintf("entry %d: %s", f.Entry, problem)
		}
		report.Findings = append(report.Findings, Finding{File: name + "/" + f.File, Offset: f.Offset, Problem: problem, Note: !f.Damage && !f.Newer, Newer: f.Newer})
	}
	return report, nil
}
