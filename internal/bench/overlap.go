package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/world"
)

// Overlap is the cost of deliveries that share messages.
type Overlap struct {
	// Copies counts the copies read from the ten deliveries, and Messages the distinct
	// messages.
	Copies   uint64 `json:"copies"`
	Messages uint64 `json:"messages"`
	// Overlapping is the store with all copies; Once is the store with a single copy of
	// each message.
	Overlapping Taken `json:"overlapping"`
	Once        Taken `json:"once"`
	// IndexBytes and IndexBytesOnce are the sizes of the two indexes.
	IndexBytes     int64 `json:"index_bytes"`
	IndexBytesOnce int64 `json:"index_bytes_once"`
	// Questions are the questions put to the overlapping store.
	Questions []ScopedQuestion `json:"questions"`
}

// ScopedQuestion is a question to the index, asked both without a scope and in a scope of three
// of the ten deliveries. Rounds of the two kinds alternate.
type ScopedQuestion struct {
	Name          string        `json:"name"`
	Median        time.Duration `json:"median_ns"`
	InScope       time.Duration `json:"median_in_scope_ns"`
	Found         uint64        `json:"found"`
	FoundInScope  uint64        `json:"found_in_scope"`
	OnceMedian    time.Duration `json:"median_once_ns"`
	DifferInScope uint64        `json:"differ_in_scope"`
}

// overlap makes both stores and asks the questions.
func overlap(ctx context.Context, o Options) (*Overlap, error) {
	r := new(Overlap)
	nodeOptions := node.Options{Formats: o.Formats, KeyDir: filepath.Join(o.Dir, "keys")}
	stores := map[bool]string{}
	for _, once := range []bool{true, false} {
		name, taken := "overlapping", &r.Overlapping
		if once {
			name, taken = "once", &r.Once
		}
		o.Say("writing ten deliveries, " + name)
		dir := filepath.Join(o.Dir, name)
		deliveries, err := writeOverlap(dir, o.Messages, once)
		if err != nil {
			return nil, err
		}
		stores[once] = dir + ".argus"
		if err := node.Create(ctx, stores[once], nodeOptions); err != nil {
			return nil, err
		}
		for _, delivery := range deliveries {
			o.Say("ingesting " + filepath.Join(name, filepath.Base(delivery)))
			if err := taken.add(func() error { return ingest(ctx, stores[once], delivery, nodeOptions, o.Apart) }); err != nil {
				return nil, err
			}
		}
		taken.PerSecond = float64(o.Messages) / taken.Seconds
	}
	o.Say("asking with and without a scope")
	return r, r.ask(ctx, stores, o.Rounds)
}

func writeOverlap(dir string, messages int, once bool) (names []string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var files [world.BenchDeliveries]*bufio.Writer
	var into [world.BenchDeliveries]io.Writer
	for i := range files {
		name := filepath.Join(dir, fmt.Sprintf("delivery-%02d.jsonl", i+1))
		f, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files[i] = bufio.NewWriterSize(f, 1<<20)
		into[i], names = files[i], append(names, name)
	}
	if err := world.BenchOverlap(into, 1, messages, once); err != nil {
		return nil, err
	}
	for _, f := range files {
		err = errors.Join(err, f.Flush())
	}
	return names, err
}

func (r *Overlap) ask(ctx context.Context, stores map[bool]string, rounds int) error {
	e, err := openEngine(stores[false])
	if err != nil {
		return err
	}
	once, err := openEngine(stores[true])
	if err != nil {
		return errors.Join(err, e.close())
	}
	r.IndexBytes, r.IndexBytesOnce, r.Messages = e.index.Stats().Bytes, once.index.Stats().Bytes, e.index.Stats().Messages
	deliveries, err := e.evidence.Deliveries(ctx)
	for _, d := range deliveries {
		if d.Seal != nil {
			r.Copies += d.Seal.Counts.Read
		}
	}
	if err == nil {
		err = r.questions(ctx, e, once, rounds)
	}
	return errors.Join(err, e.close(), once.close())
}

func (r *Overlap) questions(ctx context.Context, e, once engine, rounds int) error {
	scope, err := query.Parse("delivery:2 OR delivery:5 OR delivery:9", query.Options{})
	if err != nil {
		return err
	}
	word := func(term string) query.Node { return query.Word{Term: term} }
	both := query.And{Nodes: []query.Node{word(commonWord), word(otherCommon)}}
	for _, q := range []struct {
		name string
		req  index.Request
	}{
		{"newest 50, common word", index.Request{Query: word(commonWord), Limit: fetched}},
		{"newest 50, rare word", index.Request{Query: word(rareWord), Limit: fetched}},
		{"count a common word", index.Request{Query: word(commonWord)}},
		{"two common words", index.Request{Query: both}},
		{"a word and not another", index.Request{Query: query.And{Nodes: []query.Node{word(commonWord), query.Not{Node: word(otherCommon)}}}}},
		{"phrase", index.Request{Query: query.Phrase{Terms: []string{commonWord, otherCommon}}}},
		{"prefix", index.Request{Query: query.Prefix{Term: "ka"}}},
		{"part of a word", index.Request{Query: query.Part{Term: "zak"}}},
		{"top 20 senders of a word", index.Request{Query: word(commonWord), Facets: []query.FieldName{query.From}}},
		{"deliveries of a word", index.Request{Query: word(commonWord), Facets: []query.FieldName{query.Delivery}}},
		{"histogram by day", index.Request{Query: word(commonWord), Histogram: index.ByDay}},
		{"100 pairs of a word", index.Request{Query: word(commonWord), Pairs: 100}},
		{"everything", index.Request{}},
	} {
		one := ScopedQuestion{Name: q.name}
		inScope := q.req
		inScope.Scope = scope
		took := map[string][]time.Duration{}
		ask := func(what string, e engine, req index.Request) (*index.Result, error) {
			started := time.Now()
			found, err := e.index.Search(ctx, req)
			took[what] = append(took[what], time.Since(started))
			return found, err
		}
		for range rounds {
			all, err := ask("all", e, q.req)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			some, err := ask("scope", e, inScope)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			if _, err := ask("once", once, q.req); err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			one.Found, one.FoundInScope, one.DifferInScope = all.Total, some.Total, some.Differing
		}
		median := func(what string) time.Duration {
			slices.Sort(took[what])
			return took[what][len(took[what])/2]
		}
		one.Median, one.InScope, one.OnceMedian = median("all"), median("scope"), median("once")
		r.Questions = append(r.Questions, one)
	}
	return nil
}

// Slowest returns the question that a scope slows down most, and by which factor.
func (r *Overlap) Slowest() (name string, times float64) {
	for _, q := range r.Questions {
		if t := float64(q.InScope) / float64(max(q.Median, 20*time.Microsecond)); t > times {
			name, times = strings.Clone(q.Name), t
		}
	}
	return name, times
}
