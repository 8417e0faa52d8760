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

// MostSide is the most that Page returns of each side.
const MostSide = 500

// Page returns a piece of a conversation, oldest first. A conversation of
// which nothing is in the scope is argus.ErrNotFound.
func (d *Desk) Page(ctx context.Context, who Who, req PageRequest) (*Page, error) {
	if req.Ref == "" && req.Service == "" {
		return nil, fmt.Errorf("%w: name a message, or a service and a conversation", ErrRequest)
	}
	act := ledger.Act{Action: ledger.Page, Subject: subject(req.Ref)}
	if req.Ref == "" {
		act.Detail = map[string]string{"service": subject(req.Service), "conversation": subject(req.Conversation)}
	}
	var page *Page
	err := d.act(ctx, who, act, func(p *permit) (err error) {
		page, err = d.page(ctx, p, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (d *Desk) page(ctx context.Context, p *permit, req PageRequest) (*Page, error) {
	ask := index.PageRequest{
		Service: req.Service, Conversation: req.Conversation, Scope: p.scope,
		Before: count(req.Before, defaultSide, MostSide), After: count(req.After, defaultSide, MostSide),
	}
	if req.Ref != "" {
		m, err := d.resolve(ctx, p, req.Ref)
		if err != nil {
			return nil, err
		}
		lead := m.Lead().Message
		ask.Service, ask.Conversation = lead.Service, lead.Conversation
		around := index.CursorOf(&m.Doc)
		ask.Around = &around
	}
	position := d.parts.Index.Position() // the page is of this moment or later
	found, err := d.parts.Index.Page(ctx, ask)
	if err != nil {
		return nil, err
	}
	if err := d.parts.Evidence.Refresh(); err != nil {
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
	if page.Hits, err = d.hits(ctx, p, found.Hits, position, inside); err != nil {
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
