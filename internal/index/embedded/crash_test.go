package embedded

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// After a power cut at any moment, the index can be opened, has everything that was
// flushed, and catches up.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	records := sample(160)
	stops := []int{5, 10, 15, 20, 25, 30, 50, 120, 160}
	if testing.Short() {
		stops = stops[:6]
	}
	want := map[uint64][]any{}
	answersAt := func(position uint64) []any {
		if want[position] == nil {
			want[position] = rebuilt(t, records[:position])
		}
		return want[position]
	}
	same := func(ix *Index, position uint64) error {
		_, got, err := answers(ix)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(answersAt(position), got, cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("answers at record %d (-want +got):\n%s", position, diff)
		}
		for err := range ix.Check(t.Context()) {
			return err
		}
		return nil
	}
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		flushed, flushing := uint64(0), uint64(0)
		ix, err := Open("index", Options{Evidence: records, SegmentDocs: 100, Disk: d})
		for i := 0; i < len(stops) && err == nil; i++ {
			flushing = uint64(stops[i])
			err = ix.Add(t.Context(), records[flushed:flushing])
			if err == nil {
				err = ix.Flush(t.Context())
			}
			if err == nil {
				flushed = flushing
				err = ix.Settle(t.Context())
			}
		}
		if ix != nil {
			ix.Close()
		}
		return func(after *durabletest.Disk) error {
			ix, err := Open("index", Options{Evidence: records, Disk: after})
			if err != nil {
				return err
			}
			defer ix.Close()
			position := ix.Position()
			if position != flushed && position != flushing {
				return fmt.Errorf("position %d, want %d or %d", position, flushed, flushing)
			}
			if err := same(ix, position); err != nil {
				return err
			}
			feed(t, ix, records[:max(flushing, position)])
			ix.settle(t)
			expectClean(t, ix)
			return same(ix, ix.Position())
		}
	}
	cuts, err := durabletest.EachCut(1, false, work)
	t.Logf("cut the power %d times", cuts)
	if err != nil || cuts < 8*len(stops) {
		t.Errorf("%d cuts in %d flushes: %v", cuts, len(stops), err)
	}
	if _, err := durabletest.EachCut(1, true, work); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

// After a disk failure, the index reports the failure and answers as before; it is whole
// when opened again.
func TestFailingDisk(t *testing.T) {
	records := sample(60)
	for failing := 0; ; failing++ {
		d := durabletest.New(uint64(failing))
		ix := open(t, "index", Options{Evidence: records, Disk: d})
		d.CutAfter(failing)
		err := ix.Add(t.Context(), records)
		if err == nil {
			err = ix.Flush(t.Context())
		}
		if err == nil {
			ix.Close()
			if failing < 7 {
				t.Errorf("only %d operations", failing)
			}
			return
		}
		if !errors.Is(err, durabletest.ErrPower) {
			t.Fatalf("operation %d failed, and flush says %v", failing, err)
		}
		if r, _, err := answers(ix); err != nil || r != 0 {
			t.Errorf("after a failed flush: position %d, %v", r, err)
		}
		ix.Close()
		ix = open(t, "index", Options{Evidence: records, Disk: d.Cut()})
		if position := ix.Position(); !slices.Contains([]uint64{0, 60}, position) {
			t.Errorf("position %d", position)
		}
		feed(t, ix, records)
		_, got, err := answers(ix)
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "after a failed operation", got, rebuilt(t, records))
		expectClean(t, ix)
		ix.Close()
	}
}

// After a power cut while messages are removed and their segment is rewritten, an index still
// has either all of them or none.
func TestPowerCutsWhileRemoving(t *testing.T) {
	t.Parallel()
	records := sample(60)
	gone := []uint64{3, 17, 44}
	present := func(ix *Index) (n int) {
		for hit, err := range ix.Stream(t.Context(), nil, nil) {
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(gone, hit.Seq) {
				n++
			}
		}
		return n
	}
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		all, removed := -1, false
		ix, err := Open("index", Options{Evidence: records, Disk: d})
		if err == nil {
			err = ix.Add(t.Context(), records)
		}
		if err == nil {
			err = ix.Flush(t.Context())
		}
		if err == nil {
			if all = present(ix); all == 0 {
				t.Fatal("none of the records is a message")
			}
			if err = ix.Remove(t.Context(), gone); err == nil {
				removed = true
				_ = ix.Settle(t.Context()) // the cut may happen here
			}
		}
		if ix != nil {
			ix.Close()
		}
		return func(after *durabletest.Disk) error {
			ix, err := Open("index", Options{Evidence: records, Disk: after})
			if err != nil {
				return err
			}
			defer ix.Close()
			n := present(ix)
			if all >= 0 && n != 0 && (n != all || removed) {
				return fmt.Errorf("%d of %d messages are there after a cut", n, all)
			}
			ix.settle(t)
			expectClean(t, ix)
			if now := present(ix); now != n {
				return fmt.Errorf("%d messages are there, and %d after a merge", n, now)
			}
			return nil
		}
	}
	if cuts, err := durabletest.EachCut(1, false, work); err != nil || cuts < 20 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
}
