package intake

import "github.com/argus-evidence/argus"

// repeats tells apart the messages of one file that share every fact of their
// identity, where the source states minutes only and gives no ids: there, two
// equal messages in one minute are two messages. Where it states seconds, they
// are one message that was exported twice.
//
// It remembers the last generation of repeatsKept to twice as many identities;
// exports bring equal minutes close together.
type repeats struct {
	hasher   argus.Hasher
	now, old map[argus.ID]uint32
}

const repeatsKept = 1 << 18

func newRepeats() *repeats { return &repeats{now: map[argus.ID]uint32{}} }

// identity returns the identity of a message, having set its Repeat.
func (p *repeats) identity(m *argus.Message) (argus.ID, argus.Version) {
	id, version := p.hasher.Identity(m)
	coarse := m.Sent.Precision == argus.Minute || m.Sent.Precision == argus.Day
	if m.ServiceID != "" || !coarse {
		return id, version
	}
	n, ok := p.now[id]
	if !ok {
		n = p.old[id]
	}
	if len(p.now) >= repeatsKept {
		p.now, p.old = map[argus.ID]uint32{}, p.now
	}
	p.now[id] = n + 1
	if n == 0 {
		return id, version
	}
	m.Repeat = n
	return p.hasher.Identity(m)
}
