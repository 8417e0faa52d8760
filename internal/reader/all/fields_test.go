package all

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// ofJSON are the formats whose files are JSON and whose fields have known names.
var ofJSON = []*reader.Format{
	chat.Telegram, chat.Facebook, chat.Discord, chat.DiscordPackage, chat.Skype, chat.Slack, chat.Matrix, chat.RocketChat,
	phone.Signal, phone.SignalBackup, transcript.Jabber, report.CASE, mail.RSMF,
}

// TestFormatsSayTheirFields fails for a format that does not name the fields that it keeps,
// unless its fields can have any name: those of sheets and of sources for which there is a
// map, header fields of mails, and lines of logs, which have none.
func TestFormatsSayTheirFields(t *testing.T) {
	anyName := []*reader.Format{
		table.Mapped, table.Sheet, table.JSON, report.JSONL, report.Package, mail.EML, mail.Mbox, mail.MSG, mail.PST,
		transcript.WhatsApp, transcript.LINE, transcript.IRC, transcript.Textdump,
	}
	for _, f := range Formats() {
		if slices.Contains(anyName, f) != (f.Kept == nil) {
			t.Errorf("%s names %d fields", f, len(f.Kept))
		}
		for name, why := range f.Ignored {
			if name == "" || why == "" {
				t.Errorf("%s ignores %q without a reason: %q", f, name, why)
			}
		}
	}
}

// value is a text, number or word in a file, or the end of an object.
type value struct {
	path       string // keys and list positions, as a JSON pointer
	begin, end int64
	object     bool // the end of an object with members; end is before its brace
}

// valuesOf finds the values in JSON, or returns false if the file is not complete JSON.
func valuesOf(t *testing.T, file []byte) (list []value, whole bool) {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(file), jsontext.AllowDuplicateNames(true))
	for {
		token, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return list, true
		}
		if err != nil {
			return nil, false
		}
		end := d.InputOffset()
		v := value{path: string(d.StackPointer()), begin: end - int64(len(token.String())), end: end}
		switch kind := token.Kind(); kind {
		case '{', '[', ']':
			continue
		case '}':
			list = append(list, value{path: v.path, end: end - 1, object: true})
		case '"':
			if parent, n := d.StackIndex(d.StackDepth()); parent == '{' && n%2 == 1 {
				continue // a key
			}
			quoted := bytes.LastIndexByte(file[:end-1], '"')
			for quoted > 0 && file[quoted-1] == '\\' {
				quoted = bytes.LastIndexByte(file[:quoted], '"')
			}
			v.begin = int64(quoted)
			list = append(list, v)
		default:
			list = append(list, v)
		}
	}
}

// wholeValuesOf finds the values in the records of a file that is not whole JSON.
func wholeValuesOf(t *testing.T, f *reader.Format, name string, file []byte) (list []value) {
	t.Helper()
	list, whole := valuesOf(t, file)
	if whole {
		return list
	}
	for _, item := range readertest.ReadAll(t, f, readertest.Input(name, file, reader.Options{})) {
		at := item.Where.Offset
		inside, _ := valuesOf(t, file[at:at+item.Where.Length])
		for _, v := range inside {
			list = append(list, value{v.path, v.begin + at, v.end + at, v.object})
		}
	}
	return list
}

// told writes the findings in a file, without their places.
func told(t *testing.T, f *reader.Format, name string, file []byte) string {
	t.Helper()
	var out strings.Builder
	for _, item := range readertest.ReadAll(t, f, readertest.Input(name, file, reader.Options{})) {
		text, err := json.Marshal(item.Message)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %s %s %v\n", text, item.Problem, item.Raw, item.Stated)
	}
	return out.String()
}

