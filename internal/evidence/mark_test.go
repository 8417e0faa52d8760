package evidence

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/check"
)

// Two copies of a store continue separately. Data derived from one fits the other up to
// the first record in which they differ, whichever of several open deliveries that record
// is in, but not beyond it. Opening and sealing more deliveries later changes nothing.
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
		mark, err := a.Mark(seq, "")
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
				t.Errorf("record %d of the fork, which begins after %d: %v", seq, common, err)
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

// rfcRoot computes the Merkle tree hash as defined in RFC 6962, section 2.1.
func rfcRoot(leaves []argus.Hash) argus.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	split := 1
	for 2*split < len(leaves) {
		split *= 2
	}
	left, right := rfcRoot(leaves[:split]), rfcRoot(leaves[split:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

// interleaved returns a store with a sealed delivery, an open one, another sealed one
// after it, and two open ones that take turns.
func interleaved(t *testing.T, signer note.Signer) (s *Store, dir string, open []argus.DeliveryNumber) {
	t.Helper()
	s, dir = createTest(t, Options{SegmentBytes: 16 << 10})
	add := func(d argus.DeliveryNumber, from, to int) {
		if err := s.Append(t.Context(), d, testBatch(from, to)); err != nil {
			t.Fatal(err)
		}
	}
	seal := func(d argus.DeliveryNumber) {
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
	}
	first := begin(t, s)
	add(first, 0, 20)
	seal(first)
	early := begin(t, s)
	add(early, 100, 400)
	behind := begin(t, s)
	add(behind, 400, 420)
	seal(behind)
	a, b := begin(t, s), begin(t, s)
	for n := 1000; n < 1800; n += 80 {
		add(a, n, n+41)
		add(b, n+41, n+80)
	}
	return s, dir, []argus.DeliveryNumber{early, a, b}
}

// leavesUpTo returns the leaves of each delivery up to each record.
func leavesUpTo(t *testing.T, s *Store, seq uint64) map[argus.DeliveryNumber][]argus.Hash {
	t.Helper()
	all := map[argus.DeliveryNumber][]argus.Hash{}
	for r := range seq {
		d, err := s.deliveryOf(r + 1)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := s.leaves(r+1, r+1)
		if err != nil {
			t.Fatal(err)
		}
		all[d] = append(all[d], leaf...)
	}
	return all
}

// A mark has the tree of each open delivery up to the mark's record, wherever that record
// is in a block or batch, and the root of each sealed delivery. A reader makes the same
// mark, with or without an earlier one.
func TestMarkHasTheTrees(t *testing.T) {
	signer, _ := testKey(t)
	s, dir, _ := interleaved(t, signer)
	reader := openTest(t, dir, Options{ReadOnly: true})
	before := ""
	for seq := uint64(1); seq <= s.Last(); seq += 1 + seq%53 {
		text, err := s.Mark(seq, "")
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseMark(text)
		if err != nil || m.String() != text {
			t.Fatalf("%s is read as %s, %v", text, m, err)
		}
		leaves := leavesUpTo(t, s, seq)
		want := new(mark)
		for _, d := range []argus.DeliveryNumber{1, 3} { // the sealed ones
			if len(leaves[d]) > 0 {
				seal, err := s.readSeal(d)
				if err != nil {
					t.Fatal(err)
				}
				want.seal(d, seal.Root)
				delete(leaves, d)
			}
		}
		if m.sealed != want.sealed || m.roots != want.roots || len(m.open) != len(leaves) {
			t.Fatalf("record %d: %s, want %d open ones", seq, text, len(leaves))
		}
		for _, tree := range m.open {
			own := leaves[tree.Delivery]
			if root, err := tree.Root(); err != nil || tree.Leaves() != uint64(len(own)) || root != rfcRoot(own) {
				t.Errorf("record %d: the tree of %s has %d leaves and the root %s, %v", seq, tree.Delivery, tree.Leaves(), root, err)
			}
		}
		for _, earlier := range []string{"", before, "no mark"} {
			if got, err := reader.Mark(seq, earlier); err != nil || got != text {
				t.Errorf("record %d, a reader: %s, %v\nwant %s", seq, got, err, text)
			}
		}
		if err := errors.Join(s.Marked(seq, text), reader.Marked(seq, text)); err != nil {
			t.Errorf("record %d: %v", seq, err)
		}
		before = text
	}
}

// A mark stays valid whatever lawfully happens to the store and however the store is opened,
// and package check confirms its trees.
func TestMarkSurvives(t *testing.T) {
	signer, keys := testKey(t)
	s, dir, open := interleaved(t, signer)
	marks := map[uint64]string{}
	for seq := uint64(1); seq <= s.Last(); seq += 97 {
		marks[seq] = ""
	}
	marks[s.Last()] = ""
	for seq := range marks {
		var err error
		if marks[seq], err = s.Mark(seq, ""); err != nil {
			t.Fatal(err)
		}
	}
	fits := func(what string) {
		t.Helper()
		s.Close()
		reader := openTest(t, dir, Options{ReadOnly: true})
		s = openTest(t, dir, Options{})
		for seq, text := range marks {
			if err := errors.Join(s.Marked(seq, text), reader.Marked(seq, text)); err != nil {
				t.Errorf("%s, record %d: %v", what, seq, err)
			}
			v, err := check.Verify(t.Context(), dir, keys, func(f check.Finding) {
				if !f.Note {
					t.Errorf("%s: %+v", what, f)
				}
			}, func(int64) {}, nil, Trees(text)...)
			if err != nil || len(v.Others) > 0 {
				t.Errorf("%s, record %d: %v, %v", what, seq, v.Others, err)
			}
		}
		reader.Close()
	}
	fits("opened again")
	for _, d := range open {
		if err := s.Append(t.Context(), d, testBatch(5000, 5010)); err != nil {
			t.Fatal(err)
		}
	}
	fits("continued")
	s.Close()
	segment := filepath.Join(dir, segmentName(s.closed+1))
	f, err := os.OpenFile(segment, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half a batch"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	fits("after a crash")
	for _, d := range open {
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
	}
	fits("sealed")
	w := &walk{t: t, s: s, dir: dir, signer: signer, keys: keys}
	var whole, content []uint64
	for _, r := range collect(t, s, 10) {
		if r.Kind == argus.KindMessage && r.Seq%3 == 0 && r.Seq < 900 {
			whole = append(whole, r.Seq)
		} else if r.Kind == argus.KindMessage && r.Seq%3 == 1 && r.Seq < 900 {
			content = append(content, r.Seq)
		}
	}
	w.amend(w.order(argus.KindDestroyed, argus.GoneAll, whole...))
	w.amend(w.order(argus.KindWithdrawn, argus.GoneContent, content...))
	fits("amended")
}

// A mark with other trees belongs to other evidence. A process that only reads compares the
// trees' numbers of leaves; package check compares the trees, including those that such a
// process has continued.
func TestForgedMark(t *testing.T) {
	signer, keys := testKey(t)
	s, dir, _ := interleaved(t, signer)
	reader := openTest(t, dir, Options{ReadOnly: true})
	last := s.Last()
	text, err := s.Mark(last-30, "")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(text)
	forged := func(change func(words []string) []string) string {
		return strings.Join(change(slices.Clone(words)), " ")
	}
	for name, bad := range map[string]string{
		"without a tree":              forged(func(w []string) []string { return w[:len(w)-3] }),
		"with a tree twice":           forged(func(w []string) []string { return append(w, w[3:6]...) }),
		"of an unknown delivery":      forged(func(w []string) []string { w[3] = "D-0099"; return w }),
		"of other leaves":             forged(func(w []string) []string { w[4], w[5] = "1", w[5][:64]; return w }),
		"with leaves without a hash":  forged(func(w []string) []string { w[4] += "1"; return w }),
		"with a short hash":           forged(func(w []string) []string { w[5] = w[5][2:]; return w }),
		"with no hash":                forged(func(w []string) []string { w[5] = "x"; return w }),
		"with no number":              forged(func(w []string) []string { w[4] = "-1"; return w }),
		"with a word too few":         forged(func(w []string) []string { return w[:len(w)-1] }),
		"with an open one among them": forged(func(w []string) []string { w[0] = w[len(w)-3]; return w }),
		"without a sealed one":        forged(func(w []string) []string { w[0] = "D-0001"; return w }),
		"with other roots":            forged(func(w []string) []string { w[1] = w[2]; return w }),
	} {
		for _, store := range []*Store{s, reader} {
			if err := store.Marked(last-30, bad); !errors.Is(err, ErrOther) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	other := forged(func(w []string) []string { w[5] = strings.Repeat("0", 64) + w[5][64:]; return w })
	if err := s.Marked(last-30, other); !errors.Is(err, ErrOther) {
		t.Errorf("another tree: %v", err)
	}
	if err := reader.Marked(last-30, other); err != nil {
		t.Errorf("another tree, read only: %v", err)
	}
	continued, err := reader.Mark(last, other)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{other, continued} {
		v, err := check.Verify(t.Context(), dir, keys, func(check.Finding) {}, func(int64) {}, nil, Trees(text)...)
		if err != nil || len(v.Others) != 1 || v.Others[0].Delivery != 2 {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
}

// FuzzMark checks that the text of every accepted mark is accepted as the same mark.
func FuzzMark(f *testing.F) {
	hash := strings.Repeat("01", 32)
	f.Add("D-0000 " + hash + " " + hash)
	f.Add("D-0002 " + hash + " " + hash + " D-0003 5 " + hash + hash + " D-0004 1 " + hash)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMark(text)
		if err != nil {
			if !errors.Is(err, ErrOther) {
				t.Fatalf("%v, want ErrOther", err)
			}
			return
		}
		again, err := parseMark(m.String())
		if err != nil || again.String() != m.String() || len(again.open) != len(m.open) {
			t.Fatalf("%q is read as %s and then as %s, %v", text, m, again, err)
		}
	})
}
