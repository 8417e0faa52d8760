package argus

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Time is a moment as a source states it: its raw text, the UTC moment derived from
// it, the source of the zone, and the precision. The zero Time is an unknown time. (L7)
type Time struct {
	// Micros counts microseconds since 1970-01-01T00:00:00Z. It has a meaning
	// only if Precision is not Unknown.
	Micros int64 `cbor:"1,keyasint,omitempty"`
	// Raw is the time as written in the source; empty if the source holds a number
	// that Micros represents exactly.
	Raw       string     `cbor:"2,keyasint,omitempty"`
	Zone      ZoneSource `cbor:"3,keyasint,omitempty"`
	Precision Precision  `cbor:"4,keyasint,omitempty"`
	// Clock says whose clock stamped the time.
	Clock Clock `cbor:"5,keyasint,omitempty"`
}

// Clock identifies whose clock stamped a time.
type Clock uint8

const (
	// ClockService: the service's clock, or an unknown one.
	ClockService Clock = iota
	// ClockSender: the clock of the sending device.
	ClockSender
	// ClockReceiver: the clock of the receiving device.
	ClockReceiver
)

// ZoneSource is the source of the offset from UTC.
type ZoneSource uint8

const (
	// ZoneStated: the value itself states it (an offset, a Z, a Unix time).
	ZoneStated ZoneSource = iota
	// ZoneFile: another place in the same original states it.
	ZoneFile
	// ZoneOperator: the operator stated it at intake (--timezone).
	ZoneOperator
	// ZoneAssumed: nothing states it; UTC is assumed.
	ZoneAssumed
)

// Precision is the finest unit that a source states.
type Precision uint8

const (
	Unknown Precision = iota
	Day
	Minute
	Second
	Milli
	Micro
)

var (
	zoneWords      = [...]string{"stated", "file", "operator", "assumed"}
	clockWords     = [...]string{"service", "sender", "receiver"}
	precisionWords = [...]string{"unknown", "day", "minute", "second", "millisecond", "microsecond"}
)

func (z ZoneSource) String() string { return word(zoneWords[:], uint8(z)) }
func (c Clock) String() string      { return word(clockWords[:], uint8(c)) }
func (p Precision) String() string  { return word(precisionWords[:], uint8(p)) }

func word(words []string, i uint8) string {
	if int(i) < len(words) {
		return words[i]
	}
	return fmt.Sprintf("value %d", i)
}

// A sent time is plausible only between these years. Outside them a reader quarantines the
// record: the time is due to a parsing mistake or a broken clock, and would stretch every
// timeline.
const (
	FirstYear = 1970
	LastYear  = 2200
)

// At makes a Time from a moment that the source wrote as raw.
func At(t time.Time, raw string, zone ZoneSource, precision Precision) Time {
	return Time{Micros: t.UnixMicro(), Raw: raw, Zone: zone, Precision: precision}
}

// Known reports whether there is a moment at all.
func (t Time) Known() bool { return t.Precision != Unknown }

// UTC returns the moment in UTC, or the zero time if it is unknown.
func (t Time) UTC() time.Time {
	if !t.Known() {
		return time.Time{}
	}
	return time.UnixMicro(t.Micros).UTC()
}

// Plausible reports whether the moment is between FirstYear and LastYear.
func (t Time) Plausible() bool {
	return t.Known() && t.Micros >= firstMicros && t.Micros < endMicros
}

var (
	firstMicros = time.Date(FirstYear, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	endMicros   = time.Date(LastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// String writes the moment in UTC, with its source's precision.
func (t Time) String() string { return t.In(time.UTC) }

// In writes the moment in a zone, with its source's precision.
func (t Time) In(zone *time.Location) string {
	var layout string
	switch t.Precision {
	case Unknown:
		return "unknown"
	case Day:
		layout = "2006-01-02"
	case Minute:
		layout = "2006-01-02T15:04Z07:00"
	case Second:
		layout = time.RFC3339
	case Milli:
		layout = "2006-01-02T15:04:05.000Z07:00"
	default:
		layout = "2006-01-02T15:04:05.000000Z07:00"
	}
	return t.UTC().In(zone).Format(layout)
}

// ParseTime reads a time as Argus writes it: RFC 3339, where the seconds or the whole time
// of day may be missing, which sets the precision. A time of day without an offset is an
// error: the zone would be a guess.
func ParseTime(s string) (Time, error) {
	layout, precision, raw := time.RFC3339, Second, ""
	switch {
	case strings.Contains(s, ","):
		return Time{}, fmt.Errorf("parse time %q: want a point before the fraction of a second", s)
	case len(s) == len("2006-01-02"):
		layout, precision = "2006-01-02", Day
	case len(s) >= len("2006-01-02T15:04Z") && s[len("2006-01-02T15:04")] != ':':
		layout, precision = "2006-01-02T15:04Z07:00", Minute
	case strings.Contains(s, "."):
		precision = Milli
		digits := strings.IndexFunc(s[strings.IndexByte(s, '.')+1:], func(r rune) bool { return r < '0' || r > '9' })
		if digits > 3 {
			precision = Micro
		}
		if digits > 6 {
			raw = s // Micros loses some digits
		}
	}
	at, err := time.Parse(layout, s)
	if err != nil {
		return Time{}, fmt.Errorf("parse time %q: want a form like 2021-02-14T12:03:11Z", s)
	}
	t := At(at, raw, ZoneStated, precision)
	if s[len(s)-1] != 'Z' && precision != Day {
		t.Raw = s
	}
	return t, nil
}

type timeJSON struct {
	UTC  string `json:"utc"`
	Raw  string `json:"raw,omitempty"`
	Zone string `json:"zone,omitempty"`
	// Clock is omitted if it is the service's.
	Clock string `json:"clock,omitempty"`
}

// MarshalJSON writes the moment as a string, or as an object if the raw text or
// the source of the zone adds something.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.Raw == "" && t.Zone == ZoneStated && t.Clock == ClockService {
		return json.Marshal(t.String())
	}
	form := timeJSON{UTC: t.String(), Raw: t.Raw, Zone: t.Zone.String()}
	if t.Clock != ClockService {
		form.Clock = t.Clock.String()
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads the output of MarshalJSON.
func (t *Time) UnmarshalJSON(data []byte) error {
	var form timeJSON
	if len(data) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &form); err != nil {
			return fmt.Errorf("parse time: %w", err)
		}
	} else if err := json.Unmarshal(data, &form.UTC); err != nil {
		return fmt.Errorf("parse time: %w", err)
	}
	if form.UTC == "unknown" {
		*t = Time{Raw: form.Raw}
	} else {
		parsed, err := ParseTime(form.UTC)
		if err != nil {
			return err
		}
		*t = parsed
	}
	if form.Raw != "" {
		t.Raw = form.Raw
	}
	if form.Zone != "" {
		zone := slices.Index(zoneWords[:], form.Zone)
		if zone < 0 {
			return fmt.Errorf("parse time: unknown source of a zone %q", form.Zone)
		}
		t.Zone = ZoneSource(zone)
	}
	if form.Clock != "" {
		clock := slices.Index(clockWords[:], form.Clock)
		if clock < 0 {
			return fmt.Errorf("parse time: unknown clock %q", form.Clock)
		}
		t.Clock = Clock(clock)
	}
	return nil
}
