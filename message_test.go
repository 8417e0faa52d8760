package argus_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

func drawTime(t *rapid.T, name string) argus.Time {
	switch precision := argus.Precision(rapid.IntRange(int(argus.Unknown), int(argus.Micro)).Draw(t, name+" precision")); precision {
	case argus.Unknown:
		return argus.Time{}
	default:
		unit := map[argus.Precision]int64{argus.Day: 86400e6, argus.Minute: 60e6, argus.Second: 1e6, argus.Milli: 1e3, argus.Micro: 1}[precision]
		n := rapid.Int64Range(0, 4_000_000_000e6).Draw(t, name)
		return argus.Time{
			Micros: n / unit * unit, Precision: precision, Raw: rapid.SampledFrom([]string{"", "1/2/21 10:00"}).Draw(t, name+" raw"),
			Zone: argus.ZoneSource(rapid.IntRange(0, 3).Draw(t, name+" zone")),
		}
	}
}

func drawMessage(t *rapid.T) *argus.Message {
	word := rapid.SampledFrom([]string{"", "a", "b", "ab", "Ω", "a\x00b", "|"})
	m := &argus.Message{
		Service: "sky", Conversation: word.Draw(t, "conversation"), From: word.Draw(t, "from"), Text: rapid.String().Draw(t, "text"),
		ServiceID: word.Draw(t, "id"), Sent: drawTime(t, "sent"), State: argus.State(rapid.IntRange(0, 15).Draw(t, "state")),
		Repeat: uint32(rapid.IntRange(0, 2).Draw(t, "repeat")),
	}
	for range rapid.IntRange(0, 2).Draw(t, "attachments") {
		a := argus.Attachment{Name: word.Draw(t, "name")}
		if rapid.Bool().Draw(t, "held") {
			a.Hash = argus.Hash{1, byte(rapid.IntRange(0, 3).Draw(t, "hash"))}
		}
		m.Attachments = append(m.Attachments, a)
	}
	if m.State&argus.StateLocked != 0 {
		m.Locked = &argus.Locked{KeyID: "k", Payload: []byte(word.Draw(t, "payload"))}
	}
	return m
}

// Differences between containers, readers or deliveries do not change a message's
// identity.
func TestIdentityIsOfTheMessageNotOfItsCopy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		copied := *m
		copied.Title, copied.FromName, copied.To = "other title", "other name", []string{"X", "Y"}
		copied.Received, copied.Read = argus.Time{Micros: 1, Precision: argus.Micro}, argus.Time{Micros: 2, Precision: argus.Second}
		copied.Sequence, copied.Lang, copied.ReplyTo, copied.ForwardedFrom = 9, "nl", "7", "Z"
		copied.Extra = []argus.Field{{Name: "IMEI", Value: "1"}}
		copied.Sent.Raw, copied.Sent.Zone = "written otherwise", argus.ZoneOperator
		if m.Sent.Known() {
			copied.Sent.Micros += int64(rapid.IntRange(0, int(999_999-(m.Sent.Micros%1e6))).Draw(t, "fraction"))
			copied.Sent.Precision = argus.Micro
		}
		id, version := m.Identity()
		if otherID, otherVersion := copied.Identity(); id != otherID || version != otherVersion {
			t.Fatalf("the copy has another identity: %v %v", id == otherID, version == otherVersion)
		}
	})
}

// The order of listed people and trailing zeros of a position do not matter; the
// people and the position do.
func TestIdentityOfFacts(t *testing.T) {
	of := func(f argus.Facts) argus.Version {
		m := argus.Message{Service: "sky", From: "a", Type: argus.TypeCall, Facts: &f}
		if f.Location != nil {
			m.Type = argus.TypeLocation
		}
		_, version := m.Identity()
		return version
	}
	call := func(who ...string) argus.Facts { return argus.Facts{Call: &argus.Call{Participants: who}} }
	at := func(latitude string) argus.Facts {
		return argus.Facts{Location: &argus.Location{Latitude: latitude, Longitude: "4.5"}}
	}
	for _, tt := range []struct {
		one, other argus.Facts
		same       bool
	}{
		{call("a", "b"), call("b", "a"), true},
		{call("a", "b"), call("a", "c"), false},
		{call("a", "b"), call("a", "b", "b"), false},
		{at("51.10"), at("51.1"), true},
		{at("51.0"), at("51"), true},
		{at("51.10"), at("51.01"), false},
		{at("5.1e0"), at("5.1e00"), false},
	} {
		if same := of(tt.one) == of(tt.other); same != tt.same {
			t.Errorf("%+v and %+v: the same %t, want %t", tt.one, tt.other, same, tt.same)
		}
	}
	f := call("b", "a")
	of(f)
	if f.Call.Participants[0] != "b" {
		t.Error("Identity changed the facts")
	}
}

