package sqlitedoc

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plistExample was written by Python's plistlib.
const plistExample = "62706c6973743030d90102030405060708090a0b0f101112131415556279746573546c697374546c6f6e67556d696e7573547265616c54746578745577686f6c6554776964655379657343010203a30c0d0e10005161d05f10287878787878787878787878787878787878787878787878787878787878787878787878787878787813fffffffffffffffb233ff80000000000005b74656e206f27636c6f636b120001117066005a006f00eb0020d83dde0a09081b21262b31363b41464a4e52545657828b94a0a5b200000000000001010000000000000016000000000000000000000000000000b3"

func TestPlist(t *testing.T) {
	b, err := hex.DecodeString(plistExample)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Plist(b)
	want := map[string]any{
		"text": "ten o'clock", "wide": "Zoë 😊", "bytes": []byte{1, 2, 3}, "whole": int64(70000), "minus": int64(-5), "real": 1.5,
		"yes": true, "list": []any{int64(0), "a", map[string]any{}}, "long": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for i := range b {
		for _, c := range []byte{0, 0xFF, b[i] ^ 0x10} {
			broken := append([]byte(nil), b...)
			broken[i] = c
			_, _ = Plist(broken) // ends, with a result or an error
			_, _ = Plist(broken[:i])
		}
	}
}

func FuzzPlist(f *testing.F) {
	b, err := hex.DecodeString(plistExample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Plist(b) })
}
