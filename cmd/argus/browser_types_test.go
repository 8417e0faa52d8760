package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// typesStore makes a store with a message of each type and with messages whose copies
// differ. Two authorities are added to the one for everything: A-0002 for one whole
// delivery, and A-0003 for one account. It returns the store's folder.
func typesStore(t *testing.T, keys string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "types.argus")
	o := node.Options{Formats: all.Formats(), KeyDir: keys}
	if err := node.Create(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	o.Write = true
	n, err := node.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	who, err := n.Who(t.Context(), desk.Who{Actor: "ann", Authority: "A-0001", Purpose: "test"})
	if err != nil {
		t.Fatal(err)
	}
	server, phone := typesOnServer(), typesOnPhone()
	for _, d := range []struct {
		source  string
		records []*argus.Record
	}{{"server", server}, {"phone of Ann", phone}} {
		err := n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			return deliver(ctx, o, d.source, d.records)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, scope := range []string{"delivery:D-0002", "from:=U1"} {
		a := authority.Authority{Title: scope, Basis: "Warrant 1", GrantedBy: "a judge", Purpose: "test", Scope: scope}
		if _, err := n.Admin.AddAuthority(t.Context(), who.Actor, a); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// deliver ingests one file with a line for each record, and seals the delivery.
func deliver(ctx context.Context, o intake.Options, source string, records []*argus.Record) error {
	d, err := o.Store.Begin(ctx, argus.Opening{Source: source, Authority: o.Authority, Actor: o.Actor, Started: time.Now().UnixMicro(), Readers: []string{"lines/1"}})
	if err != nil {
		return err
	}
	var text strings.Builder
	for i, r := range records {
		line := "?"
		if r.Message != nil {
			line = fmt.Sprintf("%s %s: %s", r.Message.Sent, r.Message.From, r.Message.Text)
		}
		r.Where = argus.Where{Reader: 1, Record: uint64(i + 1), Offset: int64(text.Len()), Length: int64(len(line))}
		text.WriteString(line + "\n")
	}
	// The first record encloses the second, as a mail encloses an attached mail.
	records[0].Where.Length += 1 + records[1].Where.Length
	kept, err := o.Store.PutOriginal(ctx, strings.NewReader(text.String()))
	if err != nil {
		return err
	}
	kept.Path = source + ".txt"
	original := &argus.Record{Kind: argus.KindOriginal, Original: &kept}
	if err := o.Store.Append(ctx, d, []*argus.Record{original}); err != nil {
		return err
	}
	for _, r := range records {
		r.Where.Original = original.Seq
	}
	if err := o.Store.Append(ctx, d, records); err != nil {
		return err
	}
	_, err = o.Store.Seal(ctx, d, o.StoreID, o.Signer, time.Now(), "")
	return err
}

// record makes the record of a message in the conversation "docks", sent the given number
// of minutes after noon.
func record(minute int, m argus.Message) *argus.Record {
	m.Service, m.Conversation = "sky", "docks"
	if !m.Sent.Known() {
		m.Sent = argus.At(time.Date(2021, 2, 14, 12, minute, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)
	}
	r := &argus.Record{Kind: argus.KindMessage, Message: &m}
	r.ID, r.Version = m.Identity()
	return r
}

func typesOnServer() []*argus.Record {
	locked := &argus.Locked{KeyID: "k-1", Algorithm: "AES-256-CBC", Payload: []byte("????????????????")}
	return []*argus.Record{
		record(0, argus.Message{From: "U1", To: []string{"U2"}, ServiceID: "m-1", Text: "five kilos at the old dock, bring the red van"}),
		record(1, argus.Message{From: "U2", To: []string{"U1"}, ServiceID: "m-2", State: argus.StateLocked, Locked: locked}),
		record(2, argus.Message{From: "U1", To: []string{"U2"}, ServiceID: "m-3", Text: "نلتقي في الميناء القديم غدا"}),
		record(3, argus.Message{From: "U2", To: []string{"U1"}, ServiceID: "m-4", Text: "said once, the same everywhere"}),
		{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "not a message", Raw: []byte("?")}},
	}
}

func typesOnPhone() []*argus.Record {
	fact := func(minute int, of argus.Type, from, text string, f argus.Facts) *argus.Record {
		return record(minute, argus.Message{Type: of, From: from, Text: text, ServiceID: fmt.Sprintf("f-%d", minute), Facts: &f})
	}
	edited := record(0, argus.Message{From: "U1", FromName: "Ann", To: []string{"U2", "U3"}, ServiceID: "m-1", State: argus.StateEdited,
		Text: "nine kilos at the old dock, bring the blue van", Title: "The docks"})
	// The phone's clock is three seconds behind the service's; the copies are still one message.
	met := record(3, argus.Message{From: "U2", To: []string{"U1"}, ServiceID: "m-4", Text: "said once, the same everywhere",
		Sent: argus.Time{Micros: time.Date(2021, 2, 14, 12, 2, 57, 0, time.UTC).UnixMicro(), Precision: argus.Second, Clock: argus.ClockSender}})
	met.Met, met.Version = typesOnServer()[3].ID, typesOnServer()[3].Version
	assumed := record(20, argus.Message{From: "U1", ServiceID: "m-20", Text: "<b>by a clock</b> that nobody vouched for",
		Sent: argus.At(time.Date(2021, 2, 14, 12, 20, 0, 0, time.UTC), "14-02-2021 12:20", argus.ZoneAssumed, argus.Minute)})
	return []*argus.Record{
		edited,
		record(1, argus.Message{From: "U2", FromName: "Bob", To: []string{"U1"}, ServiceID: "m-2", Text: "tomorrow at ten, pier 7"}),
		record(2, argus.Message{From: "U1", To: []string{"U2"}, ServiceID: "m-3", Text: "نلتقي في الميناء الجديد بعد غد"}),
		met,
		fact(5, argus.TypeCall, "U1", "voice call, outgoing, 2 min 5 s", argus.Facts{Call: &argus.Call{Direction: "out", Seconds: 125, Answered: "yes", Participants: []string{"U1", "U2"}}}),
		fact(6, argus.TypeCall, "U2", "video call, incoming, not answered", argus.Facts{Call: &argus.Call{Direction: "in", Answered: "no", Video: true}}),
		fact(7, argus.TypeContact, "", "contact Bob: U2, +31612345678", argus.Facts{Contact: &argus.Contact{Names: []string{"Bob", "بوب"}, Accounts: []string{"U2", "+31612345678"}}}),
		fact(8, argus.TypeRoom, "", "room The docks, 2 members", argus.Facts{Room: &argus.Room{Name: "The docks", Topic: "boats", Members: []string{"U1", "U2"}}}),
		fact(9, argus.TypeMembership, "U1", "U1 added U3", argus.Facts{Membership: &argus.Membership{Action: "add", Members: []string{"U3"}}}),
		fact(10, argus.TypeReaction, "U2", "👍", argus.Facts{Reaction: &argus.Reaction{To: "m-1", Sign: "👍"}}),
		fact(11, argus.TypeLocation, "U1", "51.2217, 4.4025", argus.Facts{Location: &argus.Location{Latitude: "51.2217", Longitude: "4.4025", Accuracy: "12", Source: "gps", Name: "Pier 7"}}),
		fact(12, argus.TypeDevice, "", "phone Pixel 4a", argus.Facts{Device: &argus.Device{Name: "phone of Ann", Model: "Pixel 4a", Identifiers: []argus.Field{{Name: "IMEI", Value: "490154203237518"}}}}),
		fact(13, argus.TypePoll, "U1", "When? tomorrow / never", argus.Facts{Poll: &argus.Poll{Question: "When?", Options: []string{"tomorrow", "never"}}}),
		record(14, argus.Message{Type: argus.TypeDraft, From: "U1", ServiceID: "f-14", Text: "written and not sent"}),
		record(15, argus.Message{Type: argus.TypeNotice, State: argus.StateSystem, ServiceID: "f-15", Text: "messages are encrypted"}),
		record(16, argus.Message{Type: argus.TypeNote, From: "U1", ServiceID: "f-16", Text: "buy rope"}),
		record(17, argus.Message{From: "U2", FromName: "Bob", ServiceID: "m-17", ReplyTo: "m-1", ForwardedFrom: "U9", Text: "of which the photo is missing",
			Attachments: []argus.Attachment{{Name: "dock.jpg", Type: "image/jpeg", Size: 48211}}}),
		assumed,
	}
}
