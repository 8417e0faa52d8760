package desk

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/query/explain"
	"github.com/argus-evidence/argus/internal/same"
)

const (
	defaultHits    = 20
	defaultSeconds = 30
	mostSeconds    = 3600
)

// MostHits is the maximum number of hits that Search returns at once.
const MostHits = 1000

// FacetFields are the fields that an answer can count by.
var FacetFields = []query.FieldName{query.From, query.To, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Country, query.Entity}

var intervals = []index.Interval{"", index.ByHour, index.ByDay, index.ByMonth, index.ByYear, index.ByWeekHour}

// Search finds messages, newest first. If the query does not parse, it returns a
// *query.SyntaxError; that is not an act, so the ledger has no entry for it.
func (d *Desk) Search(ctx context.Context, who Who, req SearchRequest) (*SearchResult, error) {
	asked, err := d.parseSearch(req)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return answer(ctx, d, who, searchAct(req, asked.Query), func(p *Permit) (*SearchResult, error) { return p.search(ctx, asked) })
}

// Search does the same as [Desk.Search].
func (p *Permit) Search(ctx context.Context, req SearchRequest) (*SearchResult, error) {
	return within(p, func() (*SearchResult, error) {
		asked, err := p.desk.parseSearch(req)
		if err != nil {
			return nil, err
		}
		return p.search(ctx, asked)
	})
}

func searchAct(req SearchRequest, asked query.Node) ledger.Act {
	act := ledger.Act{Action: ledger.Search, Subject: subject(req.Query), Detail: map[string]string{}}
	for name, value := range map[string]string{"zone": req.Zone, "next": req.Next, "lists": lists(asked)} {
		if value != "" {
			act.Detail[name] = subject(value)
		}
	}
	return act
}

// SearchAll calls found with each message that the request's query finds, oldest first,
// without a limit. It uses only the request's Query and Zone. It checks the authority
// repeatedly, so that the answer is cut off when the authority ends. It returns the
// number of messages.
func (d *Desk) SearchAll(ctx context.Context, who Who, req SearchRequest, found func(Hit) error) (n uint64, err error) {
	asked, err := d.parseSearch(SearchRequest{Query: req.Query, Zone: req.Zone})
	if err != nil {
		return 0, fmt.Errorf("search: %w", err)
	}
	act := searchAct(req, asked.Query)
	act.Detail["all"] = "true"
	err = d.Act(ctx, who, act, func(p *Permit) error {
		n, err = p.searchAll(ctx, asked.Query, found)
		return err
	})
	return n, err
}

// SearchAll does the same as [Desk.SearchAll].
func (p *Permit) SearchAll(ctx context.Context, req SearchRequest, found func(Hit) error) (n uint64, err error) {
	if p.over.Load() {
		return 0, ErrOver
	}
	asked, err := p.desk.parseSearch(SearchRequest{Query: req.Query, Zone: req.Zone})
	if err != nil {
		return 0, err
	}
	return p.searchAll(ctx, asked.Query, found)
}

func (p *Permit) searchAll(ctx context.Context, asked query.Node, found func(Hit) error) (n uint64, err error) {
	position := p.desk.parts.Index.Position() // the stream shows the evidence as it is now or later
	if err := p.desk.parts.Evidence.Refresh(); err != nil {
		return 0, err
	}
	if asked, err = p.sames(ctx, asked); err != nil {
		return 0, err
	}
	marks, matches := query.Compile(asked), matching(asked)
	leave := func(batch []index.Hit) error {
		hits, err := p.hits(ctx, batch, position, matches)
		if err != nil {
			return err
		}
		for _, h := range hits {
			if n%decideEvery == decideEvery-1 {
				if err := p.Still(ctx); err != nil {
					return err
				}
			}
			if p.over.Load() {
				return ErrOver
			}
			h.Marks = marks.Marks(h.Message.Text)
			if err := found(h); err != nil {
				return err
			}
			n++
		}
		return nil
	}
	var batch []index.Hit
	for hit, err := range p.desk.parts.Index.Stream(ctx, asked, p.scope) {
		if err != nil {
			return n, err
		}
		if batch = append(batch, hit); len(batch) == MostHits {
			if err := leave(batch); err != nil {
				return n, err
			}
			batch = batch[:0]
		}
	}
	return n, leave(batch)
}

// decideEvery is the number of messages that leave between two checks of the authority.
const decideEvery = 100

