package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestBrowser starts the demo, as the README says, and a store with messages of all types, and drives both in
// Chromium. It needs Node, the interface's packages (npm ci in internal/web) and Chromium; if $ARGUS_BROWSER is
// "required", the test fails without them.
func TestBrowser(t *testing.T) {
	missing := t.Skipf
	if os.Getenv("ARGUS_BROWSER") == "required" {
		missing = t.Fatalf
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("no Node: %v", err)
	}
	web, err := filepath.Abs("../../internal/web")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(web, "node_modules", "playwright-core")); err != nil {
		missing("the interface's packages are not installed (npm ci in internal/web): %v", err)
	}
	keys := t.TempDir()
	for script, args := range map[string][]string{
		"run.js":   {"demo", "--keep", t.TempDir(), "--feed", "0"},
		"feed.js":  {"demo", "--keep", t.TempDir(), "--feed", "2s"},
		"roles.js": {"demo", "--keep", t.TempDir(), "--feed", "0", "--messages", "4000"},
		"types.js": {"serve", "--store", typesStore(t, keys), "--keys", keys, "--actor", "ann", "--authority", "A-0001", "--purpose", "test"},
	} {
		t.Run(script, func(t *testing.T) {
			link := start(t, args...)
			c := exec.CommandContext(t.Context(), node, "e2e/"+script)
			c.Dir = web
			c.Env = append(os.Environ(), "ARGUS_URL="+link)
			out, err := c.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Fatalf("the browser test: %v", err)
			}
			if strings.Contains(string(out), "SKIPPED") {
				missing("no Chromium")
			}
		})
	}
}

// start builds the command, starts its server and returns the link. The server must
// be ready within a minute.
func start(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), build(t, ""), append(args, "--no-open")...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := c.Start(); err != nil {
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
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http://") {
			if took := time.Since(started); took > time.Minute {
				t.Errorf("the page was ready after %s, want a minute at most", took)
			}
			return lines.Text()
		}
	}
	t.Fatal("the command printed no link")
	return ""
}
