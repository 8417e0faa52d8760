package node

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/verify"
)

// sealingStore is a store that seals protected communication.
type sealingStore struct {
	dir   string
	o     Options
	lent  string
	judge age.Identity
}

// makeSealing makes a store without deliveries. accounts are those of the protected persons
// on the service sky.
func makeSealing(t *testing.T, o Options, accounts ...string) *sealingStore {
	t.Helper()
	s := &sealingStore{dir: filepath.Join(t.TempDir(), "s"), o: o}
	makeStore(t, s.dir, o)
	t.Chdir(t.TempDir())
	var lines []string
	for range 2 {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		lines, s.judge = append(lines, id.Recipient().String()), id
	}
	s.administer(t, func(ctx context.Context, a *admin.Admin) error {
		_, err := a.SetUpPrivilege(ctx, "tester", strings.Join(lines, "\n"), func(k privilege.Key) error {
			s.lent = k.Text()
			return nil
		})
		return err
	})
	s.direct(t, accounts...)
	return s
}

func (s *sealingStore) administer(t *testing.T, work func(context.Context, *admin.Admin) error) {
	t.Helper()
	n, err := Open(t.Context(), s.dir, s.o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(work(t.Context(), n.Admin), n.Close()); err != nil {
		t.Fatal(err)
	}
}

// direct replaces the directory of protected persons.
func (s *sealingStore) direct(t *testing.T, accounts ...string) {
	t.Helper()
	key, err := privilege.ParseKey(s.lent)
	if err != nil {
		t.Fatal(err)
	}
	d, report := privilege.NewDirectory(nil), &privilege.ReadReport{}
	if len(accounts) > 0 {
		var register strings.Builder
		register.WriteString("name;profession;service;account\n")
		for _, a := range accounts {
			register.WriteString("Nomen Nescio;lawyer;sky;" + a + "\n")
		}
		if d, report, err = privilege.ReadDirectory(t.Context(), []byte(register.String()), privilege.ReadOptions{}); err != nil || report.Entries != uint64(len(accounts)) {
			t.Fatalf("%+v, %v", report, err)
		}
	}
	s.administer(t, func(ctx context.Context, a *admin.Admin) error { return a.AddDirectory(ctx, "tester", key, d, report) })
}

// takeIn runs an intake with a key.
func (s *sealingStore) takeIn(t *testing.T, o Options, key string, work func(context.Context, intake.Options) error) error {
	t.Helper()
	o.Write = true
	n, err := Open(t.Context(), s.dir, o)
	if err != nil {
		return err
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	return n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "p"}, intake.Options{BatchRecords: 7, Lent: key}, work)
}

