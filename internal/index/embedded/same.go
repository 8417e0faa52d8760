package embedded

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
)

// A contentSum is the sum of a [same.Key], zero if a document has no content to compare. The
// time of the key is that of the document, so that documents with the same content are next to
// each other in their segments.
type contentSum struct{ high, low uint64 }

func sumOf(key same.Key) contentSum {
	return contentSum{binary.BigEndian.Uint64(key.Sum[:]), binary.BigEndian.Uint64(key.Sum[8:])}
}

// sumOf returns the sum of a single document.
func (s *segment) sumOf(doc int) contentSum { return contentSum{s.sumHigh.at(doc), s.sumLow.at(doc)} }

// sumShown returns the sum of the message of a visible document, by the rule of
// [query.Doc.SameKey].
func (v *view) sumShown(doc int) (least contentSum) {
	if v.group.at(doc) == 0 {
		return v.sumOf(doc)
	}
	group, quality := v.groupOf(uint32(doc)), uint8(0)
	v.eachMember(group, func(m member) {
		if int(m.doc) == doc {
			quality = m.quality
		}
	})
	v.eachMember(group, func(m member) {
		if m.quality != quality || v.times.at(int(m.doc)) != v.times.at(doc) || v.selected != nil && !v.selected.Contains(m.doc) {
			return
		}
		if sum := v.sumOf(int(m.doc)); sum != (contentSum{}) && (least == contentSum{} || sum.compare(least) < 0) {
			least = sum
		}
	})
	return least
}

func (a contentSum) compare(b contentSum) int {
	return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low))
}

// sums are the contents that a query asks for, by the times of their documents.
type sums map[uint64]map[contentSum]bool

// takeSames takes the nodes that ask for a content out of nodes.
func takeSames(nodes []query.Node) (wanted sums, rest []query.Node) {
	wanted = sums{}
	for _, n := range nodes {
		if f, ok := n.(query.Field); ok && f.Name == query.Same {
			wanted.add(f)
		} else {
			rest = append(rest, n)
		}
	}
	return wanted, rest
}

// add adds the content that a field names. Any other value matches nothing.
func (w sums) add(f query.Field) {
	key, ok := same.Parse(f.Value)
	if !ok {
		return
	}
	time := microsKey(key.Micros)
	if w[time] == nil {
		w[time] = map[contentSum]bool{}
	}
	w[time][sumOf(key)] = true
}

// eachSum calls each with the documents whose own content is one of those wanted, without
// regard to their groups.
func (q *search) eachSum(s *segment, wanted sums, each func(doc int)) error {
	looked := 0
	for time, of := range wanted {
		for doc, end := s.beforeTime(time), s.beforeTime(time+1); doc < end; doc++ {
			if looked++; looked%patience == 0 && q.ctx.Err() != nil {
				return q.ctx.Err()
			}
			if of[s.sumOf(doc)] {
				each(doc)
			}
		}
	}
	return nil
}

// sames returns the messages that have one of the contents.
func (q *search) sames(v *view, wanted sums) (*roaring.Bitmap, error) {
	docs, looked := roaring.New(), map[int]bool{} // each group once, however many copies it has
	err := q.eachSum(v.segment, wanted, func(doc int) {
		if v.group.at(doc) == 0 {
			docs.Add(uint32(doc))
			return
		}
		group := v.groupOf(uint32(doc))
		if looked[group] {
			return
		}
		looked[group] = true
		if shown := v.shown[group]; shown != noPlace && wanted[v.times.at(int(shown))][v.sumShown(int(shown))] {
			docs.Add(shown)
		}
	})
	return docs, err
}

// addSames counts messages by their content.
func (c *counts) addSames(q *search, v *view, docs *roaring.Bitmap, counts map[string]*uint64) error {
	found := map[same.Key]uint64{}
	err := q.each(docs, func(doc int) error {
		if sum := v.sumShown(doc); sum != (contentSum{}) {
			key := same.Key{Micros: keyMicros(v.times.at(doc))}
			binary.BigEndian.PutUint64(key.Sum[:], sum.high)
			binary.BigEndian.PutUint64(key.Sum[8:], sum.low)
			found[key]++
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, n := range found {
		addTo(counts, []byte(key.String()), n)
	}
	return err
}

// A foundPart is the part of an answer that is in a piece of a segment.
type foundPart struct {
	q    *search
	v    *view
	docs *roaring.Bitmap

	next roaring.IntPeekable // the documents that were not looked at yet
	time uint64              // of the first of them
	// repeats are the documents with the content of another document of the answer.
	repeats []uint32
}

// firsts returns the documents without the repeats.
func (p *foundPart) firsts() *roaring.Bitmap {
	return roaring.AndNot(p.docs, roaring.BitmapOf(p.repeats...))
}

// findRepeats finds the repeats in the parts of an answer: among the messages with the same
// content, all but the newest. It goes through all parts at once, in chronological order, so
// that only the documents of one moment are in memory.
func findRepeats(ctx context.Context, parts []*foundPart) (err error) {
	if len(parts) == 0 {
		return nil
	}
	var segments []*segment
	var open byTime
	for _, p := range parts {
		segments = append(segments, p.v.segment)
	}
	defer guard(segments[0].name, &err, segments...)
	for _, p := range parts {
		p.next = p.docs.Iterator()
		p.next.AdvanceIfNeeded(uint32(p.v.beforeTime(1))) // without a time there is no content
		if p.next.HasNext() {
			p.time = p.v.times.at(int(p.next.PeekNext()))
			open = append(open, p)
		}
	}
	heap.Init(&open)
	type place struct {
		of  *foundPart
		doc uint32
	}
	var moment []place
	for looked := 0; len(open) > 0; {
		moment = moment[:0]
		for time := open[0].time; len(open) > 0 && open[0].time == time; looked++ {
			if looked%patience == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			p := open[0]
			moment = append(moment, place{p, p.next.Next()})
			if p.next.HasNext() {
				p.time = p.v.times.at(int(p.next.PeekNext()))
				heap.Fix(&open, 0)
			} else {
				heap.Pop(&open)
			}
		}
		if len(moment) < 2 {
			continue
		}
		newest := make(map[contentSum]place, len(moment))
		for _, at := range moment {
			sum := at.of.v.sumShown(int(at.doc))
			if sum == (contentSum{}) {
				continue
			}
			before, repeated := newest[sum]
			if repeated && before.of.newer(before.doc, at.of, at.doc) {
				before, at = at, before
			}
			if newest[sum] = at; repeated {
				before.of.repeats = append(before.of.repeats, before.doc)
			}
		}
	}
	return nil
}

// newer reports whether a document comes before one of another part in an answer.
func (p *foundPart) newer(doc uint32, other *foundPart, otherDoc uint32) bool {
	a, b := p.v.cursor(int(doc)), other.v.cursor(int(otherDoc))
	return cmp.Or(compareCursors(&a, &b), cmp.Compare(p.v.seqs.at(int(doc)), other.v.seqs.at(int(otherDoc)))) > 0
}

// byTime is a heap.
type byTime []*foundPart

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, j int) bool { return b[i].time < b[j].time }
func (b byTime) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *byTime) Push(p any)        { *b = append(*b, p.(*foundPart)) }
func (b *byTime) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
