package dates

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Words reads the date of a mail: RFC 5322 (3.3), and the other forms that programs
// have written for thirty years: the forms of asctime and ISO 8601, names of days and
// months in several languages, zones as names, as GMT+0200 or in brackets, or none. If
// both day and month are numbers, their order has to be certain, or that of the
// countries of the case. A time without a known zone is in the operator's zone.
func Words(value string, o reader.Options) (argus.Time, bool) {
	d := mailDate{half: -1}
	for rest := value; ; {
		word, comment, behind := dateWord(rest)
		if word == "" {
			break
		}
		rest = behind
		if comment {
			if d.zone == nil {
				d.zone = zoneNamed(word)
			}
			continue
		}
		if !d.take(word) {
			return argus.Time{}, false
		}
	}
	if d.open {
		switch OrderOf(o) {
		case MonthFirst:
			d.day, d.month = d.month, d.day
		case DayFirst:
		case Assumed, Mixed:
			return argus.Time{}, false
		}
	}
	return d.time(value, o)
}

// mailDate is a date while its words are read; a year, month or day of 0 is not set.
type mailDate struct {
	year, month, day            int
	hour, minute, second, nanos int
	// half is 0 in the morning, 12 in the afternoon, and -1 for a 24-hour clock.
	half      int
	precision argus.Precision // of the time of day; Unknown until it is read
	zone      *time.Location
	exact     bool // the zone is an offset
	open      bool // day and month may be swapped
	// perhaps means that the word taken as a month may be the name of a day: "mar" is also a
	// Tuesday.
	perhaps bool
}

// dateSpace are the characters between the words of a date.
const dateSpace = " \t,;\u00A0\u202F"

// dateWord returns the first word of a date, without the brackets of a comment.
func dateWord(s string) (word string, comment bool, rest string) {
	s = strings.TrimLeft(s, dateSpace)
	if s != "" && s[0] == '(' {
		word, rest, _ = strings.Cut(s[1:], ")")
		return " " + word, true, rest
	}
	end := strings.IndexAny(s, dateSpace+"(")
	if end < 0 {
		end = len(s)
	}
	return s[:end], false, s[end:]
}

// take takes a word and reports whether it is part of a date.
func (d *mailDate) take(word string) bool {
	switch c := word[0]; {
	case c == '+' || c == '-':
		return word == "-" || d.offset(word)
	case !textdoc.IsDigit(c):
		return d.name(word)
	}
	end := textdoc.DigitsEnd(word, 0)
	if end == len(word) {
		return d.number(word)
	}
	switch word[end] {
	case ':':
		return d.clock(word)
	case '-', '/', '.':
		day, clock, both := strings.Cut(word, "T")
		if d.day > 0 && d.month > 0 && word[end] == '.' {
			return d.clock(strings.Replace(strings.Replace(word, ".", ":", 1), ".", ":", 1))
		}
		return d.date(day) && (!both || d.clock(clock))
	}
	switch strings.ToLower(word[end:]) {
	case "st", "nd", "rd", "th", "e", "er":
		return d.number(word[:end])
	case "am", "pm":
		return d.precision == argus.Unknown && d.clock(word[:end]+":00"+word[end:])
	}
	return false
}

// number takes a day or a year.
func (d *mailDate) number(digits string) bool {
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil:
		return false
	case len(digits) <= 2 && d.day == 0:
		d.day = n
		return n > 0
	case len(digits) <= 2 && d.month == 0 && d.day > 12 && n > 0 && n <= 12: // 15 09 2014
		d.month = n
		return true
	case d.year != 0 || len(digits) > 4 || len(digits) == 1:
		return false
	case len(digits) == 3: // RFC 5322, 4.3
		n += 1900
	case len(digits) == 2:
		n = yearOf(n)
	}
	d.year = n
	return n > 0
}

// yearOf returns the year that two digits mean (RFC 5322, 4.3).
func yearOf(n int) int {
	if n < 50 {
		return n + 2000
	}
	return n + 1900
}

