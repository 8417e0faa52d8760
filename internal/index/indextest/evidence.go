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
)

// evidence is a list of records, and the slow and simple index over them.
type evidence struct {
	records []*argus.Record
	entries []*entry
	removed []uint64
	fails   error // what Get returns, if not nil
}

// An entry is what a query sees of one message record.
type entry struct {
	hit index.Hit
	doc query.Doc
}

func (e *evidence) last() uint64 { return uint64(len(e.records)) }

// Get implements [index.Text].
func (e *evidence) Get(_ context.Context, seq uint64) (*argus.Record, error) {
	if e.fails != nil {
		return nil, e.fails
	}
	if seq == 0 || seq > e.last() {
		return nil, fmt.Errorf("record %d: %w", seq, argus.ErrNotFound)
	}
	return e.records[seq-1], nil
}

func (e *evidence) append(r *argus.Record) uint64 {
	r.Seq = e.last() + 1
	e.records = append(e.records, r)
	return r.Seq
}

// other appends a record that is no message.
func (e *evidence) other(kind argus.Kind) {
	e.append(&argus.Record{Kind: kind, Delivery: 1})
}

// message appends a message, or a copy that differs from that of a record.
func (e *evidence) message(d argus.DeliveryNumber, m argus.Message, of uint64) uint64 {
	id, version := m.Identity()
	seq := e.append(&argus.Record{Kind: argus.KindMessage, Delivery: d, ID: id, Version: version, Message: &m, Of: of})
	e.entries = append(e.entries, &entry{
		hit: index.Hit{Seq: seq, Cursor: index.Cursor{
			Micros: m.Sent.Micros, Known: m.Sent.Known(), Sequence: m.Sequence, Seq: seq,
		}},
		doc: query.Doc{ID: id, Message: &m, Deliveries: []argus.DeliveryNumber{d}, Differs: of != 0},
	})
	if of != 0 {
		e.entry(of).doc.Differs = true
	}
	return seq
}

// sighting appends that the message of a record was seen again.
func (e *evidence) sighting(d argus.DeliveryNumber, of uint64) {
	first := e.records[of-1]
	aside := first.Message.Aside()
	doc := &e.entry(of).doc
	if !slices.Contains(doc.Deliveries, d) {
		doc.Deliveries = append(doc.Deliveries, d)
	}
	e.append(&argus.Record{Kind: argus.KindSighting, Delivery: d, ID: first.ID, Version: first.Version, Message: &aside, Of: of})
}

func (e *evidence) entry(seq uint64) *entry {
	return e.entries[slices.IndexFunc(e.entries, func(e *entry) bool { return e.hit.Seq == seq })]
}

// older orders entries as [index.Request] says, oldest first.
func older(a, b *index.Cursor) int {
	micros := func(c *index.Cursor) int64 {
		if !c.Known {
			return math.MinInt64
		}
		return c.Micros
	}
	return cmp.Or(cmp.Compare(micros(a), micros(b)), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Seq, b.Seq))
}

// matching returns the entries that match a query inside a scope, newest first.
func (e *evidence) matching(n, scope query.Node) []*entry {
	list := slices.DeleteFunc(slices.Clone(e.entries), func(entry *entry) bool { return slices.Contains(e.removed, entry.hit.Seq) })
	slices.SortFunc(list, func(a, b *entry) int { return older(&a.hit.Cursor, &b.hit.Cursor) })
	for _, n := range []query.Node{scope, n} {
		var docs []*query.Doc
		for _, entry := range list {
			docs = append(docs, &entry.doc)
		}
		var left []*entry
		for i, matches := range query.MatchAll(n, docs) {
			if matches {
				left = append(left, list[i])
			}
		}
		list = left
	}
	slices.Reverse(list)
	return list
}

func (e *evidence) search(req index.Request) *index.Result {
	found := e.matching(req.Query, req.Scope)
	result := &index.Result{Total: uint64(len(found)), Position: e.last()}
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
		slices.SortStableFunc(counts, func(a, b index.Count) int { return cmp.Compare(b.Count, a.Count) })
		result.Facets[field] = counts[:min(len(counts), cmp.Or(req.FacetSize, 20))]
	}
	result.Histogram = histogram(found, req)
	result.Pairs = pairs(found, req.Pairs)
	return result
}

func histogram(found []*entry, req index.Request) []index.Count {
	layout := map[index.Interval]string{
		index.ByHour: "2006-01-02T15", index.ByDay: "2006-01-02", index.ByMonth: "2006-01", index.ByYear: "2006", index.ByWeekHour: "Mon 15",
	}[req.Histogram]
	zone := cmp.Or(req.Zone, time.UTC)
	bars := count(found, func(e *entry) []string {
		if !e.doc.Message.Sent.Known() || layout == "" {
			return nil
		}
		return []string{e.doc.Message.Sent.UTC().In(zone).Format(layout)}
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
func pairs(found []*entry, most int) (list []index.Pair) {
	for _, e := range found {
		m := e.doc.Message
		pair := index.Pair{Service: m.Service, From: m.From, Conversation: m.Conversation}
		if len(m.To) == 1 && m.To[0] != "" {
			pair.To, pair.Conversation = m.To[0], ""
		}
		if m.From == "" {
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

// facetValues are the values that a message counts for: the account, the
// conversation, the service, each delivery, each word of is:, the language tag
// in lower case, each identifier but not its kind. Empty ones do not count.
func facetValues(field query.FieldName, e *entry) []string {
	m := e.doc.Message
	switch field {
	case query.From:
		return []string{m.From}
	case query.In:
		return []string{m.Conversation}
	case query.Service:
		return []string{m.Service}
	case query.Lang:
		terms := query.Terms(&e.doc, query.Lang)
		return terms[:min(len(terms), 1)]
	case query.Entity:
		return slices.DeleteFunc(query.Terms(&e.doc, field), entity.IsKind)
	}
	return query.Terms(&e.doc, field)
}

// count counts values, in their order.
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
		if m := entry.doc.Message; m.Service != req.Service || m.Conversation != req.Conversation {
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
