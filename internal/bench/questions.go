package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/query"
)

// asking puts a series of questions to a store.
type asking struct {
	store    string
	rounds   int
	cold     bool
	only     string
	say      func(string)
	answered []Question
}

// ask asks one question and returns the count in its answer.
type ask func(round int) (uint64, error)

func (a *asking) measure(of, name string, cold time.Duration, ask ask) error {
	took := make([]time.Duration, a.rounds)
	var found uint64
	for i := range took {
		started := time.Now()
		var err error
		if found, err = ask(i); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		took[i] = time.Since(started)
	}
	slices.Sort(took)
	a.answered = append(a.answered, Question{Of: of, Name: name, Median: took[a.rounds/2], P99: took[a.rounds*99/100], Cold: cold, Found: found})
	return nil
}

// engine holds the sources that the desk reads, without the desk.
type engine struct {
	evidence *evidence.Store
	index    *embedded.Index
}

func openEngine(store string) (engine, error) {
	e, err := evidence.Open(store, evidence.Options{ReadOnly: true})
	if err != nil {
		return engine{}, err
	}
	current, err := evidence.NewCurrent(e)
	if err != nil {
		return engine{}, errors.Join(err, e.Close())
	}
	ix, err := embedded.Open(filepath.Join(store, "index"), embedded.Options{Evidence: evidence.Copies{Current: current}, ReadOnly: true})
	if err != nil {
		return engine{}, errors.Join(err, e.Close())
	}
	return engine{e, ix}, nil
}

func (e engine) close() error { return errors.Join(e.index.Close(), e.evidence.Close()) }

// The words used in the questions: some are common in the corpus, one is rare.
const (
	commonWord, otherCommon = "is", "het"
	rareWord                = "takivad"
)

// fetched is the number of messages in a list.
const fetched = 50

// index puts the questions to the index, and reads the messages found from the evidence.
func (a *asking) index(ctx context.Context) error {
	e, err := openEngine(a.store)
	if err != nil {
		return err
	}
	// Messages from the middle of the corpus, with others on both sides.
	middle := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	some, err := e.index.Search(ctx, index.Request{Limit: 1000, After: &index.Cursor{Micros: middle, Known: true}})
	if err != nil {
		return errors.Join(err, e.close())
	}
	if len(some.Hits) == 0 {
		return errors.Join(errors.New("the corpus has no messages"), e.close())
	}
	list, err := engineQuestions(ctx, e, some.Hits)
	if err != nil {
		return errors.Join(err, e.close())
	}
	a.say("asking the index")
	for _, q := range list {
		if !strings.Contains(q.name, a.only) {
			continue
		}
		cold := time.Duration(0)
		if a.cold {
			if err := e.close(); err != nil {
				return err
			}
			if err := forget(a.store); err != nil {
				return fmt.Errorf("drop the store from memory: %w", err)
			}
			if e, err = openEngine(a.store); err != nil {
				return err
			}
			started := time.Now()
			if _, err := q.ask(e)(0); err != nil {
				return errors.Join(err, e.close())
			}
			cold = time.Since(started)
		}
		if err := a.measure("index", q.name, cold, q.ask(e)); err != nil {
			return errors.Join(err, e.close())
		}
	}
	return e.close()
}

type engineQuestion struct {
	name string
	ask  func(engine) ask
}

func engineQuestions(ctx context.Context, e engine, some []index.Hit) ([]engineQuestion, error) {
	scope, err := thirtyPercent(ctx, e)
	if err != nil {
		return nil, err
	}
	search := func(req index.Request) func(engine) ask {
		return func(e engine) ask {
			return func(int) (uint64, error) {
				found, err := e.index.Search(ctx, req)
				if err != nil {
					return 0, err
				}
				return found.Total, nil
			}
		}
	}
	word := func(term string) query.Node { return query.Word{Term: term} }
	both := query.And{Nodes: []query.Node{word(commonWord), word(otherCommon)}}
	var many query.Or
	for _, term := range []string{"de", "een", "en", "van", "ik", "je", "niet", "dat", "op", "te", "in", "met", "voor", "the", "a", "to", "and", "you", "it", "of"} {
		many.Nodes = append(many.Nodes, word(term))
	}
	from := []query.FieldName{query.From}
	parsed := func(text string) query.Node {
		n, err := query.Parse(text, query.Options{})
		if err != nil {
			panic(err) // a question in the table below is invalid
		}
		return n
	}
	return []engineQuestion{
		{"newest 50, common word", search(index.Request{Query: word(commonWord), Limit: fetched})},
		{"newest 50, rare word", search(index.Request{Query: word(rareWord), Limit: fetched})},
		{"newest 50, scope of 30 %", search(index.Request{Query: word(commonWord), Scope: scope, Limit: fetched})},
		{"count a common word", search(index.Request{Query: word(commonWord)})},
		{"count, scope of 30 %", search(index.Request{Query: word(commonWord), Scope: scope})},
		{"two common words", search(index.Request{Query: both})},
		{"OR of 20 words, NOT one", search(index.Request{Limit: fetched,
			Query: query.And{Nodes: []query.Node{many, query.Not{Node: word(commonWord)}}}})},
		{"phrase", search(index.Request{Query: query.Phrase{Terms: []string{commonWord, otherCommon}}})},
		{"prefix", search(index.Request{Query: query.Prefix{Term: "taki"}})},
		{"one typing error", search(index.Request{Query: query.Fuzzy{Term: rareWord, Distance: 1}})},
		{"part of a word", search(index.Request{Query: parsed("*akiva*")})},
		{"top 20 senders", search(index.Request{Query: word(commonWord), Facets: from})},
		{"top 20 senders, 30 %", search(index.Request{Scope: scope, Facets: from})},
		{"histogram by day", search(index.Request{Query: word(commonWord), Histogram: index.ByDay})},
		{"100 pairs of a word", search(index.Request{Query: word(commonWord), Pairs: 100})},
		// The first run reads from the disk whatever is not in memory.
		{"page, a different one", func(e engine) ask {
			return func(i int) (uint64, error) { return e.page(ctx, some[i*7%len(some)]) }
		}},
		{"page, the same again", func(e engine) ask {
			return func(i int) (uint64, error) { return e.page(ctx, some[i*7%len(some)]) }
		}},
		{"fetch 50 messages", func(e engine) ask {
			return func(i int) (uint64, error) {
				begin := i * 13 % max(1, len(some)-fetched)
				return e.fetch(ctx, some[begin:min(len(some), begin+fetched)])
			}
		}},
	}, nil
}

