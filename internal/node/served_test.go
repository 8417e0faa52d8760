package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/layout"
)

// TestDamageWhileServing removes a file while a store is served. The page must report the
// damage and the remedy, and the log must have the cause.
func TestDamageWhileServing(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	ref := search(t, dir, o, "").Hits[0].Ref.String()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	who, err := n.Who(t.Context(), desk.Who{Actor: "tester"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := "http://" + l.Addr().String()
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- n.Serve(ctx, l, Served{Store: "s", Links: []Link{{Who: who, Token: "t"}}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	}()
	ask := func(method, path, header, value string) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, at+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var object map[string]any
		data, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, json.Unmarshal(data, &object)); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		return object
	}
	session, _ := ask("POST", "/api/open", "X-Argus-Token", "t")["session"].(string)
	show := func() map[string]any {
		return ask("GET", "/api/messages/"+ref+"?raw=true", "X-Argus-Session", session)
	}
	if got := show(); got["title"] != nil {
		t.Fatalf("before the damage: %v", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, layout.Originals)); err != nil {
		t.Fatal(err)
	}
	if got := show(); got["title"] != "Damaged" || !strings.Contains(got["detail"].(string), "restore the store from a copy") {
		t.Errorf("after the originals are gone: %v", got)
	}
	stop()
	if err := errors.Join(<-ended, n.Close()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "is missing") {
		t.Errorf("the log does not name the missing file: %q", log.String())
	}
}

// TestDamagedAuthority: every act under an authority whose file changed is refused, and
// the ledger records the attempt.
func TestDamagedAuthority(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	files, err := filepath.Glob(filepath.Join(dir, layout.Authorities, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.WriteFile(file, []byte("nonsense\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	before, err := n.ledger.Size()
	if err != nil {
		t.Fatal(err)
	}
	who, err := n.Who(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001", Purpose: "test"})
	if err == nil {
		_, err = n.Desk.Search(t.Context(), who, desk.SearchRequest{Query: "crates"})
	}
	if !errors.Is(err, argus.ErrDamaged) {
		t.Fatalf("the search ended with %v", err)
	}
	if after, err := n.ledger.Size(); after != before+1 || err != nil {
		t.Errorf("the ledger has %d entries more, want 1; %v", after-before, err)
	}
}

// TestRemedy: the advice fits the part that is damaged.
func TestRemedy(t *testing.T) {
	for want, err := range map[string]error{
		"argus reindex":                  &layout.DamagedError{File: layout.Index + "/manifest", Err: os.ErrNotExist},
		"restore the store from a copy":  &layout.DamagedError{File: layout.IndexLock, Err: os.ErrNotExist},
		"the folder of your own ledger":  &besideError{dir: "reader", error: argus.ErrDamaged},
		"and keep this one as evidence.": argus.ErrDamaged,
	} {
		if got := Remedy(err); !strings.Contains(got, want) {
			t.Errorf("the remedy of %v is %q, want %q", err, got, want)
		}
	}
}
