package dates

import (
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// ISO reads a date and a time of day in ISO 8601: 2021-02-14T12:03:11, with a space for the
// T, with a fraction of the second, with Z or an offset (+01:00, +0100, +01), without
// seconds, or without a time of day. Without an offset, the operator's zone is used. It
// returns false for any other text.
func ISO(s string, o reader.Options) (argus.Time, bool) {
	if t, ok := UTC(s); ok {
		return t, true
	}
	if t, ok := parseFullISO(s, o); ok {
		return t, true
	}
	return parseAnyISO(s, o)
}

func parseAnyISO(s string, o reader.Options) (argus.Time, bool) {
	day, clock := s, ""
	if len(s) > len("2006-01-02") && (s[10] == 'T' || s[10] == ' ') {
		day, clock = s[:10], s[11:]
	}
	layout, precision, source := "2006-01-02", argus.Day, argus.ZoneStated
	offset := ""
	if clock != "" {
		if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
			clock, offset = clock[:i], clock[i:]
		}
		switch len(offset) {
		case 0, len("Z"):
		case len("+01"):
			offset += ":00"
		case len("+0100"):
			offset = offset[:3] + ":" + offset[3:]
		}
		layout, precision = layout+"T15:04", argus.Minute
		if len(clock) > len("15:04") {
			layout, precision = layout+":05", argus.Second
			if fraction := len(clock) - len("15:04:05."); fraction > 3 {
				precision = argus.Micro
			} else if fraction > 0 {
				precision = argus.Milli
			}
		}
		if offset != "" {
			layout += "Z07:00"
		}
		day += "T" + clock + offset
	}
	zone := time.UTC
	if offset == "" {
		zone, source = o.ZoneOrUTC()
	}
	at, err := time.ParseInLocation(layout, day, zone)
	if err != nil || strings.IndexByte(s, ',') >= 0 {
		return argus.Time{}, false
	}
	return argus.At(at, s, source, precision), true
}

// parseFullISO reads the most common form, a date and a time of day with seconds, ten times
// as fast. It returns false for any other text, which may still be a time.
func parseFullISO(s string, o reader.Options) (argus.Time, bool) {
	const whole = len("2006-01-02T15:04:05")
	if len(s) < whole {
		return argus.Time{}, false
	}
	for i := range whole {
		want := timeShape[i]
		if want == 'T' && s[i] == ' ' {
			continue
		}
		if want == '0' && !textdoc.IsDigit(s[i]) || want != '0' && s[i] != want {
			return argus.Time{}, false
		}
	}
	nanos, precision, rest := 0, argus.Second, s[whole:]
	if len(rest) > 1 && rest[0] == '.' && textdoc.IsDigit(rest[1]) {
		digits := textdoc.DigitsEnd(rest, 1) - 1
		if precision = argus.Milli; digits > 3 {
			precision = argus.Micro
		}
		for i, unit := 1, 100_000_000; i <= min(digits, 9); i, unit = i+1, unit/10 {
			nanos += int(rest[i]-'0') * unit
		}
		rest = rest[1+digits:]
	}
	zone, source, offset := time.UTC, argus.ZoneStated, 0
	switch {
	case rest == "":
		zone, source = o.ZoneOrUTC()
	case rest == "Z":
	case len(rest) == len("+01:00") && (rest[0] == '+' || rest[0] == '-') && textdoc.IsDigit(rest[1]) && textdoc.IsDigit(rest[2]) && rest[3] == ':' && textdoc.IsDigit(rest[4]) && textdoc.IsDigit(rest[5]):
		hours, minutes := twoDigits(rest, 1), twoDigits(rest, 4)
		if offset = hours*3600 + minutes*60; hours > 23 || minutes > 59 {
			return argus.Time{}, false
		}
		if rest[0] == '-' {
			offset = -offset
		}
	default:
		return argus.Time{}, false
	}
	year, month, day := twoDigits(s, 0)*100+twoDigits(s, 2), twoDigits(s, 5), twoDigits(s, 8)
	hour, minute, second := twoDigits(s, 11), twoDigits(s, 14), twoDigits(s, 17)
	seconds, ok := UTCSeconds(year, month, day, hour, minute, second)
	if zone != time.UTC {
		seconds = time.Date(year, time.Month(month), day, hour, minute, second, 0, zone).Unix()
	}
	micros := (seconds-int64(offset))*1e6 + int64(nanos/1000)
	return argus.Time{Micros: micros, Raw: s, Zone: source, Precision: precision}, ok
}

// twoDigits reads the two digits at s[i].
func twoDigits(s string, i int) int { return int(s[i]-'0')*10 + int(s[i+1]-'0') }

// UTCSeconds returns the seconds from 1970 to a date and a time of day in UTC, and false if
// there is no such date or time. It counts days in years that begin in March, so that a leap
// day is the last of its year.
func UTCSeconds(year, month, day, hour, minute, second int) (int64, bool) {
	ok := Valid(year, month, day) && hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59 && second >= 0 && second <= 59
	if month <= 2 {
		year, month = year-1, month+12
	}
	days := 365*year + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400) + (153*(month-3)+2)/5 + day - 1
	const to1970 = 719468 // days from 1 March of the year 0
	return int64(days-to1970)*86400 + int64(hour*3600+minute*60+second), ok
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}
