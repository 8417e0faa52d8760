package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
)

// ErrOther means that data was derived from other evidence. It is an [argus.ErrDamaged].
var ErrOther = fmt.Errorf("%w: it belongs to other evidence", argus.ErrDamaged)

// Tree is the Merkle tree over the first records of a delivery.
type Tree = sealing.Tree

// mark identifies the evidence up to a record, for data derived from that evidence. Each
// delivery that begins at or before that record is in roots or in open.
type mark struct {
	sealed argus.DeliveryNumber // the last delivery whose root is included in roots
	roots  argus.Hash           // hash over the roots of sealed deliveries, in order
	leaf   argus.Hash           // the record's leaf
	open   []*Tree              // the trees over the leaves up to the record, in order of delivery
}

func (m *mark) String() string {
	words := []string{m.sealed.String(), m.roots.String(), m.leaf.String()}
	for _, t := range m.open {
		words = append(words, t.String())
	}
	return strings.Join(words, " ")
}

func parseMark(text string) (*mark, error) {
	words := strings.Fields(text)
	if len(words) == 0 || len(words)%3 != 0 {
		return nil, fmt.Errorf("%w: it does not name its evidence", ErrOther)
	}
	m := new(mark)
	var err error
	if words[0] != m.sealed.String() {
		m.sealed, err = argus.ParseDelivery(words[0])
	}
	err = errors.Join(err, m.roots.UnmarshalText([]byte(words[1])), m.leaf.UnmarshalText([]byte(words[2])))
	for w := range slices.Chunk(words[3:], 3) {
		t, treeErr := sealing.ParseTree(w[0], w[1], w[2])
		m.open, err = append(m.open, t), errors.Join(err, treeErr)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it does not name its evidence: %w", ErrOther, err)
	}
	return m, nil
}

// seal adds the root of a sealed delivery. Each hash covers the previous one.
func (m *mark) seal(d argus.DeliveryNumber, root argus.Hash) {
	m.sealed, m.roots = d, sha256.Sum256(append(m.roots[:], root[:]...))
}

// Trees returns a mark's trees of open deliveries, or none if the text is not a mark.
func Trees(text string) []*Tree {
	m, err := parseMark(text)
	if err != nil {
		return nil
	}
	return m.open
}

// Mark identifies the evidence up to a record, for data derived from that evidence, by the
// roots of the sealed deliveries, the trees of the open ones, and the leaf of the record. A
// mark reveals evidence that was mixed up or rewritten. It proves nothing about the derived
// data, and does not protect against anyone who can also write a mark. before is the mark of an
// earlier record, or "" if there is none. A store opened read-only continues the trees of
// before instead of reading the open deliveries from their beginning; if those trees belong to
// other evidence, so does the new mark.
func (s *Store) Mark(seq uint64, before string) (string, error) {
	m, err := s.mark(seq, before)
	if err != nil {
		return "", fmt.Errorf("mark the evidence at record %d: %w", seq, err)
	}
	return m.String(), nil
}

func (s *Store) mark(seq uint64, before string) (*mark, error) {
	leaves, err := s.leaves(seq, seq)
	if err != nil {
		return nil, err
	}
	m := &mark{leaf: leaves[0]}
	nodes, counts, earlier := s.openNodes(), s.counts(seq), Trees(before)
	for _, d := range slices.Sorted(maps.Keys(counts)) {
		runs, open := nodes[d]
		if !open {
			if seal, err := s.sealOf(d); err == nil {
				m.seal(d, seal.root)
				continue
			}
			// The delivery is open in another process, or its seal is damaged.
		}
		i := slices.IndexFunc(earlier, func(t *Tree) bool { return !open && t.Delivery == d && t.Leaves() <= counts[d] })
		var t *Tree
		if i >= 0 {
			t, err = earlier[i], s.grow(earlier[i], counts[d], seq)
		} else {
			t, err = s.tree(d, runs, counts[d], seq)
		}
		if err != nil {
			return nil, err
		}
		m.open = append(m.open, t)
	}
	return m, nil
}

// tree returns the tree over the records of a delivery up to seq. runs has the hashes
// over full runs of leaves, as far as those are known.
func (s *Store) tree(d argus.DeliveryNumber, runs []byte, leaves, seq uint64) (*Tree, error) {
	known := min(leaves/sealing.Run*sha256.Size, uint64(len(runs)))
	t, err := sealing.NewTree(d, runs[:known])
	if err == nil {
		err = s.grow(t, leaves, seq)
	}
	return t, err
}

// Marked returns [ErrOther] if a mark was made from other evidence. Any other error comes
// from reading the evidence. It compares the trees of open deliveries as far as that is
// possible without reading records: in a store that is open for writing, and where a seal
// has the root. Otherwise it compares only their numbers of leaves, and package check
// compares the trees.
func (s *Store) Marked(seq uint64, text string) error {
	if last := s.Last(); seq > last {
		return fmt.Errorf("%w: it has seen record %d, but the last record is %d", ErrOther, seq, last)
	}
	m, err := parseMark(text)
	if err != nil {
		return err
	}
	leaves, err := s.leaves(seq, seq)
	if err != nil {
		return fmt.Errorf("look for record %d: %w", seq, err)
	}
	if leaves[0] != m.leaf {
		return fmt.Errorf("%w: record %d is a different record", ErrOther, seq)
	}
	s.mu.RLock()
	damage := s.damage
	s.mu.RUnlock()
	if damage != nil {
		return damage // blocks may be missing
	}
	counts := s.counts(seq)
	for _, t := range m.open {
		if n := counts[t.Delivery]; n != t.Leaves() {
			return fmt.Errorf("%w: it has seen %d records of delivery %s up to there, but there are %d", ErrOther, t.Leaves(), t.Delivery, n)
		}
		if same, err := s.has(t, seq); err != nil {
			return err
		} else if !same {
			return OtherTree(t)
		}
		delete(counts, t.Delivery)
	}
	return s.haveRoots(m, slices.Sorted(maps.Keys(counts)))
}

