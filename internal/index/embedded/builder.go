package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A builder makes documents and facts of the records of the evidence, in their order.
type builder struct {
	evidence index.Evidence
	to       documents
	added    uint64 // the last record
	held     int    // about what is pending takes, in bytes
	// known are messages of which several copies came, and pending those of them
	// of which something new is to be written.
	known, pending map[argus.ID]*known
	// replaced, if set, is told of documents that others take the place of: as of
	// which record they are, and their copies.
	replaced func(asOf uint64, copies []*argus.Record)
}

// documents is where a builder puts what it makes.
type documents interface {
	// addCopy takes a copy of a message, with everything that it says.
	addCopy(r *argus.Record)
	// addGroup takes the copies of a message that say different things. They are one
	// message as of a record.
	addGroup(asOf uint64, copies []*argus.Record)
	// addFact notes a fact about a document.
	addFact(fact argus.DeliveryNumber, number uint64)
}

func newBuilder(evidence index.Evidence, to documents) builder {
	return builder{evidence: evidence, to: to, known: map[argus.ID]*known{}, pending: map[argus.ID]*known{}}
}

// known is what the index knows of a message with several copies.
type known struct {
	// statements has the record of each document by what it says.
	statements map[[16]byte]uint64
	asOf       uint64
	// seen are the late facts that there are of the documents.
	seen map[seenIn]bool
	// pending are the copies of a group that is to be written, nil if there is
	// nothing new.
	pending []*argus.Record
}

// seenIn says that a document was seen again in a delivery.
type seenIn struct {
	delivery argus.DeliveryNumber
	seq      uint64
}

// mostKnown is how many messages with several copies are remembered.
const mostKnown = 1 << 16

// add takes the record that follows.
func (b *builder) add(ctx context.Context, r *argus.Record) error {
	if r.Seq != b.added+1 {
		return fmt.Errorf("record %d does not follow record %d", r.Seq, b.added)
	}
	if r.Kind == argus.KindMessage && r.Message == nil {
		return fmt.Errorf("record %d has no message", r.Seq)
	}
	switch {
	case r.Kind == argus.KindMessage && r.Of == 0:
		b.to.addCopy(r)
	case r.Kind == argus.KindMessage || r.Kind == argus.KindSighting:
		if err := b.addAgain(ctx, r); err != nil {
			return err
		}
	}
	b.added = r.Seq
	return nil
}

// addAgain takes another copy of a known message. One that says nothing new is a
// late fact; with one that says more, its message is written anew.
func (b *builder) addAgain(ctx context.Context, r *argus.Record) error {
	id := r.MessageID()
	k := b.known[id]
	if k == nil {
		var err error
		if k, err = b.recall(ctx, id, r.Seq); err != nil {
			return err
		}
		if len(b.known) >= mostKnown {
			for other, k := range b.known {
				if k.pending == nil {
					delete(b.known, other)
				}
			}
		}
		b.known[id] = k
	}
	whole, err := b.whole(ctx, r.Seq)
	if err != nil {
		return err
	}
	says := statement(whole)
	if seq, again := k.statements[says]; again {
		if k.sees(r.Delivery, seq) {
			b.to.addFact(r.Delivery, seq)
		}
		return nil
	}
	if k.pending == nil && len(k.statements) > 0 {
		if err := b.rewrite(ctx, k); err != nil {
			return err
		}
	}
	b.pend(k, whole)
	k.statements[says], k.asOf = r.Seq, r.Seq
	b.pending[id] = k
	return nil
}

// sees notes that a document was seen in a delivery, and says whether that is new.
func (k *known) sees(in argus.DeliveryNumber, seq uint64) bool {
	fact := seenIn{in, seq}
	if k.seen[fact] {
		return false
	}
	if k.seen == nil {
		k.seen = map[seenIn]bool{}
	}
	k.seen[fact] = true
	return true
}

// rewrite takes the documents of a message back, to write them anew.
func (b *builder) rewrite(ctx context.Context, k *known) error {
	b.to.addFact(factReplaced, k.asOf)
	for _, seq := range sortedValues(k.statements) {
		before, err := b.whole(ctx, seq)
		if err != nil {
			return err
		}
		b.pend(k, before)
	}
	if b.replaced != nil {
		b.replaced(k.asOf, k.pending)
	}
	return nil
}

func (b *builder) whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := b.evidence.Whole(ctx, seq)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	return r, nil
}

func sortedValues(of map[[16]byte]uint64) (list []uint64) {
	for _, n := range of {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

// pend adds a copy to a group that is to be written.
func (b *builder) pend(k *known, r *argus.Record) {
	k.pending = append(k.pending, r)
	b.held += r.Size()
}

// addPending adds the groups that are to be written.
func (b *builder) addPending() {
	b.held = 0
	for id, k := range b.pending {
		b.to.addGroup(k.asOf, k.pending)
		k.pending = nil
		delete(b.pending, id)
	}
}

// recall reads which documents there are of a message, by its copies before a
// record.
func (b *builder) recall(ctx context.Context, id argus.ID, before uint64) (*known, error) {
	if b.evidence == nil {
		return nil, fmt.Errorf("record %d is a copy of a message, and the index was opened without the evidence", before)
	}
	k := &known{statements: map[[16]byte]uint64{}}
	copies, err := b.evidence.Copies(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find the copies of message %s: %w", id, err)
	}
	for _, seq := range copies {
		if seq >= before {
			break
		}
		r, err := b.whole(ctx, seq)
		if err != nil {
			return nil, err
		}
		says := statement(r)
		if first, again := k.statements[says]; again {
			k.sees(r.Delivery, first)
			continue
		}
		k.statements[says], k.asOf = seq, seq
	}
	return k, nil
}

// statement names what a query can ask of a whole copy. Copies of a message with
// the same are one document.
func statement(r *argus.Record) (sum [16]byte) {
	m := r.Message
	var b []byte
	str := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = append(append(b, r.ID[:]...), r.Version[:]...)
	for _, s := range []string{m.FromName, m.Title, m.Lang, m.Text} {
		str(s)
	}
	b = append(b, byte(m.State), byte(m.Type), query.Quality(&m.Sent))
	for _, is := range []bool{m.ReplyTo != "", m.ForwardedFrom != "", len(m.Attachments) > 0, m.Sent.Known()} {
		if is {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	b = binary.AppendVarint(b, m.Sent.Micros)
	b = binary.AppendUvarint(b, m.Sequence)
	to := slices.Clone(m.To)
	slices.Sort(to)
	for _, account := range slices.Compact(to) {
		str(account)
	}
	all := sha256.Sum256(b)
	copy(sum[:], all[:])
	return sum
}
