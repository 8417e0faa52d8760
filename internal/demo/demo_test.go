package demo

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/people"
)

// TestFill: the store has somebody for each role, the page can be each of them, and nobody has
// an authority in force but by the orders.
func TestFill(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), node.Options{KeyDir: filepath.Join(t.TempDir(), "keys")}
	if err := node.Create(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if asks, err := Asks(t.Context(), n); err != nil || len(asks) != 1 || asks[0].Authority != "A-0001" {
		t.Errorf("in a store without people, the page is %+v, %v", asks, err)
	}
	if err := Fill(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	asks, err := Asks(t.Context(), n)
	if err != nil || len(asks) != len(cast) || asks[0].Actor != First {
		t.Fatalf("the page can be %+v, %v", asks, err)
	}
	for _, role := range people.Roles {
		if !slices.ContainsFunc(cast, func(p people.Actor) bool { return p.Has(role) }) {
			t.Errorf("nobody is %s", role)
		}
	}
	inForce := func(actor string) (count int) {
		list, err := n.Desk.Orders(t.Context(), desk.Who{Actor: actor}, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list {
			if one.State == authority.InForce {
				count++
			}
		}
		return count
	}
	for _, one := range cast {
		want := 1
		if one.Has(people.Liaison) || one.Has(people.PrivilegeOfficer) || one.Has(people.Overseer) || one.Has(people.Partner) {
			want = 0
		}
		if got := inForce(one.ID); got != want {
			t.Errorf("%s has %d authorities in force, want %d", one.ID, got, want)
		}
	}
}
