package table

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// database makes a database from statements.
func database(t testing.TB, statements string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statements)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// sources are the same three messages of an invented program, in each kind of source.
func sources(t testing.TB) map[string]struct {
	name, file, text string
} {
	const fields = `"conversation": "chat_id", "from": "party", "text": "content", "sent": {"path": "timestamp", "time": "ms"}`
	const statements = `CREATE TABLE chat (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO chat VALUES (1, 'harbour-7741');
CREATE TABLE message (rowno INTEGER PRIMARY KEY, chat INTEGER, party TEXT, content TEXT, timestamp INTEGER);
INSERT INTO message VALUES (1, 1, 'noord', 'tien uur, "loods"', 1613304000000);
INSERT INTO message VALUES (2, 1, 'zuid', 'it''s good', 1613304060500);
INSERT INTO message VALUES (3, 1, 'noord', 'een' || char(10) || 'twee', 1613304120000);`
	const ofTable = `"records": "message", "fields": {"conversation": {"path": "chat", "lookup": [{"table": "chat", "key": "id", "value": "name"}]},
		"from": "party", "text": "content", "sent": {"path": "timestamp", "time": "ms"}}}`
	return map[string]struct{ name, file, text string }{
		"json": {"a.json", `{"chat_id": "harbour-7741", "messages": [
			{"party": "noord", "content": "tien uur, \"loods\"", "timestamp": 1613304000000},
			{"party": "zuid", "content": "it's good", "timestamp": 1613304060500},
			{"party": "noord", "content": "een\ntwee", "timestamp": "1613304120000"}]}`,
			`{"map": 1, "kind": "json", "records": "messages[]", "fields": {"conversation": "/chat_id", "from": "party", "text": "content", "sent": {"path": "timestamp", "time": "ms"}}}`},
		"json lines": {"a.jsonl", `{"chat_id": "harbour-7741", "m": {"party": "noord"}, "content": "tien uur, \"loods\"", "timestamp": 1613304000000}
{"chat_id": "harbour-7741", "m": {"party": "zuid"}, "content": "it's good", "timestamp": 1613304060500}
{"chat_id": "harbour-7741", "m": {"party": "noord"}, "content": "een\ntwee", "timestamp": 1613304120000}
`, `{"map": 1, "kind": "json", "fields": {` + strings.Replace(fields, "party", "m.party", 1) + `}}`},
		"csv": {"a.csv", `chat_id;party;content;timestamp
harbour-7741;noord;"tien uur, ""loods""";1613304000000
harbour-7741;zuid;it's good;1613304060500
harbour-7741;noord;"een
twee";1613304120000
`, `{"map": 1, "kind": "sheet", "fields": {` + fields + `}}`},
		"sqlite": {"a.db", string(database(t, statements)), `{"map": 1, "kind": "sqlite", ` + ofTable},
		"sqlite dump": {"a.sql", "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n" + strings.Replace(statements, "'een' || char(10) || 'twee'", `replace('een\ntwee','\n',char(10))`, 1) +
			"\nCREATE TRIGGER t AFTER INSERT ON message BEGIN UPDATE message SET party = 'x;y'; END;\nCOMMIT;\n", `{"map": 1, "kind": "sql", ` + ofTable},
		"mysql dump": {"b.sql", "-- MySQL dump 10.13\n/*!40101 SET NAMES utf8 */;\nCREATE TABLE `chat` (\n  `id` int(11) NOT NULL COMMENT 'a, (b)',\n  `name` text,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB;\n" +
			"INSERT INTO `chat` VALUES (1,'harbour-7741');\nDELIMITER ;;\nCREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW BEGIN DELETE FROM message; END;;\nDELIMITER ;\n" +
			"INSERT INTO `message` (`chat`, `party`, `content`, `timestamp`) VALUES (1,'noord','tien uur, \\\"loods\\\"',1613304000000),(1,'zuid','it\\'s good',1613304060500),(1,_utf8mb4'noord','een\\ntwee',1613304120000);\n", `{"map": 1, "kind": "sql", ` + ofTable},
		"postgresql dump": {"c.sql", "--\n-- PostgreSQL database dump\n--\nCREATE FUNCTION f() RETURNS void AS $_$ BEGIN DELETE FROM message; END $_$;\nCOPY public.message (chat, party, content, \"timestamp\") FROM stdin;\n" +
			"1\tnoord\ttien uur, \"loods\"\t1613304000000\n1\tzuid\tit's good\t1613304060500\n1\tnoord\teen\\ntwee\t1613304120000\n\\.\n\n" +
			"COPY public.chat (id, name) FROM stdin;\n1\tharbour-7741\n\\.\n", `{"map": 1, "kind": "sql", ` + ofTable},
	}
}

