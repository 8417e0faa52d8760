package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// TestUFDRMeets reads messages inside and outside chats: each pair is one message.
func TestUFDRMeets(t *testing.T) {
	file := readertest.ReadFile(t, "../../testdata/ufdr/report.xml")
	copies := map[argus.ID][]string{}
	for _, item := range readertest.Check(t, UFDR, readertest.Input("report.xml", file, reader.Options{})) {
		if m := item.Message; m != nil && m.Service == "whatsapp" && m.Type.IsMessage() && m.From != "" {
			id, _ := m.Identity()
			copies[id] = append(copies[id], m.Text)
		}
	}
	if len(copies) != 2 {
		t.Fatalf("%d messages, want 2: %q", len(copies), copies)
	}
	for _, texts := range copies {
		if len(texts) != 2 {
			t.Errorf("%q is seen %d times, want 2", texts[0], len(texts))
		}
	}
}

// TestUFDRIds reads messages inside and outside a chat of two, with different ids in the
// report. One of them names only its sender. The copies agree in all fields.
func TestUFDRIds(t *testing.T) {
	party := func(id, number string) string {
		return `<model type="Party" id="` + id + `"><field name="Identifier"><value>` + number + `</value></field></model>`
	}
	message := func(at string) string {
		one := func(id, second, more string) string {
			return `<model type="InstantMessage" id="` + id + at + `" source_index="` + at + `" deleted_state="Intact" decoding_confidence="High" extractionId="2">` +
				`<field name="Source"><value>WhatsApp</value></field><modelField name="From">` + party("f"+at, "+31600000001") + `</modelField>` + more +
				`<field name="Body"><value>at ten</value></field><field name="TimeStamp"><value>2021-02-14T11:00:0` + second + `Z</value></field>` +
				`<multiModelField name="Attachments"><model type="Attachment" id="a` + at + `"><field name="Filename"><value>1.jpg</value></field></model></multiModelField></model>`
		}
		return one("m", "1", `<multiModelField name="To">`+party("t"+at, "+31600000002")+`</multiModelField>`) + one("n", "2", "") +
			one("o", "3", `<field name="ChatId"><value>1</value></field>`)
	}
	report := `<project xmlns="http://pa.cellebrite.com/report/2.0"><model type="Chat" id="c"><multiModelField name="Participants">` +
		party("p", "+31600000001") + party("q", "+31600000002") + `</multiModelField><multiModelField name="Messages">` + message("1") +
		`</multiModelField></model>` + message("2") + `</project>`
	copies := map[argus.ID][]*argus.Message{}
	for _, item := range readertest.Check(t, UFDR, readertest.Input("report.xml", []byte(report), reader.Options{})) {
		if m := item.Message; m != nil && m.From != "" {
			id, _ := m.Identity()
			copies[id] = append(copies[id], m)
		}
	}
	if len(copies) != 3 {
		t.Errorf("%d messages, want 3", len(copies))
	}
	for _, seen := range copies {
		if len(seen) != 2 {
			t.Fatalf("%v is seen %d times, want 2", seen[0].Sent, len(seen))
		}
		_, version := seen[0].Identity()
		if _, other := seen[1].Identity(); other != version {
			t.Errorf("%v: the copies differ", seen[0].Sent)
		}
		if diff := cmp.Diff(seen[0].Extra, seen[1].Extra); diff != "" {
			t.Errorf("%v: %s", seen[0].Sent, diff)
		}
		for _, name := range []string{"deleted_state", "decoding_confidence", "extractionId"} {
			if !slices.ContainsFunc(seen[0].Extra, func(x argus.Field) bool { return x.Name == name }) {
				t.Errorf("%v: no %s", seen[0].Sent, name)
			}
		}
	}
}

