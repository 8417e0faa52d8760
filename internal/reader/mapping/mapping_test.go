package mapping

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

const good = `{"map": 1, "kind": "sheet", "fields": {"from": "a", "text": "b", "sent": {"path": "c", "time": "ms"}}}`

// TestWrongMaps checks that the mistake in a map is named.
func TestWrongMaps(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`"map": 1`, `"map": 2`, "the map has version 2, newer than this Argus reads"},
		{`"map": 1,`, ``, `want "map": 1, the version, found 0`},
		{`"sheet"`, `"xml"`, `want a kind of json, sheet, sqlite, sql, found "xml"`},
		{`"kind": "sheet",`, ``, `want a kind of json, sheet, sqlite, sql, found ""`},
		{`"kind"`, `"sort"`, `unknown field "sort"`},
		{`"from": "a"`, `"sender": "a"`, "field sender: there is no such field; the fields are service,"},
		{`"from": "a",`, ``, "want the field from, or contact and direction"},
		{`"text": "b",`, ``, "want the field text, or payload"},
		{`, "sent": {"path": "c", "time": "ms"}`, ``, "want the field sent, or date"},
		{`"ms"`, `"weeks"`, "field sent: want a unit of apple, apple-ns, excel, excel-1904, ms, ns, s, us, webkit, windows, found \"weeks\""},
		{`"time": "ms"`, `"layout": "%d/%m"`, "field sent: layout: want a year, a month and a day"},
		{`"time": "ms"`, `"layout": "%d/%m/%Y %Q"`, "field sent: layout: want one of"},
		{`"time": "ms"`, `"layout": "2006%d/%m/%Y"`, "field sent: layout: want directives"},
		{`"time": "ms"`, `"zone": "CET"`, `field sent: zone "CET": want UTC or an offset`},
		{`"from": "a"`, `"from": {"path": "a", "time": "ms"}`, "field from: only sent, received, read have a unit"},
		{`"from": "a"`, `"from": {}`, "field from: want a path or a const"},
		{`"from": "a"`, `"from": {"path": "a", "const": "b"}`, "field from: want a path or a const"},
		{`"from": "a"`, `"from": {"path": "a", "lookup": [{"table": "t"}]}`, "field from: want a table, a key and a value"},
		{`"sheet"`, `"sqlite"`, "want records, the name of a table"},
		{`"sheet"`, `"json", "records": "messages"`, "want records that end in []"},
		{`}}}`, `}}} {}`, "want one object, found more after it"},
		{`"a"`, `"` + strings.Repeat("a", MaxBytes) + `"`, "want at most 65536 bytes"},
	} {
		_, err := Parse(strings.Replace(good, tt.from, tt.to, 1))
		if err == nil || !strings.HasPrefix(err.Error(), "read the map: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.to, err)
		}
	}
	if _, err := Parse(strings.Replace(good, `"map": 1`, `"map": 2`, 1)); !errors.Is(err, argus.ErrNewer) {
		t.Errorf("%v", err)
	}
	if m, err := Draft(strings.Replace(good, `"sheet"`, `"sheet", "zone": "Mars"`, 1)); err != nil {
		t.Error(err)
	} else if _, err := m.Location(); err == nil {
		t.Error("Mars has a zone")
	}
}

