// Package dates reads dates and times of day as programs and people write them.
//
// A time records its precision and the source of its zone: the source, the operator, or
// nobody. A day that does not exist is not a time.
package dates

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

// UnlessZero returns t, or no time if t is the moment 0.
func UnlessZero(t argus.Time) argus.Time {
	if t.Micros == 0 {
		return argus.Time{}
	}
	return t
}

// Millis reads milliseconds since 1970.
func Millis(text string) (argus.Time, bool) {
	n, ok := int64(0), len(text) > 0 && len(text) < 15
	for _, c := range []byte(text) {
		ok = ok && c >= '0' && c <= '9'
		n = n*10 + int64(c-'0')
	}
	t := argus.At(time.UnixMilli(n), "", argus.ZoneStated, argus.Milli)
	return t, ok && t.Plausible()
}

// UTC reads the forms 2006-01-02T15:04:05Z, …05.000Z and …05.000000Z. ok is false for
// any other text, which may still be a time.
func UTC(s string) (t argus.Time, ok bool) {
	switch len(s) {
	case len("2006-01-02T15:04:05Z"):
		t.Precision = argus.Second
	case len("2006-01-02T15:04:05.000Z"):
		t.Precision = argus.Milli
	case len("2006-01-02T15:04:05.000000Z"):
		t.Precision = argus.Micro
	default:
		return t, false
	}
	for i := range len(s) - 1 {
		want := byte('0')
		if i < len(timeShape) {
			want = timeShape[i]
		}
		if want != '0' && s[i] != want || want == '0' && (s[i] < '0' || s[i] > '9') {
			return t, false
		}
	}
	nanos := 0
	for i, unit := len(timeShape), 100_000_000; i < len(s)-1; i, unit = i+1, unit/10 {
		nanos += int(s[i]-'0') * unit
	}
	seconds, ok := UTCSeconds(twoDigits(s, 0)*100+twoDigits(s, 2), twoDigits(s, 5), twoDigits(s, 8), twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17))
	if s[len(s)-1] != 'Z' || !ok {
		return t, false
	}
	t.Micros = seconds*1e6 + int64(nanos/1000)
	return t, true
}

// timeShape has a 0 in the place of each digit.
const timeShape = "0000-00-00T00:00:00."

// ZoneInHeader matches a zone in the words beside a time: UTC, GMT+1, utc +01:00.
var ZoneInHeader = regexp.MustCompile(`\b(?:utc|gmt)\b ?(?:([+-])(\d{1,2})(?::?(\d{2}))?)?`)

// HeaderZone returns the zone that a header states: "Sent (UTC)", "UTC+01:00".
func HeaderZone(header string) *time.Location {
	m := ZoneInHeader.FindStringSubmatch(strings.ToLower(header))
	if m == nil {
		return nil
	}
	if m[1] == "" {
		return time.UTC
	}
	hours, _ := strconv.Atoi(m[2])
	minutes, _ := strconv.Atoi(m[3])
	seconds := (hours*60 + minutes) * 60
	if hours > 14 || minutes > 59 {
		return nil
	}
	if m[1] == "-" {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}

// MonthNames are the first three letters of the months in English, Dutch,
// French, German, Spanish and Italian, as far as they are ASCII letters.
var MonthNames = map[string]int{
	"jan": 1, "ene": 1, "gen": 1, "feb": 2, "fev": 2, "mar": 3, "mrt": 3, "maa": 3, "apr": 4, "avr": 4, "abr": 4,
	"may": 5, "mai": 5, "mei": 5, "mag": 5, "jun": 6, "giu": 6, "jul": 7, "lug": 7, "aug": 8, "ago": 8,
	"sep": 9, "set": 9, "oct": 10, "okt": 10, "ott": 10, "nov": 11, "dec": 12, "dez": 12, "dic": 12,
}

// Android reads Unix milliseconds, or seconds, in which Android keeps some dates of MMS; 0
// means no time.
func Android(s string) (argus.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case s == "" || s == "null":
		return argus.Time{}, nil
	case err != nil:
		return argus.Time{}, errors.New("want Unix time in milliseconds, found other text")
	case n <= 0:
		return argus.Time{}, nil
	case n < 1e11:
		return argus.Time{Micros: n * 1e6, Precision: argus.Second}, nil
	case n > 1e14:
		return argus.Time{}, errors.New("want Unix time in milliseconds, found an invalid number")
	}
	return argus.Time{Micros: n * 1e3, Precision: argus.Milli}, nil
}

// Valid reports whether a day exists.
func Valid(year, month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
		(day <= 28 || day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day())
}
