package entity

import (
	"bytes"
	"fmt"
	"go/format"
	"maps"
	"math/rand/v2"
	"os"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"
)

// TestNumberRanges compares the table with the metadata of libphonenumber.
func TestNumberRanges(t *testing.T) {
	all, err := phonenumbers.MetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string][]*plan{}
	for _, m := range all.GetMetadata() {
		code := fmt.Sprint(m.GetCountryCode())
		if m.GetId() == "001" {
			plans[code] = nil // of no country
			continue
		}
		one := &plan{country: m.GetId(), leading: compiled(t, m.GetLeadingDigits())}
		for _, desc := range []*phonenumbers.PhoneNumberDesc{
			m.GetFixedLine(), m.GetMobile(), m.GetTollFree(), m.GetPremiumRate(), m.GetSharedCost(),
			m.GetPersonalNumber(), m.GetVoip(), m.GetPager(), m.GetUan(), m.GetVoicemail(),
		} {
			if desc.GetNationalNumberPattern() != "" {
				one.numbers = append(one.numbers, compiled(t, desc.GetNationalNumberPattern()))
			}
		}
		plans[code] = append(plans[code], one)
	}
	var rows []numberRange
	for _, code := range slices.Sorted(maps.Keys(plans)) {
		rows = appendRanges(rows, code, "", plans[code], plans[code])
	}
	var b bytes.Buffer
	b.WriteString(`package entity

// numberRanges are in order; there are gaps of no country between them. TestNumberRanges
// writes them, with -update, from the metadata of libphonenumber.
var numberRanges = [...]numberRange{
`)
	for i, row := range rows {
		if i > 0 && slices.Equal(row.countries, rows[i-1].countries) {
			continue
		}
		fmt.Fprintf(&b, "\t{%q, %s},\n", row.first, fmt.Sprintf("%#v", row.countries))
	}
	b.WriteString("}\n")
	want, err := format.Source(bytes.ReplaceAll(b.Bytes(), []byte("[]string(nil)"), []byte("nil")))
	if err != nil {
		t.Fatal(err)
	}
	const name = "country_ranges.go"
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run this test with -update, raise Version (-want +got)\n%s", diff)
	}
}

// A plan is the numbering plan of a country: the beginnings that tell it from others with
// the same code, if there are any, and its numbers.
type plan struct {
	country string
	leading *syntax.Prog
	numbers []*syntax.Prog
}

// mostSharing is the most countries that are told for one number. The 25 countries of +1 are
// too many: their free numbers, and areas that none of them has, are of no country.
const mostSharing = 4

// longestArea is the longest area that is looked at.
const longestArea = 5

// appendRanges appends the ranges of the numbers that begin with a code and some digits.
// plans are those of the code, left those that have numbers one digit before.
func appendRanges(rows []numberRange, code, digits string, plans, left []*plan) []numberRange {
	if len(plans) <= 1 {
		return append(rows, numberRange{code + digits, countriesOf(plans)})
	}
	var possible []*plan
	for _, p := range left {
		if p.has(digits) {
			possible = append(possible, p)
		}
	}
	told, end := possible, len(possible) == 1 || len(digits) == longestArea
	if len(possible) == 0 {
		told, end = plans, true
	}
	if len(told) > mostSharing && (end || len(digits) >= 3) {
		told, end = nil, true
	}
	if end {
		return append(rows, numberRange{code + digits, countriesOf(told)})
	}
	for d := '0'; d <= '9'; d++ {
		rows = appendRanges(rows, code, digits+string(d), plans, possible)
	}
	return rows
}

func countriesOf(plans []*plan) (countries []string) {
	for _, p := range plans {
		countries = append(countries, p.country)
	}
	slices.Sort(countries)
	return countries
}

// has reports whether a number of the country can begin with these digits.
func (p *plan) has(digits string) bool {
	return (p.leading == nil || begun(p.leading, digits, true)) &&
		slices.ContainsFunc(p.numbers, func(n *syntax.Prog) bool { return begun(n, digits, false) })
}

