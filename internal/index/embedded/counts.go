package embedded

import (
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// counts holds the numbers in an answer, as opposed to its hits. Several goroutines may
// add at once.
type counts struct {
	req index.Request

	mu     sync.Mutex // guards the fields below
	facets map[query.FieldName]map[string]*uint64
	bars   map[int64]uint64 // keyed by the start, in microseconds
	beside []uint64         // indexed by type, for records other than messages
	differ uint64
	pairs  *pairTable
	names  names // the names in the pairs
}

// facetFields are the fields that an answer can count by.
var facetFields = []query.FieldName{query.From, query.To, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Country, query.Entity, query.Same}

func newCounts(req index.Request) (*counts, error) {
	req.FacetSize = cmp.Or(req.FacetSize, 20)
	if req.Zone == nil {
		req.Zone = time.UTC
	}
	c := &counts{req: req, facets: map[query.FieldName]map[string]*uint64{}, bars: map[int64]uint64{}, beside: make([]uint64, len(argus.TypeWords)), pairs: newPairTable(), names: newNames()}
	for _, f := range req.Facets {
		if !slices.Contains(facetFields, f) {
			return nil, fmt.Errorf("count by %s: the fields are from, to, in, service, delivery, is, lang, country, entity and same", f)
		}
		c.facets[f] = map[string]*uint64{}
		if f == query.In {
			c.facets[query.Begun] = map[string]*uint64{}
		}
	}
	if _, known := intervals[req.Histogram]; req.Histogram != "" && !known {
		return nil, fmt.Errorf("count by %q: the intervals are hour, day, month, year and weekhour", req.Histogram)
	}
	return c, nil
}

func (c *counts) add(q *search, v *view, docs *roaring.Bitmap) error {
	c.addTypes(v, docs)
	return c.addValues(q, v, docs)
}

// addValues adds to the facets, the histogram and the pairs.
func (c *counts) addValues(q *search, v *view, docs *roaring.Bitmap) error {
	s := v.segment
	for field, values := range c.facets {
		var err error
		switch field {
		case query.From:
			err = c.addColumn(q, &s.senders, &s.sender, docs, func(value []byte, n uint64) { addTo(values, value, n) })
		case query.Lang:
			err = c.addLangs(q, v, docs, values)
		case query.In:
			err = c.addColumn(q, &s.conversations, &s.conversation, docs, func(value []byte, n uint64) {
				_, conversation := splitConversationKey(value)
				addTo(values, conversation, n)
			})
		case query.Service:
			err = c.addColumn(q, &s.conversations, &s.conversation, docs, func(value []byte, n uint64) {
				addTo(values, conversationService(value), n)
			})
		case query.Entity:
			// Kinds are not counted.
			err = c.addPostings(q, v, docs, values, []byte{fieldByte[field]}, func(term []byte) bool { return !entity.IsKind(term) })
		case query.Country:
			prefix := []byte{fieldByte[field]}
			err = c.addPostings(q, v, docs, values, prefix, func(term []byte) bool { return bytes.HasSuffix(term, []byte(query.Found)) })
			if err == nil { // the stated ones
				err = c.addPostings(q, v, docs, values, append(prefix, query.Exact...), func([]byte) bool { return true })
			}
		case query.To, query.Begun:
			prefix := append([]byte{fieldByte[field]}, query.Exact...)
			err = c.addPostings(q, v, docs, values, prefix, func([]byte) bool { return true })
		case query.Same:
			err = c.addSames(q, v, docs, values)
		default:
			err = c.addTerms(q, v, field, docs, values)
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		n := len(values)
		c.mu.Unlock()
		if n > maxValues {
			if field == query.Begun {
				field = query.In
			}
			return fmt.Errorf("count by %s: there are more than %d values in the results; narrow the query, for instance by time", field, maxValues)
		}
	}
	if c.req.Histogram != "" {
		if err := c.addBars(q, s, docs); err != nil {
			return err
		}
	}
	if c.req.Pairs > 0 {
		return c.addPairs(q, v, docs)
	}
	return nil
}

// addColumn counts documents by a column, and adds each value that occurs.
func (c *counts) addColumn(q *search, list *sorted, of *column, docs *roaring.Bitmap, add func(value []byte, n uint64)) error {
	found := make([]uint32, list.count)
	err := q.runs(docs, func(docs []uint32) error {
		for _, doc := range docs {
			found[of.at(int(doc))]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	values := list.from(0)
	for ordinal := 0; values.advance(); ordinal++ {
		if found[ordinal] > 0 {
			add(values.key, uint64(found[ordinal]))
		}
	}
	return nil
}

// addTo adds to the count of a value.
func addTo(counts map[string]*uint64, value []byte, n uint64) {
	if count := counts[string(value)]; count != nil {
		*count += n
		return
	}
	counts[string(value)] = &n
}

// addTypes counts records other than messages, and messages that differ.
func (c *counts) addTypes(v *view, docs *roaring.Bitmap) {
	if v.differs != nil {
		n := docs.AndCardinality(v.differs)
		c.mu.Lock()
		c.differ += n
		c.mu.Unlock()
	}
	for _, b := range v.segment.beside {
		if n := docs.AndCardinality(v.lift(v.postings(b.ordinal).bitmap())); n > 0 {
			c.mu.Lock()
			c.beside[b.of] += n
			c.mu.Unlock()
		}
	}
}

// addLangs counts messages by language. The copies of one message may have several
// languages.
func (c *counts) addLangs(q *search, v *view, docs *roaring.Bitmap, counts map[string]*uint64) error {
	single, grouped := docs, roaring.New()
	if v.groups > 0 {
		single, grouped = roaring.AndNot(docs, v.segment.grouped), roaring.And(docs, v.segment.grouped)
	}
	err := c.addColumn(q, &v.langs, &v.lang, single, func(value []byte, n uint64) { addTo(counts, value, n) })
	if err != nil || grouped.IsEmpty() {
		return err
	}
	var several []uint64
	found := map[uint64]uint64{}
	if err := q.each(grouped, func(doc int) error {
		several = several[:0]
		v.eachCopy(doc, func(copied int) {
			if lang := v.lang.at(copied); !slices.Contains(several, lang) {
				several = append(several, lang)
				found[lang]++
			}
		})
		return nil
	}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for lang, n := range found {
		list := v.langs.from(int(lang))
		list.advance()
		addTo(counts, list.key, n)
	}
	return nil
}

// addTerms counts messages by the terms of a field that has few terms.
func (c *counts) addTerms(q *search, v *view, field query.FieldName, docs *roaring.Bitmap, counts map[string]*uint64) error {
	var values []string
	having := func(value string) (*roaring.Bitmap, error) {
		return q.is(v, query.Field{Name: field, Value: value})
	}
	if field == query.Is {
		values = slices.DeleteFunc(slices.Clone(query.IsWords), func(word string) bool { return word == argus.MessageWord })
	} else {
		for _, d := range v.deliveries(q.snapshot) {
			values = append(values, d.String())
		}
		copies := v.copies(docs)
		having = func(value string) (*roaring.Bitmap, error) {
			return q.delivery(v, query.Field{Name: field, Value: value}, copies)
		}
	}
	for _, value := range values {
		having, err := having(value)
		if err != nil {
			return err
		}
		if n := docs.AndCardinality(having); n > 0 {
			c.mu.Lock()
			addTo(counts, []byte(value), n)
			c.mu.Unlock()
		}
	}
	return nil
}

// addPostings counts messages by those terms with the given prefix that count accepts.
// There are many such terms, most of them in few messages.
func (c *counts) addPostings(q *search, v *view, docs *roaring.Bitmap, counts map[string]*uint64, prefix []byte, count func(term []byte) bool) error {
	found := map[string]uint64{}
	wanted := dense(docs.ToDense())
	counted := make([]int, v.groups) // for each group, the ordinal (from 1) for which it was last counted
	var having []uint32
	low, high := v.terms.prefixed(prefix)
	for terms, ordinal := v.terms.from(low), low; ordinal < high && terms.advance(); ordinal++ {
		if ordinal%patience == 0 && q.ctx.Err() != nil {
			return q.ctx.Err()
		}
		n := uint64(0)
		having = v.postings(ordinal).appendTo(having[:0])
		for _, doc := range having {
			if g := v.segment.group.at(int(doc)); g > 0 {
				if v.selected != nil && !v.selected.Contains(doc) || counted[g-1] == ordinal+1 {
					continue
				}
				counted[g-1] = ordinal + 1
				doc = v.shown[g-1]
			}
			if wanted.has(int(doc)) {
				n++
			}
		}
		if term := terms.key[len(prefix):]; n > 0 && count(term) {
			found[string(term)] = n
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for value, n := range found {
		addTo(counts, []byte(value), n)
	}
	return nil
}

// An interval formats a bar's start, and finds where the bar that contains a moment
// begins and approximately where it ends, in the moment's zone.
type interval struct {
	layout string
	bounds func(t time.Time) (start, end time.Time)
}

var intervals = map[index.Interval]interval{
	index.ByHour:     {"2006-01-02T15", hourOf},
	index.ByWeekHour: {"Mon 15", hourOf},
	index.ByDay: {"2006-01-02", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
		return start, start.AddDate(0, 0, 1)
	}},
	index.ByMonth: {"2006-01", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location())
		return start, start.AddDate(0, 1, 0)
	}},
	index.ByYear: {"2006", func(t time.Time) (time.Time, time.Time) {
		start := time.Date(t.Year(), 1, 1, 0, 0, 0, 0, t.Location())
		return start, start.AddDate(1, 0, 0)
	}},
}

// hourOf works on the moment, not the date: when clocks are set back, an hour occurs
// twice.
func hourOf(t time.Time) (start, end time.Time) {
	start = t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	return start, start.Add(time.Hour)
}

// addBars counts all documents of a bar at once, since documents are sorted by time.
func (c *counts) addBars(q *search, s *segment, docs *roaring.Bitmap) error {
	bounds := intervals[c.req.Histogram].bounds
	bars := map[int64]uint64{}
	for doc := docs.NextValue(uint32(s.beforeTime(1))); doc >= 0 && int(doc) < s.docs; {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		micros := keyMicros(s.times.at(int(doc)))
		start, end := bounds(time.UnixMicro(micros).In(c.req.Zone))
		// Where a zone skips midnight, the end may fall before the moment.
		next := s.beforeTime(microsKey(max(end.UnixMicro(), micros+1)))
		if next <= int(doc) {
			return malformed("the documents are not in chronological order")
		}
		bars[start.UnixMicro()] += docs.CardinalityInRange(uint64(doc), uint64(next))
		doc = docs.NextValue(uint32(next))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for start, n := range bars {
		c.bars[start] += n
	}
	return nil
}

// A pairKey identifies a pair by numbers in names. Where is the service or, if the
// receiver is the empty name, the conversation with its service.
type pairKey struct{ from, to, where uint32 }

// names assigns numbers to strings (0 to the empty one), because counting by number is
// faster.
type names struct {
	ids  map[string]uint32
	list []string
}

func newNames() names { return names{map[string]uint32{"": 0}, []string{""}} }

// number replaces each nonzero ordinal in a list with the number of its string, or of the
// string that name returns for it.
func (n *names) number(list *sorted, ordinals []uint32, name func([]byte) []byte) {
	values := list.from(0)
	for ordinal := 0; values.advance(); ordinal++ {
		if ordinals[ordinal] == 0 {
			continue
		}
		key := name(values.key)
		id, known := n.ids[string(key)]
		if !known {
			id = uint32(len(n.list))
			n.list = append(n.list, string(key))
			n.ids[n.list[id]] = id
		}
		ordinals[ordinal] = id
	}
}

// A pairCount is a number of messages, and the time keys of the first and last.
type pairCount struct {
	count       uint64
	first, last uint64
}

func (p *pairCount) add(o pairCount) {
	p.count += o.count
	if o.first != 0 && (p.first == 0 || o.first < p.first) {
		p.first = o.first
	}
	p.last = max(p.last, o.last)
}

// maxValues is the maximum number of values of a field, or of pairs, that one answer
// counts.
const maxValues = 2_000_000

// addPairs counts who wrote to whom, first by the segment's own numbers.
func (c *counts) addPairs(q *search, v *view, docs *roaring.Bitmap) error {
	s := v.segment
	none, several := s.receiverMarks()
	nobody := uint64(s.receivers.count) // instead of both marks
	found := newPairTable()
	err := q.runs(roaring.And(docs, v.lift(s.ofTypes(q.turns))), func(docs []uint32) error {
		for _, doc := range docs {
			receiver := s.receiver.at(int(doc))
			if s.group.at(int(doc)) > 0 {
				receiver = v.oneReceiver(int(doc), none, several)
			}
			if receiver == none || receiver == several {
				receiver = nobody
			}
			key := pairKey{uint32(s.sender.at(int(doc))), uint32(receiver), uint32(s.conversation.at(int(doc)))}
			time := s.times.at(int(doc))
			found.add(key, pairCount{1, time, time})
		}
		return nil
	})
	if err != nil {
		return err
	}
	senders, receivers := make([]uint32, s.senders.count), make([]uint32, s.receivers.count+1)
	conversations, services := make([]uint32, s.conversations.count), make([]uint32, s.conversations.count)
	for own := range found.all() {
		senders[own.from], receivers[own.to], services[own.where] = 1, 1, 1
	}
	receivers[nobody] = 0
	c.mu.Lock()
	defer c.mu.Unlock()
	whole := func(key []byte) []byte { return key }
	c.names.number(&s.senders, senders, whole)
	c.names.number(&s.receivers, receivers, func(key []byte) []byte { return bytes.TrimPrefix(key, []byte(oneReceiver)) })
	c.names.number(&s.conversations, services, conversationService)
	for own := range found.all() {
		if receivers[own.to] == 0 {
			conversations[own.where] = 1
		}
	}
	c.names.number(&s.conversations, conversations, whole)
	for own, n := range found.all() {
		key := pairKey{senders[own.from], receivers[own.to], services[own.where]}
		if key.from == 0 {
			continue // sent by the service
		}
		if key.to == 0 {
			key.where = conversations[own.where]
		}
		if c.pairs.add(key, n); c.pairs.used > maxValues {
			return fmt.Errorf("count pairs: there are more than %d pairs of accounts in the results; narrow the query, for instance by time", maxValues)
		}
	}
	return nil
}

// A pairTable counts pairs. It is a hash table that holds the counts, so that most
// lookups wait for memory only once; a map's lookups wait three times.
type pairTable struct {
	slots []pairSlot // a power of two; slots with count 0 are free
	used  int
	seed  maphash.Seed
}

type pairSlot struct {
	key pairKey
	pairCount
}

func newPairTable() *pairTable {
	return &pairTable{slots: make([]pairSlot, 1024), seed: maphash.MakeSeed()}
}

func (t *pairTable) add(key pairKey, n pairCount) {
	slot := t.slot(key)
	if slot.count == 0 {
		if t.used++; t.used*2 > len(t.slots) {
			old := *t
			t.slots = make([]pairSlot, 2*len(old.slots))
			for key, n := range old.all() {
				*t.slot(key) = pairSlot{key, n}
			}
			slot = t.slot(key)
		}
		slot.key = key
	}
	slot.add(n)
}

// slot returns the slot of a pair, or a free one for it.
func (t *pairTable) slot(key pairKey) *pairSlot {
	mask := len(t.slots) - 1
	for i := int(maphash.Comparable(t.seed, key)) & mask; ; i = (i + 1) & mask {
		if slot := &t.slots[i]; slot.count == 0 || slot.key == key {
			return slot
		}
	}
}

func (t *pairTable) all() iter.Seq2[pairKey, pairCount] {
	return func(yield func(pairKey, pairCount) bool) {
		for i := range t.slots {
			if slot := &t.slots[i]; slot.count > 0 && !yield(slot.key, slot.pairCount) {
				return
			}
		}
	}
}

// report writes the counts into the answer.
func (c *counts) report(result *index.Result) {
	// A message that begins a conversation counts for that conversation, like the others in it.
	for value, n := range c.facets[query.Begun] {
		if count := c.facets[query.In][value]; count != nil {
			*count += *n
		}
	}
	delete(c.facets, query.Begun)
	for field, values := range c.facets {
		delete(values, "") // messages without a value
		var list []index.Count
		for value, n := range values {
			list = append(list, index.Count{Value: value, Count: *n})
		}
		slices.SortFunc(list, func(a, b index.Count) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
		})
		if result.Facets == nil {
			result.Facets = map[query.FieldName][]index.Count{}
		}
		result.Facets[field] = list[:min(len(list), c.req.FacetSize)]
	}
	result.Messages, result.Differing = result.Total, c.differ
	for t, n := range c.beside {
		if n > 0 {
			result.Messages -= n
			result.Beside = append(result.Beside, index.Count{Value: argus.TypeWords[t], Count: n})
		}
	}
	result.Histogram = c.histogram()
	result.Pairs = c.mostFrequent()
}

// mostFrequent returns the requested number of pairs. Only pairs that are at least as frequent
// as the last one returned are sorted by name.
func (c *counts) mostFrequent() []index.Pair {
	if c.pairs.used == 0 {
		return nil
	}
	frequent := make([]uint64, 0, c.pairs.used)
	for _, n := range c.pairs.all() {
		frequent = append(frequent, n.count)
	}
	slices.Sort(frequent)
	least := frequent[max(0, len(frequent)-c.req.Pairs)]
	var list []index.Pair
	for key, n := range c.pairs.all() {
		if n.count < least {
			continue
		}
		pair := index.Pair{From: c.names.list[key.from], To: c.names.list[key.to], Count: n.count}
		if where := c.names.list[key.where]; key.to != 0 {
			pair.Service = where
		} else {
			service, conversation := splitConversationKey([]byte(where))
			pair.Service, pair.Conversation = string(service), string(conversation)
		}
		if n.first != 0 {
			pair.First, pair.Last = time.UnixMicro(keyMicros(n.first)).UTC(), time.UnixMicro(keyMicros(n.last)).UTC()
		}
		list = append(list, pair)
	}
	slices.SortFunc(list, func(a, b index.Pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To),
			strings.Compare(a.Conversation, b.Conversation), strings.Compare(a.Service, b.Service))
	})
	return list[:min(len(list), c.req.Pairs)]
}

// histogram returns the bars, oldest first. Bars with the same name are merged, such as
// every Monday at nine, or the hour that occurs twice when clocks are set back.
func (c *counts) histogram() (bars []index.Count) {
	starts := slices.Sorted(maps.Keys(c.bars))
	moment := func(start int64) time.Time { return time.UnixMicro(start).In(c.req.Zone) }
	if c.req.Histogram == index.ByWeekHour {
		slices.SortStableFunc(starts, func(a, b int64) int { return cmp.Compare(hourOfWeek(moment(a)), hourOfWeek(moment(b))) })
	}
	for _, start := range starts {
		name := moment(start).Format(intervals[c.req.Histogram].layout)
		if last := len(bars) - 1; last >= 0 && bars[last].Value == name {
			bars[last].Count += c.bars[start]
			continue
		}
		bars = append(bars, index.Count{Value: name, Count: c.bars[start]})
	}
	return bars
}

// hourOfWeek returns the hour of the week, counted from Monday 00.
func hourOfWeek(t time.Time) int { return (int(t.Weekday())+6)%7*24 + t.Hour() }
