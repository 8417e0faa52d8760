package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/api"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/web"
)

// NewToken makes an unguessable token for Serve.
func NewToken() string { return api.NewToken() }

// Link opens the session of one actor in one browser.
type Link = api.Link

// Served configures a store for browsers on this machine.
type Served struct {
	// Store is the name that the interface shows for the store.
	Store string
	Links []Link
	// Switch lets one browser use the sessions of all links. It is for demonstrations.
	Switch bool
	// Log receives the reasons why requests could not be answered. Default: they are
	// discarded.
	Log *slog.Logger
}

// Serve answers browsers that present the token of a link, and follows deliveries of
// other processes, until the context ends.
func (n *Node) Serve(ctx context.Context, l net.Listener, s Served) error {
	ctx, stop := context.WithCancelCause(ctx)
	following := make(chan error, 1)
	go func() {
		err := n.Follow(ctx)
		stop(err)
		following <- err
	}()
	err := api.Serve(ctx, l, api.New(n.Desk, api.Options{Links: s.Links, People: n.members, ChangeAuthority: n.changeAuthority, Switch: s.Switch, Store: s.Store, Key: n.keys.Public, Web: web.Files(), Log: s.Log,
		Damage: func(err error) (string, bool) {
			err = layout.Damaged(n.dir, err)
			return Remedy(err), errors.Is(err, argus.ErrDamaged)
		}}))
	stop(nil)
	return errors.Join(err, <-following)
}

// changeAuthority changes an authority for somebody whom a session recognised.
func (n *Node) changeAuthority(ctx context.Context, actor string, number authority.Number, c api.AuthorityChange) (err error) {
	as := n.Admin.Recognised(actor)
	if strings.TrimSpace(c.Reason) == "" {
		return fmt.Errorf("%w: say why", desk.ErrRequest)
	}
	if c.Kind == "revoke" {
		err = as.RevokeAuthority(ctx, actor, number, c.Reason)
	} else {
		_, err = as.ChangeAuthority(ctx, actor, number, authority.Change{Kind: authority.ChangeKind(c.Kind), Reason: c.Reason, Until: c.Until})
	}
	if errors.Is(err, admin.ErrWriteProtected) || errors.Is(err, argus.ErrLocked) {
		err = fmt.Errorf("%w: %w", desk.ErrRequest, err)
	}
	return err
}

// members returns the people of the store for its page.
func (n *Node) members() (list []api.Person, err error) {
	all, err := admin.People(n.people)
	for _, one := range all {
		p := api.Person{Actor: one.ID, Name: one.Name}
		for _, r := range one.Roles {
			p.Roles = append(p.Roles, string(r))
		}
		if p.Roles != nil {
			list = append(list, p)
		}
	}
	return list, err
}
