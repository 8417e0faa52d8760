package embedded

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A visit evaluates a query on the segments of a snapshot, the newest first,
// on all processors.
type visit struct {
	query, scope query.Node
	budget       index.Budget
	// found is called with the matches of each piece that has any, from several
	// goroutines at once.
	found func(*search, *view, *roaring.Bitmap) error
	// last, if not nil, is called when all pieces are done, or those that the budget allows;
	// the segments passed to found are still open.
	last func() error
}

// A piece is a run of documents of a segment that is evaluated at once.
type piece struct {
	segment    *segment
	begin, end int
	done       bool
}

const (
	// textPiece is the maximum number of documents in a piece whose texts are read: few
	// enough to stop in time and return the hits so far.
	textPiece = 16 << 10
	// aloneDocs is the maximum number of documents for which one goroutine is enough.
	aloneDocs = 50_000
)

// A budgetError names the bound in the budget that ended a visit.
type budgetError string

const errTexts = budgetError("it would read the texts of more messages than allowed")

func (e budgetError) Error() string { return string(e) }

// pieces divides the segments, newest first.
func (v *visit) pieces(in *snapshot) (list []*piece) {
	most := maxDocs
	if readsText(v.query) || readsText(v.scope) {
		most = textPiece
	}
	for _, s := range in.newestFirst() {
		for end := s.docs; end > 0; end -= most {
			list = append(list, &piece{segment: s, begin: max(0, end-most), end: end})
		}
	}
	return list
}

// readsText reports whether a query needs the texts of messages.
func readsText(n query.Node) bool {
	return query.Any(n, func(n query.Node) bool {
		switch n.(type) {
		case query.Regexp, query.Written:
			return true
		case nil, query.All, query.And, query.Field, query.Fuzzy, query.List, query.Not, query.Number,
			query.Or, query.Part, query.Phrase, query.Prefix, query.Sent, query.Stem, query.Then, query.Word:
		}
		return false
	})
}

// each visits the current snapshot and returns its position. If the budget cuts the
// visit short, partial describes how much it covered.
func (ix *Index) each(ctx context.Context, v visit) (position uint64, partial *index.Partial, err error) {
	q, err := ix.begin(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer q.snapshot.release()
	if err := q.nameScope(v.scope); err != nil {
		return 0, nil, err
	}
	q.turns = query.Turns(v.query)
	if v.budget.Time > 0 {
		var stop context.CancelFunc
		over := budgetError(fmt.Sprintf("it would take longer than %s", v.budget.Time))
		q.ctx, stop = context.WithTimeoutCause(ctx, v.budget.Time, over)
		defer stop()
	}
	if v.budget.Texts > 0 {
		q.texts = new(atomic.Int64)
		q.texts.Store(v.budget.Texts)
	}
	list := v.pieces(q.snapshot)
	err = v.run(q, list)
	var over budgetError
	cut := errors.As(err, &over)
	if v.last != nil && (err == nil || cut) {
		if lastErr := v.last(); lastErr != nil {
			return 0, nil, lastErr
		}
	}
	if cut {
		return q.snapshot.position, partialAnswer(list, string(over)), nil
	}
	return q.snapshot.position, nil, err
}

// run evaluates the pieces in their order until the first error.
func (v *visit) run(q *search, list []*piece) error {
	docs := 0
	for _, p := range list {
		docs += p.end - p.begin
	}
	workers := min(runtime.GOMAXPROCS(0), len(list))
	if docs <= aloneDocs {
		workers = min(workers, 1)
	}
	ctx, stop := context.WithCancelCause(q.ctx)
	defer stop(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			mine := *q
			mine.ctx, mine.regexps = ctx, map[string]*regexp.Regexp{}
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(list) {
					return
				}
				if err := v.one(&mine, list[i]); err != nil {
					stop(err)
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (v *visit) one(q *search, p *piece) (err error) {
	defer func() { err = damaged(p.segment.name, 0, err) }()
	defer guard(p.segment.name, &err, p.segment)
	shown, docs, err := q.matching(p, v.query, v.scope)
	if err == nil && !docs.IsEmpty() {
		err = v.found(q, shown, docs)
	}
	p.done = err == nil
	return err
}

// partialAnswer describes how much the finished pieces cover, in whole days: the exact time of
// the newest unread message, which may be outside the scope, must not be revealed.
func partialAnswer(list []*piece, why string) *index.Partial {
	answer := &index.Partial{Why: why}
	newest, some := uint64(0), false
	for _, p := range list {
		if p.done {
			some = true
		} else {
			newest = max(newest, p.segment.times.at(p.end-1))
		}
	}
	switch {
	case !some:
	case newest == 0: // only messages without a time are missing
		answer.Since = time.Unix(0, 0).UTC()
	default:
		const day = 24 * time.Hour
		answer.Since = time.UnixMicro(keyMicros(newest)).UTC().Truncate(day).Add(day)
	}
	return answer
}

// matching returns a scope's view of a piece, and the documents in the piece that match a
// query, one for each message. They must not be changed.
func (q *search) matching(p *piece, n, scope query.Node) (*view, *roaring.Bitmap, error) {
	v, inside, err := q.inside(p, scope)
	if err != nil {
		return nil, nil, err
	}
	if query.IsAll(n) && inside == nil {
		return v, v.segment.all(), nil
	}
	if query.IsAll(n) || inside != nil && inside.IsEmpty() {
		return v, inside, nil
	}
	docs, err := q.evaluate(v, n, inside)
	if err != nil {
		return nil, nil, err
	}
	return v, intersect(inside, docs), nil
}

// inside returns a scope's view of a piece, and the visible documents in the piece, or nil for
// all documents of the segment.
func (q *search) inside(p *piece, scope query.Node) (*view, *roaring.Bitmap, error) {
	s := p.segment
	var piece, within *roaring.Bitmap
	if p.begin > 0 || p.end < s.docs {
		piece = roaring.New()
		piece.AddRange(uint64(p.begin), uint64(p.end))
	}
	if readsText(scope) {
		within = piece
	}
	v, err := q.view(s, scope, within)
	if err != nil {
		return nil, nil, err
	}
	if v.visible == nil {
		return v, piece, nil
	}
	return v, intersect(piece, v.visible), nil
}

// intersect returns the documents in both sets; a may be nil for all.
func intersect(a, b *roaring.Bitmap) *roaring.Bitmap {
	if a == nil {
		return b
	}
	return roaring.And(a, b)
}
