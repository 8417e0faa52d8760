package embedded

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// begin starts a search on the current snapshot, which is to be released.
func (ix *Index) begin(ctx context.Context) (*search, error) {
	snapshot := ix.acquire()
	if snapshot == nil {
		return nil, errClosed
	}
	return &search{
		ctx: ctx, text: ix.options.Text, cache: ix.cache, snapshot: snapshot,
		regexps: map[string]*regexp.Regexp{},
	}, nil
}

// newestFirst returns the segments that have documents, by their newest.
func (s *snapshot) newestFirst() []*segment {
	list := slices.DeleteFunc(slices.Clone(s.segments), func(seg *segment) bool { return seg.docs == 0 })
	slices.SortStableFunc(list, func(a, b *segment) int {
		return cmp.Compare(b.times.at(b.docs-1), a.times.at(a.docs-1))
	})
	return list
}

// Search implements [index.Index].
func (ix *Index) Search(ctx context.Context, req index.Request) (*index.Result, error) {
	counts, err := newCounts(req)
	if err != nil {
		return nil, err
	}
	result := new(index.Result)
	hits := top{limit: req.Limit, after: req.After}
	position, err := ix.each(ctx, req.Query, req.Scope, func(q *search, s *segment, docs *roaring.Bitmap) error {
		result.Total += docs.GetCardinality()
		hits.add(s, docs)
		return counts.add(q, s, docs)
	})
	if err != nil {
		return nil, err
	}
	result.Position, result.Hits = position, hits.list
	counts.report(result)
	return result, nil
}

// each calls found with what each segment of the current snapshot has that
// matches the query inside the scope, if that is anything. It returns the
// snapshot's position.
func (ix *Index) each(ctx context.Context, n, scope query.Node, found func(*search, *segment, *roaring.Bitmap) error) (uint64, error) {
	q, err := ix.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer q.snapshot.release()
	for _, s := range q.snapshot.newestFirst() {
		err := func() (err error) {
			defer guard(s.name, &err)
			docs, err := q.matching(s, n, scope)
			if err != nil || docs.IsEmpty() {
				return err
			}
			return found(q, s, docs)
		}()
		if err != nil {
			return 0, damaged(s.name, 0, err)
		}
	}
	return q.snapshot.position, nil
}

// top keeps the newest hits.
type top struct {
	limit int
	after *index.Cursor
	list  []index.Hit // newest first
}

// add takes the documents of a segment.
func (t *top) add(s *segment, docs *roaring.Bitmap) {
	end := s.docs
	if t.after != nil {
		end = s.before(t.after)
	}
	var found []index.Hit
	for doc := previous(docs, end); doc >= 0 && len(found) < t.limit; doc = previous(docs, doc) {
		hit := newHit(s, doc)
		if len(t.list) == t.limit && compareCursors(&hit.Cursor, &t.list[t.limit-1].Cursor) < 0 {
			break
		}
		found = append(found, hit)
	}
	if len(found) == 0 {
		return
	}
	t.list = append(t.list, found...)
	slices.SortFunc(t.list, func(a, b index.Hit) int { return compareCursors(&b.Cursor, &a.Cursor) })
	t.list = t.list[:min(len(t.list), t.limit)]
}

// previous returns the last document before end, -1 if there is none.
func previous(docs *roaring.Bitmap, end int) int {
	if end == 0 {
		return -1
	}
	return int(docs.PreviousValue(uint32(end - 1)))
}

func newHit(s *segment, doc int) index.Hit {
	c := s.cursor(doc)
	return index.Hit{Seq: c.Seq, Cursor: c}
}

// counts are the facets and the histogram of an answer.
type counts struct {
	size   int
	facets map[query.FieldName]map[string]uint64
	width  index.Interval
	bars   map[int64]uint64 // by the start, in microseconds
}

// facetFields can be counted by.
var facetFields = []query.FieldName{query.From, query.In, query.Service, query.Delivery, query.Is, query.Lang}

