package evidence

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
	"github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/layout"
)

// secret returns a message that a test removes. Its text occurs nowhere else.
func secret(n int) *argus.Message {
	return &argus.Message{
		Service: "signal", Conversation: fmt.Sprintf("zephyr-%d", n), From: fmt.Sprintf("quokka-%d", n), Title: "Chambers",
		Sent: argus.Time{Micros: int64(1_500_000_000+n) * 1e6, Precision: argus.Second},
		Text: fmt.Sprintf("marzipan %d under privilege", n),
	}
}

func messageBatch(from, to int, message func(int) *argus.Message) (batch []*argus.Record) {
	for n := from; n < to; n++ {
		batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: message(n)})
	}
	return batch
}

// walk holds a store in which orders are carried out.
type walk struct {
	t      *testing.T
	s      *Store
	dir    string
	o      Options
	signer note.Signer
	keys   note.Verifiers
	judge  *Judge
	key    age.Identity
}

func newWalk(t *testing.T, o Options) *walk {
	t.Helper()
	w := &walk{t: t, o: o}
	w.signer, w.keys = testKey(t)
	w.judge, w.key = testJudge(t)
	w.s, w.dir = createTest(t, o)
	return w
}

// deliver stores a delivery and seals it.
func (w *walk) deliver(records ...*argus.Record) *argus.Seal {
	w.t.Helper()
	d := begin(w.t, w.s)
	for part := range slices.Chunk(records, 100) {
		if err := w.s.Append(w.t.Context(), d, part); err != nil {
			w.t.Fatal(err)
		}
	}
	seal, err := w.s.Seal(w.t.Context(), d, "store", w.signer, time.Unix(1_700_000_000, 0), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return seal
}

// order returns an amendment with one act.
func (w *walk) order(kind argus.Kind, gone argus.Gone, seqs ...uint64) Amendment {
	a := Amendment{Opening: argus.Opening{Source: "order", Authority: "A-0001", Actor: "judge"}, Order: "Rb 15/26", Changes: map[uint64]argus.Gone{},
		Judge: w.judge, Store: "store", Signer: w.signer, Now: time.Unix(1_700_000_001, 0)}
	act := &argus.Act{Order: a.Order, Reason: "privileged"}
	for _, seq := range seqs {
		a.Changes[seq] = gone
		act.Records = append(act.Records, argus.Span{First: seq, Last: seq})
	}
	a.Acts = []*argus.Record{{Kind: kind, Act: act}}
	return a
}

func (w *walk) amend(a Amendment) *Amended {
	w.t.Helper()
	done, err := w.s.Amend(w.t.Context(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	return done
}

// reopen closes the store and opens it again.
func (w *walk) reopen() {
	w.t.Helper()
	if err := w.s.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.s = openTest(w.t, w.dir, w.o)
}

// sound checks that the store verifies with only the seals' public key.
func (w *walk) sound() *check.Verified {
	w.t.Helper()
	damage, notes, v := verifyAll(w.t, w.dir, w.keys)
	notes = slices.DeleteFunc(notes, func(f check.Finding) bool { return strings.HasPrefix(f.File, idsDir) })
	if len(damage)+len(notes) != 0 {
		w.t.Errorf("damage %+v, notes %+v", damage, notes)
	}
	return v
}

// nowhere checks that no file of the store contains any of the texts.
func (w *walk) nowhere(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if names := filesWith(w.t, w.dir, text); names != nil {
			w.t.Errorf("%q is in %v", text, names)
		}
	}
}

func numbers(from, to uint64) (seqs []uint64) {
	for seq := from; seq <= to; seq++ {
		seqs = append(seqs, seq)
	}
	return seqs
}

// Unlock a third of an archive: the key is an exhibit, and each opened record cites a
// ciphertext and the key. The sightings stay. Withdraw the key: the order names the
// opened records that cite it.
func TestWalkUnlock(t *testing.T) {
	w := newWalk(t, Options{})
	locked := func(n int) *argus.Message {
		m := secret(n)
		m.Text, m.State, m.Locked = "", argus.StateLocked, &argus.Locked{KeyID: fmt.Sprint("k", n%3), Payload: fmt.Appendf(nil, "cipher %d", n)}
		return m
	}
	w.deliver(messageBatch(0, 9, locked)...)
	w.deliver(messageBatch(0, 3, locked)...) // seen again
	key := &argus.Record{Kind: argus.KindKey, Key: &argus.Key{Sort: "session", KeyID: "k0", From: "server", Fingerprint: argus.Hash{7}}}
	w.deliver(key)
	var opened []*argus.Record
	for seq := uint64(2); seq <= 8; seq += 3 {
		opened = append(opened, &argus.Record{Kind: argus.KindOpened, Of: seq, Opened: &argus.Opened{Key: key.Seq, By: "unlock/1", Text: fmt.Sprint("plain ", seq)}})
	}
	w.deliver(opened...)
	var spans []argus.Span
	for _, r := range opened {
		spans = append(spans, argus.Span{First: r.Seq, Last: r.Seq})
	}
	readable := func(when string, want ...uint64) {
		t.Helper()
		var got []uint64
		for r, err := range w.s.Opened(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Of)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s the records %d can be read, want %d", when, got, want)
		}
	}
	order := func(kind argus.Kind, records ...argus.Span) {
		w.deliver(&argus.Record{Kind: kind, Act: &argus.Act{Order: "Rb 3", Records: records}})
	}
	readable("with the key", 2, 5, 8)
	// The key is withdrawn: everything that it opened is locked again.
	order(argus.KindWithdrawn, argus.Span{First: key.Seq, Last: key.Seq})
	readable("without the key")
	order(argus.KindReleased, argus.Span{First: key.Seq, Last: key.Seq})
	readable("with the key again", 2, 5, 8)
	order(argus.KindDestroyed, spans[1])
	readable("but for one", 2, 8)
	order(argus.KindWithdrawn, spans...)
	w.reopen()
	readable("of what was withdrawn")
	kinds := map[argus.Kind]int{}
	for _, r := range collect(t, w.s, 1) {
		kinds[r.Kind]++
		switch r.Kind {
		case argus.KindOpened:
			if of := collect(t, w.s, r.Of)[0]; r.Opened.Text != fmt.Sprint("plain ", of.Seq) || of.Message.State&argus.StateLocked == 0 || r.Content == (argus.Hash{}) {
				t.Errorf("opened %+v of %+v", r.Opened, of.Message)
			}
		default:
		}
	}
	want := map[argus.Kind]int{argus.KindOpening: 8, argus.KindMessage: 9, argus.KindSighting: 3, argus.KindKey: 1, argus.KindOpened: 3, argus.KindWithdrawn: 2, argus.KindReleased: 1, argus.KindDestroyed: 1}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if v := w.sound(); v.Counts.Stored != 9 || v.Counts.Locked != 9 {
		t.Errorf("%+v", v.Counts)
	}
}

// A lawyer is recognised two years later: the messages go to the judge. The suspicion is
// rejected: they come back exactly as they were.
func TestWalkWithheldAndReleased(t *testing.T) {
	w := newWalk(t, Options{SegmentBytes: 8 << 10, IDsInMemory: 50})
	batch := append(messageBatch(0, 5, secret), testBatch(0, 300)...)
	first := w.deliver(append(batch, messageBatch(2, 4, secret)...)...)
	const ahead, theirs, behind = "Date: today\n", "marzipan in Chambers", "\nDate: tomorrow\n"
	raw, err := w.s.PutOriginal(t.Context(), strings.NewReader(ahead+theirs+behind))
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(&argus.Record{Kind: argus.KindOriginal, Original: &raw})
	part := []OriginalPart{{Offset: int64(len(ahead)), Length: int64(len(theirs))}}
	// reads checks that a part of the original reads as want, or cannot be read if want
	// is empty.
	reads := func(when string, at, n int, want string) {
		t.Helper()
		f, err := w.s.OpenOriginal(raw)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got := make([]byte, n)
		if _, err := f.ReadAt(got, int64(at)); (err == nil) != (want != "") || err == nil && string(got) != want {
			t.Errorf("%s: the raw bytes at %d are %q, %v; want %q", when, at, got, err, want)
		}
	}
	before := collect(t, w.s, 1)
	seqs := append(numbers(2, 6), 307, 308) // including the two sightings
	withdraw := w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, seqs...)
	withdraw.Originals = []OriginalOrder{{Seq: before[len(before)-1].Seq, Parts: part, Gone: argus.GoneContent | argus.Withheld}}
	done := w.amend(withdraw)
	if !done.Done {
		t.Error("a file is kept that nobody reads")
	}
	gone := func(when string) {
		t.Helper()
		w.nowhere("marzipan", "zephyr", "quokka", "Chambers")
		reads(when, 0, len(ahead), ahead)
		reads(when, len(ahead), len(theirs), "")
		for _, r := range collect(t, w.s, 1)[:len(before)] {
			was := before[r.Seq-1]
			if !slices.Contains(seqs, r.Seq) {
				if diff := cmp.Diff(was, r); diff != "" {
					t.Errorf("%s: record %d changed:\n%s", when, r.Seq, diff)
				}
				continue
			}
			want := &argus.Record{Seq: r.Seq, Delivery: 1, Gone: argus.GoneAll | argus.Withheld, Was: argus.Was{Kind: was.Kind}}
			if diff := cmp.Diff(want, r); diff != "" {
				t.Errorf("%s: record %d:\n%s", when, r.Seq, diff)
			}
			if found, err := w.s.Find(was.ID); err != nil || len(found) != 0 {
				t.Errorf("%s: the ids know record %d: %v, %v", when, r.Seq, found, err)
			}
			if _, err := w.s.Whole(t.Context(), r.Seq); !errors.Is(err, argus.ErrNotFound) {
				t.Errorf("%s: the message of record %d: %v", when, r.Seq, err)
			}
		}
		for c, err := range w.s.Contents(t.Context(), 1) {
			if err != nil || strings.Contains(c.Text, "marzipan") {
				t.Errorf("%s: content %+v, %v", when, c, err)
			}
		}
		if v := w.sound(); v.Counts != first.Counts {
			t.Errorf("%s: the account is %+v, want %+v", when, v.Counts, first.Counts)
		}
	}
	gone("at once")
	w.reopen()
	gone("opened again")

	// With a stranger's key, or without any key, nothing comes back.
	_, stranger := testJudge(t)
	release := w.order(argus.KindReleased, 0, seqs...)
	release.Originals = []OriginalOrder{{Seq: before[len(before)-1].Seq, Parts: part}}
	for _, keys := range [][]age.Identity{nil, {stranger}} {
		release.Identities = keys
		if _, err := w.s.Amend(t.Context(), release); err == nil {
			t.Fatal("what is withheld came back without the judge's key")
		}
	}
	gone("after strangers")
	release.Identities = []age.Identity{w.key}
	w.amend(release)
	for _, when := range []string{"at once", "opened again"} {
		for _, r := range collect(t, w.s, 1)[:len(before)] {
			if diff := cmp.Diff(before[r.Seq-1], r); diff != "" {
				t.Errorf("%s: record %d is not as on the first day:\n%s", when, r.Seq, diff)
			}
		}
		reads(when, 0, len(ahead)+len(theirs)+len(behind), ahead+theirs+behind)
		id, _ := secret(2).Identity()
		if found, err := w.s.Find(id); err != nil || len(found) != 2 {
			t.Errorf("%s: the ids of what came back: %v, %v", when, found, err)
		}
		if v := w.sound(); v.Counts != first.Counts || v.Seals[0].Root != first.Root {
			t.Errorf("%s: %+v", when, v)
		}
		w.reopen()
	}
}

