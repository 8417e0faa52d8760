package privilege

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/argus-evidence/argus"
)

// A State is the memory of the matchers of the messages seen so far. It holds keyed hashes
// and days, no text and no account. It only grows, and the same messages give the same
// state after [Recogniser.Backwards] in whatever order they came.
type State struct {
	// conversations and accounts are those with a finding, or groups.
	conversations map[tag]*conversation
	accounts      map[tag]*account
	// seen are keyed hashes of protected messages: ids, ids of the service, texts, quoted
	// sentences, attachments.
	seen map[tag]struct{}
	// grew is set by each change.
	grew bool
}

// conversation is the state of a conversation.
type conversation struct {
	// members are those of a group, up to one more than maxGroup, smallest tags first.
	members []tag
	// listed is set if a member is in the directory.
	listed bool
	// known is set if the words show a protected relation.
	known bool
	// days are the weak signs of a conversation that is not known, by day.
	days map[int32]signs
}

// signs are the weak signs of one day. A day with two different counsels makes the
// conversation known, so that one is enough to remember.
type signs struct {
	counsel            uint32 // the rule, 0 for none
	profession, matter bool
}

// account is the state of an account that the words show as a protected person's.
type account struct {
	// in are the first two conversations, smallest tags first. Two make the account known
	// in all of its conversations.
	in []tag
	// named is set if its own name has the role.
	named bool
}

func (a *account) known() bool { return a.named || len(a.in) >= knownIn }

const (
	// maxGroup is the most members of a group that is protected as a whole. In a larger one,
	// the messages are protected that a protected person sends, and answers to them.
	maxGroup = 50
	// knownIn is in how many conversations the words must show an account as a protected
	// person's, so that it counts as one everywhere.
	knownIn = 2
	// windowDays is how many days may lie between weak signs that count together.
	windowDays = 3
	// noDay is the day of messages without a time.
	noDay = int32(-1 << 31)
)

// NewState returns an empty state.
func NewState() *State {
	return &State{conversations: map[tag]*conversation{}, accounts: map[tag]*account{}, seen: map[tag]struct{}{}}
}

// Grew reports whether the state has changed since the last call.
func (s *State) Grew() bool {
	grew := s.grew
	s.grew = false
	return grew
}

func (s *State) conversation(t tag) *conversation {
	c := s.conversations[t]
	if c == nil {
		c = &conversation{}
		s.conversations[t] = c
	}
	return c
}

// insert adds a tag to a sorted list of the smallest tags, and reports whether the list
// has changed. The smallest do not depend on the order in which they come.
func insert(list []tag, t tag, most int) ([]tag, bool) {
	at, there := slices.BinarySearchFunc(list, t, compareTags)
	if there || at == most {
		return list, false
	}
	list = slices.Insert(list, at, t)
	return list[:min(len(list), most)], true
}

func compareTags(a, b tag) int { return bytes.Compare(a[:], b[:]) }

func (s *State) addMember(conv, member tag) {
	c := s.conversation(conv)
	var added bool
	c.members, added = insert(c.members, member, maxGroup+1)
	s.grew = s.grew || added
}

// addKnown notes that the words show a protected relation in a conversation, and if who is
// not zero, whose profession it is.
func (s *State) addKnown(conv, who tag) {
	if c := s.conversation(conv); !c.known {
		c.known, c.days = true, nil
		s.grew = true
	}
	if who == (tag{}) {
		return
	}
	a := s.accounts[who]
	if a == nil {
		a = &account{}
		s.accounts[who] = a
	}
	var added bool
	a.in, added = insert(a.in, conv, knownIn)
	s.grew = s.grew || added
}

func (s *State) addNamed(who tag) {
	a := s.accounts[who]
	if a == nil {
		a = &account{}
		s.accounts[who] = a
	}
	if !a.named {
		a.named, s.grew = true, true
	}
}

// addSigns notes weak signs of a day and reports whether those around it are enough.
func (s *State) addSigns(conv tag, day int32, counsels []uint32, profession, matter bool) bool {
	c := s.conversation(conv)
	if c.known {
		return true
	}
	if c.days == nil {
		c.days = map[int32]signs{}
	}
	before := c.days[day]
	now := before
	now.profession, now.matter = now.profession || profession, now.matter || matter
	for _, rule := range counsels {
		if now.counsel != 0 && now.counsel != rule {
			return true
		}
		now.counsel = rule
	}
	if now != before {
		c.days[day] = now
		s.grew = true
	}
	for first := day - windowDays + 1; first <= day; first++ {
		if c.enough(first, day) {
			return true
		}
	}
	return false
}

// enough reports whether the signs of a window that begins on a day are enough: two
// different counsels, or one with a profession or a matter.
func (c *conversation) enough(first, around int32) bool {
	days := []int32{around}
	if around != noDay {
		days = days[:0]
		for d := range int32(windowDays) {
			days = append(days, first+d)
		}
	}
	var all signs
	for _, d := range days {
		one := c.days[d]
		if all.counsel != 0 && one.counsel != 0 && all.counsel != one.counsel {
			return true
		}
		all.counsel = max(all.counsel, one.counsel)
		all.profession, all.matter = all.profession || one.profession, all.matter || one.matter
	}
	return all.counsel != 0 && (all.profession || all.matter)
}

