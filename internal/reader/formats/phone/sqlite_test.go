package phone

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// DatabaseOf makes a database from a script.
func DatabaseOf(t testing.TB, script string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(script)
	if closeErr := db.Close(); err != nil || closeErr != nil {
		t.Fatal(err, closeErr)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestDatabaseDamage reads damaged and hostile databases: each gives problems or messages, and
// reading ends.
func TestDatabaseDamage(t *testing.T) {
	good := DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql")))
	long := DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql"))+"; CREATE TABLE last (x); INSERT INTO last VALUES (zeroblob(100000))")
	cut := long[:len(long)-50_000]
	aside := DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql"))+"; CREATE TABLE message_aside (message_row_id INTEGER, x);"+
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO message_aside SELECT i, zeroblob(50) FROM n")
	zeroed := bytes.Clone(good)
	clear(zeroed[4096*4 : 4096*12])
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"cut off":  {good[:4096*6], "damaged"},
		"its end":  {cut, fmt.Sprintf("the database is cut off: it states %d bytes and has %d", len(long), len(cut))},
		"the rest": {cut, "ten o'clock"},
		"a part":   {aside[:len(aside)-100_000], "the table message_aside cannot be read, so messages lack its content"},
		"no part":  {aside[:len(aside)-100_000], "ten o'clock"},
		"zeroed":   {zeroed, "damaged"},
		"header":   {[]byte("SQLite format 3\x00CREATE TABLE jid"), "damaged"},
		"a view":   {DatabaseOf(t, `CREATE VIEW messages AS WITH RECURSIVE n(_id) AS (SELECT 1 UNION ALL SELECT _id+1 FROM n) SELECT _id FROM n; CREATE TABLE jid(_id)`), "want a table of messages"},
		"no table": {DatabaseOf(t, `CREATE TABLE jid(_id)`), "want a table of messages"},
		"a log":    {good, "-wal"},
		"in WAL":   {DatabaseOf(t, "PRAGMA journal_mode=WAL;"+string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql"))), "ten o'clock"},
		"too long": {DatabaseOf(t, `CREATE TABLE messages (_id INTEGER PRIMARY KEY, key_remote_jid TEXT, key_id TEXT, timestamp INTEGER, data TEXT); INSERT INTO messages VALUES (1, 'a', 'b', 1613300591123, zeroblob(2000000))`), "(2000000 bytes, not read)"},
	} {
		in := readertest.Input("db", c.content, reader.Options{MaxRecord: 1 << 20})
		in.Sibling = func(sibling string) (io.ReaderAt, int64, bool) { return nil, 1, name == "a log" && sibling == "db-wal" }
		var said strings.Builder
		for _, item := range readertest.Check(t, WhatsAppDB, in) {
			said.WriteString(item.Problem)
			if item.Message != nil {
				said.WriteString(item.Message.Text)
			}
		}
		if !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: %q, want %q", name, said.String(), c.want)
		}
	}
	// Damage to the tables next to the messages of Apple's database affects only those.
	apple := DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/imessage/chat.sql"))+"; WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i+1 FROM n WHERE i < 4000)"+
		" INSERT INTO message_attachment_join (message_id, attachment_id) SELECT i, i FROM n")
	whole, cutApple := 0, 0
	var problems strings.Builder
	for _, item := range readertest.Check(t, IMessage, readertest.Input("db", apple, reader.Options{})) {
		if item.Message != nil {
			whole++
		}
	}
	for _, item := range readertest.Check(t, IMessage, readertest.Input("db", apple[:len(apple)-8192], reader.Options{})) {
		if problems.WriteString(item.Problem); item.Message != nil {
			cutApple++
		}
	}
	if whole == 0 || cutApple != whole || !strings.Contains(problems.String(), "the table message_attachment_join cannot be read") {
		t.Errorf("%d of %d messages, %s", cutApple, whole, problems.String())
	}
	for _, fail := range []int64{1, 4096 * 3} {
		in := reader.Input{Name: "db", Size: int64(len(good)), File: readertest.Repeated{Piece: good, Size: int64(len(good)), Fail: fail}}
		failed := false
		for _, err := range WhatsAppDB.Read(t.Context(), in) {
			failed = failed || err != nil
		}
		if !failed {
			t.Errorf("a file that cannot be read behind byte %d is no error", fail)
		}
	}
}

// TestDatabaseMutations damages databases at random, which the fuzzer does too slowly: SQLite
// itself is instrumented too.
func TestDatabaseMutations(t *testing.T) {
	for _, c := range []struct {
		format *reader.Format
		script string
	}{{WhatsAppDB, "whatsapp-db/new.sql"}, {WhatsAppDB, "whatsapp-db/old.sql"}, {IMessage, "imessage/chat.sql"}, {WhatsAppIOS, "whatsapp-ios/chat.sql"}} {
		good := DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/"+c.script)))
		random := rand.New(rand.NewPCG(1, 2))
		for range mutations {
			broken := bytes.Clone(good)
			for range 1 + random.IntN(30) {
				broken[random.IntN(len(broken))] ^= byte(1 + random.IntN(255))
			}
			readertest.Check(t, c.format, readertest.Input("f", broken[:len(broken)-random.IntN(2)*random.IntN(len(broken))], reader.Options{MaxRecord: 1 << 12}))
		}
	}
}

