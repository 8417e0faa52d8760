package embedded

import (
	"testing"

	"github.com/argus-evidence/argus"
)

// After Begin, the index is durably empty, and then holds only the records added to it; a
// merge in progress brings nothing back.
func TestBegin(t *testing.T) {
	records := sample(400)
	dir, o := t.TempDir(), Options{Evidence: records, BatchBytes: 3000, SegmentDocs: 100}
	ix := open(t, dir, o)
	feed(t, ix, records)
	_, want, err := answers(ix)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 5 {
		ix.wakeMerger()
		if err := ix.Begin(argus.DeliveryNumber(n + 1)); err != nil {
			t.Fatal(err)
		}
		if ix.Position() != 0 || ix.Stats().Messages != 0 || int(ix.Readings()) != n+1 {
			t.Fatalf("after Begin the index is at %d, with %d messages and readings up to %s", ix.Position(), ix.Stats().Messages, ix.Readings())
		}
		feed(t, ix, records[:40]) // still in memory at the next Begin
	}
	if err := ix.Begin(7); err != nil {
		t.Fatal(err)
	}
	ix.Close()
	ix = open(t, dir, o)
	if ix.Position() != 0 || ix.Readings() != 7 {
		t.Fatalf("opened again, the index is at %d, with readings up to %s", ix.Position(), ix.Readings())
	}
	feed(t, ix, records)
	if err := ix.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, got, err := answers(ix)
	if err != nil {
		t.Fatal(err)
	}
	expectEqual(t, "answers after Begin", got, want)
	expectClean(t, ix)
	ix.Close()
	reader := open(t, dir, Options{Evidence: records, ReadOnly: true})
	defer reader.Close()
	if reader.Readings() != 7 || reader.Begin(8) == nil {
		t.Errorf("a read-only index has readings up to %s, or Begin succeeds", reader.Readings())
	}
}