func (s *State) addSeen(t tag) {
	if _, ok := s.seen[t]; !ok {
		s.seen[t] = struct{}{}
		s.grew = true
	}
}

func (s *State) has(t tag) bool {
	_, ok := s.seen[t]
	return ok
}

const stateMagic = "ARGUSPS1"

// Encode returns the state as a file under a key (docs/privilege.md). Equal states give
// equal bytes.
func (s *State) Encode(key Key) []byte {
	out := []byte(stateMagic)
	num := func(n int) { out = binary.AppendUvarint(out, uint64(n)) }
	tags := func(list []tag) {
		num(len(list))
		for _, t := range list {
			out = append(out, t[:]...)
		}
	}
	flags := func(list ...bool) {
		b := byte(0)
		for i, set := range list {
			if set {
				b |= 1 << i
			}
		}
		out = append(out, b)
	}
	num(len(s.conversations))
	for _, t := range slices.SortedFunc(maps.Keys(s.conversations), compareTags) {
		c := s.conversations[t]
		out = append(out, t[:]...)
		flags(c.listed, c.known)
		tags(c.members)
		num(len(c.days))
		for _, day := range slices.Sorted(maps.Keys(c.days)) {
			d := c.days[day]
			out = binary.LittleEndian.AppendUint32(out, uint32(day))
			out = binary.LittleEndian.AppendUint32(out, d.counsel)
			flags(d.profession, d.matter)
		}
	}
	num(len(s.accounts))
	for _, t := range slices.SortedFunc(maps.Keys(s.accounts), compareTags) {
		a := s.accounts[t]
		out = append(out, t[:]...)
		flags(a.named)
		tags(a.in)
	}
	tags(slices.SortedFunc(maps.Keys(s.seen), compareTags))
	return key.authenticate("state file", out)
}

// ParseState reads a state that was encoded under the same key. Damage is an error that wraps
// argus.ErrDamaged: a state that lacks a part would protect fewer messages.
func ParseState(data []byte, key Key) (*State, error) {
	body, ok := key.authentic("state file", data)
	if !ok {
		return nil, errKey("the state of protected conversations")
	}
	s, err := parseState(body)
	if err != nil {
		return nil, fmt.Errorf("read the state of protected conversations: %w: %w", err, argus.ErrDamaged)
	}
	return s, nil
}

// stateReader reads the parts of a state. The first error stays.
type stateReader struct {
	b   []byte
	err error
}

func (r *stateReader) take(n int) []byte {
	if r.err != nil || n > len(r.b) {
		r.err = errors.Join(r.err, errTruncated)
		return make([]byte, min(n, 16))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// num reads a number of parts of a least size each, so that it cannot exceed the bytes.
func (r *stateReader) num(least int) int {
	n, size := binary.Uvarint(r.b)
	if r.err == nil && (size <= 0 || n > uint64(len(r.b)/least)) {
		r.err = errors.New("it states more parts than it has bytes")
	}
	if r.err != nil {
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

// ordered reads a tag that must follow the one before.
func (r *stateReader) ordered(last *tag, first bool) tag {
	t := tag(r.take(len(tag{})))
	if r.err == nil && !first && bytes.Compare(last[:], t[:]) >= 0 {
		r.err = errors.New("its parts are out of order")
	}
	*last = t
	return t
}

func (r *stateReader) tags(most int) (list []tag) {
	n := r.num(len(tag{}))
	if n > most {
		r.err = errors.Join(r.err, errors.New("a list is longer than possible"))
		return nil
	}
	var last tag
	for i := range n {
		list = append(list, r.ordered(&last, i == 0))
	}
	return list
}

func (r *stateReader) flags(most byte) byte {
	b := r.take(1)[0]
	if b > most {
		r.err = errors.Join(r.err, errors.New("it has unknown marks"))
	}
	return b
}

func parseState(body []byte) (*State, error) {
	if !bytes.HasPrefix(body, []byte(stateMagic)) {
		return nil, errors.New("it is no state of version 1")
	}
	r := &stateReader{b: body[len(stateMagic):]}
	s := NewState()
	var last tag
	for i := range r.num(19) {
		c := &conversation{}
		s.conversations[r.ordered(&last, i == 0)] = c
		marks := r.flags(3)
		c.listed, c.known = marks&1 != 0, marks&2 != 0
		c.members = r.tags(maxGroup + 1)
		for range r.num(9) {
			day := int32(binary.LittleEndian.Uint32(r.take(4)))
			d := signs{counsel: binary.LittleEndian.Uint32(r.take(4))}
			marks := r.flags(3)
			d.profession, d.matter = marks&1 != 0, marks&2 != 0
			if c.days == nil {
				c.days = map[int32]signs{}
			}
			c.days[day] = d
		}
		if r.err != nil {
			return nil, r.err
		}
	}
	for i := range r.num(18) {
		a := &account{}
		s.accounts[r.ordered(&last, i == 0)] = a
		a.named = r.flags(1) != 0
		a.in = r.tags(knownIn)
	}
	for _, t := range r.tags(len(body)) {
		s.seen[t] = struct{}{}
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = errors.New("bytes follow its end")
	}
	return s, r.err
}
