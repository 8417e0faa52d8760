package all

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// targetLine is a message in the form of chat-miner's targets.
type targetLine struct{ Timestamp, Author, Message string }

// TestChatMinerSamples reads the samples of chat-miner and compares with its own
// results.
func TestChatMinerSamples(t *testing.T) {
	for _, test := range []struct {
		format *reader.Format
		sample string
	}{
		{chat.Facebook, "chat-exports/instagram/test_export.json"},
		{transcript.Textdump, "chat-exports/signal/test_export.txt"},
	} {
		t.Run(test.sample, func(t *testing.T) {
			file := readertest.Shared(t, filepath.FromSlash(test.sample))[0]
			var want, got []targetLine
			if err := json.Unmarshal(readertest.ReadFile(t, filepath.Join(filepath.Dir(file), "target.json")), &want); err != nil {
				t.Fatal(err)
			}
			for _, item := range readertest.Check(t, test.format, readertest.Input(filepath.Base(file), readertest.ReadFile(t, file), reader.Options{})) {
				if item.Message == nil {
					t.Fatal(item.Problem)
				}
				m := item.Message
				// chat-miner joins the lines of a text with a space.
				text := strings.ReplaceAll(m.Text, "\n", " ")
				got = append(got, targetLine{m.Sent.UTC().Format("2006-01-02T15:04:05"), m.From, text})
			}
			// The targets are newest first, whatever the order of the sample.
			slices.SortFunc(got, func(a, b targetLine) int { return strings.Compare(b.Timestamp, a.Timestamp) })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// documentFiles are files of three messages, "{0}" to "{2}" in their texts.
func documentFiles() map[*reader.Format]string {
	list := func(before, record, behind string) string {
		var records []string
		for i := range 3 {
			records = append(records, fmt.Sprintf(record, i, i))
		}
		return before + strings.Join(records, ",\n") + behind
	}
	return map[*reader.Format]string{
		chat.Facebook:   list(`{"participants":[{"name":"A"}],"messages":[`, `{"sender_name":"A","timestamp_ms":161330400000%d,"content":"{%d}"}`, `],"title":"T"}`),
		chat.Discord:    list(`{"guild":{"id":"1"},"channel":{"id":"2"},"messages":[`, `{"id":"%d","type":"Default","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"{%d}","author":{"id":"7"},"embeds":[{"timestamp":"x"}]}`, `]}`),
		chat.Slack:      list(`[`, `{"type":"message","user":"U1","ts":"161330400%d.000000","text":"{%d}","attachments":[{"ts":"1"}]}`, `]`),
		chat.Matrix:     list(`{"chunk":[`, `{"content":{"body":"{","msgtype":"m.text"},"room_id":"!r","type":"m.room.message","sender":"@a","event_id":"$%d","origin_server_ts":161330400000%d}`, `]}`),
		chat.RocketChat: list(`{"messages":[`, `{"_id":"%d","rid":"r","msg":"{%d}","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}}`, `]}`),
		phone.Signal:    strings.ReplaceAll(list(``, `{"envelope":{"source":"+31","timestamp":161330400000%d,"dataMessage":{"message":"{%d}"}},"account":"+32"}`, ``), ",\n", "\n"),
		report.CASE:     list(`{"@graph":[`, `{"@id":"kb:%d","@type":"uco-observable:Message","uco-core:hasFacet":[{"@id":"kb:f","@type":"x:MessageFacet","x:from":{"@id":"kb:a"},"x:messageText":"{%d}"}]}`, `]}`),
	}
}

// TestDocumentsLoseNothingAround breaks a file at every byte, in three ways: everything
// except the message at that place must still be read.
func TestDocumentsLoseNothingAround(t *testing.T) {
	for format, file := range documentFiles() {
		whole := readertest.Check(t, format, readertest.Input("f", []byte(file), reader.Options{}))
		if len(whole) != 3 {
			t.Fatalf("%s: %d items: %+v", format, len(whole), whole)
		}
		first, last := whole[0].Where.Offset, whole[2].Where.Offset+whole[2].Where.Length
		for at := first; at < last; at++ {
			for _, broken := range []string{
				file[:at] + "\x00" + file[at+1:],
				file[:at] + file[at+1:],
				file[:at] + "\n" + file[at:],
			} {
				items := readertest.ReadAll(t, format, readertest.Input("f", []byte(broken), reader.Options{}))
				for i, m := range whole {
					if at >= m.Where.Offset-1 && at <= m.Where.Offset+m.Where.Length {
						continue // this one may be lost
					}
					found := slices.ContainsFunc(items, func(item reader.Item) bool {
						return item.Message != nil && item.Message.Text == m.Message.Text && item.Message.From == m.Message.From
					})
					if !found {
						t.Fatalf("%s: message %d is lost behind a damage at byte %d:\n%s", format, i, at, broken)
					}
				}
			}
		}
	}
}

// TestDocumentsAreCutOff cuts files off at every byte: the complete messages before the end
// are read, and the end is reported.
func TestDocumentsAreCutOff(t *testing.T) {
	for format, file := range documentFiles() {
		whole := readertest.Check(t, format, readertest.Input("f", []byte(file), reader.Options{}))
		for at := int(whole[0].Where.Offset) + 1; at < len(file); at++ {
			items := readertest.ReadAll(t, format, readertest.Input("f", []byte(file[:at]), reader.Options{}))
			want := 0
			for _, m := range whole {
				if int(m.Where.Offset+m.Where.Length) <= at {
					want++
				}
			}
			got, problems := 0, 0
			for _, item := range items {
				if item.Message != nil && !slices.ContainsFunc(item.Message.Extra, func(x argus.Field) bool {
					return x.Name == "repaired" && strings.HasPrefix(x.Value, "the file ends inside the record")
				}) {
					got++
				} else {
					problems++
				}
			}
			if got != want || problems == 0 && format != phone.Signal {
				t.Fatalf("%s cut off at byte %d: %d messages of %d, %d problems", format, at, got, want, problems)
			}
		}
	}
}

// FuzzDocuments feeds a file to every format that reads documents.
func FuzzDocuments(f *testing.F) {
	for _, file := range documentFiles() {
		f.Add([]byte(file))
	}
	f.Add([]byte(`[{"":0 `))
	f.Add(readertest.ReadFile(f, "../testdata/signal-export/main.jsonl"))
	f.Add(readertest.ReadFile(f, "../testdata/slack/C0QUAY7.json"))
	f.Add(readertest.ReadFile(f, "../testdata/json/chat.json"))
	f.Add(readertest.ReadFile(f, "../testdata/skype/messages.json"))
	f.Add(readertest.ReadFile(f, "../testdata/discord-package/messages.json"))
	f.Add(readertest.ReadFile(f, "../testdata/discord-package/messages.csv"))
	f.Add([]byte(`{"rooms":{"join":{"!r":{"timeline":{"events":[{"type":"m.room.encrypted","content":{"ciphertext":"x","session_id":"s"},"sender":"@a"}]}}}}}`))
	f.Add([]byte(`{"` + strings.Repeat("é", jsondoc.FactSize) + `":{"a":"` + strings.Repeat("é", jsondoc.FactSize) + `"},"messages":[{"sender_name":"a","timestamp_ms":1}]}`))
	f.Add([]byte(`[{"type":"message","ts":"1613304191.000200","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"link","url":"x"}]}]}]},{"type":"message","ts":"1613304191.000201","attachments":[{"text":"a"},{"blocks":[{"type":"header","text":{"text":"b"}}]},7]}]`))
	f.Add([]byte(`[{"id":"U1","name":"a","deleted":true,"profile":{"phone":"+31"}},{"id":"C1","name":"b","created":1613290000,"members":["U1"],"topic":{"value":"x"}},{"id":"C2","created":}]`))
	f.Add([]byte(`{"update":[{"_id":"r","t":"d","uids":["a","b"],"msgs":1,"u":{"_id":"a"},"topic":"x"},{"_id":"r","t":"c","msgs":,"lastMessage":{"_id":"m","rid":"r"}},{"_id":"m","rid":"r","ts":1613304191000,"u":{"_id":"a"}}]}`))
	f.Add([]byte(`{"messages":[{"sender_name":"\u00c3\u00ab","timestamp_ms":1,"photos":[{"uri":"x"}]}],"participants":["a","b"]}`))
	for _, r := range factsOfRecords {
		if r.format != chat.Telegram {
			f.Add(fileOfRecord(r.format, r.record))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, format := range []*reader.Format{chat.Facebook, chat.Discord, chat.Slack, chat.Matrix, chat.RocketChat, phone.Signal, phone.SignalBackup, table.JSON, chat.DiscordPackage, chat.Skype, report.CASE} {
			readertest.Check(t, format, readertest.Input("a/f", file, reader.Options{MaxRecord: 1 << 12}))
			format.Detect(reader.Sample{Text: file})
		}
	})
}

func BenchmarkDocuments(b *testing.B) {
	for _, bench := range []struct {
		format                 *reader.Format
		before, record, behind string
	}{
		{chat.Facebook, `{"participants":[{"name":"A"},{"name":"Zo\u00c3\u00ab"}],"messages":[`, `
    {
      "sender_name": "Zo\u00c3\u00ab",
      "timestamp_ms": 1613304191123,
      "content": "` + readertest.BenchSaid + `",
      "reactions": [
        {
          "reaction": "\u00e2\u009d\u00a4",
          "actor": "A"
        }
      ],
      "is_geoblocked_for_viewer": false
    }`, `],"title":"A","thread_path":"inbox/a_1"}`},
		{chat.Discord, `{"guild":{"id":"1","name":"G"},"channel":{"id":"2","name":"C"},"messages":[`, `
    {
      "id": "810000000000000001",
      "type": "Default",
      "timestamp": "2021-02-14T13:03:11.123+01:00",
      "timestampEdited": null,
      "callEndedTimestamp": null,
      "isPinned": false,
      "content": "` + readertest.BenchSaid + `",
      "author": {
        "id": "70001",
        "name": "bram",
        "discriminator": "0001",
        "nickname": "Bram",
        "isBot": false
      },
      "attachments": [],
      "embeds": [],
      "reactions": [],
      "mentions": []
    }`, `]}`},
		{chat.Slack, `[`, `
    {
        "client_msg_id": "0b1c",
        "type": "message",
        "text": "` + readertest.BenchSaid + `",
        "user": "U0000001",
        "ts": "1613304191.000200",
        "team": "T0000001",
        "user_profile": {"real_name": "Bram K", "display_name": "bram", "avatar_hash": "g0"}
    }`, `]`},
		{chat.Matrix, `{"chunk":[`, `
  {
    "type": "m.room.message",
    "sender": "@bram:chat.test",
    "content": {
      "msgtype": "m.text",
      "body": "` + readertest.BenchSaid + `"
    },
    "origin_server_ts": 1613304191123,
    "unsigned": {"age": 1234},
    "event_id": "$one",
    "room_id": "!loods:chat.test"
  }`, `]}`},
		{chat.RocketChat, `{"messages":[`, `
 {"_id":"m1aaaaaaaaaaaaaaa","rid":"u1aaaaaaaaaaaaaaau2aaaaaaaaaaaaaaa","msg":"` + readertest.BenchSaid + `","ts":"2021-02-14T12:03:11.123Z","u":{"_id":"u1aaaaaaaaaaaaaaa","username":"bram"},"mentions":[],"channels":[],"_updatedAt":"2021-02-14T12:03:11.200Z"}`, `]}`},
		{phone.Signal, `[`, `
{"envelope":{"source":"+31600000002","sourceNumber":"+31600000002","sourceUuid":"22222222-0000-4000-8000-000000000002","sourceName":"Cas","sourceDevice":1,"timestamp":1613304191123,"dataMessage":{"timestamp":1613304191123,"message":"` + readertest.BenchSaid + `","expiresInSeconds":0,"viewOnce":false}},"account":"+31600000001"}`, `]`},
		{report.CASE, `{"@graph":[`, `
  {
    "@id": "kb:m1",
    "@type": "uco-observable:Message",
    "uco-core:hasFacet": [
      {
        "@id": "kb:f1",
        "@type": "uco-observable:MessageFacet",
        "uco-observable:messageText": "` + readertest.BenchSaid + `",
        "uco-observable:from": {"@id": "kb:a"},
        "uco-observable:to": [{"@id": "kb:b"}],
        "uco-observable:sentTime": {"@type": "xsd:dateTime", "@value": "2021-02-14T12:03:11.250Z"}
      }
    ]
  }`, `]}`},
	} {
		b.Run(bench.format.Name, func(b *testing.B) {
			file := bench.before + strings.TrimSuffix(strings.Repeat(bench.record+",", 10_000), ",") + bench.behind
			readertest.Benchmark(b, bench.format, []byte(file), 10_000)
		})
	}
}

// TestDetectionMatrix asks every format about every sample: each sample is recognised by its
// own format, and no other is as sure of it.
func TestDetectionMatrix(t *testing.T) {
	for _, own := range Formats() {
		samples, err := filepath.Glob(filepath.Join("..", "testdata", own.Name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range samples {
			if strings.Contains(filepath.Base(file), ".golden") {
				continue
			}
			content := readertest.ReadFile(t, file)
			// Content decides: the name is the same for all.
			sample, err := reader.NewSample("export/file", bytes.NewReader(content), int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			sure := own.Detect(sample)
			for _, other := range Formats() {
				if n := other.Detect(sample); other != own && n > 0 && n >= sure {
					t.Errorf("%s: %s is as sure (%d) as its own format (%d)", file, other, n, sure)
				} else if other != own && n > 0 {
					t.Logf("%s: %s says %d, its own format %d", file, other, n, sure)
				}
			}
		}
	}
}

// TestLongFactsCostNoMessage reads a key and a fact that are cut in the middle of a
// character.
func TestLongFactsCostNoMessage(t *testing.T) {
	long := "x" + strings.Repeat("é", jsondoc.FactSize)
	for _, format := range []*reader.Format{chat.Facebook, chat.Discord} {
		file := strings.Replace(documentFiles()[format], "{", `{"`+long+`":{"a":"`+long+`"},`, 1)
		items := readertest.Check(t, format, readertest.Input("f", []byte(file), reader.Options{}))
		if len(items) != 3 || items[2].Message == nil || len(items[2].Message.Extra) == 0 {
			t.Errorf("%s: %+v", format, items)
		}
	}
}
