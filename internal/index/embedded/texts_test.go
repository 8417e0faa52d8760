package embedded

import (
	"context"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// counted counts the texts that are read.
type counted struct {
	texts
	reads int
}

func (c *counted) Whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	c.reads++
	return c.texts.Whole(ctx, seq)
}

// Texts are read only where terms cannot decide, and only as many as allowed.
func TestTexts(t *testing.T) {
	var records texts
	for i := range 100 {
		m := argus.Message{Service: "test", Conversation: "G", From: "a", Text: "boat 12"}
		switch {
		case i < 40:
			m.Text, m.From = "Ship ahoy", "b"
		case i < 50:
			m.Text = "BOAT12 there"
		}
		r := &argus.Record{Kind: argus.KindMessage, Seq: uint64(i + 1), Delivery: 1, Message: &m}
		r.ID, r.Version = m.Identity()
		records = append(records, r)
	}
	text := &counted{texts: records}
	ix := open(t, t.TempDir(), Options{Evidence: text})
	defer ix.Close()
	for _, batch := range []texts{records[:30], records[30:70], records[70:]} {
		if err := ix.Add(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := ix.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	inB := query.Field{Name: query.From, Value: "=b"}
	regexp := func(expr string) query.Node { return query.Regexp{Expr: expr} }
	for _, c := range []struct {
		query, scope query.Node
		hits         uint64
		reads        int
		partial      bool
	}{
		{query: regexp(`[A-Z]+\d`), hits: 10, reads: 10},
		{query: regexp(`OAT|xyz`), partial: true},
		{query: regexp(`S.*y$`), hits: 40, reads: 40},
		{query: regexp(`[^0-9a-s]$`), partial: true},
		{query: regexp(`[^0-9a-s]$`), scope: inB, hits: 40, reads: 40},
		{query: query.And{Nodes: []query.Node{regexp(`[^0-9a-s]$`), inB}}, hits: 40, reads: 40},
		{query: query.Or{Nodes: []query.Node{regexp(`[^0-9a-s]$`), inB}}, partial: true},
		{query: query.Then{First: regexp(`[^0-9a-s]$`), Second: query.Word{Term: "boat"}, Within: 1}, partial: true},
		{query: query.Word{Term: "ship"}, scope: regexp(`[^0-9a-s]$`), partial: true},
		{query: query.Written{Text: "BOAT12"}, hits: 10, reads: 10},
		{query: query.Written{Text: "Boat"}, reads: 50},
	} {
		text.reads = 0
		r, err := ix.Search(t.Context(), index.Request{Query: c.query, Scope: c.scope, Budget: index.Budget{Texts: 50}})
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.query, err)
		case c.partial:
			if r.Partial == nil || text.reads > 50 {
				t.Errorf("%s: a whole answer with %d texts read", c.query, text.reads)
			}
		case r.Partial != nil || r.Total != c.hits || text.reads != c.reads:
			t.Errorf("%s: %+v, with %d texts read, want %d hits and %d texts", c.query, r, text.reads, c.hits, c.reads)
		}
	}
}
