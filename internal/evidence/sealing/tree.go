package sealing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/transparency-dev/merkle/compact"

	"github.com/argus-evidence/argus"
)

// Tree is the Merkle tree over the first leaves of a delivery. It keeps only the hashes
// of the largest full subtrees: they are enough to compute the root and to add leaves.
type Tree struct {
	Delivery argus.DeliveryNumber

	tree *compact.Range
}

// Tree returns the tree so far. It changes with the draft.
func (d *Draft) Tree() *Tree { return &Tree{d.Seal.Delivery, d.tree} }

// NewTree returns the tree over full runs of leaves, from the first one on. nodes has the
// hash of each, as in [Draft.Nodes].
func NewTree(d argus.DeliveryNumber, nodes []byte) (*Tree, error) {
	runs := trees.NewEmptyRange(0)
	for node := range slices.Chunk(nodes, sha256.Size) {
		if err := runs.Append(node, nil); err != nil {
			return nil, err
		}
	}
	tree, err := trees.NewRange(0, runs.End()*Run, runs.Hashes())
	return &Tree{d, tree}, err
}

// ParseTree reads the three words of [Tree.String]. The error is argus.ErrDamaged.
func ParseTree(delivery, leaves, hashes string) (*Tree, error) {
	d, err := argus.ParseDelivery(delivery)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	n, err := strconv.ParseUint(leaves, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: parse the number of leaves: %w", argus.ErrDamaged, err)
	}
	b, err := hex.DecodeString(hashes)
	if err == nil && len(b)%sha256.Size != 0 {
		err = fmt.Errorf("%d bytes", len(b))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: parse the hashes of a tree: %w", argus.ErrDamaged, err)
	}
	tree, err := trees.NewRange(0, n, slices.Collect(slices.Chunk(b, sha256.Size)))
	if err != nil {
		return nil, fmt.Errorf("%w: parse a tree of %d leaves: %w", argus.ErrDamaged, n, err)
	}
	return &Tree{d, tree}, nil
}

// String returns three words: the delivery, the number of leaves, and the hashes from left
// to right in hexadecimal.
func (t *Tree) String() string {
	return fmt.Sprintf("%s %d %x", t.Delivery, t.Leaves(), bytes.Join(t.tree.Hashes(), nil))
}

// Leaves returns the number of leaves.
func (t *Tree) Leaves() uint64 { return t.tree.End() }

// Add adds the next leaf.
func (t *Tree) Add(leaf argus.Hash) error { return t.tree.Append(leaf[:], nil) }

// Root returns the Merkle tree hash of RFC 6962, section 2.1. The tree must have at least
// one leaf.
func (t *Tree) Root() (root argus.Hash, err error) {
	hash, err := t.tree.GetRootHash(nil)
	copy(root[:], hash)
	return root, err
}

// Equal reports whether both trees have the same leaves.
func (t *Tree) Equal(other *Tree) bool {
	return t.Delivery == other.Delivery && t.tree.Equal(other.tree)
}
