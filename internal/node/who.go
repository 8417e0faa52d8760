package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/people"
)

// Who fills in missing fields: the user's own name, or who the user is among the people of
// the store; the only authority that names the
// actor and has not ended, and the authority's purpose. If there is not one such authority,
// the error is argus.ErrRefused, and the ledger has the refusal.
func (n *Node) Who(ctx context.Context, who desk.Who) (desk.Who, error) {
	var err error
	if who.Actor, err = n.Admin.Actor(ctx, who.Actor); err != nil {
		return who, err
	}
	return n.authorized(ctx, who)
}

// authorized fills in the authority and the purpose of a known actor.
func (n *Node) authorized(ctx context.Context, who desk.Who) (desk.Who, error) {
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

// refused records a refusal, and returns it. wanted is the act, if it is known.
func (n *Node) refused(ctx context.Context, who desk.Who, wanted string, refusal error) error {
	detail := map[string]string{"reason": refusal.Error()}
	if wanted != "" {
		detail["action"] = wanted
	}
	_, err := n.ledger.Append(ctx, ledger.Act{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: ledger.Refused, Detail: detail})
	return errors.Join(refusal, err)
}

// WhoFor is like Who for one of the people of the store, whom the user of this process, who
// goes by a name, makes a link for.
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
	err = n.may(server, "serve")
	if err == nil {
		err = n.member(who.Actor)
	}
	if err != nil {
		return who, n.refused(ctx, desk.Who{Actor: server}, "serve", err)
	}
	return n.authorized(ctx, who)
}

// may returns argus.ErrRefused if an actor may not do an act, whatever the authority. It is
// asked at each act, so that somebody who has left has no access from that second.
func (n *Node) may(actor, _ string) error { return n.member(actor) }

// member returns argus.ErrRefused if the store has people and an actor is none of them.
func (n *Node) member(actor string) error {
	list, err := admin.People(n.people)
	if err != nil || len(list) == 0 || slices.ContainsFunc(list, func(one people.Actor) bool { return one.ID == actor && len(one.Roles) > 0 }) {
		return err
	}
	return fmt.Errorf("%w: %s is none of the people of this store", argus.ErrRefused, actor)
}

// rolesOf returns the roles of an actor, none in a store without people.
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
