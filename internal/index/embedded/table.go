package embedded

import "hash/maphash"

// A table numbers strings in the order of their first appearance. It is a map
// that keeps the strings in one piece of memory and the data of each in one
// cache line: indexing spends most of its time here.
type table struct {
	seed    maphash.Seed
	slots   []uint64 // upper half of the hash, number+1; 0 is free
	entries []tableEntry
	arena   []byte
}

type tableEntry struct {
	begin, length uint32 // in arena
	last, count   uint32 // for use by the table's owner
}

func newTable() table { return table{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<10)} }

func (t *table) len() int { return len(t.entries) }

// reset empties the table and keeps its memory.
func (t *table) reset() {
	clear(t.slots)
	t.entries, t.arena = t.entries[:0], t.arena[:0]
}

// at returns the string with the given number.
func (t *table) at(number uint32) []byte {
	e := &t.entries[number]
	return t.arena[e.begin : e.begin+e.length]
}

// number returns the number of a string, and whether the string is new.
func (t *table) number(s []byte) (uint32, bool) { return t.find(maphash.Bytes(t.seed, s), s) }

func (t *table) find(hash uint64, s []byte) (uint32, bool) {
	slot := int(hash) & (len(t.slots) - 1)
	for ; t.slots[slot] != 0; slot = (slot + 1) & (len(t.slots) - 1) {
		if t.slots[slot]>>32 != hash>>32 {
			continue
		}
		if number := uint32(t.slots[slot]) - 1; string(t.at(number)) == string(s) {
			return number, false
		}
	}
	number := uint32(len(t.entries))
	t.slots[slot] = hash>>32<<32 | uint64(number+1)
	t.entries = append(t.entries, tableEntry{begin: uint32(len(t.arena)), length: uint32(len(s))})
	t.arena = append(t.arena, s...)
	if 2*len(t.entries) > len(t.slots) {
		t.grow()
	}
	return number, true
}

// wanted is a string that is numbered together with others.
type wanted struct {
	hash uint64
	end  int // where the string ends in the bytes of all strings
	seen uint64
}

// want appends to the list the string that begins in all where the last string of the list
// ends.
func (t *table) want(list []wanted, all []byte) []wanted {
	begin := 0
	if len(list) > 0 {
		begin = list[len(list)-1].end
	}
	return append(list, wanted{hash: maphash.Bytes(t.seed, all[begin:]), end: len(all)})
}

// numbers appends the numbers of several strings, and returns the approximate size of the
// new ones in bytes. A lookup waits for memory three times; when all strings are looked
// up step by step together, the waits overlap.
func (t *table) numbers(to []uint32, list []wanted, all []byte) (numbers []uint32, added int) {
	for i := range list {
		list[i].seen = t.slots[int(list[i].hash)&(len(t.slots)-1)]
	}
	for i, w := range list {
		if w.seen>>32 == w.hash>>32 {
			list[i].seen = uint64(t.entries[uint32(w.seen)-1].begin)
		} else {
			list[i].seen = 0
		}
	}
	for i, w := range list {
		if w.seen != 0 {
			list[i].seen = uint64(t.arena[w.seen])
		}
	}
	begin := 0
	for _, w := range list {
		number, unknown := t.find(w.hash, all[begin:w.end])
		if unknown {
			added += w.end - begin + 64
		}
		to = append(to, number)
		begin = w.end
	}
	return to, added
}

func (t *table) grow() {
	t.slots = make([]uint64, 2*len(t.slots))
	for number := range t.entries {
		hash := maphash.Bytes(t.seed, t.at(uint32(number)))
		slot := int(hash) & (len(t.slots) - 1)
		for t.slots[slot] != 0 {
			slot = (slot + 1) & (len(t.slots) - 1)
		}
		t.slots[slot] = hash>>32<<32 | uint64(number+1)
	}
}
