package intake

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// TestTooLargeForTheDisk takes in a sparse file that is larger than the disk, alone and in a
// folder: no delivery is opened, and smaller files still work.
func TestTooLargeForTheDisk(t *testing.T) {
	b := newBench(t)
	free, err := durable.Free(b.dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the system does not say how much room there is")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	large := write(t, dir, "large.img", "")
	if err := os.Truncate(large, free+1<<30); err != nil {
		t.Skip("the file system has no files of so many holes:", err)
	}
	half := t.TempDir()
	for i := range 3 {
		if err := os.Truncate(write(t, half, fmt.Sprint(i, ".img"), ""), free/2); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{large, dir, half} {
		_, err := Ingest(t.Context(), b.o, path)
		if !errors.Is(err, ErrNoRoom) || !strings.Contains(err.Error(), "bytes are needed") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if open, err := open(t.Context(), b.o.Store); len(open) > 0 || err != nil || len(b.acts) > 0 {
		t.Errorf("open are %v, %v; acts %v", open, err, b.acts)
	}
	b.ingest(t, write(t, t.TempDir(), "small.jsonl", line(1, "hello")))
}

// TestChangedWhileCopied changes files while they are copied: a problem records that,
// and the copied bytes are kept and read.
func TestChangedWhileCopied(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"grown": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString(line(2, "more"))
			}
			return errors.Join(err, f.Close())
		},
		"rewritten": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", []byte("x"), 0o600), os.Rename(path+".new", path))
		},
		"removed": os.Remove,
		"":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			source := &sourceFile{name: write(t, t.TempDir(), "a.jsonl", line(1, "hello"))}
			b := newBench(t)
			kept, err := b.o.Store.PutOriginal(t.Context(), source)
			if err != nil {
				t.Fatal(err)
			}
			if change != nil {
				if err := change(source.name); err != nil {
					t.Fatal(err)
				}
			}
			if changed := source.close(kept.Size); (changed != "") != (change != nil) {
				t.Errorf("it says %q", changed)
			}
		})
	}
	// The problem of a file is an additional record, and does not replace any record that is
	// read.
	b := newBench(t)
	in := newIntake(b.o.withDefaults(), begun(t, b))
	if err := in.recall(t.Context()); err != nil {
		t.Fatal(err)
	}
	originals, err := b.o.Store.OriginalBatch()
	if err != nil {
		t.Fatal(err)
	}
	k := &keeping{originals: originals}
	k.problem(changedWhileCopied)
	if err := in.keepFile(t.Context(), foundFile{path: "a.jsonl", place: write(t, t.TempDir(), "a.jsonl", line(1, "hello")), size: 1}, k); err != nil {
		t.Fatal(err)
	}
	if err := in.recordKept(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	receipts, err := resumeKept(t, b)
	if err != nil {
		t.Fatal(err)
	}
	if c := receipts.Counts; c.Read != 2 || c.Stored != 1 || c.Quarantined != 1 || receipts.Files[0].Problems[0].Value != changedWhileCopied {
		t.Errorf("%+v, %+v", c, receipts.Files)
	}
	again, err := Reread(t.Context(), b.o, receipts.Delivery, "")
	if err != nil {
		t.Fatal(err)
	}
	if c := again.Counts; c.Read != 2 || c.Quarantined != 1 || again.Files[0].Problems[0].Value != changedWhileCopied {
		t.Errorf("read again: %+v, %+v", c, again.Files)
	}
}

func begun(t *testing.T, b *bench) argus.DeliveryNumber {
	t.Helper()
	n, err := b.o.Store.Begin(t.Context(), argus.Opening{Source: "x", Readers: b.o.withDefaults().readerNames()})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// resumeKept reads the kept files of an interrupted delivery.
func resumeKept(t *testing.T, b *bench) (*argus.Receipt, error) {
	t.Helper()
	open, err := open(t.Context(), b.o.Store)
	if err != nil {
		t.Fatal(err)
	}
	return resume(t.Context(), b.o.withDefaults(), open[0], nil)
}

// TestTemporaryFilesLieInTheStore unpacks a large entry in a process whose temporary folder
// does not exist.
func TestTemporaryFilesLieInTheStore(t *testing.T) {
	var text strings.Builder
	for i := 0; text.Len() < 6<<20; i++ {
		text.WriteString(line(i, fmt.Sprint("message with much text ", i)))
	}
	name := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	e, err := w.Create("chat.jsonl")
	if err == nil {
		_, err = e.Write([]byte(text.String()))
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	for _, apart := range []bool{false, true} {
		b := newBench(t)
		b.o.Apart = apart
		t.Setenv("TMPDIR", filepath.Join(b.dir, "gone"))
		if r := b.ingest(t, name); r.Counts.Quarantined > 0 || r.Counts.Stored == 0 {
			t.Errorf("apart %t: %+v %+v", apart, r.Counts, r.Files)
		}
		if left, err := filepath.Glob(filepath.Join(b.dir, "originals", "*.tmp")); len(left) > 0 || err != nil {
			t.Errorf("left are %v, %v", left, err)
		}
	}
	// Comparing two readings needs temporary files too.
	b := newBench(t)
	b.ingest(t, name)
	t.Setenv("TMPDIR", filepath.Join(b.dir, "gone"))
	r, err := Reread(t.Context(), b.o, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := Compare(t.Context(), b.o.Store, r.Delivery); err != nil || d.Same == 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// A delivery that does not fit is refused before a store is made for it.
func TestFits(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 500), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for free, want := range map[int64]error{999: ErrNoRoom, 1000: nil} {
		for _, paths := range [][]string{{dir}, {filepath.Join(dir, "a"), filepath.Join(dir, "b")}} {
			if err := Fits(func() (int64, error) { return free, nil }, "nowhere", paths); !errors.Is(err, want) {
				t.Errorf("%d bytes are free: %v, want %v", free, err, want)
			}
		}
	}
}
