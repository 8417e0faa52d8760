package intake

import (
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
	} {
		var list []string
		if tt.countries != "" {
			var err error
			if list, err = countries(tt.countries); err != nil {
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
		if list, err := countries(wrong); err == nil {
			t.Errorf("%q: %q", wrong, list)
		}
	}
	// A text of digits alone costs no more than its tries.
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