// D-0001 is ruled unlawful, and D-0002 holds the same messages lawfully: all statements of
// D-0001 are removed, and the content stays, because the sightings of D-0002 prove it.
func TestWalkUnlawfulCopy(t *testing.T) {
	w := newWalk(t, Options{SegmentBytes: 8 << 10})
	w.deliver(messageBatch(0, 100, secret)...)
	lawful := func(n int) *argus.Message {
		m := secret(n)
		m.Title = "Lawful"
		return m
	}
	w.deliver(messageBatch(0, 100, lawful)...)
	w.deliver(messageBatch(50, 60, lawful)...)
	// The content cannot be removed: D-0002 and D-0003 have it too.
	if _, err := w.s.Amend(t.Context(), w.order(argus.KindDestroyed, argus.GoneAll, numbers(2, 101)...)); err == nil || !strings.Contains(err.Error(), "has the same content") {
		t.Fatalf("the content of lawful sightings: %v", err)
	}
	w.amend(w.order(argus.KindDestroyed, argus.GoneStatement, numbers(2, 101)...))
	for _, when := range []string{"at once", "opened again"} {
		w.nowhere("Chambers")
		for i, r := range collect(t, w.s, 2)[:100] {
			if r.Kind != 0 || r.Message != nil || r.Gone != argus.GoneStatement || r.Was.Kind != argus.KindMessage {
				t.Errorf("%s: record %d: %+v", when, r.Seq, r)
			}
			m, err := w.s.Whole(t.Context(), 103+uint64(i))
			if err != nil || !cmp.Equal(m, lawful(i)) {
				t.Errorf("%s: the lawful sighting %d says %+v, %v", when, i, m, err)
			}
		}
		if v := w.sound(); v.Counts.Sightings != 110 || v.Counts.Stored != 100 {
			t.Errorf("%s: %+v", when, v.Counts)
		}
		w.reopen()
	}
	// Then everything is removed: first the sightings, and with the last sighting the content,
	// whose record then no longer has an id.
	a := w.order(argus.KindDestroyed, argus.GoneAll, append(numbers(2, 101), numbers(103, 202)...)...)
	if _, err := w.s.Amend(t.Context(), a); err == nil {
		t.Fatal("a content went before its last sighting")
	}
	w.amend(w.order(argus.KindDestroyed, argus.GoneAll, append(append(numbers(2, 101), numbers(103, 202)...), numbers(204, 213)...)...))
	w.nowhere("marzipan", "Lawful", "zephyr")
	w.sound()
	// None of it ever comes back.
	back := w.order(argus.KindReleased, 0, 103)
	back.Identities = []age.Identity{w.key}
	if _, err := w.s.Amend(t.Context(), back); err == nil {
		t.Error("a destroyed record came back")
	}
}

