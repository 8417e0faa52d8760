package query

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, text, err string
	}{
		{"terms", strings.Repeat("a ", MaxTerms), ""},
		{"terms", strings.Repeat("a ", MaxTerms+1), "more than 10000 terms"},
		{"terms of a phrase", `"` + strings.Repeat("a ", MaxTerms+1) + `"`, "more than 10000 terms"},
		{"values", "from:(" + strings.Repeat("a OR ", MaxTerms) + "a)", "more than 10000 terms"},
		{"parentheses", strings.Repeat("(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth), ""},
		{"parentheses", strings.Repeat("(", MaxDepth+1) + "a" + strings.Repeat(")", MaxDepth+1), "nested more than"},
		{"open parentheses", strings.Repeat("(", 1_000_000), "nested more than"},
		{"negations", strings.Repeat("-", MaxDepth) + "a", ""},
		{"negations", strings.Repeat("-", MaxDepth+1) + "a", "nested more than"},
		{"negations", strings.Repeat("NOT ", 500_000) + "a", "nested more than"},
		{"mixed", strings.Repeat("-(", MaxDepth/2) + "a" + strings.Repeat(")", MaxDepth/2), ""},
		{"mixed", strings.Repeat("from:(-(", MaxDepth), "nested more than"},
		{"fuzzy", strings.Repeat("abc~ ", MaxFuzzy), ""},
		{"fuzzy", strings.Repeat("abc~ ", MaxFuzzy+1), "more than 100 words with typing errors"},
		{"parts", strings.Repeat("*ab* ", MaxParts), ""},
		{"parts", strings.Repeat("*ab ", MaxParts+1), "more than 100 parts"},
		{"stems", strings.Repeat("a~en ", MaxStems), ""},
		{"stems", strings.Repeat("a~en ", MaxStems+1), "more than 20 words with a stem"},
		{"digits", strings.Repeat("1", 33), ""},
		{"digits", strings.Repeat("1.", 33) + "1", ""},
		{"turns", strings.Repeat("a -> ", MaxThens) + "a", ""},
		{"turns", strings.Repeat("a -> ", MaxThens+1) + "a", "more than 10 arrows"},
		{"expression", "/" + strings.Repeat("a", MaxRegexp) + "/", ""},
		{"expression", "/" + strings.Repeat("a", MaxRegexp+1) + "/", "longer than 1000 bytes"},
		{"repetitions", `/` + strings.Repeat(`\pL{900}`, 30) + `/`, "too large"},
		{"expressions", strings.Repeat("/a{900}b/ ", 5), ""},
		{"expressions", strings.Repeat("/a{900}b/ ", 100), "too large"},
		{"length", strings.Repeat(" ", MaxQuery), ""},
		{"length", strings.Repeat(" ", MaxQuery+1), "longer than 4194304 bytes"},
		{"printed length", "sent:(" + strings.Repeat("2020 OR ", 9_999) + "2020)", ""},
		{"word", strings.Repeat("x", MaxQuery), ""},
		{"not UTF-8", "a\xff", "not valid UTF-8"},
	} {
		n, err := Parse(c.text, Options{})
		var e *SyntaxError
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.err == "":
			checkPrinted(t, n)
		case !errors.As(err, &e) || !strings.Contains(e.Message, c.err):
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.err)
		}
	}
}

func checkPrinted(t interface{ Fatalf(string, ...any) }, n Node) {
	again, err := Parse(n.String(), Options{Zone: time.FixedZone("east", 14*3600), Lists: anyList})
	if err != nil || !cmp.Equal(n, again) {
		t.Fatalf("%.200q\nreads as %.200v (%v)", n.String(), again, err)
	}
}

// anyList returns a list for every name.
func anyList(name, _ string) (*WordList, error) { return ParseList(name, []byte("snow\n=Ice cream")) }

// Every example in the first column of the manual's tables is a query.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	operators, rest, _ := strings.Cut(string(manual), "## Fields")
	_, dates, _ := strings.Cut(rest, "## Dates")
	examples := 0
	for line := range strings.Lines(operators + dates) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell := strings.Split(line, " | ")[0]
		for i, span := range strings.Split(cell, "`") {
			if i%2 == 0 || strings.Contains(span, "…") {
				continue
			}
			examples++
			if _, err := Parse(span, Options{Lists: anyList}); err != nil {
				t.Errorf("%s: %v", span, err)
			}
		}
	}
	if examples < 20 {
		t.Errorf("only %d examples found", examples)
	}
}

func TestSyntaxErrorShow(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"one OR", "one OR\n    ^^"},
		{"one & two", "one & two\n    ^"},
		{"(one", "(one\n^"},
		{"one\t\n&", "one  &\n     ^"},
		{"東京 & x", "東京 & x\n\u3000\u3000 ^"},
		{"cafe\u0301 & x", "cafe\u0301 & x\n     ^"},
		{"東京~", "東京~\n＾＾^"},
		{"one \u202e& x", "one & x\n    ^"},
		{"שלום & עולם", "שלום [[&]] עולם"},
		{strings.Repeat("x ", 50) + "&" + strings.Repeat(" y", 50), "…" + strings.Repeat("x ", 20) + "&" + strings.Repeat(" y", 20) + "…\n" + strings.Repeat(" ", 41) + "^"},
	} {
		_, err := Parse(c.query, Options{})
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q parses", c.query)
		} else if got := e.Show(); got != c.want {
			t.Errorf("error of %q shows\n%s\nwant\n%s", c.query, got, c.want)
		}
	}
}

