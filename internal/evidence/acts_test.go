package evidence

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
	"github.com/argus-evidence/argus/internal/evidence/form"
)

// testJudge returns a judge and its key.
func testJudge(t testing.TB) (*Judge, age.Identity) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	judge, err := ParseJudge("# the judge\n\n" + identity.Recipient().String() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return judge, identity
}

// filesWith returns the files in a folder that contain the given text, also inside
// compressed blocks.
func filesWith(t testing.TB, dir string, text string) (names []string) {
	t.Helper()
	c, err := form.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found := bytes.Contains(data, []byte(text))
		for at := 0; at < len(data); at++ {
			next := bytes.Index(data[at:], []byte("BLK2"))
			if next < 0 {
				break
			}
			at += next
			h, err := form.ParseHead(data[at:])
			if err != nil || h.Size() > int64(len(data)-at) {
				continue
			}
			b, err := c.Open(&h, data[at+form.HeadSize:][:h.Body()])
			if err != nil {
				continue
			}
			for i := range b.Len() {
				stored := b.Revised(i)
				found = found || bytes.Contains(stored.Statement, []byte(text)) || bytes.Contains(stored.Content, []byte(text))
			}
		}
		if found {
			names = append(names, e.Name())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Records of every kind are returned as they were stored, and pass verification.
func TestEveryKind(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, Options{Recent: 1})
	d, err := s.Begin(t.Context(), argus.Opening{Source: "test", Readers: []string{"test/1"}})
	if err != nil {
		t.Fatal(err)
	}
	locked := &argus.Message{Service: "sky", Conversation: "c", From: "A", State: argus.StateLocked, Locked: &argus.Locked{KeyID: "k1", Payload: []byte("cipher")}}
	first := []*argus.Record{
		{Kind: argus.KindOriginal, Original: &argus.Original{Size: 2, Path: "a"}},
		{Kind: argus.KindMessage, Message: locked, Where: argus.Where{Original: 2}},
	}
	sealed, err := SealRecord(&argus.Record{Kind: argus.KindMessage, Message: testMessage(1)}, testSealing(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	all := evidencetest.EveryKind(sealed)
	if err := errors.Join(s.Append(t.Context(), d, first), s.Append(t.Context(), d, all)); err != nil {
		t.Fatal(err)
	}
	opened := &argus.Record{Kind: argus.KindOpened, Of: 3, Opened: &argus.Opened{Key: 4, By: "unlock/1", Text: "what it says", Attachments: []argus.Attachment{{Name: "a"}}}}
	if err := s.Append(t.Context(), d, []*argus.Record{opened}); err != nil {
		t.Fatal(err)
	}
	want := append(first, append(all, opened)...)
	for name, r := range map[string]*argus.Record{
		"of no message":      {Kind: argus.KindOpened, Of: 2, Opened: &argus.Opened{Key: 4, Text: "x"}},
		"of what comes":      {Kind: argus.KindOpened, Of: 99, Opened: &argus.Opened{Key: 4, Text: "x"}},
		"with no key":        {Kind: argus.KindOpened, Of: 3, Opened: &argus.Opened{Key: 3, Text: "x"}},
		"naming no key":      {Kind: argus.KindOpened, Of: 3, Opened: &argus.Opened{Text: "x"}},
		"an amendment":       {Kind: argus.KindAmendment, Amendment: &argus.Amendment{Order: "x", Changes: []argus.Change{{Seq: 1}}}},
		"an act of nothing":  {Kind: argus.KindWithdrawn, Act: &argus.Act{Order: "x"}},
		"an act by nobody":   {Kind: argus.KindWithdrawn, Act: &argus.Act{Records: []argus.Span{{First: 1, Last: 2}}}},
		"spans that overlap": {Kind: argus.KindWithdrawn, Act: &argus.Act{Order: "x", Records: []argus.Span{{First: 1, Last: 2}, {First: 2, Last: 3}}}},
		"sealed to nobody":   {Kind: argus.KindSealed, ID: argus.ID{1}, Version: argus.Version{1}, Sealed: &argus.Sealed{Ciphertext: []byte("x")}},
		"not UTF-8":          {Kind: argus.KindKey, Key: &argus.Key{From: "\xff"}},
	} {
		if err := s.Append(t.Context(), d, []*argus.Record{r}); err == nil {
			t.Errorf("an opened record or act %s is accepted", name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{})
	for i, r := range collect(t, s, 2) {
		if diff := cmp.Diff(want[i], r); diff != "" {
			t.Errorf("record %d differs:\n%s", r.Seq, diff)
		}
		if r.Kind == argus.KindSealed {
			if found, err := s.Find(r.ID); err != nil || len(found) != 1 || found[0].Seq != r.Seq {
				t.Errorf("the sealed record under its keyed id: %v, %v", found, err)
			}
		}
	}
	seal, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), "")
	if err != nil {
		t.Fatal(err)
	}
	if want := (argus.Counts{Read: 3, Stored: 2, Quarantined: 1, Locked: 1, Sealed: 1}); seal.Counts != want || seal.Originals != 2 {
		t.Errorf("the seal says %+v", seal)
	}
	damage, _, _ := verifyAll(t, dir, keys)
	for _, f := range damage {
		if !strings.Contains(f.Problem, "the original") { // their files were not kept
			t.Errorf("%+v", f)
		}
	}
}

// testSealing seals with a cipher that hides the text from a search for it.
func testSealing(key []byte) Sealing {
	return Sealing{Why: "directory", Recipients: []string{"judge"}, Key: key, Path: "a keyed name", Seal: func(plain []byte) ([]byte, error) { return flipped(plain), nil }}
}

func flipped(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = ^c
	}
	return out
}

// A sealed message can be read with the key of its seal. Without the key, nothing is visible:
// no text, no names, no position, no id that could be guessed. This is the case of a lawyer
// recognised at intake.
func TestSealedRecord(t *testing.T) {
	m := &argus.Message{Service: "signal", Conversation: "client-lawyer", From: "+31600000001", To: []string{"+31600000002"}, Text: "between us and the advocate"}
	key := bytes.Repeat([]byte{7}, 32)
	id, version := m.Identity()
	r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: argus.Where{Original: 2, Path: "chats/with the advocate.txt", Record: 3, Offset: 4, Length: 5}, ID: id, Version: version}
	one, err := SealRecord(r, testSealing(key))
	if err != nil {
		t.Fatal(err)
	}
	two, err := SealRecord(r, testSealing(key))
	if err != nil {
		t.Fatal(err)
	}
	if one.ID != two.ID || one.Version != two.Version || one.ID == id || one.Version == version {
		t.Errorf("ids %s and %s of a message with the id %s", one.ID, two.ID, id)
	}
	if want := (argus.Where{Original: 2, Path: "a keyed name"}); one.Where != want {
		t.Errorf("the place of the sealed record is %+v, want %+v", one.Where, want)
	}
	s, dir := createTest(t, Options{})
	d := begin(t, s)
	broken := &argus.Record{Kind: argus.KindQuarantined, Where: argus.Where{Original: 2, Path: r.Where.Path}, Quarantine: &argus.Quarantine{Reason: "the advocate's line ends early", Raw: []byte("advocate"), Broke: true}}
	piece, err := SealRecord(broken, testSealing(key))
	if err != nil {
		t.Fatal(err)
	}
	if !piece.Sealed.Broke {
		t.Error("the sealed piece does not say that the reading broke there")
	}
	received := &argus.Record{Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}}
	if err := s.Append(t.Context(), d, []*argus.Record{received, one, piece}); err != nil {
		t.Fatal(err)
	}
	signer, keys := testKey(t)
	if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{m.Text, m.From, m.To[0], m.Conversation, "advocate", string(id[:]), string(version[:])} {
		if names := filesWith(t, dir, text); names != nil {
			t.Errorf("%q is in %v", text, names)
		}
	}
	s = openTest(t, dir, Options{ReadOnly: true})
	for i, want := range []*argus.Record{r, broken} {
		stored := collect(t, s, 3)[i]
		want.Seq, want.Delivery = stored.Seq, stored.Delivery
		opened, err := OpenSealed(stored, func(b []byte) ([]byte, error) { return flipped(b), nil })
		if err != nil || !cmp.Equal(opened, want) {
			t.Errorf("the judge reads %v\n%s", err, cmp.Diff(want, opened))
		}
		if _, err := OpenSealed(stored, func([]byte) ([]byte, error) { return nil, errors.New("no key") }); err == nil {
			t.Error("a stranger reads it")
		}
	}
	// Every leaf, root and signature can be verified without a key.
	if damage, notes, v := verifyAll(t, dir, keys); len(damage)+len(notes) != 1 || v.Counts.Sealed != 2 { // the original was not kept
		t.Errorf("%+v, damage %+v, notes %+v", v, damage, notes)
	}
}

func TestParseJudgeRefuses(t *testing.T) {
	for _, text := range []string{"", "# nobody\n", "age1nonsense", "ssh-rsa AAAA"} {
		if _, err := ParseJudge(text); err == nil {
			t.Errorf("%q names a judge", text)
		}
	}
}