// eachExample calls one for each file in testdata that belongs to one of the given formats.
func eachExample(t *testing.T, formats []*reader.Format, one func(t *testing.T, f *reader.Format, name string, file []byte)) {
	for _, f := range formats {
		files, err := filepath.Glob(filepath.Join("..", "testdata", f.Name, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no examples of %s: %v", f.Name, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, ".golden") {
				continue
			}
			t.Run(f.Name+"/"+filepath.Base(file), func(t *testing.T) {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				one(t, f, strings.TrimPrefix(filepath.ToSlash(file), "../"), content)
			})
		}
	}
}

// TestEveryValueCounts changes each value in each example of JSON: the findings change,
// unless the format ignores it and says why.
func TestEveryValueCounts(t *testing.T) {
	eachExample(t, slices.DeleteFunc(slices.Clone(ofJSON), func(f *reader.Format) bool {
		return f == report.CASE // nodes of other kinds are counted, without their values
	}), func(t *testing.T, f *reader.Format, name string, file []byte) {
		before := told(t, f, name, file)
		for _, v := range wholeValuesOf(t, f, name, file) {
			if v.object {
				continue
			}
			other := "\"zz\""
			if old := string(file[v.begin:v.end]); old[0] != '"' {
				other = "7"
				if old == "7" {
					other = "8"
				}
			}
			changed := slices.Concat(file[:v.begin], []byte(other), file[v.end:])
			if told(t, f, name, changed) == before {
				if !isIgnored(f, v.path) {
					t.Errorf("%s: %s is read by nobody", v.path, file[v.begin:v.end])
				}
			}
		}
	})
}

// isIgnored reports whether a format ignores the value at a path, or one around it.
func isIgnored(f *reader.Format, path string) bool {
	parts := slices.DeleteFunc(strings.Split(path, "/"), func(part string) bool { return strings.Trim(part, "0123456789") == "" })
	for n := range parts {
		for from := range parts[:n+1] {
			if f.Ignored[strings.Join(parts[from:n+1], ".")] != "" {
				return true
			}
		}
	}
	return false
}

// counts reports whether a message marks a field as not understood, or has the field in its
// words: the words of some records are just their own text.
func counts(m *argus.Message, name, value string) bool {
	return value != "" && strings.Contains(m.Text, value) || slices.ContainsFunc(m.Extra, func(x argus.Field) bool {
		field, _, _ := strings.Cut(x.Value, ": ")
		return x.Name == argus.ExtraUnread && strings.HasSuffix(field, name)
	})
}

// TestUnknownFieldsCount adds a field to each object in each example of JSON. No value is
// lost, and each record counts the field as not understood.
func TestUnknownFieldsCount(t *testing.T) {
	counted := map[string]int{}
	eachExample(t, ofJSON, func(t *testing.T, f *reader.Format, name string, file []byte) {
		before := readertest.ReadAll(t, f, readertest.Input(name, file, reader.Options{}))
		for _, v := range wholeValuesOf(t, f, name, file) {
			if !v.object || isIgnored(f, v.path) {
				continue
			}
			changed := slices.Concat(file[:v.end], []byte(`,"zz_unknown":"zz value"}`), file[v.end+1:])
			if all := told(t, f, name, changed); !strings.Contains(all, "zz value") && f != report.CASE {
				t.Errorf("%s/zz_unknown is lost", v.path)
			}
			for _, item := range before {
				if item.Message == nil || item.Where.Offset+item.Where.Length != v.end+1 || file[item.Where.Offset] != '{' {
					continue
				}
				for _, now := range readertest.ReadAll(t, f, readertest.Input(name, changed, reader.Options{})) {
					if now.Where.Record == item.Where.Record && now.Message != nil && !counts(now.Message, "zz_unknown", "zz value") {
						t.Errorf("record %d at %s does not count zz_unknown: %v", item.Where.Record, v.path, now.Message.Extra)
					}
				}
				counted[f.Name]++
			}
		}
	})
	for _, f := range ofJSON {
		if counted[f.Name] == 0 {
			t.Errorf("%s: no record was tried", f.Name)
		}
	}
}

