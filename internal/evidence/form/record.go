package form

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor"
)

// A record is stored in two parts, each a CBOR map in core deterministic encoding
// (RFC 8949, section 4.2.1) with integer keys: its content, the words that somebody
// said, and its statement, the rest. docs/format/segment.md lists the keys.
var (
	partEncoding = must(cbor.CoreDetEncOptions().UserBufferEncMode())
	partDecoding = must(decOptions(cbor.ExtraDecErrorUnknownField).DecMode())
	// anyDecoding decodes a part that has unknown keys.
	anyDecoding = must(decOptions(cbor.ExtraDecErrorNone).DecMode())
)

func decOptions(extra cbor.ExtraDecErrorCond) cbor.DecOptions {
	return cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   8,
		MaxArrayElements:  argus.MaxList,
		MaxMapPairs:       64,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		UTF8:              cbor.UTF8RejectInvalid,
		ExtraReturnErrors: extra,
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Content is the part of a record that somebody said.
type Content struct {
	Text        string             `cbor:"1,keyasint,omitempty"`
	Facts       *argus.Facts       `cbor:"2,keyasint,omitempty"`
	Attachments []argus.Attachment `cbor:"3,keyasint,omitempty"`
	Locked      *argus.Locked      `cbor:"4,keyasint,omitempty"`
	// Raw is the piece in a quarantined record.
	Raw []byte `cbor:"5,keyasint,omitempty"`
	// Sealed is the ciphertext of a sealed record.
	Sealed []byte `cbor:"6,keyasint,omitempty"`
}

func (c *Content) empty() bool {
	return c.fields() == 0
}

// A Splitter cuts records into statement and content. Each goroutine needs its own.
type Splitter struct {
	record  argus.Record // encodes as the statement
	content Content

	message    argus.Message
	quarantine argus.Quarantine
	encoder    corecbor.Encoder
	body       []byte
}

// split sets the two parts of a record without changing the record. Identities that
// follow from the two parts are in neither.
func (p *Splitter) split(r *argus.Record) {
	p.content = Content{}
	if r.Kind == argus.KindMessage {
		p.message = *r.Message
		m := &p.message
		p.content = Content{Text: m.Text, Facts: m.Facts, Attachments: m.Attachments, Locked: m.Locked}
		m.Text, m.Facts, m.Attachments, m.Locked = "", nil, nil, nil
		p.record = argus.Record{Kind: r.Kind, Message: m, Of: r.Of, Moved: r.Moved, Where: r.Where}
		return
	}
	p.record = *r
	switch {
	case r.Opened != nil:
		p.content = Content{Text: r.Opened.Text, Facts: r.Opened.Facts, Attachments: r.Opened.Attachments}
	case r.Sealed != nil:
		p.content.Sealed = r.Sealed.Ciphertext
	case r.Quarantine != nil:
		p.quarantine = *r.Quarantine
		p.content.Raw, p.quarantine.Raw = p.quarantine.Raw, nil
		p.record.Quarantine = &p.quarantine
	}
}

// appendStatement appends the statement of the record that was split last.
func (p *Splitter) appendStatement(b []byte) ([]byte, error) {
	if !plain(&p.record) {
		return appendAny(b, &p.record)
	}
	p.encoder.Buf = b
	putRecord(&p.encoder, &p.record)
	return p.encoder.Buf, nil
}

// appendContent appends the content of the record that was split last, if any.
func (p *Splitter) appendContent(b []byte) ([]byte, error) {
	switch {
	case p.content.empty():
		return b, nil
	case p.content.Facts != nil:
		return appendAny(b, &p.content)
	}
	p.encoder.Buf = b
	putContent(&p.encoder, &p.content)
	return p.encoder.Buf, nil
}

func appendAny(b []byte, part any) ([]byte, error) {
	buf := bytes.NewBuffer(b)
	err := partEncoding.MarshalToBuffer(part, buf)
	return buf.Bytes(), err
}

// join restores a record from its parts, and its identity.
func join(r *argus.Record, c *Content, hasher *argus.Hasher) error {
	used := Content{} // the fields that a record of this kind has
	switch r.Kind {
	case argus.KindMessage:
		m := r.Message
		if m.Text != "" || m.Facts != nil || len(m.Attachments) > 0 || m.Locked != nil || r.ID != (argus.ID{}) || r.Version != (argus.Version{}) || r.Met != (argus.ID{}) {
			return fmt.Errorf("%w: the statement of a message contains content", argus.ErrDamaged)
		}
		m.Text, m.Facts, m.Attachments, m.Locked = c.Text, c.Facts, c.Attachments, c.Locked
		r.ID, r.Version = hasher.Identity(m)
		if r.Moved != 0 {
			r.Met, r.Version = hasher.Moved(m, r.Moved)
		}
		used = Content{Text: c.Text, Facts: c.Facts, Attachments: c.Attachments, Locked: c.Locked}
	case argus.KindQuarantined:
		if len(r.Quarantine.Raw) > 0 {
			return fmt.Errorf("%w: the statement of a quarantined piece contains content", argus.ErrDamaged)
		}
		r.Quarantine.Raw = c.Raw
		used.Raw = c.Raw
	case argus.KindOpened:
		r.Opened.Text, r.Opened.Facts, r.Opened.Attachments = c.Text, c.Facts, c.Attachments
		used = Content{Text: c.Text, Facts: c.Facts, Attachments: c.Attachments}
	case argus.KindSealed:
		r.Sealed.Ciphertext = c.Sealed
		used.Sealed = c.Sealed
	case argus.KindOpening, argus.KindOriginal, argus.KindSighting, argus.KindAttachment, argus.KindStated, argus.KindKey, argus.KindWithdrawn,
		argus.KindReleased, argus.KindDestroyed, argus.KindDerived, argus.KindReading, argus.KindAmendment:
	}
	if c.fields() != used.fields() {
		return fmt.Errorf("%w: a record of kind %s has content that its kind does not allow", argus.ErrDamaged, r.Kind)
	}
	return nil
}

// fields returns a bit for each field that is set.
func (c *Content) fields() (set int) {
	for i, there := range []bool{c.Text != "", c.Facts != nil, len(c.Attachments) > 0, c.Locked != nil, len(c.Raw) > 0, len(c.Sealed) > 0} {
		if there {
			set |= 1 << i
		}
	}
	return set
}

// decodeRecord makes a record from its two parts. The error is ErrNewer if this version
// would have to understand its kind or a key but does not. For a kind that may be
// skipped, the record has only the kind.
func decodeRecord(statement, said []byte, hasher *argus.Hasher) (*argus.Record, error) {
	if kind := kindOf(statement); kind >= argus.KindSkippable {
		return &argus.Record{Kind: kind}, nil
	}
	r := new(argus.Record)
	if !getRecord(statement, r) {
		*r = argus.Record{}
		if err := decodePart(statement, r); err != nil {
			return nil, fmt.Errorf("decode record: %w", err)
		}
	}
	if err := r.Complete(); err != nil {
		if !errors.Is(err, argus.ErrNewer) {
			err = fmt.Errorf("%w: %w", argus.ErrDamaged, err)
		}
		return nil, fmt.Errorf("decode record: %w", err)
	}
	var c Content
	if err := DecodeContent(said, &c); err != nil {
		return nil, fmt.Errorf("decode content: %w", err)
	}
	if err := join(r, &c, hasher); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	return r, nil
}

// DecodeContent decodes the content of a record, which may be empty. The error is
// argus.ErrDamaged or argus.ErrNewer.
func DecodeContent(said []byte, c *Content) error {
	if len(said) == 0 || getContent(said, c) {
		return nil
	}
	var whole Content
	err := decodePart(said, &whole)
	*c = whole
	return err
}

// kindOf returns the kind given in a statement under its first key, or 0 if there is
// none.
func kindOf(statement []byte) argus.Kind {
	if len(statement) < 3 || statement[0]>>5 != 5 || statement[1] != 1 {
		return 0
	}
	switch v := statement[2]; {
	case v < 24:
		return argus.Kind(v)
	case v == 24 && len(statement) > 3:
		return argus.Kind(statement[3])
	}
	return 0
}

// firstSkippable is the first map key that an older reader may skip.
const firstSkippable = 64

func decodePart(data []byte, into any) error {
	err := partDecoding.Unmarshal(data, into)
	if err == nil {
		return nil
	}
	if _, unknown := errors.AsType[*cbor.UnknownFieldError](err); !unknown {
		return fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	var tree any
	if err := anyDecoding.Unmarshal(data, &tree); err != nil {
		return fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if err := unknownKeys(reflect.TypeOf(into), tree); err != nil {
		return err
	}
	// The first decoding ended at an unknown key; this one also reads the keys after it.
	if err := anyDecoding.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	return nil
}

// unknownKeys returns ErrNewer if a map has a key that its type lacks and that must be
// understood.
func unknownKeys(t reflect.Type, tree any) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch node := tree.(type) {
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for _, one := range node {
			if err := unknownKeys(t.Elem(), one); err != nil {
				return err
			}
		}
	case map[any]any:
		if t.Kind() != reflect.Struct {
			return nil
		}
		known := map[uint64]reflect.Type{}
		for f := range t.Fields() {
			if key, err := strconv.ParseUint(strings.Split(f.Tag.Get("cbor"), ",")[0], 10, 64); err == nil {
				known[key] = f.Type
			}
		}
		for key, value := range node {
			number, ok := key.(uint64)
			if !ok {
				return fmt.Errorf("%w: a key of a map is not a number", argus.ErrDamaged)
			}
			if inner, ok := known[number]; ok {
				if err := unknownKeys(inner, value); err != nil {
					return err
				}
			} else if number < firstSkippable {
				return fmt.Errorf("%w: it has the key %d, which this version does not support", argus.ErrNewer, number)
			}
		}
	}
	return nil
}

// canonical reports whether the two parts of a record are its only valid encoding. This
// version cannot write a record with keys that may be skipped; skipped reports such a
// record.
func canonical(r *argus.Record, statement, said []byte, p *Splitter) (same, skipped bool) {
	if r.Kind >= argus.KindSkippable {
		return true, true
	}
	p.split(r)
	for _, part := range []struct {
		data   []byte
		append func([]byte) ([]byte, error)
		into   reflect.Type
	}{{statement, p.appendStatement, reflect.TypeFor[argus.Record]()}, {said, p.appendContent, reflect.TypeFor[Content]()}} {
		var err error
		if p.body, err = part.append(p.body[:0]); err != nil {
			return false, skipped
		}
		if bytes.Equal(part.data, p.body) {
			continue
		}
		if len(part.data) == 0 {
			return false, skipped
		}
		err = partDecoding.Unmarshal(part.data, reflect.New(part.into).Interface())
		if _, unknown := errors.AsType[*cbor.UnknownFieldError](err); !unknown {
			return false, skipped
		}
		skipped = true
	}
	return true, skipped
}