// TestBothPhones reads the same chat from both phones, whose clocks are a minute and a half
// apart: each pair of copies is one message.
func TestBothPhones(t *testing.T) {
	const tables = `CREATE TABLE jid (_id INTEGER PRIMARY KEY, raw_string TEXT);
		CREATE TABLE chat (_id INTEGER PRIMARY KEY, jid_row_id INTEGER);
		CREATE TABLE message (_id INTEGER PRIMARY KEY, chat_row_id INTEGER, from_me INTEGER, key_id TEXT, timestamp INTEGER, text_data TEXT);
		CREATE TABLE message_media (message_row_id INTEGER PRIMARY KEY);
		INSERT INTO chat VALUES (1, 1);`
	phone := func(owner, other string, fromMe string, clock int) map[argus.ID]string {
		var script strings.Builder
		script.WriteString(tables + fmt.Sprintf(`INSERT INTO jid VALUES (1, '%s@s.whatsapp.net');`, other))
		for i, me := range fromMe {
			script.WriteString(fmt.Sprintf(`INSERT INTO message VALUES (%d, 1, %c, '3EB0AA01BB02CC0%d', %d, 'text %d');`, i+1, me, i, 1613300591000+i*60_000+clock, i))
		}
		ids := map[argus.ID]string{}
		for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("db", DatabaseOf(t, script.String()), reader.Options{Owner: "+" + owner})) {
			if item.Message == nil {
				t.Fatal(item.Problem)
			}
			id, version := item.Message.Identity()
			ids[id] = version.String() + " " + item.Message.Text
		}
		return ids
	}
	one, other := phone("31600000001", "31612345678", "0110", 0), phone("31612345678", "31600000001", "1001", 95_000)
	if diff := cmp.Diff(one, other); diff != "" || len(one) != 4 {
		t.Errorf("%d messages: %s", len(one), diff)
	}
}

// TestWhatsAppDBShared reads a phone's database with the tables of both schemas.
func TestWhatsAppDBShared(t *testing.T) {
	for _, file := range readertest.Shared(t, "whatsapp-backups/msgstore.db") {
		messages, states := 0, 0
		for _, item := range readertest.Check(t, WhatsAppDB, readertest.Input("msgstore.db", readertest.ReadFile(t, file), reader.Options{})) {
			switch {
			case strings.HasPrefix(item.Problem, "rows that belong to nothing in the database: 2 in message_media, 9 in message_status_psa_campaign; values of columns that are not read: 8 in chat.hidden"):
			case item.Problem != "":
				t.Error(item.Problem)
			case item.Stated != nil:
				states++
			case item.Message.ServiceID == "" || len(item.Message.Attachments) != 1:
				t.Errorf("%+v", item.Message)
			default:
				messages++
			}
		}
		if messages != 9 || states != 2 {
			t.Errorf("%d messages and %d numbers of them, want 9 and 2", messages, states)
		}
	}
}

// TestWhatsAppOwner finds the account of the phone in the settings of the app.
func TestWhatsAppOwner(t *testing.T) {
	const settings = `<?xml version='1.0' encoding='utf-8' standalone='yes' ?>
<map><string name="push">x</string><string name="registration_jid">31600000001</string><boolean name="y" value="true" /></map>`
	in := readertest.Input("app/databases/msgstore.db", DatabaseOf(t, string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql"))), reader.Options{})
	in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		return strings.NewReader(settings), int64(len(settings)), name == "app/shared_prefs/com.whatsapp_preferences.xml"
	}
	if m := readertest.Check(t, WhatsAppDB, in)[1].Message; m.From != "+31600000001" || m.Conversation != "+31600000001|+31612345678" {
		t.Errorf("%+v", m)
	}
}

// FuzzDatabase is slow because SQLite is instrumented too; TestDatabaseMutations
// goes further.
func FuzzDatabase(f *testing.F) {
	scripts := []struct {
		format *reader.Format
		good   []byte
	}{
		{WhatsAppDB, DatabaseOf(f, string(readertest.ReadFile(f, "../../testdata/whatsapp-db/new.sql")))},
		{WhatsAppDB, DatabaseOf(f, string(readertest.ReadFile(f, "../../testdata/whatsapp-db/old.sql")))},
		{IMessage, DatabaseOf(f, string(readertest.ReadFile(f, "../../testdata/imessage/chat.sql")))},
		{WhatsAppIOS, DatabaseOf(f, string(readertest.ReadFile(f, "../../testdata/whatsapp-ios/chat.sql")))},
	}
	for which := range scripts {
		f.Add(uint8(which), []byte{}, uint16(1<<16-1))
		f.Add(uint8(which), []byte{100, 0, 0, 0, 13, 4, 16, 0, 0, 7}, uint16(1<<15))
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte, kept uint16) {
		s := scripts[int(which)%len(scripts)]
		file := readertest.Broken(s.good, changes, kept)
		readertest.Check(t, s.format, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
		s.format.Detect(reader.Sample{Head: file, Text: file})
	})
}
