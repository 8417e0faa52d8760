package query

import (
	"bytes"
	"regexp"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

// Match reports whether a message, as its asker sees it, matches a query. It defines the
// meaning of queries. A condition holds if at least one of the sightings meets it:
//
//   - Word, Phrase, Number, Prefix, Part, Fuzzy and Stem look at the terms of the
//     text ([Analyzer]), Written looks at the text where its terms are found, and
//     Regexp looks at the text itself. Each looks at one version at a time.
//   - List matches if one of its nodes matches.
//   - Field looks at the terms of the field ([Terms]).
//   - Sent looks at the message's sent time ([Doc.Sent]), and never matches an unknown time.
//   - Not matches if and only if its node does not: -sent:2020 also matches messages
//     without a time, and a query of nothing but negations matches every message
//     that it does not exclude.
//   - Then needs the messages before this one; see [MatchAll].
func Match(n Node, d *Doc) bool {
	var c Candidate
	c.Reset(d)
	return Compile(n).Match(&c)
}

// A Matcher is a query prepared for matching many messages. It is safe for concurrent use.
type Matcher struct {
	node Node
	// regexps is keyed by expression.
	regexps map[string]*regexp.Regexp
	// lists is keyed by the first node of each list.
	lists map[*Node]*listSet
	// written holds the terms of each Written, keyed by its text.
	written map[string][]string
}

// Compile prepares a query. A nil node means All. An expression that does not compile,
// which Parse rejects, matches nothing.
func Compile(n Node) *Matcher {
	m := &Matcher{n, map[string]*regexp.Regexp{}, map[*Node]*listSet{}, map[string][]string{}}
	for one := range Each(n) {
		m.compile(one)
	}
	return m
}

func (m *Matcher) compile(n Node) {
	switch n := n.(type) {
	case Regexp:
		if re, err := regexp.Compile(n.Expr); err == nil {
			m.regexps[n.Expr] = re
		}
	case Written:
		m.written[n.Text] = Analyze(n.Text)
	case List:
		if len(n.Nodes) > 0 {
			m.lists[&n.Nodes[0]] = newListSet(n)
		}
	case All, And, Field, Fuzzy, Not, Number, Or, Part, Phrase, Prefix, Sent, Stem, Then, Word:
	}
}

// list returns the compiled list; an empty one finds nothing.
func (m *Matcher) list(n List) *listSet {
	if len(n.Nodes) == 0 {
		return new(listSet)
	}
	return m.lists[&n.Nodes[0]]
}

// Match reports whether the message matches.
func (m *Matcher) Match(c *Candidate) bool { return m.match(m.node, c) }

func (m *Matcher) match(n Node, c *Candidate) bool {
	switch n := n.(type) {
	case nil, All:
		return true
	case And:
		for _, inner := range n.Nodes {
			if !m.match(inner, c) {
				return false
			}
		}
		return true
	case Or:
		for _, inner := range n.Nodes {
			if m.match(inner, c) {
				return true
			}
		}
		return false
	case Not:
		return !m.match(n.Node, c)
	case Regexp:
		re := m.regexps[n.Expr]
		return re != nil && slices.ContainsFunc(c.texts, func(l termList) bool { return re.MatchString(l.text) })
	case Field:
		return c.field(n.Name, n.accepts)
	case List:
		if n.Field != "" {
			values := m.list(n).values
			return c.field(n.Field, func(term []byte) bool { return values[string(term)] })
		}
	case Sent:
		return n.contains(c.doc.Sent())
	case Then:
		return false // a single message has no message before it
	case Fuzzy, Number, Part, Phrase, Prefix, Stem, Word, Written:
	}
	found := false
	for i := range c.texts {
		if m.find(n, &c.texts[i], func(int, int) bool { found = true; return false }); found {
			return true
		}
	}
	return false
}

// find yields each place in a text where a node that looks at its terms matches.
func (m *Matcher) find(n Node, l *termList, yield func(first, last int) bool) {
	switch n := n.(type) {
	case List:
		if n.Field == "" {
			m.list(n).find(l, yield)
		}
	case Written:
		l.findWritten(n, m.written[n.Text], yield)
	default:
		l.find(n, yield)
	}
}

func (n Field) accepts(term []byte) bool {
	return string(term) == n.Value || n.Prefix && hasPrefix(term, n.Value)
}

// contains reports whether the time is known and in the range.
func (n Sent) contains(t argus.Time) bool {
	return t.Known() && (n.From.IsZero() || !t.UTC().Before(n.From)) && (n.To.IsZero() || t.UTC().Before(n.To))
}

// A Candidate is a message prepared for matching with many queries. It reuses its buffers;
// each goroutine needs its own.
type Candidate struct {
	doc      *Doc
	texts    []termList // one for each distinct text
	analyzer Analyzer
}

// Reset begins a new message.
func (c *Candidate) Reset(d *Doc) {
	c.doc = d
	c.texts = c.texts[:0]
	for text := range d.texts {
		c.texts = slices.Grow(c.texts, 1)[:len(c.texts)+1] // reuses the buffers
		c.texts[len(c.texts)-1].reset(&c.analyzer, text)
	}
}

// field reports whether accepts returns true for a term in a field.
func (c *Candidate) field(name FieldName, accepts func(term []byte) bool) bool {
	return !c.analyzer.Terms(c.doc, name, func(term []byte) bool { return !accepts(term) })
}

// A termList is an analysed text.
type termList struct {
	text  string
	terms []textTerm
	bytes []byte
	// sorted holds the indexes of the terms, ordered by term and then by place.
	sorted []int32
}

type textTerm struct{ from, to, start, end int32 } // byte offsets: of the term in bytes, and of its place in the text

func (l *termList) reset(a *Analyzer, text string) {
	l.text = text
	l.terms, l.bytes, l.sorted = l.terms[:0], l.bytes[:0], l.sorted[:0]
	for a.Reset(text); a.Next(); {
		from := len(l.bytes)
		l.bytes = append(l.bytes, a.Term()...)
		l.sorted = append(l.sorted, int32(len(l.terms)))
		l.terms = append(l.terms, textTerm{int32(from), int32(len(l.bytes)), int32(a.Start()), int32(a.End())})
	}
	slices.SortFunc(l.sorted, func(i, j int32) int {
		if c := bytes.Compare(l.term(i), l.term(j)); c != 0 {
			return c
		}
		return int(i - j)
	})
}

func (l *termList) term(i int32) []byte {
	t := l.terms[i]
	return l.bytes[t.from:t.to]
}

// find yields each place where a node that looks only at terms matches, as the indexes of
// the first and last term, until yield returns false.
func (l *termList) find(n Node, yield func(first, last int) bool) {
	switch n := n.(type) {
	case Word:
		l.findPrefix(n.Term, len(n.Term), yield)
	case Prefix:
		l.findPrefix(n.Term, MaxTerm, yield)
	case Part:
		l.findTerms(n.In, yield)
	case Number:
		l.findNumber(n, yield)
	case Stem:
		l.findTerms(n.Accepts(), yield)
	case Fuzzy:
		l.findFuzzy(n, yield)
	case Phrase:
		l.findPhrase(n.Terms, yield)
	case All, And, Field, List, Not, Or, Regexp, Sent, Then, Written:
	}
}

// findPrefix yields the terms that begin with prefix and have at most longest bytes.
func (l *termList) findPrefix(prefix string, longest int, yield func(first, last int) bool) {
	i := sort.Search(len(l.sorted), func(i int) bool { return string(l.term(l.sorted[i])) >= prefix })
	for ; i < len(l.sorted); i++ {
		at := l.sorted[i]
		term := l.term(at)
		if !hasPrefix(term, prefix) || len(term) > longest || !yield(int(at), int(at)) {
			return
		}
	}
}

func hasPrefix(term []byte, prefix string) bool {
	return len(term) >= len(prefix) && string(term[:len(prefix)]) == prefix
}

func (l *termList) has(term string) bool {
	found := false
	l.findPrefix(term, len(term), func(int, int) bool { found = true; return false })
	return found
}

func (l *termList) findFuzzy(n Fuzzy, yield func(first, last int) bool) {
	want := []rune(n.Term)
	var runes []rune
	l.findTerms(func(term []byte) bool {
		runes = appendRunes(runes[:0], term)
		return editDistance(want, runes, n.Distance+1) <= n.Distance
	}, yield)
}

// In reports whether a term contains the part.
func (n Part) In(term []byte) bool {
	if n.AtEnd {
		return len(term) >= len(n.Term) && string(term[len(term)-len(n.Term):]) == n.Term
	}
	return bytes.Contains(term, []byte(n.Term))
}

// findTerms yields the accepted terms. It calls accepts once for each distinct term.
func (l *termList) findTerms(accepts func(term []byte) bool, yield func(first, last int) bool) {
	accepted := false
	for i, at := range l.sorted {
		if i == 0 || !bytes.Equal(l.term(at), l.term(l.sorted[i-1])) {
			accepted = accepts(l.term(at))
		}
		if accepted && !yield(int(at), int(at)) {
			return
		}
	}
}

func appendRunes(runes []rune, s []byte) []rune {
	for len(s) > 0 {
		r, size := utf8.DecodeRune(s)
		runes = append(runes, r)
		s = s[size:]
	}
	return runes
}

// findPhrase searches in linear time (Knuth, Morris and Pratt).
func (l *termList) findPhrase(want []string, yield func(first, last int) bool) {
	for _, term := range want {
		if !l.has(term) {
			return
		}
	}
	if len(want) == 0 {
		return
	}
	border := borders(want)
	matched := 0
	for at := range l.terms {
		term := l.term(int32(at))
		for matched > 0 && (matched == len(want) || string(term) != want[matched]) {
			matched = border[matched-1]
		}
		if string(term) == want[matched] {
			matched++
		}
		if matched == len(want) && !yield(at-matched+1, at) {
			return
		}
	}
}

// borders returns, for each prefix of want, the length of its longest proper prefix that
// is also its suffix.
func borders(want []string) []int {
	border := make([]int, len(want))
	for i, n := 1, 0; i < len(want); i++ {
		for n > 0 && want[i] != want[n] {
			n = border[n-1]
		}
		if want[i] == want[n] {
			n++
		}
		border[i] = n
	}
	return border
}

// editDistance returns the Levenshtein distance between a and b, or limit if the distance
// is not less.
func editDistance(a, b []rune, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var space [2 * (MaxTerm + 1)]int
	if len(b) > MaxTerm {
		return limit
	}
	above, row := space[:len(b)+1], space[MaxTerm+1:][:len(b)+1]
	for j := range above {
		above[j] = j
	}
	for i := range a {
		// Values further than limit from the diagonal are limit or more.
		low, high := max(0, i+1-limit), min(len(b), i+1+limit)
		best := limit
		for j := low; j <= high; j++ {
			switch {
			case j == 0:
				row[j] = i + 1
			default:
				row[j] = above[j-1]
				if a[i] != b[j-1] {
					row[j]++
				}
				if j < i+1+limit {
					row[j] = min(row[j], above[j]+1)
				}
				if j > low {
					row[j] = min(row[j], row[j-1]+1)
				}
			}
			best = min(best, row[j])
		}
		if best >= limit {
			return limit
		}
		above, row = row, above
	}
	return min(limit, above[len(b)])
}

// Marks returns the byte ranges [start, end) of a text that make it match, in order,
// neither overlapping nor touching. They are all places where a node matches that looks
// at the text or at identifiers in it, even if the query as a whole does not match. Nodes
// that are negated or the first of a Then are left out.
func Marks(n Node, text string) [][2]int { return Compile(n).Marks(text) }

// Marks is like the function [Marks], but for a compiled query.
func (m *Matcher) Marks(text string) [][2]int {
	var l termList
	var a Analyzer
	l.reset(&a, text)
	return merged(m.marks(m.node, &l, text, nil, true))
}

func (m *Matcher) marks(n Node, l *termList, text string, marks [][2]int, positive bool) [][2]int {
	switch n := n.(type) {
	case And:
		for _, inner := range n.Nodes {
			marks = m.marks(inner, l, text, marks, positive)
		}
	case Or:
		for _, inner := range n.Nodes {
			marks = m.marks(inner, l, text, marks, positive)
		}
	case Not:
		marks = m.marks(n.Node, l, text, marks, !positive)
	case Then:
		marks = m.marks(n.Second, l, text, marks, positive)
	case Regexp:
		if re := m.regexps[n.Expr]; positive && re != nil {
			for _, place := range re.FindAllStringIndex(text, -1) {
				marks = append(marks, [2]int{place[0], place[1]})
			}
		}
	case Field:
		if positive && n.Name == Entity {
			for _, e := range entity.Find(text) {
				if n.accepts([]byte(e.Kind)) || n.accepts([]byte(e.Normal)) {
					marks = append(marks, [2]int{e.Start, e.End})
				}
			}
		}
	default:
		if positive {
			m.find(n, l, func(first, last int) bool {
				marks = append(marks, [2]int{int(l.terms[first].start), int(l.terms[last].end)})
				return true
			})
		}
	}
	if len(marks) > 2*len(text)+64 {
		marks = merged(marks) // bounds the memory for queries with many terms on long texts
	}
	return marks
}

// merged sorts ranges, and joins those that overlap or touch.
func merged(marks [][2]int) [][2]int {
	slices.SortFunc(marks, func(a, b [2]int) int { return a[0] - b[0] })
	out := marks[:0]
	for _, m := range marks {
		switch last := len(out) - 1; {
		case m[0] == m[1]:
		case last >= 0 && m[0] <= out[last][1]:
			out[last][1] = max(out[last][1], m[1])
		default:
			out = append(out, m)
		}
	}
	return out
}
