package query

import (
	"strings"
	"time"
)

const dateForms = "want a date like 2021, 2021-02, 2021-02-14, 2021-02-14T12:03, 2021-02-14T12:03:11Z; " +
	"or a range A..B, A.., ..B, >A, >=A, <A, <=A"

// A query may name years from firstYear to lastYear.
const firstYear, lastYear = 1000, 9000

// sent reads a date or a range of dates. The end of a range is the end of its last unit:
// the year, month, day, hour, minute, second or fraction.
func (p *parser) sent(w piece) (Node, error) {
	var n Sent
	fromText, toText, isRange := strings.Cut(w.value, "..")
	if isRange && p.field == onField {
		return nil, p.fail(w.start, w.end, "on: takes one date").hint("for a range write sent:A..B")
	}
	for _, comparison := range []string{">=", "<=", ">", "<"} {
		date, ok := strings.CutPrefix(w.value, comparison)
		if !ok || p.field == onField {
			continue
		}
		begin, end, err := p.moment(w, date)
		switch comparison {
		case ">=":
			n.From = begin
		case "<=":
			n.To = end
		case ">":
			n.From = end
		case "<":
			n.To = begin
		}
		if err != nil {
			return nil, err
		}
		return n, nil
	}
	if !isRange {
		toText = fromText
	}
	var err error
	if !isRange || fromText != "" {
		if n.From, _, err = p.moment(w, fromText); err != nil {
			return nil, err
		}
	}
	if !isRange || toText != "" {
		if _, n.To, err = p.moment(w, toText); err != nil {
			return nil, err
		}
	}
	if !n.From.IsZero() && !n.To.IsZero() && !n.From.Before(n.To) {
		return nil, p.fail(w.start, w.end, "the range ends before it begins")
	}
	return n, nil
}

// clocks lists the formats with a time of day, each with and without a zone.
var clocks = []struct {
	layout string
	unit   time.Duration
}{
	{"2006-01-02T15", time.Hour},
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02T15:04:05", time.Second},
}

// moment reads a date and returns when it begins and ends.
func (p *parser) moment(w piece, s string) (begin, end time.Time, err error) {
	if t, err := time.Parse("2006", s); err == nil {
		begin, end = p.midnight(t.Year(), 1, 1), p.midnight(t.Year()+1, 1, 1)
	} else if t, err := time.Parse("2006-01", s); err == nil {
		begin, end = p.midnight(t.Year(), t.Month(), 1), p.midnight(t.Year(), t.Month()+1, 1)
	} else if t, err := time.Parse("2006-01-02", s); err == nil {
		begin, end = p.midnight(t.Year(), t.Month(), t.Day()), p.midnight(t.Year(), t.Month(), t.Day()+1)
	} else {
		begin, end = p.clock(s)
	}
	if begin.IsZero() {
		return begin, end, p.fail(w.start, w.end, "%q is not a date", s).hint(dateForms)
	}
	if begin.Year() < firstYear || end.Year() > lastYear {
		return begin, end, p.fail(w.start, w.end, "%q is not between the years %d and %d", s, firstYear, lastYear)
	}
	return begin, end, nil
}

// midnight returns the first moment of a day in the zone.
func (p *parser) midnight(year int, month time.Month, day int) time.Time {
	t := time.Date(year, month, day, 0, 0, 0, 0, p.zone)
	if t.Hour() >= 12 {
		// In a zone that skips midnight, the day begins at the change.
		_, t = t.ZoneBounds()
	} else if earlier := t.Add(-time.Hour); earlier.Day() == t.Day() {
		t = earlier // the zone has midnight twice on this day
	}
	return t.UTC()
}

// clock reads a date with a time of day; begin is zero if s is not one. If the zone has
// that hour twice, clock returns the first.
func (p *parser) clock(s string) (begin, end time.Time) {
	fraction := 0
	if _, after, ok := strings.Cut(s, "."); ok {
		fraction = len(after) - len(strings.TrimLeft(after, "0123456789"))
	}
	if fraction > 6 || strings.Contains(s, ",") {
		return begin, end
	}
	for _, form := range clocks {
		for _, zone := range []string{"", "Z07:00"} {
			t, err := time.ParseInLocation(form.layout+zone, s, p.zone)
			if err != nil {
				continue
			}
			if earlier := t.Add(-time.Hour); zone == "" && earlier.Format("15:04") == t.Format("15:04") {
				t = earlier
			}
			unit := form.unit
			for range fraction {
				unit /= 10
			}
			return t.UTC(), t.Add(unit).UTC()
		}
	}
	return begin, end
}

// String writes the range in UTC with an end that names its last unit:
// sent:2021-02-14T00:00:00Z..2021-02-14T23:59:59Z.
func (n Sent) String() string {
	unit := min(unitOf(n.From), unitOf(n.To))
	from, to := "", ""
	if !n.From.IsZero() {
		from = n.From.UTC().Format(exactLayouts[unit])
	}
	if !n.To.IsZero() {
		to = n.To.Add(-unit).UTC().Format(exactLayouts[unit])
	}
	return "sent:" + from + ".." + to
}

var exactLayouts = map[time.Duration]string{
	time.Second:      "2006-01-02T15:04:05Z",
	time.Millisecond: "2006-01-02T15:04:05.000Z",
	time.Microsecond: "2006-01-02T15:04:05.000000Z",
}

// unitOf returns the coarsest unit that a moment is a multiple of.
func unitOf(t time.Time) time.Duration {
	for _, unit := range []time.Duration{time.Second, time.Millisecond} {
		if t.Nanosecond()%int(unit) == 0 {
			return unit
		}
	}
	return time.Microsecond
}
