package node

import (
	"context"
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
