package reader

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

func TestIRC(t *testing.T) { checkTestdata(t, ircFormat, Options{}) }

// TestIRCShared accounts for every line of 30 days of #Ubuntu. The totals were
// counted with grep.
func TestIRCShared(t *testing.T) {
	kinds, channels := map[string]int{}, map[string]int{}
	backwards := 0
	for _, file := range shared(t, "irc", "*.raw.txt") {
		in := input(filepath.Base(file), readFile(t, file), Options{})
		items := checkReader(t, ircFormat, in)
		checkCovers(t, in, items)
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
		sample, err := NewSample(in.Name, in.File, in.Size)
		if err != nil {
			t.Fatal(err)
		}
		if f, sure := All().Detect(sample); f != ircFormat || sure < 85 {
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

// eventOf is the event that a message states, or "message".
func eventOf(m *argus.Message) string {
	for _, f := range m.Extra {
		if f.Name == "event" {
			return f.Value
		}
	}
	return "message"
}

func TestIRCNames(t *testing.T) {
	for _, c := range []struct{ name, day, channel string }{
		{"2004-12-25.train-c.raw.txt", "2004-12-25", "train-c.raw"},
		{"logs/#Ubuntu_20041225.log", "2004-12-25", "#ubuntu"},
		{"freenode.#Ubuntu.weechatlog", "0001-01-01", "#ubuntu"},
		{"2004/12/25/#ubuntu.txt", "2004-12-25", "#ubuntu"},
		{"#a 20041225-20041231.log", "0001-01-01", "#a"},
		{"x/2004-13-25.log", "0001-01-01", "2004-13-25"},
		{"120041225.log", "0001-01-01", "120041225"},
		{"99990101.log", "0001-01-01", "99990101"},
		{"Pim[1].log", "0001-01-01", "pim{1}"},
	} {
		if got := dayOfName(c.name).Format("2006-01-02"); got != c.day {
			t.Errorf("day of %q: %s, want %s", c.name, got, c.day)
		}
		if got := channelOfName(c.name); got != c.channel {
			t.Errorf("channel of %q: %q, want %q", c.name, got, c.channel)
		}
	}
}

func FuzzIRC(f *testing.F) {
	addExamples(f, "testdata/irc/*.txt")
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, name := range []string{"2021-03-04.txt", "x"} {
			in := input(name, file, Options{MaxRecord: 500})
			checkCovers(t, in, checkReader(t, ircFormat, in))
		}
		detectIRC(Sample{Text: SampleText(file)})
	})
}

func BenchmarkIRC(b *testing.B) {
	b.Run("short", func(b *testing.B) {
		lines := "[09:14] <alice> a line of ordinary length, as people write them in a channel\n" +
			"=== bob [~bob@host.example.org]  has joined #ubuntu\n[09:15] <bob> yes\n"
		benchmark(b, ircFormat, bytes.Repeat([]byte(lines), 50_000), 150_000)
	})
	b.Run("long", func(b *testing.B) {
		benchmark(b, ircFormat, bytes.Repeat([]byte("[09:14] <alice> "+benchSaid+"\n"), 50_000), 50_000)
	})
}
