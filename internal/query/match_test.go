package query

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

func TestTerms(t *testing.T) {
	m := argus.Message{
		Service: "sky", Conversation: "Q3XK9A|7B2FAA", Title: "Boat  Trip!", From: "Q3XK9A", FromName: "Álice O'Neil", To: []string{"7B2FAA", "=x", "+31612345678"},
		Sent: argus.At(time.Unix(0, 0), "", argus.ZoneStated, argus.Second), Text: "HTTPS://x.nl", Lang: "pt_BR",
		State: argus.StateDeleted | argus.StateSystem, ReplyTo: "1", ForwardedFrom: "c", Attachments: []argus.Attachment{{}},
		Extra: []argus.Field{{Name: "country", Value: "be"}},
	}
	d := One(&m, 7, 12)
	d.Sightings[1].Version[0] = 1
	want := map[FieldName][]string{
		From:     {"=Q3XK9A", "q3xk9a", "alice o'neil", "alice", "o'neil", "o", "neil"},
		To:       {"=7B2FAA", "7b2faa", "==x", "x", "=+31612345678", "+31612345678", "31612345678"},
		With:     {"=Q3XK9A", "q3xk9a", "alice o'neil", "alice", "o'neil", "o", "neil", "=7B2FAA", "7b2faa", "==x", "x", "=+31612345678", "+31612345678", "31612345678"},
		In:       {"=Q3XK9A|7B2FAA", "q3xk9a|7b2faa", "q3xk9a", "7b2faa", "boat trip!", "boat", "trip!", "trip"},
		Service:  {"sky"},
		Delivery: {"D-0007", "D-0012"},
		Has:      {"attachment", "link", "reply", "forward", "text", "time"},
		Is:       {"deleted", "system", "differs", "message"},
		Lang:     {"pt-br", "=pt-br", "pt", "=pt"},
		Country:  {"BE", "=BE", "NL?", "NL"},
		Entity:   {"host", "x.nl"},
		Same:     {"=80000000000000003bdba4f01efb7fd7ec77d7b5929def64"}, // must never change, because every index contains it
	}
	got := map[FieldName][]string{}
	for _, name := range Fields {
		got[name] = Terms(d, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terms (-want +got):\n%s", diff)
	}
	for _, name := range Fields {
		if got := Terms(One(&argus.Message{}), name); len(got) != 0 && name != Is {
			t.Errorf("an empty message has the terms %q in %s", got, name)
		}
	}
}

// The first mail of a conversation does not name the conversation, but is also in the one
// that the replies name.
func TestTermsOfBegun(t *testing.T) {
	for _, c := range []struct {
		conversation, id string
		want             []string
	}{
		{"derived:ab", "1@x", []string{"=derived:ab", "derived:ab", "derived", "ab", "=1@x"}},
		{"derived:ab", "", []string{"=derived:ab", "derived:ab", "derived", "ab"}},
		{"derived:ab", "derived:ab", []string{"=derived:ab", "derived:ab", "derived", "ab"}},
		{"0@x", "1@x", []string{"=0@x", "0@x", "0", "x"}},
	} {
		got := Terms(One(&argus.Message{Conversation: c.conversation, ServiceID: c.id}), In)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s (-want +got):\n%s", c.conversation, c.id, diff)
		}
	}
}

func TestHasLink(t *testing.T) {
	for text, want := range map[string]bool{
		"http://a": true, "see HTTPS://A": true, "www.a": true, "(WWW.a.nl)": true,
		"http:/a": false, "ftp://a": false, "awww.a": false, "www.": false, "www a": false, "://": false, "": false,
	} {
		if hasLink(text) != want {
			t.Errorf("hasLink(%q) = %v", text, !want)
		}
	}
}

// vocabulary is small, so that queries often have hits.
var vocabulary = []string{"a", "b", "ab", "abc", "abd", "boat", "boats", "boot", "лодка", "лодки", "é", "東", "京", "👍", "1", "12", "234", "567", "345678", "Boats", "e\u0301"}

