package embedded

import (
	"unicode/utf8"

	"github.com/argus-evidence/argus/internal/query"
)

// nearby is an automaton that accepts the terms within a number of edits of a word,
// counted in characters. It implements vellum's interface; the automaton in vellum 1.2.1
// is wrong for words of more than 16 characters.
//
// A state is a column of the table of distances (Wagner and Fischer, 1974) after some
// characters of a term, together with the bytes of an incomplete character, packed into a
// number. In the column, only the cells at most distance from the diagonal matter, and only
// values up to distance+1. State 0 means that no continuation of the term is near.
type nearby struct {
	word     []rune
	distance int
}

// maxNearby is the greatest distance that fits in a state.
const maxNearby = 3

const (
	cellBits  = 3 // bits for each of the 2*distance+1 cells
	cellsBits = cellBits * (2*maxNearby + 1)
	// Characters of the term so far, plus one, so that no state is 0.
	lengthShift = cellsBits
	lengthBits  = 10
	// Bytes of the incomplete character, and their number.
	bytesShift = lengthShift + lengthBits
	countShift = bytesShift + 24
)

func newNearby(n query.Fuzzy) *nearby { return &nearby{[]rune(n.Term), n.Distance} }

// Start implements vellum.Automaton.
func (a *nearby) Start() int {
	var cells [2*maxNearby + 1]int
	for k := range 2*a.distance + 1 {
		cells[k] = k - a.distance //nolint:gosec // distance is at most maxNearby
	}
	return a.pack(0, &cells)
}

// pack returns the state after length characters.
func (a *nearby) pack(length int, cells *[2*maxNearby + 1]int) int {
	state, alive := (length+1)<<lengthShift, false
	for k := range 2*a.distance + 1 {
		cell := cells[k]
		if at := length - a.distance + k; at < 0 || at > len(a.word) || cell > a.distance {
			cell = a.distance + 1
		} else {
			alive = true
		}
		state |= cell << (cellBits * k)
	}
	if !alive {
		return 0
	}
	return state
}

// Accept implements vellum.Automaton.
func (a *nearby) Accept(state int, b byte) int {
	if state == 0 {
		return 0
	}
	count := state >> countShift
	if count == 0 && b < utf8.RuneSelf {
		return a.accept(state, rune(b))
	}
	var char [utf8.UTFMax]byte
	for i := range count {
		char[i] = byte(state >> (bytesShift + 8*i))
	}
	char[count] = b
	if count++; utf8.FullRune(char[:count]) {
		r, _ := utf8.DecodeRune(char[:count])
		return a.accept(state&(1<<bytesShift-1), r)
	}
	return state&(1<<countShift-1) | int(b)<<(bytesShift+8*(count-1)) | count<<countShift
}

// accept advances by a whole character.
func (a *nearby) accept(state int, r rune) int {
	length := state >> lengthShift // before this character, plus one
	var cells [2*maxNearby + 1]int
	for k := range 2*a.distance + 1 {
		at := length - a.distance + k // characters of the word
		cell := a.distance + 1
		if k < 2*a.distance { // r is inserted
			cell = cellOf(state, k+1) + 1
		}
		if k > 0 { // a character of the word is omitted
			cell = min(cell, cells[k-1]+1) //nolint:gosec // k is not 0
		}
		if at > 0 && at <= len(a.word) {
			change := cellOf(state, k)
			if a.word[at-1] != r {
				change++
			}
			cell = min(cell, change)
		} else if at != 0 {
			cell = a.distance + 1
		}
		cells[k] = cell //nolint:gosec // as in Start
	}
	return a.pack(length, &cells)
}

func cellOf(state, k int) int { return state >> (cellBits * k) & (1<<cellBits - 1) }

// IsMatch implements vellum.Automaton.
func (a *nearby) IsMatch(state int) bool {
	k := len(a.word) - (state>>lengthShift - 1) + a.distance
	return state != 0 && state>>countShift == 0 && k >= 0 && k <= 2*a.distance && cellOf(state, k) <= a.distance
}

// CanMatch implements vellum.Automaton.
func (a *nearby) CanMatch(state int) bool { return state != 0 }

// WillAlwaysMatch implements vellum.Automaton.
func (a *nearby) WillAlwaysMatch(int) bool { return false }

// accepts reports whether a term is near.
func (a *nearby) accepts(term []byte) bool {
	state := a.Start()
	for i := 0; i < len(term) && state != 0; i++ {
		state = a.Accept(state, term[i])
	}
	return a.IsMatch(state)
}
