package mail

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// The middle of a mailbox of Outlook (MS-PST, 2.3): a node's data is a heap of small pieces,
// which contain trees of records; properties and tables are such trees.

const (
	pstHeapMark   = 0xEC
	pstTreeMark   = 0xB5
	pstProperties = 0xBC
	pstTable      = 0x7C
	// pstChunk is the memory cost of a chunk in addition to its bytes.
	pstChunk = 64
)

// pstHeap is the heap of a node.
type pstHeap struct {
	file *pstFile
	// limit is the longest heap and the longest table, in bytes.
	limit  int
	chunks [][]byte
	below  []pstNode
	root   uint32
}

// heap reads the heap of a node, which must have the given kind.
func (f *pstFile) heap(n pstNode, kind byte, limit int) (*pstHeap, error) {
	chunks, err := chunksHeld(f.chunks(n.data), limit)
	if err != nil {
		return nil, fmt.Errorf("node %#x: %w", n.id, err)
	}
	if len(chunks) == 0 || len(chunks[0]) < 12 || chunks[0][2] != pstHeapMark || chunks[0][3] != kind {
		return nil, fmt.Errorf("node %#x: want a heap of kind %#x, found other data", n.id, kind)
	}
	below, err := f.below(n.below)
	if err != nil {
		f.remark("the nodes below %#x end early: %v", n.id, err)
	}
	return &pstHeap{file: f, limit: limit, chunks: chunks, below: below, root: binary.LittleEndian.Uint32(chunks[0][4:])}, nil
}

// chunksHeld returns all chunks, if their total is within the limit.
func chunksHeld(chunks iter.Seq2[[]byte, error], limit int) (list [][]byte, err error) {
	size := 0
	for chunk, err := range chunks {
		if err != nil {
			return list, err
		}
		if size += len(chunk) + pstChunk; size > limit {
			return list, fmt.Errorf("want data of at most %d bytes, found more", limit)
		}
		list = append(list, chunk)
	}
	return list, nil
}

// item returns a piece of the heap (MS-PST 2.3.1). The number 0 means an empty piece.
func (h *pstHeap) item(id uint32) ([]byte, error) {
	if id == 0 {
		return nil, nil
	}
	index, at := int(id>>5&0x7FF), int(id>>16)
	if id&0x1F != 0 || index == 0 || at >= len(h.chunks) {
		return nil, fmt.Errorf("want a piece of the heap, found the number %#x", id)
	}
	chunk := h.chunks[at]
	if len(chunk) >= 2 {
		if table := int(binary.LittleEndian.Uint16(chunk)); table+4 <= len(chunk) && index <= int(binary.LittleEndian.Uint16(chunk[table:])) && table+6+2*index <= len(chunk) {
			from, to := int(binary.LittleEndian.Uint16(chunk[table+2+2*index:])), int(binary.LittleEndian.Uint16(chunk[table+4+2*index:]))
			if from <= to && to <= table {
				return chunk[from:to], nil
			}
		}
	}
	return nil, fmt.Errorf("want piece %#x of the heap, found none that lies in it", id)
}

// lower returns the node below with the given number.
func (h *pstHeap) lower(id uint32) (pstNode, bool) {
	i, found := slices.BinarySearchFunc(h.below, pstNode{id: id}, comparePST)
	if !found {
		return pstNode{}, false
	}
	return h.below[i], true
}

// pieces yields the data with this number: a piece of the heap, or the data of a node below.
func (h *pstHeap) pieces(id uint32) iter.Seq2[[]byte, error] {
	if id&0x1F == 0 {
		return func(yield func([]byte, error) bool) { yield(h.item(id)) }
	}
	if n, ok := h.lower(id); ok {
		return h.file.chunks(n.data)
	}
	return func(yield func([]byte, error) bool) {
		yield(nil, fmt.Errorf("want a child node %#x, found none with that number", id))
	}
}

// value returns the data with this number, up to a limit, and whether it is longer.
func (h *pstHeap) value(id uint32, limit int) (value []byte, cut bool, err error) {
	for piece, err := range h.pieces(id) {
		if err != nil {
			return value, false, err
		}
		if len(piece) > limit-len(value) {
			return append(value, piece[:limit-len(value)]...), true, nil
		}
		value = append(value, piece...)
	}
	return value, false, nil
}

