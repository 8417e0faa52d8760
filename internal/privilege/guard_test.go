package privilege

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

func testSetup(t testing.TB, key Key) *Setup {
	t.Helper()
	to, _ := testRecipients(t)
	var lines []string
	for _, r := range to.keys {
		lines = append(lines, fmt.Sprint(r))
	}
	s, err := NewSetup(strings.Join(lines, "\n"), key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An encoded setup is read as the same setup, distinguishes its key from others, and does not
// contain it.
func TestSetup(t *testing.T) {
	key := NewKey()
	s := testSetup(t, key)
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseSetup(text)
	if err != nil || back.Fits(key) != nil || len(back.To().Fingerprints()) != 2 {
		t.Errorf("%+v, %v", back, err)
	}
	if err := back.Fits(NewKey()); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if strings.Contains(string(text), key.Text()) {
		t.Error("the setup has the key")
	}
	if _, err := NewSetup(s.Recipients[0], key); err == nil {
		t.Error("one recipient is enough")
	}
	for name, want := range map[string]error{
		strings.Replace(string(text), `"argus_privilege": 1`, `"argus_privilege": 2`, 1): argus.ErrNewer,
		strings.Replace(string(text), "age1", "age2", 1):                                 argus.ErrDamaged,
		string(text[:len(text)/2]):                                                       argus.ErrDamaged,
		strings.Replace(string(text), s.Check, s.Check[2:], 1):                           argus.ErrDamaged,
		strings.Replace(string(text), s.Recipients[1], s.Recipients[0], 1):               argus.ErrDamaged,
		strings.Repeat(" ", maxSetup+1):                                                  argus.ErrDamaged,
	} {
		if _, err := ParseSetup([]byte(name)); !errors.Is(err, want) {
			t.Errorf("%.200s: %v, want %v", name, err, want)
		}
	}
}

// A set and its sealed directory form one file. A part of the file is not accepted as a
// directory.
func TestDirectoryFile(t *testing.T) {
	key := NewKey()
	set, err := NewSet(NewDirectory(nil), key)
	if err != nil {
		t.Fatal(err)
	}
	file := JoinDirectory(set, []byte("sealed"))
	rows, sealed, err := SplitDirectory(file)
	if err != nil || string(sealed) != "sealed" || !bytes.Equal(rows, set.Encode()) {
		t.Errorf("%d bytes, %q, %v", len(rows), sealed, err)
	}
	for n := range len(file) - len("sealed") {
		if _, _, err := SplitDirectory(file[:n]); !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// A guard works only with its own key, and its state can be passed to another guard.
func TestGuard(t *testing.T) {
	key := NewKey()
	setup := testSetup(t, key)
	set, err := NewSet(NewDirectory([]Entry{{Identifiers: []Identifier{{kindAccount, "signal", "lawyer"}}}}), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewGuard(setup, NewKey(), set.Encode(), nil); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	g, err := NewGuard(setup, key, set.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m := note(1, "client", "lawyer", "we meet at the harbour at nine, bring the blue bag with you")
	m.Service = "signal"
	before := g.Changes()
	g.Survey(seen(m))
	if f := g.Judge(seen(m)); f.Class != ByDirectory || g.Changes() == before {
		t.Errorf("%+v, %d changes", f, g.Changes())
	}
	state := g.State()
	next, err := NewGuard(setup, key, set.Encode(), state)
	if err != nil {
		t.Fatal(err)
	}
	copied := note(9, "client", "cousin", m.Text)
	copied.Service = "signal"
	if f := next.Judge(seen(copied)); f.Class != ByPropagation {
		t.Errorf("a copy of a protected message: %+v", f)
	}
	if _, err := NewGuard(setup, key, set.Encode(), state[1:]); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("a damaged state: %v", err)
	}
	if g.Name("a") == g.Name("b") || g.Name("a") != next.Name("a") || len(g.IDKey()) != KeySize {
		t.Error("the keyed names differ between guards of one key, or do not tell names apart")
	}
}

func FuzzSetup(f *testing.F) {
	text, err := testSetup(f, NewKey()).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(directoryMagic + "\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSetup(data); err == nil {
			again, err := s.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSetup(again); err != nil {
				t.Errorf("%s: %v", again, err)
			}
		}
		if set, sealed, err := SplitDirectory(data); err == nil && len(directoryMagic)+8+len(set)+len(sealed) != len(data) {
			t.Errorf("%d and %d of %d bytes", len(set), len(sealed), len(data))
		}
	})
}
