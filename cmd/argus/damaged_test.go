//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// harms are the ways in which TestDamagedFiles damages a file or a folder.
var harms = []struct {
	name string
	do   func(path string) error
}{
	{"deleted", os.RemoveAll},
	{"emptied", func(path string) error {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			return errors.Join(err, os.RemoveAll(path), os.Mkdir(path, 0o700))
		}
		return os.Truncate(path, 0)
	}},
	{"halved", func(path string) error {
		info, err := os.Stat(path)
		if err != nil || info.IsDir() {
			return err
		}
		return os.Truncate(path, info.Size()/2)
	}},
	{"a folder", func(path string) error { return errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)) }},
	{"a pipe", func(path string) error { return errors.Join(os.RemoveAll(path), syscall.Mkfifo(path, 0o600)) }},
	{"a link to a device", func(path string) error {
		return errors.Join(os.RemoveAll(path), os.Symlink("/dev/zero", path))
	}},
}

// within runs the real binary, which has to end by itself.
func within(t *testing.T, limit time.Duration, binary string, args ...string) (code int, out string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var b bytes.Buffer
	c := exec.CommandContext(ctx, binary, args...)
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Errorf("argus %s did not end", strings.Join(args, " "))
	}
	return c.ProcessState.ExitCode(), b.String()
}

// smallStore makes a store with a file of each kind, and returns the folder and the reference
// of a message.
func smallStore(t *testing.T) (store, ref string) {
	t.Helper()
	surroundings(t)
	store = filepath.Join(t.TempDir(), "s")
	tells(t, "ingest", "--store", store, fileOf(t, "a.jsonl", lines(0, 20)+"{\n"))
	tells(t, "list", "add", "--store", store, "words", fileOf(t, "words.txt", "hello\n"))
	out, _ := tells(t, "search", "hello", "--store", store, "--json")
	_, ref, _ = strings.Cut(out, `"id":"`)
	return store, ref[:16]
}

// TestDamagedFiles damages each file and folder of a small store. Every command ends, and
// says that the store is damaged and where, or answers.
func TestDamagedFiles(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("builds the real binary; not with -short, nor with -race")
	}
	binary := build(t, "")
	sound, ref := smallStore(t)
	var names []string
	if err := filepath.WalkDir(sound, func(path string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(sound, path); name != "." {
			names = append(names, filepath.ToSlash(name))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "s")
	tried := 0
	for _, name := range names {
		for _, harm := range harms {
			tried++
			try := func(args ...string) (int, string) {
				if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(sound)), harm.do(filepath.Join(dir, name))); err != nil {
					t.Fatal(err)
				}
				return within(t, 10*time.Second, binary, append(args, "--store", dir)...)
			}
			commands := [][]string{{"verify"}, {"search", "hello"}, {"ledger"}}
			if strings.HasPrefix(name, "originals") {
				commands = append(commands, []string{"show", ref, "--trace"})
			}
			for _, args := range commands {
				code, out := try(args...)
				named := strings.Contains(out, strings.TrimSuffix(filepath.Base(name), filepath.Ext(name)))
				if code != 0 && code != exitDamaged || code == exitDamaged && !named {
					t.Errorf("%s %s, argus %s: exit code %d\n%s", name, harm.name, args[0], code, out)
				}
			}
		}
	}
	t.Logf("reliability: damaged files tried %d", tried)
}
