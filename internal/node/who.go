package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
)

// Who fills in missing fields: the user's own name, the only authority that names the
// actor and has not ended, and the authority's purpose.
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
		open := slices.DeleteFunc(slices.Clone(list), func(a authority.Authority) bool {
			return a.Revoked != nil || !a.Until.IsZero() && !now.Before(a.Until)
		})
		if len(open) == 0 {
			open = list // its use reports why it has ended
		}
		switch len(open) {
		case 0:
			return who, fmt.Errorf("%w: no authority names %s", argus.ErrRefused, who.Actor)
		case 1:
			who.Authority = open[0].Number.String()
		default:
			return who, fmt.Errorf("%w: %d authorities name %s; say under which one you ask with --authority", argus.ErrRefused, len(open), who.Actor)
		}
	}
	for _, a := range list {
		if number, err := authority.ParseNumber(who.Authority); err == nil && a.Number == number {
			who.Purpose = cmp.Or(who.Purpose, a.Purpose)
		}
	}
	return who, nil
}
