package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// storedCopy is a copy of a message as the evidence has it.
type storedCopy struct {
	// records are the one that stored the copy and its sightings, in order.
	records []*argus.Record
	// others are the numbers of the records that stored other copies.
	others []uint64
}

func (c *storedCopy) stored() *argus.Record { return c.records[0] }

// doc is the copy as a query sees it, with what the evidence knew when its
// last record was upTo.
func (c *storedCopy) doc(upTo uint64) query.Doc {
	doc := query.Doc{ID: c.stored().ID, Message: c.stored().Message}
	for _, r := range c.records {
		if r.Seq <= upTo && !slices.Contains(doc.Deliveries, r.Delivery) {
			doc.Deliveries = append(doc.Deliveries, r.Delivery)
		}
	}
	doc.Differs = slices.ContainsFunc(c.others, func(seq uint64) bool { return seq <= upTo })
	return doc
}

// copies reads every copy of a message, in the order in which they came.
func (d *Desk) copies(ctx context.Context, id argus.ID) ([]storedCopy, error) {
	entries, err := d.parts.Evidence.Find(id)
	if err != nil {
		return nil, err
	}
	var copies []storedCopy
	for _, entry := range entries {
		r, err := d.get(ctx, entry.Seq)
		if err != nil {
			return nil, err
		}
		if r.ID != id || r.Message == nil {
			return nil, fmt.Errorf("record %d is not of message %s: %w", r.Seq, id, argus.ErrDamaged)
		}
		if r.Kind == argus.KindMessage {
			one := storedCopy{records: []*argus.Record{r}}
			for i := range copies {
				one.others = append(one.others, copies[i].stored().Seq)
				copies[i].others = append(copies[i].others, r.Seq)
			}
			copies = append(copies, one)
			continue
		}
		of := slices.IndexFunc(copies, func(c storedCopy) bool { return c.stored().Seq == r.Of })
		if of < 0 {
			return nil, fmt.Errorf("sighting %d is of record %d, which is no copy of message %s: %w", r.Seq, r.Of, id, argus.ErrDamaged)
		}
		copies[of].records = append(copies[of].records, r)
	}
	return copies, nil
}

// get reads a record that has to be there: its absence is damage.
func (d *Desk) get(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := d.parts.Evidence.Get(ctx, seq)
	if errors.Is(err, argus.ErrNotFound) {
		return nil, fmt.Errorf("record %d is missing: %w", seq, argus.ErrDamaged)
	}
	return r, err
}

// covers says whether a copy is in the scope.
func (p *permit) covers(doc query.Doc) bool {
	if p.all {
		return true
	}
	var c query.Candidate
	c.Reset(&doc)
	return p.matcher.Match(&c)
}

// covered returns the copies in the scope.
func (p *permit) covered(copies []storedCopy) []storedCopy {
	var in []storedCopy
	for i := range copies {
		if p.covers(copies[i].doc(forever)) {
			in = append(in, copies[i])
		}
	}
	return in
}

const forever = ^uint64(0)

// seen returns those of the deliveries that may be shown of a copy: with which
// alone it would be in the scope.
func (p *permit) seen(doc query.Doc) []argus.DeliveryNumber {
	deliveries := slices.Clone(doc.Deliveries)
	slices.Sort(deliveries)
	return slices.DeleteFunc(deliveries, func(n argus.DeliveryNumber) bool {
		doc.Deliveries = []argus.DeliveryNumber{n}
		return !p.covers(doc)
	})
}

// alone is the scope for copies that were seen in one delivery only: All if it
// covers them all, nothing if it covers none.
func (p *permit) alone(n argus.DeliveryNumber) query.Node { return alone(p.scope, n) }

var nothing = query.Not{Node: query.All{}}

func alone(n query.Node, d argus.DeliveryNumber) query.Node {
	switch n := n.(type) {
	case query.And:
		return both(n.Nodes, d)
	case query.Or: // a OR b is NOT (NOT a AND NOT b)
		var not []query.Node
		for _, inner := range n.Nodes {
			not = append(not, negate(inner))
		}
		return negate(both(not, d))
	case query.Not:
		return negate(alone(n.Node, d))
	case query.Field:
		if n.Name == query.Delivery {
			if n.Value == d.String() {
				return query.All{}
			}
			return nothing
		}
	}
	return n
}

// both is alone of an And.
func both(nodes []query.Node, d argus.DeliveryNumber) query.Node {
	var rest []query.Node
	for _, inner := range nodes {
		inner = alone(inner, d)
		switch _, all := inner.(query.All); {
		case all:
		case isNothing(inner):
			return nothing
		default:
			rest = append(rest, inner)
		}
	}
	return and(rest...)
}

func isNothing(n query.Node) bool {
	_, none := negate(n).(query.All)
	return none
}

func and(nodes ...query.Node) query.Node {
	switch len(nodes) {
	case 0:
		return query.All{}
	case 1:
		return nodes[0]
	}
	return query.And{Nodes: nodes}
}

func negate(n query.Node) query.Node {
	if not, ok := n.(query.Not); ok {
		return not.Node
	}
	return query.Not{Node: n}
}

// within makes a query that cannot ask for deliveries in which the scope does
// not show a copy: delivery:D-0002 becomes (delivery:D-0002 and in the scope
// with that delivery alone).
func (p *permit) within(n query.Node) (query.Node, error) {
	if p.all {
		return n, nil
	}
	return rewrite(n, func(f query.Field) (query.Node, error) {
		switch {
		case f.Name == query.Is && f.Value == "differs":
			return nil, fmt.Errorf("%w: is:differs would also tell of copies outside the scope of authority %s; ask without it",
				argus.ErrRefused, p.authority.Number)
		case f.Name == query.Delivery:
			number, err := argus.ParseDelivery(f.Value)
			if err != nil {
				return nil, err
			}
			return and(f, p.alone(number)), nil
		}
		return f, nil
	})
}

// rewrite replaces the fields of a query.
func rewrite(n query.Node, field func(query.Field) (query.Node, error)) (query.Node, error) {
	list := func(nodes []query.Node) ([]query.Node, error) {
		changed := make([]query.Node, len(nodes))
		for i, inner := range nodes {
			var err error
			if changed[i], err = rewrite(inner, field); err != nil {
				return nil, err
			}
		}
		return changed, nil
	}
	switch n := n.(type) {
	case query.And:
		nodes, err := list(n.Nodes)
		return query.And{Nodes: nodes}, err
	case query.Or:
		nodes, err := list(n.Nodes)
		return query.Or{Nodes: nodes}, err
	case query.Not:
		inner, err := rewrite(n.Node, field)
		return query.Not{Node: inner}, err
	case query.Then:
		sides, err := list([]query.Node{n.First, n.Second})
		if err != nil {
			return nil, err
		}
		n.First, n.Second = sides[0], sides[1]
		return n, nil
	case query.Field:
		return field(n)
	}
	return n, nil
}
