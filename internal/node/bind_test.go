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

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/verify"
)

// copyOf copies a folder of a store and returns a function that restores it.
func copyOf(t *testing.T, dir, name string) (back func()) {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(dir, name))); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, name)), os.CopyFS(filepath.Join(dir, name), os.DirFS(kept))); err != nil {
			t.Fatal(err)
		}
	}
}

func wantDamage(t *testing.T, dir, what, words string) {
	t.Helper()
	damage, _, _ := verified(t, dir)
	if !slices.ContainsFunc(damage, func(f verify.Finding) bool { return strings.Contains(f.Problem, words) }) {
		t.Errorf("%s: %+v, want damage with %q", what, damage, words)
	}
}

func wantSound(t *testing.T, dir, what string, notes ...string) {
	t.Helper()
	damage, got, _ := verified(t, dir)
	if len(damage) > 0 || len(got) != len(notes) {
		t.Errorf("%s: damage %+v, notes %+v, want notes %q", what, damage, got, notes)
		return
	}
	for i, words := range notes {
		if !strings.Contains(got[i].Problem, words) {
			t.Errorf("%s: %+v, want %q", what, got[i], words)
		}
	}
}

// opens returns the error of opening a store, which must be the same for reading and for
// writing.
func opens(t *testing.T, dir string, o Options) error {
	t.Helper()
	var err error
	for _, o.Write = range []bool{false, true} {
		n, errOne := Open(t.Context(), dir, o)
		if errOne == nil {
			errOne = n.Close()
		}
		err = errors.Join(err, errOne)
	}
	return err
}

// A ledger that is cut back while the rest of the store stays is detected every time:
// nothing can continue on top of it.
func TestLedgerRolledBackAlone(t *testing.T) {
	for name, seals := range map[string]func(dir string){
		"as it is": func(string) {},
		"without a seal": func(dir string) { // as if the crash had come before the seal
			if err := errors.Join(os.Remove(filepath.Join(dir, "deliveries/D-0002.seal")), os.Remove(filepath.Join(dir, "deliveries/D-0002.tree"))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o, lines(0, 100))
		back := copyOf(t, dir, layout.Ledger)
		if err := os.WriteFile("more.jsonl", []byte(lines(100, 200)), 0o600); err != nil {
			t.Fatal(err)
		}
		ingest(t, dir, o, "more.jsonl")
		search(t, dir, o, "crates")
		wantSound(t, dir, "before")
		back()
		seals(dir)
		wantDamage(t, dir, name, "truncated")
		o.Write = true
		if n, err := Open(t.Context(), dir, o); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%s: the store is opened for writing over it: %v, %v", name, n, err)
		}
	}
}

