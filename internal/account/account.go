// Package account makes the receipt of a delivery from its records: the account
// that must balance, and the gaps in them.
//
// A receipt depends only on the records of its delivery, in their order, and is made
// in bounded memory. It does not judge: a gap is a question for the source.
package account

import (
	"cmp"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// maxReasons is the maximum number of different reasons for one file, and maxRemarks the
// maximum number of different fields not understood or values assumed.
const (
	maxReasons = 20
	maxRemarks = 200
)

// Bookkeeper makes the receipt of a delivery from its records, given in order.
type Bookkeeper struct {
	receipt argus.Receipt
	first   uint64 // sequence number of the opening
	look    look
	place   map[uint64]int // of the file, by the sequence number of its record
	// reasons counts the quarantined pieces of each file by reason, remarks the messages
	// with a field that was not understood or was assumed.
	reasons, remarks []map[string]*reason
	// now and old are the messages of earlier deliveries that this one has as well: the last
	// ones, between mostSeen and twice as many.
	now, old map[argus.ID]struct{}
}

// mostSeen is the minimum number of messages of earlier deliveries that are remembered.
const mostSeen = 1 << 18

// again reports whether the delivery has already had a copy of this message, which is from
// an earlier delivery.
func (b *Bookkeeper) again(id argus.ID) bool {
	_, now := b.now[id]
	_, old := b.old[id]
	if now || old {
		return true
	}
	if b.now == nil || len(b.now) >= mostSeen {
		b.now, b.old = map[argus.ID]struct{}{}, b.now
	}
	b.now[id] = struct{}{}
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
	case argus.KindSealed:
		return // to everyone but the judge, it looks as if there were no such record
	case argus.KindMessage, argus.KindSighting, argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindKey,
		argus.KindOpened, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindReading, argus.KindAmendment:
	}
	b.receipt.Counts.Add(r)
	if r.Message != nil {
		b.look.add(r, r.Of >= max(b.first, 1) || r.Of > 0 && b.again(r.MessageID()))
	}
	if r.Message != nil || r.Kind == argus.KindQuarantined {
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
	by := b.Reader(r.Where)
	if by != "" && !slices.Contains(file.Readers, by) {
		file.Readers = append(file.Readers, by)
	}
	if r.Message != nil {
		for _, x := range r.Message.Extra {
			if x.Name == argus.ExtraUnread || x.Name == argus.ExtraAssumed {
				field, _, _ := strings.Cut(x.Value, ": ")
				what := x.Name + ": " + strings.ToValidUTF8(field[:min(len(field), 64)], "") + " (" + by + ")"
				tally(&b.remarks[at], maxRemarks, what, what, by)
			}
		}
	}
	if r.Kind == argus.KindQuarantined {
		tally(&b.reasons[at], maxReasons, reasonKind(r.Quarantine.Reason), r.Quarantine.Reason, by)
	}
}

// reason is the reason for quarantined pieces: the text for the first piece, whether the other
// pieces had the same text, and the readers.
type reason struct {
	words   string
	same    bool
	readers []string
	count   uint64
}

// tally counts a reason under its kind; no more than the given number of kinds are counted.
func tally(reasons *map[string]*reason, most int, kind, words, reader string) {
	if *reasons == nil {
		*reasons = map[string]*reason{}
	}
	one := (*reasons)[kind]
	if one == nil && len(*reasons) >= most {
		kind, words = argus.OtherReasons, argus.OtherReasons
		one = (*reasons)[kind]
	}
	if one == nil {
		one = &reason{words: words, same: true}
		(*reasons)[kind] = one
	}
	one.same = one.same && one.words == words
	if reader != "" && !slices.Contains(one.readers, reader) {
		one.readers = append(one.readers, reader)
	}
	one.count++
}

// reasonKind returns a reason with … instead of its numbers and quoted text, so that pieces
// with the same defect in different positions are counted together.
func reasonKind(words string) string {
	var out strings.Builder
	for i := 0; i < len(words); i++ {
		switch c := words[i]; {
		case c == '"' && strings.IndexByte(words[i+1:], '"') >= 0:
			i += 1 + strings.IndexByte(words[i+1:], '"')
			out.WriteString(`"…"`)
		case '0' <= c && c <= '9':
			for i+1 < len(words) && '0' <= words[i+1] && words[i+1] <= '9' {
				i++
			}
			out.WriteString("…")
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// Reader returns the name of the reader that found a piece, or "" if there is none.
func (b *Bookkeeper) Reader(w argus.Where) string {
	if i := int(w.Reader) - 1; i >= 0 && i < len(b.receipt.Opening.Readers) {
		return b.receipt.Opening.Readers[i]
	}
	return ""
}

// Counts returns the account so far.
func (b *Bookkeeper) Counts() argus.Counts { return b.receipt.Counts }

// Receipt returns the account of the added records, with the delivery's seal if
// there is one.
func (b *Bookkeeper) Receipt(seal *argus.Seal) *argus.Receipt {
	receipt := b.receipt
	receipt.Seal = seal
	receipt.Completeness = b.look.result()
	receipt.Files = slices.Clone(b.receipt.Files)
	for i := range receipt.Files {
		receipt.Files[i].Problems = tallies(b.reasons[i])
		for _, r := range tallies(b.remarks[i]) {
			receipt.Files[i].Remarks = append(receipt.Files[i].Remarks, argus.Tally{Value: r.Value, Count: r.Count})
		}
	}
	return &receipt
}

// tallies returns the reasons for a file, most frequent first.
func tallies(reasons map[string]*reason) (list []argus.Reason) {
	for kind, reason := range reasons {
		one := argus.Reason{Value: kind, Reader: strings.Join(reason.readers, " "), Count: reason.count}
		if reason.same {
			one.Value = reason.words
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b argus.Reason) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return list
}
