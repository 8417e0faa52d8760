package entity

import (
	"slices"
	"strings"
	"sync"
)

// NumberCountries returns the countries whose numbering plan a telephone number in the form
// +31612345678 belongs to, as codes of ISO 3166 in capitals and in their order. There are
// two to four if they share the range, or share the code and none has the range; there is
// none if more share it, if it belongs to no country (+881), or if it is no number.
// A number says where it was given out, not where anybody is.
//
// Source: the metadata of libphonenumber, which has XK for Kosovo, AC for Ascension and TA
// for Tristan da Cunha beside ISO 3166.
func NumberCountries(number string) []string {
	digits, ok := strings.CutPrefix(number, "+")
	if !ok || digits == "" || len(digits) > 18 || strings.Trim(digits, "0123456789") != "" {
		return nil
	}
	if digits = strings.TrimPrefix(international([]byte(digits), 1), "+"); digits == "" {
		return nil
	}
	at, found := slices.BinarySearchFunc(numberRanges[:], digits, func(r numberRange, digits string) int { return strings.Compare(r.first, digits) })
	if !found {
		at--
	}
	if at < 0 {
		return nil
	}
	return numberRanges[at].countries
}

// IsCountry reports whether some telephone numbers are of a country with this code.
func IsCountry(code string) bool { return countries()[code] }

var countries = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, r := range numberRanges {
		for _, country := range r.countries {
			all[country] = true
		}
	}
	return all
})

// A numberRange begins with the digits in first and ends where the next one begins, in the
// order of strings.
type numberRange struct {
	first     string
	countries []string
}
