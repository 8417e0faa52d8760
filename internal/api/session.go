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

// NewToken makes a token that cannot be guessed (128 bits or more).
func NewToken() string { return rand.Text() }

// The headers that carry the secrets. There is no cookie: browsers send those
// to every port of a host, so to whatever else runs on this machine. A page on
// another port cannot read what this one stores, nor send a header of this name
// here, since nothing answers its preflight.
const (
	tokenHeader   = "X-Argus-Token"
	sessionHeader = "X-Argus-Session"
)

// openPath gives who brings the token the session.
const openPath = "/api/open"

// door lets in who holds the session.
type door struct {
	token   [sha256.Size]byte
	session string
	open    atomic.Bool // the token was not used yet
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

// guard passes on what holds the session, and gives it for the token, to Argus'
// own pages and to programs that are no browser.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opens := r.Method == http.MethodPost && r.URL.Path == openPath
		known := subtle.ConstantTimeCompare([]byte(r.Header.Get(sessionHeader)), []byte(d.session)) == 1
		switch {
		case !ownPage(r):
			writeProblem(w, &Problem{Status: http.StatusForbidden, Title: "Another page asks",
				Detail: "only Argus' own pages, and programs that are no browser, may ask"})
		case opens && d.admit(r.Header.Get(tokenHeader)):
			d.opened()
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{"session": d.session}) // the client may have gone
		case opens || !known:
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Title: "No session", Detail: noSession})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const noSession = "Open the link that the argus command printed, in this browser. It works once; start the command again for a new one."

// admit says whether the token is right and was not used before.
func (d *door) admit(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], d.token[:]) == 1 && d.open.CompareAndSwap(true, false)
}

// policy lets a page load from here only, and makes the browser refuse text
// where it would become markup, but for the interface's own templates.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
	"require-trusted-types-for 'script'; trusted-types svelte-trusted-html"

// secured sets the headers that keep an answer in its page, and refuses
// requests that do not name this machine.
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
				Detail: "Argus answers to 127.0.0.1, localhost and [::1] with its own port only"})
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

// ownPage says whether a request comes from a page of this very origin, or
// from a program that is no browser.
func ownPage(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || site == "none"
}
