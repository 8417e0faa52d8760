package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/argus-evidence/argus"
)

// entry is what a rewritten block says of a record in the place of the seed.
type entry struct {
	gone argus.Gone
	was  argus.Was // of a record without its statement
	// statement and content are the salt of each part, or the commitment to it where
	// the part is gone.
	statement, content argus.Hash
	// id and version stand for those of a message without its content; they are
	// random, but the same for what was the same.
	id      argus.ID
	version argus.Version
}

const (
	entryStandIns  = 8
	entryDiffering = 16
	entryLocked    = 32
	maxEntry       = 3 + 2*sha256.Size + 32
)

func (e *entry) standIns() bool { return e.id != argus.ID{} }

func (e *entry) append(b []byte) []byte {
	flags := byte(e.gone)
	if e.standIns() {
		flags |= entryStandIns
	}
	if e.was.Differing {
		flags |= entryDiffering
	}
	if e.was.Locked {
		flags |= entryLocked
	}
	b = append(b, flags, byte(e.was.Kind), byte(e.was.Type))
	for _, part := range []struct {
		hash argus.Hash
		gone bool
	}{{e.statement, e.gone&argus.GoneStatement != 0}, {e.content, e.gone&argus.GoneContent != 0}} {
		if part.gone {
			b = append(b, part.hash[:]...)
		} else {
			b = append(b, part.hash[:saltBytes]...)
		}
	}
	if e.standIns() {
		b = append(b, e.id[:]...)
		b = append(b, e.version[:]...)
	}
	return b
}

// parseEntries reads the table of a rewritten block.
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
		e.gone = argus.Gone(flags & 7)
		e.was = argus.Was{Kind: argus.Kind(head[1]), Differing: flags&entryDiffering != 0, Locked: flags&entryLocked != 0, Type: argus.Type(head[2])}
		rest -= 3
		for _, part := range []struct {
			into *argus.Hash
			gone bool
		}{{&e.statement, e.gone&argus.GoneStatement != 0}, {&e.content, e.gone&argus.GoneContent != 0}} {
			n := saltBytes
			if part.gone {
				n = sha256.Size
			}
			rest -= copy(part.into[:], cut(n))
		}
		if flags&entryStandIns != 0 {
			rest -= copy(e.id[:], cut(len(e.id))) + copy(e.version[:], cut(len(e.version)))
		}
		if err := e.valid(flags); err != nil {
			return nil, fmt.Errorf("%w: record %d of the block: %w", argus.ErrDamaged, i+1, err)
		}
	}
	if rest != 0 {
		return nil, fmt.Errorf("%w: the table of records has %d bytes too many", argus.ErrDamaged, rest)
	}
	return entries, nil
}

func (e *entry) valid(flags byte) error {
	there := e.gone&argus.GoneStatement == 0
	switch {
	case e.gone.Valid() != nil:
		return e.gone.Valid()
	case there != (e.was == argus.Was{}):
		return fmt.Errorf("it says what it was: %v, and its statement is there: %v", e.was, there)
	case (flags&entryStandIns != 0) != e.standIns(), e.standIns() && e.gone&argus.GoneAll != argus.GoneContent:
		return fmt.Errorf("it has another id in the place of one that is there")
	}
	return nil
}

// revised is a record as it stands in a rewritten block.
type revised struct {
	entry
	// statement and content are the stored parts, or where a part is withheld what
	// is encrypted: in the place of the first part that is gone.
	statement, content []byte
}

// becomes is the hash by which an amendment names what takes a record's place.
func (r *revised) becomes() argus.Hash {
	b := r.entry.append(nil)
	b = binary.AppendUvarint(b, uint64(len(r.statement)))
	b = append(b, r.statement...)
	return sha256.Sum256(append(b, r.content...))
}

// withheld is where what is encrypted of the record stands.
func (r *revised) withheld() *[]byte {
	if r.gone&argus.GoneStatement != 0 {
		return &r.statement
	}
	return &r.content
}

// revised returns a record of a block as a rewritten block has it.
func (b *block) revised(i int) revised {
	r := revised{statement: b.statements[i], content: b.contents[i]}
	if b.entries != nil {
		r.entry = b.entries[i]
		return r
	}
	statement, content := b.seed.salt(uint64(2*i)), b.seed.salt(uint64(2*i+1))
	copy(r.entry.statement[:], statement[:])
	copy(r.entry.content[:], content[:])
	return r
}

// rewrite makes a block of records that were changed.
func (c *codec) rewrite(head blockHead, records []revised) ([]byte, error) {
	var table []byte
	var statements, contents [][]byte
	for i := range records {
		table = records[i].entry.append(table)
		statements = append(statements, records[i].statement)
		contents = append(contents, records[i].content)
	}
	block := append(make([]byte, blockHeader), table...)
	var err error
	if block, head.statements, err = c.makeFrame(block, statements); err != nil {
		return nil, err
	}
	head.flags |= flagRewritten
	head.salts = uint32(len(table))
	head.statements.crc = checksum(block[blockHeader:])
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
	head.append(block[:0])
	return block, nil
}

// makeFrame compresses parts behind b.
func (c *codec) makeFrame(b []byte, parts [][]byte) ([]byte, frame, error) {
	var payload []byte
	for _, part := range parts {
		payload = binary.AppendUvarint(payload, uint64(len(part)))
	}
	for _, part := range parts {
		payload = append(payload, part...)
	}
	if len(payload) > maxBlockBytes {
		return nil, frame{}, fmt.Errorf("%d bytes are more than %d", len(payload), maxBlockBytes)
	}
	start := len(b)
	b = c.enc.EncodeAll(payload, b)
	return b, frame{length: uint32(len(b) - start), raw: uint32(len(payload))}, nil
}