func compiled(t *testing.T, expr string) *syntax.Prog {
	t.Helper()
	if expr == "" {
		return nil
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// begun reports whether a text that begins with digits can match the whole expression, or,
// if open, begin with a match.
func begun(prog *syntax.Prog, digits string, open bool) bool {
	states := follow(prog, nil, uint32(prog.Start))
	for _, d := range digits {
		var next []uint32
		for _, pc := range states {
			switch in := prog.Inst[pc]; {
			case in.Op == syntax.InstMatch && open:
				return true
			case in.Op != syntax.InstMatch && in.MatchRune(d):
				next = follow(prog, next, in.Out)
			}
		}
		states = next
	}
	return len(states) > 0
}

// follow adds the states that are reached without reading.
func follow(prog *syntax.Prog, states []uint32, pc uint32) []uint32 {
	switch in := prog.Inst[pc]; in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return follow(prog, follow(prog, states, in.Out), in.Arg)
	case syntax.InstCapture, syntax.InstNop:
		return follow(prog, states, in.Out)
	case syntax.InstFail:
		return states
	default:
		if slices.Contains(states, pc) {
			return states
		}
		return append(states, pc)
	}
}

// TestNumberCountriesAgainstLibrary: a number that libphonenumber considers valid in a
// country is of that country.
func TestNumberCountriesAgainstLibrary(t *testing.T) {
	alone, n := 0, 0
	for region := range phonenumbers.GetSupportedRegions() {
		if !IsCountry(region) {
			t.Errorf("%s is no country", region)
		}
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.VOIP} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			number := phonenumbers.Format(example, phonenumbers.E164)
			got := NumberCountries(number)
			if !slices.Contains(got, phonenumbers.GetRegionCodeForNumber(example)) {
				t.Errorf("%s: got %v, want %s", number, got, region)
			}
			if n++; len(got) == 1 {
				alone++
			}
		}
	}
	if t.Logf("%d of %d examples are of one country alone", alone, n); n < 400 || alone < n*95/100 {
		t.Errorf("%d of %d examples are of one country alone", alone, n)
	}
}

// TestNumberCountriesOfRandomNumbers measures precision and recall on numbers that
// libphonenumber considers valid, drawn evenly over countries, against the one country
// that it names for each. The product has only ranges of up to five digits after the code.
func TestNumberCountriesOfRandomNumbers(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	drawn, named, right := 0, 0, 0
	for _, region := range slices.Sorted(maps.Keys(phonenumbers.GetSupportedRegions())) {
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE} {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil {
				continue
			}
			for range 40 {
				digits := []byte(phonenumbers.Format(example, phonenumbers.E164))
				code := 1 + len(fmt.Sprint(example.GetCountryCode()))
				for i := code + draw.IntN(3); i < len(digits); i++ {
					digits[i] = '0' + byte(draw.IntN(10))
				}
				number, err := phonenumbers.Parse(string(digits), "")
				if err != nil || !phonenumbers.IsValidNumber(number) {
					continue
				}
				want, got := phonenumbers.GetRegionCodeForNumber(number), NumberCountries(string(digits))
				drawn, named = drawn+1, named+len(got)
				if slices.Contains(got, want) {
					right++
				}
			}
		}
	}
	precision, recall := float64(right)/float64(named), float64(right)/float64(drawn)
	t.Logf("%d numbers: precision %.4f, recall %.4f", drawn, precision, recall)
	if drawn < 5000 || precision < .95 || recall < .95 {
		t.Errorf("%d numbers: precision %.4f, recall %.4f; want at least .95 each", drawn, precision, recall)
	}
}

func TestNumberCountries(t *testing.T) {
	for number, want := range map[string]string{
		"+31612345678": "NL", "+32470123456": "BE", "+491701234567": "DE", "+33612345678": "FR",
		"+12025550123": "US", "+14165550123": "CA", "+18765550123": "JM", "+79161234567": "RU", "+77011234567": "KZ",
		"+447400123456": "GB", "+447781123456": "GG", "+390612345678": "IT", "+390669812345": "VA",
		"+38344123456": "XK", "+881612345678": "", "+80012345678": "",
		// Areas that no plan has: some countries share the code, or too many.
		"+441000000000": "GB GG IM JE", "+12005550123": "", "+18005550123": "CA US",
		// These are no numbers.
		"": "", "+": "", "31612345678": "", "+31": "", "+3161234567a": "", "+000000000": "", "+999123456789": "", "+316123456789012345": "",
		"+31612345678@0123456789ab": "", "Q3XK9A": "",
	} {
		if got := strings.Join(NumberCountries(number), " "); got != want {
			t.Errorf("%s: got %q, want %q", number, got, want)
		}
	}
}

func FuzzNumberCountries(f *testing.F) {
	for _, number := range []string{"+31612345678", "+1", "+00", "+1999999999999999999", "+\x00"} {
		f.Add(number)
	}
	f.Fuzz(func(t *testing.T, number string) {
		countries := NumberCountries(number)
		if !slices.IsSorted(countries) || len(countries) > 25 {
			t.Errorf("%q: %q", number, countries)
		}
		for _, country := range countries {
			if !IsCountry(country) {
				t.Errorf("%q: %q is no country", number, country)
			}
		}
	})
}