// OtherTree returns the [ErrOther] for a tree that does not match the records of its
// delivery.
func OtherTree(t *Tree) error {
	return fmt.Errorf("%w: the first %d records of delivery %s are not those that it has seen", ErrOther, t.Leaves(), t.Delivery)
}

// has reports whether a tree covers the records up to seq, as far as that is known.
func (s *Store) has(t *Tree, seq uint64) (bool, error) {
	if runs, open := s.openNodes()[t.Delivery]; open {
		own, err := s.tree(t.Delivery, runs, t.Leaves(), seq)
		return err == nil && own.Equal(t), err
	}
	seal, err := s.sealOf(t.Delivery)
	if err != nil || seal.records != t.Leaves() {
		return true, nil //nolint:nilerr // the delivery is open, or its seal is damaged
	}
	root, err := t.Root()
	return root == seal.root, err
}

// haveRoots returns [ErrOther] if a mark was made from other roots of deliveries.
func (s *Store) haveRoots(m *mark, deliveries []argus.DeliveryNumber) error {
	want := new(mark)
	for _, d := range deliveries {
		if d > m.sealed {
			return fmt.Errorf("%w: it has not seen delivery %s", ErrOther, d)
		}
		seal, err := s.sealOf(d)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // placeholder
		}
		if err != nil {
			return err
		}
		want.seal(d, seal.root)
	}
	if want.roots != m.roots || want.sealed != m.sealed {
		return fmt.Errorf("%w: the deliveries up to %s have different roots", ErrOther, m.sealed)
	}
	return nil
}

// upTo returns the blocks that begin at or before a record, in order.
func (s *Store) upTo(seq uint64) []form.Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.blocks[:sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].First > seq })]
}

// counts returns the number of records of each delivery up to a record.
func (s *Store) counts(seq uint64) map[argus.DeliveryNumber]uint64 {
	counts := map[argus.DeliveryNumber]uint64{}
	blocks := s.upTo(seq)
	for i, b := range blocks {
		if i+1 == len(blocks) || blocks[i+1].Delivery != b.Delivery {
			counts[b.Delivery] = b.Leaf + min(uint64(b.Count), seq+1-b.First)
		}
	}
	return counts
}

// grow adds the leaves of the records up to seq to a tree. The tree must then have the given
// number of leaves.
func (s *Store) grow(t *Tree, to, seq uint64) error {
	var own []form.Ref // from the last one on
	for _, b := range slices.Backward(s.upTo(seq)) {
		if b.Delivery != t.Delivery {
			continue
		}
		if b.Leaf+uint64(b.Count) <= t.Leaves() {
			break
		}
		own = append(own, b)
	}
	for _, b := range slices.Backward(own) {
		first, last := b.First+t.Leaves()-b.Leaf, min(b.End()-1, seq)
		if t.Leaves() < b.Leaf || first > last {
			break
		}
		leaves, err := s.leaves(first, last)
		if err != nil {
			return err
		}
		for _, leaf := range leaves {
			if err := t.Add(leaf); err != nil {
				return err
			}
		}
	}
	if t.Leaves() != to {
		return fmt.Errorf("%w: %d records of delivery %s can be found up to record %d, want %d", argus.ErrDamaged, t.Leaves(), t.Delivery, seq, to)
	}
	return nil
}

// leaves returns the leaves of the records from first to last, which must be in one
// block.
func (s *Store) leaves(first, last uint64) ([]argus.Hash, error) {
	s.mu.RLock()
	at, err := s.locate(first)
	s.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	defer at.release()
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return nil, err
	}
	var hasher argus.Hasher
	leaves := make([]argus.Hash, 0, last-first+1)
	for i := int(first - at.First); i <= int(min(last, at.End()-1)-at.First); i++ {
		r := &argus.Record{Kind: b.Kind(i)}
		if r.Kind == argus.KindSighting { // only those state a hash that the leaf covers
			if r, err = b.Record(i, &hasher); err != nil {
				return nil, err
			}
		}
		p := b.Proof(i, r)
		leaves = append(leaves, p.Leaf())
	}
	return leaves, nil
}

// openNodes returns, for each delivery that this process has open, the hashes over its
// full runs.
func (s *Store) openNodes() map[argus.DeliveryNumber][]byte {
	nodes := map[argus.DeliveryNumber][]byte{}
	if s.writer == nil {
		return nodes
	}
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	for d, open := range s.writer.deliveries {
		nodes[d] = open.Nodes
	}
	return nodes
}

// sealed holds the parts of a seal that marks need.
type sealed struct {
	records uint64
	root    argus.Hash
}

// sealOf returns the seal of a delivery. It keeps the seal in memory, because a seal
// never changes.
func (s *Store) sealOf(d argus.DeliveryNumber) (sealed, error) {
	s.sealsMu.Lock()
	defer s.sealsMu.Unlock()
	if known, ok := s.seals[d]; ok {
		return known, nil
	}
	seal, err := s.readSeal(d)
	if err != nil {
		return sealed{}, err
	}
	if s.seals == nil {
		s.seals = map[argus.DeliveryNumber]sealed{}
	}
	s.seals[d] = sealed{seal.Records, seal.Root}
	return s.seals[d], nil
}
