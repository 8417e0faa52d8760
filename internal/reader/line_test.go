package reader

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLineDays decides on the order of dates by the day of the week.
func TestLineDays(t *testing.T) {
	for _, item := range checkReader(t, lineFormat, input("x.txt", []byte("Chat history with Vera\nSaved on: x\n\nMon, 01/02/2021\n11:03\tVera\thello\n"), Options{})) {
		if got, want := lineOf(item), "2021-02-01T11:03Z Vera: hello"; got != want { // a Monday
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestLineQuotes reads a text that is never closed: the next day is a day all the same.
func TestLineQuotes(t *testing.T) {
	file := "Chat history with Vera\nSaved on: x\n\n2021/02/14\n11:03\tVera\t\"open\n2021/02/20\n\n2021/02/15\n11:04\tRik\tnext\n"
	var got []string
	for _, item := range checkReader(t, lineFormat, input("x.txt", []byte(file), Options{})) {
		got = append(got, lineOf(item))
	}
	if diff := cmp.Diff([]string{"2021-02-14T11:03Z Vera: \"open\n2021/02/20", "2021-02-15T11:04Z Rik: next"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzLine(f *testing.F) {
	addExamples(f, "testdata/line/*.txt")
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, lineFormat, input("fuzz.txt", file, Options{MaxRecord: 500}))
		detectLine(Sample{Text: SampleText(file)})
	})
}