// lists names the lists in a query along with their hashes, each once.
func lists(n query.Node) string {
	var names []string
	for one := range query.Each(n) {
		if l, ok := one.(query.List); ok {
			l.Field = ""
			names = append(names, l.String())
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// parseSearch returns the request for the index, but without the scope.
func (d *Desk) parseSearch(req SearchRequest) (index.Request, error) {
	ask := index.Request{Limit: count(req.Limit, defaultHits, MostHits), Histogram: req.Histogram}
	o, err := d.reading(req.Zone)
	if err != nil {
		return ask, err
	}
	ask.Zone = o.Zone
	seconds := min(cmp.Or(req.MaxSeconds, defaultSeconds), mostSeconds)
	if seconds < 0 {
		return ask, fmt.Errorf("%w: max_seconds is %v", ErrRequest, req.MaxSeconds)
	}
	ask.Budget.Time = time.Duration(seconds * float64(time.Second))
	if ask.Query, err = query.Parse(req.Query, o); err != nil {
		return ask, err
	}
	if req.Next != "" {
		data, err := base64.RawURLEncoding.DecodeString(req.Next)
		if err == nil {
			err = json.Unmarshal(data, &ask.After)
		}
		if err != nil {
			return ask, fmt.Errorf("%w: next %q is not the token of an earlier answer", ErrRequest, subject(req.Next))
		}
	}
	if err := req.validDistinct(); err != nil {
		return ask, err
	}
	ask.Distinct = req.Distinct
	for _, field := range req.Facets {
		if !slices.Contains(FacetFields, field) {
			return ask, fmt.Errorf("%w: there is no facet %q; the facets are %q", ErrRequest, field, FacetFields)
		}
	}
	ask.Facets, ask.FacetSize, ask.Pairs = req.Facets, allOf(req.FacetSize), allOf(req.Pairs)
	if !slices.Contains(intervals, req.Histogram) {
		return ask, fmt.Errorf("%w: there is no histogram by %q; the intervals are %q", ErrRequest, req.Histogram, intervals[1:])
	}
	return ask, nil
}

// reading returns the options for queries in a time zone.
func (d *Desk) reading(zone string) (query.Options, error) {
	at, err := time.LoadLocation(zone)
	if err != nil {
		return query.Options{}, fmt.Errorf("%w: unknown time zone %q", ErrRequest, zone)
	}
	return query.Options{Zone: at, Lists: d.parts.Lists}, nil
}

// Change returns the text of a query that is narrowed or widened. It reads no data and is
// not an act.
func (d *Desk) Change(req ChangeRequest) (*Changed, error) {
	o, err := d.reading(req.Zone)
	if err != nil {
		return nil, err
	}
	text, n, err := req.Apply(req.Query, o)
	if errors.Is(err, query.ErrChange) {
		err = fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err != nil {
		return nil, err
	}
	return &Changed{text, query.NarrowedTo(n), explain.Query(n)}, nil
}

// allOf returns the requested number of values; a negative number means all.
func allOf(asked int) int {
	if asked < 0 {
		return math.MaxInt
	}
	return asked
}

// count returns the requested number, with its default and its maximum applied.
func count(asked, usual, most int) int {
	if asked == 0 {
		return usual
	}
	return max(0, min(asked, most))
}

func (p *Permit) search(ctx context.Context, ask index.Request) (*SearchResult, error) {
	limit := ask.Limit
	ask.Scope = p.scope
	var err error
	if ask.Query, err = p.sames(ctx, ask.Query); err != nil {
		return nil, err
	}
	if limit > 0 {
		ask.Limit++ // one more, to know whether more follow
	}
	found, err := p.desk.parts.Index.Search(ctx, ask)
	if err != nil {
		return nil, err
	}
	if err := p.desk.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	result := &SearchResult{
		Query: ask.Query.String(), Narrowed: query.NarrowedTo(ask.Query), Total: found.Total, Messages: found.Messages, Beside: found.Beside, Distinct: found.Distinct, Differing: found.Differing, Facets: found.Facets, Partial: found.Partial,
		Behind: p.desk.parts.Evidence.Last() - min(found.Position, p.desk.parts.Evidence.Last()), Entry: p.entry,
	}
	result.Histogram, result.Sparse = withSilence(found.Histogram, ask.Histogram, ask.Zone)
	if err := p.names(ctx, ask, found, result); err != nil {
		return nil, err
	}
	if len(found.Hits) > limit {
		found.Hits = found.Hits[:limit]
		if result.Next, err = next(found.Hits[limit-1].Cursor); err != nil {
			return nil, err
		}
	}
	if result.Hits, err = p.hits(ctx, found.Hits, found.Position, matching(ask.Query)); err != nil {
		return nil, err
	}
	marks := query.Compile(ask.Query)
	for i := range result.Hits {
		result.Hits[i].Marks = marks.Marks(result.Hits[i].Message.Text)
	}
	if !p.all {
		result.Behind = min(result.Behind, 1)
	}
	return result, nil
}

func next(c index.Cursor) (string, error) {
	data, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(data), err
}

// matching returns a function that reports whether a message, as its asker sees it,
// matches a query, as far as that can be told without the messages before it.
func matching(asked query.Node) func(*query.Doc) bool {
	m := query.Compile(query.Alone(asked))
	return func(d *query.Doc) bool {
		var c query.Candidate
		c.Reset(d)
		return m.Match(&c)
	}
}

// hits reads the messages that the index found, as of a position in the evidence, and
// checks again that each is in the scope and matches the query. Hits are scattered across
// the evidence, so all cores read.
func (p *Permit) hits(ctx context.Context, found []index.Hit, position uint64, asked func(*query.Doc) bool) ([]Hit, error) {
	hits, keys, err := p.readHits(ctx, found, position, asked)
	if err != nil {
		return nil, err
	}
	return hits, p.countSame(ctx, hits, keys)
}

// readHits does the work of hits, but does not count messages with the same content. It
// returns the keys of the contents.
func (p *Permit) readHits(ctx context.Context, found []index.Hit, position uint64, asked func(*query.Doc) bool) ([]Hit, []same.Key, error) {
	hits, contents := make([]*Hit, len(found)), make([]same.Key, len(found))
	work, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(found)) {
		work.Go(func() (err error) {
			for i := int(next.Add(1)) - 1; i < len(found) && err == nil; i = int(next.Add(1)) - 1 {
				hits[i], contents[i], err = p.hit(ctx, found[i], position, asked)
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, nil, err
	}
	in, keys := make([]Hit, 0, len(hits)), contents[:0]
	for i, h := range hits {
		if h != nil {
			in, keys = append(in, *h), append(keys, contents[i])
		}
	}
	return in, keys, nil
}

// hit reads one message that the index found, with the key of its content. It returns nil
// if the message is no longer in the scope. It returns an error if at no moment since the
// index saw it was the message in the scope and a match in this place: then the index
// belongs to other evidence.
func (p *Permit) hit(ctx context.Context, found index.Hit, position uint64, asked func(*query.Doc) bool) (_ *Hit, key same.Key, err error) {
	r, err := p.desk.get(ctx, found.Seq)
	if err != nil {
		return nil, key, err
	}
	if r.Kind == 0 {
		return nil, key, nil // a newer reading replaced it after the index saw it
	}
	m, err := p.desk.message(ctx, r.MessageID())
	if err != nil {
		return nil, key, err
	}
	now := p.sees(m)
	right, covered := false, false
	for n := len(m.records); n > 0 && !right; n-- {
		s := now
		if n < len(m.records) {
			if m.records[n].Seq <= position {
				break // before the index saw the message
			}
			s = p.sees(m.first(n))
		}
		covered = covered || s != nil
		right = s != nil && found.Cursor == index.CursorOf(&s.Doc) && asked(&s.Doc)
	}
	switch {
	case right, p.desk.parts.Evidence.Known() != p.readings:
	case !covered:
		return nil, key, wrongIndex(found.Seq, "is outside the scope")
	default:
		return nil, key, wrongIndex(found.Seq, "does not match the query, or is in the wrong place")
	}
	if now == nil {
		return nil, key, nil // it left the scope after the index saw it
	}
	hit := now.hit()
	for _, n := range hit.Deliveries {
		if sealed, err := p.desk.isSealed(n); err != nil {
			return nil, key, err
		} else if !sealed {
			hit.Unsealed = append(hit.Unsealed, n)
		}
	}
	return &hit, now.SameKey(), nil
}

// isSealed reports whether a delivery has a seal. A sealed delivery stays sealed.
func (d *Desk) isSealed(n argus.DeliveryNumber) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sealed[n] {
		return true, nil
	}
	sealed, err := d.parts.Evidence.Sealed(n)
	d.sealed[n] = sealed
	return sealed, err
}

func wrongIndex(seq uint64, how string) error {
	return fmt.Errorf("the index gave record %d, which %s: %w: the index belongs to other evidence; `argus reindex` rebuilds it from the evidence", seq, how, argus.ErrDamaged)
}

func (s *seen) hit() Hit {
	versions := s.Versions()
	return Hit{
		Ref: s.ID(), Version: versions[0].Version, Message: s.Union(), Deliveries: s.Deliveries(),
		Sightings: len(s.Sightings), Versions: len(versions),
		AlsoLocked: !s.Locked() && slices.ContainsFunc(versions, func(v *query.Sighting) bool { return v.Message.State&argus.StateLocked != 0 }),
	}
}

// countIn counts the messages that have a sighting, within the scope, in a delivery.
func (p *Permit) countIn(ctx context.Context, in argus.DeliveryNumber) (uint64, error) {
	if query.IsNothing(query.For(p.scope, in)) {
		return 0, nil
	}
	found, err := p.in(ctx, in)
	if err != nil {
		return 0, err
	}
	return found.Total, nil
}

// in searches the part of a delivery that is in the scope.
func (p *Permit) in(ctx context.Context, in argus.DeliveryNumber) (*index.Result, error) {
	return p.desk.parts.Index.Search(ctx, index.Request{Query: query.Field{Name: query.Delivery, Value: in.String()}, Scope: p.scope, Distinct: true})
}
