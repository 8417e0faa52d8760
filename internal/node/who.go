package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/people"
	"github.com/argus-evidence/argus/internal/policy"
)

// Who fills in missing fields: the actor, who is the user or the person that the user is
// among the store's people; the authority, if exactly one that names the actor is in
// force; and that authority's purpose. If there is not exactly one such authority, the
// error is argus.ErrRefused, and the ledger records the refusal.
func (n *Node) Who(ctx context.Context, who desk.Who) (desk.Who, error) {
	return n.user(ctx, who, false)
}

// WhoServed is like Who, but for the user's own page. If several authorities name the
// user, it fills in none, because the page offers the choice.
func (n *Node) WhoServed(ctx context.Context, who desk.Who) (desk.Who, error) {
	return n.user(ctx, who, true)
}

func (n *Node) user(ctx context.Context, who desk.Who, chooses bool) (desk.Who, error) {
	var err error
	if who.Actor, err = n.Admin.Actor(ctx, who.Actor); err != nil {
		return who, err
	}
	return n.authorized(ctx, who, chooses)
}

// authorized fills in the authority and the purpose for a known actor. chooses is set if
// the actor can later choose one of several authorities.
func (n *Node) authorized(ctx context.Context, who desk.Who, chooses bool) (desk.Who, error) {
	list, err := n.Desk.Authorities(ctx, who.Actor)
	if err != nil {
		return who, err
	}
	if who.Authority == "" {
		now, err := n.ledger.Now()
		if err != nil {
			return who, err
		}
		only, err := authority.Only(who.Actor, list, now)
		if err != nil && chooses && len(list) > 1 {
			return who, nil
		}
		if err != nil {
			return who, n.refused(ctx, who, "", err)
		}
		who.Authority = only.Number.String()
	}
	if number, err := authority.ParseNumber(who.Authority); err == nil {
		who.Authority = number.String()
	}
	for _, a := range list {
		if a.Number.String() == who.Authority {
			who.Purpose = cmp.Or(who.Purpose, a.Purpose)
		}
	}
	return who, nil
}

// refused records a refusal and returns it. wanted is the act, if it is known.
func (n *Node) refused(ctx context.Context, who desk.Who, wanted string, refusal error) error {
	detail := map[string]string{"reason": refusal.Error()}
	if wanted != "" {
		detail["action"] = wanted
	}
	_, err := n.ledger.Append(ctx, ledger.Act{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: ledger.Refused, Detail: detail})
	return errors.Join(refusal, err)
}

// WhoFor is like WhoServed, but for another of the store's people. The user of this
// process, who acts under the name by, makes a link for that person.
func (n *Node) WhoFor(ctx context.Context, by string, who desk.Who) (desk.Who, error) {
	server, err := n.Admin.Actor(ctx, by)
	if err != nil {
		return who, err
	}
	list, err := n.Admin.People()
	if err != nil {
		return who, err
	}
	if len(list) == 0 {
		return who, fmt.Errorf("%w: this store has no people; add them with \"argus people set\"", argus.ErrNotFound)
	}
	err = n.may(server, "serve", nil)
	if err == nil {
		_, err = memberOf(list, who.Actor)
	}
	if err != nil {
		return who, n.refused(ctx, desk.Who{Actor: server}, "serve", err)
	}
	return n.authorized(ctx, who, true)
}

// may returns argus.ErrRefused if an actor is not one of the store's people, or if the
// rules do not allow the actor's roles to do an act under an authority or, if that is
// nil, without one. It is called for each act, so that somebody who has left has no
// access from that second on. A store without people belongs to whoever can open it, and
// has no rules.
func (n *Node) may(actor, action string, under *authority.Authority) error {
	list, err := admin.People(n.people)
	if err != nil || len(list) == 0 {
		return err
	}
	return n.decide(list, policy.Request{Actor: actor, Action: action, NotDefence: true}, under)
}

// decide asks the rules about one of the people of a list.
func (n *Node) decide(list []people.Actor, r policy.Request, under *authority.Authority) error {
	one, err := memberOf(list, r.Actor)
	if err != nil {
		return err
	}
	rules, err := generic()
	if err != nil {
		return err
	}
	// Suspected messages are sealed, and no other act reaches them.
	r.Roles, r.Recognised, r.Class = one.Roles, true, policy.Ordinary
	if strings.HasPrefix(r.Action, "privilege.") {
		r.Class = policy.Suspected
	}
	if under != nil { // the authority covers the act, and a purpose was stated
		r.Covered, r.Purpose, r.Kind, r.Handling = true, true, under.Kind, under.Handling
		// Whoever grants the defence an authority discloses what it covers.
		r.Disclosed = slices.Contains(under.Roles, string(people.Defence))
	}
	d := rules.Decide(r)
	if d.Incident != "" {
		n.note("An act was refused because no decision was possible: " + d.Incident)
	}
	return d.Err()
}

// mayRead returns which entries of the ledger an actor may read by an act. Those of somebody who
// is or was of the defence are decided apart.
func (n *Node) mayRead(actor, action string, under *authority.Authority) (func(*ledger.Entry) bool, error) {
	list, err := admin.People(n.people)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		if action != ledger.ReadLedger {
			return nil, fmt.Errorf("%w: this store has no people, and so nobody who oversees them", argus.ErrRefused)
		}
		return nil, nil
	}
	defence, err := admin.Ever(n.people, people.Defence)
	if err != nil {
		return nil, err
	}
	others := n.decide(list, policy.Request{Actor: actor, Action: action, NotDefence: true}, under)
	theirs := n.decide(list, policy.Request{Actor: actor, Action: action}, under)
	if others != nil && theirs != nil {
		return nil, others
	}
	return func(e *ledger.Entry) bool {
		if slices.Contains(defence, e.Actor) {
			return theirs == nil
		}
		return others == nil
	}, nil
}

// mayAdminister is like may for acts that need no authority.
func (n *Node) mayAdminister(actor, action string) error { return n.may(actor, action, nil) }

// mayAsMember is like mayAdminister, and refuses everybody in a store without people.
func (n *Node) mayAsMember(actor, action string) error {
	list, err := admin.People(n.people)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: %w: only the people of a store can do it, and this one has none", action, argus.ErrRefused)
	}
	return n.mayAdminister(actor, action)
}

// generic holds the rules of every store. They pass the gate once per process.
var generic = sync.OnceValues(func() (*policy.Set, error) { return policy.Open("generic") })

// memberOf returns the person with the given name, who must have a role.
func memberOf(list []people.Actor, actor string) (*people.Actor, error) {
	i := slices.IndexFunc(list, func(one people.Actor) bool { return one.ID == actor && len(one.Roles) > 0 })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s is not one of the people of this store", argus.ErrRefused, actor)
	}
	return &list[i], nil
}

// rolesOf returns the roles of an actor. In a store without people, there are none.
func (n *Node) rolesOf(actor string) (roles []string, err error) {
	list, err := admin.People(n.people)
	for _, one := range list {
		if one.ID == actor {
			for _, r := range one.Roles {
				roles = append(roles, string(r))
			}
		}
	}
	return roles, err
}
