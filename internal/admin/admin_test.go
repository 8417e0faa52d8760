package admin

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// newAdmin returns an Admin, and creates only those files of a store that it needs.
func newAdmin(t *testing.T, change func(*Options)) (*Admin, Keys) {
	t.Helper()
	dir := t.TempDir()
	k, err := MakeKeys(dir, filepath.Join(t.TempDir(), "keys"), "0123")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Create(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: k.Public, PrivateKey: k.Private, Wait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	o := Options{Dir: dir, Ledger: l}
	if o.Authorities, err = authority.Open(layout.File(dir, layout.Authorities)); err != nil {
		t.Fatal(err)
	}
	if o.Lists, err = wordlist.Open(layout.File(dir, layout.Lists)); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	return New(o), k
}

func one(scope string) authority.Authority {
	return authority.Authority{Title: "one", Basis: "warrant", GrantedBy: "court", Purpose: "test", Scope: scope, Actors: []string{"anna"}}
}

// acts lists the actions in a ledger in order, with their subjects.
func acts(t *testing.T, a *Admin) (list []string) {
	t.Helper()
	for e, err := range a.o.Ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Action+" "+e.Subject+" by "+e.Actor)
	}
	return list
}

// The ledger records each change and who made it.
func TestChanges(t *testing.T) {
	a, _ := newAdmin(t, nil)
	first, err := a.AddAuthority(t.Context(), "zoe", one(""))
	if err != nil || first.Number != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := a.AddAuthority(t.Context(), "", one("delivery:D-0001"))
	if err != nil || second.Number != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	wider, err := a.WiderAuthorities(second)
	if err != nil || len(wider) != 1 || wider[0].Number != 1 {
		t.Errorf("wider: %+v, %v", wider, err)
	}
	if err := a.RevokeAuthority(t.Context(), "zoe", 1, "the other takes its place"); err != nil {
		t.Error(err)
	}
	if err := a.RevokeAuthority(t.Context(), "zoe", 1, "again"); !errors.Is(err, authority.ErrRevoked) {
		t.Errorf("twice: %v", err)
	}
	if err := a.RevokeAuthority(t.Context(), "zoe", 9, "no such"); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	v, known, err := a.AddList(t.Context(), "", "goods", []byte("snow\n"))
	if err != nil || known || v.Version != 1 {
		t.Errorf("%+v, %v, %v", v, known, err)
	}
	if again, known, err := a.AddList(t.Context(), "", "goods", []byte("snow\n")); err != nil || !known || again != v {
		t.Errorf("the same again: %+v, %v, %v", again, known, err)
	}
	if _, _, err := a.AddList(t.Context(), "", "No Name", nil); err == nil {
		t.Error("a list without a name was added")
	}
	if list, err := a.Lists(); err != nil || len(list) != 1 || list[0] != v {
		t.Errorf("%+v, %v", list, err)
	}
	want := strings.Join([]string{"authority.add A-0001 by zoe", "authority.add A-0002 by " + ActorName(), "authority.revoke A-0001 by zoe",
		"list.add " + v.File() + " by " + ActorName()}, "\n")
	if got := strings.Join(acts(t, a), "\n"); got != want {
		t.Errorf("the ledger holds\n%s\nwant\n%s", got, want)
	}
	said, err := claims.Of(t.Context(), a.o.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := a.o.Authorities.Hashes()
	if err != nil || len(hashes) != 3 {
		t.Fatalf("%v, %v", hashes, err)
	}
	for name, hash := range hashes {
		if said.Authorities[name] != hash.String() {
			t.Errorf("the ledger has a different hash for %s", name)
		}
	}
}

// Nothing changes if nothing can be written, or while the ledger is busy.
func TestRefused(t *testing.T) {
	for name, want := range map[string]error{"protected": ErrWriteProtected, "busy": argus.ErrLocked} {
		a, k := newAdmin(t, func(o *Options) { o.Protected = name == "protected" })
		if name == "busy" {
			other, err := ledger.Open(layout.File(a.o.Dir, layout.Ledger), ledger.Options{PublicKey: k.Public, PrivateKey: k.Private})
			if err != nil {
				t.Fatal(err)
			}
			held, free := make(chan bool), make(chan bool)
			var all sync.WaitGroup
			all.Go(func() {
				err := other.Hold(context.Background(), func(func(ledger.Act) (ledger.Entry, error)) error {
					close(held)
					<-free
					return nil
				})
				if err := errors.Join(err, other.Close()); err != nil {
					t.Error(err)
				}
			})
			<-held
			defer all.Wait()
			defer close(free)
		}
		_, added := a.AddAuthority(t.Context(), "", one(""))
		_, _, listed := a.AddList(t.Context(), "", "goods", []byte("snow"))
		_, corrected := a.CorrectTime(t.Context(), "", 1, "x")
		for what, err := range map[string]error{"add": added, "list": listed, "correct": corrected, "revoke": a.RevokeAuthority(t.Context(), "", 1, "x")} {
			if !errors.Is(err, want) {
				t.Errorf("%s, %s: %v, want %v", name, what, err, want)
			}
		}
		for _, dir := range []string{layout.Authorities, layout.Lists} {
			if entries, err := os.ReadDir(layout.File(a.o.Dir, dir)); err != nil || len(entries) != 0 {
				t.Errorf("%s: %v, %v", name, entries, err)
			}
		}
	}
}

// After a crash, a change is finished if the ledger has an entry for it, and undone
// otherwise.
func TestSettle(t *testing.T) {
	for _, point := range []string{"change.ready", "change.recorded"} {
		stop := errors.New(point)
		a, _ := newAdmin(t, func(o *Options) {
			o.Failpoint = func(name string) {
				if name == point {
					panic(stop)
				}
			}
		})
		crash := func(change func()) {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, stop) {
					t.Errorf("%s: %v", point, err)
				}
			}()
			change()
		}
		crash(func() { _, _ = a.AddAuthority(t.Context(), "zoe", one("")) })
		crash(func() { _, _, _ = a.AddList(t.Context(), "zoe", "goods", []byte("snow")) })
		a.o.Failpoint = func(string) {}
		for range 2 {
			if err := a.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		authorities, err := a.o.Authorities.List()
		if err != nil {
			t.Fatal(err)
		}
		lists, err := a.Lists()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"change.ready": 0, "change.recorded": 1}[point]
		if len(authorities) != want || len(lists) != want || len(acts(t, a)) != 2*want {
			t.Errorf("%s: %v, %v, %v", point, authorities, lists, acts(t, a))
		}
	}
}

