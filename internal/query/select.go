package query

import (
	"slices"

	"github.com/argus-evidence/argus"
)

// Select returns the sightings of a message that a scope covers; together they make up
// the message as its asker sees it. The receiver is the scope, and all holds all
// sightings of the message.
//
// Select matches each sighting by itself. However, it looks in all sightings for the
// accounts, conversations, words and times that the scope excludes: if one copy names an
// excluded account, the whole message is excluded. An exclusion by service, delivery,
// has, is or lang applies only to the sighting itself.
func (m *Matcher) Select(all []Sighting) []Sighting {
	if _, everything := m.node.(All); everything || m.node == nil {
		return all
	}
	s := selection{Matcher: m, alone: make([]Candidate, len(all)), docs: make([]Doc, len(all))}
	for i := range all {
		s.docs[i].Sightings = all[i : i+1 : i+1]
		s.alone[i].Reset(&s.docs[i])
	}
	var selected []Sighting
	for i, covered := range s.covers(m.node, true) {
		if covered {
			selected = append(selected, all[i])
		}
	}
	return selected
}

type selection struct {
	*Matcher
	alone []Candidate // each sighting by itself
	docs  []Doc
}

// covers reports for each sighting whether it meets a node or, unless positive, its
// negation.
func (s *selection) covers(n Node, positive bool) []bool {
	met := make([]bool, len(s.alone))
	combine := func(nodes []Node, all bool) []bool {
		for i := range met {
			met[i] = all
		}
		for _, inner := range nodes {
			for i, one := range s.covers(inner, positive) {
				if one != all {
					met[i] = one
				}
			}
		}
		return met
	}
	switch n := n.(type) {
	case And:
		return combine(n.Nodes, positive)
	case Or:
		return combine(n.Nodes, !positive)
	case Not:
		return s.covers(n.Node, !positive)
	case nil, All, Field, Fuzzy, List, Number, Part, Phrase, Prefix, Regexp, Sent, Stem, Then, Word, Written:
	}
	anywhere := false
	for i := range s.alone {
		met[i] = s.match(n, &s.alone[i])
		anywhere = anywhere || met[i]
	}
	if positive {
		return met
	}
	everywhere := ExcludesAll(n)
	for i := range met {
		met[i] = !met[i] && !(anywhere && everywhere)
	}
	return met
}

// ExcludesAll reports for a leaf whether a scope that excludes it looks for it in all
// sightings of a message.
func ExcludesAll(n Node) bool {
	name := FieldName("")
	switch n := n.(type) {
	case nil, All:
		return false
	case Field:
		name = n.Name
	case List:
		name = n.Field
	case And, Fuzzy, Not, Number, Or, Part, Phrase, Prefix, Regexp, Sent, Stem, Then, Word, Written:
	}
	switch name {
	case Service, Delivery, Has, Is, Lang:
		return false
	}
	return true
}

// For returns the scope as it applies to the sightings of one delivery: All if it covers
// them all, and Not All if it covers none.
func For(n Node, d argus.DeliveryNumber) Node {
	return simplify(n, func(n Node) Node {
		if f, ok := n.(Field); ok && f.Name == Delivery {
			if f.accepts([]byte(d.String())) {
				return All{}
			}
			return Nothing
		}
		return n
	})
}

// Turns returns the types of the messages that follow each other in a conversation, as a
// query counts them for a Then, for pairs and for complete conversations: messages and
// calls, and the types that the query asks for (is:reaction, not -is:reaction).
func Turns(n Node) (set argus.TypeSet) {
	for t := range argus.TypeWords {
		if argus.Type(t).IsTurn() {
			set |= 1 << t
		}
	}
	return set | named(n, true)
}

// named returns the types that a query asks for, but not those that it excludes.
func named(n Node, positive bool) (set argus.TypeSet) {
	switch n := n.(type) {
	case Not:
		return named(n.Node, !positive)
	case Field:
		if t, ok := argus.ParseType(n.Value); ok && positive && n.Name == Is && !n.Prefix {
			set |= 1 << t
		}
	case And, Or, Then:
		for _, inner := range Children(n) {
			set |= named(inner, positive)
		}
	case nil, All, Fuzzy, List, Number, Part, Phrase, Prefix, Regexp, Sent, Stem, Word, Written:
	}
	return set
}

// Covers reports whether a scope certainly covers everything that another scope does. A
// false result proves nothing: Covers only compares how the two are written.
func Covers(scope, other Node) bool {
	if IsAll(scope) || !IsAll(other) && scope.String() == other.String() {
		return true
	}
	covered := func(n Node) bool { return Covers(scope, n) }
	if or, ok := other.(Or); ok {
		return !slices.ContainsFunc(or.Nodes, func(n Node) bool { return !covered(n) })
	}
	if and, ok := scope.(And); ok {
		return !slices.ContainsFunc(and.Nodes, func(n Node) bool { return !Covers(n, other) })
	}
	if and, ok := other.(And); ok && slices.ContainsFunc(and.Nodes, covered) {
		return true
	}
	if or, ok := scope.(Or); ok {
		return slices.ContainsFunc(or.Nodes, func(n Node) bool { return Covers(n, other) })
	}
	a, ok := scope.(Sent)
	b, both := other.(Sent)
	return ok && both && (a.From.IsZero() || !b.From.IsZero() && !b.From.Before(a.From)) && (a.To.IsZero() || !b.To.IsZero() && !b.To.After(a.To))
}
