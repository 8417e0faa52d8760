package evidence

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
	"github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/hashed"
	"github.com/argus-evidence/argus/internal/original"
)

// Every record that Append accepts can be read again: large fields of any kind, long
// lists, text that is not UTF-8.
func TestWhatIsTakenCanBeRead(t *testing.T) {
	long := strings.Repeat("x", 15<<20)
	message := func(n int, change func(*argus.Message)) *argus.Record {
		m := testMessage(n)
		change(m)
		return &argus.Record{Kind: argus.KindMessage, Message: m}
	}
	several := func(change func(*argus.Message)) (list []*argus.Record) {
		for n := range 6 {
			list = append(list, message(n, change))
		}
		return list
	}
	for _, tt := range []struct {
		name    string
		records []*argus.Record
	}{
		{"large titles", several(func(m *argus.Message) { m.Title = long })},
		{"large names of receivers", several(func(m *argus.Message) { m.To = []string{long} })},
		{"large names of attachments", several(func(m *argus.Message) { m.Attachments = []argus.Attachment{{Name: long}} })},
		{"a large raw time", several(func(m *argus.Message) { m.Sent.Raw = long })},
		{"a message over the limit", []*argus.Record{message(1, func(m *argus.Message) {
			m.Title, m.From, m.FromName, m.Conversation, m.ReplyTo = long, long, long, long, long
		})}},
		{"many receivers", []*argus.Record{message(1, func(m *argus.Message) { m.To = make([]string, 1<<20+1) })}},
		{"many fields", []*argus.Record{message(1, func(m *argus.Message) { m.Extra = make([]argus.Field, 1<<20+1) })}},
		{"a path that is not UTF-8", []*argus.Record{{Kind: argus.KindOriginal, Original: &argus.Original{Path: "caf\xe9"}}}},
		{"a place that is not UTF-8", []*argus.Record{{Kind: argus.KindQuarantined, Where: argus.Where{Path: "caf\xe9"}, Quarantine: &argus.Quarantine{Reason: "x"}}}},
		{"a reason that is not UTF-8", []*argus.Record{{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "\xff"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			d := begin(t, s)
			taken := s.Append(t.Context(), d, tt.records)
			if err := s.Append(t.Context(), d, testBatch(100, 101)); err != nil {
				t.Errorf("the writer is dead after it: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			s, err := Open(dir, Options{})
			if err != nil {
				t.Fatalf("taken (%v), and the store cannot be opened: %v", taken, err)
			}
			defer s.Close()
			collect(t, s, 1)
		})
	}
	t.Run("an opening that is not UTF-8", func(t *testing.T) {
		s, dir := createTest(t, Options{})
		_, taken := s.Begin(t.Context(), argus.Opening{Source: "caf\xe9"})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatalf("taken (%v), and the store cannot be opened: %v", taken, err)
		}
		s.Close()
	})
}

// The ids are derived: if their folder is missing, a writer rebuilds them, as Verify states.
func TestIDsFolderMayBeDeleted(t *testing.T) {
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close(), os.RemoveAll(filepath.Join(dir, idsDir))); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatalf("the next ingest does not build the ids again: %v", err)
	}
	defer s.Close()
	if err := s.Append(t.Context(), d, testBatch(0, 50)); err != nil {
		t.Fatal(err)
	}
	if problem := checkNumbers(t.Context(), s, 50); problem != "" {
		t.Error(problem)
	}
}

// Ids of another version are rebuilt, and do not count as damage.
func TestIDsOfAnotherVersion(t *testing.T) {
	for _, version := range []string{"1", "3"} {
		s, dir := createTest(t, Options{})
		d := begin(t, s)
		if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close()); err != nil {
			t.Fatal(err)
		}
		other := hashed.End([]byte("argus ids " + version + "\n00000009.ids\n"))
		if err := os.WriteFile(filepath.Join(dir, idsDir, "manifest"), other, 0o600); err != nil {
			t.Fatal(err)
		}
		damage, notes, _ := verifyAll(t, dir, nil)
		if len(damage) != 0 || !slices.ContainsFunc(notes, func(f check.Finding) bool { return f.File == idsDir }) {
			t.Errorf("version %s: damage %+v, notes %+v", version, damage, notes)
		}
		for _, o := range []Options{{ReadOnly: true}, {}} {
			s := openTest(t, dir, o)
			id, _ := testMessage(7).Identity()
			if found, err := s.Find(id); err != nil || len(found) != 1 {
				t.Errorf("version %s: found %v, %v", version, found, err)
			}
		}
	}
}

