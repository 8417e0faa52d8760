package evidence

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
	"github.com/argus-evidence/argus/internal/layout"
)

// Every message and sighting of sealed deliveries of many sizes is proved by the root in the
// seal, and no other record, place or root is.
func TestProve(t *testing.T) {
	w := newWalk(t, Options{})
	var seals []*argus.Seal
	from := 0
	for _, n := range []int{1, 2, 254, 255, 256, 257, 700} {
		seals = append(seals, w.deliver(evidencetest.Batch(from, from+n)...))
		from += n
	}
	again := evidencetest.Batch(0, 3)
	for _, r := range again {
		r.Message.Title = "as the second copy has it"
	}
	seals = append(seals, w.deliver(again...))

	p := w.s.Prover()
	proved := 0
	for _, r := range collect(t, w.s, 1) {
		one, err := p.Prove(t.Context(), r.Seq)
		if r.Message == nil {
			if !errors.Is(err, ErrNotProvable) {
				t.Errorf("record %d of kind %s: %v", r.Seq, r.Kind, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		proved++
		seal := seals[one.Delivery-1]
		m, err := one.Check(seal.Root, seal.Records)
		if err != nil {
			t.Fatalf("record %d: %v", r.Seq, err)
		}
		whole, err := w.s.Whole(t.Context(), r.Seq)
		if err != nil || !reflect.DeepEqual(m, whole) {
			t.Errorf("record %d proves\n%+v, not\n%+v, %v", r.Seq, m, whole, err)
		}
		if r.Seq%50 != 0 && one.Delivery < 8 {
			continue
		}
		for what, change := range map[string]func(*Proved){
			"another statement": func(p *Proved) { p.Statement = append([]byte{}, p.Statement...); p.Statement[len(p.Statement)-1] ^= 1 },
			"another content":   func(p *Proved) { p.Content = append([]byte{}, p.Content...); p.Content[len(p.Content)-1] ^= 1 },
			"no content":        func(p *Proved) { p.Content = nil },
			"another salt":      func(p *Proved) { p.ContentSalt = make([]byte, 16) },
			"a short salt":      func(p *Proved) { p.StatementSalt = p.StatementSalt[:15] },
			"another place":     func(p *Proved) { p.Leaf ^= 1 },
			"a place outside":   func(p *Proved) { p.Leaf = seal.Records },
			"a longer path":     func(p *Proved) { p.Path = append(append([]argus.Hash{}, p.Path...), argus.Hash{}) },
			"a shorter path":    func(p *Proved) { p.Path = p.Path[:len(p.Path)-1] },
			"another path":      func(p *Proved) { p.Path = append([]argus.Hash{{1}}, p.Path[1:]...) },
		} {
			forged := *one
			change(&forged)
			if m, err := forged.Check(seal.Root, seal.Records); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("record %d with %s proves %+v, %v", r.Seq, what, m, err)
			}
		}
		if _, err := one.Check(seals[(one.Delivery)%8].Root, seal.Records); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("record %d is proved by the root of another delivery: %v", r.Seq, err)
		}
	}
	if proved != from+len(again) {
		t.Errorf("%d records are proved, want %d", proved, from+len(again))
	}
}

// A record of an open delivery, and one that an order withheld, destroyed or took the content
// from, is not proved to anybody; the others of its delivery still are.
func TestNotProvable(t *testing.T) {
	w := newWalk(t, Options{})
	seal := w.deliver(messageBatch(0, 300, secret)...)
	open := begin(t, w.s)
	if err := w.s.Append(t.Context(), open, evidencetest.Batch(0, 1)); err != nil {
		t.Fatal(err)
	}
	last := collect(t, w.s, 1)
	not := func(what string, seq uint64) {
		t.Helper()
		if one, err := w.s.Prover().Prove(t.Context(), seq); !errors.Is(err, ErrNotProvable) {
			t.Errorf("%s: %+v, %v", what, one, err)
		}
	}
	not("open", last[len(last)-1].Seq)
	seen := w.deliver(messageBatch(3, 4, secret)...)
	sighting := last[len(last)-1].Seq + 2
	w.amend(w.order(argus.KindWithdrawn, argus.GoneAll|argus.Withheld, 3))
	w.amend(w.order(argus.KindDestroyed, argus.GoneAll, 4))
	w.amend(w.order(argus.KindDestroyed, argus.GoneStatement, 5))
	not("withheld", 3)
	not("destroyed", 4)
	not("without its statement", 5)
	p := w.s.Prover()
	for _, seq := range []uint64{2, 6, 257, 258, 301} {
		one, err := p.Prove(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := one.Check(seal.Root, seal.Records); err != nil {
			t.Errorf("record %d after the orders: %v", seq, err)
		}
	}
	one, err := p.Prove(t.Context(), sighting)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := one.Check(seen.Root, seen.Records); err != nil || m.Text != secret(3).Text {
		t.Errorf("the sighting of a record without statement: %+v, %v", m, err)
	}
	w.amend(w.order(argus.KindDestroyed, argus.GoneAll, 5, sighting))
	not("a sighting that is gone", sighting)
}

// A damaged tree proves nothing.
func TestProveWithDamagedTree(t *testing.T) {
	w := newWalk(t, Options{})
	w.deliver(evidencetest.Batch(0, 600)...)
	name := filepath.Join(w.dir, filepath.FromSlash(layout.Tree(1)))
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"a bit": append([]byte{whole[0] ^ 1}, whole[1:]...), "cut": whole[:32], "longer": append(whole, 0)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if one, err := w.s.Prover().Prove(t.Context(), 550); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%s: %+v, %v", what, one, err)
		}
	}
}