// anyDoc has one or more copies; some share a version.
func anyDoc() *rapid.Generator[*Doc] {
	return rapid.Custom(func(t *rapid.T) *Doc {
		d := &Doc{}
		for i := range rapid.IntRange(1, 3).Draw(t, "copies") {
			m := &argus.Message{Service: "sky", From: "A"}
			if i > 0 && rapid.Bool().Draw(t, "of the same version") {
				*m = *d.Sightings[0].Message
			} else {
				text := rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 8).Draw(t, "text")
				m.Text = strings.Join(text, rapid.SampledFrom([]string{" ", ", "}).Draw(t, "between"))
				m.State = argus.State(rapid.IntRange(0, 15).Draw(t, "state"))
			}
			m.FromName = rapid.SampledFrom([]string{"A", "b c", "ab"}).Draw(t, "name")
			m.To = rapid.SliceOfN(rapid.SampledFrom([]string{"A", "b c"}), 0, 2).Draw(t, "to")
			m.Sent = argus.Time{}
			if rapid.Bool().Draw(t, "known") {
				m.Sent = argus.Time{
					Micros:    rapid.Int64Range(0, 10).Draw(t, "sent") * 1e6,
					Precision: rapid.SampledFrom([]argus.Precision{argus.Minute, argus.Second}).Draw(t, "precision"),
					Zone:      rapid.SampledFrom([]argus.ZoneSource{argus.ZoneStated, argus.ZoneAssumed}).Draw(t, "zone"),
				}
			}
			id, version := m.Identity()
			d.Sightings = append(d.Sightings, Sighting{id, version, argus.DeliveryNumber(rapid.IntRange(1, 2).Draw(t, "delivery")), m})
		}
		return d
	})
}

func anyNode(depth int) *rapid.Generator[Node] {
	word := rapid.Map(rapid.SampledFrom(vocabulary), func(s string) string { return Analyze(s)[0] })
	kinds := []*rapid.Generator[Node]{
		rapid.Map(word, func(s string) Node { return Word{s} }),
		rapid.Map(word, func(s string) Node { return Prefix{s} }),
		rapid.Custom(func(t *rapid.T) Node {
			return Part{rapid.SampledFrom([]string{"b", "ab", "oa", "oat", "одк", "東"}).Draw(t, "part"), rapid.Bool().Draw(t, "at end")}
		}),
		rapid.Map(rapid.SampledFrom([]string{"1234", "12345", "1234567", "11234", "212345678"}), func(s string) Node { return Number{s} }),
		rapid.Map(rapid.SampledFrom([]string{"a", "ab", "é", "É", "boat", "Boats", "a b", "a, b", "東", "東京"}), func(s string) Node { return Written{s} }),
		rapid.Custom(func(t *rapid.T) Node {
			return Stem{word.Draw(t, "word"), rapid.SampledFrom([]string{"en", "ru", "ar", "xx"}).Draw(t, "language")}
		}),
		rapid.Map(rapid.SliceOfN(word, 2, 4), func(s []string) Node { return Phrase{s} }),
		rapid.Custom(func(t *rapid.T) Node { return Fuzzy{word.Draw(t, "fuzzy"), rapid.IntRange(1, 2).Draw(t, "distance")} }),
		rapid.Map(rapid.SampledFrom([]string{"a.b", "bo+t", "[东京]", "^a"}), func(s string) Node { return Regexp{s} }),
		rapid.Custom(func(t *rapid.T) Node {
			return Field{
				rapid.SampledFrom([]FieldName{From, To, With, Is, Has}).Draw(t, "field"),
				rapid.SampledFrom([]string{"a", "b", "b c", "=A", "locked", "time", ""}).Draw(t, "value"), rapid.Bool().Draw(t, "prefix"),
			}
		}),
		rapid.Custom(func(t *rapid.T) Node {
			from := rapid.Int64Range(0, 10).Draw(t, "from")
			return Sent{time.Unix(from, 0).UTC(), time.Unix(rapid.Int64Range(from, 11).Draw(t, "to"), 0).UTC()}
		}),
		rapid.Map(rapid.SliceOfN(rapid.SliceOfN(word, 1, 3), 0, 4), func(entries [][]string) Node {
			n := List{Name: "l"}
			for _, entry := range entries {
				n.Nodes = append(n.Nodes, textNode(entry))
			}
			return n
		}),
		rapid.Custom(func(t *rapid.T) Node {
			n := List{Field: rapid.SampledFrom([]FieldName{From, With}).Draw(t, "field")}
			for _, value := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b c", "=A"}), 0, 2).Draw(t, "values") {
				n.Nodes = append(n.Nodes, Field{n.Field, value, false})
			}
			return n
		}),
		rapid.Just(Node(All{})),
	}
	if depth > 0 {
		inner := rapid.SliceOfN(anyNode(depth-1), 2, 3)
		kinds = append(kinds,
			rapid.Map(inner, func(n []Node) Node { return And{n} }),
			rapid.Map(inner, func(n []Node) Node { return Or{n} }),
			rapid.Map(anyNode(depth-1), func(n Node) Node { return Not{n} }),
		)
	}
	return rapid.OneOf(kinds...)
}

func TestMatchEqualsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := anyNode(3).Draw(t, "node"), anyDoc().Draw(t, "doc")
		if got, want := Match(n, d), brute(n, d); got != want {
			t.Fatalf("%s matches %+v: %v, want %v", n, d, got, want)
		}
	})
}

// brute defines the meaning of a query in the simplest way.
func brute(n Node, d *Doc) bool {
	switch n := n.(type) {
	case All:
		return true
	case And:
		return !slices.ContainsFunc(n.Nodes, func(n Node) bool { return !brute(n, d) })
	case Or:
		return slices.ContainsFunc(n.Nodes, func(n Node) bool { return brute(n, d) })
	case List:
		return slices.ContainsFunc(n.Nodes, func(n Node) bool { return brute(n, d) })
	case Not:
		return !brute(n.Node, d)
	case Field:
		return slices.ContainsFunc(Terms(d, n.Name), func(s string) bool {
			return s == n.Value || n.Prefix && strings.HasPrefix(s, n.Value)
		})
	case Sent:
		at := bruteSent(d)
		return at.Known() && at.Micros >= n.From.UnixMicro() && at.Micros < n.To.UnixMicro()
	case Fuzzy, Number, Part, Phrase, Prefix, Regexp, Stem, Then, Word, Written:
	}
	return slices.ContainsFunc(d.Sightings, func(s Sighting) bool { return bruteText(n, s.Message.Text) })
}

// bruteSent filters the times: the most precise, then those with a stated zone, then
// those of the service's clock, then the earliest.
func bruteSent(d *Doc) argus.Time {
	var times []argus.Time
	for _, s := range d.Sightings {
		times = append(times, s.Message.Sent)
	}
	for _, better := range []func(a, b argus.Time) bool{
		func(a, b argus.Time) bool { return a.Precision > b.Precision },
		func(a, b argus.Time) bool { return a.Zone == argus.ZoneStated && b.Zone != argus.ZoneStated },
		func(a, b argus.Time) bool { return a.Clock == argus.ClockService && b.Clock != argus.ClockService },
		func(a, b argus.Time) bool { return a.Micros < b.Micros },
	} {
		times = slices.DeleteFunc(slices.Clone(times), func(t argus.Time) bool {
			return slices.ContainsFunc(times, func(o argus.Time) bool { return better(o, t) })
		})
	}
	return times[0]
}

// bruteText reports whether a node that looks at a text finds it there.
func bruteText(n Node, text string) bool {
	terms := Analyze(text)
	switch n := n.(type) {
	case Word:
		return slices.Contains(terms, n.Term)
	case Prefix:
		return slices.ContainsFunc(terms, func(s string) bool { return strings.HasPrefix(s, n.Term) })
	case Part:
		return slices.ContainsFunc(terms, func(s string) bool {
			return strings.HasSuffix(s, n.Term) || !n.AtEnd && strings.Contains(s, n.Term)
		})
	case Stem:
		accepts := n.Accepts()
		return slices.ContainsFunc(terms, func(s string) bool { return accepts([]byte(s)) })
	case Number:
		for i := range terms {
			for j := i + 1; j <= len(terms); j++ {
				groups := terms[i:j]
				fits := len(n.Digits) >= 7 || !slices.ContainsFunc(groups[1:], func(s string) bool { return len(s) != 3 })
				if strings.Join(groups, "") == n.Digits && fits {
					return true
				}
			}
		}
		return false
	case Written:
		text := norm.NFC.String(text)
		for i := range len(text) {
			if strings.HasPrefix(text[i:], n.Text) && slices.ContainsFunc(spans(text), func(s [2]int) bool { return s[0] == i }) &&
				slices.ContainsFunc(spans(text), func(s [2]int) bool { return s[1] == i+len(n.Text) }) {
				return true
			}
		}
		return false
	case Phrase:
		for i := range terms {
			if slices.Equal(n.Terms, terms[i:min(len(terms), i+len(n.Terms))]) {
				return true
			}
		}
		return false
	case Fuzzy:
		return slices.ContainsFunc(terms, func(s string) bool { return levenshtein([]rune(s), []rune(n.Term)) <= n.Distance })
	case Regexp:
		return regexp.MustCompile(n.Expr).MatchString(text)
	case All, And, Field, List, Not, Or, Sent, Then:
	}
	panic("unknown node")
}

