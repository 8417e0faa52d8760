package transcript

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestWhatsAppHeads reads dates and times in the forms used by phones in many countries.
func TestWhatsAppHeads(t *testing.T) {
	for head, want := range map[string]string{
		"20.1.19, 2:05 e pasdites - ":     "2019-01-20T14:05Z",
		"21.1.19, 9:05 e paradites - ":    "2019-01-21T09:05Z",
		"20.01.19, 2:05 пп - ":            "2019-01-20T14:05Z",
		"2019-01-20 2:05 nm. - ":          "2019-01-20T14:05Z",
		"2019-01-20 14 h 05 - ":           "2019-01-20T14:05Z",
		"2019/1/20 中午12:30 - ":            "2019-01-20T12:30Z",
		"2019/1/20 中午11:30 - ":            "2019-01-20T11:30Z",
		"2019/1/20 中午1:30 - ":             "2019-01-20T13:30Z",
		"2019/1/20 午夜12:30 - ":            "2019-01-20T00:30Z",
		"2019/1/20 晚上9:30 - ":             "2019-01-20T21:30Z",
		"20/01/2019, 12:30 noon - ":       "2019-01-20T12:30Z",
		"20/01/2019, 9:15 at night - ":    "2019-01-20T21:15Z",
		"[14:56:01, 18/3/22] ":            "2022-03-18T14:56:01Z",
		"[2:56:01 CH, 18/3/22] ":          "2022-03-18T14:56:01Z",
		"19:23, 28 Aug 2013 - ":           "2013-08-28T19:23Z",
		"28 Aug 2013, 19:23 - ":           "2013-08-28T19:23Z",
		"Fri, Jun 20, 2025, 15:13:21 - ":  "2025-06-20T15:13:21Z",
		"6/20/2025, 3:13:23 PM - ":        "2025-06-20T15:13:23Z",
		"2016-06-27, 8:04:08 PM: ":        "2016-06-27T20:04:08Z",
		"18/3/2565 14:56 - ":              "2022-03-18T14:56Z [calendar: Buddhist, from the year]",
		"[3/18/2565 BE, 14:56:01] ":       "2022-03-18T14:56:01Z [calendar: Buddhist, from the year]",
		"[3/18/R4, 14:56:01] ":            "2022-03-18T14:56:01Z [calendar: Japanese (Reiwa), from the year]",
		"[3/18/H30, 14:56:01] ":           "2018-03-18T14:56:01Z [calendar: Japanese (Heisei), from the year]",
		"۱۴۰۰/۵/۱۲،‏ ۱۴:۳۰ - ":            "2021-08-03T14:30Z [calendar: Persian, from the year]",
		"1399/12/30, 14:30 - ":            "2021-03-20T14:30Z [calendar: Persian, from the year]",
		"[١٨‏/٣‏/٢٠٢٢، ٢:٥٦:٠٠ م] ":       "2022-03-18T14:56:00Z",
		"๑๘/๓/๒๕๖๕ ๑๔:๕๖ - ":              "2022-03-18T14:56Z [calendar: Buddhist, from the year]",
		"20.1.2019 г., 14:05 - ":          "2019-01-20T14:05Z",
		"Mar 18, 8:11 PM - ":              "- [year: Mar 18, 8:11 PM]",
		"18 Mar 12:14 - ":                 "- [year: 18 Mar 12:14]",
		"1400/12/30, 14:30 - ":            `problem: want a date, year-first, and found "1400/12/30, 14:30"`,
		"18/3/1443, 14:56 - ":             `problem: want a date of the Gregorian, Buddhist, Persian or Japanese calendar, and found the Islamic one, whose days depend on the country: "18/3/1443, 14:56"`,
		"2019/1/20 晚上12:30 - ":            `problem: want an hour whose day is certain and found "2019/1/20 晚上12:30"`,
		"20/01/2019, 12:30 irgendwann - ": `problem: want a.m., p.m. or a clock of 24 hours, and found the word "irgendwann"`,
		"31/02/2019, 12:30 - ":            `problem: want a date, day-first, and found "31/02/2019, 12:30"`,
	} {
		items := readertest.Check(t, WhatsApp, readertest.Input("WhatsApp Chat with Quay.txt", []byte(head+"Ann: x\n"), reader.Options{}))
		if !strings.HasPrefix(want, "problem") {
			sent, assumed, _ := strings.Cut(want, " ")
			if want = sent + " Ann: x"; sent == "-" {
				want = (argus.Time{}).String() + " Ann: x"
			}
			if assumed != "" {
				want += " " + assumed
			}
		}
		if len(items) != 1 || readertest.LineOf(items[0]) != want {
			t.Errorf("%q: %s, want %s", head, readertest.LineOf(items[0]), want)
		}
	}
}

