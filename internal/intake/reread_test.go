package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

func (b *bench) reread(t *testing.T, n argus.DeliveryNumber) (*argus.Receipt, *Difference) {
	t.Helper()
	r, err := Reread(t.Context(), b.o, n, "a newer reader")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Counts.Balanced() || r.Seal == nil || r.Seal.Counts != r.Counts || r.Reads != n {
		t.Fatalf("the account does not balance: %+v, seal %+v", r.Counts, r.Seal)
	}
	d, err := Compare(t.Context(), b.o.Store, r.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	return r, d
}

// mixed writes a folder with typical contents: an archive with an attachment, an empty file,
// a file that no reader understands, a link, broken pieces.
func mixed(t *testing.T) string {
	t.Helper()
	source := t.TempDir()
	chat := "[14/02/2021, 12:03:01] Ali: look \u200e<attached: 00001-PHOTO.jpg>\n[14/02/2021, 12:03:02] Ali: <attached: 00002-PHOTO.jpg>\n"
	write(t, source, "WhatsApp Chat - Ali.zip", zipped(t, "_chat.txt", chat, "00001-PHOTO.jpg", "\xff\xd8 a photo", "00003-PHOTO.jpg", "\xff\xd8 another"))
	write(t, source, "a.jsonl", line(1, "one")+"broken\n"+line(2, "two"))
	write(t, source, "empty.txt", "")
	write(t, source, "readme.bin", "\x00\x01")
	if err := os.Symlink("/etc/passwd", filepath.Join(source, "link")); err != nil {
		t.Skipf("no links on this file system: %v", err)
	}
	return source
}

// TestRereadFindsTheSame: the same readers find the same pieces in the kept files, even if the
// source files are gone.
func TestRereadFindsTheSame(t *testing.T) {
	b := newBench(t)
	source := mixed(t)
	first := b.ingest(t, source)
	if err := os.RemoveAll(source); err != nil {
		t.Fatal(err)
	}
	b.acts = nil
	again, diff := b.reread(t, 1)
	if d := cmp.Diff([]string{"ingest.open D-0002", "ingest.seal D-0002"}, b.acts); d != "" {
		t.Errorf("acts differ:\n%s", d)
	}
	want := &Difference{Of: 1, Then: 1, Now: 2, Same: 4}
	if d := cmp.Diff(want, diff); d != "" {
		t.Errorf("the difference (-want +got):\n%s", d)
	}
	if again.Counts.Read != first.Counts.Read || again.Counts.Quarantined != first.Counts.Quarantined || again.Seal.Originals != 0 {
		t.Errorf("read again: %+v, want %+v", again.Counts, first.Counts)
	}
	for i := range first.Files {
		if d := cmp.Diff(first.Files[i].Problems, again.Files[i].Problems); d != "" {
			t.Errorf("%s: the problems differ:\n%s", first.Files[i].Original.Path, d)
		}
		if d := cmp.Diff(first.Files[i].Original, again.Files[i].Original); d != "" {
			t.Errorf("the original differs:\n%s", d)
		}
	}
	kinds := map[argus.DeliveryNumber]map[argus.Kind]int{1: {}, 2: {}}
	for r, err := range b.o.Store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		kinds[r.Delivery][r.Kind]++
	}
	if one, two := kinds[1], kinds[2]; two[argus.KindOriginal] != 0 || two[argus.KindReading] != 1 || two[argus.KindMessage] != 0 ||
		one[argus.KindAttachment] != 1 || two[argus.KindAttachment] != 1 || two[argus.KindSighting] != one[argus.KindMessage] {
		t.Errorf("kinds of records: %v", kinds)
	}
}

