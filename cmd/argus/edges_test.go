package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// told runs the command and returns its exit code and its output.
func told(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// tells runs the command, which must exit with code 0.
func tells(t *testing.T, args ...string) (out, errOut string) {
	t.Helper()
	code, out, errOut := told(t, args...)
	if code != 0 {
		t.Fatalf("argus %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out, errOut
}

// surroundings puts the keys and the reader's files into temporary folders.
func surroundings(t *testing.T) {
	t.Helper()
	t.Setenv("ARGUS_KEYS", filepath.Join(t.TempDir(), "keys"))
	t.Setenv("ARGUS_READER", filepath.Join(t.TempDir(), "reader"))
	t.Setenv("ARGUS_ACTOR", "analyst")
}

// mounted mounts a file system until the test ends, or skips the test.
func mounted(t *testing.T, at string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "mount", append(args, at)...).CombinedOutput()
	if err != nil {
		t.Skipf("nothing can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", at, err, out)
		}
	})
}

func lines(from, to int) string {
	var s strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&s, `{"service":"sky","from":"a%d","to":["b"],"id":"m%d","sent":"2021-02-14T12:03:11Z","text":"hello %d"}`+"\n", i%9, i, i)
	}
	return s.String()
}

func fileOf(t *testing.T, name, content string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// sumOf returns a hash over all files of a folder.
func sumOf(t *testing.T, dir string) [32]byte {
	t.Helper()
	h := sha256.New()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(os.DirFS(dir), path)
		fmt.Fprintf(h, "%q %x\n", path, sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// TestWriteProtectedStore reads a store that cannot be written, without its key. The acts
// are recorded in the reader's own ledger, which names the store, and nothing in the
// store changes.
func TestWriteProtectedStore(t *testing.T) {
	protect := map[string]func(t *testing.T, store string){
		"read-only mount": func(t *testing.T, store string) {
			mounted(t, store, "--bind", store)
			if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro,bind", store).CombinedOutput(); err != nil {
				t.Skipf("nothing can be mounted read-only here: %v: %s", err, out)
			}
		},
		"permissions": func(t *testing.T, store string) {
			if os.Geteuid() == 0 {
				t.Skip("permissions do not bind root")
			}
			chmod := func(files, folders fs.FileMode) error {
				return filepath.WalkDir(store, func(path string, e fs.DirEntry, err error) error {
					switch {
					case err != nil:
						return err
					case e.IsDir():
						return os.Chmod(path, folders)
					}
					return os.Chmod(path, files)
				})
			}
			if err := chmod(0o400, 0o500); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = chmod(0o600, 0o700) })
		},
	}
	for name, protect := range protect {
		for _, indexed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, indexed %t", name, indexed), func(t *testing.T) {
				surroundings(t)
				store := filepath.Join(t.TempDir(), "s")
				tells(t, "ingest", "--store", store, fileOf(t, "a.jsonl", lines(0, 20)+"{\n"))
				tells(t, "search", "hello", "--store", store)
				if !indexed {
					if err := os.RemoveAll(filepath.Join(store, "index")); err != nil {
						t.Fatal(err)
					}
				}
				protect(t, store)
				t.Setenv("ARGUS_KEYS", filepath.Join(t.TempDir(), "none"))
				before := sumOf(t, store)
				out, said := tells(t, "search", "hello", "--store", store)
				if !strings.Contains(out, "20 messages") || !strings.Contains(said, "the reader's own ledger") {
					t.Errorf("search: %s%s", out, said)
				}
				ref := regexp.MustCompile(`\b[0-9a-f]{16}\b`).FindString(out)
				tells(t, "show", ref, "--trace", "--store", store)
				tells(t, "conversation", ref, "--store", store)
				tells(t, "receipt", "D-0001", "--store", store)
				tells(t, "quarantine", "D-0001", "--store", store)
				tells(t, "authority", "list", "--store", store)
				verified := []string{"verify", store}
				tells(t, verified...)
				out, _ = tells(t, "ledger", "--store", store)
				for _, want := range []string{"ingest.seal", "own ", "store.open", "own      3", "show"} {
					if !strings.Contains(out, want) {
						t.Errorf("the ledger has no %q:\n%s", want, out)
					}
				}
				out, _ = tells(t, "ledger", "--store", store, "--json")
				checkpoint, err := os.ReadFile(filepath.Join(store, "ledger", "checkpoint"))
				if err != nil {
					t.Fatal(err)
				}
				quoted, err := json.Marshal(string(checkpoint))
				if err != nil || strings.Count(out, string(quoted)) != 1 {
					t.Errorf("the reader's ledger names the store's checkpoint %d times, %v:\n%s", strings.Count(out, string(quoted)), err, out)
				}
				for _, refused := range [][]string{
					{"ingest", "--store", store, fileOf(t, "b.jsonl", lines(20, 21))},
					{"authority", "add", "--store", store, "--basis", "b", "--granted-by", "g", "--for", "p"},
					{"list", "add", "--store", store, "words", fileOf(t, "words.txt", "w\n")},
					{"reindex", "--store", store},
				} {
					if code, _, said := told(t, refused...); code != exitError || !strings.Contains(said, "write-protected") {
						t.Errorf("%v: exit code %d: %s", refused[:2], code, said)
					}
				}
				if sumOf(t, store) != before {
					t.Error("the store has changed")
				}
			})
		}
	}
}