// TestWrongValuesCount puts an object in the place of each value in each example of JSON: it
// is refused, marked, or kept.
func TestWrongValuesCount(t *testing.T) {
	eachExample(t, ofJSON, func(t *testing.T, f *reader.Format, name string, file []byte) {
		for _, v := range wholeValuesOf(t, f, name, file) {
			if v.object || isIgnored(f, v.path) || f == report.CASE || strings.HasSuffix(v.path, "/ciphertext") {
				continue // the payload is kept as bytes
			}
			changed := slices.Concat(file[:v.begin], []byte(`{"zz":"zz value"}`), file[v.end:])
			if !strings.Contains(told(t, f, name, changed), "zz value") {
				t.Errorf("%s: an object in place of %s is lost", v.path, file[v.begin:v.end])
			}
		}
	})
}

// TestUnknownElementsCount adds an attribute to the first element of each record in each
// example of XML, and an element to its last: the record counts both.
func TestUnknownElementsCount(t *testing.T) {
	formats := []*reader.Format{phone.SMSBackup, report.UFDR, transcript.XMPP, report.ETSI}
	within := map[*reader.Format]string{
		report.UFDR:     `<field name="zz_unknown" type="String"><value>zz value</value></field>`,
		transcript.XMPP: `<zz_unknown xmlns="urn:zz">zz value</zz_unknown>`,
		report.ETSI:     `<zz_unknown>zz value</zz_unknown>`,
	}
	counted := map[string]int{}
	eachExample(t, formats, func(t *testing.T, f *reader.Format, name string, file []byte) {
		for _, item := range readertest.ReadAll(t, f, readertest.Input(name, file, reader.Options{})) {
			at := int(item.Where.Offset)
			raw := file[at : at+int(item.Where.Length)]
			open := bytes.IndexAny(raw, " />\n")
			end := bytes.LastIndex(raw, []byte("</"))
			if item.Message == nil || open < 0 || raw[0] != '<' || f == report.UFDR && !bytes.HasPrefix(raw, []byte("<model ")) {
				continue
			}
			if f == report.UFDR && !bytes.HasSuffix(bytes.TrimSpace(raw), []byte("</model>")) {
				end = 0 // the head of a chat
			}
			changed := map[string]string{"attribute": string(raw[:open]) + ` zz_unknown="zz value"` + string(raw[open:])}
			if more := within[f]; more != "" && end > 0 {
				changed["element"] = string(raw[:end]) + more + string(raw[end:])
			}
			for what, record := range changed {
				for _, now := range readertest.ReadAll(t, f, readertest.Input(name, slices.Concat(file[:at], []byte(record), file[at+len(raw):]), reader.Options{})) {
					if now.Where.Record == item.Where.Record && now.Message != nil && !counts(now.Message, "zz_unknown", "zz value") {
						t.Errorf("record %d does not count an %s: %s %v", item.Where.Record, what, record, now.Message.Extra)
					}
				}
				counted[f.Name]++
			}
		}
	})
	for _, f := range formats {
		if counted[f.Name] == 0 {
			t.Errorf("%s: no record was tried", f.Name)
		}
	}
}

