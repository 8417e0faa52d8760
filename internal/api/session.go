package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// NewToken makes a token of at least 128 random bits.
func NewToken() string { return rand.Text() }

// The headers that carry the secrets. There is no cookie: a browser sends cookies
// to every port of a host, and so to other programs on this machine. A page on
// another port can neither read the storage of this one nor send a header of this
// name here, because nothing answers its preflight request.
const (
	tokenHeader   = "X-Argus-Token"
	sessionHeader = "X-Argus-Session"
)

// openPath trades the token for the session.
const openPath = "/api/open"

// door admits the holder of the session.
type door struct {
	token   [sha256.Size]byte
	session string
	open    atomic.Bool // the token is unused
	opened  func()
}

func newDoor(o Options) *door {
	d := &door{token: sha256.Sum256([]byte(o.Token)), session: rand.Text(), opened: o.Opened}
	d.open.Store(o.Token != "")
	return d
}

func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

// guard passes on requests with the session, and trades the token for the session.
// It serves Argus' own pages and programs that are not browsers.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opens := r.Method == http.MethodPost && r.URL.Path == openPath
		known := subtle.ConstantTimeCompare([]byte(r.Header.Get(sessionHeader)), []byte(d.session)) == 1
		switch {
		case !ownPage(r):
			writeProblem(w, &Problem{Status: http.StatusForbidden, Title: "Request from another page",
				Detail: "only Argus' own pages, and programs that are not browsers, may ask"})
		case opens && d.admit(r.Header.Get(tokenHeader)):
			d.opened()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(Opened{d.session}) // the client may be gone
		case opens || !known:
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Title: "No session", Detail: noSession})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const noSession = "Open the link that the argus command printed, in this browser. It works once; start the command again for a new one."

// admit reports whether the token is right and unused, and marks it used.
func (d *door) admit(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1 && d.open.CompareAndSwap(true, false)
}

// policy lets a page load from this server only, and makes the browser refuse to
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
