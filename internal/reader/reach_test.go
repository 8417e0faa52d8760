package reader

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// saying returns the message of a file with a text.
func saying(t testing.TB, f *Format, in Input, text string) *argus.Message {
	t.Helper()
	for _, item := range checkReader(t, f, in) {
		if item.Message != nil && item.Message.Text == text {
			return item.Message
		}
	}
	t.Fatalf("nobody says %q in %s", text, in.Name)
	return nil
}

// TestRocketchatServers reads rooms that every server has: those of two servers are
// two, those of one server one, in each of its files, and the ids that servers draw
// have no key.
func TestRocketchatServers(t *testing.T) {
	message := func(text, room, user string) string {
		return fmt.Sprintf(`{"_id":"k3JdHq7sXw2aQb9Z%d","rid":%q,"msg":%q,"ts":"2020-09-01T10:00:00Z","u":{"_id":%q,"username":"n"}}`, len(text), room, text, user)
	}
	const a, b, c = "u1aaaaaaaaaaaaaaa", "u2bbbbbbbbbbbbbbb", "u3ccccccccccccccc"
	read := func(records ...string) *argus.Message {
		return saying(t, rocketchatFormat, input("GENERAL.json", []byte(`{"messages":[`+strings.Join(records, ",")+`]}`), Options{}), "x")
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
	in := input("GENERAL.json", []byte(`{"messages":[`+message("x", "GENERAL", c)+`]}`), Options{})
	in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		users := fmt.Sprintf(`{"users":[{"_id":%q,"username":"a","active":true},{"_id":"rocket.cat","username":"rocket.cat","active":true}]}`, a)
		return strings.NewReader(users), int64(len(users)), name == "users.json"
	}
	if beside := saying(t, rocketchatFormat, in, "x"); beside.Conversation != one.Conversation {
		t.Errorf("with the users of the server beside it: %s, want %s", beside.Conversation, one.Conversation)
	}
	drawn := read(message("x", "k3JdHq7sXw2aQb9Zt", "rocket.cat"), message("yy", "GENERAL", a))
	if drawn.Conversation != "k3JdHq7sXw2aQb9Zt" || drawn.ConversationReach != argus.ReachService ||
		drawn.From != argus.Within("rocket.cat", a) || drawn.AccountReach != argus.ReachServer {
		t.Errorf("%+v", drawn)
	}
}

// TestRSMFIds reads ids that count the people and conversations of a file: only an
// account or an address is one beyond it. Two files of the same people agree.
func TestRSMFIds(t *testing.T) {
	read := func(first, second string) *argus.Message {
		file := fmt.Sprintf(`{"version":"2.0.0","participants":[{"id":"1",%s},{"id":"2",%s}],"conversations":[{"id":"1","display":"x","platform":"whatsapp","participants":["1","2"]}],
			"events":[{"type":"message","id":"1","participant":"1","conversation":"1","body":"x","timestamp":"2021-02-14T11:03:11Z"}]}`, first, second)
		return saying(t, rsmfFormat, input("a/rsmf_manifest.json", []byte(file), Options{}), "x")
	}
	vera, ann := read(`"display":"Vera"`, `"display":"Rik"`), read(`"display":"Ann"`, `"display":"Bo"`)
	if vera.From == ann.From || vera.Conversation == ann.Conversation || vera.AccountReach != argus.ReachFile || vera.ConversationReach != argus.ReachFile || vera.FromName != "Vera" {
		t.Errorf("%+v\n%+v", vera, ann)
	}
	again := read(`"display":"Vera"`, `"display":"Rik"`)
	if diff := cmp.Diff(vera, again); diff != "" {
		t.Error(diff)
	}
	if known := read(`"account_id":"+31600000001"`, `"email":"rik@x.test"`); known.From != "+31600000001" || known.AccountReach != argus.ReachService || known.To[0] != "rik@x.test" {
		t.Errorf("%+v", known)
	}
}

