package argus

import (
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Record is one entry of the evidence. Each delivery is a run of records: the
// delivery itself, then each original followed by a reader's results.
type Record struct {
	// Seq is the position in the evidence, counted from 1 without gaps.
	Seq uint64 `cbor:"-"`
	// Delivery is the delivery that the record belongs to.
	Delivery DeliveryNumber `cbor:"-"`

	Kind Kind `cbor:"1,keyasint"`
	// ID and Version name the message, for KindMessage and KindSighting. For
	// KindSealed they are keyed.
	ID      ID      `cbor:"2,keyasint,omitzero"`
	Version Version `cbor:"3,keyasint,omitzero"`
	// Met is set for a copy whose clock differs from the message's: the id of that
	// message. ID is then the copy's own, and Version is the version under Met. A sighting
	// states it; for a differing copy, it follows from Moved and the content.
	Met ID `cbor:"11,keyasint,omitzero"`
	// Moved is set for a KindMessage that has Met: Met is the id that the message would
	// have if it had been sent this many seconds later.
	Moved int64 `cbor:"20,keyasint,omitempty"`
	// Message is the message, or for KindSighting the fields that this copy adds to it
	// ([Message.Aside]).
	Message *Message `cbor:"4,keyasint,omitempty"`
	// Content is, for KindSighting and KindOpened, the salted hash of the content of record Of
	// (docs/format/segment.md), so that this record proves it too. Append sets it.
	Content Hash `cbor:"12,keyasint,omitzero"`
	// Of is, for KindSighting, the sequence number of the record that stored
	// the message; for KindMessage, that of the first copy if this one
	// differs from it; for KindOpened, that of the record with the ciphertext.
	Of uint64 `cbor:"5,keyasint,omitempty"`
	// Where is the place in the original, for everything a reader produced.
	Where Where `cbor:"6,keyasint,omitzero"`

	Quarantine *Quarantine `cbor:"7,keyasint,omitempty"`
	// Original is the file, for KindOriginal, KindAttachment and KindDerived.
	Original *Original `cbor:"8,keyasint,omitempty"`
	Opening  *Opening  `cbor:"9,keyasint,omitempty"`
	// Stated is the source's claim about itself, for KindStated.
	Stated *Stated `cbor:"10,keyasint,omitempty"`

	Sealed *Sealed `cbor:"13,keyasint,omitempty"`
	Key    *Key    `cbor:"14,keyasint,omitempty"`
	Opened *Opened `cbor:"15,keyasint,omitempty"`
	// Act is set for KindWithdrawn, KindReleased and KindDestroyed.
	Act       *Act       `cbor:"16,keyasint,omitempty"`
	Derived   *Derived   `cbor:"17,keyasint,omitempty"`
	Reading   *Reading   `cbor:"18,keyasint,omitempty"`
	Amendment *Amendment `cbor:"19,keyasint,omitempty"`

	// ReadIn is the delivery that read the record again, if the record counts in that
	// delivery; 0 otherwise.
	ReadIn DeliveryNumber `cbor:"-"`

	// Gone lists the parts that an amendment removed. Without the statement, Kind
	// is 0 and Was describes the record. Without the content, the rest remains, and ID
	// and Version are replaced, so that they reveal nothing about the content.
	Gone Gone `cbor:"-"`
	Was  Was  `cbor:"-"`
}

// MessageID is the id under which the record's message was first stored.
func (r *Record) MessageID() ID {
	if r.Met != (ID{}) {
		return r.Met
	}
	return r.ID
}

// Size is the approximate size of a record in memory, and encoded. It includes every
// part that can be large.
func (r *Record) Size() int {
	n := 128 + len(r.Where.Path)
	if r.Message != nil {
		n += r.Message.size()
	}
	if r.Quarantine != nil {
		n += len(r.Quarantine.Reason) + len(r.Quarantine.Raw)
	}
	if r.Original != nil {
		n += len(r.Original.Path)
	}
	if r.Stated != nil {
		n += len(r.Stated.What)
	}
	if o := r.Opening; o != nil {
		n += len(o.Source) + len(o.Place) + len(o.Authority) + len(o.Actor) + len(o.Software)
		for _, s := range o.Readers {
			n += 16 + len(s)
		}
		for _, x := range o.Options {
			n += 32 + len(x.Name) + len(x.Value)
		}
	}
	if r.Kind < KindSealed {
		return n
	}
	for s := range r.texts() {
		n += 16 + len(s)
	}
	if r.Sealed != nil {
		n += len(r.Sealed.Ciphertext)
	}
	if r.Opened != nil {
		n += 80 * len(r.Opened.Attachments)
	}
	return n + 56*r.longest()
}

// Valid returns an error if the record could be written but not read again.
func (r *Record) Valid() error {
	if err := r.Complete(); err != nil {
		return err
	}
	if r.Kind >= KindSkippable {
		return fmt.Errorf("this version cannot write a record of kind %s", r.Kind)
	}
	if r.Kind == KindMessage {
		if !validText(r.Where.Path) {
			return errors.New("the place of the message is not UTF-8")
		}
		return r.Message.Valid()
	}
	if err := r.sensible(); err != nil {
		return err
	}
	if r.longest() > MaxList {
		return fmt.Errorf("the record of kind %s has a list of more than %d", r.Kind, MaxList)
	}
	for s := range r.texts() {
		if !validText(s) {
			return fmt.Errorf("the record of kind %s holds text that is not UTF-8", r.Kind)
		}
	}
	return nil
}

// Complete returns an error if the record lacks a field of its kind. The error is
// ErrNewer for a kind that must be understood and is unknown to this version.
func (r *Record) Complete() error {
	var missing bool
	switch r.Kind {
	case KindOpening:
		missing = r.Opening == nil
	case KindOriginal, KindAttachment:
		missing = r.Original == nil
	case KindMessage, KindSighting:
		missing = r.Message == nil
	case KindQuarantined:
		missing = r.Quarantine == nil
	case KindStated:
		missing = r.Stated == nil
	case KindSealed:
		missing = r.Sealed == nil
	case KindKey:
		missing = r.Key == nil
	case KindOpened:
		missing = r.Opened == nil
	case KindWithdrawn, KindReleased, KindDestroyed:
		missing = r.Act == nil
	case KindDerived:
		missing = r.Original == nil || r.Derived == nil
	case KindReading:
		missing = r.Reading == nil
	case KindAmendment:
		missing = r.Amendment == nil
	case 0:
		return errors.New("the record has no kind")
	default:
		if r.Kind >= KindSkippable {
			return nil
		}
		return fmt.Errorf("the record is of kind %s, which this version does not support: %w", r.Kind, ErrNewer)
	}
	if missing {
		return fmt.Errorf("the record of kind %s lacks the content of its kind", r.Kind)
	}
	return nil
}

// Kind is the kind of a record.
type Kind uint8

const (
	// KindOpening: a delivery begins.
	KindOpening Kind = 1 + iota
	// KindOriginal: a file was received and is held.
	KindOriginal
	// KindMessage: a message, or a differing copy of one.
	KindMessage
	// KindSighting: a known message was seen again.
	KindSighting
	// KindQuarantined: a reader could not make sense of a piece.
	KindQuarantined
	// KindAttachment: a file inside an archive, named by a message, is held.
	// Outside archives, the file's KindOriginal serves instead.
	KindAttachment
	// KindStated: a file states its number of records.
	KindStated
	// KindSealed: a message was encrypted to recipients before it was stored.
	KindSealed
	// KindKey: a key is held.
	KindKey
	// KindOpened: a key decrypted a ciphertext.
	KindOpened
	// KindWithdrawn: records may no longer be shown or counted.
	KindWithdrawn
	// KindReleased: withdrawn or sealed records may be shown again.
	KindReleased
	// KindDestroyed: the bytes of records are gone.
	KindDestroyed
	// KindDerived: an original was made from another.
	KindDerived
	// KindReading: the originals of a delivery are read again.
	KindReading
	// KindAmendment: stored bytes change.
	KindAmendment
)

// KindSkippable is the first of the kinds that an older Argus may skip. It reads
// such a record as a kind and nothing more.
const KindSkippable = 64

var kindWords = [...]string{"none", "opening", "original", "message", "sighting", "quarantined", "attachment", "stated",
	"sealed", "key", "opened", "withdrawn", "released", "destroyed", "derived", "reading", "amendment"}

func (k Kind) String() string { return word(kindWords[:], uint8(k)) }

// MarshalText writes the kind's word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Where is a place in an original.
type Where struct {
	// Original is the sequence number of the KindOriginal record.
	Original uint64 `cbor:"1,keyasint,omitempty" json:"original_seq,omitempty"`
	// Path leads to a file inside an archive: "chats/alice.txt", or
	// "outer.zip!/inner.txt". Empty for the original itself.
	Path string `cbor:"2,keyasint,omitempty" json:"path,omitempty"`
	// Reader is the position, from 1, of the reader in the delivery's
	// [Opening.Readers]; 0 if none recognised the file.
	Reader uint8 `cbor:"6,keyasint,omitempty" json:"-"`
	// Record is the number, from 1, of the piece in the file: a line, a row, an
	// object of a list, as the reader documents.
	Record uint64 `cbor:"3,keyasint,omitempty" json:"record,omitempty"`
	// Offset and Length delimit the record's bytes in the file; Length is 0 if the
	// format has no such place.
	Offset int64 `cbor:"4,keyasint,omitempty" json:"offset,omitempty"`
	Length int64 `cbor:"5,keyasint,omitempty" json:"length,omitempty"`
}

// Quarantine is a piece of an original that a reader could not make sense of.
type Quarantine struct {
	// Reason is a sentence with the expected and the actual input.
	Reason string `cbor:"1,keyasint" json:"reason"`
	// Raw holds the piece, or its beginning: at most QuarantineRaw bytes. The
	// original holds all of it.
	Raw []byte `cbor:"2,keyasint,omitempty" json:"raw,omitempty"`
	// Broke means that reading the file ended early here; the rest was not read.
	Broke bool `cbor:"3,keyasint,omitempty" json:"broke,omitempty"`
}

// Stated is a source's own count of its records. A different number of records
// read is a finding, not an error.
type Stated struct {
	// What is the source's own word for it: "messageCount".
	What  string `cbor:"1,keyasint" json:"what"`
	Count uint64 `cbor:"2,keyasint" json:"count"`
	// The number of messages and quarantined pieces read from the file before that
	// Count does not cover, such as calls in addition to messages.
	Besides uint64 `cbor:"3,keyasint,omitempty" json:"besides,omitempty"`
}

// QuarantineRaw is the maximum number of bytes copied from a quarantined piece.
const QuarantineRaw = 1024

// Original is a received file, byte for byte.
type Original struct {
	Hash Hash  `cbor:"1,keyasint" json:"sha256"`
	Size int64 `cbor:"2,keyasint" json:"size"`
	// Path is the file's path in the delivery, relative to the folder handed over,
	// with forward slashes.
	Path string `cbor:"3,keyasint" json:"path"`
	// Modified is the file's own time stamp in Unix microseconds, or 0 if it has none.
	Modified int64 `cbor:"4,keyasint,omitempty" json:"modified_us,omitempty"`
	// File names the files that keep the bytes, and Root is the Merkle tree hash
	// (RFC 6962) over their blocks. Zero for an attachment inside an archive.
	File FileName `cbor:"5,keyasint,omitzero" json:"file,omitzero"`
	Root Hash     `cbor:"6,keyasint,omitzero" json:"root,omitzero"`
}

// FileName names the files of an original in a store. It is random: it outlives the
// original and must not reveal anything about it.
type FileName [16]byte

func (n FileName) String() string { return hex.EncodeToString(n[:]) }

// MarshalText writes the name in hexadecimal.
func (n FileName) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (n *FileName) UnmarshalText(text []byte) error {
	if len(text) != 2*len(n) {
		return fmt.Errorf("parse name of an original: %d digits, want %d", len(text), 2*len(n))
	}
	_, err := hex.Decode(n[:], text)
	return err
}

// Opening begins a delivery and states its terms.
type Opening struct {
	// Source is the path handed over, as the operator named it.
	Source string `cbor:"1,keyasint" json:"source"`
	// Place is the full path of Source on the machine that took it in.
	Place string `cbor:"8,keyasint,omitempty" json:"place,omitempty"`
	// Authority is the legal basis that it was received under.
	Authority string `cbor:"2,keyasint" json:"authority"`
	// Actor is who took it in.
	Actor string `cbor:"3,keyasint" json:"actor"`
	// Started is the time of the opening, as Unix microseconds.
	Started int64 `cbor:"4,keyasint" json:"started_us"`
	// Software names the Argus that took it in.
	Software string `cbor:"5,keyasint" json:"software"`
	// Readers lists the available readers, as name/version. An interrupted
	// delivery continues only with the same readers.
	Readers []string `cbor:"6,keyasint" json:"readers"`
	// Options are the reading options by name: timezone, map, format.
	Options []Field `cbor:"7,keyasint,omitempty" json:"options,omitempty"`
	// Sort is the kind of delivery.
	Sort OpeningSort `cbor:"9,keyasint,omitempty" json:"sort,omitempty"`
}

// OpeningSort is the kind of a delivery.
type OpeningSort uint8

const (
	// OpeningHandOver: data was handed over.
	OpeningHandOver OpeningSort = iota
	// OpeningAct: an order about stored data is carried out.
	OpeningAct
	// OpeningReading: the originals of another delivery are read again.
	OpeningReading
)

var openingWords = [...]string{"hand-over", "act", "reading"}

func (s OpeningSort) String() string { return word(openingWords[:], uint8(s)) }

// MarshalText writes the sort's word.
func (s OpeningSort) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a sort's word.
func (s *OpeningSort) UnmarshalText(text []byte) error {
	for i, w := range openingWords {
		if w == string(text) {
			*s = OpeningSort(i)
			return nil
		}
	}
	return fmt.Errorf("parse the sort of a delivery: unknown word %q", text)
}

// Counts is the balanced account of a delivery or of one of its files:
// Read = Stored + Sightings + Quarantined. (L3)
type Counts struct {
	Read        uint64 `json:"read"`
	Stored      uint64 `json:"stored"`
	Sightings   uint64 `json:"sightings"`
	Quarantined uint64 `json:"quarantined"`
	// Differing counts, among Stored, the copies that differ from a known message.
	Differing uint64 `json:"differing"`
	// Locked counts, among Stored, the copies that cannot be read yet.
	Locked uint64 `json:"locked"`
	// Sealed counts, among Stored, the copies that were encrypted to a judge.
	Sealed uint64 `json:"sealed,omitempty"`
	// Beside counts, among Stored, the copies of records other than messages
	// ([Type.IsMessage]), by type.
	Beside TypeCounts `json:"beside,omitzero"`
}

// Balanced reports whether every record read is accounted for.
func (c Counts) Balanced() bool { return c.Read == c.Stored+c.Sightings+c.Quarantined }

// Messages counts, among Stored, the copies of messages that people sent each other.
func (c Counts) Messages() uint64 {
	n := c.Stored
	for _, beside := range c.Beside.All() {
		n -= min(n, beside)
	}
	return n
}

// TypeCounts counts records by type, without messages.
type TypeCounts struct {
	Call       uint64 `json:"call,omitempty"`
	Contact    uint64 `json:"contact,omitempty"`
	Room       uint64 `json:"room,omitempty"`
	Membership uint64 `json:"membership,omitempty"`
	Reaction   uint64 `json:"reaction,omitempty"`
	Location   uint64 `json:"location,omitempty"`
	Device     uint64 `json:"device,omitempty"`
	Draft      uint64 `json:"draft,omitempty"`
	Notice     uint64 `json:"notice,omitempty"`
	Note       uint64 `json:"note,omitempty"`
}

// of returns the count of a type, or nil for a message and for an unknown type.
func (c *TypeCounts) of(t Type) *uint64 {
	switch t {
	case TypeCall:
		return &c.Call
	case TypeContact:
		return &c.Contact
	case TypeRoom:
		return &c.Room
	case TypeMembership:
		return &c.Membership
	case TypeReaction:
		return &c.Reaction
	case TypeLocation:
		return &c.Location
	case TypeDevice:
		return &c.Device
	case TypeDraft:
		return &c.Draft
	case TypeNotice:
		return &c.Notice
	case TypeNote:
		return &c.Note
	case TypeText, TypePoll:
	}
	return nil
}

// All yields the types with a count above zero, in their order.
func (c TypeCounts) All() iter.Seq2[Type, uint64] {
	return func(yield func(Type, uint64) bool) {
		for t := range Type(len(TypeWords)) {
			if n := c.of(t); n != nil && *n > 0 && !yield(t, *n) {
				return
			}
		}
	}
}

// Add counts a record.
func (c *Counts) Add(r *Record) {
	was := r.Was
	if r.Gone&GoneStatement == 0 {
		was = Was{Kind: r.Kind, Differing: r.Kind == KindMessage && r.Of != 0,
			Locked: r.Kind == KindMessage && r.Message != nil && r.Message.State&StateLocked != 0}
		if r.Kind == KindMessage && r.Message != nil {
			was.Type = r.Message.Type
		}
	}
	switch was.Kind {
	case KindMessage, KindSealed:
		c.Read++
		c.Stored++
		if was.Differing {
			c.Differing++
		}
		if was.Locked {
			c.Locked++
		}
		if was.Kind == KindSealed {
			c.Sealed++
		}
		if beside := c.Beside.of(was.Type); beside != nil {
			*beside++
		}
	case KindSighting:
		c.Read++
		c.Sightings++
	case KindQuarantined:
		c.Read++
		c.Quarantined++
	case KindOpening, KindOriginal, KindAttachment, KindStated, KindKey, KindOpened, KindWithdrawn, KindReleased, KindDestroyed,
		KindDerived, KindReading, KindAmendment:
	}
}

// Shown returns the counts as everybody but the judge may see them: as if the sealed records
// had not been in the source. Each of those counts as read and stored.
func (c Counts) Shown() Counts {
	c.Read, c.Stored, c.Sealed = c.Read-c.Sealed, c.Stored-c.Sealed, 0
	return c
}

// Seal closes a delivery. Its text is signed; docs/format/seal.md has the form.
type Seal struct {
	Store    string         `json:"store"`
	Delivery DeliveryNumber `json:"delivery"`
	// Opening repeats the first record.
	Opening Opening   `json:"opening"`
	Sealed  time.Time `json:"sealed"`
	// Records counts the leaves of the tree: all records of the delivery.
	Records uint64 `json:"records"`
	// Root is the Merkle tree hash (RFC 6962) over the canonical records.
	Root   Hash   `json:"root"`
	Counts Counts `json:"counts"`
	// ReadBy names the readers of the counted records, as name/version in the order
	// of Opening.Readers; nil in seals without it.
	ReadBy []string `json:"read_by,omitempty"`
	// DeviceClocks means that a device's clock stamped some of the messages.
	DeviceClocks bool `json:"device_clocks,omitempty"`
	// Originals counts the files; OriginalsRoot is the Merkle tree hash over their SHA-256
	// hashes, in the order of their records.
	Originals     uint64 `json:"originals"`
	OriginalsRoot Hash   `json:"originals_root"`
	// First and Last are the sent times of the earliest and latest message.
	First Time `json:"first"`
	Last  Time `json:"last"`
	// Incomplete is the reason why the delivery was closed before its end, or empty.
	Incomplete string `json:"incomplete,omitempty"`
	// Ledger is the state of the ledger when the seal was made; zero in seals
	// without it.
	Ledger LedgerHead `json:"ledger,omitzero"`
}

// LedgerHead is the state of the ledger: its number of entries and the Merkle tree
// hash (RFC 6962) over them.
type LedgerHead struct {
	Entries uint64 `json:"entries"`
	Root    Hash   `json:"root"`
}

// Shown returns the seal as everybody but the judge may see it, without its number of
// records.
func (s *Seal) Shown() *Seal {
	shown := *s
	shown.Counts, shown.Records = s.Counts.Shown(), 0
	return &shown
}

// Orders reports whether the amendments of the delivery take effect. An act that was given
// up orders nothing. Originals of a delivery that was taken in are withheld even if it was
// given up.
func (s *Seal) Orders() bool {
	return s.Opening.Sort != OpeningAct || s.Incomplete == ""
}

// Check returns an error if a seal contradicts itself.
func (s *Seal) Check() error {
	if !s.Counts.Balanced() {
		return fmt.Errorf("delivery %s does not balance: read %d, stored %d, sightings %d, quarantined %d",
			s.Delivery, s.Counts.Read, s.Counts.Stored, s.Counts.Sightings, s.Counts.Quarantined)
	}
	left := s.Counts.Stored
	for kind, n := range s.Counts.Beside.All() {
		if n > left {
			return fmt.Errorf("delivery %s stored %d, but counts more records that are not messages (%s: %d)", s.Delivery, s.Counts.Stored, kind, n)
		}
		left -= n
	}
	return nil
}
