package desk

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
)

// TestProtected: only whoever may gets the sealed records, and no others; the ledger has it
// before anything is read; and it is an error if the role ends meanwhile.
func TestProtected(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	sealed := &argus.Record{Kind: argus.KindSealed, ID: argus.ID{1}, Version: argus.Version{2}, Sealed: &argus.Sealed{Why: "directory", Recipients: []string{"a", "b"}, Ciphertext: []byte("x")}}
	o.deliver(t, "office", sealed, sent("aaaaaa09", 9, "alice", "c1", "beside it"))
	act := ledger.Act{Action: ledger.ReadProtected, Subject: "17"}
	bram := Who{Actor: "bram", Purpose: "review"}
	var got []argus.ID
	work := func(all iter.Seq2[*argus.Record, error]) error {
		for range 2 {
			for r, err := range all {
				if err != nil {
					return err
				}
				got = append(got, r.ID)
			}
		}
		return nil
	}
	o.reads.Store(0)
	if err := o.Protected(t.Context(), bram, act, work); !errors.Is(err, argus.ErrRefused) || got != nil || o.reads.Load() != 0 {
		t.Errorf("without people: %v, %v, %d reads", got, err, o.reads.Load())
	}
	judge := true
	o.parts.May = func(actor, action string) error {
		if actor != "bram" || action != ledger.ReadProtected || !judge {
			return argus.ErrRefused
		}
		return nil
	}
	if err := o.Protected(t.Context(), Who{Actor: "anna"}, act, work); !errors.Is(err, argus.ErrRefused) || got != nil || o.reads.Load() != 0 {
		t.Errorf("anna: %v, %v, %d reads", got, err, o.reads.Load())
	}
	o.parts.Ledger = &fullLedger{o.ledger, 0}
	if err := o.Protected(t.Context(), bram, act, work); !errors.Is(err, errDisk) || got != nil || o.reads.Load() != 0 {
		t.Errorf("a ledger that takes nothing: %v, %v, %d reads", got, err, o.reads.Load())
	}
	o.parts.Ledger = o.ledger
	if err := o.Protected(t.Context(), bram, act, work); err != nil || !slices.Equal(got, []argus.ID{sealed.ID, sealed.ID}) {
		t.Errorf("the judge gets %v, %v", got, err)
	}
	err := o.Protected(t.Context(), bram, act, func(iter.Seq2[*argus.Record, error]) error { judge = false; return nil })
	if !errors.Is(err, argus.ErrRefused) {
		t.Errorf("somebody whose role ends meanwhile: %v", err)
	}
	var acts []string
	for _, e := range entries(t, o) {
		acts = append(acts, e.Actor+" "+e.Action+" "+e.Subject+" "+e.Purpose)
	}
	want := []string{"bram refused 17 review", "anna refused 17 ", "bram privilege.read 17 review", "bram privilege.read 17 review", "bram refused 17 review"}
	if !slices.Equal(acts, want) {
		t.Errorf("the ledger has %q, want %q", acts, want)
	}
}
