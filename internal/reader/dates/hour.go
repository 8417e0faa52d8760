package dates

import (
	"time"

	"github.com/argus-evidence/argus"
)

// LogHours follows the times of a log, in its order, through the hours that a zone repeats
// or skips when clocks are set back or forward.
type LogHours struct {
	last int64 // the last moment, in microseconds since 1970
}

// clockSlack is how far the times of a log may go back without being a repeated hour, in
// microseconds.
const clockSlack = 5 * 60 * 1_000_000

// Settle settles a time of day that the operator's zone has twice: it takes the moment that
// the order of the log implies, and records that. It also records a time of day that the
// zone skips, given by hour and minute. It must see each moment.
func (l *LogHours) Settle(t *argus.Time, zone *time.Location, hour, minute int) (argus.Field, bool) {
	if zone == time.UTC || t.Zone != argus.ZoneOperator {
		return argus.Field{}, false
	}
	defer func() { l.last = t.Micros }()
	offset := func(micros int64) int64 {
		_, seconds := time.UnixMicro(micros).In(zone).Zone()
		return int64(seconds)
	}
	const near = 3 * 3600 * 1_000_000
	before, after := offset(t.Micros-near), offset(t.Micros+near)
	if before == after {
		return argus.Field{}, false
	}
	if shown := time.UnixMicro(t.Micros).In(zone); shown.Hour() != hour || shown.Minute() != minute {
		return argus.Assumed("hour", "the zone "+zone.String()+" has no such time on that day; taken as "+shown.Format("15:04")), true
	}
	// The wall clock at both offsets: the hour comes twice if both show the same time.
	wall := t.Micros + offset(t.Micros)*1_000_000
	first, second := wall-before*1_000_000, wall-after*1_000_000
	if offset(first) != before || offset(second) != after || first >= second {
		return argus.Field{}, false
	}
	t.Micros = first
	which := "first"
	if first < l.last-clockSlack {
		t.Micros, which = second, "second"
	}
	return argus.Assumed("hour", "comes twice in "+zone.String()+" on that day; taken as the "+which+" one from the order of the lines"), true
}
