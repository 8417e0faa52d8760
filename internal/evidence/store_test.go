package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

func testMessage(n int) *argus.Message {
	return &argus.Message{
		Service: "sky", Conversation: fmt.Sprintf("group-%d", n%7), From: fmt.Sprintf("PIN%03d", n%50), ServiceID: fmt.Sprint(n),
		Sent: argus.Time{Micros: int64(1_600_000_000+n) * 1e6, Precision: argus.Second},
		Text: fmt.Sprintf("message %d about nothing in particular, but with some words", n),
	}
}

func testBatch(from, to int) []*argus.Record {
	var batch []*argus.Record
	for n := from; n < to; n++ {
		batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: testMessage(n)})
	}
	return batch
}

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
					if want := []Entry{{id, version, uint64(n + 2), false, false}}; err != nil || !slices.Equal(found, want) {
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
	want := []Entry{{id, version, 5, false, false}, {id, version, 22, true, false}, {id, editedVersion, 24, false, false}, {id, editedVersion, 25, true, false}}
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
			t.Errorf("%s: %v, want a word about %q", tt.name, err, tt.want)
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

// fill writes a store with two deliveries, the second one open.
func fill(t *testing.T, s *Store, signer note.Signer) {
	t.Helper()
	d := begin(t, s)
	original := putOriginal(t, s, "a.txt", "the bytes of a file")
	if err := s.Append(t.Context(), d, []*argus.Record{original}); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 600; n += 100 {
		if err := s.Append(t.Context(), d, testBatch(n, n+100)); err != nil {
			t.Fatal(err)
		}
	}
	problem := &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "no sense", Raw: []byte("raw")}}
	if err := s.Append(t.Context(), d, append(testBatch(10, 20), problem)); err != nil {
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
	if err := s.Append(t.Context(), d, testBatch(0, 1)); err == nil {
		t.Fatal("a sealed delivery took a record")
	}
	if err := s.Append(t.Context(), begin(t, s), testBatch(600, 700)); err != nil {
		t.Fatal(err)
	}
}

// putOriginal keeps a file and makes the record of it.
func putOriginal(t testing.TB, s *Store, path, content string) *argus.Record {
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
	return damage, notes, v
}

func TestVerifySoundStore(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	for _, when := range []string{"open", "closed", "opened again"} {
		damage, notes, v := verifyAll(t, dir, keys)
		if len(damage) != 0 || v.Sealed != 1 || v.Deliveries != 2 || v.Originals != 1 || !v.Counts.Balanced() {
			t.Errorf("%s: %+v; damage %+v", when, v, damage)
		}
		notes = slices.DeleteFunc(notes, func(f Finding) bool { return when == "open" && strings.HasPrefix(f.File, idsDir) })
		if len(notes) != 1 || notes[0].Delivery != 2 {
			t.Errorf("%s: notes %+v, want one about the open delivery", when, notes)
		}
		if when == "open" {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		} else if when == "closed" {
			openTest(t, dir, Options{}).Close()
		}
	}
	_, other := testKey(t)
	if damage, _, _ := verifyAll(t, dir, other); len(damage) == 0 {
		t.Error("a seal with an unknown key passes")
	}
}

// TestFlipAnyByte changes single bytes in every file of a store and wants each
// found and its file named.
func TestFlipAnyByte(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 8 << 10, IDsInMemory: 100})
	fill(t, s, signer)
	w := &walk{t: t, s: s, dir: dir, signer: signer}
	w.judge, w.key = testJudge(t)
	w.amend(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, 5, 6, 100))
	w.amend(w.order(argus.KindDestroyed, argus.GoneContent, 7, 8))
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

// TestPowerCut cuts the power at every kind of moment and wants what was
// acknowledged to be there, whole batches only, nothing twice.
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
	// The control: a disk whose syncs do nothing must be found out.
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
			// Now and then a batch comes again, as after an interruption.
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

