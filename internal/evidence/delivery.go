package evidence

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
)

// Delivery is one hand-over, open or sealed.
type Delivery struct {
	Number  argus.DeliveryNumber
	Opening argus.Opening
	// First is the sequence number of the record that opens it.
	First uint64
	// Records counts its records so far.
	Records uint64
	// Seal is nil while the delivery is open.
	Seal *argus.Seal
	// Reads is the delivery that this one reads again, and ReadAgain the newest
	// reading that took the place of this one; 0 for none. [Current] knows them.
	Reads, ReadAgain argus.DeliveryNumber
}

// openDelivery gathers what a seal says.
type openDelivery struct {
	seal      argus.Seal
	records   uint64
	tree      *compact.Range
	nodes     []byte // hashes of layout.TreeLevel, in order
	originals *compact.Range
	readers   [256]bool     // which found something, by their place from 1
	roots     [2]argus.Hash // over the first record, and over the first two
}

// Begun is what a delivery was opened with.
type Begun struct {
	// Root is the Merkle tree hash, as in a seal, over the records of its opening:
	// the first one, and of a reading the second one, which says of what.
	Root argus.Hash
	// More says that further records follow.
	More bool
}

func (d *openDelivery) begun() Begun {
	n := 1
	if d.seal.Opening.Sort == argus.OpeningReading {
		n = 2
	}
	return Begun{d.roots[n-1], d.records > uint64(n)}
}

// Begun returns what an open delivery was opened with; argus.ErrNotFound if none of
// that number is open.
func (s *Store) Begun(d argus.DeliveryNumber) (Begun, error) {
	if s.writer == nil {
		return Begun{}, fmt.Errorf("look at delivery %s: the store is open for reading only", d)
	}
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	open := s.writer.deliveries[d]
	if open == nil {
		return Begun{}, fmt.Errorf("look at delivery %s: %w", d, argus.ErrNotFound)
	}
	return open.begun(), nil
}

var trees = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

func newOpenDelivery(d argus.DeliveryNumber) *openDelivery {
	return &openDelivery{seal: argus.Seal{Delivery: d}, tree: trees.NewEmptyRange(0), originals: trees.NewEmptyRange(0)}
}

// add counts a record and its leaf.
func (d *openDelivery) add(r *argus.Record, p *proof) error {
	s := &d.seal
	kind := r.Kind
	if r.Gone&argus.GoneStatement != 0 {
		kind = r.Was.Kind
	}
	switch kind {
	case argus.KindOpening:
		s.Opening = *r.Opening
	case argus.KindOriginal, argus.KindDerived:
		if err := d.original(p); err != nil {
			return err
		}
	case argus.KindMessage, argus.KindSighting:
		if r.Message == nil {
			break // it is gone
		}
		if sent := r.Message.Sent; sent.Known() {
			if !s.First.Known() || sent.Micros < s.First.Micros {
				s.First = sent
			}
			if !s.Last.Known() || sent.Micros > s.Last.Micros {
				s.Last = sent
			}
			s.DeviceClocks = s.DeviceClocks || sent.Clock != argus.ClockService
		}
	case argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindSealed, argus.KindKey, argus.KindOpened,
		argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindReading, argus.KindAmendment:
	}
	s.Counts.Add(r)
	d.readers[r.Where.Reader] = true
	d.records++
	leaf := p.leaf()
	err := d.tree.Append(leaf[:], func(id compact.NodeID, hash []byte) {
		if id.Level == layout.TreeLevel {
			d.nodes = append(d.nodes, hash...)
		}
	})
	if err != nil || d.records > uint64(len(d.roots)) {
		return err
	}
	root, err := d.tree.GetRootHash(nil)
	copy(d.roots[d.records-1][:], root)
	return err
}

// original counts an original.
func (d *openDelivery) original(p *proof) error {
	d.seal.Originals++
	return d.originals.Append(rfc6962.DefaultHasher.HashLeaf(p.statement[:]), nil)
}

// close fills in what the seal says of the whole.
func (d *openDelivery) close() error {
	d.seal.Records = d.records
	d.seal.ReadBy = nil
	for i, name := range d.seal.Opening.Readers {
		if i+1 < len(d.readers) && d.readers[i+1] {
			d.seal.ReadBy = append(d.seal.ReadBy, name)
		}
	}
	root, err := d.tree.GetRootHash(nil)
	if err != nil {
		return err
	}
	copy(d.seal.Root[:], root)
	if d.seal.Originals == 0 {
		copy(d.seal.OriginalsRoot[:], rfc6962.DefaultHasher.EmptyRoot())
	} else if root, err = d.originals.GetRootHash(nil); err != nil {
		return err
	} else {
		copy(d.seal.OriginalsRoot[:], root)
	}
	return d.seal.Check()
}

// add counts the records of a batch that has become durable.
func (w *writer) add(q *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.opening {
		w.deliveries[q.delivery] = newOpenDelivery(q.delivery)
		w.last = q.delivery
	}
	d := w.deliveries[q.delivery]
	for _, b := range q.blocks {
		for i, r := range b.records {
			if err := d.add(r, &b.proofs[i]); err != nil {
				panic("merkle tree: " + err.Error()) // only a range of the wrong begin can fail
			}
		}
	}
}

// openDeliveries rebuilds what is known of the deliveries without a seal.
func (s *Store) openDeliveries(w *writer) error {
	var hasher argus.Hasher
	for d := range s.spans() {
		w.last = max(w.last, d)
		if _, err := s.readSeal(d); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		open := newOpenDelivery(d)
		for _, ref := range s.blocks {
			if ref.delivery != d {
				continue
			}
			if err := s.reopen(open, ref, &hasher); err != nil {
				return fmt.Errorf("open delivery %s: %w", d, err)
			}
		}
		w.deliveries[d] = open
	}
	return nil
}