// records yields the records of a tree in the heap, each a key and its data, of the given
// sizes (MS-PST 2.3.2).
func (h *pstHeap) records(id uint32, keySize, size int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		fail := func(err error) bool {
			yield(nil, err)
			return false
		}
		head, err := h.item(id)
		if err == nil && (len(head) < 8 || head[0] != pstTreeMark || int(head[1]) != keySize || int(head[2]) != size || head[3] > pstLevels) {
			err = fmt.Errorf("want a tree of keys of %d bytes with %d, found something else", keySize, size)
		}
		if err != nil {
			fail(err)
			return
		}
		left := h.limit // no piece is in a tree twice
		var visit func(id uint32, level byte) bool
		visit = func(id uint32, level byte) bool {
			piece, err := h.item(id)
			if left -= len(piece) + 1; err == nil && left < 0 {
				err = errors.New("want each piece of a tree once, found one more often")
			}
			if err != nil {
				return fail(err)
			}
			each := keySize + size
			if level > 0 {
				each = keySize + 4
			}
			for ; len(piece) >= each; piece = piece[each:] {
				if level > 0 {
					if !visit(binary.LittleEndian.Uint32(piece[keySize:]), level-1) {
						return false
					}
				} else if !yield(piece[:each], nil) {
					return false
				}
			}
			return true
		}
		visit(binary.LittleEndian.Uint32(head[4:]), head[3])
	}
}

// pstProperty is a property: its number and type (MS-OXCDATA), and its value, or the number of
// its data.
type pstProperty struct {
	number, kind uint16
	value        uint32
}

// properties lists the properties of a node in the order of their numbers
// (MS-PST 2.3.3).
func (h *pstHeap) properties() ([]pstProperty, error) {
	var list []pstProperty
	for r, err := range h.records(h.root, 2, 6) {
		if err != nil {
			return list, err
		}
		p := pstProperty{binary.LittleEndian.Uint16(r), binary.LittleEndian.Uint16(r[2:]), binary.LittleEndian.Uint32(r[4:])}
		if len(list) > 0 && p.number <= list[len(list)-1].number {
			return list, fmt.Errorf("want a property after %04X, found %04X", list[len(list)-1].number, p.number)
		}
		list = append(list, p)
	}
	return list, nil
}

// rows yields the rows of a table, each with its properties (MS-PST 2.3.4). It stops after
// mimeParts rows.
func (h *pstHeap) rows() iter.Seq2[[]pstProperty, error] {
	return func(yield func([]pstProperty, error) bool) {
		info, err := h.item(h.root)
		if err == nil && (len(info) < 22 || info[0] != pstTable || len(info) < 22+8*int(info[1])) {
			err = errors.New("want a table, found something else")
		}
		if err != nil {
			yield(nil, err)
			return
		}
		size, bits := int(binary.LittleEndian.Uint16(info[8:])), int(binary.LittleEndian.Uint16(info[6:]))
		places, err := h.places(binary.LittleEndian.Uint32(info[10:]))
		if err == nil && (size < 4 || bits > size) {
			err = fmt.Errorf("want rows of at least 4 bytes, found %d", size)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		chunks, err := chunksHeld(h.pieces(binary.LittleEndian.Uint32(info[14:])), h.limit)
		for _, place := range places {
			row := rowAt(chunks, place, size)
			if row == nil {
				yield(nil, cmp.Or(err, errors.New("want a row of a table, found the end of its rows")))
				return
			}
			if !yield(cellsOfRow(row, bits, info[22:22+8*int(info[1])]), nil) {
				return
			}
		}
	}
}

// places lists the indices of a table's rows.
func (h *pstHeap) places(index uint32) ([]uint32, error) {
	var places []uint32
	size := 4
	if !h.file.wide {
		size = 2
	}
	for r, err := range h.records(index, 4, size) {
		if err != nil {
			return nil, err
		}
		if len(places) == mimeParts {
			h.file.remark("a table has more than %d rows; the rest of them is not read", mimeParts)
			break
		}
		place := uint32(binary.LittleEndian.Uint16(r[4:]))
		if size == 4 {
			place = binary.LittleEndian.Uint32(r[4:])
		}
		places = append(places, place)
	}
	slices.Sort(places)
	return places, nil
}

// rowAt returns a row of a table, or nil if there is none. No row spans two chunks.
func rowAt(chunks [][]byte, place uint32, size int) []byte {
	for _, chunk := range chunks {
		n := uint32(len(chunk) / size)
		if place < n {
			return chunk[int(place)*size:][:size]
		}
		place -= n
	}
	return nil
}

// cellsOfRow splits a row. bits is the offset of the bits that mark which cells are present;
// columns describe the cells, 8 bytes each.
func cellsOfRow(row []byte, bits int, columns []byte) []pstProperty {
	var cells []pstProperty
	for ; len(columns) >= 8; columns = columns[8:] {
		kind, number := binary.LittleEndian.Uint16(columns), binary.LittleEndian.Uint16(columns[2:])
		at, size, bit := int(binary.LittleEndian.Uint16(columns[4:])), int(columns[6]), int(columns[7])
		if there := bits + bit/8; there >= len(row) || row[there]&(0x80>>(bit%8)) == 0 || size != 4 || at+size > len(row) {
			continue
		}
		cells = append(cells, pstProperty{number, kind, binary.LittleEndian.Uint32(row[at:])})
	}
	return cells
}
