package embedded

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// mergeFactor is the number of segments of similar size that are merged into one.
const mergeFactor = 8

func (ix *Index) wakeMerger() {
	select {
	case ix.wake <- struct{}{}:
	default:
	}
}

// mergeLoop merges whenever there is enough to merge, until ctx ends.
func (ix *Index) mergeLoop(ctx context.Context) {
	defer close(ix.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ix.wake:
		}
		for again := true; again; {
			var err error
			again, err = ix.mergeOnce(ctx)
			ix.mu.Lock()
			if err != nil && ctx.Err() == nil {
				ix.mergeErr = fmt.Errorf("merge segments: %w", err)
			}
			ix.merged.Broadcast()
			ix.mu.Unlock()
		}
	}
}

// waitForMerges waits while too many segments are waiting to be merged, and returns the
// error of any merge since the last call.
func (ix *Index) waitForMerges() error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for ix.mergeErr == nil && ix.current != nil && ix.waiting(ix.current.segments) >= maxWaiting && ix.pick(ix.current.segments) != nil {
		ix.wakeMerger()
		ix.merged.Wait()
	}
	err := ix.mergeErr
	ix.mergeErr = nil
	return err
}

// waiting counts the segments that will become part of a larger one: those so small that
// mergeFactor segments of their size fit in one.
func (ix *Index) waiting(segments []*segment) (n int) {
	for _, s := range segments {
		if mergeFactor*s.docs <= ix.options.SegmentDocs && mergeFactor*s.size <= segmentBytes {
			n++
		}
	}
	return n
}

// Settle waits until nothing is left to merge, and returns the error of a failed merge.
func (ix *Index) Settle(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		ix.mu.Lock()
		defer ix.mu.Unlock()
		ix.merged.Broadcast()
	})()
	ix.mu.Lock()
	defer ix.mu.Unlock()
	for ctx.Err() == nil && ix.mergeErr == nil && ix.current != nil && ix.pick(ix.current.segments) != nil {
		ix.wakeMerger()
		ix.merged.Wait()
	}
	return cmp.Or(ctx.Err(), ix.mergeErr)
}

// pick chooses segments to merge: eight of similar size, or fewer if more would not fit
// in one segment; otherwise, one with many gone documents. It returns nil if there is
// nothing to do.
func (ix *Index) pick(segments []*segment) []*segment {
	levels := map[int][]*segment{}
	for _, s := range segments {
		level := 0
		for size := s.size >> 16; size > 0; size /= mergeFactor {
			level++
		}
		levels[level] = append(levels[level], s)
	}
	for level := range 16 {
		var chosen []*segment
		docs, size := 0, int64(0)
		for _, s := range levels[level] {
			if docs+s.docs > ix.options.SegmentDocs || size+s.size > segmentBytes {
				if len(chosen) > 1 {
					return chosen
				}
				chosen, docs, size = nil, 0, 0
			}
			chosen, docs, size = append(chosen, s), docs+s.docs, size+s.size
			if len(chosen) == mergeFactor {
				return chosen
			}
		}
	}
	if i := slices.IndexFunc(segments, (*segment).isStale); i >= 0 {
		return segments[i : i+1]
	}
	return nil
}

// isStale reports whether a segment is to be rewritten without its gone documents: at
// once for removed ones, and for replaced ones when they are many.
func (s *segment) isStale() bool {
	gone := s.gone.Load()
	return gone > 0 && (s.removed.Load() || gone > uint64(s.docs)/4)
}

// mergeOnce merges once and reports whether there was something to merge.
func (ix *Index) mergeOnce(ctx context.Context) (bool, error) {
	snapshot := ix.acquire()
	defer snapshot.release()
	chosen := ix.pick(snapshot.segments)
	if chosen == nil {
		return false, nil
	}
	q := &search{ctx: ctx, cache: ix.cache, snapshot: snapshot}
	one, err := ix.mergeSegments(q, chosen)
	if err != nil {
		return false, err
	}
	defer one.release()
	return true, ix.publish(0, func(segments []*segment) []*segment {
		if !slices.Contains(segments, chosen[0]) {
			one.obsolete.Store(true)
			return segments // the index was begun anew in the meantime
		}
		segments = slices.DeleteFunc(segments, func(s *segment) bool { return slices.Contains(chosen, s) })
		return append(segments, one)
	})
}