// spans returns the places of the terms.
func spans(text string) (spans [][2]int) {
	var a Analyzer
	for a.Reset(text); a.Next(); {
		spans = append(spans, [2]int{a.Start(), a.End()})
	}
	return spans
}

// levenshtein implements the recursive definition.
func levenshtein(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	if a[0] == b[0] {
		return levenshtein(a[1:], b[1:])
	}
	return 1 + min(levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:]))
}

// MatchAll equals Match, except for a Then.
func TestMatchAllEqualsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, docs := anyNode(2).Draw(t, "node"), rapid.SliceOfN(anyDoc(), 0, 5).Draw(t, "docs")
		for i, matches := range MatchAll(n, docs) {
			if Match(n, docs[i]) != matches {
				t.Fatalf("%s matches %+v: %v", n, docs[i], matches)
			}
		}
	})
}

func TestEditDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SliceOfN(rapid.SampledFrom([]rune("aбc")), 0, 7)
		a, b, limit := word.Draw(t, "a"), word.Draw(t, "b"), rapid.IntRange(1, 4).Draw(t, "limit")
		if got, want := editDistance(a, b, limit), min(limit, levenshtein(a, b)); got != want {
			t.Fatalf("distance of %q and %q up to %d is %d, want %d", string(a), string(b), limit, got, want)
		}
	})
}

// Marks are in order, apart and inside the text. A lone word, phrase, prefix, fuzzy word
// or expression has marks if and only if it matches.
func TestMarksProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := anyNode(2).Draw(t, "node"), anyDoc().Draw(t, "doc")
		d.Sightings = d.Sightings[:1]
		text := d.Sightings[0].Message.Text
		marks := Marks(n, text)
		end := -1
		for _, m := range marks {
			if m[0] <= end || m[1] <= m[0] || m[1] > len(text) {
				t.Fatalf("marks %v in %q", marks, text)
			}
			end = m[1]
		}
		if list, ok := n.(List); ok && list.Field == "" && Match(n, d) != (len(marks) > 0) {
			t.Fatalf("%v matches %q: %v, with marks %v", list.Nodes, text, Match(n, d), marks)
		}
		switch n.(type) {
		case Word, Phrase, Number, Written, Prefix, Part, Fuzzy, Stem, Regexp:
			if Match(n, d) != (len(marks) > 0) {
				t.Fatalf("%s matches %q: %v, with marks %v", n, text, Match(n, d), marks)
			}
		case All, And, Field, List, Not, Or, Sent, Then:
		}
	})
}

// Every identifier is found by its kind, and by its normal form as people may write it in
// a query.
func TestIdentifiersAreFound(t *testing.T) {
	pieces := []string{"+44 7700 900123", "0044 7700 900124", "MSCU 123456-6", "nl91abna0417164300", "€50.000,-", "$ 5", "2,5 kilo", "Bob@Example.org", "https://münchen.example/",
		"51.2217, -4.4025", "XT-347-S", "IMEI 49-015420-323751-8", "IMO9074729", " ", "\n", "x", ".", "\u200f"}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 8).Draw(t, "text"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		d := One(&argus.Message{Text: text})
		for _, e := range entity.Find(text) {
			for _, value := range []string{e.Kind, strconv.Quote(e.Normal), strconv.Quote(e.Normal[:1]) + "*"} {
				n, err := Parse("entity:"+value, Options{})
				if err != nil || !Match(n, d) {
					t.Errorf("%q: entity:%s does not match (%v)", text, value, err)
				}
				checkPrinted(t, n)
			}
		}
	})
}

