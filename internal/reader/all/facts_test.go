package all

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// factsOfRecords are records in various formats, each with its type, facts and text.
var factsOfRecords = []struct {
	format             *reader.Format
	name, record, want string
}{
	{chat.Telegram, "card", `"type":"message","from":"A","from_id":"user1","text":"","contact_information":{"first_name":"Eva","last_name":"B","phone_number":"+31600000008"}`,
		`text {"contact":{"names":["Eva B"],"accounts":["+31600000008"]}} Eva B` + "\n+31600000008"},
	{chat.Telegram, "place", `"type":"message","from":"A","from_id":"user1","text":"here","place_name":"Quay","address":"4","location_information":{"latitude":51.9,"longitude":4.5}`,
		`text {"location":{"latitude":"51.9","longitude":"4.5","name":"Quay 4"}} here` + "\nQuay 4"},
	{chat.Telegram, "gift", `"type":"service","actor":"A","actor_id":"user1","action":"send_star_gift","text":"good luck","text":""`,
		`notice  send_star_gift; good luck`},
	{chat.Telegram, "gift written the other way round", `"type":"service","actor":"A","actor_id":"user1","action":"send_star_gift","text":"","text":"good luck"`,
		`notice  send_star_gift; good luck`},
	{chat.Telegram, "buttons", `"type":"message","from":"A","from_id":"user1","text":"press","inline_bot_buttons":[[{"type":"url","text":"List","data":"https://x.example"},{"type":"callback","text":"No","data":"bm8="}]]`,
		"text  press\nList\nhttps://x.example\nNo"},
	{chat.Telegram, "links", `"type":"message","from":"A","from_id":"user1","text":["see ",{"type":"text_link","text":"this","href":"https://x.example"},{"type":"mention_name","text":"Bo","user_id":7}],"text_entities":[{"type":"text_link","text":"this","href":"https://x.example"}]`,
		"text  see thisBo\nhttps://x.example\nuser7"},
	{chat.Telegram, "game", `"type":"message","from":"A","from_id":"user1","text":"","game_title":"Boats","game_description":"sink them","invoice_information":{"title":"Rope","description":"ten metres","amount":1}`,
		"text  Boats\nsink them\nRope\nten metres"},
	{chat.Telegram, "poll", `"type":"message","from":"A","from_id":"user1","text":"","poll":{"question":"When?","closed":false,"total_voters":1,"answers":[{"text":"ten","voters":1,"chosen":true},{"text":"eleven","voters":0}]}`,
		"poll {\"poll\":{\"question\":\"When?\",\"options\":[\"ten\",\"eleven\"]}} When?\n- ten\n- eleven"},
	{chat.Telegram, "list", `"type":"message","from":"A","from_id":"user1","text":"","todo_list":{"title":"Cargo","answers":[{"text":"count","id":1},{"text":{"text":"load"},"id":2}]}`,
		"text  Cargo\n- count\n- load"},
	{chat.Telegram, "call", `"type":"service","actor":"A","actor_id":"user1","action":"phone_call","duration_seconds":12,"discard_reason":"hangup","text":""`,
		`call {"call":{"seconds":12,"answered":"yes"}} phone_call; duration_seconds: 12; discard_reason: hangup`},
	{chat.Telegram, "call that nobody took", `"type":"service","actor":"A","actor_id":"user1","action":"phone_call","discard_reason":"missed","text":""`,
		`call {"call":{"answered":"no"}} phone_call; discard_reason: missed`},
	{chat.Telegram, "added", `"type":"service","actor":"A","actor_id":"user1","action":"invite_members","members":["B",null,"C"],"text":""`,
		`membership {"membership":{"action":"add","members":["B","C"]}} invite_members; members: ["B",null,"C"]`},
	{chat.Telegram, "left", `"type":"service","actor":"A","actor_id":"user1","action":"remove_members","members":["A"],"text":""`,
		`membership {"membership":{"action":"leave"}} remove_members; members: ["A"]`},
	{chat.Telegram, "renamed", `"type":"service","actor":"A","actor_id":"user1","action":"edit_group_title","title":"Quay 8","text":""`,
		`membership {"membership":{"action":"rename","name":"Quay 8"}} edit_group_title; title: Quay 8`},
	{chat.Telegram, "pinned", `"type":"service","actor":"A","actor_id":"user1","action":"pin_message","message_id":3,"text":""`,
		`notice  pin_message; message_id: 3`},

	{chat.Facebook, "left", `"sender_name":"A","timestamp_ms":1600000000000,"content":"A left","type":"Unsubscribe","users":[{"name":"A"}]`,
		`membership {"membership":{"action":"leave"}} Unsubscribe: A left`},
	{chat.Facebook, "removed", `"sender_name":"A","timestamp_ms":1600000000000,"content":"A removed B","type":"Unsubscribe","users":[{"name":"B"}]`,
		`membership {"membership":{"action":"remove","members":["B"]}} Unsubscribe: A removed B`},
	{chat.Facebook, "missed", `"sender_name":"A","timestamp_ms":1600000000000,"content":"A called","type":"Call","call_duration":0,"missed":true`,
		`call {"call":{"answered":"no"}} Call: A called`},
	{chat.Facebook, "place", `"sender_name":"A","timestamp_ms":1600000000000,"type":"Share","share":{"link":"x","name":"Quay","coordinate":{"latitude":51.9,"longitude":4.5}}`,
		`text {"location":{"latitude":"51.9","longitude":"4.5","name":"Quay"}} Quay` + "\nx"},
	{chat.Facebook, "link", `"sender_name":"A","timestamp_ms":1600000000000,"content":"see https://x.example/a","share":{"link":"https://x.example/a","share_text":"the plan"}`,
		"text  see https://x.example/a\nthe plan"},

	{chat.Slack, "huddle", `"type":"message","subtype":"huddle_thread","user":"U1","ts":"1613304200.000000","text":"","room":{"date_start":1613304200,"date_end":1613304261,"participant_history":["U1","U2"]}`,
		`call {"call":{"seconds":61,"participants":["U1","U2"]}} huddle_thread`},
	{chat.Slack, "renamed", `"type":"message","subtype":"channel_name","user":"U1","ts":"1613304200.000000","text":"renamed","old_name":"a","name":"quay"`,
		`membership {"membership":{"action":"rename","name":"quay"}} channel_name: renamed`},
	{chat.Slack, "topic", `"type":"message","subtype":"channel_topic","user":"U1","ts":"1613304200.000000","text":"set the topic","topic":"ropes &amp; cranes"`,
		`room {"room":{"topic":"ropes \u0026 cranes"}} channel_topic: set the topic`},
	{chat.Slack, "topic taken away", `"type":"message","subtype":"channel_topic","user":"U1","ts":"1613304200.000000","text":"cleared","topic":""`,
		`notice  channel_topic: cleared`},
	{chat.Slack, "left", `"type":"message","subtype":"channel_leave","user":"U1","ts":"1613304200.000000","text":"left"`,
		`membership {"membership":{"action":"leave"}} channel_leave: left`},
	{chat.Slack, "answers", `"type":"message","user":"U1","ts":"1613304200.000000","text":"x","reply_count":3`, `text {"replies":3} x`},

	{chat.Discord, "call", `"id":"1","type":"Call","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"callEndedTimestamp":"2021-02-14T12:01:01Z","isPinned":false,"content":"Started a call.","author":{"id":"7"}`,
		`call {"call":{"seconds":61}} Call: Started a call.`},
	{chat.Discord, "removed", `"id":"1","type":"RecipientRemove","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"Removed x.","author":{"id":"7"},"mentions":[{"id":"8","name":"x"}]`,
		`membership {"membership":{"action":"remove","members":["8"]}} RecipientRemove: Removed x.`},
	{chat.Discord, "left", `"id":"1","type":"2","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"Left the group.","author":{"id":"7"},"mentions":[{"id":"7","name":"x"}]`,
		`membership {"membership":{"action":"leave"}} 2: Left the group.`},
	{chat.Discord, "renamed", `"id":"1","type":"ChannelNameChange","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"Changed the channel name: quay","author":{"id":"7"}`,
		`membership {"membership":{"action":"rename","name":"quay"}} ChannelNameChange: Changed the channel name: quay`},

	{chat.Matrix, "poll", `"type":"m.poll.start","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"m.poll":{"question":{"m.text":[{"body":"When?"}]},"answers":[{"m.id":"1","m.text":[{"body":"ten"}]}]}}`,
		"poll {\"poll\":{\"question\":\"When?\",\"options\":[\"ten\"]}} When?\n- ten"},
	{chat.Matrix, "poll of before", `"type":"org.matrix.msc3381.poll.start","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"org.matrix.msc3381.poll.start":{"question":{"org.matrix.msc1767.text":"When?"},"answers":[{"id":"1","org.matrix.msc1767.text":"ten"}]}}`,
		"poll {\"poll\":{\"question\":\"When?\",\"options\":[\"ten\"]}} When?\n- ten"},
	{chat.Matrix, "place", `"type":"m.room.message","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"msgtype":"m.location","body":"at the quay","geo_uri":"geo:51.9,4.5;u=35"}`,
		`text {"location":{"latitude":"51.9","longitude":"4.5","accuracy":"35"}} at the quay`},
	{chat.Matrix, "call", `"type":"m.call.invite","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"call_id":"1","offer":{"type":"offer","sdp":"v=0 m=video 9"}}`,
		`call {"call":{"video":true}} m.call.invite: call_id: 1; offer: {"type":"offer","sdp":"v=0 m=video 9"}`},
	{chat.Matrix, "removed", `"type":"m.room.member","room_id":"!r","sender":"@a:x","state_key":"@b:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"membership":"leave"}`,
		`membership {"membership":{"action":"remove","members":["@b:x"]}} m.room.member: @b:x; membership: leave`},
	{chat.Matrix, "renamed", `"type":"m.room.name","room_id":"!r","sender":"@a:x","state_key":"","event_id":"$1","origin_server_ts":1613304200000,"content":{"name":"quay"}`,
		`membership {"membership":{"action":"rename","name":"quay"}} m.room.name: name: quay`},

	{chat.RocketChat, "promoted", `"_id":"1","rid":"r","t":"subscription-role-added","msg":"bo","role":"owner","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`,
		`membership {"membership":{"action":"promote","members":["bo"]}} subscription-role-added: bo`},
	{chat.RocketChat, "topic", `"_id":"1","rid":"r","t":"room_changed_topic","msg":"ropes","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`,
		`room {"room":{"topic":"ropes"}} room_changed_topic: ropes`},
	{chat.RocketChat, "call", `"_id":"1","rid":"r","t":"videoconf","msg":"","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`, `call {"call":{"video":true}} videoconf`},
	{chat.RocketChat, "place", `"_id":"1","rid":"r","msg":"","location":{"type":"Point","coordinates":[4.5,51.9]},"ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`,
		`text {"location":{"latitude":"51.9","longitude":"4.5"}} `},
	{chat.RocketChat, "answers", `"_id":"1","rid":"r","msg":"x","tcount":2,"ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`, `text {"replies":2} x`},

	{chat.RocketChat, "words of a program", `"_id":"1","rid":"r","msg":"build","attachments":[{"title":"Run 7","text":"it failed","fields":[{"title":"Step","value":"rope"}]},{"text":"quoted","message_link":"https://x.example/?msg=9"}],"ts":"2021-02-14T12:00:00Z","u":{"_id":"a"}`,
		"text  build\nRun 7\nit failed\nStep\nrope"},
	{chat.RocketChat, "no time", `"_id":"1","rid":"r","msg":"x","ts":0,"u":{"_id":"a"}`, "text  x"},
	{chat.Discord, "embed", `"id":"800000000000000000","type":"Default","timestamp":"2021-02-14T12:00:00Z","timestampEdited":null,"isPinned":false,"content":"see","embeds":[{"title":"The plan","url":"https://x.example","description":"for friday","fields":[{"name":"Who","value":"Bo"}]}],"author":{"id":"7"}`,
		"text  see\nThe plan\nhttps://x.example\nfor friday\nWho\nBo"},
	{chat.Slack, "words of a program", `"type":"message","user":"U1","ts":"1613304200.000000","text":"build","attachments":[{"title":"Run 7","text":"it failed"}]`, "text  build\nRun 7\nit failed"},
	{chat.Matrix, "link behind words", `"type":"m.room.message","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":1613304200000,"content":{"msgtype":"m.text","body":"read this","format":"org.matrix.custom.html","formatted_body":"read <a href=\"https://hidden.example/y\">this</a>"}`,
		"text  read this\nhttps://hidden.example/y"},
	{phone.Signal, "card", `"envelope":{"source":"+31","timestamp":1613304200000,"dataMessage":{"contacts":[{"name":{"given":"Eva","family":"B"},"phone":[{"value":"+31600000008"}]}]}},"account":"+32"`,
		`text {"contact":{"names":["Eva B"],"accounts":["+31600000008"]}} Eva B` + "\n+31600000008"},
	{phone.Signal, "reaction taken away", `"envelope":{"source":"+31","timestamp":1613304200000,"dataMessage":{"reaction":{"emoji":"x","targetSentTimestamp":1613304100000,"isRemove":true}}},"account":"+32"`,
		`reaction {"reaction":{"to":"1613304100000","sign":"x","removed":true}} reaction: x`},
	{phone.Signal, "hang-up", `"envelope":{"source":"+31","timestamp":1613304200000,"callMessage":{"hangupMessage":{"id":1}}},"account":"+32"`,
		`notice  callMessage: {"hangupMessage":{"id":1}}`},
}