// TestWhatsAppFiles reads lines whose meaning depends on the rest of the file.
func TestWhatsAppFiles(t *testing.T) {
	for _, c := range []struct{ about, name, file, want string }{
		{"a line whose clock word nobody knows is never glued", "q.txt", "2019/1/20 上午11:55 - Ming: one\n2019/1/20 黎明12:30 - Hua: two\n2019/1/20 下午2:05 - Ming: three\n", `
2019-01-20T11:55Z Ming: one
problem: want a.m., p.m. or a clock of 24 hours, and found the word "黎明"
2019-01-20T14:05Z Ming: three`},
		{"nor is one without a dash; a date in a text is", "q.txt", "1/20/19, 9:55 PM - Ming: one\n1/21/19, 9:55 PM Hua: two\n1/21/19, 9:55 PM\n12/24/18 was it\n", `
2019-01-20T21:55Z Ming: one [year: of two digits, taken as of this century]
problem: want a dash between clock and name, and found "1/21/19, 9:55" without one`},
		{"who never writes a space behind the colon", "_chat.txt", "[2026/7/9 02:28:09] Alice: Hey\n[2026/7/9 02:28:37] Bob K:Hi\n[2026/7/9 02:29:37] Bob K:ten o'clock\n[2026/7/9 02:30:00] Missed call at 10:30\n[2026/7/9 02:30:01] Missed call at 10:45\n[2026/7/9 02:31:00] Eve:once\n[2026/7/9 02:32:00] Group link:one\n", `
2026-07-09T02:28:09Z Alice: Hey
2026-07-09T02:28:37Z Bob K: Hi
2026-07-09T02:29:37Z Bob K: ten o'clock
2026-07-09T02:30:00Z : Missed call at 10:30 system
2026-07-09T02:30:01Z : Missed call at 10:45 system
2026-07-09T02:31:00Z Eve: once
2026-07-09T02:32:00Z : Group link:one system`},
		{"what iPhones mark, in a language of no table", "x/_chat.txt", "[14.08.2024, 21:00:10] Quay: \u200eMeldingen en oproepen zijn dicht.\n[14.08.2024, 21:00:12] Boris: hallo\n[14.08.2024, 21:01:12] Boris: \u200eBoris bytte bilde\n\u200e[14.08.2024, 21:02:12] Boris: \u200eet bilde uten\n[14.08.2024, 21:03:12] Boris: \u200eSted: https://maps.google.com/?q=1.5,-0.1\n[14.08.2024, 21:04:12] Boris: \u200eThis message was deleted.\n\u200f[14.08.2024, 21:05:12] Boris: \u200fلم يتم إدراج الصورة\n", `
2024-08-14T21:00:10Z : Meldingen en oproepen zijn dicht. system [sender: WhatsApp itself, whose mark the text begins with]
2024-08-14T21:00:12Z Boris: hallo
2024-08-14T21:01:12Z : Boris bytte bilde system [sender: WhatsApp itself, whose mark the text begins with]
2024-08-14T21:02:12Z Boris: et bilde uten
2024-08-14T21:03:12Z Boris: Sted: https://maps.google.com/?q=1.5,-0.1
2024-08-14T21:04:12Z Boris:  deleted
2024-08-14T21:05:12Z Boris:  +image`},
		{"yy-mm-dd", "q.txt", "21-02-23, 09:05 - Anna: one\n21-02-24, 10:00 - Bo: <Media omitted>\n21-03-25, 10:30 - Anna: three\n", `
2021-02-23T09:05Z Anna: one
2021-02-24T10:00Z Bo:  +
2021-03-25T10:30Z Anna: three`},
		{"the years of a chat that is long", "q.txt", "01/02/19, 09:05 - Anna: one\n05/07/20, 10:00 - Bo: <Media omitted>\n12/12/21, 10:30 - Anna: three\n", `
2019-02-01T09:05Z Anna: one
2020-07-05T10:00Z Bo:  +
2021-12-12T10:30Z Anna: three`},
		{"attached behind the name", "WhatsApp Chat with An.txt", "3/16/18, 1:56 p.m. - An: 2015-08-04-PHOTO-00004762.jpg <\u200eattached>\n3/16/18, 1:57 p.m. - An: a.jpg <attached> she wrote\n3/16/18, 1:58 p.m. - An: it is 3 <4>\n", `
2018-03-16T13:56Z An:  +2015-08-04-PHOTO-00004762.jpg
2018-03-16T13:57Z An: a.jpg <attached> she wrote
2018-03-16T13:58Z An: it is 3 <4>`},
	} {
		in := readertest.Input(c.name, []byte(c.file), reader.Options{})
		items := readertest.Check(t, WhatsApp, in)
		readertest.CheckCovers(t, in, items)
		var got strings.Builder
		for i, item := range items {
			line := readertest.LineOf(item)
			if i == len(items)-1 && item.Problem != "" {
				line, _, _ = strings.Cut(line, "\n")
			}
			got.WriteString("\n" + line)
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.about, diff)
		}
	}
}

