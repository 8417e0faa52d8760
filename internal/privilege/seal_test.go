package privilege

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
)

// TestSeal opens sealed messages with either key, and checks that each change is detected.
func TestSeal(t *testing.T) {
	to, ids := testRecipients(t)
	batch, envelope, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	directory := argus.Hash{4, 5, 6}
	plain := []byte("Zeg niets zonder mij erbij")
	sealed, err := batch.Seal(plain, ByContext, directory)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, plain[:8]) {
		t.Error("the message is readable")
	}
	about, err := ReadAbout(sealed)
	if err != nil || about.Class != ByContext || about.Directory != directory || about.Batch != batch.ID() || !slices.Equal(about.Recipients, to.Fingerprints()) {
		t.Errorf("%+v, %v", about, err)
	}
	for _, id := range ids {
		opened, err := OpenEnvelope(envelope, id)
		if err != nil {
			t.Fatal(err)
		}
		got, about, err := opened.Open(sealed)
		if err != nil || !bytes.Equal(got, plain) || about.Class != ByContext {
			t.Errorf("%q, %+v, %v", got, about, err)
		}
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if got, _, err := batch.Open(broken); err == nil || got != nil {
			t.Fatalf("byte %d can be changed: %q", i, got)
		}
		if got, _, err := batch.Open(sealed[:i]); !errors.Is(err, argus.ErrDamaged) || got != nil {
			t.Fatalf("it can be cut at %d: %q, %v", i, got, err)
		}
	}
	for i := range envelope {
		broken := bytes.Clone(envelope)
		broken[i] ^= 1
		if b, err := OpenEnvelope(broken, ids[0]); err == nil {
			// An age header has stanzas for other recipients, which one reader cannot
			// check, but the header's MAC covers them.
			t.Fatalf("byte %d of the envelope can be changed: %v", i, b.ID())
		}
		if _, err := OpenEnvelope(envelope[:i], ids[0]); err == nil {
			t.Fatalf("the envelope can be cut at %d", i)
		}
	}
	_, strangers := testRecipients(t)
	if _, err := OpenEnvelope(envelope, strangers[:]...); !errors.Is(err, ErrNoKey) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := OpenEnvelope(envelope); !errors.Is(err, ErrNoKey) {
		t.Errorf("nobody: %v", err)
	}
	other, _, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := other.Open(sealed); err == nil || errors.Is(err, argus.ErrDamaged) || got != nil {
		t.Errorf("the key of another batch: %v", err)
	}
	// A message that claims another batch.
	forged := bytes.Clone(sealed)
	id := other.ID()
	copy(forged[len(messageMagic)+33:], id[:])
	if got, _, err := other.Open(forged); !errors.Is(err, argus.ErrDamaged) || got != nil {
		t.Errorf("a forged batch: %v", err)
	}
	for _, class := range []Class{None, 9} {
		if _, err := batch.Seal(plain, class, directory); err == nil {
			t.Errorf("a message found by %s is sealed", class)
		}
	}
	if _, _, err := NewBatch(nil); err == nil {
		t.Error("a batch is sealed to nobody")
	}
	if _, _, err := NewBatch(&Recipients{keys: to.keys[:1], prints: to.prints[:1]}); err == nil {
		t.Error("a batch is sealed to one")
	}
}

