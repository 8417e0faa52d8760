package evidence

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/original"
)

// A delivery withholds its own originals: nothing changes before it is sealed, and from then on
// only the judge reads them, even if a crash happened in between or the delivery was given up.
func TestWithhold(t *testing.T) {
	judge, identity := testJudge(t)
	signer, keys := testKey(t)
	content := strings.Repeat("between us and the advocate\n", 5000)
	for name, incomplete := range map[string]string{"complete": "", "given up": "given up"} {
		s, dir := createTest(t, Options{})
		d := begin(t, s)
		kept, err := s.PutOriginal(t.Context(), strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		again := kept // the same file twice in one delivery is kept once
		again.Path = "copy"
		records := []*argus.Record{{Kind: argus.KindOriginal, Original: &kept}, {Kind: argus.KindOriginal, Original: &again}}
		if err := s.Append(t.Context(), d, records); err != nil {
			t.Fatal(err)
		}
		seqs := []uint64{records[0].Seq, records[1].Seq}
		read := func(s *Store) (string, error) {
			f, err := s.OpenOriginal(kept)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
			return string(got), err
		}
		reopen := func() {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, dir, Options{})
		}
		if _, err := s.Withhold(t.Context(), d, "suspected", seqs, judge); err != nil {
			t.Fatal(err)
		}
		reopen() // as if a crash had happened before the seal
		if got, err := read(s); err != nil || got != content {
			t.Errorf("%s: an order that was not sealed is carried out: %d bytes, %v", name, len(got), err)
		}
		carry, err := s.Withhold(t.Context(), d, "suspected", seqs, judge)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), incomplete); err != nil {
			t.Fatal(err)
		}
		if incomplete == "" {
			reopen() // as if a crash had happened right after the seal
		} else if err := carry(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s); !errors.Is(err, original.ErrWithheld) {
			t.Errorf("%s: %d bytes are read after they were withheld, %v", name, len(got), err)
		}
		if text := filesWith(t, dir, "between us"); text != nil {
			t.Errorf("%s: the text is in %v", name, text)
		}
		if damage, notes, _ := verifyAll(t, dir, keys); len(damage)+len(notes) != 0 {
			t.Errorf("%s: damage %+v, notes %+v", name, damage, notes)
		}
		// Another order by the judge restores the original.
		a := Amendment{Opening: argus.Opening{Source: "order", Authority: "A-0001", Actor: "judge"}, Order: "Rb 1/26", Identities: []age.Identity{identity}, Store: "store", Signer: signer,
			Now: time.Unix(1_700_000_001, 0), Originals: []OriginalOrder{{Seq: seqs[0], Parts: []OriginalPart{{Offset: 0, Length: kept.Size}}}}}
		if _, err := s.Amend(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got, err := read(s); err != nil || !bytes.Equal([]byte(got), []byte(content)) {
			t.Errorf("%s: the judge brought back %d bytes, %v", name, len(got), err)
		}
		if damage, notes, _ := verifyAll(t, dir, keys); len(damage)+len(notes) != 0 {
			t.Errorf("%s: after the judge's order: damage %+v, notes %+v", name, damage, notes)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
