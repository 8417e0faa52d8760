package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// TestSameContentIsLinearWork searches among messages of one moment, which all have the same
// content or all have different contents. Ten times as many messages may take up to 40 times as
// long, because the machine is shared; a search that compares all pairs would take 100 times as
// long.
func TestSameContentIsLinearWork(t *testing.T) {
	sent := argus.At(time.Date(2021, 2, 14, 12, 0, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)
	for name, contents := range map[string]int{"one content": 1, "many contents": 1 << 30} {
		work := func(n int) time.Duration {
			ix := open(t, t.TempDir(), Options{BatchBytes: 1 << 20})
			defer ix.Close()
			var records []*argus.Record
			var wanted []query.Node
			for i := range n {
				m := &argus.Message{Service: "email", Conversation: "c", From: "a", ServiceID: fmt.Sprintf("an id that is long enough %d", i), Sent: sent, Text: fmt.Sprint("the schedule ", i%contents)}
				r := &argus.Record{Seq: uint64(i + 1), Kind: argus.KindMessage, Delivery: 1, Message: m}
				r.ID, r.Version = m.Identity()
				records = append(records, r)
				if i%(n/500) == 0 {
					wanted = append(wanted, query.Field{Name: query.Same, Value: query.One(m).SameKey().String()})
				}
			}
			feed(t, ix, records)
			best := time.Hour
			for range 5 {
				begun := time.Now()
				r, err := ix.Search(t.Context(), index.Request{Distinct: true, Limit: 10, Histogram: index.ByDay, Facets: []query.FieldName{query.From}})
				if want := uint64(min(n, contents)); err != nil || r.Total != uint64(n) || r.Distinct != want {
					t.Fatalf("%s: %d of %d, %v; want %d of %d", name, r.Distinct, r.Total, err, want, n)
				}
				if _, err := ix.Search(t.Context(), index.Request{Query: query.OrOf(wanted...), Facets: []query.FieldName{query.Same}}); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(begun))
			}
			return best
		}
		few, many := work(4000), work(40000)
		t.Logf("%s: %s for 4,000 messages, %s for 40,000", name, few, many)
		if many > 40*few {
			t.Errorf("%s: %s for 4,000 messages, %s for 40,000", name, few, many)
		}
	}
}
