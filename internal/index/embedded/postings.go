package embedded

import (
	"encoding/binary"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// The postings of a term are the documents that have it. For a term with one document, the
// column of places holds that document; for any other term, it holds the offset at which the
// postings begin: their number, then up to shortList documents as differences, or a bitmap in
// the portable roaring format.
const shortList = 256

// postingsWriter writes the postings of consecutive terms.
type postingsWriter struct {
	out    *output
	start  uint64
	places []uint64
	counts []uint32
	bitmap *roaring.Bitmap
}

func (w *postingsWriter) add(docs []uint32) {
	w.counts = append(w.counts, uint32(len(docs)))
	if len(docs) == 1 {
		w.places = append(w.places, uint64(docs[0])<<1|1)
		return
	}
	w.places = append(w.places, (w.out.offset()-w.start)<<1)
	w.out.uvarint(uint64(len(docs)))
	if len(docs) <= shortList {
		last := uint32(0)
		for _, d := range docs {
			w.out.uvarint(uint64(d - last))
			last = d
		}
		return
	}
	w.bitmap.Clear()
	w.bitmap.AddMany(docs)
	w.bitmap.RunOptimize()
	if _, err := w.bitmap.WriteTo(w.out); err != nil && w.out.err == nil {
		w.out.err = err
	}
}

// postings are the postings of one term, read in place in a segment.
type postings struct {
	count int
	list  []byte // for up to shortList documents
	bits  []byte // for more documents
	one   uint32 // if count is 1
}

// postings returns the postings of the term with the given ordinal.
func (s *segment) postings(ordinal int) postings {
	place := s.places.at(ordinal)
	if place&1 != 0 {
		return postings{count: 1, one: uint32(place >> 1)}
	}
	if place>>1 > uint64(len(s.postingsData)) {
		panic(malformed("the postings of a term are missing"))
	}
	data := s.postingsData[place>>1:]
	count, size := binary.Uvarint(data)
	if size <= 0 || count > uint64(s.docs) {
		panic(malformed("a term has no postings"))
	}
	if count <= shortList {
		return postings{count: int(count), list: data[size:]}
	}
	return postings{count: int(count), bits: data[size:]}
}

// appendTo appends the documents, ascending.
func (p postings) appendTo(docs []uint32) []uint32 {
	switch {
	case p.count == 1:
		return append(docs, p.one)
	case p.bits != nil:
		at := len(docs)
		docs = slices.Grow(docs, p.count)[:at+p.count]
		if n := p.bitmap().ManyIterator().NextMany(docs[at:]); n != p.count {
			panic(malformed("a term has %d postings, not %d", n, p.count))
		}
		return docs
	}
	last, list := uint32(0), p.list
	for range p.count {
		delta, size := binary.Uvarint(list)
		if size <= 0 {
			panic(malformed("postings are truncated"))
		}
		list = list[size:]
		last += uint32(delta)
		docs = append(docs, last)
	}
	return docs
}

// bitmap returns the documents as a bitmap that must not be changed, because it may be in
// the segment's file.
func (p postings) bitmap() *roaring.Bitmap {
	b := roaring.New()
	if p.bits == nil {
		var docs [shortList]uint32
		b.AddMany(p.appendTo(docs[:0]))
		return b
	}
	if _, err := b.FromUnsafeBytes(p.bits); err != nil {
		panic(malformed("read postings: %v", err))
	}
	return b
}
