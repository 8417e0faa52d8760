package query

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

// anyScope also yields conditions on deliveries.
func anyScope(depth int) *rapid.Generator[Node] {
	inner := rapid.Deferred(func() *rapid.Generator[Node] { return anyScope(depth - 1) })
	leaves := rapid.OneOf(anyNode(0), rapid.Map(rapid.SampledFrom([]string{"D-0001", "D-0002", "D-0003"}), func(d string) Node { return Field{Name: Delivery, Value: d} }))
	if depth == 0 {
		return leaves
	}
	return rapid.OneOf(leaves,
		rapid.Map(rapid.SliceOfN(inner, 2, 3), func(nodes []Node) Node { return And{nodes} }),
		rapid.Map(rapid.SliceOfN(inner, 2, 3), func(nodes []Node) Node { return Or{nodes} }),
		rapid.Map(inner, func(n Node) Node { return Not{n} }))
}

func negates(n Node) bool {
	for one := range Each(n) {
		if _, not := one.(Not); not {
			return true
		}
	}
	return false
}

func TestSelect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scope, d := anyScope(2).Draw(t, "scope"), anyDoc().Draw(t, "doc")
		m := Compile(scope)
		selected := m.Select(d.Sightings)
		if got := m.Select(slices.Clone(d.Sightings)); len(got) != len(selected) {
			t.Fatalf("%s selects %d, and then %d", scope, len(selected), len(got))
		}
		if !negates(scope) {
			for i := range d.Sightings {
				alone := Match(scope, &Doc{d.Sightings[i : i+1]})
				if slices.Contains(selected, d.Sightings[i]) != alone {
					t.Fatalf("%s without negation selects sighting %d: %v, alone it matches: %v", scope, i, !alone, alone)
				}
			}
		}
		if len(d.Sightings) == 1 && (len(selected) == 1) != Match(scope, d) {
			t.Fatalf("%s selects the only sighting: %v", scope, len(selected) == 1)
		}
		// Double negation and De Morgan change nothing.
		if again := Compile(Not{Not{scope}}).Select(d.Sightings); !slices.Equal(again, selected) {
			t.Fatalf("NOT NOT %s selects %v, want %v", scope, again, selected)
		}
		for n := range argus.DeliveryNumber(4) {
			in := func(s []Sighting) []Sighting {
				return slices.DeleteFunc(slices.Clone(s), func(s Sighting) bool { return s.Delivery != n })
			}
			if got, want := in(Compile(For(scope, n)).Select(d.Sightings)), in(selected); !slices.Equal(got, want) {
				t.Fatalf("%s for %s is %s and selects %v, want %v", scope, n, For(scope, n), got, want)
			}
		}
	})
}

// The order in which copies arrived does not change the union.
func TestUnionHasNoOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyDoc().Draw(t, "doc")
		other := &Doc{rapid.Permutation(d.Sightings).Draw(t, "order")}
		a, b := d.Union(), other.Union()
		aID, aVersion := a.Identity()
		bID, bVersion := b.Identity()
		if aID != bID || aVersion != bVersion || a.Sent != b.Sent || a.FromName != b.FromName || d.ID() != other.ID() ||
			d.First().Version != other.First().Version || len(d.Sightings) > 1 && !slices.Equal(a.To, b.To) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}
