package node

import (
	"cmp"
	"context"
	"errors"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/ledger"
)

// Who fills in missing fields: the user's own name, the only authority that names the
// actor and has not ended, and the authority's purpose. If there is not one such authority,
// the error is argus.ErrRefused, and the ledger has the refusal.
func (n *Node) Who(ctx context.Context, who desk.Who) (desk.Who, error) {
	who.Actor = cmp.Or(who.Actor, admin.ActorName())
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