// TestUFDRAbout reads a report's description of itself, which joins nobody. File metadata is
// not part of it, even after damage.
func TestUFDRAbout(t *testing.T) {
	const device = `<metadata section="Device"><item name="IMEI">490154203237518</item></metadata>`
	const file = `<file path="/a"><metadata section="File"><item name="MD5">00</item></metadata></file>`
	for name, c := range map[string]struct{ report, want string }{
		"all": {`<project id="1" name="Phone" xmlns="x"><sourceExtractions><extractionInfo id="0" name="Logical"/></sourceExtractions>` + device +
			`<taggedFiles>` + file + file + `</taggedFiles><decodedData><model type="SMS"><metadata><item name="a">b</item></metadata></model></decodedData>` +
			`<caseInformation><field name="Case">7</field></caseInformation></project>`,
			"project: id: 1\nname: Phone|extractionInfo: id: 0\nname: Logical|metadata: Device\nIMEI: 490154203237518||caseInformation: Case: 7|! 2 taggedFiles/file"},
		"nothing said":   {`<project id="1" xmlns="x"><metadata section="Device"/><extractionInfo id="0"/></project>`, "! want records"},
		"nothing else":   {`<project xmlns="x">` + device + `</project>`, "metadata: Device\nIMEI: 490154203237518|! want records"},
		"broken project": {`<project name=Phone>` + device + `</project>`, "! want a value in quotes|metadata: Device\nIMEI: 490154203237518|! want records"},
		"broken files": {`<project xmlns="x"><taggedFiles>` + file + `<file path="<">` + file + `</taggedFiles>` + `<model type="SMS"/>` + device + `</project>`,
			"! found a tag||metadata: Device\nIMEI: 490154203237518|! 1 taggedFiles/file"},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Split(c.want, "|")
			items := readertest.Check(t, UFDR, readertest.Input("report.xml", []byte(c.report), reader.Options{}))
			if len(items) != len(want) {
				t.Fatalf("%d items, want %d: %+v", len(items), len(want), items)
			}
			for i, item := range items {
				if problem, ok := strings.CutPrefix(want[i], "! "); ok {
					if !strings.Contains(item.Problem, problem) {
						t.Errorf("item %d: %q, want %q", i, item.Problem, problem)
					}
				} else if m := item.Message; m == nil || m.Text != strings.ReplaceAll(want[i], `\n`, "\n") {
					t.Errorf("item %d: %+v, want %q", i, m, want[i])
				} else if m.Text != "" && (m.Conversation != "report" || m.From != "" || len(m.To) > 0 || len(m.Extra) == 0) {
					t.Errorf("item %d: %+v", i, m)
				}
			}
		})
	}
}

// TestUFDRAttachments keeps the report's statements about each attachment separately, and
// never takes a stated hash for that of actual bytes.
func TestUFDRAttachments(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	report := `<project xmlns="http://pa.cellebrite.com/report/2.0"><model type="SMS" id="1"><multiModelField name="Attachments">` +
		`<model type="Attachment" id="2" deleted_state="Intact" size="7" sha256="` + hash + `"><field name="Filename"><value>1.jpg</value></field></model>` +
		`<model type="Attachment" id="3" deleted_state="Deleted" file_id="f"><field name="Filename"><value>2.jpg</value></field>` +
		`<field name="MD5"><value>00</value></field><field name="SHA256"><value>` + hash + `</value></field><field name="Size"><value>8</value></field></model>` +
		`</multiModelField></model></project>`
	items := readertest.Check(t, UFDR, readertest.Input("report.xml", []byte(report), reader.Options{}))
	want := []argus.Field{
		{Name: "Attachment.deleted_state", Value: "Intact"}, {Name: "Attachment.size", Value: "7"}, {Name: "Attachment.sha256", Value: hash},
		{Name: "Attachment.Filename", Value: "1.jpg"},
		{Name: "Attachment.deleted_state", Value: "Deleted"}, {Name: "Attachment.file_id", Value: "f"}, {Name: "Attachment.Filename", Value: "2.jpg"},
		{Name: "Attachment.MD5", Value: "00"}, {Name: "Attachment.SHA256", Value: hash}, {Name: "Attachment.Size", Value: "8"},
	}
	if diff := cmp.Diff(want, items[0].Message.Extra); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]argus.Attachment{{Name: "1.jpg"}, {Name: "2.jpg"}}, items[0].Message.Attachments); diff != "" {
		t.Error(diff)
	}
}

