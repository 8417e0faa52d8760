package mapping

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/dates"
)

// unit is a way to count time: the number of parts in a second, counted from a moment, in
// Unix seconds.
type unit struct {
	parts     int64
	since     int64
	precision argus.Precision
	// serial is set for the day numbers of a spreadsheet.
	serial bool
}

// The moments that programs count from.
const (
	since2001 = 978307200    // Apple
	since1601 = -11644473600 // Windows, WebKit and Chromium
)

var units = map[string]unit{
	"s":          {1, 0, argus.Second, false},
	"ms":         {1e3, 0, argus.Milli, false},
	"us":         {1e6, 0, argus.Micro, false},
	"ns":         {1e9, 0, argus.Micro, false},
	"apple":      {1, since2001, argus.Second, false},
	"apple-ns":   {1e9, since2001, argus.Micro, false},
	"webkit":     {1e6, since1601, argus.Micro, false},
	"windows":    {1e7, since1601, argus.Micro, false},
	"excel":      {serial: true},
	"excel-1904": {serial: true},
}

// UnitNames lists the units of times.
func UnitNames() []string { return slices.Sorted(maps.Keys(units)) }

// ReadTime reads a time as the field says. "" and 0 mean none.
func (f *Field) ReadTime(s string, o reader.Options) (argus.Time, error) {
	if s = strings.TrimSpace(s); s == "" || strings.Trim(s, "0.") == "" {
		return argus.Time{}, nil
	}
	zone, source := o.ZoneOrUTC()
	if f.zone != nil {
		zone, source = f.zone, argus.ZoneOperator
	}
	switch u, some := units[f.Time]; {
	case f.layout.form != "":
		return f.layout.read(s, zone, source)
	case u.serial:
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			return argus.Time{}, errors.New("time: want a number of days, found other text")
		}
		t, err := dates.Cell(s, dates.Assumed, zone, source, f.Time == "excel-1904")
		if err == nil && t.Zone == argus.ZoneStated {
			err = errors.New("want a number of days, found another number")
		}
		return t, inTime(err)
	case some:
		return u.read(s)
	}
	if t, ok := dates.ISO(s, reader.Options{Zone: zone}); ok {
		if t.Zone != argus.ZoneStated {
			t.Zone = source
		}
		return t, nil
	}
	t, err := dates.Cell(s, dates.OrderOf(o), zone, source, false)
	return t, inTime(err)
}

func inTime(err error) error {
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	return nil
}

// read reads a number of units, with or without a fraction.
func (u unit) read(s string) (argus.Time, error) {
	if len(s) > 40 || strings.Trim(s, "0123456789.-+eE") != "" {
		return argus.Time{}, errors.New("time: want a number, found other text")
	}
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		if power, err := strconv.Atoi(s[at+1:]); err != nil || power < -30 || power > 30 {
			return argus.Time{}, errors.New("time: want a number, found other text")
		}
	}
	number, ok := new(big.Rat).SetString(s)
	if !ok {
		return argus.Time{}, errors.New("time: want a number, found other text")
	}
	whole := number.IsInt()
	number.Mul(number, big.NewRat(1e6, u.parts))
	number.Add(number, new(big.Rat).SetInt64(u.since*1e6))
	micros := new(big.Int).Quo(number.Num(), number.Denom())
	t := argus.Time{Micros: micros.Int64(), Precision: u.precision}
	if !micros.IsInt64() || !t.Plausible() {
		return argus.Time{}, fmt.Errorf("time: want a time between %d and %d, found a number that is none in this unit", argus.FirstYear, argus.LastYear)
	}
	if !number.IsInt() {
		t.Raw = s
	}
	if !whole {
		t.Precision = argus.Micro
	}
	return t, nil
}

// layout is a form of times as text.
type layout struct {
	form      string // as package time writes it
	zoned     bool
	precision argus.Precision
}

// directives maps each directive of strftime to its forms in package time: with leading
// zeros, and without them if the next character is not a digit.
var directives = map[byte][2]string{
	'Y': {"2006", "2006"}, 'y': {"06", "06"}, 'm': {"01", "1"}, 'd': {"02", "2"}, 'H': {"15", "15"}, 'I': {"03", "3"},
	'M': {"04", "4"}, 'S': {"05", "5"}, 'p': {"PM", "PM"}, 'b': {"Jan", "Jan"}, 'B': {"January", "January"},
	'a': {"Mon", "Mon"}, 'A': {"Monday", "Monday"}, 'z': {"-0700", "-0700"},
}

func parseLayout(s string) (l layout, err error) {
	l.precision = argus.Day
	var form strings.Builder
	has := ""
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			if s[i] < 0x80 && !strings.ContainsRune(" /.-,:TZ()", rune(s[i])) {
				return l, fmt.Errorf("layout: want directives such as %%d with spaces or marks between, found %q", s[i])
			}
			if strings.HasPrefix(s[i+1:], "%f") && strings.HasSuffix(has, "S") {
				i += 2 // package time reads a fraction after the seconds by itself
				l.precision = argus.Micro
				continue
			}
			form.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) || directives[s[i]][0] == "" {
			return l, errors.New("layout: want one of %Y %y %m %d %H %I %M %S %f %p %b %B %a %A %z, %f behind %S. only, found another")
		}
		one := directives[s[i]]
		if i+1 < len(s) && s[i+1] == '%' {
			form.WriteString(one[0])
		} else {
			form.WriteString(one[1])
		}
		has += string(s[i])
		switch s[i] {
		case 'H', 'I', 'M':
			l.precision = max(l.precision, argus.Minute)
		case 'S':
			l.precision = max(l.precision, argus.Second)
		case 'z':
			l.zoned = true
		}
	}
	l.form = form.String()
	if !strings.ContainsAny(has, "Yy") || !strings.ContainsAny(has, "mbB") || !strings.Contains(has, "d") {
		return l, errors.New("layout: want a year, a month and a day")
	}
	return l, nil
}

func (l layout) read(s string, zone *time.Location, source argus.ZoneSource) (argus.Time, error) {
	at, err := time.ParseInLocation(l.form, s, zone)
	if err != nil {
		return argus.Time{}, errors.New("time: want the form of the layout, found another")
	}
	if l.zoned {
		source = argus.ZoneStated
	}
	t := argus.At(at, s, source, l.precision)
	if !t.Plausible() {
		return argus.Time{}, fmt.Errorf("time: want a time between %d and %d, found another", argus.FirstYear, argus.LastYear)
	}
	return t, nil
}

// fixedZone reads UTC, or an offset from it.
func fixedZone(s string) (*time.Location, error) {
	if s == "UTC" {
		return time.UTC, nil
	}
	at, err := time.Parse("-07:00", s)
	if err != nil {
		return nil, fmt.Errorf("zone %q: want UTC or an offset such as +01:00", s)
	}
	return at.Location(), nil
}
