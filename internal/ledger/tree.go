package ledger

import (
	"crypto/sha256"
	"math/bits"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/argus-evidence/argus"
)

// The tree is that of RFC 6962, section 2.1.

func leafHash(data []byte) argus.Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(data)
	return argus.Hash(h.Sum(nil))
}

func nodeHash(left, right argus.Hash) argus.Hash {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[1+sha256.Size:], right[:])
	return sha256.Sum256(buf[:])
}

// subtree is the root over a power of two of nodes.
func subtree(nodes []argus.Hash) argus.Hash {
	if len(nodes) == 1 {
		return nodes[0]
	}
	half := len(nodes) / 2
	return nodeHash(subtree(nodes[:half]), subtree(nodes[half:]))
}

// edge is the right edge of a tree: at each level of tiles, the nodes of the
// last tile that is not full. With it an entry can be added and the root known.
type edge [][]argus.Hash

// add returns the edge with one more leaf. The old one stays as it is.
func (e edge) add(node argus.Hash) edge {
	next := append(edge(nil), e...)
	for level := 0; ; level++ {
		if level == len(next) {
			next = append(next, nil)
		}
		nodes := append(next[level][:len(next[level]):len(next[level])], node)
		if len(nodes) < layout.TileWidth {
			next[level] = nodes
			return next
		}
		next[level], node = nil, subtree(nodes)
	}
}

// rootOf is the root of the tree with that right edge.
func rootOf(e edge) argus.Hash {
	root, some := argus.Hash{}, false
	for _, nodes := range e { // from the right: the lowest level comes last
		for len(nodes) > 0 {
			width := 1 << bits.TrailingZeros(uint(len(nodes)))
			part := subtree(nodes[len(nodes)-width:])
			nodes = nodes[:len(nodes)-width]
			if some {
				part = nodeHash(part, root)
			}
			root, some = part, true
		}
	}
	if !some {
		return sha256.Sum256(nil)
	}
	return root
}

// nodesAt counts the nodes at a level of tiles in a tree of a size.
func nodesAt(level int, size uint64) uint64 { return size >> (layout.TileHeight * level) }

// tilePath and bundlePath name the file that holds node n of a level in a tree
// of a size, relative to the ledger.
func tilePath(level int, n, size uint64) string {
	index := n / layout.TileWidth
	return layout.TilePath(uint64(level), index, layout.PartialTileSize(uint64(level), index, size))
}

func bundlePath(n, size uint64) string { return layout.EntriesPathForLogIndex(n, size) }
