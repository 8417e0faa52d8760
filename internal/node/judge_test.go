package node

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/people"
	"github.com/argus-evidence/argus/internal/privilege"
	"github.com/argus-evidence/argus/internal/verify"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// staff adds the people of a court to a store: carla the custodian, who is the user of this
// process, and others by their roles.
func (s *sealingStore) staff(t *testing.T, roles map[string]people.Role) {
	t.Helper()
	s.administer(t, func(ctx context.Context, a *admin.Admin) error {
		_, err := a.SetPerson(ctx, "", people.Actor{ID: "carla", Roles: []people.Role{people.Custodian}, Users: []string{admin.ActorName()}})
		for id, role := range roles {
			_, more := a.SetPerson(ctx, "carla", people.Actor{ID: id, Roles: []people.Role{role}})
			err = errors.Join(err, more)
		}
		return err
	})
}

var court = map[string]people.Role{
	"bram": people.Judge, "els": people.Judge, "pia": people.PrivilegeOfficer, "petra": people.Prosecutor, "dora": people.Defence, "omar": people.Overseer, "anna": people.Investigator,
}

// TestJudgeReads: a judge with a private key of a recipient lists and opens what is sealed;
// nobody else does, with or without the key, and the ledger has each attempt first.
func TestJudgeReads(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.ingest(t, "phone.jsonl", chat(2000, "B", "C", "secret 15: we meet at the harbour at nine")+talk(false)+"{broken secret\n")
	s.ingest(t, "again.jsonl", talk(false))
	keys := privilege.Identities{s.judge}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	n := openStore(t, s.dir, s.o)
	if got, _, err := n.ListSealed(t.Context(), desk.Who{Actor: "bram"}, keys); !errors.Is(err, argus.ErrRefused) || got != nil {
		t.Errorf("a store without people: %v, %v", got, err)
	}
	s.staff(t, court)
	before := len(refusals(t, n))
	for actor := range court {
		for name, with := range map[string]privilege.Identities{"the key": keys, "no key": nil, "another key": {other}} {
			if actor == "bram" || actor == "els" {
				if name == "the key" {
					continue
				}
			}
			who := desk.Who{Actor: actor}
			list, counts, err := n.ListSealed(t.Context(), who, with)
			shown, showErr := n.ShowSealed(t.Context(), who, with, "3")
			if !errors.Is(err, argus.ErrRefused) || !errors.Is(showErr, argus.ErrRefused) || list != nil || counts != nil || shown != nil {
				t.Errorf("%s with %s: %v, %v, %v", actor, name, list, err, showErr)
			}
			if judge := court[actor] == people.Judge; judge != errors.Is(err, ErrNoIdentity) {
				t.Errorf("%s with %s: %v", actor, name, err)
			}
			before += 2
		}
	}
	if got := len(refusals(t, n)); got != before {
		t.Errorf("the ledger has %d refusals, want %d", got, before)
	}
	bram := desk.Who{Actor: "bram", Purpose: "review"}
	list, counts, err := n.ListSealed(t.Context(), bram, keys)
	if err != nil {
		t.Fatal(err)
	}
	forward, lawyer := list[slices.IndexFunc(list, func(one *SealedItem) bool { return one.Class == "propagation" })], list[slices.IndexFunc(list, func(one *SealedItem) bool { return one.Class == "directory" })]
	if len(list) != 8 || counts.Items != 8 || counts.Copies != 14 {
		t.Errorf("%d items, %+v; want 8 with 14 copies", len(list), counts)
	}
	if lawyer.Conversation != "A|L" || lawyer.From != "A" || !slices.Equal(lawyer.Persons, []string{"Nomen Nescio"}) || lawyer.State != privilege.Suspected || lawyer.Copies != 2 {
		t.Errorf("a message with the lawyer: %+v", lawyer)
	}
	if forward.Conversation != "B|C" || forward.Persons != nil || forward.Delivery != 1 {
		t.Errorf("the forward: %+v", forward)
	}
	if want := []argus.Tally{{Value: "Nomen Nescio", Count: 6}}; !slices.Equal(counts.Persons, want) {
		t.Errorf("persons: %+v", counts.Persons)
	}
	if want := []argus.Tally{{Value: "sky A|L", Count: 6}, {Value: "sky B|C", Count: 1}}; !slices.Equal(counts.Conversations, want) {
		t.Errorf("conversations: %+v", counts.Conversations)
	}
	for _, test := range []struct {
		item  *SealedItem
		class privilege.Class
		words string
	}{{lawyer, privilege.ByDirectory, "L"}, {forward, privilege.ByPropagation, ""}} {
		shown, err := n.ShowSealed(t.Context(), bram, keys, test.item.ID.String()[:12])
		if err != nil {
			t.Fatal(err)
		}
		if shown.Message == nil || !strings.HasPrefix(shown.Message.Text, "secret ") || len(shown.Reasons) == 0 || shown.Reasons[0].Class != test.class || shown.Reasons[0].Words != test.words {
			t.Errorf("shown: %+v", shown)
		}
	}
	broken := list[slices.IndexFunc(list, func(one *SealedItem) bool { return one.Kind == "quarantined" })]
	if shown, err := n.ShowSealed(t.Context(), bram, keys, broken.ID.String()); err != nil || shown.Raw != "{broken secret" || shown.Reason == "" {
		t.Errorf("the broken piece: %+v, %v", shown, err)
	}
	for name, want := range map[string]error{"1": argus.ErrNotFound, "abc": argus.ErrNotFound, strings.Repeat("0", 32): argus.ErrNotFound} {
		if got, err := n.ShowSealed(t.Context(), bram, keys, name); !errors.Is(err, want) || got != nil {
			t.Errorf("show %s: %v, %v", name, got, err)
		}
	}
	var acts []string
	for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == ledger.ListProtected || e.Action == ledger.ReadProtected {
			acts = append(acts, e.Actor+" "+e.Action+" "+e.Subject)
		}
	}
	if len(acts) != 7 || acts[0] != "bram privilege.list " || acts[1] != "bram privilege.read "+lawyer.ID.String()[:12] {
		t.Errorf("the ledger has %q", acts)
	}
	// A lost envelope, or a changed one, is said for each message that it concerns.
	envelopes, err := filepath.Glob(filepath.Join(s.dir, "sealing", "*.envelope"))
	if err != nil || len(envelopes) != 2 {
		t.Fatal(envelopes, err)
	}
	for _, name := range envelopes {
		if err := os.Rename(name, name+".lost"); err != nil {
			t.Fatal(err)
		}
	}
	list, counts, err = n.ListSealed(t.Context(), bram, keys)
	if err != nil || counts.Items != 8 || slices.ContainsFunc(list, func(one *SealedItem) bool { return one.Damage == "" || one.Conversation != "" }) {
		t.Errorf("without envelopes: %+v, %v", counts, err)
	}
	if shown, err := n.ShowSealed(t.Context(), bram, keys, lawyer.ID.String()); err != nil || shown.Damage == "" || shown.Message != nil {
		t.Errorf("without envelopes: %+v, %v", shown, err)
	}
}

