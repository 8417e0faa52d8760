package intake

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/check"
)

// chat is an invented conversation between two people by SMS, as both sides and the service
// saw it: the sender, the text, and the time by the service's clock.
type chat struct {
	second int
	byA    bool
	text   string
}

const numberA, numberB = "+31600000001", "+31600000002"

// inventedChat has equal texts close together and far apart, and answers in the
// same second.
func inventedChat() []chat {
	var all []chat
	random := rand.New(rand.NewPCG(7, 7))
	second := 0
	for i := range 400 {
		second += 1 + random.IntN(90)
		text := fmt.Sprintf("message %d", i)
		if i%5 == 0 {
			text = "ok" // repeated, at intervals longer than the difference of the clocks
			second += 30
		}
		all = append(all, chat{second, i%3 != 0, text})
		if i%50 == 0 {
			all = append(all, chat{second, i%3 == 0, text})
		}
	}
	return all
}

// phone writes the backup of one side. Its clock is skew seconds off; received messages have
// the service's time, and the time of receipt.
func phone(all []chat, ofA bool, skew int) string {
	other, set := numberB, "a"
	if !ofA {
		other, set = numberA, "b"
	}
	var s strings.Builder
	fmt.Fprintf(&s, "<smses count=\"%d\" backup_set=%q>\n", len(all), set)
	for _, m := range all {
		var text strings.Builder
		_ = xml.EscapeText(&text, []byte(m.text))
		ms := func(second int) int { return 1613300000000 + second*1000 }
		if m.byA == ofA {
			fmt.Fprintf(&s, `<sms address=%q date="%d" date_sent="0" type="2" body=%q/>`+"\n", other, ms(m.second+skew)+7, text.String())
		} else {
			fmt.Fprintf(&s, `<sms address=%q date="%d" date_sent="%d" type="1" body=%q/>`+"\n", other, ms(m.second+skew+2), ms(m.second), text.String())
		}
	}
	s.WriteString("</smses>\n")
	return s.String()
}

// archive writes the service's own records, in seconds.
func archive(all []chat) string {
	var s strings.Builder
	for _, m := range all {
		from, to := numberA, numberB
		if !m.byA {
			from, to = to, from
		}
		fmt.Fprintf(&s, `{"service":"sms","conversation":"%s|%s","from":%q,"to":[%q],"sent":%q,"text":%q}`+"\n", numberA, numberB, from, to,
			argus.Time{Micros: (1613300000 + int64(m.second)) * 1e6, Precision: argus.Second}, m.text)
	}
	return s.String()
}

// TestPhonesAndServerMeet takes in both phones of a chat and the archive of the service, in
// every order. The clocks differ by seconds, and the sides are swapped. Each message must be
// stored once, with three sightings.
func TestPhonesAndServerMeet(t *testing.T) {
	all := inventedChat()
	deliveries := map[string][2]string{
		"phone A": {phone(all, true, 3), numberA},
		"phone B": {phone(all, false, -4), numberB},
		"server":  {archive(all), ""},
	}
	for _, order := range [][]string{
		{"phone A", "phone B", "server"}, {"phone B", "phone A", "server"}, {"phone A", "server", "phone B"},
		{"phone B", "server", "phone A"}, {"server", "phone A", "phone B"}, {"server", "phone B", "phone A"},
	} {
		t.Run(strings.Join(order, ", "), func(t *testing.T) {
			b := newBench(t)
			for range 2 { // a second time changes nothing
				for _, name := range order {
					d := deliveries[name]
					file := "f.xml"
					if name == "server" {
						file = "f.jsonl"
					}
					b.o.Reading.Owner, b.o.ReadingNames = d[1], nil
					b.ingest(t, write(t, t.TempDir(), file, d[0]))
				}
			}
			sightings := map[argus.ID]map[argus.DeliveryNumber]int{}
			messages := map[string]int{}
			for r, err := range b.o.Store.From(t.Context(), 1) {
				if err != nil {
					t.Fatal(err)
				}
				switch r.Kind {
				case argus.KindQuarantined:
					t.Fatal(r.Quarantine.Reason)
				case argus.KindMessage:
					messages[r.Message.From+" "+r.Message.Text]++
					fallthrough
				case argus.KindSighting:
					if sightings[r.MessageID()] == nil {
						sightings[r.MessageID()] = map[argus.DeliveryNumber]int{}
					}
					sightings[r.MessageID()][r.Delivery]++
				}
			}
			want := map[string]int{}
			for _, m := range all {
				want[map[bool]string{true: numberA, false: numberB}[m.byA]+" "+m.text]++
			}
			if diff := cmp.Diff(want, messages); diff != "" {
				t.Error(diff)
			}
			if _, err := check.Verify(t.Context(), b.dir, nil, func(f check.Finding) { t.Error(f) }, func(int64) {}, nil); err != nil {
				t.Error(err)
			}
			for id, in := range sightings {
				if n := slices.Collect(maps.Values(in)); len(n) != 6 || slices.Max(n) != 1 {
					t.Fatalf("%s was seen %v times in the deliveries", id, in)
				}
			}
		})
	}
}

