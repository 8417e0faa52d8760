package sqlitedoc

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf16"
)

// Binary property lists, which Apple's apps use for values that do not fit into a column.
// Apple describes the format in the source of CoreFoundation (CFBinaryPList.c):
// the objects, a table of the places where they begin, and a trailer.

// Limits of a property list.
const (
	plistDepth   = 16
	plistObjects = 1 << 14
)

var errPlist = errors.New("want a binary property list, found other bytes")

// plist reads objects as text, []byte, int64, float64, bool, []any or map[string]any, and
// any other value as nil.
type plist struct {
	b                   []byte
	offsets             []byte
	offsetSize, refSize int
	read                int
}

// Plist returns the object at the top.
func Plist(b []byte) (any, error) {
	const magic, trailer = "bplist00", 32
	if len(b) < len(magic)+trailer || string(b[:len(magic)]) != magic {
		return nil, errPlist
	}
	end := b[len(b)-trailer:]
	p := plist{b: b[:len(b)-trailer], offsetSize: int(end[6]), refSize: int(end[7])}
	count, top, table := binary.BigEndian.Uint64(end[8:]), binary.BigEndian.Uint64(end[16:]), binary.BigEndian.Uint64(end[24:])
	if p.offsetSize < 1 || p.offsetSize > 8 || p.refSize < 1 || p.refSize > 8 || count > plistObjects || table > uint64(len(p.b)) ||
		uint64(len(p.b))-table < count*uint64(p.offsetSize) {
		return nil, errPlist
	}
	p.offsets = p.b[table : table+count*uint64(p.offsetSize)]
	return p.object(top, 0)
}

func bigEndian(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// object reads the object with the given number.
func (p *plist) object(number uint64, depth int) (any, error) {
	if p.read++; p.read > plistObjects || depth > plistDepth || number >= uint64(len(p.offsets)/p.offsetSize) {
		return nil, errPlist
	}
	at := bigEndian(p.offsets[number*uint64(p.offsetSize):][:p.offsetSize])
	if at >= uint64(len(p.b)) {
		return nil, errPlist
	}
	b := p.b[at:]
	kind, size := b[0]>>4, uint64(b[0]&0xF)
	b = b[1:]
	switch kind {
	case 0x0:
		return size == 9, nil
	case 0x1, 0x2, 0x3:
		return plistNumber(b, kind, size)
	}
	if size == 0xF { // the size is an object of its own
		if len(b) == 0 || b[0]>>4 != 1 || b[0]&0xF > 3 || len(b) < 1+1<<(b[0]&0xF) {
			return nil, errPlist
		}
		width := 1 << (b[0] & 0xF)
		size, b = bigEndian(b[1:1+width]), b[1+width:]
	}
	unit := map[byte]uint64{0x4: 1, 0x5: 1, 0x6: 2, 0xA: uint64(p.refSize), 0xD: 2 * uint64(p.refSize)}[kind]
	if unit == 0 {
		return nil, nil
	}
	if size > uint64(len(b))/unit {
		return nil, errPlist
	}
	b = b[:size*unit]
	switch kind {
	case 0x4:
		return b, nil
	case 0x5:
		return string(b), nil
	case 0x6:
		units := make([]uint16, size)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(units)), nil
	}
	return p.collection(b, kind == 0xD, depth)
}

func plistNumber(b []byte, kind byte, size uint64) (any, error) {
	if size > 3 || len(b) < 1<<size {
		return nil, errPlist
	}
	b = b[:1<<size]
	n := bigEndian(b)
	switch {
	case kind == 0x1:
		return int64(n), nil // a number of eight bytes is signed
	case len(b) == 4:
		return float64(math.Float32frombits(uint32(n))), nil
	}
	return math.Float64frombits(n), nil
}

// collection reads a list, or the keys and then the values of a dictionary.
func (p *plist) collection(b []byte, pairs bool, depth int) (any, error) {
	var list []any
	for ; len(b) > 0; b = b[p.refSize:] {
		one, err := p.object(bigEndian(b[:p.refSize]), depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if !pairs {
		return list, nil
	}
	dictionary := map[string]any{}
	for i, value := range list[len(list)/2:] {
		if key, ok := list[i].(string); ok {
			dictionary[key] = value
		}
	}
	return dictionary, nil
}
