package query

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestChange(t *testing.T) {
	from := func(value string) []Value { return []Value{{From, value}} }
	days := &Period{"2021-02-14", "2021-02-20"}
	for _, c := range []struct {
		name, text string
		change     Change
		want       string
	}{
		{"nothing", " Café  AND list:goods ", Change{}, "Café list:goods"},
		{"narrow all", "", Change{And: from("Q3XK9A")}, "from:=Q3XK9A"},
		{"narrow a star", "*", Change{And: from("Q3XK9A")}, "from:=Q3XK9A"},
		{"stays as it was written", `"Leave at five" list:goods sent:2021`, Change{And: from("a")}, `"Leave at five" list:goods sent:2021 from:=a`},
		{"quotes", "boat", Change{And: []Value{{In, `the "big" \ one`}}}, `boat in:="the \"big\" \\ one"`},
		{"like an operator", "boat", Change{And: []Value{{Service, "a OR b"}}, Not: []Value{{In, "x) OR (y"}}}, `boat service:"a or b" -in:="x) OR (y"`},
		{"like a list", "boat", Change{And: from("list:goods")}, `boat from:=list:goods`},
		{"one or the other", "boat OR ship", Change{And: from("a")}, "(boat OR ship) from:=a"},
		{"one after the other", "boat -> yes", Change{Not: from("a")}, "(boat -> yes) -from:=a"},
		{"AND before OR", "a b OR c", Change{And: from("a")}, "(a b OR c) from:=a"},
		{"in parentheses already", "(boat OR ship)", Change{And: from("a")}, "(boat OR ship) from:=a"},
		{"OR in quotes", `"boat OR ship"`, Change{And: from("a")}, `"boat OR ship" from:=a`},
		{"alone again", "(boat OR ship) from:=a", Change{Drop: from("a")}, "(boat OR ship)"},
		{"exclude", "boat", Change{Not: from("a")}, "boat -from:=a"},
		{"again", "boat -from:=a", Change{Not: from("a")}, "boat -from:=a"},
		{"again, written otherwise", `from:="a" boat`, Change{And: from("a")}, `boat from:=a`},
		{"exclude what it was narrowed to", "from:=a boat", Change{Not: from("a")}, "boat -from:=a"},
		{"narrow to what was excluded", "NOT from:=a boat", Change{And: from("a")}, "boat from:=a"},
		{"only the whole value", "from:=ab from:a", Change{Drop: from("a")}, "from:=ab from:a"},
		{"take away what is among others", "from:(=a =b) boat", Change{Drop: from("a")}, "from:=b boat"},
		{"what is an alternative stays", "from:(=a OR =b)", Change{Drop: from("a")}, "from:(=a OR =b)"},
		{"is", "is:call", Change{Drop: []Value{{Is, "call"}}}, ""},
		{"identifier", "", Change{And: []Value{{Entity, "EUR 50000"}}}, `entity:"EUR 50000"`},
		{"days", "boat", Change{Sent: days}, "boat sent:2021-02-14..2021-02-20"},
		{"other days", "sent:2020 boat on:2020-05-01", Change{Sent: days}, "boat sent:2021-02-14..2021-02-20"},
		{"other alternatives of days", "sent:(2020 OR 2021) boat", Change{Sent: days}, "boat sent:2021-02-14..2021-02-20"},
		{"days in quotes stay", `"sent:2020"`, Change{Sent: days}, `"sent:2020" sent:2021-02-14..2021-02-20`},
		{"days that are excluded stay", "-sent:2020", Change{Sent: days}, "-sent:2020 sent:2021-02-14..2021-02-20"},
		{"days of an alternative stay", "sent:2020 OR boat", Change{Sent: days}, "(sent:2020 OR boat) sent:2021-02-14..2021-02-20"},
		{"one day", "", Change{Sent: &Period{"2021-02-14", "2021-02-14"}}, "sent:2021-02-14"},
		{"an open end", "", Change{Sent: &Period{From: "2021"}}, "sent:2021.."},
		{"any time", "boat sent:2020", Change{Sent: &Period{}}, "boat"},
		{"right to left", "שלום OR עולם", Change{And: []Value{{In, "קבוצה א"}}, Not: from("علي")}, `(שלום OR עולם) in:="קבוצה א" -from:=علي`},
		{"gershayim", `צה"ל`, Change{And: []Value{{From, `צה"ל`}}}, `צה"ל from:="צה\"ל"`},
		{"direction marks", "\u200fשלום\u200f \u202bעולם\u202c", Change{And: []Value{{From, "\u202ebob"}}}, "שלום\u200f עולם\u202c from:=\"\u202ebob\""},
		{"an escaped space at the end", `a OR b\ `, Change{And: from("a")}, `(a OR b\ ) from:=a`},
		{"a backslash at the end", `boat\\`, Change{And: from("a")}, `boat\\ from:=a`},
	} {
		got, _, err := c.change.Apply(c.text, Options{Lists: anyList})
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestChangeRefuses(t *testing.T) {
	var syntax *SyntaxError
	for text, c := range map[string]Change{
		"boat OR":                       {},
		strings.Repeat("(", MaxDepth+1): {},
		"a OR " + strings.Repeat("(", MaxDepth) + "a" + strings.Repeat(")", MaxDepth): {And: []Value{{From, "a"}}},
		strings.Repeat("a ", MaxTerms): {And: []Value{{From, "a"}}},
	} {
		if got, n, err := c.Apply(text, Options{}); !errors.As(err, &syntax) || got != "" || n != nil {
			t.Errorf("%.40q: %.40q, %v", text, got, err)
		}
	}
	for name, c := range map[string]Change{
		"no field": {And: []Value{{"text", "a"}}}, "no delivery": {Not: []Value{{Delivery, "a"}}}, "no state": {And: []Value{{Is, "lost"}}}, "empty": {And: []Value{{Service, ""}}},
		"a field that is more": {And: []Value{{"from:x OR to", "a"}}}, "dates as a field": {And: []Value{{sentField, "2021"}}},
		"no date": {Sent: &Period{"yesterday", ""}}, "a date that is more": {Sent: &Period{"2021 OR sent:2020", "2021"}}, "backwards": {Sent: &Period{"2021", "2020"}},
		"too many":       {And: slices.Repeat([]Value{{From, "a"}}, MaxChange), Drop: []Value{{From, "a"}}},
		"two conditions": {Sent: &Period{"2021", "2022 boat"}},
	} {
		if got, n, err := c.Apply("boat", Options{}); !errors.Is(err, ErrChange) || got != "" || n != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// The new text means the same as the old one, with the added values and without the
// removed ones; repeating the same change has no effect.
func TestChangeProperties(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) Value {
		v := Value{rapid.SampledFrom([]FieldName{From, To, With, In, Service, Is, Delivery}).Draw(t, "field"), rapid.OneOf(rapid.StringOfN(rapid.SampledFrom(interesting), 0, 4, -1), rapid.String()).Draw(t, "value")}
		switch v.Field {
		case Is:
			v.Value = rapid.SampledFrom(IsWords).Draw(t, "state")
		case Delivery:
			v.Value = "D-0007"
		case Service:
			v.Value = string(new(Analyzer).foldWhole("x" + v.Value))
		}
		return v
	})
	o := Options{Lists: anyList, Zone: time.FixedZone("east", 14*3600)}
	rapid.Check(t, func(t *rapid.T) {
		text := anyQuery().Draw(t, "query")
		before, err := Parse(text, o)
		if err != nil {
			t.Skip()
		}
		c := Change{And: rapid.SliceOfN(value, 0, 2).Draw(t, "and"), Not: rapid.SliceOfN(value, 0, 2).Draw(t, "not")}
		to := NarrowedTo(before)
		if all := slices.Concat(to.And, to.Not); len(all) > 0 && rapid.Bool().Draw(t, "drop") {
			c.Drop = []Value{rapid.SampledFrom(all).Draw(t, "dropped")}
		}
		if rapid.Bool().Draw(t, "period") {
			c.Sent = &Period{"2021-02-14", rapid.SampledFrom([]string{"", "2021-02-14", "2021-03"}).Draw(t, "end")}
		}
		changed, after, err := c.Apply(text, o)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again, err := Parse(changed, o); err != nil || !cmp.Equal(again, after) {
			t.Fatalf("%q became %q, which reads as %v (%v), not as %v", text, changed, again, err, after)
		}
		node := func(v Value) Node {
			n, err := v.node()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		out := map[string]bool{}
		var want []Node
		for _, v := range c.And {
			want = append(want, node(v))
		}
		for _, v := range c.Not {
			want = append(want, NotOf(node(v)))
		}
		for _, v := range slices.Concat(c.And, c.Not, c.Drop) {
			out[node(v).String()], out[NotOf(node(v)).String()] = true, true
		}
		for _, n := range demands(before) {
			if !out[n.String()] && (c.Sent == nil || !isTime(n)) {
				want = append(want, n)
			}
		}
		if c.Sent != nil {
			n, err := Parse(c.Sent.String(), o)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, n)
		}
		if got, want := meaning(after), meaning(AndOf(want...)); !cmp.Equal(got, want) {
			t.Fatalf("%q became %q: %q, want %q", text, changed, got, want)
		}
		if again, _, err := c.Apply(changed, o); err != nil || meaningOf(again, o) != meaningOf(changed, o) {
			t.Fatalf("%q became %q, and that %q (%v)", text, changed, again, err)
		}
		now := NarrowedTo(after)
		for _, v := range c.And {
			if got, _ := valueOf(node(v)); !slices.Contains(now.And, got) {
				t.Fatalf("%q became %q, which is narrowed to %v and not to %v", text, changed, now, v)
			}
		}
	})
}

func FuzzChange(f *testing.F) {
	f.Add(`(a OR "b c") -from:=x sent:2020`, "from", "x) OR (y", "2021", "2021-02")
	f.Add("a -> b\\ ", "in", "\u202e\"\\", "", "")
	f.Fuzz(func(t *testing.T, text, field, value, from, to string) {
		v := []Value{{FieldName(field), value}}
		for _, c := range []Change{{And: v, Sent: &Period{from, to}}, {Not: v}, {Drop: v}} {
			changed, n, err := c.Apply(text, Options{Lists: anyList})
			if err != nil {
				if changed != "" || n != nil {
					t.Fatalf("%q, %v with the error %v", changed, n, err)
				}
				continue
			}
			if again, err := Parse(changed, Options{Lists: anyList}); err != nil || !cmp.Equal(again, n) {
				t.Fatalf("%q became %q, which reads as %v (%v), not as %v", text, changed, again, err, n)
			}
			if twice, m, err := c.Apply(changed, Options{Lists: anyList}); err != nil || !slices.Equal(meaning(m), meaning(n)) {
				t.Fatalf("%q became %q, and that %q (%v)", text, changed, twice, err)
			}
		}
	})
}

// meaning returns the demands of a query, each once, in the order of their texts.
func meaning(n Node) []string {
	var texts []string
	for _, n := range demands(Simplify(n)) {
		texts = append(texts, n.String())
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func meaningOf(text string, o Options) string {
	n, err := Parse(text, o)
	if err != nil {
		return err.Error()
	}
	return strings.Join(meaning(n), "\n")
}

func TestNarrowedTo(t *testing.T) {
	n, err := Parse(`boat from:=a from:b to:=c* -in:="x y" (is:call service:sky) -(is:poll lang:nl) entity:phone (from:=d OR from:=e)`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := Narrowed{And: []Value{{From, "a"}, {Is, "call"}, {Service, "sky"}, {Entity, "phone"}}, Not: []Value{{In, "x y"}}}
	if diff := cmp.Diff(want, NarrowedTo(n)); diff != "" {
		t.Error(diff)
	}
}
