package argus

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode/utf8"
)

// Message is one sent communication, however many copies of it exist. It must not be
// changed once it has been handed on.
type Message struct {
	// Service is the messaging service in lower case: "whatsapp", "telegram",
	// "irc", "xmpp", "sky". Never empty.
	Service string `cbor:"1,keyasint" json:"service"`
	// Conversation is the service's own name for the thread, or
	// [DirectConversation] of the two accounts.
	Conversation string `cbor:"2,keyasint,omitempty" json:"conversation,omitempty"`
	// Title is the source's name for the conversation; not part of the identity.
	Title string `cbor:"3,keyasint,omitempty" json:"title,omitempty"`
	// From is the sending account as the service identifies it; empty for
	// statements of the service itself.
	From string `cbor:"4,keyasint,omitempty" json:"from,omitempty"`
	// FromName is the name that the source shows for From, if it is different.
	FromName string `cbor:"5,keyasint,omitempty" json:"from_name,omitempty"`
	// To lists the receiving accounts that the source names.
	To []string `cbor:"6,keyasint,omitempty" json:"to,omitempty"`
	// ServiceID is the service's own id of the message, or empty.
	ServiceID string `cbor:"7,keyasint,omitempty" json:"id,omitempty"`
	// Sequence is the service's own running number, or empty.
	Sequence uint64 `cbor:"8,keyasint,omitempty" json:"seq,omitempty"`

	Sent     Time `cbor:"9,keyasint,omitzero" json:"sent,omitzero"`
	Received Time `cbor:"10,keyasint,omitzero" json:"received,omitzero"`
	Read     Time `cbor:"11,keyasint,omitzero" json:"read,omitzero"`

	// Text is the written text, as UTF-8 with \n line ends. It is evidence
	// from a hostile source: escape it wherever it is shown.
	Text string `cbor:"12,keyasint,omitempty" json:"text,omitempty"`
	// Lang is the language as the source states it (BCP 47), or empty.
	Lang  string `cbor:"13,keyasint,omitempty" json:"lang,omitempty"`
	State State  `cbor:"14,keyasint,omitempty" json:"state,omitempty"`
	// ReplyTo is the ServiceID of the message that this one answers.
	ReplyTo string `cbor:"15,keyasint,omitempty" json:"reply_to,omitempty"`
	// ForwardedFrom names the account or title that it was forwarded from.
	ForwardedFrom string       `cbor:"16,keyasint,omitempty" json:"forwarded_from,omitempty"`
	Attachments   []Attachment `cbor:"17,keyasint,omitempty" json:"attachments,omitempty"`
	// Locked is the encrypted content while StateLocked is set in State.
	Locked *Locked `cbor:"18,keyasint,omitempty" json:"locked,omitempty"`
	// Extra keeps the source's fields that Argus has no field for, under their
	// own names and in their own order.
	Extra []Field `cbor:"19,keyasint,omitempty" json:"extra,omitempty"`
	// Repeat distinguishes messages that share every fact of their identity: it
	// is n for the n-th such message in its original, from 0. It is counted where the source
	// gives no ids and either states times only to the minute or is a log that holds each
	// message once, so that two equal messages are two messages.
	Repeat uint32 `cbor:"20,keyasint,omitempty" json:"repeat,omitempty"`
	// Type is the kind of thing recorded. For any type except a text, Text is a
	// readable line that the reader made from Facts.
	Type  Type   `cbor:"21,keyasint,omitempty" json:"type,omitempty"`
	Facts *Facts `cbor:"22,keyasint,omitempty" json:"facts,omitempty"`
	// Edited is when this wording was written, if the message was changed and the source says
	// when.
	Edited Time `cbor:"23,keyasint,omitzero" json:"edited,omitzero"`
	// AccountReach and ConversationReach are the scopes in which the ids in From and
	// To, and in Conversation, are unique.
	AccountReach      Reach `cbor:"24,keyasint,omitempty" json:"account_reach,omitempty"`
	ConversationReach Reach `cbor:"25,keyasint,omitempty" json:"conversation_reach,omitempty"`
}

// DerivedPrefix starts the id of a conversation that a reader derived from a message's
// subject and people, because the message does not name its conversation.
const DerivedPrefix = "derived:"

// Begun returns the id of the conversation that a message may have started: other
// messages that name this one as the first in their conversation belong to a conversation
// with this message's id. Begun returns "" if the message's own conversation is not
// derived.
func (m *Message) Begun() string {
	if !strings.HasPrefix(m.Conversation, DerivedPrefix) || m.ServiceID == m.Conversation {
		return ""
	}
	return m.ServiceID
}

// State is a set of facts about a copy of a message.
type State uint8

