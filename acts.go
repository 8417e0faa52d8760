package argus

import (
	"errors"
	"fmt"
	"iter"
)

// Sealed is a message that was encrypted to recipients before it was stored: a
// lawyer's, recognised at intake. Its record's ID and Version are keyed, so that
// nobody without the key can test a guess about the text.
type Sealed struct {
	// Why is the ground, a sentence: what was recognised and by which rule.
	Why string `cbor:"1,keyasint,omitempty" json:"why,omitempty"`
	// Recipients are the public keys that it is encrypted to, as they are written.
	Recipients []string `cbor:"2,keyasint" json:"recipients"`
	// Ciphertext is an age file (age-encryption.org/v1) of the record.
	Ciphertext []byte `cbor:"-" json:"-"`
}

// Key is a held key, an exhibit. Where is the place in the original that it was
// found in.
type Key struct {
	// Sort is the source's own word for it: "sky session key", "backup password".
	Sort string `cbor:"1,keyasint" json:"sort"`
	// KeyID is the id under which ciphertexts name it, if they do.
	KeyID string `cbor:"2,keyasint,omitempty" json:"key_id,omitempty"`
	// From says from whom or what it was obtained.
	From string `cbor:"3,keyasint,omitempty" json:"from,omitempty"`
	// Fingerprint is the SHA-256 of the key.
	Fingerprint Hash `cbor:"4,keyasint" json:"fingerprint"`
}

// Opened is what a key made of the ciphertext of the message record Of. It belongs
// to every sighting with that ciphertext: it is an event, and no copy that differs.
type Opened struct {
	// Key is the sequence number of the key's record.
	Key uint64 `cbor:"1,keyasint" json:"key_seq"`
	// By names the program, as name/version.
	By string `cbor:"2,keyasint,omitempty" json:"by,omitempty"`
	// Text, Facts and Attachments are what the ciphertext says.
	Text        string       `cbor:"-" json:"text,omitempty"`
	Facts       *Facts       `cbor:"-" json:"facts,omitempty"`
	Attachments []Attachment `cbor:"-" json:"attachments,omitempty"`
}

// Act says which records an order is about: they are withdrawn, released or
// destroyed, as the kind of the record says.
type Act struct {
	// Order names the order: court, number, date.
	Order string `cbor:"1,keyasint" json:"order"`
	// Reason is a sentence.
	Reason string `cbor:"2,keyasint,omitempty" json:"reason,omitempty"`
	// Records are the spans of records, in order and apart from each other.
	Records []Span `cbor:"3,keyasint" json:"records"`
}

// Span is the records from First to Last, both included.
type Span struct {
	First uint64 `cbor:"1,keyasint" json:"first"`
	Last  uint64 `cbor:"2,keyasint" json:"last"`
}

// Has says whether an act names a record.
func (a *Act) Has(seq uint64) bool {
	for _, s := range a.Records {
		if s.First <= seq && seq <= s.Last {
			return true
		}
	}
	return false
}

// Derived says of which other original one was made.
type Derived struct {
	// Parent is the sequence number of the other original's record.
	Parent uint64 `cbor:"1,keyasint" json:"parent_seq"`
	// Key is that of the key's record, 0 for none.
	Key uint64 `cbor:"2,keyasint,omitempty" json:"key_seq,omitempty"`
	// By names the program, as name/version.
	By string `cbor:"3,keyasint,omitempty" json:"by,omitempty"`
}

// Reading says that a delivery reads the originals of another one again. What only
// the older reading said is superseded: kept, provable, in no count.
type Reading struct {
	Of     DeliveryNumber `cbor:"1,keyasint" json:"of"`
	Reason string         `cbor:"2,keyasint,omitempty" json:"reason,omitempty"`
}

// Amendment says which stored bytes change by an order. It counts once its delivery
// is sealed.
type Amendment struct {
	Order   string   `cbor:"1,keyasint" json:"order"`
	Changes []Change `cbor:"2,keyasint" json:"changes"`
	// Files are the files of segments that the changes are in.
	Files []Rewritten `cbor:"3,keyasint,omitempty" json:"files,omitempty"`
	// Originals are the received files of which parts change.
	Originals []OriginalChange `cbor:"4,keyasint,omitempty" json:"originals,omitempty"`
}

// OriginalChange says what becomes of a received file.
type OriginalChange struct {
	File FileName `cbor:"1,keyasint" json:"file"`
	// Becomes is the hash of which parts can be read, and of what takes the place of
	// the others (docs/format/original.md).
	Becomes Hash `cbor:"2,keyasint" json:"becomes"`
}

// Change says what becomes of a record.
type Change struct {
	Seq uint64 `cbor:"1,keyasint" json:"seq"`
	// Gone is what is no longer there, 0 where all of it is there again.
	Gone Gone `cbor:"2,keyasint,omitempty" json:"gone"`
	// Becomes is the hash of what takes its place (docs/format/segment.md).
	Becomes Hash `cbor:"3,keyasint" json:"becomes"`
}

