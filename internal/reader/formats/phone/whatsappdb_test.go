package phone

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestFactsOfWhatsAppEvents reads the events of a group, a card and a poll of the
// database.
func TestFactsOfWhatsAppEvents(t *testing.T) {
	cards := `CREATE TABLE messages (_id INTEGER PRIMARY KEY, key_remote_jid TEXT, key_from_me INTEGER, key_id TEXT, status INTEGER, data TEXT, timestamp INTEGER, media_wa_type TEXT, media_name TEXT, latitude REAL, longitude REAL);
	INSERT INTO messages VALUES (2,'316@s.whatsapp.net',0,'a',0,'BEGIN:VCARD' || char(10) || 'FN:Eva B' || char(10) || 'TEL:+31 6 00000008' || char(10) || 'END:VCARD',1600000000000,'4','Eva B',0,0),
	(3,'316@s.whatsapp.net',0,'b',0,NULL,1600000000000,'5','Quay 7' || char(10) || 'Dock road',51.9,4.5),(4,'316@s.whatsapp.net',0,'c',0,'no card',1600000000000,'4',NULL,0,0);`
	var said []string
	for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("f", DatabaseOf(t, cards), reader.Options{})) {
		if said = append(said, readertest.SayFacts(t, item.Message)); len(item.Message.Attachments) > 0 {
			t.Errorf("a card or a place is a file: %+v", item.Message)
		}
	}
	if diff := cmp.Diff([]string{
		`text {"contact":{"names":["Eva B"],"accounts":["+31600000008"]}} Eva B` + "\n+31 6 00000008",
		`text {"location":{"latitude":"51.9","longitude":"4.5","name":"Quay 7\nDock road"}} ` + "Quay 7\nDock road",
		`text  no card`,
	}, said); diff != "" {
		t.Error(diff)
	}
	old := `CREATE TABLE messages (_id INTEGER PRIMARY KEY, key_remote_jid TEXT, key_from_me INTEGER, key_id TEXT, status INTEGER, data TEXT, timestamp INTEGER, media_size INTEGER, remote_resource TEXT);
	INSERT INTO messages VALUES (2,'1-1@g.us',1,'a',6,'Quay 7',1600000000000,11,'316@s.whatsapp.net'),(3,'1-1@g.us',1,'b',6,NULL,1600000000000,5,'317@s.whatsapp.net'),
	(4,'1-1@g.us',1,'c',6,'Quay 8',1600000000000,1,'316@s.whatsapp.net'),(5,'1-1@g.us',1,'d',6,NULL,1600000000000,19,NULL);`
	var got []string
	for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("f", DatabaseOf(t, old), reader.Options{})) {
		m := item.Message
		if m.From != "" || m.State&argus.StateSystem == 0 || len(m.Attachments) > 0 {
			t.Errorf("%+v", m)
		}
		got = append(got, strings.Join(m.To, ",")+" "+readertest.SayFacts(t, m))
	}
	want := []string{
		`+316 membership {"membership":{"action":"create","members":["+316"]}} system: create: Quay 7`,
		`+317 membership {"membership":{"action":"leave","members":["+317"]}} system: leave`,
		`+316 membership {"membership":{"action":"rename","name":"Quay 8"}} system: subject: Quay 8`,
		` notice  system: encrypted`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	now := `CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id INTEGER, from_me INTEGER, key_id TEXT, timestamp INTEGER, message_type INTEGER, text_data TEXT);
	CREATE TABLE jid (_id INTEGER PRIMARY KEY, raw_string TEXT); CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id INTEGER, subject TEXT);
	CREATE TABLE message_vcard (_id INTEGER PRIMARY KEY, message_row_id INTEGER, vcard TEXT);
	CREATE TABLE message_poll_option (_id INTEGER PRIMARY KEY, message_row_id INTEGER, option_name TEXT);
	INSERT INTO jid VALUES (1,'316@s.whatsapp.net'); INSERT INTO chat VALUES (1,1,NULL);
	INSERT INTO message VALUES (1,1,0,'a',1600000000000,4,'Eva B'),(2,1,0,'b',1600000000000,66,'When?');
	INSERT INTO message_vcard VALUES (1,1,'BEGIN:VCARD' || char(10) || 'FN:Eva B' || char(10) || 'TEL:+31600000008' || char(10) || 'END:VCARD');
	INSERT INTO message_poll_option VALUES (1,2,'ten'),(2,2,'eleven');`
	got = nil
	for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("f", DatabaseOf(t, now), reader.Options{})) {
		got = append(got, readertest.SayFacts(t, item.Message))
	}
	want = []string{
		`text {"contact":{"names":["Eva B"],"accounts":["+31600000008"]}} Eva B` + "\n+31600000008",
		"poll {\"poll\":{\"question\":\"When?\",\"options\":[\"ten\",\"eleven\"]}} When?\n- ten\n- eleven",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
