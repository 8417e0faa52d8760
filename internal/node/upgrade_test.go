package node

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/format1"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/upgrade"
	"github.com/argus-evidence/argus/internal/verify"
)

// The last Argus with format 1 wrote the store in testdata/upgrade, with its key next to
// it. The store has messages, sightings, a sighting by a clock that disagrees, a copy
// that differs, something locked, quarantined pieces, a file with its own count, an
// archive with an attachment, a list, two authorities, and an interrupted delivery.
const upgradable = "testdata/upgrade/store"

func copyOlder(t testing.TB) (dir string, o Options) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(dir, os.DirFS(upgradable)); err != nil {
		t.Fatal(err)
	}
	// In a checkout, other people may read the key.
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(keys, os.DirFS("testdata/upgrade/keys")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(keys, "4b4141f0518f0ddf.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, Options{Formats: all.Formats(), KeyDir: keys, Software: "argus test"}
}

// contents returns the contents of the files in a folder, keyed by name.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestUpgrade(t *testing.T) {
	dir, o := copyOlder(t)
	before := contents(t, dir)
	if _, err := Open(t.Context(), dir, o); !errors.Is(err, argus.ErrOlder) || !strings.Contains(err.Error(), "argus upgrade "+dir) {
		t.Errorf("open: %v", err)
	}
	if _, err := Verify(t.Context(), dir, "", func(f verify.Finding) { t.Errorf("verify says %+v", f) }, func(int64) {}); !errors.Is(err, argus.ErrOlder) || errors.Is(err, argus.ErrDamaged) {
		t.Errorf("verify: %v", err)
	}
	steps := map[upgrade.Step]uint64{}
	var need int64
	done, err := Upgrade(t.Context(), dir, "tester", o, Upgrading{
		Begin:    func(n, _ int64) { need = n },
		Progress: func(step upgrade.Step, done, _ uint64) { steps[step] = done },
	})
	if err != nil {
		t.Fatal(err)
	}
	if steps[upgrade.Converting] != 169 || steps[upgrade.Comparing] != 169 || need < taken(dir) {
		t.Errorf("steps %v, need %d of %d", steps, need, taken(dir))
	}
	if done.Records != 169 || done.Messages != 110 || done.Sightings != 32 || done.Quarantined != 12 || len(done.Deliveries) != 6 {
		t.Errorf("%+v", done.Result)
	}
	if diff := cmp.Diff(before, contents(t, done.Kept)); diff != "" {
		t.Errorf("the store of format 1 was changed:\n%s", diff)
	}
	after := contents(t, dir)
	for _, name := range []string{"keys/", "authorities/", "lists/"} {
		for file, text := range before {
			if strings.HasPrefix(file, name) && after[file] != text {
				t.Errorf("%s was not copied into the new store", file)
			}
		}
	}
	if after["format-1/argus.json"] != before["argus.json"] || after["format-1/D-0003.seal"] != before["deliveries/D-0003.seal"] || after["format-1/D-0006.seal"] != "" {
		t.Error("format-1 does not hold what was there")
	}
	damage, notes, v := verified(t, dir)
	if len(damage) != 0 || len(notes) != 3 || v.Sealed != 5 || v.Deliveries != 6 || v.Originals != 7 {
		t.Errorf("%+v, damage %+v, notes %+v", v, damage, notes)
	}
	if r := search(t, dir, o, "harbour"); r.Total != 1 {
		t.Errorf("found %d", r.Total)
	}
	if r := abandon(t, dir, o); r.Delivery != 6 || r.Counts.Stored != 30 {
		t.Errorf("abandoned: %+v", r)
	}
	damage, _, v = verified(t, dir)
	if len(damage) != 0 || v.Sealed != 6 {
		t.Errorf("after the interrupted delivery was closed: %+v, %+v", v, damage)
	}
	if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); err == nil || !strings.Contains(err.Error(), "already has format 2") {
		t.Errorf("upgraded twice: %v", err)
	}
	// Today's readers find more than those of format 1 did, and each delivery can be read
	// again.
	for d := range argus.DeliveryNumber(5) {
		if receipt, diff := reread(t, dir, o, d+1); receipt.Reads != d+1 || diff.Same+diff.New+diff.Changed == 0 {
			t.Errorf("the reading of D-000%d: %+v, %+v", d+1, receipt, diff)
		}
	}
	if damage, _, _ := verified(t, dir); len(damage) != 0 {
		t.Errorf("after each was read again: %+v", damage)
	}
}