// TestUnreadableTimesCount reads records in which a time other than the time of sending
// makes no sense: the message is read, and the field is marked.
func TestUnreadableTimesCount(t *testing.T) {
	for _, c := range []struct {
		format        *reader.Format
		record, field string
	}{
		{chat.Telegram, `"type":"message","from":"A","from_id":"user1","text":"x","edited":"noon"`, "edited"},
		{chat.Discord, `"id":"800000000000000000","type":"Default","timestamp":"2021-02-14T12:00:00Z","timestampEdited":"noon","isPinned":false,"content":"x","author":{"id":"7"}`, "timestampEdited"},
		{chat.Slack, `"type":"message","user":"U1","ts":"1613304200.000000","text":"x","edited":{"user":"U1","ts":"noon"}`, "edited"},
		{chat.RocketChat, `"_id":"1","rid":"r","msg":"x","ts":"2021-02-14T12:00:00Z","u":{"_id":"a"},"editedAt":"noon"`, "editedAt"},
		{chat.Facebook, `"sender_name":"A","timestamp_ms":1600000000000,"content":"x","is_unsent":"perhaps"`, "is_unsent"},
		{phone.Signal, `"envelope":{"source":"+31","timestamp":1613304200000,"serverDeliveredTimestamp":"noon","dataMessage":{"message":"x"}},"account":"+32"`, "serverDeliveredTimestamp"},
	} {
		m := readertest.Saying(t, c.format, readertest.Input("f", fileOfRecord(c.format, c.record), reader.Options{}), "x")
		if !counts(m, c.field, "") || m.Edited.Known() || m.Received.Known() {
			t.Errorf("%s: %s: %v", c.format, c.field, m.Extra)
		}
	}
}

// TestUnknownLinesCount adds a property to each card, and an element to each message of a
// page.
func TestUnknownLinesCount(t *testing.T) {
	for _, c := range []struct {
		format          *reader.Format
		before, unknown string
	}{
		{phone.VCard, "END:VCARD", "ZZ_UNKNOWN:zz value\r\n"},
		{chat.TelegramHTML, `<div class="from_name">`, `<div class="zz_unknown">zz value</div>`},
	} {
		eachExample(t, []*reader.Format{c.format}, func(t *testing.T, f *reader.Format, name string, file []byte) {
			n := bytes.Count(file, []byte(c.before))
			changed := bytes.ReplaceAll(file, []byte(c.before), []byte(c.unknown+c.before))
			counted := 0
			for _, item := range readertest.ReadAll(t, f, readertest.Input(name, changed, reader.Options{})) {
				if item.Message != nil && (counts(item.Message, "ZZ_UNKNOWN", "zz value") || counts(item.Message, "zz_unknown", "zz value")) {
					counted++
				}
			}
			if n == 0 || counted == 0 {
				t.Errorf("%d places, %d messages count the unknown", n, counted)
			}
		})
	}
}

// TestCommasBetweenRecordsAreTold removes the comma between two records, and adds an extra
// one: the second record says that it was repaired, and nothing else changes.
func TestCommasBetweenRecordsAreTold(t *testing.T) {
	tried := map[string]bool{}
	eachExample(t, ofJSON, func(t *testing.T, f *reader.Format, name string, file []byte) {
		items := readertest.ReadAll(t, f, readertest.Input(name, file, reader.Options{}))
		for i := 1; i < len(items); i++ {
			before, behind := items[i-1].Where, items[i].Where
			gap := file[min(before.Offset+before.Length, int64(len(file))):max(behind.Offset, before.Offset+before.Length)]
			if items[i-1].Message == nil || items[i].Message == nil || string(bytes.TrimSpace(gap)) != "," {
				continue
			}
			tried[f.Name] = true
			for other, want := range map[string]string{" ": "a comma was missing", ",,": "a comma was too many"} {
				changed := slices.Concat(file[:before.Offset+before.Length], []byte(other), file[behind.Offset:])
				now := readertest.ReadAll(t, f, readertest.Input(name, changed, reader.Options{}))
				if len(now) != len(items) {
					t.Fatalf("record %d: %d items, were %d", i, len(now), len(items))
				}
				for j := range now {
					told := now[j].Message != nil && slices.Contains(now[j].Message.Extra, argus.Field{Name: reader.ExtraRepaired, Value: want})
					if told != (i == j) {
						t.Errorf("record %d, item %d: %q told: %v", i, j, want, told)
					}
				}
			}
		}
	})
	for _, f := range ofJSON {
		if !tried[f.Name] && f != phone.Signal && f != phone.SignalBackup && f != transcript.Jabber { // have no lists
			t.Errorf("%s: no comma was tried", f.Name)
		}
	}
}
