package evidence

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// A sighting joined with the content of its record gives the message of its copy,
// wherever that record is: in the same batch, in memory or on disk.
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
	flush() // in the same batch
	take(true)
	flush() // in memory
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{Recent: 1})
	take(true)
	flush() // on disk
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

// The salts of two stores differ, and so does everything that is known about a record
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
