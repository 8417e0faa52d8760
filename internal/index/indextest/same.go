package indextest

import (
	"fmt"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// Messages with the same content are found by that content and, if the request asks for it,
// counted once: inside the scope, whatever copies the messages have and in whatever order the
// copies arrived.
func testSame(t *testing.T, open index.Open) {
	in := func(m argus.Message, conversation string) argus.Message { m.Conversation = conversation; return m }
	locked := text("3", at(1), "")
	locked.State, locked.Locked = argus.StateLocked, &argus.Locked{Payload: []byte{1}}
	minute := in(text("2", at(1), "hello"), "H")
	minute.Sent.Precision = argus.Minute
	edited := in(text("2", at(1), "hello, edited"), "H")
	records := []func(f *fixture){
		func(f *fixture) { f.message(1, text("1", at(1), "hello"), 0) },
		func(f *fixture) { f.message(2, in(text("2", at(1), "hello \n"), "H"), f.first("2")) },
		func(f *fixture) { f.message(1, minute, f.first("2")) },
		func(f *fixture) { f.message(3, edited, f.first("2")) },
		func(f *fixture) { f.message(1, locked, 0) },
		func(f *fixture) { f.message(1, in(text("4", at(1), "hello"), "I"), 0) },
		func(f *fixture) { f.message(1, text("5", at(1), "something else"), 0) },
		func(f *fixture) { f.message(1, in(text("6", at(2), "hello"), "I"), 0) },
		func(f *fixture) { f.message(2, text("7", argus.Time{}, "hello"), 0) },
		func(f *fixture) { f.message(2, in(text("8", argus.Time{}, "hello"), "H"), 0) },
	}
	hello := text("1", at(1), "hello")
	key := query.One(&hello).SameKey()
	same := query.Field{Name: query.Same, Value: key.String()}
	for turn := range records {
		f := setUp(t, open)
		for i := range records {
			from := f.last()
			records[(i+turn)%len(records)](f)
			if f.add(from); i%4 == 3 {
				f.flush()
			}
		}
		f.flush()
		for range 2 {
			scopes := map[string]query.Node{
				"everything":       nil,
				"no edited copy":   query.Not{Node: query.Word{Term: "edited"}},
				"delivery 1":       query.Field{Name: query.Delivery, Value: "D-0001"},
				"delivery 2":       query.Field{Name: query.Delivery, Value: "D-0002"},
				"delivery 1 and 2": query.Or{Nodes: []query.Node{query.Field{Name: query.Delivery, Value: "D-0001"}, query.Field{Name: query.Delivery, Value: "D-0002"}}},
				"conversation":     query.Field{Name: query.In, Value: "=I"},
				"the content":      same,
			}
			for name, scope := range scopes {
				for _, n := range []query.Node{nil, same, query.Not{Node: same}, query.Or{Nodes: []query.Node{query.Word{Term: "else"}, same}}, query.Word{Term: "hello"}} {
					for _, limit := range []int{0, 1, 20} {
						f.check(index.Request{Query: n, Scope: scope, Distinct: limit > 0, Limit: limit, Facets: []query.FieldName{query.Same, query.From, query.In}, Histogram: index.ByDay, Pairs: 9})
					}
				}
				got := f.check(index.Request{Query: same, Scope: scope, Distinct: true, Limit: 9})
				want := map[string]uint64{"delivery 1": 2, "delivery 2": 1, "delivery 1 and 2": 3, "conversation": 1}[name]
				if want > 0 && got.Total != want || got.Distinct != 1 || len(got.Hits) != 1 {
					t.Errorf("in %s, %d messages have the content, %d distinct, %d hits; want %d", name, got.Total, got.Distinct, len(got.Hits), want)
				}
			}
			f.reopen()
		}
	}
}

// first returns the first record of a message of the test, or 0 if there is none.
func (f *fixture) first(label string) uint64 {
	for _, e := range f.entries {
		if f.whole[e.seqs[0]-1].Message.ServiceID == label {
			return e.seqs[0]
		}
	}
	return 0
}

// testManySame has one content in very many messages of several flushes.
func testManySame(t *testing.T, open index.Open) {
	f := setUp(t, open)
	for i := range 300 {
		m := text(fmt.Sprint("m", i), at(i%2), "hello")
		m.Conversation = fmt.Sprint(i)
		f.message(1, m, 0)
		if i%70 == 0 {
			f.add(f.index.Position())
			f.flush()
		}
	}
	f.add(f.index.Position())
	f.flush()
	got := f.check(index.Request{Distinct: true, Limit: 1, Facets: []query.FieldName{query.Same}, Histogram: index.ByDay})
	f.expect("distinct", got.Distinct, uint64(2))
	next := f.check(index.Request{Distinct: true, Limit: 1, After: &got.Hits[0].Cursor})
	f.expect("the next page", len(next.Hits), 1)
	f.expect("the last page", len(f.check(index.Request{Distinct: true, Limit: 1, After: &next.Hits[0].Cursor}).Hits), 0)
}
