package sealing

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
)

// root computes the Merkle tree hash of leaves as defined in RFC 6962, section 2.1.
func root(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	split := 1
	for 2*split < len(leaves) {
		split *= 2
	}
	return rfc6962.DefaultHasher.HashChildren(root(leaves[:split]), root(leaves[split:]))
}

// A draft has the counts, moments, readers and roots of its records, and the hashes of the
// tree file.
func TestDraft(t *testing.T) {
	d := New(7)
	records := []*argus.Record{
		{Kind: argus.KindOpening, Opening: &argus.Opening{Source: "x", Readers: []string{"a/1", "b/1"}}},
		{Kind: argus.KindOriginal, Original: &argus.Original{Size: 1}},
	}
	for _, r := range evidencetest.Batch(0, 600) {
		r.Where.Reader = 2
		records = append(records, r)
	}
	var leaves [][]byte
	for i, r := range records {
		leaf := argus.Hash{byte(i), byte(i >> 8), 1}
		leaves = append(leaves, leaf[:])
		if err := d.Add(r, leaf, argus.Hash{9}); err != nil {
			t.Fatal(err)
		}
		if begun := d.Begun(); begun.Root != argus.Hash(leaves[0]) || begun.More != (i > 0) {
			t.Fatalf("after %d records it began with %+v", i+1, begun)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s := d.Seal
	first, last := evidencetest.Message(0).Sent, evidencetest.Message(599).Sent
	if s.Delivery != 7 || s.Records != 602 || s.Counts.Stored != 600 || s.Originals != 1 || s.First != first || s.Last != last || !reflect.DeepEqual(s.ReadBy, []string{"b/1"}) {
		t.Errorf("%+v", s)
	}
	if s.Root != argus.Hash(root(leaves)) || s.OriginalsRoot != argus.Hash(rfc6962.DefaultHasher.HashLeaf(append([]byte{9}, make([]byte, 31)...))) {
		t.Errorf("the roots are %s and %s", s.Root, s.OriginalsRoot)
	}
	if want := append(root(leaves[:Run]), root(leaves[Run:2*Run])...); string(d.Nodes) != string(want) {
		t.Errorf("the tree file is %x, want %x", d.Nodes, want)
	}
}

// FuzzParse checks that every accepted text gives a seal whose own text is accepted as
// the same seal.
func FuzzParse(f *testing.F) {
	text, err := Text(&argus.Seal{Delivery: 1, Root: argus.Hash{1}, Records: 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(fmt.Sprintf("%s{}", head))
	f.Fuzz(func(t *testing.T, text string) {
		seal, err := Parse(text)
		if err != nil {
			if !errors.Is(err, argus.ErrDamaged) {
				t.Fatalf("%v, want ErrDamaged", err)
			}
			return
		}
		again, err := Text(seal)
		if err != nil || seal.Delivery == 0 {
			return // a time that JSON cannot write, or no delivery
		}
		second, err := Parse(again)
		if err != nil || !reflect.DeepEqual(seal, second) {
			t.Fatalf("%q is read as\n%+v and then as\n%+v, %v", text, seal, second, err)
		}
	})
}

// A tree made from the hashes over full runs and the remaining leaves, and one that was
// written and read, both equal the draft's tree.
func TestTree(t *testing.T) {
	d := New(7)
	var leaves [][]byte
	for i := range 2*Run + 3 {
		leaf := argus.Hash{byte(i), byte(i >> 8), 1}
		leaves = append(leaves, leaf[:])
		if err := d.Add(&argus.Record{Kind: argus.KindQuarantined}, leaf, leaf); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := NewTree(7, d.Nodes)
	if err != nil || tree.Leaves() != 2*Run || tree.Equal(d.Tree()) {
		t.Fatal(tree, err)
	}
	for _, leaf := range leaves[2*Run:] {
		if err := tree.Add(argus.Hash(leaf)); err != nil {
			t.Fatal(err)
		}
	}
	words := strings.Fields(tree.String())
	read, err := ParseTree(words[0], words[1], words[2])
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range []*Tree{tree, read} {
		if got, err := tree.Root(); err != nil || got != argus.Hash(root(leaves)) || !tree.Equal(d.Tree()) {
			t.Errorf("%s has the root %s, %v", tree, got, err)
		}
	}
	if want := fmt.Sprintf("D-0007 515 %x%x%x", root(leaves[:512]), root(leaves[512:514]), leaves[514]); tree.String() != want {
		t.Errorf("%s, want %s", tree, want)
	}
	tree.Delivery = 8
	if tree.Equal(d.Tree()) {
		t.Error("trees of two deliveries are equal")
	}
	for _, bad := range [][3]string{{"x", words[1], words[2]}, {words[0], "x", words[2]}, {words[0], "512", words[2]}, {words[0], words[1], words[2] + "00"}, {words[0], words[1], "x"}} {
		if tree, err := ParseTree(bad[0], bad[1], bad[2]); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%q: %v, %v", bad, tree, err)
		}
	}
}
