package desk

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// office is a desk with real evidence, authorities and a real ledger. Its index matches
// each message in turn, and it counts everything that was read.
type office struct {
	*Desk
	evidence *evidence.Store
	ledger   *ledger.Ledger
	reads    atomic.Int64
	now      time.Time
}

func newOffice(t testing.TB) *office {
	t.Helper()
	dir := t.TempDir()
	o := &office{now: start}
	var err error
	if o.evidence, err = evidence.Create(dir, evidence.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.evidence.Close() })
	private, public, err := ledger.NewKey("test")
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return o.now }
	o.ledger, err = ledger.Create(filepath.Join(dir, "ledger"), ledger.Options{PrivateKey: private, PublicKey: public, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.ledger.Close() })
	authorities, err := authority.Open(filepath.Join(dir, "authorities"))
	if err != nil {
		t.Fatal(err)
	}
	spy := &spyStore{o.evidence, &o.reads}
	o.Desk = New(Parts{Evidence: spy, Index: &scanner{store: o.evidence, reads: &o.reads}, Ledger: o.ledger, Authorities: authorities, Lists: func(name, hash string) (*query.WordList, error) {
		goods, err := query.ParseList("goods", []byte("harbour\nprice"))
		if name != "goods" || hash != "" && hash != goods.Hash {
			return nil, argus.ErrNotFound
		}
		return goods, err
	}})
	return o
}

// grant adds an authority for everybody and returns an asker under it.
func (o *office) grant(t testing.TB, scope string) Who {
	t.Helper()
	return o.grantAs(t, authority.Authority{Scope: scope})
}

func (o *office) grantAs(t testing.TB, a authority.Authority) Who {
	t.Helper()
	a.Basis, a.GrantedBy, a.Purpose = "own data", "anna", "tests"
	added, err := o.parts.Authorities.Add(a, start, func(authority.Number, argus.Hash) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return Who{"anna", added.Number.String(), "to see"}
}

// deliver ingests one file with a line for each record.
func (o *office) deliver(t testing.TB, source string, records ...*argus.Record) argus.DeliveryNumber {
	t.Helper()
	n, err := o.evidence.Begin(t.Context(), argus.Opening{Source: source, Authority: "A-0001", Actor: "anna", Readers: []string{"lines/1", "other/2"}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, r := range records {
		line := "?"
		if r.Message != nil {
			line = r.Message.Text
		}
		r.Where = argus.Where{Reader: 1, Record: uint64(i + 1), Offset: int64(text.Len()), Length: int64(len(line))}
		text.WriteString(line + "\n")
	}
	file, err := o.evidence.PutOriginal(t.Context(), strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	file.Path = source + ".txt"
	original := &argus.Record{Kind: argus.KindOriginal, Original: &file}
	if err := o.evidence.Append(t.Context(), n, []*argus.Record{original}); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		r.Where.Original = original.Seq
	}
	if err := o.evidence.Append(t.Context(), n, records); err != nil {
		t.Fatal(err)
	}
	return n
}

// sent makes a record. Day counts from 2021-02-14. If id is not empty, it is the
// beginning of the message's id, and also the message's ServiceID.
func sent(id string, day int, from, in, text string) *argus.Record {
	at := time.Date(2021, 2, 14+day, 9, 0, 0, 0, time.UTC)
	m := &argus.Message{Service: "test", Conversation: in, Title: "about " + in, From: from, ServiceID: id, Text: text, Sent: argus.At(at, "", argus.ZoneStated, argus.Second)}
	r := &argus.Record{Kind: argus.KindMessage, Message: m}
	r.ID, r.Version = m.Identity()
	if id != "" {
		full := id + strings.Repeat("0", 32-len(id))
		if err := r.ID.UnmarshalText([]byte(full)); err != nil {
			panic(err)
		}
	}
	return r
}

func quarantined(reason string) *argus.Record {
	return &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: reason, Raw: []byte("?")}}
}

// spyStore counts reads from the evidence.
type spyStore struct {
	*evidence.Store
	reads *atomic.Int64
}

func (s *spyStore) Get(ctx context.Context, seq uint64) (*argus.Record, error) {
	s.reads.Add(1)
	return s.Store.Get(ctx, seq)
}

func (s *spyStore) Whole(ctx context.Context, seq uint64) (*argus.Message, error) {
	s.reads.Add(1)
	return s.Store.Whole(ctx, seq)
}

func (s *spyStore) Find(id argus.ID) ([]evidence.Entry, error) {
	s.reads.Add(1)
	return s.Store.Find(id)
}

func (s *spyStore) FindPrefix(digits string, limit int) ([]argus.ID, error) {
	s.reads.Add(1)
	return s.Store.FindPrefix(digits, limit)
}

func (s *spyStore) Deliveries(ctx context.Context) ([]evidence.Delivery, error) {
	s.reads.Add(1)
	return s.Store.Deliveries(ctx)
}

func (s *spyStore) From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error] {
	s.reads.Add(1)
	return s.Store.From(ctx, seq)
}

func (s *spyStore) Records(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	s.reads.Add(1)
	return s.Store.Records(ctx, d)
}

func (s *spyStore) AsSealed(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error] {
	s.reads.Add(1)
	return s.Store.Records(ctx, d)
}

func (s *spyStore) Known() argus.DeliveryNumber { return 0 }

func (s *spyStore) OpenOriginal(of argus.Original) (*evidence.OriginalFile, error) {
	s.reads.Add(1)
	return s.Store.OpenOriginal(of)
}

