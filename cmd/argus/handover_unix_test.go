//go:build linux || darwin

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/demo"
	"github.com/argus-evidence/argus/internal/layout"
)

// commands runs the real command in a folder that holds its store and keys.
type commands struct {
	binary, dir, store string
	env                []string
}

func newCommands(t *testing.T, binary, dir string) *commands {
	t.Helper()
	if testing.Short() || underRace {
		t.Skip("builds the real binary; not with -short, nor with -race")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &commands{binary: binary, dir: dir, store: filepath.Join(dir, "s")}
	c.env = append(os.Environ(), "ARGUS_KEYS="+filepath.Join(dir, "keys"), "ARGUS_ACTOR=ann", "ARGUS_STORE=s")
	for name, text := range map[string]string{
		"chats/a.jsonl": spokenLines + "{\n", "chats/none.bin": "\x00\x01", "later.jsonl": strings.Replace(spokenLines, "hello +32", "hello again +32", 1),
		// It prints who runs it, and waits as long as its folder has a file of that name.
		"via.sh": "#!/bin/sh\necho parent $PPID $WORD >&2\nwhile [ -e wait ]; do sleep 0.05; done\ncat\n",
	} {
		c.write(t, name, text)
	}
	return c
}

func (c *commands) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(c.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o700)); err != nil {
		t.Fatal(err)
	}
}

func (c *commands) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.binary, args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd
}

// run runs a command, and returns everything that it prints, and its exit code.
func (c *commands) run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := c.command(t, args...)
	out, said := new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s-- stderr\n%s-- exit %d\n", out, said, cmd.ProcessState.ExitCode())
}

// started is a running command.
type started struct {
	*exec.Cmd
	out, said bytes.Buffer
}

func (c *commands) start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{Cmd: c.command(t, args...)}
	s.Stdout, s.Stderr = &s.out, &s.said
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// ends waits for the end of a command.
func (s *started) ends(t *testing.T, code int, said string) {
	t.Helper()
	_ = s.Wait() // the code says it
	if got := s.ProcessState.ExitCode(); got != code || !strings.Contains(s.said.String(), said) {
		t.Errorf("%v ended with %d, want %d with %q:\n%s%s", s.Args[1:], got, code, said, s.out.String(), s.said.String())
	}
}

// serve starts a server of the store, and returns its link.
func (c *commands) serve(t *testing.T, args ...string) (server *exec.Cmd, link string) {
	t.Helper()
	server = c.command(t, append(args, "--no-open")...)
	server.Stderr = t.Output()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	lines := bufio.NewScanner(out)
	for link == "" && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http://") {
			link = lines.Text()
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if link == "" {
		t.Fatal("the server does not begin")
	}
	return server, link
}

// until waits for something to become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it does not happen", what)
		}
	}
}

// varying matches everything that differs between two stores that ingest the same data.
// The position in a progress report depends on how far the reader is ahead of the writer.
var varying = regexp.MustCompile(`[0-9a-f]{16,64}|("file":"[^"]*",)?"bytes":[0-9]+|20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|"(started|modified)_us":[0-9]+|parent [0-9]+|/[^ ":]*/(here|there)\b`)

