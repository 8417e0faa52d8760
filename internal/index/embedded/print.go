package embedded

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
)

// A printer adds the hashes of documents to a comparison as the documents arrive. The hashes
// cover the terms that a batch would number.
type printer struct {
	*comparison
	sign     uint64
	analyzer query.Analyzer
	same     same.Hasher
	// groups caches the results for groups of fields, keyed by the hash of their key:
	// there are few distinct ones, shared by many messages.
	groups     map[uint64]groupPrint
	seen       hashSet
	key, value []byte
}

// groupPrint is the sum over the terms of a group of fields, and the hash of its value.
type groupPrint struct{ terms, value uint64 }

// mostGroups is the maximum number of groups in the cache.
const mostGroups = 1 << 18

func newPrinter(c *comparison, sign uint64) *printer {
	return &printer{comparison: c, sign: sign, groups: map[uint64]groupPrint{}}
}

func (p *printer) addCopy(r *argus.Record) {
	one := p.print(r)
	one.asOf = r.Seq
	p.put(&one)
}

func (p *printer) addGroup(asOf uint64, copies []*argus.Record) {
	versions := map[argus.Version]uint32{}
	for _, r := range copies {
		version, known := versions[r.Version]
		if !known {
			version = uint32(len(versions))
			versions[r.Version] = version
		}
		one := p.print(r)
		if one.asOf = asOf; len(copies) > 1 {
			one.members, one.version, one.quality = len(copies), version, query.Quality(&r.Message.Sent)
		}
		p.put(&one)
	}
}

func (p *printer) put(one *print) { p.count(one.seq, p.sign*maphash.Comparable(p.seed, *one)) }

// addFact adds the fact that documents were seen again. Replacements show in the
// documents that count.
func (p *printer) addFact(fact argus.DeliveryNumber, number uint64) {
	if fact != factReplaced {
		p.count(number, p.sign*maphash.Comparable(p.seed, seenIn{fact, number}))
	}
}

// print returns the compared part of a copy that is a single document.
func (p *printer) print(r *argus.Record) print {
	m := r.Message
	one := print{same: sumOf(p.same.Key(m)), time: timeKey(m.Sent), sequence: m.Sequence, seq: r.Seq, id: binary.BigEndian.Uint64(r.ID[:8]), said: p.odd}
	p.seen.reset()
	for p.analyzer.Reset(m.Text); p.analyzer.Next(); {
		hash := maphash.Bytes(p.seed, p.analyzer.Term())
		one.said = p.then(one.said, hash)
		if p.seen.add(hash) {
			one.terms += hash
		}
	}
	doc := query.Doc{Sightings: []query.Sighting{{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: m}}}
	var values [len(groupFields)]uint64
	for i := range values {
		g := p.group(&doc, r, i)
		one.terms += g.terms
		values[i] = g.value
	}
	one.sender, one.conversation, one.lang, one.receiver = values[0], values[1], values[2], values[3]
	one.terms += p.terms(&doc, ownFields[:]...)
	return one
}

// group returns the print of a group of fields.
func (p *printer) group(d *query.Doc, r *argus.Record, i int) groupPrint {
	p.key = appendGroupKey(p.key[:0], &p.analyzer, i, r)
	key := maphash.Bytes(p.seed, p.key)
	g, known := p.groups[key]
	if known {
		return g
	}
	g.terms = p.terms(d, groupFields[i]...)
	p.value = appendColumnValue(p.value[:0], &p.analyzer, d, groupFields[i][0])
	g.value = maphash.Bytes(p.seed, p.value)
	if len(p.groups) == mostGroups {
		clear(p.groups)
	}
	p.groups[key] = g
	return g
}

// terms returns the sum over the distinct terms of fields.
func (p *printer) terms(d *query.Doc, fields ...query.FieldName) (sum uint64) {
	p.seen.reset()
	for _, f := range fields {
		p.value = eachFieldTerm(p.value, &p.analyzer, d, f, func(term []byte) {
			if hash := maphash.Bytes(p.seed, term); p.seen.add(hash) {
				sum += hash
			}
		})
	}
	return sum
}

// A hashSet is a set of hashes that is often emptied.
type hashSet struct {
	slots []uint64 // a slot with 0 is free
	count int
}

// largeSet is the maximum number of slots that a set keeps when it is emptied.
const largeSet = 1 << 12

func (s *hashSet) reset() {
	if s.count = 0; len(s.slots) == 0 || len(s.slots) > largeSet {
		s.slots = make([]uint64, 1<<7)
	}
	clear(s.slots)
}

// add adds a hash and reports whether it is new.
func (s *hashSet) add(hash uint64) bool {
	hash = max(hash, 1)
	mask := len(s.slots) - 1
	at := int(hash) & mask
	for ; s.slots[at] != 0; at = (at + 1) & mask {
		if s.slots[at] == hash {
			return false
		}
	}
	s.slots[at] = hash
	if s.count++; 2*s.count > len(s.slots) {
		old := s.slots
		s.slots, s.count = make([]uint64, 2*len(old)), 0
		for _, hash := range old {
			if hash != 0 {
				s.add(hash)
			}
		}
	}
	return true
}

var _ documents = (*printer)(nil)