// scanner is an index that matches every message with every request.
type scanner struct {
	index.Index // nil: scanner itself has the methods that the desk calls
	store       *evidence.Store
	reads       *atomic.Int64
	// until, if not 0, is the last record that the index has seen.
	until uint64
	// leak makes the index ignore the scope.
	leak bool
	// forged, if not nil, changes the hits.
	forged func(*index.Hit)
}

func (s *scanner) Position() uint64 {
	if s.until != 0 {
		return s.until
	}
	return s.store.Last()
}

type scanned struct {
	query.Doc
	hit index.Hit
}

// scan returns the matching messages in a scope, oldest first.
func (s *scanner) scan(ctx context.Context, n, scope query.Node) ([]scanned, error) {
	s.reads.Add(1)
	var order []argus.ID
	all, bySeq := map[argus.ID][]query.Sighting{}, map[uint64]*argus.Message{}
	firsts := map[argus.ID]uint64{}
	for r, err := range s.store.From(ctx, 1) {
		if err != nil {
			return nil, err
		}
		if r.Seq > s.Position() {
			break
		}
		id, says := r.MessageID(), r.Message
		switch r.Kind {
		case argus.KindMessage:
			bySeq[r.Seq] = says
		case argus.KindSighting:
			says = says.Join(bySeq[r.Of])
		default:
			continue
		}
		if all[id] == nil {
			order, firsts[id] = append(order, id), r.Seq
		}
		all[id] = append(all[id], query.Sighting{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: says})
	}
	covers := query.Compile(scope)
	var found []scanned
	for _, id := range order {
		d := query.Doc{Sightings: covers.Select(all[id])}
		if len(d.Sightings) > 0 && query.Match(n, &d) {
			found = append(found, scanned{d, index.Hit{Seq: firsts[id], Cursor: index.CursorOf(&d)}})
		}
	}
	slices.SortFunc(found, func(a, b scanned) int { return query.Compare(&a.Doc, &b.Doc) })
	for i := range found {
		if s.forged != nil {
			s.forged(&found[i].hit)
		}
	}
	return found, nil
}

func compare(a, b index.Cursor) int {
	return cmp.Or(cmp.Compare(a.Micros, b.Micros), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID, b.ID))
}

func (s *scanner) Search(ctx context.Context, req index.Request) (*index.Result, error) {
	if s.leak {
		req.Scope = nil
	}
	found, err := s.scan(ctx, req.Query, req.Scope)
	if err != nil {
		return nil, err
	}
	result := &index.Result{Total: uint64(len(found)), Messages: uint64(len(found)), Position: s.Position(), Facets: map[query.FieldName][]index.Count{}}
	for i := range found {
		if found[i].Differs() {
			result.Differing++
		}
	}
	if req.Distinct {
		seen := map[same.Key]bool{}
		for i := len(found) - 1; i >= 0; i-- {
			key := found[i].SameKey()
			if seen[key] {
				found = slices.Delete(found, i, i+1)
			}
			seen[key] = key != same.Key{}
		}
		result.Distinct = uint64(len(found))
	}
	for _, field := range req.Facets {
		result.Facets[field] = counts(found, func(d *query.Doc) []string { return query.Terms(d, field) })
	}
	if req.Histogram == index.ByDay {
		result.Histogram = counts(found, func(d *query.Doc) []string { return []string{d.Sent().UTC().Format("2006-01-02")} })
	}
	slices.Reverse(found)
	for _, d := range found {
		if (req.After == nil || compare(d.hit.Cursor, *req.After) < 0) && len(result.Hits) < req.Limit {
			result.Hits = append(result.Hits, d.hit)
		}
	}
	return result, nil
}

func (s *scanner) Stream(ctx context.Context, n, scope query.Node) iter.Seq2[index.Hit, error] {
	return func(yield func(index.Hit, error) bool) {
		found, err := s.scan(ctx, n, scope)
		if err != nil {
			yield(index.Hit{}, err)
			return
		}
		for i := range found {
			if !yield(found[i].hit, nil) {
				return
			}
		}
	}
}

func counts(found []scanned, values func(*query.Doc) []string) []index.Count {
	by := map[string]uint64{}
	for i := range found {
		for _, v := range values(&found[i].Doc) {
			by[v]++
		}
	}
	list := []index.Count{}
	for v, n := range by {
		list = append(list, index.Count{Value: v, Count: n})
	}
	slices.SortFunc(list, func(a, b index.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	return list
}

func (s *scanner) Page(ctx context.Context, req index.PageRequest) (*index.Page, error) {
	if s.leak {
		req.Scope = nil
	}
	found, err := s.scan(ctx, nil, req.Scope)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(d scanned) bool {
		return !isIn(&d.Doc, req.Service, req.Conversation)
	})
	first, last := len(found)-min(len(found), req.Before), len(found)
	if req.Around != nil {
		at := slices.IndexFunc(found, func(d scanned) bool { return d.hit.Cursor == *req.Around })
		if at < 0 {
			return nil, fmt.Errorf("no such place")
		}
		first, last = max(0, at-req.Before), min(len(found), at+1+req.After)
	}
	page := &index.Page{Earlier: uint64(first), Later: uint64(len(found) - last)}
	for _, d := range found[first:last] {
		page.Hits = append(page.Hits, d.hit)
	}
	return page, nil
}