// A seal detects another ledger with the same key and length.
func TestLedgerForkedAlone(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	back := copyOf(t, dir, layout.Ledger)
	if err := os.WriteFile("more.jsonl", []byte(lines(100, 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	ingest(t, dir, o, "more.jsonl")
	back()
	// Somebody with the key writes other acts: first the same number, then more.
	info, err := readInfo(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	k, err := admin.ReadKeys(dir, o.KeyDir, info.Store, false)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: k.Public, PrivateKey: k.Private})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := l.Append(t.Context(), ledger.Act{Actor: "otto", Authority: "A-0001", Action: ledger.Search, Subject: "weather"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantDamage(t, dir, "forked", "but this ledger never had")
	if err := opens(t, dir, o); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("the store opens: %v", err)
	}
}

// fabricate puts messages into the evidence of a store without using a key, as a delivery
// that was begun but not sealed.
func fabricate(t *testing.T, dir string, messages int) {
	t.Helper()
	s, err := evidence.Open(dir, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.Begin(t.Context(), argus.Opening{Source: "x", Place: "/x", Authority: "A-0001", Actor: "mallory", Readers: []string{"jsonl/1"}})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.PutOriginal(t.Context(), strings.NewReader("FABRICATED"))
	if err != nil {
		t.Fatal(err)
	}
	original := &argus.Record{Kind: argus.KindOriginal, Original: &kept}
	for i := range messages {
		if i == 0 {
			if err := s.Append(t.Context(), d, []*argus.Record{original}); err != nil {
				t.Fatal(err)
			}
		}
		m := &argus.Message{Service: "sky", Conversation: "A|B", From: "A", ServiceID: fmt.Sprint("f", i), Text: "FABRICATED order",
			Sent: argus.At(time.Date(2021, 2, 14, 12, i, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)}
		r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: argus.Where{Original: original.Seq, Reader: 1, Record: uint64(i + 1)}}
		r.ID, r.Version = m.Identity()
		if err := s.Append(t.Context(), d, []*argus.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// An open delivery that somebody put into the evidence without a key counts as damage.
// Neither abandoning nor continuing it creates a seal for it.
func TestFabricatedDelivery(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	fabricate(t, dir, 3)
	wantDamage(t, dir, "fabricated", "Argus did not ingest it")
	o.Write = true
	if n, err := Open(t.Context(), dir, o); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("opened, to resume or to abandon it: %v, %v", n, err)
	}
	o.Write = false
	found := search(t, dir, o, "FABRICATED OR crates")
	for _, h := range found.Hits {
		made := strings.Contains(h.Message.Text, "FABRICATED")
		if unsealed := slices.Equal(h.Unsealed, []argus.DeliveryNumber{2}); unsealed != made || !made && h.Unsealed != nil {
			t.Errorf("%q: not sealed: %v", h.Message.Text, h.Unsealed)
		}
	}
	if found.Total != 103 {
		t.Errorf("found %d", found.Total)
	}
}

type stopped struct{ at string }

// stopAt returns options that stop a process at a failpoint as if it had been killed:
// nothing happens after that.
func stopAt(o Options, name string) Options {
	o.Failpoint = func(here string) {
		if here == name {
			panic(stopped{here})
		}
	}
	return o
}

// until runs work until a failpoint stops it.
func until(t *testing.T, o Options, dir string, work func(n *Node)) {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, ok := recover().(stopped); !ok {
			t.Error("the moment was not reached")
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	work(n)
}

// After a crash between the opening of a delivery and the ledger entry for it, the next
// writer adds the entry, and nothing is lost.
func TestOpeningIsCompleted(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	if err := os.WriteFile("more.jsonl", []byte(lines(100, 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Write = true
	until(t, stopAt(o, "ledger.ingest.open"), dir, func(n *Node) {
		who, err := n.Who(t.Context(), desk.Who{Actor: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		_ = n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Ingest(ctx, o, "more.jsonl")
			return err
		})
	})
	wantSound(t, dir, "after the crash", "is not sealed", "does not have the opening of delivery D-0002")
	if n, err := Open(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	} else if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	wantSound(t, dir, "completed", "is not sealed")
	receipt := ingest(t, dir, o, "more.jsonl")
	if receipt.Delivery != 2 || receipt.Counts.Stored != 100 {
		t.Errorf("%+v", receipt)
	}
	wantSound(t, dir, "at the end")
}

// The ledger records the acts that finish an interrupted delivery.
func TestAbandonIsAnAct(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 10))
	if err := os.WriteFile("more.jsonl", []byte(lines(100, 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Write = true
	until(t, stopAt(o, "seal.before-seal"), dir, func(n *Node) {
		_ = n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "x"}, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Ingest(ctx, o, "more.jsonl")
			return err
		})
	})
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	err = n.Ingest(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "x"}, intake.Options{}, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Abandon(ctx, o, "the disk is gone")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Subject == "D-0002" {
			got = append(got, e.Action+" "+e.Detail["reason"])
		}
	}
	if want := []string{"ingest.open ", "ingest.abandon the disk is gone", "ingest.seal "}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	wantSound(t, dir, "abandoned")
}

// A changed or missing envelope is reported as damage; one that was destroyed by order is
// reported in a note.
func TestEnvelopesOfAStore(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	search(t, dir, o, "crates")
	name := filepath.Join(dir, layout.Ledger, "envelopes", "000")
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	put := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(bytes.Replace(good, []byte(`"crates"`), []byte(`"plates"`), 1))
	wantDamage(t, dir, "changed", "envelope is not the one that was recorded")
	whole := bytes.SplitAfter(good, []byte("\n"))
	put(bytes.Join(whole[:len(whole)-2], nil))
	wantDamage(t, dir, "one missing", "the envelopes of entries 5 to 5 are missing, but no order in the ledger destroyed them")
	put(good)
	destroyWords(t, dir, o, 5, 5)
	wantSound(t, dir, "one destroyed", "envelopes destroyed by order: 1.")
	destroyWords(t, dir, o, 1, 4)
	wantSound(t, dir, "more destroyed", "envelopes destroyed by order: 5.")
	if err := os.RemoveAll(filepath.Dir(name)); err != nil {
		t.Fatal(err)
	}
	wantDamage(t, dir, "without the orders' words", "the envelopes of entries 6 to 7")
}

func destroyWords(t *testing.T, dir string, o Options, from, to uint64) {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Admin.DestroyWords(t.Context(), "registrar", []ledger.Span{{First: from, Last: to}}, "order of the court 12/2026")
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
}

// If the destruction of words is interrupted at any point, the next opening completes or
// undoes all of it; until then, verify finds no damage.
func TestDestroyingWordsIsWhole(t *testing.T) {
	for moment, completed := range map[string]bool{"destroy.ready": false, "destroy.recorded": true, "destroy.between": true} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o, lines(0, 10))
		until(t, stopAt(o, moment), dir, func(n *Node) {
			_, _ = n.Admin.DestroyWords(t.Context(), "registrar", []ledger.Span{{First: 2, Last: 3}}, "order 12/2026")
		})
		damage, notes, _ := verified(t, dir)
		if len(damage) > 0 || !slices.ContainsFunc(notes, func(f verify.Finding) bool { return strings.Contains(f.Problem, "was interrupted") }) {
			t.Errorf("%s: damage %+v, notes %+v", moment, damage, notes)
		}
		n, err := Open(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if want := completed && (e.Seq == 2 || e.Seq == 3); e.Destroyed != want || want && e.DestroyedBy != 5 {
				t.Errorf("%s: %+v", moment, e)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if completed {
			wantSound(t, dir, moment, "envelopes destroyed by order: 2.")
		} else {
			wantSound(t, dir, moment)
		}
	}
}

// A list whose name in the ledger has been destroyed is still checked by its content.
func TestListWithoutItsName(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 10))
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	v, _, err := n.Admin.AddList(t.Context(), "anna", "goods", []byte("snow\n"))
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	destroyWords(t, dir, o, 5, 5)
	wantSound(t, dir, "without envelopes", "destroyed", "the envelope with its name has been destroyed")
	file := filepath.Join(dir, layout.Lists, v.File())
	if err := errors.Join(os.Chmod(file, 0o600), os.WriteFile(file, []byte("ice\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	wantDamage(t, dir, "another content", "the ledger has no entry for this list")
}

func grant(actors ...string) authority.Authority {
	return authority.Authority{Basis: "warrant", GrantedBy: "judge", Purpose: "x", Actors: actors}
}

// If the ledger is busy, adding an authority leaves no file, and a second attempt creates
// one.
func TestAuthorityWhileTheLedgerIsBusy(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 10))
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	other, err := ledger.Open(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: n.keys.Public, PrivateKey: n.keys.Private})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	busy := func(what string, change func(ctx context.Context) error) {
		t.Helper()
		err := other.Hold(t.Context(), func(func(ledger.Act) (ledger.Entry, error)) error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := change(ctx); err == nil {
				t.Errorf("%s: it was done without the ledger", what)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		list, err := n.authorities.List()
		if err != nil || len(list) != 1 || list[0].Revoked != nil {
			t.Errorf("%s: there is %+v, %v", what, list, err)
		}
		if lists, err := n.Admin.Lists(); err != nil || len(lists) > 0 {
			t.Errorf("%s: there is %+v, %v", what, lists, err)
		}
		wantSound(t, dir, what)
	}
	busy("add", func(ctx context.Context) error {
		_, err := n.Admin.AddAuthority(ctx, "admin", grant())
		return err
	})
	busy("revoke", func(ctx context.Context) error { return n.Admin.RevokeAuthority(ctx, "admin", 1, "over") })
	busy("list", func(ctx context.Context) error {
		_, _, err := n.Admin.AddList(ctx, "admin", "goods", []byte("snow\n"))
		return err
	})
	if a, err := n.Admin.AddAuthority(t.Context(), "admin", grant()); err != nil || a.Number != 2 {
		t.Errorf("again: %+v, %v", a, err)
	}
	wantSound(t, dir, "again")
}

// If a change is interrupted at any point, the next opening completes or undoes all of
// it; until then, verify finds no damage.
func TestChangesAreWhole(t *testing.T) {
	for what, change := range map[string]struct {
		do   func(n *Node) error
		done func(n *Node) bool
	}{
		"authority": {
			func(n *Node) error { _, err := n.Admin.AddAuthority(t.Context(), "admin", grant("anna")); return err },
			func(n *Node) bool { a, err := n.authorities.Get(2); return err == nil && a.Actors[0] == "anna" },
		},
		"revocation": {
			func(n *Node) error { return n.Admin.RevokeAuthority(t.Context(), "admin", 1, "over") },
			func(n *Node) bool { a, err := n.authorities.Get(1); return err == nil && a.Revoked != nil },
		},
		"list": {
			func(n *Node) error {
				_, _, err := n.Admin.AddList(t.Context(), "admin", "goods", []byte("snow\n"))
				return err
			},
			func(n *Node) bool { _, err := n.lists.Find("goods", ""); return err == nil },
		},
	} {
		for moment, completed := range map[string]bool{"change.ready": false, "change.recorded": true} {
			dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
			makeStore(t, dir, o)
			until(t, stopAt(o, moment), dir, func(n *Node) { _ = change.do(n) })
			if damage, notes, _ := verified(t, dir); len(damage) > 0 || len(notes) != 1 {
				t.Errorf("%s, %s: damage %+v, notes %+v", what, moment, damage, notes)
			}
			n, err := Open(t.Context(), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			if change.done(n) != completed {
				t.Errorf("%s, %s: the change is there: %v", what, moment, !completed)
			}
			if !completed {
				if err := change.do(n); err != nil || !change.done(n) {
					t.Errorf("%s, %s: again: %v", what, moment, err)
				}
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			if damage, notes, _ := verified(t, dir); len(damage)+len(notes) > 0 {
				t.Errorf("%s, %s: damage %+v, notes %+v", what, moment, damage, notes)
			}
		}
	}
}

// Several processes that add authorities take turns: each number is used once.
func TestAuthoritiesAtTheSameTime(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	errs := make(chan error)
	const processes, each = 3, 3
	for range processes {
		go func() {
			n, err := Open(t.Context(), dir, o)
			for i := 0; i < each && err == nil; i++ {
				_, err = n.Admin.AddAuthority(t.Context(), "admin", grant())
			}
			if n != nil {
				err = errors.Join(err, n.Close())
			}
			errs <- err
		}()
	}
	for range processes {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if damage, _, v := verified(t, dir); len(damage) > 0 || v.Entries != 2+processes*each {
		t.Errorf("%d entries, %+v", v.Entries, damage)
	}
}

// If the clock is set back, an authority that has ended stays ended, for reading and for
// ingesting. A clock that was once ahead does not lock everybody out for good.
func TestClockOfAuthorities(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	day := func(n int) time.Time { return time.Date(2026, 12, n, 0, 0, 0, 0, time.UTC) }
	now := day(1)
	o.Now = func() time.Time { return now }
	makeStore(t, dir, o, lines(0, 10))
	o.Write = true
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	a := grant()
	a.Until = day(5)
	if _, err := n.Admin.AddAuthority(t.Context(), "admin", a); err != nil {
		t.Fatal(err)
	}
	who := desk.Who{Actor: "anna", Authority: "A-0002", Purpose: "x"}
	ask := func(want error) {
		t.Helper()
		_, err := n.Desk.Search(t.Context(), who, desk.SearchRequest{Query: "crates"})
		if !errors.Is(err, want) {
			t.Errorf("with the clock at %v: search: %v, want %v", now, err, want)
		}
		err = n.Ingest(t.Context(), who, intake.Options{}, func(context.Context, intake.Options) error { return nil })
		if !errors.Is(err, want) {
			t.Errorf("with the clock at %v: ingest: %v, want %v", now, err, want)
		}
	}
	ask(nil)
	now = day(10) // a clock that is ahead
	ask(argus.ErrRefused)
	for range 3 {
		now = day(2)
		ask(argus.ErrRefused)
	}
	wantSound(t, dir, "the clock went back", "the clock was behind")
	var wrong uint64
	for e, err := range n.ledger.Sealed(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if wrong == 0 && e.Time.After(now) {
			wrong = e.Seq
		}
	}
	if _, err := n.Admin.CorrectTime(t.Context(), "admin", wrong, "the clock was ahead"); err != nil {
		t.Fatal(err)
	}
	ask(nil)
	now = day(6)
	ask(argus.ErrRefused)
}
