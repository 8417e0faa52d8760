package ledger

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// unsynced is a disk that makes nothing durable.
type unsynced struct{ durable.Disk }

func (d unsynced) SyncDir(string) error { return nil }

func (d unsynced) OpenFile(name string, flag int, mode fs.FileMode) (durable.File, error) {
	f, err := d.Disk.OpenFile(name, flag, mode)
	return unsyncedFile{f}, err
}

type unsyncedFile struct{ durable.File }

func (unsyncedFile) Sync() error { return nil }

// longLedger makes a ledger with the given number of entries, without syncing each one, and
// with an act on an authority at each of the given positions.
func longLedger(t testing.TB, size int, at ...int) (string, keys) {
	t.Helper()
	dir, k, l := newLedger(t)
	l.disk = unsynced{l.disk}
	adds := map[int]bool{}
	for _, n := range at {
		adds[n] = true
	}
	for i := 1; i <= size; i++ {
		act := Act{Actor: "anna", Authority: "A-0001", Action: Search, Subject: `"action":"list.add"`, Detail: map[string]string{"read": `"action":"list.add"`}}
		if adds[i] {
			act = Act{Actor: "anna", Action: AddAuthority, Subject: fmt.Sprintf("A-%04d", i), Detail: map[string]string{"sha256": argus.Hash{byte(i)}.String()}}
		}
		if _, err := l.Append(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func subjects(t testing.TB, dir string, o Options) string {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	entries, err := l.Named(t.Context())
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%d=%s", e.Seq, e.Subject))
	}
	return strings.Join(all, " ")
}

// The acts about authorities are found: in full and partial bundles, before and after
// others are appended, with and without the file, which only a process that signs writes.
func TestNamed(t *testing.T) {
	dir, k := longLedger(t, 1300, 1, 256, 257, 1024, 1025, 1300)
	want := "1=A-0001 256=A-0256 257=A-0257 1024=A-1024 1025=A-1025 1300=A-1300"
	file := filepath.Join(dir, namedName)
	for i, o := range []Options{k.read(), k.write(), k.read(), k.write()} {
		if got := subjects(t, dir, o); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		if written(file) != (i > 0) {
			t.Errorf("opening %d: the file exists: %v", i, i == 0)
		}
	}
	if r := verify(t, dir, k.public); len(r.Findings) > 0 {
		t.Errorf("%v", r.Findings)
	}
	// A process that already has the ledger open sees the acts of others.
	l, err := Open(dir, k.read())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, err := range []error{errOf(l.Named(t.Context())), errOf(l.Named(t.Context()))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	other, err := Open(dir, k.write())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Append(t.Context(), Act{Actor: "anna", Action: RevokeAuthority, Subject: "A-0001"}); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := l.Named(t.Context())
	if err != nil || len(entries) != 7 || entries[6].Action != RevokeAuthority {
		t.Errorf("%v, %v", entries, err)
	}
}

func written(name string) bool { _, err := os.Stat(name); return err == nil }

func errOf(_ []Entry, err error) error { return err }

// With the file, opening the ledger reads only the newest entries.
func TestNamedReadsLittle(t *testing.T) {
	dir, k := longLedger(t, 1100, 1)
	subjects(t, dir, k.write())
	if err := os.Remove(filepath.Join(dir, bundlePath(0, 1100))); err != nil {
		t.Fatal(err)
	}
	if got := subjects(t, dir, k.read()); got != "1=A-0001" {
		t.Error(got)
	}
}

// Nobody without the key can hide an act about an authority or make one up: not in the
// file, not in the bundles and leaves. Each change of the file is damage for Verify.
func TestNamedForged(t *testing.T) {
	dir, k := longLedger(t, 1100, 1, 300)
	subjects(t, dir, k.write())
	good := read(t, dir, namedName)
	for name, bad := range map[string][]byte{
		"left out":  good[:len(good)-len(good[strings.Index(string(good), "\n{\"v\":2,\"seq\":300")+1:])],
		"doubled":   append(append([]byte{}, good...), good[strings.LastIndex(string(good[:len(good)-1]), "\n")+1:]...),
		"short":     good[:20],
		"empty":     {},
		"other key": []byte(strings.Replace(string(good), "1024", "0768", 1)),
	} {
		write(t, dir, namedName, bad)
		if got := subjects(t, dir, k.read()); got != "1=A-0001 300=A-0300" {
			t.Errorf("%s: %s", name, got)
		}
		damageIn(t, verify(t, dir, k.public), name, namedName)
	}
	for i := 0; i < len(good); i += 41 {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		write(t, dir, namedName, bad)
		if r := verify(t, dir, k.public); !r.Damaged() {
			t.Errorf("byte %d changed, and nothing is found", i)
		}
	}
	// A search is turned into an act on an authority, including its leaf.
	if err := os.Remove(filepath.Join(dir, namedName)); err != nil {
		t.Fatal(err)
	}
	name := bundlePath(1099, 1100)
	raw := read(t, dir, name)
	at := strings.Index(string(raw), `"action":"search"`)
	copy(raw[at:], `"action":"list.a"`)
	write(t, dir, name, raw)
	if got := subjects(t, dir, k.read()); !strings.Contains(got, argus.ErrDamaged.Error()) {
		t.Error(got)
	}
}

// A file from a longer ledger shows that this ledger was truncated.
func TestNamedCutBack(t *testing.T) {
	dir, k := longLedger(t, 1100, 1)
	subjects(t, dir, k.write())
	file := read(t, dir, namedName)
	l, err := Open(dir, k.write())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Create(filepath.Join(t.TempDir(), "ledger"), k.write())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	appendActs(t, other, 3)
	write(t, other.dir, namedName, file)
	if got := subjects(t, other.dir, k.read()); got != "" {
		t.Error(got)
	}
	damageIn(t, verify(t, other.dir, k.public), "cut back", namedName)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