// date takes a date written as one word: 2020-05-28, 28-May-20, 28.05.2020.
func (d *mailDate) date(s string) bool {
	at, ok := SplitDate(s)
	if !ok || d.day > 0 || d.month > 0 || strings.Trim(at.clock, ".") != "" {
		return false
	}
	switch {
	case at.YearFirst || at.Named || at.Separator == '.' || at.Order() == DayFirst || at.A == at.B:
		d.day, d.month = at.A, at.B
	case at.Order() == MonthFirst:
		d.day, d.month = at.B, at.A
	default:
		d.day, d.month, d.open = at.A, at.B, true
	}
	d.year = at.year
	return true
}

// clock takes a time of day, with the text directly after it.
func (d *mailDate) clock(s string) bool {
	if d.precision != argus.Unknown {
		return false
	}
	for part := range 3 {
		end := textdoc.DigitsEnd(s, 0)
		if end == 0 || end > 2 {
			return false
		}
		n, _ := strconv.Atoi(s[:end])
		s = s[end:]
		switch part {
		case 0:
			d.hour = n
		case 1:
			d.minute, d.precision = n, argus.Minute
		case 2:
			d.second, d.precision = n, argus.Second
		}
		if part == 2 || s == "" || s[0] != ':' {
			if part == 0 {
				return false
			}
			break
		}
		s = s[1:]
	}
	if len(s) > 1 && s[0] == '.' && textdoc.IsDigit(s[1]) && d.precision == argus.Second {
		end := textdoc.DigitsEnd(s, 1)
		for i, unit := 1, 100_000_000; i < min(end, 10); i, unit = i+1, unit/10 {
			d.nanos += int(s[i]-'0') * unit
		}
		if d.precision = argus.Milli; end > 4 {
			d.precision = argus.Micro
		}
		s = s[end:]
	}
	return s == "" || d.take(s)
}

// offset takes +0200, -05:00 or +2. -0000 means UTC without the sender's own zone.
func (d *mailDate) offset(s string) bool {
	digits := strings.Replace(s[1:], ":", "", 1)
	if digits == "" || len(digits) > 4 || textdoc.DigitsEnd(digits, 0) != len(digits) {
		return false
	}
	n, _ := strconv.Atoi(digits)
	if len(digits) <= 2 {
		n *= 100
	}
	if n%100 > 59 || n > 1800 {
		return false
	}
	seconds := (n/100*60 + n%100) * 60
	if s[0] == '-' {
		seconds = -seconds
	}
	d.zone, d.exact = time.UTC, true
	if seconds != 0 {
		d.zone = time.FixedZone("", seconds)
	}
	return true
}

// name takes the name of a day, a month or a zone, or AM and PM.
func (d *mailDate) name(word string) bool {
	plain := textdoc.Accents.Replace(strings.ToLower(strings.TrimSuffix(word, ".")))
	switch plain {
	case "am", "a.m":
		d.half = 0
		return true
	case "pm", "p.m":
		d.half = 12
		return true
	}
	if month := monthNamed()[plain]; month > 0 && (d.month == 0 || d.perhaps) {
		d.perhaps = d.month == 0 && plain == "mar" && d.day == 0
		d.month = month
		return true
	}
	if dayNamed()[plain] {
		return true
	}
	for _, utc := range []string{"gmt", "utc", "ut"} {
		if behind, ok := strings.CutPrefix(plain, utc); ok && behind != "" && (behind[0] == '+' || behind[0] == '-') {
			return d.offset(behind)
		}
	}
	if d.exact {
		return d.precision != argus.Unknown // the offset's name
	}
	if zone := zoneNamed(plain); zone != nil {
		d.zone = zone
		return true
	}
	// Any word in capitals after a time of day is a zone; an unknown one is ignored.
	return d.precision != argus.Unknown && len(word) <= 5 && strings.IndexFunc(word, func(r rune) bool { return r < 'A' || r > 'Z' }) < 0
}

