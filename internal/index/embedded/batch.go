package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
)

// The terms of a field begin with a byte of their own, so that one dictionary holds all terms.
// No word begins with a control character. Neither With nor In has terms of its own: a query
// for one of them becomes a query for each of its parts.
var fieldByte = map[query.FieldName]byte{
	query.From: 1, query.To: 2, query.Thread: 3, query.Service: 4,
	query.Delivery: 5, query.Has: 6, query.Is: 7, query.Lang: 8,
	query.Entity: 9, query.Named: 10, query.Begun: 11, query.Country: 12,
}

// Words begin at this byte or above.
const fieldEnd = 16

// appendConversationKey appends the value of a conversation of a service. Equal
// names sort next to each other, whatever their service.
func appendConversationKey(key []byte, service, conversation string) []byte {
	if strings.IndexByte(conversation, 0) >= 0 {
		conversation = strings.ReplaceAll(conversation, "\x00", "\x00\xFF")
	}
	return append(append(append(key, conversation...), 0, 0), service...)
}

// conversationService returns the service of a conversation key.
func conversationService(key []byte) []byte {
	_, service, _ := bytes.Cut(key, []byte{0, 0})
	return service
}

// splitConversationKey undoes appendConversationKey.
func splitConversationKey(key []byte) (service, conversation []byte) {
	conversation, service, _ = bytes.Cut(key, []byte{0, 0})
	return service, bytes.ReplaceAll(conversation, []byte{0, 0xFF}, []byte{0})
}

// A batch holds messages in memory until they are written as a segment.
type batch struct {
	analyzer query.Analyzer
	same     same.Hasher
	// terms holds all terms, each with the last document that had it (from 1) and the
	// number of documents that have it.
	terms table

	// groups caches the terms and the column value that follow from the accounts,
	// conversation or state of a message: there are few distinct ones, shared by many
	// messages.
	groups  table
	group   []termGroup // indexed by the number in groups
	grouped []uint32    // the terms of all groups

	conversations, senders, receivers, langs table

	docs []batchDoc
	// asOf has, for each group of copies, the record with which the group began.
	asOf []uint64
	// all holds, for each document, its words in order and then its field terms.
	all  []uint32
	late []lateFacts
	// size estimates the memory in use, in bytes.
	size int

	key, value []byte
	wanted     []wanted
	numbers    []uint32
}

type batchDoc struct {
	time, sequence, seq, id              uint64
	group                                uint32 // from 1; 0 if only one copy of the message is known
	version                              uint32 // numbered within the group
	quality                              uint8
	same                                 contentSum
	conversation, sender, receiver, lang uint32
	begin, fields, end                   uint32 // places in all
}

type termGroup struct {
	begin, end uint32 // in grouped
	value      uint32 // in a column
}

func newBatch() *batch {
	return &batch{terms: newTable(), groups: newTable(), conversations: newTable(), senders: newTable(), receivers: newTable(), langs: newTable()}
}

// reset empties the batch for the next messages.
func (b *batch) reset() {
	for _, t := range []*table{&b.terms, &b.groups, &b.conversations, &b.senders, &b.receivers, &b.langs} {
		t.reset()
	}
	b.group, b.grouped, b.docs, b.all, b.asOf = b.group[:0], b.grouped[:0], b.docs[:0], b.all[:0], b.asOf[:0]
	b.late, b.size = nil, 0
}

func (b *batch) empty() bool { return len(b.docs) == 0 && len(b.late) == 0 }

// addFact records a fact about a document.
func (b *batch) addFact(fact argus.DeliveryNumber, number uint64) {
	b.late = addLate(b.late, fact, number)
	b.size += 8
}

// addGroup adds the differing copies of a message, as one message with the given
// asOf record.
func (b *batch) addGroup(asOf uint64, copies []*argus.Record) {
	b.asOf = append(b.asOf, asOf)
	versions := map[argus.Version]uint32{}
	for _, r := range copies {
		b.addCopy(r)
		d := &b.docs[len(b.docs)-1]
		version, known := versions[r.Version]
		if !known {
			version = uint32(len(versions))
			versions[r.Version] = version
		}
		d.group, d.version = uint32(len(b.asOf)), version
	}
}

// addCopy adds a complete copy of a message.
func (b *batch) addCopy(r *argus.Record) {
	m := r.Message
	d := batchDoc{
		time: timeKey(m.Sent), sequence: m.Sequence, seq: r.Seq, id: binary.BigEndian.Uint64(r.ID[:8]),
		quality: query.Quality(&m.Sent), same: sumOf(b.same.Key(m)), begin: uint32(len(b.all)),
	}
	b.wanted, b.key = b.wanted[:0], b.key[:0]
	for b.analyzer.Reset(m.Text); b.analyzer.Next(); {
		b.key = append(b.key, b.analyzer.Term()...)
		b.wanted = b.terms.want(b.wanted, b.key)
	}
	var added int
	b.all, added = b.terms.numbers(b.all, b.wanted, b.key)
	b.size += added
	d.fields = uint32(len(b.all))
	b.addFields(&d, r)
	d.end = uint32(len(b.all))
	b.docs = append(b.docs, d)
	for _, number := range b.all[d.begin:] {
		if e := &b.terms.entries[number]; e.last != uint32(len(b.docs)) {
			e.last = uint32(len(b.docs))
			e.count++
		}
	}
	b.size += 8*int(d.end-d.begin) + 144
}