// TestFullDisk fills the disk of a store whose index is behind. A search covers the
// indexed part and reports the rest; with free space again, it finds everything.
func TestFullDisk(t *testing.T) {
	surroundings(t)
	disk := t.TempDir()
	mounted(t, disk, "-t", "tmpfs", "-o", "size=8m,mode=700", "argus-test")
	store := filepath.Join(disk, "s")
	tells(t, "ingest", "--store", store, fileOf(t, "a.jsonl", lines(0, 2000)))
	index, old := filepath.Join(store, "index"), filepath.Join(t.TempDir(), "index")
	if err := os.CopyFS(old, os.DirFS(index)); err != nil {
		t.Fatal(err)
	}
	tells(t, "ingest", "--store", store, fileOf(t, "b.jsonl", lines(2000, 4000)))
	behind := func() {
		if err := os.RemoveAll(index); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(index, os.DirFS(old)); err != nil {
			t.Fatal(err)
		}
	}
	filler := filepath.Join(disk, "filler")
	refused, beside := 0, 0
	for _, room := range []int{0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256} { // KiB
		behind()
		fill(t, filler, room)
		out, said := tells(t, "search", "hello", "--limit", "0", "--store", store)
		switch {
		case strings.HasPrefix(out, "2,000 messages") && strings.Contains(said, "The disk is full"):
			refused++
		case !strings.HasPrefix(out, "4,000 messages"):
			t.Errorf("with %d KiB: %s%s", room, out, said)
		}
		if strings.Contains(said, "the reader's own ledger") {
			beside++
		}
		tells(t, "verify", store)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d searches were answered by what is indexed, %d acts went beside", refused, beside)
	if refused == 0 || beside == 0 {
		t.Error("the disk was never full")
	}
	if out, _ := tells(t, "search", "hello", "--limit", "0", "--store", store); !strings.HasPrefix(out, "4,000 messages") {
		t.Errorf("with room again: %s", out)
	}
	tells(t, "verify", store)
}

// fill writes until only a few KiB of the disk are free.
func fill(t *testing.T, name string, room int) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for _, n := range []int{64 << 10, 4 << 10} {
		for err == nil {
			_, err = f.Write(make([]byte, n))
		}
		err = nil
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(max(0, info.Size()-int64(room)<<10))
	}
	if err != nil {
		t.Error(err)
	}
}

// TestPathIsNotUTF8 ingests a path that is not UTF-8. The path is refused, and no store
// is made.
func TestPathIsNotUTF8(t *testing.T) {
	surroundings(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "caf\xe9.jsonl")
	if err := os.WriteFile(bad, []byte(lines(0, 1)), 0o600); err != nil {
		t.Skip("the file system has no such names:", err)
	}
	store := filepath.Join(dir, "s")
	if code, _, said := told(t, "ingest", "--store", store, bad); code != exitError || !strings.Contains(said, "not valid UTF-8") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("a store was made: %v", err)
	}
}

// A dry run unpacks large entries only on the disk of the store, even if there is no
// store yet. It leaves nothing there, and reports if it cannot unpack.
func TestDryRunStaysOnTheDiskOfTheStore(t *testing.T) {
	surroundings(t)
	archive := filepath.Join(t.TempDir(), "phone.zip")
	err := writeZip(archive, func(w *zip.Writer) error { return zipEntry(w, "chat.jsonl", strings.NewReader(lines(0, 50_000))) })
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "there-is-no-such-folder"))
	case1 := filepath.Join(t.TempDir(), "cases", "2026", "case.argus")
	dry := func(store string, want int) (out, errOut string) {
		t.Helper()
		code, out, errOut := told(t, "--store", store, "ingest", "--dry-run", archive)
		if code != want {
			t.Fatalf("exit code %d, want %d\n%s%s", code, want, out, errOut)
		}
		return out, errOut
	}
	left := func(dir string) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
		if err != nil || len(names) > 0 {
			t.Errorf("left in %s: %v, %v", dir, names, err)
		}
	}
	if out, _ := dry(case1, 0); !strings.Contains(out, "copies 50,000") {
		t.Error(out)
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(case1)))
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("beside the place of the store: %v, %v", entries, err)
	}
	tells(t, "--store", case1, "init")
	before := sumOf(t, case1)
	dry(case1, 0)
	left(filepath.Join(case1, "originals"))
	if sumOf(t, case1) != before {
		t.Error("a dry run changed the store")
	}
	if _, errOut := dry(filepath.Join(fileOf(t, "file", "x"), "case.argus"), 1); !strings.Contains(errOut, "temporary file on the disk of the store") || !strings.Contains(errOut, "--store") {
		t.Errorf("where there is no folder: %s", errOut)
	}
	mounted(t, filepath.Dir(case1), "--bind", filepath.Dir(case1))
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro,bind", filepath.Dir(case1)).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted read-only here: %v: %s", err, out)
	}
	if _, errOut := dry(case1, 1); !strings.Contains(errOut, "read-only file system") || !strings.Contains(errOut, "not unpacked anywhere else") {
		t.Errorf("on write-protected media: %s", errOut)
	}
}

func writeZip(name string, fill func(*zip.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := zip.NewWriter(f)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

func zipEntry(w *zip.Writer, name string, from io.Reader) error {
	e, err := w.Create(name)
	if err == nil {
		_, err = io.Copy(e, from)
	}
	return err
}

// TestLargerThanTheDisk checks that a source that does not fit on the disk is refused before a
// store is made.
func TestLargerThanTheDisk(t *testing.T) {
	surroundings(t)
	large := filepath.Join(t.TempDir(), "large.img")
	if err := errors.Join(os.WriteFile(large, nil, 0o600), os.Truncate(large, 8<<40)); err != nil {
		t.Skip("the file system has no files of so many holes:", err)
	}
	store := filepath.Join(t.TempDir(), "s")
	code, _, said := told(t, "ingest", "--store", store, large)
	if code != exitError || !strings.Contains(said, "8796093022208 bytes are needed") || !strings.Contains(said, "Make room") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if _, err := os.Lstat(store); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store was made: %v", err)
	}
}
