package form

import (
	"errors"
	"fmt"

	"github.com/argus-evidence/argus"
)

// Hidden is the plaintext of a sealed or withheld record: the stored bytes of its parts,
// and the salts of those that were readable before. A missing part is nil.
type Hidden struct {
	Statement     []byte `cbor:"1,keyasint,omitempty"`
	StatementSalt []byte `cbor:"2,keyasint,omitempty"`
	Content       []byte `cbor:"3,keyasint,omitempty"`
	ContentSalt   []byte `cbor:"4,keyasint,omitempty"`
}

// MaxHidden is the maximum size in bytes of an encoded [Hidden].
const MaxHidden = 2 * MaxPart

// Hide returns the parts of a record, without salts.
func Hide(r *argus.Record) (h Hidden, err error) {
	var p Splitter
	p.split(r)
	if h.Statement, err = p.appendStatement(nil); err != nil {
		return h, err
	}
	h.Content, err = p.appendContent(nil)
	return h, err
}

// Encode returns the bytes to encrypt.
func (h *Hidden) Encode() ([]byte, error) { return appendAny(nil, h) }

// DecodeHidden decodes the bytes that Encode made. The error is argus.ErrDamaged or
// argus.ErrNewer.
func DecodeHidden(plain []byte) (h Hidden, err error) {
	err = decodePart(plain, &h)
	return h, err
}

// Record returns the record made up of the two parts, without its number and delivery.
// The error is argus.ErrDamaged or argus.ErrNewer.
func (h *Hidden) Record(hasher *argus.Hasher) (*argus.Record, error) {
	return decodeRecord(h.Statement, h.Content, hasher)
}

// Prove returns an error if the leaf was not made from these parts. r is the record, if
// its statement can be read.
func (h *Hidden) Prove(r *argus.Record, kind argus.Kind, p *Proof) error {
	part := func(what byte, salt, data []byte) argus.Hash {
		return salted(append(make([]byte, saltedSpace), data...), what, [saltBytes]byte(salt))
	}
	if h.StatementSalt != nil && (len(h.StatementSalt) != saltBytes || part(hashStatement, h.StatementSalt, h.Statement) != p.Statement) {
		return fmt.Errorf("%w: its statement does not match its leaf", argus.ErrDamaged)
	}
	content := p.Content
	switch {
	case h.ContentSalt == nil, kind == argus.KindSighting && h.StatementSalt == nil:
		return nil
	case kind == argus.KindSighting:
		content = r.Content
	case len(h.ContentSalt) == saltBytes:
		content = part(hashContent, h.ContentSalt, h.Content)
	}
	if len(h.ContentSalt) != saltBytes || content != p.Content {
		return fmt.Errorf("%w: its content does not match its leaf", argus.ErrDamaged)
	}
	return nil
}

// Add adds the readable parts of a record to h.
func (h *Hidden) Add(v *Revised) {
	if v.Gone&argus.GoneStatement == 0 {
		h.Statement, h.StatementSalt = v.Statement, v.statement[:saltBytes]
	}
	if v.Gone&argus.GoneContent == 0 {
		h.Content, h.ContentSalt = v.Content, v.content[:saltBytes]
	}
}

// Revise returns the record with the parts in h except those marked as gone in to, and the
// removed parts. was and p describe the record. It fails if a part cannot be restored.
func (h *Hidden) Revise(to argus.Gone, was argus.Was, p *Proof) (next Revised, gone Hidden, err error) {
	next = Revised{entry: entry{Gone: to}, Statement: h.Statement, Content: h.Content}
	copy(next.statement[:], h.StatementSalt)
	copy(next.content[:], h.ContentSalt)
	gone = *h
	if to&argus.GoneStatement != 0 {
		next.Was, next.Statement, next.statement = was, nil, p.Statement
	} else if gone.Statement, gone.StatementSalt = nil, nil; h.StatementSalt == nil {
		return next, gone, errors.New("its statement cannot be read, so it cannot be restored")
	}
	if to&argus.GoneContent != 0 {
		next.Content, next.content = nil, p.Content
	} else if gone.Content, gone.ContentSalt = nil, nil; h.ContentSalt == nil {
		return next, gone, errors.New("its content cannot be read, so it cannot be restored")
	}
	return next, gone, nil
}

// CanGo returns an error if the parts cannot be removed from a record of the given kind.
func CanGo(kind argus.Kind, to argus.Gone) error {
	switch kind {
	case argus.KindSighting:
		if all := to & argus.GoneAll; all != 0 && all != argus.GoneAll {
			return errors.New("a sighting has no content of its own: it can only be removed as a whole")
		}
		return nil
	case argus.KindMessage, argus.KindQuarantined, argus.KindSealed, argus.KindOpened, argus.KindOriginal, argus.KindDerived,
		argus.KindAttachment, argus.KindStated:
		return nil
	case argus.KindOpening, argus.KindKey, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindReading, argus.KindAmendment:
	}
	return fmt.Errorf("a record of kind %s cannot be removed", kind)
}
