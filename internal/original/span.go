package original

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// Part is a part of an original: Length bytes from Offset on.
type Part struct {
	Offset, Length int64
}

// mark returns the spans after some parts change their state; 0 is readable.
// Destroyed parts stay destroyed.
func mark(spans []Span, size int64, parts []Part, state State) ([]Span, error) {
	marked := make([]Span, 0, len(parts))
	for _, p := range parts {
		if p.Offset < 0 || p.Length <= 0 || p.Offset > size-p.Length {
			return nil, fmt.Errorf("the part of %d bytes at offset %d exceeds the original, which has %d bytes", p.Length, p.Offset, size)
		}
		marked = append(marked, Span{p.Offset, p.Offset + p.Length, state})
	}
	slices.SortFunc(marked, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var edges []int64
	for _, s := range slices.Concat(spans, marked) {
		edges = append(edges, s.From, s.To)
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var next []Span
	last := int64(0) // the end of the marked parts so far
	for i, from := range edges[:max(0, len(edges)-1)] {
		for len(spans) > 0 && spans[0].To <= from {
			spans = spans[1:]
		}
		for len(marked) > 0 && marked[0].From <= from {
			last, marked = max(last, marked[0].To), marked[1:]
		}
		now := State(0)
		if len(spans) > 0 && spans[0].From <= from {
			now = spans[0].State
		}
		switch {
		case from >= last:
		case now == Destroyed && state == 0:
			return nil, &Unreadable{spans[0]}
		case now != Destroyed:
			now = state
		}
		if now != 0 {
			next = append(next, Span{from, edges[i+1], now})
		}
	}
	return join(next), nil
}

// join merges adjacent spans with the same state.
func join(spans []Span) []Span {
	var joined []Span
	for _, s := range spans {
		if n := len(joined); n > 0 && joined[n-1].To == s.From && joined[n-1].State == s.State {
			joined[n-1].To = s.To
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// touches reports whether a span overlaps a range of bytes.
func touches(spans []Span, from, to int64) bool {
	first := sort.Search(len(spans), func(i int) bool { return spans[i].To > from })
	return first < len(spans) && spans[first].From < to
}

// cover describes the state of a block.
type cover struct {
	spans     []Span // relative to the block
	length    int
	withheld  int // number of withheld bytes
	destroyed int
}

// coverOf clips spans to a block.
func coverOf(spans []Span, size int64, block int) cover {
	from := int64(block) * BlockSize
	c := cover{length: plainLength(size, block)}
	to := from + int64(c.length)
	first := sort.Search(len(spans), func(i int) bool { return spans[i].To > from })
	for _, s := range spans[first:] {
		if s.From >= to {
			break
		}
		clipped := Span{max(s.From, from) - from, min(s.To, to) - from, s.State}
		c.spans = append(c.spans, clipped)
		if n := int(clipped.To - clipped.From); s.State == Withheld {
			c.withheld += n
		} else {
			c.destroyed += n
		}
	}
	return c
}

// touched reports whether part of the block cannot be read.
func (c cover) touched() bool { return len(c.spans) > 0 }

// open reports whether a substitute with the readable part replaces the block.
func (c cover) open() bool { return c.touched() && c.withheld+c.destroyed < c.length }

// judge reports whether there is a substitute with the part that the judge can read.
func (c cover) judge() bool { return c.withheld > 0 && c.destroyed > 0 }

// without sets the unreadable bytes to zero; for the judge, only the destroyed
// ones.
func (c cover) without(plain []byte, judge bool) []byte {
	plain = slices.Clone(plain)
	for _, s := range c.spans {
		if !judge || s.State == Destroyed {
			clear(plain[s.From:s.To])
		}
	}
	return plain
}

// frees reports whether some withheld byte becomes readable under another cover; for the judge,
// whether one is not destroyed under that cover.
func (c cover) frees(other cover, judge bool) bool {
	for _, s := range c.spans {
		if s.State != Withheld {
			continue
		}
		at := s.From
		for _, o := range other.spans {
			if judge && o.State != Destroyed || o.To <= at {
				continue
			}
			if o.From > at {
				break
			}
			at = o.To
		}
		if at < s.To {
			return true
		}
	}
	return false
}

type wanted struct {
	block int
	kind  uint32
}

// wantedRest lists the substitute blocks that the spans need. They are at the
// edges of spans: blocks within a span are gone as a whole.
func wantedRest(spans []Span, size int64) []wanted {
	var list []wanted
	last := -1
	for _, s := range spans {
		for _, b := range [...]int{int(s.From / BlockSize), int((s.To - 1) / BlockSize)} {
			if b <= last {
				continue
			}
			last = b
			c := coverOf(spans, size, b)
			if c.open() {
				list = append(list, wanted{b, restOpen})
			}
			if c.judge() {
				list = append(list, wanted{b, restJudge})
			}
		}
	}
	return list
}
