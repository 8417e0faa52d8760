package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// fake is a desk with one message. It records each request and who asked.
type fake struct {
	asked []string
	err   error
}

var theID = argus.ID{0xAB, 1}

func (f *fake) note(who desk.Who, format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf("%s/%s/%s ", who.Actor, who.Authority, who.Purpose)+fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Search(_ context.Context, who desk.Who, r desk.SearchRequest) (*desk.SearchResult, error) {
	if err := f.note(who, "search %q limit %d zone %s", r.Query, r.Limit, r.Zone); err != nil {
		return nil, err
	}
	if _, err := query.Parse(r.Query, query.Options{}); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	hit := desk.Hit{Ref: theID, Message: &argus.Message{Service: "sky", From: "Q3XK9A", Text: "<b>loods</b>"}, Marks: [][2]int{{3, 8}},
		Deliveries: []argus.DeliveryNumber{7}, Sightings: 3, Versions: 2, AlsoLocked: true}
	return &desk.SearchResult{Query: r.Query, Hits: []desk.Hit{hit}, Total: 3, Messages: 1, Differing: 1, Entry: 12,
		Beside: []argus.Tally{{Value: "call", Count: 2}}, Facets: map[query.FieldName][]argus.Tally{query.Is: {{Value: "call", Count: 2}}},
		Histogram: []argus.Tally{{Value: "2021-02-14", Count: 3}}, Next: "e30"}, nil
}

func (f *fake) Change(r desk.ChangeRequest) (*desk.Changed, error) { return new(desk.Desk).Change(r) }

// call returns a message that has every possible field.
func call() *argus.Message {
	at := argus.Time{Micros: 1, Raw: "1", Zone: argus.ZoneAssumed, Precision: argus.Micro, Clock: argus.ClockSender}
	return &argus.Message{Service: "sky", Conversation: "room", Title: "Room", From: "Q3XK9A", FromName: "Ann", To: []string{"7B2FAA"}, ServiceID: "1", Sequence: 1,
		Sent: at, Received: at, Read: at, Edited: at, Text: "call", Lang: "nl", State: argus.StateEdited | argus.StateLocked, ReplyTo: "0", ForwardedFrom: "x",
		Attachments: []argus.Attachment{{Name: "a", Hash: argus.Hash{1}, Size: 1, Type: "b"}}, Locked: &argus.Locked{KeyID: "k", Algorithm: "a", Payload: []byte{1}},
		Extra: []argus.Field{{Name: "a", Value: "b"}}, Repeat: 1, Type: argus.TypeCall, AccountReach: argus.ReachServer, ConversationReach: argus.ReachFile,
		Facts: &argus.Facts{Call: &argus.Call{Direction: "in", Seconds: 1, Answered: "yes", Video: true, Participants: []string{"a"}},
			Contact: &argus.Contact{Names: []string{"a"}, Accounts: []string{"b"}}, Room: &argus.Room{Name: "a", Topic: "b", Members: []string{"c"}},
			Membership: &argus.Membership{Action: "add", Members: []string{"a"}, Name: "b"}, Reaction: &argus.Reaction{To: "1", Sign: "+", Removed: true},
			Location: &argus.Location{Latitude: "1", Longitude: "2", Accuracy: "3", Source: "gps", Name: "a"},
			Device:   &argus.Device{Name: "a", Model: "b", Identifiers: []argus.Field{{Name: "IMEI", Value: "1"}}},
			Poll:     &argus.Poll{Question: "a", Options: []string{"b"}}, Replies: 1}}
}

func (f *fake) Show(_ context.Context, who desk.Who, ref string, raw bool) (*desk.Shown, error) {
	version := desk.Version{Version: argus.Version{1}, Message: call(), Entities: []entity.Entity{{Kind: "phone", Normal: "+1"}}}
	for _, s := range []desk.Sighting{{Raw: []byte("raw")}, {RawWithheld: true}} {
		s.Seq, s.ID, s.Delivery, s.Reader, s.States = 3, theID, 7, "jsonl/2", call()
		s.Original, s.Where = argus.Original{Path: "a", Modified: 1}, argus.Where{Original: 2, Path: "b", Record: 1, Offset: 1, Length: 1}
		version.Sightings = append(version.Sightings, s)
	}
	return &desk.Shown{Ref: theID, Message: call(), Versions: []desk.Version{version}, Entry: 1}, f.note(who, "show %s raw %t", ref, raw)
}

func (f *fake) Page(_ context.Context, who desk.Who, r desk.PageRequest) (*desk.Page, error) {
	return &desk.Page{Service: "sky"}, f.note(who, "page %+v", r)
}

func (f *fake) Deliveries(_ context.Context, who desk.Who) ([]desk.Delivery, error) {
	return []desk.Delivery{{Receipt: argus.Receipt{Delivery: 7}}}, f.note(who, "deliveries")
}

func (f *fake) Receipt(_ context.Context, who desk.Who, n argus.DeliveryNumber) (*desk.Delivery, error) {
	return &desk.Delivery{Receipt: argus.Receipt{Delivery: n, Seal: &argus.Seal{Delivery: n}, Counts: argus.Counts{Read: 3, Quarantined: 1},
		Files: []argus.FileAccount{{Problems: []argus.Reason{{Value: "a", Count: 1}}}}}, Limited: true}, f.note(who, "receipt %s", n)
}

func (f *fake) Ledger(_ context.Context, who desk.Who, from uint64, limit int) ([]ledger.Entry, error) {
	return []ledger.Entry{{Seq: 1}}, f.note(who, "ledger %d %d", from, limit)
}

func (f *fake) Oversee(_ context.Context, who desk.Who, from uint64, limit int) ([]desk.Overseen, error) {
	return []desk.Overseen{{Entry: ledger.Entry{Seq: 1}, Withheld: true}}, f.note(who, "oversee %d %d", from, limit)
}

func (f *fake) Orders(_ context.Context, who desk.Who, all bool) ([]desk.Order, error) {
	return []desk.Order{{Authority: authority.Authority{Number: 7}, State: authority.Suspended, May: []string{ledger.RevokeAuthority}}}, f.note(who, "orders %t", all)
}

func (f *fake) Authorities(_ context.Context, actor string) ([]authority.Authority, error) {
	return []authority.Authority{{Number: 1, Basis: "own data"}}, nil
}

// serve starts the API with a fake desk.
func serve(t *testing.T, f *fake) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(New(f, Options{
		Links: []Link{{Who: desk.Who{Actor: "ann", Authority: "A-0001", Purpose: "test"}, Token: "sesame"}}, Store: "case.argus",
		People: func() ([]Person, error) { return []Person{{Actor: "omar", Roles: []string{"overseer"}}}, nil },
		ChangeAuthority: func(_ context.Context, actor string, n authority.Number, c AuthorityChange) error {
			if actor != "ann" || n != 7 || c != (AuthorityChange{Kind: "revoke", Reason: "over"}) {
				return fmt.Errorf("%w: %s changes %s: %+v", argus.ErrRefused, actor, n, c)
			}
			return nil
		},
		Web: fstest.MapFS{"index.html": {Data: []byte("<!doctype html>the page")}, "argus.js": {Data: []byte("1")}},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}))
	t.Cleanup(s.Close)
	return s
}

