package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/argus-evidence/argus/internal/desk"
)

// NewToken makes a token of at least 128 random bits.
func NewToken() string { return rand.Text() }

// The headers that carry the secrets. There is no cookie: a browser sends cookies to
// every port of a host, and so to other programs on this machine. A page on another port
// cannot read this page's storage. Nor can it send a header with this name here, because
// nothing answers its preflight request.
const (
	tokenHeader   = "X-Argus-Token"
	sessionHeader = "X-Argus-Session"
)

// openPath is where a link's token is exchanged for its session's secret.
const openPath = "/api/open"

// sessions holds all sessions, and admits their holders.
type sessions []*session

// session is the session of one link.
type session struct {
	who    desk.Who
	token  [sha256.Size]byte
	secret string
	open   atomic.Bool // the token is unused
	opened func()
}

func newSessions(o Options) (all sessions) {
	for _, l := range o.Links {
		if l.Token == "" {
			continue
		}
		s := &session{who: l.Who, token: sha256.Sum256([]byte(l.Token)), secret: rand.Text(), opened: l.Opened}
		if s.opened == nil {
			s.opened = func() {}
		}
		s.open.Store(true)
		all = append(all, s)
	}
	return all
}

// whoKey is the key of the asker in the context of a request.
type whoKey struct{}

// askerOf returns the asker to whom a request's session belongs.
func askerOf(ctx context.Context) desk.Who {
	who, _ := ctx.Value(whoKey{}).(desk.Who)
	return who
}

func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

// guard passes on requests that carry a session's secret, and exchanges a token for a
// secret. It serves only Argus' own pages and programs that are not browsers.
func (all sessions) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opens := r.Method == http.MethodPost && r.URL.Path == openPath
		known := all.holder(r.Header.Get(sessionHeader))
		switch {
		case !ownPage(r):
			writeProblem(w, &Problem{Status: http.StatusForbidden, Title: "Request from another page",
				Detail: "only Argus' own pages, and programs that are not browsers, may ask"})
		case opens:
			s := all.admit(r.Header.Get(tokenHeader))
			if s == nil {
				writeProblem(w, &Problem{Status: http.StatusUnauthorized, Title: "No session", Detail: noSession})
				return
			}
			s.opened()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(Opened{s.secret, s.who.Actor}) // the client may be gone
		case known == nil:
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Title: "No session", Detail: noSession})
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, known.who)))
		}
	})
}

// holder returns the session with the given secret, or nil if there is none.
func (all sessions) holder(secret string) (found *session) {
	for _, s := range all {
		if subtle.ConstantTimeCompare([]byte(secret), []byte(s.secret)) == 1 {
			found = s
		}
	}
	return found
}

// of returns an actor's session, or nil if there is none.
func (all sessions) of(actor string) *session {
	i := slices.IndexFunc(all, func(s *session) bool { return s.who.Actor == actor })
	if i < 0 {
		return nil
	}
	return all[i]
}

const noSession = "Open the link that the argus command printed, in this browser. It works once; start the command again for a new one."

// admit returns the session that a token opens, and marks the token as used. It returns
// nil if the token is wrong or already used.
func (all sessions) admit(token string) *session {
	sum := sha256.Sum256([]byte(token))
	for _, s := range all {
		if subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1 && s.open.CompareAndSwap(true, false) {
			return s
		}
	}
	return nil
}

// policy lets a page load files only from this server, and makes the browser refuse to
// turn text into markup, except for the interface's own templates.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
	"require-trusted-types-for 'script'; trusted-types svelte-trusted-html"

// secured sets the headers that confine an answer to its page, and refuses
// requests for another host.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if !thisMachine(r) {
			writeProblem(w, &Problem{Status: http.StatusMisdirectedRequest, Title: "Not this host",
				Detail: "Argus answers only to 127.0.0.1, localhost and [::1], with its own port"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func thisMachine(r *http.Request) bool {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
	}
	return port == localPort(r) && (host == "127.0.0.1" || host == "localhost" || host == "::1")
}

// ownPage reports whether a request comes from a page of this origin, or from a
// program that is not a browser.
func ownPage(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || site == "none"
}
