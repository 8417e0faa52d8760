package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query/explain"
)

// Order is an authority with its state, for whoever decides about it or acts under it.
type Order struct {
	authority.Authority
	State authority.State `json:"state"`
	// Words states its scope in plain words; "" if the authority is damaged.
	Words string `json:"words,omitempty"`
	// Mine is set if it names the asker.
	Mine bool `json:"mine,omitempty"`
	// May lists the changes that the asker's roles allow: authority.change, authority.revoke.
	// Whether the authority can still be changed is not looked at.
	May []string `json:"may,omitempty"`
}

// Orders lists authorities with their state: those that name the asker, or all of them. Listing
// all is an act, for which the asker needs no authority; argus.ErrRefused in a store without
// people.
func (d *Desk) Orders(ctx context.Context, who Who, all bool) ([]Order, error) {
	list, err := d.Authorities(ctx, who.Actor)
	if err != nil {
		return nil, err
	}
	mine := map[authority.Number]bool{}
	for i := range list {
		mine[list[i].Number] = true
	}
	if all {
		act := ledger.Act{Actor: who.Actor, Purpose: who.Purpose, Action: ledger.ListAuthorities}
		if err := d.parts.May(who.Actor, act.Action); err != nil {
			return nil, d.refused(ctx, act, err)
		}
		if _, err := d.parts.Ledger.Append(ctx, act); err != nil {
			return nil, err
		}
		if list, err = d.parts.Authorities.List(); err != nil {
			return nil, err
		}
	}
	var may []string
	for _, act := range []string{ledger.ChangeAuthority, ledger.RevokeAuthority} {
		err := d.parts.May(who.Actor, act)
		if err == nil {
			may = append(may, act)
		} else if !errors.Is(err, argus.ErrRefused) {
			return nil, err
		}
	}
	now, err := d.parts.Ledger.Now()
	if err != nil {
		return nil, err
	}
	orders := make([]Order, len(list))
	for i, a := range list {
		o := Order{Authority: a, State: a.State(now), Mine: mine[a.Number], May: slices.Clone(may)}
		if scope, err := d.parts.Authorities.Scope(a.Number); err == nil {
			o.Words = explain.Query(scope)
		} else if o.State != authority.Damaged {
			o.State, o.Damage = authority.Damaged, err.Error()
		}
		orders[i] = o
	}
	return orders, nil
}
