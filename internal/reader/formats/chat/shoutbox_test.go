package chat

import (
	"cmp"
	"context"
	"iter"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// Shoutbox reads the wall of an invented program, Shoutbox 3: a room with
// its posts, oldest first.
//
//   - Conversation: the room's name. From: the account's number.
//   - A post with kind is the service's; its word is kind.
//   - Clocks name no zone.
var Shoutbox = &reader.Format{
	Name:    "shoutbox",
	Version: 1,
	About:   "Shoutbox rooms as JSON (wall.json)",
	Checked: "invented examples only",
	Kept:    []string{"changed", "likes", "server"},
	Detect:  detectShoutbox,
	Read:    readShoutbox,
}

// detectShoutbox wants a post in a list of posts.
func detectShoutbox(s reader.Sample) int {
	return jsondoc.SureOfRecord(s, `"posts"`, 90, beginsShoutbox)
}

// beginsShoutbox knows a post by two members that nothing inside one has.
func beginsShoutbox(b []byte) bool { return jsondoc.HasKeys(b, "no", "by") }

// readShoutbox reads one room.
func readShoutbox(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	room := ""
	d := jsondoc.New(in, jsondoc.Shape{
		Lists:  func(key string) bool { return key == "posts" },
		Begins: beginsShoutbox,
		Take: func(name, text string) bool {
			if name == "room" {
				room = argus.CleanName(text)
			}
			return name == "room"
		},
	})
	return d.Items(ctx, func(raw string) (*argus.Message, error) {
		kind, said := "", ""
		m, err := d.Begin(cmp.Or(in.Service, "shoutbox"), raw, func(m *argus.Message, key, raw string) (err error) {
			switch key {
			case "no":
				m.ServiceID, err = jsondoc.ScalarMember(raw)
			case "at":
				m.Sent, err = jsondoc.ISOMember(raw, in.Options)
			case "by":
				m.From, err = jsondoc.ScalarMember(raw)
			case "name":
				m.FromName, err = jsondoc.TextMember(m, key, raw)
			case "says":
				said, err = jsondoc.TextOf(m, key, raw)
			case "answers":
				m.ReplyTo, err = jsondoc.ScalarMember(raw)
			case "changed":
				m.State |= argus.StateEdited
				jsondoc.AddExtra(m, key, raw)
			case "kind":
				kind, err = jsondoc.String(raw)
			default:
				jsondoc.KeepMember(m, key, raw)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if m.Text = said; kind != "" {
			build.Notice(m, kind, said)
		}
		m.Conversation = room
		return m, build.Valid(m)
	})
}

func TestShoutbox(t *testing.T) {
	wall := `{"server":"wall.test","room":"harbour","posts":[
 {"no":1,"at":"2021-02-14 12:03:11","by":7,"name":"Anna","says":"ten o'clock","likes":[8]},
 {"no":2,"at":"2021-02-14 12:03:
 {"no":3,"at":"2021-02-14 12:05:00","by":8,"says":"ok","answers":1},
 {"no":4,"at":"2021-02-14 12:06:00","by":9,"kind":"joined"},
 {"no":5,"at":"noon","by":9,"says":"late"}
]}`
	sent := func(clock string) argus.Time {
		at, _ := dates.ISO("2021-02-14 "+clock, reader.Options{})
		return at
	}
	server := argus.Field{Name: "server", Value: "wall.test"}
	want := []*argus.Message{
		{Service: "shoutbox", Conversation: "harbour", From: "7", FromName: "Anna", ServiceID: "1", Sent: sent("12:03:11"), Text: "ten o'clock",
			Extra: []argus.Field{{Name: "likes", Value: "[8]"}, server}},
		nil,
		{Service: "shoutbox", Conversation: "harbour", From: "8", ServiceID: "3", Sent: sent("12:05:00"), Text: "ok", ReplyTo: "1", Extra: []argus.Field{server}},
		{Service: "shoutbox", Conversation: "harbour", From: "9", ServiceID: "4", Sent: sent("12:06:00"), Text: "joined", Type: argus.TypeNotice, State: argus.StateSystem,
			Extra: []argus.Field{server}},
		nil,
	}
	var got []*argus.Message
	for _, item := range readertest.Check(t, Shoutbox, readertest.Input("wall.json", []byte(wall), reader.Options{})) {
		got = append(got, item.Message) // nil where there is a problem
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if sure := detectShoutbox(reader.Sample{Text: []byte(wall)}); sure != 90 {
		t.Errorf("sure: %d", sure)
	}
}