// TestUFDRDamage damages a report in a chat: no message is assigned to a chat that it may not
// belong to.
func TestUFDRDamage(t *testing.T) {
	file := string(readertest.ReadFile(t, "../../testdata/ufdr/report.xml"))
	broken := strings.Replace(file, `<model type="InstantMessage" id="m-2"`, `<model type="InstantMessage id="m-2"`, 1)
	whole := readertest.Check(t, UFDR, readertest.Input("f", []byte(file), reader.Options{}))
	items := readertest.Check(t, UFDR, readertest.Input("f", []byte(broken), reader.Options{}))
	if len(items) < len(whole)-2 {
		t.Errorf("%d items, %d without the damage", len(items), len(whole))
	}
	for _, item := range items {
		if item.Message != nil && item.Message.Text == "Bee left" && item.Message.Conversation != "" {
			t.Errorf("behind the damage a message is in %q", item.Message.Conversation)
		}
	}
}

// TestUFDRLosesNoChat truncates and damages a report in the fields of a chat: the fields that
// were read are yielded before the damage.
func TestUFDRLosesNoChat(t *testing.T) {
	const start = `<project xmlns="http://pa.cellebrite.com/report/2.0"><model type="Chat" id="c"><field name="Name"><value>Loods</value></field>`
	for name, c := range map[string]struct {
		rest string
		want int
	}{
		"cut off": {"", 2},
		"broken":  {`<field name="x</field><model type="SMS"><field name="Body"><value>x</value></field></model>`, 3},
		"a field": {`<value ""></value></model></project>`, 2},
		"whole":   {`</model></project>`, 1},
		"long":    {strings.Repeat(`<field name="x"><value>`+strings.Repeat("y", 3000)+`</value></field>`, 3) + `</model></project>`, 2},
	} {
		items := readertest.Check(t, UFDR, readertest.Input("f", []byte(start+c.rest), reader.Options{MaxRecord: 1 << 12}))
		if len(items) != c.want || items[0].Message == nil || items[0].Message.Title != "Loods" || items[0].Where.Record != 1 {
			t.Errorf("%s: %d items, want %d: %+v", name, len(items), c.want, items)
		}
	}
}

func TestUFDRTime(t *testing.T) {
	for _, c := range []struct{ text, formatted, want string }{
		{"2021-02-14T12:00:00.000+01:00", "", "2021-02-14T11:00:00.000Z stated"},
		{"2021-02-14T12:00:00", "2021-02-14T12:00:00+01:00", "2021-02-14T11:00:00Z stated"},
		{"2021-02-14T12:00:00", "14/02/2021 12:00:00(UTC+5:30)", "2021-02-14T06:30:00Z stated"},
		{"2021-02-14T12:00:00", "14/02/2021 12:00:00(UTC-3)", "2021-02-14T15:00:00Z stated"},
		{"2021-02-14T12:00:00", "14/02/2021 12:00:00(UTC+99)", "2021-02-14T12:00:00Z assumed"},
		{"2021-02-14T12:00:00", "", "2021-02-14T12:00:00Z assumed"},
		{"", "2021-02-14T12:00:00+02:00", "2021-02-14T10:00:00Z stated"},
		{"", "", "unknown stated"},
	} {
		e, err := xmldoc.Parse(fmt.Sprintf(`<field name="TimeStamp"><value formattedTimestamp="%s">%s</value></field>`, c.formatted, c.text))
		if err != nil {
			t.Fatal(err)
		}
		p := ufdrMessage{Message: new(argus.Message)}
		got, err := p.time(e)
		if said := got.String() + " " + got.Zone.String(); err != nil || said != c.want {
			t.Errorf("%q %q: %s, %v, want %s", c.text, c.formatted, said, err, c.want)
		}
	}
}

