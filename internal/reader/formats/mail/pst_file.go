package mail

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"
)

// The lower half of a mailbox of Outlook (MS-PST, 2.2): a file of pages and blocks. Two
// B-trees of pages list the nodes and the position of each block. A node is a number, the
// blocks of its data, and the nodes below it.

const (
	pstMagic = "!BDN"
	pstPage  = 512
	// pstLevels is the maximum height of a B-tree; that of a file of 50 GB is 5.
	pstLevels = 8
	// pstPages is the number of cached pages: the upper ones are needed often.
	pstPages = 256
	// pstBelow is the maximum number of nodes below a node.
	pstBelow = 1 << 16
	// pstTimes limits reading to this multiple of the file's size: messages may share parts
	// of it.
	pstTimes = 100

	pstBlockTree = 0x80
	pstNodeTree  = 0x81
)

// pstFile is a mailbox. Its methods report errors in it; the source reports unreadable bytes.
type pstFile struct {
	source io.ReaderAt
	size   int64
	// wide means that numbers have 8 bytes (Unicode, from Outlook 2003) and not 4 (ANSI).
	wide bool
	// coding is the encoding of data: 0 plain, 1 permuted, 2 cyclic.
	coding        byte
	nodes, blocks pstPlace // of the roots
	pages         map[int64]*pstTreePage
	// damage lists the tolerated errors since the last begin.
	damage []string
	// left is the number of bytes that may be read until the next begin, all the number in
	// total.
	left, all int64
}

// pstPlace is the position of a numbered page.
type pstPlace struct {
	id uint64
	at int64
}

// openPST reads the header.
func openPST(source io.ReaderAt, size int64) (*pstFile, error) {
	f := &pstFile{source: source, size: size, pages: map[int64]*pstTreePage{}, all: pstTimes*size + 1<<20}
	f.begin()
	head, err := f.read(0, 564)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) != pstMagic {
		return nil, fmt.Errorf("want %s at the beginning of the file, found other bytes", pstMagic)
	}
	switch version := binary.LittleEndian.Uint16(head[10:]); version {
	case 14, 15:
		f.coding = head[461]
		f.nodes, f.blocks = f.place(head[184:]), f.place(head[192:])
	case 23, 37:
		f.wide, f.coding = true, head[513]
		f.nodes, f.blocks = f.place(head[216:]), f.place(head[232:])
	default:
		return nil, fmt.Errorf("want a mailbox of version 14, 15, 23 or 37, found %d; one of 36 is a copy that Outlook 2013 and later keep of a server's (OST): export it as PST", version)
	}
	if f.coding > 2 {
		return nil, fmt.Errorf("want data that are plain, permuted or cyclic (0 to 2), found %#x: protected by Windows (WIP), which needs its key", f.coding)
	}
	return f, nil
}

// begin begins a message. Its contents are in the file once, so reading more than twice the
// file's size means that lists name the same pieces repeatedly.
func (f *pstFile) begin() { f.damage, f.left = nil, 2*f.size+1<<20 }

// read returns a piece of the file.
func (f *pstFile) read(at int64, length int) ([]byte, error) {
	if at < 0 || at > f.size-int64(length) {
		return nil, fmt.Errorf("want %d bytes at %d, found the end of the file at %d", length, at, f.size)
	}
	f.left -= int64(length)
	f.all -= int64(length)
	if f.left < 0 || f.all < 0 {
		return nil, fmt.Errorf("want each piece of the file once in a message and at most %d times in all, found one more often", pstTimes)
	}
	b := make([]byte, length)
	if n, err := f.source.ReadAt(b, at); n < length {
		return nil, fmt.Errorf("read %d bytes at %d: %w", length, at, err)
	}
	return b, nil
}