// TestIngestBesideServer checks that every command that ingests deliveries prints the
// same, word for word, with a server and without one, and that the server did the work.
func TestIngestBesideServer(t *testing.T) {
	binary := build(t, "")
	dir := t.TempDir()
	here, there := newCommands(t, binary, filepath.Join(dir, "here")), newCommands(t, binary, filepath.Join(dir, "there"))
	for _, c := range []*commands{here, there} {
		c.run(t, "init", "--country", "NL")
		c.run(t, "authority", "add", "--basis", "Warrant 8", "--granted-by", "Judge B.", "--for", "the case", "--for-actor", "ann", "--for-actor", "bob")
		c.write(t, "slow/a.jsonl", spokenLines)
		c.run(t, "world", "case", "--messages", "1000")
		c.env = append(c.env, "WORD=spoken")
	}
	server, link := there.serve(t, "serve", "--authority", "A-0002")
	if info, err := os.Lstat(layout.File(there.store, layout.Socket)); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	parent := fmt.Sprint("parent ", server.Process.Pid, " spoken\n")
	for _, args := range [][]string{
		{"ingest", "--authority", "A-0002", "--purpose", "reading", "--actor", "bob", "chats", "later.jsonl"},
		{"ingest", "--authority", "A-0001", "--json", "--batch", "1", "./chats/../chats", "--timezone", "Europe/Brussels"},
		{"ingest", "chats"},
		{"ingest", "--authority", "A-0002", "case"},
		{"ingest", "--authority", "A-0002", "--json", "case"},
		{"ingest", "--authority", "A-0009", "chats"},
		{"ingest", "--authority", "A-0002", "--format", "none", "chats"},
		{"ingest", "--authority", "A-0002", "nothing"},
		{"ingest", "--authority", "A-0002", "--via", "./via.sh", "slow", "--", "via.sh"},
		{"ingest", "--authority", "A-0002", "--resume"},
		{"ingest", "--authority", "A-0002", "--abandon", "D-0001"},
		{"ingest", "--dry-run", "chats"},
		{"reread", "--authority", "A-0001", "D-0001", "--timezone", "Europe/Brussels", "--reason", "the clock"},
		{"reread", "--authority", "A-0001", "--json", "D-0003"},
		{"reread", "--authority", "A-0001", "D-0099"},
	} {
		without, with := here.run(t, args...), there.run(t, args...)
		if diff := gocmp.Diff(varying.ReplaceAllString(without, "~"), varying.ReplaceAllString(with, "~")); diff != "" {
			t.Errorf("argus %v differs with a server:\n%s", args, diff)
		}
		if strings.Contains(with, "parent ") && !strings.Contains(with, parent) {
			t.Errorf("argus %v was not handed over, want %q:\n%s", args, parent, with)
		}
	}
	if got := there.run(t, "ingest", "--authority", "A-0002", "--via", "./via.sh", "slow", "--", "via.sh"); !strings.Contains(got, parent) {
		t.Errorf("want %q:\n%s", parent, got)
	}
	if got := there.run(t, "ledger", "--json", "--authority", "A-0001"); !regexp.MustCompile(`"actor":"bob","authority":"A-0002","purpose":"reading","action":"ingest.open"`).MatchString(got) {
		t.Errorf("the ledger lacks the actor, authority or purpose of an ingest:\n%s", got)
	}
	// The server finds the messages at once.
	find := searchOf(t, link)
	there.write(t, "new.jsonl", strings.ReplaceAll(spokenLines, "hello", "zebra"))
	before := find("zebra")
	there.run(t, "ingest", "--authority", "A-0002", "new.jsonl")
	if after := find("zebra"); before != 0 || after != 2 {
		t.Errorf("the server found %d, then %d messages; want 0, then 2", before, after)
	}
	// Several deliveries come in at the same time.
	there.write(t, "wait", "")
	there.write(t, "waiting/a.jsonl", strings.ReplaceAll(spokenLines, "hello", "gnu"))
	waiting := there.start(t, "ingest", "--authority", "A-0002", "--via", "./via.sh", "waiting")
	until(t, "the reading", func() bool { return strings.Contains(there.run(t, "receipt", "--authority", "A-0002"), "waiting") })
	if got := there.run(t, "ingest", "--authority", "A-0002", "chats"); !strings.HasSuffix(got, "-- exit 0\n") || strings.Contains(got, "unfinished") {
		t.Errorf("beside another ingest:\n%s", got)
	}
	os.Remove(filepath.Join(there.dir, "wait"))
	waiting.ends(t, 0, "")
	want := fmt.Sprintf("%q (process %d) has the store open: stop it with Ctrl-C, and run this command again.\n-- exit 6", "argus serve", server.Process.Pid)
	if got := there.run(t, "reindex"); !strings.Contains(got, want) {
		t.Errorf("reindex beside a server: want %q:\n%s", want, got)
	}
	if got := there.run(t, "verify"); !strings.Contains(got, "SOUND") || strings.Contains(got, layout.Server) {
		t.Errorf("verify beside a server:\n%s", got)
	}
	second, _ := there.serve(t, "serve", "--authority", "A-0002")
	stop(t, second)
	stop(t, server)
	if layout.There(layout.File(there.store, layout.Socket)) {
		t.Error("the socket is left behind")
	}
	there.write(t, "s/server/more", "")
	if got := there.run(t, "verify"); !strings.Contains(got, "note  server/more: the file is not part of the store") {
		t.Errorf("verify with a file in the server's folder:\n%s", got)
	}
}

// stop ends a server as Ctrl-C does.
func stop(t *testing.T, server *exec.Cmd) {
	t.Helper()
	if err := errors.Join(server.Process.Signal(os.Interrupt), server.Wait()); err != nil {
		t.Errorf("%v: %v", server.Args, err)
	}
}

