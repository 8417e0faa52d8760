package argus

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Type is the kind of thing that a message records. Texts, media and polls are counted as
// messages; every other type is counted separately under its own name.
type Type uint8

const (
	// TypeText: words or media that somebody sent, including cards and places.
	TypeText Type = iota
	// TypePoll: a question with answers to choose from.
	TypePoll
	// TypeCall: a voice or video call.
	TypeCall
	// TypeContact: an entry of an address book.
	TypeContact
	// TypeRoom: a service's description of a conversation.
	TypeRoom
	// TypeMembership: a change of a conversation's members: join, leave, add.
	TypeMembership
	// TypeReaction: an emoji or other sign attached to a message.
	TypeReaction
	// TypeLocation: where a device or an account was.
	TypeLocation
	// TypeDevice: a description of a device, its applications and its owner.
	TypeDevice
	// TypeDraft: an unsent text.
	TypeDraft
	// TypeNotice: a statement of the service that no other type covers.
	TypeNotice
	// TypeNote: a note, a task or a calendar entry.
	TypeNote
)

// TypeWords are the names of the types in the query language (is:call) and in
// JSON. [MessageWord] names texts, media and polls together.
var TypeWords = [...]string{
	"text", "poll", "call", "contact", "room", "membership", "reaction", "location", "device", "draft", "notice", "note",
}

// MessageWord names the types that are counted as messages.
const MessageWord = "message"

func (t Type) String() string { return word(TypeWords[:], uint8(t)) }

// IsMessage reports whether records of the type are counted as messages.
func (t Type) IsMessage() bool { return t == TypeText || t == TypePoll }

// IsTurn reports whether the type is a turn of a conversation: a message or a call.
func (t Type) IsTurn() bool { return t.IsMessage() || t == TypeCall }

// MarshalText writes the type's word.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a type's word.
func (t *Type) UnmarshalText(text []byte) error {
	one, ok := ParseType(string(text))
	if !ok {
		return fmt.Errorf("parse type: unknown word %q", text)
	}
	*t = one
	return nil
}

// ParseType returns the type that a word names.
func ParseType(s string) (Type, bool) {
	for i, w := range TypeWords {
		if w == s {
			return Type(i), true
		}
	}
	return 0, false
}

// Facts are the parts of a message that are not words. At most one is set, except
// that a text may have both a contact and a location.
type Facts struct {
	Call       *Call       `cbor:"1,keyasint,omitempty" json:"call,omitempty"`
	Contact    *Contact    `cbor:"2,keyasint,omitempty" json:"contact,omitempty"`
	Room       *Room       `cbor:"3,keyasint,omitempty" json:"room,omitempty"`
	Membership *Membership `cbor:"4,keyasint,omitempty" json:"membership,omitempty"`
	Reaction   *Reaction   `cbor:"5,keyasint,omitempty" json:"reaction,omitempty"`
	Location   *Location   `cbor:"6,keyasint,omitempty" json:"location,omitempty"`
	Device     *Device     `cbor:"7,keyasint,omitempty" json:"device,omitempty"`
	Poll       *Poll       `cbor:"8,keyasint,omitempty" json:"poll,omitempty"`
	// Replies counts the answers that the message has according to its source; 0 if the
	// source does not say.
	Replies uint64 `cbor:"9,keyasint,omitempty" json:"replies,omitempty"`
}

// Call is a voice or video call. Its sender is the caller.
type Call struct {
	// Direction is "in" or "out" as seen from the source's device or account, or
	// empty if the source does not say.
	Direction string `cbor:"1,keyasint,omitempty" json:"direction,omitempty"`
	// Seconds is how long people spoke, or 0 if that is unknown or they did not speak.
	Seconds uint64 `cbor:"2,keyasint,omitempty" json:"seconds,omitempty"`
	// Answered is "yes" or "no", or empty if the source does not say.
	Answered string `cbor:"3,keyasint,omitempty" json:"answered,omitempty"`
	Video    bool   `cbor:"4,keyasint,omitempty" json:"video,omitempty"`
	// Participants are the accounts in the call, including the caller, if the source
	// lists them.
	Participants []string `cbor:"5,keyasint,omitempty" json:"participants,omitempty"`
}

// Contact is a card or an entry of an address book.
type Contact struct {
	Names []string `cbor:"1,keyasint,omitempty" json:"names,omitempty"`
	// Accounts are identifiers on services: numbers, addresses, handles.
	Accounts []string `cbor:"2,keyasint,omitempty" json:"accounts,omitempty"`
}

// Room is a conversation as its service describes it.
type Room struct {
	Name    string   `cbor:"1,keyasint,omitempty" json:"name,omitempty"`
	Topic   string   `cbor:"2,keyasint,omitempty" json:"topic,omitempty"`
	Members []string `cbor:"3,keyasint,omitempty" json:"members,omitempty"`
}

