package evidence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
	"github.com/argus-evidence/argus/internal/layout"
)

// Proved is a copy of a message that proves itself against the seal of its delivery.
type Proved struct {
	Delivery argus.DeliveryNumber
	form.Copy
}

// ErrNotProvable means that nothing can prove a record to others: its delivery is not sealed,
// a part of it is gone by an order, or it is not a message.
var ErrNotProvable = errors.New("the record cannot be proved")

// Prover makes proofs, and keeps the trees of their deliveries: 32 bytes for each 256 records.
// It is not safe for concurrent use.
type Prover struct {
	store *Store
	trees map[argus.DeliveryNumber]*provenTree
}

// Prover returns a new prover.
func (s *Store) Prover() *Prover { return &Prover{s, map[argus.DeliveryNumber]*provenTree{}} }

// provenTree is the tree of a sealed delivery.
type provenTree struct {
	seal *argus.Seal
	refs []form.Ref
	// nodes are the hashes over the full runs of records and above them, and those of the
	// records after the last full run.
	nodes map[compact.NodeID][]byte
	// run is the run of records whose leaves are in leaves.
	run    uint64
	leaves map[compact.NodeID][]byte
}

// Prove returns the proof of the record of a message. The error is [ErrNotProvable] or
// argus.ErrDamaged.
func (p *Prover) Prove(ctx context.Context, seq uint64) (*Proved, error) {
	one, err := p.prove(ctx, seq)
	if err != nil {
		return nil, fmt.Errorf("prove record %d: %w", seq, err)
	}
	return one, nil
}

func (p *Prover) prove(ctx context.Context, seq uint64) (*Proved, error) {
	b, ref, err := p.store.blockAt(ctx, seq)
	if err != nil {
		return nil, err
	}
	i := int(seq - ref.First)
	parts, ok := b.Parts(i)
	kind := b.Kind(i)
	if !ok || kind != argus.KindMessage && kind != argus.KindSighting {
		return nil, fmt.Errorf("%w: it is of kind %s, or a part of it is gone", ErrNotProvable, kind)
	}
	tree, err := p.tree(ctx, ref.Delivery)
	if err != nil {
		return nil, err
	}
	if kind == argus.KindSighting {
		var hasher argus.Hasher
		r, err := b.Record(i, &hasher)
		if err != nil {
			return nil, err
		}
		of, at, err := p.store.blockAt(ctx, r.Of)
		if err != nil {
			return nil, err
		}
		said, ok := of.Said(int(r.Of - at.First))
		if !ok {
			return nil, fmt.Errorf("%w: its content is gone", ErrNotProvable)
		}
		parts.Content, parts.ContentSalt = said.Content, said.ContentSalt
	}
	one := &Proved{ref.Delivery, form.Copy{Hidden: parts, Leaf: ref.Leaf + uint64(i)}}
	if one.Path, err = p.path(ctx, tree, one.Leaf); err != nil {
		return nil, err
	}
	if _, err := one.Check(tree.seal.Root, tree.seal.Records); err != nil {
		return nil, err
	}
	return one, nil
}

// blockAt returns the block of a record.
func (s *Store) blockAt(ctx context.Context, seq uint64) (*form.Block, form.Ref, error) {
	if err := ctx.Err(); err != nil {
		return nil, form.Ref{}, err
	}
	s.mu.RLock()
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if err != nil {
		return nil, form.Ref{}, err
	}
	defer at.release()
	b, err := s.readBlock(at.Ref, at.segment)
	return b, at.Ref, err
}

// tree returns the tree of a delivery.
func (p *Prover) tree(ctx context.Context, d argus.DeliveryNumber) (*provenTree, error) {
	if t := p.trees[d]; t != nil {
		return t, nil
	}
	seal, err := p.store.readSeal(d)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: delivery %s is not sealed", ErrNotProvable, d)
	}
	if err != nil {
		return nil, err
	}
	data, err := layout.Read(p.store.disk, p.store.dir, layout.Tree(d))
	if err != nil {
		return nil, err
	}
	t := &provenTree{seal: seal, nodes: map[compact.NodeID][]byte{}, run: seal.Records}
	p.store.mu.RLock()
	for _, ref := range p.store.blocks {
		if ref.Delivery == d {
			t.refs = append(t.refs, ref)
		}
	}
	p.store.mu.RUnlock()
	runs := seal.Records / sealing.Run
	if uint64(len(data)) != runs*32 {
		return nil, fmt.Errorf("%w: %s has %d bytes, want %d", argus.ErrDamaged, layout.Tree(d), len(data), runs*32)
	}
	// The nodes above the runs follow from those of the runs, and the proof of each record is
	// checked against the root, so a damaged file proves nothing.
	upper := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i := range runs {
		hash := data[32*i : 32*i+32]
		t.nodes[compact.NewNodeID(runLevel, i)] = hash
		if err := upper.Append(hash, func(id compact.NodeID, hash []byte) {
			t.nodes[compact.NewNodeID(id.Level+runLevel, id.Index)] = hash
		}); err != nil {
			return nil, err
		}
	}
	// The records after the last full run are part of many paths.
	rest, err := p.leaves(ctx, t, runs)
	if err != nil {
		return nil, err
	}
	maps.Copy(t.nodes, rest)
	p.trees[d] = t
	return t, nil
}

// runLevel is the level of the hashes over full runs.
const runLevel = 8

// leaves returns the hashes below a run of records, by their places in the delivery's tree.
func (p *Prover) leaves(ctx context.Context, t *provenTree, run uint64) (map[compact.NodeID][]byte, error) {
	first, end := run*sealing.Run, min((run+1)*sealing.Run, t.seal.Records)
	found := map[compact.NodeID][]byte{}
	tree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(first)
	keep := func(id compact.NodeID, hash []byte) { found[id] = hash }
	var hasher argus.Hasher
	for _, ref := range t.refs {
		if ref.Leaf+uint64(ref.Count) <= first || ref.Leaf >= end {
			continue
		}
		b, _, err := p.store.blockAt(ctx, ref.First)
		if err != nil {
			return nil, err
		}
		for i := range b.Len() {
			at := ref.Leaf + uint64(i)
			if at < first || at >= end {
				continue
			}
			r, err := b.Record(i, &hasher)
			if err != nil {
				return nil, err
			}
			of := b.Proof(i, r)
			leaf := of.Leaf()
			keep(compact.NewNodeID(0, at), leaf[:])
			if err := tree.Append(leaf[:], keep); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// path returns the hashes between a leaf and the root.
func (p *Prover) path(ctx context.Context, t *provenTree, leaf uint64) ([]argus.Hash, error) {
	nodes, err := proof.Inclusion(leaf, t.seal.Records)
	if err != nil {
		return nil, err
	}
	if run := leaf / sealing.Run; run != t.run {
		if t.leaves, err = p.leaves(ctx, t, run); err != nil {
			return nil, err
		}
		t.run = run
	}
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		hash := t.leaves[id]
		if hash == nil {
			hash = t.nodes[id]
		}
		if hash == nil {
			return nil, fmt.Errorf("%w: the tree lacks the node %v", argus.ErrDamaged, id)
		}
		hashes[i] = hash
	}
	if hashes, err = nodes.Rehash(hashes, rfc6962.DefaultHasher.HashChildren); err != nil {
		return nil, err
	}
	path := make([]argus.Hash, len(hashes))
	for i, h := range hashes {
		path[i] = argus.Hash(h)
	}
	return path, nil
}
