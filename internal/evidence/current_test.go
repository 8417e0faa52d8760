package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
)

// readings holds a store in which a delivery is read again.
type readings struct {
	t      *testing.T
	s      *Store
	c      *Current
	dir    string
	signer note.Signer
	keys   note.Verifiers
}

func newReadings(t *testing.T) *readings {
	r := &readings{t: t}
	r.signer, r.keys = testKey(t)
	r.s, r.dir = createTest(t, Options{})
	var err error
	if r.c, err = NewCurrent(r.s); err != nil {
		t.Fatal(err)
	}
	return r
}

// deliver appends messages with the given texts, as a reading of delivery of, or as a
// hand-over if of is 0. It seals the delivery unless sealed is "open"; any other text is
// the reason why the delivery was given up.
func (w *readings) deliver(of argus.DeliveryNumber, sealed string, texts ...string) argus.DeliveryNumber {
	w.t.Helper()
	o := argus.Opening{Source: "test", Readers: []string{"test/1"}}
	var with []*argus.Record
	if of != 0 {
		o.Sort = argus.OpeningReading
		with = append(with, &argus.Record{Kind: argus.KindReading, Reading: &argus.Reading{Of: of}})
	}
	d, err := w.s.Begin(w.t.Context(), o, with...)
	if err != nil {
		w.t.Fatal(err)
	}
	var records []*argus.Record
	if of == 0 {
		kept, err := w.s.PutOriginal(w.t.Context(), strings.NewReader("a"))
		if err != nil {
			w.t.Fatal(err)
		}
		records = append(records, &argus.Record{Kind: argus.KindOriginal, Original: &kept})
	}
	for i, text := range texts {
		records = append(records, &argus.Record{Kind: argus.KindMessage, Message: &argus.Message{Service: "sky", Conversation: "c", From: "A", ServiceID: fmt.Sprint(i), Text: text}})
	}
	if err := w.s.Append(w.t.Context(), d, records); err != nil {
		w.t.Fatal(err)
	}
	if sealed != "open" {
		w.seal(d, sealed)
	}
	return d
}

func (w *readings) seal(d argus.DeliveryNumber, incomplete string) {
	w.t.Helper()
	if _, err := w.s.Seal(w.t.Context(), d, "store", w.signer, time.Unix(1_700_000_000, 0), incomplete); err != nil {
		w.t.Fatal(err)
	}
}

