package intake

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"github.com/argus-evidence/argus"
)

// nationalTries is the maximum number of attempts to find a number in a text: the text may be
// hostile, and each attempt takes 0.1 ms.
const nationalTries = 512

// Countries parses a list of country codes (ISO 3166), such as NL,BE, and returns each code
// once.
func Countries(list string) ([]string, error) {
	var found []string
	for one := range strings.SplitSeq(list, ",") {
		one = strings.ToUpper(strings.TrimSpace(one))
		if !phonenumbers.GetSupportedRegions()[one] {
			return nil, fmt.Errorf("country %q: expected codes of two letters, such as NL or NL,BE", list)
		}
		if !slices.Contains(found, one) {
			found = append(found, one)
		}
	}
	return found, nil
}

// inCase returns the options for a path. If they name no country, the countries of the case are
// added, in the position that the setting country would have.
func (o Options) inCase() (Options, error) {
	if len(o.Countries) == 0 || len(o.Reading.Countries) > 0 {
		return o, nil
	}
	list := strings.Join(o.Countries, ",")
	var err error
	if o.Reading.Countries, err = Countries(list); err != nil {
		return o, fmt.Errorf("read the countries of the case: %w", err)
	}
	at := slices.IndexFunc(o.ReadingNames, func(f argus.Field) bool { return !slices.Contains(beforeCountry, f.Name) })
	if at < 0 {
		at = len(o.ReadingNames)
	}
	o.ReadingNames = slices.Insert(slices.Clone(o.ReadingNames), at, argus.Field{Name: "country", Value: list})
	return o, nil
}

// beforeCountry are the settings that come before country: an interrupted delivery is resumed
// if the settings are equal, whether they were given or come from the case.
var beforeCountry = []string{"timezone", "service", "owner"}

// addNationalNumbers finds the telephone numbers in a text that have the form of one of the
// countries of the case, and keeps them as [argus.NationalNumber]. A number counts if it is
// valid in a single country, begins with the 0 that is dialled inside that country or is
// grouped as is usual there, and no digit or letter touches it.
func addNationalNumbers(m *argus.Message, countries []string) {
	if len(countries) == 0 {
		return
	}
	tries := nationalTries
	var known []string
	for _, run := range nationalRun.FindAllStringIndex(m.Text, -1) {
		if touched(m.Text, run[0], run[1]) || dateInNumber.MatchString(m.Text[run[0]:run[1]]) {
			continue
		}
		for _, one := range nationalIn(m.Text[run[0]:run[1]], countries, &tries) {
			if !slices.Contains(known, one) {
				known = append(known, one)
				m.Extra = append(m.Extra, argus.Field{Name: argus.NationalNumber, Value: one})
			}
		}
		if tries <= 0 {
			m.Extra = append(m.Extra, argus.Field{Name: argus.ExtraUnread, Value: fmt.Sprintf("the text was not searched for national numbers after byte %d", run[0])})
			return
		}
	}
}

var (
	// nationalRun matches grouped digits of a length that telephone numbers may have.
	nationalRun = regexp.MustCompile(`\(?[0-9](?:[ \x{00A0}().\-/‑–]{0,2}[0-9]){6,19}`)
	// dateInNumber matches a date, which in some countries looks like the beginning of
	// a number.
	dateInNumber = regexp.MustCompile(`\b[0-9]{1,2}[-./ ][0-9]{1,2}[-./ ](?:19|20)[0-9]{2}\b|\b(?:19|20)[0-9]{2}[-./][0-9]{1,2}[-./][0-9]{1,2}\b`)
	digitGroup   = regexp.MustCompile(`[0-9]+`)
)

// touched reports whether a run of digits is part of something larger: a word, a longer
// number, an amount, a time of day, or a number in international form.
func touched(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	if unicode.IsLetter(before) || unicode.IsDigit(before) || strings.ContainsRune("+.,-/_#=@", before) && start > 0 {
		return true
	}
	after, size := utf8.DecodeRuneInString(text[end:])
	behind, _ := utf8.DecodeRuneInString(text[end+size:])
	return unicode.IsLetter(after) || unicode.IsDigit(after) || after == '_' || after == '@' || strings.ContainsRune(",.:-/", after) && unicode.IsDigit(behind)
}

// nationalIn returns the numbers in a run of digits, trying the longest first. The groups
// before and after a number may be unrelated if a space separates them from it.
func nationalIn(run string, countries []string, tries *int) (found []string) {
	groups := digitGroup.FindAllStringIndex(run, -1)
	for from := 0; from < len(groups); from++ {
		for to := len(groups); to > from; to-- {
			shown := run[groups[from][0]:groups[to-1][1]]
			if from > 0 && !spaced(run[groups[from-1][1]:groups[from][0]]) || to < len(groups) && !spaced(run[groups[to-1][1]:groups[to][0]]) ||
				strings.HasPrefix(shown, "0.") {
				continue
			}
			if digits := len(strings.Map(digitsOnly, shown)); digits < 7 || digits > 15 {
				continue
			}
			if *tries--; *tries <= 0 {
				return found
			}
			if number := national(shown, groups[from:to], run, countries); number != "" {
				found = append(found, number)
				from = to - 1 // continue after it
				break
			}
		}
	}
	return found
}

func spaced(between string) bool { return strings.ContainsAny(between, " \u00A0") }

func digitsOnly(r rune) rune {
	if '0' <= r && r <= '9' {
		return r
	}
	return -1
}

// national returns a number in the form of [argus.NationalNumber], or "" if it is valid in
// no country or in several.
func national(shown string, groups [][]int, run string, countries []string) string {
	if strings.HasPrefix(shown, "00") {
		return "" // international form
	}
	found := ""
	for _, country := range countries {
		number, err := phonenumbers.Parse(shown, country)
		if err != nil || !phonenumbers.IsValidNumberForRegion(number, country) {
			continue
		}
		if !strings.HasPrefix(shown, "0") && !grouped(groups, run, phonenumbers.Format(number, phonenumbers.NATIONAL)) {
			continue
		}
		if found != "" {
			return ""
		}
		found = phonenumbers.Format(number, phonenumbers.E164) + " in " + country + ": " + shown
	}
	return found
}

// grouped reports whether digits are grouped like a number in national form, perhaps after the
// prefix that is dialled before such a number.
func grouped(groups [][]int, run, national string) bool {
	var have []string
	for _, g := range groups {
		have = append(have, run[g[0]:g[1]])
	}
	want := digitGroup.FindAllString(national, -1)
	return len(want) > 1 && (slices.Equal(have, want) || len(have) == len(want)+1 && len(have[0]) == 1 && slices.Equal(have[1:], want))
}
