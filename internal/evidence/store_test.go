package evidence

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
	"github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
)

// Short names for nearly every test.
var (
	testMessage = evidencetest.Message
	testBatch   = evidencetest.Batch
)

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func openTest(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func createTest(t *testing.T, o Options) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

func begin(t *testing.T, s *Store) argus.DeliveryNumber {
	t.Helper()
	d, err := s.Begin(t.Context(), argus.Opening{Source: "test", Authority: "A-0001", Actor: "tester", Readers: []string{"test/1"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func collect(t *testing.T, s *Store, from uint64) []*argus.Record {
	t.Helper()
	var all []*argus.Record
	for r, err := range s.From(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func testKey(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "argus.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, note.VerifierList(verifier)
}

func TestRecordsComeBackAsTheyWentIn(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
	}{
		{"default", Options{}},
		{"many segments", Options{SegmentBytes: 4 << 10, Recent: 100, IDsInMemory: 64, CacheBytes: 1 << 14}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, dir := createTest(t, tt.o)
			d := begin(t, s)
			for n := 0; n < 3000; n += 300 {
				if err := s.Append(t.Context(), d, testBatch(n, n+300)); err != nil {
					t.Fatal(err)
				}
			}
			before := collect(t, s, 1)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{true, false} {
				o := tt.o
				o.ReadOnly = readOnly
				again := openTest(t, dir, o)
				if diff := cmp.Diff(before, collect(t, again, 1)); diff != "" {
					t.Fatalf("read only %v: records differ:\n%s", readOnly, diff)
				}
				for _, seq := range []uint64{1, 2, 257, 1000, 3001} {
					r, err := again.Get(t.Context(), seq)
					if err != nil || !cmp.Equal(r, before[seq-1]) {
						t.Errorf("record %d: %v", seq, err)
					}
				}
				for _, seq := range []uint64{0, 3002, 1 << 60} {
					if _, err := again.Get(t.Context(), seq); !errors.Is(err, argus.ErrNotFound) {
						t.Errorf("record %d: %v, want ErrNotFound", seq, err)
					}
				}
				for n := 0; n < 3000; n += 101 {
					id, version := testMessage(n).Identity()
					found, err := again.Find(id)
					if want := []Entry{{ID: id, Version: version, Seq: uint64(n + 2)}}; err != nil || !slices.Equal(found, want) {
						t.Errorf("find message %d: %v, %v; want %v", n, found, err, want)
					}
				}
				again.Close()
			}
		})
	}
}

func TestASecondCopyIsASighting(t *testing.T) {
	s, _ := createTest(t, Options{IDsInMemory: 10})
	d := begin(t, s)
	edited := testMessage(3)
	edited.Text, edited.State = "something else", argus.StateEdited
	batch := append(testBatch(0, 20), testBatch(3, 5)...)
	batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: edited})
	if err := s.Append(t.Context(), d, batch); err != nil {
		t.Fatal(err)
	}
	again := *edited
	read := argus.Time{Micros: 1_600_000_100e6, Precision: argus.Second}
	again.Read = read
	if err := s.Append(t.Context(), d, []*argus.Record{{Kind: argus.KindMessage, Message: &again}}); err != nil {
		t.Fatal(err)
	}
	id, version := testMessage(3).Identity()
	_, editedVersion := edited.Identity()
	found, err := s.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{ID: id, Version: version, Seq: 5}, {ID: id, Version: version, Seq: 22, Sighting: true},
		{ID: id, Version: editedVersion, Seq: 24}, {ID: id, Version: editedVersion, Seq: 25, Sighting: true},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("records of the message differ:\n%s", diff)
	}
	if r, err := s.Get(t.Context(), 24); err != nil || r.Kind != argus.KindMessage || r.Of != 5 {
		t.Errorf("the copy that differs: %+v, %v", r, err)
	}
	r, err := s.Get(t.Context(), 25)
	if err != nil || r.Kind != argus.KindSighting || r.Of != 24 || r.Message.Text != "" || r.Message.Read != read {
		t.Errorf("the sighting does not keep what the copy adds: %+v, %v", r, err)
	}
}

func TestOneWriter(t *testing.T) {
	_, dir := createTest(t, Options{})
	if _, err := Open(dir, Options{}); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("second writer: %v, want ErrLocked", err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	if err := reader.Append(t.Context(), 1, testBatch(0, 1)); err == nil {
		t.Error("a reader could append")
	}
}

func TestReadersSeeWholeBatches(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 8 << 10})
	reader := openTest(t, dir, Options{ReadOnly: true})
	d := begin(t, s)
	for n := range 50 {
		if err := s.Append(t.Context(), d, testBatch(n*10, n*10+10)); err != nil {
			t.Fatal(err)
		}
		if err := reader.Refresh(); err != nil {
			t.Fatal(err)
		}
		if got, want := reader.Last(), uint64(n*10+11); got != want {
			t.Fatalf("the reader sees %d records, want %d", got, want)
		}
	}
	id, _ := testMessage(432).Identity()
	if found, err := reader.Find(id); err != nil || len(found) != 1 {
		t.Errorf("the reader finds %v, %v", found, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	s, _ := createTest(t, Options{})
	d := begin(t, s)
	bad := testMessage(1)
	bad.Service = ""
	for _, tt := range []struct {
		name     string
		delivery argus.DeliveryNumber
		message  *argus.Message
		want     string
	}{
		{"an unknown delivery", d + 1, testMessage(1), "not open"},
		{"a message without a service", d, bad, "service"},
		{"text that is not UTF-8", d, &argus.Message{Service: "sky", From: "A", Text: "\xff"}, "UTF-8"},
	} {
		err := s.Append(t.Context(), tt.delivery, []*argus.Record{{Kind: argus.KindMessage, Message: testMessage(0)}, {Kind: argus.KindMessage, Message: tt.message}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want it to mention %q", tt.name, err, tt.want)
		}
	}
	for name, r := range map[string]*argus.Record{
		"a sighting made elsewhere": {Kind: argus.KindSighting, Message: testMessage(1), Of: 1},
		"a second opening":          {Kind: argus.KindOpening, Opening: &argus.Opening{Source: "x"}},
		"a copy of a record":        {Kind: argus.KindMessage, Message: testMessage(1), Of: 1},
		"a kind of tomorrow":        {Kind: argus.KindSkippable},
	} {
		if err := s.Append(t.Context(), d, []*argus.Record{r}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if s.Last() != 1 {
		t.Errorf("a refused batch left %d records", s.Last()-1)
	}
}

// putOriginal keeps a file and makes its record.
func putOriginal(t testing.TB, s *Store, path, content string) *argus.Record {
	t.Helper()
	o, err := s.PutOriginal(t.Context(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	o.Path = path
	return &argus.Record{Kind: argus.KindOriginal, Original: &o}
}

func verifyAll(t *testing.T, dir string, keys note.Verifiers) (damage, notes []check.Finding, v *check.Verified) {
	t.Helper()
	v, err := check.Verify(t.Context(), dir, keys, func(f check.Finding) {
		if f.Note {
			notes = append(notes, f)
		} else {
			damage = append(damage, f)
		}
	}, func(int64) {}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return damage, notes, v
}

// TestPowerCut cuts the power at all kinds of moments: the acknowledged records must be there,
// in whole batches, and none of them may be there twice.
func TestPowerCut(t *testing.T) {
	cuts := 100
	if testing.Short() {
		cuts = 25
	}
	for seed := range cuts {
		if problem := cutOnce(t.Context(), uint64(seed), false); problem != "" {
			t.Fatalf("cut %d: %s", seed, problem)
		}
	}
	// As a control, the test must detect a disk whose syncs do nothing.
	found := 0
	for seed := range 40 {
		if cutOnce(t.Context(), uint64(seed), true) != "" {
			found++
		}
	}
	if found == 0 {
		t.Error("a store that does not sync passes this test: it proves nothing")
	}
}

func cutOnce(ctx context.Context, seed uint64, lies bool) string {
	rng := rand.New(rand.NewPCG(seed, 7))
	dir, err := os.MkdirTemp("", "argus-power")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "evidence"), 0o700); err != nil { // for the lock
		return err.Error()
	}
	d := durabletest.New(seed)
	if lies {
		d.Lie()
	}
	o := Options{disk: d, SegmentBytes: 3 << 10, IDsInMemory: 40, Recent: 16}
	s, err := Create(dir, o)
	if err != nil {
		return err.Error()
	}
	next, acknowledged := 0, 0
	var delivery argus.DeliveryNumber
	for round := range 4 {
		d.CutAfter(rng.IntN(120))
		for {
			if delivery == 0 {
				if delivery, err = s.Begin(ctx, argus.Opening{Source: "test"}); err != nil {
					break
				}
			}
			// Sometimes a batch arrives again, as after an interruption.
			from := max(0, next-rng.IntN(30))
			to := next + 1 + rng.IntN(20)
			if err := s.Append(ctx, delivery, testBatch(from, to)); err != nil {
				break
			}
			next, acknowledged = to, to
		}
		s.Close()
		d = d.Cut()
		o.disk = d
		if s, err = Open(dir, o); err != nil {
			return fmt.Sprintf("round %d: %v", round, err)
		}
		if problem := checkNumbers(ctx, s, acknowledged); problem != "" {
			s.Close()
			return fmt.Sprintf("round %d: %s", round, problem)
		}
		if list, err := s.Deliveries(ctx); err != nil {
			return err.Error()
		} else if len(list) == 0 {
			delivery = 0
		} else {
			delivery = list[0].Number
		}
		next = acknowledged
	}
	s.Close()
	return ""
}

// checkNumbers returns a problem if any of the messages 0 to acknowledged is missing or present
// twice.
func checkNumbers(ctx context.Context, s *Store, acknowledged int) string {
	seen := map[string]bool{}
	want := uint64(1)
	for r, err := range s.From(ctx, 1) {
		if err != nil {
			return err.Error()
		}
		if r.Seq != want {
			return fmt.Sprintf("found record %d in place of record %d", r.Seq, want)
		}
		want++
		if r.Kind != argus.KindMessage {
			continue
		}
		if seen[r.Message.ServiceID] {
			return fmt.Sprintf("message %s is there twice", r.Message.ServiceID)
		}
		seen[r.Message.ServiceID] = true
	}
	for n := range acknowledged {
		if !seen[fmt.Sprint(n)] {
			return fmt.Sprintf("message %d of %d acknowledged is lost", n, acknowledged)
		}
	}
	return ""
}

func BenchmarkAppend(b *testing.B) {
	s, err := Create(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d, err := s.Begin(b.Context(), argus.Opening{Source: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 4096
	n := 0
	var hasher argus.Hasher
	for b.Loop() {
		b.StopTimer()
		records := testBatch(n, n+batch)
		for _, r := range records {
			r.ID, r.Version = hasher.Identity(r.Message)
		}
		n += batch
		b.StartTimer()
		if err := s.Append(b.Context(), d, records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkFrom(b *testing.B) {
	s, err := Create(b.TempDir(), Options{Recent: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d, err := s.Begin(b.Context(), argus.Opening{Source: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < 100_000; n += 10_000 {
		if err := s.Append(b.Context(), d, testBatch(n, n+10_000)); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		for _, err := range s.From(b.Context(), 1) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

// Batches of several deliveries that arrive at the same time share syncs and stay whole.
func TestAppendAtTheSameTime(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 16 << 10, IDsInMemory: 100})
	deliveries := []argus.DeliveryNumber{begin(t, s), begin(t, s)}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				n := (g*20 + i) * 10
				// Each message arrives twice, from two goroutines.
				if err := s.Append(t.Context(), deliveries[g%2], testBatch(n/2, n/2+10)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, d := range deliveries {
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
	}
	if problem := checkNumbers(t.Context(), s, 800); problem != "" {
		t.Error(problem)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage, notes, v := verifyAll(t, dir, keys)
	if len(damage)+len(notes) != 0 || v.Counts.Read != 1600 || v.Counts.Stored != 805 {
		t.Errorf("%+v; damage %+v, notes %+v", v, damage, notes)
	}
}
