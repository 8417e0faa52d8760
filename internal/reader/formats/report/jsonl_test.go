package report

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// readText reads a whole file of the given format.
func readText(t rapid.TB, format *reader.Format, text string, options reader.Options) []reader.Item {
	t.Helper()
	in := reader.Input{Name: "file", Size: int64(len(text)), File: strings.NewReader(text), Options: options}
	var items []reader.Item
	for item, err := range format.Read(context.Background(), in) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

func TestJSONLProblems(t *testing.T) {
	const good = `{"service":"xmpp","from":"a","sent":"2021-02-14T12:03:11Z","text":"x"}`
	for _, test := range []struct{ line, problem string }{
		{`nonsense`, "want a JSON object, found something else"},
		{`[1]`, "want a JSON object, found something else"},
		{good[:30], "the text ends at byte 30, want the closing quote of a string"},
		{good + "x", "want one object per line, found more after it at byte 70"},
		{good + good, "want one object per line, found more after it at byte 70"},
		{`{"service":"xmpp","from":"a",}`, "want a key in quotes at byte 29, found something else"},
		{`{"service":"xmpp" "from":"a"}`, `want "," or the end after a value at byte 18, found something else`},
		{`{"service":"xmpp","from":"a","x":01}`, "want a number without leading zeros at byte 34, found something else"},
		{"{\"service\":\"xmpp\",\"from\":\"a\x00\"}", "want no control character in a string at byte 27, found something else"},
		{"{\"service\":\"xmpp\",\"from\":\"a\xff\"}", "want UTF-8, found bytes that are not"},
		{`{"service":"xmpp","from":"a\q"}`, "want an escape at byte 28, found something else"},
		{`{"service":"xmpp","from":"\ud800"}`, "from: want Unicode, found half of a surrogate pair"},
		{`{"service":"xmpp","from":"a","\udc00":1}`, "want Unicode in a key, found half of a surrogate pair"},
		{`{"service":"xmpp","from":"a","from":"b"}`, "want each key once, found one twice"},
		{`{"service":"xmpp","from":"a","fro\u006d":"b"}`, "want each key once, found one twice"},
		{`{"service":"xmpp","from":"a","x":1,"x":2}`, "want each key once, found one twice"},
		{`{"from":"a"}`, "the message names no service"},
		{`{"service":"XMPP","from":"a"}`, `service "XMPP" is not in lower case`},
		{`{"service":"xmpp"}`, "the message names no sender"},
		{`{"service":"xmpp","from":null}`, "the message names no sender"},
		{`{"service":"xmpp","from":7}`, "from: want text, found a number"},
		{`{"service":"xmpp","from":"a","to":"b"}`, "to: want a list, found text"},
		{`{"service":"xmpp","from":"a","to":["b",{}]}`, "to: entry 2: want text, found an object"},
		{`{"service":"xmpp","from":"a","seq":-1}`, "seq: want a whole number of 64 bits, found a number"},
		{`{"service":"xmpp","from":"a","repeat":4294967296}`, "repeat: want a whole number of 32 bits, found a number"},
		{`{"service":"xmpp","from":"a","sent":1613304191}`, "sent: want a time like 2021-02-14T12:03:11Z, found a number"},
		{`{"service":"xmpp","from":"a","sent":"2021-02-29T12:03:11Z"}`, "sent: want a time like 2021-02-14T12:03:11Z, found other text"},
		{`{"service":"xmpp","from":"a","sent":"2021-00-14T12:03:11Z"}`, "sent: want a time like 2021-02-14T12:03:11Z, found other text"},
		{`{"service":"xmpp","from":"a","sent":"2021-02-14T24:00:00Z"}`, "sent: want a time like 2021-02-14T12:03:11Z, found other text"},
		{`{"service":"xmpp","from":"a","sent":"2021-02-14T12:03:11"}`, "sent: want a time like 2021-02-14T12:03:11Z, found other text"},
		{`{"service":"xmpp","from":"a","sent":"1821-02-14T12:03:11Z"}`, "sent time 1821-02-14T12:03:11Z is not between 1970 and 2200"},
		{`{"service":"xmpp","from":"a","sent":{"utc":"2021-02-14","zone":"moon"}}`, "sent: zone: want stated, file, operator or assumed, found another word"},
		{`{"service":"xmpp","from":"a","sent":{"when":"2021-02-14"}}`, "sent: want only the keys utc, raw, zone, clock, found another"},
		{`{"service":"xmpp","from":"a","state":["hidden"]}`, "state: entry 1: want one of locked, deleted, edited, system, found another word"},
		{`{"service":"xmpp","from":"a","state":["locked"]}`, "the message is locked and holds no encrypted content"},
		{`{"service":"xmpp","from":"a","locked":{"payload":"?"}}`, "locked: payload: want base64 with padding, found other text"},
		{`{"service":"xmpp","from":"a","attachments":[{"sha256":"00"}]}`, "attachments: entry 1: sha256: want 64 hexadecimal digits, found other text"},
		{`{"service":"xmpp","from":"a","attachments":[{"size":1,"size":2}]}`, "attachments: entry 1: want size once, found it twice"},
		{`{"service":"xmpp","from":"a","type":"message"}`, "type: want one of text, poll, call, contact, room, membership, reaction, location, device, draft, notice, note, found another word"},
		{`{"service":"xmpp","from":"a","type":2}`, "type: want text, found a number"},
		{`{"service":"xmpp","type":"call"}`, "the message names no sender"},
		{`{"service":"xmpp","from":"a","facts":{"call":{}}}`, "the message is of the type text and has facts of another"},
		{`{"service":"xmpp","from":"a","facts":{"card":{}}}`, "facts: want only the keys call, contact, room, membership, reaction, location, device, poll, replies, found another"},
		{`{"service":"xmpp","from":"a","type":"call","facts":{"call":{"direction":"up"}}}`, "facts: call: direction: want in or out, found another word"},
		{`{"service":"xmpp","from":"a","type":"call","facts":{"call":{"video":1}}}`, "facts: call: video: want true or false, found a number"},
		{`{"service":"xmpp","from":"a","type":"call","facts":{"call":{"seconds":-1}}}`, "facts: call: seconds: want a whole number of 64 bits, found a number"},
		{`{"service":"xmpp","from":"a","type":"call","facts":{"call":{},"call":{}}}`, "facts: want call once, found it twice"},
		{`{"service":"xmpp","from":"a","type":"room","facts":{"room":{"members":"b"}}}`, "facts: room: members: want a list, found text"},
		{`{"service":"xmpp","from":"a","type":"device","facts":{"device":{"identifiers":[{"imei":"1"}]}}}`, "facts: device: identifiers: entry 1: want only the keys name, value, found another"},
		{`{"service":"xmpp","from":"a","account_reach":"world"}`, "account_reach: want service, server, export or file, found another word"},
		{`{"service":"xmpp","from":"a","conversation_reach":1}`, "conversation_reach: want text, found a number"},
		{`{"service":"xmpp","from":"a","sent":{"utc":"2021-02-14","clock":"mine"}}`, "sent: clock: want service, sender or receiver, found another word"},
		{`{"service":"xmpp","from":"a","edited":1613304191}`, "edited: want a time like 2021-02-14T12:03:11Z, found a number"},
		{`{"service":"xmpp","from":"a","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, "want at most 64 levels at byte 96, found something else"},
	} {
		items := readText(t, JSONL, "\n"+good+"\n"+test.line+"\r\n"+good, reader.Options{})
		if len(items) != 3 || items[0].Message == nil || items[2].Message == nil {
			t.Errorf("%s: the lines around it are lost: %+v", test.line, items)
			continue
		}
		if got := items[1].Problem; got != test.problem {
			t.Errorf("%s\n got %s\nwant %s", test.line, got, test.problem)
		}
		want := argus.Where{Record: 3, Offset: int64(len(good) + 2), Length: int64(len(test.line) + 2)}
		if diff := cmp.Diff(want, items[1].Where); diff != "" {
			t.Errorf("%s: %s", test.line, diff)
		}
	}
}

func TestJSONLKeepsWhatItDoesNotKnow(t *testing.T) {
	items := readText(t, JSONL, `{"cell":"204-04","service":"sky","x":{"a":[1,"\u00e9"]},"from":"Q3XK9A","text":"a\r\nb","title":null,`+
		`"extra":[{"name":"imei","value":"1"}],"n":1.50}`, reader.Options{})
	want := []reader.Item{{
		Message: &argus.Message{Service: "sky", From: "Q3XK9A", Text: "a\nb", Extra: []argus.Field{
			{Name: "cell", Value: `"204-04"`}, {Name: "x", Value: `{"a":[1,"\u00e9"]}`}, {Name: "imei", Value: "1"}, {Name: "n", Value: "1.50"}}},
		Where: argus.Where{Record: 1, Length: items[0].Where.Length},
	}}
	if diff := cmp.Diff(want, items); diff != "" {
		t.Error(diff)
	}
}

func TestJSONLTimes(t *testing.T) {
	for _, test := range []struct {
		json string
		want argus.Time
	}{
		{`"2021-02-14T12:03:11Z"`, argus.Time{Micros: 1613304191000000, Precision: argus.Second}},
		{`"2021-02-14T12:03:11.123Z"`, argus.Time{Micros: 1613304191123000, Precision: argus.Milli}},
		{`"2021-02-14T12:03:11.123456Z"`, argus.Time{Micros: 1613304191123456, Precision: argus.Micro}},
		{`"2021-02-14T12:03:11.5Z"`, argus.Time{Micros: 1613304191500000, Precision: argus.Milli}},
		{`"2021-02-14T12:03:11.123456789Z"`, argus.Time{Micros: 1613304191123456, Raw: "2021-02-14T12:03:11.123456789Z", Precision: argus.Micro}},
		{`"2021-02-14T13:03:11+01:00"`, argus.Time{Micros: 1613304191000000, Raw: "2021-02-14T13:03:11+01:00", Precision: argus.Second}},
		{`"2021-02-14T12:03Z"`, argus.Time{Micros: 1613304180000000, Precision: argus.Minute}},
		{`"2021-02-14"`, argus.Time{Micros: 1613260800000000, Precision: argus.Day}},
		{`"2021-02-14T12:03:11\u005a"`, argus.Time{Micros: 1613304191000000, Precision: argus.Second}},
		{`{"utc":"2021-02-14T12:03:11Z","raw":"14.2.21 13:03","zone":"operator"}`, argus.Time{Micros: 1613304191000000, Raw: "14.2.21 13:03", Zone: argus.ZoneOperator, Precision: argus.Second}},
		{`{"zone":"assumed","raw":"yesterday","utc":"unknown"}`, argus.Time{Raw: "yesterday", Zone: argus.ZoneAssumed}},
	} {
		items := readText(t, JSONL, `{"service":"sky","from":"a","sent":`+test.json+"}", reader.Options{})
		if items[0].Message == nil {
			t.Errorf("%s: %s", test.json, items[0].Problem)
		} else if diff := cmp.Diff(test.want, items[0].Message.Sent); diff != "" {
			t.Errorf("%s: %s", test.json, diff)
		}
	}
}

// TestJSONLReadsEveryMessage writes any message and reads it back: the result is the message,
// with keys in the ids whose scope is smaller than the service.
func TestJSONLReadsEveryMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyMessage().Draw(t, "message")
		line, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		items := readText(t, JSONL, string(line)+"\n", reader.Options{})
		if len(items) != 1 || items[0].Problem != "" {
			t.Fatalf("%s: %+v", line, items)
		}
		var facts build.Export
		facts.Add(want)
		build.Keyed(want, "", facts.Key)
		if diff := cmp.Diff(want, items[0].Message); diff != "" {
			t.Fatalf("%s: %s", line, diff)
		}
	})
}

func anyMessage() *rapid.Generator[*argus.Message] {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\"\\/\n\t\x00<&>\u2028é𝄞\ufffd ")), 0, 12, -1)
	word := rapid.StringMatching(`[a-z0-9]{1,8}`)
	moment := rapid.Custom(func(t *rapid.T) argus.Time {
		precision := argus.Precision(rapid.IntRange(0, int(argus.Micro)).Draw(t, "precision"))
		m := argus.Time{Precision: precision, Raw: rapid.OneOf(rapid.Just(""), text).Draw(t, "raw")}
		m.Zone = argus.ZoneSource(rapid.IntRange(0, int(argus.ZoneAssumed)).Draw(t, "zone"))
		m.Clock = argus.Clock(rapid.IntRange(0, int(argus.ClockReceiver)).Draw(t, "clock"))
		unit := [...]int64{0, 86400e6, 60e6, 1e6, 1e3, 1}[precision]
		if unit != 0 {
			m.Micros = rapid.Int64Range(0, 7e15/unit).Draw(t, "moment") * unit
		}
		return m
	})
	attachment := rapid.Custom(func(t *rapid.T) argus.Attachment {
		a := argus.Attachment{Name: text.Draw(t, "name"), Type: text.Draw(t, "type"), Size: rapid.Int64Range(0, 1<<62).Draw(t, "size")}
		if rapid.Bool().Draw(t, "held") {
			copy(a.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		}
		return a
	})
	field := rapid.Custom(func(t *rapid.T) argus.Field {
		return argus.Field{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")}
	})
	return rapid.Custom(func(t *rapid.T) *argus.Message {
		m := &argus.Message{
			Service: word.Draw(t, "service"), Conversation: text.Draw(t, "conversation"), Title: text.Draw(t, "title"),
			From: word.Draw(t, "from"), FromName: text.Draw(t, "from name"), To: some(t, text, "to"),
			ServiceID: text.Draw(t, "id"), Sequence: rapid.Uint64().Draw(t, "seq"),
			Sent: moment.Draw(t, "sent"), Received: moment.Draw(t, "received"), Read: moment.Draw(t, "read"),
			Text: text.Draw(t, "text"), Lang: word.Draw(t, "lang"), ReplyTo: text.Draw(t, "reply"), ForwardedFrom: text.Draw(t, "forwarded"),
			Attachments: some(t, attachment, "attachments"), Extra: some(t, field, "extra"),
			State:  argus.State(rapid.IntRange(0, 1<<len(argus.StateWords)-1).Draw(t, "state")),
			Repeat: rapid.Uint32().Draw(t, "repeat"),
			Type:   argus.Type(rapid.IntRange(0, len(argus.TypeWords)-1).Draw(t, "type")), Edited: moment.Draw(t, "edited"),
			AccountReach:      argus.Reach(rapid.IntRange(0, int(argus.ReachFile)).Draw(t, "account reach")),
			ConversationReach: argus.Reach(rapid.IntRange(0, int(argus.ReachFile)).Draw(t, "conversation reach")),
		}
		if rapid.Bool().Draw(t, "facts") {
			m.Facts = anyFacts(t, m.Type, text, field)
		}
		if m.State&argus.StateLocked != 0 {
			m.Locked = &argus.Locked{KeyID: text.Draw(t, "key"), Algorithm: text.Draw(t, "algorithm"),
				Payload: rapid.SliceOfN(rapid.Byte(), 1, 9).Draw(t, "payload")}
		}
		return m
	})
}

// anyFacts draws facts that fit a type, or returns nil if there are none.
func anyFacts(t *rapid.T, kind argus.Type, text *rapid.Generator[string], field *rapid.Generator[argus.Field]) *argus.Facts {
	f := &argus.Facts{Replies: rapid.Uint64Range(0, 3).Draw(t, "replies")}
	one := func(name string) string { return text.Draw(t, name) }
	list := func(name string) []string { return some(t, text, name) }
	place := &argus.Location{Latitude: one("latitude"), Longitude: one("longitude"), Accuracy: one("accuracy"), Source: one("source"), Name: one("place")}
	card := &argus.Contact{Names: list("names"), Accounts: list("accounts")}
	switch kind {
	case argus.TypeText:
		if rapid.Bool().Draw(t, "card") {
			f.Contact = card
		}
		if rapid.Bool().Draw(t, "place") {
			f.Location = place
		}
	case argus.TypePoll:
		f.Poll = &argus.Poll{Question: one("question"), Options: list("options")}
	case argus.TypeCall:
		f.Call = &argus.Call{Direction: rapid.SampledFrom([]string{"", "in", "out"}).Draw(t, "direction"), Seconds: rapid.Uint64().Draw(t, "seconds"),
			Answered: rapid.SampledFrom([]string{"", "yes", "no"}).Draw(t, "answered"), Video: rapid.Bool().Draw(t, "video"), Participants: list("participants")}
	case argus.TypeContact:
		f.Contact = card
	case argus.TypeRoom:
		f.Room = &argus.Room{Name: one("room"), Topic: one("topic"), Members: list("members")}
	case argus.TypeMembership:
		f.Membership = &argus.Membership{Action: one("action"), Members: list("whom"), Name: one("new name")}
	case argus.TypeReaction:
		f.Reaction = &argus.Reaction{To: one("to"), Sign: one("sign"), Removed: rapid.Bool().Draw(t, "removed")}
	case argus.TypeLocation:
		f.Location = place
	case argus.TypeDevice:
		f.Device = &argus.Device{Name: one("device"), Model: one("model"), Identifiers: some(t, field, "identifiers")}
	case argus.TypeDraft, argus.TypeNotice, argus.TypeNote:
	}
	if *f == (argus.Facts{}) {
		return nil
	}
	return f
}

// some draws a list; an empty list is nil, as it is when read from JSON.
func some[T any](t *rapid.T, of *rapid.Generator[T], label string) []T {
	list := rapid.SliceOfN(of, 0, 3).Draw(t, label)
	if len(list) == 0 {
		return nil
	}
	return list
}

const benchLine = `{"service":"sky","conversation":"7B2FAA|Q3XK9A","from":"Q3XK9A","from_name":"de kapper","to":["7B2FAA"],"id":"a81f0c77d2","seq":8123771,"sent":"2021-02-14T12:03:11.123Z","received":"2021-02-14T12:03:12Z","text":"Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."}` + "\n"

func BenchmarkJSONL(b *testing.B) {
	readertest.Benchmark(b, JSONL, []byte(strings.Repeat(benchLine, 10_000)), 10_000)
}

func FuzzJSONL(f *testing.F) {
	f.Add([]byte(`{"service":"sky","from":"Q3XK9A","sent":"2021-02-14T12:03:11Z","text":"hello"}` + "\n\n{"))
	f.Add([]byte(`{"service":"sky","from":"a","state":["locked"],"locked":{"payload":"AA=="},"to":["b"],"x":{},"attachments":[{}]}`))
	f.Add(readertest.ReadFile(f, "../../testdata/jsonl/types.jsonl"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12})
		readertest.CheckCovers(t, in, readertest.Check(t, JSONL, in))
	})
}