func FuzzUFDR(f *testing.F) {
	f.Add(readertest.ReadFile(f, "../../testdata/ufdr/report.xml"))
	f.Add(readertest.ReadFile(f, "../../testdata/ufdr/chat-alone.xml"))
	f.Add([]byte(`<project xmlns="x"><model type="Chat" id="1"><multiModelField name="Messages"><model type="InstantMessage"><field name="Body"><value>x</value></field></model></multiModelField><field name="Id"><value>g</value></field><multiModelField name="Participants"><model><field name="Identifier"><value>1@s.whatsapp.net</value></field></model></multiModelField></model><model type="Call"/><model type="Chat">`))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, UFDR, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

func BenchmarkUFDR(b *testing.B) {
	party := `<model type="Party" id="2affbd71-3369-4375-8da7-676745634561" deleted_state="Intact" decoding_confidence="High" isrelated="False" extractionId="0"><field name="Identifier" type="String"><value type="String"><![CDATA[%s@s.whatsapp.net]]></value></field><field name="Name" type="String"><value type="String"><![CDATA[Bee]]></value></field></model>`
	one := `<model type="InstantMessage" id="8204cd26-21cc-4510-9bc2-543253465415" deleted_state="Intact" decoding_confidence="High" isrelated="False" extractionId="0">
  <field name="Source" type="String"><value type="String"><![CDATA[WhatsApp]]></value></field>
  <modelField name="From" type="Party">` + fmt.Sprintf(party, "31612345678") + `</modelField>
  <multiModelField name="To" type="Party">` + fmt.Sprintf(party, "31600000001") + `</multiModelField>
  <field name="Body" type="String"><value type="String"><![CDATA[Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets.]]></value></field>
  <field name="TimeStamp" type="TimeStamp"><value type="TimeStamp" format="TimeStampKnown" formattedTimestamp="2021-02-14T12:01:00+01:00">2021-02-14T12:01:00.000+01:00</value></field>
  <field name="Status" type="MessageStatus"><value type="MessageStatus"><![CDATA[Read]]></value></field>
</model>
`
	readertest.Benchmark(b, UFDR, []byte(`<project xmlns="http://pa.cellebrite.com/report/2.0"><decodedData>`+strings.Repeat(one, 5_000)+"</decodedData></project>"), 5_000)
}

// TestUFDRShared reads a chat and accounts as stored by a program that reads reports: every
// message with its id, and no unnamed file.
func TestUFDRShared(t *testing.T) {
	for _, file := range readertest.Shared(t, "ufdr/ufed-model-chat.xml") {
		said := map[string]*argus.Message{}
		files := 0
		for _, item := range readertest.Check(t, UFDR, readertest.Input("chat.xml", readertest.ReadFile(t, file), reader.Options{})) {
			if item.Message == nil {
				t.Fatal(item.Problem)
			}
			if item.Message.ServiceID != "" {
				said[item.Message.ServiceID], files = item.Message, files+len(item.Message.Attachments)
			}
		}
		if len(said) != 11 || files != 6 {
			t.Errorf("%d messages with %d files, want 11 with 6", len(said), files)
		}
		if m := said["1654984910:14434"]; m == nil || m.ReplyTo != "1654984910:14433" {
			t.Errorf("the answer: %+v", m)
		}
		if m := said["1919334790:6586"]; m == nil || m.Type != argus.TypeMembership || m.State&argus.StateSystem == 0 {
			t.Errorf("the notice: %+v", m)
		}
	}
	for _, file := range readertest.Shared(t, "ufdr/ufed-model-useraccount.xml") {
		for _, item := range readertest.Check(t, UFDR, readertest.Input("accounts.xml", readertest.ReadFile(t, file), reader.Options{})) {
			if item.Message == nil || item.Message.Type != argus.TypeContact || len(item.Message.To) != 1 {
				t.Errorf("want an account with one identifier: %+v", item)
			}
		}
	}
}
