package embedded

import (
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus/internal/query"
)

// number looks for the digits of a number in the segment's groups of digits. Working back from
// the end of the number, it finds the documents that have groups for all of its digits; then it
// reads their words.
func (q *search) number(s *segment, n query.Number, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	groups := map[uint64]string{} // keyed by rank
	// The documents that have groups for the rest of the number, starting at a given
	// digit.
	left := make([]*roaring.Bitmap, len(n.Digits)+1)
	for from := len(n.Digits) - 1; from >= 0; from-- {
		var sets []*roaring.Bitmap
		for to := from + 1; to <= len(n.Digits); to++ {
			if to < len(n.Digits) && left[to].IsEmpty() {
				continue
			}
			group := n.Digits[from:to]
			if _, ok := n.Follows(from, group); !ok {
				continue
			}
			ordinal, found := s.terms.search([]byte(group))
			if !found || ordinal < s.firstWord {
				continue
			}
			groups[s.ranks.at(ordinal-s.firstWord)] = group
			docs := s.postings(ordinal).bitmap()
			if to < len(n.Digits) {
				docs = roaring.And(docs, left[to])
			}
			sets = append(sets, docs)
		}
		left[from] = roaring.FastOr(sets...)
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
	}
	docs := left[0]
	if within != nil {
		docs = roaring.And(docs, within)
	}
	var found []uint32
	var words []string // "" for a word that is not a group of the number's digits
	err := q.each(docs, func(doc int) error {
		words = words[:0]
		for ranks := s.words(doc); len(ranks) > 0; {
			rank, size := binary.Uvarint(ranks)
			if size <= 0 {
				return malformed("the words of a document are truncated")
			}
			ranks = ranks[size:]
			words = append(words, groups[rank])
		}
		if n.In(words) {
			found = append(found, uint32(doc))
		}
		return nil
	})
	return roaring.BitmapOf(found...), err
}
