package intake

import (
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

func TestNationalNumbers(t *testing.T) {
	for _, tt := range []struct{ countries, text, want string }{
		{"US", "call me at 713-555-0134 tonight", "+17135550134 in US: 713-555-0134"},
		{"US", "or (212) 555-0187.", "+12125550187 in US: 212) 555-0187"},
		{"US", "1-713-555-0134 or 713.555.0134", "+17135550134 in US: 1-713-555-0134|+17135550134 in US: 713.555.0134"},
		{"US", "order 7135550134, 2021, 555-0134", ""},
		{"NL", "bel 06-12345678 of 0612345678", "+31612345678 in NL: 06-12345678|+31612345678 in NL: 0612345678"},
		{"NL", "010 123 4567 om 10 uur", "+31101234567 in NL: 010 123 4567"},
		{"NL", "om 10 06 12 34 56 78", "+31612345678 in NL: 06 12 34 56 78"},
		{"NL", "op 05-06-2021 10 uur; 2021-06-05 10:30", ""},
		{"NL", "+31612345678, 0031612345678, x0612345678, 0612345678.5, 10612345678, EUR 0.612345678", ""},
		{"NL,BE", "0470 12 34 56", "+32470123456 in BE: 0470 12 34 56"},
		{"NL,BE", "06-12345678", "+31612345678 in NL: 06-12345678"},
		{"BE", "06-12345678", ""},
		{"NL", "", ""},
		{"", "06-12345678", ""},
		{"NL,nl", "06-12345678", "+31612345678 in NL: 06-12345678"},
	} {
		var list []string
		if tt.countries != "" {
			var err error
			if list, err = Countries(tt.countries); err != nil {
				t.Fatal(err)
			}
		}
		m := &argus.Message{Text: tt.text}
		addNationalNumbers(m, list)
		var got []string
		for _, x := range m.Extra {
			if x.Name != argus.NationalNumber {
				t.Errorf("%q: %v", tt.text, x)
			}
			got = append(got, x.Value)
			if number, _, _ := strings.Cut(x.Value, " "); entity.Find(number)[0].Normal != number {
				t.Errorf("%q is not found as it is", number)
			}
		}
		if got := strings.Join(got, "|"); got != tt.want {
			t.Errorf("%s: %q: %q, want %q", tt.countries, tt.text, got, tt.want)
		}
	}
	for _, wrong := range []string{"", "XX", "NL;BE", "NLD", "NL,"} {
		if list, err := Countries(wrong); err == nil {
			t.Errorf("%q: %q", wrong, list)
		}
	}
	// A text that consists only of digits costs no more than the permitted attempts.
	m := &argus.Message{Text: strings.Repeat("06 12 34 56 7, ", 1<<14)}
	addNationalNumbers(m, []string{"NL", "BE"})
	if last := m.Extra[len(m.Extra)-1]; last.Name != argus.ExtraUnread {
		t.Errorf("%v", last)
	}
}

func FuzzNationalNumbers(f *testing.F) {
	f.Add("bel 06-12345678 of (020) 1234567/89")
	f.Fuzz(func(t *testing.T, text string) {
		m := &argus.Message{Text: text}
		addNationalNumbers(m, []string{"NL", "US"})
		for _, x := range m.Extra {
			if _, shown, _ := strings.Cut(x.Value, ": "); x.Name == argus.NationalNumber && !strings.Contains(text, shown) {
				t.Errorf("%q is not in %q", shown, text)
			}
		}
	})
}

// A path that names no country has the countries of the case, in the position of the setting
// country: an interrupted delivery is found again by equal settings, whether they were given or
// come from the case.
func TestCountriesOfTheCase(t *testing.T) {
	zone, country := argus.Field{Name: "timezone", Value: "UTC"}, argus.Field{Name: "country", Value: "NL,BE"}
	owner, sheet := argus.Field{Name: "owner", Value: "x"}, argus.Field{Name: "map", Value: "from=Afzender"}
	for _, tt := range []struct{ own, want []argus.Field }{
		{nil, []argus.Field{country}},
		{[]argus.Field{zone, owner, sheet}, []argus.Field{zone, owner, country, sheet}},
		{[]argus.Field{sheet}, []argus.Field{country, sheet}},
		{[]argus.Field{{Name: "country", Value: "DE"}, sheet}, []argus.Field{{Name: "country", Value: "DE"}, sheet}},
	} {
		o, err := Options{Countries: []string{"NL", "BE"}}.With(tt.own)
		if err == nil {
			o, err = o.inCase()
		}
		if err != nil || !slices.Equal(o.ReadingNames, tt.want) {
			t.Errorf("%v: %v, want %v (%v)", tt.own, o.ReadingNames, tt.want, err)
		}
		again, err := Reading(o.ReadingNames)
		if err != nil || !slices.Equal(again.Countries, o.Reading.Countries) || len(again.Countries) == 0 {
			t.Errorf("%v: read with %q, recorded as %q (%v)", tt.own, o.Reading.Countries, again.Countries, err)
		}
	}
	if _, err := (Options{Countries: []string{"XX"}}).inCase(); err == nil {
		t.Error("a country that does not exist")
	}
}
