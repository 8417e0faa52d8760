package chat

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

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
		items := readertest.ReadAll(t, Telegram, readertest.Input("f", []byte(file), reader.Options{}))
		if got := items[0].Message.Text; got != test.want {
			t.Errorf("%s: got %q, want %q", test.json, got, test.want)
		}
	}
}

func FuzzTelegramHTML(f *testing.F) {
	f.Add(readertest.ReadFile(f, "../../testdata/telegram-html/messages2.html"))
	f.Add([]byte(`<div class="page_header"><div class="text">A</div></div><div class="message default" id="message1"><div class="body"><div class="date" title="01.02.2021 10:00:00"></div><div class="from_name">B</div><div class="text">x</div>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, TelegramHTML, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
		TelegramHTML.Detect(reader.Sample{Text: file})
	})
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
	readertest.Benchmark(b, Telegram, []byte(file), 10_000)
}
