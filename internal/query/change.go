package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrChange means that a value or a date of a [Change] is invalid.
var ErrChange = errors.New("the query cannot be changed in this way")

// MaxChange is the maximum number of values in a [Change].
const MaxChange = 100

// A Value is a value that a facet counts. For From, To, With and In, it is an account or
// a conversation, letter for letter. For Lang and Country, it is a stated one, or a found
// one followed by [Found].
type Value struct {
	Field FieldName `json:"field"`
	Value string    `json:"value"`
}

// node returns a node that finds the messages that the facet counts under the value.
func (v Value) node() (Node, error) {
	f := Field{v.Field, v.Value, false}
	if isNamed(v.Field) || isMarked(v.Field) && !strings.HasSuffix(v.Value, Found) {
		f.Value = Exact + v.Value
	}
	n, err := Parse(f.String(), Options{})
	if read, ok := n.(Field); err != nil || !ok || read.Name != v.Field || read.Prefix {
		return nil, fmt.Errorf("%w: %q is not a value of the field %q", ErrChange, cut(v.Value, 80), cut(string(v.Field), 80))
	}
	return n, nil
}

// isNamed reports whether a field's values can be given letter for letter.
func isNamed(name FieldName) bool { return slices.Contains([]FieldName{From, To, With, In}, name) }

// isMarked reports whether the values of a field say whether they are stated or found.
func isMarked(name FieldName) bool { return name == Lang || name == Country }

// valueOf returns the facet value that a node finds, if there is one.
func valueOf(n Node) (Value, bool) {
	f, ok := n.(Field)
	if !ok || f.Prefix {
		return Value{}, false
	}
	value, exact := strings.CutPrefix(f.Value, Exact)
	switch {
	case isNamed(f.Name):
		return Value{f.Name, value}, exact
	case isMarked(f.Name):
		return Value{f.Name, value}, exact || strings.HasSuffix(value, Found)
	}
	return Value{f.Name, f.Value}, true
}

// Narrowed holds the values that a query demands of every message and those that it
// allows in none, as far as the query itself shows them.
type Narrowed struct {
	And []Value `json:"and,omitempty"`
	Not []Value `json:"not,omitempty"`
}

// NarrowedTo returns the values that a query is narrowed to.
func NarrowedTo(n Node) (to Narrowed) {
	for _, n := range demands(n) {
		if v, ok := valueOf(n); ok {
			to.And = append(to.And, v)
		} else if not, ok := n.(Not); ok {
			if v, ok := valueOf(not.Node); ok {
				to.Not = append(to.Not, v)
			}
		}
	}
	return to
}

// demands returns the nodes that must all match for a query to match.
func demands(n Node) []Node {
	if and, ok := n.(And); ok {
		return and.Nodes
	}
	return []Node{n}
}

// A Period is the time between two dates, which are written as in a query. It includes
// all of the second date. Either date may be empty.
type Period struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func (p Period) String() string {
	if p.From == p.To {
		return "sent:" + p.From
	}
	return "sent:" + p.From + ".." + p.To
}

// A Change narrows a query or widens it again.
type Change struct {
	// And lists values that every message must have, and Not lists values that no message
	// may have. They replace earlier demands for the same values.
	And []Value `json:"and,omitempty"`
	Not []Value `json:"not,omitempty"`
	// Drop lists values that the query no longer demands or excludes.
	Drop []Value `json:"drop,omitempty"`
	// Sent replaces the dates that the query demands of all messages; a period without
	// dates removes them. Nil leaves them.
	Sent *Period `json:"sent,omitempty"`
}

// Apply changes the text of a query, and returns the new text and its parsed node.
// Unchanged parts stay as they were written. It returns [ErrChange] if the change is
// invalid, or an error from [Parse] if the text is not a query, or if the new query would
// be too long or too deeply nested.
func (c Change) Apply(text string, o Options) (string, Node, error) {
	e, err := c.read(o)
	if err != nil {
		return "", nil, err
	}
	_, written, err := parse(text, o)
	if err != nil {
		return "", nil, err
	}
	var kept []demand
	for _, d := range written {
		nodes := demands(d.node)
		if IsAll(d.node) {
			continue
		}
		if !slices.ContainsFunc(nodes, e.takesOut) {
			kept = append(kept, d)
			continue
		}
		for _, n := range nodes { // the parts of a group in parentheses, one by one
			if !e.takesOut(n) {
				kept = append(kept, demand{node: n, text: inside(n, true)})
			}
		}
	}
	kept = append(kept, e.added...)
	texts := make([]string, len(kept))
	for i, d := range kept {
		texts[i] = d.text
		if d.loose && len(kept) > 1 {
			texts[i] = "(" + d.text + ")"
		}
	}
	changed := strings.Join(texts, " ")
	n, err := Parse(changed, o)
	if err != nil {
		return "", nil, err
	}
	return changed, n, nil
}

// An edit is a parsed change.
type edit struct {
	added []demand
	out   []Node // nodes to remove
	times bool   // also remove all times
}

func (c Change) read(o Options) (e edit, err error) {
	if n := len(c.And) + len(c.Not) + len(c.Drop); n > MaxChange {
		return e, fmt.Errorf("%w: there are %d values, want at most %d", ErrChange, n, MaxChange)
	}
	for _, set := range []struct {
		values    []Value
		adds, not bool
	}{{c.And, true, false}, {c.Not, true, true}, {c.Drop, false, false}} {
		for _, v := range set.values {
			n, err := v.node()
			if err != nil {
				return e, err
			}
			e.out = append(e.out, n, NotOf(n))
			if set.not {
				n = NotOf(n)
			}
			if set.adds {
				e.added = append(e.added, demand{node: n, text: n.String()})
			}
		}
	}
	if e.times = c.Sent != nil; !e.times || *c.Sent == (Period{}) {
		return e, nil
	}
	n, err := Parse(c.Sent.String(), o)
	if _, sent := n.(Sent); err != nil || !sent {
		return e, fmt.Errorf("%w: %q is not a period", ErrChange, cut(c.Sent.String(), 80))
	}
	e.added = append(e.added, demand{node: n, text: c.Sent.String()})
	return e, nil
}

// takesOut reports whether the edit removes a demand, or replaces it.
func (e edit) takesOut(n Node) bool { return slices.Contains(e.out, n) || e.times && isTime(n) }

// isTime reports whether a node asks for one or more times and for nothing else.
func isTime(n Node) bool {
	if or, ok := n.(Or); ok {
		return !slices.ContainsFunc(or.Nodes, func(n Node) bool { return !isTime(n) })
	}
	_, sent := n.(Sent)
	return sent
}

// A demand is a part of a query's text that must match for the query to match.
type demand struct {
	node Node
	text string
	// loose is set if the part needs parentheses next to other parts.
	loose bool
}
