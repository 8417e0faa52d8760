package embedded

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
)

// lateFacts are facts that arrived after the documents that they are about: the sequence
// numbers of copies that were seen again in a delivery or removed, or of the asOf records
// of replaced documents. They are in the segment that was being filled when they arrived.
type lateFacts struct {
	delivery argus.DeliveryNumber // or factReplaced, or factRemoved
	high     uint32               // upper half of the sequence numbers
	low      *roaring.Bitmap      // lower halves
}

// Values of delivery for facts that have no delivery.
const (
	factReplaced argus.DeliveryNumber = 0
	factRemoved  argus.DeliveryNumber = math.MaxUint32
)

// addLate adds a fact about the message with a sequence number.
func addLate(late []lateFacts, delivery argus.DeliveryNumber, seq uint64) []lateFacts {
	at, found := findLate(late, delivery, uint32(seq>>32))
	if !found {
		late = slices.Insert(late, at, lateFacts{delivery, uint32(seq >> 32), roaring.New()})
	}
	late[at].low.Add(uint32(seq))
	return late
}

// mergeLate adds others to late. It does not change others.
func mergeLate(late, others []lateFacts) []lateFacts {
	for _, other := range others {
		at, found := findLate(late, other.delivery, other.high)
		if !found {
			late = slices.Insert(late, at, lateFacts{other.delivery, other.high, roaring.New()})
		}
		late[at].low.Or(other.low)
	}
	return late
}

func findLate(late []lateFacts, delivery argus.DeliveryNumber, high uint32) (int, bool) {
	return slices.BinarySearchFunc(late, lateFacts{delivery: delivery, high: high}, func(a, b lateFacts) int {
		return cmp.Or(cmp.Compare(a.delivery, b.delivery), cmp.Compare(a.high, b.high))
	})
}

func writeLate(out *output, late []lateFacts) {
	out.uvarint(uint64(len(late)))
	for _, f := range late {
		f.low.RunOptimize()
		out.uvarint(uint64(f.delivery))
		out.uvarint(uint64(f.high))
		out.uvarint(f.low.GetSerializedSizeInBytes())
		if _, err := f.low.WriteTo(out); err != nil && out.err == nil {
			out.err = err
		}
	}
}

func parseLate(data []byte) ([]lateFacts, error) {
	number := func(limit uint64) uint64 {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > limit {
			panic(malformed("late facts are truncated"))
		}
		data = data[size:]
		return n
	}
	var late []lateFacts
	for range number(uint64(len(data))) {
		f := lateFacts{argus.DeliveryNumber(number(1<<32 - 1)), uint32(number(1<<32 - 1)), roaring.New()}
		size := number(uint64(len(data)))
		if size > uint64(len(data)) {
			return nil, malformed("late facts are truncated")
		}
		if err := readBitmap("read late facts", f.low, data[:size]); err != nil {
			return nil, err
		}
		late, data = append(late, f), data[size:]
	}
	return late, nil
}

// about reports whether there is a fact about any message numbered first to last.
func (f *lateFacts) about(first, last uint64) bool {
	if f.low.IsEmpty() {
		return false
	}
	high := uint64(f.high) << 32
	return high|uint64(f.low.Minimum()) <= last && high|uint64(f.low.Maximum()) >= first
}
