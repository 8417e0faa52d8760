package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func write(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func verify(t testing.TB, dir, public string) *Report {
	t.Helper()
	report, err := Verify(t.Context(), dir, public)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// damageIn checks that the report has damage in that file and in no other.
func damageIn(t testing.TB, report *Report, what, name string) {
	t.Helper()
	if !report.Damaged() {
		t.Errorf("%s: nothing was found", what)
	}
	for _, f := range report.Findings {
		if f.Damage && f.File != name {
			t.Errorf("%s: found %v, want it in %s", what, f, name)
		}
	}
}

// TestFlippedByte flips every byte of a small ledger, and bytes all over a larger one, one at a
// time. The finding must name the file and, for an entry, its number and offset.
func TestFlippedByte(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 3)
	flipBytes(t, dir, k.public, 1)
	flipBytes(t, copyDir(t, filepath.Join("testdata", "v1")), testdataKeys.public, 331)
	flipBytes(t, copyDir(t, filepath.Join("testdata", "v2")), testdataKeys.public, 331)
}

func flipBytes(t *testing.T, dir, public string, step int) {
	t.Helper()
	wantClean(t, dir, public)
	for _, name := range files(t, dir) {
		good := read(t, dir, name)
		for at := range good {
			if at > 3 && at%step != 0 { // the first ones are an entry's length
				continue
			}
			bad := slices.Clone(good)
			bad[at] ^= 1 << (at % 8)
			write(t, dir, name, bad)
			report := verify(t, dir, public)
			damageIn(t, report, name, name)
			if !strings.HasPrefix(name, "tile/") || len(report.Findings) == 0 {
				continue
			}
			f := report.Findings[0]
			if strings.HasPrefix(name, "tile/entries/") && f.Entry == 0 {
				t.Errorf("%s, byte %d: the finding names no entry: %v", name, at, f)
			}
			if f.Offset > int64(at) || f.Offset < int64(at)-300 {
				t.Errorf("%s, byte %d: the finding is at byte %d", name, at, f.Offset)
			}
		}
		write(t, dir, name, good)
	}
	wantClean(t, dir, public)
}

func TestMissingShortAndLongFiles(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		missingShortAndLong(t, copyDir(t, filepath.Join("testdata", version)), testdataKeys)
	}
}

func missingShortAndLong(t *testing.T, dir string, k keys) {
	for _, name := range files(t, dir) {
		good := read(t, dir, name)
		if strings.HasPrefix(name, envelopeDir) {
			write(t, dir, name, good[:len(good)-1])
			damageIn(t, verify(t, dir, k.public), name+" cut", name)
		} else if len(good) > 0 {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if report := verify(t, dir, k.public); slices.Contains(tesseraState, name) {
				if report.Damaged() {
					t.Errorf("%s removed: %v", name, report.Findings)
				}
			} else {
				damageIn(t, report, name+" removed", name)
			}
			write(t, dir, name, good[:len(good)-1])
			damageIn(t, verify(t, dir, k.public), name+" cut", name)
			write(t, dir, name, nil)
			damageIn(t, verify(t, dir, k.public), name+" emptied", name)
		}
		long := byte(0)
		if strings.HasPrefix(name, envelopeDir) {
			long = 'x' // a power cut can leave zeros
		}
		write(t, dir, name, append(slices.Clone(good), long))
		damageIn(t, verify(t, dir, k.public), name+" lengthened", name)
		write(t, dir, name, good)
	}
	wantClean(t, dir, k.public)
}

