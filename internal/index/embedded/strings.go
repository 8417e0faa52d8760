package embedded

import (
	"bytes"
	"encoding/binary"
	"iter"
	"sort"
)

// sorted is a sorted list of distinct strings in a segment. Every blockSize-th string is
// complete; each of the others is stored as the length of the prefix shared with the
// previous one, and the rest. A string is identified by its position, called its ordinal.
type sorted struct {
	count  int
	blocks column // where each block begins in data
	data   []byte
}

const blockSize = 16

// A sortedWriter takes strings in ascending order.
type sortedWriter struct {
	count  int
	blocks []uint64
	data   []byte
	last   []byte
}

func (w *sortedWriter) add(s []byte) {
	shared := 0
	if w.count%blockSize == 0 {
		w.blocks = append(w.blocks, uint64(len(w.data)))
	} else {
		for shared < len(s) && shared < len(w.last) && s[shared] == w.last[shared] {
			shared++
		}
		w.data = binary.AppendUvarint(w.data, uint64(shared))
	}
	w.data = binary.AppendUvarint(w.data, uint64(len(s)-shared))
	w.data = append(w.data, s[shared:]...)
	w.last = append(w.last[:0], s...)
	w.count++
}

// all yields the strings.
func (w *sortedWriter) all() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var s []byte
		rest := w.data
		number := func() uint64 {
			n, size := binary.Uvarint(rest)
			rest = rest[size:]
			return n
		}
		for i := range w.count {
			shared := uint64(0)
			if i%blockSize > 0 {
				shared = number()
			}
			n := number()
			s = append(s[:shared], rest[:n]...)
			if rest = rest[n:]; !yield(s) {
				return
			}
		}
	}
}

func (w *sortedWriter) writeTo(out *output) {
	out.uint64(uint64(w.count))
	appendColumn(out, len(w.blocks), func(i int) uint64 { return w.blocks[i] })
	out.bytes(w.data)
}

func parseSorted(data []byte) (s sorted, err error) {
	if len(data) < 8 {
		return s, malformed("a list of strings is truncated")
	}
	count := binary.LittleEndian.Uint64(data)
	s.blocks, s.data, err = parseColumn(data[8:])
	if err != nil {
		return s, err
	}
	// Every string takes at least one byte.
	if count > uint64(len(s.data)) || (int(count)+blockSize-1)/blockSize != s.blocks.count {
		return s, malformed("a list of %d strings has %d blocks", count, s.blocks.count)
	}
	s.count = int(count)
	return s, nil
}

// A sortedCursor walks over a list. On damage it panics with an error, which
// [guard] returns.
type sortedCursor struct {
	list *sorted
	next int // ordinal of the string after the current one
	// shared is the number of leading bytes that the current string has in common with
	// the previous one.
	shared int
	rest   []byte
	key    []byte // the current string; valid until the next call
}

// advance moves to the next string and reports whether there is one.
func (c *sortedCursor) advance() bool {
	if c.next >= c.list.count {
		return false
	}
	c.shared = 0
	if c.next%blockSize == 0 {
		c.rest = c.list.block(c.next / blockSize)
	} else {
		if c.shared = c.number(); c.shared > len(c.key) {
			panic(malformed("a string shares more bytes than the string before it has"))
		}
	}
	var suffix int
	if len(c.rest) > 0 && int(c.rest[0]) < min(0x80, len(c.rest)) { // nearly always
		suffix, c.rest = int(c.rest[0]), c.rest[1:]
	} else {
		suffix = c.length()
	}
	c.key = append(c.key[:c.shared], c.rest[:suffix]...)
	c.rest = c.rest[suffix:]
	c.next++
	return true
}

// length reads a length.
func (c *sortedCursor) length() int {
	n := c.number()
	if n > len(c.rest) {
		panic(malformed("a string is truncated"))
	}
	return n
}

func (c *sortedCursor) number() int {
	if len(c.rest) > 0 && c.rest[0] < 0x80 { // nearly always
		n := int(c.rest[0])
		c.rest = c.rest[1:]
		return n
	}
	n, size := binary.Uvarint(c.rest)
	if size <= 0 || n > uint64(maxSegmentBytes) {
		panic(malformed("a string has no length"))
	}
	c.rest = c.rest[size:]
	return int(n)
}