func newCounts(req index.Request) (*counts, error) {
	c := &counts{size: cmp.Or(req.FacetSize, 20), width: req.Histogram}
	for _, f := range req.Facets {
		if !slices.Contains(facetFields, f) {
			return nil, fmt.Errorf("count by %s: messages are counted by from, in, service, delivery, is and lang", f)
		}
		if c.facets == nil {
			c.facets = map[query.FieldName]map[string]uint64{}
		}
		c.facets[f] = map[string]uint64{}
	}
	if c.width == "" {
		return c, nil
	}
	if _, ok := intervals[c.width]; !ok {
		return nil, fmt.Errorf("count by %q: bars are an hour, day, month or year wide", c.width)
	}
	c.bars = map[int64]uint64{}
	return c, nil
}

func (c *counts) add(q *search, s *segment, docs *roaring.Bitmap) error {
	for field, values := range c.facets {
		var err error
		switch field {
		case query.From:
			err = q.countValues(&s.senders, &s.sender, docs, func(value []byte, n uint64) { values[string(value)] += n })
		case query.Lang:
			err = q.countValues(&s.langs, &s.lang, docs, func(value []byte, n uint64) { values[string(value)] += n })
		case query.In:
			err = q.countValues(&s.conversations, &s.conversation, docs, func(value []byte, n uint64) {
				_, conversation := splitConversationKey(value)
				values[string(conversation)] += n
			})
		case query.Service:
			err = q.countValues(&s.conversations, &s.conversation, docs, func(value []byte, n uint64) {
				service, _ := splitConversationKey(value)
				values[string(service)] += n
			})
		default:
			err = q.countTerms(s, field, docs, values)
		}
		if err != nil {
			return err
		}
	}
	if c.width == "" {
		return nil
	}
	return c.addBars(q, s, docs)
}

// countValues counts documents by a column, and adds each value that occurs.
func (q *search) countValues(list *sorted, of *column, docs *roaring.Bitmap, add func(value []byte, n uint64)) error {
	counts := make([]uint32, list.count)
	err := q.each(docs, func(doc int) error {
		counts[of.at(doc)]++
		return nil
	})
	if err != nil {
		return err
	}
	values := list.from(0)
	for ordinal := 0; values.advance(); ordinal++ {
		if counts[ordinal] > 0 {
			add(values.key, uint64(counts[ordinal]))
		}
	}
	return nil
}

// countTerms counts documents by the terms of a field that has few.
func (q *search) countTerms(s *segment, field query.FieldName, docs *roaring.Bitmap, counts map[string]uint64) error {
	values := map[string]bool{}
	low, high := s.terms.prefixed([]byte{fieldByte[field]})
	for terms := s.terms.from(low); terms.next < high && terms.advance(); {
		values[string(terms.key[1:])] = true
	}
	for _, other := range q.snapshot.segments {
		for i := range other.late {
			if late := other.late[i].field(); late.Name == field {
				values[late.Value] = true
			}
		}
	}
	for value := range values {
		having, err := q.field(s, query.Field{Name: field, Value: value})
		if err != nil {
			return err
		}
		if n := docs.AndCardinality(having); n > 0 {
			counts[value] += n
		}
	}
	return nil
}

// An interval is how a bar's start is written, and where the bar of a moment
// begins and ends.
type interval struct {
	layout string
	bounds func(t time.Time) (start, end time.Time)
}

var intervals = map[index.Interval]interval{
	index.ByHour: {"2006-01-02T15", func(t time.Time) (time.Time, time.Time) {
		start := t.Truncate(time.Hour)
		return start, start.Add(time.Hour)
	}},
	index.ByDay: {"2006-01-02", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 0, 1)
	}},
	index.ByMonth: {"2006-01", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	}},
	index.ByYear: {"2006", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(1, 0, 0)
	}},
}

// addBars counts the documents of each bar at once: they are in the order of
// time.
func (c *counts) addBars(q *search, s *segment, docs *roaring.Bitmap) error {
	bounds := intervals[c.width].bounds
	for doc := docs.NextValue(uint32(s.beforeTime(1))); doc >= 0 && int(doc) < s.docs; {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		start, end := bounds(time.UnixMicro(keyMicros(s.times.at(int(doc)))).UTC())
		next := s.beforeTime(microsKey(end.UnixMicro()))
		if next <= int(doc) {
			return malformed("the documents are not in the order of time")
		}
		c.bars[start.UnixMicro()] += docs.CardinalityInRange(uint64(doc), uint64(next))
		doc = docs.NextValue(uint32(next))
	}
	return nil
}

