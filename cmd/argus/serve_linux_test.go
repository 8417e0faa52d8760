package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLinkIsInNoProcessList runs the server on a terminal, with a browser that copies the
// page it opens, and meanwhile reads the arguments of all processes.
func TestLinkIsInNoProcessList(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("builds the real binary; not with -short, nor with -race")
	}
	dir := t.TempDir()
	browser := "#!/bin/sh\nstat -c %a \"$1\" > " + dir + "/mode\ncat \"$1\" > " + dir + "/part && mv " + dir + "/part " + dir + "/page\nsleep 2\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(browser), 0o700); err != nil {
		t.Fatal(err)
	}
	ours, theirs := terminal(t)
	c := exec.CommandContext(t.Context(), build(t, ""), "serve", "--store", typesStore(t, filepath.Join(dir, "keys")), "--keys", filepath.Join(dir, "keys"), "--authority", "A-0001")
	c.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir)
	c.Stdout, c.Stderr = theirs, t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	var link string
	for lines := bufio.NewScanner(ours); link == "" && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "http://") {
			link = strings.TrimSpace(lines.Text())
		}
	}
	origin, token, ok := strings.Cut(link, "/#token=")
	if !ok || len(token) < 26 {
		t.Fatalf("the link is %q", link)
	}
	page, looks := "", 0
	for deadline := time.Now().Add(30 * time.Second); page == "" || looks < 20; looks++ {
		if time.Now().After(deadline) {
			t.Fatal("no browser was opened")
		}
		content, err := os.ReadFile(filepath.Join(dir, "page"))
		if err == nil {
			page = string(content)
		}
		list, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range list {
			if arguments, err := os.ReadFile(name); err == nil && strings.Contains(string(arguments), token) {
				t.Fatalf("%s has the token: %q", name, arguments)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	if mode, err := os.ReadFile(filepath.Join(dir, "mode")); err != nil || strings.TrimSpace(string(mode)) != "600" {
		t.Errorf("the page has mode %s, %v; want 600", mode, err)
	}
	if !strings.Contains(page, link) {
		t.Errorf("the page leads elsewhere: %s", page)
	}
	left := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, "argus-*.html"))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if len(left()) != 1 {
		t.Errorf("the pages before the link is used are %v", left())
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", origin+"/api/open", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Argus-Token", token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || len(left()) != 0 {
		t.Errorf("opening answered %s; the pages after it are %v", answer.Status, left())
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Logf("the command ended: %v", err)
	}
}

// terminal opens a pseudo terminal.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80})
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}