// checkNumbers says what is wrong if the messages 0 to acknowledged are not
// all there, or any twice.
func checkNumbers(ctx context.Context, s *Store, acknowledged int) string {
	seen := map[string]bool{}
	want := uint64(1)
	for r, err := range s.From(ctx, 1) {
		if err != nil {
			return err.Error()
		}
		if r.Seq != want {
			return fmt.Sprintf("record %d stands where %d should", r.Seq, want)
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

func FuzzBlock(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	h := blockHead{blockRef: blockRef{first: 1, delivery: 1}, flags: flagBatchEnd}
	p := &pending{head: h, records: testBatch(0, 5)}
	m := &maker{codec: c}
	if err := errors.Join(m.makeContents(p), m.makeStatements(p, nil)); err != nil {
		f.Fatal(err)
	}
	f.Add(p.bytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := parseBlockHead(data)
		if err != nil || h.size() > int64(len(data)) {
			return
		}
		b, err := c.openBlock(&h, data[blockHeader:h.size()])
		if err != nil {
			return
		}
		var hasher argus.Hasher
		for i := range b.statements {
			if r, err := b.record(i, &hasher); err == nil {
				b.proof(i, r)
			}
		}
	})
}

// FuzzRecord wants of every record that can be read that what is written of it is
// read as the same, and that it is in its canonical form then.
func FuzzRecord(f *testing.F) {
	encode := func(v any) []byte {
		var b bytes.Buffer
		if err := partEncoding.MarshalToBuffer(v, &b); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	var p splitter
	batch := testBatch(0, 2)
	batch = append(batch, &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "x", Raw: []byte("y")}})
	for _, r := range append(batch, everyKind(f)...) {
		p.split(r)
		f.Add(encode(&p.record), encode(&p.content))
	}
	f.Add([]byte{0xa1, 1, 0x18, 70}, []byte{})
	f.Add([]byte{0xa2, 1, 7, 0x18, 70, 1}, []byte{0xa1, 0x18, 99, 1})
	f.Fuzz(func(t *testing.T, statement, said []byte) {
		var hasher argus.Hasher
		r, err := decodeRecord(statement, said, &hasher)
		if err != nil || r.Kind >= argus.KindSkippable {
			return
		}
		p.split(r)
		first, content := encode(&p.record), []byte(nil)
		if !p.content.empty() {
			content = encode(&p.content)
		}
		again, err := decodeRecord(first, content, &hasher)
		if err != nil {
			t.Fatalf("a record that was read cannot be read again: %v", err)
		}
		if same, skipped := canonical(again, first, content, &p); !same || skipped {
			t.Fatalf("what was written is not canonical: %x %x", first, content)
		}
	})
}

func FuzzIDs(f *testing.F) {
	dir := f.TempDir()
	r, err := writeRun(osDisk{}, dir, 1, 0, 1, 200, 200, func(yield func(Entry, error) bool) {
		for n := range 200 {
			if !yield(Entry{ID: argus.ID{byte(n)}, Seq: uint64(n + 1)}, nil) {
				return
			}
		}
	})
	if err != nil {
		f.Fatal(err)
	}
	r.f.Close()
	data, err := os.ReadFile(filepath.Join(dir, r.name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := durabletest.New(1)
		d.Put("ids/x.ids", data)
		r, err := openRun(d, "ids", "x.ids")
		if err != nil {
			return
		}
		for _, err := range r.all() {
			if err != nil {
				return
			}
		}
		r.mayHave([]argus.ID{{1}}, []uint64{0}, 0)
	})
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

// TestForgedRecord changes a message as somebody would who knows the format:
// text, identity and checksums fit. The delivery's tree does not, and the
// records are named.
func TestForgedRecord(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{})
	fill(t, s, signer)
	var victim blockRef
	for _, b := range s.blocks {
		if b.delivery == 1 && b.leaf > 256 {
			victim = b
			break
		}
	}
	old, err := s.readBlockAt(victim, s.segments[victim.segment-1])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	p := &pending{seed: old.seed}
	var hasher argus.Hasher
	for i := range old.statements {
		r, err := old.record(i, &hasher)
		if err != nil {
			t.Fatal(err)
		}
		if i == 7 {
			m := *r.Message
			m.Text = strings.Replace(m.Text, "message", "MESSAGE", 1)
			r.Message = &m
		}
		p.records = append(p.records, r)
	}
	name := filepath.Join(dir, segmentName(1))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if p.head, err = parseBlockHead(data[victim.offset:]); err != nil {
		t.Fatal(err)
	}
	size := p.head.size()
	m := &maker{codec: s.codec}
	if err := errors.Join(m.makeContents(p), m.makeStatements(p, nil)); err != nil {
		t.Fatal(err)
	}
	data = slices.Concat(data[:victim.offset], p.bytes, data[int64(victim.offset)+size:])
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	// Of course the forger mends the commit file, too.
	slots, err := os.ReadFile(filepath.Join(dir, commitName))
	if err != nil {
		t.Fatal(err)
	}
	promise, _, err := parseCommit(slots)
	if err != nil {
		t.Fatal(err)
	}
	promise.offset += uint32(int64(len(p.bytes)) - size)
	copy(slots[promise.counter%2*commitSlot:], promise.bytes())
	if err := os.WriteFile(filepath.Join(dir, commitName), slots, 0o600); err != nil {
		t.Fatal(err)
	}
	damage, _, _ := verifyAll(t, dir, keys)
	named := slices.ContainsFunc(damage, func(f Finding) bool {
		return f.Delivery == 1 && f.File == segmentName(1) && f.First <= victim.first+7 && f.Last >= victim.first+7 && strings.Contains(f.Problem, "root")
	})
	if !named {
		t.Errorf("the forged record %d is not named: %+v", victim.first+7, damage)
	}
}

// Batches that come at the same time, of several deliveries, share syncs and
// stay whole.
func TestAppendAtTheSameTime(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{SegmentBytes: 16 << 10, IDsInMemory: 100})
	deliveries := []argus.DeliveryNumber{begin(t, s), begin(t, s)}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 20 {
				n := (g*20 + i) * 10
				// Each message comes twice, from two goroutines.
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

// BenchmarkIDs adds entries as an ingest of new messages does: each id is
// looked for first. $ARGUS_BENCH_IDS says how many, default 500,000.
func BenchmarkIDs(b *testing.B) {
	count := 500_000
	if text := os.Getenv("ARGUS_BENCH_IDS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		started := time.Now()
		x, err := openIDs(osDisk{}, b.TempDir(), 256<<10)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			b.Fatal(err)
		}
		entries := make([]Entry, 0, 4096)
		for n := 1; n <= count; n++ {
			sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
			e := Entry{ID: argus.ID(sum[:16]), Version: argus.Version(sum[16:]), Seq: uint64(n)}
			if found, err := x.find(e.ID); err != nil || len(found) != 0 {
				b.Fatalf("a new id is known: %v, %v", found, err)
			}
			if entries = append(entries, e); len(entries) == cap(entries) || n == count {
				if err := x.add(entries, e.Seq); err != nil {
					b.Fatal(err)
				}
				entries = entries[:0]
			}
		}
		var bytes, memory int64
		if err := errors.Join(x.spill(), x.wait()); err != nil {
			b.Fatal(err)
		}
		for _, r := range x.runs {
			info, err := r.f.Stat()
			if err != nil {
				b.Fatal(err)
			}
			bytes += info.Size()
			memory += int64(8 * (len(r.filter) + len(r.fences)))
		}
		b.ReportMetric(float64(count)/time.Since(started).Seconds(), "ids/s")
		b.ReportMetric(float64(bytes)/float64(count), "disk-B/id")
		b.ReportMetric(float64(memory)/float64(count), "memory-B/id")
		b.ReportMetric(float64(len(x.runs)), "runs")
		if err := x.close(false); err != nil {
			b.Fatal(err)
		}
	}
}