// TestSourcesAreTheSame reads the same messages in each kind of source.
func TestSourcesAreTheSame(t *testing.T) {
	at := func(micros int64) argus.Time { return argus.Time{Micros: micros, Precision: argus.Milli} }
	one := func(from, text string, micros int64) *argus.Message {
		return &argus.Message{Service: "invented", Conversation: "harbour-7741", From: from, Text: text, Sent: at(micros),
			AccountReach: argus.ReachExport, ConversationReach: argus.ReachExport}
	}
	want := []*argus.Message{one("noord", `tien uur, "loods"`, 1613304000000000), one("zuid", "it's good", 1613304060500000), one("noord", "een\ntwee", 1613304120000000)}
	for kind, s := range sources(t) {
		t.Run(kind, func(t *testing.T) {
			sample, err := reader.NewSample(s.name, strings.NewReader(s.file), int64(len(s.file)))
			if err != nil {
				t.Fatal(err)
			}
			if sample.MapText = s.text; Mapped.Detect(sample) != 100 {
				t.Errorf("the map is not recognised to fit")
			}
			var got []*argus.Message
			for _, item := range readertest.Check(t, Mapped, readertest.Input(s.name, []byte(s.file), reader.Options{MapText: s.text, Service: "invented"})) {
				if item.Problem != "" {
					t.Errorf("%s at %+v", item.Problem, item.Where)
					continue
				}
				item.Message.Extra = nil // the members other than the fields differ
				got = append(got, item.Message)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMapFitsNowhere checks the advice about a map that was made for another source.
func TestMapFitsNowhere(t *testing.T) {
	for _, tt := range []struct{ kind, from, to, want string }{
		{"json", `"messages[]"`, `"entries[]"`, `the map fits nowhere: want records at "entries[]", found none; "argus map FILE" shows the lists of the file`},
		{"json", `"party"`, `"sender"`, `the message names no sender`},
		{"json", `"/chat_id"`, `"/room"`, ``},
		{"csv", `"party"`, `"sender"`, `the map fits nowhere: want a header with the columns ["chat_id" "content" "sender" "timestamp"] among the first 20 rows, found ["chat_id" "party" "content" "timestamp"]; correct the map, "argus map FILE" shows the columns`},
		{"sqlite", `"party"`, `"sender"`, `the map fits nowhere: want the column "sender" in the table "message", found ["rowno" "chat" "party" "content" "timestamp"]; correct`},
		{"sqlite", `"records": "message"`, `"records": "messages"`, `the map fits nowhere: want the table "messages", found ["chat" "message"]`},
		{"csv", `"sheet"`, `"json"`, `the map fits nowhere: want JSON, found a file of another kind`},
		{"sqlite", `"sqlite"`, `"sql"`, `the map fits nowhere: want an SQL dump, found a file of another kind`},
		{"json", `"json", "records": "messages[]"`, `"sqlite", "records": "m"`, `the map fits nowhere: want an SQLite database, found a file of another kind`},
		{"mysql dump", `"records": "message"`, `"records": "messages"`, `the map fits nowhere: want rows of the table "messages", found ["chat" "message"]`},
		{"mysql dump", `"key": "id"`, `"key": "number"`, `want the table "chat" with the columns "number" and "name" for the field conversation, found no row of it`},
	} {
		s := sources(t)[tt.kind]
		text := strings.Replace(s.text, tt.from, tt.to, 1)
		items := readertest.Check(t, Mapped, readertest.Input(s.name, []byte(s.file), reader.Options{MapText: text}))
		if tt.want == "" {
			if m := items[0].Message; m == nil || !strings.Contains(fmt.Sprint(m.Extra), "conversation: /room is not before the record") {
				t.Errorf("%+v", m)
			}
		} else if !strings.HasPrefix(items[0].Problem, tt.want) {
			t.Errorf("%s with %s: %q", tt.kind, tt.to, items[0].Problem)
		}
	}
}

// TestMapOfDirections reads a database that has directions but no senders, times in Apple's
// form, and the members of its chats in two tables.
func TestMapOfDirections(t *testing.T) {
	file := database(t, `CREATE TABLE m (k INTEGER PRIMARY KEY, chat INTEGER, out INTEGER, body TEXT, at REAL, seen REAL, blob BLOB, kind INTEGER);
		INSERT INTO m VALUES (7, 3, 1, 'ja', 634996800.25, 'soon', x'0102', 0), (8, 3, 0, 'nee', 634996860, 0, NULL, 0), (9, 3, 2, 'misschien', 634996860, 0, NULL, 0), (10, 3, 1, NULL, 634996870, 0, NULL, 2);
		CREATE TABLE member (chat INTEGER, person INTEGER); INSERT INTO member VALUES (3, 11), (3, 12);
		CREATE TABLE person (k INTEGER, nr TEXT); INSERT INTO person VALUES (11, '+31 6 12345678'), (12, '+31687654321');`)
	text := `{"map": 1, "kind": "sqlite", "records": "m", "fields": {
		"service": {"const": "invented"}, "conversation": "chat", "direction": {"path": "out", "values": {"0": "in", "1": "out"}}, "owner": {"const": "+31612345678"},
		"contact": {"path": "chat", "lookup": [{"table": "member", "key": "chat", "value": "person"}, {"table": "person", "key": "k", "value": "nr"}]},
		"to": {"path": "chat", "others": true, "lookup": [{"table": "member", "key": "chat", "value": "person"}, {"table": "person", "key": "k", "value": "nr"}]},
		"sent": {"path": "at", "time": "apple"}, "read": {"path": "seen", "time": "apple"}, "text": "body", "id": "k", "type": {"path": "kind", "values": {"0": "text", "2": "call"}}}}`
	text = strings.Replace(text, `"contact": {"path": "chat", "lookup": [{"table": "member", "key": "chat", "value": "person"}, {"table": "person", "key": "k", "value": "nr"}]},`,
		`"contact": {"const": "+31687654321"},`, 1)
	items := readertest.Check(t, Mapped, readertest.Input("a.db", file, reader.Options{MapText: text}))
	var got []string
	for _, i := range items {
		if m := i.Message; m != nil {
			got = append(got, fmt.Sprintf("%s %s %s→%s %q %s %v", m.Type, m.ServiceID, m.From, m.To, m.Text, m.Sent, m.Extra))
		} else {
			got = append(got, i.Problem)
		}
	}
	want := []string{
		`text 7 +31612345678→[+31687654321] "ja" 2021-02-14T12:00:00.250000Z [{blob AQI=} {out 1} {kind 0} {not understood seen: soon}]`,
		`text 8 +31687654321→[+31612345678] "nee" 2021-02-14T12:01:00Z [{out 0} {kind 0}]`,
		`want a word that says in or out, found "2"`,
		`call 10 +31612345678→[+31687654321] "call" 2021-02-14T12:01:10Z [{out 1} {kind 2}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestMapOfDocuments reads lists in lists, objects under keys, and a broken record.
func TestMapOfDocuments(t *testing.T) {
	const file = `{"owner": "x", "chats": {"c-1": {"name": "Kade", "log": [{"w": {"n": "noord"}, "ts": "14/02/2021 13:00", "b": [{"t": "een"}, {"t": "twee"}], "to": ["zuid", "west"]},
		{"w": {"n": "zuid"}, "ts": "14/02/2021 13:01" "b": "drie", "to": []}]}, "c-2": {"name": "Dok", "pinned": {"w": {"n": "noord"}, "ts": "1/2/2021 13:00", "b": "not a record"},
		"log": [{"w": {"n": "west"}, "ts": "2021", "b": "vier"}, {"w": {"n": "west"}, "ts": "14/02/2021 13:02", "b": "vijf"}]}}}`
	const text = `{"map": 1, "kind": "json", "records": "chats.*.log[]", "zone": "Europe/Amsterdam", "fields": {"conversation": "/chats.*", "title": "/chats.*.name",
		"from": "w.n", "to": "to[]", "text": "b[].t", "sent": {"path": "ts", "layout": "%d/%m/%Y %H:%M"}}}`
	amsterdam := time.FixedZone("", 3600)
	var got []string
	for _, i := range readertest.Check(t, Mapped, readertest.Input("a.json", []byte(file), reader.Options{MapText: text, Zone: amsterdam})) {
		if m := i.Message; m != nil {
			got = append(got, fmt.Sprintf("%s (%s) %s→%s %q %s %s", m.Conversation, m.Title, m.From, m.To, m.Text, m.Sent, m.Sent.Zone))
		} else {
			got = append(got, i.Problem)
		}
	}
	want := []string{
		`c-1 (Kade) noord→[zuid west] "een\ntwee" 2021-02-14T12:00Z operator`,
		`c-1 (Kade) zuid→[] "drie" 2021-02-14T12:01Z operator`,
		`time: want the form of the layout, found another`,
		`c-2 (Dok) west→[] "vijf" 2021-02-14T12:02Z operator`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestFieldsOfMaps checks that maps have the same fields as --map.
func TestFieldsOfMaps(t *testing.T) {
	var names []string
	for _, w := range sheetWords[1:] {
		names = append(names, w.name)
	}
	want := map[string]bool{"type": true}
	for _, name := range names {
		want[name] = true
	}
	got := map[string]bool{}
	for _, name := range mapping.Fields {
		got[name] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzMapped reads any file with any map.
func FuzzMapped(f *testing.F) {
	for _, s := range sources(f) {
		f.Add([]byte(s.file), s.text)
	}
	f.Fuzz(func(t *testing.T, file []byte, text string) {
		if _, err := mapping.Parse(text); err != nil {
			return
		}
		in := readertest.Input("f", file, reader.Options{MapText: text, MaxRecord: 1 << 16})
		for _, err := range Mapped.Read(t.Context(), in) {
			if err != nil {
				return // not a workbook
			}
		}
		readertest.Check(t, Mapped, in)
	})
}

// TestJSONOfDirections reads the direction, the owner and the locked content of JSON without
// a map.
func TestJSONOfDirections(t *testing.T) {
	const file = `[{"direction": "incoming", "owner": "ann@a.test", "contact": "bob@b.test", "text": "hi", "sent": 1613304000000, "read": "soon"},
		{"direction": "outgoing", "owner": "ann@a.test", "contact": "bob@b.test", "text": "", "payload": "0102", "key_id": "k", "sent": 1613304060000},
		{"direction": "sideways", "contact": "bob@b.test", "text": "hi", "sent": 1613304060000}]`
	var got []string
	for _, i := range readertest.Check(t, JSON, readertest.Input("a.json", []byte(file), reader.Options{})) {
		if m := i.Message; m != nil {
			got = append(got, fmt.Sprintf("%s→%s %q locked %v %v", m.From, m.To, m.Text, m.Locked != nil, m.Extra))
		} else {
			got = append(got, i.Problem)
		}
	}
	want := []string{
		`bob@b.test→[ann@a.test] "hi" locked false [{direction incoming} {not understood read: soon}]`,
		`ann@a.test→[bob@b.test] "" locked true [{direction outgoing}]`,
		`want a word that says in or out, found "sideways"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