// TestInterruptedRereadGoesOn: a reading resumes where it was interrupted, at any point.
func TestInterruptedRereadGoesOn(t *testing.T) {
	source := mixed(t)
	for stopAfter := 0; ; stopAfter++ {
		b := newBench(t)
		first := b.ingest(t, source)
		b.o.BatchRecords = 1
		stop := errors.New("stop here")
		batches := 0
		b.o.Pace = func(context.Context) error {
			if batches++; batches > stopAfter {
				return stop
			}
			return nil
		}
		_, err := Reread(t.Context(), b.o, 1, "")
		if err == nil && stopAfter > 5 {
			return
		}
		if !errors.Is(err, stop) {
			t.Fatalf("stopped after %d batches: %v", stopAfter, err)
		}
		b.o.Pace = nil
		other := b.o
		other.Format = "sheet"
		if _, err := Reread(t.Context(), other, 1, ""); !errors.Is(err, ErrUnfinished) {
			t.Errorf("with other settings in between: %v, want ErrUnfinished", err)
		}
		if other := b.ingest(t, write(t, t.TempDir(), "other.jsonl", line(9999, "another"))); other.Delivery != 3 {
			t.Errorf("another delivery in between is %s", other.Delivery)
		}
		var receipt *argus.Receipt
		if stopAfter%2 == 0 {
			receipt, err = Reread(t.Context(), b.o, 1, "")
		} else {
			var all []*argus.Receipt
			if all, err = Resume(t.Context(), b.o); err == nil {
				receipt = all[0]
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		diff, err := Compare(t.Context(), b.o.Store, 2)
		if err != nil {
			t.Fatal(err)
		}
		if receipt.Delivery != 2 || receipt.Counts.Read != first.Counts.Read || receipt.Counts.Quarantined != first.Counts.Quarantined || diff.Changes != (Changes{}) || diff.Quarantined != nil {
			t.Errorf("stopped after %d batches: %+v, %+v", stopAfter, receipt.Counts, diff)
		}
	}
}

// TestAbandonedRereadCountsNot: an abandoned reading replaces nothing, and the next one is
// compared with the last reading that counts.
func TestAbandonedRereadCountsNot(t *testing.T) {
	b := newBench(t)
	b.ingest(t, mixed(t))
	b.o.Pace = func(context.Context) error { return errors.New("stop") }
	if _, err := Reread(t.Context(), b.o, 1, ""); err == nil {
		t.Fatal("not interrupted")
	}
	b.o.Pace = nil
	receipts, err := Abandon(t.Context(), b.o, "enough")
	if err != nil || len(receipts) != 1 || receipts[0].Reads != 1 {
		t.Fatalf("%+v, %v", receipts, err)
	}
	if r, diff := b.reread(t, 1); r.Delivery != 3 || diff.Then != 1 || diff.Same != 4 {
		t.Errorf("%s after one that was given up: %+v", r.Delivery, diff)
	}
}

func TestRereadRefuses(t *testing.T) {
	b := newBench(t)
	b.ingest(t, write(t, t.TempDir(), "a.jsonl", line(1, "one")))
	b.reread(t, 1)
	for n, want := range map[argus.DeliveryNumber]error{2: ErrNotHandedOver, 9: argus.ErrNotFound} {
		if _, err := Reread(t.Context(), b.o, n, ""); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", n, err, want)
		}
	}
	if _, err := b.o.Store.Begin(t.Context(), argus.Opening{Source: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Reread(t.Context(), b.o, 3, ""); !errors.Is(err, ErrNotSealed) {
		t.Errorf("an open delivery: %v", err)
	}
	if _, err := Compare(t.Context(), b.o.Store, 1); err == nil {
		t.Error("a delivery that is no reading is compared")
	}
}

func TestSettingsOver(t *testing.T) {
	field := func(text string) (list []argus.Field) {
		for f := range strings.FieldsSeq(text) {
			name, value, _ := strings.Cut(f, ":")
			list = append(list, argus.Field{Name: name, Value: value})
		}
		return list
	}
	for _, tt := range []struct{ older, newer, want string }{
		{"", "", ""},
		{"timezone:A map:x=1 map:y=2", "", "timezone:A map:x=1 map:y=2"},
		{"format:sheet timezone:A map:x=1 map:y=2", "timezone:B map:z=3", "format:sheet timezone:B map:z=3"},
		{"timezone:A", "format:sheet", "format:sheet timezone:A"},
		{"timezone:A via:p via-sha256:h via-arg:x", "owner:o", "owner:o timezone:A via:p via-sha256:h via-arg:x"},
		{"timezone:A via:p via-sha256:h via-arg:x", "format:sheet", "format:sheet timezone:A"},
	} {
		if d := cmp.Diff(field(tt.want), settingsOver(field(tt.older), field(tt.newer))); d != "" {
			t.Errorf("%q over %q:\n%s", tt.newer, tt.older, d)
		}
	}
}

// TestDifferenceIsOfSets: the order of records and the number of parts do not change a
// difference; items beyond the listed ones are counted.
func TestDifferenceIsOfSets(t *testing.T) {
	var hasher argus.Hasher
	records := func(skip, other int) (list []*argus.Record) {
		for n := range 300 {
			if n%7 == skip {
				continue
			}
			m := &argus.Message{Service: "sky", Conversation: fmt.Sprintf("c%d", n%250), From: "A", ServiceID: fmt.Sprint(n), Text: "x"}
			if n%11 == other {
				m.FromName = "other"
			}
			r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: argus.Where{Original: 2, Reader: 1}}
			r.ID, r.Version = hasher.Identity(m)
			list = append(list, r)
			if n%5 == 0 {
				list = append(list, r) // a duplicate is not counted again
			}
		}
		return list
	}
	then, now := records(0, 12), records(1, 3)
	var want *Difference
	for _, parts := range []int{1, 2, 13} {
		for _, backwards := range []bool{false, true} {
			b := newBench(t)
			c := &comparison{files: map[piece]uint32{}, told: map[[2]string]uint32{}, reasons: map[string]*ReasonChange{}, pairs: map[[2]string]*Changes{}}
			c.readers = [2][]string{{"jsonl/1"}, {"jsonl/2"}}
			if err := c.open(b.o.Store, parts); err != nil {
				t.Fatal(err)
			}
			for side, list := range [][]*argus.Record{then, now} {
				for i := range list {
					at := i
					if backwards {
						at = len(list) - 1 - i
					}
					if err := c.add(list[at], side); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range c.parts {
				if err := c.part(&c.parts[i]); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			if left, err := filepath.Glob(filepath.Join(b.dir, "originals", "*")); len(left) > 0 || err != nil {
				t.Errorf("the temporary files are left: %v, %v", left, err)
			}
			got := c.result()
			if want == nil {
				want = got
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("in %d parts, backwards %v:\n%s", parts, backwards, d)
			}
		}
	}
	if want.New != 43 || want.Gone != 43 || want.Changed == 0 || want.Same+want.Changed != 300-86 || len(want.Conversations) != mostConversations || want.MoreConversations == 0 {
		t.Errorf("%+v", want)
	}
	for i, c := range want.Conversations[1:] {
		if c.sum() > want.Conversations[i].sum() {
			t.Errorf("%v comes behind %v", c, want.Conversations[i])
		}
	}
}

// TestRereadMeetsNotItself: a copy does not meet the delivery's own earlier reading
// with another clock, which no longer counts.
func TestRereadMeetsNotItself(t *testing.T) {
	source := write(t, t.TempDir(), "sms.xml", phone([]chat{{10, true, "look"}, {50, true, "where"}}, true, 0))
	today := newBench(t)
	today.ingest(t, source)
	b := newBench(t)
	d, err := b.o.Store.Begin(t.Context(), argus.Opening{Source: source, Readers: []string{"smsbackup/1"}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kept, err := b.o.Store.PutOriginal(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	kept.Path = "sms.xml"
	records := []*argus.Record{{Kind: argus.KindOriginal, Original: &kept}}
	for r, err := range today.o.Store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == argus.KindMessage {
			m := *r.Message
			m.Sent.Micros += 3e6
			m.Sent.Clock = argus.ClockService
			records = append(records, &argus.Record{Kind: argus.KindMessage, Message: &m, Where: argus.Where{Original: 2, Reader: 1}})
		}
	}
	if err := b.o.Store.Append(t.Context(), d, records); err != nil {
		t.Fatal(err)
	}
	if _, err := b.o.Store.Seal(t.Context(), d, "test", b.o.Signer, b.o.withDefaults().Now(), ""); err != nil {
		t.Fatal(err)
	}
	receipt, diff := b.reread(t, 1)
	if want := (argus.Counts{Read: 2, Stored: 2}); receipt.Counts != want || diff.New != 2 || diff.Gone != 2 {
		t.Errorf("%+v, want %+v; %+v", receipt.Counts, want, diff)
	}
	for r, err := range b.o.Store.Records(t.Context(), receipt.Delivery) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Met != (argus.ID{}) {
			t.Errorf("record %d met what was said before", r.Seq)
		}
	}
}
