package node

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/world"
)

// The order of any three deliveries changes no answer. One triple in four comes from the
// invented case; the others are generated. Triple n is always the same.
func TestOrdersOfThreeDeliveries(t *testing.T) {
	if testing.Short() {
		t.Skip("takes in three deliveries in six orders")
	}
	t.Parallel()
	tried := times(t, "ARGUS_ORDERS", 2)
	var met, several atomic.Int64
	t.Run("triples", func(t *testing.T) {
		for n := range tried {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				m, s := checkOrders(t, uint64(n))
				met.Add(m)
				several.Add(s)
			})
		}
	})
	if t.Failed() {
		return
	}
	if met.Load() == 0 || several.Load() == 0 {
		t.Errorf("%d messages with several copies, %d copies that met by their clocks: nothing was tried", several.Load(), met.Load())
	}
	t.Logf("%d messages with several copies, %d copies that met by their clocks", several.Load(), met.Load())
	t.Logf("reliability: orders tried %d failed 0", tried)
}

// checkOrders ingests a triple in each of its six orders. It returns how many copies met
// by their clocks, and how many messages have several copies.
func checkOrders(t *testing.T, n uint64) (met, several int64) {
	rng := rand.New(rand.NewPCG(n, 10))
	from := t.TempDir()
	names := []string{"a", "b", "c"}
	if n%4 == 0 {
		if err := world.Write(t.Context(), from, world.Options{Seed: n + 7, Accounts: 100, Messages: 300, Locked: 33}); err != nil {
			t.Fatal(err)
		}
		names = world.Written(from)
		if n > 0 { // begin with the deliveries that have the most in common
			rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		} else {
			names = []string{"server-archive", "phone-of-tilde", "sheet-from-abroad"}
		}
		names = names[:3]
	} else {
		writeTriple(t, from, names, rng)
	}
	any := func(list []string) string { return list[rng.IntN(len(list))] }
	queries := append(queriesFrom(rng, 4), "", any(askedQueries), any(askedQueries))
	scopes := []string{"", any([]string{"delivery:1", "delivery:2 OR delivery:3", "-delivery:1", "to:* -delivery:3"})}
	for len(scopes) < 3 {
		if q := queriesFrom(rng, 1)[0]; !strings.Contains(q, "->") { // no scope may contain an arrow
			scopes = append(scopes, q)
		}
	}
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	answers := make([]map[string]string, len(orders))
	var held [][]query.Sighting
	t.Run("orders", func(t *testing.T) {
		for at, order := range orders {
			t.Run(fmt.Sprint(order), func(t *testing.T) {
				t.Parallel()
				var inOrder []string
				for _, i := range order {
					inOrder = append(inOrder, names[i])
				}
				o := testOptions(t)
				dir := takeIn(t, o, from, inOrder...)
				answers[at] = allAnswers(t, dir, o, order, 40, queries, scopes...)
				if at == 0 {
					held = heldMessages(t, dir)
				}
			})
		}
	})
	if t.Failed() {
		return 0, 0
	}
	for at, order := range orders {
		for _, asked := range slices.Sorted(maps.Keys(answers[0])) {
			if answers[at][asked] != answers[0][asked] {
				t.Fatalf("triple %d: %s after the order %v:\n%s", n, asked, order, gocmp.Diff(answers[0][asked], answers[at][asked]))
			}
		}
	}
	for _, sightings := range held {
		if len(sightings) > 1 {
			several++
		}
		for _, s := range sightings {
			if s.ID != sightings[0].ID {
				met++
			}
		}
	}
	return met, several
}