// copyDir copies a directory.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestForgery: an attacker who can write files but has no key changes an entry and everything
// above it that is not signed.
func TestForgery(t *testing.T) {
	_, k, l := newLedger(t)
	appendActs(t, l, 5)
	_, strangerPublic, stranger := newLedger(t)
	for i := range 5 {
		if _, err := stranger.Append(t.Context(), Act{Actor: "mallory", Action: Search, Subject: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("tree", func(t *testing.T) {
		dir := copyDir(t, stranger.dir)
		write(t, dir, "checkpoint", read(t, l.dir, "checkpoint"))
		if !verify(t, dir, k.public).Damaged() {
			t.Error("other entries under the checkpoint are not found")
		}
		forged, err := Open(dir, k.write())
		if err != nil {
			t.Fatal(err)
		}
		defer forged.Close()
		if _, err := forged.Append(t.Context(), Act{Action: Search}); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("a forged tree is signed: %v", err)
		}
	})
	t.Run("leaf", func(t *testing.T) {
		dir := copyDir(t, l.dir)
		tile := read(t, dir, "tile/0/000.p/5")
		tile[40] ^= 1
		write(t, dir, "tile/0/000.p/5", tile)
		forged, err := Open(dir, k.write())
		if err != nil {
			t.Fatal(err)
		}
		defer forged.Close()
		if _, err := forged.Append(t.Context(), Act{Action: Search}); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("a forged leaf is signed: %v", err)
		}
	})
	t.Run("tail", func(t *testing.T) {
		// An entry beyond the checkpoint is not in the ledger, and does not enter it
		// with the next checkpoint.
		dir := copyDir(t, l.dir)
		before := read(t, dir, "checkpoint")
		forged, err := Open(dir, k.write())
		if err != nil {
			t.Fatal(err)
		}
		defer forged.Close()
		appendActs(t, forged, 1)
		write(t, dir, "checkpoint", before)
		// The shorter partial tiles are gone, as if they had been removed too early;
		// this also shows that the reader reports it.
		report := verify(t, dir, k.public)
		if !report.Damaged() || report.Entries != 5 {
			t.Errorf("verify: %+v", report)
		}
		for _, name := range []string{"tile/0/000.p/5", "tile/entries/000.p/5"} {
			write(t, dir, name, read(t, l.dir, name))
		}
		if report := verify(t, dir, k.public); report.Damaged() || len(report.Findings) != 3 {
			t.Errorf("verify: %+v", report)
		}
		e, err := forged.Append(t.Context(), Act{Actor: "anna", Action: Show})
		if err != nil || e.Seq != 6 {
			t.Fatalf("append: %v, %v", e, err)
		}
		if got := readAll(t, forged, 6, 0); len(got) != 1 || got[0].Action != Show {
			t.Errorf("entry 6 is %v", got)
		}
		wantClean(t, dir, k.public)
	})
	t.Run("checkpoint", func(t *testing.T) {
		dir := copyDir(t, l.dir)
		older := read(t, dir, "checkpoint")
		later, err := Open(dir, k.write())
		if err != nil {
			t.Fatal(err)
		}
		defer later.Close()
		appendActs(t, later, 2)
		write(t, dir, "checkpoint", older)
		damageIn(t, verify(t, dir, k.public), "an older checkpoint", "checkpoint")
	})
	t.Run("key", func(t *testing.T) {
		damageIn(t, verify(t, l.dir, strangerPublic.public), "with a stranger's key", "checkpoint")
	})
}

// TestBoundless: an unsigned size is not trusted for long.
func TestBoundless(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 1)
	write(t, dir, "checkpoint", []byte("example.org/case\n"))
	write(t, dir, tilePath(0, 1<<60, 1<<60+1), nil)
	if report := verify(t, dir, k.public); !report.Damaged() || len(report.Findings) > MaxFindings {
		t.Errorf("%d findings", len(report.Findings))
	}
}

// TestTwoDamages: a tile and an entry in another bundle are damaged at the same time; both are
// named.
func TestTwoDamages(t *testing.T) {
	dir := copyDir(t, filepath.Join("testdata", "v1"))
	for name, at := range map[string]int{"tile/0/000": 100, "tile/entries/001.p/2": 50} {
		data := read(t, dir, name)
		data[at] ^= 1
		write(t, dir, name, data)
	}
	var got []string
	for _, f := range verify(t, dir, testdataKeys.public).Findings {
		got = append(got, f.String())
	}
	want := []string{
		"ledger/tile/0/000, byte 96, entry 4: the hash does not match the entry",
		"ledger/tile/entries/001.p/2, byte 0, entry 257: the entry differs from the recorded one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestStrayFiles: the leftovers of a crash are reported, but not as damage. So is a file that
// is not part of a ledger.
func TestStrayFiles(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 3)
	older := map[string][]byte{}
	for _, name := range []string{"tile/0/000.p/3", "tile/entries/000.p/3"} {
		older[name] = read(t, dir, name)
	}
	appendActs(t, l, 2)
	for name, data := range older {
		write(t, dir, name, data)
	}
	if report := verify(t, dir, k.public); len(report.Findings) != 0 {
		t.Errorf("older copies of partial tiles: %v", report.Findings)
	}
	for name := range older {
		bad := slices.Clone(older[name])
		bad[33] ^= 1
		write(t, dir, name, bad)
		damageIn(t, verify(t, dir, k.public), "older copy", name)
		write(t, dir, name, older[name])
	}

	stray := map[string]string{
		"tile/entries/000.p/6":                    "interrupted act that",
		"tile/0/000.p/6":                          "interrupted act that",
		"tile/0/000.p/51234567":                   "temporary",
		"tile/entries/0001234567":                 "temporary",
		"tile/0/000.p/6.tmp":                      "temporary",
		"tile/entries/000.tmp":                    "temporary",
		"checkpoint.new-123":                      "temporary",
		"checkpoint.tmp":                          "temporary",
		".state/treeState123":                     "temporary",
		".state/treeState.new-1234567":            "temporary",
		"tile/0/000.p/9":                          "unknown",
		"tile/0/17":                               "unknown",
		"tile/0/x000/000":                         "unknown",
		"tile/data/000.p/1":                       "unknown",
		"tile/8/0/000.p/1":                        "unknown",
		"tile/8/entries/000.p/1":                  "unknown",
		"tile/64/000.p/1":                         "unknown",
		"tile/0/x072/x057/x594/x037/x927/936.p/1": "unknown", // 2^56
		"notes.txt":                               "unknown",
	}
	for name := range stray {
		write(t, dir, name, []byte("anything"))
	}
	report := verify(t, dir, k.public)
	got := map[string]string{}
	for _, f := range report.Findings {
		if f.Damage {
			t.Errorf("damage: %v", f)
		}
		for _, word := range []string{"interrupted act that", "temporary", "unknown"} {
			if strings.Contains(f.Problem, word) {
				got[f.File] = word
			}
		}
	}
	if diff := cmp.Diff(stray, got); diff != "" {
		t.Error(diff)
	}
	appendActs(t, l, 1)
	wantClean(t, dir, k.public)
}

func TestReadDamaged(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 3)
	reader, err := Open(dir, k.read())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tile/entries/000.p/3", "tile/0/000.p/3", "checkpoint"} {
		good := read(t, dir, name)
		bad := slices.Clone(good)
		bad[len(bad)/2] ^= 4
		for what, change := range map[string]func(){
			"flipped": func() { write(t, dir, name, bad) },
			"cut":     func() { write(t, dir, name, good[:len(good)-1]) },
		} {
			change()
			var got error
			for _, err := range reader.Entries(t.Context(), 1, 0) {
				got = err
			}
			if !errors.Is(got, argus.ErrDamaged) {
				t.Errorf("%s %s: %v", name, what, got)
			}
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		var got error
		for _, err := range reader.Entries(t.Context(), 1, 0) {
			got = err
		}
		if got == nil {
			t.Errorf("%s removed: no error", name)
		}
		write(t, dir, name, good)
	}
}

