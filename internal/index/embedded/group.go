package embedded

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// A document is one copy of a message, or several copies with the same content and statement.
// The documents of a message with differing copies are a group, and are in one segment: when a
// copy differs from all others, all documents of its message are rewritten, and a late fact
// records that the old ones were replaced. So one segment is enough to decide which parts of a
// message a requester may see.

// A group has the documents of one message.
type group struct {
	// asOf is the record that gave the group its present form. For a document without a
	// group, it is the document's own record.
	asOf    uint64
	members []member
}

type member struct {
	doc, version uint32
	quality      uint8
}

func (c *content) writeGroups(out *output) {
	grouped := roaring.New()
	of := make([]uint32, c.docs)
	places := []uint64{0}
	var members []member
	for i, g := range c.groups {
		for _, m := range g.members {
			of[m.doc] = uint32(i + 1)
			grouped.Add(m.doc)
		}
		members = append(members, g.members...)
		places = append(places, uint64(len(members)))
	}
	out.section(func() {
		grouped.RunOptimize()
		if _, err := grouped.WriteTo(out); err != nil && out.err == nil {
			out.err = err
		}
	})
	column := func(count int, value func(i int) uint64) {
		out.section(func() { appendColumn(out, count, value) })
	}
	column(c.docs, func(doc int) uint64 { return uint64(of[doc]) })
	column(len(c.groups), func(i int) uint64 { return c.groups[i].asOf })
	column(len(places), func(i int) uint64 { return places[i] })
	column(len(members), func(i int) uint64 { return uint64(members[i].doc) })
	column(len(members), func(i int) uint64 { return uint64(members[i].version) })
	column(len(members), func(i int) uint64 { return uint64(members[i].quality) })
}

// parseGroups reads the set of grouped documents and compares the sizes of the
// sections about them.
func (s *segment) parseGroups(grouped []byte) error {
	s.groups = s.asOf.count
	s.grouped = roaring.New()
	if err := readBitmap("read groups", s.grouped, grouped); err != nil {
		return err
	}
	n := s.members.count
	switch {
	case s.memberPlaces.count != s.groups+1 || s.versions.count != n || s.qualities.count != n,
		s.memberPlaces.at(0) != 0 || s.memberPlaces.at(s.groups) != uint64(n),
		s.grouped.GetCardinality() != uint64(n) || n > 0 && s.grouped.Maximum() >= uint32(s.docs):
		return malformed("the groups are of different sizes")
	}
	return nil
}

// eachMember yields the members of a group, numbered from 0.
func (s *segment) eachMember(group int, yield func(member)) {
	begin, end := s.memberPlaces.at(group), s.memberPlaces.at(group+1)
	for i := int(begin); i < int(end); i++ {
		yield(member{uint32(s.members.at(i)), uint32(s.versions.at(i)), uint8(s.qualities.at(i))})
	}
}

// groupOf returns the group of a document, which must be in one.
func (s *segment) groupOf(doc uint32) int {
	n := s.group.at(int(doc))
	if n == 0 || n > uint64(s.groups) {
		panic(malformed("document %d is in no group", doc))
	}
	return int(n - 1)
}

// asOfDoc returns the asOf record of a document.
func (s *segment) asOfDoc(doc int) uint64 {
	if n := s.group.at(doc); n > 0 {
		return s.asOf.at(int(n - 1))
	}
	return s.seqs.at(doc)
}

// spread adds the other members of the documents' groups.
func (s *segment) spread(docs *roaring.Bitmap) *roaring.Bitmap {
	if s.groups == 0 || docs == nil {
		return docs
	}
	in := roaring.And(docs, s.grouped)
	if in.IsEmpty() {
		return docs
	}
	groups := roaring.New() // has each group once, however many of its members are among the documents
	in.Iterate(func(doc uint32) bool {
		groups.Add(uint32(s.groupOf(doc)))
		return true
	})
	var others []uint32
	groups.Iterate(func(group uint32) bool {
		s.eachMember(int(group), func(m member) { others = append(others, m.doc) })
		return true
	})
	slices.Sort(others)
	return roaring.Or(docs, roaring.BitmapOf(others...))
}