// 1,000 messages are destroyed and then handed in again: the new delivery stores them again.
func TestWalkDestroyedAndHandedInAgain(t *testing.T) {
	w := newWalk(t, Options{IDsInMemory: 300})
	w.deliver(append(testBatch(0, 10), messageBatch(0, 1000, secret)...)...)
	w.amend(w.order(argus.KindDestroyed, argus.GoneAll, numbers(12, 1011)...))
	w.nowhere("marzipan", "zephyr", "quokka")
	id, version := secret(7).Identity()
	w.nowhere(string(id[:]), string(version[:]))
	w.sound()
	w.reopen()
	again := w.deliver(messageBatch(0, 1000, secret)...)
	if again.Counts.Stored != 1000 || again.Counts.Sightings != 0 {
		t.Errorf("the second hand-over counts %+v", again.Counts)
	}
	if v := w.sound(); v.Counts.Stored != 2010 {
		t.Errorf("%+v", v.Counts)
	}
}

// The text of a message can be removed while the record of its sending stays. The message then
// has an id that reveals nothing about the text.
func TestContentAlone(t *testing.T) {
	w := newWalk(t, Options{})
	picture := &argus.Message{Service: "sky", Conversation: "c", From: "A", Text: "marzipan", Attachments: []argus.Attachment{{Name: "zephyr.jpg"}}}
	w.deliver(&argus.Record{Kind: argus.KindMessage, Message: picture},
		&argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "x", Raw: []byte("quokka")}})
	for _, step := range []struct {
		kind argus.Kind
		gone argus.Gone
		keys []age.Identity
	}{
		{argus.KindWithdrawn, argus.GoneContent | argus.Withheld, nil},
		{argus.KindWithdrawn, argus.GoneAll | argus.Withheld, []age.Identity{w.key}},
		{argus.KindReleased, argus.GoneContent | argus.Withheld, []age.Identity{w.key}},
		{argus.KindReleased, 0, []age.Identity{w.key}},
		{argus.KindDestroyed, argus.GoneContent, nil},
		{argus.KindDestroyed, argus.GoneAll, nil},
	} {
		a := w.order(step.kind, step.gone, 2, 3)
		a.Identities = step.keys
		w.amend(a)
		w.sound()
		r := collect(t, w.s, 2)[0]
		id, _ := picture.Identity()
		switch {
		case r.Gone != step.gone:
			t.Errorf("after %s %d: %+v", step.kind, step.gone, r)
		case step.gone == 0:
			if !cmp.Equal(r.Message, picture) || r.ID != id {
				t.Errorf("it came back as %+v", r)
			}
			continue
		case step.gone&argus.GoneStatement == 0 && (r.Message.From != "A" || r.Message.Text != "" || r.ID == id || r.ID == (argus.ID{})):
			t.Errorf("after %s %d: %+v", step.kind, step.gone, r)
		}
		w.nowhere("marzipan", "zephyr", "quokka", string(id[:]))
	}
}

