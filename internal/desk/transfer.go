package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// CaseRequest is the request of another store for the messages of a case.
type CaseRequest struct {
	// Request is the SHA-256 of its file.
	Request string
	// Query selects each copy that is asked for, as a scope does. Default: all of them.
	Query query.Node
}

// CaseCounts count the messages that a request would get under an authority. They have no
// content and no name.
type CaseCounts struct {
	Amount
	// Accounts sent or received the messages. Conversations and Days have some of them;
	// days are those of UTC.
	Accounts      int `json:"accounts"`
	Conversations int `json:"conversations"`
	Days          int `json:"days"`
	// Entry is the number of the act in the ledger.
	Entry uint64 `json:"entry"`
}

// Transferred are the messages that leave for another store.
type Transferred struct {
	// Copies are the copies that the authority covers and the request asks for, by their
	// deliveries and places, each with its proof; Messages are the messages that they are of.
	Copies   []*evidence.Proved
	Messages uint64
	// Left counts further copies that are left out: of deliveries that are not sealed, and
	// parts that are gone by an order.
	Left uint64
	// Seals are the signed seals of the deliveries.
	Seals map[argus.DeliveryNumber][]byte
}

// mostTransferred is the most messages, and mostTransferredBytes the most bytes, that leave in
// one transfer.
const (
	mostTransferred      = 100_000
	mostTransferredBytes = 256 << 20
)

// CountCase counts the messages that a request would get.
func (d *Desk) CountCase(ctx context.Context, who Who, req CaseRequest) (*CaseCounts, error) {
	act := ledger.Act{Action: ledger.CountCase, Detail: map[string]string{"sha256": req.Request}}
	return answer(ctx, d, who, act, func(p *Permit) (*CaseCounts, error) { return p.CountCase(ctx, req) })
}

// CountCase counts as [Desk.CountCase] does.
func (p *Permit) CountCase(ctx context.Context, req CaseRequest) (*CaseCounts, error) {
	return within(p, func() (*CaseCounts, error) {
		found, err := p.of(req).search(ctx, index.Request{Query: query.All{}, Histogram: index.ByDay,
			Facets: []query.FieldName{query.From, query.To, query.In}, FacetSize: allOf(-1)})
		if err != nil {
			return nil, err
		}
		if found.Partial != nil {
			return nil, fmt.Errorf("%w: it takes too long to count; ask for less", ErrRequest)
		}
		accounts := map[string]bool{}
		for _, t := range slices.Concat(found.Facets[query.From], found.Facets[query.To]) {
			accounts[t.Value] = true
		}
		days := 0
		for _, t := range found.Histogram {
			if t.Count > 0 {
				days++
			}
		}
		return &CaseCounts{Amount: Amount{found.Messages, found.Beside}, Accounts: len(accounts), Conversations: len(found.Facets[query.In]), Days: days, Entry: p.entry}, nil
	})
}

// of returns the permit for that part of its scope that a request asks for.
func (p *Permit) of(req CaseRequest) *Permit {
	part := &Permit{desk: p.desk, authority: p.authority, scope: query.AndOf(p.scope, query.Simplify(req.Query)), entry: p.entry, request: p.request, readings: p.readings}
	part.all, part.matcher = query.IsAll(part.scope), query.Compile(part.scope)
	return part
}

// Transfer returns the messages that a request gets. Only the copies that the authority covers
// and the request asks for leave: other copies of the same messages stay. Under an authority
// with the code H2 nothing leaves.
func (d *Desk) Transfer(ctx context.Context, who Who, req CaseRequest) (*Transferred, error) {
	act := ledger.Act{Action: ledger.SendTransfer, Detail: map[string]string{"sha256": req.Request}}
	return answer(ctx, d, who, act, func(p *Permit) (*Transferred, error) { return p.Transfer(ctx, req) })
}

// Transfer returns messages as [Desk.Transfer] does.
func (p *Permit) Transfer(ctx context.Context, req CaseRequest) (*Transferred, error) {
	return within(p, func() (*Transferred, error) {
		if err := p.passes(); err != nil {
			return nil, err
		}
		return p.of(req).transfer(ctx)
	})
}

func (p *Permit) transfer(ctx context.Context) (*Transferred, error) {
	if err := p.desk.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	out := &Transferred{Seals: map[argus.DeliveryNumber][]byte{}}
	var seqs []uint64
	for hit, err := range p.desk.parts.Index.Stream(ctx, query.All{}, p.scope) {
		if err != nil {
			return nil, err
		}
		r, err := p.desk.get(ctx, hit.Seq)
		if err != nil {
			return nil, err
		}
		if r.Kind == 0 {
			continue // a newer reading replaced it after the index saw it
		}
		m, err := p.desk.message(ctx, r.MessageID())
		if err != nil {
			return nil, err
		}
		s := p.sees(m)
		if s == nil {
			continue // it left the scope after the index saw it
		}
		if out.Messages++; out.Messages > mostTransferred {
			return nil, fmt.Errorf("%w: more than %d messages; ask for a shorter period or fewer accounts at a time", ErrRequest, mostTransferred)
		}
		for _, r := range s.records {
			seqs = append(seqs, r.Seq)
		}
	}
	slices.Sort(seqs)
	return out, p.prove(ctx, slices.Compact(seqs), out)
}

// prove adds the copies in the records.
func (p *Permit) prove(ctx context.Context, seqs []uint64, out *Transferred) error {
	prover, bytes := p.desk.parts.Evidence.Prover(), 0
	for i, seq := range seqs {
		if i%decideEvery == decideEvery-1 {
			if err := p.Still(ctx); err != nil {
				return err
			}
		}
		one, err := prover.Prove(ctx, seq)
		if errors.Is(err, evidence.ErrNotProvable) {
			out.Left++
			continue
		}
		if err != nil {
			return err
		}
		if bytes += len(one.Statement) + len(one.Content) + 32*len(one.Path); bytes > mostTransferredBytes {
			return fmt.Errorf("%w: more than %d bytes; ask for a shorter period or fewer accounts at a time", ErrRequest, mostTransferredBytes)
		}
		if out.Seals[one.Delivery] == nil {
			if out.Seals[one.Delivery], err = p.desk.parts.Evidence.SealText(one.Delivery); err != nil {
				return err
			}
		}
		out.Copies = append(out.Copies, one)
	}
	slices.SortStableFunc(out.Copies, func(a, b *evidence.Proved) int { return int(a.Delivery) - int(b.Delivery) })
	return nil
}
