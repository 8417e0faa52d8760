package original

import (
	"context"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
)

// Proof proves some bytes of an original's block to anyone who knows only the original's root
// and size.
type Proof struct {
	// Block is the number of the block, from 0.
	Block int
	// Plain holds the bytes from Block·BlockSize on, and Salt is the salt of their hash.
	Plain []byte
	Salt  [16]byte
	// Stored is the hash of the block as it is stored.
	Stored argus.Hash
	// Path leads from the leaf to the root (RFC 6962, section 2.1.1).
	Path []argus.Hash
}

// Prove returns the proof of a readable block.
func (s *Store) Prove(ctx context.Context, name argus.FileName, block int) (*Proof, error) {
	p, err := s.prove(ctx, name, block)
	if err != nil {
		return nil, fmt.Errorf("prove block %d of original %s: %w", block, name, err)
	}
	return p, nil
}

func (s *Store) prove(ctx context.Context, name argus.FileName, block int) (*Proof, error) {
	t, f, err := s.openTable(name, tableFile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if block < 0 || block >= blocksOf(t.size) {
		return nil, fmt.Errorf("it has only %d blocks", blocksOf(t.size))
	}
	if c := coverOf(t.spans, t.size, block); c.touched() {
		from := int64(block) * BlockSize
		return nil, &Unreadable{Span{from + c.spans[0].From, from + c.spans[0].To, c.spans[0].State}}
	}
	g, err := t.group(block / groupBlocks)
	if err != nil {
		return nil, err
	}
	secrets, err := t.opened(g.secrets())
	if err != nil {
		return nil, err
	}
	e, err := t.entry(g, block%groupBlocks)
	if err != nil {
		return nil, err
	}
	key, err := parseSecret(secrets[block%groupBlocks*secretSize:])
	if err != nil {
		return nil, t.damage(g.secrets().at+int64(block%groupBlocks)*secretSize, "block %d: %v", block, err)
	}
	p := &Proof{Block: block, Plain: make([]byte, plainLength(t.size, block)), Salt: key.salt, Stored: e.cipher}
	file, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if _, err := file.ReadAt(p.Plain, int64(block)*BlockSize); err != nil {
		return nil, err
	}
	p.Path, err = t.path(ctx, uint64(block))
	return p, err
}

// path returns the hashes between a leaf and the root.
func (t *table) path(ctx context.Context, leaf uint64) ([]argus.Hash, error) {
	nodes, err := proof.Inclusion(leaf, uint64(blocksOf(t.size)))
	if err != nil {
		return nil, err
	}
	wanted := map[compact.NodeID][]byte{}
	for _, id := range nodes.IDs {
		wanted[id] = nil
	}
	see := func(id compact.NodeID, hash []byte) {
		if _, ok := wanted[id]; ok {
			wanted[id] = hash
		}
	}
	leaves := newTree()
	for n := range t.groups {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g, err := t.group(n)
		if err != nil {
			return nil, err
		}
		for i := range g.count {
			e, err := t.entry(g, i)
			if err != nil {
				return nil, err
			}
			see(compact.NewNodeID(0, leaves.End()), e.leaf())
			if err := leaves.Append(e.leaf(), see); err != nil {
				return nil, err
			}
		}
	}
	var hashes [][]byte
	for _, id := range nodes.IDs {
		hashes = append(hashes, wanted[id])
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

// Check checks that the bytes belong to the original with this root and size. Both are in
// the original's record: a root alone does not prove a size.
func (p *Proof) Check(root argus.Hash, size int64) error {
	if size < 0 || size > MaxSize || p.Block < 0 || p.Block >= blocksOf(size) || len(p.Plain) != plainLength(size, p.Block) {
		return fmt.Errorf("check proof: block %d of an original of %d bytes does not have %d bytes", p.Block, size, len(p.Plain))
	}
	path := make([][]byte, len(p.Path))
	for i := range p.Path {
		path[i] = p.Path[i][:]
	}
	leaf := entry{plain: commit(p.Salt, p.Plain), cipher: p.Stored}.leaf()
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(p.Block), uint64(blocksOf(size)), leaf, path, root[:]); err != nil {
		return fmt.Errorf("check proof: %w", err)
	}
	return nil
}
