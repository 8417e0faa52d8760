package embedded

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/blevesearch/vellum"
)

// A search finds the documents of a snapshot that match queries.
type search struct {
	ctx      context.Context
	evidence index.Evidence
	cache    *cache
	snapshot *snapshot
	texts    *atomic.Int64 // how many more texts may be read; nil means any number
	regexps  map[string]*regexp.Regexp
	scopeKey string        // identifies the scope in the cache
	asked    query.Node    // the scope
	turns    argus.TypeSet // the types that the query counts as turns
	thens    *thens
	needed   map[textKey]*roaring.Bitmap // candidates whose texts have to be read for expressions
}

// patience is the number of documents or terms between two checks of whether the answer
// is still wanted.
const patience = 1024

// nameScope names the scope for the cache.
func (q *search) nameScope(n query.Node) error {
	if query.HasThen(n) {
		return errors.New("search: a scope cannot contain a condition on turns, which depends on the scope itself")
	}
	q.asked = n
	if !query.IsAll(n) {
		q.scopeKey = fmt.Sprintf("scope %x", sha256.Sum256(appendNode(nil, n)))
	}
	return nil
}

// appendNode writes a node unambiguously, unlike String: any two different nodes, whether
// parsed or constructed, are written differently. A scope may have thousands of nodes.
func appendNode(to []byte, n query.Node) []byte {
	switch n := n.(type) {
	case query.And, query.Or, query.Not:
		to = fmt.Appendf(to, "%T(", n)
		for _, inner := range query.Children(n) {
			to = appendNode(to, inner)
		}
		return append(to, ')')
	case query.Field:
		to = strconv.AppendQuote(append(to, 'F'), string(n.Name))
		return strconv.AppendBool(strconv.AppendQuote(to, n.Value), n.Prefix)
	case query.All, query.Fuzzy, query.List, query.Number, query.Part, query.Phrase,
		query.Prefix, query.Regexp, query.Sent, query.Stem, query.Then, query.Word, query.Written:
	}
	return fmt.Appendf(to, "%#v", n)
}

// evaluate returns the visible documents of a view that match n. It is exact for
// documents in within (nil for all); other documents may be included or not.
func (q *search) evaluate(v *view, n query.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if err := q.ctx.Err(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case nil, query.All:
		return v.segment.all(), nil
	case query.And:
		return q.and(v, n, within)
	case query.Or:
		return q.or(v, n.Nodes, within)
	case query.Not:
		return q.and(v, query.And{Nodes: []query.Node{n}}, within)
	case query.Sent:
		return v.sent(n), nil // the visible document has the sent time
	case query.Then:
		return q.then(v.segment, n)
	case query.Field:
		switch n.Name {
		case query.Is:
			return q.is(v, n)
		case query.Delivery:
			return q.delivery(v, n, nil)
		case query.Same:
			wanted, _ := takeSames([]query.Node{n})
			return q.sames(v, wanted)
		}
	case query.Fuzzy, query.List, query.Number, query.Part, query.Phrase, query.Prefix, query.Regexp, query.Stem, query.Word, query.Written:
	}
	var copies *roaring.Bitmap
	if cost(n) >= costOfPlaces {
		copies = v.copies(within)
	}
	docs, err := q.leaf(v.segment, n, copies)
	if err != nil {
		return nil, err
	}
	return v.lift(docs), nil
}

