package check

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/hashed"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/original"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func openTest(t *testing.T, dir string, o evidence.Options) *evidence.Store {
	t.Helper()
	s, err := evidence.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func createTest(t *testing.T, o evidence.Options) (*evidence.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := evidence.Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

func begin(t *testing.T, s *evidence.Store) argus.DeliveryNumber {
	t.Helper()
	d, err := s.Begin(t.Context(), argus.Opening{Source: "test", Authority: "A-0001", Actor: "tester", Readers: []string{"test/1"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func testKey(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "argus.test")
	if err != nil {
		t.Fatal(err)
	}
	return must(note.NewSigner(private)), note.VerifierList(must(note.NewVerifier(public)))
}

// putOriginal keeps a file and makes its record.
func putOriginal(t testing.TB, s *evidence.Store, path, content string) *argus.Record {
	t.Helper()
	o, err := s.PutOriginal(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	o.Path = path
	return &argus.Record{Kind: argus.KindOriginal, Original: &o}
}

func verifyAll(t *testing.T, dir string, keys note.Verifiers) (damage, notes []Finding, v *Verified) {
	t.Helper()
	v, err := Verify(t.Context(), dir, keys, func(f Finding) {
		if f.Note {
			notes = append(notes, f)
		} else {
			damage = append(damage, f)
		}
	}, func(int64) {}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Unsealed { // package verify reports them as notes or damage
		notes = append(notes, Finding{File: layout.Seal(d), Offset: -1, Delivery: d, Note: true, Problem: "no seal"})
	}
	return damage, notes, v
}

// fill writes a store with two deliveries, the second one open.
func fill(t *testing.T, s *evidence.Store, signer note.Signer) {
	t.Helper()
	d := begin(t, s)
	original := putOriginal(t, s, "a.txt", "the bytes of a file")
	if err := s.Append(t.Context(), d, []*argus.Record{original}); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 600; n += 100 {
		if err := s.Append(t.Context(), d, evidencetest.Batch(n, n+100)); err != nil {
			t.Fatal(err)
		}
	}
	problem := &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "no sense", Raw: []byte("raw")}}
	if err := s.Append(t.Context(), d, append(evidencetest.Batch(10, 20), problem)); err != nil {
		t.Fatal(err)
	}
	seal, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), "")
	if err != nil {
		t.Fatal(err)
	}
	want := argus.Counts{Read: 611, Stored: 600, Sightings: 10, Quarantined: 1}
	if seal.Counts != want || seal.Originals != 1 || seal.Records != 613 {
		t.Fatalf("the seal says %+v", seal)
	}
	if err := s.Append(t.Context(), d, evidencetest.Batch(0, 1)); err == nil {
		t.Fatal("a sealed delivery accepted a record")
	}
	if err := s.Append(t.Context(), begin(t, s), evidencetest.Batch(600, 700)); err != nil {
		t.Fatal(err)
	}
}

func TestVerifySoundStore(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	for _, when := range []string{"open", "closed", "opened again"} {
		damage, notes, v := verifyAll(t, dir, keys)
		if len(damage) != 0 || v.Sealed != 1 || v.Deliveries != 2 || v.Originals != 1 || !v.Counts.Balanced() {
			t.Errorf("%s: %+v; damage %+v", when, v, damage)
		}
		notes = slices.DeleteFunc(notes, func(f Finding) bool { return when == "open" && strings.HasPrefix(f.File, layout.IDs) })
		if len(notes) != 1 || notes[0].Delivery != 2 {
			t.Errorf("%s: notes %+v, want one about the open delivery", when, notes)
		}
		if when == "open" {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		} else if when == "closed" {
			openTest(t, dir, evidence.Options{}).Close()
		}
	}
	_, other := testKey(t)
	if damage, _, _ := verifyAll(t, dir, other); len(damage) == 0 {
		t.Error("a seal with an unknown key passes")
	}
}

// TestFlipAnyByte changes single bytes in every file of a store. Each change must be
// found, and its file named.
func TestFlipAnyByte(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	judge := must(evidence.ParseJudge(must(age.GenerateX25519Identity()).Recipient().String()))
	amend := func(kind argus.Kind, gone argus.Gone, seqs ...uint64) {
		a := evidence.Amendment{Opening: argus.Opening{Source: "order", Authority: "A-0001", Actor: "judge"}, Order: "Rb 15/26", Changes: map[uint64]argus.Gone{},
			Judge: judge, Store: "store", Signer: signer, Now: time.Unix(1_700_000_001, 0)}
		act := &argus.Act{Order: a.Order, Reason: "privileged"}
		for _, seq := range seqs {
			a.Changes[seq] = gone
			act.Records = append(act.Records, argus.Span{First: seq, Last: seq})
		}
		a.Acts = []*argus.Record{{Kind: kind, Act: act}}
		if _, err := s.Amend(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	amend(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, 5, 6, 100)
	amend(argus.KindDestroyed, argus.GoneContent, 7, 8)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "lock" {
			return err
		}
		sound, err := os.ReadFile(path)
		if err != nil || len(sound) == 0 {
			return err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		name := filepath.ToSlash(rel)
		places := []int{0, len(sound) - 1, len(sound) / 2}
		for range 25 {
			places = append(places, rng.IntN(len(sound)))
		}
		for _, at := range places {
			bad := slices.Clone(sound)
			bad[at] ^= 1 << rng.IntN(8)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				return err
			}
			damage, _, _ := verifyAll(t, dir, keys)
			named := slices.ContainsFunc(damage, func(f Finding) bool { return strings.HasPrefix(name, f.File) })
			if !named {
				t.Errorf("%s: a flip at %d is not named: %+v", name, at, damage)
			}
		}
		return os.WriteFile(path, sound, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) != 0 {
		t.Errorf("after mending everything: %+v", damage)
	}
}

// Verify runs alongside a writer: records that are added and sealed in the meantime are not
// damage.
func TestVerifyBesideAWriter(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{})
	d := begin(t, s)
	if err := s.Append(t.Context(), d, evidencetest.Batch(0, 50)); err != nil {
		t.Fatal(err)
	}
	done := false
	_, err := Verify(t.Context(), dir, keys, func(f Finding) {
		if !f.Note {
			t.Errorf("%+v", f)
		}
	}, func(int64) {
		if done {
			return
		}
		done = true
		if err := s.Append(t.Context(), d, evidencetest.Batch(50, 100)); err != nil {
			t.Error(err)
		}
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Error(err)
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// Verify must report each of these.
func TestVerifySeesFiles(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	last := len(must(filepath.Glob(filepath.Join(dir, layout.Evidence, "*.seg"))))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := must(filepath.Glob(filepath.Join(dir, layout.Originals, "*", "*.data")))
	if len(data) != 1 {
		t.Fatalf("the store has %d originals", len(data))
	}
	original := filepath.ToSlash(must(filepath.Rel(dir, data[0])))
	move := func(dir, from, to string) error {
		return errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(to)), 0o700), os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
	}
	write := func(dir, name string) error { return os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600) }
	for _, tt := range []struct {
		name   string
		harm   func(dir string) error
		damage bool
	}{
		{"a segment too many", func(dir string) error { return write(dir, layout.Segment(last+3, 0)) }, true},
		{"a run of ids too many", func(dir string) error { return write(dir, layout.IDs+"/99999999.ids") }, false},
		{"a seal under another name", func(dir string) error { return write(dir, layout.Deliveries+"/1.seal") }, false},
		{"the ids without their manifest", func(dir string) error { return os.Remove(filepath.Join(dir, layout.IDs, "manifest")) }, true},
		{"an original in another folder", func(dir string) error { return move(dir, original, "originals/x"+original[len(layout.Originals):]) }, true},
		{"an original that is a link", func(dir string) error {
			outside := filepath.Join(t.TempDir(), "x")
			return errors.Join(os.Rename(filepath.Join(dir, original), outside), os.Symlink(outside, filepath.Join(dir, original)))
		}, true},
		{"a slot of the commit file set to zeros", func(dir string) error {
			name := filepath.Join(dir, layout.Commit)
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			newest, _, err := form.ParseCommit(data)
			clear(data[newest.Counter%2*form.CommitSlot:][:form.CommitSlot])
			return errors.Join(err, os.WriteFile(name, data, 0o600))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			copied := t.TempDir()
			if err := errors.Join(os.CopyFS(copied, os.DirFS(dir)), tt.harm(copied)); err != nil {
				t.Fatal(err)
			}
			damage, notes, _ := verifyAll(t, copied, keys)
			if tt.damage != (len(damage) > 0) || len(notes)+len(damage) < 2 { // one note is about the open delivery
				t.Errorf("damage %+v, notes %+v", damage, notes)
			}
		})
	}
}

// A file of absurd size does not use up memory.
func TestAbsurdSizes(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{layout.Commit, layout.EvidenceManifest, layout.IDs + "/manifest", layout.Seal(1), layout.Tree(1)} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(copied, name), 1<<43); err != nil {
			t.Skipf("no file of such a size here: %v", err)
		}
		if damage, _, _ := verifyAll(t, copied, keys); len(damage) == 0 {
			t.Errorf("%s passes", name)
		}
		if s, err := evidence.Open(copied, evidence.Options{ReadOnly: true}); err == nil {
			s.Close()
		}
	}
}

// An original encrypted with a custodian's key is verified in its stored form, and Verify notes
// that it checked nothing more. A withheld original is damage unless a record orders it.
func TestVerifyOriginals(t *testing.T) {
	custodian := must(age.GenerateX25519Identity())
	recipients := []age.Recipient{custodian.Recipient()}
	s, dir := createTest(t, evidence.Options{Originals: original.Options{Custodians: recipients}})
	d := begin(t, s)
	hidden := putOriginal(t, s, "hidden", "the bytes")
	if err := s.Append(t.Context(), d, []*argus.Record{hidden}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.OpenOriginal(*hidden.Original); !errors.Is(err, original.ErrNoKey) {
		t.Errorf("%v, want ErrNoKey", err)
	}
	damage, notes, v := verifyAll(t, dir, nil)
	said := func(list []Finding, file, words string) bool {
		return slices.ContainsFunc(list, func(f Finding) bool { return f.File == layout.Originals+"/"+file && strings.Contains(f.Problem, words) })
	}
	table := original.TableFile(hidden.Original.File)
	if len(damage) != 0 || v.Originals != 1 || !said(notes, table, custodian.Recipient().String()) {
		t.Errorf("damage %+v, notes %+v, %d originals", damage, notes, v.Originals)
	}
	open := must(original.New(layout.File(dir, layout.Originals), original.Options{Identities: []age.Identity{custodian}}))
	state := must(open.Withhold(t.Context(), hidden.Original.File, []original.Part{{Offset: 1, Length: 2}}, recipients))
	if _, notes, _ := verifyAll(t, dir, nil); !slices.ContainsFunc(notes, func(f Finding) bool { return strings.Contains(f.Problem, "a change of the original that is prepared") }) {
		t.Errorf("a prepared change is passed over: %+v", notes)
	}
	if err := open.Commit(t.Context(), hidden.Original.File, state); err != nil {
		t.Fatal(err)
	}
	if damage, _, v := verifyAll(t, dir, nil); len(damage) != 1 || v.Originals != 0 || !said(damage, table, "bytes 1 to 3 of the original are withheld, but no record orders this") {
		t.Errorf("withheld without an order: %+v", damage)
	}
	// A record claims a different file from the stored one.
	other := *hidden.Original
	other.Root[3] ^= 1
	if err := s.Append(t.Context(), d, []*argus.Record{{Kind: argus.KindOriginal, Original: &other}}); err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verifyAll(t, dir, nil); !slices.ContainsFunc(damage, func(f Finding) bool { return strings.Contains(f.Problem, "describes the original") }) {
		t.Errorf("two records contradict each other: %+v", damage)
	}
}

// A segment, block or manifest written by a newer Argus is reported as newer and not as
// damaged; one with a flipped bit is reported as damaged and not as newer.
func TestNewerFiles(t *testing.T) {
	mend := func(b []byte) { binary.LittleEndian.PutUint32(b[len(b)-4:], crc(b[:len(b)-4])) }
	for name, tt := range map[string]struct {
		file string
		harm func(data []byte) []byte
		want error
	}{
		"a segment of version 3":        {layout.Segment(1, 0), func(d []byte) []byte { d[7] = '3'; mend(d[:32]); return d }, argus.ErrNewer},
		"a segment with a flipped bit":  {layout.Segment(1, 0), func(d []byte) []byte { d[7] ^= 1; return d }, argus.ErrDamaged},
		"a block of version 3":          {layout.Segment(1, 0), func(d []byte) []byte { d[35] = '3'; mend(d[32:96]); return d }, argus.ErrNewer},
		"a block with a flipped bit":    {layout.Segment(1, 0), func(d []byte) []byte { d[35] ^= 1; return d }, argus.ErrDamaged},
		"a block with a flag":           {layout.Segment(1, 0), func(d []byte) []byte { d[36] |= 32; mend(d[32:96]); return d }, argus.ErrNewer},
		"a flag that may be skipped":    {layout.Segment(1, 0), func(d []byte) []byte { d[36] |= 64; mend(d[32:96]); return d }, nil},
		"a manifest of version 3":       {layout.EvidenceManifest, func([]byte) []byte { return hashed.End([]byte("argus evidence 3\n")) }, argus.ErrNewer},
		"a manifest with a flipped bit": {layout.EvidenceManifest, func(d []byte) []byte { d[15] ^= 1; return d }, argus.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, evidence.Options{})
			d := begin(t, s)
			if err := errors.Join(s.Append(t.Context(), d, evidencetest.Batch(0, 50)), s.Close()); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, filepath.FromSlash(tt.file))
			data, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, tt.harm(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err = evidence.Open(dir, evidence.Options{ReadOnly: true})
			if err == nil {
				defer s.Close()
				for _, e := range s.From(t.Context(), 1) {
					err = e
				}
			}
			if !errors.Is(err, tt.want) || tt.want != nil && errors.Is(err, argus.ErrNewer) == errors.Is(err, argus.ErrDamaged) {
				t.Errorf("reading: %v, want %v", err, tt.want)
			}
			damage, _, _ := verifyAll(t, dir, nil)
			newer := slices.ContainsFunc(damage, func(f Finding) bool { return f.Newer })
			broken := slices.ContainsFunc(damage, func(f Finding) bool { return !f.Newer })
			if newer != errors.Is(tt.want, argus.ErrNewer) || broken != errors.Is(tt.want, argus.ErrDamaged) {
				t.Errorf("verify: %+v", damage)
			}
		})
	}
}
