package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/query"
)

// administered makes a store in which A-0001 is revoked, with authorities for anna
// (A-0002, sound), bob (A-0003, with a scope and a list) and carl (A-0004, revoked), and
// with two versions of a list.
func administered(t *testing.T) (string, Options) {
	t.Helper()
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"crates\n", "numbers\n"} {
		if _, _, err := n.Admin.AddList(t.Context(), "", "goods", []byte(words)); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range []authority.Authority{{Actors: []string{"anna"}}, {Actors: []string{"bob"}, Scope: "from:A list:goods"}, {Actors: []string{"carl"}}} {
		one.Basis, one.GrantedBy, one.Purpose = "b", "g", "p"
		if _, err := n.Admin.AddAuthority(t.Context(), "", one); err != nil {
			t.Fatal(err)
		}
	}
	for _, number := range []authority.Number{1, 4} {
		if err := n.Admin.RevokeAuthority(t.Context(), "", number, "over"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, o
}

// An authority or a list that the ledger does not know, or contradicts, is never used,
// whether or not the store can be written, and not even by a process that already has the
// store open. The others are used, and all of them are listed.
func TestContradictedByTheLedger(t *testing.T) {
	edit := func(t *testing.T, name string, change func(string) string) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Remove(name), os.WriteFile(name, []byte(change(string(data))), 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	for name, one := range map[string]struct {
		harm         func(t *testing.T, dir string)
		actor, query string
		number, file string
	}{
		"smuggled": {func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "authorities/A-0002.json"))
			if err != nil {
				t.Fatal(err)
			}
			data = []byte(strings.NewReplacer("A-0002", "A-0005", "anna", "dora").Replace(string(data)))
			if err := os.WriteFile(filepath.Join(dir, "authorities/A-0005.json"), data, 0o400); err != nil {
				t.Fatal(err)
			}
		}, "dora", "", "A-0005", "authorities/A-0005.json"},
		"widened": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "authorities/A-0003.json"), func(text string) string {
				at := strings.Index(text, "  \"scope\"")
				return text[:at] + text[at+strings.Index(text[at:], "\n")+1:]
			})
		}, "bob", "", "A-0003", "authorities/A-0003.json"},
		"revocation deleted": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "authorities/A-0004.revoked.json")); err != nil {
				t.Fatal(err)
			}
		}, "carl", "", "A-0004", "authorities/A-0004.revoked.json"},
		"authority deleted": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "authorities/A-0004.json")); err != nil {
				t.Fatal(err)
			}
		}, "carl", "", "A-0004", "authorities/A-0004.json"},
		"list smuggled": {func(t *testing.T, dir string) {
			data := []byte("message\n")
			list, err := query.ParseList("goods", data)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "lists/goods.3."+list.Hash+".txt"), data, 0o400); err != nil {
				t.Fatal(err)
			}
		}, "anna", "list:goods", "A-0002", "lists/goods.3."},
		"list deleted": {func(t *testing.T, dir string) {
			names, err := filepath.Glob(filepath.Join(dir, "lists/goods.2.*"))
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			if err := os.Remove(names[0]); err != nil {
				t.Fatal(err)
			}
		}, "anna", "list:goods", "A-0002", "lists/goods.2."},
		"list changed": {func(t *testing.T, dir string) {
			names, err := filepath.Glob(filepath.Join(dir, "lists/goods.2.*"))
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			edit(t, names[0], func(string) string { return "message\n" })
		}, "anna", "list:goods", "A-0002", "goods.2."},
	} {
		t.Run(name, func(t *testing.T) {
			dir, o := administered(t)
			before, err := Open(t.Context(), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			if _, err := before.Desk.Search(t.Context(), desk.Who{Actor: "anna", Authority: "2", Purpose: "p"}, desk.SearchRequest{Query: "list:goods"}); err != nil {
				t.Fatal(err)
			}
			one.harm(t, dir)
			file := one.file
			refused := func(n *Node, what string) {
				_, err := n.Desk.Search(t.Context(), desk.Who{Actor: one.actor, Authority: one.number, Purpose: "p"}, desk.SearchRequest{Query: one.query})
				if !errors.Is(err, argus.ErrDamaged) || !strings.Contains(err.Error(), file) {
					t.Errorf("%s: %v", what, err)
				}
				if r, err := n.Desk.Search(t.Context(), desk.Who{Actor: "anna", Authority: "A-0002", Purpose: "p"}, desk.SearchRequest{Query: "crates"}); err != nil || r.Total != 20 {
					t.Errorf("%s: the sound authority: %+v, %v", what, r, err)
				}
				list, err := n.Desk.Authorities(t.Context(), one.actor)
				if err != nil {
					t.Errorf("%s: list: %v", what, err)
				}
				lists, err := n.Admin.Lists()
				if err != nil {
					t.Errorf("%s: lists: %v", what, err)
				}
				marked := false
				for _, a := range list {
					marked = marked || a.Number.String() == one.number && strings.Contains(a.Damage, file)
				}
				for _, v := range lists {
					marked = marked || strings.Contains(v.Damage, file)
				}
				if !marked && name != "list changed" {
					t.Errorf("%s: nothing is marked as damaged: %+v, %+v", what, list, lists)
				}
			}
			refused(before, "a process that was open")
			o.Write = true
			n, err := Open(t.Context(), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			refused(n, "opened to write")
			if one.query == "" {
				err := n.Ingest(t.Context(), desk.Who{Actor: one.actor, Authority: one.number, Purpose: "p"}, intake.Options{}, nil)
				if !errors.Is(err, argus.ErrDamaged) {
					t.Errorf("ingest: %v", err)
				}
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			if damage, _, _ := verified(t, dir); len(damage) == 0 {
				t.Error("verify finds nothing")
			}
			protect(t, dir)
			o.Write, o.ReaderDir = false, t.TempDir()
			n, err = Open(t.Context(), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			refused(n, "protected")
		})
	}
}

// A revocation that has its ledger entry but not yet its file name takes effect, even if
// nobody can finish it. So does an authority.
func TestOnTheWayToItsName(t *testing.T) {
	dir, o := administered(t)
	folder := layout.File(dir, layout.Authorities)
	for _, name := range []string{"A-0004.revoked.json", "A-0002.json"} {
		if err := os.Rename(filepath.Join(folder, name), filepath.Join(folder, durable.Prepared+name)); err != nil {
			t.Fatal(err)
		}
	}
	protect(t, dir)
	o.ReaderDir = t.TempDir()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Desk.Search(t.Context(), desk.Who{Actor: "carl", Authority: "4", Purpose: "p"}, desk.SearchRequest{}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("revoked: %v", err)
	}
	if _, err := n.Desk.Search(t.Context(), desk.Who{Actor: "anna", Authority: "2", Purpose: "p"}, desk.SearchRequest{}); err != nil {
		t.Errorf("added: %v", err)
	}
}
