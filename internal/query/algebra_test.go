package query

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

// anyTree also yields constants, nested nodes of the same kind, nil, message types and,
// if then is set, Then nodes.
func anyTree(depth int, then bool) *rapid.Generator[Node] {
	leaves := rapid.OneOf(anyNode(0), rapid.SampledFrom([]Node{nil, All{}, Nothing, Not{nil}, And{}, Or{}, Field{Name: Is, Value: "reaction"}, Field{Name: Delivery, Value: "D-0001"}}))
	if depth == 0 {
		return leaves
	}
	inner := rapid.Deferred(func() *rapid.Generator[Node] { return anyTree(depth-1, then) })
	kinds := []*rapid.Generator[Node]{
		leaves,
		rapid.Map(rapid.SliceOfN(inner, 1, 3), func(nodes []Node) Node { return And{nodes} }),
		rapid.Map(rapid.SliceOfN(inner, 1, 3), func(nodes []Node) Node { return Or{nodes} }),
		rapid.Map(inner, func(n Node) Node { return Not{n} }),
	}
	if then {
		kinds = append(kinds, rapid.Custom(func(t *rapid.T) Node {
			return Then{inner.Draw(t, "first"), inner.Draw(t, "second"), rapid.IntRange(1, 2).Draw(t, "within"), rapid.Bool().Draw(t, "other")}
		}))
	}
	return rapid.OneOf(kinds...)
}

// anyConversation yields messages and reactions to them.
func anyConversation() *rapid.Generator[[]*Doc] {
	return rapid.Custom(func(t *rapid.T) []*Doc {
		docs := rapid.SliceOfN(anyDoc(), 1, 4).Draw(t, "docs")
		for _, d := range docs {
			for i := range d.Sightings {
				d.Sightings[i].Message.Conversation = "c"
			}
			d.Sightings[0].Message.Type = rapid.SampledFrom([]argus.Type{0, argus.TypeReaction}).Draw(t, "type")
		}
		slices.SortFunc(docs, Compare)
		return docs
	})
}

func TestSimplifyKeepsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, docs := anyTree(3, true).Draw(t, "node"), anyConversation().Draw(t, "docs")
		simple := Simplify(n)
		if got, want := MatchAll(simple, docs), MatchAll(n, docs); !slices.Equal(got, want) {
			t.Fatalf("%#v simplified is %#v and matches %v, want %v", n, simple, got, want)
		}
		for _, d := range docs {
			if got, want := Match(simple, d), Match(n, d); got != want {
				t.Fatalf("%#v simplified is %#v and matches %+v: %v", n, simple, d, got)
			}
		}
		if again := Simplify(simple); !cmp.Equal(again, simple) {
			t.Fatalf("%#v simplified twice is %#v, once it is %#v", n, again, simple)
		}
	})
}

func TestSimplify(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "a * b": "a b", "a -*": "-*", "a OR *": "*", "a OR -*": "a", "-* OR -*": "-*", "-(-* b)": "*", "-(a OR -(b OR *))": "-a",
		"a -> *": "a ->1 *", "* -> a": "* ->1 a", "a -> -*": "-*", "-* -> a": "-*", "x OR (a -> -*)": "x", "-(a -> -*)": "*", "(* OR is:reaction) (a -> b)": "(* OR is:reaction) (a ->1 b)",
	} {
		n, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Simplify(n).String(); got != want {
			t.Errorf("%s simplified is %s, want %s", text, got, want)
		}
	}
}

// A simplified scope selects the same copies.
func TestSimplifyKeepsSelect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := anyTree(3, false).Draw(t, "scope"), anyDoc().Draw(t, "doc")
		simple := Simplify(n)
		if got, want := Compile(simple).Select(d.Sightings), Compile(n).Select(d.Sightings); !slices.Equal(got, want) {
			t.Fatalf("%#v simplified is %#v and selects %+v, want %+v", n, simple, got, want)
		}
		for one := range Each(simple) {
			for _, in := range Children(one) {
				_, isAnd := in.(And)
				_, isOr := in.(Or)
				_, isNot := in.(Not)
				_, inAnd := one.(And)
				_, inOr := one.(Or)
				_, inNot := one.(Not)
				if IsAll(in) && !IsNothing(simple) || IsNothing(in) || isAnd && inAnd || isOr && inOr || isNot && inNot {
					t.Fatalf("%#v simplified is %#v, in which %#v lies in %#v", n, simple, in, one)
				}
			}
		}
	})
}

func TestMapIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := anyTree(3, true).Draw(t, "node")
		count := 0
		same := Map(n, func(n Node) Node { count++; return n })
		if !cmp.Equal(same, n) {
			t.Fatalf("%#v became %#v", n, same)
		}
		all := 0
		for range Each(n) {
			all++
		}
		if all != count {
			t.Fatalf("%#v has %d nodes, and %d were changed", n, all, count)
		}
	})
}

// Map changes a copy, inner nodes first.
func TestMap(t *testing.T) {
	n, err := Parse("a -(b OR c) (a ->3:other b)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	was := n.String()
	upper := Map(n, func(n Node) Node {
		switch n := n.(type) {
		case Word:
			return Word{n.Term + n.Term}
		case Or:
			return And{n.Nodes}
		default:
			return n
		}
	})
	if got, want := upper.String(), "aa -(bb cc) (aa ->3:other bb)"; got != want || n.String() != was {
		t.Errorf("%s, want %s; the first is %s", got, want, n)
	}
}

// Messages of a type that a query names are turns, and must still be turns once the query
// is simplified.
func TestSimplifyKeepsTurns(t *testing.T) {
	n := And{[]Node{Or{[]Node{All{}, Field{Name: Is, Value: "reaction"}}}, Then{Word{"a"}, Word{"b"}, 1, false}}}
	if got := Simplify(n); Turns(got) != Turns(n) {
		t.Errorf("%s has other turns than %s", got, n)
	}
}

func TestAlone(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "-a": "-a", "a -> b": "b", "x (a -> b)": "x b", "x OR (a -> b)": "x OR b", "-(a -> b)": "*", "x -(a -> b)": "x *", "a -> b -> c": "c",
	} {
		n, err := Parse(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Alone(n).String(); got != want {
			t.Errorf("%s alone is %s, want %s", text, got, want)
		}
	}
}
