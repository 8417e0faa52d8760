package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
)

// The limits of a request.
const (
	maxBody = 5 << 20 // bytes: a query of 4 MiB and the other fields
	patient = time.Minute
)

// Asker holds the headers in which each request states its authority and purpose. Both
// are percent-encoded UTF-8, because a header cannot hold every character.
type Asker struct {
	Authority string `header:"X-Argus-Authority" doc:"number of the authority, such as A-0001; default the session's"`
	Purpose   string `header:"X-Argus-Purpose" doc:"purpose, percent-encoded; default the session's"`
}

func (a Asker) who(session desk.Who) (desk.Who, error) {
	for _, f := range []struct {
		said string
		of   *string
	}{{a.Authority, &session.Authority}, {a.Purpose, &session.Purpose}} {
		text, err := url.PathUnescape(f.said)
		if err != nil {
			return session, &Problem{Status: http.StatusBadRequest, Title: "Bad header", Detail: "authority and purpose must be percent-encoded"}
		}
		if text != "" {
			*f.of = text
		}
	}
	return session, nil
}

func (a Asker) asker() Asker { return a }

// Body is an answer.
type Body[T any] struct{ Body T }

// The requests.
type (
	searchInput struct {
		Asker
		Body desk.SearchRequest
	}
	changeInput struct {
		Asker
		Body desk.ChangeRequest
	}
	messageInput struct {
		Asker
		Ref string `path:"ref" doc:"id of one copy of the message, or its first digits"`
		Raw bool   `query:"raw" doc:"include the raw records of the originals"`
	}
	conversationInput struct {
		Asker
		Ref          string `query:"ref" doc:"id of the message in the middle"`
		Service      string `query:"service" doc:"with conversation: the conversation around ref, or its end"`
		Conversation string `query:"conversation"`
		Before       int    `query:"before" minimum:"-1" maximum:"500" doc:"maximum number of messages; 0 for 20, -1 for none"`
		After        int    `query:"after" minimum:"-1" maximum:"500" doc:"maximum number of messages; 0 for 20, -1 for none"`
	}
	deliveryInput struct {
		Asker
		Number string `path:"number" doc:"D-0007 or 7"`
	}
	ledgerInput struct {
		Asker
		From  uint64 `query:"from" doc:"number of the first entry; 0 for the newest entries"`
		Limit int    `query:"limit" minimum:"0" maximum:"1000" default:"100"`
	}
	authoritiesInput struct {
		Asker
		All bool `query:"all" doc:"all of the store, for whoever may see them; default those that name the asker"`
	}
	authorityChangeInput struct {
		Asker
		Number string `path:"number" doc:"A-0001 or 1"`
		Body   AuthorityChange
	}
	sessionInput struct{ Asker }
	switchInput  struct {
		Asker
		Body struct {
			Actor string `json:"actor"`
		}
	}
)

// Session names the asker and the authorities that name him.
type Session struct {
	Who desk.Who `json:"who"`
	// Person describes the asker if the store has people.
	Person *Person `json:"person,omitempty"`
	// Others are the people whose sessions the page may take over, in a demonstration.
	Others      []Person              `json:"others,omitempty" doc:"in a demonstration: people whose sessions POST /api/switch can give"`
	Store       string                `json:"store"`
	Key         string                `json:"key,omitempty" doc:"the key that seals are signed with, as a C2SP note verifier key"`
	Authorities []authority.Authority `json:"authorities"`
}

// Opened is the answer to the token of the link.
type Opened struct {
	Session string `json:"session" doc:"secret of the session, for the header X-Argus-Session"`
	Actor   string `json:"actor" doc:"whose session it is"`
}

