package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"
)

// valid checks that the parts of a segment fit together, so that every reader stays
// within bounds. Checksums cannot ensure this, because a forger can write them too. It is
// used by Compare, and for explaining a panic.
func (s *segment) valid(position uint64) (err error) {
	defer guard(s.name, &err)
	s.validDocs(position)
	s.validGroups(position)
	s.validTerms()
	s.validWords()
	for _, f := range s.late {
		if f.low.IsEmpty() {
			panic(malformed("a late fact has no subject"))
		}
		if last := uint64(f.high)<<32 | uint64(f.low.Maximum()); last > position {
			panic(malformed("a late fact is about record %d, but the index ends at record %d", last, position))
		}
	}
	return nil
}

// validDocs checks the order and the values of the documents.
func (s *segment) validDocs(position uint64) {
	for _, of := range []struct {
		list   *sorted
		column *column
	}{{&s.conversations, &s.conversation}, {&s.senders, &s.sender}, {&s.receivers, &s.receiver}, {&s.langs, &s.lang}} {
		of.list.valid()
		for doc := range s.docs {
			if n := of.column.at(doc); n >= uint64(of.list.count) {
				panic(malformed("document %d has value %d, but there are only %d values", doc, n, of.list.count))
			}
		}
	}
	for doc := range s.docs {
		if seq := s.seqs.at(doc); seq == 0 || seq > position {
			panic(malformed("document %d is for record %d, but the index ends at record %d", doc, seq, position))
		}
		if doc == 0 {
			continue
		}
		a, b := s.cursor(doc-1), s.cursor(doc)
		if cmp.Or(cmp.Compare(s.times.at(doc-1), s.times.at(doc)), compareCursors(&a, &b), cmp.Compare(s.seqs.at(doc-1), s.seqs.at(doc))) > 0 {
			panic(malformed("document %d is out of order", doc))
		}
	}
}

func (s *segment) validGroups(position uint64) {
	for g := range s.groups {
		begin, end := s.memberPlaces.at(g), s.memberPlaces.at(g+1)
		if begin >= end || end > uint64(s.members.count) || s.asOf.at(g) > position {
			panic(malformed("group %d is invalid", g))
		}
		for i := int(begin); i < int(end); i++ {
			doc := s.members.at(i)
			if doc >= uint64(s.docs) || s.group.at(int(doc)) != uint64(g+1) || i > int(begin) && doc <= s.members.at(i-1) {
				panic(malformed("group %d has documents from another group", g))
			}
		}
	}
	grouped := 0
	for doc := range s.docs {
		if s.group.at(doc) > 0 {
			grouped++
		}
	}
	if grouped != s.members.count {
		panic(malformed("%d documents are in groups, but the groups list %d", grouped, s.members.count))
	}
}

func (s *segment) validTerms() {
	s.terms.valid()
	c := s.terms.from(0)
	var docs []uint32
	for i := 0; c.advance(); i++ {
		if len(c.key) == 0 || (c.key[0] >= fieldEnd) != (i >= s.firstWord) {
			panic(malformed("term %d is of the wrong kind for its position", i))
		}
		p := s.postings(i)
		if p.bits != nil {
			if err := readBitmap("read postings", roaring.New(), p.bits); err != nil {
				panic(err)
			}
		}
		docs = p.appendTo(docs[:0])
		for j, doc := range docs {
			if int64(doc) >= int64(s.docs) || j > 0 && doc <= docs[j-1] {
				panic(malformed("the postings of term %d are not in order", i))
			}
		}
		if len(docs) == 0 {
			panic(malformed("no document has term %d", i))
		}
	}
}

func (s *segment) validWords() {
	words := s.terms.count - s.firstWord
	ranked := make([]bool, words)
	for word := range words {
		rank := s.ranks.at(word)
		if rank >= uint64(words) || ranked[rank] {
			panic(malformed("word %d shares its rank with another word", word))
		}
		ranked[rank] = true
	}
	number := func(data []byte, most int) (int, []byte) {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(most) {
			panic(malformed("the words of a document are invalid"))
		}
		return int(n), data[size:]
	}
	rest := s.tokens
	for doc := range s.docs {
		if at := len(s.tokens) - len(rest); doc%tokenRun == 0 && s.tokenPlaces.at(doc/tokenRun) != uint64(at) {
			panic(malformed("the words of document %d are not at the stated offset", doc))
		}
		var length, rank int
		if length, rest = number(rest, len(rest)); length > len(rest) {
			panic(malformed("the words of a document are truncated"))
		}
		said := rest[:length]
		for rest = rest[length:]; len(said) > 0; {
			if rank, said = number(said, words); rank == words {
				panic(malformed("a document has a word that does not exist"))
			}
		}
	}
	if len(rest) > 0 {
		panic(malformed("%d bytes follow the words of the last document", len(rest)))
	}
}

// valid checks that the list is ascending.
func (s *sorted) valid() {
	var last []byte
	c := s.from(0)
	for i := 0; c.advance(); i++ {
		if i > 0 && bytes.Compare(last, c.key) >= 0 {
			panic(malformed("string %d of a list does not sort after the string before it", i))
		}
		last = append(last[:0], c.key...)
	}
}

// readBitmap reads a bitmap from a file and validates all of it.
func readBitmap(what string, b *roaring.Bitmap, data []byte) error {
	return decode(what, func() error {
		_, err := b.FromUnsafeBytes(data)
		return cmp.Or(err, b.Validate())
	})
}

// validAutomaton checks that the automaton leads to the terms.
func (s *segment) validAutomaton() error {
	if s.automaton == nil {
		return nil
	}
	return decode("read terms", func() error {
		var all *vellum.FSTIterator
		var err error
		c := s.terms.from(0)
		for all, err = s.automaton.Iterator(nil, nil); err == nil && c.advance(); err = all.Next() {
			if term, ordinal := all.Current(); !bytes.Equal(term, c.key) || ordinal != uint64(c.next-1) {
				return malformed("the automaton does not lead to the terms")
			}
		}
		if err == nil || c.next != s.terms.count || c.advance() {
			return malformed("the automaton does not end where the terms end: %v", err)
		}
		return nil
	})
}