// A different message or a different content gets a different identity or version.
func TestIdentityTellsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		id, version := m.Identity()
		for name, change := range map[string]func(*argus.Message){
			"service":      func(c *argus.Message) { c.Service += "x" },
			"conversation": func(c *argus.Message) { c.Conversation += "x" },
			"from":         func(c *argus.Message) { c.From += "x" },
			"sent":         func(c *argus.Message) { c.Sent = argus.Time{Micros: m.Sent.Micros + 1e6, Precision: argus.Second} },
			"service id":   func(c *argus.Message) { c.ServiceID += "x" },
		} {
			c := *m
			change(&c)
			if other, _ := c.Identity(); other == id {
				t.Fatalf("another %s: the id is the same", name)
			}
		}
		for name, change := range map[string]func(*argus.Message){
			"text": func(c *argus.Message) { c.Text += "x" },
			"attachment": func(c *argus.Message) {
				c.Attachments = append(slices.Clip(c.Attachments), argus.Attachment{Name: "x"})
			},
			"ciphertext": func(c *argus.Message) { c.Locked = &argus.Locked{Payload: []byte("other ciphertext")} },
			"state":      func(c *argus.Message) { c.State ^= argus.StateDeleted },
		} {
			c := *m
			change(&c)
			otherID, otherVersion := c.Identity()
			if otherVersion == version {
				t.Fatalf("another %s: the version is the same", name)
			}
			// If it has an id of the service, or if only the state differs, it is still the
			// same message.
			if same := m.ServiceID != "" || name == "state"; same != (otherID == id) {
				t.Fatalf("another %s: same message %v, want %v", name, otherID == id, same)
			}
		}
		again := *m
		again.Repeat++
		if other, _ := again.Identity(); (other == id) != (m.ServiceID != "") {
			t.Fatal("Repeat must count only where the service gives no id")
		}
	})
}

// A long id of the service identifies a message whatever a clock says; a short id
// does not.
func TestLongIDsNeedNoClock(t *testing.T) {
	m := argus.Message{Service: "whatsapp", Conversation: "a|b", From: "a", ServiceID: "3EB0AA01BB02CC03", Sent: argus.Time{Micros: 1e6, Precision: argus.Second}, Text: "x"}
	later, unknown, short := m, m, m
	later.Sent.Micros += 3600e6
	unknown.Sent = argus.Time{}
	id, version := m.Identity()
	for _, c := range []argus.Message{later, unknown} {
		if otherID, otherVersion := c.Identity(); otherID != id || otherVersion != version {
			t.Errorf("sent %s it is another message", c.Sent)
		}
	}
	short.ServiceID = m.ServiceID[1:]
	shortLater := short
	shortLater.Sent.Micros += 1e6
	one, _ := short.Identity()
	if other, _ := shortLater.Identity(); one == other {
		t.Error("a short id names a message without its time")
	}
}

// Text cannot be moved between fields without changing the identity.
func TestIdentityIsUnambiguous(t *testing.T) {
	seen := map[argus.ID]argus.Message{}
	words := []string{"", "a", "b", "ab", "ba", "\x01a"}
	for _, conversation := range words {
		for _, from := range words {
			for _, id := range words {
				for _, text := range words {
					m := argus.Message{Service: "s", Conversation: conversation, From: from, ServiceID: id, Text: text}
					if id != "" {
						m.Text = ""
					}
					got, _ := m.Identity()
					if other, ok := seen[got]; ok && !cmp.Equal(other, m) {
						t.Fatalf("%+v and %+v have one identity", other, m)
					}
					seen[got] = m
				}
			}
		}
	}
}

// Every store depends on the identity: it must never change.
func TestIdentityStaysAsItIs(t *testing.T) {
	for _, tt := range []struct {
		m           argus.Message
		id, version string
	}{
		{argus.Message{Service: "sky", Conversation: "A|B", From: "A", ServiceID: "17", Text: "hello",
			Sent: argus.At(time.Date(2021, 2, 14, 12, 3, 11, 0, time.UTC), "", argus.ZoneStated, argus.Second)},
			"332b1da8484fcccec769867babdee80b", "baaecaea959d331539102279b1787cfe"},
		{argus.Message{Service: "irc", Conversation: "#x", From: "b", Text: "hello", Repeat: 1}, "812cc6b26dc4a6be7a701eeb670c5063", "1d7cb0e4bc4b9ca458e22866def94703"},
	} {
		id, version := tt.m.Identity()
		if id.String() != tt.id || version.String() != tt.version {
			t.Errorf("identity %s/%s, want %s/%s", id, version, tt.id, tt.version)
		}
	}
}