// ingest ingests a file under its name.
func (s *sealingStore) ingest(t *testing.T, name, content string) (receipt *argus.Receipt) {
	t.Helper()
	write(t, name, content)
	if err := os.Chtimes(name, time.Time{}, time.Unix(1_600_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	err := s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) (err error) {
		receipt, err = intake.Ingest(ctx, o, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// records returns the readable records of the evidence, and the records inside the sealed
// ones.
func (s *sealingStore) records(t *testing.T) (clear, opened []*argus.Record) {
	t.Helper()
	e, err := evidence.Open(s.dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	for r, err := range e.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != argus.KindSealed {
			clear = append(clear, r)
			continue
		}
		about, err := privilege.ReadAbout(r.Sealed.Ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		envelope, err := os.ReadFile(layout.File(s.dir, layout.Envelope(about.Batch)))
		if err != nil {
			t.Fatal(err)
		}
		batch, err := privilege.OpenEnvelope(envelope, s.judge)
		if err != nil {
			t.Fatal(err)
		}
		one, err := evidence.OpenSealed(r, func(sealed []byte) ([]byte, error) {
			plain, _, err := batch.Open(sealed)
			return plain, err
		})
		if err != nil {
			t.Fatal(err)
		}
		opened = append(opened, one)
	}
	return clear, opened
}

// withheld reports for each file whether its bytes are withheld.
func (s *sealingStore) withheld(t *testing.T) map[string]bool {
	t.Helper()
	e, err := evidence.Open(s.dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	list := map[string]bool{}
	for r, err := range e.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != argus.KindOriginal || r.Original.Size == 0 {
			continue
		}
		f, err := e.OpenOriginal(*r.Original)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		list[r.Original.Path] = errors.Is(err, original.ErrWithheld)
		_ = f.Close()
	}
	return list
}

// chat is a line between two accounts of sky.
func chat(n int, from, to, text string) string {
	a, b := min(from, to), max(from, to)
	return fmt.Sprintf(`{"service":"sky","conversation":"%s|%s","from":%q,"to":[%q],"id":"%d","sent":"2021-02-14T%02d:%02d:00Z","text":%q}`+"\n", a, b, from, to, n, n/60%24, n%60, text)
}

// talk has many ordinary messages, and among them some with the lawyer L.
func talk(ordinary bool) string {
	var text strings.Builder
	for n := range 60 {
		text.WriteString(chat(n, string(rune('A'+n%2)), string(rune('B'-n%2)), fmt.Sprintf("message %d about crates and numbers", n)))
		if !ordinary && n%10 == 5 {
			text.WriteString(chat(1000+n, "A", "L", fmt.Sprintf("secret %d: we meet at the harbour at nine", n)))
		}
	}
	return text.String()
}

// Only the judge can read the communication with a protected person in the store's files,
// and the judge can read all of it.
func TestProtectedIsSealed(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	// B forwards the lawyer's words, early in the file and long before the lawyer wrote them.
	forward := chat(2000, "B", "C", "secret 15: we meet at the harbour at nine")
	receipt := s.ingest(t, "phone.jsonl", forward+talk(false)+"{broken secret\n")
	s.ingest(t, "clean.jsonl", talk(true)+"{broken\n")
	if want := (argus.Counts{Read: 60, Stored: 60}); receipt.Counts != want || receipt.Seal.Counts != want {
		t.Errorf("the receipt says %+v, its seal %+v, want %+v", receipt.Counts, receipt.Seal.Counts, want)
	}
	clear, opened := s.records(t)
	for _, r := range clear {
		if r.Message != nil && strings.Contains(r.Message.Text, "secret") || r.Quarantine != nil && strings.Contains(string(r.Quarantine.Raw), "secret") {
			t.Errorf("record %d is readable: %+v", r.Seq, r)
		}
	}
	kinds := map[argus.Kind]int{}
	for _, r := range opened {
		kinds[r.Kind]++
		if r.Kind == argus.KindMessage && (!strings.Contains(r.Message.Text, "secret") || r.Where.Length == 0) {
			t.Errorf("sealed: %+v", r)
		}
	}
	if want := map[argus.Kind]int{argus.KindMessage: 7, argus.KindQuarantined: 1}; !maps.Equal(kinds, want) {
		t.Errorf("the judge reads %v, want %v", kinds, want)
	}
	if want := map[string]bool{"phone.jsonl": true, "clean.jsonl": false}; !maps.Equal(s.withheld(t), want) {
		t.Errorf("withheld: %v, want %v", s.withheld(t), want)
	}
	wantSound(t, s.dir, "sealed")
	if r := search(t, s.dir, s.o, "secret"); r.Total != 0 {
		t.Errorf("%d are found", r.Total)
	}
	// If the file is ingested again, nothing new is found, and the file is withheld
	// again.
	s.ingest(t, "again.jsonl", talk(false))
	if _, more := s.records(t); len(more) != len(opened)+6 || !s.withheld(t)["again.jsonl"] {
		t.Errorf("handed in again: %d are sealed, %v", len(more), s.withheld(t))
	}
	wantSound(t, s.dir, "handed in again")
	// Reading it again needs the judge.
	err := s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Reread(ctx, o, 1, "")
		return err
	})
	if !errors.Is(err, intake.ErrGone) {
		t.Errorf("reading it again: %v", err)
	}
	err = s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Reread(ctx, o, 2, "")
		return err
	})
	if err != nil {
		t.Errorf("reading a clean delivery again: %v", err)
	}
	wantSound(t, s.dir, "read again", "was read again")
}

// Nothing is ingested without the judge's key or with another key, or before somebody has
// decided who is protected.
func TestNothingIsTakenInWithoutTheKey(t *testing.T) {
	o := testOptions(t)
	s := makeSealing(t, o, "L")
	write(t, "a.jsonl", talk(false))
	work := func(ctx context.Context, o intake.Options) error {
		t.Error("the work begins")
		return nil
	}
	for name, c := range map[string]struct {
		key  string
		want error
	}{"none": {"", ErrNotLent}, "another": {privilege.NewKey().Text(), privilege.ErrOtherKey}} {
		if err := s.takeIn(t, o, c.key, work); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	undecided := &sealingStore{dir: filepath.Join(t.TempDir(), "s"), o: o}
	makeStore(t, undecided.dir, o)
	if err := undecided.takeIn(t, o, s.lent, work); !errors.Is(err, admin.ErrNoPrivilege) {
		t.Errorf("a key where nothing is sealed: %v", err)
	}
	setup := func(ctx context.Context, a *admin.Admin) error {
		one, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		two, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		_, err = a.SetUpPrivilege(ctx, "tester", one.Recipient().String()+"\n"+two.Recipient().String(), func(k privilege.Key) error {
			undecided.lent = k.Text()
			return nil
		})
		return err
	}
	undecided.administer(t, setup)
	if err := undecided.takeIn(t, o, undecided.lent, work); !errors.Is(err, ErrNoDirectory) {
		t.Errorf("before there is a directory: %v", err)
	}
	undecided.administer(t, func(ctx context.Context, a *admin.Admin) error {
		if err := setup(ctx, a); !errors.Is(err, admin.ErrSetUp) {
			t.Errorf("set up twice: %v", err)
		}
		return nil
	})
	undecided.direct(t) // an empty directory is a decision
	if err := undecided.takeIn(t, o, undecided.lent, func(context.Context, intake.Options) error { return nil }); err != nil {
		t.Errorf("with an empty directory: %v", err)
	}
	wantSound(t, undecided.dir, "set up")
}

// If a process is stopped at any moment of a delivery, nothing protected is readable once
// the delivery was resumed or given up, and nothing is sealed twice.
func TestSealingSurvivesStops(t *testing.T) {
	moments := []string{
		"ledger.ingest.protect", "change.ready", "change.recorded", "amend.originals-prepared", "seal.before-seal", "seal.sealed",
		"withhold.sealed", "original.forgotten", "ledger.ingest.seal",
	}
	for n := range 8 {
		moments = append(moments, fmt.Sprint("batch ", n))
	}
	whole := makeSealing(t, testOptions(t), "L")
	whole.ingest(t, "phone.jsonl", talk(false)+"{broken secret\n")
	wantClear, wantOpened := whole.records(t)
	texts := func(records []*argus.Record) (list []string) {
		for _, r := range records {
			if r.Message != nil {
				list = append(list, r.Message.Text)
			} else if r.Quarantine != nil {
				list = append(list, r.Quarantine.Reason)
			}
		}
		slices.Sort(list)
		return list
	}
	for _, moment := range moments {
		s := makeSealing(t, testOptions(t), "L")
		write(t, "phone.jsonl", talk(false)+"{broken secret\n")
		reached := false
		at := s.o
		at.Failpoint = func(here string) {
			if here == moment {
				reached = true
				panic(stopped{here})
			}
		}
		stops(func() error {
			return s.takeIn(t, at, s.lent, func(ctx context.Context, o intake.Options) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				batch := 0
				o.Pace = func(ctx context.Context) error {
					if moment == fmt.Sprint("batch ", batch) {
						reached = true
						cancel()
					}
					batch++
					return ctx.Err()
				}
				_, err := intake.Ingest(ctx, o, "phone.jsonl")
				return err
			})
		})
		if !reached {
			t.Errorf("%s was not reached", moment)
		}
		err := s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Resume(ctx, o)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", moment, err)
		}
		clear, opened := s.records(t)
		if diff := cmp.Diff(texts(wantClear), texts(clear)); diff != "" {
			t.Errorf("%s: the readable records differ:\n%s", moment, diff)
		}
		if diff := cmp.Diff(texts(wantOpened), texts(opened)); diff != "" {
			t.Errorf("%s: the sealed records differ:\n%s", moment, diff)
		}
		if !s.withheld(t)["phone.jsonl"] {
			t.Errorf("%s: the original is readable", moment)
		}
		if damage, _, _ := verified(t, s.dir); len(damage) != 0 {
			t.Errorf("%s: %+v", moment, damage)
		}
	}
}