// searchOf opens the link of a server and returns a function that counts the messages
// that a query finds.
func searchOf(t *testing.T, link string) func(query string) int {
	t.Helper()
	origin, token, _ := strings.Cut(link, "/#token=")
	ask := func(path, header, value, body string, answer any) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", origin+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		r.Header.Set("Content-Type", "application/json")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		if err := json.NewDecoder(a.Body).Decode(answer); err != nil || a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", path, a.Status, err)
		}
	}
	var opened struct{ Session string }
	ask("/api/open", "X-Argus-Token", token, "", &opened)
	return func(query string) int {
		var found struct{ Total int }
		ask("/api/search", "X-Argus-Session", opened.Session, fmt.Sprintf(`{"query":%q}`, query), &found)
		return found.Total
	}
}

// TestHandoverInterrupted checks that if either end dies, the delivery is interrupted and
// can be resumed, with a server and without one.
func TestHandoverInterrupted(t *testing.T) {
	// The path of the store is too long for the address of a socket.
	c := newCommands(t, build(t, ""), filepath.Join(t.TempDir(), strings.Repeat("long/", 30)))
	c.run(t, "init")
	// delivering starts an ingest that waits in the middle.
	delivering := func() *started {
		c.write(t, "wait", "")
		s := c.start(t, "ingest", "--via", "./via.sh", "chats")
		until(t, "the reading", func() bool {
			return strings.Contains(c.run(t, "receipt"), "not sealed")
		})
		time.Sleep(100 * time.Millisecond)
		return s
	}
	resumed := func(number string) {
		t.Helper()
		os.Remove(filepath.Join(c.dir, "wait"))
		if got := c.run(t, "ingest", "--resume"); !strings.HasPrefix(got, number+"  chats\n") || !strings.HasSuffix(got, "-- exit 0\n") {
			t.Errorf("resume: %s", got)
		}
	}
	const ended, goOn = "argus: the server that took the delivery in has ended\n", `Continue with "argus ingest --resume".`

	server, _ := c.serve(t, "serve")
	client := delivering()
	if err := client.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	client.ends(t, 130, "argus: the delivery was interrupted\n  Everything acknowledged is kept. "+goOn)
	resumed("D-0001")

	client = delivering()
	if err := client.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	client.ends(t, -1, "")
	until(t, "the end of the job", func() bool { return strings.HasPrefix(c.run(t, "ingest", "--abandon", "D-0002"), "D-0002") })

	client = delivering()
	stop(t, server)
	client.ends(t, 1, ended+"  Everything acknowledged is kept. "+goOn)
	resumed("D-0003") // without a server

	server, _ = c.serve(t, "serve")
	client = delivering()
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	client.ends(t, 1, ended+"  Everything acknowledged is kept. "+goOn)
	server, _ = c.serve(t, "serve") // replaces the socket of the killed server
	resumed("D-0004")

	// A server that does not answer counts as no server.
	if err := server.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if got := c.run(t, "ingest", "later.jsonl"); !strings.HasPrefix(got, "D-0005") || !strings.Contains(got, "This command ingests the delivery itself: ") {
		t.Errorf("beside a stopped server:\n%s", got)
	}
	if err := server.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stop(t, server)
	if got := c.run(t, "verify"); !strings.Contains(got, "SOUND") {
		t.Errorf("verify:\n%s", got)
	}
}

// TestIngestBesideDemo: the demo's live feed writes to the store all the time, and other
// deliveries are ingested at the same time.
func TestIngestBesideDemo(t *testing.T) {
	c := newCommands(t, build(t, ""), filepath.Join(t.TempDir(), "d"))
	server, _ := c.serve(t, "demo", "--keep", ".", "--messages", "300", "--feed", "100ms")
	until(t, "the feed", func() bool {
		return strings.Contains(c.run(t, "receipt", "--store", "demo.argus", "--actor", demo.User), "D-0011")
	})
	if got := c.run(t, "ingest", "--store", "demo.argus", "--actor", demo.First, "chats"); !strings.Contains(got, "is not anna") {
		t.Errorf("the user ingests as somebody else:\n%s", got)
	}
	if got := c.run(t, "ingest", "--store", "demo.argus", "--actor", demo.User, "chats"); !strings.HasSuffix(got, "-- exit 0\n") || !strings.Contains(got, "  chats\n  read 5 = stored 3 + sightings 0 + quarantined 2\n") {
		t.Errorf("ingest beside the demo:\n%s", got)
	}
	stop(t, server)
	if got := c.run(t, "verify", "--store", "demo.argus"); !strings.Contains(got, "SOUND") {
		t.Errorf("verify:\n%s", got)
	}
}
