package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

const defaultSide = 20

// MostSide is the most messages that Page returns on each side.
const MostSide = 500

// Page returns a piece of a conversation, oldest first. It returns argus.ErrNotFound if no
// message of the conversation is in the scope.
func (d *Desk) Page(ctx context.Context, who Who, req PageRequest) (*Page, error) {
	if err := req.valid(); err != nil {
		return nil, err
	}
	act := ledger.Act{Action: ledger.Page, Subject: subject(req.Ref)}
	if req.Ref == "" {
		act.Detail = map[string]string{"service": subject(req.Service), "conversation": subject(req.Conversation)}
	}
	return answer(ctx, d, who, act, func(p *Permit) (*Page, error) { return p.page(ctx, req) })
}

// Page returns a piece of a conversation, as [Desk.Page] does.
func (p *Permit) Page(ctx context.Context, req PageRequest) (*Page, error) {
	return within(p, func() (*Page, error) {
		if err := req.valid(); err != nil {
			return nil, err
		}
		return p.page(ctx, req)
	})
}

// valid returns an error if the request is invalid.
func (r PageRequest) valid() error {
	if r.Ref == "" && r.Service == "" {
		return fmt.Errorf("%w: name a message, or a service and a conversation", ErrRequest)
	}
	return nil
}

func (p *Permit) page(ctx context.Context, req PageRequest) (*Page, error) {
	ask := index.PageRequest{
		Service: req.Service, Conversation: req.Conversation, Scope: p.scope,
		Before: count(req.Before, defaultSide, MostSide), After: count(req.After, defaultSide, MostSide),
	}
	if req.Ref != "" {
		m, err := p.resolve(ctx, req.Ref)
		if err != nil {
			return nil, err
		}
		lead := m.Lead().Message
		ask.Service, ask.Conversation = lead.Service, lead.Conversation
		around := index.CursorOf(&m.Doc)
		ask.Around = &around
	}
	position := p.desk.parts.Index.Position() // the page is as of this moment or later
	found, err := p.desk.parts.Index.Page(ctx, ask)
	if err != nil {
		return nil, err
	}
	if err := p.desk.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	page := &Page{
		Service: ask.Service, Conversation: ask.Conversation,
		Earlier: found.Earlier, Later: found.Later, Entry: p.entry,
	}
	inside := func(m *query.Doc) bool {
		return slices.ContainsFunc(m.Sightings, func(s query.Sighting) bool {
			return s.Message.Service == ask.Service && s.Message.Conversation == ask.Conversation
		})
	}
	if page.Hits, err = p.hits(ctx, found.Hits, position, inside); err != nil {
		return nil, err
	}
	if len(page.Hits) == 0 {
		return nil, fmt.Errorf("conversation: %w", argus.ErrNotFound)
	}
	for _, hit := range page.Hits {
		if hit.Message.Title != "" {
			page.Title = hit.Message.Title
		}
	}
	return page, nil
}