// A copy of a store made while it was being written can hold ids of records that it does
// not have. They must not make any message known.
func TestIDsAheadOfTheRecords(t *testing.T) {
	s, dir := createTest(t, Options{IDsInMemory: 10})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 50)), s.Close()); err != nil {
		t.Fatal(err)
	}
	early := t.TempDir()
	if err := os.CopyFS(early, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{IDsInMemory: 10})
	if err := errors.Join(s.Append(t.Context(), d, testBatch(50, 100)), s.Close()); err != nil {
		t.Fatal(err)
	}
	// The segments were copied early and the ids late.
	if err := errors.Join(os.RemoveAll(filepath.Join(early, idsDir)), os.CopyFS(filepath.Join(early, idsDir), os.DirFS(filepath.Join(dir, idsDir)))); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, early, Options{ReadOnly: true})
	id, _ := testMessage(70).Identity()
	if found, err := reader.Find(id); err != nil || len(found) != 0 {
		t.Errorf("a reader finds records that are not there: %v, %v", found, err)
	}
	s = openTest(t, early, Options{IDsInMemory: 10})
	if err := s.Append(t.Context(), d, testBatch(50, 100)); err != nil {
		t.Fatal(err)
	}
	if problem := checkNumbers(t.Context(), s, 100); problem != "" {
		t.Error(problem)
	}
}

// Each further copy of one message costs the same, whether the copies are equal or differ.
func TestManyCopiesOfOneMessage(t *testing.T) {
	for name, text := range map[string]func(int) string{
		"equal":     func(int) string { return "x" },
		"different": func(n int) string { return fmt.Sprint(n) },
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := createTest(t, Options{IDsInMemory: 8 << 10})
			d := begin(t, s)
			append := func(n int) time.Duration {
				var batch []*argus.Record
				for i := range 4096 {
					m := testMessage(1)
					m.Text = text(n + i)
					batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: m})
				}
				started := time.Now()
				if err := s.Append(t.Context(), d, batch); err != nil {
					t.Fatal(err)
				}
				return time.Since(started)
			}
			var early, late time.Duration
			for n := range 16 {
				took := append(n * 4096)
				if n < 4 {
					early += took
				} else if n >= 12 {
					late += took
				}
			}
			t.Logf("first four batches %v, last four %v", early, late)
			if late > 4*early+2*time.Second {
				t.Errorf("the first four batches took %v, the last four %v", early, late)
			}
		})
	}
}

// The size of the newest records in memory is bounded, not only their number.
func TestRecentIsBounded(t *testing.T) {
	s, _ := createTest(t, Options{Recent: 1 << 17})
	d := begin(t, s)
	text := strings.Repeat("0123456789abcdef", 1<<16)
	for n := range 40 {
		var batch []*argus.Record
		for i := range 8 {
			m := testMessage(8*n + i)
			m.Text = fmt.Sprint(n, i) + text
			batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: m})
		}
		if err := s.Append(t.Context(), d, batch); err != nil {
			t.Fatal(err)
		}
	}
	held := 0
	for _, r := range s.recent {
		held += r.Size()
	}
	if held > 160<<20 {
		t.Errorf("%d MiB stay in memory", held>>20)
	}
	if got := len(collect(t, s, 1)); got != 321 {
		t.Errorf("%d records", got)
	}
}

// A reader whose refresh fails returns the error, and does not report earlier records as
// absent.
func TestFailedRefresh(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 1})
	d := begin(t, s)
	if err := s.Append(t.Context(), d, testBatch(0, 10)); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	if err := s.Append(t.Context(), d, testBatch(10, 20)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, manifestName)
	sound, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reader.Refresh(); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("refresh: %v, want ErrDamaged", err)
	}
	if r, err := reader.Get(t.Context(), 5); err != nil || r.Seq != 5 {
		t.Errorf("what was there before: %v", err)
	}
	if err := os.WriteFile(name, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reader.Refresh(); err != nil || reader.Last() != 21 {
		t.Errorf("after mending: %v, last %d", err, reader.Last())
	}
}

// Equal bytes are kept only once if the kept ones can be read; otherwise they are kept
// again.
func TestPutOriginalAgain(t *testing.T) {
	s, dir := createTest(t, Options{})
	first := putOriginal(t, s, "a", "the bytes").Original
	if again := putOriginal(t, s, "a", "the bytes").Original; *again != *first {
		t.Errorf("kept again: %+v, first %+v", again, first)
	}
	name := filepath.Join(dir, originalsDir, filepath.FromSlash(original.DataFile(first.File)))
	if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, []byte("other bytes"), 0o600)); err != nil {
		t.Fatal(err)
	}
	again := putOriginal(t, s, "a", "the bytes").Original
	f, err := s.OpenOriginal(*again)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || string(got) != "the bytes" {
		t.Errorf("%q, %v: the bytes were not kept", got, err)
	}
	// A record that names the wrong original is damage.
	again.Root[0] ^= 1
	if _, err := s.OpenOriginal(*again); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("another root: %v, want ErrDamaged", err)
	}
}

