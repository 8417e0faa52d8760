// Package api serves the desk over HTTP.
//
// Each answer comes from the desk, which is asked on behalf of the session's actor, under
// the authority and for the purpose named in the request. Without a session, the server
// serves only the interface's files. Text in answers is evidence exactly as it was found,
// so the client must escape it.
package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
)

// office lists the desk's methods that the API serves.
type office interface {
	Search(context.Context, desk.Who, desk.SearchRequest) (*desk.SearchResult, error)
	Change(desk.ChangeRequest) (*desk.Changed, error)
	Show(ctx context.Context, who desk.Who, ref string, raw bool) (*desk.Shown, error)
	Page(context.Context, desk.Who, desk.PageRequest) (*desk.Page, error)
	Deliveries(context.Context, desk.Who) ([]desk.Delivery, error)
	Receipt(context.Context, desk.Who, argus.DeliveryNumber) (*desk.Delivery, error)
	Ledger(ctx context.Context, who desk.Who, from uint64, limit int) ([]ledger.Entry, error)
	Oversee(ctx context.Context, who desk.Who, from uint64, limit int) ([]desk.Overseen, error)
	Orders(ctx context.Context, who desk.Who, all bool) ([]desk.Order, error)
	Authorities(ctx context.Context, actor string) ([]authority.Authority, error)
}

// A Link opens the session of one actor.
type Link struct {
	// Who is the session's actor, with the authority and purpose for requests that do not
	// name their own.
	Who desk.Who
	// Token opens the session for the first client that sends it. The page finds it in
	// its address, after #token=. [NewToken] makes one. Default: no session.
	Token string
	// Opened is called once the token has been used. Default: no call.
	Opened func()
}

// Person is someone who uses the store.
type Person struct {
	Actor string   `json:"actor"`
	Name  string   `json:"name,omitempty"`
	Roles []string `json:"roles"`
}

// AuthorityChange changes an authority.
type AuthorityChange struct {
	Kind   string    `json:"kind" enum:"suspend,resume,extend,revoke"`
	Reason string    `json:"reason" minLength:"1" maxLength:"1000"`
	Until  time.Time `json:"until,omitzero" doc:"the new end, of an extension"`
}

// Options configure the server and its sessions.
type Options struct {
	Links []Link
	// People returns the people who currently use the store. Default: none.
	People func() ([]Person, error)
	// ChangeAuthority suspends, resumes, extends or revokes an authority for an actor whom a
	// session recognised. Default: nobody can.
	ChangeAuthority func(ctx context.Context, actor string, n authority.Number, c AuthorityChange) error
	// Switch lets any session become that of any other link. It is for demonstrations, in
	// which one person plays all roles. Default: false.
	Switch bool
	// Store is the name that the interface shows for the store.
	Store string
	// Key is the public key of the store's seals, as a C2SP note verifier key. The
	// interface shows it with receipts. Default: none.
	Key string
	// Web holds the interface's files, including index.html. Default: none.
	Web fs.FS
	// Log receives the reasons why requests could not be answered. Default: they are
	// discarded.
	Log *slog.Logger
	// Damage reports whether an error means that the store is damaged, and returns the
	// remedy if so. Default: only [argus.ErrDamaged] means damage, and the remedy is
	// argus verify.
	Damage func(error) (remedy string, damaged bool)
}

// New returns a handler for the interface and for the API below /api/, which
// /api/openapi.json describes. It answers only requests addressed to this machine
// (127.0.0.1, localhost or [::1]) and its own port, so that no host name on the internet
// can be pointed at it.
func New(d office, o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Damage == nil {
		o.Damage = func(err error) (string, bool) {
			return "stored bytes have changed; run argus verify", errors.Is(err, argus.ErrDamaged)
		}
	}
	if o.ChangeAuthority == nil {
		o.ChangeAuthority = func(context.Context, string, authority.Number, AuthorityChange) error {
			return fmt.Errorf("%w: this server changes no authorities", argus.ErrRefused)
		}
	}
	if o.People == nil {
		o.People = func() ([]Person, error) { return nil, nil }
	}
	sessions := newSessions(o)
	api := http.NewServeMux()
	routes(api, d, o, sessions)
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if methods := methodsOf(api, r); len(methods) > 0 {
			allow := strings.Join(methods, ", ")
			w.Header().Set("Allow", allow)
			writeProblem(w, &Problem{Status: http.StatusMethodNotAllowed, Title: "Wrong method", Detail: "this endpoint accepts only " + allow})
			return
		}
		writeProblem(w, &Problem{Status: http.StatusNotFound, Title: "No such endpoint", Detail: "/api/openapi.json lists the endpoints"})
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", sessions.guard(api))
	if o.Web != nil {
		// The files need no session: a browser opens a page without our headers, and the
		// files hold no evidence.
		mux.Handle("/", http.FileServerFS(o.Web))
	}
	return secured(mux)
}

// methodsOf returns the methods that a request's endpoint takes, or none if there is no
// such endpoint.
func methodsOf(api *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := *r
		other.Method = method
		if _, pattern := api.Handler(&other); pattern != "/" {
			methods = append(methods, method)
		}
	}
	return methods
}