// report writes the counts into the answer.
func (c *counts) report(result *index.Result) {
	for field, values := range c.facets {
		delete(values, "") // no value
		var list []index.Count
		for value, n := range values {
			list = append(list, index.Count{Value: value, Count: n})
		}
		slices.SortFunc(list, func(a, b index.Count) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
		})
		if result.Facets == nil {
			result.Facets = map[query.FieldName][]index.Count{}
		}
		result.Facets[field] = list[:min(len(list), c.size)]
	}
	for _, start := range slices.Sorted(maps.Keys(c.bars)) {
		name := time.UnixMicro(start).UTC().Format(intervals[c.width].layout)
		result.Histogram = append(result.Histogram, index.Count{Value: name, Count: c.bars[start]})
	}
}

// Page implements [index.Index].
func (ix *Index) Page(ctx context.Context, req index.PageRequest) (*index.Page, error) {
	key := appendConversationKey(nil, req.Service, req.Conversation)
	page := new(index.Page)
	before := top{limit: req.Before, after: req.Around}
	var middle, after []index.Hit
	_, err := ix.each(ctx, conversationNode(req.Conversation), req.Scope, func(q *search, s *segment, wide *roaring.Bitmap) error {
		docs, err := q.conversation(s, key, wide)
		if err != nil || docs.IsEmpty() {
			return err
		}
		before.add(s, docs)
		split := s.docs
		if req.Around != nil {
			split = s.before(req.Around)
		}
		page.Earlier += docs.CardinalityInRange(0, uint64(split))
		if split < s.docs && docs.Contains(uint32(split)) {
			if hit := newHit(s, split); hit.Cursor == *req.Around {
				middle = append(middle, hit)
				split++
			}
		}
		page.Later += docs.CardinalityInRange(uint64(split), uint64(s.docs))
		after = addOldest(after, s, docs, split, req.After)
		return nil
	})
	if err != nil {
		return nil, err
	}
	page.Earlier -= uint64(len(before.list))
	page.Later -= uint64(len(after))
	slices.Reverse(before.list)
	page.Hits = slices.Concat(before.list, middle, after)
	return page, nil
}

// addOldest adds documents from begin on to hits, and keeps the first limit,
// oldest first.
func addOldest(hits []index.Hit, s *segment, docs *roaring.Bitmap, begin, limit int) []index.Hit {
	n := 0
	for doc := docs.NextValue(uint32(begin)); doc >= 0 && n < limit; doc = docs.NextValue(uint32(doc + 1)) {
		hits = append(hits, newHit(s, int(doc)))
		n++
	}
	slices.SortFunc(hits, func(a, b index.Hit) int { return compareCursors(&a.Cursor, &b.Cursor) })
	return hits[:min(len(hits), limit)]
}

// conversationNode finds all messages of a conversation, and perhaps more: the
// term may be cut, and leaves out the service.
func conversationNode(conversation string) query.Node {
	d := query.Doc{Message: &argus.Message{Conversation: conversation}}
	for _, term := range query.Terms(&d, query.In) {
		if strings.HasPrefix(term, query.Exact) {
			return query.Field{Name: query.In, Value: term}
		}
	}
	return query.All{}
}

// conversation returns those of some documents that are in a conversation.
func (q *search) conversation(s *segment, key []byte, among *roaring.Bitmap) (*roaring.Bitmap, error) {
	want, found := s.conversations.search(key)
	if !found {
		return roaring.New(), nil
	}
	var docs []uint32
	err := q.each(among, func(doc int) error {
		if s.conversation.at(doc) == uint64(want) {
			docs = append(docs, uint32(doc))
		}
		return nil
	})
	return roaring.BitmapOf(docs...), err
}