// A differing copy that was matched to its message by its time belongs to that message, in
// every version and each time the store is opened. Nothing derived from its text outlives the
// text.
func TestContentOfAMovedCopy(t *testing.T) {
	w := newWalk(t, Options{})
	first := &argus.Message{Service: "sky", Conversation: "c", From: "A", Text: "marzipan", Sent: argus.Time{Micros: 1_613_300_000e6, Precision: argus.Second}}
	moved := *first
	moved.Sent.Micros += 3e6
	moved.State = argus.StateEdited
	var hasher argus.Hasher
	copied := func() *argus.Record {
		m := moved
		r := &argus.Record{Kind: argus.KindMessage, Message: &m, Moved: -3}
		r.ID, _ = hasher.Identity(&m)
		r.Met, r.Version = hasher.Moved(&m, -3)
		return r
	}
	alone := copied() // its message is not stored yet
	w.deliver(alone)
	if r := collect(t, w.s, 2)[0]; r.Met != (argus.ID{}) || r.Moved != 0 || r.Of != 0 {
		t.Errorf("a copy without its message is %+v", r)
	}
	w = newWalk(t, Options{})
	id, version := first.Identity()
	w.deliver(&argus.Record{Kind: argus.KindMessage, Message: first})
	w.deliver(copied(), copied())
	want := copied()
	for range 2 {
		all := collect(t, w.s, 4)
		if r := all[0]; r.Kind != argus.KindMessage || r.ID != want.ID || r.Met != id || r.Version != want.Version || r.Version == version || r.Of != 2 {
			t.Errorf("the copy is %+v", r)
		}
		if r := all[1]; r.Kind != argus.KindSighting || r.ID != want.ID || r.Met != id || r.Version != want.Version || r.Of != 4 {
			t.Errorf("its sighting is %+v", r)
		}
		for of, n := range map[argus.ID]int{id: 3, want.ID: 2} {
			if found, err := w.s.Find(of); err != nil || len(found) != n {
				t.Errorf("%s has %d records, want %d (%v)", of, len(found), n, err)
			}
		}
		w.reopen()
	}
	w.sound()
	a := w.order(argus.KindDestroyed, argus.GoneContent, 2, 4)
	if _, err := w.s.Amend(t.Context(), a); err == nil {
		t.Error("the content was removed without its sighting")
	}
	a.Changes[5] = argus.GoneAll
	a.Acts[0].Act.Records = []argus.Span{{First: 2, Last: 2}, {First: 4, Last: 5}}
	w.amend(a)
	w.sound()
	if r := collect(t, w.s, 4)[0]; r.Gone != argus.GoneContent || r.Met != (argus.ID{}) || r.ID == want.ID {
		t.Errorf("without its content the copy is %+v", r)
	}
	w.nowhere("marzipan", string(id[:]), string(want.ID[:]), string(want.Version[:]))
}