// Rewritten names a file that takes the place of another one of its segment.
type Rewritten struct {
	Segment    uint32 `cbor:"1,keyasint" json:"segment"`
	Generation uint32 `cbor:"2,keyasint" json:"generation"`
	Hash       Hash   `cbor:"3,keyasint" json:"sha256"`
}

// Gone says which parts of a record are not in the store any more, in the clear.
type Gone uint8

const (
	// GoneStatement: everything but what was said.
	GoneStatement Gone = 1 << iota
	// GoneContent: what was said.
	GoneContent
	// Withheld: what is gone lies in the store, encrypted to the judge.
	Withheld
)

const (
	// GoneAll is both parts: a record of which only its proof is left.
	GoneAll  = GoneStatement | GoneContent
	goneBits = GoneAll | Withheld
)

// Valid returns why it says nothing that can be, or nil.
func (g Gone) Valid() error {
	if g&^goneBits != 0 || g == Withheld {
		return fmt.Errorf("a record cannot be gone as %#x", uint8(g))
	}
	return nil
}

// Was is what is known of a record whose statement is gone: as much as the account
// of its delivery needs.
type Was struct {
	Kind      Kind
	Differing bool
	Locked    bool
	Type      Type
}

// texts yields the strings of a record's parts.
func (r *Record) texts() iter.Seq[string] {
	return func(yield func(string) bool) {
		lists := [][]string{{r.Where.Path}}
		if o := r.Opening; o != nil {
			lists = append(lists, []string{o.Source, o.Place, o.Authority, o.Actor, o.Software}, o.Readers)
			for _, x := range o.Options {
				lists = append(lists, []string{x.Name, x.Value})
			}
		}
		if r.Original != nil {
			lists = append(lists, []string{r.Original.Path})
		}
		if r.Quarantine != nil {
			lists = append(lists, []string{r.Quarantine.Reason})
		}
		if r.Stated != nil {
			lists = append(lists, []string{r.Stated.What})
		}
		if s := r.Sealed; s != nil {
			lists = append(lists, []string{s.Why}, s.Recipients)
		}
		if k := r.Key; k != nil {
			lists = append(lists, []string{k.Sort, k.KeyID, k.From})
		}
		if o := r.Opened; o != nil {
			lists = append(lists, []string{o.By, o.Text})
			for s := range o.Facts.texts {
				lists = append(lists, []string{s})
			}
			for _, a := range o.Attachments {
				lists = append(lists, []string{a.Name, a.Type})
			}
		}
		if a := r.Act; a != nil {
			lists = append(lists, []string{a.Order, a.Reason})
		}
		if r.Derived != nil {
			lists = append(lists, []string{r.Derived.By})
		}
		if r.Reading != nil {
			lists = append(lists, []string{r.Reading.Reason})
		}
		if r.Amendment != nil {
			lists = append(lists, []string{r.Amendment.Order})
		}
		for _, list := range lists {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// sensible returns why the numbers in an act's record make no sense, or nil.
func (r *Record) sensible() error {
	switch {
	case r.Sealed != nil && (len(r.Sealed.Recipients) == 0 || len(r.Sealed.Ciphertext) == 0):
		return errors.New("the sealed record has no recipient or no ciphertext")
	case r.Sealed != nil && (r.ID == (ID{}) || r.Version == (Version{})):
		return errors.New("the sealed record has no keyed identity")
	case r.Opened != nil && (r.Of == 0 || r.Opened.Key == 0):
		return errors.New("the opened record does not cite a ciphertext and a key")
	case r.Derived != nil && r.Derived.Parent == 0:
		return errors.New("the derived original does not name the one that it was made of")
	case r.Reading != nil && r.Reading.Of == 0:
		return errors.New("the reading does not name a delivery")
	case r.Act != nil && r.Act.Order == "", r.Amendment != nil && r.Amendment.Order == "":
		return errors.New("the record names no order")
	case r.Act != nil && len(r.Act.Records) == 0, r.Amendment != nil && len(r.Amendment.Changes)+len(r.Amendment.Originals) == 0:
		return errors.New("the record names no records")
	}
	if r.Act != nil {
		last := uint64(0)
		for _, s := range r.Act.Records {
			if s.First <= last || s.Last < s.First {
				return fmt.Errorf("records %d to %d follow records up to %d", s.First, s.Last, last)
			}
			last = s.Last
		}
	}
	if r.Amendment != nil {
		last := uint64(0)
		for _, c := range r.Amendment.Changes {
			if c.Seq <= last {
				return fmt.Errorf("the change of record %d follows that of record %d", c.Seq, last)
			}
			if err := c.Gone.Valid(); err != nil {
				return err
			}
			last = c.Seq
		}
	}
	return nil
}

// longest is the length of the longest list of a record that is no message.
func (r *Record) longest() (n int) {
	if r.Act != nil {
		n = len(r.Act.Records)
	}
	if r.Amendment != nil {
		n = max(n, len(r.Amendment.Changes), len(r.Amendment.Files), len(r.Amendment.Originals))
	}
	if r.Sealed != nil {
		n = max(n, len(r.Sealed.Recipients))
	}
	if r.Opened != nil {
		n = max(n, len(r.Opened.Attachments), r.Opened.Facts.longest())
	}
	return n
}
