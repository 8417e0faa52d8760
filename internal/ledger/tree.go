package ledger

import (
	"crypto/sha256"
	"math"
	"math/bits"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argus-evidence/argus"
)

// The tree is that of RFC 6962, section 2.1, in tiles of 256 nodes.
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight // nodes in a full tile, and entries in a full bundle
)

func leafHash(data []byte) argus.Hash { return argus.Hash(tlog.RecordHash(data)) }

func nodeHash(left, right argus.Hash) argus.Hash {
	return argus.Hash(tlog.NodeHash(tlog.Hash(left), tlog.Hash(right)))
}

// subtree returns the root over nodes, whose number is a power of two.
func subtree(nodes []argus.Hash) argus.Hash {
	if len(nodes) == 1 {
		return nodes[0]
	}
	half := len(nodes) / 2
	return nodeHash(subtree(nodes[:half]), subtree(nodes[half:]))
}

// edge is the right edge of a tree: at each level of tiles, the nodes of the last tile that is
// not full. It is enough to add an entry and to compute the root.
type edge [][]argus.Hash

// add returns the edge with one more leaf, and the nodes of the tiles that it
// changes: one tile at each level from 0 on. The old edge stays as it is.
func (e edge) add(node argus.Hash) (next edge, tiles [][]argus.Hash) {
	next = append(edge(nil), e...)
	for level := 0; ; level++ {
		if level == len(next) {
			next = append(next, nil)
		}
		nodes := append(next[level][:len(next[level]):len(next[level])], node)
		tiles = append(tiles, nodes)
		if len(nodes) < tileWidth {
			next[level] = nodes
			return next, tiles
		}
		next[level], node = nil, subtree(nodes)
	}
}

// rootOf returns the root of the tree with the given right edge.
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

// nodesAt returns the number of nodes at a level of tiles in a tree of the given size.
func nodesAt(level int, size uint64) uint64 { return size >> (tileHeight * level) }

// bundles is the level of the tiles that hold entries instead of hashes.
const bundles = -1

// tilePath and bundlePath return the file, relative to the ledger, that holds node n of a
// level in a tree of the given size.
func tilePath(level int, n, size uint64) string {
	index := n / tileWidth
	width := min(nodesAt(max(level, 0), size)-index*tileWidth, tileWidth)
	return pathOf(tlog.Tile{H: tileHeight, L: level, N: int64(index), W: int(width)})
}

func bundlePath(n, size uint64) string { return tilePath(bundles, n, size) }

// C2SP tlog-tiles names tiles as the Go checksum database does, except for two words.
const (
	tlogTiles   = "tile/8/"
	tlogEntries = tlogTiles + "data/"
	entriesPath = "tile/entries/"
)

func pathOf(t tlog.Tile) string {
	if t.L == bundles {
		return entriesPath + strings.TrimPrefix(t.Path(), tlogEntries)
	}
	return "tile/" + strings.TrimPrefix(t.Path(), tlogTiles)
}

// parsePath parses the path of a tile or of a bundle. Each tile and each bundle has exactly one
// path.
func parsePath(name string) (t tlog.Tile, ok bool) {
	tlogPath := tlogTiles + strings.TrimPrefix(name, "tile/")
	if rest, ok := strings.CutPrefix(name, entriesPath); ok {
		tlogPath = tlogEntries + rest
	}
	t, err := tlog.ParseTilePath(tlogPath)
	return t, err == nil && t.L < 64 && t.N < math.MaxInt64/tileWidth && pathOf(t) == name
}
