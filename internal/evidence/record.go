package evidence

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/argus-evidence/argus"
)

// A canonical record is a CBOR map in core deterministic encoding (RFC 8949,
// section 4.2.1) with the integer keys that the root package's types carry.
// docs/format/segment.md lists them.
var (
	recordEncoding = must(cbor.CoreDetEncOptions().UserBufferEncMode())
	recordDecoding = must(cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  8,
		MaxArrayElements: argus.MaxList,
		MaxMapPairs:      64,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func encodeRecord(buf *bytes.Buffer, r *argus.Record) error {
	return recordEncoding.MarshalToBuffer(r, buf)
}

func decodeRecord(data []byte) (*argus.Record, error) {
	r := new(argus.Record)
	if err := recordDecoding.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", argus.ErrDamaged, err)
	}
	if err := r.Complete(); err != nil {
		return nil, fmt.Errorf("decode record: %w: %w", argus.ErrDamaged, err)
	}
	return r, nil
}

// leafHash is the hash of a record's leaf in its delivery's Merkle tree.
func leafHash(record []byte) []byte { return rfc6962.DefaultHasher.HashLeaf(record) }