// report writes a report on one side's phone: texts, or a chat followed by a copy of each of
// its messages on its own, with a short id or none. Its clock is skew seconds off, for sent and
// received messages.
func report(all []chat, ofA bool, skew int, kind string) string {
	party := func(number, role string, owner bool) string {
		own := ""
		if owner {
			own = `<field name="IsPhoneOwner"><value>True</value></field>`
		}
		return fmt.Sprintf(`<model type="Party"><field name="Identifier"><value>%s</value></field><field name="Role"><value>%s</value></field>%s</model>`, number, role, own)
	}
	var models strings.Builder
	for i, m := range all {
		from, to := numberA, numberB
		if !m.byA {
			from, to = to, from
		}
		folder := map[bool]string{true: "Sent", false: "Inbox"}[m.byA == ofA]
		parties := `<modelField name="From">` + party(from, "", false) + `</modelField><multiModelField name="To">` + party(to, "", false) + `</multiModelField>`
		id := ""
		switch {
		case kind == "SMS" && folder == "Sent":
			parties = `<multiModelField name="Parties">` + party(to, "To", false) + `</multiModelField><field name="Folder"><value>Sent</value></field>`
		case kind == "SMS":
			parties = `<multiModelField name="Parties">` + party(from, "From", false) + `</multiModelField><field name="Folder"><value>Inbox</value></field>`
		case kind == "short ids":
			id = fmt.Sprintf(`<field name="Identifier"><value>3EB0%d</value></field>`, i)
		}
		if folder == "Sent" && i%7 == 0 {
			id += fmt.Sprintf(`<field name="DateDelivered"><value>%s</value></field>`, argus.Time{Micros: (1613300000 + int64(m.second)) * 1e6, Precision: argus.Second})
		}
		fmt.Fprintf(&models, `<model type=%q>%s%s<field name="Body"><value>%s</value></field><field name="TimeStamp"><value>%s</value></field></model>`+"\n",
			map[bool]string{true: "SMS", false: "InstantMessage"}[kind == "SMS"], parties, id, m.text,
			argus.Time{Micros: (1613300000 + int64(m.second+skew)) * 1e6, Precision: argus.Second})
	}
	begin := `<project id="of ` + map[bool]string{true: "A", false: "B"}[ofA] + `" xmlns="http://pa.cellebrite.com/report/2.0"><decodedData>`
	if kind == "SMS" {
		return begin + models.String() + `</decodedData></project>`
	}
	return begin + `<model type="Chat"><multiModelField name="Participants">` + party(numberA, "", ofA) + party(numberB, "", !ofA) + `</multiModelField><multiModelField name="Messages">` +
		models.String() + `</multiModelField></model>` + models.String() + `</decodedData></project>`
}

// TestReportsMeet takes in the reports of both phones of a chat, in both orders.
func TestReportsMeet(t *testing.T) {
	all := inventedChat()
	for _, kind := range []string{"SMS", "no ids", "short ids"} {
		for _, ofA := range []bool{true, false} {
			t.Run(fmt.Sprint(kind, ", A first ", ofA), func(t *testing.T) {
				b := newBench(t)
				var last argus.Counts
				for _, of := range []bool{ofA, !ofA} {
					skew := map[bool]int{true: 0, false: 3}[of]
					if kind == "SMS" {
						b.o.Reading.Owner = map[bool]string{true: numberA, false: numberB}[of]
					}
					last = b.ingest(t, write(t, t.TempDir(), "report.xml", report(all, of, skew, kind))).Counts
				}
				if last.Stored != 0 || last.Quarantined != 0 || last.Sightings < uint64(len(all)) {
					t.Errorf("the second phone: %+v, want sightings of what the first has", last)
				}
			})
		}
	}
}

