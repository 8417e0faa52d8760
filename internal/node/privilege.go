package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/privilege"
)

// The errors of ingesting into a store that seals protected communication.
var (
	// ErrNotLent means that the judge's key was not lent.
	ErrNotLent = errors.New("this store seals protected communication, and nobody lent the key for that")
	// ErrNoDirectory means that nobody decided who is protected.
	ErrNoDirectory = errors.New("this store seals protected communication, and it has no directory of protected persons yet")
)

// guarding holds the guard that all deliveries of this process share.
type guarding struct {
	mu    sync.Mutex
	guard *privilege.Guard
	set   string // the SHA-256 of the set that it has
}

// guard returns the guard that judges and seals messages as they are ingested, or nil if
// the store does not ask for one. text is the key that the judge lent, or "" if nobody
// lent one.
func (n *Node) guard(ctx context.Context, who desk.Who, text string) (*intake.Guard, error) {
	setup, err := admin.PrivilegeSetup(n.privilege)
	switch {
	case err != nil:
		return nil, err
	case setup == nil && text != "":
		return nil, admin.ErrNoPrivilege
	case setup == nil:
		return nil, nil
	case text == "":
		return nil, ErrNotLent
	}
	key, err := privilege.ParseKey(text)
	if err == nil {
		err = setup.Fits(key)
	}
	if err != nil {
		return nil, err
	}
	set, _, err := admin.PrivilegeDirectory(n.privilege)
	if errors.Is(err, argus.ErrNotFound) {
		err = ErrNoDirectory
	}
	if err != nil {
		return nil, err
	}
	g := &n.guarding
	g.mu.Lock()
	defer g.mu.Unlock()
	switch sum := claims.Hash(set); {
	case g.guard == nil:
		state, err := n.lastState(ctx)
		if err != nil {
			return nil, err
		}
		if g.guard, err = privilege.NewGuard(setup, key, set, state, n.Info.Countries...); err != nil {
			return nil, err
		}
		g.set = sum
	case g.set != sum:
		if err := g.guard.Use(set); err != nil {
			return nil, err
		}
		g.set = sum
	}
	return &intake.Guard{Guard: g.guard, Protect: func(ctx context.Context, d argus.DeliveryNumber, batch argus.Hash, envelope, state []byte) error {
		n.o.failpoint("ledger." + ledger.ProtectDelivery)
		return n.Admin.Protect(ctx, ledger.Act{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Subject: d.String()}, batch, envelope, state)
	}}, nil
}

// sealing reports whether the store seals protected communication.
func (n *Node) sealing() (bool, error) {
	setup, err := admin.PrivilegeSetup(n.privilege)
	return setup != nil, err
}

// mostState is the maximum size in bytes of a state of the matchers.
const mostState = 16 << 30

// lastState returns the newest state of the matchers, or nil if there is none. Only the
// ledger says which state that is; an older one would protect fewer messages.
func (n *Node) lastState(ctx context.Context) ([]byte, error) {
	last, err := n.lastProtected(ctx)
	if err != nil || last == nil {
		return nil, err
	}
	sum := last.Detail["state"]
	name := layout.State(sum)
	data, err := durable.ReadFile(durable.OS{}, layout.File(n.dir, name), mostState)
	if err == nil && claims.Hash(data) != sum {
		err = fmt.Errorf("%s: %w: its SHA-256 is %s", name, argus.ErrDamaged, claims.Hash(data))
	}
	return data, err
}

// lastProtected returns the newest ledger entry about a protected delivery, or nil if
// there is none. It searches the ledger backwards from its end.
func (n *Node) lastProtected(ctx context.Context) (last *ledger.Entry, err error) {
	size, err := n.ledger.Size()
	if err != nil {
		return nil, err
	}
	const step = 1000
	for end := int(size); end > 0 && last == nil; end -= step {
		for e, err := range n.ledger.Sealed(ctx, uint64(max(1, end-step+1)), min(step, end)) {
			if err != nil {
				return nil, err
			}
			if e.Action == ledger.ProtectDelivery {
				last = &e
			}
		}
	}
	return last, nil
}
