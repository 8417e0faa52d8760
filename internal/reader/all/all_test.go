package all

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Formats() {
		if found, ok := Formats().ByName(f.Name); !ok || found != f {
			t.Errorf("%q names another format", f.Name)
		}
		if seen[f.Name] || strings.ToLower(f.Name) != f.Name || f.Version < 1 || f.About == "" || f.Checked == "" {
			t.Errorf("the table says too little of %q, or it twice", f.Name)
		}
		seen[f.Name] = true
	}
	if _, ok := Formats().ByName("none"); ok {
		t.Error("a format that is not in the table was found")
	}
}

func TestDetectNothing(t *testing.T) {
	for name, content := range map[string]string{
		"empty":      "",
		"picture":    "\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x01\x00\x48",
		"prose":      "It was a dark night.\nNobody wrote anything: at 11:25 - so they said - all slept.\n",
		"chat.txt":   "WhatsApp\n",
		"archive":    string(readertest.Zipped(t, "a.txt", "alpha")),
		"one hit":    "01/02/2019, 11:25 - no name in it\n",
		"signal.txt": "[24 Dec 2019] Jane Roe: looks alike\n",
	} {
		sample, err := reader.NewSample(name, strings.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if f, sure := Formats().Detect(sample); f != nil {
			t.Errorf("%s is taken for %s (%d)", name, f, sure)
		}
	}
}

// TestDetectShared checks the detected formats of real files, independent of their
// names.
func TestDetectShared(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{"chat-exports/whatsapp/*.txt", "whatsapp"},
		{"chat-exports/telegram/test_*.json", "telegram"},
		{"irc/*.raw.txt", "irc"},
		{"irc/LICENSE-data.txt", ""},
		{"chat-exports/LICENSE", ""},
		{"chat-exports/signal/*.txt", "textdump"},
		{"chat-exports/instagram/test_*.json", "facebook"},
		{"matrix/*.json", "matrix"},
		{"matrix/events/*.json", "matrix"},
		{"case-uco/*.json", "case"},
		{"README.md", ""},
	} {
		for _, file := range readertest.Shared(t, filepath.FromSlash(c.pattern)) {
			content := readertest.ReadFile(t, file)
			sample, err := reader.NewSample("a/file", bytes.NewReader(content), int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if f, _ := Formats().Detect(sample); f != nil {
				got = f.Name
			}
			if got != c.want {
				t.Errorf("%s is taken for %q, want %q", filepath.Base(file), got, c.want)
			}
		}
	}
}
