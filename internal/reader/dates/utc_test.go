package dates

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

// TestParseUTC compares the fast way of reading times with the slow one.
func TestParseUTC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom([]string{time.RFC3339, "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05.000000Z"}).Draw(t, "form")
		text := []byte(time.UnixMicro(rapid.Int64Range(0, 7e15).Draw(t, "micros")).UTC().Format(form))
		if rapid.Bool().Draw(t, "broken") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-:.TZ ")).Draw(t, "byte")
		}
		fast, ok := UTC(string(text))
		slow, err := argus.ParseTime(string(text))
		if ok && (err != nil || fast != slow) {
			t.Fatalf("%s: fast %+v, slow %+v, %v", text, fast, slow, err)
		}
	})
}