// writeTriple writes three deliveries. They may have copies of the same messages, even in
// several files of one delivery, and with different receivers, names, times, clocks,
// versions and keys. It leaves out the cases that meet.go names: equal texts that are
// closer together than their clocks, and three clocks, one of them between the others.
func writeTriple(t *testing.T, dir string, names []string, rng *rand.Rand) {
	t.Helper()
	files := map[string][]byte{}
	for number := range 40 {
		said := drawMessage(rng, number)
		for _, name := range names {
			if rng.IntN(5) < 2 {
				continue
			}
			for range 1 + rng.IntN(2) { // sightings within a delivery
				line, err := json.Marshal(said(name))
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(name, fmt.Sprintf("%d.jsonl", rng.IntN(3)))
				files[file] = append(append(files[file], line...), '\n')
			}
		}
	}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		files[filepath.Join(name, "3.jsonl")] = []byte(`{"service":"sky","conversation":"alone","from":"anna","sent":"2021-02-14T09:00:00Z","text":"only ` + name + `"}` + "\n")
	}
	for file, lines := range files {
		if err := os.WriteFile(filepath.Join(dir, file), lines, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// drawMessage draws a message, and returns a function that makes a delivery's next copy
// of the message.
func drawMessage(rng *rand.Rand, number int) func(delivery string) *argus.Message {
	word := func(list ...string) string { return list[rng.IntN(len(list))] }
	some := func(list ...string) (chosen []string) {
		for _, s := range list {
			if rng.IntN(2) == 0 {
				chosen = append(chosen, s)
			}
		}
		return chosen
	}
	moment := (1613300400 + int64(number/4)*20 + int64(rng.IntN(10))) * 1e6 // several messages may have the same second
	at := func(micros int64) argus.Time {
		t := argus.Time{Micros: micros, Precision: argus.Second}
		if rng.IntN(3) == 0 {
			t.Micros, t.Precision = micros+int64(rng.IntN(10))*100e3, argus.Milli
		}
		t.Zone = []argus.ZoneSource{argus.ZoneStated, argus.ZoneFile, argus.ZoneAssumed}[rng.IntN(3)]
		return t
	}
	base := argus.Message{
		Service: word("sky", "sky", "whatsapp"), Conversation: word("quay", "anna|bob", "de haven"), From: word("anna", "bob", "carl"),
		Text: word("de kilo is er", "het is ok", "ja morgen", "geld in de haven, 500 euro", "nee de ok", "bel +31612345678"),
	}
	clocks := map[string]argus.Clock{}
	shift := map[string]int64{}
	kind := rng.IntN(7)
	switch kind {
	case 0: // identified by a long id, whatever a copy says
		base.ServiceID = fmt.Sprintf("8e1f1b9c-0c57-4c5e-9d2b-%012d", number)
	case 1: // identified by an id and by its second
		base.ServiceID = fmt.Sprintf("m-%d", number)
	case 2: // identified by its content
		base.Text += word("", "", fmt.Sprintf(" %d", number))
	case 3, 4: // recorded by clocks that disagree
		base.Text += fmt.Sprintf(" number %d", number)
		if kind == 4 {
			base.ServiceID = fmt.Sprintf("c-%d", number)
		}
		for _, name := range []string{"a", "b", "c"} {
			clocks[name] = argus.Clock(rng.IntN(3))
		}
		by := [3]int64{rng.Int64N(5) - 2, rng.Int64N(5) - 2, rng.Int64N(5) - 2} // the offset of each clock
		if rng.IntN(4) == 0 {
			by[rng.IntN(3)] += 30 // too far from both other clocks
		}
		for name, clock := range clocks {
			shift[name] = by[clock]
		}
	case 5:
		base.Type, base.Text = argus.TypeCall, "call"
		base.Facts = &argus.Facts{Call: &argus.Call{Seconds: uint64(rng.IntN(90)), Answered: word("yes", "no")}}
	case 6:
		switch rng.IntN(4) {
		case 0:
			base.Type, base.Text, base.ServiceID = argus.TypeReaction, "👍", fmt.Sprintf("r-%d", number)
			base.Facts = &argus.Facts{Reaction: &argus.Reaction{To: fmt.Sprintf("m-%d", max(0, number-1)), Sign: "👍"}}
		case 1:
			base.Type, base.Text, base.From = argus.TypeContact, "contact: Carl", ""
			base.Facts = &argus.Facts{Contact: &argus.Contact{Names: []string{"Carl"}, Accounts: []string{"+31612345678"}}}
		case 2:
			base.Type, base.Text = argus.TypeMembership, "added bob"
			base.Facts = &argus.Facts{Membership: &argus.Membership{Action: "add", Members: []string{"bob"}}}
		default:
			base.Facts = &argus.Facts{Location: &argus.Location{Latitude: "51.9", Longitude: "4.4"}} // sent with the text
		}
	}
	return func(delivery string) *argus.Message {
		m := base
		m.Sent = at(moment + shift[delivery]*1e6)
		m.Sent.Clock = clocks[delivery]
		if kind == 0 && rng.IntN(3) == 0 {
			m.Sent = at(moment + rng.Int64N(7200e6)/1e6*1e6)
		}
		m.To = some("anna", "bob", "U9")
		m.FromName, m.Title, m.Lang = word("", "", "Anna", "the boss"), word("", "", "Quay 9"), word("", "nl", "de")
		m.ReplyTo, m.ForwardedFrom = word("", "", "m-1"), word("", "", "bob")
		if rng.IntN(3) == 0 {
			m.Read = at(moment + 60e6)
		}
		if rng.IntN(4) == 0 {
			m.Extra = []argus.Field{{Name: "cell", Value: word("204-04", "206-01")}}
		}
		if m.Type != argus.TypeText {
			return &m
		}
		if rng.IntN(8) == 0 {
			m.State |= argus.StateDeleted
		}
		if m.ServiceID == "" {
			return &m
		}
		switch rng.IntN(6) { // another version
		case 0:
			m.Text, m.State = "", m.State|argus.StateLocked
			m.Locked = &argus.Locked{KeyID: word("k-1", "k-2"), Payload: []byte(strings.Repeat("x", 1+number))}
			m.Facts = nil
		case 1:
			m.Text, m.State = m.Text+" de", m.State|argus.StateEdited
			if rng.IntN(2) == 0 {
				m.Edited = at(moment + int64(1+rng.IntN(3))*600e6)
			}
		case 2:
			m.Attachments = []argus.Attachment{{Name: word("a.jpg", "b.pdf"), Size: int64(rng.IntN(3))}}
		}
		return &m
	}
}
