package policy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/argus-evidence/argus/internal/people"
)

// oracle checks, without Cedar and with handwritten code, whether the rules of a folder allow a
// request.
func oracle(folder string, r Request) bool {
	is := func(roles ...people.Role) bool {
		return slices.ContainsFunc(roles, func(role people.Role) bool { return slices.Contains(r.Roles, role) })
	}
	const (
		inv, ana, desk, pro, judge = people.Investigator, people.Analyst, people.ThreatDesk, people.Prosecutor, people.Judge
	)
	sealed := r.Class == Suspected || r.Class == Confirmed
	police := is(inv, ana, desk, pro)
	mayRead := !is(people.Overseer) && (!is(people.Defence) || r.Disclosed)
	content := mayRead && !sealed && r.Purpose
	if !r.Recognised {
		return false
	}
	switch r.Action {
	case "search", "show", "page", "deliveries", "receipt", "quarantine":
		return content && r.Covered && (is(inv, ana, desk, pro, judge) || is(people.Defence) && r.Disclosed)
	case "read.emergency":
		return content && r.Emergency && r.Second && is(desk, inv, pro)
	case "export":
		return content && r.Covered && is(inv, ana, pro)
	case "exhibit":
		return content && r.Covered && is(inv, ana, pro) && (!slices.Contains(r.Handling, "H1") || r.Permitted)
	case "disclose":
		return content && r.Covered && is(pro, judge) && (!slices.Contains(r.Handling, "H1") || r.Permitted)
	case "package.send":
		return content && r.Covered && is(people.Liaison) && (!slices.Contains(r.Handling, "H2") || r.Permitted)
	case "transfer.send":
		return content && r.Covered && is(people.Liaison, people.Custodian) && (!slices.Contains(r.Handling, "H2") || r.Permitted)
	case "package.read":
		return content && is(people.Partner) && r.Received
	case "alert.handle":
		return mayRead && !sealed && r.Covered && is(desk, inv, pro)
	case "privilege.list", "privilege.read", "privilege.confirm", "privilege.reject", "privilege.release", "privilege.destroy", "privilege.lift":
		return mayRead && is(judge) && r.Class != Ordinary && (folder == Generic || !police)
	case "privilege.prepare":
		return is(people.PrivilegeOfficer, judge) && (folder != "nl" || !police)
	case "privilege.log":
		return is(judge, people.PrivilegeOfficer, pro, people.Defence)
	case "directory.read", "directory.add", "beyond":
		return is(judge)
	case "authority.request", "case.request", "case.count", "hits.ask", "hits.answer":
		return is(inv, ana, desk, pro, people.Liaison)
	case "authority.sign", "authority.change", "case.grant":
		return is(judge) || is(pro) && r.NoJudge
	case "authority.revoke":
		return is(judge, pro)
	case "authority.list":
		return is(people.Custodian, pro, judge, people.Overseer)
	case "authority.add":
		return is(people.Custodian, judge, pro)
	case "ledger":
		return r.Covered && is(inv, ana, desk, pro, judge, people.Defence) && (r.NotDefence || is(people.Defence))
	case "ledger.words":
		return (r.Covered && is(inv, ana, desk, pro, people.Defence) || is(judge)) && (r.NotDefence || is(people.Defence))
	case "ledger.oversee":
		return is(people.Overseer, judge)
	case "ledger.correct":
		return is(people.Custodian)
	case "ledger.destroy":
		return is(people.Custodian) && r.Covered
	case "list.add", "list.show", "category.set":
		return is(inv, ana, desk, pro, judge)
	case "verify":
		return len(r.Roles) > 0
	case "init", "serve", "upgrade", "reindex", "ingest", "ingest.open", "ingest.resume", "ingest.abandon", "reread", "transfer.receive", "people.add", "map.add", "key.hold", "authority.export":
		return is(people.Custodian)
	}
	return false
}

// 100,000 random requests get the same decision from the rules and from the oracle.
func TestOracle(t *testing.T) {
	each := 25_000
	if testing.Short() {
		each = 2_500
	}
	for _, name := range append(Jurisdictions(), Generic) {
		s := load(t, name)
		rng := rand.New(rand.NewPCG(1, 2))
		allowed, of := 0, map[string]int{}
		for range each {
			r := random(rng)
			d := s.Decide(r)
			if want := oracle(name, r); d.Allowed != want || d.Incident != "" {
				t.Fatalf("%s: %+v is %s; by hand %t", name, r, d, want)
			}
			if d.Allowed {
				allowed++
				of[r.Action]++
			}
		}
		for _, action := range Actions() {
			if of[action] == 0 && !testing.Short() {
				t.Errorf("%s: no request for %s was allowed", name, action)
			}
		}
		t.Logf("%s: %d of %d allowed", name, allowed, each)
	}
}
