package format1

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor"
)

// Kind is the kind of a record.
type Kind uint8

// The kinds of format 1.
const (
	Opening Kind = 1 + iota
	Original
	Message
	Sighting
	Quarantined
	Attachment
	Stated
)

// Record is a record of format 1, with its keys.
type Record struct {
	Kind    Kind     `cbor:"1,keyasint"`
	ID      argus.ID `cbor:"2,keyasint,omitzero"`
	Version Version  `cbor:"3,keyasint,omitzero"`
	// Message is the message; for a sighting, all of it except text and ciphertext.
	Message    *MessageForm    `cbor:"4,keyasint,omitempty"`
	Of         uint64          `cbor:"5,keyasint,omitempty"`
	Where      WhereForm       `cbor:"6,keyasint,omitzero"`
	Quarantine *QuarantineForm `cbor:"7,keyasint,omitempty"`
	Original   *OriginalForm   `cbor:"8,keyasint,omitempty"`
	Opening    *OpeningForm    `cbor:"9,keyasint,omitempty"`
	Stated     *StatedForm     `cbor:"10,keyasint,omitempty"`
}

// Version distinguishes copies of one message.
type Version [8]byte

// MessageForm is key 4 of a record.
type MessageForm struct {
	Service       string           `cbor:"1,keyasint"`
	Conversation  string           `cbor:"2,keyasint,omitempty"`
	Title         string           `cbor:"3,keyasint,omitempty"`
	From          string           `cbor:"4,keyasint,omitempty"`
	FromName      string           `cbor:"5,keyasint,omitempty"`
	To            []string         `cbor:"6,keyasint,omitempty"`
	ServiceID     string           `cbor:"7,keyasint,omitempty"`
	Sequence      uint64           `cbor:"8,keyasint,omitempty"`
	Sent          TimeForm         `cbor:"9,keyasint,omitzero"`
	Received      TimeForm         `cbor:"10,keyasint,omitzero"`
	Read          TimeForm         `cbor:"11,keyasint,omitzero"`
	Text          string           `cbor:"12,keyasint,omitempty"`
	Lang          string           `cbor:"13,keyasint,omitempty"`
	State         uint8            `cbor:"14,keyasint,omitempty"`
	ReplyTo       string           `cbor:"15,keyasint,omitempty"`
	ForwardedFrom string           `cbor:"16,keyasint,omitempty"`
	Attachments   []AttachmentForm `cbor:"17,keyasint,omitempty"`
	Locked        *LockedForm      `cbor:"18,keyasint,omitempty"`
	Extra         []FieldForm      `cbor:"19,keyasint,omitempty"`
	Repeat        uint32           `cbor:"20,keyasint,omitempty"`
}

// TimeForm is a moment. It is known if its precision is not 0.
type TimeForm struct {
	Micros    int64  `cbor:"1,keyasint,omitempty"`
	Raw       string `cbor:"2,keyasint,omitempty"`
	Zone      uint8  `cbor:"3,keyasint,omitempty"`
	Precision uint8  `cbor:"4,keyasint,omitempty"`
}

// AttachmentForm names a file that was sent with a message.
type AttachmentForm struct {
	Name string     `cbor:"1,keyasint,omitempty"`
	Hash argus.Hash `cbor:"2,keyasint,omitzero"`
	Size int64      `cbor:"3,keyasint,omitempty"`
	Type string     `cbor:"4,keyasint,omitempty"`
}

// LockedForm is content that the service encrypted.
type LockedForm struct {
	KeyID     string `cbor:"1,keyasint,omitempty"`
	Algorithm string `cbor:"2,keyasint,omitempty"`
	Payload   []byte `cbor:"3,keyasint,omitempty"`
}

// FieldForm is a name with a value.
type FieldForm struct {
	Name  string `cbor:"1,keyasint" json:"name"`
	Value string `cbor:"2,keyasint" json:"value"`
}

