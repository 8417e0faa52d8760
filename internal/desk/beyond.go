package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/query/explain"
)

// BeyondRequest asks how much of a query's result an authority leaves out.
type BeyondRequest struct {
	// Authority is the number of the authority, not that of the asker.
	Authority string `json:"authority"`
	Query     string `json:"query"`
	// Zone is the time zone of dates in the query. Default: UTC.
	Zone string `json:"zone,omitempty"`
}

// Beyond counts the messages that a query finds inside and outside an authority's scope,
// for whoever decides whether to extend the authority. It names no content, account or
// conversation, and counts only messages inside the asker's own scope.
type Beyond struct {
	Authority authority.Number `json:"authority"`
	Query     string           `json:"query"`
	// Scope states the scope of the authority in plain words.
	Scope   string `json:"scope"`
	Inside  Amount `json:"inside"`
	Outside Amount `json:"outside"`
	// Services, Deliveries and Months hold the counts outside the authority's scope. A
	// message inside the scope with a copy outside counts for the delivery of that copy.
	Services   []argus.Tally `json:"services,omitempty"`
	Deliveries []argus.Tally `json:"deliveries,omitempty"`
	Months     []argus.Tally `json:"months,omitempty"`
}

// Amount is a number of messages, along with the numbers of calls, contacts and other
// types.
type Amount struct {
	Messages uint64        `json:"messages"`
	Beside   []argus.Tally `json:"beside,omitempty"`
}

// Beyond counts the messages of a result that an authority leaves out.
func (d *Desk) Beyond(ctx context.Context, who Who, req BeyondRequest) (*Beyond, error) {
	act := ledger.Act{Action: ledger.Beyond, Subject: subject(req.Query), Detail: map[string]string{"of": subject(req.Authority)}}
	return answer(ctx, d, who, act, func(p *Permit) (*Beyond, error) { return p.beyond(ctx, req) })
}

// Beyond does the same as [Desk.Beyond].
func (p *Permit) Beyond(ctx context.Context, req BeyondRequest) (*Beyond, error) {
	return within(p, func() (*Beyond, error) { return p.beyond(ctx, req) })
}

func (p *Permit) beyond(ctx context.Context, req BeyondRequest) (*Beyond, error) {
	asked, err := p.desk.parseSearch(SearchRequest{Query: req.Query, Zone: req.Zone, Limit: -1, Histogram: "month",
		Facets: []query.FieldName{query.Service, query.Delivery}, FacetSize: -1})
	if err != nil {
		return nil, err
	}
	// A message that the query names may be outside the authority's scope.
	if asked.Query, err = p.sames(ctx, asked.Query); err != nil {
		return nil, err
	}
	number, err := authority.ParseNumber(req.Authority)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	scope, err := p.desk.parts.Authorities.Scope(number)
	if err != nil {
		return nil, err
	}
	narrow := &Permit{desk: p.desk, authority: p.authority, scope: query.AndOf(p.scope, scope), entry: p.entry, request: p.request, readings: p.readings}
	narrow.all, narrow.matcher = query.IsAll(narrow.scope), query.Compile(narrow.scope)
	in, err := narrow.search(ctx, asked)
	if err != nil {
		return nil, err
	}
	all, err := p.search(ctx, asked) // second, so that messages that arrive in the meantime count as outside
	if err != nil {
		return nil, err
	}
	if all.Partial != nil || in.Partial != nil {
		return nil, fmt.Errorf("%w: counting takes too long; narrow the query", ErrRequest)
	}
	return &Beyond{
		Authority: number, Query: req.Query, Scope: explain.Query(scope), Inside: Amount{in.Messages, in.Beside},
		Outside:    Amount{all.Messages - min(in.Messages, all.Messages), less(all.Beside, in.Beside)},
		Services:   less(all.Facets[query.Service], in.Facets[query.Service]),
		Deliveries: less(all.Facets[query.Delivery], in.Facets[query.Delivery]),
		Months:     less(all.Histogram, in.Histogram),
	}, nil
}

// less subtracts counts from larger ones and leaves out zeros. The result is sorted by
// value.
func less(all, some []argus.Tally) (rest []argus.Tally) {
	of := map[string]uint64{}
	for _, t := range some {
		of[t.Value] = t.Count
	}
	for _, t := range all {
		if n := t.Count - min(of[t.Value], t.Count); n > 0 {
			rest = append(rest, argus.Tally{Value: t.Value, Name: t.Name, Count: n})
		}
	}
	slices.SortFunc(rest, func(a, b argus.Tally) int { return cmp.Compare(a.Value, b.Value) })
	return rest
}
