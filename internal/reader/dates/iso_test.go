package dates

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus/internal/reader"
)

// TestParseFullISO compares the fast way of reading times with the slow one.
func TestParseFullISO(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom([]string{"2006-01-02 15:04:05", "2006-01-02T15:04:05.0", "2006-01-02T15:04:05.0000000Z07:00", "2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05Z"}).Draw(t, "form")
		zone := time.FixedZone("", rapid.IntRange(-14*60, 14*60).Draw(t, "offset")*60)
		text := []byte(time.UnixMicro(rapid.Int64Range(-6e16, 2e17).Draw(t, "micros")).In(zone).Format(form))
		if rapid.Bool().Draw(t, "broken") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] = rapid.SampledFrom([]byte("0123456789-:.,+TZ ")).Draw(t, "byte")
		}
		o := reader.Options{Zone: rapid.SampledFrom([]*time.Location{nil, time.UTC, zone}).Draw(t, "zone")}
		fast, ok := parseFullISO(string(text), o)
		if slow, known := parseAnyISO(string(text), o); ok && (!known || fast != slow) {
			t.Fatalf("%s: %s", text, cmp.Diff(slow, fast))
		}
	})
}
