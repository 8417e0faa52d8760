package embedded

import (
	"bytes"
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

// begin starts a search on the current snapshot, which the caller must release.
func (ix *Index) begin(ctx context.Context) (*search, error) {
	snapshot := ix.acquire()
	if snapshot == nil {
		return nil, errClosed
	}
	return &search{
		ctx: ctx, evidence: ix.options.Evidence, cache: ix.cache, snapshot: snapshot,
		regexps: map[string]*regexp.Regexp{}, thens: &thens{sweeps: map[string]func() (map[*segment]*roaring.Bitmap, error){}},
	}, nil
}

// newestFirst returns the segments that have documents, ordered by their newest document,
// newest first.
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
	var parts []*foundPart
	var repeats uint64
	var mu sync.Mutex // guards result, hits and parts
	result.Position, result.Partial, err = ix.each(ctx, visit{
		query: req.Query, scope: req.Scope, budget: req.Budget,
		found: func(q *search, v *view, docs *roaring.Bitmap) error {
			if req.Distinct {
				counts.addTypes(v, docs)
			} else if err := counts.add(q, v, docs); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			result.Total += docs.GetCardinality()
			if req.Distinct {
				mine := *q
				mine.ctx = ctx // after the budget has ended the search, the repeats among its hits are still removed
				parts = append(parts, &foundPart{q: &mine, v: v, docs: docs})
				return nil
			}
			hits.add(v.segment, docs)
			return nil
		},
		last: func() error {
			if err := findRepeats(ctx, parts); err != nil {
				return err
			}
			for _, p := range parts {
				firsts := p.firsts()
				repeats += uint64(len(p.repeats))
				var failed error
				err := p.v.read(func() {
					if failed = counts.addValues(p.q, p.v, firsts); failed == nil {
						hits.add(p.v.segment, firsts)
					}
				})
				if err := cmp.Or(err, failed); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	result.Hits = hits.list
	counts.report(result)
	if req.Distinct {
		result.Distinct = result.Messages - repeats
	}
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

// previous returns the last document before end, or -1 if there is none.
func previous(docs *roaring.Bitmap, end int) int {
	if end == 0 {
		return -1
	}
	return int(docs.PreviousValue(uint32(end - 1)))
}

func newHit(s *segment, doc int) index.Hit {
	return index.Hit{Seq: s.seqs.at(doc), Cursor: s.cursor(doc)}
}

// Page implements [index.Index].
func (ix *Index) Page(ctx context.Context, req index.PageRequest) (*index.Page, error) {
	key := appendConversationKey(nil, req.Service, req.Conversation)
	page := new(index.Page)
	type part struct {
		*segment
		docs *roaring.Bitmap
	}
	var parts []part
	var mu sync.Mutex
	var middle, after []index.Hit
	before := top{limit: req.Before, after: req.Around}
	_, _, err := ix.each(ctx, visit{query: conversationNode(req.Conversation), scope: req.Scope, found: func(q *search, v *view, wide *roaring.Bitmap) error {
		docs, err := q.conversation(v.segment, key, wide)
		if err != nil || docs.IsEmpty() {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		parts = append(parts, part{v.segment, docs})
		return nil
	}, last: func() error {
		// Start with the oldest, so that few segments contribute to the page.
		slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.times.at(0), b.times.at(0)) })
		for _, p := range parts {
			err := p.read(func() {
				split := p.segment.docs
				if req.Around != nil {
					split = p.before(req.Around)
				}
				page.Earlier += p.docs.CardinalityInRange(0, uint64(split))
				// Copies of one message may have equal cursors.
				for ; req.Around != nil && split < p.segment.docs && p.cursor(split) == *req.Around; split++ {
					if p.docs.Contains(uint32(split)) {
						middle = append(middle, newHit(p.segment, split))
					}
				}
				page.Later += p.docs.CardinalityInRange(uint64(split), uint64(p.segment.docs))
				after = addOldest(after, p.segment, p.docs, split, req.After)
			})
			if err != nil {
				return err
			}
		}
		for _, p := range slices.Backward(parts) {
			if err := p.read(func() { before.add(p.segment, p.docs) }); err != nil {
				return err
			}
		}
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

// addOldest adds the documents from number begin on to hits, and keeps the oldest hits, at most
// limit of them, oldest first.
func addOldest(hits []index.Hit, s *segment, docs *roaring.Bitmap, begin, limit int) []index.Hit {
	var found []index.Hit
	for doc := docs.NextValue(uint32(begin)); doc >= 0 && len(found) < limit; doc = docs.NextValue(uint32(doc + 1)) {
		hit := newHit(s, int(doc))
		if len(hits) == limit && compareCursors(&hit.Cursor, &hits[limit-1].Cursor) > 0 {
			break
		}
		found = append(found, hit)
	}
	hits = append(hits, found...)
	slices.SortFunc(hits, func(a, b index.Hit) int { return compareCursors(&a.Cursor, &b.Cursor) })
	return hits[:min(len(hits), limit)]
}

// conversationNode finds all messages of a conversation and the message that begins it, and
// perhaps other messages: the term may be truncated, and does not include the service.
func conversationNode(conversation string) query.Node {
	for _, term := range query.Terms(query.One(&argus.Message{Conversation: conversation}), query.In) {
		if strings.HasPrefix(term, query.Exact) {
			return query.Field{Name: query.In, Value: term}
		}
	}
	return query.All{}
}

// conversation returns those of the given documents that are in a conversation or begin it.
func (q *search) conversation(s *segment, key []byte, among *roaring.Bitmap) (*roaring.Bitmap, error) {
	want, found := s.conversations.search(key)
	service, conversation := splitConversationKey(key)
	// The documents have the term of this conversation. A document in a derived conversation
	// has that term because it begins this conversation.
	first, end := s.conversations.prefixed([]byte(argus.DerivedPrefix))
	derived := first < end && len(conversation) > 0 && len(conversation) < query.MaxTerm
	begins := func(of uint64) bool {
		if !derived || of < uint64(first) || of >= uint64(end) {
			return false
		}
		list := s.conversations.from(int(of))
		list.advance()
		in, _ := splitConversationKey(list.key)
		return bytes.Equal(in, service)
	}
	if !found && !derived {
		return roaring.New(), nil
	}
	// Usually no other conversation of the segment begins with this name, and
	// conversationNode finds no more than this one.
	name := key[:bytes.Index(key, []byte{0, 0})+2]
	if at, _ := s.conversations.search(name); found && at == want && !derived && len(name) > 2 && len(name) < query.MaxTerm {
		list := s.conversations.from(want)
		list.advance()
		if !list.advance() || !bytes.HasPrefix(list.key, name) {
			return among, nil
		}
	}
	var docs []uint32
	err := q.each(among, func(doc int) error {
		if of := s.conversation.at(doc); found && of == uint64(want) || begins(of) {
			docs = append(docs, uint32(doc))
		}
		return nil
	})
	return roaring.BitmapOf(docs...), err
}
