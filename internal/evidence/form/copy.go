package form

import (
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
)

// Copy is a copy of a message with the proof that it is a record of a sealed delivery: its two
// parts with their salts, and the path from its leaf to the root in the seal. Of a sighting,
// the content and its salt are those of the record that it refers to.
type Copy struct {
	Hidden
	// Leaf is the index of the record in its delivery, from 0.
	Leaf uint64
	// Path leads from the leaf to the root (RFC 6962, section 2.1.1).
	Path []argus.Hash
}

// Parts returns the parts of record i with their salts. ok is false if one of them is gone.
func (b *Block) Parts(i int) (h Hidden, ok bool) {
	if b.Gone(i)&argus.GoneAll != 0 {
		return h, false
	}
	statement, content := b.salt(2*i), b.salt(2*i+1)
	return Hidden{Statement: b.statements[i], StatementSalt: statement[:], Content: b.contents[i], ContentSalt: content[:]}, true
}

// Said is Parts for the content of record i, whose statement may be gone.
func (b *Block) Said(i int) (h Hidden, ok bool) {
	content := b.salt(2*i + 1)
	return Hidden{Content: b.contents[i], ContentSalt: content[:]}, b.Gone(i)&argus.GoneContent == 0
}

// Check returns the message of a copy if the copy is proved by a delivery's tree with a root and
// a number of records. The error is argus.ErrDamaged or argus.ErrNewer.
func (c *Copy) Check(root argus.Hash, records uint64) (*argus.Message, error) {
	if len(c.StatementSalt) != saltBytes || len(c.ContentSalt) != saltBytes {
		return nil, fmt.Errorf("%w: a salt does not have %d bytes", argus.ErrDamaged, saltBytes)
	}
	part := func(what byte, salt, data []byte) argus.Hash {
		return salted(append(make([]byte, saltedSpace), data...), what, [saltBytes]byte(salt))
	}
	p := Proof{part(hashStatement, c.StatementSalt, c.Statement), part(hashContent, c.ContentSalt, c.Content)}
	leaf := p.Leaf()
	path := make([][]byte, len(c.Path))
	for i := range c.Path {
		path[i] = c.Path[i][:]
	}
	if c.Leaf >= records {
		return nil, fmt.Errorf("%w: it is record %d of a delivery of %d", argus.ErrDamaged, c.Leaf+1, records)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, c.Leaf, records, leaf[:], path, root[:]); err != nil {
		return nil, fmt.Errorf("%w: the root of its delivery does not prove it: %w", argus.ErrDamaged, err)
	}
	var hasher argus.Hasher
	content := c.Content
	if kindOf(c.Statement) == argus.KindSighting {
		content = nil // it states the hash of its content, which is another record's
	}
	r, err := decodeRecord(c.Statement, content, &hasher)
	if err != nil {
		return nil, err
	}
	switch r.Kind {
	case argus.KindMessage:
		return r.Message, nil
	case argus.KindSighting:
		var said Content
		if err := DecodeContent(c.Content, &said); err != nil {
			return nil, err
		}
		return r.Message.Join(&argus.Message{Text: said.Text, Facts: said.Facts, Attachments: said.Attachments, Locked: said.Locked}), nil
	default:
		return nil, fmt.Errorf("%w: a record of kind %s is no message", argus.ErrDamaged, r.Kind)
	}
}
