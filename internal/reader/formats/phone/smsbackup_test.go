package phone

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestXMLDamage damages a file at every byte, in three ways: every message except those
// at that position must still be read.
func TestXMLDamage(t *testing.T) {
	var text strings.Builder
	text.WriteString("<smses>")
	for i := range 4 {
		text.WriteString(fmt.Sprintf(`<sms address="+3161234567%d" date="16133005911%02d" type="1" body="text %d"><x>y</x></sms>`+"\n", i, i, i))
	}
	text.WriteString("</smses>")
	whole := readertest.Check(t, SMSBackup, readertest.Input("f", []byte(text.String()), reader.Options{}))
	if len(whole) != 4 {
		t.Fatalf("%d items", len(whole))
	}
	for at := whole[0].Where.Offset; at < whole[3].Where.Offset+whole[3].Where.Length; at++ {
		for _, broken := range []string{text.String()[:at] + "\x00" + text.String()[at+1:], text.String()[:at] + text.String()[at+1:], text.String()[:at] + "<" + text.String()[at:]} {
			items := readertest.Check(t, SMSBackup, readertest.Input("f", []byte(broken), reader.Options{}))
			found := map[string]bool{}
			for _, item := range items {
				if item.Message != nil {
					found[item.Message.Text] = true
				}
			}
			for i, item := range whole {
				near := at >= item.Where.Offset-1 && at <= item.Where.Offset+item.Where.Length
				if !near && !found[item.Message.Text] {
					t.Fatalf("byte %d broken: message %d is lost: %q", at, i, broken)
				}
			}
		}
	}
}

func TestXMLBounds(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"too long":   {`<smses><sms body="` + strings.Repeat("x", 5000) + `"/></smses>`, "want a record of at most 4096 bytes, found a longer one"},
		"too deep":   {"<smses><sms >" + strings.Repeat("<a>", 70), "want elements at most 64 deep, found a deeper one"},
		"entities":   {`<!DOCTYPE s [<!ENTITY a "aaaa">]><smses><sms body="&a;"/></smses>`, "want an element, found other markup"},
		"UTF-16":     {"\xFF\xFE<\x00s\x00m\x00s\x00e\x00s\x00>\x00", "want an encoding in which < is one byte, found UTF-16"},
		"encoding":   {`<?xml version="1.0" encoding="EBCDIC-9"?><smses/>`, `want an encoding that is known, found "EBCDIC-9"`},
		"not UTF-8":  {"<smses><sms body='\xff'/></smses>", "want UTF-8, found bytes that are not"},
		"no end tag": {"<smses><sms body='x' date='1613300591123' type='2' address='1'/>", "want the end of the export, found the end of the file"},
	} {
		found := false
		for _, item := range readertest.Check(t, SMSBackup, readertest.Input("f", []byte(c.text), reader.Options{MaxRecord: 4096})) {
			found = found || item.Problem == c.want
		}
		if !found {
			t.Errorf("%s: no problem %q", name, c.want)
		}
	}
}