// TestNewerEntry: entries of a newer Argus are reported as newer and never as damage.
func TestNewerEntry(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 2)
	for seq := range uint64(2) {
		data := fmt.Appendf(nil, `{"v":3,"seq":%d,"what":"nobody knows yet"}`, seq+3)
		appendRaw(t, l, data)
	}
	report := verify(t, dir, k.public)
	if report.Damaged() || len(report.Findings) != 1 || !report.Findings[0].Newer || report.Findings[0].Entry != 3 {
		t.Errorf("%+v", report)
	}
	for _, err := range l.Entries(t.Context(), 3, 0) {
		if !errors.Is(err, argus.ErrNewer) || errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%v, want ErrNewer", err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	_, k, l := newLedger(f)
	appendActs(f, l, 2)
	names := files(f, l.dir)
	for i, name := range names {
		f.Add(uint8(i), read(f, l.dir, name))
	}
	f.Fuzz(func(t *testing.T, file uint8, data []byte) {
		name := names[int(file)%len(names)]
		good := read(t, l.dir, name)
		if string(good) == string(data) {
			return
		}
		dir := copyDir(t, l.dir)
		write(t, dir, name, data)
		report := verify(t, dir, k.public)
		if strings.HasPrefix(name, envelopeDir) && !report.Damaged() && len(report.Findings) > 0 {
			return // it was destroyed in part, or something follows it
		}
		damageIn(t, report, name, name)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"seq":1,"time":"2026-01-02T03:04:05Z","actor":"a","action":"show"}`))
	f.Add([]byte(`{"v":1,"seq":1,"time":"2026-01-02T03:04:05.000001Z","actor":"a","action":"show","detail":{"a":"b"}}`))
	f.Add([]byte(`{"v":2,"seq":1,"time":"2026-01-02T03:04:05Z","clock":"2025-01-02T03:04:05Z","action":"show","detail":{"a":"b"},"envelope":"` + strings.Repeat("0a", 32) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decode(data)
		if err != nil {
			return
		}
		form := encodedEntry{2, e.Seq, e.Time, e.Clock, nil, e.Authority, e.Purpose, e.Action, e.Subject, e.Detail, e.Envelope}
		if e.Envelope == (argus.Hash{}) {
			form.Version, form.Actor = 1, &e.Actor
		}
		again, err := form.encode()
		if err != nil || string(again) != string(data) {
			t.Errorf("%q is decoded and encoded as %q, %v", data, again, err)
		}
	})
}

// TestInterruptedAtTheEdgeOfABundle: an act that was interrupted just before its
// checkpoint is not damage, even if it would have filled a bundle.
func TestInterruptedAtTheEdgeOfABundle(t *testing.T) {
	for _, entries := range []int{5, tileWidth - 1, tileWidth} {
		dir, k, l := newLedger(t)
		appendActs(t, l, entries-int(mustSize(t, l)))
		later := filepath.Join(t.TempDir(), "later")
		if err := os.CopyFS(later, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		next, err := Open(later, k.write())
		if err != nil {
			t.Fatal(err)
		}
		appendActs(t, next, 1)
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		// Everything is written except the checkpoint, and nothing is removed.
		err = filepath.WalkDir(later, func(path string, e fs.DirEntry, err error) error {
			name, _ := filepath.Rel(later, path)
			if err != nil || e.IsDir() || name == checkpointName {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, name), data, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := wantClean(t, dir, k.public); n != uint64(entries) {
			t.Errorf("%d entries, want %d", n, entries)
		}
	}
}

func mustSize(t *testing.T, l *Ledger) uint64 {
	t.Helper()
	n, err := l.Size()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
