package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

const defaultSide = 20

// MostSide is the maximum number of messages that Page returns on each side.
const MostSide = 500

// Page returns a piece of a conversation, oldest first. It returns argus.ErrNotFound if no
// message of the conversation is in the scope.
func (d *Desk) Page(ctx context.Context, who Who, req PageRequest) (*Page, error) {
	if err := req.valid(); err != nil {
		return nil, err
	}
	act := ledger.Act{Action: ledger.Page, Subject: subject(req.Ref)}
	if req.Ref == "" || req.Conversation != "" {
		act.Detail = map[string]string{"service": subject(req.Service), "conversation": subject(req.Conversation)}
	}
	return answer(ctx, d, who, act, func(p *Permit) (*Page, error) { return p.page(ctx, req) })
}

// Page does the same as [Desk.Page].
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

// pageOf returns the page that was asked for. If the message in the middle begins a
// conversation that contains other messages, the page is from that conversation.
func (p *Permit) pageOf(ctx context.Context, ask *index.PageRequest, begun string) (*index.Page, error) {
	if begun != "" {
		other := *ask
		other.Conversation = begun
		found, err := p.desk.parts.Index.Page(ctx, other)
		if err != nil {
			return nil, err
		}
		if found.Earlier+found.Later+uint64(len(found.Hits)) > 1 {
			*ask = other
			return found, nil
		}
	}
	return p.desk.parts.Index.Page(ctx, *ask)
}

// isIn reports whether a message is in a conversation or begins it.
func isIn(d *query.Doc, service, conversation string) bool {
	return slices.ContainsFunc(d.Sightings, func(s query.Sighting) bool {
		m := s.Message
		return m.Service == service && (m.Conversation == conversation || conversation != "" && m.Begun() == conversation)
	})
}

func (p *Permit) page(ctx context.Context, req PageRequest) (*Page, error) {
	begun := ""
	ask := index.PageRequest{
		Service: req.Service, Conversation: req.Conversation, Scope: p.scope,
		Before: count(req.Before, defaultSide, MostSide), After: count(req.After, defaultSide, MostSide),
	}
	if req.Ref != "" {
		m, err := p.resolve(ctx, req.Ref)
		if err != nil {
			return nil, err
		}
		around := index.CursorOf(&m.Doc)
		ask.Around = &around
		if req.Conversation == "" {
			ask.Service, ask.Conversation = m.Lead().Message.Service, m.Lead().Message.Conversation
			begun = m.Lead().Message.Begun()
		} else if ask.Service = cmp.Or(req.Service, m.Lead().Message.Service); !isIn(&m.Doc, ask.Service, ask.Conversation) {
			return nil, fmt.Errorf("conversation: %w", argus.ErrNotFound)
		}
	}
	position := p.desk.parts.Index.Position() // the page shows the evidence as it is now or later
	found, err := p.pageOf(ctx, &ask, begun)
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
	inside := func(m *query.Doc) bool { return isIn(m, ask.Service, ask.Conversation) }
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