// TestMeetingsAreStrict takes in copies that must not meet.
func TestMeetingsAreStrict(t *testing.T) {
	sms := func(kind, second int, text string) string {
		return fmt.Sprintf(`<smses backup_set="x"><sms address=%q date="%d" type="%d" body=%q/></smses>`, numberB, 1613300000000+second*1000, kind, text)
	}
	for name, c := range map[string]struct{ first, second string }{
		"one clock, two exports":  {sms(2, 10, "ok"), sms(2, 12, "ok")},
		"too far apart":           {archive([]chat{{10, false, "ok"}}), sms(1, 10+meetSeconds+1, "ok")},
		"another text":            {archive([]chat{{10, false, "ok"}}), sms(1, 11, "no")},
		"another sender":          {archive([]chat{{10, true, "ok"}}), sms(1, 11, "ok")},
		"two of the same archive": {archive([]chat{{10, true, "ok"}}), archive([]chat{{11, true, "ok"}})},
	} {
		b := newBench(t)
		b.o.Reading.Owner = numberA
		for i, content := range []string{c.first, c.second} {
			b.ingest(t, write(t, t.TempDir(), fmt.Sprint("f", i), content))
		}
		if got := b.texts(t); len(got) != 2 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestVersionsMeet reads an archive, once before and once after a phone. The archive holds
// several versions of a message, and its clock differs from the phone's. The result is one
// message, whichever version the phone has.
func TestVersionsMeet(t *testing.T) {
	sent := func(second int64, clock argus.Clock) argus.Time {
		return argus.Time{Micros: (1613300000 + second) * 1e6, Precision: argus.Second, Zone: argus.ZoneStated, Clock: clock}
	}
	version := func(at argus.Time, id, text string, state argus.State) *argus.Message {
		m := &argus.Message{Service: "sky", Conversation: "quay", From: "anna", ServiceID: id, Sent: at, Text: text, State: state}
		if state&argus.StateLocked != 0 {
			m.Text, m.Locked = "", &argus.Locked{KeyID: "k", Payload: []byte(text)}
		}
		return m
	}
	server, here := sent(0, argus.ClockService), sent(3, argus.ClockSender)
	for name, c := range map[string]struct{ archive, phone []*argus.Message }{
		"edited": {[]*argus.Message{version(server, "7", "monday", 0), version(server, "7", "tuesday", argus.StateEdited)}, []*argus.Message{version(here, "7", "monday", 0)}},
		"edited on the phone": {[]*argus.Message{version(server, "7", "monday", 0)},
			[]*argus.Message{version(here, "7", "tuesday", argus.StateEdited), version(here, "7", "friday", argus.StateEdited), version(here, "7", "tuesday", argus.StateEdited)}},
		"locked": {[]*argus.Message{version(server, "7", "\x8f\x01", argus.StateLocked)}, []*argus.Message{version(here, "7", "monday", 0)}},
		"without an id, deleted": {[]*argus.Message{version(server, "", "monday", argus.StateDeleted), version(server, "", "monday", 0)},
			[]*argus.Message{version(here, "", "monday", argus.StateEdited)}},
	} {
		for _, archiveFirst := range []bool{true, false} {
			b := newBench(t)
			for _, ofArchive := range []bool{archiveFirst, !archiveFirst, archiveFirst} {
				var lines []byte
				for _, m := range map[bool][]*argus.Message{true: c.archive, false: c.phone}[ofArchive] {
					line, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					lines = append(append(lines, line...), '\n')
				}
				b.ingest(t, write(t, t.TempDir(), "f.jsonl", string(lines)))
			}
			ids, versions, moved := map[argus.ID]bool{}, map[argus.Version]bool{}, 0
			for r, err := range b.o.Store.From(t.Context(), 1) {
				switch {
				case err != nil:
					t.Fatal(err)
				case r.Kind == argus.KindQuarantined:
					t.Fatal(r.Quarantine.Reason)
				case r.Kind == argus.KindMessage && r.Moved != 0:
					moved++
					fallthrough
				case r.Message != nil:
					ids[r.MessageID()], versions[r.Version] = true, true
				}
			}
			want := map[argus.Version]bool{}
			for _, m := range slices.Concat(c.archive, c.phone) {
				m := *m
				m.Sent = server
				_, v := m.Identity()
				want[v] = true
			}
			if len(ids) != 1 || len(versions) != len(want) || moved == 0 && name != "edited" {
				t.Errorf("%s, archive first %v: %d messages, %d versions, want 1 and %d; %d differing copies met", name, archiveFirst, len(ids), len(versions), len(want), moved)
			}
			if v, err := check.Verify(t.Context(), b.dir, nil, func(f check.Finding) { t.Error(f) }, func(int64) {}, nil); err != nil || v == nil {
				t.Error(err)
			}
		}
	}
}
