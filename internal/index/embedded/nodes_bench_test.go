package embedded

import (
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// BenchmarkNodes counts what each kind of node finds: the whole cost of it.
func BenchmarkNodes(b *testing.B) {
	var busy time.Duration
	ix := build(b, b.TempDir(), benchDocs(), &busy)
	defer ix.Close()
	ix.settle(b)
	c := newCorpus(corpusWords, corpusAccounts)
	for _, bench := range []struct {
		name string
		node query.Node
	}{
		{"part", query.Part{Term: c.vocabulary[400_000][1:4]}},
		{"end", query.Part{Term: c.vocabulary[400_000][3:], AtEnd: true}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var total uint64
			for b.Loop() {
				r, err := ix.Search(b.Context(), index.Request{Query: bench.node})
				if err != nil {
					b.Fatal(err)
				}
				total = r.Total
			}
			b.ReportMetric(float64(total), "hits")
		})
	}
}