// CorrectTime calls the ledger.
func TestCorrectTime(t *testing.T) {
	a, _ := newAdmin(t, nil)
	if _, err := a.CorrectTime(t.Context(), "zoe", 7, "x"); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

// After the time was corrected, LaterAuthorities names an authority that was added while
// the time was ahead, but not one that was granted for later or was revoked.
func TestLaterAuthorities(t *testing.T) {
	clock := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	k, err := MakeKeys(dir, filepath.Join(t.TempDir(), "keys"), "0123")
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Create(layout.File(dir, layout.Ledger), ledger.Options{PublicKey: k.Public, PrivateKey: k.Private, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	authorities, err := authority.Open(layout.File(dir, layout.Authorities))
	if err != nil {
		t.Fatal(err)
	}
	a := New(Options{Dir: dir, Ledger: l, Authorities: authorities})
	add := func(from time.Time) {
		t.Helper()
		later := one("")
		later.From = from
		if _, err := a.AddAuthority(t.Context(), "zoe", later); err != nil {
			t.Fatal(err)
		}
	}
	add(clock.AddDate(1, 0, 0)) // it was granted for then
	clock = clock.AddDate(0, 9, 0)
	for range 2 {
		add(time.Time{})
	}
	if err := a.RevokeAuthority(t.Context(), "zoe", 3, "x"); err != nil {
		t.Fatal(err)
	}
	clock = clock.AddDate(0, -9, 1)
	if _, err := a.CorrectTime(t.Context(), "zoe", 2, "it was ahead"); err != nil {
		t.Fatal(err)
	}
	if later, err := a.LaterAuthorities(); err != nil || len(later) != 1 || later[0].Number != 2 {
		t.Errorf("%+v, %v", later, err)
	}
}
