package transcript

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestIRCHeads reads the beginnings of lines and of days that clients write.
func TestIRCHeads(t *testing.T) {
	for _, c := range []struct{ name, log, want string }{
		{"irc.libera.#quay.weechatlog", "2025-09-02 21:11:39\tvera\tone\n2025-09-02T21:12:39.812345Z\trik\ttwo\n2025-09-02 23:12:39.812345+02:00\trik\tthree\n", `
2025-09-02T21:11:39Z vera message: one
2025-09-02T21:12:39.812345Z rik message: two
2025-09-02T21:12:39.812345Z rik message: three`},
		{"#quay.log", "--- Log opened Mon Sep 30 23:58:44 2019\n23:59:05< nick2> nick1: three\n--- Day changed Tue Oct  1 2019\n00:01 <@nick2> four\n", `
2019-09-30T23:58:44Z log: Log opened Mon Sep 30 23:58:44 2019
2019-09-30T23:59:05Z nick2 message: nick1: three
2019-10-01 log: Day changed Tue Oct  1 2019
2019-10-01T00:01Z nick2 message: four`},
		{"#shed.log", "**** BEGIN LOGGING AT Tue Dec 31 23:58:44 2019\n\nDec 31 23:58:59 *\tNow talking on #shed\nDec 31 23:59:00 *\trik (~r@host.example) has joined\nDec 31 23:59:01 <vera>\tfive\nJan 01 00:00:01 *\tvera has quit smoking\nJan 01 00:00:02 *\trik (~r@host.example) has quit (Bye)\nFeb 31 00:00:02 <vera>\tno day\n**** ENDING LOGGING AT Wed Jan  1 00:10:00 2020\n", `
2019-12-31T23:58:44Z log: **** BEGIN LOGGING AT Tue Dec 31 23:58:44 2019
2019-12-31T23:58:59Z log: Now talking on #shed
2019-12-31T23:59:00Z rik join: rik (~r@host.example) has joined
2019-12-31T23:59:01Z vera message: five
2020-01-01T00:00:01Z vera action: has quit smoking
2020-01-01T00:00:02Z rik quit: rik (~r@host.example) has quit (Bye)
problem: want a line of an IRC log, like [hh:mm] <nick> text or === nick has joined #channel
2020-01-01T00:10:00Z log: **** ENDING LOGGING AT Wed Jan  1 00:10:00 2020`},
		{"shed.log", "Session Start: Mon Sep 30 23:58:44 2019\nSession Ident: #shed\n[23:59] <vera> five\n[23:59] * vera looks up\n[23:59] * rik (~r@host.example) Quit (Bye)\n[23:59] * rik is now known as rik2\n[23:59] * vera sets mode: +o rik2\nSession Close: Mon Sep 30 23:59:59 2019\n", `
2019-09-30T23:58:44Z log: Session Start: Mon Sep 30 23:58:44 2019
2019-09-30T23:58:44Z log: Session Ident: #shed
2019-09-30T23:59Z vera message: five
2019-09-30T23:59Z vera action: looks up
2019-09-30T23:59Z rik quit: rik (~r@host.example) Quit (Bye)
2019-09-30T23:59Z rik nick: rik is now known as rik2
2019-09-30T23:59Z vera mode: vera sets mode: +o rik2
2019-09-30T23:59:59Z log: Session Close: Mon Sep 30 23:59:59 2019`},
		{"#shed.log", "2019-09-30T23:59:01  <vera> five\n2019-09-30T23:59:02 *** rik <~r@host.example> has joined #shed\n", `
2019-09-30T23:59:01Z vera message: five
2019-09-30T23:59:02Z rik join: rik <~r@host.example> has joined #shed`},
		{"shed.log", "[23:59] <vera> early\n[00:00] --- Tue Oct  1 2019\n[00:01] <vera> five\n", `
problem: 1 lines have no day: neither a line before them nor the file's name states one; give the file a name like 2004-12-25.txt
2019-10-01T00:00Z log: Tue Oct  1 2019
2019-10-01T00:01Z vera message: five`},
	} {
		var got strings.Builder
		in := readertest.Input("logs/"+c.name, []byte(c.log), reader.Options{})
		items := readertest.Check(t, IRC, in)
		readertest.CheckCovers(t, in, items)
		for _, item := range items {
			m := item.Message
			if m == nil {
				fmt.Fprintf(&got, "\nproblem: %s", item.Problem)
				continue
			}
			event := "message"
			for _, x := range m.Extra {
				if x.Name == "event" {
					event = x.Value
				}
			}
			fmt.Fprintf(&got, "\n%s", strings.Join(strings.Fields(m.Sent.String()+" "+m.From+" "+event), " ")+": "+m.Text)
			if channel := "#" + strings.Trim(strings.TrimSuffix(c.name, ".log"), "#"); strings.HasSuffix(c.name, ".log") && m.Conversation != channel && m.Conversation != "shed" {
				t.Errorf("%s: conversation %q", c.name, m.Conversation)
			}
			if zoned := m.Sent.Zone == argus.ZoneStated; zoned != strings.Contains(m.Sent.Raw, ".8") {
				t.Errorf("%s: zone %s", m.Sent.Raw, m.Sent.Zone)
			}
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if sure := detectIRC(reader.Sample{Text: []byte(c.log)}); sure < 50 {
			t.Errorf("%s: sure %d", c.name, sure)
		}
	}
}
