package entity

import (
	"iter"
	"strings"

	"github.com/argus-evidence/argus"
)

// A CountryReason is a country of a message, with the reason for it.
type CountryReason struct {
	// Country is a code of ISO 3166, in capitals.
	Country string `json:"country"`
	// Number is the account whose number the country gave out; empty if the source states the
	// country.
	Number string `json:"number,omitempty"`
}

// countryField is the name of a field in which a source states a country, in any case.
const countryField = "country"

// Countries yields the countries of a message: the one that the source states, in a field
// named country, perhaps in quotes, and those that gave out the numbers of its accounts: the
// sender, the receivers, and those that facts name. None of them says where anybody was. A
// country may come more than once.
func Countries(m *argus.Message) iter.Seq[CountryReason] {
	return func(yield func(CountryReason) bool) {
		for i := range m.Extra {
			if !strings.EqualFold(m.Extra[i].Name, countryField) {
				continue
			}
			if code := strings.ToUpper(strings.Trim(m.Extra[i].Value, ` "`)); IsCountry(code) && !yield(CountryReason{Country: code}) {
				return
			}
		}
		of := func(account string) bool {
			for _, country := range NumberCountries(account) {
				if !yield(CountryReason{country, account}) {
					return false
				}
			}
			return true
		}
		if !of(m.From) {
			return
		}
		for _, account := range m.To {
			if !of(account) {
				return
			}
		}
		m.Facts.Accounts(of)
	}
}

// Reads reports whether [Countries] or [National] depends on a field of a message.
func Reads(f *argus.Field) bool {
	return strings.EqualFold(f.Name, countryField) || f.Name == argus.NationalNumber
}

// National returns the telephone numbers in national form that intake found in a
// message ([argus.NationalNumber]), each at its first place in text.
func National(m *argus.Message, text string) (found []Entity) {
	for i := range m.Extra {
		if m.Extra[i].Name != argus.NationalNumber {
			continue
		}
		written, rest, _ := strings.Cut(m.Extra[i].Value, " in ")
		normal, ok := Normal(written)
		if !ok || normal != written || normal[0] != '+' {
			continue // a field of that name in the source
		}
		_, shown, _ := strings.Cut(rest, ": ")
		start := max(0, strings.Index(text, shown))
		found = append(found, Entity{Kind: "phone", Normal: normal, Start: start, End: min(start+len(shown), len(text))})
	}
	return found
}