func TestAmendRefuses(t *testing.T) {
	w := newWalk(t, Options{})
	w.deliver(append(testBatch(0, 10), testBatch(0, 1)...)...)
	open := begin(t, w.s)
	if err := w.s.Append(t.Context(), open, testBatch(20, 21)); err != nil {
		t.Fatal(err)
	}
	no := func(a Amendment) Amendment { a.Judge = nil; return a }
	last := w.s.Last()
	for name, a := range map[string]Amendment{
		"no change":                     w.order(argus.KindDestroyed, argus.GoneAll),
		"an opening":                    w.order(argus.KindDestroyed, argus.GoneAll, 1),
		"a record that is not there":    w.order(argus.KindDestroyed, argus.GoneAll, 99),
		"a delivery that is not sealed": w.order(argus.KindDestroyed, argus.GoneAll, 14),
		"what is whole":                 w.order(argus.KindReleased, 0, 4),
		"half a sighting":               w.order(argus.KindDestroyed, argus.GoneContent, 12),
		"a shared content":              w.order(argus.KindDestroyed, argus.GoneAll, 2),
		"no judge":                      no(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, 4)),
		"nonsense":                      w.order(argus.KindWithdrawn, argus.Withheld, 4),
		"an act that is none":           {Order: "x", Acts: testBatch(0, 1), Changes: map[uint64]argus.Gone{4: argus.GoneAll}},
	} {
		if _, err := w.s.Amend(t.Context(), a); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if w.s.Last() != last {
		t.Errorf("refused orders left %d records", w.s.Last()-last)
	}
	if names := filesWith(t, w.dir, "ARGUSEG2"); len(names) != w.s.closed+1 {
		t.Errorf("refused orders left files: %v", names)
	}
}

// A stub without an amendment is damage. So is a stub whose amendment is not sealed, was given
// up, or concerns other bytes.
func TestWalkStub(t *testing.T) {
	w := newWalk(t, Options{})
	w.deliver(append(messageBatch(0, 5, secret), testBatch(0, 100)...)...)
	w.amend(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, 3))
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w.sound()
	for name, harm := range map[string]func(dir string) error{
		"without the seal of the amendment": func(dir string) error { return os.Remove(filepath.Join(dir, layout.Seal(2))) },
		"without what is withheld": func(dir string) error {
			return change(dir, func(b *form.Block, records []form.Revised) {
				records[1].Gone, records[1].Statement = argus.GoneAll, nil
			})
		},
		"with another ciphertext": func(dir string) error {
			return change(dir, func(b *form.Block, records []form.Revised) { records[1].Statement[100] ^= 1 })
		},
		"and another one": func(dir string) error {
			return change(dir, func(b *form.Block, records []form.Revised) {
				proof := b.Proof(3, &argus.Record{Kind: argus.KindMessage})
				records[3], _, _ = new(form.Hidden).Revise(argus.GoneAll, argus.Was{Kind: argus.KindMessage}, &proof)
			})
		},
		"that is a sighting now": func(dir string) error {
			return change(dir, func(b *form.Block, records []form.Revised) { records[1].Was.Kind = argus.KindSighting })
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := errors.Join(os.CopyFS(dir, os.DirFS(w.dir)), harm(dir)); err != nil {
				t.Fatal(err)
			}
			damage, _, _ := verifyAll(t, dir, w.keys)
			if !slices.ContainsFunc(damage, func(f check.Finding) bool { return f.First > 0 && f.First <= 5 }) {
				t.Errorf("%+v", damage)
			}
		})
	}
}

// change rewrites the first block of the rewritten segment 1 of a store.
func change(dir string, how func(b *form.Block, records []form.Revised)) error {
	name := filepath.Join(dir, layout.Segment(1, 1))
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	c, err := form.NewCodec()
	if err != nil {
		return err
	}
	out := slices.Clone(data[:form.HeaderSize])
	var blocks []form.Ref
	for at := form.HeaderSize; bytes.HasPrefix(data[at:], []byte("BLK2")); {
		h, err := form.ParseHead(data[at:])
		if err != nil {
			return err
		}
		ref := h.Ref
		ref.Offset = uint32(len(out))
		blocks = append(blocks, ref)
		size := int(h.Size())
		if !h.Rewritten() {
			out = append(out, data[at:at+size]...)
		} else {
			b, err := c.Open(&h, data[at+form.HeadSize:at+size])
			if err != nil {
				return err
			}
			records := make([]form.Revised, b.Len())
			for i := range records {
				records[i] = b.Revised(i)
			}
			how(b, records)
			block, err := c.Rewrite(h, records)
			if err != nil {
				return err
			}
			out = append(out, block...)
		}
		at += size
	}
	out = form.AppendTable(out, blocks, int64(len(out)))
	manifest := form.Manifest([]form.Closed{{Generation: 1, First: 1, Size: int64(len(out))}})
	return errors.Join(os.WriteFile(name, out, 0o600), os.WriteFile(filepath.Join(dir, manifestName), manifest, 0o600))
}