// groupFields are the fields whose terms depend on the same parts of a message. Those
// with a column of values come first, in the order of the columns.
var groupFields = [...][]query.FieldName{{query.From}, {query.Thread, query.Service}, {query.Lang}, {query.To}, {query.Delivery, query.Is}}

// ownFields are the fields whose terms rarely recur in another message.
var ownFields = [...]query.FieldName{query.Has, query.Entity, query.Named, query.Begun, query.Country}

// addFields appends the field terms of a message and sets its column values.
func (b *batch) addFields(d *batchDoc, r *argus.Record) {
	m := r.Message
	doc := query.Doc{Sightings: []query.Sighting{{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: m}}}
	b.wanted, b.key = b.wanted[:0], b.key[:0]
	for i := range groupFields {
		b.key = appendGroupKey(b.key, &b.analyzer, i, r)
		b.wanted = b.groups.want(b.wanted, b.key)
	}
	var added int
	b.numbers, added = b.groups.numbers(b.numbers[:0], b.wanted, b.key)
	b.size += added
	for i, number := range b.numbers {
		if int(number) == len(b.group) {
			b.group = append(b.group, b.newGroup(&doc, i))
		}
		g := b.group[number]
		b.all = append(b.all, b.grouped[g.begin:g.end]...)
	}
	d.sender, d.conversation = b.group[b.numbers[0]].value, b.group[b.numbers[1]].value
	d.lang, d.receiver = b.group[b.numbers[2]].value, b.group[b.numbers[3]].value
	for _, f := range ownFields {
		b.all = b.fieldTerms(b.all, &doc, f)
	}
}

// appendGroupKey appends the values that determine the terms of a group of fields.
func appendGroupKey(key []byte, a *query.Analyzer, group int, r *argus.Record) []byte {
	m := r.Message
	key = append(key, byte(group))
	str := func(parts ...string) {
		for _, p := range parts {
			key = binary.AppendUvarint(key, uint64(len(p)))
			key = append(key, p...)
		}
	}
	switch groupFields[group][0] {
	case query.From:
		str(m.From, m.FromName)
	case query.Thread:
		str(m.Service, m.Conversation, m.Title)
	case query.Lang:
		str(m.Lang, a.FoundLanguage(m))
	case query.To:
		str(m.To...)
	case query.Delivery:
		key = append(key, byte(m.State), byte(m.Type))
		key = binary.LittleEndian.AppendUint32(key, uint32(r.Delivery))
	}
	return key
}

func (b *batch) newGroup(d *query.Doc, i int) termGroup {
	g := termGroup{begin: uint32(len(b.grouped))}
	for _, f := range groupFields[i] {
		b.grouped = b.fieldTerms(b.grouped, d, f)
	}
	g.end = uint32(len(b.grouped))
	if columns := []*table{&b.senders, &b.conversations, &b.langs, &b.receivers}; i < len(columns) {
		b.value = appendColumnValue(b.value[:0], &b.analyzer, d, groupFields[i][0])
		g.value, _ = columns[i].number(b.value)
	}
	return g
}

// appendColumnValue appends the value of the message in the column of a field.
func appendColumnValue(value []byte, a *query.Analyzer, d *query.Doc, field query.FieldName) []byte {
	m := d.Sightings[0].Message
	switch field {
	case query.From:
		value = append(value, m.From...)
	case query.Thread:
		value = appendConversationKey(value, m.Service, m.Conversation)
	case query.To:
		value = appendReceiver(value, m.To)
	case query.Lang:
		a.Terms(d, query.Lang, func(term []byte) bool {
			value = append(value, term...)
			return false // the first term is the whole tag, with a mark if it was found
		})
	}
	return value
}

// eachFieldTerm passes each term of a field, in the form used in the index, to each. A
// message has no term for its type; other records have one. It uses value as a buffer and
// returns it.
func eachFieldTerm(value []byte, a *query.Analyzer, d *query.Doc, field query.FieldName, each func(term []byte)) []byte {
	a.Terms(d, field, func(term []byte) bool {
		if field == query.Is && string(term) == argus.MessageWord {
			return true
		}
		value = append(append(value[:0], fieldByte[field]), term...)
		each(value)
		return true
	})
	return value
}

// fieldTerms appends the terms of a field.
func (b *batch) fieldTerms(to []uint32, d *query.Doc, field query.FieldName) []uint32 {
	b.value = eachFieldTerm(b.value, &b.analyzer, d, field, func(term []byte) {
		number, unknown := b.terms.number(term)
		if unknown {
			b.size += len(term) + 63
		}
		to = append(to, number)
	})
	return to
}