// Membership is a change of a conversation's members. Its sender made the change.
type Membership struct {
	// Action is one of create, join, leave, add, remove, invite, promote,
	// demote, rename, or the source's own word.
	Action string `cbor:"1,keyasint" json:"action"`
	// Members are the accounts affected; empty if the sender is the only one.
	Members []string `cbor:"2,keyasint,omitempty" json:"members,omitempty"`
	// Name is the new name of a conversation that was renamed.
	Name string `cbor:"3,keyasint,omitempty" json:"name,omitempty"`
}

// Reaction is a sign that the sender attached to a message.
type Reaction struct {
	// To is the ServiceID of the message.
	To   string `cbor:"1,keyasint,omitempty" json:"to,omitempty"`
	Sign string `cbor:"2,keyasint,omitempty" json:"sign,omitempty"`
	// Removed means that the reaction was withdrawn.
	Removed bool `cbor:"3,keyasint,omitempty" json:"removed,omitempty"`
}

// Location is a position in WGS 84.
type Location struct {
	// Latitude and Longitude are decimal degrees as the source writes them.
	Latitude  string `cbor:"1,keyasint,omitempty" json:"latitude,omitempty"`
	Longitude string `cbor:"2,keyasint,omitempty" json:"longitude,omitempty"`
	// Accuracy is a radius in metres as the source writes it, or empty.
	Accuracy string `cbor:"3,keyasint,omitempty" json:"accuracy,omitempty"`
	// Source is the origin of the position in the source's own word: gps, cell.
	Source string `cbor:"4,keyasint,omitempty" json:"source,omitempty"`
	Name   string `cbor:"5,keyasint,omitempty" json:"name,omitempty"`
}

// Device is a source's description of a device.
type Device struct {
	Name  string `cbor:"1,keyasint,omitempty" json:"name,omitempty"`
	Model string `cbor:"2,keyasint,omitempty" json:"model,omitempty"`
	// Identifiers are numbers of the device and its cards: IMEI, IMSI, serial.
	Identifiers []Field `cbor:"3,keyasint,omitempty" json:"identifiers,omitempty"`
}

// Poll is a question with answers to choose from.
type Poll struct {
	Question string   `cbor:"1,keyasint,omitempty" json:"question,omitempty"`
	Options  []string `cbor:"2,keyasint,omitempty" json:"options,omitempty"`
}

// identity appends the facts unambiguously. Each fact begins with its number in the
// record, and the end is 0. The order of listed people and trailing zeros of a
// position make no difference.
func (f *Facts) identity(h *Hasher) {
	if c := f.Call; c != nil {
		h.num(1) // without the direction, which differs on each side
		h.num(c.Seconds)
		h.str(c.Answered)
		h.flag(c.Video)
		h.set(c.Participants)
	}
	if c := f.Contact; c != nil {
		h.num(2)
		h.set(c.Names)
		h.set(c.Accounts)
	}
	if r := f.Room; r != nil {
		h.num(3)
		h.str(r.Name)
		h.str(r.Topic)
		h.set(r.Members)
	}
	if m := f.Membership; m != nil {
		h.num(4)
		h.str(m.Action)
		h.set(m.Members)
		h.str(m.Name)
	}
	if r := f.Reaction; r != nil {
		h.num(5)
		h.str(r.To)
		h.str(r.Sign)
		h.flag(r.Removed)
	}
	if l := f.Location; l != nil {
		h.num(6)
		for _, s := range []string{decimal(l.Latitude), decimal(l.Longitude), decimal(l.Accuracy), l.Source, l.Name} {
			h.str(s)
		}
	}
	if d := f.Device; d != nil {
		h.num(7)
		h.str(d.Name)
		h.str(d.Model)
		h.num(uint64(len(d.Identifiers)))
		for _, x := range d.Identifiers {
			h.str(x.Name)
			h.str(x.Value)
		}
	}
	if p := f.Poll; p != nil {
		h.num(8)
		h.str(p.Question)
		h.list(p.Options)
	}
	h.num(0)
}

