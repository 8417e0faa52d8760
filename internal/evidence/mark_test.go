package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

// Two copies of a store continue separately. Data derived from one fits the other up to
// the first record in which they differ, whichever of several open deliveries that is in,
// and not from there on. Opening and sealing more later changes nothing.
func TestMarkTellsForksApart(t *testing.T) {
	signer, _ := testKey(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, dir := createTest(t, Options{})
	sealed := begin(t, a)
	must(a.Append(t.Context(), sealed, testBatch(0, 600)))
	_, err := a.Seal(t.Context(), sealed, "store", signer, time.Unix(1_700_000_000, 0), "")
	must(err)
	must(a.Append(t.Context(), begin(t, a), testBatch(600, 700)))
	first, second := begin(t, a), begin(t, a)
	must(a.Append(t.Context(), first, testBatch(1000, 1100)))
	must(a.Append(t.Context(), second, testBatch(1100, 1200)))
	common := a.Last()
	must(a.Close())
	fork := filepath.Join(t.TempDir(), "fork")
	must(os.CopyFS(fork, os.DirFS(dir)))
	a = openTest(t, dir, Options{})
	b := openTest(t, fork, Options{})
	// The fork differs in the delivery that was opened first; the other delivery continues
	// with the same messages in both.
	must(a.Append(t.Context(), first, testBatch(2000, 2100)))
	must(b.Append(t.Context(), first, testBatch(3000, 3100)))
	var third [2]argus.DeliveryNumber
	for i, s := range []*Store{a, b} {
		must(s.Append(t.Context(), second, testBatch(1200, 1300)))
		third[i] = begin(t, s)
		must(s.Append(t.Context(), third[i], testBatch(1300, 1400)))
	}
	marks := map[uint64]string{}
	for seq := uint64(1); seq <= a.Last(); seq += 7 {
		mark, err := a.Mark(seq)
		must(err)
		marks[seq] = mark
	}
	check := func() {
		t.Helper()
		for seq, mark := range marks {
			if err := a.Marked(seq, mark); err != nil {
				t.Errorf("record %d: %v", seq, err)
			}
			if err := b.Marked(seq, mark); errors.Is(err, ErrOther) != (seq > common) {
				t.Errorf("record %d of the fork, which begins behind %d: %v", seq, common, err)
			}
		}
	}
	check()
	for i, s := range []*Store{a, b} {
		for _, d := range []argus.DeliveryNumber{third[i], first} {
			if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	check()
}