// A process that has the earlier file open can go on reading, and the amendment reports
// that it is not yet done.
func TestReadersOfAReplacedFile(t *testing.T) {
	w := newWalk(t, Options{})
	w.deliver(messageBatch(0, 300, secret)...)
	reader := openTest(t, w.dir, Options{ReadOnly: true, CacheBytes: 1})
	id, _ := secret(98).Identity()
	if found, err := reader.Find(id); err != nil || len(found) != 1 {
		t.Errorf("the reader finds %v, %v", found, err)
	}
	if done := w.amend(w.order(argus.KindDestroyed, argus.GoneAll, numbers(2, 150)...)); done.Done {
		t.Error("the rewriting claims to be done, but a reader has the earlier file open")
	}
	if r, err := reader.Get(t.Context(), 100); err != nil || r.Message == nil {
		t.Errorf("the reader lost what it had open: %v", err)
	}
	damage, notes, _ := verifyAll(t, w.dir, w.keys)
	if len(damage) != 0 || !slices.ContainsFunc(notes, func(f check.Finding) bool { return f.File == segmentName(1) }) {
		t.Errorf("damage %+v, notes %+v; want a note about the earlier file", damage, notes)
	}
	if err := reader.Refresh(); err != nil {
		t.Fatal(err)
	}
	if r, err := reader.Get(t.Context(), 100); err != nil || r.Gone != argus.GoneAll {
		t.Errorf("after a refresh: %+v, %v", r, err)
	}
	if found, err := reader.Find(id); err != nil || len(found) != 0 {
		t.Errorf("the reader finds what was destroyed: %v, %v", found, err)
	}
	if done, err := w.s.Settle(); err != nil || !done {
		t.Errorf("nobody reads the earlier file: %v, %v", done, err)
	}
	w.nowhere("marzipan 7 ")
	w.sound()

	// A reader of the same store, in the middle of an iteration.
	reader.Close()
	n := 0
	for r, err := range w.s.From(t.Context(), 151) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 10 {
			if done := w.amend(w.order(argus.KindDestroyed, argus.GoneAll, numbers(151, 301)...)); !done.Done {
				t.Error("a file is kept that nobody reads")
			}
		}
		if n > 64 && r.Seq <= 301 && r.Gone == 0 {
			t.Fatalf("record %d is there after it was destroyed", r.Seq)
		}
	}
	w.nowhere("marzipan")
	w.sound()
}

