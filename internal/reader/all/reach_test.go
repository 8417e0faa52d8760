package all

import (
	"fmt"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestReachOfNames checks the names of conversations and accounts in texts.
func TestReachOfNames(t *testing.T) {
	for _, c := range []struct {
		format       *reader.Format
		name, file   string
		conversation string
		of, in       argus.Reach
	}{
		{transcript.IRC, "log/libera/#quay/2019-09-30.log", "[23:59:01] <vera> x", "#quay", argus.ReachServer, argus.ReachServer},
		{transcript.IRC, "log/libera/rik/2019-09-30.log", "[23:59:01] <vera> x", "rik", argus.ReachServer, argus.ReachExport},
		{transcript.IRC, "logs/2004/12/25.log", "2004-12-25 23:59:01\tvera\tx", "25", argus.ReachServer, argus.ReachExport},
		{transcript.IRC, "2004-12-25.log", "[23:59:01] <vera> x", build.LogConversation("[23:59:01] <vera> x"), argus.ReachServer, argus.ReachFile},
		{transcript.WhatsApp, "WhatsApp Chat with Quay.txt", "14/02/2021, 12:03 - Vera: x", "Quay", argus.ReachExport, argus.ReachExport},
		{transcript.WhatsApp, "WhatsApp Chat with Quay.txt", "14/02/2021, 12:03 - +31 6 00000001: x", "Quay", argus.ReachService, argus.ReachExport},
		{transcript.Textdump, "mole.txt", "[22.11.21 11:08:01] mole_77:\tx", build.LogConversation("22.11.21 11:08:01 mole_77 x"), argus.ReachExport, argus.ReachFile},
		{transcript.Textdump, "mole.txt", "2020-07-22T12:33:03 a@x.test -> b@x.test\nx", "a@x.test|b@x.test", argus.ReachService, argus.ReachService},
		{transcript.Textdump, "mole.txt", "[2020-07-22 12:33:03] @a:x.test: x", build.LogConversation("2020-07-22 12:33:03 @a:x.test x"), argus.ReachService, argus.ReachFile},
		{chat.Telegram, "result.json", `{"name":"V","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"V","from_id":"user1","text":"x"}]}`, "user1", argus.ReachService, argus.ReachExport},
		{chat.Telegram, "result.json", `{"name":"V","type":"private_supergroup","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"V","text":"x"}]}`, "channel1", argus.ReachExport, argus.ReachService},
		{phone.SMSBackup, "sms.xml", `<smses backup_set="7"><sms address="+31600000001" date="1613300000000" type="1" body="x"/></smses>`, "+31600000001|owner of 7", argus.ReachExport, argus.ReachExport},
	} {
		m := readertest.Saying(t, c.format, readertest.Input(c.name, []byte(c.file), reader.Options{}), "x")
		if m.Conversation != c.conversation || m.AccountReach != c.of || m.ConversationReach != c.in {
			t.Errorf("%s: %q, reaches %s and %s, want %q, %s and %s", c.name, m.Conversation, m.AccountReach, m.ConversationReach, c.conversation, c.of, c.in)
		}
	}
}

// TestLocalIDs reads exports whose ids also occur in other exports: those of one export meet
// under any file name, and those of two stay apart.
func TestLocalIDs(t *testing.T) {
	const line = `{"service":"shed","conversation":"general","from":"1","to":["2"],"sent":"2021-02-14T12:00:00Z","text":"x","account_reach":"export","conversation_reach":"server"%s}` + "\n"
	const record = `{"from":"1","to":"2","chat":"general","time":"2021-02-14T12:00:00Z","text":"x"%s}`
	for _, c := range []struct {
		format *reader.Format
		// export makes a file in which somebody says x: with members of that record,
		// and other senders after it
		export func(member string, more ...string) string
		own    string
		// stated means that only an id stated by the export makes a key
		stated bool
	}{
		{report.JSONL, func(member string, more ...string) string {
			var s strings.Builder
			fmt.Fprintf(&s, line, member)
			for _, from := range more {
				s.WriteString(`{"service":"shed","conversation":"general","from":"` + from + `","from_name":"n` + from + `","text":"y","account_reach":"export","conversation_reach":"server"}` + "\n")
			}
			return s.String()
		}, "within", false},
		{table.JSON, func(member string, more ...string) string {
			var s strings.Builder
			fmt.Fprintf(&s, record, member)
			for _, from := range more {
				s.WriteString(`,{"from":"` + from + `","from_name":"n` + from + `","chat":"general","time":"2021-02-14T12:01:00Z","text":"y"}`)
			}
			return `{"messages":[` + s.String() + `]}`
		}, "server_id", true},
	} {
		read := func(name, file string) *argus.Message {
			return readertest.Saying(t, c.format, readertest.Input(name, []byte(file), reader.Options{}), "x")
		}
		own := func(id string) string { return fmt.Sprintf(`,"%s":"%s"`, c.own, id) }
		one := read("general.json", c.export("", "3", "4"))
		if c.stated {
			if one.From != "1" || one.To[0] != "2" || one.Conversation != "general" || one.AccountReach != argus.ReachExport {
				t.Errorf("%s: %+v", c.format.Name, one)
			}
		} else if key := one.From[1:]; len(key) != 13 || key[0] != '@' || one.To[0] != "2"+key || one.Conversation != "general"+key || one.AccountReach != argus.ReachExport {
			t.Errorf("%s: %+v", c.format.Name, one)
		}
		weak := read("f", c.export(""))
		for _, pair := range []struct {
			about       string
			first, next *argus.Message
			meet        bool
		}{
			{"another name of the file", one, read("1/other.json", c.export("", "3", "4")), true},
			{"another order", one, read("f", c.export("", "4", "3")), true},
			{"others take part", one, read("f", c.export("", "3", "5")), false},
			{"numbers alone, of one export", weak, read("g", c.export("")), true},
			{"numbers alone, of two exports", weak, read("f", strings.Replace(c.export(""), "12:00:00", "12:00:01", 1)), false},
			{"its own id, and more of it", read("f", c.export(own("a"), "3", "4")), read("f", c.export(own("a"))), true},
			{"another's own id", read("f", c.export(own("a"), "3", "4")), read("f", c.export(own("b"), "3", "4")), false},
		} {
			if c.stated && !strings.Contains(pair.about, "own id") {
				continue
			}
			meet := pair.first.From == pair.next.From && pair.first.Conversation == pair.next.Conversation
			apart := pair.first.From != pair.next.From && pair.first.Conversation != pair.next.Conversation
			if pair.meet && !meet || !pair.meet && !apart {
				t.Errorf("%s: %s: %s in %s, %s in %s", c.format.Name, pair.about, pair.first.From, pair.first.Conversation, pair.next.From, pair.next.Conversation)
			}
		}
	}
	behind := func(id string) *argus.Message {
		return readertest.Saying(t, table.JSON, readertest.Input("f", []byte(`{"messages":[`+fmt.Sprintf(record, "")+`],"info":{"exportId":"`+id+`"}}`), reader.Options{}), "x")
	}
	if behind("a").From == behind("b").From {
		t.Error("an export's id behind its records does not count")
	}
}

// TestWorldwideIDs reads ids that need no key, alone and beside one that does.
func TestWorldwideIDs(t *testing.T) {
	read := func(from, to string) *argus.Message {
		return readertest.Saying(t, table.JSON, readertest.Input("f", []byte(`[{"from":"`+from+`","to":"`+to+`","time":"2021-02-14T12:00:00Z","text":"x"}]`), reader.Options{}), "x")
	}
	for _, to := range []string{"+31600000001", "vera@x.test", "8e1f1b9c-0c57-4c5e-9d2b-5a9f3e3a7c11", "2@0123456789ab"} {
		m := read("rik@x.test", to)
		if m.AccountReach != argus.ReachService || m.ConversationReach != argus.ReachService || m.To[0] != to || m.Conversation != argus.DirectConversation("rik@x.test", to) {
			t.Errorf("%+v", m)
		}
	}
	m := read("rik@x.test", "10")
	if m.To[0] != "10" || m.From != "rik@x.test" || m.Conversation != argus.DirectConversation(m.From, m.To[0]) || m.AccountReach != argus.ReachExport {
		t.Errorf("%+v", m)
	}
	if m = read("1", "10"); m.Conversation != argus.DirectConversation(m.From, m.To[0]) {
		t.Errorf("%+v", m)
	}
}
