package intake

import (
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// repeats tells apart the messages of one file that share every fact of their
// identity and have no ids. Where the source states minutes only, two equal
// messages in one minute are two messages, and so are two in a second in a log,
// which has each message once. Elsewhere two in a second are one that
// was exported twice: in a chat and alone, of both who were in it.
//
// It remembers the last generation of repeatsKept to twice as many identities;
// exports bring equal minutes close together.
type repeats struct {
	hasher   argus.Hasher
	now, old map[argus.ID]uint32
	log      bool
}

const repeatsKept = 1 << 18

// newRepeats is for a file that a reader reads, as name/version.
func newRepeats(by string) *repeats {
	name, _, _ := strings.Cut(by, "/")
	format, ok := reader.ByName(name)
	return &repeats{now: map[argus.ID]uint32{}, log: ok && format.Log}
}

// identity returns the identity of a message, having set its Repeat.
func (p *repeats) identity(m *argus.Message) (argus.ID, argus.Version) {
	id, version := p.hasher.Identity(m)
	coarse := m.Sent.Precision == argus.Minute || m.Sent.Precision == argus.Day
	if m.ServiceID != "" || !coarse && !p.log {
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