const (
	// StateLocked: the service encrypted it and no key is held yet.
	StateLocked State = 1 << iota
	// StateDeleted: the source marks it as deleted or recalled.
	StateDeleted
	// StateEdited: the source marks it as changed after it was sent.
	StateEdited
	// StateSystem: a statement of the service, not of an account: joins, renames.
	StateSystem
)

// StateWords are the names of the states, lowest bit first, in the query
// language (is:locked) and in JSON.
var StateWords = [...]string{"locked", "deleted", "edited", "system"}

// Words lists the states in the set.
func (s State) Words() []string {
	var words []string
	for i, w := range StateWords {
		if s&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return words
}

// MarshalJSON writes the words of the states.
func (s State) MarshalJSON() ([]byte, error) { return json.Marshal(s.Words()) }

// UnmarshalJSON reads a list of words.
func (s *State) UnmarshalJSON(data []byte) error {
	var words []string
	if err := json.Unmarshal(data, &words); err != nil {
		return fmt.Errorf("parse state: %w", err)
	}
	*s = 0
	for _, w := range words {
		one, ok := ParseState(w)
		if !ok {
			return fmt.Errorf("parse state: unknown word %q", w)
		}
		*s |= one
	}
	return nil
}

// ParseState returns the state that a word names.
func ParseState(word string) (State, bool) {
	for i, w := range StateWords {
		if w == word {
			return 1 << i, true
		}
	}
	return 0, false
}

// Attachment names a file that was sent with a message. Its bytes, if held,
// are an original or part of one.
type Attachment struct {
	Name string `cbor:"1,keyasint,omitempty" json:"name,omitempty"`
	// Hash is the SHA-256 of the bytes, zero if they are not held.
	Hash Hash `cbor:"2,keyasint,omitzero" json:"sha256,omitzero"`
	// Size is in bytes, 0 if unknown.
	Size int64 `cbor:"3,keyasint,omitempty" json:"size,omitempty"`
	// Type is the media type as the source states it.
	Type string `cbor:"4,keyasint,omitempty" json:"type,omitempty"`
}

// Missing reports whether the bytes of the named attachment are not held.
func (a Attachment) Missing() bool { return a.Hash == Hash{} }

// Locked is content that the service encrypted, with the known facts about the encryption.
type Locked struct {
	KeyID     string `cbor:"1,keyasint,omitempty" json:"key_id,omitempty"`
	Algorithm string `cbor:"2,keyasint,omitempty" json:"algorithm,omitempty"`
	// Payload is the ciphertext as the source holds it.
	Payload []byte `cbor:"3,keyasint,omitempty" json:"payload,omitempty"`
}

// Field is a fact of the source that Argus has no field for.
type Field struct {
	Name  string `cbor:"1,keyasint" json:"name"`
	Value string `cbor:"2,keyasint" json:"value"`
}

// Names of the Extra fields that a delivery's receipt counts by reader and field:
// values that a reader could not understand and therefore left out, and values that
// it had to assume. The value is the field, ": ", and the source's text or the reason.
const (
	ExtraUnread  = "not understood"
	ExtraAssumed = "assumed"
)

// Unread makes the Extra for a field, such as "to" or "date", whose raw value a
// reader could not understand.
func Unread(field, raw string) Field { return Field{ExtraUnread, field + ": " + raw} }

// Assumed makes the Extra for a field that the source does not state, such as
// "service" or "hour", with the value assumed.
func Assumed(field, what string) Field { return Field{ExtraAssumed, field + ": " + what} }

// Hash is a SHA-256.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("parse hash: %d digits, want %d", len(text), 2*len(h))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// ID names a message: the same for each of its copies, in every store. It is a
// truncated SHA-256 over service, conversation, sender, sent second and the
// service's own id, or the content and Repeat if the service gives none. If that id
// has at least LongID bytes, the second is left out. The content of a message with
// facts is the facts, not the line that a reader made from them; that of a text is
// its words, if it has any. Container, order, delivery and reader do not matter.
type ID [16]byte

// LongID is the length in bytes from which a service's own id identifies a message
// of a sender in a conversation without its time. Random ids and ids made from a
// place and a time are that long (a UUID, a WhatsApp key, a Message-ID, a snowflake),
// counters are not. Otherwise one message would be two where two phones' clocks differ.
const LongID = 16

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the id in hexadecimal.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 2*len(id) {
		return fmt.Errorf("parse message id: %d digits, want %d", len(text), 2*len(id))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Version distinguishes copies of one message by their content: text, states,
// attachments, facts, encrypted content. Copies with equal ID and Version are
// sightings of one message; a copy with the same ID and another Version differs,
// and both are kept.
type Version [16]byte

func (v Version) String() string { return hex.EncodeToString(v[:]) }

// MarshalText writes the version in hexadecimal.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (v *Version) UnmarshalText(text []byte) error {
	if len(text) != 2*len(v) {
		return fmt.Errorf("parse version: %d digits, want %d", len(text), 2*len(v))
	}
	_, err := hex.Decode(v[:], text)
	return err
}

// A Hasher computes identities. It reuses its buffers, so each goroutine needs
// its own. The zero Hasher is ready.
type Hasher struct {
	sum hash.Hash
	buf []byte
	out [sha256.Size]byte
}

// Identity returns the identity of a message.
func (h *Hasher) Identity(m *Message) (ID, Version) {
	h.buf = h.buf[:0]
	h.str("argus message 2")
	h.flag(!m.Type.IsMessage())
	h.str(m.Service)
	h.str(m.Conversation)
	h.str(m.From)
	if m.Sent.Known() && len(m.ServiceID) < LongID {
		h.num(1)
		h.num(uint64(floorDiv(m.Sent.Micros, 1e6)))
	} else {
		h.num(0)
	}
	if m.ServiceID != "" {
		h.num(1)
		h.str(m.ServiceID)
	} else {
		h.num(0)
		h.content(m)
		h.num(uint64(m.Repeat))
	}
	var id ID
	copy(id[:], h.digest())

	h.buf = h.buf[:0]
	h.str("argus version 2")
	h.buf = append(h.buf, id[:]...)
	h.content(m)
	h.num(uint64(m.State))
	var version Version
	copy(version[:], h.digest())
	return id, version
}

// Moved returns the identity that a message would have if it had been sent some seconds
// later.
func (h *Hasher) Moved(m *Message, seconds int64) (ID, Version) {
	moved := *m
	moved.Sent.Micros += seconds * 1e6
	return h.Identity(&moved)
}

// content appends the words of a message, or its facts. A line that a reader made
// from facts is not part of it.
func (h *Hasher) content(m *Message) {
	if !m.saysFacts() {
		h.num(0)
		h.str(m.Text)
	} else {
		h.num(uint64(m.Type) + 1)
		if m.Type == TypePoll {
			h.str(m.Text) // it may contain somebody's words
		}
		m.Facts.identity(h)
	}
	h.num(uint64(len(m.Attachments)))
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.Missing() {
			h.num(0)
			h.str(a.Name)
		} else {
			h.num(1)
			h.buf = append(h.buf, a.Hash[:]...)
		}
	}
	if m.Locked == nil {
		h.num(0)
		return
	}
	h.num(1)
	h.str(string(m.Locked.Payload))
}

