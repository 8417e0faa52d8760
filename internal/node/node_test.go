package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/verify"
)

func testOptions(t testing.TB) Options {
	return Options{Formats: all.Formats(), KeyDir: filepath.Join(t.TempDir(), "keys"), Software: "argus test", SegmentBytes: 4000}
}

// makeStore makes a store with a sealed delivery for each of the given contents.
func makeStore(t testing.TB, dir string, o Options, deliveries ...string) {
	t.Helper()
	if err := Create(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	if len(deliveries) > 0 {
		if tt, ok := t.(*testing.T); ok {
			tt.Chdir(t.TempDir()) // so that no path on this machine is recorded
		}
	}
	for i, content := range deliveries {
		source := fmt.Sprintf("delivery-%d.jsonl", i+1)
		if err := os.WriteFile(source, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		ingest(t, dir, o, source)
	}
}

func ingest(t testing.TB, dir string, o Options, source string) *argus.Receipt {
	t.Helper()
	o.Write = true
	ctx, cancel := context.WithCancel(t.Context()) // ends background work
	defer cancel()
	n, err := Open(ctx, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	who, err := n.Who(ctx, desk.Who{Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	var receipt *argus.Receipt
	err = n.Ingest(ctx, who, intake.Options{BatchRecords: 50}, func(ctx context.Context, o intake.Options) error {
		receipt, err = intake.Ingest(ctx, o, source)
		return err
	})
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	return receipt
}

func lines(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		fmt.Fprintf(&b, `{"service":"sky","conversation":"A|B","from":"%c","id":"%d","sent":"2021-02-14T%02d:%02d:00Z","text":"message %d about crates and numbers"}`+"\n",
			'A'+n%2, n, n/60%24, n%60, n)
	}
	return b.String()
}

func verified(t testing.TB, dir string) (damage, notes []verify.Finding, v *verify.Verified) {
	t.Helper()
	v, err := Verify(t.Context(), dir, "", func(f verify.Finding) {
		if f.Note {
			notes = append(notes, f)
		} else {
			damage = append(damage, f)
		}
	}, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return damage, notes, v
}

func search(t testing.TB, dir string, o Options, query string) *desk.SearchResult {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	who, err := n.Who(t.Context(), desk.Who{Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.Desk.Search(t.Context(), who, desk.SearchRequest{Query: query})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFromAFileToAnAnswer(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 300), lines(200, 400))
	if r := search(t, dir, o, "crates from:B"); r.Total != 200 || r.Behind != 0 {
		t.Errorf("found %d, %d behind; want 200", r.Total, r.Behind)
	}
	// A message that was found again belongs to both deliveries.
	if r := search(t, dir, o, "delivery:D-0002"); r.Total != 200 {
		t.Errorf("delivery 2 has %d messages, want 200", r.Total)
	}
	damage, notes, v := verified(t, dir)
	if len(damage)+len(notes) != 0 || v.Sealed != 2 || v.Indexed != 400 || v.Counts.Sightings != 100 {
		t.Errorf("%+v, damage %+v, notes %+v", v, damage, notes)
	}
}

// P8: a rebuilt index gives the same answers.
func TestReindexGivesTheSame(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 300), lines(200, 400))
	before := search(t, dir, o, "message is:differs OR crates")
	messages, err := Reindex(t.Context(), dir, o)
	if err != nil || messages != 400 {
		t.Fatalf("%d messages, %v", messages, err)
	}
	after := search(t, dir, o, "message is:differs OR crates")
	before.Entry, after.Entry = 0, 0
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("answers differ:\n%s", diff)
	}
}

// A missing index is built when the store is opened.
func TestMissingIndexIsBuilt(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if r := search(t, dir, o, "crates"); r.Total != 100 {
		t.Errorf("found %d, want 100", r.Total)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	if _, err := Open(t.Context(), dir, o); !errors.Is(err, layout.ErrNoStore) {
		t.Errorf("no store: %v", err)
	}
	makeStore(t, dir, o)
	if err := Create(t.Context(), dir, o); err == nil {
		t.Error("a store was made over another")
	}
	other := o
	other.KeyDir = t.TempDir()
	if _, err := Open(t.Context(), dir, other); !errors.Is(err, admin.ErrNoKey) {
		t.Errorf("no key: %v", err)
	}
	info, err := readInfo(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		name := layout.PrivateKey(o.KeyDir, info.Store)
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), dir, o)
		if want := fmt.Sprintf("its mode is %04o; make sure that nobody has a copy, then run \"chmod 600 %s\"", mode, name); !errors.Is(err, admin.ErrOpenKey) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("a key of mode %04o: %v", mode, err)
		}
		if err := os.Chmod(name, 0o400); err != nil {
			t.Fatal(err)
		}
	}
	validation, err := admin.OpenValidationKey(o.KeyDir)
	if err == nil {
		err = os.Chmod(validation.Path, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.OpenValidationKey(o.KeyDir); !errors.Is(err, admin.ErrOpenKey) {
		t.Errorf("a validation key of mode 0644: %v", err)
	}
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Admin.AddAuthority(t.Context(), "admin", authority.Authority{Basis: "warrant", GrantedBy: "judge", Purpose: "x", Actors: []string{"judge"}}); err != nil {
		t.Fatal(err)
	}
	if who, err := n.Who(t.Context(), desk.Who{Actor: "tester"}); err != nil || who.Authority != "A-0001" || who.Purpose == "" {
		t.Errorf("the only authority that names the actor: %+v, %v", who, err)
	}
	if _, err := n.Who(t.Context(), desk.Who{Actor: "judge"}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("two authorities, and the actor names none: %v", err)
	}
}

// Files from a newer Argus are reported as newer, never as damaged. If the newer Argus
// made them readable for this one, they are read.
func TestFormatsOfStores(t *testing.T) {
	for _, tt := range []struct {
		info string
		want error // nil: the store opens
		text string
	}{
		{`"format": 2, "min_reader": 2`, nil, ""},
		{`"format": 3, "min_reader": 2`, nil, ""},
		{`"format": 3, "min_reader": 3`, argus.ErrNewer, "this Argus reads only formats up to 2"},
		{`"format": 1`, argus.ErrOlder, "argus upgrade"},
		{`"format": 0`, argus.ErrDamaged, ""},
		{`"format": 2, "min_reader": 3`, argus.ErrDamaged, ""},
	} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o)
		name := filepath.Join(dir, layout.Info)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		const mine = "\"format\": 2,\n  \"min_reader\": 2"
		if !strings.Contains(string(text), mine) {
			t.Fatalf("argus.json is %s", text)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), mine, tt.info, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := Open(t.Context(), dir, o)
		if err == nil {
			n.Close()
		}
		if (err == nil) != (tt.want == nil) || err != nil && !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v, want %q in the error", tt.info, err, tt.text)
		}
		if tt.want == nil {
			writer := o
			writer.Write = true
			n, err := Open(t.Context(), dir, writer)
			if err == nil {
				n.Close()
			}
			_, again := Reindex(t.Context(), dir, o)
			if newer := strings.Contains(tt.info, "3"); newer != errors.Is(err, argus.ErrNewer) || newer != errors.Is(again, argus.ErrNewer) {
				t.Errorf("%s, to write: %v; to reindex: %v", tt.info, err, again)
			}
		}
		for _, class := range []error{argus.ErrNewer, argus.ErrOlder, argus.ErrDamaged} {
			if errors.Is(err, class) != errors.Is(tt.want, class) {
				t.Errorf("%s: %v, want %v", tt.info, err, tt.want)
			}
		}
		if errors.Is(tt.want, argus.ErrNewer) {
			damage, _, _ := verified(t, dir)
			if len(damage) != 1 || !damage[0].Newer {
				t.Errorf("%s: verify says %+v", tt.info, damage)
			}
		}
	}
}

