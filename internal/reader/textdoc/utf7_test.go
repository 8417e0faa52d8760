package textdoc

import (
	"testing"
	"unicode/utf8"
)

func TestUTF7(t *testing.T) {
	for stored, want := range map[string]string{
		"K+APY-ln +- 1": "Köln + 1", "+ANw-bergabe": "Übergabe", "+IKw": "€", "+2D3eAA-!": "😀!", "Hi Mom +Jjo--!": "Hi Mom ☺-!", "plain": "plain",
		"1 + 1": "", "+": "", "+A-": "", "\xE9": "", "a+b": "", "+ANz-": "",
	} {
		if got, ok := UTF7([]byte(stored)); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", stored, got, ok)
		}
	}
}

func FuzzUTF7(f *testing.F) {
	f.Add([]byte("K+APY-ln +- 1"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		if text, ok := UTF7(stored); ok && (!utf8.ValidString(text) || len(text) > 3*len(stored)) {
			t.Errorf("%q: %q", stored, text)
		}
	})
}
