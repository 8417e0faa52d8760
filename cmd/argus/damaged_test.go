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
	"regexp"
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

// within runs the real binary, which must end by itself.
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

// smallStore makes a store with a file of each kind, and returns its folder and a reference
// to a message.
func smallStore(t *testing.T) (store, ref string) {
	t.Helper()
	surroundings(t)
	store = filepath.Join(t.TempDir(), "s")
	tells(t, "ingest", "--store", store, fileOf(t, "a.jsonl", lines(0, 20)+"{\n"))
	tells(t, "list", "add", "--store", store, "words", fileOf(t, "words.txt", "hello\n"))
	out, _ := tells(t, "search", "hello", "--store", store)
	return store, regexp.MustCompile(`\b[0-9a-f]{16}\b`).FindString(out)
}

// TestDamagedFiles damages each file and folder of a small store. Every command ends, and
// either answers or reports that the store is damaged, and where.
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
	all := number(t, "ARGUS_TAMPERINGS", 0) > 0 // otherwise a third of them
	for i, name := range names {
		for j, harm := range harms {
			if !all && (i+j)%3 > 0 {
				continue
			}
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
				// People know an original by its hash.
				named = named || args[0] == "show" && strings.Contains(out, "original")
				if code != 0 && code != exitDamaged || code == exitDamaged && !named {
					t.Errorf("%s %s, argus %s: exit code %d\n%s", name, harm.name, args[0], code, out)
				}
			}
		}
	}
	if !t.Failed() {
		t.Logf("%d damages tried", tried)
	}
}

// TestOddNames puts files with odd names into a store; verify must end with a verdict.
func TestOddNames(t *testing.T) {
	sound, _ := smallStore(t)
	for _, at := range []string{".", "evidence", "originals", "authorities", "ledger/tile", "keys", "deliveries", "index"} {
		dir := filepath.Join(t.TempDir(), "s")
		if err := errors.Join(os.CopyFS(dir, os.DirFS(sound)), os.Mkdir(filepath.Join(dir, at, "x\xff"), 0o700)); err != nil {
			t.Skipf("this file system has no such names: %v", err)
		}
		if code, out, said := told(t, "verify", "--json", dir); code != 0 && code != exitDamaged || !strings.Contains(out, `"event":"verified"`) {
			t.Errorf("a folder in %s: exit code %d\n%s%s", at, code, out, said)
		}
	}
	for _, name := range []string{"evidence", "evidence/00000001.seg", "originals", "ledger", "ledger/lock", "ledger/tile", "authorities", "index", "keys", "argus.json", "deliveries"} {
		if os.Geteuid() == 0 {
			break // permissions do not restrict root
		}
		dir := filepath.Join(t.TempDir(), "s")
		if err := errors.Join(os.CopyFS(dir, os.DirFS(sound)), os.Chmod(filepath.Join(dir, name), 0)); err != nil {
			t.Fatal(err)
		}
		code, out, said := told(t, "verify", "--json", dir)
		if code != exitDamaged || !strings.Contains(out, `"event":"verified"`) {
			t.Errorf("%s cannot be read: exit code %d\n%s%s", name, code, out, said)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerifyAgreesWithItself checks that one kind of damage has one explanation.
func TestVerifyAgreesWithItself(t *testing.T) {
	sound, _ := smallStore(t)
	earlier := filepath.Join(t.TempDir(), "earlier")
	if err := os.CopyFS(earlier, os.DirFS(filepath.Join(sound, "ledger"))); err != nil {
		t.Fatal(err)
	}
	tells(t, "search", "hello", "--store", sound)
	tells(t, "ingest", "--store", sound, fileOf(t, "b.jsonl", lines(20, 30)))
	key := fileOf(t, "store.pub", contentOf(t, filepath.Join(sound, "keys/store.pub")))
	for name, c := range map[string]struct {
		do    func(dir string) error
		args  []string
		wants string
		not   []string
		most  int
	}{
		"rolled back": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/ledger"), os.CopyFS(dir+"/ledger", os.DirFS(earlier)))
		}, nil, "truncated or replaced", []string{"the next ingest records"}, 9},
		"no seal":           {func(dir string) error { return os.Remove(dir + "/deliveries/D-0002.seal") }, nil, "D-0002.seal", []string{"--resume"}, 1},
		"no key":            {func(dir string) error { return os.Remove(dir + "/keys/store.pub") }, nil, "no public key", []string{"agrees with itself", "0 entries"}, 1},
		"no keys":           {func(dir string) error { return os.RemoveAll(dir + "/keys") }, nil, "no public key", []string{"agrees with itself"}, 1},
		"no key, one given": {func(dir string) error { return os.Remove(dir + "/keys/store.pub") }, []string{"--key", key}, "keys/store.pub", []string{"the given key"}, 1},
	} {
		dir := filepath.Join(t.TempDir(), "s")
		if err := errors.Join(os.CopyFS(dir, os.DirFS(sound)), c.do(dir)); err != nil {
			t.Fatal(err)
		}
		code, out, _ := told(t, append([]string{"verify", dir}, c.args...)...)
		if code != exitDamaged || !strings.Contains(out, c.wants) || strings.Count(out, "DAMAGED  ") > c.most {
			t.Errorf("%s: exit code %d, want %q:\n%s", name, code, c.wants, out)
		}
		for _, not := range c.not {
			if strings.Contains(out, not) {
				t.Errorf("%s: %q:\n%s", name, not, out)
			}
		}
	}
}

func contentOf(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestKeyFiles checks that the size of the --key file is limited, and that a private key
// is reported as one.
func TestKeyFiles(t *testing.T) {
	store, _ := smallStore(t)
	private, err := filepath.Glob(os.Getenv("ARGUS_KEYS") + "/*.key")
	if err != nil || len(private) != 1 {
		t.Fatal(private, err)
	}
	for file, want := range map[string]string{"/dev/zero": "more than 4096 bytes", private[0]: "private key"} {
		if code, _, said := told(t, "verify", store, "--key", file); code != exitUsage || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d: %s", file, code, said)
		}
	}
	if code, _, said := told(t, "validate", "--check", "/dev/zero", "--key", private[0]); code != exitError || !strings.Contains(said, "longer than") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
