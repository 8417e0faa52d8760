package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

func destroy(t testing.TB, l *Ledger, spans ...Span) Entry {
	t.Helper()
	e, err := l.Destroy(t.Context(), "judge", spans, "ORDERTEXT 12/2026")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantDestroyed checks that exactly these envelopes were destroyed by these orders, and
// that there is no damage.
func wantDestroyed(t *testing.T, dir string, k keys, gone map[uint64]uint64) {
	t.Helper()
	report := verify(t, dir, k.public)
	if report.Damaged() || report.Destroyed != uint64(len(gone)) || len(report.Findings) != min(1, len(gone)) {
		t.Errorf("verify: %+v", report)
	}
	l, err := Open(dir, Options{PublicKey: k.public})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, e := range readAll(t, l, 0, 0) {
		by, want := gone[e.Seq]
		if e.Destroyed != want || e.DestroyedBy != by || (e.Actor == "") != want {
			t.Errorf("%+v, by: want %d", e, by)
		}
	}
}

// TestDestroy: the words that an order names are gone from the disk, the order is in the
// ledger, and everything else works as before.
func TestDestroy(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 300)
	e := destroy(t, l, Span{299, 300}, Span{2, 2}, Span{4, 6}, Span{5, 7})
	if e.Subject != "2,4-7,299-300" || e.Seq != 301 {
		t.Errorf("%+v", e)
	}
	gone := map[uint64]uint64{}
	for _, seq := range []uint64{2, 4, 5, 6, 7, 299, 300} {
		gone[seq] = 301
		for _, name := range files(t, dir) {
			if word := fmt.Sprintf(`"query %d"`, seq-1); bytes.Contains(read(t, dir, name), []byte(word)) {
				t.Errorf("%s holds the words of entry %d", name, seq)
			}
		}
	}
	if log := read(t, dir, "tile/entries/001.p/45"); !bytes.Contains(log, []byte(`"action":"ledger.destroy","subject":"2,4-7,299-300"`)) || bytes.Contains(log, []byte("ORDERTEXT")) {
		t.Errorf("the log has %s", log)
	}
	wantDestroyed(t, dir, k, gone)
	appendActs(t, l, 1)
	destroy(t, l, Span{301, 302})
	gone[301], gone[302] = 303, 303
	wantDestroyed(t, dir, k, gone)
	for _, spans := range [][]Span{nil, {{0, 1}}, {{304, 304}}, {{1, 1 << 63}}} {
		if _, err := l.Destroy(t.Context(), "judge", spans, "x"); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("%v: %v", spans, err)
		}
	}
	if _, err := l.Destroy(t.Context(), "judge", []Span{{1, 3}}, "x"); err == nil || !strings.Contains(err.Error(), "entry 2 has already been destroyed") {
		t.Errorf("twice: %v", err)
	}
	wantDestroyed(t, dir, k, gone)
}

// TestEnvelopeAndOrder: a missing envelope without an order is damage, and so is a
// present one with an order.
func TestEnvelopeAndOrder(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 5)
	name := envelopePath(1)
	before := read(t, dir, name)
	blank := slices.Clone(before)
	at := bytes.IndexByte(blank, '\n') + 1
	copy(blank[at:], bytes.Repeat([]byte(" "), bytes.IndexByte(blank[at:], '\n')))
	for what, content := range map[string][]byte{
		"overwritten": blank, "removed": append(slices.Clone(before[:at]), before[at+bytes.IndexByte(before[at:], '\n')+1:]...), "empty": {},
	} {
		write(t, dir, name, content)
		damageIn(t, verify(t, dir, k.public), what, name)
		if e := readAll(t, l, 2, 1)[0]; !e.Destroyed || e.DestroyedBy != 0 {
			t.Errorf("%s: %+v", what, e)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, envelopeDir)); err != nil {
		t.Fatal(err)
	}
	damageIn(t, verify(t, dir, k.public), "without the folder", name)
	if err := os.Mkdir(filepath.Join(dir, envelopeDir), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir, name, before)
	destroy(t, l, Span{2, 3})
	order := read(t, dir, name)[len(before):]
	write(t, dir, name, append(slices.Clone(before), order...))
	damageIn(t, verify(t, dir, k.public), "put back", name)
	write(t, dir, name, append(slices.Clone(blank), order...))
	damageIn(t, verify(t, dir, k.public), "one of two put back", name)
}

