package ledger

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// After a power cut the checkpoint is one that was written, at least as new as the last
// act that was acknowledged; the envelope of each of its entries is there; and the next
// act goes on.
func TestPowerCut(t *testing.T) {
	private, public, err := NewKey("test")
	if err != nil {
		t.Fatal(err)
	}
	on := func(d *durabletest.Disk) (*Ledger, error) {
		l := &Ledger{dir: "ledger", disk: d}
		var err error
		if l.verifier, err = note.NewVerifier(public); err == nil {
			l.signer, err = note.NewSigner(private)
		}
		return l, err
	}
	// Longer than a sector: a cut can leave the end of a line without its begin.
	actor := string(slices.Repeat([]byte("a"), 2000))
	act := func(l *Ledger, seq uint64) (hash argus.Hash, err error) {
		hash, line, err := newEnvelope(seq, words{Actor: actor, Subject: fmt.Sprint(seq)})
		if err == nil {
			err = l.keepEnvelope(seq, line)
		}
		if err == nil {
			err = l.publish(head{seq, hash})
		}
		return hash, err
	}
	var before []byte // the envelopes of the first 253 entries
	for seq := uint64(1); seq < 254; seq++ {
		_, line, err := newEnvelope(seq, words{Actor: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, line...)
	}
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		hashes := []argus.Hash{{}} // of the acts, also of one that was not acknowledged
		acknowledged := uint64(0)
		d.Put("ledger/"+envelopePath(1), before)
		l, err := on(d)
		if err == nil {
			err = l.publish(head{size: 253})
		}
		made := err == nil
		for seq := uint64(254); err == nil && seq < 260; seq++ { // the file of 257 is another one
			var hash argus.Hash
			hash, err = act(l, seq)
			hashes = append(hashes, hash)
			if err == nil {
				acknowledged = seq
			}
		}
		return func(after *durabletest.Disk) error {
			if !made {
				return nil
			}
			l, err := on(after)
			if err != nil {
				return err
			}
			h, err := l.head()
			if err != nil {
				return err
			}
			if h.size < acknowledged {
				return fmt.Errorf("entry %d was acknowledged, the checkpoint has %d", acknowledged, h.size)
			}
			for seq := uint64(254); seq <= h.size; seq++ {
				e := Entry{Seq: seq, Envelope: hashes[seq-253]}
				held, err := l.envelopes(seq)
				if err == nil {
					err = e.open(held)
				}
				if err != nil || e.Destroyed || e.Subject != fmt.Sprint(seq) {
					return fmt.Errorf("entry %d of %d: %+v: %w", seq, h.size, e, err)
				}
			}
			next := h.size + 1
			if _, err := act(l, next); err != nil {
				return fmt.Errorf("after %d entries: %w", h.size, err)
			}
			held, err := l.envelopes(next)
			if _, ok := held[next]; err != nil || !ok {
				return fmt.Errorf("the act after the cut: %w", err)
			}
			return nil
		}
	}
	cuts, err := durabletest.EachCut(30, false, work)
	if err != nil || cuts < 30*30 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(30, true, work); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}
