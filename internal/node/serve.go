package node

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/api"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/web"
)

// NewToken makes an unguessable token for Serve.
func NewToken() string { return api.NewToken() }

// Session is the session of one browser.
type Session struct {
	Who desk.Who
	// Store is the name of the store in the interface.
	Store string
	// Token opens the session; [NewToken] makes it.
	Token string
	// Opened, if set, is called when the token has been used.
	Opened func()
	// Log receives the causes of requests that could not be answered. Default discarded.
	Log *slog.Logger
}

// Serve answers the first browser that brings the token, until the context ends, and
// follows deliveries of other processes.
func (n *Node) Serve(ctx context.Context, l net.Listener, s Session) error {
	ctx, stop := context.WithCancelCause(ctx)
	following := make(chan error, 1)
	go func() {
		err := n.Follow(ctx)
		stop(err)
		following <- err
	}()
	err := api.Serve(ctx, l, api.New(n.Desk, api.Options{Who: s.Who, Store: s.Store, Key: n.keys.Public, Token: s.Token, Opened: s.Opened, Web: web.Files(), Log: s.Log,
		Damage: func(err error) (string, bool) {
			err = layout.Damaged(n.dir, err)
			return Remedy(err), errors.Is(err, argus.ErrDamaged)
		}}))
	stop(nil)
	return errors.Join(err, <-following)
}
