package query

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

// TestNationalNumbers finds the numbers that intake recorded with a text, but not a
// source field that only looks like one of them.
func TestNationalNumbers(t *testing.T) {
	m := &argus.Message{Service: "test", From: "a", Text: "bel 06-12345678 of +32 470 12 34 56", Extra: []argus.Field{
		{Name: argus.NationalNumber, Value: "+31612345678 in NL: 06-12345678"},
		{Name: argus.NationalNumber, Value: "a@x.test in NL: bel"},
		{Name: argus.NationalNumber, Value: "06-12345678"},
		{Name: "number", Value: "+31687654321 in NL: 06"},
	}}
	want := []entity.Entity{{Kind: "phone", Normal: "+31612345678", Start: 4, End: 15}}
	if diff := cmp.Diff(want, entity.National(m, m.Text)); diff != "" {
		t.Error(diff)
	}
	d := &Doc{Sightings: []Sighting{{Message: m}}}
	terms := Terms(d, Entity)
	for _, want := range []string{"phone", "+31612345678", "+32470123456"} {
		if !slices.Contains(terms, want) {
			t.Errorf("%q is not among %q", want, terms)
		}
	}
	for _, q := range []string{"entity:phone", `entity:"+31 6 12345678"`, "entity:+3161*"} {
		n, err := Parse(q, Options{})
		if err != nil || !Match(n, d) {
			t.Errorf("%s does not find it: %v", q, err)
		}
	}
}
