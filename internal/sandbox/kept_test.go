//go:build unix

package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// kept keeps content as an original in blocks.
func kept(t *testing.T, s *original.Store, name string, content []byte) (Original, argus.FileName) {
	t.Helper()
	k, err := s.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Open(k.Name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return Original{Name: name, Size: k.Size, File: f}, k.Name
}

func originals(t *testing.T) (*original.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := original.New(dir, original.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func jsonLines(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"service":"sky","conversation":"A|B","from":"A","id":"%d","sent":"2021-02-14T10:00:00Z","text":"message %d"}`+"\n", i, i)
	}
	return b.Bytes()
}

// TestKeptOriginal: an original in blocks reads like the plain file, in this process and
// apart: a file of many blocks and an archive.
func TestKeptOriginal(t *testing.T) {
	s, _ := originals(t)
	large := jsonLines(3000)
	for name, content := range map[string][]byte{
		"chat.jsonl": large, "empty": nil, "archive.zip": zipped(t, "1.jsonl", string(large), "2.txt", "nothing that is read"),
	} {
		plain := New(Options{Formats: all.Formats(), Apart: true})
		want := shown(t, plain, handedOver(t, name, content))
		plain.Close()
		if len(content) > 0 && len(want) < 2 {
			t.Fatalf("%s: %q", name, want)
		}
		for _, apart := range []bool{false, true} {
			of, _ := kept(t, s, name, content)
			r := New(Options{Formats: all.Formats(), Apart: apart})
			if diff := cmp.Diff(want, shown(t, r, of)); diff != "" {
				t.Errorf("%s, apart %t:\n%s", name, apart, diff)
			}
			var files []string
			for f, err := range r.Files(t.Context(), of) {
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, f.Path)
			}
			if want := strings.HasSuffix(name, ".zip"); want != slices.Contains(files, "1.jsonl") {
				t.Errorf("%s, apart %t: files %q", name, apart, files)
			}
			r.Close()
		}
	}
}

// An unreadable part ends the reading of the file, with the reason; nothing is read as
// zeros.
func TestWithheldFromReaders(t *testing.T) {
	s, dir := originals(t)
	content := jsonLines(3000)
	judge, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, name := kept(t, s, "chat.jsonl", content)
	from := int64(2*original.BlockSize + 100)
	state, err := s.Withhold(t.Context(), name, []original.Part{{Offset: from, Length: 50}}, []age.Recipient{judge.Recipient()})
	if err == nil {
		err = s.Commit(t.Context(), name, state)
	}
	if err != nil {
		t.Fatal(err)
	}
	check := func(reason string) {
		t.Helper()
		f, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var here []string
		for _, apart := range []bool{false, true} {
			r := New(Options{Formats: all.Formats(), Apart: apart})
			got := shown(t, r, Original{Name: "chat.jsonl", Size: int64(len(content)), File: f})
			r.Close()
			if last := got[len(got)-1]; !strings.Contains(last, reason) || len(got) < 500 || len(got) > 2000 {
				t.Errorf("apart %t: %d events, the last %q, want %q", apart, len(got), last, reason)
			}
			if apart && !slices.Equal(here, got) {
				t.Errorf("apart: %d events, here %d", len(got), len(here))
			}
			here = got
		}
	}
	check(fmt.Sprintf("bytes %d to %d of the original are withheld", from, from+50))
	data := filepath.Join(dir, filepath.FromSlash(original.DataFile(name)))
	bytes, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	bytes[len(bytes)/3] ^= 1
	if err := os.Chmod(data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(data, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	check("damaged")
}

// TestKeptBeside hands over more neighbouring files than may be open at once.
func TestKeptBeside(t *testing.T) {
	s, _ := originals(t)
	for n := range 3 * mostKept {
		name := fmt.Sprintf("names-%d", n)
		kept(t, s, name, []byte(strings.Repeat(name, 10_000)))
	}
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "looks beside", Beside: func(_ context.Context, name string) (Beside, bool, error) {
		of, _ := kept(t, s, name, []byte(strings.Repeat(name, 10_000)))
		return Beside{of, of.Size}, true, nil
	}})
	defer r.Close()
	of, _ := kept(t, s, "chat", []byte("bad"))
	got := shown(t, r, of)
	if want := fmt.Sprintf(" %d found", 3*mostKept); got[len(got)-1] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A reader that keeps asking for keys and yields nothing counts as silent.
func TestAskingIsSilence(t *testing.T) {
	s, _ := originals(t)
	of, _ := kept(t, s, "chat", []byte("bad"))
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "asks again", Silence: time.Second})
	defer r.Close()
	start := time.Now()
	got := shown(t, r, of)
	if last := got[len(got)-1]; !strings.Contains(last, "sent nothing for") || time.Since(start) > 30*time.Second {
		t.Errorf("after %s: %q", time.Since(start), got)
	}
}

// If the beginning is withheld, the file is a problem, not an error: its neighbours
// are read.
func TestBeginningWithheld(t *testing.T) {
	s, _ := originals(t)
	content := jsonLines(3)
	_, name := kept(t, s, "chat.jsonl", content)
	state, err := s.Destroy(t.Context(), name, []original.Part{{Offset: 0, Length: 10}})
	if err == nil {
		err = s.Commit(t.Context(), name, state)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, apart := range []bool{false, true} {
		f, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r := New(Options{Formats: all.Formats(), Apart: apart})
		defer r.Close()
		of := Original{Name: "chat.jsonl", Size: int64(len(content)), File: f}
		for file, err := range r.Files(t.Context(), of) {
			t.Errorf("apart %t: there is a file %+v, %v", apart, file, err)
		}
		got := shown(t, r, of)
		if len(got) != 1 || !strings.Contains(got[0], "bytes 0 to 10 of the original are destroyed") {
			t.Errorf("apart %t: %q", apart, got)
		}
	}
}
