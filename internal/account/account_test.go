package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// book counts messages as records of one delivery. A message that equals an earlier
// one becomes its sighting.
func book(messages ...argus.Message) argus.Completeness {
	var b Bookkeeper
	b.Add(&argus.Record{Seq: 100, Kind: argus.KindOpening, Opening: &argus.Opening{}})
	b.Add(&argus.Record{Seq: 101, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}})
	seen := map[argus.ID]uint64{}
	for i, m := range messages {
		r := &argus.Record{Seq: uint64(102 + i), Kind: argus.KindMessage, Message: &m, Where: argus.Where{Original: 101}}
		r.ID, _ = m.Identity()
		if of := seen[r.ID]; of > 0 {
			r.Kind, r.Of = argus.KindSighting, of
		}
		seen[r.ID] = r.Seq
		b.Add(r)
	}
	return b.Receipt(nil).Completeness
}

func said(conversation, from, to string, second int) argus.Message {
	return argus.Message{Service: "sky", Conversation: conversation, From: from, To: []string{to}, ServiceID: fmt.Sprint(second),
		Sent: argus.Time{Micros: int64(second) * 1e6, Precision: argus.Second}}
}

func TestCompleteness(t *testing.T) {
	numbered := func(n int) argus.Message {
		m := said("A|B", "A", "B", n)
		m.Sequence = uint64(n)
		if n%2 == 0 {
			m.From, m.To = "B", []string{"A"}
		}
		return m
	}
	photo := said("A|B", "A", "B", 1)
	photo.Attachments = []argus.Attachment{{Name: "there.jpg", Hash: argus.Hash{1}}, {Name: "gone.jpg"}}
	in := func(conversation string, n int) argus.Message {
		m := numbered(n)
		m.Conversation, m.ServiceID = conversation, fmt.Sprint(conversation, n)
		return m
	}
	alone := func(from string, n int) argus.Message {
		m := said("", from, "", n)
		m.Sequence, m.ServiceID = uint64(n), fmt.Sprint(from, n)
		return m
	}
	thread := func(replies uint64) argus.Message {
		m := said("A|B", "A", "B", 1)
		m.Facts = &argus.Facts{Replies: replies}
		return m
	}
	answer := func(second int) argus.Message {
		m := said("A|B", "B", "A", second)
		m.ReplyTo = "1"
		return m
	}
	edited := func(m argus.Message) argus.Message {
		m.State |= argus.StateEdited
		return m
	}
	called := func(m argus.Message, name, title string) argus.Message {
		m.FromName, m.Title = name, title
		return m
	}
	of := func(kind argus.Type, m argus.Message) argus.Message {
		m.Type = kind
		return m
	}
	to := func(id string, m argus.Message) argus.Message {
		m.ReplyTo = id
		return m
	}
	for _, tt := range []struct {
		name     string
		messages []argus.Message
		want     argus.Completeness
	}{
		{"nothing", nil, argus.Completeness{}},
		{"both sides", []argus.Message{said("A|B", "A", "B", 1), said("A|B", "B", "A", 2)}, argus.Completeness{Conversations: 1, Accounts: 2}},
		{"one side", []argus.Message{said("A|B", "A", "B", 1), said("A|B", "A", "B", 2)}, argus.Completeness{Conversations: 1, Accounts: 1, OneSided: 1,
			In: []argus.Gap{{Service: "sky", Conversation: "A|B", Only: "A"}, {Service: "sky", Account: "A", OneSided: 1}}}},
		{"one side with names", []argus.Message{called(said("A|B", "A", "B", 1), "", ""), called(said("A|B", "A", "B", 2), "Ann", "quay")}, argus.Completeness{Conversations: 1, Accounts: 1, OneSided: 1,
			In: []argus.Gap{{Service: "sky", Conversation: "A|B", Name: "quay", Only: "A", OnlyName: "Ann"}, {Service: "sky", Account: "A", Name: "Ann", OneSided: 1}}}},
		{"one message is no side", []argus.Message{said("A|B", "A", "B", 1)}, argus.Completeness{Conversations: 1, Accounts: 1}},
		{"one message twice", []argus.Message{said("A|B", "A", "B", 1), said("A|B", "A", "B", 1)}, argus.Completeness{Conversations: 1, Accounts: 1}},
		{"attachments", []argus.Message{photo}, argus.Completeness{Conversations: 1, Accounts: 1, Named: 2, Missing: 1,
			In: []argus.Gap{{Service: "sky", Conversation: "A|B", Missing: 1}, {Service: "sky", Account: "A", Missing: 1}}}},
		{"a gap", []argus.Message{numbered(1), numbered(2), numbered(5), numbered(6)}, argus.Completeness{Conversations: 1, Accounts: 2, Series: 1, Unseen: 2,
			In: []argus.Gap{{Service: "sky", Unseen: 2, First: 1, Last: 6}}}},
		{"numbers through several conversations", []argus.Message{in("x", 1), in("x", 2), in("y", 3), in("x", 4), in("x", 6)},
			argus.Completeness{Conversations: 2, Accounts: 2, Series: 1, Unseen: 1, In: []argus.Gap{{Service: "sky", Unseen: 1, First: 1, Last: 6}}}},
		{"numbers of each conversation", []argus.Message{in("x", 1), in("x", 2), in("y", 2), in("x", 4), in("y", 3)},
			argus.Completeness{Conversations: 2, Accounts: 2, Series: 2, Unseen: 1, In: []argus.Gap{{Service: "sky", Conversation: "x", Unseen: 1, First: 1, Last: 4}}}},
		{"numbers of each account", []argus.Message{alone("A", 1), alone("A", 2), alone("B", 1), alone("A", 4), alone("B", 2)},
			argus.Completeness{Accounts: 2, Series: 2, Unseen: 1, In: []argus.Gap{{Service: "sky", Account: "A", Unseen: 1, First: 1, Last: 4}}}},
		{"answers that are stated", []argus.Message{thread(3), answer(2), answer(3), answer(3)},
			argus.Completeness{Conversations: 1, Accounts: 2, Replies: 1, In: []argus.Gap{{Service: "sky", Conversation: "A|B", Replies: 1}}}},
		{"all answers", []argus.Message{thread(1), answer(2), answer(3)}, argus.Completeness{Conversations: 1, Accounts: 2}},
		{"answers before what they answer", []argus.Message{answer(3), answer(2), thread(2)}, argus.Completeness{Conversations: 1, Accounts: 2}},
		{"answers to others", []argus.Message{thread(1), edited(answer(2)), of(argus.TypeReaction, answer(3)), to("9", answer(4))},
			argus.Completeness{Conversations: 1, Accounts: 2, Replies: 1, In: []argus.Gap{{Service: "sky", Conversation: "A|B", Replies: 1}}}},
		{"a call is an answer", []argus.Message{said("A|B", "A", "B", 1), of(argus.TypeCall, said("A|B", "B", "A", 2))}, argus.Completeness{Conversations: 1, Accounts: 2}},
		{"what is no turn", []argus.Message{said("A|B", "A", "B", 1), of(argus.TypeMembership, said("A|B", "B", "A", 2)), of(argus.TypeContact, said("contacts", "", "C", 3)), said("A|B", "A", "B", 4)},
			argus.Completeness{Conversations: 1, Accounts: 1, OneSided: 1, In: []argus.Gap{{Service: "sky", Conversation: "A|B", Only: "A"}, {Service: "sky", Account: "A", OneSided: 1}}}},
		{"numbers of what is no turn", []argus.Message{numbered(1), of(argus.TypeMembership, numbered(2)), numbered(3), numbered(4)}, argus.Completeness{Conversations: 1, Accounts: 2, Series: 1}},
		{"an owner who is not named", []argus.Message{said("A|B", argus.OwnerOf+"phone", "B", 1), said("A|B", "B", argus.OwnerOf+"phone", 2)},
			argus.Completeness{Conversations: 1, Accounts: 2, Unnamed: 1}},
		{"time back", []argus.Message{said("A|B", "A", "B", 1), said("A|B", "B", "A", 5), said("A|B", "A", "B", 3), said("A|B", "B", "A", 7)},
			argus.Completeness{Conversations: 1, Accounts: 2, Backwards: 1, In: []argus.Gap{{Service: "sky", Conversation: "A|B", Backwards: 1}}}},
		{"a chat once more", []argus.Message{said("A|B", "A", "B", 1), said("A|B", "B", "A", 5), said("A|B", "A", "B", 1), said("A|B", "B", "A", 5), said("A|B", "A", "B", 7)},
			argus.Completeness{Conversations: 1, Accounts: 2}},
		{"newest first", []argus.Message{said("A|B", "A", "B", 9), said("A|B", "B", "A", 5), said("A|B", "A", "B", 3)}, argus.Completeness{Conversations: 1, Accounts: 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, book(tt.messages...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A file's own count is compared with the records read from it; each entry of an
// archive has its own.
func TestStatedCounts(t *testing.T) {
	var b Bookkeeper
	add := func(r argus.Record) { b.Add(&r) }
	add(argus.Record{Seq: 1, Kind: argus.KindOpening, Opening: &argus.Opening{}})
	add(argus.Record{Seq: 2, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a.zip"}})
	message := said("A|B", "A", "B", 1)
	file := func(path string, messages, broken int, states uint64) {
		where := argus.Where{Original: 2, Path: path}
		for range messages {
			add(argus.Record{Kind: argus.KindMessage, Message: &message, Where: where})
		}
		for range broken {
			add(argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "x"}, Where: where})
		}
		add(argus.Record{Kind: argus.KindStated, Stated: &argus.Stated{What: "count", Count: states}, Where: where})
	}
	file("whole", 2, 1, 3)
	file("short", 2, 0, 5)
	file("none", 0, 0, 1)
	file("empty", 0, 0, 0)
	for range 3 {
		add(argus.Record{Kind: argus.KindMessage, Message: &message, Where: argus.Where{Original: 2, Path: "besides"}})
	}
	add(argus.Record{Kind: argus.KindStated, Stated: &argus.Stated{What: "count", Count: 2, Besides: 1}, Where: argus.Where{Original: 2, Path: "besides"}})
	r := b.Receipt(nil)
	c := r.Completeness
	want := []argus.StatedCount{{File: "a.zip!/short", What: "count", Stated: 5, Found: 2}, {File: "a.zip!/none", What: "count", Stated: 1}}
	if diff := cmp.Diff(want, c.Differing); diff != "" || c.Stated != 5 || c.Differs != 2 {
		t.Errorf("%d stated, %d differ: %s", c.Stated, c.Differs, diff)
	}
	if want := (argus.Counts{Read: 8, Stored: 7, Quarantined: 1}); r.Counts != want {
		t.Errorf("a count is no piece: %+v, want %+v", r.Counts, want)
	}
}

// Conversations and accounts beyond the limits cost no memory, and are counted.
func TestCompletenessIsBounded(t *testing.T) {
	var messages []argus.Message
	for i := range 1<<16 + 10 {
		m := said(fmt.Sprintf("room %05d", i), fmt.Sprint("account ", i), "", i)
		if i < 150 {
			m.Attachments = make([]argus.Attachment, 1+i/149)
		}
		messages = append(messages, m)
	}
	messages[0].Attachments[0].Name = "one"
	messages[1].Conversation = strings.Repeat("€", 1000)
	got := book(messages...)
	if got.Conversations != 1<<16 || got.BeyondLook != 10 || got.Accounts != 1<<16 || got.AccountsBeyond != 10 {
		t.Errorf("%d conversations, %d messages beyond, %d accounts, %d beyond; want 65536 and 10", got.Conversations, got.BeyondLook, got.Accounts, got.AccountsBeyond)
	}
	if len(got.In) != 200 || got.More != (argus.Gaps{Conversations: 50, Accounts: 50}) {
		t.Fatalf("%d named, %+v more; want 200 and 50", len(got.In), got.More)
	}
	if want := (argus.Gap{Service: "sky", Conversation: "room 00149", Missing: 2}); got.In[0] != want {
		t.Errorf("first: %+v", got.In[0])
	}
	for _, g := range got.In {
		if len(g.Conversation) > 260 {
			t.Errorf("a name of %d bytes", len(g.Conversation))
		}
	}
}

// TestCompletenessAgain adds a delivery of known messages twice, in two versions: the receipt
// shows the gaps of a single reading.
func TestCompletenessAgain(t *testing.T) {
	var b Bookkeeper
	b.Add(&argus.Record{Seq: 100, Kind: argus.KindOpening, Opening: &argus.Opening{}})
	b.Add(&argus.Record{Seq: 101, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}})
	for i, of := range []uint64{10, 11, 20, 21} { // a chat, and the same messages on their own
		who := of % 10
		m := said("A|B", []string{"A", "B"}[who], []string{"B", "A"}[who], int(who))
		m.Attachments = []argus.Attachment{{Name: "a.jpg"}}
		b.Add(&argus.Record{Seq: uint64(102 + i), Kind: argus.KindSighting, ID: argus.ID{byte(who)}, Of: of, Message: &m, Where: argus.Where{Original: 101}})
	}
	want := argus.Completeness{Conversations: 1, Accounts: 2, Named: 2, Missing: 2, In: []argus.Gap{
		{Service: "sky", Conversation: "A|B", Missing: 2}, {Service: "sky", Account: "A", Missing: 1}, {Service: "sky", Account: "B", Missing: 1}}}
	if diff := cmp.Diff(want, b.Receipt(nil).Completeness); diff != "" {
		t.Error(diff)
	}
}

// Pieces with the same defect in different positions have one reason, and a field that was not
// understood is counted for its reader.
func TestReasons(t *testing.T) {
	var b Bookkeeper
	b.Add(&argus.Record{Kind: argus.KindOpening, Delivery: 1, Opening: &argus.Opening{Readers: []string{"jabber/1", "eml/1"}}})
	b.Add(&argus.Record{Seq: 2, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}})
	bad := func(reader uint8, reason string) {
		b.Add(&argus.Record{Kind: argus.KindQuarantined, Where: argus.Where{Original: 2, Reader: reader}, Quarantine: &argus.Quarantine{Reason: reason}})
	}
	bad(1, "want a comma at byte 7, found \"x\"")
	bad(1, "want a comma at byte 1234, found \"\"")
	bad(2, "want a comma at byte 7, found \"x\"")
	bad(2, "at most 65536 bytes")
	bad(2, "at most 65536 bytes")
	bad(0, "an open \" quote")
	for i, field := range []string{"Date", "Date", "To", "postmark"} {
		name := argus.ExtraUnread
		if field == "postmark" {
			name = field
		}
		b.Add(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{From: fmt.Sprint(i), Extra: []argus.Field{{Name: name, Value: field + ": x"}}}, Where: argus.Where{Original: 2, Reader: 2}})
	}
	f := b.Receipt(nil).Files[0]
	want := []argus.Reason{
		{Value: "want a comma at byte …, found \"…\"", Reader: "jabber/1 eml/1", Count: 3},
		{Value: "at most 65536 bytes", Reader: "eml/1", Count: 2},
		{Value: "an open \" quote", Count: 1},
	}
	if diff := cmp.Diff(want, f.Problems); diff != "" {
		t.Error(diff)
	}
	remarks := []argus.Tally{{Value: "not understood: Date (eml/1)", Count: 2}, {Value: "not understood: To (eml/1)", Count: 1}}
	if diff := cmp.Diff(remarks, f.Remarks); diff != "" {
		t.Error(diff)
	}
}

func TestReceiptBalances(t *testing.T) {
	var b Bookkeeper
	b.Add(&argus.Record{Kind: argus.KindOpening, Delivery: 1, Opening: &argus.Opening{Source: "x", Readers: []string{"jsonl/1", "irc/1"}}})
	b.Add(&argus.Record{Seq: 2, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}})
	where := argus.Where{Original: 2, Reader: 2}
	b.Add(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{State: argus.StateLocked}, Where: where})
	b.Add(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{}, Of: 3, Where: where})
	b.Add(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{Type: argus.TypeCall}, Where: where})
	b.Add(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{Type: argus.TypePoll}, Where: where})
	b.Add(&argus.Record{Kind: argus.KindSighting, Where: where})
	for i := range 30 {
		b.Add(&argus.Record{Kind: argus.KindQuarantined, Where: where, Quarantine: &argus.Quarantine{Reason: "reason " + string(rune('a'+i))}})
	}
	r := b.Receipt(nil)
	want := argus.Counts{Read: 35, Stored: 4, Sightings: 1, Quarantined: 30, Differing: 1, Locked: 1, Beside: argus.TypeCounts{Call: 1}}
	if r.Counts != want || !r.Counts.Balanced() || r.Files[0].Counts != want {
		t.Errorf("counts %+v, of the file %+v; want %+v", r.Counts, r.Files[0].Counts, want)
	}
	if n := r.Counts.Messages(); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	problems := r.Files[0].Problems
	if len(problems) != 21 || problems[0] != (argus.Reason{Value: argus.OtherReasons, Reader: "irc/1", Count: 10}) || !slices.Equal(r.Files[0].Readers, []string{"irc/1"}) {
		t.Errorf("problems %v, readers %v", problems, r.Files[0].Readers)
	}
	seal := argus.Seal{Counts: want}
	if err := seal.Check(); err != nil {
		t.Error(err)
	}
	if seal.Counts.Beside.Contact = 4; seal.Check() == nil {
		t.Error("a seal counts more that are no messages than are stored")
	}
	if (argus.Counts{Read: 3, Stored: 1, Sightings: 1}).Balanced() {
		t.Error("an account that loses a record balances")
	}
}