// A view is the part of a segment that a requester may see.
type view struct {
	*segment
	scope query.Node
	*seenDocs
}

// seenDocs are the documents of a view. They are kept in the cache, which may
// outlive a segment's mapping.
type seenDocs struct {
	// selected are the documents with a sighting that the scope selects, or nil for all.
	selected *roaring.Bitmap
	// visible has one document for each message (in a group, the one whose copy has the
	// sent time), or is nil for all.
	visible *roaring.Bitmap
	// shown has, for each group, its visible document, or noPlace if there is none.
	shown []uint32
	// differs are the visible documents of messages with differing copies.
	differs *roaring.Bitmap
}

// view returns the part of a segment that a scope shows, restricted to a range of
// documents unless within is nil.
func (q *search) view(s *segment, scope query.Node, within *roaring.Bitmap) (*view, error) {
	gone, err := q.gone(s)
	if err != nil {
		return nil, err
	}
	if query.IsAll(scope) && gone == nil && s.groups == 0 {
		return &view{s, scope, new(seenDocs)}, nil
	}
	var what strings.Builder
	what.WriteString("view " + q.scopeKey)
	if within != nil && !within.IsEmpty() && !query.IsAll(scope) {
		fmt.Fprintf(&what, " %d-%d", within.Minimum(), within.Maximum())
	}
	for _, other := range s.lateSources(q.snapshot, func(d argus.DeliveryNumber) bool {
		return d == factRemoved || d == factReplaced || hasField(scope, query.Delivery)
	}) {
		what.WriteString(" " + other.name)
	}
	docs, err := cached(q.cache, cacheKey{s.name, what.String()}, func() (*seenDocs, int, error) {
		v := &view{s, scope, new(seenDocs)}
		if err := q.see(v, within, gone); err != nil {
			return nil, 0, err
		}
		return v.seenDocs, v.own(), nil
	})
	return &view{s, scope, docs}, err
}

// own makes the documents independent of the mapped file and returns their size in
// bytes.
func (v *seenDocs) own() (size int) {
	for _, docs := range []**roaring.Bitmap{&v.selected, &v.visible, &v.differs} {
		if *docs != nil {
			*docs = (*docs).Clone()
			size += int((*docs).GetSizeInBytes())
		}
	}
	return size + 4*len(v.shown)
}

// see finds the documents of a view.
func (q *search) see(v *view, within, gone *roaring.Bitmap) (err error) {
	if !query.IsAll(v.scope) {
		if v.selected, err = q.selected(v.segment, v.scope, v.spread(within)); err != nil {
			return err
		}
	}
	if gone != nil {
		if v.selected == nil {
			v.selected = v.all()
		}
		v.selected = roaring.AndNot(v.selected, gone)
	}
	v.visible = v.selected
	if v.groups > 0 {
		v.chooseShown()
	}
	return nil
}

// chooseShown finds the document to show for each group.
func (v *view) chooseShown() {
	v.shown, v.differs = make([]uint32, v.groups), roaring.New()
	var hidden []uint32
	for g := range v.shown {
		best, version, differs := member{doc: noPlace}, uint32(0), false
		v.eachMember(g, func(m member) {
			if v.selected != nil && !v.selected.Contains(m.doc) {
				return
			}
			switch {
			case best.doc == noPlace:
				best, version = m, m.version
				return
			case v.better(m, best):
				m, best = best, m
			}
			differs = differs || m.version != version || best.version != version
			hidden = append(hidden, m.doc)
		})
		v.shown[g] = best.doc
		if differs {
			v.differs.Add(best.doc)
		}
	}
	if v.visible == nil {
		v.visible = v.all()
	}
	slices.Sort(hidden)
	v.visible = roaring.AndNot(v.visible, roaring.BitmapOf(hidden...))
}

