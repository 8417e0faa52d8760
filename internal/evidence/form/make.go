package form

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/argus-evidence/argus"
)

// Pending is a block that is being made: first its contents, then its statements, because
// a sighting states the commitment to a content, which may be in the same group.
type Pending struct {
	Head
	Records []*argus.Record
	// Proofs has the proof of each record. After [Maker.Contents] they contain the
	// commitments to all contents except those of sightings; after [Maker.Statements]
	// they are complete.
	Proofs []Proof
	// Bytes is the encoded block, once [Maker.Statements] has run.
	Bytes []byte

	seed seed
	said []byte // the frame of the contents
}

// Split cuts a batch of records of one delivery into blocks. leaf is the index of the
// first one in the delivery's tree; random is the source of the salts.
func Split(records []*argus.Record, d argus.DeliveryNumber, leaf uint64, random io.Reader) ([]Pending, error) {
	var blocks []Pending
	for start := 0; start < len(records); {
		end, size := start, 0
		for end < len(records) && end-start < blockRecords && size < blockBytes {
			size += records[end].Size()
			end++
		}
		blocks = append(blocks, Pending{
			Head:    Head{Ref: Ref{First: records[start].Seq, Leaf: leaf + uint64(start), Delivery: d}},
			Records: records[start:end],
		})
		if _, err := io.ReadFull(random, blocks[len(blocks)-1].seed[:]); err != nil {
			return nil, fmt.Errorf("draw salts: %w", err)
		}
		start = end
	}
	blocks[len(blocks)-1].flags = flagBatchEnd
	return blocks, nil
}

// Maker makes blocks. Each goroutine needs its own.
type Maker struct {
	codec         *Codec
	splitter      Splitter
	body, payload []byte
}

// Maker returns a new maker.
func (c *Codec) Maker() *Maker { return &Maker{codec: c} }

// part encodes a part of a record, appends the encoding to the body, and returns its hash.
func (m *Maker) part(what byte, salt [saltBytes]byte, encode func(*Splitter, []byte) ([]byte, error)) (argus.Hash, error) {
	start := len(m.body)
	b, err := encode(&m.splitter, append(m.body, make([]byte, saltedSpace)...))
	if err != nil {
		return argus.Hash{}, err
	}
	n := len(b) - start - saltedSpace
	if n > MaxPart {
		return argus.Hash{}, fmt.Errorf("want at most %d bytes, have %d", n, MaxPart)
	}
	hash := salted(b[start:], what, salt)
	copy(b[start:], b[start+saltedSpace:])
	m.body = b[:start+n]
	m.payload = binary.AppendUvarint(m.payload, uint64(n))
	return hash, nil
}

func (m *Maker) begin() { m.body, m.payload = m.body[:0], m.payload[:0] }

// frame appends the compressed parts to b.
func (m *Maker) frame(b []byte) ([]byte, frame, error) {
	m.payload = append(m.payload, m.body...)
	if len(m.payload) > maxBlockBytes {
		return nil, frame{}, fmt.Errorf("want at most %d bytes, have %d", len(m.payload), maxBlockBytes)
	}
	start := len(b)
	b = m.codec.enc.EncodeAll(m.payload, b)
	f := frame{length: uint32(len(b) - start), raw: uint32(len(m.payload))}
	if cap(m.payload) > 4*blockBytes {
		m.body, m.payload = nil, nil
	}
	return b, f, nil
}

// Contents makes the contents of a block, and the commitment to each except those of
// sightings. It must run before [Maker.Statements].
func (m *Maker) Contents(p *Pending) error {
	m.begin()
	p.Proofs = make([]Proof, len(p.Records))
	p.Count = uint32(len(p.Records))
	p.salts = seedBytes
	said := false
	for i, r := range p.Records {
		if r.Kind == argus.KindSighting {
			m.payload = append(m.payload, 0)
			continue
		}
		m.splitter.split(r)
		said = said || !m.splitter.content.empty()
		var err error
		if p.Proofs[i].Content, err = m.part(hashContent, p.seed.salt(uint64(2*i+1)), (*Splitter).appendContent); err != nil {
			return fmt.Errorf("encode the content of record %d: %w", r.Seq, err)
		}
	}
	if !said {
		return nil
	}
	var err error
	if p.said, p.contents, err = m.frame(nil); err != nil {
		return fmt.Errorf("encode the contents of records %d to %d: %w", p.First, p.End()-1, err)
	}
	p.contents.crc = checksum(p.said)
	return nil
}

// Statements makes the rest of the block. For each sighting, it calls of to get the
// commitment to the content, and stores it in the record.
func (m *Maker) Statements(p *Pending, of func(seq uint64) (argus.Hash, error)) error {
	m.begin()
	for i, r := range p.Records {
		var err error
		if r.Kind == argus.KindSighting || r.Kind == argus.KindOpened {
			if r.Content, err = of(r.Of); err != nil {
				return fmt.Errorf("read the content of record %d, to which record %d refers: %w", r.Of, r.Seq, err)
			}
		}
		if r.Kind == argus.KindSighting {
			p.Proofs[i].Content = r.Content
		}
		m.splitter.split(r)
		if p.Proofs[i].Statement, err = m.part(hashStatement, p.seed.salt(uint64(2*i)), (*Splitter).appendStatement); err != nil {
			return fmt.Errorf("encode record %d: %w", r.Seq, err)
		}
	}
	block := make([]byte, HeadSize, HeadSize+seedBytes+len(m.payload)+len(m.body)/2+len(p.said))
	block = append(block, p.seed[:]...)
	block, frame, err := m.frame(block)
	if err != nil {
		return fmt.Errorf("encode records %d to %d: %w", p.First, p.End()-1, err)
	}
	p.statements = frame
	p.statements.crc = checksum(block[HeadSize:])
	p.Bytes = append(block, p.said...)
	p.said = nil
	p.put(p.Bytes)
	return nil
}