func (ix *Index) mergeSegments(q *search, segments []*segment) (one *segment, err error) {
	defer guard(segments[0].name, &err, segments...)
	gone := make([]*roaring.Bitmap, len(segments))
	for i, s := range segments {
		if err := s.verify(); err != nil {
			return nil, err
		}
		if gone[i], err = q.gone(s); err != nil {
			return nil, err
		}
	}
	return ix.write(newMerge(q.ctx, segments, gone).content())
}

// A merge combines several segments into the content of one.
type merge struct {
	ctx      context.Context
	segments []*segment
	// order lists the documents of the new segment. places is the reverse: it maps
	// segment and document to the new document, or to noPlace for a removed one.
	order  []docRef
	places [][]uint32
	// wordPlaces maps a segment's words to those of the new segment.
	wordPlaces [][]uint32
}

type docRef struct{ segment, doc uint32 }

const noPlace = math.MaxUint32

// newMerge orders the documents, leaving out those that are gone.
func newMerge(ctx context.Context, segments []*segment, gone []*roaring.Bitmap) *merge {
	m := &merge{ctx: ctx, segments: segments}
	heads := make([]int, len(segments))
	total := 0
	for i, s := range segments {
		total += s.docs
		m.places = append(m.places, make([]uint32, s.docs))
		if gone[i] != nil {
			total -= int(gone[i].GetCardinality())
			for _, doc := range gone[i].ToArray() {
				m.places[i][doc] = noPlace
			}
		}
		m.wordPlaces = append(m.wordPlaces, make([]uint32, s.terms.count-s.firstWord))
	}
	m.order = make([]docRef, total)
	for i := range m.order {
		least := -1
		for j, s := range segments {
			for heads[j] < s.docs && m.places[j][heads[j]] == noPlace {
				heads[j]++
			}
			if heads[j] < s.docs && (least < 0 || m.less(j, heads[j], least, heads[least])) {
				least = j
			}
		}
		m.order[i] = docRef{uint32(least), uint32(heads[least])}
		m.places[least][heads[least]] = uint32(i)
		heads[least]++
	}
	return m
}

func (m *merge) less(i, docI, j, docJ int) bool {
	a, b := m.segments[i], m.segments[j]
	if timeA, timeB := a.times.at(docI), b.times.at(docJ); timeA != timeB {
		return timeA < timeB
	}
	cursorA, cursorB := a.cursor(docI), b.cursor(docJ)
	return cmp.Or(compareCursors(&cursorA, &cursorB), cmp.Compare(a.seqs.at(docI), b.seqs.at(docJ))) < 0
}

// groups returns the groups with the new positions of their remaining documents.
func (m *merge) groups() (groups []group) {
	for i, s := range m.segments {
		for g := range s.groups {
			one := group{asOf: s.asOf.at(g)}
			s.eachMember(g, func(old member) {
				if place := m.places[i][old.doc]; place != noPlace {
					old.doc = place
					one.members = append(one.members, old)
				}
			})
			if len(one.members) > 0 {
				groups = append(groups, one)
			}
		}
	}
	return groups
}

func (m *merge) content() *content {
	var late []lateFacts
	for _, s := range m.segments {
		late = mergeLate(late, s.late)
	}
	return &content{
		docs:         len(m.order),
		time:         m.column(func(s *segment) *column { return &s.times }),
		sequence:     m.column(func(s *segment) *column { return &s.sequences }),
		seq:          m.column(func(s *segment) *column { return &s.seqs }),
		id:           m.column(func(s *segment) *column { return &s.ids }),
		groups:       m.groups(),
		conversation: m.values(func(s *segment) (*sorted, *column) { return &s.conversations, &s.conversation }),
		sender:       m.values(func(s *segment) (*sorted, *column) { return &s.senders, &s.sender }),
		receiver:     m.values(func(s *segment) (*sorted, *column) { return &s.receivers, &s.receiver }),
		lang:         m.values(func(s *segment) (*sorted, *column) { return &s.langs, &s.lang }),
		terms:        m.terms(),
		words:        m.words,
		late:         late,
		sumHigh:      m.column(func(s *segment) *column { return &s.sumHigh }),
		sumLow:       m.column(func(s *segment) *column { return &s.sumLow }),
		automaton:    true,
		err:          m.ctx.Err,
	}
}

// column returns a column of the new segment.
func (m *merge) column(of func(s *segment) *column) func(int) uint64 {
	columns := make([]column, len(m.segments))
	for i, s := range m.segments {
		columns[i] = *of(s)
	}
	return func(doc int) uint64 {
		at := m.order[doc]
		return columns[at.segment].at(int(at.doc))
	}
}

