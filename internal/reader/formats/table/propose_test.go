package table

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// said is an invented conversation.
var said = []struct {
	from, to, chat, text string
	seconds              int
}{
	{"noord", "zuid", "kade", "Morgen om tien uur bij de loods, neem de papieren mee", 0},
	{"zuid", "noord", "kade", "Goed, ik ben er", 61},
	{"noord", "zuid", "kade", "Bel niet", 95},
	{"zuid", "noord", "kade", "Nee natuurlijk niet", 130},
	{"west", "noord", "dok", "De boot komt later dan ik dacht", 3600},
	{"noord", "west", "dok", "Hoe laat dan", 3660},
	{"west", "noord", "dok", "Rond vier uur in de middag", 3700},
	{"noord", "zuid", "kade", "Het wordt later, wacht op mij", 7200},
	{"zuid", "noord", "kade", "Ok", 7260},
	{"noord", "zuid", "kade", "Neem ook de sleutel van de tweede deur mee", 7300},
}

// TestProposals proposes maps for sources of different shapes.
func TestProposals(t *testing.T) {
	begin := time.Date(2021, 2, 14, 12, 0, 0, 0, time.UTC)
	lines := func(head string, line func(i int, at time.Time) string) string {
		var out strings.Builder
		out.WriteString(head)
		for i, s := range said {
			out.WriteString(line(i, begin.Add(time.Duration(s.seconds)*time.Second)))
		}
		return out.String()
	}
	object := func(pairs ...any) string {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	numbers := map[string]string{"noord": "31612345678", "zuid": "31687654321", "west": "31611112222"}
	for _, tt := range []struct{ name, file, want string }{
		{"the issue", `{"chat_id": "h-7741", "messages": [` + strings.TrimSuffix(lines("", func(i int, at time.Time) string {
			return object("party", said[i].from, "content", said[i].text, "timestamp", at.UnixMilli()) + ","
		}), ",") + `]}`, "json messages[]: conversation=/chat_id from=party sent=timestamp/ms text=content"},
		{"json lines of Apple", lines("", func(i int, at time.Time) string {
			return object("guid", fmt.Sprintf("A-%08d", i*7919), "handle", said[i].from, "room", said[i].chat, "body", said[i].text, "date", float64(at.Unix()-978307200)+0.25) + "\n"
		}), "json : conversation=room from=handle id=guid sent=date/apple text=body"},
		{"Dutch sheet", lines("Tijdstip;Afzender;Ontvanger;Gesprek;Bericht\n", func(i int, at time.Time) string {
			return fmt.Sprintf("%s;%s;%s;%s;%q\n", at.Format("02-01-2006 15:04:05"), said[i].from, said[i].to, said[i].chat, said[i].text)
		}), "sheet : conversation=Gesprek from=Afzender sent=Tijdstip text=Bericht to=Ontvanger"},
		{"Spanish sheet of Excel days", lines("Momento\tQuien\tPara quien\tPalabras\n", func(i int, at time.Time) string {
			return fmt.Sprintf("%.6f\t%s\t%s\t%s\n", 44241+at.Sub(begin.Add(-12*time.Hour)).Hours()/24, said[i].from, said[i].to, said[i].text)
		}), "sheet : from=Quien sent=Momento/excel text=Palabras to=Para quien"},
		{"Arabic sheet", lines("الرقم,الوقت,المرسل,المستلم,النص\n", func(i int, at time.Time) string {
			return fmt.Sprintf("%d,%s,%s,%s,%q\n", 100+i, at.Format("2006-01-02 15:04:05"), said[i].from, said[i].to, said[i].text)
		}), "sheet : from=المرسل id=الرقم sent=الوقت text=النص to=المستلم"},
		{"Arabic json with escapes", "[" + strings.TrimSuffix(lines("", func(i int, at time.Time) string {
			return fmt.Sprintf(`{"\u0627\u0644\u0645\u0631\u0633\u0644": %q, "\u0627\u0644\u0646\u0635": %q, "\u0627\u0644\u0648\u0642\u062a": %d},`, said[i].from, said[i].text, at.Unix())
		}), ",") + "]", "json []: from=المرسل sent=الوقت/s text=النص"},
		{"columns without words", lines("c1|c2|c3|c4|c5\n", func(i int, at time.Time) string {
			return fmt.Sprintf("%d|%s|%s|%s|%s\n", at.UnixMicro(), said[i].chat, numbers[said[i].from], said[i].text, "v2")
		}), "sheet : conversation=c2 from=c3 sent=c1/us text=c4"},
		{"names beside numbers", lines("Nr,Wie,Wanneer,Wat\n", func(i int, at time.Time) string {
			return fmt.Sprintf("+%s,%s van der Berg,%s,%q\n", numbers[said[i].from], said[i].from, at.Format(time.RFC3339), said[i].text)
		}), "sheet : from=Nr from_name=Wie sent=Wanneer text=Wat"},
		{"database with a direction", string(database(t, lines(`CREATE TABLE settings (k TEXT, v TEXT); INSERT INTO settings VALUES ('theme', 'dark');
			CREATE TABLE items (_id INTEGER PRIMARY KEY, peer TEXT, is_from_me INTEGER, payload_text TEXT, created INTEGER);`, func(i int, at time.Time) string {
			mine, peer := 0, said[i].from
			if said[i].from == "noord" {
				mine, peer = 1, said[i].to
			}
			return fmt.Sprintf("INSERT INTO items VALUES (%d, '%s', %d, '%s', %d);\n", i+1, peer, mine, said[i].text, (at.Unix()-978307200)*1e9)
		}))), "sqlite items: contact=peer direction=is_from_me id=_id sent=created/apple-ns text=payload_text"},
		{"dump with WebKit times", lines("-- MySQL dump 10.13\nCREATE TABLE `u` (`id` int, `n` text);\nINSERT INTO `u` VALUES (1,'x');\nCREATE TABLE `msgs` (`nummer` int, `wie` text, `aan_wie` text, `wat` text, `toen` bigint, `daarna` bigint);\n", func(i int, at time.Time) string {
			return fmt.Sprintf("INSERT INTO `msgs` VALUES (%d,'%s','%s','%s',%d,%d);\n", i+1, said[i].from, said[i].to, said[i].text, (at.Unix()+11644473600)*1e6, (at.Unix()+11644473605)*1e6)
		}), "sql msgs: from=wie id=nummer sent=toen/webkit text=wat to=aan_wie"},
		{"copied rows with directions in words", lines("-- PostgreSQL database dump\nCOPY public.log (at, dir, other, txt) FROM stdin;\n", func(i int, at time.Time) string {
			dir, other := "inkomend", said[i].from
			if other == "noord" {
				dir, other = "uitgaand", said[i].to
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\n", at.Format("2006-01-02 15:04:05+00"), dir, other, said[i].text)
		}) + "\\.\n", "sql log: contact=other direction=dir sent=at text=txt"},
		{"lists in lists", `{"export": {"rooms": [` + strings.TrimSuffix(lines("", func(i int, at time.Time) string {
			return fmt.Sprintf(`{"id": "r-%d", "topic": "Kade", "events": [%s, %s]},`, i,
				object("author", map[string]any{"uid": said[i].from}, "msg", map[string]any{"plain": said[i].text}, "ts", at.Format(time.RFC3339Nano)),
				object("author", map[string]any{"uid": said[i].to}, "msg", map[string]any{"plain": "re: " + said[i].text}, "ts", at.Add(time.Minute).Format(time.RFC3339Nano)))
		}), ",") + `]}}`, "json export.rooms[].events[]: conversation=/export.rooms[].id from=author.uid sent=ts text=msg.plain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var records []*argus.Message
			in := readertest.Input("f", []byte(tt.file), reader.Options{MapText: mapping.Survey})
			for _, item := range readertest.ReadAll(t, Mapped, in) {
				if item.Message == nil {
					t.Fatal(item.Problem)
				}
				records = append(records, item.Message)
			}
			p := Propose(records, reader.Options{})
			var fields []string
			for _, name := range mapping.Fields {
				if f, ok := p.Map.Fields[name]; ok {
					fields = append(fields, strings.TrimSuffix(name+"="+f.Path+"/"+f.Time, "/"))
				}
			}
			if diff := cmp.Diff(tt.want, p.Map.Kind+" "+p.Map.Records+": "+strings.Join(slices.Sorted(slices.Values(fields)), " ")); diff != "" {
				t.Errorf("%s\n%+v", diff, p.Columns)
			}
			for _, c := range p.Columns {
				if (c.Field != "") != (c.Why != "") || c.Looks == "" {
					t.Errorf("the column says too little: %+v", c)
				}
			}
			// The map reads the source for which it was proposed.
			text, err := p.Map.Encode()
			if err != nil {
				t.Fatal(err)
			}
			in.MapText, in.Owner = string(text), "noord"
			n := 0
			for _, item := range readertest.Check(t, Mapped, in) {
				if item.Message == nil {
					t.Error(item.Problem)
				} else if n++; item.Message.From == "noord" && item.Message.Text == said[0].text && !item.Message.Sent.UTC().Truncate(time.Second).Equal(begin) {
					t.Errorf("sent %s", item.Message.Sent)
				}
			}
			if n < len(said) {
				t.Errorf("%d messages", n)
			}
		})
	}
}