// adopt makes the newest reading count.
func (w *readings) adopt() {
	w.t.Helper()
	newest, err := w.c.Newest()
	if err == nil {
		err = w.c.Know(newest)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// counts returns the delivery number and the text of each message that counts.
func (w *readings) counts() string {
	w.t.Helper()
	var list []string
	for r, err := range w.c.From(w.t.Context(), 1) {
		if err != nil {
			w.t.Fatal(err)
		}
		got, err := w.c.Get(w.t.Context(), r.Seq)
		if err != nil || got.Kind != r.Kind || got.Delivery != r.Delivery {
			w.t.Errorf("record %d alone is %+v, %v", r.Seq, got, err)
		}
		if r.Kind != argus.KindMessage && r.Kind != argus.KindSighting {
			if _, err := w.c.Whole(w.t.Context(), r.Seq); !errors.Is(err, argus.ErrNotFound) {
				w.t.Errorf("the message of record %d, which is none: %v", r.Seq, err)
			}
			continue
		}
		m, err := w.c.Whole(w.t.Context(), r.Seq)
		if err != nil {
			w.t.Fatal(err)
		}
		found, err := w.c.Find(r.MessageID())
		if err != nil || !slices.ContainsFunc(found, func(e Entry) bool { return e.Seq == r.Seq }) {
			w.t.Errorf("record %d is not found by its id: %v, %v", r.Seq, found, err)
		}
		for _, e := range found {
			if other, err := w.c.Get(w.t.Context(), e.Seq); err != nil || other.Kind == 0 {
				w.t.Errorf("record %d is found but does not count: %v", e.Seq, err)
			}
		}
		list = append(list, fmt.Sprintf("%s %s", r.Delivery, m.Text))
	}
	return strings.Join(list, ", ")
}

func (w *readings) want(want string) {
	w.t.Helper()
	if got := w.counts(); got != want {
		w.t.Errorf("these count: %s; want: %s", got, want)
	}
}

func TestReadingsTakeTheirPlace(t *testing.T) {
	w := newReadings(t)
	w.deliver(0, "", "one", "two")
	w.deliver(0, "", "one", "other")
	w.want("D-0001 one, D-0001 two, D-0002 one, D-0002 other")

	// Until the reading is sealed and adopted, everything counts as before.
	w.deliver(1, "open", "one", "2", "three")
	w.adopt()
	w.want("D-0001 one, D-0001 two, D-0002 one, D-0002 other")
	w.seal(3, "")
	w.want("D-0001 one, D-0001 two, D-0002 one, D-0002 other")
	w.adopt()
	w.want("D-0002 one, D-0002 other, D-0001 one, D-0001 2, D-0001 three")

	// A reading that was given up does not count.
	w.deliver(1, "given up", "x")
	w.adopt()
	w.want("D-0002 one, D-0002 other, D-0001 one, D-0001 2, D-0001 three")

	// The newest reading replaces all earlier ones.
	w.deliver(1, "", "one")
	w.adopt()
	w.want("D-0002 one, D-0002 other, D-0001 one")

	again, err := NewCurrent(w.s)
	if err != nil {
		t.Fatal(err)
	}
	w.c = again
	w.want("D-0002 one, D-0002 other, D-0001 one")
	for d, want := range map[argus.DeliveryNumber]int{1: 3, 3: 3, 5: 3, 2: 4} {
		n := 0
		for r, err := range w.c.Records(t.Context(), d) {
			if err != nil {
				t.Fatal(err)
			}
			if r.ReadIn != 0 && r.ReadIn != 5 {
				t.Errorf("record %d was read in %s", r.Seq, r.ReadIn)
			}
			n++
		}
		if n != want {
			t.Errorf("asked by %s there are %d records, want %d", d, n, want)
		}
	}
	sealed := 0
	for r, err := range w.c.AsSealed(t.Context(), 1) {
		if err != nil || r.Kind == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		sealed++
	}
	if sealed != 4 {
		t.Errorf("the first reading has %d records, want 4", sealed)
	}
	if w.c.Known() != 5 {
		t.Errorf("the newest reading that counts is %s", w.c.Known())
	}
	list, err := w.c.Deliveries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, fmt.Sprintf("%d %d %d", d.Number, d.Reads, d.ReadAgain))
	}
	if want := []string{"1 0 5", "2 0 0", "3 1 5", "4 1 5", "5 1 0"}; !slices.Equal(got, want) {
		t.Errorf("deliveries %q, want %q", got, want)
	}
	without, err := w.c.Without(1)
	if err != nil {
		t.Fatal(err)
	}
	w.c = without
	w.want("D-0002 one, D-0002 other")
	damage, notes, _ := verifyAll(t, w.dir, w.keys)
	if len(damage) > 0 {
		t.Errorf("damage: %v", damage)
	}
	said := 0
	for _, n := range notes {
		if n.Delivery == 1 && strings.Contains(n.Problem, "was read again by") {
			said++
		}
	}
	if said != 2 {
		t.Errorf("verify reports %d readings, want 2: %v", said, notes)
	}
}

// A reading that names no delivery, or an impossible one, appears in no answer, and
// verify reports it.
func TestReadingsThatMakeNoSense(t *testing.T) {
	for name, of := range map[string]argus.DeliveryNumber{"of itself": 3, "of one to come": 9, "of a reading": 2} {
		w := newReadings(t)
		w.deliver(0, "", "one")
		w.deliver(1, "", "two")
		w.deliver(of, "", "three")
		w.adopt()
		w.want("D-0001 two")
		if damage, _, _ := verifyAll(t, w.dir, w.keys); len(damage) == 0 {
			t.Errorf("%s: verify finds nothing", name)
		}
	}
	w := newReadings(t)
	d, err := w.s.Begin(t.Context(), argus.Opening{Source: "test", Sort: argus.OpeningReading})
	if err == nil {
		err = w.s.Append(t.Context(), d, testBatch(0, 3))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.want("")
	w.seal(d, "")
	w.want("")
	if damage, _, _ := verifyAll(t, w.dir, w.keys); len(damage) == 0 {
		t.Error("of nothing: verify finds nothing")
	}
}
