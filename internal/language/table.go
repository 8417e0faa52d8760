package language

import (
	_ "embed"
	"encoding/binary"
	"slices"
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

// A section is one of the two sections, unpacked for speed: the slots, ordered by bucket
// and the first bits of the mark, and where those of each begin.
type section struct {
	bits   int
	starts []uint32
	slots  []uint32
}

// markStep is the number of bits of the mark that order the slots of a bucket.
const markStep = 4

// sections are unpacked when they are first needed, which takes some ten milliseconds.
var sections = sync.OnceValue(func() *[2]section {
	short, long := packedSections()
	return &[2]section{short.unpack(), long.unpack()}
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

func (p packedSection) unpack() section {
	s := section{p.bits, make([]uint32, 1<<(p.bits+markStep)+1), make([]uint32, three(p.starts, 1<<p.bits))}
	each := func(yield func(place, slot uint32)) {
		for bucket := range uint32(1) << p.bits {
			for at := three(p.starts, bucket); at < three(p.starts, bucket+1); at++ {
				slot := three(p.slots, at)
				yield(bucket<<markStep|slot>>(11+markBits-markStep), slot)
			}
		}
	}
	each(func(place, _ uint32) { s.starts[place+1]++ })
	for place := range len(s.starts) - 1 {
		s.starts[place+1] += s.starts[place]
	}
	next := slices.Clone(s.starts)
	each(func(place, slot uint32) {
		s.slots[next[place]] = slot
		next[place]++
	})
	return s
}

// add adds the gains of a sequence, and reports whether there are any.
func (s *section) add(scores *[languages]int16, h uint64) (found bool) {
	h *= multiplier
	mark := uint32(h>>(64-many-markBits)) & (1<<markBits - 1)
	place := uint32(h>>(64-s.bits))<<markStep | mark>>(markBits-markStep)
	for _, slot := range s.slots[s.starts[place]:s.starts[place+1]] {
		if slot>>11 == mark {
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

// score adds the steps of the short sequences in a word to each language.
func (s *section) score(scores *[languages]int16, word []rune) {
	for i := range word {
		h := uint64(0)
		for _, r := range word[i:min(len(word), i+short)] {
			h = step(h, r)
			s.add(scores, h)
		}
	}
}

// scoreLong adds the steps of the longer sequences. If no language has a sequence of four
// letters, longer sequences that begin with it are not looked up.
func (s *section) scoreLong(scores *[languages]int16, word []rune) {
	for i := range max(0, len(word)-short) {
		h := uint64(0)
		for n, r := range word[i:min(len(word), i+longest)] {
			if h = step(h, r); n >= short && !s.add(scores, h) {
				break
			}
		}
	}
}