// saysFacts reports whether the facts, not the text, are the content of the message.
// If a text has words, they are its content: one source may have the place sent with
// them while another has only the words.
func (m *Message) saysFacts() bool {
	return m.Facts.stated() && (m.Type != TypeText || m.Text == "")
}

// str appends a string so that different lists of strings give different bytes.
func (h *Hasher) str(s string) {
	h.num(uint64(len(s)))
	h.buf = append(h.buf, s...)
}

// list appends the number of strings, then the strings.
func (h *Hasher) list(list []string) {
	h.num(uint64(len(list)))
	for _, s := range list {
		h.str(s)
	}
}

// set appends strings whose order does not matter.
func (h *Hasher) set(list []string) {
	if !slices.IsSorted(list) {
		list = slices.Sorted(slices.Values(list))
	}
	h.list(list)
}

func (h *Hasher) flag(b bool) {
	if b {
		h.num(1)
	} else {
		h.num(0)
	}
}

func (h *Hasher) num(n uint64) { h.buf = binary.AppendUvarint(h.buf, n) }

func (h *Hasher) digest() []byte {
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Reset()
	h.sum.Write(h.buf)
	if cap(h.buf) > 1<<20 {
		h.buf = nil
	}
	return h.sum.Sum(h.out[:0])
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Identity returns the identity of a message. In a loop, use a [Hasher].
func (m *Message) Identity() (ID, Version) {
	var h Hasher
	return h.Identity(m)
}

// Aside returns the fields that a copy adds to an equal message: those that equal
// IDs and Versions do not prove equal.
func (m *Message) Aside() Message {
	a := *m
	a.Text = ""
	a.Locked = nil
	if m.saysFacts() {
		a.Facts = nil // proved by the version
		if m.Type != TypePoll {
			a.Text = m.Text // the reader's own line
		}
		if m.Facts.Replies != 0 {
			a.Facts = &Facts{Replies: m.Facts.Replies}
		}
		if c := m.Facts.Call; c != nil && c.Direction != "" { // as one side sees it
			a.Facts = &Facts{Replies: m.Facts.Replies, Call: &Call{Direction: c.Direction}}
		}
	}
	if m.Locked != nil && (m.Locked.KeyID != "" || m.Locked.Algorithm != "") {
		a.Locked = &Locked{KeyID: m.Locked.KeyID, Algorithm: m.Locked.Algorithm}
	}
	return a
}

// Join returns the copy from which [Message.Aside] made m. Its argument is a message
// with the same ID and Version.
func (m *Message) Join(of *Message) *Message {
	whole := *m
	if of.saysFacts() {
		facts := *of.Facts
		facts.Replies = 0
		if m.Facts != nil {
			facts.Replies = m.Facts.Replies
		}
		if facts.Call != nil {
			call := *facts.Call
			call.Direction = ""
			if m.Facts != nil && m.Facts.Call != nil {
				call.Direction = m.Facts.Call.Direction
			}
			facts.Call = &call
		}
		whole.Facts = &facts
	}
	if !of.saysFacts() || of.Type == TypePoll {
		whole.Text = of.Text
	}
	if of.Locked != nil {
		locked := Locked{Payload: of.Locked.Payload}
		if m.Locked != nil {
			locked.KeyID, locked.Algorithm = m.Locked.KeyID, m.Locked.Algorithm
		}
		whole.Locked = &locked
	}
	return &whole
}

// MaxList is the maximum number of receivers, attachments or extra fields of a message.
const MaxList = 1 << 20

// size is the approximate size of a message in memory, and encoded.
func (m *Message) size() int {
	n := 128 + len(m.Service) + len(m.Conversation) + len(m.Title) + len(m.From) + len(m.FromName) + len(m.ServiceID) +
		len(m.Sent.Raw) + len(m.Received.Raw) + len(m.Read.Raw) + len(m.Text) + len(m.Lang) + len(m.ReplyTo) + len(m.ForwardedFrom)
	for _, to := range m.To {
		n += 16 + len(to)
	}
	for _, a := range m.Attachments {
		n += 80 + len(a.Name) + len(a.Type)
	}
	for _, x := range m.Extra {
		n += 32 + len(x.Name) + len(x.Value)
	}
	if m.Locked != nil {
		n += len(m.Locked.KeyID) + len(m.Locked.Algorithm) + len(m.Locked.Payload)
	}
	n += len(m.Edited.Raw)
	for s := range m.Facts.texts {
		n += 16 + len(s)
	}
	return n
}

// Valid returns an error if the message cannot be stored.
func (m *Message) Valid() error {
	switch {
	case m.Service == "":
		return fmt.Errorf("the message names no service")
	case strings.ToLower(m.Service) != m.Service:
		return fmt.Errorf("service %q is not in lower case", m.Service)
	case m.Sent.Known() && !m.Sent.Plausible():
		return fmt.Errorf("sent time %s is not between %d and %d", m.Sent, FirstYear, LastYear)
	case m.State&StateLocked != 0 && m.Locked == nil:
		return fmt.Errorf("the message is locked and holds no encrypted content")
	case m.From == "" && m.State&StateSystem == 0 && m.Type.IsTurn():
		return fmt.Errorf("the message names no sender")
	case int(m.Type) >= len(TypeWords):
		return fmt.Errorf("the message is of the type %d, which this version does not support", m.Type)
	case max(int(m.AccountReach), int(m.ConversationReach)) >= len(reachWords):
		return fmt.Errorf("the message has an id of a reach that this version does not know")
	case !m.Facts.fit(m.Type):
		return fmt.Errorf("the message is of the type %s and has facts of another", m.Type)
	case max(len(m.To), len(m.Attachments), len(m.Extra), m.Facts.longest()) > MaxList:
		return fmt.Errorf("the message has a list of more than %d", MaxList)
	case !m.validText():
		return fmt.Errorf("the message holds text that is not UTF-8")
	}
	return nil
}

// validText reports whether every string is UTF-8, as canonical records require.
func (m *Message) validText() bool {
	for _, s := range m.To {
		if !validText(s) {
			return false
		}
	}
	for i := range m.Attachments {
		if a := &m.Attachments[i]; !validText(a.Name) || !validText(a.Type) {
			return false
		}
	}
	for i := range m.Extra {
		if x := &m.Extra[i]; !validText(x.Name) || !validText(x.Value) {
			return false
		}
	}
	for s := range m.Facts.texts {
		if !validText(s) {
			return false
		}
	}
	return validText(m.Edited.Raw) && validText(m.Service) && validText(m.Conversation) && validText(m.Title) && validText(m.From) && validText(m.FromName) &&
		validText(m.ServiceID) && validText(m.Sent.Raw) && validText(m.Received.Raw) && validText(m.Read.Raw) && validText(m.Text) &&
		validText(m.Lang) && validText(m.ReplyTo) && validText(m.ForwardedFrom) &&
		(m.Locked == nil || validText(m.Locked.KeyID) && validText(m.Locked.Algorithm))
}

// validText reports whether a string is UTF-8. Most fields of most messages are
// empty, which needs no call.
func validText(s string) bool { return s == "" || utf8.ValidString(s) }
