package embedded

import (
	"encoding/binary"
	"math/bits"
)

// A column is an array of numbers in a segment, each stored as its distance from the
// smallest, in as many bytes as the largest distance needs. The numbers are read in
// place, without decoding.
type column struct {
	data  []byte // count*width bytes and 8 more, so that every load can read 8 bytes
	base  uint64
	mask  uint64
	width int
	count int
}

// columnHeader is the size of base (8 bytes), count (8 bytes) and width (8 bytes, only
// one used).
const columnHeader = 24

// at returns the i-th number. It panics if i is out of range.
func (c *column) at(i int) uint64 {
	return c.base + binary.LittleEndian.Uint64(c.data[i*c.width:])&c.mask
}

// columnLayout returns the layout of count numbers from low to high.
func columnLayout(low, high uint64, count int) column {
	width := (bits.Len64(high-low) + 7) / 8
	return column{base: low, count: count, width: width, mask: widthMask(width)}
}

func widthMask(width int) uint64 {
	if width == 8 {
		return ^uint64(0)
	}
	return 1<<(8*width) - 1
}

// appendColumn writes the numbers that value returns for 0 to count-1.
func appendColumn(out *output, count int, value func(i int) uint64) {
	low, high := ^uint64(0), uint64(0)
	for i := range count {
		v := value(i)
		low, high = min(low, v), max(high, v)
	}
	if count == 0 {
		low = 0
	}
	c := columnLayout(low, high, count)
	out.uint64(c.base)
	out.uint64(uint64(c.count))
	out.uint64(uint64(c.width))
	for i := range count {
		out.low(value(i)-low, c.width)
	}
	out.uint64(0)
}

// parseColumn reads a column and returns the bytes after it.
func parseColumn(data []byte) (c column, rest []byte, err error) {
	if len(data) < columnHeader {
		return c, nil, malformed("a column is truncated")
	}
	count := binary.LittleEndian.Uint64(data[8:])
	width := binary.LittleEndian.Uint64(data[16:])
	c.base = binary.LittleEndian.Uint64(data)
	data = data[columnHeader:]
	if width > 8 || count > maxDocs || count*width+8 > uint64(len(data)) {
		return c, nil, malformed("a column of %d numbers with %d bytes each does not fit", count, width)
	}
	c.count, c.width, c.mask = int(count), int(width), widthMask(int(width))
	end := c.count*c.width + 8
	c.data = data[:end:end]
	return c, data[end:], nil
}
