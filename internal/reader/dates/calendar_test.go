package dates

import (
	"fmt"
	"testing"
	"time"
)

// TestPersianCalendar checks every day of the calendar, and some known dates.
func TestPersianCalendar(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"1348/1/1", "1969/3/21"}, {"1357/11/22", "1979/2/11"}, {"1379/12/30", "2001/3/20"}, {"1380/1/1", "2001/3/21"}, {"1399/12/30", "2021/3/20"}, {"1400/1/1", "2021/3/21"}, {"1403/12/30", "2025/3/20"}, {"1408/12/30", "2030/3/20"},
	} {
		var year, month, day int
		if _, err := fmt.Sscanf(c.from, "%d/%d/%d", &year, &month, &day); err != nil {
			t.Fatal(err)
		}
		y, m, d, calendar, ok := Calendar(year, month, day)
		if got := fmt.Sprintf("%d/%d/%d", y, m, d); got != c.to || !ok || calendar != "Persian" {
			t.Errorf("%s is %s %v %s, want %s", c.from, got, ok, calendar, c.to)
		}
	}
	next := time.Date(1969, 3, 21, 0, 0, 0, 0, time.UTC)
	for year := 1348; year <= 1425; year++ {
		for month := range 14 {
			for day := range 33 {
				y, m, d, ok := persianDate(year, month, day)
				if !ok {
					continue
				}
				if at := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC); at != next {
					t.Fatalf("%d/%d/%d is %s, want %s", year, month, day, at, next)
				}
				next = next.AddDate(0, 0, 1)
			}
		}
	}
	if want := time.Date(2047, 3, 21, 0, 0, 0, 0, time.UTC); next != want {
		t.Errorf("the year 1426 begins on %s", next)
	}
}
