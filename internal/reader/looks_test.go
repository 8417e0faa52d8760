package reader_test

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
)

// TestLooksLikeJSON tells JSON from text that begins with one of its brackets.
func TestLooksLikeJSON(t *testing.T) {
	for text, want := range map[string]string{
		"[draft] list of berths\n": "text in an unknown form", "[22.11.21 11:08] x\n": "text in an unknown form", "{name} was here": "text in an unknown form", "[x": "text in an unknown form",
		`{"a":1}`: "JSON", "[\n {": "JSON", "[]": "JSON", "{": "JSON", `["a"`: "JSON",
	} {
		if looks := reader.LooksLike(reader.Sample{Head: []byte(text), Text: []byte(text)}); !strings.HasPrefix(looks, want) {
			t.Errorf("%q looks like %s, want %s", text, looks, want)
		}
	}
}
