package argus

import (
	"errors"
	"fmt"
	"iter"
)

// Sealed is a message that was encrypted to recipients before it was stored, such
// as a lawyer's message recognised at intake, or another piece of the same file. The ID and
// Version of its record are keyed: nobody without the key can test a guess about the text.
type Sealed struct {
	// Why names the sort of finding; the rule is for the judge only.
	Why string `cbor:"1,keyasint,omitempty" json:"why,omitempty"`
	// Recipients are the fingerprints of the public keys that it was encrypted to.
	Recipients []string `cbor:"2,keyasint" json:"recipients"`
	// Broke is set if the reading of the file broke there ([Quarantine.Broke]).
	Broke bool `cbor:"3,keyasint,omitempty" json:"broke,omitempty"`
	// Ciphertext is a sealed message as docs/format/privilege.md describes it.
	Ciphertext []byte `cbor:"-" json:"-"`
}

// Key is a held key, an exhibit. Where says where in the original it was found.
type Key struct {
	// Sort is the source's own word for the kind of key: "sky session key", "backup
	// password".
	Sort string `cbor:"1,keyasint" json:"sort"`
	// KeyID is the id by which ciphertexts refer to the key, if they do.
	KeyID string `cbor:"2,keyasint,omitempty" json:"key_id,omitempty"`
	// From names the person or thing that the key was obtained from.
	From string `cbor:"3,keyasint,omitempty" json:"from,omitempty"`
	// Fingerprint is the SHA-256 of the key.
	Fingerprint Hash `cbor:"4,keyasint" json:"fingerprint"`
}

// Opened is the plaintext that a key gave for the ciphertext of the message record
// Of. It applies to every sighting with that ciphertext, and is not a differing copy.
type Opened struct {
	// Key is the sequence number of the key's record.
	Key uint64 `cbor:"1,keyasint" json:"key_seq"`
	// By is the program that did it, as name/version.
	By string `cbor:"2,keyasint,omitempty" json:"by,omitempty"`
	// Text, Facts and Attachments are the decrypted content.
	Text        string       `cbor:"-" json:"text,omitempty"`
	Facts       *Facts       `cbor:"-" json:"facts,omitempty"`
	Attachments []Attachment `cbor:"-" json:"attachments,omitempty"`
}

// Act lists the records that an order withdraws, releases or destroys; the kind of
// the record says which.
type Act struct {
	// Order names the order: court, number, date.
	Order string `cbor:"1,keyasint" json:"order"`
	// Reason is a sentence that gives the reason.
	Reason string `cbor:"2,keyasint,omitempty" json:"reason,omitempty"`
	// Records are the spans of records, in order, with gaps between them.
	Records []Span `cbor:"3,keyasint" json:"records"`
}

// Span is the records from First to Last, inclusive.
type Span struct {
	First uint64 `cbor:"1,keyasint" json:"first"`
	Last  uint64 `cbor:"2,keyasint" json:"last"`
}

// Has reports whether the act names a record.
func (a *Act) Has(seq uint64) bool {
	for _, s := range a.Records {
		if s.First <= seq && seq <= s.Last {
			return true
		}
	}
	return false
}

// Derived names the original that another one was made from.
type Derived struct {
	// Parent is the sequence number of that original's record.
	Parent uint64 `cbor:"1,keyasint" json:"parent_seq"`
	// Key is the sequence number of the key's record, 0 if there is none.
	Key uint64 `cbor:"2,keyasint,omitempty" json:"key_seq,omitempty"`
	// By is the program that did it, as name/version.
	By string `cbor:"3,keyasint,omitempty" json:"by,omitempty"`
}

// Reading means that a delivery reads the originals of an earlier one again. Records
// found only by the earlier reading are superseded: kept and provable, but not counted.
type Reading struct {
	Of     DeliveryNumber `cbor:"1,keyasint" json:"of"`
	Reason string         `cbor:"2,keyasint,omitempty" json:"reason,omitempty"`
}

// Amendment lists the stored bytes that an order changes. It takes effect once its
// delivery is sealed.
type Amendment struct {
	Order   string   `cbor:"1,keyasint" json:"order"`
	Changes []Change `cbor:"2,keyasint" json:"changes"`
	// Files are the segment files that contain the changes.
	Files []Rewritten `cbor:"3,keyasint,omitempty" json:"files,omitempty"`
	// Originals are the received files that change in part.
	Originals []OriginalChange `cbor:"4,keyasint,omitempty" json:"originals,omitempty"`
}

// OriginalChange describes how a received file changes.
type OriginalChange struct {
	File FileName `cbor:"1,keyasint" json:"file"`
	// Becomes is the hash of the list of the readable blocks and of the substitutes
	// for the others (docs/format/original.md).
	Becomes Hash `cbor:"2,keyasint" json:"becomes"`
}

// Change describes how a record changes.
type Change struct {
	Seq uint64 `cbor:"1,keyasint" json:"seq"`
	// Gone is the set of parts that are now missing, or 0 if the record is complete again.
	Gone Gone `cbor:"2,keyasint,omitempty" json:"gone"`
	// Becomes is the hash of the substitute for those parts (docs/format/segment.md).
	Becomes Hash `cbor:"3,keyasint" json:"becomes"`
}

// Rewritten names a file that replaces another file of its segment.
type Rewritten struct {
	Segment    uint32 `cbor:"1,keyasint" json:"segment"`
	Generation uint32 `cbor:"2,keyasint" json:"generation"`
	Hash       Hash   `cbor:"3,keyasint" json:"sha256"`
}

// Gone is the set of a record's parts that the store no longer holds in the clear.
type Gone uint8

const (
	// GoneStatement is everything except the content.
	GoneStatement Gone = 1 << iota
	// GoneContent is the words of the message.
	GoneContent
	// Withheld means that the missing parts are in the store, encrypted to the judge.
	Withheld
)

const (
	// GoneAll is both parts: only the proof of the record is left.
	GoneAll  = GoneStatement | GoneContent
	goneBits = GoneAll | Withheld
)

// Valid returns an error for an impossible combination.
func (g Gone) Valid() error {
	if g&^goneBits != 0 || g == Withheld {
		return fmt.Errorf("a record cannot be marked as gone %#x", uint8(g))
	}
	return nil
}

// Was holds the part of a lost statement that is needed for its delivery's account.
type Was struct {
	Kind      Kind
	Differing bool
	Locked    bool
	Type      Type
}

// texts yields every string of the record.
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

// sensible checks the fields and numbers of an act's record.
func (r *Record) sensible() error {
	switch {
	case r.Sealed != nil && (len(r.Sealed.Recipients) == 0 || len(r.Sealed.Ciphertext) == 0):
		return errors.New("the sealed record has no recipient or no ciphertext")
	case r.Sealed != nil && (r.ID == (ID{}) || r.Version == (Version{})):
		return errors.New("the sealed record has no keyed identity")
	case r.Opened != nil && (r.Of == 0 || r.Opened.Key == 0):
		return errors.New("the opened record does not cite a ciphertext and a key")
	case r.Derived != nil && r.Derived.Parent == 0:
		return errors.New("the derived original does not name the original that it was made from")
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

// longest is the length of the longest list of a record other than a message.
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