// TestFacebookClosedAccounts reads threads with accounts that were closed, which all
// have one name: they are other people in other threads. Open ones meet by name.
func TestFacebookClosedAccounts(t *testing.T) {
	read := func(name, path, exporter string) *argus.Message {
		file := fmt.Sprintf(`{"participants":[{"name":%q},{"name":%q}],"messages":[{"sender_name":%q,"timestamp_ms":1600000000000,"content":"x"}],"title":%q,"thread_path":"inbox/%s"}`, name, exporter, name, name, path)
		return saying(t, facebookFormat, input("f.json", []byte(file), Options{}), "x")
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

// TestReachOfNames reads what names conversations and accounts in texts.
func TestReachOfNames(t *testing.T) {
	for _, c := range []struct {
		format       *Format
		name, file   string
		conversation string
		of, in       argus.Reach
	}{
		{ircFormat, "log/libera/#quay/2019-09-30.log", "[23:59:01] <vera> x", "#quay", argus.ReachServer, argus.ReachServer},
		{ircFormat, "log/libera/rik/2019-09-30.log", "[23:59:01] <vera> x", "rik", argus.ReachServer, argus.ReachExport},
		{ircFormat, "logs/2004/12/25.log", "2004-12-25 23:59:01\tvera\tx", "25", argus.ReachServer, argus.ReachExport},
		{ircFormat, "2004-12-25.log", "[23:59:01] <vera> x", logConversation("[23:59:01] <vera> x"), argus.ReachServer, argus.ReachFile},
		{whatsappFormat, "WhatsApp Chat with Quay.txt", "14/02/2021, 12:03 - Vera: x", "Quay", argus.ReachExport, argus.ReachExport},
		{whatsappFormat, "WhatsApp Chat with Quay.txt", "14/02/2021, 12:03 - +31 6 00000001: x", "Quay", argus.ReachService, argus.ReachExport},
		{textdumpFormat, "mole.txt", "[22.11.21 11:08:01] mole_77:\tx", logConversation("22.11.21 11:08:01 mole_77 x"), argus.ReachExport, argus.ReachFile},
		{textdumpFormat, "mole.txt", "2020-07-22T12:33:03 a@x.test -> b@x.test\nx", "a@x.test|b@x.test", argus.ReachService, argus.ReachService},
		{textdumpFormat, "mole.txt", "[2020-07-22 12:33:03] @a:x.test: x", logConversation("2020-07-22 12:33:03 @a:x.test x"), argus.ReachService, argus.ReachFile},
		{telegramFormat, "result.json", `{"name":"V","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"V","from_id":"user1","text":"x"}]}`, "user1", argus.ReachService, argus.ReachExport},
		{telegramFormat, "result.json", `{"name":"V","type":"private_supergroup","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"V","text":"x"}]}`, "channel1", argus.ReachExport, argus.ReachService},
		{smsbackupFormat, "sms.xml", `<smses backup_set="7"><sms address="+31600000001" date="1613300000000" type="1" body="x"/></smses>`, "+31600000001|owner of 7", argus.ReachExport, argus.ReachExport},
	} {
		m := saying(t, c.format, input(c.name, []byte(c.file), Options{}), "x")
		if m.Conversation != c.conversation || m.AccountReach != c.of || m.ConversationReach != c.in {
			t.Errorf("%s: %q, reaches %s and %s, want %q, %s and %s", c.name, m.Conversation, m.AccountReach, m.ConversationReach, c.conversation, c.of, c.in)
		}
	}
}

// TestTelegramIdsOfBefore reads accounts as exports wrote them before 2021.
func TestTelegramIdsOfBefore(t *testing.T) {
	for id, want := range map[string]string{
		"101": "user101", "user101": "user101", "4294967303": "chat7", "8589934600": "channel8", "": "", "64424509440": "64424509440", "Vera": "Vera",
	} {
		if got := telegramAccount(id); got != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	old := `{"name":"Vera","type":"personal_chat","id":101,"messages":[{"id":1,"type":"message","date":"2019-07-05T16:55:32","from":"Vera","from_id":101,"text":"x"}]}`
	m := saying(t, telegramFormat, input("result.json", []byte(old), Options{}), "x")
	if m.From != "user101" || m.Conversation != "user101" || len(m.To) > 0 || !strings.Contains(fmt.Sprint(m.Extra), "{from_id 101}") {
		t.Errorf("%+v", m)
	}
}

// TestLocalIDs reads exports whose ids other exports have, too: those of one export meet,
// whatever the file is called, and those of two stay apart.
func TestLocalIDs(t *testing.T) {
	const line = `{"service":"shed","conversation":"general","from":"1","to":["2"],"sent":"2021-02-14T12:00:00Z","text":"x","account_reach":"export","conversation_reach":"server"%s}` + "\n"
	const record = `{"from":"1","to":"2","chat":"general","time":"2021-02-14T12:00:00Z","text":"x"%s}`
	for _, c := range []struct {
		format *Format
		// export makes a file in which somebody says x: with members of that record, and
		// other senders behind it.
		export func(member string, more ...string) string
		own    string
	}{
		{jsonlFormat, func(member string, more ...string) string {
			var s strings.Builder
			fmt.Fprintf(&s, line, member)
			for _, from := range more {
				s.WriteString(`{"service":"shed","conversation":"general","from":"` + from + `","from_name":"n` + from + `","text":"y","account_reach":"export","conversation_reach":"server"}` + "\n")
			}
			return s.String()
		}, "within"},
		{jsonrecordsFormat, func(member string, more ...string) string {
			var s strings.Builder
			fmt.Fprintf(&s, record, member)
			for _, from := range more {
				s.WriteString(`,{"from":"` + from + `","from_name":"n` + from + `","chat":"general","time":"2021-02-14T12:01:00Z","text":"y"}`)
			}
			return `{"messages":[` + s.String() + `]}`
		}, "server_id"},
	} {
		read := func(name, file string) *argus.Message {
			return saying(t, c.format, input(name, []byte(file), Options{}), "x")
		}
		own := func(id string) string { return fmt.Sprintf(`,"%s":"%s"`, c.own, id) }
		one := read("general.json", c.export("", "3", "4"))
		if key := one.From[1:]; len(key) != 13 || key[0] != '@' || one.To[0] != "2"+key || one.Conversation != "general"+key || one.AccountReach != argus.ReachExport {
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
			meet := pair.first.From == pair.next.From && pair.first.Conversation == pair.next.Conversation
			apart := pair.first.From != pair.next.From && pair.first.Conversation != pair.next.Conversation
			if pair.meet && !meet || !pair.meet && !apart {
				t.Errorf("%s: %s: %s in %s, %s in %s", c.format.Name, pair.about, pair.first.From, pair.first.Conversation, pair.next.From, pair.next.Conversation)
			}
		}
	}
	behind := func(id string) *argus.Message {
		return saying(t, jsonrecordsFormat, input("f", []byte(`{"messages":[`+fmt.Sprintf(record, "")+`],"info":{"exportId":"`+id+`"}}`), Options{}), "x")
	}
	if behind("a").From == behind("b").From {
		t.Error("an export's id behind its records does not count")
	}
}

// TestWorldwideIDs reads ids that need no key, alone and beside one that does.
func TestWorldwideIDs(t *testing.T) {
	read := func(from, to string) *argus.Message {
		return saying(t, jsonrecordsFormat, input("f", []byte(`[{"from":"`+from+`","to":"`+to+`","time":"2021-02-14T12:00:00Z","text":"x"}]`), Options{}), "x")
	}
	for _, to := range []string{"+31600000001", "vera@x.test", "8e1f1b9c-0c57-4c5e-9d2b-5a9f3e3a7c11", "2@0123456789ab"} {
		m := read("rik@x.test", to)
		if m.AccountReach != argus.ReachService || m.ConversationReach != argus.ReachService || m.To[0] != to || m.Conversation != argus.DirectConversation("rik@x.test", to) {
			t.Errorf("%+v", m)
		}
	}
	m := read("rik@x.test", "10")
	if !strings.HasPrefix(m.To[0], "10@") || m.From != "rik@x.test" || m.Conversation != argus.DirectConversation(m.From, m.To[0]) || m.AccountReach != argus.ReachExport {
		t.Errorf("%+v", m)
	}
	if m = read("1", "10"); m.Conversation != argus.DirectConversation(m.From, m.To[0]) {
		t.Errorf("%+v", m)
	}
}

// TestKeyOfManyParticipants computes the key of an export with more participants than
// count: it does not depend on their order.
func TestKeyOfManyParticipants(t *testing.T) {
	var up, down exportFacts
	const n = 3 * exportParticipants
	for i := range n {
		up.participant(fmt.Sprint(i), "n")
		down.participant(fmt.Sprint(n-1-i), "n")
	}
	if len(up.participants) != exportParticipants || up.key() != down.key() {
		t.Errorf("%d participants, %s and %s", len(up.participants), up.key(), down.key())
	}
}
