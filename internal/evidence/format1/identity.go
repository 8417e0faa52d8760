package format1

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/argus-evidence/argus"
)

// longID is the length in bytes from which a service's own id is enough to identify a
// message, without the second in which it was sent.
const longID = 16

// A Hasher computes the identities of format 1. It reuses its buffer, so each
// goroutine needs its own. The zero Hasher is ready.
type Hasher struct{ buf []byte }

// Identity returns the identity of a whole message.
func (h *Hasher) Identity(m *MessageForm) (id argus.ID, version Version) {
	h.buf = h.buf[:0]
	h.str("argus message 1")
	h.str(m.Service)
	h.str(m.Conversation)
	h.str(m.From)
	if m.Sent.Precision != 0 && len(m.ServiceID) < longID {
		h.num(1)
		h.num(uint64(second(m.Sent.Micros)))
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
	sum := sha256.Sum256(h.buf)
	copy(id[:], sum[:])

	h.buf = h.buf[:0]
	h.str("argus version 1")
	h.buf = append(h.buf, id[:]...)
	h.content(m)
	h.num(uint64(m.State))
	sum = sha256.Sum256(h.buf)
	copy(version[:], sum[:])
	if cap(h.buf) > 1<<20 {
		h.buf = nil
	}
	return id, version
}

func (h *Hasher) content(m *MessageForm) {
	h.str(m.Text)
	h.num(uint64(len(m.Attachments)))
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if a.Hash == (argus.Hash{}) {
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

func (h *Hasher) str(s string) {
	h.num(uint64(len(s)))
	h.buf = append(h.buf, s...)
}

func (h *Hasher) num(n uint64) { h.buf = binary.AppendUvarint(h.buf, n) }

// second returns the second of a moment, rounded down.
func second(micros int64) int64 {
	s := micros / 1e6
	if micros%1e6 < 0 {
		s--
	}
	return s
}

// Join completes the message of a sighting with the message of the record that it
// refers to.
func (m *MessageForm) Join(of *MessageForm) *MessageForm {
	whole := *m
	whole.Text = of.Text
	if of.Locked != nil {
		locked := LockedForm{Payload: of.Locked.Payload}
		if m.Locked != nil {
			locked.KeyID, locked.Algorithm = m.Locked.KeyID, m.Locked.Algorithm
		}
		whole.Locked = &locked
	}
	return &whole
}