// reopen adds the records of a block to a delivery.
func (s *Store) reopen(open *openDelivery, ref blockRef, hasher *argus.Hasher) error {
	b, err := s.readBlock(ref, s.segments[ref.segment-1])
	if err != nil {
		return err
	}
	for i := range b.statements {
		r, err := b.record(i, hasher)
		if err != nil {
			return err
		}
		p := b.proof(i, r)
		if err := open.add(r, &p); err != nil {
			return err
		}
	}
	return nil
}

type span struct{ first, records uint64 }

// spans returns where each delivery begins and how many records it has.
func (s *Store) spans() map[argus.DeliveryNumber]span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	spans := map[argus.DeliveryNumber]span{}
	for _, b := range s.blocks {
		at, ok := spans[b.delivery]
		if !ok {
			at.first = b.first
		}
		at.records += uint64(b.count)
		spans[b.delivery] = at
	}
	return spans
}

// Deliveries returns all deliveries in the order of their numbers.
func (s *Store) Deliveries(ctx context.Context) ([]Delivery, error) {
	var list []Delivery
	for number, at := range s.spans() {
		opening, err := s.Get(ctx, at.first)
		if err != nil {
			return nil, fmt.Errorf("read delivery %s: %w", number, err)
		}
		if opening.Opening == nil {
			return nil, fmt.Errorf("read delivery %s: %w: it begins with a record of kind %s", number, argus.ErrDamaged, opening.Kind)
		}
		d := Delivery{Number: number, Opening: *opening.Opening, First: at.first, Records: at.records}
		if d.Seal, err = s.readSeal(number); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Delivery) int { return int(a.Number) - int(b.Number) })
	return list, nil
}

// LastSeal returns the seal that was made last, nil if there is none.
func (s *Store) LastSeal() (last *argus.Seal, err error) {
	for d := range s.spans() {
		seal, err := s.readSeal(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if last == nil || CompareSeals(last, seal) < 0 {
			last = seal
		}
	}
	return last, nil
}

// CompareSeals orders seals as they were made: each is in the ledger before the next one
// is made, so that the ledger which they name grows. Those of before that are in the order
// of their deliveries, which were sealed one after the other.
func CompareSeals(a, b *argus.Seal) int {
	return cmp.Or(cmp.Compare(a.Ledger.Entries, b.Ledger.Entries), cmp.Compare(a.Delivery, b.Delivery))
}

// Sealed says whether a delivery has a seal.
func (s *Store) Sealed(d argus.DeliveryNumber) (bool, error) {
	_, err := s.SealText(d)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// SealText returns a delivery's seal as it was signed.
func (s *Store) SealText(d argus.DeliveryNumber) ([]byte, error) {
	data, err := readFile(s.disk, s.path(layout.Seal(d)))
	if err != nil {
		return nil, fmt.Errorf("read seal: %w", err)
	}
	return data, nil
}

func (s *Store) readSeal(d argus.DeliveryNumber) (*argus.Seal, error) {
	data, err := s.SealText(d)
	if err != nil {
		return nil, err
	}
	seal, err := parseSeal(string(data))
	if err != nil {
		return nil, fmt.Errorf("read seal %s: %w", layout.Seal(d), err)
	}
	return seal, nil
}

const sealHead = "argus-seal/v1\n"

// parseSeal reads a seal's text without looking at its signature.
func parseSeal(text string) (*argus.Seal, error) {
	body, ok := strings.CutPrefix(text, sealHead)
	if !ok {
		return nil, fmt.Errorf("%w: want %q in the first line", argus.ErrDamaged, strings.TrimSpace(sealHead))
	}
	seal := new(argus.Seal)
	if err := json.NewDecoder(strings.NewReader(body)).Decode(seal); err != nil {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return seal, nil
}

func sealNoteText(seal *argus.Seal) (string, error) {
	body, err := json.MarshalIndent(seal, "", "  ")
	if err != nil {
		return "", err
	}
	return sealHead + string(body) + "\n", nil
}

// Seal closes a delivery: nothing can be added to it, and a change of anything
// in it contradicts the signature. A reason marks a delivery that was given up
// before its end. All of the delivery's Append calls have returned before.
func (s *Store) Seal(ctx context.Context, d argus.DeliveryNumber, store string, signer note.Signer, now time.Time, incomplete string) (*argus.Seal, error) {
	if s.writer == nil {
		return nil, fmt.Errorf("seal delivery %s: the store is open for reading only", d)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := s.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	open := w.deliveries[d]
	if open == nil {
		return nil, fmt.Errorf("seal delivery %s: it is not open", d)
	}
	if err := open.close(); err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	seal := open.seal
	seal.Store, seal.Sealed, seal.Incomplete = store, now.UTC().Truncate(time.Second), strings.ToValidUTF8(incomplete, "\uFFFD")
	if s.opt.Ledger != nil {
		head, err := s.opt.Ledger()
		if err != nil {
			return nil, fmt.Errorf("seal delivery %s: read the ledger: %w", d, err)
		}
		seal.Ledger = head
	}
	text, err := sealNoteText(&seal)
	if err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("seal delivery %s: sign: %w", d, err)
	}
	s.opt.Failpoint("seal.before-tree")
	if err := durable.Replace(s.disk, s.path(layout.Tree(d)), open.nodes); err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	s.opt.Failpoint("seal.before-seal")
	if err := durable.Replace(s.disk, s.path(layout.Seal(d)), signed); err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	s.opt.Failpoint("seal.sealed")
	delete(w.deliveries, d)
	return &seal, nil
}
