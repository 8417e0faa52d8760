package ledger

import (
	"encoding/binary"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/argus-evidence/argus"
)

// TestEdge: the edge has the same roots and tiles as the tree in x/mod, up to sizes at which
// tiles of three levels are filled.
func TestEdge(t *testing.T) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, err error) {
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	var tree edge
	for n := range int64(tileWidth*tileWidth + tileWidth + 3) {
		leaf := leafHash(binary.BigEndian.AppendUint64(nil, uint64(n)))
		more, err := tlog.StoredHashesForRecordHash(n, tlog.Hash(leaf), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		var tiles [][]argus.Hash
		tree, tiles = tree.add(leaf)
		if size := n + 1; size < 600 || size > tileWidth*tileWidth-3 {
			root, err := tlog.TreeHash(size, reader)
			if err != nil || rootOf(tree) != argus.Hash(root) {
				t.Fatalf("the root over %d leaves differs: %v", size, err)
			}
			wantTiles(t, n, tiles, reader)
		}
	}
}

func wantTiles(t *testing.T, n int64, tiles [][]argus.Hash, reader tlog.HashReader) {
	t.Helper()
	changed := tlog.NewTiles(tileHeight, n, n+1)
	if len(changed) != len(tiles) {
		t.Fatalf("leaf %d changes %d tiles, want %d", n, len(tiles), len(changed))
	}
	for level, tile := range changed {
		want, err := tlog.ReadTileData(tile, reader)
		var got []byte
		for _, node := range tiles[level] {
			got = append(got, node[:]...)
		}
		path := tilePath(level, nodesAt(level, uint64(n)+1)-1, uint64(n)+1)
		if err != nil || string(got) != string(want) || path != pathOf(tile) {
			t.Fatalf("leaf %d: %s differs from %s: %v", n, path, pathOf(tile), err)
		}
	}
}

// FuzzParsePath: a parsed path is the path of that tile, and its numbers do not
// overflow.
func FuzzParsePath(f *testing.F) {
	for _, path := range []string{
		"tile/0/000", "tile/entries/001.p/2", "tile/63/x001/x234/067.p/255", "tile/data/000", "tile/8/0/000",
		"tile/64/000", "tile/0/x072/x057/x594/x037/x927/936.p/1", "tile/0/17", "tile/0/000.p/256", "tile/entries/000.p/0",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, ok := parsePath(path)
		if !ok {
			return
		}
		first := uint64(tile.N) * tileWidth
		if tile.L >= 64 || first>>tileHeight != uint64(tile.N) {
			t.Errorf("%s: %+v cannot be counted with", path, tile)
		}
		if tile.L <= 0 && tilePath(tile.L, first, first+uint64(tile.W)) != path {
			t.Errorf("%s is read as %+v", path, tile)
		}
	})
}
