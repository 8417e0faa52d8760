package reader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// TestTelegramSamples reads the samples of chat-export-structurer and compares
// with what it makes of them.
func TestTelegramSamples(t *testing.T) {
	const folder = "../../../shared/data/chat-exports/telegram/"
	target, err := os.ReadFile(folder + "target.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the public samples are not beside the project")
	}
	if err != nil {
		t.Fatal(err)
	}
	type line struct{ Timestamp, Author, Message string }
	var want []line
	if err := json.Unmarshal(target, &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"test_single_export.json", "test_batch_export.json"} {
		file, err := os.ReadFile(folder + name)
		if err != nil {
			t.Fatal(err)
		}
		if found, _ := All().Detect(Sample{Text: file}); found != telegramFormat {
			t.Errorf("%s: detected %v", name, found)
		}
		var got []line
		for _, item := range checkReader(t, telegramFormat, input(name, file, Options{})) {
			m := item.Message
			if m == nil {
				t.Fatalf("%s: %s", name, item.Problem)
			}
			got = append(got, line{m.Sent.UTC().Format("2006-01-02T15:04:05"), m.From, m.Text})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestObjectsLoseNothingAround breaks a file at each of its bytes, in three
// ways: everything but the message at that place must still be read.
func TestObjectsLoseNothingAround(t *testing.T) {
	jabber, telegram := "", `{"name":"A","type":"private_group","id":1,"messages":[`
	for i := range 3 {
		jabber += fmt.Sprintf(`{"ts":"2021-02-14T12:00:0%d","from":"a@x.test","to":"b@x.test","body":"text {%d}"}`+"\n", i, i)
		telegram += fmt.Sprintf(`{"id":%d,"type":"message","date_unixtime":"161330400%d","from":"A","text":["a ",{"type":"bold","text":"{%d}"}]},`+"\n", i, i, i)
	}
	telegram = strings.TrimSuffix(telegram, ",\n") + "]}"
	for _, test := range []struct {
		format *Format
		file   string
	}{{jabberFormat, jabber}, {telegramFormat, telegram}} {
		whole := checkReader(t, test.format, input("f", []byte(test.file), Options{}))
		if len(whole) != 3 {
			t.Fatalf("%s: %d items", test.format, len(whole))
		}
		first, last := whole[0].Where.Offset, whole[2].Where.Offset+whole[2].Where.Length
		for at := first; at < last; at++ {
			for _, broken := range []string{
				test.file[:at] + "\x00" + test.file[at+1:],
				test.file[:at] + test.file[at+1:],
				test.file[:at] + "\n" + test.file[at:],
			} {
				items := checkReader(t, test.format, input("f", []byte(broken), Options{}))
				for i, m := range whole {
					if at >= m.Where.Offset-1 && at <= m.Where.Offset+m.Where.Length {
						continue // this one may be lost
					}
					found := false
					for _, item := range items {
						found = found || item.Message != nil && cmp.Equal(item.Message, m.Message)
					}
					if !found {
						t.Fatalf("%s: message %d is lost behind a damage at byte %d:\n%s", test.format, i, at, broken)
					}
				}
			}
		}
	}
}

// TestObjectsAreBounded has an object that never ends, and many that begin
// inside each other.
func TestObjectsAreBounded(t *testing.T) {
	const good = `{"ts":"2021-02-14T12:00:00","from":"a@x.test","to":"b@x.test","body":"x"}`
	options := Options{MaxRecord: 64 << 10}
	file := `{"ts":"` + strings.Repeat("x", 1<<20) + `","a":1}` + good
	items := checkReader(t, jabberFormat, input("f", []byte(file), options))
	if len(items) != 2 || items[0].Problem == "" || items[1].Message == nil {
		t.Errorf("%+v", items)
	}
	start := time.Now()
	for _, hostile := range []string{`{"ts":`, `{"ts":[`, `{"ts":"{",`, `{`, `{"ts":1,"x":[{},`, `{   `, `[`} {
		checkReader(t, jabberFormat, input("f", []byte(strings.Repeat(hostile, 60_000/len(hostile))), options))
		checkReader(t, telegramFormat, input("f", []byte(`{"messages":[`+strings.Repeat(hostile, 60_000/len(hostile))), options))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("hostile files took %s", took)
	}
}

func TestTelegramJoinsText(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{`"plain\r\ntext"`, "plain\ntext"},
		{`[]`, ""},
		{`["a ",{"type":"link","text":"https://a.example"}," b"]`, "a https://a.example b"},
		{`[{"type":"bold","text":"a"},{"type":"italic","text":"b"}]`, "ab"},
		{`[{"type":"bold","text":"a:"},{"type":"link","text":"https://a.example"}]`, "a: https://a.example"},
		{`[{"type":"bold","text":"a: "},{"type":"link","text":"https://a.example"}]`, "a: https://a.example"},
		{`["a:",{"type":"link","text":"https://a.example"}]`, "a:https://a.example"},
	} {
		file := `{"messages":[{"type":"message","date_unixtime":"1613304191","from":"A","text":` + test.json + `}]}`
		items := readAll(t, telegramFormat, input("f", []byte(file), Options{}))
		if got := items[0].Message.Text; got != test.want {
			t.Errorf("%s: got %q, want %q", test.json, got, test.want)
		}
	}
}

func TestJabberZones(t *testing.T) {
	const file = `{"ts":"2021-02-14T13:00:00","from":"a@x.test","body":"x"}{"ts":"2021-02-14T13:00:00Z","from":"a@x.test","body":"x"}`
	items := checkReader(t, jabberFormat, input("f", []byte(file), Options{Zone: time.FixedZone("", 3600), Service: "jabber"}))
	want := argus.Time{Micros: 1613304000000000, Raw: "2021-02-14T13:00:00", Zone: argus.ZoneOperator, Precision: argus.Second}
	if diff := cmp.Diff(want, items[0].Message.Sent); diff != "" {
		t.Error(diff)
	}
	if items[1].Message.Sent.Zone != argus.ZoneStated || items[1].Message.Service != "jabber" {
		t.Errorf("%+v", items[1].Message)
	}
}

func FuzzTelegramHTML(f *testing.F) {
	f.Add(readFile(f, "testdata/telegram-html/messages2.html"))
	f.Add([]byte(`<div class="page_header"><div class="text">A</div></div><div class="message default" id="message1"><div class="body"><div class="date" title="01.02.2021 10:00:00"></div><div class="from_name">B</div><div class="text">x</div>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, telegramhtmlFormat, input("f", file, Options{MaxRecord: 1 << 12}))
		telegramhtmlFormat.Detect(Sample{Text: file})
	})
}

func FuzzTelegram(f *testing.F) {
	f.Add([]byte(`{"about":"x","chats":{"list":[{"name":"A","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"A","from_id":"user1","text":["a",{"type":"link","text":"b"}]},{"id":2,"type":"service","actor":"A","action":"x","date_unixtime":"1613304191"},{"id":`))
	f.Add([]byte(`{"personal_information":{"user_id":1,"username":"@a"},"contacts":{"list":[{"first_name":"A","phone_number":"+31 6","date":"2020"},{"user_id":0},{"phone_number":"1","date":1,]},"left_chats":{"list":[{"type":"x","messages":[]}]}}`))
	f.Add([]byte(`{"messages":[{"type":"message","photo":"(File","edited":"x","date":"2021","from":"\ud800","text":"\ud800"}]}]}`))
	for _, r := range factsOfRecords {
		if r.format == telegramFormat {
			f.Add(fileOfRecord(r.format, r.record))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, telegramFormat, input("f", file, Options{MaxRecord: 1 << 12}))
	})
}

func FuzzJabber(f *testing.F) {
	f.Add([]byte(`[{"ts":"2021-02-14T12:00:00.000001+01:00","from":"A@x/r","to":"r@conference.x","body":"x"},garbage{"ts":1}{"ts":"`))
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, jabberFormat, input("f", file, Options{MaxRecord: 1 << 12}))
	})
}

func FuzzJSONL(f *testing.F) {
	f.Add([]byte(`{"service":"sky","from":"Q3XK9A","sent":"2021-02-14T12:03:11Z","text":"hello"}` + "\n\n{"))
	f.Add([]byte(`{"service":"sky","from":"a","state":["locked"],"locked":{"payload":"AA=="},"to":["b"],"x":{},"attachments":[{}]}`))
	f.Add(readFile(f, "testdata/jsonl/types.jsonl"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := input("f", file, Options{MaxRecord: 1 << 12})
		checkCovers(t, in, checkReader(t, jsonlFormat, in))
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
	benchmark(b, jabberFormat, []byte(strings.Repeat(one, 10_000)), 10_000)
}

func BenchmarkTelegram(b *testing.B) {
	one := `   {
    "id": 12345,
    "type": "message",
    "date": "2021-02-14T13:03:11",
    "date_unixtime": "1613304191",
    "from": "Bram",
    "from_id": "user70002",
    "text": "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet.",
    "text_entities": [
     {
      "type": "plain",
      "text": "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."
     }
    ]
   },
`
	file := `{"name":"A","type":"private_group","id":1,"messages":[` + strings.TrimSuffix(strings.Repeat(one, 10_000), ",\n") + "]}"
	benchmark(b, telegramFormat, []byte(file), 10_000)
}