// Facts replace a reader's line; if there are somebody's own words, the facts are a
// statement of this copy. A copy adds only fields that its version does not prove.
func TestFactsAndWords(t *testing.T) {
	place := &argus.Facts{Location: &argus.Location{Latitude: "51.9"}, Replies: 2}
	other := &argus.Facts{Location: &argus.Location{Latitude: "51.8"}}
	poll := &argus.Facts{Poll: &argus.Poll{Question: "when?"}}
	for name, tt := range map[string]struct {
		a, b argus.Message
		same bool
		// adds has the fields that Aside of the first message keeps.
		text  string
		facts *argus.Facts
	}{
		"two lines for one call":         {message(argus.TypeCall, "call: in", &argus.Facts{Call: &argus.Call{Seconds: 5}}), message(argus.TypeCall, "call, 5 s", &argus.Facts{Call: &argus.Call{Seconds: 5}}), true, "call: in", nil},
		"two calls":                      {message(argus.TypeCall, "call", &argus.Facts{Call: &argus.Call{Seconds: 5}}), message(argus.TypeCall, "call", &argus.Facts{Call: &argus.Call{Seconds: 6}}), false, "call", nil},
		"words with a place and without": {message(argus.TypeText, "here", place), message(argus.TypeText, "here", nil), true, "", place},
		"other words with a place":       {message(argus.TypeText, "here", place), message(argus.TypeText, "there", place), false, "", place},
		"two places without words":       {message(argus.TypeText, "", place), message(argus.TypeText, "", other), false, "", &argus.Facts{Replies: 2}},
		"a place and nothing":            {message(argus.TypeText, "", other), message(argus.TypeText, "", nil), false, "", nil},
		"a poll with other words":        {message(argus.TypePoll, "look: when?", poll), message(argus.TypePoll, "when?", poll), false, "", nil},
		"two notices":                    {message(argus.TypeNotice, "pinned 1", nil), message(argus.TypeNotice, "pinned 2", nil), false, "", nil},
		"a draft and a text":             {message(argus.TypeDraft, "x", nil), message(argus.TypeText, "x", nil), false, "", nil},
	} {
		a, versionA := tt.a.Identity()
		b, versionB := tt.b.Identity()
		if (a == b) != tt.same || (versionA == versionB) != tt.same {
			t.Errorf("%s: one message %v, one version %v, want %v", name, a == b, versionA == versionB, tt.same)
		}
		if aside := tt.a.Aside(); aside.Text != tt.text || !cmp.Equal(aside.Facts, tt.facts) {
			t.Errorf("%s: a copy adds %q %+v", name, aside.Text, aside.Facts)
		}
	}
}

func message(kind argus.Type, text string, facts *argus.Facts) argus.Message {
	return argus.Message{Service: "sky", From: "A", Type: kind, Text: text, Facts: facts}
}

func TestMessageJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		m.Received = drawTime(t, "received")
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back argus.Message
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		want := *m
		want.Text = strings.ToValidUTF8(want.Text, "\uFFFD")
		if m.Locked != nil && len(m.Locked.Payload) == 0 {
			want.Locked = &argus.Locked{KeyID: "k"}
		}
		if diff := cmp.Diff(want, back); diff != "" {
			t.Fatalf("%s comes back differently:\n%s", data, diff)
		}
	})
}

