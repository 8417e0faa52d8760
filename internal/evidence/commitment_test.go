package evidence

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// A sighting joined with the content of the record that it is of is the message as
// its copy said it, wherever that record is: in the same batch, in memory, on disk.
func TestWhole(t *testing.T) {
	card := &argus.Message{Service: "signal", Conversation: "c", From: "A", Text: "BEGIN:VCARD", Type: argus.TypeContact,
		Facts: &argus.Facts{Contact: &argus.Contact{Names: []string{"Bea"}, Accounts: []string{"+31"}}, Replies: 2}}
	locked := &argus.Message{Service: "sky", Conversation: "c", From: "A", State: argus.StateLocked, Locked: &argus.Locked{KeyID: "k1", Payload: []byte("cipher")}}
	picture := &argus.Message{Service: "sky", Conversation: "c", From: "A", ServiceID: "77", Text: "look", Attachments: []argus.Attachment{{Name: "a.jpg", Size: 3}}}
	other := func(m *argus.Message) *argus.Message {
		c := *m
		c.FromName, c.Title, c.Read = "Anna", "Friends", argus.Time{Micros: 1_600_000_000e6, Precision: argus.Second}
		if c.Facts != nil {
			facts := *c.Facts
			facts.Replies = 5
			c.Facts, c.Text = &facts, "Contact: Bea"
		}
		if c.Locked != nil {
			c.Locked = &argus.Locked{KeyID: "k2", Algorithm: "aes", Payload: c.Locked.Payload}
		}
		return &c
	}
	messages := []*argus.Message{card, locked, picture, testMessage(5)}
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	var batch []*argus.Record
	want := map[uint64]*argus.Message{}
	take := func(copied bool) {
		t.Helper()
		for _, m := range messages {
			if copied {
				m = other(m)
			}
			r := &argus.Record{Kind: argus.KindMessage, Message: m}
			batch = append(batch, r)
			want[s.Last()+uint64(len(batch))] = m
		}
	}
	flush := func() {
		t.Helper()
		if err := s.Append(t.Context(), d, batch); err != nil {
			t.Fatal(err)
		}
		batch = nil
	}
	take(false)
	take(true)
	flush() // of the same batch
	take(true)
	flush() // of memory
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{Recent: 1})
	take(true)
	flush() // of the disk
	if kind := collect(t, s, 14)[0].Kind; kind != argus.KindSighting {
		t.Fatalf("a copy is of kind %s", kind)
	}
	reader := openTest(t, dir, Options{ReadOnly: true})
	for seq, m := range want {
		for _, store := range []*Store{s, reader} {
			if got, err := store.Whole(t.Context(), seq); err != nil || !cmp.Equal(got, m) {
				t.Errorf("record %d: %v\n%s", seq, err, cmp.Diff(m, got))
			}
		}
	}
	if _, err := s.Whole(t.Context(), 1); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("the opening as a message: %v, want ErrNotFound", err)
	}
	signer, keys := testKey(t)
	if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
		t.Fatal(err)
	}
	if damage, _, v := verifyAll(t, dir, keys); len(damage) != 0 || v.Counts.Sightings != 12 {
		t.Errorf("%+v, damage %+v", v, damage)
	}
}

// encoded is a part of a record as it is stored.
func encoded(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := partEncoding.MarshalToBuffer(v, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sighting says which record it is of, and that record has to hold what it
// claims (D4).
func TestForgedSightings(t *testing.T) {
	signer, keys := testKey(t)
	for name, change := range map[string]func(r *argus.Record){
		"none":                   func(*argus.Record) {},
		"of the opening":         func(r *argus.Record) { r.Of = 1 },
		"of another message":     func(r *argus.Record) { r.Of = 4 },
		"of itself":              func(r *argus.Record) { r.Of = 12 },
		"of what comes later":    func(r *argus.Record) { r.Of = 40 },
		"of nothing":             func(r *argus.Record) { r.Of = 0 },
		"with another version":   func(r *argus.Record) { r.Version[0]++ },
		"with another id":        func(r *argus.Record) { r.ID[0]++ },
		"with another content":   func(r *argus.Record) { r.Content[0]++ },
		"that met another one":   func(r *argus.Record) { r.Met[0]++ },
		"with another sender":    func(r *argus.Record) { m := *r.Message; m.From = "X"; r.Message = &m },
		"with another moment":    func(r *argus.Record) { m := *r.Message; m.Sent.Micros += 5e6; r.Message = &m },
		"that met what it names": func(r *argus.Record) { r.Met = r.ID },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			d := begin(t, s)
			if err := s.Append(t.Context(), d, append(testBatch(0, 10), testBatch(1, 2)...)); err != nil {
				t.Fatal(err)
			}
			r := *collect(t, s, 12)[0]
			deliveries := rawBlocks(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			change(&r)
			last := &deliveries[1][1]
			last.statements[len(last.statements)-1] = encoded(t, &r)
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			s = openTest(t, dir, Options{})
			if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
				t.Fatal(err)
			}
			s.Close()
			damage, _, _ := verifyAll(t, dir, keys)
			named := slices.ContainsFunc(damage, func(f Finding) bool { return f.First == 12 && strings.Contains(f.Problem, "sighting") })
			if sound := name == "none"; named == sound {
				t.Errorf("%+v", damage)
			}
		})
	}
}

// There is one way to write a record (D4).
func TestNotCanonical(t *testing.T) {
	for name, tt := range map[string][2]string{
		"a number written long":      {"a2010304a20163736b79141801", ""},
		"an empty field":             {"a2010304a20163736b790c60", ""},
		"what a message met":         {"a3010304a20163736b790461410b5000000000000000000000000000000001", ""},
		"an empty content":           {"a2010304a10163736b79", "a0"},
		"keys in another order":      {"a2010304a20461410163736b79", ""},
		"an attachment that is none": {"a2010304a10163736b79", "a10380"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, Options{})
			begin(t, s)
			deliveries := rawBlocks(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			deliveries[1] = append(deliveries[1], rawBlock{statements: [][]byte{unhex(t, tt[0])}, contents: [][]byte{unhex(t, tt[1])}})
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			if damage, _, _ := verifyAll(t, dir, nil); len(damage) != 1 || damage[0].First != 2 {
				t.Errorf("%+v", damage)
			}
		})
	}
}

// The salts of two stores differ, and with them all that is known of a record
// without its text.
func TestSalts(t *testing.T) {
	roots := map[argus.Hash]bool{}
	signer, _ := testKey(t)
	for _, o := range []Options{{}, {}, {Random: bytes.NewReader(make([]byte, 1<<10))}, {Random: bytes.NewReader(make([]byte, 1<<10))}} {
		s, _ := createTest(t, o)
		d := begin(t, s)
		if err := s.Append(t.Context(), d, testBatch(0, 10)); err != nil {
			t.Fatal(err)
		}
		seal, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), "")
		if err != nil {
			t.Fatal(err)
		}
		roots[seal.Root] = true
	}
	if len(roots) != 3 {
		t.Errorf("%d roots of the same records, want 3: two with salts of their own, and one with salts that are known", len(roots))
	}
	s, _ := createTest(t, Options{Random: strings.NewReader("")})
	if _, err := s.Begin(t.Context(), argus.Opening{Source: "x"}); err == nil {
		t.Error("a record was stored without salts")
	}
}
