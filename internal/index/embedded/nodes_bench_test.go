package embedded

import (
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// BenchmarkNodes counts the hits of each kind of node, measuring its full cost.
func BenchmarkNodes(b *testing.B) {
	var busy time.Duration
	ix := build(b, b.TempDir(), benchDocs(), &busy)
	ix.options.Evidence = texts(nil)
	defer ix.Close()
	ix.settle(b)
	c := newCorpus(corpusWords, corpusAccounts)
	words, people := query.List{}, query.List{Field: query.With}
	for i := range 10_000 {
		words.Nodes = append(words.Nodes, query.Word{Term: c.vocabulary[1000+40*i]})
		people.Nodes = append(people.Nodes, query.Field{Name: query.With, Value: query.Exact + account(uint64(7*i))})
	}
	for _, bench := range []struct {
		name string
		node query.Node
	}{
		{"part", query.Part{Term: c.vocabulary[400_000][1:4]}},
		{"end", query.Part{Term: c.vocabulary[400_000][3:], AtEnd: true}},
		{"common words within 5 turns", query.Then{First: query.Word{Term: c.vocabulary[0]}, Second: query.Word{Term: c.vocabulary[1]}, Within: 5}},
		{"rare words within 5 turns", query.Then{First: query.Word{Term: c.vocabulary[3000]}, Second: query.Word{Term: c.vocabulary[3001]}, Within: 5, Other: true}},
		{"stem", query.Stem{Term: c.vocabulary[5000], Lang: "en"}},
		{"number", query.Number{Digits: "0612345678"}},
		{"expression in a word", query.Regexp{Expr: `[A-Z]{4}\d{7}`}},
		{"expression with a word", query.Regexp{Expr: c.vocabulary[400_000] + "x.*y"}},
		{"list of 10,000 words", words},
		{"list of 10,000 accounts", people},
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