// Hostile texts and queries take time in proportion to their size: fractions of a second
// here, where quadratic work would exceed the limit.
func TestHostileTexts(t *testing.T) {
	for _, c := range []struct{ name, text, query string }{
		{"phrase of one word", strings.Repeat("a ", 500_000) + "b", `"` + strings.Repeat("a ", MaxTerms-1) + `b"`},
		{"one long word", strings.Repeat("a", 1_000_000), "b OR aaa~2 OR a* OR *ab*"},
		{"many marks", strings.Repeat("e\u0301", 300_000), "e OR éé"},
		{"marks out of order", "क" + strings.Repeat("\u094D\u0E38\u0E48", 100_000), "क OR क*"},
		{"expanding", strings.Repeat("\uFDFA", 100_000), "الله OR صلى"},
		{"symbols", strings.Repeat("👍\u200d", 150_000), "👍 /(👍.)+x/"},
		{"expression", strings.Repeat("a", 100_000), "/(a*)*b/"},
		{"not UTF-8", strings.Repeat("a\xff", 500_000), "a b*"},
	} {
		n, err := Parse(c.query, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		start := time.Now()
		Match(n, One(&argus.Message{Text: c.text}))
		for _, m := range Marks(n, c.text) {
			if m[1] > len(c.text) {
				t.Errorf("%s: mark %v", c.name, m)
			}
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", c.name, took)
		}
	}
}

func TestMatcherDoesNotAllocate(t *testing.T) {
	// The query has no regular expression: those keep their state in a sync.Pool, which
	// forgets at random under the race detector.
	n, err := Parse(`hello (boat* OR "at dock") -test from:alice sent:2020..`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, c, d := Compile(n), &Candidate{}, benchmarkDoc()
	allocations := testing.AllocsPerRun(100, func() {
		c.Reset(d)
		if !m.Match(c) {
			t.Fatal("no match")
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func benchmarkDoc() *Doc {
	return One(&argus.Message{
		Service: "sky", Conversation: "Q3XK9A|7B2FAA", From: "Q3XK9A", FromName: "Alice", To: []string{"7B2FAA"},
		Sent: argus.At(time.Unix(1.6e9, 0), "", argus.ZoneStated, argus.Second),
		Text: "hello the shipment arrives tomorrow at dock 12 bring 50k",
	}, 1)
}

func BenchmarkMatch(b *testing.B) {
	n, err := Parse(`hello (boat* OR "at dock") -test from:alice sent:2020..`, Options{})
	if err != nil {
		b.Fatal(err)
	}
	m, c, d := Compile(n), &Candidate{}, benchmarkDoc()
	b.Run("reset", func(b *testing.B) {
		for b.Loop() {
			c.Reset(d)
		}
	})
	b.Run("match", func(b *testing.B) {
		for b.Loop() {
			m.Match(c)
		}
	})
}

func BenchmarkTerms(b *testing.B) {
	var a Analyzer
	d := benchmarkDoc()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, name := range Fields {
			a.Terms(d, name, func(term []byte) bool { n += len(term); return true })
		}
	}
}

// The union of a message does not depend on the order of its copies, even if they state
// times, facts and reaches that rank equally.
func TestUnionInAnyOrder(t *testing.T) {
	at := func(zone argus.ZoneSource, raw string) argus.Time {
		return argus.Time{Micros: 1613300400e6, Precision: argus.Second, Zone: zone, Raw: raw}
	}
	card := &argus.Facts{Contact: &argus.Contact{Names: []string{"Carl"}}}
	copies := []*argus.Message{
		{Text: "x", Sent: at(argus.ZoneFile, ""), Read: at(argus.ZoneAssumed, "")},
		{Text: "x", Sent: at(argus.ZoneAssumed, ""), Read: at(argus.ZoneFile, ""), Facts: card},
		{Text: "x", Sent: at(argus.ZoneFile, "12:00"), AccountReach: argus.ReachExport, Facts: &argus.Facts{Replies: 2}},
	}
	var first []byte
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var d Doc
		for _, i := range order {
			d.Sightings = append(d.Sightings, Sighting{Message: copies[i]})
		}
		shown, err := json.Marshal(d.Union())
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = shown
		}
		if !bytes.Equal(shown, first) {
			t.Errorf("in the order %v:\n%s\n%s", order, shown, first)
		}
	}
	if m := (&Doc{Sightings: []Sighting{{Message: copies[0]}, {Message: copies[1]}, {Message: copies[2]}}}).Union(); m.Facts.Contact == nil || m.Facts.Replies != 2 || m.AccountReach != argus.ReachExport || m.Sent.Zone != argus.ZoneFile {
		t.Errorf("%+v", m)
	}
}
