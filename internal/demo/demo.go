// Package demo gives a new store the people and the orders of the invented case, one person for
// each role, so that one sees the law work.
package demo

import (
	"context"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/people"
)

// The people of the demonstration whom it needs: the user who runs it takes deliveries in, and
// searches on the command line; the judge grants the authorities; the page opens as the analyst.
const (
	User  = "you"
	judge = "bram"
	First = "anna"
)

// cast are the people of the invented case, one for each role, after the user.
var cast = []people.Actor{
	{ID: User, Name: "You, at this machine", Roles: []people.Role{people.Custodian, people.Analyst}},
	{ID: "carla", Name: "Carla Mertens", Roles: []people.Role{people.Custodian}},
	{ID: "ines", Name: "Inès Laurent", Roles: []people.Role{people.Investigator}},
	{ID: First, Name: "Anna de Vries", Roles: []people.Role{people.Analyst}},
	{ID: "tom", Name: "Tom Okafor", Roles: []people.Role{people.ThreatDesk}},
	{ID: "petra", Name: "Petra Novak", Roles: []people.Role{people.Prosecutor}},
	{ID: judge, Name: "Bram Claes", Roles: []people.Role{people.Judge}},
	{ID: "paula", Name: "Paula Stein", Roles: []people.Role{people.PrivilegeOfficer}},
	{ID: "lena", Name: "Lena Fischer", Roles: []people.Role{people.Liaison}},
	{ID: "omar", Name: "Omar Haddad", Roles: []people.Role{people.Overseer}},
	{ID: "dora", Name: "Dora Visser", Roles: []people.Role{people.Defence}},
	{ID: "sean", Name: "Sean Byrne", Roles: []people.Role{people.Partner}},
}

// Orders are the orders in the invented case. The liaison, the privilege officer, the overseer
// and the partner have none: nothing was shared, recognised or handed over, and oversight needs
// no order.
var Orders = []authority.Authority{
	{Title: "Custody of the deliveries", Kind: "jit", Order: "JIT 7/2021", Basis: "Agreement on a joint investigation team, art. 4", Purpose: "taking in and keeping the deliveries",
		Actors: []string{"carla"}, Acts: []string{"ingest"}},
	{Title: "Direction of the case", Kind: "search", Order: "21/0031", Basis: "Code of criminal procedure, art. 56", Purpose: "directing the investigation",
		Roles: roles(people.Prosecutor, people.Judge)},
	{Title: "Analysis of the service", Kind: "jit", Order: "JIT 7/2021, annex 2", Basis: "Agreement on a joint investigation team, art. 9", Purpose: "finding out who used the service for crime",
		Offences: []string{"participation in a criminal organisation"}, Roles: roles(people.Analyst)},
	{Title: "Investigation of the harbour", Kind: "search", Order: "21/0117", Basis: "Code of criminal procedure, art. 88", Purpose: "the import through the harbour",
		Offences: []string{"import of narcotics"}, Conditions: "Conversations of nobody but users of Sky; no use for other offences.", Handling: []string{"H0"},
		Scope: "service:sky sent:2021-02-14..2021-03-31", Roles: roles(people.Investigator)},
	{Title: "Threats to life", Kind: "search", Order: "21/0140", Basis: "Police act, art. 3", Purpose: "averting threats to life",
		Scope: "sent:2021-04-20..", Roles: roles(people.ThreatDesk)},
	{Title: "Disclosure to the defence of the courier", Kind: "search", Order: "21/0166", Basis: "Code of criminal procedure, art. 61", Purpose: "the defence of the courier",
		Conditions: "The phone that was found on the courier, whole.", Scope: "delivery:D-0003", Roles: roles(people.Defence)},
}

func roles(all ...people.Role) (names []string) {
	for _, r := range all {
		names = append(names, string(r))
	}
	return names
}

// Fill adds the people and the authorities of the invented case to a new store, and
// ends the authority that covers everything for everybody.
func Fill(ctx context.Context, n *node.Node) error {
	for _, one := range cast {
		if one.ID == User {
			one.Users = []string{admin.ActorName()}
		}
		if _, err := n.Admin.SetPerson(ctx, User, one); err != nil {
			return err
		}
	}
	grants := n.Admin.Recognised(judge)
	for _, one := range Orders {
		one.GrantedBy = "investigating judge Bram Claes"
		if _, err := grants.AddAuthority(ctx, judge, one); err != nil {
			return err
		}
	}
	return grants.RevokeAuthority(ctx, judge, 1, "the orders of the case take its place")
}

// Asks returns whom the page of the demonstration can be, the first one first. A store that
// an earlier version made has no people.
func Asks(ctx context.Context, n *node.Node) (asks []desk.Who, err error) {
	list, err := n.Admin.People()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		who, err := n.Who(ctx, desk.Who{})
		return []desk.Who{who}, err
	}
	for _, one := range list {
		if len(one.Roles) == 0 {
			continue
		}
		who, err := n.WhoFor(ctx, "", desk.Who{Actor: one.ID})
		if err != nil {
			return nil, err
		}
		if asks = append(asks, who); one.ID == First {
			asks[0], asks[len(asks)-1] = who, asks[0]
		}
	}
	return asks, nil
}
