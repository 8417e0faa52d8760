package node

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
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Finding is something that Verify has to say about a store.
type Finding = evidence.Finding

// Verified is what Verify has read.
type Verified struct {
	Store string `json:"store"`
	*evidence.Verified
	// Entries counts the entries of the ledger.
	Entries uint64 `json:"ledger_entries"`
	// Indexed counts the messages in the index, and IndexedTo is the last
	// record that it has seen.
	Indexed   uint64 `json:"indexed"`
	IndexedTo uint64 `json:"indexed_to"`
	// Key is the public key that seals and ledger were checked with.
	Key string `json:"key"`
}

func indexPath(dir string) string { return filepath.Join(dir, indexDir) }

func openForReading(dir string) (*evidence.Store, error) {
	return evidence.Open(dir, evidence.Options{ReadOnly: true})
}

// Verify recomputes everything that a store claims from its folder alone,
// without a secret. The error is ErrOlder for a store that has to be upgraded
// first. key is the public key that the caller trusts; "" takes the
// one in the store, which proves only that the store agrees with itself.
func Verify(ctx context.Context, dir, key string, report func(Finding), advance func(bytes int64)) (*Verified, error) {
	damage := func(file, format string, args ...any) {
		report(Finding{File: file, Offset: -1, Problem: fmt.Sprintf(format, args...)})
	}
	result := &Verified{Verified: &evidence.Verified{}}
	if at, err := os.Stat(dir); err == nil && !at.IsDir() {
		return nil, fmt.Errorf("open %s: %w", dir, ErrNoStore)
	}
	info, err := infoOf(dir)
	if errors.Is(err, ErrNoStore) || errors.Is(err, argus.ErrOlder) {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if errors.Is(err, argus.ErrNewer) {
		report(Finding{File: infoName, Offset: -1, Newer: true, Problem: err.Error() + "; nothing was checked"})
		return result, nil
	}
	if err != nil {
		damage(infoName, "%s", strings.TrimPrefix(err.Error(), argus.ErrDamaged.Error()+": "))
	}
	result.Store = info.Store
	stored, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(publicKeyName)))
	if err != nil {
		damage(publicKeyName, "the public key cannot be read: %v", err)
	}
	if key == "" {
		key = strings.TrimSpace(string(stored))
	} else if _, err := note.NewVerifier(key); err != nil {
		return nil, fmt.Errorf("verify: what was given is no public key of a store: %w", err)
	} else if strings.TrimSpace(string(stored)) != key {
		damage(publicKeyName, "the key in the store is not the one that was given")
	}
	result.Key = key
	var verifiers note.Verifiers
	verifier, err := note.NewVerifier(key)
	if err != nil {
		damage(publicKeyName, "the public key makes no sense: %v", err)
	} else {
		verifiers = note.VerifierList(verifier)
	}
	// Another process may be writing: what is derived comes first and the
	// evidence last, so that it holds all that the others speak of.
	var said *claims
	if verifier != nil {
		if said, err = verifyLedger(ctx, dir, key, result, report); err != nil {
			return nil, err
		}
	}
	if err := verifyIndex(ctx, dir, result, report); err != nil {
		return nil, err
	}
	if result.Verified, err = evidence.Verify(ctx, dir, verifiers, report, advance); err != nil {
		return nil, err
	}
	if result.IndexedTo > result.Last {
		damage(indexDir, "the index has seen records up to %d, and there are %d; argus reindex builds it again", result.IndexedTo, result.Last)
	}
	if said != nil {
		verifySeals(said, result, report)
	}
	return result, verifyStrays(dir, report)
}

// verifyLedger checks the ledger, and with it what it says of other files. It
// returns what it says, or nil if it is not to be relied on.
func verifyLedger(ctx context.Context, dir, key string, result *Verified, report func(Finding)) (*claims, error) {
	checked, err := VerifyLedger(ctx, dir, key)
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
	said, err := readClaims(ctx, dir, key)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{infoName, publicKeyName} {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		got := hashOf(data)
		if name == publicKeyName {
			got = strings.TrimSpace(string(data))
			if want := said.files[name] + "\n"; err == nil && string(data) != want {
				got = "another text"
			}
		}
		if err != nil || got != said.files[name] {
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the file is not what the ledger says: %s, want %s", got, said.files[name])})
		}
	}
	verifyFolder(dir, authorityDir, "authority", ".json", said.authorities, report)
	if _, err := os.Stat(filepath.Join(dir, listDir)); err == nil || len(said.lists) > 0 {
		verifyFolder(dir, listDir, "list", ".txt", said.lists, report)
	}
	if _, err := os.Stat(filepath.Join(dir, keptDir)); err == nil || len(said.kept) > 0 {
		verifyFolder(dir, keptDir, "file", "", said.kept, report)
	}
	return said, nil
}

