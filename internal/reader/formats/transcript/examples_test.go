package transcript_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func TestIRC(t *testing.T) {
	readertest.CheckExamples(t, all.Formats(), transcript.IRC, reader.Options{})
}

// TestIRCShared accounts for every line of 30 days of #Ubuntu. The totals were
// counted with grep.
func TestIRCShared(t *testing.T) {
	kinds, channels := map[string]int{}, map[string]int{}
	backwards := 0
	for _, file := range readertest.Shared(t, "irc", "*.raw.txt") {
		in := readertest.Input(filepath.Base(file), readertest.ReadFile(t, file), reader.Options{})
		items := readertest.Check(t, transcript.IRC, in)
		readertest.CheckCovers(t, in, items)
		ranBack := false
		for _, item := range items {
			if item.Message == nil {
				t.Errorf("%s, line %d: %s: %q", in.Name, item.Where.Record, item.Problem, item.Raw)
				continue
			}
			m := item.Message
			kinds[eventOf(m)]++
			channels[m.Conversation]++
			ranBack = ranBack || slices.ContainsFunc(m.Extra, func(f argus.Field) bool { return strings.HasPrefix(f.Value, "runs back from ") })
			if day := m.Sent.UTC().Format("2006-01-02"); day != in.Name[:10] {
				t.Errorf("%s, line %d was sent on %s", in.Name, item.Where.Record, day)
			}
		}
		if ranBack {
			backwards++
		}
		sample, err := reader.NewSample(in.Name, in.File, in.Size)
		if err != nil {
			t.Fatal(err)
		}
		if f, sure := all.Formats().Detect(sample); f != transcript.IRC || sure < 85 {
			t.Errorf("%s is detected as %v (%d)", in.Name, f, sure)
		}
	}
	want := map[string]int{
		"message": 36196, // ^\[..:..\] <[^>]+>
		"join":    6565,  // ^=== .* has joined #
		"part":    1052,  // ^=== .* has left #
		"nick":    394,   // ^=== .* is now known as
		"action":  350,   // ^=== and none of the others
		"mode":    105,   // ^=== mode/
		"topic":   7,     // ^=== \.\.\[topic/
		"kick":    4,     // ^=== .* was kicked off #
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"#ubuntu": 44673}, channels); diff != "" {
		t.Errorf("conversations (-want +got):\n%s", diff)
	}
	if backwards != 5 {
		t.Errorf("the clock runs back in %d files, want 5", backwards)
	}
}

// eventOf returns the event that a message states, or "message".
func eventOf(m *argus.Message) string {
	for _, f := range m.Extra {
		if f.Name == "event" {
			return f.Value
		}
	}
	return "message"
}

// TestTextdumpLines reads lines that must not become text of the message above, and checks the
// service that each dump proves.
func TestTextdumpLines(t *testing.T) {
	for _, c := range []struct{ file, service, want string }{
		{"[22.11.21 11:08:01] fox:\tone\n[22.11.21 11:09] is no head\n[22.11.21 11:10:01] somebody joined\nx\n[22.11.21 11:11:01] fox:\ttwo\n", "unknown", `
2021-11-22T11:08:01Z fox: one
[22.11.21 11:09] is no head [year: of two digits, taken as of 1969 to 2068]
problem: want a message after date and time, found a line in another layout
problem: want the beginning of a message, found other text
2021-11-22T11:11:01Z fox: two [year: of two digits, taken as of 1969 to 2068]`},
		{"2020-07-22T12:33:03 a@x.test -> b@x.test\none\n2020-07-22T12:34:03 the server was restarted\n", "xmpp", `
2020-07-22T12:33:03Z a@x.test: one [service: xmpp, from accounts of the form user@server]
problem: want a message after date and time, found a line in another layout`},
		{"2020-07-22T12:33:03 ann -> bo\none\n2020-07-22 was the day\n", "unknown", `
2020-07-22T12:33:03Z ann: one
2020-07-22 was the day`},
		{"[2024-01-02 10:00:00] @anna:server.example: one\n[2024-01-02 10:00:0x] @anna: two\n", "matrix", `
2024-01-02T10:00:00Z @anna:server.example: one
[2024-01-02 10:00:0x] @anna: two`},
		{"[2021-02-14, 12:03] Bram: one\n", "signal", `
2021-02-14T12:03Z Bram: one [service: signal, from the layout]`},
		{"[23.11.21 11:08:01] mole:\tone\n" + strings.Repeat("line\n", 5), "unknown", `
2021-11-23T11:08:01Z mole: one` + strings.Repeat("\nline", 5) + ` [year: of two digits, taken as of 1969 to 2068]`},
	} {
		in := readertest.Input("d/mole.txt", []byte(c.file), reader.Options{})
		if found, sure := all.Formats().Detect(reader.Sample{Name: in.Name, Head: []byte(c.file), Text: []byte(c.file)}); found != transcript.Textdump {
			t.Errorf("%q is detected as %v (%d)", c.file, found, sure)
		}
		var got strings.Builder
		for _, item := range readertest.Check(t, transcript.Textdump, in) {
			got.WriteString("\n" + readertest.LineOf(item))
			if m := item.Message; m != nil && m.Service != c.service {
				t.Errorf("%q: service %s, want %s", c.file, m.Service, c.service)
			}
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.file, diff)
		}
	}
}

func TestWhatsApp(t *testing.T) {
	readertest.CheckExamples(t, all.Formats(), transcript.WhatsApp, reader.Options{})
}
