package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/verify"
)

// writing opens a store for writing, and passes an intake to work.
func writing(t testing.TB, dir string, o Options, work func(ctx context.Context, o intake.Options) error) error {
	t.Helper()
	o.Write = true
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	who, err := n.Who(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001"})
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(n.Ingest(t.Context(), who, intake.Options{BatchRecords: 50}, work), n.Close())
}

// reread reads a delivery again.
func reread(t testing.TB, dir string, o Options, d argus.DeliveryNumber) (receipt *argus.Receipt, diff *intake.Difference) {
	t.Helper()
	err := writing(t, dir, o, func(ctx context.Context, o intake.Options) (err error) {
		if receipt, err = intake.Reread(ctx, o, d, "a newer reader"); err == nil {
			diff, err = intake.Compare(ctx, o.Store, receipt.Delivery)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return receipt, diff
}

func line(n int, text string) string {
	return fmt.Sprintf(`{"service":"sky","conversation":"A|B","from":"%c","from_name":"Name","to":["%c"],"id":"%d","sent":"2021-02-14T%02d:%02d:00Z","text":%q}`+"\n",
		'A'+n%2, 'B'-n%2, n, n/60%24, n%60, text)
}

// olderStore makes a store in which an older reader read source. change turns each
// message that today's reader finds into the one that the older reader found, or into nil
// if it found none. more holds the messages that only the older reader found. The second
// delivery is read by today's reader.
func olderStore(t testing.TB, o Options, source, second string, change func(n int, m *argus.Message) *argus.Message, more ...*argus.Message) (dir, fresh string) {
	t.Helper()
	base := t.TempDir()
	dir, fresh = filepath.Join(base, "older"), filepath.Join(base, "fresh")
	for _, name := range []string{dir, fresh} {
		if err := Create(t.Context(), name, o); err != nil {
			t.Fatal(err)
		}
	}
	ingest(t, fresh, o, source)
	var found []*argus.Record
	e, err := evidence.Open(fresh, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range e.Records(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	err = writing(t, dir, o, func(ctx context.Context, o intake.Options) error {
		opening := *found[0].Opening
		opening.Readers = []string{"jsonl/1"}
		d, err := o.Store.Begin(ctx, opening)
		if err != nil {
			return err
		}
		if err := intake.RecordOpening(ctx, o, d); err != nil {
			return err
		}
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		kept, err := o.Store.PutOriginal(ctx, f)
		if err != nil {
			return err
		}
		kept.Path, kept.Modified = found[1].Original.Path, found[1].Original.Modified
		original := &argus.Record{Kind: argus.KindOriginal, Original: &kept}
		if err := o.Store.Append(ctx, d, []*argus.Record{original}); err != nil {
			return err
		}
		at := argus.Where{Original: original.Seq, Reader: 1, Record: 1}
		var records []*argus.Record
		for i, r := range found[2:] {
			m := *r.Message
			at.Record = uint64(i + 1)
			if was := change(i, &m); was != nil {
				records = append(records, &argus.Record{Kind: argus.KindMessage, Message: was, Where: at})
				continue
			}
			records = append(records, &argus.Record{Kind: argus.KindQuarantined, Where: at, Quarantine: &argus.Quarantine{Reason: "not understood yet"}})
		}
		for _, m := range more {
			records = append(records, &argus.Record{Kind: argus.KindMessage, Message: m, Where: at})
		}
		if err := o.Store.Append(ctx, d, records); err != nil {
			return err
		}
		seal, err := o.Store.Seal(ctx, d, o.StoreID, o.Signer, o.Now(), "")
		if err != nil {
			return err
		}
		return intake.RecordSeal(ctx, o, seal)
	})
	if err != nil {
		t.Fatal(err)
	}
	ingest(t, dir, o, second)
	ingest(t, fresh, o, second)
	return dir, fresh
}

// answers asks a store for its deliveries, versions and messages.
func answers(t testing.TB, dir string, o Options) map[string]*desk.SearchResult {
	t.Helper()
	all := map[string]*desk.SearchResult{}
	for _, q := range []string{"*", "is:differs", "delivery:D-0001", "delivery:D-0002", "delivery:D-0001 delivery:D-0002", "delivery:D-0003", "from:A", "crate", "in:other"} {
		r := search(t, dir, o, q)
		r.Entry = 0
		slices.SortFunc(r.Hits, func(a, b desk.Hit) int { return bytes.Compare(a.Ref[:], b.Ref[:]) })
		all[q] = r
	}
	return all
}

// A second reading supersedes that of an older reader: the answers are the same as those
// of a store for which today's readers read the same files.
func TestReread(t *testing.T) {
	o := testOptions(t)
	t.Chdir(t.TempDir())
	var first strings.Builder
	for n := range 10 {
		first.WriteString(line(n, fmt.Sprintf("crate %d", n)))
	}
	write(t, "first.jsonl", first.String())
	write(t, "second.jsonl", line(0, "crate 0")+line(1, "crate 1")+line(50, "what both have, and the file does not")+line(60, "crate 60"))
	phantom := &argus.Message{Service: "sky", Conversation: "A|B", From: "A", FromName: "Name", To: []string{"B"}, ServiceID: "50",
		Sent: argus.Time{Micros: 1613263800000000, Precision: argus.Second, Zone: argus.ZoneStated}, Text: "what both have, and the file does not"}
	dir, fresh := olderStore(t, o, "first.jsonl", "second.jsonl", func(n int, m *argus.Message) *argus.Message {
		switch n {
		case 1, 2, 3:
			m.Text = "cra" // another version
		case 4:
			m.FromName = "" // another statement
		case 5:
			m.Conversation = "other" // another message
		case 6:
			return nil
		}
		return m
	}, phantom)
	if r := search(t, dir, o, "is:differs"); r.Total != 1 { // message 1, which is unchanged in the second delivery
		t.Fatalf("%d messages differ before, want 1", r.Total)
	}
	if r := search(t, dir, o, "in:other"); r.Total != 1 {
		t.Fatalf("%d messages found only by the older reading, want 1", r.Total)
	}
	seal, err := os.ReadFile(filepath.Join(dir, "deliveries/D-0001.seal"))
	if err != nil {
		t.Fatal(err)
	}

	receipt, diff := reread(t, dir, o, 1)
	if c := receipt.Counts; receipt.Reads != 1 || c.Read != 10 || !c.Balanced() || c.Quarantined != 0 {
		t.Errorf("the account of the reading of %s is %+v", receipt.Reads, c)
	}
	want := &intake.Difference{
		Of: 1, Then: 1, Now: 3, Same: 4, Changes: intake.Changes{New: 2, Gone: 2, Changed: 4},
		Conversations: []intake.ConversationChanges{
			{Service: "sky", Conversation: "A|B", Changes: intake.Changes{New: 2, Gone: 1, Changed: 4}},
			{Service: "sky", Conversation: "other", Changes: intake.Changes{Gone: 1}},
		},
		Readers:     []intake.ReaderChanges{{Then: "jsonl/1", Now: receipt.Files[0].Readers[0], Changes: intake.Changes{New: 2, Gone: 2, Changed: 4}}},
		Quarantined: []intake.ReasonChange{{Reason: "not understood yet", Then: 1}},
	}
	if d := cmp.Diff(want, diff); d != "" {
		t.Errorf("the difference (-want +got):\n%s", d)
	}
	same := func(when string) {
		t.Helper()
		if d := cmp.Diff(answers(t, fresh, o), answers(t, dir, o)); d != "" {
			t.Errorf("%s, the answers differ from those of a fresh store (-fresh +read again):\n%s", when, d)
		}
		damage, notes, _ := verified(t, dir)
		if len(damage) > 0 {
			t.Errorf("%s: %v", when, damage)
		}
		if !slices.ContainsFunc(notes, func(f verify.Finding) bool { return strings.Contains(f.Problem, "D-0001 was read again by D-0003") }) {
			t.Errorf("%s, verify does not say that D-0001 was read again: %v", when, notes)
		}
		if now, err := os.ReadFile(filepath.Join(dir, "deliveries/D-0001.seal")); err != nil || !bytes.Equal(now, seal) {
			t.Errorf("%s, the first seal has changed: %v", when, err)
		}
	}
	same("read again")
	if _, err := Reindex(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	same("indexed anew")
	receipt, diff = reread(t, dir, o, 1)
	if diff.Then != 3 || diff.Same != 10 || diff.Changes != (intake.Changes{}) {
		t.Errorf("the second reading of %s differs from %s: %+v", receipt.Reads, diff.Then, diff)
	}
	same("read again twice")
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A whole case gives the same answers after all its formats were read again.
func TestRereadOfTheInventedCase(t *testing.T) {
	o := testOptions(t)
	o.SegmentBytes = 0
	from := inventedDeliveries(t, 300)
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "truth.json" {
			names = append(names, e.Name())
		}
	}
	dir := takeIn(t, o, from, names...)
	queries := []string{"*", "is:differs", "is:locked", "delivery:D-0001", "delivery:D-0002", "delivery:D-0003"}
	ask := func() map[string]*desk.SearchResult {
		all := map[string]*desk.SearchResult{}
		for _, q := range queries {
			r := search(t, dir, o, q)
			all[q] = &desk.SearchResult{Total: r.Total, Messages: r.Messages, Beside: r.Beside, Differing: r.Differing}
		}
		return all
	}
	before := ask()
	for i := range names {
		n := argus.DeliveryNumber(i + 1)
		receipt, diff := reread(t, dir, o, n)
		if diff.Changes != (intake.Changes{}) || diff.Quarantined != nil {
			t.Errorf("%s of %s differs from before: %+v", receipt.Delivery, names[i], diff)
		}
		if d := cmp.Diff(before, ask()); d != "" {
			t.Errorf("with %s read again, the answers differ (-before +after):\n%s", names[i], d)
		}
	}
	if damage, _, _ := verified(t, dir); len(damage) > 0 {
		t.Errorf("%v", damage)
	}
}

// A reading by another process affects the answers of the process that keeps the index.
func TestRereadBesideAServer(t *testing.T) {
	o := testOptions(t)
	t.Chdir(t.TempDir())
	write(t, "first.jsonl", line(0, "crate")+line(1, "crate"))
	write(t, "second.jsonl", line(2, "crate"))
	dir, _ := olderStore(t, o, "first.jsonl", "second.jsonl", func(_ int, m *argus.Message) *argus.Message {
		m.Text = "cra"
		return m
	})
	n, who := desks(t, dir, o, "")
	following, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Follow(following) }()
	ask := func() uint64 {
		r, err := n.Desk.Search(t.Context(), who[0], desk.SearchRequest{Query: "crate"})
		if err != nil {
			t.Fatal(err)
		}
		return r.Total
	}
	if got := ask(); got != 1 {
		t.Errorf("%d messages before, want 1", got)
	}
	err := writing(t, dir, o, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Reread(ctx, o, 1, "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ask() != 3; try++ {
		if try == 100 {
			t.Fatalf("%d messages, want 3", ask())
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A person who may not see all of a delivery cannot read it again, or finish somebody
// else's reading of it, because the report names the content.
func TestRereadInScopeOnly(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 5), lines(5, 9))
	var who []desk.Who
	t.Run("authorities", func(t *testing.T) { _, who = desks(t, dir, o, "delivery:D-0001", "delivery:D-0002", "from:A") })
	o.Write = true
	again := func(who desk.Who, work func(context.Context, intake.Options) error) error {
		n, err := Open(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(n.Ingest(t.Context(), who, intake.Options{BatchRecords: 1}, work), n.Close())
	}
	read := func(ctx context.Context, o intake.Options) error {
		_, err := intake.Reread(ctx, o, 1, "")
		return err
	}
	resume := func(ctx context.Context, o intake.Options) error {
		_, err := intake.Resume(ctx, o)
		return err
	}
	refuses := func(work func(context.Context, intake.Options) error) {
		t.Helper()
		for _, w := range who[1:] {
			if err := again(w, work); !errors.Is(err, argus.ErrNotFound) {
				t.Errorf("under %s: %v, want ErrNotFound", w.Authority, err)
			}
		}
	}
	refuses(read)
	stop := errors.New("stop here")
	err := again(who[0], func(ctx context.Context, o intake.Options) error {
		o.Pace = func(context.Context) error { return stop }
		return read(ctx, o)
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	refuses(resume)
	if err := again(who[0], resume); err != nil {
		t.Errorf("inside the scope: %v", err)
	}
}

// Reading the originals again does not bring back anything that an order removed.
func TestRereadBringsNothingBack(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 5))
	err := writing(t, dir, o, func(ctx context.Context, o intake.Options) error {
		_, err := o.Store.Amend(ctx, evidence.Amendment{
			Opening: argus.Opening{Source: "order", Authority: "A-0001", Actor: "judge"}, Order: "Rb 1",
			Acts:    []*argus.Record{{Kind: argus.KindDestroyed, Act: &argus.Act{Order: "Rb 1", Records: []argus.Span{{First: 3, Last: 3}}}}},
			Changes: map[uint64]argus.Gone{3: argus.GoneAll}, Store: o.StoreID, Signer: o.Signer, Now: o.Now(),
			Begun:  func(ctx context.Context, d argus.DeliveryNumber) error { return intake.RecordOpening(ctx, o, d) },
			Sealed: func(ctx context.Context, seal *argus.Seal) error { return intake.RecordSeal(ctx, o, seal) },
		})
		if err != nil {
			return err
		}
		_, err = intake.Reread(ctx, o, 1, "")
		return err
	})
	if !errors.Is(err, intake.ErrGone) {
		t.Errorf("reading it again: %v, want ErrGone", err)
	}
}
