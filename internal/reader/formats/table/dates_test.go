package table

import (
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestDatesOfCountries lets the countries of the case decide which number is the day if
// nothing in the file does.
func TestDatesOfCountries(t *testing.T) {
	for _, tt := range []struct {
		countries   []string
		mail, sheet string // 4/5/2020
	}{
		{nil, "", "2020-05-04"},
		{[]string{"NL", "BE"}, "2020-05-04", "2020-05-04"},
		{[]string{"US"}, "2020-04-05", "2020-04-05"},
		{[]string{"US", "NL"}, "", "2020-05-04"},
	} {
		o := reader.Options{Countries: tt.countries}
		got := ""
		if at, ok := dates.Words("4/5/2020 15:08:30", o); ok {
			got = at.UTC().Format(time.DateOnly)
		}
		if got != tt.mail {
			t.Errorf("%q: a mail of %q, want %q", tt.countries, got, tt.mail)
		}
		items := readertest.Check(t, Sheet, readertest.Input("f.csv", []byte("sent,from,to,text\n4/5/2020 15:08,a,b,x\n"), o))
		if m := items[0].Message; m == nil || m.Sent.UTC().Format(time.DateOnly) != tt.sheet {
			t.Errorf("%q: a row of %+v, want %q", tt.countries, items[0], tt.sheet)
		}
	}
}
