package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// A builder turns the records of the evidence, in order, into documents and facts.
type builder struct {
	evidence index.Evidence
	to       documents
	added    uint64 // the last record that was added
	// known and knownOld are two generations of messages with several copies; pending
	// holds those with something new to write.
	known, knownOld, pending map[argus.ID]*known
	// held is the approximate size in bytes of the new copies of pending messages plus
	// that of their documents already written.
	held, again int
	// replaced, if set, is called when documents are replaced, with their asOf record
	// and their copies.
	replaced func(asOf uint64, copies []*argus.Record)
}

// documents receives the output of a builder.
type documents interface {
	// addCopy takes a complete copy of a message.
	addCopy(r *argus.Record)
	// addGroup takes the differing copies of a message, as one message with the
	// given asOf record.
	addGroup(asOf uint64, copies []*argus.Record)
	// addFact takes a fact about a document.
	addFact(fact argus.DeliveryNumber, number uint64)
}

func newBuilder(evidence index.Evidence, to documents) builder {
	return builder{evidence: evidence, to: to, known: map[argus.ID]*known{}, pending: map[argus.ID]*known{}}
}

// known is the state of a message with several copies.
type known struct {
	// statements has the record of each document by its statement.
	statements map[[16]byte]uint64
	asOf       uint64
	bytes      int // size of the documents' records
	// seen holds the late facts about the documents.
	seen map[seenIn]bool
}

// says adds a record's document.
func (k *known) says(statement [16]byte, r *argus.Record) {
	k.statements[statement], k.asOf = r.Seq, r.Seq
	k.bytes += r.Size()
}

// seenIn records that a document was seen again in a delivery.
type seenIn struct {
	delivery argus.DeliveryNumber
	seq      uint64
}

// mostKnown is the maximum number of messages in a generation of known, and of pending
// messages.
const mostKnown = 1 << 16

// add takes the next record.
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

// addAgain takes another copy of a known message. A copy with no new content or statement
// becomes a late fact; otherwise the whole message is rewritten.
func (b *builder) addAgain(ctx context.Context, r *argus.Record) error {
	k, err := b.know(ctx, r)
	if err != nil {
		return err
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
	if id := r.MessageID(); b.pending[id] == nil {
		if len(k.statements) > 0 {
			if err := b.replace(ctx, k); err != nil {
				return err
			}
		}
		b.pending[id] = k
	}
	k.says(says, whole)
	b.held += whole.Size()
	return nil
}

// know returns the state that a copy's message had before that copy.
func (b *builder) know(ctx context.Context, r *argus.Record) (*known, error) {
	id := r.MessageID()
	for _, of := range [...]map[argus.ID]*known{b.pending, b.known, b.knownOld} {
		if k := of[id]; k != nil {
			return k, nil
		}
	}
	k, err := b.recall(ctx, id, r.Seq)
	if err != nil {
		return nil, err
	}
	if len(b.known) >= mostKnown {
		b.known, b.knownOld = map[argus.ID]*known{}, b.known
	}
	b.known[id] = k
	return k, nil
}

// replace records that the documents of a message are replaced.
func (b *builder) replace(ctx context.Context, k *known) error {
	b.to.addFact(factReplaced, k.asOf)
	b.again += k.bytes
	if b.replaced == nil {
		return nil
	}
	copies, err := b.copies(ctx, k)
	if err == nil {
		b.replaced(k.asOf, copies)
	}
	return err
}

// full reports whether it is time to write. size is the number of bytes added, not
// counting the pending messages. A message is rewritten with all its documents, so the
// more documents there are, the longer the wait for new ones.
func (b *builder) full(size, most int) bool {
	return size+b.held >= max(most, b.again) || len(b.pending) >= mostKnown
}

// sees records that a document was seen in a delivery, and reports whether that is new.
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

func (b *builder) whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := b.evidence.Whole(ctx, seq)
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	return r, nil
}

// copies reads the records of the documents of a message, in order.
func (b *builder) copies(ctx context.Context, k *known) (list []*argus.Record, err error) {
	for _, seq := range slices.Sorted(maps.Values(k.statements)) {
		r, err := b.whole(ctx, seq)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// addPending adds the groups that have to be written, and calls added after each.
func (b *builder) addPending(ctx context.Context, added func() error) error {
	for id, k := range b.pending {
		copies, err := b.copies(ctx, k)
		if err != nil {
			return err
		}
		b.to.addGroup(k.asOf, copies)
		delete(b.pending, id)
		if err := added(); err != nil {
			return err
		}
	}
	b.held, b.again = 0, 0
	return nil
}

// recall finds the documents of a message from those of its copies that precede a record.
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
		k.says(says, r)
	}
	return k, nil
}

// statement identifies everything that a query can ask about a complete copy. Copies
// of a message with the same statement are one document.
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
	for _, accounts := range [][]string{slices.Clone(m.To), slices.Collect(m.Facts.Accounts)} {
		slices.Sort(accounts)
		accounts = slices.Compact(accounts)
		b = binary.AppendUvarint(b, uint64(len(accounts)))
		for _, account := range accounts {
			str(account)
		}
	}
	for i := range m.Extra {
		if f := &m.Extra[i]; entity.Reads(f) {
			str(f.Name)
			str(f.Value)
		}
	}
	all := sha256.Sum256(b)
	copy(sum[:], all[:])
	return sum
}
