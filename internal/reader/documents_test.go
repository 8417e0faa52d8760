package reader

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// targetLine is a message as chat-miner's targets have it.
type targetLine struct{ Timestamp, Author, Message string }

// TestChatMinerSamples reads the samples of chat-miner and compares with what
// it makes of them.
func TestChatMinerSamples(t *testing.T) {
	for _, test := range []struct {
		format *Format
		sample string
	}{
		{facebookFormat, "chat-exports/instagram/test_export.json"},
		{textdumpFormat, "chat-exports/signal/test_export.txt"},
	} {
		t.Run(test.sample, func(t *testing.T) {
			file := shared(t, filepath.FromSlash(test.sample))[0]
			var want, got []targetLine
			if err := json.Unmarshal(readFile(t, filepath.Join(filepath.Dir(file), "target.json")), &want); err != nil {
				t.Fatal(err)
			}
			for _, item := range checkReader(t, test.format, input(filepath.Base(file), readFile(t, file), Options{})) {
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

// TestMatrixSamples reads every event of matrix-nio's test data: each comes out
// as a message, locked where it is encrypted, or is refused with a reason.
func TestMatrixSamples(t *testing.T) {
	var said, system, locked, refused int
	for _, pattern := range []string{"matrix/*.json", "matrix/events/*.json"} {
		for _, file := range shared(t, filepath.FromSlash(pattern)) {
			items := checkReader(t, matrixFormat, input(filepath.Base(file), readFile(t, file), Options{}))
			if len(items) == 0 {
				t.Errorf("%s: nothing came out", file)
			}
			for _, item := range items {
				switch m := item.Message; {
				case m == nil:
					refused++
					t.Logf("%s: %s", filepath.Base(file), item.Problem)
				case m.State&argus.StateLocked != 0:
					locked++
					if m.Locked.KeyID == "" || len(m.Locked.Payload) == 0 || m.From == "" {
						t.Errorf("%s: %+v", file, m)
					}
				case !m.Type.IsMessage():
					system++
				default:
					said++
				}
			}
		}
	}
	got := fmt.Sprintf("%d messages, %d locked, %d of the service, %d refused", said, locked, system, refused)
	if !strings.Contains(matrixFormat.Checked, got) {
		t.Errorf("%q is not what came out: %s", matrixFormat.Checked, got)
	}
}

// TestCaseSamples reads the example graphs of CASE and UCO.
func TestCaseSamples(t *testing.T) {
	var messages, calls, accounts, refused, empty int
	for _, file := range shared(t, filepath.FromSlash("case-uco/*.json")) {
		for _, item := range checkReader(t, caseFormat, input(filepath.Base(file), readFile(t, file), Options{})) {
			switch m := item.Message; {
			case m == nil && strings.HasPrefix(item.Problem, "want messages"):
				empty++
			case m == nil:
				refused++
				t.Logf("%s: %s", filepath.Base(file), item.Problem)
			case m.Conversation == contactsConversation:
				accounts++
			case m.Type == argus.TypeCall:
				calls++
			default:
				messages++
			}
		}
	}
	got := fmt.Sprintf("%d messages, %d calls, %d accounts, %d refused, %d graphs without any", messages, calls, accounts, refused, empty)
	if !strings.Contains(caseFormat.Checked, got) {
		t.Errorf("%q is not what came out: %s", caseFormat.Checked, got)
	}
}

// documentFiles are files of three messages, "{0}" to "{2}" in their texts.
func documentFiles() map[*Format]string {
	list := func(before, record, behind string) string {
		var records []string
		for i := range 3 {
			records = append(records, fmt.Sprintf(record, i, i))
		}
		return before + strings.Join(records, ",\n") + behind
	}
	return map[*Format]string{
		facebookFormat:   list(`{"participants":[{"name":"A"}],"messages":[`, `{"sender_name":"A","timestamp_ms":161330400000%d,"content":"{%d}"}`, `],"title":"T"}`),
		discordFormat:    list(`{"guild":{"id":"1"},"channel":{"id":"2"},"messages":[`, `{"id":"%d","type":"Default","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"{%d}","author":{"id":"7"},"embeds":[{"timestamp":"x"}]}`, `]}`),
		slackFormat:      list(`[`, `{"type":"message","user":"U1","ts":"161330400%d.000000","text":"{%d}","attachments":[{"ts":"1"}]}`, `]`),
		matrixFormat:     list(`{"chunk":[`, `{"content":{"body":"{","msgtype":"m.text"},"room_id":"!r","type":"m.room.message","sender":"@a","event_id":"$%d","origin_server_ts":161330400000%d}`, `]}`),
		rocketchatFormat: list(`{"messages":[`, `{"_id":"%d","rid":"r","msg":"{%d}","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}}`, `]}`),
		signalFormat:     strings.ReplaceAll(list(``, `{"envelope":{"source":"+31","timestamp":161330400000%d,"dataMessage":{"message":"{%d}"}},"account":"+32"}`, ``), ",\n", "\n"),
		caseFormat:       list(`{"@graph":[`, `{"@id":"kb:%d","@type":"uco-observable:Message","uco-core:hasFacet":[{"@id":"kb:f","@type":"x:MessageFacet","x:from":{"@id":"kb:a"},"x:messageText":"{%d}"}]}`, `]}`),
	}
}

// TestDocumentsLoseNothingAround breaks a file at each of its bytes, in three
// ways: everything but the message at that place must still be read.
func TestDocumentsLoseNothingAround(t *testing.T) {
	for format, file := range documentFiles() {
		whole := checkReader(t, format, input("f", []byte(file), Options{}))
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
				items := readAll(t, format, input("f", []byte(broken), Options{}))
				for i, m := range whole {
					if at >= m.Where.Offset-1 && at <= m.Where.Offset+m.Where.Length {
						continue // this one may be lost
					}
					found := slices.ContainsFunc(items, func(item Item) bool {
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

// TestDocumentsAreCutOff cuts files off at each of their bytes: what is whole
// before the end is read, and the end is reported.
func TestDocumentsAreCutOff(t *testing.T) {
	for format, file := range documentFiles() {
		whole := checkReader(t, format, input("f", []byte(file), Options{}))
		for at := int(whole[0].Where.Offset) + 1; at < len(file); at++ {
			items := readAll(t, format, input("f", []byte(file[:at]), Options{}))
			want := 0
			for _, m := range whole {
				if int(m.Where.Offset+m.Where.Length) <= at {
					want++
				}
			}
			got, problems := 0, 0
			for _, item := range items {
				if item.Message != nil && !slices.ContainsFunc(item.Message.Extra, func(x argus.Field) bool { return x.Name == mendedField && x.Value == mendedCut }) {
					got++
				} else {
					problems++
				}
			}
			if got != want || problems == 0 && format != signalFormat {
				t.Fatalf("%s cut off at byte %d: %d messages of %d, %d problems", format, at, got, want, problems)
			}
		}
	}
}

// TestTwoPhonesMeet reads what two phones received and sent of one chat.
func TestTwoPhonesMeet(t *testing.T) {
	const a = `{"envelope":{"sourceNumber":"+311","timestamp":1613304191123,"dataMessage":{"timestamp":1613304191123,"message":"tien uur"}},"account":"+312"}
{"envelope":{"sourceNumber":"+312","timestamp":1613304199999,"syncMessage":{"sentMessage":{"destinationNumber":"+311","timestamp":1613304199000,"message":"ok"}}},"account":"+312"}`
	const b = `{"envelope":{"sourceNumber":"+311","timestamp":1613304191999,"syncMessage":{"sentMessage":{"destinationNumber":"+312","timestamp":1613304191123,"message":"tien uur"}}},"account":"+311"}
{"envelope":{"sourceNumber":"+312","timestamp":1613304199000,"dataMessage":{"timestamp":1613304199000,"message":"ok"}},"account":"+311"}`
	sameIdentities(t, 2, signalFormat, a, signalFormat, b)
}

// TestBothSidesMeet reads both sides' exports of one chat, one of them in
// parts.
func TestBothSidesMeet(t *testing.T) {
	const messages = `"messages":[{"sender_name":"B","timestamp_ms":1613304192000,"content":"ok"},{"sender_name":"A","timestamp_ms":1613304191000,"content":"tien uur"}]`
	sameIdentities(t, 2, facebookFormat, `{"participants":[{"name":"B"},{"name":"A"}],`+messages+`,"title":"B","thread_path":"inbox/b_1"}`,
		facebookFormat, `{"participants":[{"name":"A"},{"name":"B"}],`+messages+`,"title":"A","thread_path":"inbox/a_2"}`)
}

// TestDumpMeetsLog reads a chat that was handed over twice, as text and as
// JSON.
func TestDumpMeetsLog(t *testing.T) {
	sameIdentities(t, 1, textdumpFormat, "2020-07-22T12:33:03 Bram@jabber.test/phone -> cas@jabber.test\ntien uur\n\n",
		jabberFormat, `{"ts":"2020-07-22T12:33:03.929363","from":"bram@jabber.test","to":"cas@jabber.test","body":"tien uur"}`)
}

// TestOverlappingExportsMeet reads a message that two exports of a server hold.
func TestOverlappingExportsMeet(t *testing.T) {
	const message = `{"_id":"m1aaaaaaaaaaaaaaa","rid":"r1","msg":"tien uur","ts":"2021-02-14T12:03:11.123Z","u":{"_id":"u1","username":"bram"}`
	sameIdentities(t, 1, rocketchatFormat, `{"messages":[`+message+`}]}`, rocketchatFormat, message+`,"_updatedAt":"2021-02-15T00:00:00.000Z","reactions":{":ok:":{"usernames":["cas"]}}}`)
}

// TestSnowflakeCarriesTime reads a message of which only the id tells when it was
// sent.
func TestSnowflakeCarriesTime(t *testing.T) {
	const file = `{"guild":{"id":"1"},"channel":{"id":"2"},"messages":[{"id":"%s","type":"Default","timestampEdited":null,"isPinned":false,"content":"x","author":{"id":"7"}}]}`
	m := readAll(t, discordFormat, input("f", fmt.Appendf(nil, file, "175928847299117063"), Options{}))[0].Message
	if m == nil || m.Sent.String() != "2016-04-30T11:18:25.796Z" {
		t.Errorf("%+v", m)
	}
	if item := readAll(t, discordFormat, input("f", fmt.Appendf(nil, file, "17"), Options{}))[0]; item.Message != nil {
		t.Errorf("a time was found in the id 17: %+v", item.Message)
	}
}

// sameIdentities wants the same n messages in two files.
func sameIdentities(t *testing.T, n int, formatA *Format, a string, formatB *Format, b string) {
	t.Helper()
	identities := func(format *Format, file string) (ids []argus.ID) {
		for _, item := range checkReader(t, format, input("f", []byte(file), Options{})) {
			id, _ := item.Message.Identity()
			ids = append(ids, id)
		}
		return ids
	}
	if inA, inB := identities(formatA, a), identities(formatB, b); len(inA) != n || !slices.Equal(inA, inB) {
		t.Errorf("the identities differ:\n%v\n%v", inA, inB)
	}
}

// TestFacebookFiles names attachments by their path from the file that names
// them.
func TestFacebookFiles(t *testing.T) {
	file := `{"messages":[{"sender_name":"A","timestamp_ms":1613304191000,"photos":[{"uri":"your_activity/messages/inbox/b_1/photos/x.jpg"}]}]}`
	items := readAll(t, facebookFormat, input("export/instagram/messages/inbox/b_1/message_1.json", []byte(file), Options{}))
	m := items[0].Message
	if m.Service != "instagram" || m.Conversation != "b_1" || m.Attachments[0].Name != "photos/x.jpg" {
		t.Errorf("%+v", m)
	}
}

func TestMendLatin1(t *testing.T) {
	for _, test := range []struct{ raw, want string }{
		{`plain`, `plain`},
		{`\u00c3\u00ab`, `ë`},
		{`a\u00f0\u009f\u0091\u008db`, `a👍b`},
		{`\u00c3\u00AB\n\u00e2\u009d\u00a4`, `ë\n❤`},
		{`\u00e9`, `\u00e9`},
		{`\\u00c3\\u00ab`, `\\u00c3\\u00ab`},
		{`\\\u00c3\u00ab`, `\\ë`},
		{`\u00c3`, `\u00c3`},
		{`\u00c`, `\u00c`},
		{`\`, `\`},
		{`\u00c3\u00abx\u2019\u00c3\u00ab`, `ëx\u2019ë`},
	} {
		if got := mendLatin1(test.raw); got != test.want {
			t.Errorf("%s: got %s, want %s", test.raw, got, test.want)
		}
	}
}

// TestRoomsBesideMessages finds the name of a room in the file beside.
func TestRoomsBesideMessages(t *testing.T) {
	const rooms = `[{"_id":"r0","t":"c","name":"other"},{"_id":"r1","t":"p","name":"loods","fname":"De loods"}]`
	in := input("dump/messages.json", []byte(`[{"_id":"m","rid":"r1","msg":"x","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}}]`), Options{})
	in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		return strings.NewReader(rooms), int64(len(rooms)), name == "dump/rooms.json"
	}
	if m := readAll(t, rocketchatFormat, in)[0].Message; m.Title != "De loods" {
		t.Errorf("%+v", m)
	}
}

// TestRocketchatRooms takes rooms and messages for what they are.
func TestRocketchatRooms(t *testing.T) {
	const message = `{"_id":"m","rid":"r","msg":"x","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}}`
	for _, test := range []struct {
		file string
		sure int
		want string
	}{
		{`[{"_id":"r","t":"c","name":"quay","msgs":1,"lastMessage":` + message + `}]`, 80, "room: quay"},
		{`{"ims":[{"_id":"r","t":"d","usernames":["a","b"],"topic":"ropes"}]}`, 80, "room: r\nropes"},
		{`[` + message + `]`, 92, "x"},
		{`[{"_id":"r","t":"c","name":"quay"}]`, 0, "room: quay"},
		{`[{"_id":"r","t":"text","name":"quay","msgs":1}]`, 0, ""},
	} {
		if sure := detectRocketchat(Sample{Text: []byte(test.file)}); sure != test.sure {
			t.Errorf("%s: sure %d, want %d", test.file, sure, test.sure)
		}
		got := ""
		if items := checkReader(t, rocketchatFormat, input("f", []byte(test.file), Options{})); items[0].Message != nil {
			got = items[0].Message.Text
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.file, got, test.want)
		}
	}
}

// TestSlackLists takes lists of users and channels for what they are, and messages
// that hold such for messages; a channel names as many members as a message may.
func TestSlackLists(t *testing.T) {
	const (
		user    = `{"id":"U1","name":"a","deleted":false,"profile":{"email":"a@x.test"}}`
		channel = `{"id":"C1","name":"quay","created":1613290000,"creator":"U1","members":["U1","U2"]}`
		message = `{"type":"message","user":"U1","ts":"1613304191.000200","text":"x","inside":[` + user + `,` + channel + `]}`
	)
	for _, test := range []struct {
		file string
		sure int
		want string
	}{
		{`[` + user + `]`, 85, "user: a\nU1\na@x.test"},
		{`[` + channel + `]`, 85, "channel: quay"},
		{`[` + message + `]`, 90, "x"},
		{`[{"id":"U1","name":"a"}]`, 0, "user: a\nU1"},
		{`[{"id":"7","name":"a","deleted":false,"profile":{},"created":1,"members":[]}]`, 0, ""},
		{`[{"id":"Unit 7","name":"a","deleted":false,"profile":{},"created":1,"members":[]}]`, 0, ""},
	} {
		if sure := detectSlack(Sample{Text: []byte(test.file)}); sure != test.sure {
			t.Errorf("%s: sure %d, want %d", test.file, sure, test.sure)
		}
		got := ""
		if items := checkReader(t, slackFormat, input("f", []byte(test.file), Options{})); items[0].Message != nil {
			got = items[0].Message.Text
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.file, got, test.want)
		}
	}
	var ids []string
	for i := range participantLimit + 2 {
		ids = append(ids, fmt.Sprintf(`"U%d"`, i))
	}
	all := "[" + strings.Join(ids, ",") + "]"
	m := readAll(t, slackFormat, input("f", []byte(`[{"id":"C1","created":1613290000,"creator":"U0","members":`+all+`}]`), Options{}))[0].Message
	if len(m.To) != participantLimit || m.To[0] != "U1" || !slices.Equal(m.Extra, []argus.Field{{Name: "members", Value: all}}) {
		t.Errorf("%d receivers, %+v", len(m.To), m.Extra)
	}
}

// FuzzDocuments feeds a file to every format that reads documents.
func FuzzDocuments(f *testing.F) {
	for _, file := range documentFiles() {
		f.Add([]byte(file))
	}
	f.Add(readFile(f, "testdata/signal-export/main.jsonl"))
	f.Add(readFile(f, "testdata/slack/C0QUAY7.json"))
	f.Add(readFile(f, "testdata/json/chat.json"))
	f.Add(readFile(f, "testdata/skype/messages.json"))
	f.Add(readFile(f, "testdata/discord-package/messages.json"))
	f.Add(readFile(f, "testdata/discord-package/messages.csv"))
	f.Add([]byte(`{"rooms":{"join":{"!r":{"timeline":{"events":[{"type":"m.room.encrypted","content":{"ciphertext":"x","session_id":"s"},"sender":"@a"}]}}}}}`))
	f.Add([]byte(`{"` + strings.Repeat("é", factSize) + `":{"a":"` + strings.Repeat("é", factSize) + `"},"messages":[{"sender_name":"a","timestamp_ms":1}]}`))
	f.Add([]byte(`[{"type":"message","ts":"1613304191.000200","blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"link","url":"x"}]}]}]},{"type":"message","ts":"1613304191.000201","attachments":[{"text":"a"},{"blocks":[{"type":"header","text":{"text":"b"}}]},7]}]`))
	f.Add([]byte(`[{"id":"U1","name":"a","deleted":true,"profile":{"phone":"+31"}},{"id":"C1","name":"b","created":1613290000,"members":["U1"],"topic":{"value":"x"}},{"id":"C2","created":}]`))
	f.Add([]byte(`{"update":[{"_id":"r","t":"d","uids":["a","b"],"msgs":1,"u":{"_id":"a"},"topic":"x"},{"_id":"r","t":"c","msgs":,"lastMessage":{"_id":"m","rid":"r"}},{"_id":"m","rid":"r","ts":1613304191000,"u":{"_id":"a"}}]}`))
	f.Add([]byte(`{"messages":[{"sender_name":"\u00c3\u00ab","timestamp_ms":1,"photos":[{"uri":"x"}]}],"participants":["a","b"]}`))
	for _, r := range factsOfRecords {
		if r.format != telegramFormat {
			f.Add(fileOfRecord(r.format, r.record))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, format := range []*Format{facebookFormat, discordFormat, slackFormat, matrixFormat, rocketchatFormat, signalFormat, signalbackupFormat, jsonrecordsFormat, discordpackageFormat, skypeFormat, caseFormat} {
			checkReader(t, format, input("a/f", file, Options{MaxRecord: 1 << 12}))
			format.Detect(Sample{Text: file})
		}
	})
}

func FuzzTextdump(f *testing.F) {
	f.Add([]byte("App: X\n[2021-02-14 12:03:11] @a:b: x\ny\n---\n[2021-02-14 12:03:12] @a:b: \n"))
	f.Add([]byte("2020-07-22T12:33:03 a@b -> c@d\nbody\n"))
	f.Add([]byte("[22.11.21 11:08:01] n:\tt\n"))
	f.Add([]byte("2021-02-14 12:03 | From: a | To: b | Message: c\n"))
	f.Add([]byte("[2021-02-14, 12:03] A: b\n"))
	f.Add([]byte("X found on device 1\nApp conversation about a containing 2 messages\n2021-02-14 12:03 | From: a | To: b | Message: c\n\nY found on device 2\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, textdumpFormat, input("f", file, Options{MaxRecord: 1 << 10}))
		textdumpFormat.Detect(Sample{Text: file})
	})
}

const benchSaid = "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."

func BenchmarkDocuments(b *testing.B) {
	for _, bench := range []struct {
		format                 *Format
		before, record, behind string
	}{
		{facebookFormat, `{"participants":[{"name":"A"},{"name":"Zo\u00c3\u00ab"}],"messages":[`, `
    {
      "sender_name": "Zo\u00c3\u00ab",
      "timestamp_ms": 1613304191123,
      "content": "` + benchSaid + `",
      "reactions": [
        {
          "reaction": "\u00e2\u009d\u00a4",
          "actor": "A"
        }
      ],
      "is_geoblocked_for_viewer": false
    }`, `],"title":"A","thread_path":"inbox/a_1"}`},
		{discordFormat, `{"guild":{"id":"1","name":"G"},"channel":{"id":"2","name":"C"},"messages":[`, `
    {
      "id": "810000000000000001",
      "type": "Default",
      "timestamp": "2021-02-14T13:03:11.123+01:00",
      "timestampEdited": null,
      "callEndedTimestamp": null,
      "isPinned": false,
      "content": "` + benchSaid + `",
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
		{slackFormat, `[`, `
    {
        "client_msg_id": "0b1c",
        "type": "message",
        "text": "` + benchSaid + `",
        "user": "U0000001",
        "ts": "1613304191.000200",
        "team": "T0000001",
        "user_profile": {"real_name": "Bram K", "display_name": "bram", "avatar_hash": "g0"}
    }`, `]`},
		{matrixFormat, `{"chunk":[`, `
  {
    "type": "m.room.message",
    "sender": "@bram:chat.test",
    "content": {
      "msgtype": "m.text",
      "body": "` + benchSaid + `"
    },
    "origin_server_ts": 1613304191123,
    "unsigned": {"age": 1234},
    "event_id": "$one",
    "room_id": "!loods:chat.test"
  }`, `]}`},
		{rocketchatFormat, `{"messages":[`, `
 {"_id":"m1aaaaaaaaaaaaaaa","rid":"u1aaaaaaaaaaaaaaau2aaaaaaaaaaaaaaa","msg":"` + benchSaid + `","ts":"2021-02-14T12:03:11.123Z","u":{"_id":"u1aaaaaaaaaaaaaaa","username":"bram"},"mentions":[],"channels":[],"_updatedAt":"2021-02-14T12:03:11.200Z"}`, `]}`},
		{signalFormat, `[`, `
{"envelope":{"source":"+31600000002","sourceNumber":"+31600000002","sourceUuid":"22222222-0000-4000-8000-000000000002","sourceName":"Cas","sourceDevice":1,"timestamp":1613304191123,"dataMessage":{"timestamp":1613304191123,"message":"` + benchSaid + `","expiresInSeconds":0,"viewOnce":false}},"account":"+31600000001"}`, `]`},
		{caseFormat, `{"@graph":[`, `
  {
    "@id": "kb:m1",
    "@type": "uco-observable:Message",
    "uco-core:hasFacet": [
      {
        "@id": "kb:f1",
        "@type": "uco-observable:MessageFacet",
        "uco-observable:messageText": "` + benchSaid + `",
        "uco-observable:from": {"@id": "kb:a"},
        "uco-observable:to": [{"@id": "kb:b"}],
        "uco-observable:sentTime": {"@type": "xsd:dateTime", "@value": "2021-02-14T12:03:11.250Z"}
      }
    ]
  }`, `]}`},
	} {
		b.Run(bench.format.Name, func(b *testing.B) {
			file := bench.before + strings.TrimSuffix(strings.Repeat(bench.record+",", 10_000), ",") + bench.behind
			benchmark(b, bench.format, []byte(file), 10_000)
		})
	}
}

func BenchmarkTextdump(b *testing.B) {
	line := "[2021-02-14 12:03:11] @bram:chat.test: " + benchSaid + "\n"
	benchmark(b, textdumpFormat, []byte(strings.Repeat(line, 10_000)), 10_000)
}

// TestDetectionMatrix asks every format about every sample: each is taken for
// its own format, and no other is as sure of it.
func TestDetectionMatrix(t *testing.T) {
	for _, own := range All() {
		samples, err := filepath.Glob(filepath.Join("testdata", own.Name, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range samples {
			if strings.Contains(filepath.Base(file), ".golden") {
				continue
			}
			content := readFile(t, file)
			// Content decides: the name is the same for all.
			sample, err := NewSample("export/file", bytes.NewReader(content), int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			sure := own.Detect(sample)
			for _, other := range All() {
				if n := other.Detect(sample); other != own && n > 0 && n >= sure {
					t.Errorf("%s: %s is as sure (%d) as its own format (%d)", file, other, n, sure)
				} else if other != own && n > 0 {
					t.Logf("%s: %s says %d, its own format %d", file, other, n, sure)
				}
			}
		}
	}
}

// repeating is a file that repeats a piece behind its beginning.
type repeating struct{ head, piece string }

func (r repeating) ReadAt(b []byte, at int64) (int, error) {
	n := 0
	if at < int64(len(r.head)) {
		n = copy(b, r.head[at:])
	}
	for n < len(b) {
		n += copy(b[n:], r.piece[(at+int64(n)-int64(len(r.head)))%int64(len(r.piece)):])
	}
	return n, nil
}

// TestDocumentsHoldOneRecord reads files much larger than what may be held, of
// records and of one thing that never ends.
func TestDocumentsHoldOneRecord(t *testing.T) {
	const size, limit = 10 << 20, 512 << 10
	record := `{"id":"1","type":"Default","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"` +
		strings.Repeat("x", 4000) + `","author":{"id":"7"}},`
	for name, file := range map[string]repeating{
		"records":       {`{"guild":{"id":"1"},"messages":[`, record},
		"text":          {`{"guild":{"id":"1"},"channel":{"name":"`, "x"},
		"record":        {`{"messages":[{"id":"1","content":"`, "x"},
		"facts":         {`{"guild":{`, `"a":"b",`},
		"levels":        {`{"messages":`, `[`},
		"empty objects": {`{"messages":[`, `{},`},
	} {
		in := Input{Name: name, Size: size, File: file, Options: Options{MaxRecord: limit}}
		if name == "facts" || name == "empty objects" {
			in.Size = 1 << 20 // many small things, of which none is held
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		peak, n := uint64(0), 0
		for _, err := range discordFormat.Read(t.Context(), in) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%50_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc-min(before.HeapAlloc, after.HeapAlloc))
		if n == 0 || peak > 8*limit {
			t.Errorf("%s: %d items, %d bytes held for a limit of %d", name, n, peak, limit)
		}
	}
}

// TestReadersDocument holds the example in docs/readers.md to the file that is
// compiled here.
func TestReadersDocument(t *testing.T) {
	document := string(readFile(t, filepath.Join("..", "..", "docs", "readers.md")))
	if !strings.Contains(document, "```go\n"+string(readFile(t, "shoutbox_test.go"))+"```\n") {
		t.Error("docs/readers.md does not hold shoutbox_test.go as it is")
	}
}

// TestLongFactsCostNoMessage has a key and a fact that are cut in the middle of
// a character.
func TestLongFactsCostNoMessage(t *testing.T) {
	long := "x" + strings.Repeat("é", factSize)
	for _, format := range []*Format{facebookFormat, discordFormat} {
		file := strings.Replace(documentFiles()[format], "{", `{"`+long+`":{"a":"`+long+`"},`, 1)
		items := checkReader(t, format, input("f", []byte(file), Options{}))
		if len(items) != 3 || items[2].Message == nil || len(items[2].Message.Extra) == 0 {
			t.Errorf("%s: %+v", format, items)
		}
	}
}
