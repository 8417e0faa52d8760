package table

import (
	"fmt"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestProposedLookups proposes names from another table, if only one can be meant.
func TestProposedLookups(t *testing.T) {
	ids := map[string]string{"noord": "1", "zuid": "2", "west": "3"}
	long := map[string]string{"noord": "31612345678", "zuid": "31687654321", "west": "31611112222"}
	rooms := map[string]string{"kade": "11", "dok": "12"}
	messages := func(columns string, of map[string]string) string {
		var out strings.Builder
		fmt.Fprintf(&out, "CREATE TABLE msgs (%s);\n", columns)
		for i, s := range said {
			fmt.Fprintf(&out, "INSERT INTO msgs VALUES (%d,%s,%s,%d,'%s');\n", 500+i, of[s.from], rooms[s.chat], 1613304000+s.seconds, s.text)
		}
		return out.String()
	}
	const columns = "id int, sender int, room int, at int, body text"
	const users = "CREATE TABLE users (id int, name text);\nINSERT INTO users VALUES (1,'Noord'),(2,'Zuid'),(3,'West'),(4,'Oost');\n"
	for _, c := range []struct{ about, dump, want string }{
		{"a table of people", users + messages(columns, ids), "from_name=sender:users.id.name"},
		{"a table behind the messages", messages(columns, ids) + users, "from_name=sender:users.id.name"},
		{"a table of rooms, named like the column", users + "CREATE TABLE rooms (id int, topic text, title text);\nINSERT INTO rooms VALUES (11,'a','Kade'),(12,'b','Dok');\n" + messages(columns, ids),
			"title=room:rooms.id.title from_name=sender:users.id.name"},
		{"numbers that nothing else has", "CREATE TABLE kontakte (nummer text, name text);\nINSERT INTO kontakte VALUES ('31612345678','Noord'),('31687654321','Zuid'),('31611112222','West');\n" +
			messages("id int, wer int, wo int, wann int, was text", long), "from_name=wer:kontakte.nummer.name"},
		{"running numbers, and no heading says which", "CREATE TABLE things (id int, name text);\nINSERT INTO things VALUES (1,'a'),(2,'b'),(3,'c');\n" +
			messages("id int, wer int, wo int, wann int, was text", ids), ""},
		{"two tables of people", users + strings.ReplaceAll(users, "users", "contacts") + messages(columns, ids), ""},
		{"a sender who is not in the table", strings.Replace(users, "(3,'West'),", "", 1) + messages(columns, ids), ""},
		{"a key that occurs twice", users + "INSERT INTO users VALUES (4,'Other');\n" + messages(columns, ids), ""},
		{"no names", strings.ReplaceAll(users, "name", "weight") + messages(columns, ids), ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			var records []*argus.Message
			for _, item := range readertest.ReadAll(t, Mapped, readertest.Input("f.sql", []byte(c.dump), reader.Options{MapText: mapping.Survey})) {
				if item.Message != nil {
					records = append(records, item.Message)
				}
			}
			p := Propose(records, reader.Options{})
			var got []string
			for _, name := range mapping.Fields {
				f := p.Map.Fields[name]
				for _, step := range f.Lookup {
					got = append(got, fmt.Sprintf("%s=%s:%s.%s.%s", name, f.Path, step.Table, step.Key, step.Value))
				}
			}
			if strings.Join(got, " ") != c.want || p.Map.Records != "msgs" || p.Map.Fields["from"].Lookup != nil {
				t.Errorf("%q of %s: %+v", got, p.Map.Records, p.Map.Fields)
			}
			text, err := p.Map.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mapping.Parse(string(text)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		})
	}
}
