package form

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/argus-evidence/argus"
)

// entry describes a record in the table of a rewritten block.
type entry struct {
	// Gone tells which parts are gone.
	Gone argus.Gone
	// Was describes a record without its statement.
	Was argus.Was
	// ID and Version replace those of a message without its content. They are random, but
	// equal for equal ids and versions.
	ID      argus.ID
	Version argus.Version

	// statement and content hold each part's salt, or the commitment to it if it is gone.
	statement, content argus.Hash
}

const (
	entryStandIns  = 8
	entryDiffering = 16
	entryLocked    = 32
	maxEntry       = 3 + 2*sha256.Size + 32
)

func (e *entry) standIns() bool { return e.ID != argus.ID{} }

func (e *entry) append(b []byte) []byte {
	flags := byte(e.Gone)
	if e.standIns() {
		flags |= entryStandIns
	}
	if e.Was.Differing {
		flags |= entryDiffering
	}
	if e.Was.Locked {
		flags |= entryLocked
	}
	b = append(b, flags, byte(e.Was.Kind), byte(e.Was.Type))
	for _, part := range []struct {
		hash argus.Hash
		gone bool
	}{{e.statement, e.Gone&argus.GoneStatement != 0}, {e.content, e.Gone&argus.GoneContent != 0}} {
		if part.gone {
			b = append(b, part.hash[:]...)
		} else {
			b = append(b, part.hash[:saltBytes]...)
		}
	}
	if e.standIns() {
		b = append(b, e.ID[:]...)
		b = append(b, e.Version[:]...)
	}
	return b
}

// parseEntries parses the table of a rewritten block.
func parseEntries(b []byte, count int) ([]entry, error) {
	entries := make([]entry, count)
	cut := func(n int) []byte {
		if len(b) < n {
			b = nil
			return make([]byte, n)
		}
		part := b[:n]
		b = b[n:]
		return part
	}
	rest := len(b)
	for i := range entries {
		e := &entries[i]
		head := cut(3)
		flags := head[0]
		e.Gone = argus.Gone(flags & 7)
		e.Was = argus.Was{Kind: argus.Kind(head[1]), Differing: flags&entryDiffering != 0, Locked: flags&entryLocked != 0, Type: argus.Type(head[2])}
		rest -= 3
		for _, part := range []struct {
			into *argus.Hash
			gone bool
		}{{&e.statement, e.Gone&argus.GoneStatement != 0}, {&e.content, e.Gone&argus.GoneContent != 0}} {
			n := saltBytes
			if part.gone {
				n = sha256.Size
			}
			rest -= copy(part.into[:], cut(n))
		}
		if flags&entryStandIns != 0 {
			rest -= copy(e.ID[:], cut(len(e.ID))) + copy(e.Version[:], cut(len(e.Version)))
		}
		if err := e.valid(flags); err != nil {
			return nil, fmt.Errorf("%w: record %d of the block: %w", argus.ErrDamaged, i+1, err)
		}
	}
	if rest != 0 {
		return nil, fmt.Errorf("%w: the table of records is %d bytes too long", argus.ErrDamaged, rest)
	}
	return entries, nil
}

func (e *entry) valid(flags byte) error {
	there := e.Gone&argus.GoneStatement == 0
	switch {
	case e.Gone.Valid() != nil:
		return e.Gone.Valid()
	case there != (e.Was == argus.Was{}):
		return fmt.Errorf("exactly one of its statement and its former kind must be present (former kind %v, statement %v)", e.Was, there)
	case (flags&entryStandIns != 0) != e.standIns(), e.standIns() && e.Gone&argus.GoneAll != argus.GoneContent:
		return errors.New("it has a replacement id although its own id is present")
	}
	return nil
}

// Revised is a record of a rewritten block.
type Revised struct {
	entry
	// Statement and Content are the stored parts. The first part that is gone holds the
	// ciphertext of the withheld ones.
	Statement, Content []byte
}

// Becomes returns the hash by which an amendment identifies the revised record.
func (r *Revised) Becomes() argus.Hash {
	b := r.entry.append(nil)
	b = binary.AppendUvarint(b, uint64(len(r.Statement)))
	b = append(b, r.Statement...)
	return sha256.Sum256(append(b, r.Content...))
}

// Withheld returns a pointer to the part that holds the ciphertext.
func (r *Revised) Withheld() *[]byte {
	if r.Gone&argus.GoneStatement != 0 {
		return &r.Statement
	}
	return &r.Content
}

// Revised returns record i in the form of a rewritten block.
func (b *Block) Revised(i int) Revised {
	r := Revised{Statement: b.statements[i], Content: b.contents[i]}
	if b.entries != nil {
		r.entry = b.entries[i]
		return r
	}
	statement, content := b.seed.salt(uint64(2*i)), b.seed.salt(uint64(2*i+1))
	copy(r.statement[:], statement[:])
	copy(r.content[:], content[:])
	return r
}

// Rewrite makes a block from revised records. head is the header of the block that it
// replaces.
func (c *Codec) Rewrite(head Head, records []Revised) ([]byte, error) {
	var table []byte
	var statements, contents [][]byte
	for i := range records {
		table = records[i].entry.append(table)
		statements = append(statements, records[i].Statement)
		contents = append(contents, records[i].Content)
	}
	block := append(make([]byte, HeadSize), table...)
	var err error
	if block, head.statements, err = c.makeFrame(block, statements); err != nil {
		return nil, err
	}
	head.flags |= flagRewritten
	head.salts = uint32(len(table))
	head.statements.crc = checksum(block[HeadSize:])
	head.contents = frame{}
	start := len(block)
	for _, part := range contents {
		if len(part) > 0 && len(block) == start {
			if block, head.contents, err = c.makeFrame(block, contents); err != nil {
				return nil, err
			}
			head.contents.crc = checksum(block[start:])
		}
	}
	head.put(block)
	return block, nil
}

// makeFrame appends the compressed parts to b.
func (c *Codec) makeFrame(b []byte, parts [][]byte) ([]byte, frame, error) {
	var payload []byte
	for _, part := range parts {
		payload = binary.AppendUvarint(payload, uint64(len(part)))
	}
	for _, part := range parts {
		payload = append(payload, part...)
	}
	if len(payload) > maxBlockBytes {
		return nil, frame{}, fmt.Errorf("want at most %d bytes, have %d", len(payload), maxBlockBytes)
	}
	start := len(b)
	b = c.enc.EncodeAll(payload, b)
	return b, frame{length: uint32(len(b) - start), raw: uint32(len(payload))}, nil
}
