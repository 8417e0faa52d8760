package evidence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
	"github.com/argus-evidence/argus/internal/layout"
)

// Delivery is one hand-over, open or sealed.
type Delivery struct {
	Number  argus.DeliveryNumber
	Opening argus.Opening
	// First is the sequence number of the record that opens it.
	First uint64
	// Records is the number of its records so far.
	Records uint64
	// Seal is nil while the delivery is open.
	Seal *argus.Seal
	// Reads is the delivery that this one reads again, and ReadAgain the newest reading
	// that replaced this one, or 0 for none. Only [Current] sets them.
	Reads, ReadAgain argus.DeliveryNumber
}

// Begun is the opening of a delivery.
type Begun = sealing.Begun

// Begun returns the opening of an open delivery. The error is argus.ErrNotFound if no
// delivery with that number is open.
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
	return open.Begun(), nil
}

// add counts the records of a batch that is now durable.
func (w *writer) add(q *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.opening {
		w.deliveries[q.delivery] = sealing.New(q.delivery)
		w.last = q.delivery
	}
	d := w.deliveries[q.delivery]
	for _, b := range q.blocks {
		for i, r := range b.Records {
			p := &b.Proofs[i]
			if err := d.Add(r, p.Leaf(), p.Statement); err != nil {
				panic("merkle tree: " + err.Error()) // only a range with the wrong start can fail
			}
		}
	}
}

// openDeliveries rebuilds the drafts of the deliveries that have no seal.
func (s *Store) openDeliveries(w *writer) error {
	var hasher argus.Hasher
	for d := range s.spans() {
		w.last = max(w.last, d)
		if _, err := s.readSeal(d); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		open := sealing.New(d)
		for _, ref := range s.blocks {
			if ref.Delivery != d {
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
func (s *Store) reopen(open *sealing.Draft, ref form.Ref, hasher *argus.Hasher) error {
	b, err := s.readBlock(ref, s.segments[ref.Segment-1])
	if err != nil {
		return err
	}
	for i := range b.Len() {
		r, err := b.Record(i, hasher)
		if err != nil {
			return err
		}
		p := b.Proof(i, r)
		if err := open.Add(r, p.Leaf(), p.Statement); err != nil {
			return err
		}
	}
	return nil
}

type span struct{ first, records uint64 }

// spans returns the first record and the number of records of each delivery.
func (s *Store) spans() map[argus.DeliveryNumber]span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	spans := map[argus.DeliveryNumber]span{}
	for _, b := range s.blocks {
		at, ok := spans[b.Delivery]
		if !ok {
			at.first = b.First
		}
		at.records += uint64(b.Count)
		spans[b.Delivery] = at
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

// LastSeal returns the seal that was made last, or nil if there is none.
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

// CompareSeals orders seals by the time of sealing: each seal is in the ledger before the
// next one is made, so the ledger size that they state grows. Seals from before that rule
// are in the order of their deliveries, which were sealed one after another.
func CompareSeals(a, b *argus.Seal) int {
	return cmp.Or(cmp.Compare(a.Ledger.Entries, b.Ledger.Entries), cmp.Compare(a.Delivery, b.Delivery))
}

// Sealed reports whether a delivery has a seal.
func (s *Store) Sealed(d argus.DeliveryNumber) (bool, error) {
	_, err := s.SealText(d)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// SealText returns a delivery's seal as it was signed.
func (s *Store) SealText(d argus.DeliveryNumber) ([]byte, error) {
	data, err := layout.Read(s.disk, s.dir, layout.Seal(d))
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
	seal, err := sealing.Parse(string(data))
	if err != nil {
		return nil, fmt.Errorf("read seal %s: %w", layout.Seal(d), err)
	}
	return seal, nil
}

// Seal closes a delivery: nothing more can be added to it, and any later change to it
// contradicts the signature. A reason marks a delivery that was given up before its end.
// All of the delivery's Append calls must have returned before.
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
	if err := open.Close(); err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	seal := open.Seal
	seal.Store, seal.Sealed, seal.Incomplete = store, now.UTC().Truncate(time.Second), strings.ToValidUTF8(incomplete, "\uFFFD")
	if s.opt.Ledger != nil {
		head, err := s.opt.Ledger()
		if err != nil {
			return nil, fmt.Errorf("seal delivery %s: read the ledger: %w", d, err)
		}
		seal.Ledger = head
	}
	text, err := sealing.Text(&seal)
	if err != nil {
		return nil, fmt.Errorf("seal delivery %s: %w", d, err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("seal delivery %s: sign: %w", d, err)
	}
	s.opt.Failpoint("seal.before-tree")
	if err := durable.Replace(s.disk, s.path(layout.Tree(d)), open.Nodes); err != nil {
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
