package intake

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// repeats distinguishes the messages of one file that share every fact of their
// identity and have no ids, by Repeat:
//
//   - in a log, which has each message once, and if the source states only minutes, by their
//     position: two equal messages are two messages;
//   - elsewhere by their moment within the second, if the source states it: "ok" at
//     .100 and at .900 are the first and the second in any order of the file, and
//     "ok" at .100 twice, in a chat and alone, was exported twice.
//
// Each device and each set of receivers is counted separately: the copies that a room
// sent to its members, or that two phones have, belong to one message.
//
// It remembers between repeatsKept and twice as many; in exports, equal minutes and seconds
// are close together.
type repeats struct {
	hasher   argus.Hasher
	seed     maphash.Seed
	now, old map[repeat]uint32
	log      bool
	stored   bool // the messages keep their identity
}

// repeat is the key for counting: the messages with one identity or, with a moment, those from
// that moment.
type repeat struct {
	id     argus.ID
	of     uint64 // device and receivers
	moment int64  // microseconds within the second, or countOnly if there are none
}

const (
	repeatsKept = 1 << 18
	countOnly   = -1
)

// newRepeats returns the repeats for a file that the given reader (name/version) reads.
func newRepeats(formats reader.Formats, by string) *repeats {
	format, ok := formatOf(formats, by)
	return &repeats{seed: maphash.MakeSeed(), now: map[repeat]uint32{}, log: ok && format.Log, stored: ok && format.Stored}
}

// formatOf returns the format of a reader, named as in an opening.
func formatOf(formats reader.Formats, name string) (*reader.Format, bool) {
	name, _, _ = strings.Cut(name, "/")
	return formats.ByName(name)
}

// identity sets the Repeat of a message, unless the source stated one, and returns its
// identity.
func (p *repeats) identity(m *argus.Message, device string) (argus.ID, argus.Version) {
	id, version := p.hasher.Identity(m)
	coarse := m.Sent.Precision == argus.Minute || m.Sent.Precision == argus.Day
	placed := p.log || coarse
	if p.stored || m.ServiceID != "" || m.Repeat > 0 || !placed && m.Sent.Precision <= argus.Second {
		return id, version
	}
	key := repeat{id, p.of(m, device), countOnly}
	n := p.count(key)
	if placed {
		p.set(key, n+1)
	} else {
		at := key
		at.moment = ((m.Sent.Micros % 1e6) + 1e6) % 1e6
		if before := p.count(at); before > 0 {
			n = before - 1
		} else {
			p.set(key, n+1)
			p.set(at, n+1)
		}
	}
	if n == 0 {
		return id, version
	}
	m.Repeat = n
	return p.hasher.Identity(m)
}

// second holds back successive items from the same second: the moments of equal messages decide
// which one is the first, and a file may have the newest first.
type second struct {
	held  []sandbox.Event
	at    int64 // the second
	bytes int
}

// The maximum that is held back from one second; further items are counted as they arrive.
const (
	secondItems = 1 << 10
	secondBytes = 4 << 20
)

// takes holds an item back if its position depends on other items from the same second.
func (s *second) takes(p *repeats, e sandbox.Event) bool {
	m := e.Item.Message
	if m == nil || e.Broke || e.Item.Problem != "" || p.log || p.stored || m.ServiceID != "" || m.Repeat > 0 || m.Sent.Precision <= argus.Second {
		return false
	}
	at := m.Sent.Micros / 1e6
	if len(s.held) > 0 && (at != s.at || len(s.held) == secondItems || s.bytes > secondBytes) {
		return false
	}
	s.held, s.at, s.bytes = append(s.held, e), at, s.bytes+len(m.Text)
	return true
}

// inOrder counts messages in the order of their moments, so that each has its number
// before it is handed on.
func (p *repeats) inOrder(items []sandbox.Event) {
	for _, e := range slices.SortedStableFunc(slices.Values(items), func(a, b sandbox.Event) int {
		return cmp.Compare(a.Item.Message.Sent.Micros, b.Item.Message.Sent.Micros)
	}) {
		m := *e.Item.Message
		p.identity(&m, e.Item.Device)
	}
}

// of distinguishes copies that are not counted together.
func (p *repeats) of(m *argus.Message, device string) uint64 {
	sum := maphash.String(p.seed, device)
	for _, to := range m.To {
		sum ^= maphash.String(p.seed, to) * 3
	}
	return sum
}

func (p *repeats) count(key repeat) uint32 {
	if n, ok := p.now[key]; ok {
		return n
	}
	return p.old[key]
}

func (p *repeats) set(key repeat, n uint32) {
	if _, ok := p.now[key]; !ok && len(p.now) >= repeatsKept {
		p.now, p.old = map[repeat]uint32{}, p.now
	}
	p.now[key] = n
}
