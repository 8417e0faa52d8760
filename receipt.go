package argus

import (
	"cmp"
	"maps"
	"slices"
)

// Receipt is the balanced account of one delivery: what was handed over and
// what became of it.
type Receipt struct {
	Delivery DeliveryNumber `json:"delivery"`
	Opening  Opening        `json:"opening"`
	Counts   Counts         `json:"counts"`
	Files    []FileAccount  `json:"files"`
	// Completeness is what is not among the messages.
	Completeness Completeness `json:"completeness"`
	// Seal is nil while the delivery is open.
	Seal *Seal `json:"seal,omitempty"`
}

// FileAccount is what became of one file of a delivery.
type FileAccount struct {
	Original Original `json:"original"`
	// Readers are those that read it, as name/version: several for an
	// archive, none for a file that no reader recognised.
	Readers []string `json:"readers,omitempty"`
	Counts  Counts   `json:"counts"`
	// Problems counts the quarantined pieces by reason, most frequent first.
	Problems []Tally `json:"problems,omitempty"`
}

// Tally is a word with how often it was counted.
type Tally struct {
	Value string `json:"value"`
	Count uint64 `json:"count"`
}

// maxReasons is the most different reasons that are told apart in a file.
const maxReasons = 20

// OtherReasons stands for the reasons beyond the most that are told apart.
const OtherReasons = "other reasons"

// Bookkeeper makes a delivery's receipt from its records, given in order.
type Bookkeeper struct {
	receipt Receipt
	first   uint64 // sequence number of the opening
	look    look
	place   map[uint64]int // of the file, by the sequence number of its record
	reasons []map[string]uint64
	// now and old are messages of earlier deliveries that this one has, too: the
	// last generation of mostSeen to twice as many.
	now, old map[uint64]struct{}
}

// mostSeen is how many messages of earlier deliveries are remembered.
const mostSeen = 1 << 18

// again says whether the delivery has had a copy of an earlier one's message.
func (b *Bookkeeper) again(of uint64) bool {
	_, now := b.now[of]
	_, old := b.old[of]
	if now || old {
		return true
	}
	if b.now == nil || len(b.now) >= mostSeen {
		b.now, b.old = map[uint64]struct{}{}, b.now
	}
	b.now[of] = struct{}{}
	return false
}

// Add counts a record.
func (b *Bookkeeper) Add(r *Record) {
	switch r.Kind {
	case KindOpening:
		b.receipt.Delivery, b.receipt.Opening, b.first = r.Delivery, *r.Opening, r.Seq
		return
	case KindOriginal, KindDerived:
		if b.place == nil {
			b.place = map[uint64]int{}
		}
		b.place[r.Seq] = len(b.receipt.Files)
		b.receipt.Files = append(b.receipt.Files, FileAccount{Original: *r.Original})
		b.reasons = append(b.reasons, nil)
		return
	case KindMessage, KindSighting, KindQuarantined, KindAttachment, KindStated, KindSealed, KindKey, KindOpened,
		KindWithdrawn, KindReleased, KindDestroyed, KindReading, KindAmendment:
	}
	b.receipt.Counts.Add(r)
	if r.Message != nil {
		b.look.add(r, r.Of >= max(b.first, 1) || r.Of > 0 && b.again(r.Of))
	}
	if r.Message != nil || r.Kind == KindQuarantined || r.Kind == KindSealed {
		b.look.item(r.Where)
	}
	at, ok := b.place[r.Where.Original]
	if !ok {
		return
	}
	file := &b.receipt.Files[at]
	if r.Kind == KindStated {
		b.look.stated(r.Stated, r.Where, file.Original.Path)
	}
	file.Counts.Add(r)
	if name := b.Reader(r.Where); name != "" && !slices.Contains(file.Readers, name) {
		file.Readers = append(file.Readers, name)
	}
	if r.Kind != KindQuarantined {
		return
	}
	if b.reasons[at] == nil {
		b.reasons[at] = map[string]uint64{}
	}
	reason := r.Quarantine.Reason
	if _, known := b.reasons[at][reason]; !known && len(b.reasons[at]) >= maxReasons {
		reason = OtherReasons
	}
	b.reasons[at][reason]++
}

// Reader names the reader that found a place, "" for none.
func (b *Bookkeeper) Reader(w Where) string {
	if i := int(w.Reader) - 1; i >= 0 && i < len(b.receipt.Opening.Readers) {
		return b.receipt.Opening.Readers[i]
	}
	return ""
}

// Counts is the account so far.
func (b *Bookkeeper) Counts() Counts { return b.receipt.Counts }

// Receipt returns the account of what was added, with the delivery's seal if
// there is one.
func (b *Bookkeeper) Receipt(seal *Seal) *Receipt {
	receipt := b.receipt
	receipt.Seal = seal
	receipt.Completeness = b.look.result()
	receipt.Files = slices.Clone(b.receipt.Files)
	for i := range receipt.Files {
		reasons := b.reasons[i]
		receipt.Files[i].Problems = slices.SortedFunc(tallies(reasons), func(a, b Tally) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
		})
	}
	return &receipt
}

func tallies(counts map[string]uint64) func(yield func(Tally) bool) {
	return func(yield func(Tally) bool) {
		for _, value := range slices.Sorted(maps.Keys(counts)) {
			if !yield(Tally{value, counts[value]}) {
				return
			}
		}
	}
}
