// Package api is the desk over HTTP.
//
// Each answer comes from the desk, asked as the actor of a session, under the
// authority and for the purpose that the request names. Without a session
// there are the interface's files and nothing else. Text in answers is
// evidence, as it was found: whoever shows it escapes it.
package api

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
)

// office is what of a desk is served.
type office interface {
	Search(context.Context, desk.Who, desk.SearchRequest) (*desk.SearchResult, error)
	Change(desk.ChangeRequest) (*desk.Changed, error)
	Show(ctx context.Context, who desk.Who, ref string, raw bool) (*desk.Shown, error)
	Page(context.Context, desk.Who, desk.PageRequest) (*desk.Page, error)
	Deliveries(context.Context, desk.Who) ([]desk.Delivery, error)
	Receipt(context.Context, desk.Who, argus.DeliveryNumber) (*desk.Delivery, error)
	Ledger(ctx context.Context, who desk.Who, from uint64, limit int) ([]ledger.Entry, error)
	Authorities(ctx context.Context, actor string) ([]authority.Authority, error)
}

// Options say for whom the desk is served.
type Options struct {
	// Who is the one person who asks: the actor of the session, with the
	// authority and purpose of requests that name none.
	Who desk.Who
	// Store is how the interface calls the store.
	Store string
	// Key is the public key of the store's seals, as a C2SP note verifier key,
	// to be shown with receipts. Default none.
	Key string
	// Token opens the one session: whoever brings it first has it. The page
	// finds it in its address, behind #token=. [NewToken] makes one. Without a
	// token there is no session.
	Token string
	// Opened is called when the token has been used. Default nothing.
	Opened func()
	// Web holds the interface's files with index.html. Default none.
	Web fs.FS
	// Log is told why a request could not be answered. Default nobody.
	Log *slog.Logger
}

// New returns the handler of everything: the API below /api/, described in
// /api/openapi.json, and the interface. It answers requests that name this
// machine (127.0.0.1, localhost or [::1]) and the port they came in by, and
// no others, so that no name on the internet can be made to lead here.
func New(d office, o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Opened == nil {
		o.Opened = func() {}
	}
	api := http.NewServeMux()
	routes(api, d, o)
	api.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, &Problem{Status: http.StatusNotFound, Title: "No such endpoint", Detail: "see /api/openapi.json for those there are"})
	})
	mux := http.NewServeMux()
	mux.Handle("/api/", newDoor(o).guard(api))
	if o.Web != nil {
		// For anybody: a browser opens a page without headers of ours, and there
		// is no evidence in the files.
		mux.Handle("/", http.FileServerFS(o.Web))
	}
	return secured(mux)
}
