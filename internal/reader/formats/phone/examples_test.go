package phone_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestVCardSample reads the contacts of a phone.
func TestVCardSample(t *testing.T) {
	for _, path := range readertest.Shared(t, "contacts", "*.vcf") {
		file := readertest.ReadFile(t, path)
		sample, err := reader.NewSample("f", bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		if format, _ := all.Formats().Detect(sample); format != phone.VCard {
			t.Errorf("detected %v", format)
		}
		var got []string
		for _, item := range readertest.Check(t, phone.VCard, readertest.Input("f", file, reader.Options{})) {
			if item.Message == nil {
				t.Fatal(item.Problem)
			}
			got = append(got, strings.ReplaceAll(item.Message.Text, "\n", " "))
		}
		want := "contact: Sample Contact +85288888888|contact: Yard Lawn Guy, Jose Lopez 5673334444|contact: John Butler 🌟💫🌟 5556667777|" +
			"contact: Airline Contact #'s 1234567890|contact: James Peacock Elementary 3451112222|contact: AAA Car Service 8889990001"
		if strings.Join(got, "|") != want {
			t.Errorf("%q", got)
		}
	}
}

// TestGoldenDatabases makes a database from each script in testdata, reads it and compares
// the result with the golden file.
func TestGoldenDatabases(t *testing.T) {
	for _, format := range []*reader.Format{phone.WhatsAppDB, phone.WhatsAppIOS, phone.IMessage} {
		scripts, err := filepath.Glob(filepath.Join("..", "..", "testdata", format.Name, "*.sql"))
		if err != nil || len(scripts) == 0 {
			t.Fatalf("no scripts for %s: %v", format.Name, err)
		}
		for _, script := range scripts {
			t.Run(format.Name+"/"+filepath.Base(script), func(t *testing.T) {
				content := phone.DatabaseOf(t, string(readertest.ReadFile(t, script)))
				in := readertest.Input("phone/db", content, reader.Options{})
				in.Sibling = func(name string) (io.ReaderAt, int64, bool) {
					if name != "phone/wa.db" {
						return nil, 0, false
					}
					names := phone.DatabaseOf(t, `CREATE TABLE wa_contacts (_id INTEGER PRIMARY KEY, jid TEXT, display_name TEXT); INSERT INTO wa_contacts VALUES (1,'31612345678@s.whatsapp.net','Bee')`)
					return bytes.NewReader(names), int64(len(names)), true
				}
				sample, err := reader.NewSample("db", bytes.NewReader(content), int64(len(content)))
				if err != nil {
					t.Fatal(err)
				}
				if found, sure := all.Formats().Detect(sample); found != format {
					t.Errorf("detected %v (%d)", found, sure)
				}
				readertest.CheckGolden(t, script+".golden", readertest.Check(t, format, in))
			})
		}
	}
}

// TestSchemaAnywhere recognises a database whose schema takes many pages, the last of them
// after a megabyte of rows.
func TestSchemaAnywhere(t *testing.T) {
	var script strings.Builder
	for i := range 400 {
		fmt.Fprintf(&script, "CREATE TABLE filler_%d (_id INTEGER PRIMARY KEY, some_column_with_a_long_name TEXT, another_column_with_a_long_name TEXT);", i)
	}
	script.WriteString("INSERT INTO filler_0 VALUES (1, hex(zeroblob(500000)), '');")
	script.WriteString(string(readertest.ReadFile(t, "../../testdata/whatsapp-db/new.sql")))
	file := phone.DatabaseOf(t, script.String())
	sample, err := reader.NewSample("f", bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sample.Head, []byte("CREATE TABLE jid")) {
		t.Fatal("the schema stands at the beginning")
	}
	if found, _ := all.Formats().Detect(sample); found != phone.WhatsAppDB {
		t.Errorf("detected %v", found)
	}
	for i := range 200 { // damaged trees end too
		broken := bytes.Clone(file[:1<<16])
		broken[100+i%12] ^= byte(1 + i)
		broken[112+i] ^= 0xFF
		if _, err := reader.NewSample("f", bytes.NewReader(broken), int64(len(broken))); err != nil {
			t.Fatal(err)
		}
	}
}