func TestParseTime(t *testing.T) {
	for _, tt := range []struct {
		text      string
		utc       string
		precision argus.Precision
	}{
		{"2021-02-14", "2021-02-14T00:00:00Z", argus.Day},
		{"2021-02-14T12:03Z", "2021-02-14T12:03:00Z", argus.Minute},
		{"2021-02-14T12:03+01:00", "2021-02-14T11:03:00Z", argus.Minute},
		{"2021-02-14T12:03:11Z", "2021-02-14T12:03:11Z", argus.Second},
		{"2021-02-14T12:03:11.5Z", "2021-02-14T12:03:11.5Z", argus.Milli},
		{"2021-02-14T12:03:11.123456-07:00", "2021-02-14T19:03:11.123456Z", argus.Micro},
	} {
		got, err := argus.ParseTime(tt.text)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != tt.utc || got.Precision != tt.precision {
			t.Errorf("%s: %s %s %v, want %s %s", tt.text, got.UTC().Format(time.RFC3339Nano), got.Precision, err, tt.utc, tt.precision)
		}
	}
	for _, text := range []string{"", "2021", "2021-13-01", "2021-02-30", "2021-02-14T12:03", "2021-02-14T25:00:00Z", "yesterday"} {
		if got, err := argus.ParseTime(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func TestValid(t *testing.T) {
	good := func() *argus.Message { return &argus.Message{Service: "sky", From: "A", Text: "x"} }
	for name, change := range map[string]func(*argus.Message){
		"no service":          func(m *argus.Message) { m.Service = "" },
		"service in capitals": func(m *argus.Message) { m.Service = "Sky" },
		"no sender":           func(m *argus.Message) { m.From = "" },
		"before 1970":         func(m *argus.Message) { m.Sent = argus.Time{Micros: -1, Precision: argus.Micro} },
		"in 9999": func(m *argus.Message) {
			m.Sent = argus.At(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", 0, argus.Day)
		},
		"locked and empty": func(m *argus.Message) { m.State = argus.StateLocked },
		"facts of another type": func(m *argus.Message) {
			m.Type, m.Facts = argus.TypeContact, &argus.Facts{Call: &argus.Call{}}
		},
		"a text with a call":   func(m *argus.Message) { m.Facts = &argus.Facts{Call: &argus.Call{}} },
		"a type of the future": func(m *argus.Message) { m.Type = argus.Type(len(argus.TypeWords)) },
		"a reach of none":      func(m *argus.Message) { m.AccountReach = 4 },
		"facts not UTF-8": func(m *argus.Message) {
			m.Facts = &argus.Facts{Contact: &argus.Contact{Names: []string{"\xff"}}}
		},
		"not UTF-8": func(m *argus.Message) { m.Extra = []argus.Field{{Name: "x", Value: "\xff"}} },
	} {
		m := good()
		if err := m.Valid(); err != nil {
			t.Fatal(err)
		}
		change(m)
		if m.Valid() == nil {
			t.Errorf("a message is valid: %s", name)
		}
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string]argus.DeliveryNumber{"D-0007": 7, "d-7": 7, "7": 7, "D-12345": 12345} {
		if got, err := argus.ParseDelivery(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "D-", "D-0", "0", "-1", "+1", "D-x", "D-99999999999"} {
		if got, err := argus.ParseDelivery(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
	if a, b := argus.DirectConversation("x", "y"), argus.DirectConversation("y", "x"); a != b {
		t.Errorf("the two sides call their conversation %q and %q", a, b)
	}
	if got := argus.CleanName("\u200e \u202aAli\u202c\ufeff "); got != "Ali" {
		t.Errorf("clean name %q", got)
	}
}

// Aside and the equal message together give the copy again.
func TestAsideJoins(t *testing.T) {
	place := &argus.Facts{Location: &argus.Location{Latitude: "51.9"}, Replies: 2}
	for name, m := range map[string]argus.Message{
		"words":                  message(argus.TypeText, "x", nil),
		"words and answers":      message(argus.TypeText, "x", &argus.Facts{Replies: 2}),
		"words with a place":     message(argus.TypeText, "here", place),
		"a place without words":  message(argus.TypeText, "", place),
		"a call":                 message(argus.TypeCall, "call: 5 s", &argus.Facts{Call: &argus.Call{Seconds: 5}}),
		"a poll":                 message(argus.TypePoll, "look: when?", &argus.Facts{Poll: &argus.Poll{Question: "when?"}, Replies: 1}),
		"a notice without facts": message(argus.TypeNotice, "pinned", nil),
	} {
		aside := m.Aside()
		if diff := cmp.Diff(&m, aside.Join(&m)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	in, out := message(argus.TypeCall, "call in", &argus.Facts{Call: &argus.Call{Direction: "in", Seconds: 5}}), message(argus.TypeCall, "call out", &argus.Facts{Call: &argus.Call{Direction: "out", Seconds: 5}})
	inID, inVersion := in.Identity()
	if id, version := out.Identity(); id != inID || version != inVersion {
		t.Error("the two sides of a call have different identities")
	}
	other := out.Aside()
	if diff := cmp.Diff(&out, other.Join(&in)); diff != "" {
		t.Errorf("the other side of a call: %s", diff)
	}
	with, without := message(argus.TypeText, "here", place), message(argus.TypeText, "here", nil)
	aside := without.Aside()
	if diff := cmp.Diff(&without, aside.Join(&with)); diff != "" {
		t.Errorf("Join added a place to a copy without one: %s", diff)
	}
}