// WhereForm is a position in an original.
type WhereForm struct {
	Original uint64 `cbor:"1,keyasint,omitempty"`
	Path     string `cbor:"2,keyasint,omitempty"`
	Record   uint64 `cbor:"3,keyasint,omitempty"`
	Offset   int64  `cbor:"4,keyasint,omitempty"`
	Length   int64  `cbor:"5,keyasint,omitempty"`
	Reader   uint8  `cbor:"6,keyasint,omitempty"`
}

// QuarantineForm is a piece that no reader understood.
type QuarantineForm struct {
	Reason string `cbor:"1,keyasint"`
	Raw    []byte `cbor:"2,keyasint,omitempty"`
	Broke  bool   `cbor:"3,keyasint,omitempty"`
}

// OriginalForm is a received file.
type OriginalForm struct {
	Hash     argus.Hash `cbor:"1,keyasint"`
	Size     int64      `cbor:"2,keyasint"`
	Path     string     `cbor:"3,keyasint"`
	Modified int64      `cbor:"4,keyasint,omitempty"`
}

// OpeningForm begins a delivery. A seal repeats it, in JSON.
type OpeningForm struct {
	Source    string      `cbor:"1,keyasint" json:"source"`
	Place     string      `cbor:"8,keyasint,omitempty" json:"place,omitempty"`
	Authority string      `cbor:"2,keyasint" json:"authority"`
	Actor     string      `cbor:"3,keyasint" json:"actor"`
	Started   int64       `cbor:"4,keyasint" json:"started_us"`
	Software  string      `cbor:"5,keyasint" json:"software"`
	Readers   []string    `cbor:"6,keyasint" json:"readers"`
	Options   []FieldForm `cbor:"7,keyasint,omitempty" json:"options,omitempty"`
}

// StatedForm is a source's own count.
type StatedForm struct {
	What    string `cbor:"1,keyasint"`
	Count   uint64 `cbor:"2,keyasint"`
	Besides uint64 `cbor:"3,keyasint,omitempty"`
}

var (
	encoding = must(cbor.CoreDetEncOptions().UserBufferEncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   8,
		MaxArrayElements:  argus.MaxList,
		MaxMapPairs:       64,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, // otherwise something would be lost silently
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Append appends a record to b, in format 1's only encoding.
func Append(b []byte, r *Record) ([]byte, error) {
	if plain(r) {
		e := corecbor.Encoder{Buf: b}
		putRecord(&e, r)
		return e.Buf, nil
	}
	buf := bytes.NewBuffer(b)
	err := encoding.MarshalToBuffer(r, buf)
	return buf.Bytes(), err
}

// Decode reads a record. The error is ErrDamaged if the data is not a record.
func Decode(data []byte) (*Record, error) { return new(Decoder).Decode(data) }

// A Decoder reads records one after another. Each result is valid until the next call.
type Decoder struct {
	record  Record
	message MessageForm
}

// Decode reads a record as [Decode] does.
func (d *Decoder) Decode(data []byte) (*Record, error) {
	d.record, d.message = Record{}, MessageForm{}
	r := &d.record
	if !getRecord(data, r, &d.message) {
		d.record, d.message = Record{}, MessageForm{}
		if err := decoding.Unmarshal(data, r); err != nil {
			return nil, fmt.Errorf("decode record: %w: %w", argus.ErrDamaged, err)
		}
	}
	var missing bool
	switch r.Kind {
	case Opening:
		missing = r.Opening == nil
	case Original, Attachment:
		missing = r.Original == nil
	case Message, Sighting:
		missing = r.Message == nil || r.Message.Service == ""
	case Quarantined:
		missing = r.Quarantine == nil
	case Stated:
		missing = r.Stated == nil
	default:
		return nil, fmt.Errorf("decode record: %w: format 1 has no kind %d", argus.ErrDamaged, r.Kind)
	}
	if missing {
		return nil, fmt.Errorf("decode record: %w: the record of kind %d lacks the content of its kind", argus.ErrDamaged, r.Kind)
	}
	return r, nil
}
