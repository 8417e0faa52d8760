package chat

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestBothSidesMeet reads both sides' exports of one chat, one of them in
// parts.
func TestBothSidesMeet(t *testing.T) {
	const messages = `"messages":[{"sender_name":"B","timestamp_ms":1613304192000,"content":"ok"},{"sender_name":"A","timestamp_ms":1613304191000,"content":"tien uur"}]`
	readertest.SameIdentities(t, 2, Facebook, `{"participants":[{"name":"B"},{"name":"A"}],`+messages+`,"title":"B","thread_path":"inbox/b_1"}`,
		Facebook, `{"participants":[{"name":"A"},{"name":"B"}],`+messages+`,"title":"A","thread_path":"inbox/a_2"}`)
}

// TestOverlappingExportsMeet reads a message that two exports of a server hold.
func TestOverlappingExportsMeet(t *testing.T) {
	const message = `{"_id":"m1aaaaaaaaaaaaaaa","rid":"r1","msg":"tien uur","ts":"2021-02-14T12:03:11.123Z","u":{"_id":"u1","username":"bram"}`
	readertest.SameIdentities(t, 1, RocketChat, `{"messages":[`+message+`}]}`, RocketChat, message+`,"_updatedAt":"2021-02-15T00:00:00.000Z","reactions":{":ok:":{"usernames":["cas"]}}}`)
}

// TestSnowflakeCarriesTime reads a message whose time is only in its id.
func TestSnowflakeCarriesTime(t *testing.T) {
	const file = `{"guild":{"id":"1"},"channel":{"id":"2"},"messages":[{"id":"%s","type":"Default","timestampEdited":null,"isPinned":false,"content":"x","author":{"id":"7"}}]}`
	m := readertest.ReadAll(t, Discord, readertest.Input("f", fmt.Appendf(nil, file, "175928847299117063"), reader.Options{}))[0].Message
	if m == nil || m.Sent.String() != "2016-04-30T11:18:25.796Z" {
		t.Errorf("%+v", m)
	}
	if item := readertest.ReadAll(t, Discord, readertest.Input("f", fmt.Appendf(nil, file, "17"), reader.Options{}))[0]; item.Message != nil {
		t.Errorf("a time was found in the id 17: %+v", item.Message)
	}
}

// TestFacebookFiles names attachments by their path from the folder of the file that names
// them.
func TestFacebookFiles(t *testing.T) {
	file := `{"messages":[{"sender_name":"A","timestamp_ms":1613304191000,"photos":[{"uri":"your_activity/messages/inbox/b_1/photos/x.jpg"}]}]}`
	items := readertest.ReadAll(t, Facebook, readertest.Input("export/instagram/messages/inbox/b_1/message_1.json", []byte(file), reader.Options{}))
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

// TestRoomsBesideMessages finds the name of a room in the file next to its messages.
func TestRoomsBesideMessages(t *testing.T) {
	const rooms = `[{"_id":"r0","t":"c","name":"other"},{"_id":"r1","t":"p","name":"loods","fname":"De loods"}]`
	in := readertest.Input("dump/messages.json", []byte(`[{"_id":"m","rid":"r1","msg":"x","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}}]`), reader.Options{})
	in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		return strings.NewReader(rooms), int64(len(rooms)), name == "dump/rooms.json"
	}
	if m := readertest.ReadAll(t, RocketChat, in)[0].Message; m.Title != "De loods" {
		t.Errorf("%+v", m)
	}
}

// TestRocketchatRooms distinguishes rooms from messages.
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
		if sure := detectRocketchat(reader.Sample{Text: []byte(test.file)}); sure != test.sure {
			t.Errorf("%s: sure %d, want %d", test.file, sure, test.sure)
		}
		got := ""
		if items := readertest.Check(t, RocketChat, readertest.Input("f", []byte(test.file), reader.Options{})); items[0].Message != nil {
			got = items[0].Message.Text
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.file, got, test.want)
		}
	}
}

// TestSlackLists distinguishes lists of users and channels from messages that contain such
// lists; a channel names as many members as a message may.
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
		if sure := detectSlack(reader.Sample{Text: []byte(test.file)}); sure != test.sure {
			t.Errorf("%s: sure %d, want %d", test.file, sure, test.sure)
		}
		got := ""
		if items := readertest.Check(t, Slack, readertest.Input("f", []byte(test.file), reader.Options{})); items[0].Message != nil {
			got = items[0].Message.Text
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.file, got, test.want)
		}
	}
	var ids []string
	for i := range build.ParticipantLimit + 2 {
		ids = append(ids, fmt.Sprintf(`"U%d"`, i))
	}
	all := "[" + strings.Join(ids, ",") + "]"
	m := readertest.ReadAll(t, Slack, readertest.Input("f", []byte(`[{"id":"C1","created":1613290000,"creator":"U0","members":`+all+`}]`), reader.Options{}))[0].Message
	if len(m.To) != build.ParticipantLimit || m.To[0] != "U1" || !slices.Equal(m.Extra, []argus.Field{{Name: "members", Value: all}}) {
		t.Errorf("%d receivers, %+v", len(m.To), m.Extra)
	}
}

