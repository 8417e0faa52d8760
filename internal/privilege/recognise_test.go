package privilege

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

const advice = "The witness will not come, so we keep the second statement for the hearing in June"

// note makes a message between two accounts.
func note(minute int, from, to, text string) *argus.Message {
	return &argus.Message{Service: "test", Conversation: argus.DirectConversation(from, to), From: from, To: []string{to}, Text: text,
		ServiceID: fmt.Sprintf("id-%d", minute), Sent: argus.At(time.Date(2021, 3, 1, 12, minute, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)}
}

func seen(m *argus.Message) Sighting {
	id, _ := m.Identity()
	return Sighting{Message: m, IDs: []argus.ID{id}}
}

var lawyer = Identifier{kindAccount, "test", "lawyer"}

// TestPropagation follows one protected message through forwards, answers, quotations,
// copies and files.
func TestPropagation(t *testing.T) {
	file, container := argus.Hash{7}, argus.Hash{8}
	source := note(1, "client", "lawyer", advice)
	source.Attachments = []argus.Attachment{{Name: "draft.pdf", Hash: file, Size: 90_000, Type: "application/pdf"}, {Name: "case.zip", Hash: container, Size: 1_000_000},
		{Name: "logo.png", Hash: argus.Hash{9}, Size: 2_000, Type: "image/png"}}
	with := func(m *argus.Message, change func(*Sighting)) Sighting {
		s := seen(m)
		change(&s)
		return s
	}
	for name, one := range map[string]struct {
		s    Sighting
		want Class
	}{
		"another message to the lawyer":     {seen(note(2, "client", "lawyer", "ok")), ByDirectory},
		"another client":                    {seen(note(2, "other", "lawyer", "ok")), ByDirectory},
		"somebody else":                     {seen(note(2, "client", "brother", "ok")), None},
		"the words again":                   {seen(note(2, "client", "brother", strings.ToUpper(advice)+"!!")), ByPropagation},
		"the words in a > quotation":        {seen(note(2, "client", "brother", "look\n> The witness will not come, so we keep\n> the second statement for the hearing in June\n")), ByPropagation},
		"the words under a mark":            {seen(note(2, "client", "brother", "fyi\n\n-----Original Message-----\nFrom: a lawyer\nSent: Monday\nTo: client\nSubject: x\n\n"+advice+"\n")), ByPropagation},
		"the words under Outlook's line":    {seen(note(2, "client", "brother", "fyi\n________________________________\nVan: a lawyer\nOnderwerp: x\n\n"+advice+"\n")), ByPropagation},
		"the words under Apple's mark":      {seen(note(2, "client", "brother", "Begin doorgestuurd bericht:\n\nVan: a lawyer\n\n"+advice+"\n")), ByPropagation},
		"a chat named after the lawyer":     {with(note(2, "client", "", "x"), func(s *Sighting) { s.Message.Conversation, s.Message.To = "LAWYER", nil }), ByDirectory},
		"a service's word in the chat":      {with(note(2, "client", "lawyer", "x"), func(s *Sighting) { s.Message.From, s.Message.To = "", nil }), ByDirectory},
		"other words in a quotation":        {seen(note(2, "client", "brother", "look\n> The weather will be fine, so we go to the second beach in June\n")), None},
		"short words again":                 {seen(note(2, "client", "brother", "The witness will not come")), None},
		"a forward from the lawyer":         {with(note(2, "client", "brother", "x"), func(s *Sighting) { s.Message.ForwardedFrom = "Lawyer" }), ByPropagation},
		"a forward from an avvocato":        {with(note(2, "client", "brother", "x"), func(s *Sighting) { s.Message.ForwardedFrom = "Avv. Bianchi" }), ByPropagation},
		"a forward from somebody":           {with(note(2, "client", "brother", "x"), func(s *Sighting) { s.Message.ForwardedFrom = "Mama" }), None},
		"an attachment":                     {with(note(2, "client", "brother", ""), func(s *Sighting) { s.Message.Attachments = []argus.Attachment{{Hash: file, Size: 90_000}} }), ByPropagation},
		"a logo":                            {with(note(2, "client", "brother", ""), func(s *Sighting) { s.Message.Attachments = source.Attachments[2:] }), None},
		"a file without bytes":              {with(note(2, "client", "brother", ""), func(s *Sighting) { s.Message.Attachments = []argus.Attachment{{Name: "draft.pdf"}} }), None},
		"a message inside an attachment":    {with(note(2, "x", "y", "z"), func(s *Sighting) { s.Within = []argus.Hash{{1}, container} }), ByPropagation},
		"a message inside another file":     {with(note(2, "x", "y", "z"), func(s *Sighting) { s.Within = []argus.Hash{{1}} }), None},
		"another copy under another id":     {with(note(3, "client", "lawyer2", "z"), func(s *Sighting) { s.IDs = append(s.IDs, seen(source).IDs...) }), ByPropagation},
		"an answer to it":                   {with(note(2, "client", "lawyer", "no"), func(s *Sighting) { s.Message.ReplyTo = "id-1" }), ByDirectory},
		"an answer to its number elsewhere": {with(note(2, "client", "brother", "no"), func(s *Sighting) { s.Message.ReplyTo = "id-1" }), None},
		"a call with the lawyer": {with(note(2, "client", "x", ""), func(s *Sighting) {
			s.Message.Type, s.Message.Facts = argus.TypeCall, &argus.Facts{Call: &argus.Call{Participants: []string{"client", "lawyer"}}}
		}), ByDirectory},
		"an address book": {with(note(2, "client", "", ""), func(s *Sighting) {
			s.Message.Type, s.Message.Facts = argus.TypeContact, &argus.Facts{Contact: &argus.Contact{Accounts: []string{"lawyer"}}}
		}), None},
		"a locked message": {with(note(2, "lawyer", "client", ""), func(s *Sighting) { s.Message.State = argus.StateLocked }), ByDirectory},
	} {
		r := testRecogniser(t, lawyer)
		if f := r.Live(seen(source)); f.Class != ByDirectory {
			t.Fatalf("the source: %+v", f)
		}
		if f := r.Live(one.s); f.Class != one.want {
			t.Errorf("%s: %s, want %s: %+v", name, f.Class, one.want, f.Reasons)
		}
	}
}

// TestGroups checks that a group with a lawyer is protected as a whole up to a certain
// size, and that in a larger group only the lawyer's messages and the answers to them are
// protected.
func TestGroups(t *testing.T) {
	for _, size := range []int{5, maxGroup - 1, maxGroup, 300} {
		r := testRecogniser(t, lawyer)
		group := func(n int, from, text, reply string) Sighting {
			m := note(n, from, "", text)
			m.Conversation, m.To, m.ReplyTo = "G-1", nil, reply
			return seen(m)
		}
		var all []Sighting
		for i := range size {
			all = append(all, group(i, fmt.Sprintf("member-%d", i), "hello", ""))
		}
		all = append(all, group(1000, "lawyer", "good evening", ""), group(1001, "member-1", "yes", "id-1000"), group(1002, "member-2", "no", "id-1001"))
		got := 0
		if err := r.Backwards(sightings(all), func(Sighting, Finding) error { got++; return nil }); err != nil {
			t.Fatal(err)
		}
		want := len(all)
		if size >= maxGroup {
			want = 3
		}
		if got != want {
			t.Errorf("%d members and a lawyer: %d of %d messages are suspected, want %d", size, got, len(all), want)
		}
	}
}

// TestBroadcast checks that a lawyer among many receivers does not protect a message, but a
// lawyer who sends it does.
func TestBroadcast(t *testing.T) {
	for _, one := range []struct {
		from  string
		count int
		want  bool
	}{{"x", maxGroup, true}, {"x", maxGroup + 1, false}, {"lawyer", 500, true}} {
		r := testRecogniser(t, lawyer)
		m := note(1, one.from, "lawyer", "the news of this week")
		m.Conversation = ""
		for i := range one.count - 1 {
			m.To = append(m.To, fmt.Sprintf("reader-%d", i))
		}
		if got := r.Live(seen(m)).Suspected(); got != one.want {
			t.Errorf("%+v: %v", one, got)
		}
	}
}

// TestAddressBook checks that a role in an address book makes the number known on every
// service.
func TestAddressBook(t *testing.T) {
	card := func(name string) Sighting {
		return seen(&argus.Message{Service: "contacts", From: "owner", Type: argus.TypeContact,
			Facts: &argus.Facts{Contact: &argus.Contact{Names: []string{name}, Accounts: []string{"+31 6 24681012"}}}})
	}
	for name, want := range map[string]bool{"Adv. De Wit": true, "Mama": false} {
		r := testRecogniser(t)
		m := note(1, "+31624681012", "+31612345678", "tot morgen")
		m.Service = "whatsapp"
		got := false
		if err := r.Backwards(sightings([]Sighting{seen(m), card(name)}), func(s Sighting, _ Finding) error { got = s.Message == m; return nil }); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestKnownEverywhere checks that one client who addresses a lawyer makes the
// conversation known, and that two clients make the lawyer known.
func TestKnownEverywhere(t *testing.T) {
	for _, clients := range []int{1, 2} {
		r := testRecogniser(t)
		var all []Sighting
		for i := range clients {
			all = append(all, seen(note(i, fmt.Sprintf("client-%d", i), "x7", "Bonjour maître, du nouveau ?")))
		}
		all = append(all, seen(note(10, "x7", "third", "à demain")))
		got := map[string]Class{}
		if err := r.Backwards(sightings(all), func(s Sighting, f Finding) error { got[s.Message.To[0]] = f.Class; return nil }); err != nil {
			t.Fatal(err)
		}
		if got["x7"] != ByContext || (got["third"] == ByContext) != (clients == 2) {
			t.Errorf("%d clients: %v", clients, got)
		}
	}
}

// TestSignsInTime checks that two different counsel rules count together within three
// days, whichever comes first.
func TestSignsInTime(t *testing.T) {
	for _, one := range []struct {
		days int
		want bool
	}{{0, true}, {2, true}, {3, false}, {30, false}, {-2, true}, {-3, false}} {
		r := testRecogniser(t)
		a := note(1, "x", "y", "You have the right to remain silent")
		b := note(2, "x", "y", "We appeal")
		b.Sent.Micros += int64(one.days) * 86400 * 1e6
		got := 0
		if err := r.Backwards(sightings([]Sighting{seen(a), seen(b)}), func(Sighting, Finding) error { got++; return nil }); err != nil {
			t.Fatal(err)
		}
		if (got == 2) != one.want || got == 1 {
			t.Errorf("%d days apart: %d suspected", one.days, got)
		}
	}
}

// hardCase returns chains of propagation in which each link is found only because of the
// previous one.
func hardCase() (all []Sighting) {
	texts := []string{advice}
	for i := range 6 {
		texts = append(texts, fmt.Sprintf("word%d one two three four five six seven eight nine ten %d", i, i))
	}
	file := func(i int) argus.Attachment {
		return argus.Attachment{Name: "f", Hash: argus.Hash{byte(i + 1)}, Size: 1 << 20}
	}
	first := note(0, "client", "lawyer", texts[0])
	first.Attachments = []argus.Attachment{file(0)}
	all = append(all, seen(first))
	for i := 1; i < len(texts); i++ {
		m := note(10+i, fmt.Sprintf("p%d", i), fmt.Sprintf("q%d", i), texts[i]) // has the file of the previous message, and adds its own
		m.Attachments = []argus.Attachment{file(i - 1), file(i)}
		all = append(all, seen(m))
		answer := note(30+i, fmt.Sprintf("q%d", i), fmt.Sprintf("p%d", i), "ok")
		answer.ReplyTo = m.ServiceID
		all = append(all, seen(answer))
		copied := note(50+i, fmt.Sprintf("r%d", i), fmt.Sprintf("s%d", i), texts[i])
		all = append(all, seen(copied))
	}
	for i := range 20 {
		all = append(all, seen(note(100+i, "a", fmt.Sprintf("b%d", i), fmt.Sprintf("nothing special number %d", i))))
	}
	for i := range 3 {
		all = append(all, seen(note(200+i, fmt.Sprintf("c%d", i), "x7", "Good morning counsel")))
	}
	return append(all, seen(note(300, "x7", "z", "see you")), talk(1, "They want to interview me || Say nothing until I am there. You have the right to remain silent || thanks")[2])
}

// TestOrderDoesNotMatter checks that after Backwards, the same messages give the same
// findings and the same state in every order, whatever was judged live before.
func TestOrderDoesNotMatter(t *testing.T) {
	all := append(hardCase(), inventWorld(t, 3, 33).all[:3000]...)
	run := func(order []Sighting, live int) (map[argus.ID]Class, []byte) {
		r := testRecogniser(t, lawyer)
		found := map[argus.ID]Class{}
		for _, s := range order[:live] {
			r.Live(s)
		}
		if err := r.Backwards(sightings(order), func(s Sighting, f Finding) error { found[s.IDs[0]] = f.Class; return nil }); err != nil {
			t.Fatal(err)
		}
		return found, r.state.Encode(testKey)
	}
	want, state := run(all, 0)
	if len(want) < 25 {
		t.Fatalf("only %d are found", len(want))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		order := slices.Clone(all)
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		got, again := run(order, rng.IntN(len(order)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("another order: %s", diff)
		}
		if !slices.Equal(state, again) {
			t.Fatal("another order gives another state")
		}
	}
	slices.Reverse(all)
	if got, _ := run(all, len(all)); !maps.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
}

// TestDirectoryGrows checks that the messages of a lawyer who is listed later are found.
func TestDirectoryGrows(t *testing.T) {
	all := []Sighting{seen(note(1, "client", "lawyer", advice)), seen(note(2, "client", "brother", advice)), seen(note(3, "client", "brother", "bye"))}
	before := testRecogniser(t)
	for _, s := range all {
		if f := before.Live(s); f.Suspected() {
			t.Fatalf("%+v", f)
		}
	}
	set, err := NewSet(NewDirectory([]Entry{{Identifiers: []Identifier{lawyer}}}), testKey)
	if err != nil {
		t.Fatal(err)
	}
	state, err := ParseState(before.state.Encode(testKey), testKey)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Class{}
	after := NewRecogniser(NewMatcher(set), before.rules, state)
	if err := after.Backwards(sightings(all), func(s Sighting, f Finding) error { got[s.Message.ServiceID] = f.Class; return nil }); err != nil {
		t.Fatal(err)
	}
	if want := map[string]Class{"id-1": ByDirectory, "id-2": ByPropagation}; !maps.Equal(want, got) {
		t.Error(got)
	}
}

// TestStateFile writes a state, reads it, and checks that each change is refused.
func TestStateFile(t *testing.T) {
	r := testRecogniser(t, lawyer)
	if err := r.Backwards(sightings(hardCase()), func(Sighting, Finding) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.Live(seen(note(1, "m", "n", "We appeal")))
	group := note(2, "m", "", "hi")
	group.Conversation, group.To = "G", []string{"o", "p"}
	r.Live(seen(group))
	data := r.state.Encode(testKey)
	again, err := ParseState(data, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Encode(testKey), data) {
		t.Error("the state differs after reading")
	}
	for i := range data {
		broken := slices.Clone(data)
		broken[i] ^= 4
		if _, err := ParseState(broken, testKey); !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("byte %d can be changed: %v", i, err)
		}
		if _, err := ParseState(data[:i], testKey); !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("the state can be cut at %d: %v", i, err)
		}
	}
	if _, err := ParseState(data, NewKey()); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	for _, text := range []string{"lawyer", "client", "witness"} {
		if strings.Contains(string(data), text) {
			t.Errorf("the state contains %q", text)
		}
	}
}

func BenchmarkRecognise(b *testing.B) {
	in := inventWorld(b, 1, 0)
	set, err := NewSet(NewDirectory(append(manyEntries(100_000), Entry{Identifiers: in.people})), testKey)
	if err != nil {
		b.Fatal(err)
	}
	rules, err := DefaultRules()
	if err != nil {
		b.Fatal(err)
	}
	r := NewRecogniser(NewMatcher(set, "NL"), rules, NewState())
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		r.Live(in.all[i%len(in.all)])
		i++
	}
}
