package transcript

import (
	"bytes"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

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
	readertest.AddExamples(f, "../../testdata/irc/*.txt")
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, name := range []string{"2021-03-04.txt", "x"} {
			in := readertest.Input(name, file, reader.Options{MaxRecord: 500})
			readertest.CheckCovers(t, in, readertest.Check(t, IRC, in))
		}
		detectIRC(reader.Sample{Text: textdoc.SampleText(file)})
	})
}

func BenchmarkIRC(b *testing.B) {
	b.Run("short", func(b *testing.B) {
		lines := "[09:14] <alice> a line of ordinary length, as people write them in a channel\n" +
			"=== bob [~bob@host.example.org]  has joined #ubuntu\n[09:15] <bob> yes\n"
		readertest.Benchmark(b, IRC, bytes.Repeat([]byte(lines), 50_000), 150_000)
	})
	b.Run("long", func(b *testing.B) {
		readertest.Benchmark(b, IRC, bytes.Repeat([]byte("[09:14] <alice> "+readertest.BenchSaid+"\n"), 50_000), 50_000)
	})
}
