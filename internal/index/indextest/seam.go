package indextest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
)

// mark returns a name for the evidence up to a record, which includes the name before.
func mark(seq uint64, before string) (string, error) { return fmt.Sprintf("%s %d", before, seq), nil }

func three() []argus.Message {
	return []argus.Message{text("1", at(1), "one"), text("2", at(2), "two"), text("3", at(3), "three")}
}

// Begin empties an index at once and durably, and the index keeps the readings.
func testBegin(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(three()...)
	f.expect("readings at first", f.index.Readings(), argus.DeliveryNumber(0))
	if err := f.index.Begin(7); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.expect("remaining items", []uint64{f.index.Position(), f.index.Stats().Messages}, []uint64{0, 0})
		f.expect("readings", f.index.Readings(), argus.DeliveryNumber(7))
		f.reopen()
	}
	f.add(0)
	f.flush()
	f.check(index.Request{Limit: 10})
	f.expect("readings", f.index.Readings(), argus.DeliveryNumber(7))
	if err := f.index.Settle(t.Context()); err != nil {
		t.Errorf("settle: %v", err)
	}
}

// One process writes; others see its flushed data after a refresh, and cannot change
// anything.
func testBeside(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(three()[:1]...)
	if ix, err := open(f.dir, index.Options{Evidence: &f.evidence}); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("a second writer: %v, %v", ix, err)
	}
	reading, err := open(f.dir, index.Options{Evidence: &f.evidence, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reading.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	f.put(three()[1:]...)
	if got := reading.Position(); got != 1 {
		t.Errorf("the position before a refresh is %d", got)
	}
	if err := errors.Join(reading.Refresh(), f.index.Refresh(), reading.Settle(t.Context())); err != nil {
		t.Fatal(err)
	}
	position, named := reading.Mark()
	f.expect("after it refreshed", []any{position, named, reading.Stats().Messages}, []any{uint64(3), " 1 3", uint64(3)})
	for name, err := range map[string]error{
		"add": reading.Add(t.Context(), f.records), "remove": reading.Remove(t.Context(), []uint64{1}), "begin": reading.Begin(1),
	} {
		if err == nil {
			t.Errorf("%s: no error, although the index is read-only", name)
		}
	}
	f.expect("the writer", f.index.Position(), uint64(3))
}

// Rebuild begins with an empty index.
func testRebuild(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(three()...)
	f.close()
	var err error
	if f.index, err = open(f.dir, index.Options{Evidence: &f.evidence, Rebuild: true}); err != nil {
		t.Fatal(err)
	}
	f.expect("remaining items", []uint64{f.index.Position(), f.index.Stats().Messages}, []uint64{0, 0})
	f.add(0)
	f.flush()
	f.check(index.Request{Limit: 10})
}

// Opening an index with a different version is an error, for writers and for readers, until the
// index is rebuilt.
func testOutdated(t *testing.T, open index.Open, outdate func(dir string) error) {
	f := setUp(t, open)
	f.put(three()...)
	f.close()
	if err := outdate(f.dir); err != nil {
		t.Fatal(err)
	}
	for _, o := range []index.Options{{Evidence: &f.evidence}, {Evidence: &f.evidence, ReadOnly: true}} {
		if _, err := open(f.dir, o); !errors.Is(err, index.ErrOutdated) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	var err error
	if f.index, err = open(f.dir, index.Options{Evidence: &f.evidence, Rebuild: true}); err != nil {
		t.Fatal(err)
	}
	f.add(0)
	f.flush()
	f.reopen()
	f.check(index.Request{Limit: 10})
}

// The index keeps the name of the evidence that it has followed.
func testMark(t *testing.T, open index.Open) {
	f := setUp(t, open)
	if position, _ := f.index.Mark(); position != 0 {
		t.Errorf("the position of an empty index is %d", position)
	}
	f.put(three()[:1]...)
	f.put(three()[1:]...)
	for range 2 {
		position, named := f.index.Mark()
		f.expect("mark", []any{position, named}, []any{uint64(3), " 1 3"})
		f.reopen()
	}
}

// Strays returns the name of a file that does not belong to the index.
func testStrays(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(three()...)
	for _, want := range [][]string{nil, {"stray"}} {
		for _, name := range want {
			if err := os.WriteFile(filepath.Join(f.dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := f.index.Strays()
		if err != nil {
			t.Fatal(err)
		}
		f.expect("strays", got, want)
	}
}

// Comparing an index with its evidence finds nothing, and comparing it with different
// evidence finds the differing records.
func testCompare(t *testing.T, open index.Open) {
	f := setUp(t, open)
	f.put(three()...)
	compare := func(e *evidence) []*index.Differs {
		c, err := f.index.Compare(t.Context(), func(err error) { t.Errorf("compare: %v", err) })
		if err != nil || c == nil {
			t.Fatalf("%v, %v", c, err)
		}
		f.expect("readings", c.Readings(), f.index.Readings())
		c.Follow(e)
		for _, r := range e.whole {
			if err := c.Add(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		differences, err := c.Differences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return differences
	}
	if found := compare(&f.evidence); len(found) != 0 {
		t.Errorf("it differs from its own evidence: %v", found)
	}
	other := new(evidence)
	for i, m := range three() {
		if i == 1 {
			m.Text = "another"
		}
		other.message(1, m, 0)
	}
	found := compare(other)
	if len(found) != 1 || found[0].First > 2 || found[0].Last < 2 || !errors.Is(found[0], argus.ErrDamaged) {
		t.Errorf("compare with different evidence: %v", found)
	}
}
