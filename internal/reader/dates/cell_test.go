package dates

import (
	"fmt"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

func TestSheetTimes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"14/02/2021 13:04", "2021-02-14T13:04Z minute assumed"},
		{"14-2-21 1.04.05 pm", "2021-02-14T13:04:05Z second assumed"},
		{"14.02.2021, 13:04:05,250", "2021-02-14T13:04:05.250Z millisecond assumed"},
		{"14.02.2021 13:04:05.250001 +01:00", "2021-02-14T12:04:05.250001Z microsecond stated"},
		{"14 Feb 2021 13:04:05 UTC", "2021-02-14T13:04:05Z second stated"},
		{"14-mrt-2021", "2021-03-14 day assumed"},
		{"2021/02/14 00:00:00 UTC+2", "2021-02-13T22:00:00Z second stated"},
		{"2021-02-14T13:04:05+0100", "2021-02-14T12:04:05Z second stated"},
		{"2021-02-14 13:04", "2021-02-14T13:04Z minute assumed"},
		{"12:00 14/02/2021", "2021-02-14T12:00Z minute assumed"}, {"Sep 13, 2020, 2:26\u202fPM", "2020-09-13T14:26Z minute assumed"},
		{"Wed Aug 19 12:00:00 UTC 2021", "2021-08-19T12:00:00Z second stated"}, {"2020-09-13 14:28:00 CET", "2020-09-13T13:28:00Z second stated"},
		{"13244517600000000", "2020-09-14T00:40:00.000000Z microsecond stated"}, {"132445176000000000", "2020-09-14T00:40:00.000000Z microsecond stated"},
		{"1600000000123456789", "2020-09-13T12:26:40.123456Z microsecond stated"}, {"11644473600000000", ""}, {"13244517600000000.5", ""},
		{"12:00 3/4/2021", ""}, {"14/02/2021 13:60", ""}, {"14/02/2021 24:00", ""}, {"14/02/2021 13:04 PM", ""}, {"29/02/2021", ""},
		{"00/02/2021", ""}, {"13/13/2021", ""}, {"14/02/202", ""}, {"14/02/2021 13:04 later", ""}, {"14/02/2021 1", ""}, {"soon", ""}, {"", ""}, {"0", ""},
		{"-5", ""}, {"NaN", ""}, {"Inf", ""}, {"1e300", ""}, {"14//2021", ""}, {"14/02", ""}, {"14/02/2021 13:04:05.", ""},
		{"44241", "2021-02-14 day assumed"},
		{"44241.54172453704", "2021-02-14T13:00:05Z second assumed"},
		{"1613304191", "2021-02-14T12:03:11Z second stated"},
		{"1613304191250", "2021-02-14T12:03:11.250Z millisecond stated"},
		{"1613304191250001", "2021-02-14T12:03:11.250001Z microsecond stated"},
	} {
		at, err := Cell(test.text, Assumed, time.UTC, argus.ZoneAssumed, false)
		got := ""
		if err == nil {
			got = fmt.Sprint(at, " ", at.Precision, " ", at.Zone)
		}
		if got != test.want {
			t.Errorf("%q: got %q (%v), want %q", test.text, got, err, test.want)
		}
	}
}

// FuzzCell reads cells as times of every order. If a text is in ISO 8601, both readings
// agree; so do the readings of a date whose order is stated.
func FuzzCell(f *testing.F) {
	for _, text := range []string{"14/02/2021 13:04", "14-mrt-2021", "2021-02-14T13:04:05+0100", "44241.54172453704", "1613304191250", "13244517600000000", "Sep 13, 2020, 2:26 PM"} {
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, from1904 bool) {
		day, dayErr := Cell(text, DayFirst, time.UTC, argus.ZoneAssumed, from1904)
		month, monthErr := Cell(text, MonthFirst, time.UTC, argus.ZoneAssumed, from1904)
		if d, ok := SplitDate(text); ok && (d.YearFirst || d.Named) && (day != month || (dayErr == nil) != (monthErr == nil)) {
			t.Errorf("%q is %v and %v", text, day, month)
		}
		if at, ok := ISO(text, reader.Options{Zone: time.UTC}); ok && len(text) > 10 && text[4] == '-' && (dayErr != nil || day.Micros != at.Micros) {
			t.Errorf("%q is %v in a sheet and %v", text, day, at)
		}
	})
}