// leaf returns the documents of copies that match a node without children. It is exact
// for documents in within, or for all documents if within is nil.
func (q *search) leaf(s *segment, n query.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if err := q.ctx.Err(); err != nil {
		return nil, err
	}
	switch n := n.(type) {
	case query.Word:
		return s.word(n.Term).bitmap(), nil
	case query.Phrase:
		return q.phrase(s, n.Terms, within)
	case query.Prefix:
		low, high := s.terms.prefixed([]byte(n.Term))
		return q.union(s, ordinals(max(low, s.firstWord), high))
	case query.Number:
		return q.number(s, n, within)
	case query.Written:
		return q.written(s, n, within)
	case query.Part:
		if n.AtEnd {
			return q.union(s, s.accepted(s.firstWord, s.terms.count, n.In))
		}
		return q.union(s, s.holding([]byte(n.Term)))
	case query.Stem:
		low, high := s.terms.prefixed([]byte(n.First()))
		return q.union(s, s.accepted(max(low, s.firstWord), high, n.Accepts()))
	case query.Fuzzy:
		return q.fuzzy(s, n)
	case query.Regexp:
		return q.regexp(s, n, within)
	case query.Field:
		return q.field(s, n)
	case query.List:
		return q.list(s, n, within)
	case query.Sent:
		return s.sent(n), nil
	case query.All, query.And, query.Not, query.Or, query.Then:
	}
	return nil, fmt.Errorf("search: no index supports the query node %T", n)
}

// costOfPlaces is the cost of a node for which the words of documents have to be read.
const costOfPlaces = 4

// cost orders nodes by the work that they need: expensive ones read only the documents
// left over by cheap ones.
func cost(n query.Node) int {
	switch n := n.(type) {
	case query.List:
		return dearest(n.Nodes)
	case query.Not:
		return cost(n.Node) + 1 // subtract when there is something to subtract from
	case query.Prefix, query.Part, query.Fuzzy:
		return 2
	case query.Stem:
		return 3
	case query.Phrase, query.Number:
		return costOfPlaces
	case query.Written:
		return 5
	case query.Regexp:
		return 6
	case query.Then:
		return 8
	case query.All, query.And, query.Field, query.Or, query.Sent, query.Word:
	}
	return dearest(query.Children(n))
}

func dearest(nodes []query.Node) (most int) {
	for _, n := range nodes {
		most = max(most, cost(n))
	}
	return most
}

func (q *search) and(v *view, n query.And, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	nodes := slices.Clone(n.Nodes)
	slices.SortStableFunc(nodes, func(a, b query.Node) int { return cmp.Compare(cost(a), cost(b)) })
	docs := within
	for _, n := range nodes {
		not, negative := n.(query.Not)
		if negative {
			n = not.Node
			if docs == nil {
				docs = v.segment.all()
			}
		}
		one, err := q.evaluate(v, n, docs)
		switch {
		case err != nil:
			return nil, err
		case negative:
			docs = roaring.AndNot(docs, one)
		case docs == nil:
			docs = one
		default:
			docs = roaring.And(docs, one)
		}
		if docs.IsEmpty() {
			break
		}
	}
	if docs == nil {
		return v.segment.all(), nil
	}
	return docs, nil
}