// TestTimesOfMaps reads the same moment in each unit and form.
func TestTimesOfMaps(t *testing.T) {
	amsterdam := time.FixedZone("", 3600)
	for _, tt := range []struct {
		spec, value, want string
		zone              argus.ZoneSource
		precision         argus.Precision
	}{
		{`"time": "s"`, "1613304000", "2021-02-14T12:00:00Z", argus.ZoneStated, argus.Second},
		{`"time": "s"`, "1613304000.25", "2021-02-14T12:00:00.250000Z", argus.ZoneStated, argus.Micro},
		{`"time": "s"`, "1.613304e9", "2021-02-14T12:00:00Z", argus.ZoneStated, argus.Second},
		{`"time": "us"`, "1613304000000001", "2021-02-14T12:00:00.000001Z", argus.ZoneStated, argus.Micro},
		{`"time": "ns"`, "1613304000000001500", "2021-02-14T12:00:00.000001Z", argus.ZoneStated, argus.Micro},
		{`"time": "apple"`, "634996800", "2021-02-14T12:00:00Z", argus.ZoneStated, argus.Second},
		{`"time": "apple-ns"`, "634996800000000000", "2021-02-14T12:00:00.000000Z", argus.ZoneStated, argus.Micro},
		{`"time": "webkit"`, "13257777600000000", "2021-02-14T12:00:00.000000Z", argus.ZoneStated, argus.Micro},
		{`"time": "windows"`, "132577776000000000", "2021-02-14T12:00:00.000000Z", argus.ZoneStated, argus.Micro},
		{`"time": "excel"`, "44241.5", "2021-02-14T11:00:00Z", argus.ZoneOperator, argus.Second},
		{`"time": "excel-1904"`, "42779.5", "2021-02-14T11:00:00Z", argus.ZoneOperator, argus.Second},
		{`"layout": "%d/%m/%Y %H:%M:%S"`, "14/2/2021 13:00:00", "2021-02-14T12:00:00Z", argus.ZoneOperator, argus.Second},
		{`"layout": "%Y%m%d%H%M%S"`, "20210214130000", "2021-02-14T12:00:00Z", argus.ZoneOperator, argus.Second},
		{`"layout": "%b %d, %Y %I:%M %p", "zone": "UTC"`, "Feb 14, 2021 12:00 PM", "2021-02-14T12:00Z", argus.ZoneOperator, argus.Minute},
		{`"layout": "%Y-%m-%dT%H:%M:%S.%f%z"`, "2021-02-14T07:00:00.5-0500", "2021-02-14T12:00:00.500000Z", argus.ZoneStated, argus.Micro},
		{`"zone": "+02:00"`, "2021-02-14 14:00:00", "2021-02-14T12:00:00Z", argus.ZoneOperator, argus.Second},
		{`"layout": "%Y-%m-%d"`, "2021-02-30", "", 0, 0},
		{`"time": "ms"`, "soon", "", 0, 0},
		{`"time": "ms"`, "1e999999999", "", 0, 0},
		{`"time": "s"`, "1613304000000", "", 0, 0},
		{`"time": "excel"`, "1613304000", "", 0, 0},
	} {
		m, err := Parse(strings.Replace(good, `"time": "ms"`, tt.spec, 1))
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		f := m.Fields["sent"]
		got, err := f.ReadTime(tt.value, reader.Options{Zone: amsterdam})
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s of %s: %s", tt.value, tt.spec, got)
			}
			continue
		}
		if err != nil || got.String() != tt.want || got.Zone != tt.zone || got.Precision != tt.precision {
			t.Errorf("%s of %s: %s %s %s, %v", tt.value, tt.spec, got, got.Zone, got.Precision, err)
		}
	}
	var none Field
	if got, err := none.ReadTime("2021-02-14 14:00:00", reader.Options{}); err != nil || got.Zone != argus.ZoneAssumed {
		t.Errorf("%s %s, %v", got, got.Zone, err)
	}
}

// FuzzMap writes each map that can be read, and checks that the result means the same.
func FuzzMap(f *testing.F) {
	f.Add(good, "1613304000000")
	f.Add(strings.Replace(good, `"time": "ms"`, `"layout": "%d/%m/%Y %H:%M:%S.%f"`, 1), "14/2/2021 13:00:00.5")
	f.Fuzz(func(t *testing.T, text, value string) {
		m, err := Draft(text)
		if err != nil {
			return
		}
		first, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Draft(string(first)); len(first) <= MaxBytes {
			if err != nil {
				t.Fatalf("%s: %v", first, err)
			}
			if second, err := again.Encode(); err != nil || string(second) != string(first) {
				t.Fatalf("%s\n%s, %v", first, second, err)
			}
		}
		for _, field := range m.Fields {
			if at, err := field.ReadTime(value, reader.Options{}); err == nil && at.Known() && !at.Plausible() && field.Time != "" {
				t.Fatalf("%q is %s", value, at)
			}
		}
	})
}