// TestRemarks counts the fields that readers did not understand or assumed, by field
// and reader, in bounded memory.
func TestRemarks(t *testing.T) {
	var b Bookkeeper
	b.Add(&argus.Record{Seq: 1, Kind: argus.KindOpening, Opening: &argus.Opening{Readers: []string{"sheet/4", "irc/4"}}})
	b.Add(&argus.Record{Seq: 2, Kind: argus.KindOriginal, Original: &argus.Original{Path: "a"}})
	seq := uint64(3)
	add := func(reader uint8, extra ...argus.Field) {
		m := said("A|B", "A", "B", int(seq))
		m.Extra = extra
		b.Add(&argus.Record{Seq: seq, Kind: argus.KindMessage, Message: &m, Where: argus.Where{Original: 2, Reader: reader}})
		seq++
	}
	add(1, argus.Unread("to", "##"), argus.Assumed("hour", "the first of two"), argus.Field{Name: "other", Value: "to: x"})
	add(1, argus.Unread("to", "?"))
	add(2, argus.Unread("to", "?: ?"))
	want := []argus.Tally{{Value: "not understood: to (sheet/4)", Count: 2}, {Value: "assumed: hour (sheet/4)", Count: 1}, {Value: "not understood: to (irc/4)", Count: 1}}
	if diff := cmp.Diff(want, b.Receipt(nil).Files[0].Remarks); diff != "" {
		t.Error(diff)
	}
	for i := range 2 * maxRemarks {
		add(1, argus.Unread(fmt.Sprint(i), "x"))
	}
	if remarks := b.Receipt(nil).Files[0].Remarks; len(remarks) != maxRemarks+1 || remarks[0] != (argus.Tally{Value: argus.OtherReasons, Count: maxRemarks + 3}) {
		t.Errorf("%+v", remarks)
	}
}