// TestWhatsAppService checks that a text's service is named only if something proves it.
func TestWhatsAppService(t *testing.T) {
	const said = "14/02/2021, 12:03 - Ana: x\n"
	for _, c := range []struct{ name, file, service, conversation string }{
		{"WhatsApp Chat with Ana.txt", said, "whatsapp", "Ana"},
		{"Element - Quay - Chat Export.txt", said, "matrix", "Quay"},
		{"x.txt", said, "unknown", build.LogConversation("14/02/2021, 12:03 Ana: x")},
		{"x.txt", said + "14/02/2021, 12:04 - Ana: <Media omitted>\n", "whatsapp", build.LogConversation("14/02/2021, 12:03 Ana: x")},
		{"x.txt", said + "14/02/2021, 12:04 - Ana: IMG-20210214-WA0001.jpg (file attached)\n", "whatsapp", build.LogConversation("14/02/2021, 12:03 Ana: x")},
		{"x.txt", said + "14/02/2021, 12:04 - Ana: <b>bold</b>\n", "unknown", build.LogConversation("14/02/2021, 12:03 Ana: x")},
		{"x.txt", said + "14/02/2021, 12:04 - Messages are end-to-end encrypted.\n", "whatsapp", build.LogConversation("14/02/2021, 12:03 Ana: x")},
		{"x.txt", said + "14/02/2021, 12:04 - Ana created group \"Team\"\n", "whatsapp", "Team"},
		{"x.txt", "[1/23/2016 10:57:57 AM] Ana: x\n", "unknown", build.LogConversation("1/23/2016 10:57:57 AM Ana: x")},
	} {
		m := readertest.Saying(t, WhatsApp, readertest.Input(c.name, []byte(c.file), reader.Options{}), "x")
		if m.Service != c.service || m.Conversation != c.conversation {
			t.Errorf("%s, %q: %s in %q, want %s in %q", c.name, c.file, m.Service, m.Conversation, c.service, c.conversation)
		}
	}
}

// TestDigitsOfScripts checks the property of Unicode on which digitOf relies.
func TestDigitsOfScripts(t *testing.T) {
	for digits, want := range map[string]int{"0٠۰०০๐０": 0, "9٩۹९৯๙９": 9, "4٤۴४৪๔４": 4, "a٬½x": -1} {
		for _, r := range digits {
			if got := digitOf(r); got != want {
				t.Errorf("%q is %d, want %d", r, got, want)
			}
		}
	}
}

// TestHoursOfALog reads the nights of clock changes, in each kind of log.
func TestHoursOfALog(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Skipf("this machine knows no time zones: %v", err)
	}
	back := []string{"01:50", "02:10", "02:50", "02:47", "02:05", "02:40", "03:10"}
	want := []string{"23:50", "00:10 first", "00:50 first", "00:47 first", "01:05 second", "01:40 second", "02:10"}
	forward, wantForward := []string{"01:50", "02:30", "03:10"}, []string{"00:50", "01:30 no such time", "01:10"}
	for _, c := range []struct {
		format     *reader.Format
		name, line string
	}{
		{WhatsApp, "WhatsApp Chat with Q.txt", "DD/MM/2021, HH:MM - An: x\n"},
		{IRC, "#quay.log", "[2021-MM-DD HH:MM:00] <an> x\n"},
		{Textdump, "q.txt", "2021-MM-DDTHH:MM:00 an -> bo\nx\n"},
		{Textdump, "q.txt", "[DD.MM.21 HH:MM:00] an:\tx\n"},
	} {
		for _, night := range []struct {
			day, month   string
			clocks, want []string
		}{{"31", "10", back, want}, {"28", "03", forward, wantForward}} {
			var file strings.Builder
			for _, clock := range night.clocks {
				line := strings.NewReplacer("HH:MM", clock, "DD", night.day, "MM", night.month).Replace(c.line)
				file.WriteString(line)
			}
			var got []string
			for _, item := range readertest.Check(t, c.format, readertest.Input(c.name, []byte(file.String()), reader.Options{Zone: amsterdam})) {
				if item.Message == nil {
					t.Fatal(item.Problem)
				}
				var clock strings.Builder
				clock.WriteString(item.Message.Sent.UTC().Format("15:04"))
				for _, x := range item.Message.Extra {
					for _, word := range []string{"first", "second", "no such time"} {
						if strings.HasPrefix(x.Value, "hour: ") && strings.Contains(x.Value, word+" one") || strings.HasPrefix(x.Value, "hour: ") && word == "no such time" && strings.Contains(x.Value, word) {
							clock.WriteString(" " + word)
						}
					}
				}
				got = append(got, clock.String())
			}
			if diff := cmp.Diff(night.want, got); diff != "" {
				t.Errorf("%s, %s, month %s (-want +got):\n%s", c.format.Name, c.line, night.month, diff)
			}
		}
	}
}
