package reader

import (
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

// parseISO reads a date and a clock as ISO 8601 writes them: 2021-02-14T12:03:11,
// with a space for the T, with a fraction of the second, with Z or an offset
// (+01:00, +0100, +01), without seconds, or without a clock. Where no offset
// stands, the operator's zone is taken. It says false to anything else.
func parseISO(s string, o Options) (argus.Time, bool) {
	if t, ok := parseUTC(s); ok {
		return t, true
	}
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
		zone, source = o.zone()
	}
	at, err := time.ParseInLocation(layout, day, zone)
	if err != nil || strings.IndexByte(s, ',') >= 0 {
		return argus.Time{}, false
	}
	return argus.At(at, s, source, precision), true
}