// TestPlainOriginal checks that a program gets the bytes, and that no copy of them is
// left behind.
func TestPlainOriginal(t *testing.T) {
	s, dir := createTest(t, Options{})
	content := strings.Repeat("the bytes", 20_000)
	f, err := s.PlainOriginal(t.Context(), *putOriginal(t, s, "a", content).Original)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != content {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, originalsDir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestOriginalSurvives keeps a file, ends the process before its folder is synced, keeps
// the same bytes again, and cuts the power.
func TestOriginalSurvives(t *testing.T) {
	for seed := range 20 {
		d := durabletest.New(uint64(seed))
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "evidence"), 0o700); err != nil {
			t.Fatal(err)
		}
		s, err := Create(dir, Options{disk: lazyDisk{d}})
		if err != nil {
			t.Fatal(err)
		}
		first := putOriginal(t, s, "a", "the bytes").Original
		s.Close()
		if s, err = Open(dir, Options{disk: d}); err != nil {
			t.Fatal(err)
		}
		if again := putOriginal(t, s, "a", "the bytes").Original; *again != *first {
			t.Fatalf("kept again: %+v, first %+v", again, first)
		}
		s.Close()
		after := d.Cut()
		for _, file := range []string{original.DataFile(first.File), original.TableFile(first.File)} {
			if _, err := after.OpenFile(s.path(originalsDir+"/"+file), os.O_RDONLY, 0); err != nil {
				t.Fatalf("cut %d: an original that was kept is gone: %v", seed, err)
			}
		}
	}
}

// lazyDisk never syncs a folder of originals.
type lazyDisk struct{ disk }

func (d lazyDisk) SyncDir(name string) error {
	if strings.Contains(name, originalsDir) {
		return nil
	}
	return d.disk.SyncDir(name)
}

// A reason that is not UTF-8 gives a valid seal.
func TestSealReason(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), "d\xe9j\xe0 vu"); err != nil {
		t.Fatal(err)
	}
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) != 0 {
		t.Errorf("%+v", damage)
	}
}

// A hole in the readable records is reported, even to a caller who reads only one delivery.
func TestHoleInADelivery(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 2 << 10})
	one, two := begin(t, s), begin(t, s)
	for n := range 10 {
		if err := errors.Join(s.Append(t.Context(), one, testBatch(20*n, 20*n+10)), s.Append(t.Context(), two, testBatch(20*n+10, 20*n+20))); err != nil {
			t.Fatal(err)
		}
	}
	// Damage the header of a block in the middle of delivery one, and the table of
	// blocks.
	var victim form.Ref
	for _, b := range s.blocks {
		if b.Delivery == one && b.Segment == 3 {
			victim = b
		}
	}
	if err := s.Close(); err != nil || victim.Count == 0 {
		t.Fatal(err, victim)
	}
	name := filepath.Join(dir, segmentName(3))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[victim.Offset] ^= 1
	data[len(data)-1] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	n := 0
	for _, e := range reader.Records(t.Context(), one) {
		if err = e; e == nil {
			n++
		}
	}
	if n < 101 && !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("%d of 101 records, and %v", n, err)
	}
}

// Building the ids, which may take minutes, can be stopped, and starts again when they are
// next needed.
func TestStopBuildingIDs(t *testing.T) {
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, testBatch(0, 1000)), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, idsDir)), os.Mkdir(filepath.Join(dir, idsDir), 0o700)); err != nil {
		t.Fatal(err)
	}
	asked, stopped := 0, errors.New("stopped")
	stop := func() error {
		if asked++; asked%5 == 0 {
			return stopped
		}
		return nil
	}
	if _, err := Open(dir, Options{Stop: stop}); !errors.Is(err, stopped) || asked != 5 {
		t.Errorf("opening ended with %v after %d questions", err, asked)
	}
	reader := openTest(t, dir, Options{ReadOnly: true, Stop: stop})
	id, _ := testMessage(900).Identity()
	if _, err := reader.Find(id); !errors.Is(err, stopped) {
		t.Errorf("finding ended with %v", err)
	}
	s = openTest(t, dir, Options{})
	if found, err := s.Find(id); err != nil || len(found) != 1 {
		t.Errorf("built again: %v, %v", found, err)
	}
}
