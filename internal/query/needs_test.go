package query

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		expr  string
		needs int
		terms string // a text that meets the needs; empty if there is none
		not   string // a text that does not
	}{
		{`[A-Z]{4}\d{7}`, 1, "xmsku1234567", "msku123456"},
		{`boat.{0,20}dock`, 2, "boats dock", "boats port"},
		{`^(boat|ship)s? `, 1, "ships", "shop"},
		{`(?i)Boat`, 1, "boat", "boot"},
		{`boat|.x`, 0, "", ""},
		{`\w+@x\.nl`, 2, "x nl", "x be"},
		{`.*`, 0, "", ""},
		{`(a|b)*`, 0, "", ""},
		{`груз`, 0, "", ""},
		{`(x-\d)+`, 2, "x 1", "x y"},
		{`k`, 1, "\u043a\u043e\u043a\u0430\u0438\u043d", "a"}, // may have been Latin
	} {
		needs := Regexp{c.expr}.Needs()
		if len(needs) != c.needs {
			t.Errorf("/%s/ needs %d terms, want %d", c.expr, len(needs), c.needs)
			continue
		}
		if c.needs > 0 && (!met(needs, strings.Fields(c.terms)) || met(needs, strings.Fields(c.not))) {
			t.Errorf("/%s/: %q has what is needed: %t, %q: %t", c.expr, c.terms, met(needs, strings.Fields(c.terms)), c.not, met(needs, strings.Fields(c.not)))
		}
	}
}

func met(needs []func(term []byte) bool, terms []string) bool {
	for _, need := range needs {
		found := false
		for _, term := range terms {
			found = found || need([]byte(term))
		}
		if !found {
			return false
		}
	}
	return true
}

// A text that matches an expression meets its needs.
func TestNeedsProperties(t *testing.T) {
	piece := rapid.SampledFrom([]string{
		"a", "boat", "B", "k", "(?i)k", "(?i:S)", "[a-c]", "[^a]", ".", ".*", `\d+`, `\w`, `\b`, "^", "$", "(", ")", "|", "+", "?", "*", "{2}", "é", "кo", "0", " ", "-",
	})
	text := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{"a", "boat", "B", "k", "K", "S", "ſ", "\u212A", "0", "12", " ", "-", "é", "e\u0301", "к", "о", "ж", "🙂", "가", strings.Repeat("x", 250), strings.Repeat("о", 120)}),
		rapid.Map(rapid.SampledFrom(interesting), func(r rune) string { return string(r) }),
	), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		expr := strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "expression"), "")
		re, err := regexp.Compile(expr)
		if err != nil {
			return
		}
		s := strings.Join(text.Draw(t, "text"), "")
		if re.MatchString(s) && !met(Regexp{expr}.Needs(), Analyze(s)) {
			t.Fatalf("/%s/ matches %q, but its terms %q do not meet the needs", expr, s, Analyze(s))
		}
	})
}

func BenchmarkNeeds(b *testing.B) {
	for _, expr := range []string{`[A-Z]{4}\d{7}`, "boat.*dock", "bo[au]t"} {
		b.Run(expr, func(b *testing.B) {
			need := Regexp{expr}.Needs()[0]
			for b.Loop() {
				need([]byte("shipments"))
			}
		})
	}
}
