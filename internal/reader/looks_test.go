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

// TestLooksNameTheFormat names formats that are not read, and says how to proceed.
func TestLooksNameTheFormat(t *testing.T) {
	for head, want := range map[string]string{
		"ANDROID BACKUP\n5\n1\nnone\n": "Android", "EVF\t\r\n\xFF\x00\x01": "E01", "ADSEGMENTEDFILE\x00": "AD1", "TDF$\x01\x02": "Telegram",
		"\xCF\xAD\x12\xFE\xC5": "Outlook Express", "\x1A\x00\x00\x04\x00\x00\x2B": "Lotus", "SQLite format 3\x00": "argus map", `{"a":1}`: "argus map",
	} {
		looks := reader.LooksLike(reader.Sample{Head: []byte(head), Text: []byte(head)})
		if !strings.Contains(looks, want) || !strings.Contains(looks, ": ") {
			t.Errorf("%q looks like %q, want %s and how to proceed", head, looks, want)
		}
	}
}