// routes adds the endpoints and returns their description.
func routes(mux *http.ServeMux, d office, o Options, all sessions) huma.API {
	config := huma.DefaultConfig("Argus", "1")
	config.Info.Description = "Messages, and the places where each was found. The ledger records every answer before it is sent."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "/api/openapi", "", ""
	config.CreateHooks = nil // no $schema in answers
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"session": {Type: "apiKey", In: "header", Name: sessionHeader,
		Description: "secret that POST " + openPath + " returns once, in exchange for the link's token in " + tokenHeader}}
	config.Security = []map[string][]string{{"session": {}}}
	api := humago.New(mux, config)
	for t, text := range map[reflect.Type]reflect.Type{
		reflect.TypeFor[argus.Time]():  reflect.TypeFor[anyTime](),
		reflect.TypeFor[argus.State](): reflect.TypeFor[anyStates](),
		reflect.TypeFor[argus.Type]():  reflect.TypeFor[anyType](),
		reflect.TypeFor[argus.Reach](): reflect.TypeFor[anyReach](),
	} {
		api.OpenAPI().Components.Schemas.RegisterTypeAlias(t, text)
	}

	add(api, o, "POST", "/api/search", "search", "Find messages, newest first",
		func(ctx context.Context, who desk.Who, in *searchInput) (*desk.SearchResult, error) {
			return d.Search(ctx, who, in.Body)
		})
	add(api, o, "POST", "/api/query", "change", "Narrow or widen the text of a query, without searching",
		func(_ context.Context, _ desk.Who, in *changeInput) (*desk.Changed, error) {
			return d.Change(in.Body)
		})
	add(api, o, "GET", "/api/messages/{ref}", "show", "One message: the union of its copies, its versions, and the place of each copy",
		func(ctx context.Context, who desk.Who, in *messageInput) (*desk.Shown, error) {
			return d.Show(ctx, who, in.Ref, in.Raw)
		})
	add(api, o, "GET", "/api/conversation", "page", "A piece of a conversation, oldest first",
		func(ctx context.Context, who desk.Who, in *conversationInput) (*desk.Page, error) {
			return d.Page(ctx, who, desk.PageRequest{Ref: in.Ref, Service: in.Service, Conversation: in.Conversation,
				Before: in.Before, After: in.After})
		})
	add(api, o, "GET", "/api/deliveries", "deliveries", "All deliveries with their accounts",
		func(ctx context.Context, who desk.Who, _ *sessionInput) ([]desk.Delivery, error) {
			return d.Deliveries(ctx, who)
		})
	add(api, o, "GET", "/api/deliveries/{number}", "receipt", "One delivery with the account of each file",
		func(ctx context.Context, who desk.Who, in *deliveryInput) (*desk.Delivery, error) {
			number, err := argus.ParseDelivery(in.Number)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", argus.ErrNotFound, err)
			}
			return d.Receipt(ctx, who, number)
		})
	add(api, o, "GET", "/api/ledger", "ledger", "Entries of the ledger",
		func(ctx context.Context, who desk.Who, in *ledgerInput) ([]ledger.Entry, error) {
			return d.Ledger(ctx, who, in.From, in.Limit)
		})
	add(api, o, "GET", "/api/oversight", "oversee", "The acts of everybody, for an overseer or the judge, without the words that the asker may not read",
		func(ctx context.Context, who desk.Who, in *ledgerInput) ([]desk.Overseen, error) {
			return d.Oversee(ctx, who, in.From, in.Limit)
		})
	add(api, o, "GET", "/api/authorities", "authorities", "Authorities with their state and their scope in plain words",
		func(ctx context.Context, who desk.Who, in *authoritiesInput) ([]desk.Order, error) {
			return d.Orders(ctx, who, in.All)
		})
	add(api, o, "POST", "/api/authorities/{number}/changes", "changeAuthority", "Suspend, resume, extend or revoke an authority at once",
		func(ctx context.Context, who desk.Who, in *authorityChangeInput) ([]desk.Order, error) {
			number, err := authority.ParseNumber(in.Number)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", argus.ErrNotFound, err)
			}
			if err := o.ChangeAuthority(ctx, who.Actor, number, in.Body); err != nil {
				return nil, err
			}
			return d.Orders(ctx, who, true)
		})
	add(api, o, "GET", "/api/people", "people", "The people of the store, for whoever may see all authorities",
		func(ctx context.Context, who desk.Who, _ *sessionInput) ([]Person, error) {
			if _, err := d.Orders(ctx, who, true); err != nil {
				return nil, err
			}
			return o.People()
		})
	add(api, o, "GET", "/api/session", "session", "The asker, and the authorities that name him",
		func(ctx context.Context, who desk.Who, _ *sessionInput) (*Session, error) {
			list, err := d.Authorities(ctx, who.Actor)
			if err != nil {
				return nil, err
			}
			s := &Session{Who: who, Store: o.Store, Key: o.Key, Authorities: list}
			people, err := o.People()
			for _, one := range people {
				switch {
				case one.Actor == who.Actor:
					s.Person = &one
				case o.Switch && all.of(one.Actor) != nil:
					s.Others = append(s.Others, one)
				}
			}
			return s, err
		})
	add(api, o, "POST", "/api/switch", "switch", "In a demonstration: switch to another person's session",
		func(_ context.Context, _ desk.Who, in *switchInput) (*Opened, error) {
			other := all.of(in.Body.Actor)
			if !o.Switch || other == nil {
				return nil, fmt.Errorf("switch: %w: only a demonstration can do that, among its own people", argus.ErrRefused)
			}
			return &Opened{other.secret, other.who.Actor}, nil
		})
	describe(api.OpenAPI())
	return api
}

// add registers an endpoint that asks the desk.
func add[I interface{ asker() Asker }, T any](api huma.API, o Options, method, path, id, about string, ask func(context.Context, desk.Who, *I) (T, error)) {
	operation := huma.Operation{OperationID: id, Method: method, Path: path, Summary: about, MaxBodyBytes: maxBody}
	huma.Register(api, operation, func(ctx context.Context, in *I) (*Body[T], error) {
		who, err := (*in).asker().who(askerOf(ctx))
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, patient)
		defer cancel()
		answer, err := ask(ctx, who, in)
		if err != nil {
			return nil, problem(ctx, o, err)
		}
		return &Body[T]{answer}, nil
	})
}
