package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/ledger"
)

// pair makes a key pair.
func pair(t testing.TB, name string) (note.Signer, string) {
	t.Helper()
	private, public, err := ledger.NewKey(name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, public
}

const goods = "snow\nice\n"

func goodsHash() string {
	sum := sha256.Sum256([]byte(goods))
	return hex.EncodeToString(sum[:])
}

func findGoods(name, hash string) ([]byte, error) {
	if name != "goods" || hash != goodsHash() {
		return nil, argus.ErrNotFound
	}
	return []byte(goods), nil
}

func order() *Authority {
	begin := time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)
	return &Authority{Store: "0123456789abcdef", Exported: begin.AddDate(0, 1, 0), File: argus.Hash{7}, Authority: authority.Authority{
		Number: 2, Basis: "art. 88", GrantedBy: "judge <B.>", Kind: "eio", Order: "17/2021", Document: argus.Hash{1}, Offences: []string{"trafficking"},
		Conditions: "not in court\u2028without permission", Handling: []string{"H1"}, Actors: []string{"anna"}, Purpose: "the attack",
		Scope: "list:goods@" + goodsHash() + " sent:2021-02-14T00:00:00Z..2021-03-09T00:00:00Z", From: begin, Until: begin.AddDate(1, 0, 0), Created: begin,
	}}
}

// The reader of a file has the authority that was signed, with the lists of its scope.
func TestAuthority(t *testing.T) {
	signer, key := pair(t, "argus/0123456789abcdef")
	want := order()
	file, err := want.Sign(signer, findGoods)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenAuthority(file, key)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Lists) != 1 || got.Lists[0].Text != goods || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, other := pair(t, "argus/0123456789abcdef"); other != key {
		if _, err := OpenAuthority(file, other); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("with another key: %v", err)
		}
	}
	gone := order()
	if file, err := gone.Sign(signer, func(string, string) ([]byte, error) { return nil, argus.ErrNotFound }); err == nil {
		t.Errorf("a list is gone, and the file is %q", file)
	}
}

// A file that was changed in any byte, cut, or extended is refused.
func TestEveryByte(t *testing.T) {
	signer, key := pair(t, "argus/0123456789abcdef")
	file, err := order().Sign(signer, findGoods)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, file []byte) {
		t.Helper()
		if a, err := OpenAuthority(file, key); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
	for i := range file {
		for bit := range 8 {
			changed := append([]byte(nil), file...)
			changed[i] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d", bit, i), changed)
		}
		refused(fmt.Sprintf("cut at byte %d", i), file[:i])
	}
	refused("a line more", append(append([]byte(nil), file...), '\n'))
	other, _ := pair(t, "somebody")
	twice, err := note.Sign(&note.Note{Text: string(file[:strings.LastIndex(string(file), "\n\n")+1])}, signer, other)
	if err != nil {
		t.Fatal(err)
	}
	refused("two signatures", twice)
	refused("too long", append(append([]byte(nil), file...), make([]byte, signed.MaxFile)...))
}

// A signature does not help a file that contradicts itself or has more than an authority.
func TestContradictions(t *testing.T) {
	signer, key := pair(t, "argus/0123456789abcdef")
	for name, change := range map[string]func(*Authority){
		"no store":          func(a *Authority) { a.Store = "" },
		"no number":         func(a *Authority) { a.Authority.Number = 0 },
		"revoked":           func(a *Authority) { a.Authority.Revoked = &authority.Revocation{Number: 2} },
		"changes":           func(a *Authority) { a.Authority.Changes = []authority.Change{{}} },
		"damaged":           func(a *Authority) { a.Authority.Damage = "x" },
		"no basis":          func(a *Authority) { a.Authority.Basis = "" },
		"unknown kind":      func(a *Authority) { a.Authority.Kind = "rumour" },
		"unknown code":      func(a *Authority) { a.Authority.Handling = []string{"H9"} },
		"ends first":        func(a *Authority) { a.Authority.Until = a.Authority.From.Add(-time.Second) },
		"ended":             func(a *Authority) { a.Authority.Until = a.Exported },
		"kept until before": func(a *Authority) { a.Authority.Retain = a.Authority.From },
		"before it existed": func(a *Authority) { a.Exported = a.Authority.Created.Add(-time.Second) },
		"no begin":          func(a *Authority) { a.Authority.From = time.Time{} },
		"no list":           func(a *Authority) { a.Lists = nil },
		"another list":      func(a *Authority) { a.Lists[0].Text += "sugar\n" },
		"list of no use":    func(a *Authority) { a.Authority.Scope = "snow" },
		"list twice":        func(a *Authority) { a.Lists = append(a.Lists, a.Lists[0]) },
		"list unpinned":     func(a *Authority) { a.Authority.Scope = "list:goods" },
		"not a scope":       func(a *Authority) { a.Authority.Scope = "(" },
		"a delivery":        func(a *Authority) { a.Authority.Scope += " -delivery:D-0003" },
		"not UTF-8":         func(a *Authority) { a.Authority.Scope = "\xff" },
	} {
		a := order()
		if _, err := a.Sign(signer, findGoods); err != nil {
			t.Fatal(err)
		}
		change(a)
		file, err := signed.Sign(authorityHead, a, signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenAuthority(file, key); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if name == "a delivery" {
			if file, err := a.Sign(signer, findGoods); err == nil {
				t.Errorf("%s: signed as %q", name, file)
			}
		}
	}
	for name, change := range map[string]func(string) string{
		"unknown field": func(s string) string { return strings.Replace(s, `"store"`, `"stores": 1,`+"\n"+`  "store"`, 1) },
		"field twice":   func(s string) string { return strings.Replace(s, `"store"`, `"store": "x",`+"\n"+`  "store"`, 1) },
		"other order":   func(s string) string { return strings.Replace(s, "\n", " \n", 3) },
		"other sort":    func(s string) string { return strings.Replace(s, "authority 1", "authority 2", 1) },
		"no JSON":       func(s string) string { return authorityHead + "hello\n" },
	} {
		file, err := order().Sign(signer, findGoods)
		if err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(string(file), "\n\n— ")
		file, err = note.Sign(&note.Note{Text: change(text + "\n")}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenAuthority(file, key); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// FuzzAuthority signs any text: whatever the decoder accepts is encoded to the same file, and
// contradicts itself nowhere.
func FuzzAuthority(f *testing.F) {
	signer, key := pair(f, "argus/0123456789abcdef")
	a := order()
	file, err := a.Sign(signer, findGoods)
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(string(file), "\n\n— ")
	f.Add(text + "\n")
	f.Add(authorityHead + "{}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		a, err := OpenAuthority(file, key)
		if err != nil {
			if !errors.Is(err, signed.ErrRefused) {
				t.Fatalf("%v, want ErrRefused", err)
			}
			return
		}
		if again, err := signed.Sign(authorityHead, a, signer); err != nil || string(again) != string(file) {
			t.Fatalf("%q became %q, %v", file, again, err)
		}
	})
}
