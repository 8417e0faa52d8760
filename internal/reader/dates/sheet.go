package dates

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Order is the first part of a date like 3/4/2021.
type Order uint8

const (
	// Assumed means that nothing in the sheet decides the order; day first is used.
	Assumed Order = iota
	DayFirst
	MonthFirst
	// Mixed means that the sheet has dates in both orders.
	Mixed
)

// With returns the order after one more date.
func (o Order) With(seen Order) Order {
	if o == Assumed || o == seen || seen == Assumed {
		return max(o, seen)
	}
	return Mixed
}

// OrderOf returns the order of the countries of the case, if they agree on one.
func OrderOf(o reader.Options) Order {
	order := Assumed
	for _, country := range o.Countries {
		seen := DayFirst
		if slices.Contains(monthFirstCountries, country) {
			seen = MonthFirst
		}
		order = order.With(seen)
	}
	if order == Mixed {
		return Assumed
	}
	return order
}

// monthFirstCountries are the countries that write 12/31 (Unicode CLDR); Canada uses both
// orders.
var monthFirstCountries = []string{"US", "PH", "PW", "FM", "MH", "GU", "AS", "MP", "PR", "VI", "UM"}

// Date is a date made of three numbers, before their order is known.
type Date struct {
	A, B, year int
	Separator  byte
	// YearFirst and Named settle the order; Named means that the month is written in letters,
	// and is then b.
	YearFirst, Named bool
	// clock is the text after the date.
	clock string
}

// SplitDate takes a date apart: 14-02-2021, 2/14/21, 2021/02/14, 14 Feb 2021.
func SplitDate(s string) (d Date, ok bool) {
	first := textdoc.DigitsEnd(s, 0)
	if first == 0 || first > 4 || first >= len(s) || strings.IndexByte("/.- ", s[first]) < 0 {
		return d, false
	}
	d.Separator = s[first]
	rest := s[first+1:]
	second := textdoc.DigitsEnd(rest, 0)
	if second == 0 {
		end := strings.IndexAny(rest, "/.- ")
		if end < 3 {
			return d, false
		}
		d.B, d.Named = MonthNames[strings.ToLower(rest[:3])], true
		second = end
	} else if second > 2 {
		return d, false
	} else {
		d.B, _ = strconv.Atoi(rest[:second])
	}
	if second >= len(rest) || rest[second] != d.Separator {
		return d, false
	}
	d.A, _ = strconv.Atoi(s[:first])
	last := strings.TrimPrefix(rest[second+1:], " ")
	third := textdoc.DigitsEnd(last, 0)
	d.year, _ = strconv.Atoi(last[:third])
	d.clock = last[third:]
	switch {
	case first == 4 && third >= 1 && third <= 2:
		d.YearFirst = true
		d.A, d.year = d.year, d.A
	case first <= 2 && third == 4:
	case first <= 2 && third == 2:
		d.year += 2000
		if d.year >= 2070 {
			d.year -= 100
		}
	default:
		return d, false
	}
	return d, d.B > 0
}

// Order returns the order that the date proves for its sheet.
func (d *Date) Order() Order {
	switch {
	case d.YearFirst || d.Named || d.Separator == '.':
		return Assumed
	case d.A > 12 && d.B <= 12:
		return DayFirst
	case d.B > 12 && d.A <= 12:
		return MonthFirst
	}
	return Assumed
}

var errTime = errors.New("want a date and a clock, found other text")

// Cell reads a time from a sheet: ISO 8601; a date in the sheet's order, followed by a time
// of day; a number, which is days since the end of 1899 as spreadsheets count them, or Unix
// time in seconds, milli-, micro- or nanoseconds, or micro- or tenths of microseconds since
// 1601, depending on its size. A time without a zone is in zone.
func Cell(s string, order Order, zone *time.Location, source argus.ZoneSource, from1904 bool) (argus.Time, error) {
	if len(s) >= len("2006-01-02") && s[4] == '-' {
		if t, ok := ISO(s, reader.Options{Zone: zone}); ok {
			if t.Zone != argus.ZoneStated {
				t.Zone = source
			}
			return t, nil
		}
	}
	d, ok := SplitDate(s)
	if !ok {
		number, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return wordTime(s, zone, source)
		}
		return serialTime(s, number, zone, source, from1904)
	}
	day, month := d.A, d.B
	if !d.YearFirst && !d.Named && d.Separator != '.' {
		if own := d.Order(); own != Assumed {
			order = own
		}
		if order == Mixed && d.A != d.B {
			return argus.Time{}, errors.New("want one order of day and month in the whole sheet, found both")
		}
		if order == MonthFirst {
			day, month = month, day
		}
	}
	c, ok := ParseClock(d.clock)
	if !ok {
		if d.YearFirst || d.Named {
			return wordTime(s, zone, source)
		}
		return argus.Time{}, errTime
	}
	if c.zone != nil {
		zone, source = c.zone, argus.ZoneStated
	}
	at := time.Date(d.year, time.Month(month), day, c.hour, c.minute, c.second, c.nanos, zone)
	if month > 12 || day == 0 || time.Date(d.year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() != day {
		return argus.Time{}, errors.New("want a day that exists, found one that does not")
	}
	return argus.At(at, s, source, c.Precision), nil
}

