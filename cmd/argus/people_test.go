package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/admin"
)

// TestServeForPeople: each of several people gets a link, and acts as himself only, under
// his own authority, until the second in which he leaves.
func TestServeForPeople(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("runs the command as a process; not with -short, nor with -race")
	}
	surroundings(t)
	t.Setenv("ARGUS_ACTOR", "")
	dir := t.TempDir()
	t.Setenv("ARGUS_STORE", filepath.Join(dir, "s"))
	file := filepath.Join(dir, "a.jsonl")
	if err := os.WriteFile(file, []byte(spokenLines), 0o600); err != nil {
		t.Fatal(err)
	}
	tells(t, "ingest", file)
	if code, _, said := told(t, "serve", "--no-open", "--for", "anna"); code != 5 || !strings.Contains(said, "this store has no people") {
		t.Errorf("in a store without people: exit %d, %s", code, said)
	}
	tells(t, "people", "set", "carla", "--role", "custodian,judge", "--user", admin.ActorName())
	tells(t, "people", "set", "anna", "--role", "investigator")
	tells(t, "people", "set", "bram", "--role", "prosecutor", "--name", "Bram C.")
	for _, one := range []string{"anna", "bram"} {
		tells(t, "authority", "add", "--basis", "b", "--granted-by", "g", "--for", "the case of "+one, "--scope", map[string]string{"anna": "hello", "bram": "*"}[one], "--for-actor", one)
	}
	tells(t, "authority", "revoke", "1", "--reason", "others take its place")
	if code, _, said := told(t, "serve", "--no-open", "--for", "anna,nobody"); code != 4 || !strings.Contains(said, "nobody is not one of the people of this store") {
		t.Errorf("for nobody: exit %d, %s", code, said)
	}
	links := servesFor(t, "anna,bram")
	if len(links) != 2 || links[0].Actor != "anna" || links[1].Actor != "bram" {
		t.Fatalf("the links are %+v", links)
	}
	anna, bram := openPage(t, links[0].URL), openPage(t, links[1].URL)
	search := map[string]any{"query": "", "limit": -1}
	count := func(p *servedPage) any { return p.object(t, "POST", "/api/search", search)["messages"] }
	if got := count(anna); got != 2.0 {
		t.Errorf("anna finds %v messages, want the two in her scope", got)
	}
	if got := count(bram); got != 3.0 {
		t.Errorf("bram finds %v messages, want all three", got)
	}
	if person := bram.object(t, "GET", "/api/session", nil)["person"].(map[string]any); person["actor"] != "bram" || person["name"] != "Bram C." {
		t.Errorf("the session of bram is of %v", person)
	}
	_, token, _ := strings.Cut(links[0].URL, "#token=")
	under := func(authority string) *servedPage {
		return &servedPage{at: anna.at, session: anna.session, authority: authority}
	}
	for _, test := range []struct {
		what, path, body string
		as               *servedPage
		want             int
	}{
		{"the link again", "/api/open", "", &servedPage{at: anna.at, token: token}, 401},
		{"a guessed session", "/api/search", `{"query":""}`, &servedPage{at: anna.at, session: "guessed"}, 401},
		{"no session", "/api/search", `{"query":""}`, &servedPage{at: anna.at}, 401},
		{"the switch of the demonstration", "/api/switch", `{"actor":"bram"}`, anna, 403},
		{"the authority of somebody else", "/api/search", `{"query":""}`, under("A-0003"), 403},
		{"the authority that ended", "/api/search", `{"query":""}`, under("A-0001"), 403},
	} {
		if got := test.as.status(t, test.path, test.body); got != test.want {
			t.Errorf("%s: status %d, want %d", test.what, got, test.want)
		}
	}
	tells(t, "people", "end", "anna")
	if status := anna.status(t, "/api/search", `{"query":""}`); status != http.StatusForbidden {
		t.Errorf("anna has left, and searches: %d", status)
	}
	if got := count(bram); got != 3.0 {
		t.Errorf("bram finds %v messages after anna left", got)
	}
}

// servesFor serves to people until the test ends, and returns their links.
func servesFor(t *testing.T, people string) []servedLink {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), "serve", "--json", "--no-open", "--for", people)
	c.Args[0] = "argus"
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Cancel(); err != nil {
			t.Errorf("stop the command: %v", err)
		}
		if err := c.Wait(); err != nil {
			t.Logf("the command ended: %v", err)
		}
	})
	var said serving
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return said.Links
}

// status posts a request, and returns the status of its answer.
func (p *servedPage) status(t *testing.T, path, body string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.at+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	p.say(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