// TestJudgesDecide: the decisions of judges are durable, in the ledger, and sealed where they
// speak of content. Two judges who differ leave the message conflicting, until another
// decision settles it. Nothing is unsealed.
func TestJudgesDecide(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.ingest(t, "phone.jsonl", talk(false))
	s.staff(t, court)
	keys := privilege.Identities{s.judge}
	n := openStore(t, s.dir, s.o)
	list, _, err := n.ListSealed(t.Context(), desk.Who{Actor: "bram"}, keys)
	if err != nil {
		t.Fatal(err)
	}
	one, two := list[0].ID.String(), list[1].ID.String()
	decide := func(judge string, with privilege.Identities, d privilege.Decision, names ...string) (string, error) {
		t.Helper()
		got, err := n.DecideSealed(t.Context(), desk.Who{Actor: judge}, with, names, d)
		if err != nil {
			return "", err
		}
		var states []string
		for _, item := range got.Items {
			states = append(states, string(item.State))
		}
		return strings.Join(states, ", "), nil
	}
	keep := privilege.Decision{Verdict: privilege.ConfirmedKeep, Reason: "speaks of the harbour at nine"}
	for name, refused := range map[string]func() (string, error){
		"an investigator":     func() (string, error) { return decide("anna", keys, keep, one) },
		"a privilege officer": func() (string, error) { return decide("pia", keys, keep, one) },
		"the custodian":       func() (string, error) { return decide("carla", keys, keep, one) },
		"a judge without key": func() (string, error) { return decide("bram", nil, keep, one) },
	} {
		if got, err := refused(); !errors.Is(err, argus.ErrRefused) || got != "" {
			t.Errorf("%s decides: %q, %v", name, got, err)
		}
	}
	for name, wrong := range map[string]func() (string, error){
		"no reason":      func() (string, error) { return decide("bram", keys, privilege.Decision{Verdict: keep.Verdict}, one) },
		"no verdict":     func() (string, error) { return decide("bram", keys, privilege.Decision{Reason: "r"}, one) },
		"twice the same": func() (string, error) { return decide("bram", keys, keep, one, one[:9]) },
		"an unknown one": func() (string, error) { return decide("bram", keys, keep, one, "1") },
		"settles something": func() (string, error) {
			return decide("bram", keys, privilege.Decision{Verdict: keep.Verdict, Reason: "r", Settles: []uint64{1}}, one)
		},
	} {
		if got, err := wrong(); err == nil || got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if _, err := decide("bram", keys, keep, slices.Repeat([]string{strings.Repeat("0", 32)}, 3000)...); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("3,000 unknown ones: %v", err)
	}
	for _, test := range []struct {
		judge string
		d     privilege.Decision
		names []string
		want  string
	}{
		{"bram", keep, []string{one, two}, "confirmed, confirmed"},
		{"els", privilege.Decision{Verdict: privilege.RejectedRelease, Reason: "about a car"}, []string{one[:10]}, "conflicting"},
		{"els", privilege.Decision{Verdict: privilege.RejectedRelease, Reason: "about a car", Settles: []uint64{1}}, []string{one}, "to release"},
		{"bram", privilege.Decision{Verdict: privilege.ConfirmedDestroy, Reason: "advice"}, []string{two}, "to destroy"},
	} {
		if got, err := decide(test.judge, keys, test.d, test.names...); err != nil || got != test.want {
			t.Errorf("%s: %q, %v; want %q", test.judge, got, err, test.want)
		}
	}
	shown, err := n.ShowSealed(t.Context(), desk.Who{Actor: "els"}, keys, one)
	if err != nil || shown.State != privilege.ToRelease || len(shown.Decisions) != 3 || shown.Decisions[0].Judge != "bram" || shown.Decisions[0].Reason != keep.Reason || !slices.Equal(shown.Decisions[2].Settles, []uint64{1}) {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	if r, err := n.Desk.Search(t.Context(), desk.Who{Actor: "anna", Authority: "A-0001", Purpose: "p"}, desk.SearchRequest{Query: "secret"}); err != nil || r.Total != 0 {
		t.Errorf("%+v are found, %v", r, err)
	}
	var acts []string
	for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == ledger.DecideProtected {
			acts = append(acts, e.Actor)
		}
	}
	if want := []string{"bram", "els", "els", "bram"}; !slices.Equal(acts, want) {
		t.Errorf("the ledger has decisions of %q, want %q", acts, want)
	}
	wantSound(t, s.dir, "decided")
	files, err := filepath.Glob(filepath.Join(s.dir, "privilege", "decision.*"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if data, err := os.ReadFile(name); err != nil || strings.Contains(string(data), "harbour") || strings.Contains(string(data), "car\"") {
			t.Errorf("%s can be read: %s, %v", name, data, err)
		}
	}
	// No decision can be lost or changed: a message would be released that a judge kept.
	for _, damage := range []func(name string) error{
		os.Remove,
		func(name string) error {
			data, err := os.ReadFile(name)
			return errors.Join(err, os.Remove(name), os.WriteFile(name, []byte(strings.Replace(string(data), "bram", "brat", 1)), 0o600))
		},
	} {
		last := files[3]
		before, err := os.ReadFile(last)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(last); err != nil {
			t.Fatal(err)
		}
		if got, _, err := n.ListSealed(t.Context(), desk.Who{Actor: "bram"}, keys); !errors.Is(err, argus.ErrDamaged) || got != nil {
			t.Errorf("a damaged decision: %v, %v", got, err)
		}
		if damage, _, _ := verified(t, s.dir); len(damage) == 0 {
			t.Error("verify finds no damage")
		}
		_ = os.Remove(last)
		if err := os.WriteFile(last, before, 0o400); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecisionSurvivesStops: after a crash, a decision is in force if the ledger has it, and
// otherwise it never existed.
func TestDecisionSurvivesStops(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.ingest(t, "phone.jsonl", talk(false))
	s.staff(t, court)
	keys, bram := privilege.Identities{s.judge}, desk.Who{Actor: "bram"}
	for _, test := range []struct {
		point string
		want  privilege.Standing
	}{{"change.ready", privilege.Suspected}, {"change.recorded", privilege.Confirmed}} {
		o, stopped := s.o, false
		o.Failpoint = func(name string) {
			if name == test.point {
				stopped = true
				panic(name)
			}
		}
		n, err := Open(t.Context(), s.dir, o)
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := n.ListSealed(t.Context(), bram, keys)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() { _ = recover() }()
			_, err = n.DecideSealed(t.Context(), bram, keys, []string{list[0].ID.String()}, privilege.Decision{Verdict: privilege.ConfirmedKeep, Reason: "advice"})
		}()
		if !stopped || err != nil {
			t.Errorf("%s: not stopped, %v", test.point, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		again := openStore(t, s.dir, s.o)
		if list, _, err := again.ListSealed(t.Context(), bram, keys); err != nil || list[0].State != test.want {
			t.Errorf("%s: %+v, %v; want %s", test.point, list[0], err, test.want)
		}
		wantSound(t, s.dir, test.point)
	}
}

// TestPrivilegeLog: the roles of a trial see how much is sealed and how it was decided, and
// nothing of its content; nobody else sees that, and the ledger has it.
func TestPrivilegeLog(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.ingest(t, "phone.jsonl", chat(2000, "B", "C", "secret 15: we meet at the harbour at nine")+talk(false))
	n := openStore(t, s.dir, s.o)
	if got, counts, err := n.LogSealed(t.Context(), desk.Who{Actor: "bram"}); !errors.Is(err, argus.ErrRefused) || got != nil || counts != nil {
		t.Errorf("without people: %v, %v, %v", got, counts, err)
	}
	s.staff(t, court)
	bram, keys := desk.Who{Actor: "bram"}, privilege.Identities{s.judge}
	sealed, _, err := n.ListSealed(t.Context(), bram, keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.DecideSealed(t.Context(), bram, keys, []string{sealed[1].ID.String()}, privilege.Decision{Verdict: privilege.ConfirmedKeep, Reason: "about the harbour"}); err != nil {
		t.Fatal(err)
	}
	before := len(refusals(t, n))
	for actor, role := range court {
		got, counts, err := n.LogSealed(t.Context(), desk.Who{Actor: actor})
		if role == people.Overseer || role == people.Investigator {
			if !errors.Is(err, argus.ErrRefused) || got != nil || counts != nil {
				t.Errorf("%s: %v, %v, %v", actor, got, counts, err)
			}
			before++
			continue
		}
		if err != nil || len(got) != 7 || counts.Items != 7 || len(got[1].Decisions) != 1 || got[1].Decisions[0].Judge != "bram" || got[1].State != privilege.Confirmed {
			t.Errorf("%s: %+v, %+v, %v", actor, got, counts, err)
		}
		if want := []argus.Tally{{Value: "directory", Count: 6}, {Value: "propagation", Count: 1}}; !slices.Equal(counts.Classes, want) {
			t.Errorf("%s: %+v", actor, counts.Classes)
		}
		text, err := json.Marshal([]any{got, counts})
		if err != nil {
			t.Fatal(err)
		}
		for _, content := range []string{"secret", "harbour", "sky", "A|L", "Nescio", "2021-02-14"} {
			if strings.Contains(string(text), content) {
				t.Errorf("%s reads %q in %s", actor, content, text)
			}
		}
	}
	if got := len(refusals(t, n)); got != before {
		t.Errorf("the ledger has %d refusals, want %d", got, before)
	}
}

// TestForgedDecision: verify finds a decision that is in the ledger and follows no other.
func TestForgedDecision(t *testing.T) {
	s := makeSealing(t, testOptions(t), "L")
	s.staff(t, court)
	n := openStore(t, s.dir, s.o)
	wantSound(t, s.dir, "without decisions")
	_, _, err := n.privilege.Add("decision", []byte("{}\n"), func(v wordlist.Version) error {
		_, err := n.ledger.Append(t.Context(), ledger.Act{Actor: "bram", Action: ledger.DecideProtected, Subject: v.File(), Detail: map[string]string{"sha256": v.Hash}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	damage, _, _ := verified(t, s.dir)
	if len(damage) != 1 || !strings.Contains(damage[0].Problem, "read the decisions: line 1") {
		t.Errorf("%+v", damage)
	}
	if _, err := n.ledger.Append(t.Context(), ledger.Act{Actor: "bram", Action: ledger.DecideProtected, Subject: "decision.3." + strings.Repeat("0", 64) + ".privilege", Detail: map[string]string{"sha256": strings.Repeat("0", 64)}}); err != nil {
		t.Fatal(err)
	}
	damage, _, _ = verified(t, s.dir)
	if !slices.ContainsFunc(damage, func(f verify.Finding) bool {
		return f.Problem == "decision 2 is missing, although the ledger has a later one"
	}) {
		t.Errorf("%+v", damage)
	}
}