// abandon seals the interrupted delivery.
func abandon(t *testing.T, dir string, o Options) *argus.Receipt {
	t.Helper()
	o.Write = true
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var receipts []*argus.Receipt
	err = n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "x"}, intake.Options{}, func(ctx context.Context, o intake.Options) error {
		receipts, err = intake.Abandon(ctx, o, "given up")
		return err
	})
	if err := errors.Join(err, n.Close()); err != nil || len(receipts) != 1 {
		t.Fatalf("%d receipts: %v", len(receipts), err)
	}
	return receipts[0]
}

// Every file of a format 1 store that is not derived is checked: a changed byte stops the
// upgrade, and the store stays as it is.
func TestUpgradeStopsAtDamage(t *testing.T) {
	sound, o := copyOlder(t)
	derived := func(name string) bool {
		return strings.HasPrefix(name, "evidence/ids/") || strings.HasSuffix(name, "lock") || strings.HasPrefix(name, "ledger/.state/")
	}
	for name, text := range contents(t, sound) {
		if derived(name) || text == "" {
			continue
		}
		for _, at := range []int{0, len(text) / 3, len(text) / 2, len(text) - 2} {
			data := []byte(text)
			data[max(at, 0)] ^= 4
			file := filepath.Join(sound, filepath.FromSlash(name))
			if err := os.Chmod(file, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Upgrade(t.Context(), sound, "", o, Upgrading{})
			if err == nil {
				t.Fatalf("%s at %d: the store was upgraded", name, at)
			}
			if _, err := os.Stat(sound + ".upgrading"); err == nil {
				t.Errorf("%s at %d: converted files were left behind", name, at)
			}
			if !errors.Is(err, argus.ErrDamaged) && name != layout.Info && name != layout.PublicKey {
				t.Errorf("%s at %d: %v", name, at, err)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(sound, filepath.FromSlash(name))
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		if _, err := Upgrade(t.Context(), sound, "", o, Upgrading{}); err == nil {
			t.Fatalf("upgraded without %s", name)
		}
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Upgrade(t.Context(), sound, "", o, Upgrading{}); err != nil {
		t.Errorf("the sound store: %v", err)
	}
}

func TestUpgradeRefuses(t *testing.T) {
	dir, o := copyOlder(t)
	_, err := Upgrade(t.Context(), dir, "", Options{Formats: all.Formats(), KeyDir: t.TempDir()}, Upgrading{})
	if !errors.Is(err, admin.ErrNoKey) {
		t.Errorf("without the key: %v", err)
	}
	key := layout.PrivateKey(o.KeyDir, "4b4141f0518f0ddf")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); !errors.Is(err, admin.ErrOpenKey) {
		t.Errorf("a key that other people can read: %v", err)
	}
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	private, _, err := ledger.NewKey("argus/4b4141f0518f0ddf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, "4b4141f0518f0ddf.key"), []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Upgrade(t.Context(), dir, "", Options{Formats: all.Formats(), KeyDir: foreign}, Upgrading{}); err == nil || !strings.Contains(err.Error(), "private key does not belong to") {
		t.Errorf("with another key: %v", err)
	}
	held, err := format1.Open(dir, verifierOf(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Upgrade(t.Context(), dir, "", o, Upgrading{}); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("in use: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir+".format-1", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err = Upgrade(t.Context(), dir, "", o, Upgrading{}); err == nil || !strings.Contains(err.Error(), "move the folder away") {
		t.Errorf("the name is taken: %v", err)
	}
	if _, err = Upgrade(t.Context(), filepath.Join(dir, "no"), "", o, Upgrading{}); !errors.Is(err, layout.ErrNoStore) {
		t.Errorf("no store: %v", err)
	}
}

func verifierOf(t testing.TB, dir string) note.Verifiers {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(layout.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return note.VerifierList(v)
}

// A reader during the upgrade writes to the ledger, which must not be lost.
func TestUpgradeBesideAReader(t *testing.T) {
	dir, o := copyOlder(t)
	key, err := os.ReadFile("testdata/upgrade/keys/4b4141f0518f0ddf.key")
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(layout.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	read := func() {
		l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: strings.TrimSpace(string(public)), PrivateKey: strings.TrimSpace(string(key))})
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.Append(t.Context(), ledger.Act{Actor: "reader", Action: ledger.Search, Subject: "x"})
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	o.Failpoint = func(name string) {
		if name == "upgrade.before-ledger" {
			read()
		}
	}
	if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); err == nil || !strings.Contains(err.Error(), "meanwhile") {
		t.Fatalf("%v, want an error about the other process", err)
	}
	o.Failpoint = nil
	if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); err != nil {
		t.Fatal(err)
	}
	damage, _, v := verified(t, dir)
	if len(damage) != 0 || v.Entries != 17+1+6 {
		t.Errorf("%d entries, %+v", v.Entries, damage)
	}
}

// The kept files of format 1 are part of the store: a change in them is damage.
func TestKeptOfFormat1IsVerified(t *testing.T) {
	dir, o := copyOlder(t)
	if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"format-1/argus.json", "format-1/D-0002.seal", "argus.json", "deliveries/D-0002.seal"} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range []func() error{
			func() error { return os.WriteFile(file, append(slices.Clone(text), ' '), 0o600) },
			func() error { return os.Remove(file) },
		} {
			if err := change(); err != nil {
				t.Fatal(err)
			}
			damaged := false
			_, err := Verify(t.Context(), dir, "", func(f verify.Finding) { damaged = damaged || !f.Note }, func(int64) {})
			if err != nil || !damaged {
				t.Errorf("%s was changed, but verify reports nothing: %v", name, err)
			}
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "format-1", "D-0009.seal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verified(t, dir); len(damage) != 1 {
		t.Errorf("a seal was added: %+v", damage)
	}
}

// rekey copies a format 1 store whose private key is gone, and gives the copy a new key:
// it signs the seals again, and rewrites the acts in the ledger. The evidence and the
// originals stay as they are.
func rekey(t *testing.T, from string) (dir string, o Options) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	info, err := layout.ReadInfo(dir)
	if !errors.Is(err, argus.ErrOlder) {
		t.Fatal(err)
	}
	private, public, err := ledger.NewKey("argus/" + info.Store)
	if err != nil {
		t.Fatal(err)
	}
	o = Options{Formats: all.Formats(), KeyDir: t.TempDir(), Software: "argus test"}
	old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(layout.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: strings.TrimSpace(string(old))})
	if err != nil {
		t.Fatal(err)
	}
	var acts []ledger.Act
	for e, err := range l.Entries(t.Context(), 1, 1000) {
		if err != nil {
			t.Fatal(err)
		}
		acts = append(acts, e.Act)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	for i := range acts {
		detail := maps.Clone(acts[i].Detail)
		switch acts[i].Action {
		case ledger.Init:
			detail[layout.PublicKey] = public
		case ledger.SealDelivery:
			name := filepath.Join(dir, "deliveries", acts[i].Subject+".seal")
			signed, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n, err := note.Open(signed, verifierOf(t, from))
			if err == nil {
				signed, err = note.Sign(&note.Note{Text: n.Text}, signer)
			}
			if err = errors.Join(err, os.WriteFile(name, signed, 0o600)); err != nil {
				t.Fatal(err)
			}
			detail["seal"] = claims.Hash(signed)
		}
		acts[i].Detail = detail
	}
	for name, text := range map[string]string{layout.PrivateKey(o.KeyDir, info.Store): private, filepath.Join(dir, "keys", "store.pub"): public} {
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Close(), os.RemoveAll(layout.File(dir, layout.Ledger))); err != nil {
		t.Fatal(err)
	}
	l, err = ledger.Create(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: public, PrivateKey: private})
	for _, act := range acts {
		if err == nil {
			_, err = l.Append(t.Context(), act)
		}
	}
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, o
}

// TestUpgradeOfStoreV1 upgrades the store that the first version wrote (P9).
func TestUpgradeOfStoreV1(t *testing.T) {
	dir, o := rekey(t, storeV1)
	done, err := Upgrade(t.Context(), dir, "", o, Upgrading{})
	if err != nil {
		t.Fatal(err)
	}
	if done.Messages != 310 || done.Sightings != 100 || done.Quarantined != 1 {
		t.Errorf("%+v", done.Result)
	}
	damage, _, v := verified(t, dir)
	if want := (argus.Counts{Read: 411, Stored: 310, Sightings: 100, Quarantined: 1}); len(damage) != 0 || v.Counts != want || v.Sealed != 2 || v.Originals != 2 {
		t.Errorf("%+v, damage %+v", v, damage)
	}
	for query, want := range map[string]int{"crates": 310, "crates from:B": 155, "delivery:D-0002": 110, `"message 217 about"`: 1, "is:differs": 0} {
		if r := search(t, dir, o, query); int(r.Total) != want {
			t.Errorf("%s: found %d, want %d", query, r.Total, want)
		}
	}
	// The texts are those of the older store, word for word and in the same order.
	old, err := format1.Open(storeV1Copy(t), verifierOf(t, storeV1))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	s, err := evidence.Open(dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	texts := 0
	for raw, err := range old.Records(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		was, err := format1.Decode(raw.Data)
		if err != nil {
			t.Fatal(err)
		}
		now, err := s.Get(t.Context(), raw.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if was.Kind == format1.Message {
			if texts++; now.Message.Text != was.Message.Text {
				t.Errorf("record %d: %q, want %q", raw.Seq, now.Message.Text, was.Message.Text)
			}
		}
	}
	if texts != 310 {
		t.Errorf("%d texts", texts)
	}
}

// storeV1 is a store exactly as the first format wrote it.
const storeV1 = "testdata/store-v1"

func storeV1Copy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "v1")
	if err := os.CopyFS(dir, os.DirFS(storeV1)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The new store takes the place of the older one, however that was named.
func TestUpgradeOfALinkAndOfHere(t *testing.T) {
	dir, o := copyOlder(t)
	o.KeyDir, _ = filepath.Abs(o.KeyDir)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("this machine lets nobody make a symbolic link: ", err)
	}
	done, err := Upgrade(t.Context(), link, "", o, Upgrading{})
	if err != nil || done.Kept != dir+".format-1" {
		t.Fatalf("%+v, %v", done, err)
	}
	if damage, _, v := verified(t, link); len(damage) != 0 || v.Sealed != 5 {
		t.Errorf("%+v, %+v", v, damage)
	}
	dir, _ = copyOlder(t)
	t.Chdir(dir)
	if done, err = Upgrade(t.Context(), ".", "", o, Upgrading{}); err != nil || done.Kept != dir+".format-1" {
		t.Fatalf("%+v, %v", done, err)
	}
	if damage, _, v := verified(t, dir); len(damage) != 0 || v.Sealed != 5 {
		t.Errorf("%+v, %+v", v, damage)
	}
}

// An upgrade that was interrupted between two renamings is finished.
func TestUpgradeFinishesTheRenaming(t *testing.T) {
	for _, names := range [][2]string{
		{".format-1", ".upgrading"}, // the two stores have exchanged names, but the older one does not have its final name yet
		{"", ".upgrading"},          // the older store has its final name, but the new one does not
	} {
		dir, o := copyOlder(t)
		if _, err := Upgrade(t.Context(), dir, "", o, Upgrading{}); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir+".format-1")
		if err := os.Rename(dir+names[0], dir+names[1]); err != nil {
			t.Fatal(err)
		}
		done, err := Upgrade(t.Context(), dir, "", o, Upgrading{})
		if err != nil || !done.Finished || done.Kept != dir+".format-1" {
			t.Fatalf("%+v, %v", done, err)
		}
		if damage, _, v := verified(t, dir); len(damage) != 0 || v.Sealed != 5 {
			t.Errorf("%+v, %+v", v, damage)
		}
		if diff := cmp.Diff(before, contents(t, done.Kept)); diff != "" {
			t.Error(diff)
		}
	}
}
