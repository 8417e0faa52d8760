package embedded

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A corpus generates messages of 11 words and 60 bytes, distributed as in real text: a
// few words are frequent and many are rare (Zipf), 70,000 accounts, 120,000
// conversations, five years, almost in chronological order. The same seed gives the same
// messages.
type corpus struct {
	random        *rand.Rand
	words, people *rand.Zipf
	vocabulary    []string
	sent          int64
	seq           uint64
}

const (
	corpusWords    = 500_000
	corpusAccounts = 70_000
)

func newCorpus(words, accounts int) *corpus {
	c := &corpus{random: rand.New(rand.NewPCG(1, 2)), sent: time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()}
	c.words = rand.NewZipf(c.random, 1.1, 4, uint64(words-1))
	c.people = rand.NewZipf(c.random, 1.05, 50, uint64(accounts-1))
	const letters = "etaoinshrdlucmfwypvbgkqjxz"
	seen := map[string]bool{}
	for len(c.vocabulary) < words {
		word := make([]byte, 2+len(c.vocabulary)*5/words+c.random.IntN(4))
		for i := range word {
			word[i] = letters[int(c.random.ExpFloat64()*5)%len(letters)]
		}
		if !seen[string(word)] {
			seen[string(word)] = true
			c.vocabulary = append(c.vocabulary, string(word))
		}
	}
	return c
}

func account(i uint64) string { return fmt.Sprintf("%06X", i*7919%0xFFFFFF) }

func (c *corpus) next() *argus.Record {
	var text strings.Builder
	for i := range 11 {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(c.vocabulary[c.words.Uint64()])
	}
	conversation := c.people.Uint64()
	c.sent += c.random.Int64N(60e6)
	c.seq++
	m := &argus.Message{
		Service: "sky", Conversation: "G-" + strconv.FormatUint(conversation*12/7, 10),
		From: account(conversation + c.random.Uint64N(4)), To: []string{account(conversation + 4)}, Text: text.String(),
		Sent: argus.Time{Micros: c.sent - c.random.Int64N(3600e6), Precision: argus.Micro},
	}
	r := &argus.Record{Kind: argus.KindMessage, Seq: c.seq, Delivery: 1 + argus.DeliveryNumber(c.seq/5_000_000), Message: m}
	for i := range 2 {
		v := c.random.Uint64()
		for j := range 8 {
			r.ID[8*i+j] = byte(v >> (8 * j))
		}
	}
	return r
}

// watchMemory returns a function that returns the peak heap size in bytes since
// the call.
func watchMemory() (peak func() uint64) {
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return most.Load()
	}
}

// benchDocs returns the number of messages in a benchmark, from $ARGUS_BENCH_DOCS.
func benchDocs() int {
	if n, err := strconv.Atoi(os.Getenv("ARGUS_BENCH_DOCS")); err == nil {
		return n
	}
	return 1_000_000
}

func build(tb testing.TB, dir string, docs int, busy *time.Duration) *Index {
	ix, err := Open(dir, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	c := newCorpus(corpusWords, corpusAccounts)
	batch := make([]*argus.Record, 0, 10_000)
	for from := 0; from < docs; from += len(batch) {
		batch = batch[:0]
		for range min(cap(batch), docs-from) {
			batch = append(batch, c.next())
		}
		start := time.Now()
		if err := ix.Add(tb.Context(), batch); err != nil {
			tb.Fatal(err)
		}
		*busy += time.Since(start)
	}
	start := time.Now()
	if err := ix.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	*busy += time.Since(start)
	return ix
}

// settle waits until nothing is left to merge.
func (ix *Index) settle(tb testing.TB) {
	tb.Helper()
	if err := ix.Settle(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkBuild(b *testing.B) {
	for b.Loop() {
		docs := benchDocs()
		peak := watchMemory()
		var busy time.Duration
		ix := build(b, b.TempDir(), docs, &busy)
		start := time.Now()
		ix.settle(b)
		settled := time.Since(start)
		stats := ix.Stats()
		b.ReportMetric(float64(docs)/busy.Seconds(), "messages/s")
		b.ReportMetric(settled.Seconds(), "s-to-merge")
		b.ReportMetric(float64(stats.Bytes)/float64(docs), "B/message")
		b.ReportMetric(float64(peak())/1e6, "peakMB")
		b.ReportMetric(float64(stats.Segments), "segments")
		ix.Close()
	}
}

func BenchmarkSearch(b *testing.B) {
	var busy time.Duration
	ix := build(b, b.TempDir(), benchDocs(), &busy)
	defer ix.Close()
	ix.settle(b)
	c := newCorpus(corpusWords, corpusAccounts)
	word := func(rank int) query.Node { return query.Word{Term: c.vocabulary[rank]} }
	some := query.Or{}
	for rank := 40; rank < 60; rank++ {
		some.Nodes = append(some.Nodes, word(rank))
	}
	scope := query.And{Nodes: []query.Node{
		query.Field{Name: query.Delivery, Value: "D-0001"},
		query.Field{Name: query.In, Value: "=G-1", Prefix: true},
	}}
	for _, bench := range []struct {
		name string
		req  index.Request
	}{
		{"newest 50 of a rare word", index.Request{Query: word(100_000), Limit: 50}},
		{"newest 50 of a common word", index.Request{Query: word(0), Limit: 50}},
		{"count in a scope", index.Request{Query: word(0), Scope: scope}},
		{"count of two common words", index.Request{Query: query.And{Nodes: []query.Node{word(0), word(1)}}}},
		{"newest 50 of 20 words, not one", index.Request{Query: query.And{Nodes: []query.Node{some, query.Not{Node: word(0)}}}, Limit: 50}},
		{"phrase of two common words", index.Request{Query: query.Phrase{Terms: []string{c.vocabulary[0], c.vocabulary[1]}}}},
		{"prefix", index.Request{Query: query.Prefix{Term: c.vocabulary[400_000][:3]}, Limit: 50}},
		{"one typing error", index.Request{Query: query.Fuzzy{Term: c.vocabulary[400_000], Distance: 1}, Limit: 50}},
		{"two typing errors", index.Request{Query: query.Fuzzy{Term: c.vocabulary[400_000], Distance: 2}, Limit: 50}},
		{"top 20 senders", index.Request{Facets: []query.FieldName{query.From}}},
		{"top 20 senders in a scope", index.Request{Scope: scope, Facets: []query.FieldName{query.From}}},
		{"days", index.Request{Histogram: index.ByDay}},
		{"days of a common word", index.Request{Query: word(0), Histogram: index.ByDay}},
	} {
		b.Run(strings.ReplaceAll(bench.name, " ", "-"), func(b *testing.B) {
			var total uint64
			for b.Loop() {
				r, err := ix.Search(b.Context(), bench.req)
				if err != nil {
					b.Fatal(err)
				}
				total = r.Total
			}
			b.ReportMetric(float64(total), "hits")
		})
	}
	hits, err := ix.Search(b.Context(), index.Request{Query: query.Field{Name: query.In, Value: "=G-0"}, Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	slices.Reverse(hits.Hits)
	b.Run("page-of-a-conversation", func(b *testing.B) {
		for b.Loop() {
			_, err := ix.Page(b.Context(), index.PageRequest{
				Service: "sky", Conversation: "G-0", Around: &hits.Hits[len(hits.Hits)/2].Cursor, Before: 25, After: 25,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