// thirtyPercent returns a scope of accounts that wrote 30 % of the messages.
func thirtyPercent(ctx context.Context, e engine) (query.Node, error) {
	found, err := e.index.Search(ctx, index.Request{Facets: []query.FieldName{query.From}, FacetSize: 1 << 20})
	if err != nil {
		return nil, err
	}
	var scope query.Or
	covered := uint64(0)
	for _, sender := range found.Facets[query.From] {
		if covered*10 >= found.Total*3 {
			break
		}
		covered += sender.Count
		scope.Nodes = append(scope.Nodes, query.Field{Name: query.From, Value: query.Exact + sender.Value})
	}
	return scope, nil
}

// fetch reads the messages of hits on all cores, as the desk does.
func (e engine) fetch(ctx context.Context, hits []index.Hit) (uint64, error) {
	work, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(hits)) {
		work.Go(func() (err error) {
			for i := int(next.Add(1)) - 1; i < len(hits) && err == nil; i = int(next.Add(1)) - 1 {
				_, err = e.evidence.Get(ctx, hits[i].Seq)
			}
			return err
		})
	}
	return uint64(len(hits)), work.Wait()
}

// page reads the conversation around a message.
func (e engine) page(ctx context.Context, around index.Hit) (uint64, error) {
	r, err := e.evidence.Get(ctx, around.Seq)
	if err != nil {
		return 0, err
	}
	page, err := e.index.Page(ctx, index.PageRequest{
		Service: r.Message.Service, Conversation: r.Message.Conversation, Around: &around.Cursor, Before: 25, After: 25,
	})
	if err != nil {
		return 0, err
	}
	return e.fetch(ctx, page.Hits)
}

// desk puts the questions to the desk, including the writes to the ledger.
func (a *asking) desk(ctx context.Context, o node.Options) error {
	n, err := node.Open(ctx, a.store, o)
	if err != nil {
		return err
	}
	a.say("asking the desk")
	return errors.Join(a.askDesk(ctx, n), n.Close())
}

func (a *asking) askDesk(ctx context.Context, n *node.Node) error {
	who, err := n.Who(ctx, desk.Who{})
	if err != nil {
		return err
	}
	some, err := n.Desk.Search(ctx, who, desk.SearchRequest{Query: "sent:..2020", Limit: 1000})
	if err != nil {
		return err
	}
	ref := func(i int) argus.ID { return some.Hits[i*7%len(some.Hits)].Ref }
	for _, q := range []struct {
		name string
		ask  ask
	}{
		{"show a message", func(i int) (uint64, error) {
			shown, err := n.Desk.Show(ctx, who, ref(i).String(), false)
			if err != nil {
				return 0, err
			}
			return uint64(len(shown.Versions)), nil
		}},
		{"page of a conversation", func(i int) (uint64, error) {
			page, err := n.Desk.Page(ctx, who, desk.PageRequest{Ref: ref(i).String()})
			if err != nil {
				return 0, err
			}
			return uint64(len(page.Hits)), nil
		}},
		{"newest 50, common word", func(int) (uint64, error) {
			found, err := n.Desk.Search(ctx, who, desk.SearchRequest{Query: commonWord, Limit: fetched})
			if err != nil {
				return 0, err
			}
			return found.Total, nil
		}},
	} {
		if !strings.Contains(q.name, a.only) {
			continue
		}
		if err := a.measure("desk", q.name, 0, q.ask); err != nil {
			return err
		}
	}
	return nil
}
