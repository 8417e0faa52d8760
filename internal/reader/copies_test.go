package reader

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// TestWhatsAppSchemasMeet reads a database that WhatsApp was moving from one schema
// to the other: what both have is one message, and nothing is lost.
func TestWhatsAppSchemasMeet(t *testing.T) {
	script := `CREATE TABLE messages (_id INTEGER PRIMARY KEY AUTOINCREMENT, key_remote_jid TEXT, key_from_me INTEGER, key_id TEXT, data TEXT, timestamp INTEGER, received_timestamp INTEGER, media_name TEXT);
	CREATE TABLE message (_id INTEGER PRIMARY KEY AUTOINCREMENT, chat_row_id INTEGER, from_me INTEGER, key_id TEXT, timestamp INTEGER, received_timestamp INTEGER, message_type INTEGER, text_data TEXT);
	CREATE TABLE jid (_id INTEGER PRIMARY KEY, raw_string TEXT); CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id INTEGER, subject TEXT);
	CREATE TABLE call_log (_id INTEGER PRIMARY KEY, jid_row_id INTEGER, from_me INTEGER, call_id TEXT, timestamp INTEGER, duration INTEGER);
	INSERT INTO jid VALUES (1,'31600000022@s.whatsapp.net'); INSERT INTO chat VALUES (1,1,NULL);
	INSERT INTO messages VALUES (1,'-1',0,'-1',NULL,0,0,NULL),(2,'31600000022@s.whatsapp.net',0,'8B11C2D3E4F5A6B1','old',1638352800000,1638352801000,NULL),
	(3,'31600000022@s.whatsapp.net',0,'8B11C2D3E4F5A6B2','both',1638352860000,1638352861000,NULL);
	INSERT INTO message VALUES (1,-1,0,'-1',0,0,0,NULL),(3,1,0,'8B11C2D3E4F5A6B2',1638352860000,1638352861000,0,'both'),(4,1,0,'8B11C2D3E4F5A6B3',1638352920000,1638352921000,0,'new');
	INSERT INTO call_log VALUES (1,1,0,'call:1',1638352920000,5);`
	texts, stated, found := map[argus.ID]map[argus.Version][]string{}, []string{}, uint64(0)
	for _, item := range checkReader(t, whatsappdbFormat, input("msgstore.db", databaseOf(t, script), Options{})) {
		if s := item.Stated; s != nil {
			stated = append(stated, fmt.Sprintf("%s: %d of %d", s.What, found-s.Besides, s.Count))
			continue
		}
		found++
		if item.Message == nil {
			t.Fatal(item.Problem)
		}
		id, version := item.Message.Identity()
		if texts[id] == nil {
			texts[id] = map[argus.Version][]string{}
		}
		texts[id][version] = append(texts[id][version], item.Message.Text)
	}
	if len(texts) != 4 || found != 5 { // with the call
		t.Errorf("%d messages of %d copies: %v", len(texts), found, texts)
	}
	for id, versions := range texts {
		if len(versions) != 1 {
			t.Errorf("copies of %s differ: %v", id, versions)
		}
	}
	// Of message, two rows had the numbers 2 and 3 before the move, or have them no more.
	want := []string{"sqlite_sequence of message: 2 of 3", "sqlite_sequence of messages: 2 of 2"}
	if diff := cmp.Diff(want, stated); diff != "" {
		t.Error(diff)
	}
}

// TestParties reads who spoke to whom in rooms and beside them.
func TestParties(t *testing.T) {
	for _, c := range []struct {
		from, to string
		private  bool
		want     string
	}{
		{"a@x.test/pc", "b@x.test", false, "a@x.test > b@x.test in a@x.test|b@x.test"},
		{"r@muc.x.test/bo", "a@x.test/pc", false, "r@muc.x.test/bo > a@x.test in r@muc.x.test"},
		{"r@muc.x.test", "a@x.test", false, " > a@x.test in r@muc.x.test"},
		{"r@muc.x.test/bo", "r@muc.x.test", false, "r@muc.x.test/bo >  in r@muc.x.test"},
		{"a@x.test", "r@muc.x.test", false, "a@x.test >  in r@muc.x.test"},
		{"r@muc.x.test/bo", "", false, "r@muc.x.test/bo >  in r@muc.x.test"},
		{"r@muc.x.test/bo", "r@muc.x.test/Anna", false, "r@muc.x.test/bo > r@muc.x.test/Anna in r@muc.x.test/Anna|r@muc.x.test/bo"},
		{"r@muc.x.test/bo", "a@x.test/pc", true, "r@muc.x.test/bo > a@x.test in a@x.test|r@muc.x.test/bo"},
		{"a@x.test/pc", "r@muc.x.test/bo", true, "a@x.test > r@muc.x.test/bo in a@x.test|r@muc.x.test/bo"},
		{"r@muc.x.test", "a@x.test", true, " > a@x.test in r@muc.x.test"},
	} {
		m := &argus.Message{Service: "xmpp"}
		setParties(m, c.from, c.to, c.private)
		if got := m.From + " > " + strings.Join(m.To, ",") + " in " + m.Conversation; got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
		if err := m.Valid(); err != nil {
			t.Error(err)
		}
	}
}

// TestGroupsOfTwo reads groups in which two are left: they are no talk of the two.
func TestGroupsOfTwo(t *testing.T) {
	party := func(number string) string {
		return `<model type="Party"><field name="Identifier"><value>` + number + `</value></field></model>`
	}
	ufdr := func(about string) string {
		return `<project xmlns="http://pa.cellebrite.com/report/2.0"><model type="Chat">` + about + `<multiModelField name="Participants">` + party("+311") + party("+312") +
			`</multiModelField><multiModelField name="Messages"><model type="InstantMessage"><modelField name="From">` + party("+311") +
			`</modelField><field name="Body"><value>x</value></field></model></multiModelField></model></project>`
	}
	facebook := `{"participants":[{"name":"A"},{"name":"B"}],"messages":[{"sender_name":"A","timestamp_ms":1600000000000,"content":"x"}],"title":"T","thread_path":"inbox/t_1"%s}`
	for name, c := range map[string]struct {
		format *Format
		file   string
		want   string
	}{
		"UFDR, two":              {ufdrFormat, ufdr(`<field name="Id"><value>1</value></field>`), "+311|+312"},
		"UFDR, an id":            {ufdrFormat, ufdr(`<field name="Id"><value>1-1@g.us</value></field>`), "1-1@g.us"},
		"UFDR, a kind":           {ufdrFormat, ufdr(`<field name="Id"><value>1</value></field><field name="ChatType"><value>Group</value></field>`), "1"},
		"UFDR, nothing else":     {ufdrFormat, ufdr(`<field name="ChatType"><value>Group</value></field>`), "+311|+312"},
		"Facebook, two":          {facebookFormat, fmt.Sprintf(facebook, ""), "A|B"},
		"Facebook, a kind":       {facebookFormat, fmt.Sprintf(facebook, `,"thread_type":"RegularGroup"`), "t_1"},
		"Facebook, who may join": {facebookFormat, fmt.Sprintf(facebook, `,"joinable_mode":{"mode":1,"link":""}`), "t_1"},
	} {
		for _, item := range checkReader(t, c.format, input("f", []byte(c.file), Options{})) {
			if m := item.Message; m == nil || m.Type == argus.TypeText && m.Conversation != c.want {
				t.Errorf("%s: %+v", name, item)
			}
		}
	}
}
