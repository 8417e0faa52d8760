package embedded

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A source is a segment and the position of a stream in it.
type source struct {
	segment *segment
	docs    roaring.IntPeekable
	head    index.Hit
}

// Stream implements [index.Index]. A segment is evaluated only when the stream reaches
// its oldest document, so that few segments are in memory at a time.
func (ix *Index) Stream(ctx context.Context, n, scope query.Node) iter.Seq2[index.Hit, error] {
	return func(yield func(index.Hit, error) bool) {
		q, err := ix.begin(ctx)
		if err != nil {
			yield(index.Hit{}, err)
			return
		}
		defer q.snapshot.release()
		if err := q.nameScope(scope); err != nil {
			yield(index.Hit{}, err)
			return
		}
		q.turns = query.Turns(n)
		waiting := q.snapshot.newestFirst()
		slices.SortStableFunc(waiting, func(a, b *segment) int { return cmp.Compare(a.times.at(0), b.times.at(0)) })
		var open []*source
		for i := 0; ; i++ {
			if i%patience == 0 && ctx.Err() != nil {
				yield(index.Hit{}, ctx.Err())
				return
			}
			for len(waiting) > 0 && (len(open) == 0 || waiting[0].times.at(0) <= cursorTime(&open[0].head.Cursor)) {
				if open, err = q.openSource(open, waiting[0], n, scope); err != nil {
					yield(index.Hit{}, err)
					return
				}
				waiting = waiting[1:]
			}
			if len(open) == 0 {
				return
			}
			first := open[0]
			if !yield(first.head, nil) {
				return
			}
			if open, err = pushSource(open[1:], first); err != nil {
				yield(index.Hit{}, err)
				return
			}
		}
	}
}

// openSource evaluates a segment and adds it to the open ones.
func (q *search) openSource(open []*source, s *segment, n, scope query.Node) (all []*source, err error) {
	defer func() { err = damaged(s.name, 0, err) }()
	defer guard(s.name, &err, s)
	_, docs, err := q.matching(&piece{segment: s, end: s.docs}, n, scope)
	if err != nil {
		return nil, err
	}
	return pushSource(open, &source{segment: s, docs: docs.Iterator()})
}

// pushSource advances a source and inserts it among the others by its document,
// oldest first, or drops it at its end.
func pushSource(open []*source, one *source) (all []*source, err error) {
	defer guard(one.segment.name, &err, one.segment)
	if !one.docs.HasNext() {
		return open, nil
	}
	one.head = newHit(one.segment, int(one.docs.Next()))
	at, _ := slices.BinarySearchFunc(open, one, func(a, b *source) int { return compareCursors(&a.head.Cursor, &b.head.Cursor) })
	return slices.Insert(open, at, one), nil
}
