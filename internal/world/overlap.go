package world

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// BenchDeliveries is the number of deliveries that [BenchOverlap] writes.
const BenchDeliveries = 10

// BenchOverlap writes the messages of [Bench] as ten deliveries. Each message is in one of
// them, chosen at random; 4 in 10 are in one or two others as well, and half of these copies
// state a different receiver, a different name or a coarser time. If once is set, the copies
// are left out. The same seed writes the same bytes.
func BenchOverlap(deliveries [BenchDeliveries]io.Writer, seed uint64, n int, once bool) error {
	s := &spread{to: deliveries, random: rand.New(rand.NewPCG(seed, 0x0EA1)), once: once}
	return Bench(s, seed, n)
}

// spread writes each line to one delivery or several.
type spread struct {
	to     [BenchDeliveries]io.Writer
	random *rand.Rand
	once   bool
}

func (s *spread) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		// Drawn even if unused, so that the first copies are the same.
		order := s.random.Perm(BenchDeliveries)
		copies := 0
		if s.random.IntN(10) < 4 {
			copies = 1 + s.random.IntN(2)
		}
		var says [3]int
		for i := range says {
			says[i] = s.random.IntN(6)
		}
		if s.once {
			copies = 0
		}
		for i := range 1 + copies {
			copied := line
			if i > 0 {
				copied = otherwise(line, says[i])
			}
			if _, err := s.to[order[i]].Write(copied); err != nil {
				return 0, fmt.Errorf("write a benchmark corpus: %w", err)
			}
		}
	}
	return len(lines), nil
}

// otherwise returns a copy of the line with a different statement if how is 0, 1 or 2, and the
// same line for any other value.
func otherwise(line []byte, how int) []byte {
	with := func(before, text string) []byte {
		return bytes.Replace(line, []byte(before), []byte(text+before), 1)
	}
	switch how {
	case 0:
		return with(`],"id":`, `,"group-`+strconv.Itoa(len(line)%100)+`"`)
	case 1:
		return with(`,"id":`, `,"from_name":"Name `+strconv.Itoa(len(line)%100)+`"`)
	case 2: // to the second
		at := bytes.Index(line, []byte(`,"sent":"`))
		point := bytes.IndexByte(line[at:], '.')
		if at < 0 || point < 0 {
			return line
		}
		return append(append(bytes.Clone(line[:at+point]), 'Z'), line[at+point+len(".000Z"):]...)
	}
	return line
}
