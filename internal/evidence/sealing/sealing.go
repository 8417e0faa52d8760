// Package sealing makes the seal of a delivery from its records, and writes and reads the
// text of a seal. The writer seals a draft; the verifier makes the same draft again from
// the stored records. docs/format/seal.md describes the format.
package sealing

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
)

// Run is the number of records under each hash of a tree file. With it, a changed record
// can be narrowed down without keeping a hash of every record.
const (
	Run       = 1 << treeLevel
	treeLevel = 8
)

// Draft gathers the fields of a seal.
type Draft struct {
	// Seal is the seal so far: Records is always right, and the other fields are right
	// after [Draft.Close].
	Seal argus.Seal
	// Nodes are the hashes of the tree file: one for each full [Run] of records, in order.
	Nodes []byte

	tree      *compact.Range
	originals *compact.Range
	readers   [256]bool     // those that found something, numbered from 1
	roots     [2]argus.Hash // the roots over the first record, and over the first two
}

// Begun is the opening of a delivery.
type Begun struct {
	// Root is the Merkle tree hash, as in a seal, over the records of the opening: the
	// first one, and in a reading also the second one, which names the delivery.
	Root argus.Hash
	// More is set if further records follow.
	More bool
}

// Begun returns the opening of the delivery.
func (d *Draft) Begun() Begun {
	n := uint64(1)
	if d.Seal.Opening.Sort == argus.OpeningReading {
		n = 2
	}
	return Begun{d.roots[n-1], d.Seal.Records > n}
}

var trees = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// New returns the draft of a delivery without records.
func New(d argus.DeliveryNumber) *Draft {
	return &Draft{Seal: argus.Seal{Delivery: d}, tree: trees.NewEmptyRange(0), originals: trees.NewEmptyRange(0)}
}

// Add counts a record. leaf is its leaf in the delivery's tree, and statement the
// commitment to its statement.
func (d *Draft) Add(r *argus.Record, leaf, statement argus.Hash) error {
	s := &d.Seal
	kind := r.Kind
	if r.Gone&argus.GoneStatement != 0 {
		kind = r.Was.Kind
	}
	switch kind {
	case argus.KindOpening:
		s.Opening = *r.Opening
	case argus.KindOriginal, argus.KindDerived:
		s.Originals++
		own := statement // a copy, so that the parameter stays off the heap
		if err := d.originals.Append(rfc6962.DefaultHasher.HashLeaf(own[:]), nil); err != nil {
			return err
		}
	case argus.KindMessage, argus.KindSighting:
		if r.Message == nil {
			break // the statement is gone
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
	s.Records++
	err := d.tree.Append(leaf[:], func(id compact.NodeID, hash []byte) {
		if id.Level == treeLevel {
			d.Nodes = append(d.Nodes, hash...)
		}
	})
	if err != nil || s.Records > uint64(len(d.roots)) {
		return err
	}
	root, err := d.tree.GetRootHash(nil)
	copy(d.roots[s.Records-1][:], root)
	return err
}

// Close completes the seal. It fails if the counts contradict each other.
func (d *Draft) Close() error {
	s := &d.Seal
	s.ReadBy = nil
	for i, name := range s.Opening.Readers {
		if i+1 < len(d.readers) && d.readers[i+1] {
			s.ReadBy = append(s.ReadBy, name)
		}
	}
	root, err := d.tree.GetRootHash(nil)
	if err != nil {
		return err
	}
	copy(s.Root[:], root)
	if s.Originals == 0 {
		copy(s.OriginalsRoot[:], rfc6962.DefaultHasher.EmptyRoot())
	} else if root, err = d.originals.GetRootHash(nil); err != nil {
		return err
	} else {
		copy(s.OriginalsRoot[:], root)
	}
	return s.Check()
}

const head = "argus-seal/v1\n"

// Parse reads a seal's text without checking its signature. The error is argus.ErrDamaged.
func Parse(text string) (*argus.Seal, error) {
	body, ok := strings.CutPrefix(text, head)
	if !ok {
		return nil, fmt.Errorf("%w: the first line is not %q", argus.ErrDamaged, strings.TrimSpace(head))
	}
	seal := new(argus.Seal)
	if err := json.NewDecoder(strings.NewReader(body)).Decode(seal); err != nil {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return seal, nil
}

// Text returns the text of a seal, ready to be signed.
func Text(seal *argus.Seal) (string, error) {
	body, err := json.MarshalIndent(seal, "", "  ")
	if err != nil {
		return "", err
	}
	return head + string(body) + "\n", nil
}
