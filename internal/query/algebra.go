package query

import (
	"fmt"
	"iter"
	"strings"
)

// inner returns the nodes directly inside a node, and a function that builds a node of
// the same kind from other nodes. Both are nil if there are no nodes inside. A list is
// one node: its entries do not count.
func inner(n Node) ([]Node, func([]Node) Node) {
	switch n := n.(type) {
	case And:
		return n.Nodes, func(nodes []Node) Node { return And{nodes} }
	case Or:
		return n.Nodes, func(nodes []Node) Node { return Or{nodes} }
	case Not:
		return []Node{n.Node}, func(nodes []Node) Node { return Not{nodes[0]} }
	case Then:
		return []Node{n.First, n.Second}, func(nodes []Node) Node { return Then{nodes[0], nodes[1], n.Within, n.Other} }
	case nil, All, Field, Fuzzy, List, Number, Part, Phrase, Prefix, Regexp, Sent, Stem, Word, Written:
	}
	return nil, nil
}

// Children returns the nodes directly inside a node, in order. A list has none.
func Children(n Node) []Node {
	nodes, _ := inner(n)
	return nodes
}

// Each yields a query and all nodes in it, outer nodes first. It yields a list, but not
// its entries.
func Each(n Node) iter.Seq[Node] {
	return func(yield func(Node) bool) { each(n, yield) }
}

func each(n Node, yield func(Node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, n := range Children(n) {
		if !each(n, yield) {
			return false
		}
	}
	return true
}

// Any reports whether sort returns true for a query or for any node inside it.
func Any(n Node, sort func(Node) bool) bool {
	for one := range Each(n) {
		if sort(one) {
			return true
		}
	}
	return false
}

// HasThen reports whether a query needs more than one message to decide whether it matches.
func HasThen(n Node) bool {
	return Any(n, func(n Node) bool { _, then := n.(Then); return then })
}

// Map returns a copy of a query in which each node is replaced by the result of change.
// It replaces inner nodes first, so change receives a node whose inner nodes are already
// replaced. The query itself is not changed.
func Map(n Node, change func(Node) Node) Node {
	return change(mapInner(n, func(n Node) Node { return Map(n, change) }))
}

// mapInner returns a copy of a node in which change has replaced each node directly inside.
func mapInner(n Node, change func(Node) Node) Node {
	nodes, of := inner(n)
	if len(nodes) == 0 {
		return n
	}
	changed := make([]Node, len(nodes))
	for i, n := range nodes {
		changed[i] = change(n)
	}
	return of(changed)
}

// Simplify returns a shorter query with the same meaning, even when it is used as a
// scope. In the result, no other node contains All or Nothing, and no And, Or or Not is
// directly inside another node of its kind. Nil becomes All.
func Simplify(n Node) Node {
	simple := simplify(n, func(n Node) Node { return n })
	// Messages of the types that a query names count as turns for every Then in the query.
	if HasThen(simple) && Turns(simple) != Turns(n) {
		return n
	}
	return simple
}

// simplify simplifies a query and replaces each leaf with the result of change.
func simplify(n Node, change func(Node) Node) Node {
	return Map(n, func(n Node) Node {
		switch n := n.(type) {
		case nil:
			return All{}
		case And:
			return AndOf(n.Nodes...)
		case Or:
			return OrOf(n.Nodes...)
		case Not:
			return NotOf(n.Node)
		case Then:
			if IsNothing(n.First) || IsNothing(n.Second) {
				return Nothing
			}
			return n
		case All, Field, Fuzzy, List, Number, Part, Phrase, Prefix, Regexp, Sent, Stem, Word, Written:
		}
		return change(n)
	})
}

// Nothing matches no message.
var Nothing Node = Not{All{}}

// IsAll reports whether a node is All or nil.
func IsAll(n Node) bool {
	_, all := n.(All)
	return all || n == nil
}

// IsNothing reports whether a node is Nothing.
func IsNothing(n Node) bool {
	not, ok := n.(Not)
	return ok && IsAll(not.Node)
}

// AndOf returns a node that matches what all of the nodes match. It is All if there are
// no nodes, is Nothing if one of them is Nothing, and has no And directly inside an And.
func AndOf(nodes ...Node) Node {
	var rest []Node
	for _, n := range nodes {
		switch and, ok := n.(And); {
		case IsNothing(n):
			return Nothing
		case ok:
			rest = append(rest, and.Nodes...)
		case !IsAll(n):
			rest = append(rest, n)
		}
	}
	switch len(rest) {
	case 0:
		return All{}
	case 1:
		return rest[0]
	}
	return And{rest}
}

// OrOf returns a node that matches what at least one of the nodes matches. It is Nothing if
// there are no nodes, is All if one of them is All, and has no Or directly inside an Or.
func OrOf(nodes ...Node) Node {
	var rest []Node
	for _, n := range nodes {
		switch or, ok := n.(Or); {
		case IsAll(n):
			return All{}
		case ok:
			rest = append(rest, or.Nodes...)
		case !IsNothing(n):
			rest = append(rest, n)
		}
	}
	switch len(rest) {
	case 0:
		return Nothing
	case 1:
		return rest[0]
	}
	return Or{rest}
}

// NotOf returns a node that matches the messages that n does not match.
func NotOf(n Node) Node {
	if not, ok := n.(Not); ok {
		return not.Node
	}
	return Not{n}
}

// Stated returns a query that asks only for languages and countries that the source states,
// because neither a guess nor a new table of numbers may change a scope. It returns an error
// if the query asks for a found one.
func Stated(n Node) (Node, error) {
	var err error
	n = Map(n, func(n Node) Node {
		f, ok := n.(Field)
		if !ok || !isMarked(f.Name) || strings.HasPrefix(f.Value, Exact) {
			return n
		}
		if value, found := strings.CutSuffix(f.Value, Found); found {
			err = fmt.Errorf("it asks for the found language %q, but a found language is a guess; ask for the stated language with %s:=…", value, Lang)
			if f.Name == Country {
				err = fmt.Errorf("it asks for numbers of the country %q, but a later Argus may assign them to other countries; ask for their first digits, as with:+31*, or for the stated country with %s:=…", value, Country)
			}
		}
		f.Value = Exact + f.Value
		return f
	})
	return n, err
}
