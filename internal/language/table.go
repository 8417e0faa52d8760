package language

import (
	_ "embed"
	"encoding/binary"
)

// table.bin is made by tools/language; NOTICE names its source.
//
// After the magic are two sections, of the sequences of one to three letters and of those of
// four and five. A section has for each bucket, and once more, the number of the first of
// its slots, three bytes, little-endian; then the slots. A slot is three bytes: 13 bits of the
// hash, 5 of the number of the language, and 6 of the gain. The first section is small enough
// to stay in a processor's cache.
//
//go:embed table.bin
var tableFile []byte

const (
	magic    = "argus language table 1\n"
	short    = 3 // letters of the longest sequences of the first section
	few      = 14
	many     = 17 // bits of a hash that choose the bucket, in the first and the second section
	markBits = 13
	steps    = 4  // of a natural logarithm, in one
	lowest   = 16 // added to a number of steps, so that none is negative
	longest  = 5  // letters of a sequence
)

type section struct{ starts, slots []byte }

var (
	shorts = sectionAt(tableFile[len(magic):], few)
	longs  = sectionAt(shorts.slots[3*three(shorts.starts, 1<<few):], many)
)

func sectionAt(b []byte, bits int) section { return section{b, b[3*(1<<bits+1):]} }

// three returns a number of three bytes. A byte follows the last of them.
func three(b []byte, i uint32) uint32 { return binary.LittleEndian.Uint32(b[3*i:]) & 0xFFFFFF }

// add adds the gains of a sequence, and reports whether there are any.
func (s *section) add(scores *[languages]int16, h uint64, bits int) (found bool) {
	h *= multiplier
	bucket := uint32(h >> (64 - bits))
	mark := uint32(h>>(64-many-markBits)) & (1<<markBits - 1)
	for at, end := three(s.starts, bucket), three(s.starts, bucket+1); at < end; at++ {
		if slot := three(s.slots, at); slot>>11 == mark {
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

// score adds to each language the steps of the short sequences in a word.
func score(scores *[languages]int16, word []rune) {
	for i := range word {
		h := uint64(0)
		for _, r := range word[i:min(len(word), i+short)] {
			h = step(h, r)
			shorts.add(scores, h, few)
		}
	}
}

// scoreLong adds the steps of the longer sequences. One of four letters that no language has
// is not looked for with more letters.
func scoreLong(scores *[languages]int16, word []rune) {
	for i := range max(0, len(word)-short) {
		h := uint64(0)
		for n, r := range word[i:min(len(word), i+longest)] {
			if h = step(h, r); n >= short && !longs.add(scores, h, many) {
				break
			}
		}
	}
}
