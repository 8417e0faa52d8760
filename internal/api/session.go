package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// NewToken makes a token that cannot be guessed (128 bits or more).
func NewToken() string { return rand.Text() }

// door lets in who holds the session.
type door struct {
	token   [sha256.Size]byte
	session string
	open    atomic.Bool // the token was not used yet
}

func newDoor(token string) *door {
	d := &door{token: sha256.Sum256([]byte(token)), session: rand.Text()}
	d.open.Store(true)
	return d
}

// cookieName differs by port: browsers send a cookie to all ports of a host,
// and two stores may be open at once.
func cookieName(r *http.Request) string { return "argus-" + localPort(r) }

func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return port
}

// guard passes on the requests of the session and turns the one that brings
// the token into it.
func (d *door) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie(cookieName(r))
		known := err == nil && subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(d.session)) == 1
		token := r.URL.Query().Get("token")
		switch {
		case r.URL.Path == "/favicon.ico":
			w.WriteHeader(http.StatusNoContent) // browsers ask before a page has named its icon
		case r.Method == http.MethodGet && r.URL.Path == "/" && token != "" && (known || d.admit(token)):
			http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: d.session, Path: "/",
				HttpOnly: true, SameSite: http.SameSiteStrictMode})
			// A page of our own leads on, not a redirect: behind a link in
			// another site's page, a browser would keep the cookie back.
			writePage(w, http.StatusOK, `<meta http-equiv="refresh" content="0;url=/">`, "Opening Argus…")
		case !known && strings.HasPrefix(r.URL.Path, "/api/"):
			writeProblem(w, &Problem{Status: http.StatusUnauthorized, Title: "No session", Detail: noSession})
		case !known:
			writePage(w, http.StatusUnauthorized, "", noSession)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const noSession = "Open the link that the argus command printed. It works once; start the command again for a new one."

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
// requests that do not name this machine or come from another page.
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
		switch {
		case !thisMachine(r):
			writeProblem(w, &Problem{Status: http.StatusMisdirectedRequest, Title: "Not this host",
				Detail: "Argus answers to 127.0.0.1, localhost and [::1] with its own port only"})
		case strings.HasPrefix(r.URL.Path, "/api/") && !ownPage(r):
			writeProblem(w, &Problem{Status: http.StatusForbidden, Title: "Another page asks",
				Detail: "only Argus' own pages, and programs that are no browser, may ask"})
		default:
			next.ServeHTTP(w, r)
		}
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
// from a program that is no browser. Other ports of this machine are the same
// site to a browser, so the cookie's SameSite alone would let them in.
func ownPage(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "" || site == "same-origin" || site == "none"
}

func writePage(w http.ResponseWriter, status int, head, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">`+
		head+"<title>Argus</title><p>"+text+"</p></html>\n")
}