// sorted returns the strings in order, with the ordinal of each number.
func (t *table) sorted() (list sortedWriter, ordinals []uint32) {
	ordinals = make([]uint32, t.len())
	for ordinal, number := range t.order() {
		ordinals[number] = uint32(ordinal)
		list.add(t.at(number))
	}
	return list, ordinals
}

// order returns the numbers, ordered by their strings.
func (t *table) order() []uint32 {
	type head struct {
		first  uint64 // the string's first 8 bytes, big endian
		number uint32
	}
	heads := make([]head, t.len())
	for number := range heads {
		var first [8]byte
		copy(first[:], t.at(uint32(number)))
		heads[number] = head{binary.BigEndian.Uint64(first[:]), uint32(number)}
	}
	slices.SortFunc(heads, func(a, b head) int {
		if a.first != b.first {
			return cmp.Compare(a.first, b.first)
		}
		return bytes.Compare(t.at(a.number), t.at(b.number))
	})
	numbers := make([]uint32, len(heads))
	for i, h := range heads {
		numbers[i] = h.number
	}
	return numbers
}

// content orders the batch for a segment. It is valid until reset.
func (b *batch) content() *content {
	docs := b.docs
	slices.SortFunc(docs, func(a, b batchDoc) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.id, b.id), cmp.Compare(a.seq, b.seq))
	})
	column := func(v *table, number func(d *batchDoc) uint32) values {
		list, ordinals := v.sorted()
		return values{list, func(doc int) uint64 { return uint64(ordinals[number(&docs[doc])]) }}
	}
	order := b.terms.order()
	return &content{
		docs:         len(docs),
		time:         func(doc int) uint64 { return docs[doc].time },
		sequence:     func(doc int) uint64 { return docs[doc].sequence },
		seq:          func(doc int) uint64 { return docs[doc].seq },
		id:           func(doc int) uint64 { return docs[doc].id },
		groups:       b.groupsOf(),
		conversation: column(&b.conversations, func(d *batchDoc) uint32 { return d.conversation }),
		sender:       column(&b.senders, func(d *batchDoc) uint32 { return d.sender }),
		receiver:     column(&b.receivers, func(d *batchDoc) uint32 { return d.receiver }),
		lang:         column(&b.langs, func(d *batchDoc) uint32 { return d.lang }),
		terms:        b.inverted(order),
		words:        func(ranks []uint32) func([]byte, int) []byte { return b.wordsOf(order, ranks) },
		late:         b.late,
		sumHigh:      func(doc int) uint64 { return docs[doc].same.high },
		sumLow:       func(doc int) uint64 { return docs[doc].same.low },
	}
}

// groupsOf returns the groups, with documents identified by their positions.
func (b *batch) groupsOf() []group {
	groups := make([]group, len(b.asOf))
	for i := range groups {
		groups[i].asOf = b.asOf[i]
	}
	for doc := range b.docs {
		if d := &b.docs[doc]; d.group > 0 {
			g := &groups[d.group-1]
			g.members = append(g.members, member{uint32(doc), d.version, d.quality})
		}
	}
	return groups
}

// appendReceiver appends the value for the column of receivers: a letter followed by the only
// receiver, or the mark for several; nothing if there is no receiver.
func appendReceiver(value []byte, to []string) []byte {
	one := ""
	for _, account := range to {
		switch {
		case account == "" || account == one:
		case one != "":
			return append(value, severalReceivers...)
		default:
			one = account
		}
	}
	if one == "" {
		return value
	}
	return append(append(value, oneReceiver...), one...)
}

const severalReceivers, oneReceiver = "*", "="

// inverted yields each term with its documents.
func (b *batch) inverted(order []uint32) iter.Seq2[[]byte, []uint32] {
	return func(yield func([]byte, []uint32) bool) {
		type list struct{ last, end uint32 } // the document added last, from 1; where the list ends
		lists, total := make([]list, b.terms.len()), uint32(0)
		for _, number := range order {
			lists[number].end = total
			total += b.terms.entries[number].count
		}
		postings := make([]uint32, total)
		for doc := range b.docs {
			d := &b.docs[doc]
			for _, number := range b.all[d.begin:d.end] {
				if l := &lists[number]; l.last != uint32(doc+1) {
					l.last = uint32(doc + 1)
					postings[l.end] = uint32(doc)
					l.end++
				}
			}
		}
		for _, number := range order {
			end := lists[number].end
			if !yield(b.terms.at(number), postings[end-b.terms.entries[number].count:end]) {
				return
			}
		}
	}
}

// wordsOf returns a function that appends the words of documents as ranks.
func (b *batch) wordsOf(order, ranks []uint32) func([]byte, int) []byte {
	byNumber := make([]uint32, len(order))
	for i, id := range order[len(order)-len(ranks):] {
		byNumber[id] = ranks[i]
	}
	return func(dst []byte, doc int) []byte {
		d := &b.docs[doc]
		for _, id := range b.all[d.begin:d.fields] {
			dst = binary.AppendUvarint(dst, uint64(byNumber[id]))
		}
		return dst
	}
}