func TestExpiryCutsIngestToo(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	o.Write = true
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Admin.RevokeAuthority(t.Context(), "admin", 1, "over"); err != nil {
		t.Fatal(err)
	}
	err = n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "x"}, intake.Options{}, func(context.Context, intake.Options) error {
		t.Error("a delivery was ingested under a revoked authority")
		return nil
	})
	if !errors.Is(err, argus.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
}

const storeV2 = "testdata/store-v2"

var update = flag.Bool("update", false, "rewrite the store in testdata, except for its index")

// writeStoreV2 rewrites the store. It keeps the index, because that is older than
// today's. It also keeps the ledger, which then must be made by the earlier Argus.
func writeStoreV2(t *testing.T) {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(here, storeV2)
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	o.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	makeStore(t, dir, o, lines(0, 300)+"broken\n", lines(200, 310))
	t.Chdir(here)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == layout.Index {
			continue
		}
		if err := os.RemoveAll(filepath.Join(into, e.Name())); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(into, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// copyStore copies the store of version 2 in testdata, with a current index.
func copyStore(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(dir, os.DirFS(storeV2)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(layout.File(dir, layout.Index)); err != nil {
		t.Fatal(err)
	}
	if _, err := Reindex(t.Context(), dir, testOptions(t)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestStoreOfVersion2 verifies a store as the first Argus with format 2 wrote it (P9).
// Its index is older than today's: verify notes that, and the index is rebuilt.
func TestStoreOfVersion2(t *testing.T) {
	if *update {
		writeStoreV2(t)
	}
	want := argus.Counts{Read: 411, Stored: 310, Sightings: 100, Quarantined: 1}
	check := func(dir string, wantNotes int, wantIndexed uint64) {
		t.Helper()
		damage, notes, v := verified(t, dir)
		if len(damage) != 0 || len(notes) != wantNotes {
			t.Errorf("damage %+v, notes %+v", damage, notes)
		}
		if v.Counts != want || v.Sealed != 2 || v.Originals != 2 || v.Indexed != wantIndexed {
			t.Errorf("%+v", v)
		}
	}
	// One of the notes says that its ledger holds words.
	check(storeV2, 2, 0)
	dir := filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(dir, os.DirFS(storeV2)); err != nil {
		t.Fatal(err)
	}
	if n, err := Reindex(t.Context(), dir, testOptions(t)); err != nil || n != 310 {
		t.Fatalf("reindexed %d messages: %v", n, err)
	}
	check(dir, 1, 310)
}

// TestDamagedStores goes through the library of damaged stores in testdata/damaged. The
// lines of a file are changes to a copy of the sound store (flip FILE OFFSET, truncate
// FILE SIZE, append FILE TEXT, remove FILE, swap FILE FILE, write FILE TEXT; a negative
// offset counts from the end), and the expected findings: "damage FILE WORDS" or "note
// FILE WORDS", each at least once, and no damage in other files. WORDS are part of the
// problem or name the touched records: "records 2 to 2, delivery D-0001". The files of an
// original are named by its path: {delivery-1.jsonl}.data.
func TestDamagedStores(t *testing.T) {
	names, err := filepath.Glob("testdata/damaged/*.txt")
	if err != nil || len(names) < 15 {
		t.Fatalf("%d damaged stores, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := copyStore(t)
			type wanted struct{ kind, file, words string }
			var want []wanted
			for line := range strings.Lines(originalsOf(t, dir).Replace(string(script))) {
				verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				switch verb {
				case "", "#":
				case "damage", "note":
					file, words, _ := strings.Cut(rest, " ")
					want = append(want, wanted{verb, file, words})
				default:
					if err := harm(dir, verb, rest); err != nil {
						t.Fatalf("%s: %v", strings.TrimSpace(line), err)
					}
				}
			}
			damage, notes, _ := verified(t, dir)
			for _, w := range want {
				findings := damage
				if w.kind == "note" {
					findings = notes
				}
				if !slices.ContainsFunc(findings, func(f verify.Finding) bool { return f.File == w.file && strings.Contains(touching(f), w.words) }) {
					t.Errorf("no %s of %s with %q in damage %+v, notes %+v", w.kind, w.file, w.words, damage, notes)
				}
			}
			for _, f := range damage {
				if !slices.ContainsFunc(want, func(w wanted) bool { return w.kind == "damage" && w.file == f.File }) {
					t.Errorf("a sound file is reported as damaged: %+v", f)
				}
			}
		})
	}
	if !t.Failed() {
		t.Logf("reliability: tamperings tried %d failed 0", len(names))
	}
}

// An ingest refuses an unknown segment in the same words as verify.
func TestCopiedSegment(t *testing.T) {
	dir := copyStore(t)
	if err := harm(dir, "copy", "evidence/00000001.seg evidence/00000005.seg"); err != nil {
		t.Fatal(err)
	}
	damage, _, _ := verified(t, dir)
	if len(damage) != 1 || damage[0].File != "evidence/00000005.seg" {
		t.Fatalf("%+v", damage)
	}
	_, err := evidence.Open(dir, evidence.Options{})
	if !errors.Is(err, argus.ErrDamaged) || !strings.Contains(err.Error(), "evidence/00000005.seg: "+damage[0].Problem) {
		t.Errorf("verify says %q, and opening %v", damage[0].Problem, err)
	}
	if err := os.Remove(filepath.Join(dir, "evidence", "00000005.seg")); err != nil {
		t.Fatal(err)
	}
	if s, err := evidence.Open(dir, evidence.Options{}); err != nil || s.Close() != nil {
		t.Errorf("after the remedy: %v", err)
	}
}

// The index of another store has correct checksums, so verify compares everything with
// the evidence. An index that is merely behind is sound.
func TestIndexOfAnotherStore(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 300))
	rolledBack := t.TempDir()
	if err := os.CopyFS(rolledBack, os.DirFS(layout.File(dir, layout.Index))); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "more.jsonl")
	if err := os.WriteFile(file, []byte(lines(200, 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	ingest(t, dir, o, file)
	other := filepath.Join(t.TempDir(), "other")
	makeStore(t, other, o, strings.ReplaceAll(lines(0, 300), "message 123", "harmless 99"), lines(200, 400))
	for _, test := range []struct {
		index string
		sound bool
	}{{layout.File(other, layout.Index), false}, {rolledBack, true}} {
		if err := os.RemoveAll(layout.File(dir, layout.Index)); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(layout.File(dir, layout.Index), os.DirFS(test.index)); err != nil {
			t.Fatal(err)
		}
		damage, notes, _ := verified(t, dir)
		if test.sound {
			if len(damage)+len(notes) > 0 {
				t.Errorf("an index that is behind: %+v, %+v", damage, notes)
			}
			continue
		}
		if len(damage) != 2 || damage[0].File != "index/manifest" || damage[1].File != layout.Index || damage[1].First == 0 || !strings.Contains(damage[1].Problem, "argus reindex") {
			t.Errorf("the index of another store: %+v, %+v", damage, notes)
		}
		if n, err := Open(t.Context(), dir, o); !errors.Is(err, evidence.ErrOther) || !strings.Contains(err.Error(), "argus reindex") {
			t.Errorf("the index of another store was opened: %v, %v", n, err)
		}
		if _, err := Reindex(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		if r := search(t, dir, o, "crates"); r.Total != 400 {
			t.Errorf("after argus reindex: %d messages", r.Total)
		}
	}
}

// A mark identifies one evidence and no other.
func TestIndexNamesItsEvidence(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100), lines(50, 150))
	s, err := evidence.Open(dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mark, err := s.Mark(s.Last(), "")
	if err != nil || !strings.HasPrefix(mark, "D-0002 ") {
		t.Fatal(mark, err)
	}
	earlier, err := s.Mark(60, "")
	if err != nil || !strings.HasPrefix(earlier, "D-0001 ") {
		t.Fatal(earlier, err)
	}
	if err := errors.Join(s.Marked(s.Last(), mark), s.Marked(60, earlier)); err != nil {
		t.Error(err)
	}
	changed := strings.Fields(mark)
	for i, other := range []string{"D-0001", strings.Repeat("0", 64), strings.Repeat("0", 64)} {
		forged := slices.Clone(changed)
		forged[i] = other
		if err := s.Marked(s.Last(), strings.Join(forged, " ")); !errors.Is(err, evidence.ErrOther) {
			t.Errorf("%v: %v", forged, err)
		}
	}
	for _, bad := range []string{"", "D-0002", "x y z"} {
		if err := s.Marked(s.Last(), bad); !errors.Is(err, evidence.ErrOther) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := s.Marked(s.Last()+1, mark); !errors.Is(err, evidence.ErrOther) {
		t.Errorf("beyond the end: %v", err)
	}
}

// originalsOf returns a replacer for the names that scripts give to originals.
func originalsOf(t *testing.T, dir string) *strings.Replacer {
	t.Helper()
	s, err := evidence.Open(dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var pairs []string
	for r, err := range s.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == argus.KindOriginal {
			name := r.Original.File.String()
			pairs = append(pairs, "{"+r.Original.Path+"}", "originals/"+name[:2]+"/"+name[2:])
		}
	}
	return strings.NewReplacer(pairs...)
}

// touching returns a finding's problem and the records that the finding touches.
func touching(f verify.Finding) string {
	return fmt.Sprintf("%s; records %d to %d, delivery %s", f.Problem, f.First, f.Last, f.Delivery)
}

func harm(dir, verb, rest string) error {
	file, argument, _ := strings.Cut(rest, " ")
	path := filepath.Join(dir, filepath.FromSlash(file))
	if info, err := os.Stat(path); err == nil && info.IsDir() && verb == "remove" {
		return os.Remove(path)
	}
	if verb == "write" {
		return os.WriteFile(path, []byte(argument+"\n"), 0o600)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	number := func() (int, error) {
		n, err := strconv.Atoi(argument)
		if n < 0 {
			n += len(data)
		}
		if err == nil && (n < 0 || n >= len(data)) {
			err = fmt.Errorf("the file has %d bytes", len(data))
		}
		return n, err
	}
	switch verb {
	case "flip":
		n, err := number()
		if err != nil {
			return err
		}
		data[n] ^= 1
	case "truncate":
		n, err := number()
		if err != nil {
			return err
		}
		data = data[:n]
	case "append":
		data = append(data, argument...)
	case "remove":
		return os.Remove(path)
	case "copy":
		return os.WriteFile(filepath.Join(dir, filepath.FromSlash(argument)), data, 0o600)
	case "swap":
		other := filepath.Join(dir, filepath.FromSlash(argument))
		second, err := os.ReadFile(other)
		if err != nil {
			return err
		}
		if err := os.Chmod(other, 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(other, data, 0o600); err != nil {
			return err
		}
		data = second
	default:
		return fmt.Errorf("there is no kind of damage called %q", verb)
	}
	return os.WriteFile(path, data, 0o600)
}

// TestFlipAnyByteOfAStore changes bytes in every file of a store, including the index and
// the ledger. Verify must find each change and name its file (P7).
func TestFlipAnyByteOfAStore(t *testing.T) {
	dir := copyStore(t)
	rng := rand.New(rand.NewPCG(4, 2))
	flips := times(t, "ARGUS_FLIPS", 8) // in each file
	if testing.Short() {
		flips = 2
	}
	tried := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		sound, err := os.ReadFile(path)
		if err != nil || len(sound) == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		for i := range flips {
			at := []int{0, len(sound) - 1}[i&1]
			if i > 1 {
				at = rng.IntN(len(sound))
			}
			bad := slices.Clone(sound)
			bad[at] ^= 1 << rng.IntN(8)
			tried++
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				return err
			}
			damage, _, _ := verified(t, dir)
			if !slices.ContainsFunc(damage, func(f verify.Finding) bool { return strings.HasPrefix(name, f.File) }) {
				t.Errorf("%s: a flip at %d is not found, or not named: %+v", name, at, damage)
			}
		}
		return os.WriteFile(path, sound, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verified(t, dir); len(damage) != 0 {
		t.Errorf("after everything was restored: %+v", damage)
	}
	if !t.Failed() {
		t.Logf("reliability: flips tried %d failed 0", tried)
	}
}

// times returns the number in an environment variable that makes a test longer.
func times(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s: %q is not a number", name, text)
	}
	return n
}

// A store that was signed again with another key can be consistent without being as it
// was sealed. Only the right public key reveals that.
func TestVerifyWithAKeyOfOnesOwn(t *testing.T) {
	dir := copyStore(t)
	stored, err := os.ReadFile(filepath.Join(dir, "keys", "store.pub"))
	if err != nil {
		t.Fatal(err)
	}
	other, o := filepath.Join(t.TempDir(), "other"), testOptions(t)
	makeStore(t, other, o)
	foreign, err := os.ReadFile(filepath.Join(other, "keys", "store.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for key, sound := range map[string]bool{strings.TrimSpace(string(stored)): true, strings.TrimSpace(string(foreign)): false} {
		damage := 0
		if _, err := Verify(t.Context(), dir, key, func(f verify.Finding) {
			if !f.Note {
				damage++
			}
		}, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		if sound != (damage == 0) {
			t.Errorf("key %s: %d findings", key, damage)
		}
	}
}