// browser opens the link, as the page does, and returns a client with the session.
func browser(t *testing.T, s *httptest.Server) *http.Client {
	t.Helper()
	status, body := do(t, s.Client(), "POST", s.URL+"/api/open", "", http.Header{"X-Argus-Token": {"sesame"}})
	var opened struct{ Session string }
	if err := json.Unmarshal([]byte(body), &opened); err != nil || status != http.StatusOK {
		t.Fatalf("opening answered %d, %v: %s", status, err, body)
	}
	return &http.Client{Transport: holder{opened.Session}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// holder sends a session with each request.
type holder struct{ session string }

func (h holder) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Argus-Session", h.session)
	return http.DefaultTransport.RoundTrip(r)
}

func do(t *testing.T, c *http.Client, method, target, body string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		r.Header[name] = values
		if name == "Host" {
			r.Host = values[0]
		}
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

var (
	files      = []string{"/", "/argus.js"}
	everything = append([]string{"/api/session", "/api/deliveries", "/api/deliveries/7", "/api/ledger", "/api/oversight", "/api/authorities", "/api/authorities?all=true", "/api/people", "/api/messages/ab01",
		"/api/conversation?ref=ab01", "/api/openapi.json", "/api/open", "/api/nothing", "/api/", "/nothing"}, files...)
)

// TestRefusedWithoutSession: without a session, only the interface's files are served,
// whatever cookie, header or token the request has.
func TestRefusedWithoutSession(t *testing.T) {
	f := &fake{}
	s := serve(t, f)
	session := browser(t, s).Transport.(holder).session //nolint:forcetypeassert // browser made it
	for _, path := range everything {
		want := http.StatusUnauthorized
		switch {
		case slices.Contains(files, path):
			want = http.StatusOK
		case path == "/nothing":
			want = http.StatusNotFound
		}
		status, body := do(t, s.Client(), "GET", s.URL+path, "", nil)
		if status != want || want == http.StatusUnauthorized && !strings.Contains(body, "link that the argus command printed") {
			t.Errorf("GET %s answered %d: %s", path, status, body)
		}
	}
	for name, header := range map[string]http.Header{
		"nothing":           nil,
		"a cookie":          {"Cookie": {"argus-" + port(s) + "=" + session + "; session=" + session + "; X-Argus-Session=" + session}},
		"the token":         {"X-Argus-Session": {"sesame"}},
		"the used token":    {"X-Argus-Token": {"sesame"}},
		"an empty session":  {"X-Argus-Session": {""}},
		"a guess":           {"X-Argus-Session": {strings.Repeat("A", len(session))}},
		"half of it":        {"X-Argus-Session": {session[:13]}},
		"more than it":      {"X-Argus-Session": {session + "A"}},
		"an authorization":  {"Authorization": {"Bearer " + session}},
		"another's purpose": {"X-Argus-Purpose": {session}},
	} {
		for _, target := range []string{"/api/search", "/api/query", "/api/search?session=" + session, "/api/open", "/api/open?token=sesame"} {
			if status, _ := do(t, s.Client(), "POST", s.URL+target, `{"query":""}`, header); status != http.StatusUnauthorized {
				t.Errorf("with %s, POST %s answered %d", name, target, status)
			}
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the desk was asked: %q", f.asked)
	}
}

func port(s *httptest.Server) string {
	u, _ := url.Parse(s.URL)
	return u.Port()
}

func TestTokenOpensOnce(t *testing.T) {
	f := &fake{}
	s := serve(t, f)
	for name, header := range map[string]http.Header{
		"nothing":      nil,
		"an empty one": {"X-Argus-Token": {""}},
		"half of it":   {"X-Argus-Token": {"sesam"}},
		"another page": {"X-Argus-Token": {"sesame"}, "Origin": {"http://127.0.0.1:1"}},
		"same site":    {"X-Argus-Token": {"sesame"}, "Sec-Fetch-Site": {"same-site"}},
	} {
		if status, body := do(t, s.Client(), "POST", s.URL+"/api/open", "", header); status < 400 || strings.Contains(body, `"session"`) {
			t.Errorf("with %s, the session opened: %d", name, status)
		}
	}
	if status, _ := do(t, s.Client(), "GET", s.URL+"/api/open", "", http.Header{"X-Argus-Token": {"sesame"}}); status != http.StatusUnauthorized {
		t.Errorf("GET opened: %d", status)
	}
	first := browser(t, s)
	for name, c := range map[string]*http.Client{"another": s.Client(), "who has the session": first} {
		if status, _ := do(t, c, "POST", s.URL+"/api/open", "", http.Header{"X-Argus-Token": {"sesame"}}); status != http.StatusUnauthorized {
			t.Errorf("the token worked twice, the second time for %s: %d", name, status)
		}
	}
	if status, _ := do(t, first, "POST", s.URL+"/api/search", `{"query":""}`, nil); status != http.StatusOK || len(f.asked) != 1 {
		t.Errorf("the session answers %d", status)
	}
}

// TestNoCookie: a browser would send a cookie to every port of this machine.
func TestNoCookie(t *testing.T) {
	s := serve(t, &fake{})
	stranger := s.Client()
	for _, c := range []*http.Client{stranger, browser(t, s)} {
		for _, path := range append([]string{"/?token=sesame"}, everything...) {
			for _, method := range []string{"GET", "POST"} {
				r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Argus-Token", "sesame")
				res, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if cookie := res.Header.Values("Set-Cookie"); len(cookie) > 0 {
					t.Errorf("%s %s sets %q", method, path, cookie)
				}
			}
		}
	}
}

// TestSeveralLinks: each link opens the session of its own person, and no session can
// become another person's, except in a demonstration.
func TestSeveralLinks(t *testing.T) {
	for _, demonstration := range []bool{false, true} {
		f := &fake{}
		s := httptest.NewServer(New(f, Options{
			Links: []Link{
				{Who: desk.Who{Actor: "ann", Authority: "A-0001", Purpose: "test"}, Token: "first"},
				{Who: desk.Who{Actor: "bob", Authority: "A-0002", Purpose: "rest"}, Token: "second"},
				{Who: desk.Who{Actor: "eve", Authority: "A-0003", Purpose: "none"}},
			},
			People: func() ([]Person, error) {
				return []Person{{Actor: "ann", Roles: []string{"judge"}}, {Actor: "bob", Name: "Bob", Roles: []string{"analyst"}}, {Actor: "eve", Roles: []string{"defence"}}}, nil
			},
			Switch: demonstration,
		}))
		defer s.Close()
		enter := func(token string) (c *http.Client, actor string) {
			t.Helper()
			status, body := do(t, s.Client(), "POST", s.URL+"/api/open", "", http.Header{"X-Argus-Token": {token}})
			var opened Opened
			if err := json.Unmarshal([]byte(body), &opened); err != nil || status != http.StatusOK {
				t.Fatalf("opening answered %d, %v: %s", status, err, body)
			}
			return &http.Client{Transport: holder{opened.Session}}, opened.Actor
		}
		bob, actor := enter("second")
		ann, _ := enter("first")
		if actor != "bob" {
			t.Errorf("the second link belongs to %s", actor)
		}
		asked := func(c *http.Client) string {
			t.Helper()
			f.asked = nil
			if status, body := do(t, c, "POST", s.URL+"/api/search", `{"query":"x"}`, nil); status != http.StatusOK {
				t.Fatalf("%d: %s", status, body)
			}
			return strings.Join(f.asked, "")
		}
		if a, b := asked(ann), asked(bob); !strings.Contains(a, "ann") || !strings.Contains(b, "bob") || strings.Contains(b, "ann") {
			t.Errorf("asked as %q and %q", a, b)
		}
		_, body := do(t, bob, "GET", s.URL+"/api/session", "", nil)
		var session Session
		if err := json.Unmarshal([]byte(body), &session); err != nil {
			t.Fatal(err)
		}
		others := []Person(nil)
		if demonstration {
			others = []Person{{Actor: "ann", Roles: []string{"judge"}}} // eve has no link
		}
		if diff := cmp.Diff(&Person{"bob", "Bob", []string{"analyst"}}, session.Person) + cmp.Diff(others, session.Others); diff != "" {
			t.Errorf("the session of bob (-want +got):\n%s", diff)
		}
		for other, want := range map[string]int{"ann": http.StatusOK, "eve": http.StatusForbidden, "": http.StatusForbidden} {
			if !demonstration {
				want = http.StatusForbidden
			}
			if status, body := do(t, bob, "POST", s.URL+"/api/switch", `{"actor":"`+other+`"}`, nil); status != want || (status == http.StatusOK) != strings.Contains(body, `"session"`) {
				t.Errorf("bob becomes %q: %d, want %d: %s", other, status, want, body)
			}
		}
		if status, _ := do(t, s.Client(), "POST", s.URL+"/api/switch", `{"actor":"ann"}`, nil); status != http.StatusUnauthorized {
			t.Errorf("nobody becomes ann: %d", status)
		}
	}
}

func TestNoTokenNoSession(t *testing.T) {
	s := httptest.NewServer(New(&fake{}, Options{}))
	defer s.Close()
	if status, _ := do(t, s.Client(), "POST", s.URL+"/api/open", "", http.Header{"X-Argus-Token": {""}}); status != http.StatusUnauthorized {
		t.Errorf("without a token there was a session: %d", status)
	}
}

func TestRefusedForOtherHostsAndPages(t *testing.T) {
	f := &fake{}
	s := serve(t, f)
	c := browser(t, s)
	own := "127.0.0.1:" + port(s)
	for name, test := range map[string]struct {
		header http.Header
		want   int
	}{
		"a name that leads here":      {http.Header{"Host": {"evil.example:" + port(s)}}, http.StatusMisdirectedRequest},
		"a name without a port":       {http.Header{"Host": {"evil.example"}}, http.StatusMisdirectedRequest},
		"another port":                {http.Header{"Host": {"127.0.0.1:1"}}, http.StatusMisdirectedRequest},
		"another address":             {http.Header{"Host": {"127.0.0.2:" + port(s)}}, http.StatusMisdirectedRequest},
		"a page of another site":      {http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
		"a page of another port":      {http.Header{"Origin": {"http://127.0.0.1:1"}}, http.StatusForbidden},
		"a page without origin":       {http.Header{"Origin": {"null"}}, http.StatusForbidden},
		"the browser says cross-site": {http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		"the browser says same-site":  {http.Header{"Sec-Fetch-Site": {"same-site"}}, http.StatusForbidden},
		"our own page":                {http.Header{"Origin": {"http://" + own}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusOK},
		"no browser":                  {nil, http.StatusOK},
	} {
		for _, method := range []string{"GET", "POST"} {
			f.asked = nil
			path, body := "/api/deliveries", ""
			if method == "POST" {
				path, body = "/api/search", `{"query":""}`
			}
			status, _ := do(t, c, method, s.URL+path, body, test.header)
			if status != test.want || (status == http.StatusOK) != (len(f.asked) == 1) {
				t.Errorf("%s: %s answered %d, want %d; the desk was asked %q", name, method, status, test.want, f.asked)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	s := serve(t, &fake{})
	c := browser(t, s)
	for _, path := range everything {
		res, err := c.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self';", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if path == "/nothing" && name == "Cache-Control" {
				continue // net/http removes it if there is no file
			}
			if got := res.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("GET %s: %s is %q, want %q", path, name, got, want)
			}
		}
		if p := res.Header.Get("Content-Security-Policy"); !strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("GET %s: the policy is %q", path, p)
		}
	}
}

func TestAnswers(t *testing.T) {
	f := &fake{}
	s := serve(t, f)
	c := browser(t, s)
	chosen := http.Header{"X-Argus-Authority": {"A-0002"}, "X-Argus-Purpose": {url.PathEscape("onderzoek Kadé 9/b")}}
	for _, test := range []struct {
		method, path, body string
		header             http.Header
		asked, answer      string
	}{
		{"POST", "/api/search", `{"query":"loods","limit":5,"zone":"Europe/Amsterdam"}`, nil,
			`ann/A-0001/test search "loods" limit 5 zone Europe/Amsterdam`, `"text":"<b>loods</b>"},"marks":[[3,8]],"deliveries":["D-0007"],"sightings":3,"versions":2,"also_locked":true}],"total":3,"messages":1,"beside":[{"value":"call","count":2}],"differing":1`},
		{"POST", "/api/search", `{"query":""}`, chosen, `ann/A-0002/onderzoek Kadé 9/b search "" limit 0 zone `, `"total":3`},
		{"POST", "/api/query", `{"query":"Kade OR loods","zone":"Europe/Amsterdam","and":[{"field":"in","value":"Kade \"9\""}],"not":[{"field":"from","value":"Q3XK9A"}],"sent":{"from":"2021-02-14"}}`, nil,
			"", `{"query":"(Kade OR loods) in:=\"Kade \\\"9\\\"\" -from:=Q3XK9A sent:2021-02-14..","narrowed":{"and":[{"field":"in","value":"Kade \"9\""}],"not":[{"field":"from","value":"Q3XK9A"}]},"words":"A message is selected if `},
		{"GET", "/api/messages/ab01?raw=true", "", nil, "ann/A-0001/test show ab01 raw true", `"ref":"ab010000`},
		{"GET", "/api/conversation?ref=ab01&before=50&after=-1", "", nil,
			"ann/A-0001/test page {Ref:ab01 Service: Conversation: Before:50 After:-1}", `"service":"sky"`},
		{"GET", "/api/deliveries", "", nil, "ann/A-0001/test deliveries", `"delivery":"D-0007"`},
		{"GET", "/api/deliveries/D-0007", "", nil, "ann/A-0001/test receipt D-0007", `"delivery":"D-0007"`},
		{"GET", "/api/ledger?from=3", "", nil, "ann/A-0001/test ledger 3 100", `"seq":1`},
		{"GET", "/api/authorities", "", nil, "ann/A-0001/test orders false", `"state":"suspended","may":["authority.revoke"]`},
		{"GET", "/api/authorities?all=true", "", nil, "ann/A-0001/test orders true", `"authority":"A-0007"`},
		{"POST", "/api/authorities/a-7/changes", `{"kind":"revoke","reason":"over"}`, nil, "ann/A-0001/test orders true", `"authority":"A-0007"`},
		{"GET", "/api/people", "", nil, "ann/A-0001/test orders true", `[{"actor":"omar","roles":["overseer"]}]`},
		{"GET", "/api/oversight?from=3", "", nil, "ann/A-0001/test oversee 3 100", `"withheld":true`},
		{"GET", "/api/session", "", nil, "", `"store":"case.argus"`},
		{"GET", "/", "", nil, "", "the page"},
	} {
		f.asked = nil
		status, body := do(t, c, test.method, s.URL+test.path, test.body, test.header)
		if status != http.StatusOK || !strings.Contains(body, test.answer) {
			t.Errorf("%s %s answered %d: %s\nwant %s", test.method, test.path, status, body, test.answer)
		}
		if got := strings.Join(f.asked, "\n"); got != test.asked {
			t.Errorf("%s %s asked the desk:\n%s\nwant:\n%s", test.method, test.path, got, test.asked)
		}
	}
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want Problem
	}{
		"senseless":   {fmt.Errorf("%w: unknown time zone", desk.ErrRequest), Problem{Status: 422, Title: "Bad request", Detail: "bad request: unknown time zone"}},
		"refused":     {fmt.Errorf("search: %w: no purpose", argus.ErrRefused), Problem{Status: 403, Title: "Refused", Detail: "search: refused: no purpose"}},
		"not found":   {fmt.Errorf("show: %w", argus.ErrNotFound), Problem{Status: 404, Title: "No record found", Detail: "show: no record found"}},
		"ambiguous":   {argus.ErrAmbiguous, Problem{Status: 409, Title: "Ambiguous reference", Detail: "ambiguous reference"}},
		"damaged":     {fmt.Errorf("read segment 3: %w", argus.ErrDamaged), Problem{Status: 500, Title: "Damaged", Detail: "stored bytes have changed; run argus verify"}},
		"missing":     {fmt.Errorf("%w: %w", argus.ErrDamaged, argus.ErrNotFound), Problem{Status: 500, Title: "Damaged", Detail: "stored bytes have changed; run argus verify"}},
		"our secrets": {errors.New("open /home/ann/case: denied"), Problem{Status: 500, Title: "Internal error", Detail: "the argus command printed the cause"}},
	} {
		s := serve(t, &fake{err: test.err})
		status, body := do(t, browser(t, s), "POST", s.URL+"/api/search", `{"query":"x"}`, nil)
		var got Problem
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, body)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || status != test.want.Status {
			t.Errorf("%s answered %d (-want +got):\n%s", name, status, diff)
		}
	}
}

func TestSyntaxErrorPointsAtThePlace(t *testing.T) {
	s := serve(t, &fake{})
	status, body := do(t, browser(t, s), "POST", s.URL+"/api/search", `{"query":"loods is:lost"}`, nil)
	var got Problem
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if status != http.StatusUnprocessableEntity || got.Place == nil || got.Place.Offset+got.Place.Length > len("loods is:lost") || got.Place.Offset < 6 {
		t.Errorf("answered %d: %s", status, body)
	}
}

func TestBadRequests(t *testing.T) {
	f := &fake{}
	s := serve(t, f)
	c := browser(t, s)
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/api/search", `{"query":`, 400},
		{"POST", "/api/search", `{"query":1}`, 422},
		{"POST", "/api/search", `{"query":"x","colour":1}`, 422},
		{"POST", "/api/search", `{"query":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		{"POST", "/api/query", `{"query":"(x"}`, 422},
		{"POST", "/api/query", `{"query":"x","zone":"Mars/Base"}`, 422},
		{"POST", "/api/query", `{"query":"x","and":[{"field":"colour","value":"red"}]}`, 422},
		{"POST", "/api/query", `{"query":"x","sent":{"from":"2021 OR sent:2020"}}`, 422},
		{"GET", "/api/deliveries/x", "", 404},
		{"GET", "/api/conversation?before=501&ref=ab01", "", 422},
		{"GET", "/api/ledger?limit=-1", "", 422},
		{"GET", "/api/oversight?limit=-1", "", 422},
		{"POST", "/api/authorities/x/changes", `{"kind":"revoke","reason":"over"}`, 404},
		{"POST", "/api/authorities/7/changes", `{"kind":"lift","reason":"over"}`, 422},
		{"POST", "/api/authorities/7/changes", `{"kind":"revoke","reason":""}`, 422},
		{"POST", "/api/authorities/7/changes", `{"kind":"revoke"}`, 422},
		{"POST", "/api/authorities/8/changes", `{"kind":"revoke","reason":"over"}`, 403},
		{"GET", "/api/nothing", "", 404},
		{"GET", "/../go.mod", "", 307},
		{"DELETE", "/api/search", "", 405},
		{"GET", "/api/search", "", 405},
		{"POST", "/api/deliveries", "", 405},
		{"POST", "/api/deliveries/1", "", 405},
		{"POST", "/api/nothing", "", 404},
	} {
		status, body := do(t, c, test.method, s.URL+test.path, test.body, nil)
		if status != test.want {
			t.Errorf("%s %s answered %d, want %d: %.200s", test.method, test.path, status, test.want, body)
		}
	}
	if len(f.asked) > 0 {
		t.Errorf("the desk was asked: %q", f.asked)
	}
}

func TestOpenAPI(t *testing.T) {
	s := serve(t, &fake{})
	status, body := do(t, browser(t, s), "GET", s.URL+"/api/openapi.json", "", nil)
	var doc struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ OperationID string }
		Components struct {
			Schemas map[string]struct{ Properties map[string]json.RawMessage }
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("%d %v: %.200s", status, err, body)
	}
	var operations []string
	for _, path := range doc.Paths {
		for _, operation := range path {
			operations = append(operations, operation.OperationID)
		}
	}
	if doc.OpenAPI != "3.1.0" || len(operations) != 14 {
		t.Errorf("OpenAPI %s with operations %q", doc.OpenAPI, operations)
	}
	message := doc.Components.Schemas["Message"].Properties
	for name, want := range map[string]string{"sent": `"clock"`, "state": `"locked"`, "text": `"string"`, "type": `"membership"`, "account_reach": `"export"`} {
		if !bytes.Contains(message[name], []byte(want)) {
			t.Errorf("a message's %s is described as %s, want %s", name, message[name], want)
		}
	}
	for of, texts := range descriptions {
		for name, text := range texts {
			if !bytes.Contains(doc.Components.Schemas[of].Properties[name], []byte(text)) {
				t.Errorf("%s.%s is described as %s, want %q in it", of, name, doc.Components.Schemas[of].Properties[name], text)
			}
		}
	}
}

// TestAnswersAreAsDescribed validates the answer of each endpoint against its
// description.
func TestAnswersAreAsDescribed(t *testing.T) {
	described := routes(http.NewServeMux(), &fake{}, Options{}, nil).OpenAPI()
	s := serve(t, &fake{})
	c := browser(t, s)
	get := func(item *huma.PathItem) *huma.Operation { return item.Get }
	for path, test := range map[string]struct {
		of, body string
	}{
		"/api/search":                {"/api/search", `{"query":"loods"}`},
		"/api/query":                 {"/api/query", `{"query":"loods","and":[{"field":"from","value":"a"}],"not":[{"field":"is","value":"call"}]}`},
		"/api/messages/ab01":         {"/api/messages/{ref}", ""},
		"/api/conversation":          {"/api/conversation", ""},
		"/api/deliveries":            {"/api/deliveries", ""},
		"/api/deliveries/D-0007":     {"/api/deliveries/{number}", ""},
		"/api/ledger":                {"/api/ledger", ""},
		"/api/oversight":             {"/api/oversight", ""},
		"/api/people":                {"/api/people", ""},
		"/api/authorities":           {"/api/authorities", ""},
		"/api/authorities/7/changes": {"/api/authorities/{number}/changes", `{"kind":"revoke","reason":"over"}`},
		"/api/session":               {"/api/session", ""},
	} {
		method, operation := "GET", get
		if test.body != "" {
			method, operation = "POST", func(item *huma.PathItem) *huma.Operation { return item.Post }
		}
		status, body := do(t, c, method, s.URL+path, test.body, nil)
		var answer any
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%s answered %d, %v: %s", path, status, err, body)
		}
		schema := operation(described.Paths[test.of]).Responses["200"].Content["application/json"].Schema
		var found huma.ValidateResult
		huma.Validate(described.Components.Schemas, schema, huma.NewPathBuffer([]byte(path), 0), huma.ModeReadFromServer, answer, &found)
		for _, err := range found.Errors {
			t.Errorf("%s is not as described: %v", path, err)
		}
	}
}