// TestDestroySurvivesCrashes: a crash at any moment leaves nothing that Verify reports as
// damage, and the next process to open the ledger or append to it carries out exactly the
// destruction recorded in it.
func TestDestroySurvivesCrashes(t *testing.T) {
	type crash struct{}
	base, k, filled := newLedger(t)
	appendActs(t, filled, 257)
	for moment, done := range map[string]bool{"destroy.ready": false, "destroy.recorded": true, "destroy.between": true} {
		for _, open := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), "ledger")
			if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
				t.Fatal(err)
			}
			l, err := Open(dir, k.write())
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			l.failpoint = func(here string) {
				if here == moment {
					panic(crash{})
				}
			}
			func() {
				defer func() {
					if _, ok := recover().(crash); !ok {
						t.Error("the moment was not reached")
					}
				}()
				destroy(t, l, Span{3, 4}, Span{257, 257})
			}()
			l.failpoint = func(string) {}
			if r := verify(t, dir, k.public); r.Damaged() || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.File == destroyingName }) {
				t.Errorf("%s: %+v", moment, r)
			}
			readAll(t, l, 0, 0)
			if open {
				next, err := Open(dir, k.write())
				if err != nil {
					t.Fatal(err)
				}
				defer next.Close()
			} else {
				appendActs(t, l, 1)
			}
			gone := map[uint64]uint64{}
			if done {
				gone = map[uint64]uint64{3: 258, 4: 258, 257: 258}
			}
			wantDestroyed(t, dir, k, gone)
			if _, err := os.Stat(filepath.Join(dir, destroyingName)); err == nil {
				t.Errorf("%s: it is left", moment)
			}
		}
	}
}

// TestHalfDestroyed: a line that was only partly overwritten when the power failed is
// finished; any other invalid line is still damage.
func TestHalfDestroyed(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 5)
	name := envelopePath(1)
	before := read(t, dir, name)
	destroy(t, l, Span{2, 3})
	order := read(t, dir, name)[len(before):]
	lines := bytes.SplitAfter(before, []byte("\n"))
	mark := []byte("5 2-3\n")
	put := func(i, from, to int) {
		t.Helper()
		torn := slices.Clone(lines)
		torn[i] = slices.Clone(lines[i])
		copy(torn[i][from:to], bytes.Repeat([]byte(" "), to-from))
		write(t, dir, name, append(bytes.Join(torn, nil), order...))
		write(t, dir, destroyingName, mark)
	}
	for _, i := range []int{1, 2} {
		for _, part := range [][2]int{{0, 9}, {4, 30}, {60, len(lines[i]) - 1}} {
			put(i, part[0], part[1])
			if r := verify(t, dir, k.public); r.Damaged() {
				t.Errorf("line %d, %v: %+v", i, part, r)
			}
			readAll(t, l, 0, 0)
			appendActs(t, l, 1)
			if r := verify(t, dir, k.public); r.Damaged() || r.Destroyed != 2 {
				t.Errorf("line %d, %v, then: %+v", i, part, r)
			}
			order = read(t, dir, name)[len(before):]
		}
	}
	put(3, 4, 30)
	damageIn(t, verify(t, dir, k.public), "another line", name)
	if _, err := l.Append(t.Context(), Act{Actor: "anna", Action: Search}); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("appended: %v", err)
	}
	if !bytes.Contains(read(t, dir, name), lines[4]) {
		t.Error("an envelope that no order names is gone")
	}
	for _, bad := range []string{"", "5 2-3", "5 3-2\n", "x 2\n", "5 2-3 \n", "99999999999999999999 2\n"} {
		write(t, dir, destroyingName, []byte(bad))
		if r := verify(t, dir, k.public); !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Damage && f.File == destroyingName }) {
			t.Errorf("%q: %+v", bad, r)
		}
	}
}

// TestForgedMark: a forged mark destroys nothing.
func TestForgedMark(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 5)
	write(t, dir, destroyingName, []byte("5 2-3\n"))
	appendActs(t, l, 1)
	wantDestroyed(t, dir, k, nil)
}

// TestReadWhileOthersDestroy: readers and Verify see no damage while others destroy envelopes.
func TestReadWhileOthersDestroy(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 100)
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	done := make(chan error, 1)
	go func() {
		defer stop()
		for seq := uint64(1); seq < 20; seq++ {
			if _, err := l.Destroy(context.Background(), "judge", []Span{{seq, seq}, {100 - seq, 100 - seq}}, "x"); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	reader, err := Open(dir, Options{PublicKey: k.public})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for ctx.Err() == nil {
		if r := verify(t, dir, k.public); r.Damaged() {
			t.Fatalf("%+v", r)
		}
		readAll(t, reader, 0, 0)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir, k.public); r.Destroyed != 38 {
		t.Errorf("%+v", r)
	}
}

func FuzzSpans(f *testing.F) {
	f.Add("3,7-9")
	f.Add("1-18446744073709551615,2")
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := ParseSpans(text)
		if err != nil {
			return
		}
		sorted, again := formatSpans(spans)
		back, err := ParseSpans(again)
		if err != nil || !slices.Equal(back, sorted) {
			t.Fatalf("%q: %v, %q, %v", text, sorted, again, err)
		}
		for i := range sorted[1:] {
			if sorted[i].Last >= sorted[i+1].First-1 {
				t.Fatalf("%q: %v are not apart", text, sorted)
			}
		}
		for _, s := range spans {
			if !have(sorted, s.First, s.First) || !have(sorted, s.Last, s.Last) {
				t.Fatalf("%q: %v lacks %v", text, sorted, s)
			}
		}
	})
}