// decimal returns the shortest form of a number: 51.10 and 51.1 are equal.
func decimal(s string) string {
	whole, fraction, ok := strings.Cut(s, ".")
	if !ok || strings.Trim(fraction, "0123456789") != "" {
		return s
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// stated reports whether any fact except Replies is set.
func (f *Facts) stated() bool {
	return f != nil && (f.Call != nil || f.Contact != nil || f.Room != nil || f.Membership != nil || f.Reaction != nil ||
		f.Location != nil || f.Device != nil || f.Poll != nil)
}

// fit reports whether the facts suit a type: a text may have a contact and a
// location, any other type only its own fact.
func (f *Facts) fit(t Type) bool {
	if f == nil {
		return true
	}
	text := t == TypeText
	return (f.Call == nil || t == TypeCall) && (f.Contact == nil || text || t == TypeContact) && (f.Room == nil || t == TypeRoom) &&
		(f.Membership == nil || t == TypeMembership) && (f.Reaction == nil || t == TypeReaction) &&
		(f.Location == nil || text || t == TypeLocation) && (f.Device == nil || t == TypeDevice) && (f.Poll == nil || t == TypePoll)
}

// Accounts yields the accounts that the facts name: participants of a call, those on
// a card, members of a room and those in a change of members.
func (f *Facts) Accounts(yield func(string) bool) {
	for account := range f.AccountFields {
		if !yield(*account) {
			return
		}
	}
}

// AccountFields yields a pointer to each account that Accounts yields, for readers
// that make them unique.
func (f *Facts) AccountFields(yield func(*string) bool) {
	if f == nil {
		return
	}
	var lists [][]string
	if f.Call != nil {
		lists = append(lists, f.Call.Participants)
	}
	if f.Contact != nil {
		lists = append(lists, f.Contact.Accounts)
	}
	if f.Room != nil {
		lists = append(lists, f.Room.Members)
	}
	if f.Membership != nil {
		lists = append(lists, f.Membership.Members)
	}
	for _, list := range lists {
		for i := range list {
			if !yield(&list[i]) {
				return
			}
		}
	}
}

// texts yields every string of the facts.
func (f *Facts) texts(yield func(string) bool) {
	if f == nil {
		return
	}
	each := func(lists ...[]string) bool {
		for _, list := range lists {
			for _, s := range list {
				if !yield(s) {
					return false
				}
			}
		}
		return true
	}
	if c := f.Call; c != nil && !each([]string{c.Direction, c.Answered}, c.Participants) {
		return
	}
	if c := f.Contact; c != nil && !each(c.Names, c.Accounts) {
		return
	}
	if r := f.Room; r != nil && !each([]string{r.Name, r.Topic}, r.Members) {
		return
	}
	if m := f.Membership; m != nil && !each([]string{m.Action, m.Name}, m.Members) {
		return
	}
	if r := f.Reaction; r != nil && !each([]string{r.To, r.Sign}) {
		return
	}
	if l := f.Location; l != nil && !each([]string{l.Latitude, l.Longitude, l.Accuracy, l.Source, l.Name}) {
		return
	}
	if d := f.Device; d != nil {
		if !each([]string{d.Name, d.Model}) {
			return
		}
		for _, x := range d.Identifiers {
			if !each([]string{x.Name, x.Value}) {
				return
			}
		}
	}
	if p := f.Poll; p != nil {
		each([]string{p.Question}, p.Options)
	}
}

// longest is the length of the longest list of the facts.
func (f *Facts) longest() (n int) {
	if f == nil {
		return 0
	}
	if f.Call != nil {
		n = max(n, len(f.Call.Participants))
	}
	if f.Contact != nil {
		n = max(n, len(f.Contact.Names), len(f.Contact.Accounts))
	}
	if f.Room != nil {
		n = max(n, len(f.Room.Members))
	}
	if f.Membership != nil {
		n = max(n, len(f.Membership.Members))
	}
	if f.Device != nil {
		n = max(n, len(f.Device.Identifiers))
	}
	if f.Poll != nil {
		n = max(n, len(f.Poll.Options))
	}
	return n
}

// Reach is the scope in which an id of a source is unique. An id with a scope
// smaller than its service carries a key after an @, computed from the content of
// the export: see [Within].
type Reach uint8

const (
	// ReachService: the id names one thing in the whole service.
	ReachService Reach = iota
	// ReachServer: within one server of the service.
	ReachServer
	// ReachExport: within one export, which numbers things itself.
	ReachExport
	// ReachFile: within one file.
	ReachFile
)

var reachWords = [...]string{"service", "server", "export", "file"}

func (r Reach) String() string { return word(reachWords[:], uint8(r)) }

// MarshalText writes the reach's word.
func (r Reach) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a reach's word.
func (r *Reach) UnmarshalText(text []byte) error {
	for i, w := range reachWords {
		if w == string(text) {
			*r = Reach(i)
			return nil
		}
	}
	return fmt.Errorf("parse reach: unknown word %q", text)
}

// Within makes an id of smaller reach unique in its service: id@key. The key is
// computed from the facts: the id of the server or export, or its participants.
// A file name or a delivery number is not allowed as a fact.
func Within(id string, facts ...string) string {
	if id == "" {
		return ""
	}
	return id + "@" + ReachKey(facts...)
}

// ReachKey is the key of [Within]: 12 hexadecimal digits.
func ReachKey(facts ...string) string {
	var h Hasher
	h.str("argus reach 1")
	h.list(facts)
	return fmt.Sprintf("%x", h.digest()[:6])
}

// TypeSet is a set of types.
type TypeSet uint32

// Has reports whether a type is in the set.
func (s TypeSet) Has(t Type) bool { return s>>t&1 != 0 }

// MarshalJSON writes the words of the types.
func (s TypeSet) MarshalJSON() ([]byte, error) {
	words := []string{}
	for i, w := range TypeWords {
		if s.Has(Type(i)) {
			words = append(words, w)
		}
	}
	return json.Marshal(words)
}
