package indextest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
	gocmp "github.com/google/go-cmp/cmp"
)

// evidence is a list of records, and also the slow and simple index over them.
type evidence struct {
	records []*argus.Record
	// whole has, for each record, the record with the copy's complete content.
	whole   []*argus.Record
	entries []*entry
	removed []uint64
	fails   error // returned by Whole, if not nil
}

// An entry is a message: the records of its copies, in order.
type entry struct {
	seqs []uint64
	// In an answer, the part that the requester sees.
	hit index.Hit
	doc query.Doc
}

func (e *evidence) last() uint64 { return uint64(len(e.records)) }

// Whole implements [index.Evidence].
func (e *evidence) Whole(_ context.Context, seq uint64) (*argus.Record, error) {
	if e.fails != nil {
		return nil, e.fails
	}
	if seq == 0 || seq > e.last() {
		return nil, fmt.Errorf("record %d: %w", seq, argus.ErrNotFound)
	}
	return e.whole[seq-1], nil
}

// Copies implements [index.Evidence].
func (e *evidence) Copies(_ context.Context, id argus.ID) ([]uint64, error) {
	for _, entry := range e.entries {
		if e.records[entry.seqs[0]-1].ID == id {
			return entry.seqs, nil
		}
	}
	return nil, nil
}

func (e *evidence) append(r *argus.Record) uint64 {
	r.Seq = e.last() + 1
	whole := *r
	e.records, e.whole = append(e.records, r), append(e.whole, &whole)
	return r.Seq
}

// other appends a record that is not a message.
func (e *evidence) other(kind argus.Kind) {
	e.append(&argus.Record{Kind: kind, Delivery: 1})
}

// message appends a message, or, if of is not 0, a copy of that record's message.
func (e *evidence) message(d argus.DeliveryNumber, m argus.Message, of uint64) uint64 {
	id, version := m.Identity()
	if of == 0 {
		seq := e.append(&argus.Record{Kind: argus.KindMessage, Delivery: d, ID: id, Version: version, Message: &m})
		e.entries = append(e.entries, &entry{seqs: []uint64{seq}})
		return seq
	}
	entry := e.entry(of)
	first := e.records[entry.seqs[0]-1]
	r := &argus.Record{Kind: argus.KindMessage, Delivery: d, ID: id, Version: version, Message: &m, Of: first.Seq}
	if id != first.ID { // its clock differs
		r.Met, r.Version = first.ID, first.Version
	}
	for _, seq := range entry.seqs {
		if stored := e.records[seq-1]; stored.Kind == argus.KindMessage && stored.Version == r.Version {
			r.Kind, r.Of = argus.KindSighting, seq
		}
	}
	seq := e.append(r)
	if r.Kind == argus.KindSighting {
		aside := m.Aside()
		r.Message = &aside
	}
	entry.seqs = append(entry.seqs, seq)
	return seq
}

// sighting appends another sighting of a record's copy, with the same content.
func (e *evidence) sighting(d argus.DeliveryNumber, of uint64) {
	e.message(d, *e.whole[of-1].Message, of)
}

// entry returns the message of a record.
func (e *evidence) entry(seq uint64) *entry {
	return e.entries[slices.IndexFunc(e.entries, func(e *entry) bool { return slices.Contains(e.seqs, seq) })]
}

// sightings returns the copies of a message that were not removed and do not repeat an
// earlier one.
func (e *evidence) sightings(of *entry) (list []query.Sighting) {
	for _, seq := range of.seqs {
		r := e.whole[seq-1]
		gone := slices.ContainsFunc(e.removed, func(gone uint64) bool {
			g := e.whole[gone-1]
			return gone == seq || gone < seq && g.ID == r.ID && g.Version == r.Version && sameStatement(g.Message, r.Message)
		})
		if !gone {
			list = append(list, query.Sighting{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: r.Message})
		}
	}
	return list
}

// sameStatement reports whether two copies look the same to every query; the order of
// receivers does not matter.
func sameStatement(a, b *argus.Message) bool {
	x, y := *a, *b
	x.To, y.To = slices.Compact(slices.Sorted(slices.Values(a.To))), slices.Compact(slices.Sorted(slices.Values(b.To)))
	return gocmp.Equal(x, y)
}

// older orders entries as described in [index.Request], oldest first.
func older(a, b *index.Cursor) int {
	micros := func(c *index.Cursor) int64 {
		if !c.Known {
			return math.MinInt64
		}
		return c.Micros
	}
	return cmp.Or(cmp.Compare(micros(a), micros(b)), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID, b.ID))
}

