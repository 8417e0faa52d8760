package transcript

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// TestLineDays determines the order of dates by the day of the week.
func TestLineDays(t *testing.T) {
	for _, item := range readertest.Check(t, LINE, readertest.Input("x.txt", []byte("Chat history with Vera\nSaved on: x\n\nMon, 01/02/2021\n11:03\tVera\thello\n"), reader.Options{})) {
		if got, want := readertest.LineOf(item), "2021-02-01T11:03Z Vera: hello"; got != want { // a Monday
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestLineQuotes reads a text that is never closed: the next day still begins.
func TestLineQuotes(t *testing.T) {
	file := "Chat history with Vera\nSaved on: x\n\n2021/02/14\n11:03\tVera\t\"open\n2021/02/20\n\n2021/02/15\n11:04\tRik\tnext\n"
	var got []string
	for _, item := range readertest.Check(t, LINE, readertest.Input("x.txt", []byte(file), reader.Options{})) {
		got = append(got, readertest.LineOf(item))
	}
	if diff := cmp.Diff([]string{"2021-02-14T11:03Z Vera: \"open\n2021/02/20", "2021-02-15T11:04Z Rik: next"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzLine(f *testing.F) {
	readertest.AddExamples(f, "../../testdata/line/*.txt")
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, LINE, readertest.Input("fuzz.txt", file, reader.Options{MaxRecord: 500}))
		detectLine(reader.Sample{Text: textdoc.SampleText(file)})
	})
}