func (q *search) or(v *view, nodes []query.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	terms, rest := manyTerms(nodes)
	var sets []*roaring.Bitmap
	if wanted, others := takeSames(rest); len(wanted) > 0 {
		set, err := q.sames(v, wanted)
		if err != nil {
			return nil, err
		}
		sets, rest = append(sets, set), others
	}
	for _, n := range rest {
		set, err := q.evaluate(v, n, within)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	if len(terms) > 0 {
		set, err := q.union(v.segment, v.terms.searchAll(terms))
		if err != nil {
			return nil, err
		}
		sets = append(sets, v.lift(set))
	}
	return roaring.FastOr(sets...), nil
}

// anyLeaf returns the documents of copies that match one of several nodes without
// children.
func (q *search) anyLeaf(s *segment, nodes []query.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	terms, rest := manyTerms(nodes)
	var sets []*roaring.Bitmap
	for _, n := range rest {
		set, err := q.leaf(s, n, within)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	if len(terms) > 0 {
		set, err := q.union(s, s.terms.searchAll(terms))
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return roaring.FastOr(sets...), nil
}

// manyTerms extracts the single terms from nodes, sorted, if there are enough of them to
// be worth one union.
func manyTerms(nodes []query.Node) (terms [][]byte, rest []query.Node) {
	if len(nodes) <= fewTerms {
		return nil, nodes
	}
	for _, n := range nodes {
		if term := singleTerm(n); term != nil {
			terms = append(terms, term)
		} else {
			rest = append(rest, n)
		}
	}
	slices.SortFunc(terms, bytes.Compare)
	return terms, rest
}

// fewTerms is the maximum number of terms that are looked up one by one.
const fewTerms = 20

// singleTerm returns the term that a node looks for, or nil for other kinds of node.
func singleTerm(n query.Node) []byte {
	switch n := n.(type) {
	case query.Word:
		if n.Term != "" && n.Term[0] >= fieldEnd {
			return []byte(n.Term)
		}
	case query.Field:
		first, known := fieldByte[n.Name]
		if known && !n.Prefix && n.Name != query.Delivery && n.Name != query.Is {
			return append([]byte{first}, n.Value...)
		}
	case query.All, query.And, query.Fuzzy, query.List, query.Not, query.Number, query.Or,
		query.Part, query.Phrase, query.Prefix, query.Regexp, query.Sent, query.Stem, query.Then, query.Written:
	}
	return nil
}

// list evaluates a stored list. One that was read from its file is cached.
func (q *search) list(s *segment, n query.List, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	nodes := n.Nodes
	if n.Field.Parts() != nil {
		nodes = nil
		for _, entry := range n.Nodes {
			if f, ok := entry.(query.Field); ok {
				nodes = append(nodes, parts(f)...)
			}
		}
	}
	if n.Hash == "" {
		return q.anyLeaf(s, nodes, within)
	}
	return q.cache.get(cacheKey{s.name, "list " + n.String()}, func() (*roaring.Bitmap, error) { return q.anyLeaf(s, nodes, nil) })
}

// term returns the postings of a term, which are empty if the segment does not have the
// term.
func (s *segment) term(term []byte) postings {
	ordinal, found := s.terms.search(term)
	if !found {
		return postings{}
	}
	return s.postings(ordinal)
}

func (s *segment) word(term string) postings {
	if term == "" || term[0] < fieldEnd {
		return postings{}
	}
	return s.term([]byte(term))
}

func ordinals(low, high int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := low; i < high; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// union returns the documents that have at least one of the terms.
func (q *search) union(s *segment, ordinals iter.Seq[int]) (*roaring.Bitmap, error) {
	dense := make([]uint64, (s.docs+63)/64)
	var docs []uint32
	seen := 0
	for ordinal := range ordinals {
		if seen++; seen%patience == 0 && q.ctx.Err() != nil {
			return nil, q.ctx.Err()
		}
		docs = s.postings(ordinal).appendTo(docs[:0])
		for _, doc := range docs {
			dense[doc/64] |= 1 << (doc % 64)
		}
	}
	return roaring.FromDense(dense, false), nil
}

// each calls look with each document, in ascending order, until look returns an error.
func (q *search) each(docs *roaring.Bitmap, look func(doc int) error) error {
	return q.runs(docs, func(docs []uint32) error {
		for _, doc := range docs {
			if err := look(int(doc)); err != nil {
				return err
			}
		}
		return nil
	})
}

// runs calls look with runs of documents, in ascending order, until look returns an
// error.
func (q *search) runs(docs *roaring.Bitmap, look func(docs []uint32) error) error {
	var buf [patience]uint32
	for many := docs.ManyIterator(); ; {
		n := many.NextMany(buf[:])
		if n == 0 {
			return nil
		}
		if err := q.ctx.Err(); err != nil {
			return err
		}
		if err := look(buf[:n]); err != nil {
			return err
		}
	}
}

// phrase looks for the ranks of the terms, in sequence, in the words of the documents
// that have them all.
func (q *search) phrase(s *segment, terms []string, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	all := make([]postings, len(terms))
	var want []byte
	for i, term := range terms {
		ordinal, found := s.terms.search([]byte(term))
		if !found || ordinal < s.firstWord {
			return roaring.New(), nil
		}
		all[i] = s.postings(ordinal)
		want = binary.AppendUvarint(want, s.ranks.at(ordinal-s.firstWord))
	}
	slices.SortFunc(all, func(a, b postings) int { return cmp.Compare(a.count, b.count) })
	docs := within
	for _, p := range all {
		if docs == nil {
			docs = p.bitmap()
		} else {
			docs = roaring.And(docs, p.bitmap())
		}
	}
	if len(terms) < 2 {
		return docs, nil
	}
	var found []uint32
	err := q.each(docs, func(doc int) error {
		if hasVarints(s.words(doc), want) {
			found = append(found, uint32(doc))
		}
		return nil
	})
	return roaring.BitmapOf(found...), err
}

// hasVarints reports whether a list of varints contains another list, matching only whole
// numbers: the last byte of each number is the only one below 0x80.
func hasVarints(list, want []byte) bool {
	for {
		at := bytes.Index(list, want)
		if at < 0 {
			return false
		}
		if at == 0 || list[at-1] < 0x80 {
			return true
		}
		list = list[at+1:]
	}
}

// accepted yields the ordinals in [low, high) of the words for which accepts returns true.
func (s *segment) accepted(low, high int, accepts func(term []byte) bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		for words := s.terms.from(low); words.next < high && words.advance(); {
			if accepts(words.key) && !yield(words.next-1) {
				return
			}
		}
	}
}

// holding yields the words that contain part. The prefix that a word shares with the previous
// one is not searched again.
func (s *segment) holding(part []byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		end := 0 // where part's first occurrence in the word ends, or 0 if there is none
		words := s.terms.from(s.firstWord)
		for first := true; words.advance(); first = false {
			if end == 0 || end > words.shared {
				end = 0
				from := max(0, words.shared-len(part)+1)
				if first {
					from = 0
				}
				if at := bytes.Index(words.key[from:], part); at >= 0 {
					end = from + at + len(part)
				}
			}
			if end > 0 && !yield(words.next-1) {
				return
			}
		}
	}
}

// near runs an automaton over the list of words. The prefix that a word shares with the
// previous one is not read again.
func (s *segment) near(near *nearby) iter.Seq[int] {
	return func(yield func(int) bool) {
		states := []int{near.Start()} // after each byte of the word, until a state is 0
		words := s.terms.from(s.firstWord)
		for first := true; words.advance(); first = false {
			known := min(words.shared, len(states)-1)
			if first {
				known = 0
			}
			states = states[:known+1]
			for i := known; i < len(words.key) && states[i] != 0; i++ {
				states = append(states, near.Accept(states[i], words.key[i]))
			}
			if len(states) == len(words.key)+1 && near.IsMatch(states[len(words.key)]) && !yield(words.next-1) {
				return
			}
		}
	}
}

// fuzzy runs the automaton that accepts the terms near a word over the automaton of all terms,
// or over the list of all terms.
func (q *search) fuzzy(s *segment, n query.Fuzzy) (*roaring.Bitmap, error) {
	if n.Distance > maxNearby {
		return nil, fmt.Errorf("search %s: an index supports at most %d edits", n, maxNearby)
	}
	near := newNearby(n)
	if s.automaton == nil {
		return q.union(s, s.near(near))
	}
	return q.union(s, func(yield func(int) bool) {
		it, err := s.automaton.Search(near, []byte{fieldEnd}, nil)
		for ; err == nil; err = it.Next() {
			if _, ordinal := it.Current(); !yield(int(ordinal)) {
				return
			}
		}
		if !errors.Is(err, vellum.ErrIteratorDone) {
			panic(malformed("read terms: %v", err))
		}
	})
}

// parts returns a node for each part of a field that has parts.
func parts(n query.Field) (nodes []query.Node) {
	for _, name := range n.Name.Parts() {
		n.Name = name
		nodes = append(nodes, n)
	}
	return nodes
}

// field returns the documents of copies that have a term of a field.
func (q *search) field(s *segment, n query.Field) (*roaring.Bitmap, error) {
	switch n.Name {
	case query.With, query.In:
		return q.anyLeaf(s, parts(n), nil)
	case query.Is:
		docs := roaring.New()
		for _, word := range query.IsWords {
			if n.Value == word || n.Prefix && strings.HasPrefix(word, n.Value) {
				docs.Or(s.isWord(word))
			}
		}
		return docs, nil
	case query.Delivery:
		docs := roaring.New()
		for _, d := range s.deliveries(q.snapshot) {
			if namesDelivery(n, d) {
				one, err := q.seen(s, d)
				if err != nil {
					return nil, err
				}
				docs.Or(one)
			}
		}
		return docs, nil
	case query.Same:
		docs := roaring.New()
		wanted, _ := takeSames([]query.Node{n})
		return docs, q.eachSum(s, wanted, func(doc int) { docs.Add(uint32(doc)) })
	}
	first, known := fieldByte[n.Name]
	if !known {
		return roaring.New(), nil
	}
	term := append([]byte{first}, n.Value...)
	if n.Prefix {
		return q.union(s, ordinals(s.terms.prefixed(term)))
	}
	return s.term(term).bitmap(), nil
}

// isWord returns the documents of copies for which a word is true. For a single copy,
// is:differs is never true.
func (s *segment) isWord(word string) *roaring.Bitmap {
	if word == argus.MessageWord {
		return s.without(func(argus.Type) bool { return true })
	}
	return s.term(append([]byte{fieldByte[query.Is]}, word...)).bitmap()
}

// ofTypes returns the documents of copies of some types, which include messages.
func (s *segment) ofTypes(set argus.TypeSet) *roaring.Bitmap {
	return s.without(func(t argus.Type) bool { return !set.Has(t) })
}

// without returns all documents except those of the excluded types other than messages.
func (s *segment) without(left func(argus.Type) bool) *roaring.Bitmap {
	docs := s.all()
	for _, b := range s.beside {
		if left(b.of) {
			docs.AndNot(s.postings(b.ordinal).bitmap())
		}
	}
	return docs
}

// is returns the messages for which a word is true.
func (q *search) is(v *view, n query.Field) (*roaring.Bitmap, error) {
	docs := roaring.New()
	for _, word := range query.IsWords {
		if n.Value != word && (!n.Prefix || !strings.HasPrefix(word, n.Value)) {
			continue
		}
		switch word {
		case "differs":
			if v.differs != nil {
				docs.Or(v.differs)
			}
		case argus.StateWords[0]: // locked means that no copy can be read
			docs.Or(v.liftAll(v.isWord(word)))
		default:
			docs.Or(v.lift(v.isWord(word)))
		}
	}
	return docs, nil
}

// delivery returns the messages with a sighting in a delivery that the scope selects,
// restricted to the given copies (nil for all).
func (q *search) delivery(v *view, n query.Field, among *roaring.Bitmap) (*roaring.Bitmap, error) {
	docs := roaring.New()
	for _, d := range v.deliveries(q.snapshot) {
		if !namesDelivery(n, d) {
			continue
		}
		one, err := q.seen(v.segment, d)
		if err != nil {
			return nil, err
		}
		one = intersect(among, one)
		if !query.IsAll(v.scope) && hasField(v.scope, query.Delivery) {
			covered, err := q.covered(v.segment, query.For(v.scope, d), true, v.copies(one))
			if err != nil {
				return nil, err
			}
			one = roaring.And(one, covered)
		}
		docs.Or(v.lift(one))
	}
	return docs, nil
}

// deliveries contains at least those deliveries in which documents of the segment were
// seen.
func (s *segment) deliveries(in *snapshot) (list []argus.DeliveryNumber) {
	low, high := s.terms.prefixed([]byte{fieldByte[query.Delivery]})
	for terms := s.terms.from(low); terms.next < high && terms.advance(); {
		d, err := argus.ParseDelivery(string(terms.key[1:]))
		if err != nil {
			panic(malformed("%q is not a delivery", terms.key[1:]))
		}
		list = append(list, d)
	}
	for _, other := range in.segments {
		for i := range other.late {
			if f := &other.late[i]; f.delivery != factRemoved && f.delivery != factReplaced && f.about(s.firstSeq, s.lastSeq) {
				list = append(list, f.delivery)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// stored returns the documents whose first copy arrived in a delivery.
func (s *segment) stored(d argus.DeliveryNumber) *roaring.Bitmap {
	return s.term(append([]byte{fieldByte[query.Delivery]}, d.String()...)).bitmap()
}

// seen returns the documents with a copy that arrived in a delivery.
func (q *search) seen(s *segment, d argus.DeliveryNumber) (*roaring.Bitmap, error) {
	late, err := q.late(s, d.String(), func(other argus.DeliveryNumber) bool { return other == d })
	if err != nil || late == nil {
		return s.stored(d), err
	}
	return roaring.Or(s.stored(d), late), nil
}

// sent returns the matching documents, which form a range because documents are sorted by
// time.
func (s *segment) sent(n query.Sent) *roaring.Bitmap {
	from, to := uint64(1), uint64(math.MaxUint64)
	if !n.From.IsZero() {
		from = microsKey(ceilMicros(n.From))
	}
	if !n.To.IsZero() {
		to = microsKey(ceilMicros(n.To))
	}
	docs := roaring.New()
	if low, high := s.beforeTime(from), s.beforeTime(to); low < high {
		docs.AddRange(uint64(low), uint64(high))
	}
	return docs
}

// ceilMicros returns the first microsecond that is not before t.
func ceilMicros(t time.Time) int64 {
	micros := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		micros++
	}
	return micros
}

// hasField reports whether a query looks at a field.
func hasField(n query.Node, name query.FieldName) bool {
	return query.Any(n, func(n query.Node) bool {
		f, ok := n.(query.Field)
		return ok && f.Name == name
	})
}

// lateSources returns the segments that hold late facts about documents of s.
func (s *segment) lateSources(in *snapshot, wanted func(argus.DeliveryNumber) bool) (sources []*segment) {
	for _, other := range in.segments {
		for i := range other.late {
			if f := &other.late[i]; wanted(f.delivery) && f.about(s.firstSeq, s.lastSeq) {
				sources = append(sources, other)
				break
			}
		}
	}
	return sources
}

// late returns the documents with a wanted late fact, or nil if there are none.
func (q *search) late(s *segment, name string, wanted func(argus.DeliveryNumber) bool) (*roaring.Bitmap, error) {
	sources, asOf := s.lateSources(q.snapshot, wanted), wanted(factReplaced)
	if len(sources) == 0 || s.docs == 0 {
		return nil, nil
	}
	var what strings.Builder
	what.WriteString("late " + name)
	for _, other := range sources {
		what.WriteString(" " + other.name)
	}
	return q.cache.get(cacheKey{s.name, what.String()}, func() (*roaring.Bitmap, error) {
		var facts []lateFacts
		for _, other := range sources {
			for _, f := range other.late {
				if wanted(f.delivery) {
					f.delivery = 0
					facts = mergeLate(facts, []lateFacts{f})
				}
			}
		}
		docs := roaring.New()
		for doc := range s.docs {
			if doc%patience == 0 && q.ctx.Err() != nil {
				return nil, q.ctx.Err()
			}
			seq := s.seqs.at(doc)
			if asOf {
				seq = s.asOfDoc(doc)
			}
			if at, found := findLate(facts, 0, uint32(seq>>32)); found && facts[at].low.Contains(uint32(seq)) {
				docs.Add(uint32(doc))
			}
		}
		return docs, nil
	})
}
