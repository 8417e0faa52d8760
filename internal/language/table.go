package language

import (
	_ "embed"
	"encoding/binary"
	"sync"
)

// table.bin is made by tools/language; NOTICE names its source. The magic is followed by
// two sections, one for the sequences of one to three letters and one for those of four
// and five. A section has, for each bucket and for the end, the number of the bucket's
// first slot (three bytes, little-endian), and then the slots. A slot is three bytes: 13
// bits of the hash, 5 for the number of the language, and 6 for the gain.
//
//go:embed table.bin
var tableFile []byte

const (
	magic    = "argus language table 1\n"
	short    = 3 // number of letters in the longest sequences of the first section
	few      = 14
	many     = 17 // bits of a hash that choose the bucket, in the first and the second section
	markBits = 13
	steps    = 4  // number of steps in 1.0 of a natural logarithm
	lowest   = 16 // added to a number of steps, so that none is negative
	longest  = 5  // maximum number of letters in a sequence
)

// tables are unpacked when they are first needed, which takes some ten milliseconds.
var tables = sync.OnceValue(func() *struct {
	short shortTable
	long  longTable
} {
	short, long := packedSections()
	return &struct {
		short shortTable
		long  longTable
	}{short.unpackShort(), long.unpackLong()}
})

func packedSections() (short, long packedSection) {
	short = packed(tableFile[len(magic):], few)
	return short, packed(short.slots[3*three(short.starts, 1<<few):], many)
}

// packedSection is a section in the form of the file.
type packedSection struct {
	bits          int
	starts, slots []byte
}

func packed(b []byte, bits int) packedSection { return packedSection{bits, b, b[3*(1<<bits+1):]} }

// three returns a three-byte number. At least one byte must follow it.
func three(b []byte, i uint32) uint32 { return binary.LittleEndian.Uint32(b[3*i:]) & 0xFFFFFF }

// all yields each slot with its bucket.
func (p packedSection) all(yield func(bucket, slot uint32) bool) {
	for bucket := range uint32(1) << p.bits {
		for at := three(p.starts, bucket); at < three(p.starts, bucket+1); at++ {
			if !yield(bucket, three(p.slots, at)) {
				return
			}
		}
	}
}

// mark returns the bits of a hash that identify it in its bucket.
func mark(h uint64) uint32 { return uint32(h>>(64-many-markBits)) & (1<<markBits - 1) }

// A shortTable holds the first section as rows, since most languages have most of these
// sequences. It is a hash table with linear probing; its size is a power of two.
type shortTable []row

// A row holds the gains of a sequence in each language of a script, or [lowest] if there is
// none.
type row struct {
	key   uint32 // bucket and mark of the sequence, and one more than the script; 0 in a free row
	gains [most]uint8
}

const (
	keyBits   = few + markBits
	rowsShift = 32 - 17 // the table has 1<<17 rows, about half of them taken
)

func rowKey(bucket, mark uint32, of script) uint32 {
	return (uint32(of)+1)<<keyBits | bucket<<markBits | mark
}

func (p packedSection) unpackShort() shortTable {
	t := make(shortTable, 1<<(32-rowsShift))
	for bucket, slot := range p.all {
		language := int(slot >> 6 & 31)
		of := latin
		for language >= models[of][1] {
			of++
		}
		r := t.row(rowKey(bucket, slot>>11, of))
		if r.key == 0 {
			r.key = rowKey(bucket, slot>>11, of)
			for i := range r.gains {
				r.gains[i] = lowest
			}
		}
		r.gains[language-models[of][0]] += uint8(slot&63) - lowest
	}
	return t
}

// row returns the row of a key, or the free row for it.
func (t shortTable) row(key uint32) *row {
	for i := key * 0x9E3779B1 >> rowsShift; ; i++ {
		if r := &t[i&(1<<(32-rowsShift)-1)]; r.key == key || r.key == 0 {
			return r
		}
	}
}

// score adds the gains of the sequences of up to three letters in a word. It adds up
// eight languages at a time, in two numbers with four sums of 16 bits: a word has at most
// 72 such sequences, and a gain is below 64.
func (t shortTable) score(scores *[most]int16, word []rune, of script) {
	const evenBytes = 0x00FF00FF00FF00FF
	var even, odd [most / 8]uint64
	n := 0
	for i := range word {
		h := uint64(0)
		for _, letter := range word[i:min(len(word), i+short)] {
			h = step(h, letter)
			h := h * multiplier
			r := t.row(rowKey(uint32(h>>(64-few)), mark(h), of))
			if r.key == 0 {
				continue
			}
			n++
			for k := range even {
				eight := binary.LittleEndian.Uint64(r.gains[8*k:])
				even[k] += eight & evenBytes
				odd[k] += eight >> 8 & evenBytes
			}
		}
	}
	for l := range scores {
		sums := &even
		if l%2 == 1 {
			sums = &odd
		}
		scores[l] += int16(sums[l/8]>>(l%8/2*16)) - int16(lowest*n)
	}
}

// A longTable holds the second section in the form of the file, because most of its
// sequences have few languages.
type longTable struct {
	packedSection
	taken []uint64 // a bit for each [longTable.place], set if it has slots: most sequences of an unknown word end here
}

// markStep is the number of bits of the mark that are part of a place.
const markStep = 4

func (longTable) place(bucket, mark uint32) uint32 {
	return bucket<<markStep | mark>>(markBits-markStep)
}

func (p packedSection) unpackLong() longTable {
	t := longTable{p, make([]uint64, 1<<(many+markStep-6))}
	for bucket, slot := range p.all {
		at := t.place(bucket, slot>>11)
		t.taken[at/64] |= 1 << (at % 64)
	}
	return t
}

// add adds the gains of a sequence, and reports whether there are any.
func (t *longTable) add(scores *[languages]int16, h uint64) (found bool) {
	h *= multiplier
	bucket, mark := uint32(h>>(64-many)), mark(h)
	if at := t.place(bucket, mark); t.taken[at/64]>>(at%64)&1 == 0 {
		return false
	}
	for at, end := three(t.starts, bucket), three(t.starts, bucket+1); at < end; at++ {
		if slot := three(t.slots, at); slot>>11 == mark {
			scores[slot>>6&31] += int16(slot&63) - lowest
			found = true
		}
	}
	return found
}

const multiplier = 0x9E3779B97F4A7C15

func step(h uint64, r rune) uint64 {
	h = (h ^ uint64(r) + 1) * multiplier
	return h ^ h>>29
}

// score adds the gains of the sequences of four and five letters in a word. If no language
// has a sequence of four letters, the longer one that begins with it is not looked up.
func (t *longTable) score(scores *[languages]int16, word []rune) {
	for i := range max(0, len(word)-short) {
		h := uint64(0)
		for n, r := range word[i:min(len(word), i+longest)] {
			if h = step(h, r); n >= short && !t.add(scores, h) {
				break
			}
		}
	}
}
