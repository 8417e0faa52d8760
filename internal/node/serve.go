package node

import (
	"context"
	"errors"
	"net"

	"github.com/argus-evidence/argus/internal/api"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/web"
)

// NewToken makes a token that cannot be guessed, for Serve.
func NewToken() string { return api.NewToken() }

// Serve answers the one browser that brings the token first, until the context
// ends, and follows what other processes take in. name is what the interface
// calls the store.
func (n *Node) Serve(ctx context.Context, l net.Listener, who desk.Who, name, token string) error {
	ctx, stop := context.WithCancelCause(ctx)
	following := make(chan error, 1)
	go func() {
		err := n.Follow(ctx)
		stop(err)
		following <- err
	}()
	err := api.Serve(ctx, l, api.New(n.Desk, api.Options{Who: who, Store: name, Key: n.keys.public, Token: token, Web: web.Files()}))
	stop(nil)
	return errors.Join(err, <-following)
}