// TestCrashWhileAmending copies the store at each named moment, as a kill would leave it. Each
// copy is then opened for writing. If the amendment was not yet sealed, the copy must be as
// before the amendment; otherwise it must be as the order requires.
func TestCrashWhileAmending(t *testing.T) {
	copies := map[string]string{}
	var dir string
	o := Options{SegmentBytes: 4 << 10, IDsInMemory: 40, Failpoint: func(name string) {
		if _, taken := copies[name]; taken || dir == "" || !strings.HasPrefix(name, "amend.") && !strings.HasPrefix(name, "seal.") {
			return
		}
		copies[name] = t.TempDir()
		if err := os.CopyFS(copies[name], os.DirFS(dir)); err != nil {
			t.Error(err)
		}
	}}
	w := newWalk(t, o)
	raw, err := w.s.PutOriginal(t.Context(), strings.NewReader("Date: today\nzephyr in Chambers\n"))
	if err != nil {
		t.Fatal(err)
	}
	w.deliver(append(append(messageBatch(0, 200, secret), messageBatch(10, 20, secret)...), &argus.Record{Kind: argus.KindOriginal, Original: &raw})...)
	before := collect(t, w.s, 1)
	dir = w.dir
	seqs := slices.Concat(numbers(5, 25), numbers(150, 160), numbers(202, 211))
	withdraw := w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, seqs...)
	withdraw.Originals = []OriginalOrder{{Seq: before[len(before)-1].Seq, Parts: []OriginalPart{{Offset: 12, Length: 18}}, Gone: argus.GoneContent | argus.Withheld}}
	w.amend(withdraw)
	if len(copies) < 10 {
		t.Fatalf("%d moments: %v", len(copies), copies)
	}
	for name, at := range copies {
		s, err := Open(at, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seal, err := s.readSeal(2)
		sealed := err == nil && seal != nil
		for _, r := range collect(t, s, 1)[:len(before)] {
			gone := slices.Contains(seqs, r.Seq) && sealed
			if (r.Gone != 0) != gone || !gone && !cmp.Equal(r, before[r.Seq-1]) {
				t.Errorf("%s, sealed %v: record %d is gone as %d", name, sealed, r.Seq, r.Gone)
				break
			}
		}
		f, err := s.OpenOriginal(raw)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := f.ReadAt(make([]byte, 6), 12); (err != nil) != sealed {
			t.Errorf("%s, sealed %v: a part of the original: %v", name, sealed, err)
		}
		if err := errors.Join(f.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		damage, notes, _ := verifyAll(t, at, w.keys)
		notes = slices.DeleteFunc(notes, func(f check.Finding) bool {
			return f.Delivery == 2 || !sealed && strings.Contains(f.Problem, "a change of the original that is prepared")
		})
		if len(damage)+len(notes) != 0 {
			t.Errorf("%s: damage %+v, notes %+v", name, damage, notes)
		}
		if names := filesWith(t, at, "marzipan 155 "); (names == nil) != sealed {
			t.Errorf("%s, sealed %v: the text is in %v", name, sealed, names)
		}
	}
}

// Verify finds no damage in a store that crashed during an amendment, and reports that
// the amendment has not been carried out.
func TestVerifyAfterACrashedAmendment(t *testing.T) {
	w := newWalk(t, Options{})
	w.deliver(messageBatch(0, 50, secret)...)
	a := w.order(argus.KindDestroyed, argus.GoneAll, 7)
	a.Sealed = func(context.Context, *argus.Seal) error { return errors.New("the ledger is full") }
	if _, err := w.s.Amend(t.Context(), a); err == nil || !strings.Contains(err.Error(), "the ledger is full") {
		t.Fatalf("%v", err)
	}
	if _, err := w.s.Amend(t.Context(), w.order(argus.KindDestroyed, argus.GoneAll, 8)); err == nil {
		t.Fatal("another amendment was begun before the first was carried out")
	}
	damage, notes, _ := verifyAll(t, w.dir, w.keys)
	if len(damage) != 0 || !slices.ContainsFunc(notes, func(f check.Finding) bool { return f.First == 7 }) {
		t.Errorf("damage %+v, notes %+v", damage, notes)
	}
	earlier, err := os.ReadFile(filepath.Join(w.dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	w.reopen()
	w.nowhere("marzipan 5 ")
	w.sound()
	// An earlier file that was put back from a backup is detected.
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	manifest := form.Manifest([]form.Closed{{First: 1, Size: int64(len(earlier))}})
	err = errors.Join(os.Remove(filepath.Join(w.dir, layout.Segment(1, 1))), os.RemoveAll(filepath.Join(w.dir, idsDir)),
		os.WriteFile(filepath.Join(w.dir, segmentName(1)), earlier, 0o600), os.WriteFile(filepath.Join(w.dir, manifestName), manifest, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	damage, _, _ = verifyAll(t, w.dir, w.keys)
	if !slices.ContainsFunc(damage, func(f check.Finding) bool { return f.First == 7 }) {
		t.Errorf("a destroyed record is back, and verify says %+v", damage)
	}
}

// Verify finds no damage while an amendment is running.
func TestVerifyBesideAnAmendment(t *testing.T) {
	moments := 0
	var w *walk
	w = newWalk(t, Options{SegmentBytes: 16 << 10, IDsInMemory: 50, Failpoint: func(name string) {
		if w == nil || !strings.HasPrefix(name, "amend.") {
			return
		}
		moments++
		if damage, _, _ := verifyAll(t, w.dir, w.keys); len(damage) != 0 {
			t.Errorf("%s: %+v", name, damage)
		}
	}})
	w.deliver(messageBatch(0, 400, secret)...)
	for n := range uint64(3) {
		amended := false
		_, err := check.Verify(t.Context(), w.dir, w.keys, func(f check.Finding) {
			if !f.Note {
				t.Errorf("%+v", f)
			}
		}, func(int64) {
			if !amended {
				amended = true
				w.amend(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, numbers(5+100*n, 50+100*n)...))
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	if done, err := w.s.Settle(); err != nil || !done {
		t.Errorf("after all: %v, %v", done, err)
	}
	w.sound()
	if moments < 12 {
		t.Errorf("%d moments", moments)
	}
}

// Appends, reads and amendments run at the same time.
func TestAmendBesideAppends(t *testing.T) {
	w := newWalk(t, Options{SegmentBytes: 16 << 10, IDsInMemory: 60, Recent: 50, CacheBytes: 1 << 14})
	w.deliver(messageBatch(0, 300, secret)...)
	d := begin(t, w.s)
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for n := 0; ; n += 10 {
			select {
			case <-stop:
				return
			default:
			}
			// Some of the messages that were destroyed in the meantime arrive again.
			batch := append(testBatch(n, n+10), messageBatch(n%290, n%290+5, secret)...)
			if err := w.s.Append(t.Context(), d, batch); err != nil {
				t.Error(err)
				return
			}
		}
	})
	others.Go(func() {
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.s.Get(t.Context(), 2+n*37%300); err != nil {
				t.Error(err)
			}
			id, _ := secret(int(n * 13 % 300)).Identity()
			if _, err := w.s.Find(id); err != nil {
				t.Error(err)
			}
		}
	})
	carried := 0
	for n := range uint64(15) {
		// A content whose sightings are in an open delivery cannot be removed; its
		// statement can.
		a := w.order(argus.KindDestroyed, argus.GoneStatement, numbers(2+20*n, 21+20*n)...)
		if _, err := w.s.Amend(t.Context(), a); err != nil {
			t.Error(err)
			continue
		}
		carried++
	}
	close(stop)
	others.Wait()
	if _, err := w.s.Seal(t.Context(), d, "store", w.signer, time.Unix(1_700_000_000, 0), ""); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	w.sound()
	if carried != 15 {
		t.Errorf("%d amendments", carried)
	}
}

// TestRemoveOldTogether: the last reader of a replaced file and Settle may remove it at the
// same time.
func TestRemoveOldTogether(t *testing.T) {
	w := newWalk(t, Options{})
	for range 1000 {
		name := evidenceDir + "/00000009.seg"
		if err := os.WriteFile(w.s.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() {
				if _, err := w.s.removeOld(name); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
	}
}

// TestPowerCutWhileAmending cuts the power at any operation of an amendment: the records are
// all as before, or all as the sealed order requires.
func TestPowerCutWhileAmending(t *testing.T) {
	cuts := 60
	if testing.Short() {
		cuts = 20
	}
	carried, finished := 0, 0
	for seed := range cuts {
		done, cut, problem := cutAmendment(t, uint64(seed), false)
		if problem != "" {
			t.Fatalf("cut %d: %s", seed, problem)
		}
		if done {
			carried++
		}
		if done && cut {
			finished++
		}
	}
	if carried == 0 || carried == cuts || finished == 0 {
		t.Errorf("%d of %d amendments were carried out, %d of them after the cut: the cuts are not where they should be", carried, cuts, finished)
	}
	// As a control, the test must detect a disk whose syncs do nothing while the order is
	// carried out.
	found := 0
	for seed := range 40 {
		if _, _, problem := cutAmendment(t, uint64(seed), true); problem != "" {
			found++
		}
	}
	if found == 0 {
		t.Error("an amendment that does not sync passes this test: it proves nothing")
	}
}

// cutAmendment reports whether the amendment was carried out, whether the power was cut before
// the amendment was done, and the problem, if any.
func cutAmendment(t *testing.T, seed uint64, lies bool) (carried, cut bool, problem string) {
	rng := rand.New(rand.NewPCG(seed, 9))
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "evidence"), 0o700); err != nil {
		return false, false, err.Error()
	}
	d := durabletest.New(seed)
	w := &walk{t: t, dir: dir, o: Options{disk: d, SegmentBytes: 3 << 10, IDsInMemory: 40}}
	w.signer, w.keys = testKey(t)
	w.judge, w.key = testJudge(t)
	s, err := Create(dir, w.o)
	if err != nil {
		return false, false, err.Error()
	}
	w.s = s
	w.deliver(append(messageBatch(0, 100, secret), messageBatch(5, 8, secret)...)...)
	seqs := append(numbers(5, 30), numbers(102, 104)...)
	if lies {
		d.Lie()
	}
	d.CutAfter(rng.IntN(60))
	_, amended := s.Amend(t.Context(), w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, seqs...))
	cut = amended != nil
	s.Close()
	w.o.disk = d.Cut()
	if s, err = Open(dir, w.o); err != nil {
		return false, false, err.Error()
	}
	defer s.Close()
	_, err = s.readSeal(2)
	carried = err == nil
	if !cut && !carried {
		return carried, cut, "an amendment that was carried out is gone"
	}
	for r, err := range s.From(t.Context(), 1) {
		if err != nil {
			return carried, cut, err.Error()
		}
		if r.Delivery == 1 && (r.Gone != 0) != (carried && slices.Contains(seqs, r.Seq)) {
			return carried, cut, fmt.Sprintf("sealed %v: record %d is gone as %d", carried, r.Seq, r.Gone)
		}
	}
	id, _ := secret(3 + 1).Identity()
	found, err := s.Find(id)
	if err != nil || (len(found) == 0) != carried {
		return carried, cut, fmt.Sprintf("sealed %v: the ids have %v, %v", carried, found, err)
	}
	return carried, cut, ""
}

// TestHarmedSegmentsDoNotPanic changes bytes of segments with removed records, fixes the
// checksums so that the change is not rejected early, and opens, reads and verifies them.
func TestHarmedSegmentsDoNotPanic(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 40
	}
	w := newWalk(t, Options{SegmentBytes: 4 << 10})
	w.deliver(append(messageBatch(0, 150, secret), messageBatch(5, 15, secret)...)...)
	w.amend(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, numbers(20, 40)...))
	w.amend(w.order(argus.KindDestroyed, argus.GoneContent, numbers(41, 50)...))
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(w.dir, evidenceDir, "*.seg"))
	if err != nil || len(names) < 2 {
		t.Fatalf("%v, %v", names, err)
	}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 3))
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, evidenceDir, filepath.Base(names[rng.IntN(len(names))]))
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(3) {
			at := form.HeaderSize + rng.IntN(len(data)-form.HeaderSize)
			if _, err := form.ParseHead(data[form.HeaderSize:]); err == nil && rng.IntN(2) == 0 {
				at = form.HeaderSize + rng.IntN(form.HeadSize+int(binary.LittleEndian.Uint32(data[form.HeaderSize+48:]))) // header and table
			}
			data[at] = byte(rng.IntN(256))
		}
		for at := form.HeaderSize; at+form.HeadSize <= len(data) && bytes.HasPrefix(data[at:], []byte("BLK2")); {
			length := func(field int) int {
				return int(min(uint64(binary.LittleEndian.Uint32(data[at+field:])), uint64(len(data))))
			}
			contents := min(at+form.HeadSize+length(48)+length(8), len(data))
			end := min(contents+length(16), len(data))
			binary.LittleEndian.PutUint32(data[at+52:], crc(data[at+form.HeadSize:contents]))
			binary.LittleEndian.PutUint32(data[at+56:], crc(data[contents:end]))
			binary.LittleEndian.PutUint32(data[at+60:], crc(data[at:at+60]))
			at = end
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		verifyAll(t, dir, w.keys)
		for _, readOnly := range []bool{true, false} {
			s, err := Open(dir, Options{ReadOnly: readOnly})
			if err != nil {
				continue
			}
			var book account.Bookkeeper
			for r, err := range s.From(t.Context(), 1) {
				if err == nil {
					book.Add(r)
					_, _ = s.Whole(t.Context(), r.Seq)
				}
			}
			book.Receipt(nil)
			for _, err := range s.Contents(t.Context(), 1) {
				if err != nil {
					break
				}
			}
			_, _ = s.Deliveries(t.Context())
			s.Close()
		}
		os.RemoveAll(dir)
	}
}
