package desk

import (
	"context"
	"fmt"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// List returns the version of a list with the given hash, or the last version if hash is
// empty. A list may reveal as much as messages do, such as who is whose lawyer. Lists are
// not part of any scope: an asker who may see one list may see them all.
func (d *Desk) List(ctx context.Context, who Who, name, hash string) (*query.WordList, error) {
	act := ledger.Act{Action: ledger.ShowList, Subject: subject(name), Detail: map[string]string{}}
	// Only the hash leaves here, which tells the asker which version it will be; the
	// entries leave later.
	if list, err := d.list(name, hash); err == nil {
		hash = list.Hash
		act.Detail["sha256"] = hash
	} else if hash != "" {
		act.Detail["asked"] = subject(hash)
	}
	return answer(ctx, d, who, act, func(p *Permit) (*query.WordList, error) { return p.List(ctx, name, hash) })
}

// List does the same as [Desk.List].
func (p *Permit) List(ctx context.Context, name, hash string) (*query.WordList, error) {
	return within(p, func() (*query.WordList, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return p.desk.list(name, hash)
	})
}

func (d *Desk) list(name, hash string) (*query.WordList, error) {
	if d.parts.Lists == nil {
		return nil, fmt.Errorf("list %s: %w", name, argus.ErrNotFound)
	}
	return d.parts.Lists(name, hash)
}
