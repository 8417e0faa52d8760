package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
)

// A power cut is what a directory holds before one change of a file, and what
// in it was not yet durable.
type powerCut struct {
	t *testing.T
	// unsynced are the files that were written and not synced.
	unsynced map[string]bool
	// done notes what the step before has done.
	done func()
	cuts int
	// look is given a copy of the directory for each way in which the power
	// may have been cut.
	look func(dir string, spoiled bool)
}

// step is the index's Step: it cuts the power before the step is done.
func (p *powerCut) step(op, path string) error {
	p.done()
	p.done = func() {}
	switch name := filepath.Base(path); op {
	case "create":
		p.unsynced[name] = true
	case "sync":
		p.done = func() { delete(p.unsynced, name) }
	case "rename":
		p.done = func() {
			if p.unsynced[name+".tmp"] {
				p.unsynced[name] = true
			}
		}
	}
	p.cuts++
	dir := filepath.Dir(path)
	if op == "syncdir" {
		dir = path
	}
	for i, spoil := range []func([]byte) []byte{
		func(data []byte) []byte { return data },
		func(data []byte) []byte { return data[:len(data)/2] },
		func(data []byte) []byte { return make([]byte, len(data)) },
	} {
		copied := p.t.TempDir()
		for name, data := range readDir(p.t, dir) {
			if p.unsynced[name] {
				data = spoil(data)
			}
			if err := os.WriteFile(filepath.Join(copied, name), data, 0o600); err != nil {
				p.t.Fatal(err)
			}
		}
		p.look(copied, i > 0)
		os.RemoveAll(copied)
		if len(p.unsynced) == 0 {
			break
		}
	}
	return nil
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by the last reader of a segment
		}
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = data
	}
	return files
}

// After a power cut at any moment the index opens, has what was flushed, and
// becomes what it would have been.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	records := sample(250)
	stops := []int{5, 10, 15, 20, 25, 30, 35, 50, 80, 120, 160, 200, 240}
	if testing.Short() {
		stops = stops[:8]
	}
	want := map[uint64][]any{}
	answersAt := func(position uint64) []any {
		if want[position] == nil {
			want[position] = rebuilt(t, records[:position])
		}
		return want[position]
	}
	// Both are read by the goroutine that merges, too, which may begin before
	// the flush is noted as done.
	var flushed, flushing atomic.Uint64
	cut := &powerCut{t: t, unsynced: map[string]bool{}, done: func() {}}
	cut.look = func(dir string, spoiled bool) {
		ix := open(t, dir, Options{Evidence: records})
		defer ix.Close()
		position, got, err := answers(ix)
		if err != nil {
			t.Fatal(err)
		}
		before, after := flushed.Load(), flushing.Load()
		if position != before && position != after {
			t.Fatalf("position %d, want %d or %d", position, before, after)
		}
		expectEqual(t, "after a power cut", got, answersAt(position))
		ix.settle(t)
		expectClean(t, ix)
		if spoiled {
			return
		}
		feed(t, ix, records[:after])
		if _, got, err = answers(ix); err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "after going on", got, answersAt(after))
	}
	ix := open(t, t.TempDir(), Options{Evidence: records, SegmentDocs: 100, Step: cut.step})
	defer ix.Close()
	for _, n := range stops {
		flushing.Store(uint64(n))
		feed(t, ix, records[:n])
		flushed.Store(uint64(n))
		ix.settle(t)
	}
	t.Logf("cut the power %d times", cut.cuts)
	if cut.cuts < 8*len(stops) {
		t.Errorf("%d cuts in %d flushes: steps are missing", cut.cuts, len(stops))
	}
}

// A step that fails leaves an index that says so, and answers as before; it is
// whole when it is opened again.
func TestFailingSteps(t *testing.T) {
	records := sample(60)
	errDisk := errors.New("the disk is full")
	for failing := 1; ; failing++ {
		dir := t.TempDir()
		steps := 0
		ix := open(t, dir, Options{Evidence: records})
		ix.options.Step = func(string, string) error {
			if steps++; steps == failing {
				return errDisk
			}
			return nil
		}
		feed(t, ix, nil)
		err := ix.Add(t.Context(), records)
		if err == nil {
			err = ix.Flush(t.Context())
		}
		if steps < failing {
			ix.Close()
			if failing < 7 {
				t.Errorf("only %d steps", failing)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatalf("step %d failed, and flush says %v", failing, err)
		}
		if r, _, err := answers(ix); err != nil || r != 0 {
			t.Errorf("after a failed flush: position %d, %v", r, err)
		}
		ix.Close()
		ix = open(t, dir, Options{Evidence: records})
		if position := ix.Position(); !slices.Contains([]uint64{0, 60}, position) {
			t.Errorf("position %d", position)
		}
		feed(t, ix, records)
		_, got, err := answers(ix)
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "after a failed step", got, rebuilt(t, records))
		expectClean(t, ix)
		ix.Close()
	}
}