// repeating is a file that repeats a piece after its beginning.
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

// TestDocumentsHoldOneRecord reads files much larger than the memory limit, made of records
// and of one value that never ends.
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
		in := reader.Input{Name: name, Size: size, File: file, Options: reader.Options{MaxRecord: limit}}
		if name == "facts" || name == "empty objects" {
			in.Size = 1 << 20 // many small values; none is held
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		peak, n := uint64(0), 0
		for _, err := range Discord.Read(t.Context(), in) {
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

// TestReadersDocument compares the example in docs/readers.md with the file compiled here.
func TestReadersDocument(t *testing.T) {
	document := string(readertest.ReadFile(t, filepath.Join("..", "..", "..", "..", "docs", "readers.md")))
	if !strings.Contains(document, "```go\n"+string(readertest.ReadFile(t, "shoutbox_test.go"))+"```\n") {
		t.Error("docs/readers.md does not hold shoutbox_test.go as it is")
	}
}

// TestMendedRecords reads files with records that are not quite JSON: those with a single
// reading are messages that report the mending, at their own positions; no other record is
// lost.
func TestMendedRecords(t *testing.T) {
	telegram := func(id int, rest string) string {
		return fmt.Sprintf(`{"id":%d,"type":"message","date_unixtime":"161330400%d","from":"A","from_id":"user1","text":"%s`, id, id, rest)
	}
	head := `{"name":"A","type":"personal_chat","id":1,"messages":[`
	facebook := `{"participants":[{"name":"A"},{"name":"B"}],"messages":[{"sender_name":"A","timestamp_ms":1600000000000 "content":"one"},{"sender_name":"B","timestamp_ms":1600000001000,"content":"t` + "\n" + `wo",}],"title":"B"}`
	for name, c := range map[string]struct {
		format *reader.Format
		file   string
		want   []string // the texts, with + for mended, - for a problem
	}{
		"comma and line end": {Telegram, head + telegram(1, `one" "via_bot":"x"},`) + telegram(2, "t\nwo\"},") + telegram(3, `three"}]}`), []string{"+one", "+t\nwo", "three"}},
		"swallowing":         {Telegram, head + telegram(1, "one\n},\n") + telegram(2, `two"},`) + telegram(3, `three"}]}`), []string{"-", "two", "three"}},
		"quotes":             {Telegram, head + telegram(1, `o"n"e"},`) + telegram(2, `two"}]}`), []string{"-", "two"}},
		"cut":                {Telegram, head + telegram(1, `one"},`) + telegram(2, `half of tw`), []string{"one", "+half of tw", "-"}},
		"cut before the text": {Telegram, head + telegram(1, `one"},`) + `{"id":2,"type":"message","date_unixtime":"1613304002","from":"A","from_id":"user1"`,
			[]string{"one", "-"}},
		"facts behind": {Facebook, facebook, []string{"+one", "+t\nwo"}},
	} {
		var got []string
		for _, item := range readertest.Check(t, c.format, readertest.Input("f", []byte(c.file), reader.Options{})) {
			switch m := item.Message; {
			case m == nil:
				got = append(got, "-")
			case slices.ContainsFunc(m.Extra, func(x argus.Field) bool { return x.Name == "repaired" }):
				got = append(got, "+"+m.Text)
				if m.Conversation == "" || c.format == Facebook && m.Title != "B" {
					t.Errorf("%s: %+v", name, m)
				}
			default:
				got = append(got, m.Text)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestRocketchatServers reads rooms that every server has: those of two servers are different
// rooms, and those of one server are the same room in each of its files. Ids that servers draw
// at random have no key.
func TestRocketchatServers(t *testing.T) {
	message := func(text, room, user string) string {
		return fmt.Sprintf(`{"_id":"k3JdHq7sXw2aQb9Z%d","rid":%q,"msg":%q,"ts":"2020-09-01T10:00:00Z","u":{"_id":%q,"username":"n"}}`, len(text), room, text, user)
	}
	const a, b, c = "u1aaaaaaaaaaaaaaa", "u2bbbbbbbbbbbbbbb", "u3ccccccccccccccc"
	read := func(records ...string) *argus.Message {
		return readertest.Saying(t, RocketChat, readertest.Input("GENERAL.json", []byte(`{"messages":[`+strings.Join(records, ",")+`]}`), reader.Options{}), "x")
	}
	one := read(message("x", "GENERAL", a))
	if one.ConversationReach != argus.ReachServer || !strings.HasPrefix(one.Conversation, "GENERAL@") || one.AccountReach != argus.ReachService || one.From != a {
		t.Errorf("%+v", one)
	}
	for name, other := range map[string]*argus.Message{
		"a later page":          read(message("x", "GENERAL", a), message("yy", "GENERAL", b)),
		"another who says it":   read(message("x", "GENERAL", b), message("yy", "GENERAL", a)),
		"beside another server": read(message("x", "GENERAL", a), message("yy", "GENERAL", "rocket.cat")),
	} {
		if other.Conversation != one.Conversation {
			t.Errorf("%s: %s, want %s", name, other.Conversation, one.Conversation)
		}
	}
	if two := read(message("x", "GENERAL", b)); two.Conversation == one.Conversation {
		t.Error("two servers have one room")
	}
	in := readertest.Input("GENERAL.json", []byte(`{"messages":[`+message("x", "GENERAL", c)+`]}`), reader.Options{})
	in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		users := fmt.Sprintf(`{"users":[{"_id":%q,"username":"a","active":true},{"_id":"rocket.cat","username":"rocket.cat","active":true}]}`, a)
		return strings.NewReader(users), int64(len(users)), name == "users.json"
	}
	if beside := readertest.Saying(t, RocketChat, in, "x"); beside.Conversation != one.Conversation {
		t.Errorf("with the users of the server beside it: %s, want %s", beside.Conversation, one.Conversation)
	}
	drawn := read(message("x", "k3JdHq7sXw2aQb9Zt", "rocket.cat"), message("yy", "GENERAL", a))
	if drawn.Conversation != "k3JdHq7sXw2aQb9Zt" || drawn.ConversationReach != argus.ReachService ||
		drawn.From != argus.Within("rocket.cat", a) || drawn.AccountReach != argus.ReachServer {
		t.Errorf("%+v", drawn)
	}
}

// TestFacebookClosedAccounts reads threads with closed accounts, which all share one name:
// they are different people in different threads. Open accounts meet by name.
func TestFacebookClosedAccounts(t *testing.T) {
	read := func(name, path, exporter string) *argus.Message {
		file := fmt.Sprintf(`{"participants":[{"name":%q},{"name":%q}],"messages":[{"sender_name":%q,"timestamp_ms":1600000000000,"content":"x"}],"title":%q,"thread_path":"inbox/%s"}`, name, exporter, name, name, path)
		return readertest.Saying(t, Facebook, readertest.Input("f.json", []byte(file), reader.Options{}), "x")
	}
	first, second := read("Facebook user", "facebookuser_111", "Mila"), read("Facebook user", "facebookuser_222", "Mila")
	if first.From == second.From || first.Conversation == second.Conversation || first.FromName != "Facebook user" || first.From == first.FromName {
		t.Errorf("%+v\n%+v", first, second)
	}
	if others := read("Facebook user", "facebookuser_111", "Bo"); others.Conversation == first.Conversation || others.From == first.From {
		t.Errorf("two accounts' exports: %+v", others)
	}
	if again := read("Facebook user", "facebookuser_111", "Mila"); again.Conversation != first.Conversation || again.From != first.From {
		t.Errorf("the same again: %+v", again)
	}
	a, b := read("Vera", "vera_1", "Mila"), read("Vera", "mila_2", "Mila")
	if a.From != "Vera" || a.Conversation != "Mila|Vera" || b.Conversation != a.Conversation || a.AccountReach != argus.ReachExport || a.ConversationReach != argus.ReachExport {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// TestTelegramIdsOfBefore reads accounts in the form that exports had before 2021.
func TestTelegramIdsOfBefore(t *testing.T) {
	for id, want := range map[string]string{
		"101": "user101", "user101": "user101", "4294967303": "chat7", "8589934600": "channel8", "": "", "64424509440": "64424509440", "Vera": "Vera",
	} {
		if got := telegramAccount(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	old := `{"name":"Vera","type":"personal_chat","id":101,"messages":[{"id":1,"type":"message","date":"2019-07-05T16:55:32","from":"Vera","from_id":101,"text":"x"}]}`
	m := readertest.Saying(t, Telegram, readertest.Input("result.json", []byte(old), reader.Options{}), "x")
	if m.From != "user101" || m.Conversation != "user101" || len(m.To) > 0 || !strings.Contains(fmt.Sprint(m.Extra), "{from_id 101}") {
		t.Errorf("%+v", m)
	}
}
