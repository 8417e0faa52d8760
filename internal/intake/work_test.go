package intake

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestManyCopiesAreLinearWork takes in one message many times, after a phone whose copies it
// could meet, and again as another delivery: ten times as many copies may cause at most twelve
// times the work. The allocated bytes measure the work, because a search among copies needs a
// list of them.
func TestManyCopiesAreLinearWork(t *testing.T) {
	other := func(i int) string { // a few seconds apart, so that each copy looks for the others
		return fmt.Sprintf(`{"service":"sms","conversation":"%s|%s","from":%q,"to":[%q],"sent":"2021-02-14T12:03:%02dZ","text":"good"}`+"\n",
			numberA, numberB, numberA, numberB, 10+i%5)
	}
	for name, line := range map[string]func(i int) string{
		"equal":   func(int) string { return strings.Replace(other(0), `"text"`, `"id":"g9","text"`, 1) },
		"seconds": other,
		"versions": func(i int) string {
			return strings.Replace(other(0), `"good"`, fmt.Sprintf(`"good %d","id":"g9"`, i), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			work := func(n int) float64 {
				var text strings.Builder
				for i := range n {
					text.WriteString(line(i))
				}
				b := newBench(t)
				b.o.Reading.Owner = numberA
				b.ingest(t, write(t, t.TempDir(), "phone.xml", phone(inventedChat()[:20], true, 3)))
				b.o.Reading.Owner = ""
				return allocated(func() {
					for range 2 {
						r := b.ingest(t, write(t, t.TempDir(), "f.jsonl", text.String()))
						if r.Counts.Read != uint64(n) {
							t.Fatalf("read %d, want %d", r.Counts.Read, n)
						}
					}
				})
			}
			const few = 1000
			once, ten := work(few), work(10*few)
			t.Logf("%d copies: %.1f MB, %d: %.1f MB", few, once/1e6, 10*few, ten/1e6)
			if ten > 12*once {
				t.Errorf("ten times the copies are %.1f times the work", ten/once)
			}
		})
	}
}

// allocated returns how many bytes the work allocates.
func allocated(work func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc - before.TotalAlloc)
}