// claims are what the ledger says of files outside it.
type claims struct {
	files       map[string]string // argus.json by hash, the public key by its text
	authorities map[string]string // file name to SHA-256
	lists       map[string]string // the same
	seals       map[string]string // delivery to SHA-256 of its first seal
	again       map[string]string // delivery to SHA-256 of another seal
	kept        map[string]string // of format 1, by name in its folder to SHA-256
}

func readClaims(ctx context.Context, dir, key string) (*claims, error) {
	l, err := ledger.Open(filepath.Join(dir, ledgerDir), ledger.Options{PublicKey: key})
	if err != nil {
		return nil, err
	}
	said, err := claimsOf(ctx, l)
	return said, errors.Join(err, l.Close())
}

func claimsOf(ctx context.Context, l *ledger.Ledger) (*claims, error) {
	size, err := l.Size()
	if err != nil {
		return nil, err
	}
	said := &claims{map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	for e, err := range l.Entries(ctx, 1, int(size)) {
		if err != nil {
			return nil, err
		}
		switch e.Action {
		case ledger.Init:
			maps.Copy(said.files, e.Detail)
		case ledger.AddAuthority:
			said.authorities[e.Subject+".json"] = e.Detail["sha256"]
		case ledger.RevokeAuthority:
			said.authorities[e.Subject+".revoked.json"] = e.Detail["sha256"]
		case ledger.AddList:
			said.lists[e.Subject] = e.Detail["sha256"]
		case ledger.SealDelivery:
			// A crash can bring the same seal twice.
			if before, ok := said.seals[e.Subject]; ok && before != e.Detail["seal"] {
				said.again[e.Subject] = e.Detail["seal"]
				continue
			}
			said.seals[e.Subject] = e.Detail["seal"]
		case ledger.UpgradeSeal:
			// A crash can have kept the seal of format 1 out of the ledger.
			said.kept[e.Subject+".seal"] = first(said.seals[e.Subject], e.Detail["before"])
			said.seals[e.Subject] = e.Detail["seal"]
		case ledger.Upgrade:
			said.kept[infoName] = said.files[infoName]
			said.files[infoName] = e.Detail[infoName]
		}
	}
	return said, nil
}

// verifyFolder compares the files of a folder with what the ledger said when
// they were added.
func verifyFolder(dir, folder, what, suffix string, said map[string]string, report func(Finding)) {
	there := map[string]bool{}
	entries, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		report(Finding{File: folder, Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)})
		return
	}
	for _, e := range entries {
		there[e.Name()] = true
		name := folder + "/" + e.Name()
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		want, known := said[e.Name()]
		switch {
		case err != nil:
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the %s cannot be read: %v", what, err)})
		case !known && strings.HasSuffix(e.Name(), suffix):
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the ledger does not know this %s: it was not added by Argus, or a crash came between", what)})
		case !known:
			report(Finding{File: name, Offset: -1, Note: true, Problem: "the file is not part of the store, or a crash left it"})
		case hashOf(data) != want:
			report(Finding{File: name, Offset: -1, Problem: fmt.Sprintf("the %s has the SHA-256 %s, the ledger says %s", what, hashOf(data), want)})
		}
	}
	for name := range said {
		if !there[name] {
			report(Finding{File: folder + "/" + name, Offset: -1, Problem: fmt.Sprintf("the %s is missing; the ledger says that it was added", what)})
		}
	}
}

func verifySeals(said *claims, result *Verified, report func(Finding)) {
	there := map[string]bool{}
	for i, seal := range result.Seals {
		number := seal.Delivery.String()
		there[number] = true
		f := Finding{File: "deliveries/" + number + ".seal", Offset: -1, Delivery: seal.Delivery}
		switch want, known := said.seals[number]; {
		case seal.Store != result.Store && result.Store != "": // else that has been said
			f.Problem = fmt.Sprintf("the seal is of another store, %s", seal.Store)
			report(f)
		case !known:
			f.Note = true
			f.Problem = "the ledger does not have this seal yet: a crash came between; the next ingest records it"
			report(f)
		case result.SealHashes[i].String() != want:
			f.Problem = fmt.Sprintf("the seal has the SHA-256 %s, the ledger says %s", result.SealHashes[i], want)
			report(f)
		case said.kept[number+".seal"] != keptSeal(&seal.Opening):
			f.Problem = fmt.Sprintf("the seal names another one of format 1, %q, than the ledger, %q", keptSeal(&seal.Opening), said.kept[number+".seal"])
			report(f)
		}
	}
	for number, hash := range said.again {
		report(Finding{File: "deliveries/" + number + ".seal", Offset: -1,
			Problem: fmt.Sprintf("the ledger says that the delivery was sealed twice, first with %s and then with %s", said.seals[number], hash)})
	}
	for number := range said.seals {
		if !there[number] {
			report(Finding{File: "deliveries/" + number + ".seal", Offset: -1, Problem: "the ledger says that the delivery was sealed, and there is no sound seal of it"})
		}
	}
}

