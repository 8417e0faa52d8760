package transfer_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/exchange/transfer"
)

// holder is a store with two sealed deliveries, whose first two messages each are to leave.
type holder struct {
	signer note.Signer
	key    string
	head   transfer.Head
	copies []transfer.Copy
}

func newHolder(t testing.TB, store string) *holder {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "argus/"+store)
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{key: public}
	if h.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	s, err := evidence.Create(t.TempDir(), evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	checkpoint, err := note.Sign(&note.Note{Text: "argus/" + store + "\n1\nAAAA\n"}, h.signer)
	if err != nil {
		t.Fatal(err)
	}
	h.head = transfer.Head{Store: store, For: "case", Made: time.Unix(1_700_000_000, 0).UTC(), Request: "asked", Authority: "A-0002",
		Terms: transfer.Terms{Basis: "warrant", GrantedBy: "judge", Handling: []string{"H1"}}, Checkpoint: string(checkpoint), Messages: 4}
	for i := range 2 {
		n, err := s.Begin(t.Context(), argus.Opening{Source: "x", Authority: "A-0001", Actor: "anna", Readers: []string{"x/1"}})
		if err != nil {
			t.Fatal(err)
		}
		batch := evidencetest.Batch(10*i, 10*i+10)
		if err := s.Append(t.Context(), n, batch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(t.Context(), n, store, h.signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
		text, err := s.SealText(n)
		if err != nil {
			t.Fatal(err)
		}
		h.head.Seals = append(h.head.Seals, string(text))
		prover := s.Prover()
		for _, r := range batch[:2] {
			one, err := prover.Prove(t.Context(), r.Seq)
			if err != nil {
				t.Fatal(err)
			}
			h.copies = append(h.copies, transfer.Copy{Seal: i, Copy: one.Copy})
		}
	}
	return h
}

func (h *holder) sign(t testing.TB) []byte {
	t.Helper()
	file, err := transfer.Sign(h.head, h.copies, h.signer)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// lines reads a package.
func lines(t testing.TB, file []byte, key string) (good []string, bad []string) {
	t.Helper()
	p, err := transfer.Open(bytes.NewReader(file), int64(len(file)), key)
	if err != nil {
		t.Fatal(err)
	}
	for l, err := range p.Lines(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if (l.Message == nil) == (l.Problem == "") {
			t.Fatalf("%+v", l)
		}
		if part := file[l.Offset : l.Offset+l.Length]; !bytes.HasSuffix(part, []byte("\n")) {
			t.Errorf("line %d is %q", l.Number, part)
		}
		if l.Message != nil {
			good = append(good, l.Message.ServiceID)
		} else {
			bad = append(bad, l.Problem)
		}
	}
	return good, bad
}

// Every copy of a package is read with its message.
func TestPackage(t *testing.T) {
	h := newHolder(t, "holder")
	good, bad := lines(t, h.sign(t), h.key)
	if strings.Join(good, " ") != "0 1 10 11" || bad != nil {
		t.Errorf("%q, %q", good, bad)
	}
}

// A holder who signs a package with copies that its seals do not prove gets none of them
// accepted; the others are.
func TestForgedCopies(t *testing.T) {
	for what, forge := range map[string]func(h *holder){
		"changed words": func(h *holder) {
			h.copies[1].Content = bytes.Replace(h.copies[1].Content, []byte("message 1"), []byte("message 9"), 1)
		},
		"changed statement":       func(h *holder) { h.copies[1].Statement = h.copies[2].Statement },
		"words of another record": func(h *holder) { h.copies[1].Content = h.copies[0].Content },
		"record in another place": func(h *holder) { h.copies[1].Leaf = 5 },
		"place outside":           func(h *holder) { h.copies[1].Leaf = 1 << 60 },
		"path of another":         func(h *holder) { h.copies[1].Path = h.copies[0].Path },
		"no path":                 func(h *holder) { h.copies[1].Path = nil },
		"seal of another":         func(h *holder) { h.copies[1].Seal = 1 },
		"no such seal":            func(h *holder) { h.copies[1].Seal = 2 },
		"a seal below":            func(h *holder) { h.copies[1].Seal = -1 },
		"a copy twice":            func(h *holder) { h.copies[1] = h.copies[0] },
		"no salt":                 func(h *holder) { h.copies[1].ContentSalt = nil },
		"nothing":                 func(h *holder) { h.copies[1] = transfer.Copy{} },
	} {
		h := newHolder(t, "holder")
		forge(h)
		good, bad := lines(t, h.sign(t), h.key)
		if strings.Join(good, " ") != "0 10 11" || len(bad) != 1 {
			t.Errorf("%s: %q, %q", what, good, bad)
		}
	}
}

// A head with the seals, checkpoint or lines of somebody else is refused, whoever signed it.
func TestForgedHeads(t *testing.T) {
	other := newHolder(t, "holder")
	for what, forge := range map[string]func(h *holder){
		"a seal by another key": func(h *holder) { h.head.Seals[1] = other.head.Seals[1] },
		"a changed seal": func(h *holder) {
			h.head.Seals[0] = strings.Replace(h.head.Seals[0], `"records": 11`, `"records": 12`, 1)
		},
		"a seal twice":       func(h *holder) { h.head.Seals[1] = h.head.Seals[0] },
		"no seal":            func(h *holder) { h.head.Seals[1] = "" },
		"another store":      func(h *holder) { h.head.Store = "other" },
		"no checkpoint":      func(h *holder) { h.head.Checkpoint = "" },
		"another checkpoint": func(h *holder) { h.head.Checkpoint = other.head.Checkpoint },
	} {
		h := newHolder(t, "holder")
		forge(h)
		file := h.sign(t)
		if p, err := transfer.Open(bytes.NewReader(file), int64(len(file)), h.key); !errors.Is(err, signed.ErrRefused) {
			t.Errorf("%s: %+v, %v", what, p, err)
		}
	}
	h := newHolder(t, "holder")
	file := h.sign(t)
	if _, err := transfer.Open(bytes.NewReader(file), int64(len(file)), other.key); !errors.Is(err, signed.ErrRefused) {
		t.Errorf("another key: %v", err)
	}
	// Lines in another order, or those of another package, are not those that were signed.
	end := bytes.LastIndex(file[:len(file)-1], []byte("\n")) + 1
	before := bytes.LastIndex(file[:end-1], []byte("\n")) + 1
	swapped := append(append(append([]byte{}, file[:before]...), file[end:]...), file[before:end]...)
	if p, err := transfer.Open(bytes.NewReader(swapped), int64(len(swapped)), h.key); len(swapped) != len(file) || !errors.Is(err, signed.ErrRefused) {
		t.Errorf("swapped: %+v, %v", p, err)
	}
}

// FuzzLine signs any text as the lines of a package: only copies that the seals prove are read,
// each once.
func FuzzLine(f *testing.F) {
	h := newHolder(f, "holder")
	file := h.sign(f)
	_, body, _ := bytes.Cut(file, []byte("=\n{"))
	f.Add(append([]byte("{"), body...))
	f.Add([]byte(`{"seal":0}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		head := h.head
		head.Copies, head.Size, head.Body = 1, int64(len(body)), sha256.Sum256(body)
		text, err := signed.Sign(transfer.Begin, head, h.signer)
		if err != nil {
			t.Fatal(err)
		}
		whole := append(text, body...)
		p, err := transfer.Open(bytes.NewReader(whole), int64(len(whole)), h.key)
		if err != nil {
			t.Fatal(err)
		}
		seen, length := map[string]bool{}, int64(0)
		for l, err := range p.Lines(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			length += l.Length
			if l.Message == nil {
				continue
			}
			if want := evidencetest.Message(map[string]int{"0": 0, "1": 1, "10": 10, "11": 11}[l.Message.ServiceID]); seen[l.Message.ServiceID] || l.Message.Text != want.Text {
				t.Fatalf("the lines give %+v", l.Message)
			}
			seen[l.Message.ServiceID] = true
		}
		if length != int64(len(body)) {
			t.Fatalf("the lines have %d bytes of %d", length, len(body))
		}
	})
}

// A line in another form than the only valid one is refused, although it has the same meaning.
func TestLineInAnotherForm(t *testing.T) {
	h := newHolder(t, "holder")
	file := h.sign(t)
	first := bytes.Index(file, []byte(`{"seal"`))
	var l map[string]any
	line, _, _ := bytes.Cut(file[first:], []byte("\n"))
	if err := json.Unmarshal(line, &l); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{
		"space":   strings.Replace(string(line), `{"seal"`, `{ "seal"`, 1) + "\n",
		"field":   strings.Replace(string(line), `{"seal"`, `{"more":1,"seal"`, 1) + "\n",
		"no end":  string(line),
		"CR":      string(line) + "\r\n",
		"no JSON": "hello\n",
		"empty":   "\n",
	} {
		head := h.head
		head.Copies, head.Size, head.Body = 1, int64(len(text)), sha256.Sum256([]byte(text))
		whole, err := signed.Sign(transfer.Begin, head, h.signer)
		if err != nil {
			t.Fatal(err)
		}
		whole = append(whole, text...)
		p, err := transfer.Open(bytes.NewReader(whole), int64(len(whole)), h.key)
		if err != nil {
			t.Fatal(err)
		}
		for l, err := range p.Lines(t.Context()) {
			if err != nil || l.Message != nil || l.Problem == "" {
				t.Errorf("%s: %+v, %v", what, l, err)
			}
		}
	}
}
