package phone

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestWhatsAppSchemasMeet reads a database that WhatsApp was migrating between schemas: rows
// in both are one message, and nothing is lost.
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
	for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("msgstore.db", DatabaseOf(t, script), reader.Options{})) {
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
	// Two rows of message had the numbers 2 and 3 before the move, or are gone.
	want := []string{"sqlite_sequence of message: 2 of 3", "sqlite_sequence of messages: 2 of 2"}
	if diff := cmp.Diff(want, stated); diff != "" {
		t.Error(diff)
	}
}