// verifyIndex reads the index. It is derived: what is wrong with it is mended
// by building it again.
func verifyIndex(ctx context.Context, dir string, result *Verified, report func(Finding)) error {
	if _, err := os.Stat(indexPath(dir)); errors.Is(err, fs.ErrNotExist) {
		report(Finding{File: indexDir, Offset: -1, Note: true, Problem: "there is no index yet"})
		return nil
	}
	ix, err := embedded.Open(indexPath(dir), embedded.Options{ReadOnly: true})
	if errors.Is(err, embedded.ErrOutdated) {
		report(Finding{File: indexDir, Offset: -1, Note: true, Problem: "another version of Argus built the index; it is built again when the store is opened"})
		return nil
	}
	if err != nil {
		report(indexFinding(err))
		return nil
	}
	defer func() { _ = ix.Close() }()
	for err := range ix.Check(ctx) {
		report(indexFinding(err))
	}
	result.Indexed, result.IndexedTo = ix.Stats().Messages, ix.Position()
	return ctx.Err()
}

// verifyStrays names what lies in the store and is no part of it.
func verifyStrays(dir string, report func(Finding)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	known := []string{infoName, "keys", ledgerDir, authorityDir, listDir, indexDir, keptDir, "evidence", "originals", "deliveries"}
	for _, e := range entries {
		if !slices.Contains(known, e.Name()) {
			report(Finding{File: e.Name(), Offset: -1, Note: true, Problem: "the file is not part of the store"})
		}
	}
	for _, name := range []string{"evidence/lock", indexDir + "/lock"} {
		if at, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil && at.Size() > 0 {
			report(Finding{File: name, Offset: 0, Problem: fmt.Sprintf("a lock is an empty file, this one has the size %d", at.Size())})
		}
	}
	entries, err = os.ReadDir(filepath.Join(dir, "keys"))
	if err != nil {
		report(Finding{File: "keys", Offset: -1, Problem: fmt.Sprintf("the folder cannot be read: %v", err)})
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(publicKeyName) {
			report(Finding{File: "keys/" + e.Name(), Offset: -1, Note: true, Problem: "the file is not part of the store"})
		}
	}
	return nil
}

func indexFinding(err error) Finding {
	f := Finding{File: indexDir, Offset: -1, Problem: err.Error()}
	if d, ok := errors.AsType[*embedded.Damage](err); ok {
		f.File, f.Offset, f.Problem = indexDir+"/"+d.File, d.Offset, d.Reason+"; argus reindex builds the index again"
	}
	return f
}

// LedgerReport is what checking the ledger alone gives.
type LedgerReport struct {
	Entries  uint64     `json:"entries"`
	Root     argus.Hash `json:"root"`
	Findings []Finding  `json:"findings,omitempty"`
}

// Sound says whether the ledger is what was signed.
func (r *LedgerReport) Sound() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Note })
}

// VerifyLedger checks a store's ledger. key is as for Verify.
func VerifyLedger(ctx context.Context, dir, key string) (*LedgerReport, error) {
	if key == "" {
		stored, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(publicKeyName)))
		if err != nil {
			return nil, fmt.Errorf("verify ledger: %w", err)
		}
		key = strings.TrimSpace(string(stored))
	}
	return verifyLedgerIn(ctx, filepath.Join(dir, ledgerDir), key, ledgerDir)
}

// verifyLedgerIn checks the ledger in a folder, which findings call by a name.
func verifyLedgerIn(ctx context.Context, dir, key, name string) (*LedgerReport, error) {
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
		report.Findings = append(report.Findings, Finding{File: name + "/" + f.File, Offset: f.Offset, Problem: problem, Note: !f.Damage})
	}
	return report, nil
}
