package form

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/argus-evidence/argus"
)

// Scanned is the result of [Scan].
type Scanned struct {
	Blocks []Ref
	End    int64 // after the last whole batch
	Stop   int64 // where reading ended
	Err    error // why reading ended before reaching size or the table of blocks
}

// Scan reads the headers of a segment's blocks up to size; if deep is set, it also checks
// the blocks. It omits blocks after the last whole batch.
func Scan(f io.ReaderAt, number int, size int64, deep bool) (scan Scanned) {
	head := make([]byte, HeadSize)
	if _, err := f.ReadAt(head[:min(HeaderSize, int(size))], 0); err != nil {
		scan.Err = err
		return scan
	}
	got, _, err := ParseHeader(head[:min(HeaderSize, int(size))])
	if err == nil && got != uint32(number) {
		err = fmt.Errorf("%w: the header of the segment has the number %d", argus.ErrDamaged, got)
	}
	if err != nil {
		scan.Err = err
		return scan
	}
	at := int64(HeaderSize)
	scan.End = at
	whole := 0
	var body []byte
	for at < size {
		n, err := f.ReadAt(head, at)
		if err != nil && !errors.Is(err, io.EOF) {
			scan.Err = err
			break
		}
		if n >= 4 && binary.LittleEndian.Uint32(head) == tableMagic {
			break // the table of an empty segment
		}
		h, err := ParseHead(head[:n])
		if err == nil && at+h.Size() > size {
			err = fmt.Errorf("%w: the block is truncated", argus.ErrDamaged)
		}
		if err == nil && deep {
			body = slices.Grow(body[:0], int(h.Body()))[:h.Body()]
			if _, err = f.ReadAt(body, at+HeadSize); err == nil {
				err = h.Check(body)
			}
		}
		if err != nil {
			scan.Err = err
			break
		}
		h.Segment, h.Offset = uint32(number), uint32(at)
		scan.Blocks = append(scan.Blocks, h.Ref)
		at += h.Size()
		if h.batchEnd() {
			whole, scan.End = len(scan.Blocks), at
		}
	}
	scan.Stop = at
	scan.Blocks = scan.Blocks[:whole]
	return scan
}

// NextBlock returns the offset of the next whole block header in [at, end), or end if
// there is none.
func NextBlock(f io.ReaderAt, at, end int64) int64 {
	buf := make([]byte, 1<<20)
	magic := binary.LittleEndian.AppendUint32(nil, blockMagic)
	for at < end {
		n, _ := f.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n < HeadSize {
			return end
		}
		for i := 0; ; i++ {
			j := bytes.Index(buf[i:n], magic)
			if j < 0 || i+j+HeadSize > n {
				break
			}
			i += j
			if _, err := ParseHead(buf[i:n]); err == nil {
				return at + int64(i)
			}
		}
		at += int64(n - HeadSize + 1)
	}
	return end
}
