package admin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/ledger"
)

// sided makes the Admin of a store with an id.
func sided(t *testing.T, store string) (*Admin, Keys) {
	a, k := newAdmin(t, nil)
	a.o.Store, a.o.PrivateKey = store, k.Private
	return a, k
}

// An authority of one store becomes one of another, with the lists of its scope, its origin
// and people of the other store; the ledgers of both have it.
func TestExportAndImport(t *testing.T) {
	from, key := sided(t, "aaaa")
	to, _ := sided(t, "bbbb")
	ctx := t.Context()
	if _, _, err := from.AddList(ctx, "zoe", "goods", []byte("snow\n")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(to.o.Dir, "lists"), 0o700); err != nil {
		t.Fatal(err)
	}
	from.o.Authorities.Lists, to.o.Authorities.Lists = from.o.Lists.Find, to.o.Lists.Find
	given := one("list:goods -with:=LAWYER")
	given.Conditions, given.Handling, given.Until = "not in court", []string{"H1"}, time.Now().Add(time.Hour)
	was, err := from.AddAuthority(ctx, "zoe", given)
	if err != nil {
		t.Fatal(err)
	}
	file, signer, err := from.ExportAuthority(ctx, "zoe", was.Number, "")
	if err != nil || signer != "argus/0123" {
		t.Fatalf("%s, %v", signer, err)
	}
	refused := func(what string, want string, file []byte, key string, actors []string) {
		t.Helper()
		before := len(acts(t, to))
		in, err := to.ImportAuthority(ctx, "yan", file, key, actors, nil)
		if !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", what, in, err)
		}
		if lists, err := to.Lists(); err != nil || len(acts(t, to)) != before || before == 0 && len(lists) > 0 {
			t.Errorf("%s: something was changed: %v, %v", what, lists, err)
		}
	}
	_, other := sided(t, "cccc")
	refused("another key", "did not sign it", file, other.Public, []string{"ann"})
	refused("nobody named", "who may use it", file, key.Public, nil)

	in, err := to.ImportAuthority(ctx, "yan", file, key.Public, []string{"ann"}, []string{"analyst"})
	if err != nil {
		t.Fatal(err)
	}
	if in.Scope != was.Scope || in.Conditions != was.Conditions || in.Handling[0] != "H1" || in.Until != was.Until || in.Actors[0] != "ann" || in.Roles[0] != "analyst" ||
		!strings.HasPrefix(in.Origin, "A-0001 of store aaaa; signed by argus/0123+") || len(in.Lists) != 1 {
		t.Errorf("%+v", in)
	}
	if in.From.Before(in.Created) {
		t.Errorf("it begins at %s, before it was added at %s", in.From, in.Created)
	}
	if got := strings.Join(acts(t, to), "\n"); !strings.Contains(got, "list.add goods.1.") || !strings.HasSuffix(got, "authority.add A-0001 by yan") {
		t.Errorf("the ledger has\n%s", got)
	}
	if got := strings.Join(acts(t, from), "\n"); !strings.HasSuffix(got, "authority.export A-0001 by zoe") {
		t.Errorf("the ledger has\n%s", got)
	}

	// It comes once, even after it was revoked here, and never home.
	refused("again", "A-0001 was imported from it already", file, key.Public, []string{"ann"})
	if err := to.RevokeAuthority(ctx, "yan", in.Number, "over"); err != nil {
		t.Fatal(err)
	}
	refused("after its revocation", "A-0001 was imported from it already", file, key.Public, []string{"ann"})
	if _, err := from.ImportAuthority(ctx, "zoe", file, key.Public, []string{"ann"}, nil); !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), "of this store") {
		t.Errorf("home: %v", err)
	}
}

// An authority that has ended, or is suspended or revoked, does not leave; one that has ended
// meanwhile does not come in.
func TestEndedAuthorityStays(t *testing.T) {
	now := time.Now()
	from, key := newAdmin(t, func(o *Options) { o.Store = "aaaa" })
	from.o.PrivateKey = key.Private
	to, _ := newAdmin(t, nil)
	to.o.Store = "bbbb"
	ctx := t.Context()
	brief := one("")
	brief.Until = now.Add(2 * time.Second)
	if _, err := from.AddAuthority(ctx, "zoe", brief); err != nil {
		t.Fatal(err)
	}
	file, _, err := from.ExportAuthority(ctx, "zoe", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	stays := func(what, want string) {
		t.Helper()
		if _, _, err := from.ExportAuthority(ctx, "zoe", 1, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := from.ChangeAuthority(ctx, "zoe", 1, authority.Change{Kind: authority.Suspend, Reason: "appeal"}); err != nil {
		t.Fatal(err)
	}
	stays("suspended", "it is suspended")
	if _, err := from.ChangeAuthority(ctx, "zoe", 1, authority.Change{Kind: authority.Resume, Reason: "lost"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(brief.Until))
	stays("ended", "it had ended")
	if _, err := to.ImportAuthority(ctx, "yan", file, key.Public, []string{"ann"}, nil); !errors.Is(err, signed.ErrRefused) || !strings.Contains(err.Error(), "it ended at") {
		t.Errorf("ended: %v", err)
	}
	if err := from.RevokeAuthority(ctx, "zoe", 1, "lifted"); err != nil {
		t.Fatal(err)
	}
	stays("revoked", "it was revoked")
	if _, _, err := from.ExportAuthority(ctx, "zoe", 9, ""); err == nil {
		t.Error("there is no A-0009, and it was exported")
	}
}

// A file can be signed with another key than the store's, if nobody else can use that key.
func TestSignedWithAnotherKey(t *testing.T) {
	a, _ := sided(t, "aaaa")
	if _, err := a.AddAuthority(t.Context(), "zoe", one("")); err != nil {
		t.Fatal(err)
	}
	private, public, err := ledger.NewKey("judge-b")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "judge.key")
	if err := os.WriteFile(name, []byte(private+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, signer, err := a.ExportAuthority(t.Context(), "zoe", 1, name)
	if err != nil || signer != "judge-b" {
		t.Fatalf("%s, %v", signer, err)
	}
	if _, err := exchange.OpenAuthority(file, public); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.ExportAuthority(t.Context(), "zoe", 1, name); !errors.Is(err, ErrOpenKey) {
		t.Errorf("a key that others can read: %v", err)
	}
}
