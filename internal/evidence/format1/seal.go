package format1

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
)

// Counts is the account of a delivery.
type Counts struct {
	Read        uint64 `json:"read"`
	Stored      uint64 `json:"stored"`
	Sightings   uint64 `json:"sightings"`
	Quarantined uint64 `json:"quarantined"`
	Differing   uint64 `json:"differing"`
	Locked      uint64 `json:"locked"`
}

// Seal is the signed statement that closes a delivery.
type Seal struct {
	Store         string               `json:"store"`
	Delivery      argus.DeliveryNumber `json:"delivery"`
	Opening       OpeningForm          `json:"opening"`
	Sealed        time.Time            `json:"sealed"`
	Records       uint64               `json:"records"`
	Root          argus.Hash           `json:"root"`
	Counts        Counts               `json:"counts"`
	ReadBy        []string             `json:"read_by,omitempty"`
	Originals     uint64               `json:"originals"`
	OriginalsRoot argus.Hash           `json:"originals_root"`
	First         argus.Time           `json:"first"`
	Last          argus.Time           `json:"last"`
	Incomplete    string               `json:"incomplete,omitempty"`

	// File is the seal as stored on the disk, with its signature.
	File []byte `json:"-"`
	text string // the signed text
}

const sealHead = "argus-seal/v1\n"

// openSeal reads a seal that must be signed by one of the keys.
func openSeal(file []byte, keys note.Verifiers) (*Seal, error) {
	n, err := note.Open(file, keys)
	if err != nil {
		return nil, fmt.Errorf("%w: the signature of the seal is wrong: %w", argus.ErrDamaged, err)
	}
	if signed, err := note.Sign(n); err != nil || !bytes.Equal(signed, file) {
		return nil, fmt.Errorf("%w: the seal has bytes that its signature does not cover", argus.ErrDamaged)
	}
	body, ok := strings.CutPrefix(n.Text, sealHead)
	if !ok {
		return nil, fmt.Errorf("%w: the first line is not %q", argus.ErrDamaged, strings.TrimSpace(sealHead))
	}
	seal := &Seal{File: file, text: n.Text}
	if err := json.Unmarshal([]byte(body), seal); err != nil {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return seal, nil
}

// treeLevel is the tree level whose hashes a tree file keeps.
const treeLevel = 8

var trees = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// tree is a Merkle tree (RFC 6962) that grows.
type tree struct {
	leaves *compact.Range
	nodes  []byte // the hashes at treeLevel, in order
}

func newTree() *tree { return &tree{leaves: trees.NewEmptyRange(0)} }

func (t *tree) add(data []byte) error {
	return t.leaves.Append(rfc6962.DefaultHasher.HashLeaf(data), func(id compact.NodeID, hash []byte) {
		if id.Level == treeLevel {
			t.nodes = append(t.nodes, hash...)
		}
	})
}

func (t *tree) root() (h argus.Hash, err error) {
	root := rfc6962.DefaultHasher.EmptyRoot()
	if t.leaves.End() > 0 {
		root, err = t.leaves.GetRootHash(nil)
	}
	copy(h[:], root)
	return h, err
}

// Account gathers the content of a delivery's seal from the delivery's records.
type Account struct {
	seal      Seal
	tree      *tree
	originals *tree
	readers   [256]bool // those with findings, numbered from 1
}

// NewAccount returns the account of a delivery without records.
func NewAccount(d argus.DeliveryNumber) *Account {
	return &Account{seal: Seal{Delivery: d}, tree: newTree(), originals: newTree()}
}

// Add counts a record. data must be its encoding by [Append].
func (a *Account) Add(r *Record, data []byte) error {
	s := &a.seal
	switch r.Kind {
	case Opening:
		s.Opening = *r.Opening
	case Original:
		s.Originals++
		if err := a.originals.add(r.Original.Hash[:]); err != nil {
			return err
		}
	case Message:
		s.Counts.Read++
		s.Counts.Stored++
		if r.Of != 0 {
			s.Counts.Differing++
		}
		if r.Message.State&uint8(argus.StateLocked) != 0 {
			s.Counts.Locked++
		}
		a.sent(r.Message.Sent)
	case Sighting:
		s.Counts.Read++
		s.Counts.Sightings++
		a.sent(r.Message.Sent)
	case Quarantined:
		s.Counts.Read++
		s.Counts.Quarantined++
	case Attachment, Stated:
	}
	a.readers[r.Where.Reader] = true
	s.Records++
	return a.tree.add(data)
}

func (a *Account) sent(t TimeForm) {
	s := &a.seal
	sent := argus.Time{Micros: t.Micros, Raw: t.Raw, Zone: argus.ZoneSource(t.Zone), Precision: argus.Precision(t.Precision)}
	if !sent.Known() {
		return
	}
	if !s.First.Known() || sent.Micros < s.First.Micros {
		s.First = sent
	}
	if !s.Last.Known() || sent.Micros > s.Last.Micros {
		s.Last = sent
	}
}

// Root returns the Merkle tree hash over the records so far.
func (a *Account) Root() (argus.Hash, error) { return a.tree.root() }

// Counts returns the counts so far.
func (a *Account) Counts() Counts { return a.seal.Counts }

// sealed returns an error unless the seal is, word for word, the one that follows from
// the records.
func (a *Account) sealed(seal *Seal) error {
	want := a.seal
	var err error
	if want.Root, err = a.tree.root(); err != nil {
		return err
	}
	if want.OriginalsRoot, err = a.originals.root(); err != nil {
		return err
	}
	for i, name := range want.Opening.Readers {
		if i+1 < len(a.readers) && a.readers[i+1] {
			want.ReadBy = append(want.ReadBy, name)
		}
	}
	if seal.ReadBy == nil {
		want.ReadBy = nil // an older seal does not have this field
	}
	want.Store, want.Sealed, want.Incomplete = seal.Store, seal.Sealed, seal.Incomplete
	body, err := json.MarshalIndent(&want, "", "  ")
	if err != nil {
		return err
	}
	text := sealHead + string(body) + "\n"
	if text == seal.text {
		return nil
	}
	got, wanted := strings.Split(seal.text, "\n"), strings.Split(text, "\n")
	for i := range min(len(got), len(wanted)) {
		if got[i] != wanted[i] {
			return fmt.Errorf("the seal has %s, but the records give %s", strings.TrimSpace(got[i]), strings.TrimSpace(wanted[i]))
		}
	}
	return fmt.Errorf("the seal has %d lines, but the records give %d", len(got), len(wanted))
}