// matching returns the messages that match a query inside a scope, newest first.
func (e *evidence) matching(n, scope query.Node) (found []*entry) {
	covers := query.Compile(scope)
	var list []*entry
	for _, all := range e.entries {
		if selected := covers.Select(e.sightings(all)); len(selected) > 0 {
			one := &entry{seqs: all.seqs, doc: query.Doc{Sightings: selected}}
			one.hit = index.Hit{Seq: all.seqs[0], Cursor: index.CursorOf(&one.doc)}
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return query.Compare(&a.doc, &b.doc) })
	var docs []*query.Doc
	for _, entry := range list {
		docs = append(docs, &entry.doc)
	}
	for i, matches := range query.MatchAll(n, docs) {
		if matches {
			found = append(found, list[i])
		}
	}
	slices.Reverse(found)
	return found
}

func (e *evidence) search(req index.Request) *index.Result {
	found := e.matching(req.Query, req.Scope)
	result := &index.Result{Total: uint64(len(found)), Position: e.last()}
	for _, entry := range found {
		if entry.doc.Differs() {
			result.Differing++
		}
	}
	for t, word := range argus.TypeWords {
		of := uint64(0)
		for _, entry := range found {
			if slices.Contains(query.Terms(&entry.doc, query.Is), word) || t == 0 && slices.Contains(query.Terms(&entry.doc, query.Is), argus.MessageWord) {
				of++
			}
		}
		switch {
		case t == 0:
			result.Messages = of
		case of > 0 && !argus.Type(t).IsMessage():
			result.Beside = append(result.Beside, index.Count{Value: word, Count: of})
		}
	}
	if req.Distinct {
		found, result.Distinct = firsts(found, result.Messages)
	}
	for _, entry := range found {
		if req.After != nil && older(&entry.hit.Cursor, req.After) >= 0 {
			continue
		}
		if len(result.Hits) < req.Limit {
			result.Hits = append(result.Hits, entry.hit)
		}
	}
	for _, field := range req.Facets {
		if result.Facets == nil {
			result.Facets = map[query.FieldName][]index.Count{}
		}
		counts := count(found, func(e *entry) []string { return facetValues(field, e) })
		if field == query.In { // a conversation that no message names does not count
			counts = slices.DeleteFunc(counts, func(c index.Count) bool {
				return !slices.ContainsFunc(found, func(e *entry) bool { return e.doc.Sightings[0].Message.Conversation == c.Value })
			})
		}
		slices.SortStableFunc(counts, func(a, b index.Count) int { return cmp.Compare(b.Count, a.Count) })
		result.Facets[field] = counts[:min(len(counts), cmp.Or(req.FacetSize, 20))]
	}
	result.Histogram = histogram(found, req)
	result.Pairs = pairs(found, req.Pairs, query.Turns(req.Query))
	return result
}

// firsts returns the newest message with each content, and the number of messages without the
// others.
func firsts(found []*entry, messages uint64) (first []*entry, distinct uint64) {
	seen := map[same.Key]bool{{}: false}
	for _, entry := range found {
		key := entry.doc.SameKey()
		if seen[key] {
			messages--
			continue
		}
		seen[key] = key != same.Key{}
		first = append(first, entry)
	}
	return first, messages
}

func histogram(found []*entry, req index.Request) []index.Count {
	layout := map[index.Interval]string{
		index.ByHour: "2006-01-02T15", index.ByDay: "2006-01-02", index.ByMonth: "2006-01", index.ByYear: "2006", index.ByWeekHour: "Mon 15",
	}[req.Histogram]
	zone := cmp.Or(req.Zone, time.UTC)
	bars := count(found, func(e *entry) []string {
		sent := e.doc.Sent()
		if !sent.Known() || layout == "" {
			return nil
		}
		return []string{sent.UTC().In(zone).Format(layout)}
	})
	if req.Histogram == index.ByWeekHour {
		const week = "Mon Tue Wed Thu Fri Sat Sun"
		slices.SortStableFunc(bars, func(a, b index.Count) int {
			return cmp.Compare(strings.Index(week, a.Value[:3]), strings.Index(week, b.Value[:3]))
		})
	}
	return bars
}

