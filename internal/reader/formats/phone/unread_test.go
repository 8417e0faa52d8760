package phone_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// unreadIn returns the problems in a database, and the fields of its messages that are
// marked as not understood.
func unreadIn(t *testing.T, format *reader.Format, script string) (problems string, fields []string) {
	t.Helper()
	for _, item := range readertest.ReadAll(t, format, readertest.Input("phone/db", phone.DatabaseOf(t, script), reader.Options{})) {
		problems += item.Problem + "\n"
		if item.Message == nil {
			continue
		}
		for _, x := range item.Message.Extra {
			if x.Name == argus.ExtraUnread {
				field, _, _ := strings.Cut(x.Value, ": ")
				fields = append(fields, field)
			}
		}
	}
	return problems, fields
}

// TestUnknownColumnsCount adds a column to each table of each example database: its values
// are marked in the messages that have them, or counted for the whole file.
func TestUnknownColumnsCount(t *testing.T) {
	tables := regexp.MustCompile(`CREATE TABLE (\w+)`)
	for _, format := range []*reader.Format{phone.WhatsAppDB, phone.WhatsAppIOS, phone.IMessage} {
		scripts, err := filepath.Glob(filepath.Join("..", "..", "testdata", format.Name, "*.sql"))
		if err != nil || len(scripts) == 0 {
			t.Fatalf("no scripts for %s: %v", format.Name, err)
		}
		for _, path := range scripts {
			script := string(readertest.ReadFile(t, path))
			for _, found := range tables.FindAllStringSubmatch(script, -1) {
				table := found[1]
				if slices.Contains([]string{"android_metadata", "Z_PRIMARYKEY"}, table) {
					continue // about the other tables
				}
				problems, fields := unreadIn(t, format, script+"; ALTER TABLE "+table+" ADD COLUMN zz_unknown TEXT; UPDATE "+table+" SET zz_unknown = 'zz value';")
				if !strings.Contains(problems, table+".zz_unknown") && !slices.ContainsFunc(fields, func(f string) bool { return strings.HasSuffix(f, "zz_unknown") }) {
					t.Errorf("%s: the column is not counted in table %s: %s %q", filepath.Base(path), table, problems, fields)
				}
			}
		}
	}
}

// TestRowsOfNothingCount deletes a message to which rows of other tables belong.
func TestRowsOfNothingCount(t *testing.T) {
	for _, c := range []struct {
		format                *reader.Format
		script, without, want string
	}{
		{phone.WhatsAppDB, "whatsapp-db/new.sql", "DELETE FROM message WHERE _id IN (SELECT message_row_id FROM message_media)", "in message_media"},
		{phone.WhatsAppIOS, "whatsapp-ios/chat.sql", "DELETE FROM ZWAMESSAGE WHERE Z_PK IN (SELECT ZMESSAGE FROM ZWAMEDIAITEM)", "in ZWAMEDIAITEM"},
		{phone.IMessage, "imessage/chat.sql", "DELETE FROM message WHERE ROWID IN (SELECT message_id FROM message_attachment_join)", "in message_attachment_join"},
	} {
		script := string(readertest.ReadFile(t, filepath.Join("..", "..", "testdata", filepath.FromSlash(c.script))))
		before, _ := unreadIn(t, c.format, script)
		after, _ := unreadIn(t, c.format, script+"; "+c.without)
		const words = "rows that belong to nothing in the database: "
		if strings.Contains(before, words) || !strings.Contains(after, words) || !strings.Contains(after, c.want) {
			t.Errorf("%s: %q, then %q", c.format.Name, before, after)
		}
	}
}

// TestUnreadableColumnsCount puts values that are neither times nor accounts into the
// columns for those.
func TestUnreadableColumnsCount(t *testing.T) {
	for _, c := range []struct {
		format                *reader.Format
		script, change, field string
	}{
		{phone.WhatsAppDB, "whatsapp-db/new.sql", "UPDATE message SET timestamp = 'noon'", "timestamp"},
		{phone.WhatsAppDB, "whatsapp-db/new.sql", "UPDATE message SET sender_jid_row_id = 9999", "sender_jid_row_id"},
		{phone.WhatsAppDB, "whatsapp-db/new.sql", "UPDATE message SET chat_row_id = 9999", "chat_row_id"},
		{phone.WhatsAppDB, "whatsapp-db/old.sql", "UPDATE messages SET timestamp = 'noon'", "timestamp"},
		{phone.WhatsAppIOS, "whatsapp-ios/chat.sql", "UPDATE ZWAMESSAGE SET ZMESSAGEDATE = 'noon'", "ZMESSAGEDATE"},
		{phone.WhatsAppIOS, "whatsapp-ios/chat.sql", "UPDATE ZWAMESSAGE SET ZCHATSESSION = 9999", "ZCHATSESSION"},
		{phone.IMessage, "imessage/chat.sql", "UPDATE message SET date = 'noon'", "date"},
		{phone.IMessage, "imessage/chat.sql", "UPDATE message SET handle_id = 9999", "handle_id"},
	} {
		script := string(readertest.ReadFile(t, filepath.Join("..", "..", "testdata", filepath.FromSlash(c.script))))
		if _, fields := unreadIn(t, c.format, script); slices.Contains(fields, c.field) {
			t.Errorf("%s: %s is marked already", c.format.Name, c.field)
		}
		if _, fields := unreadIn(t, c.format, script+"; "+c.change); !slices.Contains(fields, c.field) {
			t.Errorf("%s: %s is not marked after %s: %q", c.format.Name, c.field, c.change, fields)
		}
	}
}