// time returns the moment, if the words form one. The moment 0, from which computers
// count, is not a time.
func (d *mailDate) time(raw string, o reader.Options) (argus.Time, bool) {
	if d.half >= 0 {
		if d.hour == 0 || d.hour > 12 || d.precision == argus.Unknown {
			return argus.Time{}, false
		}
		d.hour = d.hour%12 + d.half
	}
	if d.year < argus.FirstYear || d.year > argus.LastYear || !Valid(d.year, d.month, d.day) || d.hour > 23 || d.minute > 59 || d.second > 60 {
		return argus.Time{}, false
	}
	zone, source := d.zone, argus.ZoneStated
	if zone == nil {
		zone, source = o.ZoneOrUTC()
	}
	if d.precision == argus.Unknown {
		d.precision, zone = argus.Day, time.UTC // a day does not depend on the zone
	}
	at := argus.At(time.Date(d.year, time.Month(d.month), d.day, d.hour, d.minute, d.second, d.nanos, zone), raw, source, d.precision)
	return at, at.Micros != 0
}

// zoneNamed returns the zone with the given name, or nil if the name does not mean the same
// offset everywhere. It knows the names of RFC 5322, and names that no two zones share.
func zoneNamed(name string) *time.Location {
	name = strings.ToLower(strings.TrimSpace(name))
	if len(name) > len("aedt") {
		return nil
	}
	return zonesNamed()[name]
}

var zonesNamed = sync.OnceValue(func() map[string]*time.Location {
	zones := map[string]*time.Location{"z": time.UTC, "ut": time.UTC, "utc": time.UTC, "gmt": time.UTC, "wet": time.UTC}
	for name, hours := range map[string]int{
		"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "akst": -9, "akdt": -8, "hst": -10,
		"west": 1, "cet": 1, "met": 1, "mez": 1, "cest": 2, "mest": 2, "mesz": 2, "eet": 2, "eest": 3, "msk": 3, "msd": 4,
		"hkt": 8, "jst": 9, "kst": 9, "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
	} {
		zones[name] = time.FixedZone("", hours*3600)
	}
	return zones
})

// monthNamed holds the names of the months in English, Dutch, German, French, Spanish,
// Italian and Portuguese, in full and abbreviated.
var monthNamed = sync.OnceValue(func() map[string]int {
	months := map[string]int{}
	for i, names := range []string{
		"jan january januari januar janner janv janvier ene enero gen gennaio janeiro", "feb february februari februar fevr fev fevrier febrero febbraio fevereiro",
		"mar march mrt maart mrz marz mars marzo marco", "apr april avr avril abr abril aprile", "may mei mai mayo mag maggio maio",
		"jun june juni juin junio giu giugno junho", "jul july juli juil juillet julio lug luglio julho", "aug august augustus aout ago agosto",
		"sep sept september septembre septiembre set settembre setembro", "oct october okt oktober octobre octubre ott ottobre out outubro",
		"nov november novembre noviembre novembro", "dec december dez dezember decembre dic diciembre dicembre dezembro",
	} {
		for name := range strings.FieldsSeq(names) {
			months[name] = i + 1
		}
	}
	return months
})

// dayNamed holds the days of the week in the same languages.
var dayNamed = sync.OnceValue(func() map[string]bool {
	days := map[string]bool{}
	for name := range strings.FieldsSeq("mon tue tues wed weds thu thur thurs fri sat sun monday tuesday wednesday thursday friday saturday sunday " +
		"ma di wo do vr za zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag " +
		"mo mi fr sa so montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag " +
		"lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche " +
		"mie jue vie sab dom lunes martes miercoles jueves viernes sabado domingo gio lunedi martedi mercoledi giovedi venerdi domenica " +
		"seg ter qua qui sex segunda terca quarta quinta sexta") {
		days[name] = true
	}
	return days
})