// from returns a cursor whose next advance gives the string with the given ordinal.
func (s *sorted) from(ordinal int) *sortedCursor {
	c := &sortedCursor{list: s, next: ordinal - ordinal%blockSize}
	for c.next < ordinal && c.advance() {
	}
	return c
}

// search returns the ordinal of the first string that is not less than key,
// and whether it is equal.
func (s *sorted) search(key []byte) (int, bool) {
	low, high := 0, s.blocks.count
	for low < high {
		middle := (low + high) / 2
		if bytes.Compare(s.head(middle), key) <= 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == 0 {
		return 0, false
	}
	c := s.from((low - 1) * blockSize)
	for c.next < min(low*blockSize, s.count) && c.advance() {
		if order := bytes.Compare(c.key, key); order >= 0 {
			return c.next - 1, order == 0
		}
	}
	return c.next, false
}

// block returns a block and the bytes after it.
func (s *sorted) block(n int) []byte {
	at := s.blocks.at(n)
	if at > uint64(len(s.data)) {
		panic(malformed("a block of strings is missing"))
	}
	return s.data[at:]
}

// head returns the first string of a block.
func (s *sorted) head(block int) []byte {
	c := sortedCursor{rest: s.block(block)}
	n := c.length()
	return c.rest[:n]
}

// searchAll yields the ordinals of the given ascending keys that are in the
// list, in one sweep over it.
func (s *sorted) searchAll(keys [][]byte) iter.Seq[int] {
	return func(yield func(int) bool) {
		c, block := s.from(0), 0
		c.advance()
		for _, key := range keys {
			step := 1
			for block+step < s.blocks.count && bytes.Compare(s.head(block+step), key) <= 0 {
				block += step
				step *= 2
			}
			block += sort.Search(max(0, min(step, s.blocks.count-block)-1), func(i int) bool {
				return bytes.Compare(s.head(block+1+i), key) > 0
			})
			if block > (c.next-1)/blockSize {
				c = s.from(block * blockSize)
				c.advance()
			}
			for bytes.Compare(c.key, key) < 0 && c.advance() {
			}
			if bytes.Equal(c.key, key) && c.next > 0 && !yield(c.next-1) {
				return
			}
		}
	}
}

// prefixed returns the ordinals [low, high) of the strings with a prefix.
func (s *sorted) prefixed(prefix []byte) (low, high int) {
	low, _ = s.search(prefix)
	end := successor(prefix)
	if end == nil {
		return low, s.count
	}
	high, _ = s.search(end)
	return low, high
}

// successor returns the smallest string that is greater than all those that begin with
// prefix, or nil if there is none.
func successor(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xFF {
			return append(bytes.Clone(prefix[:i]), prefix[i]+1)
		}
	}
	return nil
}

// A place is the position of a string in one of several lists.
type place struct{ list, ordinal int }

// mergeSorted walks over several lists as one: each string once, ascending,
// with its places. Both are valid until the next iteration.
func mergeSorted(lists []*sorted) iter.Seq2[[]byte, []place] {
	return func(yield func([]byte, []place) bool) {
		cursors := make([]*sortedCursor, len(lists))
		heap := make([]int, 0, len(lists)) // lists ordered by (key, list), smallest first
		less := func(a, b int) bool {
			order := bytes.Compare(cursors[a].key, cursors[b].key)
			return order < 0 || order == 0 && a < b
		}
		sink := func() {
			for i := 0; ; {
				least := i
				for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
					if less(heap[child], heap[least]) {
						least = child
					}
				}
				if least == i {
					return
				}
				heap[i], heap[least] = heap[least], heap[i]
				i = least
			}
		}
		for i, l := range lists {
			cursors[i] = l.from(0)
			if !cursors[i].advance() {
				continue
			}
			heap = append(heap, i)
			for at := len(heap) - 1; at > 0 && less(heap[at], heap[(at-1)/2]); at = (at - 1) / 2 {
				heap[at], heap[(at-1)/2] = heap[(at-1)/2], heap[at]
			}
		}
		var key []byte
		var places []place
		for len(heap) > 0 {
			key, places = append(key[:0], cursors[heap[0]].key...), places[:0]
			for len(heap) > 0 && bytes.Equal(cursors[heap[0]].key, key) {
				c := cursors[heap[0]]
				places = append(places, place{heap[0], c.next - 1})
				if !c.advance() {
					heap[0] = heap[len(heap)-1]
					heap = heap[:len(heap)-1]
				}
				sink()
			}
			if !yield(key, places) {
				return
			}
		}
	}
}