// TestReseal checks that if the judge's key is lost, the second recipient can reseal to a
// new judge.
func TestReseal(t *testing.T) {
	to, ids := testRecipients(t)
	batch, envelope, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := batch.Seal([]byte("x"), ByDirectory, argus.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	next, nextIDs := testRecipients(t)
	again, err := Reseal(envelope, next, ids[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range nextIDs {
		opened, err := OpenEnvelope(again, id)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := opened.Open(sealed); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := OpenEnvelope(again, ids[:]...); !errors.Is(err, ErrNoKey) {
		t.Errorf("the earlier recipients open the new envelope: %v", err)
	}
	if e, err := ParseEnvelope(again); err != nil || e.Batch != batch.ID() || !slices.Equal(e.Recipients, next.Fingerprints()) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := Reseal(envelope, next, nextIDs[0]); !errors.Is(err, ErrNoKey) {
		t.Errorf("a stranger reseals: %v", err)
	}
	if _, err := Reseal(envelope, nil, ids[0]); err == nil {
		t.Error("it is resealed to nobody")
	}
}

// TestSealPostQuantum seals messages to hybrid keys.
func TestSealPostQuantum(t *testing.T) {
	var lines []string
	var last age.Identity
	for range 2 {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		lines, last = append(lines, id.Recipient().String()), id
	}
	to, err := ParseRecipients(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	batch, envelope, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := batch.Seal([]byte("x"), ByDirectory, argus.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenEnvelope(envelope, last)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := opened.Open(sealed); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPadded checks that the sizes have the properties of Padmé.
func TestPadded(t *testing.T) {
	for size, want := range map[int]int{0: 512, 1: 512, 512: 512, 513: 544, 544: 544, 545: 576, 1000: 1024, 1025: 1088, 100_000: 100_352, 1 << 20: 1 << 20} {
		if got := Padded(size); got != want {
			t.Errorf("%d becomes %d, want %d", size, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(leastPadded, 1<<30).Draw(t, "size")
		p := Padded(n)
		if p < n || float64(p) > 1.12*float64(n) || Padded(p) != p || Padded(n+1) < p {
			t.Fatalf("%d becomes %d", n, p)
		}
	})
	classes := map[int]bool{}
	for n := range 1 << 16 {
		classes[Padded(n)] = true
	}
	if got := math.Log2(float64(len(classes))); got > 8 {
		t.Errorf("sizes up to 64 KiB have %d classes", len(classes))
	}
}

// TestSealSizes seals and opens messages of all sizes near the padded sizes.
func TestSealSizes(t *testing.T) {
	to, _ := testRecipients(t)
	batch, _, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[int]bool{}
	for _, n := range []int{0, 1, 2, 507, 508, 509, 540, 541, 5000, 70_000} {
		plain := bytes.Repeat([]byte{0}, n) // ends like padding
		sealed, err := batch.Seal(plain, ByDirectory, argus.Hash{})
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := batch.Open(sealed); err != nil || len(got) != n {
			t.Errorf("%d bytes are %d after opening: %v", n, len(got), err)
		}
		sizes[len(sealed)] = true
	}
	if len(sizes) != 5 {
		t.Errorf("%d sizes, want 5", len(sizes))
	}
	if _, err := batch.Seal(make([]byte, MaxSealed+1), ByDirectory, argus.Hash{}); err == nil {
		t.Error("a message that is too long is sealed")
	}
}

func BenchmarkSeal(b *testing.B) {
	to, ids := testRecipients(b)
	plain := bytes.Repeat([]byte("a message "), 30)
	b.Run("message-in-batch", func(b *testing.B) {
		batch, _, err := NewBatch(to)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			sealed, err := batch.Seal(plain, ByDirectory, argus.Hash{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(sealed)), "B/message")
		}
	})
	b.Run("open-in-batch", func(b *testing.B) {
		batch, _, err := NewBatch(to)
		if err != nil {
			b.Fatal(err)
		}
		sealed, err := batch.Seal(plain, ByDirectory, argus.Hash{})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, _, err := batch.Open(sealed); err != nil {
				b.Fatal(err)
			}
		}
	})
	envelope := func(b *testing.B, to *Recipients) {
		for b.Loop() {
			_, e, err := NewBatch(to)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(len(e)), "B/envelope")
		}
	}
	b.Run("envelope-x25519", func(b *testing.B) { envelope(b, to) })
	b.Run("envelope-hybrid", func(b *testing.B) {
		var lines []string
		for range 2 {
			id, err := age.GenerateHybridIdentity()
			if err != nil {
				b.Fatal(err)
			}
			lines = append(lines, id.Recipient().String())
		}
		pq, err := ParseRecipients(strings.Join(lines, "\n"))
		if err != nil {
			b.Fatal(err)
		}
		envelope(b, pq)
	})
	b.Run("age-per-message", func(b *testing.B) {
		for b.Loop() {
			var out bytes.Buffer
			w, err := to.encrypt(&out)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.Write(plain); err != nil {
				b.Fatal(err)
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(out.Len()), "B/message")
		}
	})
	b.Run("reseal", func(b *testing.B) {
		_, e, err := NewBatch(to)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := Reseal(e, to, ids[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestSealRecord seals a record in the form in which the evidence hides records, and gets
// it back with its identity.
func TestSealRecord(t *testing.T) {
	to, ids := testRecipients(t)
	batch, envelope, err := NewBatch(to)
	if err != nil {
		t.Fatal(err)
	}
	m := note(1, "client", "lawyer", advice)
	r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: argus.Where{Original: 3, Path: "a.txt", Record: 4, Offset: 5, Length: 6}}
	r.ID, r.Version = m.Identity()
	hidden, err := form.Hide(r)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := hidden.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := batch.Seal(plain, ByDirectory, argus.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenEnvelope(envelope, ids[1])
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := opened.Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	back, err := form.DecodeHidden(got)
	if err != nil {
		t.Fatal(err)
	}
	again, err := back.Record(new(argus.Hasher))
	if err != nil || !cmp.Equal(r, again) {
		t.Errorf("%v\n%s", err, cmp.Diff(r, again))
	}
}