// stops runs work, which a failpoint may stop.
func stops(work func() error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopped); !ok {
				panic(r)
			}
		}
	}()
	_ = work()
}

// allButFiles is what everybody but the judge can be told about a store, under several scopes,
// without what differs between any two stores, and without the size and the hash of the
// received files, which SECURITY.md names.
func (s *sealingStore) allButFiles(t *testing.T, deliveries int, queries []string) map[string]string {
	t.Helper()
	var order []int
	for i := range deliveries {
		order = append(order, i)
	}
	answers := allAnswers(t, s.dir, s.o, order, 3, queries, "*", "delivery:1", "from:A", "sent:2021-02-14T00:10..2021-02-14T00:30")
	n, who := desks(t, s.dir, s.o, "*")
	for d := range deliveries {
		number := argus.DeliveryNumber(d + 1)
		pieces, err := n.Desk.Quarantine(t.Context(), who[0], number, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := n.Desk.Receipt(t.Context(), who[0], number)
		if err != nil {
			t.Fatal(err)
		}
		answers[fmt.Sprintf("quarantine of %s", number)] = plain(t, pieces, order)
		answers[fmt.Sprintf("receipt of %s", number)] = plain(t, receipt, order)
	}
	list, err := n.Desk.Deliveries(t.Context(), who[0])
	if err != nil {
		t.Fatal(err)
	}
	answers["deliveries"] = plain(t, list, order)
	ledger, err := n.Desk.Ledger(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "p"}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	answers["ledger"] = fmt.Sprint(len(ledger))
	for _, e := range ledger {
		subject, _, _ := strings.Cut(e.Subject, ".") // the hash of a file is random
		answers["ledger"] += fmt.Sprintf("\n%s %s %s", e.Action, subject, e.Detail["read"])
	}
	hidden := regexp.MustCompile(`"(size|sha256|offset|record|length|place)": [^\n]*\n`)
	for asked, answer := range answers {
		answers[asked] = hidden.ReplaceAllString(answer, "")
	}
	return answers
}

// Everybody but the judge gets the same answers with and without protected messages in the
// source: hits, counts, facets, histograms, pages, traces, receipts, quarantine, and the acts
// in the ledger.
func TestNoAnswerTellsOfTheProtected(t *testing.T) {
	if testing.Short() {
		t.Skip("asks two stores everything")
	}
	queries := []string{"secret", "harbour", "with:L", "in:=\"A|L\"", "to:L", "from:A", "*", "crates", "sent:2021-02-14", "is:message"}
	queries = append(queries, randomQueries(times(t, "ARGUS_LEAKS", 10))...)
	var got [2]map[string]string
	for i, ordinary := range []bool{true, false} {
		s := makeSealing(t, testOptions(t), "L")
		s.ingest(t, "phone.jsonl", talk(ordinary))
		s.ingest(t, "server.jsonl", talk(ordinary)+chat(500, "A", "B", "only the server has this"))
		s.ingest(t, "other.jsonl", chat(501, "A", "C", "afterwards")+"{broken\n")
		if _, opened := s.records(t); ordinary == (len(opened) > 0) {
			t.Fatalf("%d are sealed: the test compares nothing", len(opened))
		}
		got[i] = s.allButFiles(t, 3, queries)
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Fatalf("the answers differ:\n%s", diff)
	}
	t.Logf("reliability: leaks tried %d failed 0", len(got[0]))
}

// A change of any file that recipients need to open the seals is damage, and so is a missing
// one; an older state is not taken for the newest.
func TestSealingFilesAreVerified(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.ingest(t, "phone.jsonl", talk(false))
	states, err := filepath.Glob(layout.File(s.dir, layout.Sealing) + "/*" + layout.StateSuffix)
	if err != nil || len(states) != 1 {
		t.Fatal(states, err)
	}
	older := states[0]
	s.ingest(t, "more.jsonl", chat(700, "B", "L", "one more thing that nobody has to know about us two"))
	wantSound(t, s.dir, "before")
	var files []string
	for _, folder := range []string{layout.Privilege, layout.Sealing} {
		entries, err := os.ReadDir(layout.File(s.dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := folder + "/" + e.Name(); layout.File(s.dir, name) != older {
				files = append(files, name)
			}
		}
	}
	if len(files) != 5 { // a setup, a directory, two envelopes, a state
		t.Fatalf("%q", files)
	}
	for _, name := range files {
		path := layout.File(s.dir, name)
		sound, err := os.ReadFile(path)
		if err == nil {
			err = os.Chmod(path, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		bad := slices.Clone(sound)
		bad[len(bad)/2] ^= 1
		for what, harm := range map[string]func() error{
			"changed": func() error { return os.WriteFile(path, bad, 0o600) },
			"gone":    func() error { return os.Remove(path) },
		} {
			if err := harm(); err != nil {
				t.Fatal(err)
			}
			damage, _, _ := verified(t, s.dir)
			if !slices.ContainsFunc(damage, func(f verify.Finding) bool { return f.File == name }) {
				t.Errorf("%s is %s: %+v", name, what, damage)
			}
			if strings.HasSuffix(name, layout.StateSuffix) || strings.HasPrefix(name, layout.Privilege) {
				err := s.takeIn(t, s.o, s.lent, func(context.Context, intake.Options) error { return nil })
				if err == nil {
					t.Errorf("%s is %s, and deliveries are taken in", name, what)
				}
			}
			if err := os.WriteFile(path, sound, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantSound(t, s.dir, "mended")
}

// The files that belong to a suspected message are withheld with it, wherever they are: beside
// its file, or in the same archive. Their names inside an archive are sealed, too.
func TestFilesOfTheProtected(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	with := func(line, name string) string {
		return strings.Replace(line, `,"text"`, fmt.Sprintf(`,"attachments":[{"name":%q}],"text"`, name), 1)
	}
	said := with(chat(1, "A", "L", "here is my statement, keep it"), "statement.bin") + with(chat(2, "A", "B", "a picture of the crates"), "crates.bin")
	bin := func(text string) string { return "\x00\x01\x02" + strings.Repeat(text, 5000) }
	for name, text := range map[string]string{"folder/chat.jsonl": said, "folder/statement.bin": bin("statement"), "folder/crates.bin": bin("crates")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, name, text)
	}
	f, err := os.Create("phone.zip")
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for name, text := range map[string]string{"to-the-advocate/chat.jsonl": said, "to-the-advocate/statement.bin": bin("second statement")} {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder", "phone.zip"} {
		err := s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Ingest(ctx, o, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{"chat.jsonl": true, "statement.bin": true, "crates.bin": false, "phone.zip": true}
	if got := s.withheld(t); !maps.Equal(got, want) {
		t.Errorf("withheld: %v, want %v", got, want)
	}
	clear, opened := s.records(t)
	for _, r := range clear {
		if r.Kind == argus.KindAttachment {
			t.Errorf("readable: %+v", r)
		}
	}
	attachments := 0
	for _, r := range opened {
		if r.Kind == argus.KindAttachment && r.Original.Path == "to-the-advocate/statement.bin" {
			attachments++
		}
	}
	if attachments != 1 {
		t.Errorf("%d attachments are sealed, want 1", attachments)
	}
	wantSound(t, s.dir, "sealed")
}

// A delivery that is given up leaves none of its originals readable: nobody knows which of
// them have suspected messages.
func TestGivenUpIsWithheld(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	write(t, "phone.jsonl", talk(true))
	at := stopAt(s.o, "ledger.ingest.protect")
	stops(func() error {
		return s.takeIn(t, at, s.lent, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Ingest(ctx, o, "phone.jsonl")
			return err
		})
	})
	err := s.takeIn(t, s.o, s.lent, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Abandon(ctx, o, "the phone is lost")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.withheld(t); !got["phone.jsonl"] {
		t.Errorf("withheld: %v", got)
	}
	wantSound(t, s.dir, "given up")
}

// Deliveries that are taken in at the same time share what is learned, and each of them is
// sealed as if it were alone.
func TestSealingOfSeveralAtOnce(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	const several = 3
	for i := range several {
		write(t, fmt.Sprintf("phone-%d.jsonl", i), talk(false)+chat(3000+i, "A", "L", fmt.Sprintf("secret %d of this phone alone", i)))
	}
	o := s.o
	o.Write = true
	n, err := Open(t.Context(), s.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for i := range several {
		work.Go(func() {
			err := n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "p"}, intake.Options{BatchRecords: 7, Lent: s.lent}, func(ctx context.Context, o intake.Options) error {
				_, err := intake.Ingest(ctx, o, fmt.Sprintf("phone-%d.jsonl", i))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	clear, opened := s.records(t)
	for _, r := range clear {
		if r.Message != nil && strings.Contains(r.Message.Text, "secret") {
			t.Errorf("record %d is readable: %+v", r.Seq, r.Message)
		}
	}
	if want := several * 7; len(opened) != want {
		t.Errorf("%d are sealed, want %d", len(opened), want)
	}
	for name, is := range s.withheld(t) {
		if !is {
			t.Errorf("%s is readable", name)
		}
	}
	wantSound(t, s.dir, "at once")
}