// pairs counts who wrote to whom, most frequent first.
func pairs(found []*entry, most int, turns argus.TypeSet) (list []index.Pair) {
	for _, e := range found {
		m := e.doc.Union()
		pair := index.Pair{Service: m.Service, From: m.From, Conversation: m.Conversation}
		to := slices.DeleteFunc(slices.Sorted(slices.Values(m.To)), func(account string) bool { return account == "" })
		if to = slices.Compact(to); len(to) == 1 {
			pair.To, pair.Conversation = to[0], ""
		}
		if m.From == "" || !slices.ContainsFunc(e.doc.Sightings, func(s query.Sighting) bool { return turns.Has(s.Message.Type) }) {
			continue
		}
		at := slices.IndexFunc(list, func(p index.Pair) bool {
			return p.Service == pair.Service && p.From == pair.From && p.To == pair.To && p.Conversation == pair.Conversation
		})
		if at < 0 {
			at, list = len(list), append(list, pair)
		}
		list[at].Count++
		if m.Sent.Known() { // newest first
			list[at].First = m.Sent.UTC()
			if list[at].Last.IsZero() {
				list[at].Last = list[at].First
			}
		}
	}
	slices.SortFunc(list, func(a, b index.Pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.From, b.From), strings.Compare(a.To, b.To),
			strings.Compare(a.Conversation, b.Conversation), strings.Compare(a.Service, b.Service))
	})
	return list[:min(len(list), most)]
}

// facetValues are the values that a message counts for: the account, each receiver, the
// conversation, the service, each delivery, each word of is: except message, the
// language tags in lower case, each identifier but not its kind, the content. Empty values do not
// count.
func facetValues(field query.FieldName, e *entry) (values []string) {
	m := e.doc.Sightings[0].Message
	switch field {
	case query.From:
		return []string{m.From}
	case query.To:
		values = slices.Sorted(slices.Values(e.doc.Union().To))
		return slices.Compact(values)
	case query.In:
		values = []string{m.Conversation}
		for i := range e.doc.Sightings {
			values = append(values, e.doc.Sightings[i].Message.Begun())
		}
		slices.Sort(values)
		return slices.Compact(values)
	case query.Service:
		return []string{m.Service}
	case query.Lang:
		for i := range e.doc.Sightings {
			terms := query.Terms(&query.Doc{Sightings: e.doc.Sightings[i : i+1]}, query.Lang)
			values = append(values, terms[:min(len(terms), 1)]...)
		}
		slices.Sort(values)
		return slices.Compact(values)
	case query.Is:
		return slices.DeleteFunc(query.Terms(&e.doc, field), func(word string) bool { return word == argus.MessageWord })
	case query.Country:
		for _, term := range query.Terms(&e.doc, field) {
			if stated, ok := strings.CutPrefix(term, query.Exact); ok || strings.HasSuffix(term, query.Found) {
				values = append(values, stated)
			}
		}
		slices.Sort(values)
		return slices.Compact(values)
	case query.Entity:
		return slices.DeleteFunc(query.Terms(&e.doc, field), entity.IsKind)
	}
	return query.Terms(&e.doc, field)
}

// count returns the counts of the values, in the order used for facets.
func count(list []*entry, values func(*entry) []string) (counts []index.Count) {
	for _, e := range list {
		for _, value := range values(e) {
			at, found := slices.BinarySearchFunc(counts, value, func(c index.Count, v string) int { return strings.Compare(c.Value, v) })
			if value == "" {
				continue
			}
			if !found {
				counts = slices.Insert(counts, at, index.Count{Value: value})
			}
			counts[at].Count++
		}
	}
	return counts
}

func (e *evidence) page(req index.PageRequest) *index.Page {
	page := new(index.Page)
	var before, after, middle []index.Hit
	for _, entry := range slices.Backward(e.matching(nil, req.Scope)) {
		if m := entry.doc.Sightings[0].Message; m.Service != req.Service || m.Conversation != req.Conversation && (req.Conversation == "" || !slices.ContainsFunc(entry.doc.Sightings, func(s query.Sighting) bool { return s.Message.Begun() == req.Conversation })) {
			continue
		}
		order := -1
		if req.Around != nil {
			order = older(&entry.hit.Cursor, req.Around)
		}
		switch {
		case order < 0:
			before = append(before, entry.hit)
		case order > 0:
			after = append(after, entry.hit)
		default:
			middle = append(middle, entry.hit)
		}
	}
	page.Earlier = uint64(max(0, len(before)-req.Before))
	page.Later = uint64(max(0, len(after)-req.After))
	page.Hits = slices.Concat(before[page.Earlier:], middle, after[:min(len(after), req.After)])
	return page
}

func sentTime(c *index.Cursor) time.Time { return time.UnixMicro(c.Micros).UTC() }
