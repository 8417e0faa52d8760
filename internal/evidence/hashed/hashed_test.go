package hashed

import (
	"bytes"
	"testing"
)

func TestOpen(t *testing.T) {
	whole := End([]byte("argus thing 2\none\nsha256 two\n"))
	if version, lines, err := Open(whole, "argus thing "); err != nil || version != '2' || lines != "one\nsha256 two\n" {
		t.Errorf("%q, %q, %v", version, lines, err)
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		if _, _, err := Open(bad, "argus thing "); err == nil {
			t.Errorf("a flip at %d passes", i)
		}
		if _, _, err := Open(whole[:i], "argus thing "); err == nil {
			t.Errorf("the first %d bytes pass", i)
		}
	}
	for _, other := range []string{"", "argus thing 2", "argus thing 12\n", "argus things 2\n", "argus thing \n"} {
		if _, _, err := Open(End([]byte(other)), "argus thing "); err == nil {
			t.Errorf("%q passes", other)
		}
	}
}

// FuzzOpen checks that every accepted text is the one that End makes from its parts.
func FuzzOpen(f *testing.F) {
	f.Add(End([]byte("k2\na\n")))
	f.Add([]byte("k2\nsha256 "))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, text := range [][]byte{data, End(bytes.Clone(data))} {
			version, lines, err := Open(text, "k")
			if err != nil {
				continue
			}
			if again := End([]byte("k" + string([]byte{version}) + "\n" + lines)); !bytes.Equal(again, text) {
				t.Fatalf("%q is read as %q", text, again)
			}
		}
	})
}
