package reader

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTextdumpLines reads what must not become text of the message above it, and which
// service a dump proves.
func TestTextdumpLines(t *testing.T) {
	for _, c := range []struct{ file, service, want string }{
		{"[22.11.21 11:08:01] fox:\tone\n[22.11.21 11:09] is no head\n[22.11.21 11:10:01] somebody joined\nx\n[22.11.21 11:11:01] fox:\ttwo\n", "unknown", `
2021-11-22T11:08:01Z fox: one
[22.11.21 11:09] is no head [year: of two digits, taken as of 1969 to 2068]
problem: want a message behind date and clock, found a line in another layout
problem: want the beginning of a message, found other text
2021-11-22T11:11:01Z fox: two [year: of two digits, taken as of 1969 to 2068]`},
		{"2020-07-22T12:33:03 a@x.test -> b@x.test\none\n2020-07-22T12:34:03 the server was restarted\n", "xmpp", `
2020-07-22T12:33:03Z a@x.test: one [service: xmpp, from accounts of the form user@server]
problem: want a message behind date and clock, found a line in another layout`},
		{"2020-07-22T12:33:03 ann -> bo\none\n2020-07-22 was the day\n", "unknown", `
2020-07-22T12:33:03Z ann: one
2020-07-22 was the day`},
		{"[2024-01-02 10:00:00] @anna:server.example: one\n[2024-01-02 10:00:0x] @anna: two\n", "matrix", `
2024-01-02T10:00:00Z @anna:server.example: one
[2024-01-02 10:00:0x] @anna: two`},
		{"[2021-02-14, 12:03] Bram: one\n", "signal", `
2021-02-14T12:03Z Bram: one [service: signal, from the layout]`},
		{"[23.11.21 11:08:01] mole:\tone\n" + strings.Repeat("line\n", 5), "unknown", `
2021-11-23T11:08:01Z mole: one` + strings.Repeat("\nline", 5) + ` [year: of two digits, taken as of 1969 to 2068]`},
	} {
		in := input("d/mole.txt", []byte(c.file), Options{})
		if found, sure := All().Detect(Sample{Name: in.Name, Head: []byte(c.file), Text: []byte(c.file)}); found != textdumpFormat {
			t.Errorf("%q is detected as %v (%d)", c.file, found, sure)
		}
		var got strings.Builder
		for _, item := range checkReader(t, textdumpFormat, in) {
			got.WriteString("\n" + lineOf(item))
			if m := item.Message; m != nil && m.Service != c.service {
				t.Errorf("%q: service %s, want %s", c.file, m.Service, c.service)
			}
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.file, diff)
		}
	}
}

// TestJabberMends reads records that are broken and leave one reading, and those that
// leave more.
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
		items := checkReader(t, jabberFormat, input("log.json", []byte(file), Options{}))
		if len(items) != 3 || items[0].Message == nil || items[2].Message == nil {
			t.Errorf("%q: %d items", record, len(items))
			continue
		}
		m := items[1].Message
		switch {
		case m == nil && want != "":
			t.Errorf("%q: %s", record, items[1].Problem)
		case m != nil && (m.Text != want || want == "" || !strings.Contains(lineOf(items[1]), "[record: mended") && !strings.Contains(lineOf(items[1]), "[key: Body")):
			t.Errorf("%q: %s", record, lineOf(items[1]))
		}
	}
	broken := "{" + head + ` "body":"` + strings.Repeat("{", 100) + `"}` + "\n"
	if sure := detectJabber(Sample{Text: []byte(strings.Repeat(broken, 30))}); sure != 85 {
		t.Errorf("broken records of source code: sure %d", sure)
	}
}

// TestLooksLikeJSON tells JSON from text that begins with one of its brackets.
func TestLooksLikeJSON(t *testing.T) {
	for text, want := range map[string]string{
		"[draft] list of berths\n": "text in a form", "[22.11.21 11:08] x\n": "text in a form", "{name} was here": "text in a form", "[x": "text in a form",
		`{"a":1}`: "JSON", "[\n {": "JSON", "[]": "JSON", "{": "JSON", `["a"`: "JSON",
	} {
		if looks := LooksLike(Sample{Head: []byte(text), Text: []byte(text)}); !strings.HasPrefix(looks, want) {
			t.Errorf("%q looks like %s, want %s", text, looks, want)
		}
	}
}
