package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/api"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/people"
)

func openStore(t *testing.T, dir string, o Options) *Node {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// refusals lists the refusals in the ledger along with their actors.
func refusals(t *testing.T, n *Node) (list []string) {
	t.Helper()
	for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action == ledger.Refused {
			list = append(list, e.Actor+": "+e.Detail["reason"])
		}
	}
	return list
}

// TestPeople: a store without people takes everybody's word for who they are. In a store
// with people, only they can act, each under their own name, until the second in which
// they leave.
func TestPeople(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n := openStore(t, dir, o)
	me := admin.ActorName()
	set := func(by, id string, users []string, roles ...people.Role) error {
		_, err := n.Admin.SetPerson(t.Context(), by, people.Actor{ID: id, Roles: roles, Users: users})
		return err
	}
	if who, err := n.Who(t.Context(), desk.Who{Actor: "anybody"}); err != nil || who.Actor != "anybody" {
		t.Fatalf("without people: %+v, %v", who, err)
	}
	for name, err := range map[string]error{
		"no custodian":      set("", "anna", []string{me}, people.Investigator),
		"not the user":      set("", "carla", []string{me + "x"}, people.Custodian),
		"without any users": set("", "carla", nil, people.Custodian),
	} {
		if !errors.Is(err, admin.ErrNoCustodian) {
			t.Errorf("first person, %s: %v", name, err)
		}
	}
	if _, err := n.WhoFor(t.Context(), "", desk.Who{Actor: "anna"}); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("a link without people: %v", err)
	}
	if err := errors.Join(set("", "carla", []string{me}, people.Custodian), set("carla", "anna", nil, people.Investigator)); err != nil {
		t.Fatal(err)
	}
	if who, err := n.Who(t.Context(), desk.Who{}); err != nil || who.Actor != "carla" {
		t.Errorf("the user is %+v, %v; want carla", who, err)
	}
	if _, err := n.Who(t.Context(), desk.Who{Actor: "anna"}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("the user as anna: %v", err)
	}
	if _, _, err := n.Admin.AddList(t.Context(), "anna", "goods", []byte("snow\n")); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("the user adds a list as anna: %v", err)
	}
	anna, err := n.WhoFor(t.Context(), "carla", desk.Who{Actor: "anna"})
	if err != nil || anna.Actor != "anna" || anna.Authority != "A-0001" {
		t.Fatalf("a link for anna: %+v, %v", anna, err)
	}
	if _, err := n.Admin.AddAuthority(t.Context(), "", grant("anna")); err != nil {
		t.Fatal(err)
	}
	if who, err := n.WhoFor(t.Context(), "", desk.Who{Actor: "anna"}); err != nil || who.Authority != "" {
		t.Errorf("a link for anna, whom two authorities name: %+v, %v", who, err)
	}
	if who, err := n.WhoServed(t.Context(), desk.Who{}); err != nil || who.Actor != "carla" || who.Authority != "A-0001" {
		t.Errorf("the user's own page: %+v, %v", who, err)
	}
	if _, err := n.WhoFor(t.Context(), "", desk.Who{Actor: "nobody"}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("a link for nobody: %v", err)
	}
	ask := func(actor string) error {
		_, err := n.Desk.Search(t.Context(), desk.Who{Actor: actor, Authority: "A-0001", Purpose: "p"}, desk.SearchRequest{Query: "crates"})
		return err
	}
	if err := ask("anna"); err != nil {
		t.Errorf("anna: %v", err)
	}
	if err := ask("zoe"); !errors.Is(err, argus.ErrRefused) || !strings.Contains(err.Error(), "not one of the people") {
		t.Errorf("zoe: %v", err)
	}
	if err := set("", "carla", []string{me}); !errors.Is(err, admin.ErrNoCustodian) {
		t.Errorf("the last custodian leaves: %v", err)
	}
	byLink := n.Admin.Recognised("anna")
	if _, _, err := byLink.AddList(t.Context(), "carla", "goods", []byte("snow\n")); err != nil {
		t.Errorf("anna adds a list by her link: %v", err)
	}
	if _, err := byLink.SetPerson(t.Context(), "carla", people.Actor{ID: "zoe"}); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("anna acts as the custodian by her link: %v", err)
	}
	if err := set("", "anna", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := byLink.AddList(t.Context(), "anna", "goods", []byte("ice\n")); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("anna adds a list by her link after she has left: %v", err)
	}
	if err := ask("anna"); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("anna after she has left: %v", err)
	}
	if got := refusals(t, n); len(got) != 7 {
		t.Errorf("the ledger has %d refusals, want 7: %q", len(got), got)
	}
	if damage, _, _ := verified(t, dir); len(damage) > 0 {
		t.Errorf("%+v", damage)
	}
}

