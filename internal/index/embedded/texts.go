package embedded

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// Some nodes can be decided only by texts, read from the evidence: expressions, and words
// as written. Reading texts is slow, so the terms are used to leave as few texts to read
// as possible.

// textKey identifies an expression in a segment.
type textKey struct {
	segment *segment
	expr    string
}

// wordsPerText is the number of words whose lookup in the dictionary costs about as much
// as reading the texts of one message.
const wordsPerText = 30

func (q *search) regexp(s *segment, n query.Regexp, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	re, known := q.regexps[n.Expr]
	if !known {
		re, _ = regexp.Compile(n.Expr) // an expression that does not compile matches nothing
		q.regexps[n.Expr] = re
	}
	if re == nil {
		return roaring.New(), nil
	}
	if within == nil {
		within = s.all()
	}
	if within.GetCardinality() > s.cheap() {
		needed, err := q.needs(s, n)
		if err != nil {
			return nil, err
		}
		within = roaring.And(within, needed)
	}
	return q.read(s, n, within, re.MatchString)
}

// cheap returns the number of texts that can be read in the time that a pass over the
// dictionary takes.
func (s *segment) cheap() uint64 { return uint64((s.terms.count - s.firstWord) / wordsPerText) }

// needs returns the documents with the terms that an expression needs, or more if
// they are few enough.
func (q *search) needs(s *segment, n query.Regexp) (*roaring.Bitmap, error) {
	key := textKey{s, n.Expr}
	if docs := q.needed[key]; docs != nil {
		return docs, nil
	}
	docs := s.all()
	for _, need := range n.Needs() {
		one, err := q.union(s, s.accepted(s.firstWord, s.terms.count, need))
		if err != nil {
			return nil, err
		}
		if docs.And(one); docs.GetCardinality() <= s.cheap() {
			break
		}
	}
	if q.needed == nil {
		q.needed = map[textKey]*roaring.Bitmap{}
	}
	q.needed[key] = docs
	return docs, nil
}

// written reads the texts of the documents that have the words.
func (q *search) written(s *segment, n query.Written, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	docs, err := q.phrase(s, query.Analyze(n.Text), within)
	if err != nil || docs.IsEmpty() {
		return docs, err
	}
	if within != nil {
		docs = roaring.And(docs, within)
	}
	matcher := query.Compile(n)
	var c query.Candidate
	return q.read(s, n, docs, func(text string) bool {
		c.Reset(query.One(&argus.Message{Text: text}))
		return matcher.Match(&c)
	})
}

// read reads the texts of documents, in the order of the evidence.
func (q *search) read(s *segment, n query.Node, docs *roaring.Bitmap, matches func(text string) bool) (*roaring.Bitmap, error) {
	if q.evidence == nil {
		return nil, fmt.Errorf("search %s: the index was opened without the evidence", n)
	}
	list := docs.ToArray()
	slices.SortFunc(list, func(a, b uint32) int { return cmp.Compare(s.seqs.at(int(a)), s.seqs.at(int(b))) })
	found := roaring.New()
	for _, doc := range list {
		if q.texts != nil && q.texts.Add(-1) < 0 {
			return nil, errTexts
		}
		seq := s.seqs.at(int(doc))
		r, err := q.evidence.Whole(q.ctx, seq)
		if err != nil {
			return nil, fmt.Errorf("search %s: read record %d: %w", n, seq, err)
		}
		if r.Message == nil {
			return nil, fmt.Errorf("search %s: record %d holds no message; `argus reindex` rebuilds the index", n, seq)
		}
		if matches(r.Message.Text) {
			found.Add(doc)
		}
	}
	return found, nil
}
