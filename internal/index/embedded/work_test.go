package embedded

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// TestManyCopiesAreLinearWork adds many copies of one message, of two, and of as many
// messages as there are pairs of copies, and searches them: ten times as many copies must
// cause at most twelve times the work. It counts the records that the index reads and the
// bytes that it allocates.
func TestManyCopiesAreLinearWork(t *testing.T) {
	for name, copied := range map[string]func(i int) (id int, text string){
		"equal":     func(int) (int, string) { return 0, "good" },
		"differing": func(i int) (int, string) { return 0, fmt.Sprintf("good %d", i) },
		"of two":    func(i int) (int, string) { return i % 2, fmt.Sprintf("good %d", i) },
		"pairs":     func(i int) (int, string) { return i / 2, fmt.Sprintf("good %d", i) },
	} {
		t.Run(name, func(t *testing.T) {
			work := func(n int) (reads, bytes float64) {
				e := &copiesOf{by: map[argus.ID][]uint64{}}
				for i := range n {
					id, text := copied(i)
					e.add(id, text)
				}
				ix, err := Open(t.TempDir(), Options{Evidence: e, BatchBytes: 32 << 10})
				if err != nil {
					t.Fatal(err)
				}
				defer ix.Close()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for _, r := range e.records {
					if err := ix.Add(t.Context(), []*argus.Record{r}); err != nil {
						t.Fatal(err)
					}
				}
				if err := ix.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				scope := query.Not{Node: query.Field{Name: query.From, Value: "nobody"}}
				found, err := ix.Search(t.Context(), index.Request{Query: query.Word{Term: "good"}, Scope: scope, Limit: 10,
					Facets: []query.FieldName{query.From, query.Is}})
				if err != nil || found.Total != uint64(len(e.by)) {
					t.Fatalf("found %d messages, %v; want %d", found.Total, err, len(e.by))
				}
				runtime.ReadMemStats(&after)
				return float64(e.reads), float64(after.TotalAlloc - before.TotalAlloc)
			}
			const few = 2000 // groups are written at doublings; this is as far from one as ten times as many
			reads, bytes := work(few)
			tenReads, tenBytes := work(10 * few)
			t.Logf("%d copies: %.0f records read, %.1f MB; %d: %.0f, %.1f MB", few, reads, bytes/1e6, 10*few, tenReads, tenBytes/1e6)
			if tenReads > 12*reads || tenBytes > 12*bytes {
				t.Errorf("ten times the copies are %.1f times the reads and %.1f times the bytes", tenReads/reads, tenBytes/bytes)
			}
		})
	}
}

// copiesOf is evidence with copies of messages that counts how often it is read.
type copiesOf struct {
	records []*argus.Record
	by      map[argus.ID][]uint64
	reads   int
}

func (e *copiesOf) add(id int, text string) {
	m := &argus.Message{Service: "sky", Conversation: "c", From: "a", ServiceID: fmt.Sprintf("an id that is long enough %d", id), Text: text}
	r := &argus.Record{Seq: uint64(len(e.records) + 1), Kind: argus.KindMessage, Delivery: 1, Message: m}
	r.ID, r.Version = m.Identity()
	if before := e.by[r.ID]; len(before) > 0 {
		r.Of = before[0]
	}
	e.by[r.ID] = append(e.by[r.ID], r.Seq)
	e.records = append(e.records, r)
}

func (e *copiesOf) Whole(_ context.Context, seq uint64) (*argus.Record, error) {
	e.reads++
	return e.records[seq-1], nil
}

func (e *copiesOf) Copies(_ context.Context, id argus.ID) ([]uint64, error) { return e.by[id], nil }
