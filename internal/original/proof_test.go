package original

import (
	"errors"
	"slices"
	"testing"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

func TestProof(t *testing.T) {
	s := newTest(t, Options{})
	for _, blocks := range []int{1, 2, 3, 7, 8} {
		content := text(blocks*BlockSize-100, uint64(blocks))
		kept := put(t, s, content)
		for block := range blocks {
			p, err := s.Prove(t.Context(), kept.Name, block)
			if err != nil {
				t.Fatal(err)
			}
			if want := content[block*BlockSize : min(len(content), (block+1)*BlockSize)]; !slices.Equal(p.Plain, want) {
				t.Errorf("block %d of %d: other bytes", block, blocks)
			}
			if err := p.Check(kept.Root, kept.Size); err != nil {
				t.Errorf("block %d of %d: %v", block, blocks, err)
			}
			for what, harm := range map[string]func(p *Proof){
				"bytes": func(p *Proof) { p.Plain[3] ^= 1 }, "salt": func(p *Proof) { p.Salt[0] ^= 1 }, "stored": func(p *Proof) { p.Stored[0] ^= 1 },
				"place": func(p *Proof) { p.Block++ }, "path": func(p *Proof) { p.Path = append(p.Path, argus.Hash{}) },
			} {
				bad := *p
				bad.Plain, bad.Path = slices.Clone(p.Plain), slices.Clone(p.Path)
				if harm(&bad); bad.Check(kept.Root, kept.Size) == nil {
					t.Errorf("block %d of %d: a proof with another %s passes", block, blocks, what)
				}
			}
		}
		if _, err := s.Prove(t.Context(), kept.Name, blocks); err == nil {
			t.Error("a block after the end is proved")
		}
	}
	// The remaining parts of an original can be proved against the same root.
	kept := put(t, s, text(3*BlockSize, 9))
	change(t, s, kept.Name, func() (argus.Hash, error) {
		return s.Withhold(t.Context(), kept.Name, []Part{{BlockSize + 1, 1}}, []age.Recipient{identity(t).Recipient()})
	})
	if _, err := s.Prove(t.Context(), kept.Name, 1); !errors.Is(err, ErrWithheld) {
		t.Errorf("a withheld block: %v", err)
	}
	p, err := s.Prove(t.Context(), kept.Name, 2)
	if err != nil || p.Check(kept.Root, kept.Size) != nil {
		t.Errorf("the next block: %v", err)
	}
}
