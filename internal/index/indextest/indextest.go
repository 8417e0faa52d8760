// Package indextest tests that an index keeps its promises. Every implementation of
// [index.Index] runs the suite. [query.Match] decides which messages match; the rest of
// an answer is computed from those messages in a slow and simple way.
package indextest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/query/querytest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// Run runs the suite. Each directory passed to open belongs to the test. outdate gives
// another version to the index in a directory; the index must not be open.
func Run(t *testing.T, open index.Open, outdate func(dir string) error) {
	t.Run("Outdated", func(t *testing.T) { testOutdated(t, open, outdate) })
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open index.Open)
	}{
		{"Empty", testEmpty},
		{"Begin", testBegin},
		{"Beside", testBeside},
		{"Rebuild", testRebuild},
		{"Mark", testMark},
		{"Strays", testStrays},
		{"Compare", testCompare},
		{"Position", testPosition},
		{"Order", testOrder},
		{"Sightings", testSightings},
		{"DifferingCopies", testDifferingCopies},
		{"Scope", testScope},
		{"Facets", testFacets},
		{"Histogram", testHistogram},
		{"Turns", testTurns},
		{"Page", testPage},
		{"Begun", testBegun},
		{"Pairs", testPairs},
		{"Same", testSame},
		{"ManySame", testManySame},
		{"Stream", testStream},
		{"Removed", testRemoved},
		{"Budget", testBudget},
		{"Cancelled", testCancelled},
		{"Refused", testRefused},
		{"Concurrent", testConcurrent},
		{"Scripts", testScripts},
		{"Random", testRandom},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// A tester is a *testing.T, a *testing.B or a *rapid.T, which reports how to repeat a failure.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// A fixture is an index with the evidence that it follows.
type fixture struct {
	t     tester
	open  index.Open
	dir   string
	index index.Index
	evidence
}

func newFixture(t tester, dir string, open index.Open) *fixture {
	t.Helper()
	f := &fixture{t: t, open: open, dir: dir}
	f.reopen()
	return f
}

func setUp(t *testing.T, open index.Open) *fixture {
	f := newFixture(t, t.TempDir(), open)
	t.Cleanup(f.close)
	return f
}

func (f *fixture) close() {
	if f.index == nil {
		return
	}
	if err := f.index.Close(); err != nil {
		f.t.Errorf("close: %v", err)
	}
	f.index = nil
}

func (f *fixture) reopen() {
	f.t.Helper()
	f.close()
	var err error
	if f.index, err = f.open(f.dir, index.Options{Evidence: &f.evidence, Mark: mark}); err != nil {
		f.t.Fatalf("open: %v", err)
	}
}

// add gives the index the records of the evidence that it does not have yet.
func (f *fixture) add(from uint64) {
	f.t.Helper()
	if err := f.index.Add(context.Background(), f.records[from:]); err != nil {
		f.t.Fatalf("add: %v", err)
	}
}

func (f *fixture) flush() {
	f.t.Helper()
	if err := f.index.Flush(context.Background()); err != nil {
		f.t.Fatalf("flush: %v", err)
	}
}

// put adds messages to the evidence and to the index, and flushes.
func (f *fixture) put(messages ...argus.Message) {
	f.t.Helper()
	from := f.last()
	for _, m := range messages {
		f.message(1, m, 0)
	}
	f.add(from)
	f.flush()
}

// check compares an answer of the index with the slow answer.
func (f *fixture) check(req index.Request) *index.Result {
	f.t.Helper()
	got, err := f.index.Search(context.Background(), req)
	if err != nil {
		f.t.Fatalf("search %s in %s: %v", show(req.Query), show(req.Scope), err)
	}
	f.normal(got.Hits)
	if diff := cmp.Diff(f.search(req), got, cmpopts.EquateEmpty()); diff != "" {
		f.t.Fatalf("search %s in %s (-want +got):\n%s", show(req.Query), show(req.Scope), diff)
	}
	return got
}

func (f *fixture) checkPage(req index.PageRequest) *index.Page {
	f.t.Helper()
	got, err := f.index.Page(context.Background(), req)
	if err != nil {
		f.t.Fatalf("page %+v: %v", req, err)
	}
	f.normal(got.Hits)
	if diff := cmp.Diff(f.page(req), got, cmpopts.EquateEmpty()); diff != "" {
		f.t.Fatalf("page %+v (-want +got):\n%s", req, diff)
	}
	return got
}

// normal identifies the message of each hit by the message's first record, because an
// index may return any of its records.
func (f *fixture) normal(hits []index.Hit) {
	for i := range hits {
		hits[i].Seq = f.entry(hits[i].Seq).seqs[0]
	}
}

// labels returns the ids that the service gave to the messages in the hits.
func (f *fixture) labels(hits []index.Hit) (labels []string) {
	for _, h := range hits {
		labels = append(labels, f.records[h.Seq-1].Message.ServiceID)
	}
	return labels
}

func show(n query.Node) string {
	if n == nil {
		return "everything"
	}
	return fmt.Sprintf("%#v", n)
}

func (f *fixture) expect(what string, got, want any) {
	f.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		f.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// at returns a sent time, the given number of minutes after noon.
func at(minutes int) argus.Time {
	return argus.At(time.Date(2021, 2, 14, 12, minutes, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)
}

func text(label string, sent argus.Time, words string) argus.Message {
	return argus.Message{Service: "test", Conversation: "G", From: "a", ServiceID: label, Sent: sent, Text: words}
}

func testEmpty(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.check(index.Request{Limit: 10, Facets: []query.FieldName{query.From}, Histogram: index.ByDay})
	f.checkPage(index.PageRequest{Service: "test", Conversation: "G", Before: 5, After: 5})
	f.flush()
	f.expect("position", f.index.Position(), uint64(0))
	f.expect("stats", f.index.Stats().Messages, uint64(0))
	for err := range f.index.Check(t.Context()) {
		t.Errorf("check: %v", err)
	}
}

// Flushed records are there, even after reopening; all others are passed again, from
// Position on.
func testPosition(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.other(argus.KindOpening)
	f.other(argus.KindOriginal)
	f.add(0)
	f.flush()
	f.expect("position after records without a message", f.index.Position(), uint64(2))

	f.put(text("1", at(1), "one"), text("2", at(2), "two"))
	f.expect("position", f.index.Position(), uint64(4))
	f.message(1, text("3", at(3), "three"), 0)
	f.add(4)
	f.reopen()
	position := f.index.Position()
	if position < 4 || position > 5 {
		t.Fatalf("position after closing without a flush: %d", position)
	}
	f.add(position)
	f.flush()
	f.expect("position", f.index.Position(), uint64(5))
	f.expect("messages", f.index.Stats().Messages, uint64(3))
	f.expect("hits", f.labels(f.check(index.Request{Limit: 10}).Hits), []string{"3", "2", "1"})
	f.reopen()
	f.expect("hits after opening again", f.labels(f.check(index.Request{Limit: 10}).Hits), []string{"3", "2", "1"})
}

// Hits come newest first, by time, then the service's sequence, then position in the evidence,
// with unknown times last. Messages that arrive late take their place in the order.
func testOrder(t *testing.T, open index.Open) {
	f := setUp(t, open)
	second := text("second", at(5), "x")
	second.Sequence = 2
	first := text("first", at(5), "x")
	first.Sequence = 1
	f.put(text("old", at(1), "x"), second, text("unknown", argus.Time{}, "x"), first, text("new", at(9), "x"))
	f.put(text("late", at(3), "x"), text("later", at(7), "x"), text("oldest", at(0), "x"))
	want := []string{"new", "later", "second", "first", "late", "old", "oldest", "unknown"}
	for size := 1; size <= len(want)+1; size++ {
		var got []string
		var after *index.Cursor
		for {
			r := f.check(index.Request{Query: query.Word{Term: "x"}, Limit: size, After: after})
			if len(r.Hits) == 0 {
				break
			}
			got = append(got, f.labels(r.Hits)...)
			after = &r.Hits[len(r.Hits)-1].Cursor
		}
		f.expect(fmt.Sprintf("hits, %d at a time", size), got, want)
	}
	f.expect("hits for a limit of 0", f.check(index.Request{}).Hits, []index.Hit(nil))
}

// A message is found by each delivery in which it was seen.
func testSightings(t *testing.T, open index.Open) {
	f := setUp(t, open)
	first := f.message(1, text("1", at(1), "one"), 0)
	f.sighting(2, first) // before the first flush
	f.message(2, text("2", at(2), "two"), 0)
	f.add(0)
	f.flush()
	for range 2 {
		f.expect("D-0001", f.in(1), []string{"1"})
		f.expect("D-0002", f.in(2), []string{"2", "1"})
		f.reopen()
	}
	f.sighting(3, first)
	f.sighting(3, first)
	f.sighting(1, first+2)
	f.add(3)
	f.flush()
	for range 2 {
		f.expect("D-0001 after more sightings", f.in(1), []string{"2", "1"})
		f.expect("D-0003", f.in(3), []string{"1"})
		f.expect("not D-0003", f.labels(f.check(index.Request{
			Query: query.Not{Node: query.Field{Name: query.Delivery, Value: "D-0003"}}, Limit: 9,
		}).Hits), []string{"2"})
		f.expect("facet", f.check(index.Request{Facets: []query.FieldName{query.Delivery}}).Facets[query.Delivery],
			[]index.Count{{Value: "D-0001", Count: 2}, {Value: "D-0002", Count: 2}, {Value: "D-0003", Count: 1}})
		f.reopen()
	}
}

func (f *fixture) in(d argus.DeliveryNumber) []string {
	f.t.Helper()
	scope := query.Field{Name: query.Delivery, Value: d.String()}
	return f.labels(f.check(index.Request{Scope: scope, Limit: 9}).Hits)
}

// Differing copies of a message are one hit, which has the words of all copies and matches
// is:differs.
func testDifferingCopies(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(text("1", at(1), "meet at five"), text("2", at(2), "yes"))
	f.expect("before", f.check(index.Request{Query: query.Field{Name: query.Is, Value: "differs"}}).Total, uint64(0))
	f.message(2, text("1", at(1), "meet at six"), 1)
	f.add(2)
	f.flush()
	for range 2 {
		r := f.check(index.Request{Query: query.Field{Name: query.Is, Value: "differs"}, Limit: 9, Facets: []query.FieldName{query.Is}})
		f.expect("message", r.Total, uint64(1))
		f.expect("facet", r.Facets[query.Is], []index.Count{{Value: "differs", Count: 1}})
		f.expect("words of both", f.labels(f.check(index.Request{
			Query: query.And{Nodes: []query.Node{query.Word{Term: "five"}, query.Word{Term: "six"}}}, Limit: 9,
		}).Hits), []string{"1"})
		f.expect("a phrase of both", f.check(index.Request{Query: query.Phrase{Terms: []string{"five", "six"}}}).Total, uint64(0))
		f.expect("the other", f.labels(f.check(index.Request{
			Query: query.Not{Node: query.Field{Name: query.Is, Value: "differs"}}, Limit: 9,
		}).Hits), []string{"2"})
		f.expect("stats", f.index.Stats().Messages, uint64(2))
		f.reopen()
	}
}

// Nothing outside the scope is in any part of an answer.
func testScope(t *testing.T, open index.Open) {
	f := setUp(t, open)
	secret := text("secret", at(2), "hello")
	secret.From, secret.Conversation = "mallory", "H"
	f.put(text("open", at(1), "hello"), secret)
	scope := query.Field{Name: query.In, Value: "=G"}
	for range 2 { // the second answer may come from a cache
		for _, q := range []query.Node{nil, query.Word{Term: "hello"}, query.Field{Name: query.From, Value: "mallory"},
			query.Or{Nodes: []query.Node{query.All{}, query.Word{Term: "hello"}}}, query.Not{Node: query.Word{Term: "absent"}}} {
			f.check(index.Request{Query: q, Scope: scope, Limit: 9, Histogram: index.ByDay,
				Facets: []query.FieldName{query.From, query.To, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Country, query.Entity}})
		}
	}
	p := f.checkPage(index.PageRequest{Service: "test", Conversation: "H", Scope: scope, Before: 5, After: 5})
	f.expect("page outside the scope", p, &index.Page{})
	f.expect("hits in an empty scope", f.check(index.Request{Scope: query.Not{Node: query.All{}}, Limit: 9}).Total, uint64(0))
}

func testFacets(t *testing.T, open index.Open) {
	f := setUp(t, open)
	var messages []argus.Message
	for i := range 60 {
		m := text(fmt.Sprint(i), at(i), "x")
		m.From = fmt.Sprintf("account %02d", i%30)
		m.Lang = []string{"", "pt-BR", "nl"}[i%3]
		m.Text = []string{"call +44 7700 900123 and 004477009001230, no, +447700900123", "50k euro", "x"}[i%3]
		m.Service = []string{"test", "irc"}[i%2]
		if i%5 == 0 {
			m.State = argus.StateDeleted | argus.StateEdited
		}
		if i%10 == 0 {
			m.To, m.Extra = []string{"+31612345678", "+31612345679", "+32470123456"}, []argus.Field{{Name: "country", Value: "NL"}}
		}
		if i == 7 {
			m.From, m.State = "", argus.StateSystem
		}
		messages = append(messages, m)
	}
	f.put(messages[:20]...)
	f.put(messages[20:]...)
	fields := []query.FieldName{query.From, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Country, query.Entity}
	r := f.check(index.Request{Facets: fields})
	f.expect("default size", len(r.Facets[query.From]), 20)
	f.expect("languages", r.Facets[query.Lang], []index.Count{{Value: "nl", Count: 20}, {Value: "pt-br", Count: 20}, {Value: "unknown?", Count: 20}})
	f.expect("countries", r.Facets[query.Country], []index.Count{{Value: "BE?", Count: 6}, {Value: "NL", Count: 6}, {Value: "NL?", Count: 6}})
	f.expect("identifiers", r.Facets[query.Entity], []index.Count{{Value: "+447700900123", Count: 20}, {Value: "EUR 50000", Count: 20}})
	f.expect("identifiers in a scope", f.check(index.Request{Scope: query.Field{Name: query.Entity, Value: "amount"}, Facets: fields}).
		Facets[query.Entity], []index.Count{{Value: "EUR 50000", Count: 20}})
	f.expect("conversations", r.Facets[query.In], []index.Count{{Value: "G", Count: 60}})
	r = f.check(index.Request{Facets: fields, FacetSize: 1})
	f.expect("size", r.Facets[query.Is], []index.Count{{Value: "deleted", Count: 12}})
}

func testHistogram(t *testing.T, open index.Open) {
	f := setUp(t, open)
	var messages []argus.Message
	for i, sent := range []string{
		"1970-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "2020-01-01T00:00:00Z", "2020-01-01T00:59:59.999999Z",
		"2020-01-01T01:00:00Z", "2020-02-29T12:00:00Z", "2020-03-01T00:00:00+02:00", "2200-12-31T23:59:59Z",
	} {
		parsed, err := argus.ParseTime(sent)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, text(fmt.Sprint(i), parsed, "x"))
	}
	f.put(text("unknown", argus.Time{}, "x"))
	f.put(messages[3:]...)
	f.put(messages[:3]...)
	for _, width := range []index.Interval{index.ByHour, index.ByDay, index.ByMonth, index.ByYear} {
		f.check(index.Request{Histogram: width})
	}
	f.expect("years", f.check(index.Request{Histogram: index.ByYear}).Histogram, []index.Count{
		{Value: "1970", Count: 1}, {Value: "2019", Count: 1}, {Value: "2020", Count: 5}, {Value: "2200", Count: 1},
	})
}

// Turns are counted among the messages in the scope, across the parts of an index.
func testTurns(t *testing.T, open index.Open) {
	f := setUp(t, open)
	for i := range 20 {
		m := text(fmt.Sprint(i), at(i), []string{"ask", "filler", "filler", "answer"}[i%4])
		m.From = []string{"a", "b", "c"}[i%3]
		f.put(m)
	}
	f.put(text("late", argus.At(at(12).UTC().Add(30*time.Second), "", argus.ZoneStated, argus.Second), "filler"))
	f.message(2, text("3", at(3), "ask"), 4) // a copy of an answer
	f.add(21)
	f.flush()
	ask, answer := query.Word{Term: "ask"}, query.Word{Term: "answer"}
	hits := func(n, scope query.Node) []string {
		return f.labels(f.check(index.Request{Query: n, Scope: scope, Limit: 99}).Hits)
	}
	for range 2 {
		f.expect("within 3", hits(query.Then{First: ask, Second: answer, Within: 3}, nil), []string{"19", "11", "7", "3"})
		f.expect("within 4", hits(query.Then{First: ask, Second: answer, Within: 4}, nil), []string{"19", "15", "11", "7", "3"})
		f.expect("within 2", hits(query.Then{First: ask, Second: answer, Within: 2}, nil), []string(nil))
		f.expect("within 2 by another", hits(query.Then{First: ask, Second: answer, Within: 3, Other: true}, nil), []string(nil))
		scope := query.Not{Node: query.And{Nodes: []query.Node{query.Word{Term: "filler"}, query.Field{Name: query.From, Value: "=b"}}}}
		f.expect("within 2 in a scope", hits(query.Then{First: ask, Second: answer, Within: 2}, scope), []string{"11", "3"})
		f.expect("without it", hits(query.Not{Node: query.Then{First: ask, Second: answer, Within: 2}}, query.Or{Nodes: []query.Node{ask, answer}}),
			[]string{"16", "12", "8", "4", "0"})
		f.reopen()
	}
	if _, err := f.index.Search(t.Context(), index.Request{Scope: query.Then{First: ask, Second: answer, Within: 2}}); err == nil {
		t.Error("a scope with turns is accepted")
	}
}

func testPage(t *testing.T, open index.Open) {
	f := setUp(t, open)
	var all []string
	for round := range 3 {
		var messages []argus.Message
		for i := range 4 {
			m := text(fmt.Sprint(4*round+i), at(4*round+i), "x")
			all = append(all, m.ServiceID)
			other := m
			other.Service = "irc" // has a conversation with the same name
			messages = append(messages, m, other)
		}
		f.put(messages...)
	}
	hits := f.check(index.Request{Query: query.Field{Name: query.Service, Value: "test"}, Limit: 12}).Hits
	slices.Reverse(hits)
	page := f.checkPage(index.PageRequest{Service: "test", Conversation: "G", Around: &hits[5].Cursor, Before: 2, After: 3})
	f.expect("page", f.labels(page.Hits), all[3:9])
	f.expect("earlier and later", []uint64{page.Earlier, page.Later}, []uint64{3, 3})
	page = f.checkPage(index.PageRequest{Service: "test", Conversation: "G", Before: 4})
	f.expect("end", f.labels(page.Hits), all[8:])
	page = f.checkPage(index.PageRequest{Service: "test", Conversation: "g", Before: 4})
	f.expect("another conversation", page, &index.Page{})
	hidden := query.Not{Node: query.Sent{From: sentTime(&hits[5].Cursor), To: sentTime(&hits[6].Cursor)}}
	page = f.checkPage(index.PageRequest{Service: "test", Conversation: "G", Around: &hits[5].Cursor, Before: 1, After: 1, Scope: hidden})
	f.expect("around a message outside the scope", f.labels(page.Hits), []string{all[4], all[6]})
}

// Pairs name the receiving account if the message names it, and otherwise the
// conversation.
func testPairs(t *testing.T, open index.Open) {
	f := setUp(t, open)
	direct, group, system := text("1", at(1), "x"), text("2", at(2), "x"), text("3", at(3), "x")
	direct.To, group.To = []string{"b"}, []string{"b", "c"}
	system.From, system.State = "", argus.StateSystem
	again := direct
	again.ServiceID, again.Sent = "4", at(4)
	f.put(direct, group)
	f.put(system, again)
	first, last := at(1).UTC(), at(4).UTC()
	f.expect("pairs", f.check(index.Request{Pairs: 9}).Pairs, []index.Pair{
		{Service: "test", From: "a", To: "b", Count: 2, First: first, Last: last},
		{Service: "test", From: "a", Conversation: "G", Count: 1, First: at(2).UTC(), Last: at(2).UTC()},
	})
	f.expect("the most frequent", len(f.check(index.Request{Pairs: 1}).Pairs), 1)
}

// checkStream compares a whole stream with the slow answer.
func (f *fixture) checkStream(n, scope query.Node) {
	f.t.Helper()
	var got []index.Hit
	for hit, err := range f.index.Stream(context.Background(), n, scope) {
		if err != nil {
			f.t.Fatalf("stream %s: %v", show(n), err)
		}
		got = append(got, hit)
	}
	f.normal(got)
	want := f.search(index.Request{Query: n, Scope: scope, Limit: len(f.entries)}).Hits
	slices.Reverse(want)
	f.expect("stream "+show(n)+" in "+show(scope), got, want)
}

// A stream yields everything, oldest first, with late messages in their place.
func testStream(t *testing.T, open index.Open) {
	f := setUp(t, open)
	for batch := range 5 {
		var messages []argus.Message
		for i := range 10 {
			messages = append(messages, text(fmt.Sprintf("%d-%d", batch, i), at(7*i+batch), []string{"x", "y"}[i%2]))
		}
		messages[3].Sent = argus.Time{}
		f.put(messages...)
	}
	f.checkStream(nil, nil)
	f.checkStream(query.Word{Term: "x"}, query.Not{Node: query.Word{Term: "y"}})
	f.checkStream(query.Word{Term: "absent"}, nil)
	for _, err := range f.index.Stream(t.Context(), nil, nil) {
		if err != nil {
			t.Error(err)
		}
		break // a caller may stop early
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range f.index.Stream(ctx, nil, nil) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stream with a cancelled context: %v", err)
		}
	}
}

// Removed messages no longer appear in any answer, even after reopening.
func testRemoved(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(text("1", at(1), "one secret"), text("2", at(2), "two"), text("3", at(3), "three"))
	f.sighting(2, 1)
	f.add(3)
	f.remove(1, 3)
	for range 2 {
		r := f.check(index.Request{Limit: 9, Pairs: 9, Histogram: index.ByDay, Facets: []query.FieldName{query.From, query.Delivery}})
		f.expect("hits", f.labels(r.Hits), []string{"2"})
		f.expect("removed word", f.check(index.Request{Query: query.Word{Term: "secret"}}).Total, uint64(0))
		f.expect("its negation", f.check(index.Request{Query: query.Not{Node: query.Word{Term: "absent"}}}).Total, uint64(1))
		f.expect("its delivery", f.in(2), []string(nil))
		f.checkPage(index.PageRequest{Service: "test", Conversation: "G", Before: 9})
		f.checkStream(nil, nil)
		f.expect("messages", f.index.Stats().Messages, uint64(1))
		f.reopen()
	}
	f.put(text("4", at(4), "four"))
	f.remove(5)
	f.remove(5) // again
	f.expect("hits after more", f.labels(f.check(index.Request{Limit: 9}).Hits), []string{"2"})
}

func (f *fixture) remove(seqs ...uint64) {
	f.t.Helper()
	if err := f.index.Remove(context.Background(), seqs); err != nil {
		f.t.Fatalf("remove: %v", err)
	}
	f.removed = append(f.removed, seqs...)
}

// An answer that exceeds its budget states how far it is complete, and is complete that far.
func testBudget(t *testing.T, open index.Open) {
	f := setUp(t, open)
	const size = 400
	for batch := range 3 {
		var messages []argus.Message
		for i := range size {
			messages = append(messages, text(fmt.Sprintf("%d-%d", batch, i), at(60*(batch*size+i)), "x"))
		}
		f.put(messages...)
	}
	read := query.Regexp{Expr: "x"}
	f.check(index.Request{Query: read, Limit: 9, Budget: index.Budget{Time: time.Hour, Texts: 3 * size}})
	for _, budget := range []index.Budget{{Texts: 1}, {Texts: size + 1}, {Texts: 3*size - 1}, {Time: 1}} {
		r, err := f.index.Search(t.Context(), index.Request{Query: read, Limit: 3 * size, Budget: budget})
		if err != nil {
			t.Fatalf("budget %+v: %v", budget, err)
		}
		if r.Partial == nil || r.Partial.Why == "" {
			t.Errorf("budget %+v: %+v is not marked as partial", budget, r.Partial)
			continue
		}
		since := r.Partial.Since
		if !since.Equal(since.Truncate(24 * time.Hour)) {
			t.Errorf("budget %+v: %s reveals when a message was sent", budget, since)
		}
		whole := func(sent time.Time) bool { return !since.IsZero() && !sent.Before(since) }
		got := slices.DeleteFunc(r.Hits, func(h index.Hit) bool { return !whole(sentTime(&h.Cursor)) })
		var want []index.Hit
		f.normal(got)
		for _, e := range f.matching(nil, nil) {
			if whole(e.doc.Sent().UTC()) {
				want = append(want, e.hit)
			}
		}
		f.expect(fmt.Sprintf("budget %+v, hits since %s", budget, since), got, want)
		if r.Total < uint64(len(want)) || r.Total >= 3*size {
			t.Errorf("budget %+v: counted %d, %d of them since %s", budget, r.Total, len(want), since)
		}
	}
}

func testCancelled(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(text("1", at(1), "one two"), text("2", at(2), "two one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, q := range []query.Node{nil, query.Word{Term: "one"}, query.Phrase{Terms: []string{"one", "two"}}, query.Regexp{Expr: "o"}} {
		if r, err := f.index.Search(ctx, index.Request{Query: q, Limit: 9}); !errors.Is(err, context.Canceled) || r != nil {
			t.Errorf("search %s with a cancelled context: %v, %v", show(q), r, err)
		}
	}
	if _, err := f.index.Page(ctx, index.PageRequest{Service: "test", Conversation: "G", Before: 9}); !errors.Is(err, context.Canceled) {
		t.Errorf("page with a cancelled context: %v", err)
	}
	if err := f.index.Flush(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("flush with a cancelled context: %v", err)
	}
}

func testRefused(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(text("1", at(1), "one"))
	f.message(1, text("2", at(2), "two"), 0)
	f.message(1, text("3", at(3), "three"), 0)
	if err := f.index.Add(t.Context(), f.records[2:]); err == nil {
		t.Error("Add accepted a gap in the records")
	}
	for _, req := range []index.Request{
		{Facets: []query.FieldName{query.Has}}, {Facets: []query.FieldName{"colour"}}, {Histogram: "week"},
	} {
		if r, err := f.index.Search(t.Context(), req); err == nil {
			t.Errorf("search %+v returned %+v and no error", req, r)
		}
	}
	f.reopen()
	f.fails = errors.New("the disk is on fire")
	if r, err := f.index.Search(t.Context(), index.Request{Query: query.Regexp{Expr: "one"}}); !errors.Is(err, f.fails) {
		t.Errorf("search without texts returned %+v, %v", r, err)
	}
}

// A search that runs while messages arrive answers for one moment: it covers all records
// up to its position, and none after it.
func testConcurrent(t *testing.T, open index.Open) {
	f := setUp(t, open)
	const batches, size = 30, 7
	done := make(chan error)
	go func() {
		for {
			r, err := f.index.Search(context.Background(), index.Request{Query: query.Word{Term: "x"}, Limit: 3})
			if err == nil && r.Total != r.Position {
				err = fmt.Errorf("%d messages at position %d", r.Total, r.Position)
			}
			if err != nil || r.Total == batches*size {
				done <- err
				return
			}
		}
	}()
	for b := range batches {
		from := f.last()
		for i := range size {
			f.message(1, text(fmt.Sprintf("%d-%d", b, i), at(i), "x"), 0)
		}
		f.add(from)
		f.flush()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The query scripts are run twice: with their messages added in one batch, and one by one.
func testScripts(t *testing.T, open index.Open) {
	for _, script := range querytest.Scripts(t) {
		t.Run(script.Name, func(t *testing.T) {
			for _, batch := range []int{1 << 20, 3} {
				f := setUp(t, open)
				f.putScript(script, batch)
				for _, c := range script.Cases {
					if c.Err == "" {
						f.checkCase(c)
					}
				}
			}
		})
	}
}

func (f *fixture) putScript(script *querytest.Script, batch int) {
	f.t.Helper()
	for _, d := range script.Docs {
		of := uint64(0)
		for _, s := range d.Sightings {
			of = f.message(s.Delivery, *s.Message, of)
		}
	}
	for chunk := range slices.Chunk(f.records, batch) {
		if err := f.index.Add(context.Background(), chunk); err != nil {
			f.t.Fatalf("add: %v", err)
		}
		f.flush()
	}
}

func (f *fixture) checkCase(c querytest.Case) {
	f.t.Helper()
	n, err := query.Parse(c.Query, c.Options)
	if err != nil {
		f.t.Errorf("line %d: %v", c.Line, err)
		return
	}
	r := f.check(index.Request{Query: n, Scope: c.Scope, Limit: 1000})
	got, want := f.labels(r.Hits), slices.Clone(c.Want)
	slices.Sort(got)
	slices.Sort(want)
	f.expect(fmt.Sprintf("line %d: %s", c.Line, c.Query), got, want)
}

// Random records are added in random batches, and then random requests are made.
func testRandom(t *testing.T, open index.Open) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFixture(r, t.TempDir(), open)
		defer f.close()
		for range rapid.IntRange(1, 6).Draw(r, "batches") {
			from := f.last()
			for range rapid.IntRange(0, 30).Draw(r, "records") {
				f.randomRecord(r)
			}
			f.add(from)
			f.flush()
			if len(f.entries) > 0 && rapid.IntRange(0, 5).Draw(r, "remove") == 0 {
				f.remove(rapid.SampledFrom(f.entries).Draw(r, "removed").seqs[0])
			}
			if rapid.IntRange(0, 9).Draw(r, "reopen") == 0 {
				f.reopen()
			}
		}
		for range 20 {
			hits := f.check(randomRequest(r)).Hits
			req := index.PageRequest{
				Service:      rapid.SampledFrom(services).Draw(r, "service"),
				Conversation: rapid.SampledFrom(conversations).Draw(r, "conversation"),
				Scope:        randomNode(r, 1),
				Before:       rapid.IntRange(0, 5).Draw(r, "before"), After: rapid.IntRange(0, 5).Draw(r, "after"),
			}
			if len(hits) > 0 {
				req.Around = &hits[len(hits)/2].Cursor
			}
			f.checkPage(req)
		}
		f.checkStream(randomNode(r, 2), randomNode(r, 1))
		for err := range f.index.Check(context.Background()) {
			f.t.Errorf("check: %v", err)
		}
	})
}
