package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// These are the limits of A ->N B.
const (
	MaxWithin = 100 // the largest N
	MaxThens  = 10  // arrows in a query
)

// MatchAll reports for each message whether it matches. It defines the meaning of a query
// with a Then; for any other query it agrees with [Match]. The messages are all those
// inside the scope, oldest first, in the order of hits ([Compare]).
//
// The messages and calls of one service and conversation that were sent at a known time
// are its turns ([Turns]). Messages without a conversation or a time, and those outside
// the scope, are not turns: they do not match a Then, and are not counted. A turn matches
// a Then if it matches Second and one of the Within turns before it matches First and, if
// Other is set, was sent by another account. If a turn has no sender, its sender is
// unknown and never counts as another account.
func MatchAll(n Node, docs []*Doc) []bool { return matchAll(n, docs, Turns(n)) }

func matchAll(n Node, docs []*Doc, types argus.TypeSet) []bool {
	matches := make([]bool, len(docs))
	combine := func(nodes []Node, and bool) {
		for i := range matches {
			matches[i] = and
		}
		for _, inner := range nodes {
			for i, one := range matchAll(inner, docs, types) {
				if one != and {
					matches[i] = one
				}
			}
		}
	}
	switch n := n.(type) {
	case And:
		combine(n.Nodes, true)
	case Or:
		combine(n.Nodes, false)
	case Not:
		for i, one := range matchAll(n.Node, docs, types) {
			matches[i] = !one
		}
	case Then:
		first, second := matchAll(n.First, docs, types), matchAll(n.Second, docs, types)
		turns := map[[2]string][]int{}
		for i, d := range docs {
			if s := d.Lead(); s.Message.Conversation != "" && s.Message.Sent.Known() && d.turn(types) {
				m := s.Message
				key := [2]string{m.Service, m.Conversation}
				turns[key] = append(turns[key], i)
			}
		}
		for _, turns := range turns {
			for at, i := range turns {
				for _, before := range turns[max(0, at-n.Within):at] {
					matches[i] = matches[i] || second[i] && first[before] && n.joins(docs[before], docs[i])
				}
			}
		}
	default:
		m, c := Compile(n), Candidate{}
		for i, d := range docs {
			c.Reset(d)
			matches[i] = m.Match(&c)
		}
	}
	return matches
}

// Alone returns the part of a query that can be tested on one message, without those before
// it. It replaces a Then by its second node, and drops a Then that the query excludes.
func Alone(n Node) Node {
	switch n := n.(type) {
	case Then:
		return Alone(n.Second)
	case Not:
		if HasThen(n) {
			return All{}
		}
	case nil, All, And, Field, Fuzzy, List, Number, Or, Part, Phrase, Prefix, Regexp, Sent, Stem, Word, Written:
	}
	return mapInner(n, Alone)
}

// joins reports whether the senders of two messages allow them to match First and Second.
func (n Then) joins(first, second *Doc) bool {
	a, b := first.Lead().Message.From, second.Lead().Message.From
	return !n.Other || a != "" && b != "" && a != b
}

// turn reports whether any sighting has one of the types.
func (d *Doc) turn(types argus.TypeSet) bool {
	return slices.ContainsFunc(d.Sightings, func(s Sighting) bool { return types.Has(s.Message.Type) })
}

// byOther ends an arrow whose right side must have been sent by another account.
const byOther = ":other"

// then reads operands joined by arrows.
func (p *parser) then() (Node, error) {
	n, err := p.and()
	for err == nil && p.atArrow() {
		start, end := p.pos, p.wordEnd(p.pos)
		p.operator, p.operatorAt, p.operatorEnd = p.text[start:end], start, end
		number, other := strings.CutSuffix(p.text[start+len("->"):end], byOther)
		within := 1
		if number != "" {
			if within, err = strconv.Atoi(number); err != nil || within < 1 || within > MaxWithin {
				return nil, p.fail(start, end, "%s is not a number of messages: a ->5 b finds b up to 5 messages after a; want at most %d", oneLine(cut(number, 40)), MaxWithin).
					hint("a ->5:other b finds b only if another account sent it")
			}
		}
		p.pos = end
		if p.thens++; p.thens > MaxThens {
			return nil, p.fail(start, end, "the query has more than %d arrows (->)", MaxThens)
		}
		var second Node
		if second, err = p.and(); err == nil {
			n = Then{n, second, within, other}
		}
	}
	return n, err
}

func (p *parser) atArrow() bool {
	p.space()
	return strings.HasPrefix(p.text[p.pos:], "->")
}

func (n Then) String() string {
	arrow := " ->" + strconv.Itoa(n.Within)
	if n.Other {
		arrow += byOther
	}
	second := inside(n.Second, false)
	if _, then := n.Second.(Then); then {
		second = "(" + second + ")"
	}
	return inside(n.First, false) + arrow + " " + second
}
