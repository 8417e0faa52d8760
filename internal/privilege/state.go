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

// A State is the matchers' memory of the messages seen so far. It holds keyed hashes and
// days, but no text and no account. It only grows. After [Recogniser.Backwards], the same
// messages give the same state, whatever order they arrived in.
type State struct {
	// conversations holds the groups and the conversations with a finding, accounts the
	// accounts with a finding.
	conversations map[tag]*conversation
	accounts      map[tag]*account
	// seen holds keyed hashes from protected messages: ids, the service's ids, texts,
	// quoted sentences and attachments.
	seen map[tag]struct{}
	// grew is set by each change.
	grew bool
}

// conversation is the state of a conversation.
type conversation struct {
	// members are the members of a group, up to one more than maxGroup, sorted by tag.
	members []tag
	// listed is set if a member is in the directory.
	listed bool
	// known is set if the words show a protected relation.
	known bool
	// days holds the weak signs in a conversation that is not known, keyed by day.
	days map[int32]signs
}

// signs are the weak signs of one day. Only one counsel rule needs to be remembered,
// since a day with two different ones makes the conversation known.
type signs struct {
	counsel            uint32 // the tag of the rule, or 0 if there is none
	profession, matter bool
}

// account is the state of an account that, according to words or names, belongs to a
// protected person.
type account struct {
	// in holds the two conversations with the smallest tags in which words show this. Two
	// conversations make the account known in all of its conversations.
	in []tag
	// named is set if the name of the account contains the role.
	named bool
}

func (a *account) known() bool { return a.named || len(a.in) >= knownIn }

const (
	// maxGroup is the maximum number of members in a group that is protected as a whole. In
	// a larger group, only the messages that a protected person sends and the answers to
	// them are protected.
	maxGroup = 50
	// knownIn is the number of conversations in which words must show that an account
	// belongs to a protected person before it counts as one everywhere.
	knownIn = 2
	// windowDays is the maximum number of days between weak signs that count together.
	windowDays = 3
	// noDay is the day used for messages without a time.
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
// has changed. The smallest tags do not depend on the order in which tags are added.
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

// addKnown records that the words in a conversation show a protected relation. If who is
// not zero, it is the account of the protected person.
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

// addSigns records the weak signs of a day, and reports whether the signs around that day
// are enough.
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

// enough reports whether the signs in a window that begins on the given day are enough:
// two different counsel rules, or one together with a profession or a matter.
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

// Encode returns the state as a file authenticated with a key (docs/privilege.md). Equal
// states give equal bytes.
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

// ParseState reads a state that was encoded with the same key. If it is damaged, the error
// wraps argus.ErrDamaged: an incomplete state would protect fewer messages.
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

// stateReader reads the parts of a state. It keeps the first error.
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

// num reads the number of parts that follow. Each part has a minimum size, so the number
// cannot exceed what the remaining bytes can hold.
func (r *stateReader) num(least int) int {
	n, size := binary.Uvarint(r.b)
	if r.err == nil && (size <= 0 || n > uint64(len(r.b)/least)) {
		r.err = errors.New("it states more parts than its bytes can hold")
	}
	if r.err != nil {
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

// ordered reads a tag that must sort after the previous one.
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
		r.err = errors.Join(r.err, errors.New("it has unknown flags"))
	}
	return b
}

func parseState(body []byte) (*State, error) {
	if !bytes.HasPrefix(body, []byte(stateMagic)) {
		return nil, errors.New("it is not a state of version 1")
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
		r.err = errors.New("unexpected data after its end")
	}
	return s, r.err
}