func TestSyntaxErrorNamesTheCharacter(t *testing.T) {
	_, err := Parse("東京 OR", Options{})
	if got, want := fmt.Sprint(err), "query, character 4: OR has nothing on its right"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// anyQuery yields texts that are mostly, but not always, queries.
func anyQuery() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{
			"a", "boat", "boat*", "=Boat", `="a, b"`, "=", "boats~en", "boat~xx", "1.250.000", `"1250000"`, "20:21", "0612345678", "*oat*", "*at", "boat~", "boat~2", `"a b"`, `o'neil`, "/a+b/", `/\//`, "(", ")", "(", ")", "-", "NOT", "AND", "OR", "OR",
			"from:", "from:=", "with:(", "list:", "list:goods", "from:list:goods@", "in:", "lang:pt", "entity:phone", `entity:"50k euro"`, "entity:+44*", "delivery:7", "has:link", "is:locked", "sent:2020..2021", "sent:>2020-02",
			"sent:2021-02-14T12:03:11.5", "on:2020-02-29", "->", "->5", "->9:other", "*", "=", `\`, `"`, "“", "東京", "👩‍💻", "é", "السلام", `צה"ל`, "service:Sky", "..", "~1", ":", "Q3XK9A", `"x \" y"`,
		}),
		rapid.StringOfN(rapid.SampledFrom(interesting), 1, 3, -1),
		rapid.StringN(0, 3, -1),
	)
	return rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "pieces") {
			b.WriteString(piece.Draw(t, "piece"))
			if rapid.Bool().Draw(t, "space") {
				b.WriteByte(' ')
			}
		}
		return b.String()
	})
}

func TestParseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkParse(t, anyQuery().Draw(t, "query")) })
}

// An error from the source of lists is not a syntax error, unless the list does not
// exist.
func TestListErrors(t *testing.T) {
	broken := errors.New("the disk is on fire")
	_, err := Parse("list:goods", Options{Lists: func(string, string) (*WordList, error) { return nil, broken }})
	var e *SyntaxError
	if !errors.Is(err, broken) || errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
	goods, err := ParseList("goods", []byte("\uFEFFsnow\nwhite horse\nsnow\n"))
	if err != nil {
		t.Fatal(err)
	}
	find := func(name, hash string) (*WordList, error) {
		if name == "goods" && (hash == "" || hash == goods.Hash) {
			return goods, nil
		}
		return nil, argus.ErrNotFound
	}
	opts := Options{Lists: find}
	n, err := Parse(strings.Repeat("list:goods ", MaxLists), opts)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Parse(n.String(), opts); err != nil || !cmp.Equal(again, n) {
		t.Errorf("%s reads as %v (%v)", n, again, err)
	}
	for text, want := range map[string]string{
		strings.Repeat("list:goods ", MaxLists+1):    "more than 20 lists",
		"list:goods@" + strings.Repeat("0", 64):      "there is no list goods@0000",
		"in:list:ice":                                "there is no list ice",
		"list:" + strings.Repeat("a", MaxListName+1): "is not a list",
	} {
		if _, err := Parse(text, opts); !errors.As(err, &e) || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`hello -test from:alice sent:2019-01-01..2020-12-31`, `(a OR "b c"*) NOT /x\/y/ z~2`, `with:(=Q3XK9A OR "Al \" ice"*)`,
		`צה"ל 東京* -(-(a))`, `in:=`, "sent:..", "\xff", `delivery:D-7 is:differs lang:pt_BR`, `with:list:goods -list:ice@`, `entity:(phone OR "50k euro" OR "= +4"*)`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkParse(t, text) })
}

func checkParse(t interface{ Fatalf(string, ...any) }, text string) {
	n, err := Parse(text, Options{Lists: anyList})
	if err == nil {
		checkPrinted(t, n)
		return
	}
	var e *SyntaxError
	if !errors.As(err, &e) || e.Query != text || e.Offset < 0 || e.Length < 0 || e.Offset+e.Length > len(text) || e.Message == "" {
		t.Fatalf("%q: error %#v", text, err)
	}
	if utf8.ValidString(text) && (!utf8.ValidString(text[:e.Offset]) || !utf8.ValidString(text[e.Offset:e.Offset+e.Length])) {
		t.Fatalf("%q: the error points into the middle of a character: %#v", text, e)
	}
	if !utf8.ValidString(e.Show()) && utf8.ValidString(text) || strings.Count(e.Show(), "\n") > 1 {
		t.Fatalf("%q: the error shows %q", text, e.Show())
	}
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"short", `hello -test from:alice sent:2019-01-01..2020-12-31`},
		{"scope of 5000 accounts", "with:(" + strings.Repeat("=Q3XK9A OR ", 4999) + "=Q3XK9A)"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(c.text, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