func FuzzSMSBackup(f *testing.F) {
	f.Add([]byte(`<smses count="2"><sms address="1" date="1613300591123" type="1" body="&#55357;"/><mms date="1613300591" msg_box="1" address="1~2"><parts><part ct="text/plain" text="x"/><part data="AA=="/></parts><addrs><addr address="1" type="137"/></addrs></mms><call date="1613300591123" number="1" type="2"/></smses>`))
	f.Add([]byte(`<smses><sms a="<sms <sms ><x></sms>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, SMSBackup, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

// BenchmarkLibraryXML splits the same file into tokens and discards them, as a baseline for
// other figures measured at the same time.
func BenchmarkLibraryXML(b *testing.B) {
	file := benchSMS()
	b.SetBytes(int64(len(file)))
	begun := readertest.CPUTime()
	for b.Loop() {
		d := xml.NewDecoder(strings.NewReader(file))
		for {
			if _, err := d.RawToken(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	if used := (readertest.CPUTime() - begun).Seconds(); used > 0 {
		b.ReportMetric(float64(len(file))*float64(b.N)/1e6/used, "MB/cpu-s")
	}
}

// TestSMSBackupGroups reads the senders and receivers of messages.
func TestSMSBackupGroups(t *testing.T) {
	const owner, bo, cy = "+31600000001", "+31600000002", "+31600000003"
	type parties struct {
		From, FromName string
		To             []string
	}
	addr := func(kind int, number string) string { return fmt.Sprintf(`<addr address=%q type="%d"/>`, number, kind) }
	for _, c := range []struct {
		name, address, contact string
		box                    int
		addrs                  string
		owner                  string
		want                   parties
	}{
		{"a group", bo + "~" + cy, "Bo, Cy", 1, addr(137, bo) + addr(151, owner) + addr(151, cy), owner, parties{bo, "", []string{owner, cy}}},
		{"the second sends", bo + "~" + cy, "Bo, Cy", 1, addr(137, cy) + addr(151, owner) + addr(151, bo), owner, parties{cy, "", []string{owner, bo}}},
		{"no owner told", bo + "~" + cy, "Bo, Cy", 1, addr(137, bo) + addr(151, owner) + addr(151, cy), "", parties{bo, "", []string{"owner of s", cy}}},
		{"no addrs", bo + "~" + cy, "Bo, Cy", 1, "", owner, parties{bo, "", []string{owner, cy}}},
		{"one address, three addrs", bo, "Bo", 1, addr(137, bo) + addr(151, owner) + addr(130, cy), owner, parties{bo, "Bo", []string{owner, cy}}},
		{"two", bo, "Bo", 1, addr(137, bo) + addr(151, owner), "", parties{bo, "Bo", []string{"owner of s"}}},
		{"another form", "0600000002", "Bo", 1, addr(137, bo) + addr(151, owner), owner, parties{bo, "", []string{owner}}},
		{"sent", bo + "~" + cy, "Bo, Cy", 2, addr(137, "insert-address-token") + addr(151, bo) + addr(151, cy), owner, parties{owner, "", []string{bo, cy}}},
		{"to himself", owner, "Me", 1, addr(137, owner) + addr(151, owner), owner, parties{owner, "Me", []string{owner}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := fmt.Sprintf(`<smses count="1" backup_set="s"><mms date="1613300591000" msg_box="%d" address=%q contact_name=%q><addrs>%s</addrs></mms></smses>`,
				c.box, c.address, c.contact, c.addrs)
			m := readertest.Check(t, SMSBackup, readertest.Input("f", []byte(file), reader.Options{Owner: c.owner}))[0].Message
			if diff := cmp.Diff(c.want, parties{m.From, m.FromName, m.To}); diff != "" || m.Title != c.contact {
				t.Errorf("title %q: %s", m.Title, diff)
			}
		})
	}
}

// TestSMSBackupUnsent checks that unsent messages are not taken for sent ones.
func TestSMSBackupUnsent(t *testing.T) {
	ids := map[argus.ID]bool{}
	for box, want := range map[int]string{1: "x", 2: "x", 3: "draft: x", 4: "outbox: x", 5: "failed: x", 6: "queued: x", 7: "x"} {
		file := fmt.Sprintf(`<smses><sms address="+31600000002" date="1613300591000" type="%d" body="x"/>`+
			`<mms address="+31600000003" date="1613300591000" msg_box="%d"><parts><part ct="text/plain" text="x"/></parts></mms></smses>`, box, box)
		for _, item := range readertest.Check(t, SMSBackup, readertest.Input("f", []byte(file), reader.Options{}))[:2] {
			m := item.Message
			if m.Text != want || (m.Type == argus.TypeDraft) != (want != "x") {
				t.Errorf("%d: %q %v, want %q", box, m.Text, m.State.Words(), want)
			}
			id, _ := m.Identity()
			ids[id] = true
		}
	}
	if len(ids) != 2*6 { // 2 and 7 agree: both come from the owner
		t.Errorf("%d messages, want 12", len(ids))
	}
}

func BenchmarkSMSBackup(b *testing.B) { readertest.Benchmark(b, SMSBackup, []byte(benchSMS()), 10_000) }

// benchSMS is a backup of 10,000 messages.
func benchSMS() string {
	return "<smses>" + strings.Repeat(`  <sms protocol="0" address="+31612345678" date="1613300591000" type="1" subject="null" body="Morgen om tien uur bij de loods, neem de papieren mee &amp; zeg niets" toa="null" sc_toa="null" service_center="+316540" read="1" status="-1" locked="0" date_sent="1613300590000" sub_id="1" readable_date="14 Feb 2021 12:03:11" contact_name="Bee" />`+"\n", 10_000) + "</smses>"
}