// wordTime reads a time in the forms Sep 13, 2020, 2:26 PM and Sun Sep 13 14:27:00 UTC
// 2020.
func wordTime(s string, zone *time.Location, source argus.ZoneSource) (argus.Time, error) {
	t, ok := Words(s, reader.Options{Zone: zone})
	if !ok {
		return argus.Time{}, errTime
	}
	if t.Zone != argus.ZoneStated {
		t.Zone = source
	}
	return t, nil
}

// serialTime reads a number as a time.
func serialTime(s string, number float64, zone *time.Location, source argus.ZoneSource, from1904 bool) (argus.Time, error) {
	switch {
	case number >= 1 && number < 200_000:
		day, fraction := math.Modf(number)
		if from1904 {
			day += 1462
		}
		millis := int64(math.Round(fraction * 86_400_000))
		// The wall clock, then the moment at which it showed that time.
		wall := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(day)).Add(time.Duration(millis) * time.Millisecond)
		at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
		precision := argus.Second
		if millis == 0 {
			precision = argus.Day
		} else if millis%1000 != 0 {
			precision = argus.Milli
		}
		return argus.At(at, s, source, precision), nil
	case number >= 1e8 && number < 7e9:
		return unixTime(s, 1e6, argus.Second)
	case number >= 1e11 && number < 7e12:
		return unixTime(s, 1e3, argus.Milli)
	case number >= 1e14 && number < 7e15:
		return unixTime(s, 1, argus.Micro)
	case number > to1970*1e6 && number < 2e16:
		return sinceTime(s, 1, to1970*1e6)
	case number > to1970*1e7 && number < 2e17:
		return sinceTime(s, 10, to1970*1e7)
	case number >= 1e18 && number < 7e18:
		return sinceTime(s, 1000, 0)
	}
	return argus.Time{}, errors.New("want a date, found an invalid number")
}

// to1970 is the number of seconds from 1601, from which Windows and browsers count, to
// 1970.
const to1970 = 11644473600

// sinceTime reads a whole number of parts of a microsecond since a moment other than
// 1970.
func sinceTime(s string, parts, to1970 int64) (argus.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return argus.Time{}, errors.New("want a time as a whole number, found another number")
	}
	return argus.Time{Micros: (n - to1970) / parts, Precision: argus.Micro}, nil
}

func unixTime(s string, unit int64, precision argus.Precision) (argus.Time, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0") != "" {
		return argus.Time{}, errors.New("want Unix time as a whole number, found another number")
	}
	return argus.Time{Micros: n * unit, Precision: precision}, nil
}

// Clock is a time of day; zone is nil if the text names none.
type Clock struct {
	hour, minute, second, nanos int
	zone                        *time.Location
	Precision                   argus.Precision
}

// ParseClock reads the text after a date: nothing, or 13:04, 13:04:05, 1.04.05 PM,
// 13:04:05.123 +01:00.
func ParseClock(s string) (c Clock, ok bool) {
	s = strings.TrimLeft(s, " ,T\t\u00a0\u202f")
	if s == "" {
		c.Precision = argus.Day
		return c, true
	}
	number := func(digits int) int {
		end := textdoc.DigitsEnd(s, 0)
		if end == 0 || end > digits {
			return -1
		}
		n, _ := strconv.Atoi(s[:end])
		s = s[end:]
		return n
	}
	separator := func() bool {
		if s == "" || s[0] != ':' && s[0] != '.' || textdoc.DigitsEnd(s, 1) == 1 {
			return false
		}
		s = s[1:]
		return true
	}
	c.hour = number(2)
	if !separator() {
		return c, false
	}
	c.minute, c.Precision = number(2), argus.Minute
	if separator() {
		c.second, c.Precision = number(2), argus.Second
		if s != "" && (s[0] == '.' || s[0] == ',') {
			end := textdoc.DigitsEnd(s, 1)
			if end == 1 {
				return c, false
			}
			seconds, _ := strconv.ParseFloat("0."+s[1:end], 64)
			c.nanos = int(math.Round(seconds*1e6)) * 1000
			c.Precision = argus.Milli
			if end > 4 {
				c.Precision = argus.Micro
			}
			s = s[end:]
		}
	}
	if c.hour < 0 || c.minute < 0 || c.second < 0 {
		return c, false
	}
	rest := strings.ToLower(strings.Trim(s, " \u00a0\u202f"))
	for suffix, add := range map[string]int{"am": 0, "a.m.": 0, "pm": 12, "p.m.": 12} {
		if found, had := strings.CutPrefix(rest, suffix); had {
			if c.hour == 0 || c.hour > 12 {
				return c, false
			}
			c.hour = c.hour%12 + add
			rest = strings.TrimSpace(found)
			break
		}
	}
	switch {
	case rest == "":
	case rest == "z":
		c.zone = time.UTC
	case rest[0] == '+' || rest[0] == '-':
		rest = "utc" + rest
		fallthrough
	default:
		if ZoneInHeader.FindString(rest) != rest {
			return c, false
		}
		if c.zone = HeaderZone(rest); c.zone == nil {
			return c, false
		}
	}
	return c, c.hour < 24 && c.minute < 60 && c.second < 60
}

// AddSerials adds the day of one number and the clock of another.
func AddSerials(day, clock string) string {
	d, err := strconv.ParseFloat(day, 64)
	c, err2 := strconv.ParseFloat(clock, 64)
	if err != nil || err2 != nil {
		return day + " " + clock
	}
	return strconv.FormatFloat(math.Trunc(d)+c, 'f', -1, 64)
}