// values returns a list of values and a column of their ordinals.
func (m *merge) values(of func(s *segment) (*sorted, *column)) values {
	lists := make([]*sorted, len(m.segments))
	ordinals := make([][]uint64, len(m.segments)) // maps old ordinals to new ones
	for i, s := range m.segments {
		lists[i], _ = of(s)
		ordinals[i] = make([]uint64, lists[i].count)
	}
	old := m.column(func(s *segment) *column { _, c := of(s); return c })
	const unused, used = 0, 1 // until values have a number; the values of removed documents get none
	for doc, at := range m.order {
		ordinals[at.segment][old(doc)] = used
	}
	var v values
	for value, places := range mergeSorted(lists) {
		if !slices.ContainsFunc(places, func(p place) bool { return ordinals[p.list][p.ordinal] == used }) {
			continue
		}
		for _, p := range places {
			ordinals[p.list][p.ordinal] = uint64(v.list.count)
		}
		v.list.add(value)
	}
	v.of = func(doc int) uint64 { return ordinals[m.order[doc].segment][old(doc)] }
	return v
}

// terms yields the documents of each term, and maps the words of the segments to
// the new ones.
func (m *merge) terms() iter.Seq2[[]byte, []uint32] {
	return func(yield func([]byte, []uint32) bool) {
		lists := make([]*sorted, len(m.segments))
		for i, s := range m.segments {
			lists[i] = &s.terms
		}
		var docs, scratch []uint32
		var ends []int
		word := uint32(0)
		for term, places := range mergeSorted(lists) {
			docs, ends = docs[:0], ends[:0]
			for _, p := range places {
				s, begin := m.segments[p.list], len(docs)
				docs = s.postings(p.ordinal).appendTo(docs)
				end := begin
				for _, doc := range docs[begin:] {
					docs[end] = m.places[p.list][doc]
					if docs[end] != noPlace {
						end++
					}
				}
				docs = docs[:end]
				ends = append(ends, end)
				if term[0] >= fieldEnd {
					m.wordPlaces[p.list][p.ordinal-s.firstWord] = word
				}
			}
			if len(docs) == 0 {
				continue // only removed messages had it
			}
			if term[0] >= fieldEnd {
				word++
			}
			docs, scratch = mergeRuns(docs, scratch, ends)
			if m.ctx.Err() != nil || !yield(term, docs) {
				return
			}
		}
	}
}

// mergeRuns sorts numbers that consist of sorted runs. ends has the end of each run. It returns
// the sorted numbers and the memory that is now free.
func mergeRuns(list, scratch []uint32, ends []int) (sorted, free []uint32) {
	for len(ends) > 1 {
		scratch = scratch[:0]
		begin, kept := 0, ends[:0]
		for i := 0; i < len(ends); i += 2 {
			end := ends[min(i+1, len(ends)-1)]
			a, b := list[begin:ends[i]], list[ends[i]:end]
			if len(a) > 0 && len(b) > 0 && a[len(a)-1] > b[0] {
				for len(a) > 0 && len(b) > 0 {
					if a[0] < b[0] {
						scratch, a = append(scratch, a[0]), a[1:]
					} else {
						scratch, b = append(scratch, b[0]), b[1:]
					}
				}
			}
			scratch = append(append(scratch, a...), b...)
			kept = append(kept, end)
			begin = end
		}
		list, scratch, ends = scratch, list, kept
	}
	return list, scratch
}

// words returns a function that appends the words of new documents as ranks.
func (m *merge) words(ranks []uint32) func([]byte, int) []byte {
	byRank := make([][]uint32, len(m.segments)) // maps old ranks to new ranks
	for i, s := range m.segments {
		byRank[i] = make([]uint32, s.ranks.count)
		for word := range byRank[i] {
			if place := m.wordPlaces[i][word]; int(place) < len(ranks) { // otherwise only removed documents had the word
				byRank[i][s.ranks.at(word)] = ranks[place]
			}
		}
	}
	return func(dst []byte, doc int) []byte {
		at := m.order[doc]
		for old := m.segments[at.segment].words(int(at.doc)); len(old) > 0; {
			rank, size := binary.Uvarint(old)
			if size <= 0 {
				panic(malformed("the words of a document are truncated"))
			}
			dst, old = binary.AppendUvarint(dst, uint64(byRank[at.segment][rank])), old[size:]
		}
		return dst
	}
}