// better reports whether the message's sent time is a's rather than b's, by the rule of
// [query.Doc.Lead]. If they are equal, either answer is right.
func (v *view) better(a, b member) bool {
	x, y := v.cursor(int(a.doc)), v.cursor(int(b.doc))
	return cmp.Or(cmp.Compare(a.quality, b.quality), compareCursors(&x, &y)) < 0
}

// eachCopy yields the selected copies of a document's message.
func (v *view) eachCopy(doc int, yield func(copied int)) {
	if v.group.at(doc) == 0 {
		yield(doc)
		return
	}
	v.eachMember(v.groupOf(uint32(doc)), func(m member) {
		if v.selected == nil || v.selected.Contains(m.doc) {
			yield(int(m.doc))
		}
	})
}

// receiverMarks returns the ordinals that mean no receiver and several receivers in the column
// of receivers. An ordinal that no document has is beyond the end of the list.
func (s *segment) receiverMarks() (none, several uint64) {
	ordinal := func(value string, absent int) uint64 {
		if at, found := s.receivers.search([]byte(value)); found {
			return uint64(at)
		}
		return uint64(absent)
	}
	return ordinal("", s.receivers.count), ordinal(severalReceivers, s.receivers.count+1)
}

// oneReceiver returns the only receiver that the copies of a message name between them.
func (v *view) oneReceiver(doc int, none, several uint64) uint64 {
	one := none
	v.eachCopy(doc, func(copied int) {
		switch r := v.receiver.at(copied); {
		case r == none || r == one:
		case one != none:
			one = several
		default:
			one = r
		}
	})
	return one
}

// lift turns documents of copies into the documents of their messages.
func (v *view) lift(docs *roaring.Bitmap) *roaring.Bitmap {
	if v.groups == 0 {
		return docs
	}
	in := roaring.And(docs, v.grouped)
	if in.IsEmpty() {
		return docs
	}
	var shown []uint32
	in.Iterate(func(doc uint32) bool {
		if v.selected == nil || v.selected.Contains(doc) {
			shown = append(shown, v.shown[v.groupOf(doc)])
		}
		return true
	})
	slices.Sort(shown)
	return roaring.Or(roaring.AndNot(docs, v.grouped), roaring.BitmapOf(slices.Compact(shown)...))
}

// liftAll returns the messages whose selected copies are all among the documents.
func (v *view) liftAll(docs *roaring.Bitmap) *roaring.Bitmap {
	if v.groups == 0 {
		return docs
	}
	lifted := v.lift(docs)
	others := roaring.AndNot(v.grouped, docs)
	if v.selected != nil {
		others = roaring.And(others, v.selected)
	}
	return roaring.AndNot(lifted, v.lift(others))
}

// copies returns the selected documents of the documents' messages.
func (v *view) copies(docs *roaring.Bitmap) *roaring.Bitmap {
	if docs == nil || docs == v.visible {
		return v.selected
	}
	all := v.spread(docs)
	if v.selected != nil && all != docs {
		all = roaring.And(all, v.selected)
	}
	return all
}

