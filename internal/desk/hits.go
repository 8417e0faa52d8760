package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// KnownRequest asks for accounts that sent or received messages.
type KnownRequest struct {
	// Question is the SHA-256 of the file of the question that is answered.
	Question string
	// Asked reports whether the question asks for an account.
	Asked func(account string) bool
}

// Known are the accounts that are asked for and have messages in the scope.
type Known struct {
	Accounts []string
	// Entry is the number of the act in the ledger.
	Entry uint64
}

// Known looks for accounts, for another store that asks whether there are messages of them.
// Under an authority with the code H2 it is refused.
func (d *Desk) Known(ctx context.Context, who Who, req KnownRequest) (*Known, error) {
	act := ledger.Act{Action: ledger.AnswerHits, Detail: map[string]string{"sha256": req.Question}}
	return answer(ctx, d, who, act, func(p *Permit) (*Known, error) { return p.Known(ctx, req) })
}

// Known looks for accounts as [Desk.Known] does.
func (p *Permit) Known(ctx context.Context, req KnownRequest) (*Known, error) {
	return within(p, func() (*Known, error) {
		if err := p.passes(); err != nil {
			return nil, err
		}
		found, err := p.search(ctx, index.Request{Query: query.All{}, Facets: []query.FieldName{query.From, query.To}, FacetSize: allOf(-1)})
		if err != nil {
			return nil, err
		}
		if found.Partial != nil {
			return nil, fmt.Errorf("%w: it takes too long to look for all accounts", ErrRequest)
		}
		known := map[string]bool{}
		for _, t := range slices.Concat(found.Facets[query.From], found.Facets[query.To]) {
			if req.Asked(t.Value) {
				known[t.Value] = true
			}
		}
		return &Known{slices.Sorted(maps.Keys(known)), p.entry}, nil
	})
}

// passes returns argus.ErrRefused if nothing that the authority covers may be passed on.
func (p *Permit) passes() error {
	if slices.Contains(p.authority.Handling, "H2") {
		return fmt.Errorf("%w: authority %s has the handling code H2: its data are not passed on without the permission of their owner", argus.ErrRefused, p.authority.Number)
	}
	return nil
}
