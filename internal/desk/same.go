package desk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
)

// distinctFacets are the fields that an answer can count by if it has each content once.
// Messages with the same content have the same values in these fields.
var distinctFacets = []query.FieldName{query.From, query.Service}

// validDistinct returns an error if the request counts by something that messages with the
// same content need not share.
func (r SearchRequest) validDistinct() error {
	if !r.Distinct {
		return nil
	}
	for _, field := range r.Facets {
		if !slices.Contains(distinctFacets, field) {
			return fmt.Errorf("%w: messages with the same content may differ in %q; with distinct, the only facets are %q", ErrRequest, field, distinctFacets)
		}
	}
	if r.Pairs != 0 {
		return fmt.Errorf("%w: messages with the same content may have different receivers, so distinct counts no pairs", ErrRequest)
	}
	return nil
}

// sames returns a query in which each message that the query names is replaced by its
// content. Only messages in the scope can be named.
func (p *Permit) sames(ctx context.Context, asked query.Node) (query.Node, error) {
	var failed error
	named := query.Map(asked, func(n query.Node) query.Node {
		f, ok := n.(query.Field)
		if !ok || f.Name != query.Same || strings.HasPrefix(f.Value, query.Exact) || failed != nil {
			return n
		}
		f.Value, failed = p.contentOf(ctx, f.Value)
		return f
	})
	if failed != nil {
		return nil, failed
	}
	return named, nil
}

// contentOf returns the content key of the message that a reference names.
func (p *Permit) contentOf(ctx context.Context, ref string) (string, error) {
	s, err := p.resolve(ctx, ref)
	if err != nil {
		return "", err
	}
	key := s.SameKey()
	if key == (same.Key{}) {
		return "", fmt.Errorf("%w: the message %s has no content to compare with others: it is locked or not a text, has neither words nor a held attachment, or names no sender or no time", ErrRequest, s.ID())
	}
	return key.String(), nil
}

// countSame counts, for each hit, the messages in the scope that have the same content.
func (p *Permit) countSame(ctx context.Context, hits []Hit, keys []same.Key) error {
	var wanted []query.Node
	seen := map[same.Key]bool{{}: true}
	for _, key := range keys {
		if !seen[key] {
			seen[key] = true
			wanted = append(wanted, query.Field{Name: query.Same, Value: key.String()})
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	found, err := p.desk.parts.Index.Search(ctx, index.Request{Query: query.OrOf(wanted...), Scope: p.scope, Facets: []query.FieldName{query.Same}, FacetSize: len(wanted)})
	if err != nil {
		return err
	}
	counts := map[string]uint64{}
	for _, c := range found.Facets[query.Same] {
		counts[c.Value] = c.Count
	}
	for i, key := range keys {
		if n := counts[key.String()]; n > 1 {
			hits[i].SameContent = n
		}
	}
	return nil
}

// mostSame is the maximum number of other messages with the same content that an answer
// names.
const mostSame = 20

// showSame counts and names the messages in the scope that have the same content as a
// message.
func (p *Permit) showSame(ctx context.Context, s *seen, shown *Shown) error {
	key := s.SameKey()
	if key == (same.Key{}) {
		return nil
	}
	position := p.desk.parts.Index.Position()
	n := query.Field{Name: query.Same, Value: key.String()}
	found, err := p.desk.parts.Index.Search(ctx, index.Request{Query: n, Scope: p.scope, Limit: mostSame + 1})
	if err != nil || found.Total < 2 {
		return err
	}
	hits, _, err := p.readHits(ctx, found.Hits, position, matching(n))
	if err != nil {
		return err
	}
	shown.SameContent = found.Total
	for _, h := range hits {
		if h.Ref != shown.Ref && len(shown.Same) < mostSame {
			shown.Same = append(shown.Same, h.Ref)
		}
	}
	return nil
}
