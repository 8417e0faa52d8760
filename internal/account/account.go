// Package account makes the receipt of a delivery from its records: the account
// that has to balance, and what is not among them.
//
// A receipt depends on the records of its delivery alone, given in their order, and
// is made in bounded memory. It judges nothing: what is missing is a finding to ask
// the source about.
package account

import (
	"cmp"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// maxReasons is the most different reasons, and remarks, that are told apart in a file.
const maxReasons = 20

// Bookkeeper makes a delivery's receipt from its records, given in order.
type Bookkeeper struct {
	receipt argus.Receipt
	first   uint64 // sequence number of the opening
	look    look
	place   map[uint64]int // of the file, by the sequence number of its record
	reasons []map[string]uint64
	remarks []map[string]uint64
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
func (b *Bookkeeper) Add(r *argus.Record) {
	switch r.Kind {
	case argus.KindOpening:
		b.receipt.Delivery, b.receipt.Opening, b.first = r.Delivery, *r.Opening, r.Seq
		return
	case argus.KindOriginal, argus.KindDerived:
		if b.place == nil {
			b.place = map[uint64]int{}
		}
		b.place[r.Seq] = len(b.receipt.Files)
		b.receipt.Files = append(b.receipt.Files, argus.FileAccount{Original: *r.Original})
		b.reasons, b.remarks = append(b.reasons, nil), append(b.remarks, nil)
		return
	case argus.KindMessage, argus.KindSighting, argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindSealed, argus.KindKey,
		argus.KindOpened, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindReading, argus.KindAmendment:
	}
	b.receipt.Counts.Add(r)
	if r.Message != nil {
		b.look.add(r, r.Of >= max(b.first, 1) || r.Of > 0 && b.again(r.Of))
	}
	if r.Message != nil || r.Kind == argus.KindQuarantined || r.Kind == argus.KindSealed {
		b.look.item(r.Where)
	}
	at, ok := b.place[r.Where.Original]
	if !ok {
		return
	}
	file := &b.receipt.Files[at]
	if r.Kind == argus.KindStated {
		b.look.stated(r.Stated, r.Where, file.Original.Path)
	}
	file.Counts.Add(r)
	name := b.Reader(r.Where)
	if name != "" && !slices.Contains(file.Readers, name) {
		file.Readers = append(file.Readers, name)
	}
	if r.Kind == argus.KindQuarantined {
		count(&b.reasons[at], r.Quarantine.Reason)
	}
	if r.Message == nil {
		return
	}
	for _, x := range r.Message.Extra {
		if x.Name == argus.ExtraUnread || x.Name == argus.ExtraAssumed {
			field, _, _ := strings.Cut(x.Value, ": ")
			count(&b.remarks[at], x.Name+": "+field[:min(len(field), 64)]+" ("+name+")")
		}
	}
}

// count counts a reason or a remark.
func count(counts *map[string]uint64, what string) {
	if *counts == nil {
		*counts = map[string]uint64{}
	}
	if _, known := (*counts)[what]; !known && len(*counts) >= maxReasons {
		what = argus.OtherReasons
	}
	(*counts)[what]++
}

// Reader names the reader that found a place, "" for none.
func (b *Bookkeeper) Reader(w argus.Where) string {
	if i := int(w.Reader) - 1; i >= 0 && i < len(b.receipt.Opening.Readers) {
		return b.receipt.Opening.Readers[i]
	}
	return ""
}

// Counts is the account so far.
func (b *Bookkeeper) Counts() argus.Counts { return b.receipt.Counts }

// Receipt returns the account of what was added, with the delivery's seal if
// there is one.
func (b *Bookkeeper) Receipt(seal *argus.Seal) *argus.Receipt {
	receipt := b.receipt
	receipt.Seal = seal
	receipt.Completeness = b.look.result()
	receipt.Files = slices.Clone(b.receipt.Files)
	for i := range receipt.Files {
		receipt.Files[i].Problems, receipt.Files[i].Remarks = tallies(b.reasons[i]), tallies(b.remarks[i])
	}
	return &receipt
}

// tallies lists what was counted, most frequent first.
func tallies(counts map[string]uint64) []argus.Tally {
	var list []argus.Tally
	for value, n := range counts {
		list = append(list, argus.Tally{Value: value, Count: n})
	}
	slices.SortFunc(list, func(a, b argus.Tally) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list
}
