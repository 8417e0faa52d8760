package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// TestWhatsAppShared reads the five layouts of the same chat. The expected output of the
// parser that they come from joins the lines of a message with a space, omits service lines
// and one message whose colon has no space after it, and lists the newest message first.
func TestWhatsAppShared(t *testing.T) {
	var target []struct{ Timestamp, Author, Message string }
	if err := json.Unmarshal(readertest.ReadFile(t, readertest.Shared(t, "chat-exports", "whatsapp", "target.json")[0]), &target); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range target {
		want = append([]string{m.Timestamp + " " + m.Author + ": " + m.Message}, want...)
	}
	identities := map[argus.ID]int{}
	for _, file := range readertest.Shared(t, "chat-exports", "whatsapp", "*.txt") {
		in := readertest.Input(filepath.Base(file), readertest.ReadFile(t, file), reader.Options{})
		items := readertest.Check(t, WhatsApp, in)
		readertest.CheckCovers(t, in, items)
		var got, others []string
		for _, item := range items {
			m := item.Message
			if m == nil {
				t.Fatalf("%s: %s", in.Name, item.Problem)
			}
			id, _ := m.Identity()
			identities[id]++
			line := m.Sent.UTC().Format("2006-01-02T15:04:05") + " " + m.From + ": " + strings.ReplaceAll(m.Text, "\n", " ")
			if m.State&argus.StateSystem != 0 || m.Text == "." {
				others = append(others, line)
				continue
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-target +got):\n%s", in.Name, diff)
		}
		wantOthers := []string{
			"2019-01-20T11:23:00 John Doe: .",
			`2020-06-20T00:08:00 : +12 345 578 created group "Groupname"`,
			"2020-06-30T09:10:00 : You were added",
		}
		if diff := cmp.Diff(wantOthers, others); diff != "" {
			t.Errorf("%s, what the target leaves out (-want +got):\n%s", in.Name, diff)
		}
	}
	if len(identities) != 9 {
		t.Errorf("the layouts of one chat of 9 messages give %d identities", len(identities))
	}
	for _, file := range readertest.Shared(t, "chat-exports", "signal", "*.txt") {
		if sure := detectWhatsApp(reader.Sample{Text: textdoc.SampleText(readertest.ReadFile(t, file))}); sure != 0 {
			t.Errorf("an export of Signal is taken for one of WhatsApp (%d)", sure)
		}
	}
}

func TestWhatsAppChat(t *testing.T) {
	for _, c := range []struct {
		name, chat, service string
		shown               bool
	}{
		{"WhatsApp Chat with Ana.txt", "Ana", "whatsapp", true},
		{"phone/WhatsApp-Chat mit Ana B..txt", "Ana B.", "whatsapp", true},
		{"Chat WhatsApp s\u00a0uživatelem Ana.txt", "Ana", "whatsapp", true},
		{"in/WhatsApp Chat - Team.zip!/_chat.txt", "Team", "whatsapp", true},
		{"in/Team X/_chat.txt", "Team X", "whatsapp", false},
		{"_chat.txt", "_chat", "whatsapp", false},
		{"Element - Quay - Chat Export.txt", "Quay", "matrix", true},
		{"a/export.txt", "export", "", false},
	} {
		if chat, service, shown := whatsappChat(c.name); chat != c.chat || service != c.service || shown != c.shown {
			t.Errorf("chat of %q: %q of %q, shown %v", c.name, chat, service, shown)
		}
	}
}

func TestWhatsAppZone(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Skipf("this machine knows no time zones: %v", err)
	}
	in := readertest.Input("x.txt", []byte("20/06/2019, 11:23 - Els: hoi\n"), reader.Options{Zone: amsterdam, Service: "whatsapp-business"})
	m := readertest.ReadAll(t, WhatsApp, in)[0].Message
	if m.Sent.String() != "2019-06-20T09:23Z" || m.Sent.Zone != argus.ZoneOperator || m.Service != "whatsapp-business" {
		t.Errorf("%s %s %s", m.Sent, m.Sent.Zone, m.Service)
	}
}

// TestWhatsAppLimit reads a message and a line that exceed the record limit; the text around
// them is kept.
func TestWhatsAppLimit(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 50)+"\n", 5)
	file := "20/06/2019, 11:23 - Els: one\n" +
		"20/06/2019, 11:24 - Els: " + long +
		"20/06/2019, 11:25 - Els: two\n" +
		strings.Repeat("y", 300) + "\nlost\n" +
		"20/06/2019, 11:26 - Els: three\n"
	in := readertest.Input("x.txt", []byte(file), reader.Options{MaxRecord: 200})
	var got []string
	items := readertest.Check(t, WhatsApp, in)
	readertest.CheckCovers(t, in, items)
	for _, item := range items {
		if item.Message != nil {
			got = append(got, item.Message.Text)
		} else {
			got = append(got, fmt.Sprintf("%d %s", len(item.Raw), item.Problem))
		}
	}
	want := []string{"one", "279 the message is longer than 200 bytes, the longest record that is read", "two",
		"200 the line is longer than 200 bytes, the longest record that is read",
		"4 the line follows a line that is too long to read; its message is unknown", "three"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func TestWhatsAppCaptions(t *testing.T) {
	for text, want := range map[string]string{
		"bring it to pier 7 \u200eimage omitted":          "bring it to pier 7+image",
		"bring it\nto pier 7\n\u200evideo omitted":        "bring it\nto pier 7+video",
		"\u200eimage omitted":                             "+image",
		"plan.pdf • \u200e2 pages \u200edocument omitted": "+plan.pdfdocument",
		"image omitted":                                   "+image",
		"so an image omitted":                             "so an image omitted",
	} {
		file := "[15/02/2021, 10:12:00] Piet: " + text + "\n[15/02/2021, 10:12:01] Els: ok\n"
		m := readertest.Check(t, WhatsApp, readertest.Input("x.txt", []byte(file), reader.Options{}))[0].Message
		var got strings.Builder
		got.WriteString(m.Text)
		for _, a := range m.Attachments {
			got.WriteString("+" + a.Name + a.Type)
		}
		if got.String() != want {
			t.Errorf("%q: %q, want %q", text, got.String(), want)
		}
	}
}

func FuzzWhatsApp(f *testing.F) {
	readertest.AddExamples(f, "../../testdata/whatsapp/*.txt")
	f.Fuzz(func(t *testing.T, file []byte) {
		in := readertest.Input("fuzz.txt", file, reader.Options{MaxRecord: 500})
		readertest.CheckCovers(t, in, readertest.Check(t, WhatsApp, in))
		detectWhatsApp(reader.Sample{Text: textdoc.SampleText(file)})
	})
}

func BenchmarkWhatsApp(b *testing.B) {
	b.Run("short", func(b *testing.B) {
		lines := "20/01/2019, 11:23 - Lena Visser: a line of ordinary length, as people write them in a chat\n" +
			"20/01/2019, 11:24 - Uwe: yes\nand a second line to it\n"
		readertest.Benchmark(b, WhatsApp, bytes.Repeat([]byte(lines), 50_000), 100_000)
	})
	b.Run("long", func(b *testing.B) {
		readertest.Benchmark(b, WhatsApp, bytes.Repeat([]byte("20/01/2019, 11:23 - Lena Visser: "+readertest.BenchSaid+"\n"), 50_000), 50_000)
	})
}
