package embedded

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

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
		regexps: map[string]*regexp.Regexp{}, thens: &thens{sweeps: map[string]func() (map[*segment]*roaring.Bitmap, error){}},
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
	var mu sync.Mutex // for result and hits
	result.Position, result.Partial, err = ix.each(ctx, visit{
		query: req.Query, scope: req.Scope, budget: req.Budget,
		found: func(q *search, s *segment, docs *roaring.Bitmap) error {
			if err := counts.add(q, s, docs); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			result.Total += docs.GetCardinality()
			hits.add(s, docs)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	result.Hits = hits.list
	counts.report(result)
	return result, nil
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

// Page implements [index.Index].
func (ix *Index) Page(ctx context.Context, req index.PageRequest) (*index.Page, error) {
	key := appendConversationKey(nil, req.Service, req.Conversation)
	page := new(index.Page)
	before := top{limit: req.Before, after: req.Around}
	var middle, after []index.Hit
	var mu sync.Mutex
	_, _, err := ix.each(ctx, visit{query: conversationNode(req.Conversation), scope: req.Scope, found: func(q *search, s *segment, wide *roaring.Bitmap) error {
		docs, err := q.conversation(s, key, wide)
		if err != nil || docs.IsEmpty() {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
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
	}})
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