// TestLedgerOfPeople: in a store with people, somebody who reads sees the acts under his
// authority; overseer and judge see those of everybody, and only the judge their words; the
// words of the defence are for the defence only, also after it has left.
func TestLedgerOfPeople(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n := openStore(t, dir, o)
	set := func(id string, roles ...people.Role) {
		one := people.Actor{ID: id, Roles: roles}
		if id == "carla" {
			one.Users = []string{admin.ActorName()}
		}
		if _, err := n.Admin.SetPerson(t.Context(), "", one); err != nil {
			t.Fatal(err)
		}
	}
	set("carla", people.Custodian)
	set("anna", people.Investigator)
	set("bram", people.Judge)
	set("dora", people.Defence)
	set("omar", people.Overseer)
	for _, role := range []string{"investigator", "defence"} {
		a := grant()
		a.Roles = []string{role}
		if _, err := n.Admin.AddAuthority(t.Context(), "carla", a); err != nil {
			t.Fatal(err)
		}
	}
	for actor, under := range map[string]string{"anna": "A-0002", "dora": "A-0003", "bram": "A-0001"} {
		if _, err := n.Desk.Search(t.Context(), desk.Who{Actor: actor, Authority: under, Purpose: "p"}, desk.SearchRequest{Query: "words-of-" + actor}); err != nil {
			t.Fatal(err)
		}
	}
	set("dora", people.Partner)
	subjects := func(entries []ledger.Entry) (all string) {
		for _, e := range entries {
			if e.Action == ledger.Search || e.Action == ledger.AddAuthority {
				all += e.Actor + ":" + e.Subject + " "
			}
		}
		return all
	}
	own, err := n.Desk.Ledger(t.Context(), desk.Who{Actor: "anna", Authority: "A-0002", Purpose: "p"}, 0, 0)
	if got := subjects(own); err != nil || got != "anna:words-of-anna " {
		t.Errorf("anna sees %q, %v", got, err)
	}
	if own, err = n.Desk.Ledger(t.Context(), desk.Who{Actor: "anna", Authority: "A-0001", Purpose: "p"}, 0, 0); err != nil || subjects(own) != "bram:words-of-bram " {
		t.Errorf("anna sees under the authority of everybody: %q, %v", subjects(own), err)
	}
	for actor, want := range map[string][]string{
		"omar": {"anna: withheld", "bram: withheld", "dora: withheld"},
		"bram": {"anna:words-of-anna", "bram:words-of-bram", "dora: withheld"},
	} {
		all, err := n.Desk.Oversee(t.Context(), desk.Who{Actor: actor}, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range all {
			if e.Action == ledger.Search {
				got = append(got, e.Actor+":"+e.Subject+map[bool]string{true: " withheld"}[e.Withheld])
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s oversees %q, want %q", actor, got, want)
		}
	}
	for _, actor := range []string{"carla", "anna", "dora", "zoe"} {
		if got, err := n.Desk.Oversee(t.Context(), desk.Who{Actor: actor, Authority: "A-0001", Purpose: "p"}, 0, 0); !errors.Is(err, argus.ErrRefused) || got != nil {
			t.Errorf("%s oversees: %v, %v", actor, got, err)
		}
	}
}

// TestOrders: who may not see all authorities, or not change them, is refused, and the ledger has
// it; the page of a judge changes them at once.
func TestOrders(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n := openStore(t, dir, o)
	if got, err := n.Desk.Orders(t.Context(), desk.Who{Actor: "anna"}, true); !errors.Is(err, argus.ErrRefused) || got != nil {
		t.Errorf("all authorities, without people: %v, %v", got, err)
	}
	roles := map[string]people.Role{"anna": people.Investigator, "bram": people.Judge, "petra": people.Prosecutor, "omar": people.Overseer, "dora": people.Defence}
	if _, err := n.Admin.SetPerson(t.Context(), "", people.Actor{ID: "carla", Roles: []people.Role{people.Custodian}, Users: []string{admin.ActorName()}}); err != nil {
		t.Fatal(err)
	}
	for id, role := range roles {
		if _, err := n.Admin.SetPerson(t.Context(), "", people.Actor{ID: id, Roles: []people.Role{role}}); err != nil {
			t.Fatal(err)
		}
	}
	narrow := grant("anna")
	narrow.Scope, narrow.Until = "from:A sent:2021-02", time.Now().Add(time.Hour)
	if _, err := n.Admin.AddAuthority(t.Context(), "carla", narrow); err != nil {
		t.Fatal(err)
	}
	list := func(actor string, all bool) (said []string, err error) {
		got, err := n.Desk.Orders(t.Context(), desk.Who{Actor: actor}, all)
		for _, one := range got {
			said = append(said, strings.Join(slices.Concat([]string{one.Number.String(), string(one.State), strconv.FormatBool(one.Mine)}, one.May), " "))
		}
		return said, err
	}
	before := len(refusals(t, n))
	for _, actor := range []string{"anna", "dora", "zoe"} {
		if got, err := list(actor, true); !errors.Is(err, argus.ErrRefused) || got != nil {
			t.Errorf("%s lists all: %q, %v", actor, got, err)
		}
	}
	change := func(actor, kind string, until time.Time) error {
		return n.changeAuthority(t.Context(), actor, 2, api.AuthorityChange{Kind: kind, Reason: "appeal 3", Until: until})
	}
	for _, test := range [][2]string{{"anna", "suspend"}, {"dora", "revoke"}, {"omar", "extend"}, {"carla", "revoke"}, {"petra", "suspend"}, {"zoe", "revoke"}} {
		if err := change(test[0], test[1], time.Time{}); !errors.Is(err, argus.ErrRefused) {
			t.Errorf("%s may %s: %v", test[0], test[1], err)
		}
	}
	if got := len(refusals(t, n)) - before; got != 9 {
		t.Errorf("the ledger has %d refusals, want 9", got)
	}
	if err := n.changeAuthority(t.Context(), "bram", 2, api.AuthorityChange{Kind: "suspend", Reason: " "}); !errors.Is(err, desk.ErrRequest) {
		t.Errorf("without a reason: %v", err)
	}
	if err := change("bram", "resume", time.Time{}); !errors.Is(err, authority.ErrInvalid) {
		t.Errorf("one in force is resumed: %v", err)
	}
	for _, test := range []struct {
		actor, kind string
		until       time.Time
		want        string
	}{
		{"bram", "suspend", time.Time{}, "A-0002 suspended false authority.change authority.revoke"},
		{"bram", "resume", time.Time{}, "A-0002 in-force false authority.change authority.revoke"},
		{"bram", "extend", time.Now().Add(2 * time.Hour), "A-0002 in-force false authority.change authority.revoke"},
		{"petra", "revoke", time.Time{}, "A-0002 revoked false authority.revoke"},
	} {
		if err := change(test.actor, test.kind, test.until); err != nil {
			t.Fatal(test.kind, err)
		}
		if got, err := list(test.actor, true); err != nil || len(got) != 2 || got[1] != test.want {
			t.Errorf("after %s: %q, %v", test.kind, got, err)
		}
	}
	if got, err := list("anna", false); err != nil || !slices.Equal(got, []string{"A-0001 in-force true", "A-0002 revoked true"}) {
		t.Errorf("anna's own: %q, %v", got, err)
	}
	all, err := n.Desk.Orders(t.Context(), desk.Who{Actor: "omar"}, true)
	if err != nil || len(all) != 2 || !strings.Contains(all[1].Words, "February 2021") || all[1].May != nil {
		t.Errorf("omar sees %+v, %v", all, err)
	}
}

// TestDamagedPeople: without the whole list of its people, nobody can act in a store.
func TestDamagedPeople(t *testing.T) {
	for name, harm := range map[string]func(file string) error{
		"missing": os.Remove,
		"changed": func(file string) error { return os.WriteFile(file, []byte("{}\n"), 0o600) },
		"smuggled": func(file string) error {
			a := people.Actor{ID: "zoe", Roles: []people.Role{people.Judge}, Users: []string{admin.ActorName()}}
			text, err := a.Encode()
			if err != nil {
				return err
			}
			hash, err := people.Hash("zoe", text)
			return errors.Join(err, os.WriteFile(filepath.Join(filepath.Dir(file), "zoe.1."+hash+".json"), text, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
			makeStore(t, dir, o, lines(0, 20))
			n := openStore(t, dir, o)
			if _, err := n.Admin.SetPerson(t.Context(), "", people.Actor{ID: "carla", Roles: []people.Role{people.Custodian}, Users: []string{admin.ActorName()}}); err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(layout.File(dir, layout.People) + "/*.json")
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := errors.Join(os.Chmod(files[0], 0o600), harm(files[0])); err != nil {
				t.Fatal(err)
			}
			if _, err := n.Who(t.Context(), desk.Who{}); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("who: %v", err)
			}
			if _, err := n.Desk.Search(t.Context(), desk.Who{Actor: "carla", Authority: "A-0001", Purpose: "p"}, desk.SearchRequest{}); !errors.Is(err, argus.ErrDamaged) {
				t.Errorf("search: %v", err)
			}
			if damage, _, _ := verified(t, dir); len(damage) == 0 {
				t.Error("verify finds no damage")
			}
		})
	}
}

// TestRolesDecide: under an authority that allows everything to everybody, each role may
// still do only the acts that the rules allow.
func TestRolesDecide(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n := openStore(t, dir, o)
	me := admin.ActorName()
	for _, one := range []people.Actor{
		{ID: "carla", Roles: []people.Role{people.Custodian}, Users: []string{me}},
		{ID: "anna", Roles: []people.Role{people.Investigator}, Users: []string{me}},
		{ID: "bram", Roles: []people.Role{people.Judge}, Users: []string{me}},
		{ID: "eva", Roles: []people.Role{people.Overseer, people.Investigator}, Users: []string{me}},
		{ID: "finn", Roles: []people.Role{people.Defence}, Users: []string{me}},
	} {
		if _, err := n.Admin.SetPerson(t.Context(), "carla", one); err != nil {
			t.Fatal(err)
		}
	}
	disclosed := grant()
	disclosed.Roles, disclosed.Scope = []string{"defence"}, "from:A"
	if _, err := n.Admin.AddAuthority(t.Context(), "bram", disclosed); err != nil {
		t.Fatal(err)
	}
	search := func(actor, under string) (uint64, error) {
		found, err := n.Desk.Search(t.Context(), desk.Who{Actor: actor, Authority: under, Purpose: "p"}, desk.SearchRequest{Query: "crates"})
		if err != nil {
			return 0, err
		}
		return found.Messages, nil
	}
	if found, err := search("finn", "A-0002"); found == 0 || found == 20 || err != nil {
		t.Errorf("the defence finds %d messages in what was disclosed to it, %v", found, err)
	}
	if _, err := search("anna", "A-0002"); !errors.Is(err, argus.ErrRefused) {
		t.Errorf("the investigator under the authority of the defence: %v", err)
	}
	before := len(refusals(t, n))
	acts := map[string]func(actor string) error{
		"search": func(actor string) error {
			_, err := search(actor, "A-0001")
			return err
		},
		"beyond": func(actor string) error {
			_, err := n.Desk.Beyond(t.Context(), desk.Who{Actor: actor, Authority: "A-0001", Purpose: "p"}, desk.BeyondRequest{Authority: "A-0001", Query: "crates"})
			return err
		},
		"ingest": func(actor string) error {
			err := n.Ingest(t.Context(), desk.Who{Actor: actor, Authority: "A-0001", Purpose: "p"}, intake.Options{}, func(context.Context, intake.Options) error { return errDone })
			if errors.Is(err, errDone) {
				return nil
			}
			return err
		},
		"list": func(actor string) error {
			_, _, err := n.Admin.AddList(t.Context(), actor, "goods", []byte("snow\n"))
			return err
		},
		"suspend": func(actor string) error {
			_, err := n.Admin.ChangeAuthority(t.Context(), actor, 1, authority.Change{Kind: authority.Suspend, Reason: "x"})
			return err
		},
	}
	refused := 0
	for _, test := range []struct{ actor, may string }{
		{"carla", "ingest"},
		{"anna", "search list"},
		{"eva", "list"},
		{"finn", ""},
		{"bram", "search beyond list suspend"}, // last, because nothing is allowed under the authority afterwards
	} {
		for _, act := range []string{"search", "beyond", "ingest", "list", "suspend"} {
			err := acts[act](test.actor)
			if allowed := slices.Contains(strings.Fields(test.may), act); (err == nil) != allowed || err != nil && !errors.Is(err, argus.ErrRefused) {
				t.Errorf("%s: %s: %v", test.actor, act, err)
			} else if !allowed {
				refused++
			}
		}
	}
	if got := len(refusals(t, n)) - before; got != refused {
		t.Errorf("the ledger has %d refusals, want %d", got, refused)
	}
}

var errDone = errors.New("done")
