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
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence"
	evidencecheck "github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Finding is something that Verify has to say about a store.
type Finding = evidencecheck.Finding

// Verified is what Verify has read.
type Verified struct {
	Store string `json:"store"`
	*evidencecheck.Verified
	// Entries counts the entries of the ledger.
	Entries uint64 `json:"ledger_entries"`
	// Indexed counts the messages in the index, and IndexedTo is the last
	// record that it has seen.
	Indexed   uint64 `json:"indexed"`
	IndexedTo uint64 `json:"indexed_to"`
	// Key is the public key that seals and ledger were checked with, and KeyFrom where
	// it came from.
	Key     string `json:"key"`
	KeyFrom string `json:"key_from,omitempty"`
}

// Where the public key of a check came from.
const (
	KeyGiven  = "given"
	KeyStored = "store"
)

// ErrKey says that what was given as a public key is none.
var ErrKey = errors.New("what was given is no public key of a store")

func indexPath(dir string) string { return filepath.Join(dir, indexDir) }

func openForReading(ctx context.Context, dir string) (*evidence.Store, error) {
	return evidence.Open(dir, evidence.Options{ReadOnly: true, Stop: ctx.Err})
}

// Verify recomputes everything that a store claims from its folder alone,
// without a secret. The error is ErrOlder for a store that has to be upgraded
// first. key is the public key that the caller trusts; "" takes the
// one in the store, which proves only that the store agrees with itself.
func Verify(ctx context.Context, dir, key string, report func(Finding), advance func(bytes int64)) (*Verified, error) {
	damage := func(file, format string, args ...any) {
		report(Finding{File: file, Offset: -1, Problem: fmt.Sprintf(format, args...)})
	}
	result := &Verified{Verified: &evidencecheck.Verified{}}
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
	result.KeyFrom = KeyGiven
	if key == "" {
		key, result.KeyFrom = strings.TrimSpace(string(stored)), KeyStored
	} else if _, err := note.NewVerifier(key); err != nil {
		return nil, fmt.Errorf("verify: %w: %w", ErrKey, err)
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
	// evidence last, so that it holds all that the others speak of. The ledger is
	// asked once more behind it: then it speaks of all that was there.
	var said *claims
	if verifier != nil {
		if said, err = verifyLedger(ctx, dir, key, result, report); err != nil {
			return nil, err
		}
		// Else the ledger has said which of the two is another one.
		if name := keyName(info.Store); said == nil && result.KeyFrom == KeyStored && info.Store != "" && verifier.Name() != name {
			damage(publicKeyName, "the public key is that of %s, and the store is %s", verifier.Name(), name)
		}
	}
	index := new(indexCheck)
	if err := index.begin(ctx, dir, result, report); err != nil {
		return nil, err
	}
	result.Verified, err = evidencecheck.Verify(ctx, dir, verifiers, index.listen(report), advance, func(r *argus.Record) { index.follow(ctx, r) })
	if err := errors.Join(err, index.end(ctx, result, report)); err != nil {
		return nil, err
	}
	if said != nil {
		if err := verifyDeliveries(ctx, dir, key, said, result, report); err != nil {
			return nil, err
		}
	}
	return result, verifyStrays(dir, report)
}

// verifyLedger checks the ledger, and with it what it says of other files. It
// returns what it says, or nil if it is not to be relied on.
func verifyLedger(ctx context.Context, dir, key string, result *Verified, report func(Finding)) (*claims, error) {
	if !there(filepath.Join(dir, ledgerDir)) {
		report(Finding{File: ledgerDir, Offset: -1, Problem: "the folder is missing: nothing says what was done with the store"})
		return nil, nil
	}
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
	deliveries  map[string]*acts
	// unnamed are the SHA-256 of lists whose names are destroyed.
	unnamed map[string]bool
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
	said := &claims{map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{},
		map[string]*acts{}, map[string]bool{}}
	for e, err := range l.Sealed(ctx, 1, 0) {
		if err != nil {
			return nil, err
		}
		if d, err := argus.ParseDelivery(e.Subject); err == nil {
			if said.deliveries[e.Subject] == nil {
				said.deliveries[e.Subject] = &acts{number: d}
			}
			said.deliveries[e.Subject].add(&e)
		}
		switch e.Action {
		case ledger.Init:
			maps.Copy(said.files, e.Detail)
		case ledger.AddAuthority:
			said.authorities[e.Subject+".json"] = e.Detail["sha256"]
		case ledger.RevokeAuthority:
			said.authorities[e.Subject+".revoked.json"] = e.Detail["sha256"]
		case ledger.AddList:
			for named, err := range l.Entries(ctx, e.Seq, 1) {
				if err != nil {
					return nil, err
				}
				if named.Destroyed {
					said.unnamed[e.Detail["sha256"]] = true
				} else {
					said.lists[named.Subject] = e.Detail["sha256"]
				}
			}
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

// folders are those whose files the ledger names.
func (c *claims) folders() []folder {
	return []folder{
		{authorityDir, "authority", ".json", c.authorities, nil},
		{listDir, "list", ".txt", c.lists, c.unnamed},
		{keptDir, "file", "", c.kept, nil},
	}
}

type folder struct {
	name, what, suffix string
	files              map[string]string // name to SHA-256
	unnamed            map[string]bool   // SHA-256
}

// verifyFolder compares the files of a folder with what the ledger said when
// they were added, before the files were read (f) and after it (now).
func verifyFolder(dir string, f, now folder, report func(Finding)) {
	path := filepath.Join(dir, f.name)
	if f.name != authorityDir && len(f.files)+len(f.unnamed) == 0 && !there(path) {
		return // it is made when it is needed
	}
	say := func(note bool, file, format string, args ...any) {
		report(Finding{File: file, Offset: -1, Note: note, Problem: fmt.Sprintf(format, args...)})
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		say(false, f.name, "the folder cannot be read: %v", err)
		return
	}
	unnamed := maps.Clone(f.unnamed)
	for _, e := range entries {
		name := f.name + "/" + e.Name()
		data, err := os.ReadFile(filepath.Join(path, e.Name()))
		delete(unnamed, hashOf(data))
		want, known := now.files[e.Name()]
		made, waits := strings.CutPrefix(e.Name(), durable.Prepared)
		switch {
		case errors.Is(err, fs.ErrNotExist) && waits:
			// It has got its name meanwhile.
		case err != nil:
			say(false, name, "the %s cannot be read: %v", f.what, err)
		case waits && now.files[made] == hashOf(data):
			// It is told with the name that it is to have.
		case !known && now.unnamed[hashOf(data)]:
			say(true, name, "the ledger knows the %s, and the envelope with its name is destroyed", f.what)
		case !known && !waits && strings.HasSuffix(e.Name(), f.suffix):
			say(false, name, "the ledger does not know this %s: it was not added by Argus, or a crash came between", f.what)
		case !known:
			say(true, name, "the file is not part of the store, or a crash left it")
		case hashOf(data) != want:
			say(false, name, "the %s has the SHA-256 %s, the ledger says %s", f.what, hashOf(data), want)
		}
	}
	for hash := range unnamed {
		say(true, f.name, "the ledger knows a %s with the SHA-256 %s, whose name is destroyed with its envelope, and no file is it", f.what, hash)
	}
	for name, hash := range f.files {
		file := f.name + "/" + name
		if there(filepath.Join(path, name)) {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(path, durable.Prepared+name)); err == nil && hashOf(data) == hash {
			say(true, file, "the ledger has the %s, and it is not in place: a crash came between; the next opening of the store completes it", f.what)
			continue
		}
		if !there(filepath.Join(path, name)) { // a name may have been given between
			say(false, file, "the %s is missing; the ledger says that it was added", f.what)
		}
	}
}

// verifyDeliveries holds evidence and ledger to each other. said is what the ledger
// said before the evidence was read.
func verifyDeliveries(ctx context.Context, dir, key string, said *claims, result *Verified, report func(Finding)) error {
	l, err := ledger.Open(filepath.Join(dir, ledgerDir), ledger.Options{PublicKey: key})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was only read
	now, err := claimsOf(ctx, l)
	if err != nil {
		return err
	}
	for i, f := range said.folders() {
		verifyFolder(dir, f, now.folders()[i], report)
	}
	for i := range result.Seals {
		seal := &result.Seals[i]
		if seal.Ledger == (argus.LedgerHead{}) {
			continue
		}
		if ok, err := l.Extends(seal.Ledger); err != nil {
			return err
		} else if !ok {
			report(Finding{File: ledgerDir, Offset: -1, Delivery: seal.Delivery, Problem: otherLedger(seal)})
		}
	}
	verifySeals(said, now, result, report)
	verifyOpenings(now, result, report)
	return nil
}

func verifySeals(said, now *claims, result *Verified, report func(Finding)) {
	sealed := map[string]bool{}
	for i, seal := range result.Seals {
		number := seal.Delivery.String()
		sealed[number] = true
		f := Finding{File: "deliveries/" + number + ".seal", Offset: -1, Delivery: seal.Delivery}
		switch want, known := now.seals[number]; {
		case seal.Store != result.Store && result.Store != "": // else that has been said
			f.Problem = fmt.Sprintf("the seal is of another store, %s", seal.Store)
			report(f)
		case !known && i < len(result.Seals)-1:
			f.Problem = "the ledger does not have this seal, and no crash keeps it out that long: it was cut back, or Argus did not make the seal"
			report(f)
		case !known:
			f.Note = true
			f.Problem = "the ledger does not have this seal yet: a crash came between; the next ingest records it"
			report(f)
		case result.SealHashes[i].String() != want:
			f.Problem = fmt.Sprintf("the seal has the SHA-256 %s, the ledger says %s", result.SealHashes[i], want)
			report(f)
		case now.kept[number+".seal"] != keptSeal(&seal.Opening):
			f.Problem = fmt.Sprintf("the seal names another one of format 1, %q, than the ledger, %q", keptSeal(&seal.Opening), now.kept[number+".seal"])
			report(f)
		}
	}
	for number, hash := range said.again {
		report(Finding{File: "deliveries/" + number + ".seal", Offset: -1,
			Problem: fmt.Sprintf("the ledger says that the delivery was sealed twice, first with %s and then with %s", said.seals[number], hash)})
	}
	for number := range said.seals {
		if !sealed[number] {
			report(Finding{File: "deliveries/" + number + ".seal", Offset: -1, Problem: "the ledger says that the delivery was sealed, and there is no sound seal of it"})
		}
	}
}

// verifyOpenings holds the openings of deliveries to the ledger.
func verifyOpenings(now *claims, result *Verified, report func(Finding)) {
	for _, d := range slices.Sorted(maps.Keys(result.Begun)) {
		with, of := result.Begun[d], now.deliveries[d.String()]
		if of == nil {
			of = &acts{number: d}
		}
		f := Finding{File: ledgerDir, Offset: -1, Delivery: d}
		at := slices.IndexFunc(result.Seals, func(s argus.Seal) bool { return s.Delivery == d })
		switch f.Problem = of.contradict(with); {
		case f.Problem != "":
		case of.opened:
			continue
		case at >= 0 && result.Seals[at].Ledger != (argus.LedgerHead{}):
			f.Problem = fmt.Sprintf("delivery %s is sealed, and the ledger does not have its opening: it was cut back or replaced", d)
		default:
			f.Note = true
			f.Problem = fmt.Sprintf("the ledger does not have the opening of delivery %s: a crash came between; the next ingest records it", d)
		}
		report(f)
	}
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
	for _, name := range []string{"evidence/lock", indexDir + "/lock", ledgerDir + "/lock"} {
		at, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist) && there(filepath.Dir(filepath.Join(dir, filepath.FromSlash(name)))):
			report(Finding{File: name, Offset: -1, Note: true, Problem: "the lock, an empty file, is missing; it is made anew when it is needed"})
		case err == nil && at.IsDir():
			report(Finding{File: name, Offset: -1, Problem: "a lock is an empty file, and this is a folder"})
		case err == nil && at.Mode().IsRegular() && at.Size() > 0 && name != ledgerDir+"/lock": // which the ledger tells of
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
	return verifyLinks(dir, report)
}

// verifyLinks names links and whatever else is neither a file nor a folder: who copies the
// store does not have what they lead to. The ledger tells of its own.
func verifyLinks(dir string, report func(Finding)) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".": // it went meanwhile
			return nil
		case err != nil:
			return err
		case name == ledgerDir:
			return fs.SkipDir
		case d.Type().IsRegular() || d.IsDir():
			return nil
		}
		at, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		if err == nil && at.IsDir() {
			report(Finding{File: name, Offset: -1, Note: true, Problem: "a link to a folder: who copies the store does not have what is in it"})
		} else {
			report(Finding{File: name, Offset: -1, Problem: "it is no regular file: who copies the store does not have what it leads to"})
		}
		return nil
	})
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
		report.Findings = append(report.Findings, Finding{File: name + "/" + f.File, Offset: f.Offset, Problem: problem, Note: !f.Damage && !f.Newer, Newer: f.Newer})
	}
	return report, nil
}
