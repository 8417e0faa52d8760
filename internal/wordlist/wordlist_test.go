package wordlist

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "lists"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func nowhere(Version) error { return nil }

func add(t *testing.T, s *Store, name, text string) Version {
	t.Helper()
	v, _, err := s.Add(name, []byte(text), nowhere)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersions(t *testing.T) {
	s := open(t)
	first := add(t, s, "goods", "snow\n\n  white horse \n")
	other := add(t, s, "places", "dock")
	second := add(t, s, "goods", "snow\r\nice\r\n")
	if again, known, err := s.Add("goods", []byte("snow\r\nice\r\n"), nowhere); err != nil || !known || again != second {
		t.Errorf("the same again: %v, %v, %v", again, known, err)
	}
	if third := add(t, s, "goods", "snow\n\n  white horse \n"); third.Version != 3 || third.Hash != first.Hash {
		t.Errorf("back to the first: %v", third)
	}
	list, err := s.List()
	if err != nil || len(list) != 4 || list[1] != second || list[3] != other {
		t.Errorf("list: %v, %v", list, err)
	}
	for _, c := range []struct {
		name, hash string
		want       []string
	}{{"goods", "", []string{"snow", "white horse"}}, {"goods", second.Hash, []string{"snow", "ice"}}, {"places", other.Hash, []string{"dock"}}} {
		got, err := s.Find(c.name, c.hash)
		if err != nil || !cmp.Equal(got.Entries, c.want) {
			t.Errorf("%s@%s: %v, %v", c.name, c.hash, got, err)
		}
	}
	for _, c := range [][2]string{{"absent", ""}, {"goods", other.Hash}, {"good", ""}} {
		if got, err := s.Find(c[0], c[1]); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("%s@%s: %v, %v", c[0], c[1], got, err)
		}
	}
}

func TestRefused(t *testing.T) {
	s := open(t)
	for _, c := range []struct{ name, text, err string }{
		{"../x", "a", "not a valid list name"}, {"", "a", "not a valid list name"}, {"A", "a", "not a valid list name"}, {"a.b", "a", "not a valid list name"},
		{strings.Repeat("a", 65), "a", "not a valid list name"},
		{"a", "", "is empty"}, {"a", " \n\n", "is empty"}, {"a", "\xff", "not UTF-8"}, {"a", "boat\n?!\n", "line 2 has no letter"},
		{"a", strings.Repeat("a\n", 10_001), "more than 10000 entries"}, {"a", strings.Repeat("a", 4<<20+1), "longer than"},
	} {
		if _, _, err := s.Add(c.name, []byte(c.text), nowhere); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("add %.70q: %v, want an error with %q", c.name, err, c.err)
		}
	}
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("a refused list was kept: %v, %v", list, err)
	}
}

// A changed file is reported as damage, never read as a different list.
func TestDamaged(t *testing.T) {
	s := open(t)
	v := add(t, s, "goods", "snow")
	path := filepath.Join(s.dir, v.File())
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"ice", "", "\xff"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, hash := range []string{"", v.Hash} {
			if got, err := s.Find("goods", hash); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("a list that became %q: %v, %v", text, got, err)
			}
		}
	}
}