// selected returns the documents with a sighting that a scope selects. It is exact
// for documents in within (nil for all), which has whole groups.
//
// A document may have been seen in several deliveries, and each is a sighting: the
// scope is evaluated for each delivery that it names, and once for all others.
func (q *search) selected(s *segment, scope query.Node, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	if !hasField(scope, query.Delivery) {
		return q.covered(s, scope, true, within)
	}
	var sets []*roaring.Bitmap
	covered := func(docs *roaring.Bitmap, d argus.DeliveryNumber) error {
		one, err := q.covered(s, query.For(scope, d), true, within)
		if err == nil {
			sets = append(sets, roaring.And(docs, one))
		}
		return err
	}
	named := map[argus.DeliveryNumber]bool{}
	others := s.all()
	for _, d := range s.deliveries(q.snapshot) {
		if !namesDelivery(scope, d) {
			continue
		}
		named[d] = true
		others.AndNot(s.stored(d))
		docs, err := q.seen(s, d)
		if err != nil {
			return nil, err
		}
		if err := covered(docs, d); err != nil {
			return nil, err
		}
	}
	late, err := q.late(s, "other than "+scope.String(), func(d argus.DeliveryNumber) bool {
		return d != factRemoved && d != factReplaced && !named[d]
	})
	if err != nil {
		return nil, err
	}
	if late != nil {
		others = roaring.Or(others, late)
	}
	if err := covered(others, 0); err != nil {
		return nil, err
	}
	return roaring.FastOr(sets...), nil
}

// namesDelivery reports whether a field of a scope accepts a delivery.
func namesDelivery(scope query.Node, d argus.DeliveryNumber) bool {
	return query.Any(scope, func(n query.Node) bool {
		f, ok := n.(query.Field)
		return ok && f.Name == query.Delivery && (f.Value == d.String() || f.Prefix && strings.HasPrefix(d.String(), f.Value))
	})
}

// covered returns the documents whose copies alone meet a scope, or do not meet it, by the rule
// of [query.Matcher.Select].
func (q *search) covered(s *segment, n query.Node, positive bool, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	list := func(nodes []query.Node, all bool) (*roaring.Bitmap, error) {
		nodes = slices.Clone(nodes)
		slices.SortStableFunc(nodes, func(a, b query.Node) int { return cmp.Compare(cost(a), cost(b)) })
		out := roaring.New()
		if all {
			out = s.all()
		}
		for _, inner := range nodes {
			narrow := within
			if all && cost(inner) >= costOfPlaces {
				narrow = s.spread(intersect(within, out))
			}
			one, err := q.covered(s, inner, positive, narrow)
			if err != nil {
				return nil, err
			}
			if all {
				out = roaring.And(out, one)
			} else {
				out = roaring.Or(out, one)
			}
		}
		return out, nil
	}
	switch n := n.(type) {
	case nil, query.All:
		if positive {
			return s.all(), nil
		}
		return roaring.New(), nil
	case query.And:
		return list(n.Nodes, positive)
	case query.Or:
		return list(n.Nodes, !positive)
	case query.Not:
		return q.covered(s, n.Node, !positive, within)
	case query.Field, query.Fuzzy, query.List, query.Number, query.Part, query.Phrase,
		query.Prefix, query.Regexp, query.Sent, query.Stem, query.Then, query.Word, query.Written:
	}
	docs, err := q.leaf(s, n, within)
	if err != nil || positive {
		return docs, err
	}
	if query.ExcludesAll(n) && s.groups > 0 {
		gone, err := q.gone(s)
		if err != nil {
			return nil, err
		}
		if gone != nil { // removed copies exclude nothing
			docs = roaring.AndNot(docs, gone)
		}
		docs = s.spread(docs)
	}
	return roaring.AndNot(s.all(), docs), nil
}

// removed returns the removed documents, or nil if there are none.
func (q *search) removed(s *segment) (*roaring.Bitmap, error) {
	return q.late(s, "removed", func(d argus.DeliveryNumber) bool { return d == factRemoved })
}

// gone returns the removed and replaced documents, or nil if there are none.
func (q *search) gone(s *segment) (*roaring.Bitmap, error) {
	removed, err := q.removed(s)
	if err != nil {
		return nil, err
	}
	replaced, err := q.late(s, "replaced", func(d argus.DeliveryNumber) bool { return d == factReplaced })
	switch {
	case err != nil || replaced == nil:
		return removed, err
	case removed == nil:
		return replaced, nil
	}
	return roaring.Or(removed, replaced), nil
}
