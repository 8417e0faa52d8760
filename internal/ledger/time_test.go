package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

func at(hours int) time.Time { return time.Date(2026, 3, 1, hours, 0, 0, 0, time.UTC) }

// TestClockSetBack: a clock that was set back does not set the ledger's time back, but is
// noted.
func TestClockSetBack(t *testing.T) {
	dir, k, l := newLedger(t)
	clock := at(1)
	l.now = func() time.Time { return clock }
	appendActs(t, l, 1)
	clock = at(10)
	appendActs(t, l, 1)
	clock = at(2)
	for _, one := range []struct {
		name string
		l    *Ledger
	}{{"the same process", l}, {"another process", reopen(t, dir, k, func() time.Time { return clock })}} {
		if now, err := one.l.Now(); err != nil || !now.Equal(at(10)) {
			t.Errorf("%s: it is %v, %v; want %v", one.name, now, err, at(10))
		}
		appendActs(t, one.l, 1)
	}
	got := readAll(t, l, 2, 0)
	if !got[0].Clock.IsZero() || !got[2].Time.Equal(at(10)) || !got[2].Clock.Equal(at(2)) {
		t.Errorf("%+v", got)
	}
	report := verify(t, dir, k.public)
	if report.Damaged() || len(report.Findings) != 1 || report.Findings[0].Entry != 3 || !strings.Contains(report.Findings[0].Problem, "the clock was behind") {
		t.Errorf("verify: %+v", report)
	}
	clock = at(11)
	if now, err := l.Now(); err != nil || !now.Equal(at(11)) {
		t.Errorf("it is %v, %v; want the clock's time", now, err)
	}
}

func reopen(t *testing.T, dir string, k keys, now func() time.Time) *Ledger {
	t.Helper()
	o := k.write()
	o.Now = now
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestCorrect: one wrong clock does not affect the ledger's time forever: a correction repairs
// the time, and sets it back no further than the entry before the wrong one.
func TestCorrect(t *testing.T) {
	dir, k, l := newLedger(t)
	clock := at(1)
	l.now = func() time.Time { return clock }
	appendActs(t, l, 2)
	clock = at(100)
	appendActs(t, l, 1) // entry 3 has the wrong time
	clock = at(3)
	appendActs(t, l, 1)

	refuse := func(seq uint64, want string) {
		t.Helper()
		if _, err := l.Correct(t.Context(), "anna", seq, "why"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("entry %d: %v, want %q", seq, err, want)
		}
	}
	refuse(2, "is not earlier than the time of the entry")
	refuse(4, "specify the first entry")
	for _, seq := range []uint64{0, 5} {
		if _, err := l.Correct(t.Context(), "anna", seq, "why"); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("entry %d: %v", seq, err)
		}
	}
	clock = at(-50) // as far back as entry 2, and no further
	if e, err := l.Correct(t.Context(), "anna", 3, "the clock was ahead"); err != nil || !e.Time.Equal(at(1)) || !e.Clock.Equal(at(-50)) {
		t.Fatalf("%+v, %v", e, err)
	}
	clock = at(3)
	if now, err := l.Now(); err != nil || !now.Equal(at(3)) {
		t.Errorf("it is %v, %v", now, err)
	}
	appendActs(t, l, 1)
	clock = at(2)
	refuse(3, "entry 5 is already a correction")
	got := readAll(t, l, 5, 0)
	if got[0].Action != Correct || got[0].Subject != "3" || got[0].Detail["reason"] != "the clock was ahead" || got[0].Actor != "anna" || !got[1].Time.Equal(at(3)) {
		t.Errorf("%+v", got)
	}
	// Verify does not ask for a correction that has already been made, until a clock is behind
	// again.
	said := func(want ...string) {
		t.Helper()
		report := verify(t, dir, k.public)
		if report.Damaged() || len(report.Findings) != len(want) {
			t.Fatalf("%+v", report)
		}
		for i, f := range report.Findings {
			if f.Entry != 4+3*uint64(i) || !strings.Contains(f.Problem, want[i]) || i == 0 && strings.Contains(f.Problem, "argus ledger correct") {
				t.Errorf("%+v, want %s", f, want[i])
			}
		}
	}
	said("entry 5 has since corrected the time")
	appendActs(t, l, 1)
	said("entry 5 has since corrected the time", "argus ledger correct")
}

// TestExtends: Extends accepts every earlier state of the ledger, and no other.
func TestExtends(t *testing.T) {
	_, _, l := newLedger(t)
	var heads []argus.LedgerHead
	for range 260 {
		h, err := l.Head()
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, h)
		appendActs(t, l, 1)
	}
	for i, h := range heads {
		if ok, err := l.Extends(h); !ok || err != nil {
			t.Fatalf("head %d: %v, %v", i, ok, err)
		}
		h.Root[0] ^= 1
		if ok, err := l.Extends(h); ok || err != nil {
			t.Fatalf("another head %d: %v, %v", i, ok, err)
		}
	}
	if ok, err := l.Extends(argus.LedgerHead{Entries: 261}); ok || err != nil {
		t.Errorf("a longer one: %v, %v", ok, err)
	}
}

// TestHold: a process that holds the ledger is alone, and one that cannot hold it does
// nothing.
func TestHold(t *testing.T) {
	dir, k, l := newLedger(t)
	o := k.write()
	o.Wait = 20 * time.Millisecond
	other, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = l.Hold(t.Context(), func(record func(Act) (Entry, error)) error {
		for range 2 {
			if _, err := record(Act{Actor: "anna", Action: Search}); err != nil {
				return err
			}
		}
		err := other.Hold(t.Context(), func(func(Act) (Entry, error)) error {
			t.Error("two hold it")
			return nil
		})
		if !errors.Is(err, argus.ErrLocked) {
			t.Errorf("%v, want ErrLocked", err)
		}
		return nil
	})
	if size, sizeErr := l.Size(); err != nil || sizeErr != nil || size != 2 {
		t.Errorf("%d entries, %v, %v", size, err, sizeErr)
	}
}
