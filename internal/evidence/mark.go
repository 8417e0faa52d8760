package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/argus-evidence/argus"
)

// ErrOther means that data was derived from other evidence. It is an [argus.ErrDamaged].
var ErrOther = fmt.Errorf("%w: it belongs to other evidence", argus.ErrDamaged)

// Mark identifies the evidence up to a record, for data derived from it. It has the last
// delivery up to which all are sealed, a hash over their roots, and the leaf of the record
// in its delivery's tree. A leaf is salted at random and the records are one log, so
// evidence that has the leaf also has every record before it. A mark detects evidence that
// was mixed up. It proves nothing about derived data, and does not protect against
// somebody who rewrites earlier records, who can also write a mark.
func (s *Store) Mark(seq uint64) (string, error) {
	d, leaf, err := s.leaf(seq)
	if err != nil {
		return "", fmt.Errorf("mark the evidence at record %d: %w", seq, err)
	}
	sealed, roots, _ := s.roots(d) // up to a damaged seal
	return fmt.Sprintf("%s %s %s", sealed, roots, leaf), nil
}

// Marked returns [ErrOther] if a mark was made of other evidence. Any other error is about
// reading the evidence.
func (s *Store) Marked(seq uint64, mark string) error {
	if last := s.Last(); seq > last {
		return fmt.Errorf("%w: it has seen record %d, but the last record is %d", ErrOther, seq, last)
	}
	var sealed, roots, leaf string
	if _, err := fmt.Sscanf(mark, "%s %s %s", &sealed, &roots, &leaf); err != nil {
		return fmt.Errorf("%w: it does not name its evidence", ErrOther)
	}
	_, want, err := s.leaf(seq)
	if err != nil {
		return fmt.Errorf("look for record %d: %w", seq, err)
	}
	number, err := argus.ParseDelivery(sealed)
	if err != nil && sealed != argus.DeliveryNumber(0).String() {
		return fmt.Errorf("%w: it does not name its evidence", ErrOther)
	}
	until, all, err := s.roots(number)
	switch {
	case err != nil:
		return err
	case until == number && roots != all.String(): // with another until, a seal is missing
		return fmt.Errorf("%w: the deliveries up to %s have other roots", ErrOther, sealed)
	case leaf != want.String():
		return fmt.Errorf("%w: record %d is a different record", ErrOther, seq)
	}
	return nil
}

// leaf returns the delivery of a record, and the record's leaf in the delivery's tree.
func (s *Store) leaf(seq uint64) (argus.DeliveryNumber, argus.Hash, error) {
	s.mu.RLock()
	at, err := s.locate(seq)
	s.mu.RUnlock()
	if err != nil {
		return 0, argus.Hash{}, err
	}
	defer at.release()
	b, err := s.readBlock(at.Ref, at.segment)
	if err != nil {
		return 0, argus.Hash{}, err
	}
	var hasher argus.Hasher
	i := int(seq - at.First)
	r, err := b.Record(i, &hasher)
	if err != nil {
		return 0, argus.Hash{}, err
	}
	p := b.Proof(i, r)
	return at.Delivery, p.Leaf(), nil
}

// roots returns the last delivery, at most most, up to which all are sealed, and the hash
// over their roots: each hash covers that of the deliveries before and the next root.
func (s *Store) roots(most argus.DeliveryNumber) (argus.DeliveryNumber, argus.Hash, error) {
	s.chainMu.Lock()
	defer s.chainMu.Unlock()
	if s.chain == nil {
		s.chain = []argus.Hash{{}}
	}
	for n := argus.DeliveryNumber(len(s.chain)); n <= most; n++ {
		seal, err := s.readSeal(n)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return n - 1, s.chain[n-1], err
		}
		before := s.chain[n-1]
		s.chain = append(s.chain, sha256.Sum256(append(before[:], seal.Root[:]...)))
	}
	n := min(int(most), len(s.chain)-1)
	return argus.DeliveryNumber(n), s.chain[n], nil
}
