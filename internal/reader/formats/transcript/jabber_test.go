package transcript

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestParties reads senders and receivers inside and outside rooms.
func TestParties(t *testing.T) {
	for _, c := range []struct {
		from, to string
		private  bool
		want     string
	}{
		{"a@x.test/pc", "b@x.test", false, "a@x.test > b@x.test in a@x.test|b@x.test"},
		{"r@muc.x.test/bo", "a@x.test/pc", false, "r@muc.x.test/bo > a@x.test in r@muc.x.test"},
		{"r@muc.x.test", "a@x.test", false, " > a@x.test in r@muc.x.test"},
		{"r@muc.x.test/bo", "r@muc.x.test", false, "r@muc.x.test/bo >  in r@muc.x.test"},
		{"a@x.test", "r@muc.x.test", false, "a@x.test >  in r@muc.x.test"},
		{"r@muc.x.test/bo", "", false, "r@muc.x.test/bo >  in r@muc.x.test"},
		{"r@muc.x.test/bo", "r@muc.x.test/Anna", false, "r@muc.x.test/bo > r@muc.x.test/Anna in r@muc.x.test/Anna|r@muc.x.test/bo"},
		{"r@muc.x.test/bo", "a@x.test/pc", true, "r@muc.x.test/bo > a@x.test in a@x.test|r@muc.x.test/bo"},
		{"a@x.test/pc", "r@muc.x.test/bo", true, "a@x.test > r@muc.x.test/bo in a@x.test|r@muc.x.test/bo"},
		{"r@muc.x.test", "a@x.test", true, " > a@x.test in r@muc.x.test"},
	} {
		m := &argus.Message{Service: "xmpp"}
		setParties(m, c.from, c.to, c.private)
		if got := m.From + " > " + strings.Join(m.To, ",") + " in " + m.Conversation; got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
		if err := m.Valid(); err != nil {
			t.Error(err)
		}
	}
}

func TestJabberZones(t *testing.T) {
	const file = `{"ts":"2021-02-14T13:00:00","from":"a@x.test","body":"x"}{"ts":"2021-02-14T13:00:00Z","from":"a@x.test","body":"x"}`
	items := readertest.Check(t, Jabber, readertest.Input("f", []byte(file), reader.Options{Zone: time.FixedZone("", 3600), Service: "jabber"}))
	want := argus.Time{Micros: 1613304000000000, Raw: "2021-02-14T13:00:00", Zone: argus.ZoneOperator, Precision: argus.Second}
	if diff := cmp.Diff(want, items[0].Message.Sent); diff != "" {
		t.Error(diff)
	}
	if items[1].Message.Sent.Zone != argus.ZoneStated || items[1].Message.Service != "jabber" {
		t.Errorf("%+v", items[1].Message)
	}
}

func FuzzJabber(f *testing.F) {
	f.Add([]byte(`[{"ts":"2021-02-14T12:00:00.000001+01:00","from":"A@x/r","to":"r@conference.x","body":"x"},garbage{"ts":1}{"ts":"`))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, Jabber, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

func BenchmarkJabber(b *testing.B) {
	one := `{
    "ts": "2020-07-22T12:33:03.929363",
    "from": "mango@q3mcco35auwcstmt.example",
    "to": "stern@q3mcco35auwcstmt.example",
    "body": "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."
}
`
	readertest.Benchmark(b, Jabber, []byte(strings.Repeat(one, 10_000)), 10_000)
}

// TestJabberMends reads broken records that have one possible reading, and some that have
// several.
func TestJabberMends(t *testing.T) {
	const head = `"ts":"2020-07-05T08:00:00","from":"a@x.test","to":"b@x.test"`
	whole := "{" + head + `,"body":"whole"}`
	for record, want := range map[string]string{
		"{" + head + ` "body":"no comma"}`:            "no comma",
		"{" + head + ",\"body\":\"two\nlines\\n\"}":   "two\nlines\n",
		"{" + head + `,"body":"last comma",}`:         "last comma",
		"{" + head + ` "body":"{{{ \" }}}"}`:          `{{{ " }}}`,
		"{" + head + `,"Body":"large"}`:               "large",
		"{" + head + ` "body":"say "yes" to it"}`:     "",
		"{" + head + ` "body":"x", "note":"y"}`:       "",
		"{" + head + ` "body":"cut off`:               "",
		"{" + head + ` "body":"\q"}`:                  "",
		`{"body":"x" ` + head + "}":                   "",
		"{" + head + ` "body":"not a time"}` + "\xff": "",
	} {
		file := whole + "\n" + record + "\n" + whole + "\n"
		items := readertest.Check(t, Jabber, readertest.Input("log.json", []byte(file), reader.Options{}))
		if len(items) != 3 || items[0].Message == nil || items[2].Message == nil {
			t.Errorf("%q: %d items", record, len(items))
			continue
		}
		m := items[1].Message
		switch {
		case m == nil && want != "":
			t.Errorf("%q: %s", record, items[1].Problem)
		case m != nil && (m.Text != want || want == "" || !strings.Contains(readertest.LineOf(items[1]), "[record: mended") && !strings.Contains(readertest.LineOf(items[1]), "[key: Body")):
			t.Errorf("%q: %s", record, readertest.LineOf(items[1]))
		}
	}
	broken := "{" + head + ` "body":"` + strings.Repeat("{", 100) + `"}` + "\n"
	if sure := detectJabber(reader.Sample{Text: []byte(strings.Repeat(broken, 30))}); sure != 85 {
		t.Errorf("broken records of source code: sure %d", sure)
	}
}
