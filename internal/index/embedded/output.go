package embedded

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// output writes a segment file: a sequence of sections, each beginning
// at a multiple of 8. Its first error sticks.
type output struct {
	w        io.Writer
	buf      []byte
	begin    int // where the bytes of buf that are not yet in sum begin
	written  uint64
	sum      uint32
	sections []section
	err      error
}

// A section is a run of bytes of a segment file. It is padded with zeros to a
// multiple of 8, and the checksum covers them.
type section struct {
	offset, length uint64
	sum            uint32
}

const outputBuffer = 256 << 10

func newOutput(w io.Writer) *output {
	return &output{w: w, buf: make([]byte, 0, outputBuffer)}
}

func (o *output) offset() uint64 { return o.written + uint64(len(o.buf)) }

// room ensures that n bytes can be appended; n must not exceed the size of the buffer.
func (o *output) room(n int) {
	if len(o.buf)+n > cap(o.buf) {
		o.flush()
	}
}

func (o *output) flush() {
	o.sum = crc32.Update(o.sum, castagnoli, o.buf[o.begin:])
	if o.err == nil {
		_, o.err = o.w.Write(o.buf)
	}
	o.written += uint64(len(o.buf))
	o.buf, o.begin = o.buf[:0], 0
}

func (o *output) uint64(v uint64) {
	o.room(8)
	o.buf = binary.LittleEndian.AppendUint64(o.buf, v)
}

// low writes the low bytes of v.
func (o *output) low(v uint64, width int) {
	o.room(8)
	n := len(o.buf)
	o.buf = binary.LittleEndian.AppendUint64(o.buf, v)[:n+width]
}

func (o *output) uvarint(v uint64) {
	o.room(binary.MaxVarintLen64)
	o.buf = binary.AppendUvarint(o.buf, v)
}

func (o *output) bytes(p []byte) {
	for len(p) > 0 {
		o.room(1)
		n := min(len(p), cap(o.buf)-len(o.buf))
		o.buf = append(o.buf, p[:n]...)
		p = p[n:]
	}
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.bytes(p)
	return len(p), o.err
}

// section writes one section.
func (o *output) section(write func()) {
	o.sum = 0
	o.begin = len(o.buf)
	s := section{offset: o.offset()}
	write()
	s.length = o.offset() - s.offset
	o.bytes(make([]byte, pad(s.length)))
	s.sum = crc32.Update(o.sum, castagnoli, o.buf[o.begin:])
	o.begin = len(o.buf)
	o.sections = append(o.sections, s)
}

// pad returns the number of bytes to the next multiple of 8.
func pad(n uint64) uint64 { return -n & 7 }