// number reads a number of the file's width.
func (f *pstFile) number(b []byte) uint64 {
	if f.wide {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// width is the size of a number in bytes.
func (f *pstFile) width() int {
	if f.wide {
		return 8
	}
	return 4
}

// place reads a number and the position after it (BREF).
func (f *pstFile) place(b []byte) pstPlace {
	return pstPlace{f.number(b), int64(f.number(b[f.width():]))}
}

// trailer returns the size of the trailer of a page or a block, and the offsets of its
// checksum and number.
func (f *pstFile) trailer() (size, sum, id int) {
	if f.wide {
		return 16, 4, 8
	}
	return 12, 8, 4
}

// remark records a tolerated error, each only once.
func (f *pstFile) remark(format string, values ...any) {
	if said := fmt.Sprintf(format, values...); len(f.damage) < 16 && !slices.Contains(f.damage, said) {
		f.damage = append(f.damage, said)
	}
}

// pstSum is the checksum of pages and blocks (MS-PST 5.3): the CRC-32 of IEEE
// without its inversions.
func pstSum(b []byte) uint32 { return ^crc32.Update(^uint32(0), crc32.IEEETable, b) }

// samePST compares numbers of blocks and pages, whose lowest bit has no meaning.
func samePST(a, b uint64) bool { return a&^1 == b&^1 }

// pstTreePage is a page of a B-tree: its entries, in the order of their keys.
type pstTreePage struct {
	id      uint64
	kind    byte
	level   int
	entries [][]byte
	whole   bool // the page matches its checksum
}

// page returns a page of a tree below a level. Each use of a damaged page records the damage.
func (f *pstFile) page(place pstPlace, kind byte, above int) (*pstTreePage, error) {
	p := f.pages[place.at]
	if p == nil {
		var err error
		if p, err = f.readPage(place.at); err != nil {
			return nil, fmt.Errorf("page of a tree at %d: %w", place.at, err)
		}
		if len(f.pages) >= pstPages {
			clear(f.pages)
		}
		f.pages[place.at] = p
	}
	if p.kind != kind || p.level >= above {
		return nil, fmt.Errorf("page of a tree at %d: want kind %#x below level %d, found %#x at level %d", place.at, kind, above, p.kind, p.level)
	}
	if !p.whole {
		f.remark("the page at %d does not match its checksum", place.at)
	}
	if !samePST(p.id, place.id) {
		f.remark("the page at %d has the number %#x, want %#x", place.at, p.id, place.id)
	}
	return p, nil
}

// readPage reads a page of a tree (MS-PST 2.2.2.7.7).
func (f *pstFile) readPage(at int64) (*pstTreePage, error) {
	b, err := f.read(at, pstPage)
	if err != nil {
		return nil, err
	}
	size, sum, id := f.trailer()
	end := b[pstPage-size:]
	room := pstPage - size - 8
	counts := b[room:]
	if !f.wide {
		room = pstPage - size - 4
		counts = b[room:]
	}
	p := &pstTreePage{id: f.number(end[id:]), kind: end[0], level: int(counts[3]), whole: pstSum(b[:pstPage-size]) == binary.LittleEndian.Uint32(end[sum:])}
	count, each, least := int(counts[0]), int(counts[2]), 3*f.width()
	if p.level == 0 && p.kind == pstNodeTree {
		least = 4 * f.width()
	}
	if end[0] != end[1] || each < least || count*each > room {
		return nil, fmt.Errorf("want entries of at least %d bytes that fit, found %d of %d bytes", least, count, each)
	}
	for i := range count {
		p.entries = append(p.entries, b[i*each:(i+1)*each])
	}
	return p, nil
}

// find returns the entry with the given key in a tree, or nil if there is none.
func (f *pstFile) find(root pstPlace, kind byte, key uint64) ([]byte, error) {
	for place, above := root, pstLevels+1; ; {
		p, err := f.page(place, kind, above)
		if err != nil {
			return nil, err
		}
		var found []byte
		for _, e := range p.entries {
			if f.key(e, kind) > key {
				break
			}
			found = e
		}
		if found == nil || p.level == 0 && f.key(found, kind) != key {
			return nil, nil
		}
		if p.level == 0 {
			return found, nil
		}
		place, above = f.place(found[f.width():]), p.level
	}
}

// key returns the search key of a tree entry.
func (f *pstFile) key(e []byte, kind byte) uint64 {
	if kind == pstNodeTree {
		return uint64(binary.LittleEndian.Uint32(e))
	}
	return f.number(e) &^ 1
}

// pstNode is a node. The lowest five bits of its number are its kind.
type pstNode struct {
	id uint32
	// data and below are block numbers, or 0 for none.
	data, below uint64
	// parent is the folder that contains a message or a folder.
	parent uint32
}

func (n pstNode) kind() uint32 { return n.id & 0x1F }

func comparePST(a, b pstNode) int { return cmp.Compare(a.id, b.id) }

func (f *pstFile) nodeOf(e []byte) pstNode {
	w := f.width()
	return pstNode{id: binary.LittleEndian.Uint32(e), data: f.number(e[w:]), below: f.number(e[2*w:]), parent: binary.LittleEndian.Uint32(e[3*w:])}
}

// node returns a node by its number.
func (f *pstFile) node(id uint32) (pstNode, error) {
	e, err := f.find(f.nodes, pstNodeTree, uint64(id))
	if err == nil && e == nil {
		err = fmt.Errorf("want node %#x, found none with that number", id)
	}
	if err != nil {
		return pstNode{}, err
	}
	return f.nodeOf(e), nil
}

// walk yields all nodes in the order of their numbers, and an error in place of the nodes
// under a bad page.
func (f *pstFile) walk() iter.Seq2[pstNode, error] {
	return func(yield func(pstNode, error) bool) {
		next := uint64(0)
		left := f.size/pstPage + 1 // no page is in a tree twice
		var visit func(place pstPlace, above int) bool
		visit = func(place pstPlace, above int) bool {
			if left--; left < 0 {
				yield(pstNode{}, fmt.Errorf("page of a tree at %d: want each page in the tree once, found one more often", place.at))
				return false
			}
			p, err := f.page(place, pstNodeTree, above)
			if err != nil {
				return yield(pstNode{}, err)
			}
			for _, e := range p.entries {
				if p.level > 0 {
					if !visit(f.place(e[f.width():]), p.level) {
						return false
					}
					continue
				}
				n := f.nodeOf(e)
				if uint64(n.id) < next {
					if !yield(pstNode{}, fmt.Errorf("want node %#x or a later one, found %#x again or too late", next, n.id)) {
						return false
					}
					continue
				}
				next = uint64(n.id) + 1
				if !yield(n, nil) {
					return false
				}
			}
			return true
		}
		visit(f.nodes, pstLevels+1)
	}
}

// block reads a block (MS-PST 2.2.2.8). inside means that it is one of the file's internal
// blocks, which hold the numbers of other blocks.
func (f *pstFile) block(id uint64) (b []byte, inside bool, err error) {
	id &^= 1
	e, err := f.find(f.blocks, pstBlockTree, id)
	if err == nil && e == nil {
		err = fmt.Errorf("want block %#x, found none with that number", id)
	}
	if err != nil {
		return nil, false, err
	}
	w := f.width()
	at, length := int64(f.number(e[w:])), int(binary.LittleEndian.Uint16(e[2*w:]))
	size, sum, number := f.trailer()
	stored := (length + size + 63) &^ 63
	b, err = f.read(at, stored)
	if err != nil {
		return nil, false, fmt.Errorf("block %#x: %w", id, err)
	}
	end := b[stored-size:]
	if b = b[:length]; pstSum(b) != binary.LittleEndian.Uint32(end[sum:]) || int(binary.LittleEndian.Uint16(end)) != length {
		f.remark("block %#x does not match its checksum", id)
	}
	if own := f.number(end[number:]); !samePST(own, id) {
		f.remark("where block %#x should be, there is block %#x", id, own)
	}
	if inside = id&2 != 0; !inside {
		f.decode(b, uint32(id))
	}
	return b, inside, nil
}

// chunks yields the data of a block number, piece by piece (MS-PST 2.2.2.8.3.2).
func (f *pstFile) chunks(id uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		fail := func(err error) bool {
			yield(nil, err)
			return false
		}
		var visit func(id uint64, above byte) bool
		visit = func(id uint64, above byte) bool {
			b, inside, err := f.block(id)
			if err != nil {
				return fail(err)
			}
			if !inside {
				return yield(b, nil)
			}
			if len(b) < 8 || b[0] != 1 || b[1] == 0 || b[1] >= above {
				return fail(fmt.Errorf("block %#x: want a list of blocks below level %d, found something else", id, above))
			}
			rest := b[8:]
			for range binary.LittleEndian.Uint16(b[2:]) {
				if len(rest) < f.width() {
					return fail(fmt.Errorf("block %#x: want more numbers of blocks, found the end of the list", id))
				}
				if !visit(f.number(rest), b[1]) {
					return false
				}
				rest = rest[f.width():]
			}
			return true
		}
		if id != 0 {
			visit(id, 3)
		}
	}
}

// below lists the nodes below a node, in the order of their numbers
// (MS-PST 2.2.2.8.3.3).
func (f *pstFile) below(id uint64) ([]pstNode, error) {
	if id == 0 {
		return nil, nil
	}
	var nodes []pstNode
	var visit func(id uint64, above byte) error
	visit = func(id uint64, above byte) error {
		b, inside, err := f.block(id)
		if err != nil {
			return err
		}
		w := f.width()
		if !inside || len(b) < w || b[0] != 2 || b[1] >= above {
			return fmt.Errorf("block %#x: want a list of nodes below level %d, found something else", id, above)
		}
		rest, each := b[w:], 3*w
		if b[1] > 0 {
			each = 2 * w
		}
		for range binary.LittleEndian.Uint16(b[2:]) {
			if len(rest) < each || len(nodes) >= pstBelow {
				return fmt.Errorf("block %#x: want a list of at most %d nodes that is complete, found another one", id, pstBelow)
			}
			if b[1] > 0 {
				if err := visit(f.number(rest[w:]), b[1]); err != nil {
					return err
				}
			} else {
				nodes = append(nodes, pstNode{id: binary.LittleEndian.Uint32(rest), data: f.number(rest[w:]), below: f.number(rest[2*w:])})
			}
			rest = rest[each:]
		}
		return nil
	}
	err := visit(id, 2)
	slices.SortStableFunc(nodes, comparePST)
	return nodes, err
}

// decode undoes the encoding of data (MS-PST 5.1 and 5.2). Anyone with the file can undo both
// encodings: there is no key.
func (f *pstFile) decode(b []byte, id uint32) {
	switch f.coding {
	case 1:
		for i, c := range b {
			b[i] = pstBack[c]
		}
	case 2:
		key := uint16(id ^ id>>16)
		for i, c := range b {
			low, high := byte(key), byte(key>>8)
			c = pstMix[pstForth[c+low]+high]
			b[i] = pstBack[c-high] - low
			key++
		}
	}
}

// pstForth, pstMix and pstBack are mpbbR, mpbbS and mpbbI of MS-PST 5.1; pstBack undoes
// pstForth, and pstMix undoes itself.
var (
	pstForth = [256]byte{
		0x41, 0x36, 0x13, 0x62, 0xA8, 0x21, 0x6E, 0xBB, 0xF4, 0x16, 0xCC, 0x04, 0x7F, 0x64, 0xE8, 0x5D,
		0x1E, 0xF2, 0xCB, 0x2A, 0x74, 0xC5, 0x5E, 0x35, 0xD2, 0x95, 0x47, 0x9E, 0x96, 0x2D, 0x9A, 0x88,
		0x4C, 0x7D, 0x84, 0x3F, 0xDB, 0xAC, 0x31, 0xB6, 0x48, 0x5F, 0xF6, 0xC4, 0xD8, 0x39, 0x8B, 0xE7,
		0x23, 0x3B, 0x38, 0x8E, 0xC8, 0xC1, 0xDF, 0x25, 0xB1, 0x20, 0xA5, 0x46, 0x60, 0x4E, 0x9C, 0xFB,
		0xAA, 0xD3, 0x56, 0x51, 0x45, 0x7C, 0x55, 0x00, 0x07, 0xC9, 0x2B, 0x9D, 0x85, 0x9B, 0x09, 0xA0,
		0x8F, 0xAD, 0xB3, 0x0F, 0x63, 0xAB, 0x89, 0x4B, 0xD7, 0xA7, 0x15, 0x5A, 0x71, 0x66, 0x42, 0xBF,
		0x26, 0x4A, 0x6B, 0x98, 0xFA, 0xEA, 0x77, 0x53, 0xB2, 0x70, 0x05, 0x2C, 0xFD, 0x59, 0x3A, 0x86,
		0x7E, 0xCE, 0x06, 0xEB, 0x82, 0x78, 0x57, 0xC7, 0x8D, 0x43, 0xAF, 0xB4, 0x1C, 0xD4, 0x5B, 0xCD,
		0xE2, 0xE9, 0x27, 0x4F, 0xC3, 0x08, 0x72, 0x80, 0xCF, 0xB0, 0xEF, 0xF5, 0x28, 0x6D, 0xBE, 0x30,
		0x4D, 0x34, 0x92, 0xD5, 0x0E, 0x3C, 0x22, 0x32, 0xE5, 0xE4, 0xF9, 0x9F, 0xC2, 0xD1, 0x0A, 0x81,
		0x12, 0xE1, 0xEE, 0x91, 0x83, 0x76, 0xE3, 0x97, 0xE6, 0x61, 0x8A, 0x17, 0x79, 0xA4, 0xB7, 0xDC,
		0x90, 0x7A, 0x5C, 0x8C, 0x02, 0xA6, 0xCA, 0x69, 0xDE, 0x50, 0x1A, 0x11, 0x93, 0xB9, 0x52, 0x87,
		0x58, 0xFC, 0xED, 0x1D, 0x37, 0x49, 0x1B, 0x6A, 0xE0, 0x29, 0x33, 0x99, 0xBD, 0x6C, 0xD9, 0x94,
		0xF3, 0x40, 0x54, 0x6F, 0xF0, 0xC6, 0x73, 0xB8, 0xD6, 0x3E, 0x65, 0x18, 0x44, 0x1F, 0xDD, 0x67,
		0x10, 0xF1, 0x0C, 0x19, 0xEC, 0xAE, 0x03, 0xA1, 0x14, 0x7B, 0xA9, 0x0B, 0xFF, 0xF8, 0xA3, 0xC0,
		0xA2, 0x01, 0xF7, 0x2E, 0xBC, 0x24, 0x68, 0x75, 0x0D, 0xFE, 0xBA, 0x2F, 0xB5, 0xD0, 0xDA, 0x3D,
	}
	pstMix = [256]byte{
		0x14, 0x53, 0x0F, 0x56, 0xB3, 0xC8, 0x7A, 0x9C, 0xEB, 0x65, 0x48, 0x17, 0x16, 0x15, 0x9F, 0x02,
		0xCC, 0x54, 0x7C, 0x83, 0x00, 0x0D, 0x0C, 0x0B, 0xA2, 0x62, 0xA8, 0x76, 0xDB, 0xD9, 0xED, 0xC7,
		0xC5, 0xA4, 0xDC, 0xAC, 0x85, 0x74, 0xD6, 0xD0, 0xA7, 0x9B, 0xAE, 0x9A, 0x96, 0x71, 0x66, 0xC3,
		0x63, 0x99, 0xB8, 0xDD, 0x73, 0x92, 0x8E, 0x84, 0x7D, 0xA5, 0x5E, 0xD1, 0x5D, 0x93, 0xB1, 0x57,
		0x51, 0x50, 0x80, 0x89, 0x52, 0x94, 0x4F, 0x4E, 0x0A, 0x6B, 0xBC, 0x8D, 0x7F, 0x6E, 0x47, 0x46,
		0x41, 0x40, 0x44, 0x01, 0x11, 0xCB, 0x03, 0x3F, 0xF7, 0xF4, 0xE1, 0xA9, 0x8F, 0x3C, 0x3A, 0xF9,
		0xFB, 0xF0, 0x19, 0x30, 0x82, 0x09, 0x2E, 0xC9, 0x9D, 0xA0, 0x86, 0x49, 0xEE, 0x6F, 0x4D, 0x6D,
		0xC4, 0x2D, 0x81, 0x34, 0x25, 0x87, 0x1B, 0x88, 0xAA, 0xFC, 0x06, 0xA1, 0x12, 0x38, 0xFD, 0x4C,
		0x42, 0x72, 0x64, 0x13, 0x37, 0x24, 0x6A, 0x75, 0x77, 0x43, 0xFF, 0xE6, 0xB4, 0x4B, 0x36, 0x5C,
		0xE4, 0xD8, 0x35, 0x3D, 0x45, 0xB9, 0x2C, 0xEC, 0xB7, 0x31, 0x2B, 0x29, 0x07, 0x68, 0xA3, 0x0E,
		0x69, 0x7B, 0x18, 0x9E, 0x21, 0x39, 0xBE, 0x28, 0x1A, 0x5B, 0x78, 0xF5, 0x23, 0xCA, 0x2A, 0xB0,
		0xAF, 0x3E, 0xFE, 0x04, 0x8C, 0xE7, 0xE5, 0x98, 0x32, 0x95, 0xD3, 0xF6, 0x4A, 0xE8, 0xA6, 0xEA,
		0xE9, 0xF3, 0xD5, 0x2F, 0x70, 0x20, 0xF2, 0x1F, 0x05, 0x67, 0xAD, 0x55, 0x10, 0xCE, 0xCD, 0xE3,
		0x27, 0x3B, 0xDA, 0xBA, 0xD7, 0xC2, 0x26, 0xD4, 0x91, 0x1D, 0xD2, 0x1C, 0x22, 0x33, 0xF8, 0xFA,
		0xF1, 0x5A, 0xEF, 0xCF, 0x90, 0xB6, 0x8B, 0xB5, 0xBD, 0xC0, 0xBF, 0x08, 0x97, 0x1E, 0x6C, 0xE2,
		0x61, 0xE0, 0xC6, 0xC1, 0x59, 0xAB, 0xBB, 0x58, 0xDE, 0x5F, 0xDF, 0x60, 0x79, 0x7E, 0xB2, 0x8A,
	}
	pstBack = func() (back [256]byte) {
		for i, c := range pstForth {
			back[c] = byte(i)
		}
		return back
	}()
)