// fileOfRecord returns a file in a format with one record.
func fileOfRecord(format *reader.Format, record string) []byte {
	around := map[*reader.Format][2]string{
		chat.Telegram: {`{"name":"A","type":"personal_chat","id":1,"messages":[{"id":1,"date":"2021-02-14T12:00:00",`, `}]}`},
		chat.Facebook: {`{"participants":[{"name":"A"},{"name":"B"}],"messages":[{`, `}],"title":"B"}`},
		chat.Slack:    {`[{`, `}]`}, chat.Discord: {`{"guild":{"id":"1"},"channel":{"id":"2"},"messages":[{`, `}]}`},
		chat.Matrix: {`{"chunk":[{`, `}]}`}, chat.RocketChat: {`{"messages":[{`, `}]}`}, phone.Signal: {`{`, `}`},
	}
	return []byte(around[format][0] + record + around[format][1])
}

// TestFacts reads one record of each kind and compares its type, facts and text.
func TestFacts(t *testing.T) {
	for _, r := range factsOfRecords {
		t.Run(r.format.Name+"/"+r.name, func(t *testing.T) {
			items := readertest.Check(t, r.format, readertest.Input("f", fileOfRecord(r.format, r.record), reader.Options{}))
			if len(items) != 1 || items[0].Message == nil {
				t.Fatalf("%+v", items)
			}
			if diff := cmp.Diff(r.want, readertest.SayFacts(t, items[0].Message)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestZeroIsNoTime reads records with 0 as their time: they have none, and the 0 is
// kept unchanged.
func TestZeroIsNoTime(t *testing.T) {
	for _, c := range []struct {
		format              *reader.Format
		record, name, value string
	}{
		{chat.Telegram, `"type":"message","date_unixtime":"0","from":"A","from_id":"user1","text":"x"`, "date_unixtime", "0"},
		{chat.Facebook, `"sender_name":"A","timestamp_ms":0,"content":"x"`, "timestamp_ms", "0"},
		{chat.Matrix, `"type":"m.room.message","room_id":"!r","sender":"@a:x","event_id":"$1","origin_server_ts":0,"content":{"msgtype":"m.text","body":"x"}`, "origin_server_ts", "0"},
		{phone.Signal, `"envelope":{"source":"+31","timestamp":0,"dataMessage":{"message":"x"}},"account":"+32"`, "timestamp", "0"},
	} {
		file := strings.Replace(string(fileOfRecord(c.format, c.record)), `"date":"2021-02-14T12:00:00"`, `"date":"1970-01-01T01:00:00"`, 1)
		m := readertest.Saying(t, c.format, readertest.Input("f", []byte(file), reader.Options{}), "x")
		if m.Sent.Known() || !slices.Contains(m.Extra, argus.Field{Name: c.name, Value: c.value}) {
			t.Errorf("%s: sent %s, %v", c.format, m.Sent, m.Extra)
		}
	}
}

// TestTelegramAnswerElsewhere reads answers to messages in another chat, whose numbers mean
// nothing in this one, and in this chat.
func TestTelegramAnswerElsewhere(t *testing.T) {
	for peer, want := range map[string]string{"channel777": "", "user1": "5"} {
		record := `"type":"message","from":"A","from_id":"user1","reply_to_message_id":5,"reply_to_peer_id":"` + peer + `","text":"x"`
		m := readertest.Saying(t, chat.Telegram, readertest.Input("f", fileOfRecord(chat.Telegram, record), reader.Options{}), "x")
		if m.ReplyTo != want || !slices.Contains(m.Extra, argus.Field{Name: "reply_to_peer_id", Value: peer}) ||
			slices.Contains(m.Extra, argus.Field{Name: "reply_to_message_id", Value: "5"}) != (want == "") {
			t.Errorf("%s: %q %v", peer, m.ReplyTo, m.Extra)
		}
	}
}
