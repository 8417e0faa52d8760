package admin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/ledger"
)

// NewRequest returns the signed file of a request for messages of another store, and the name
// of the key. The store, who asks and the time are set here. The ledger has the SHA-256 of the
// file.
func (a *Admin) NewRequest(ctx context.Context, actor string, r exchange.Request) (file []byte, key string, err error) {
	if r.By, err = a.may(ctx, actor, ledger.RequestCase); err != nil {
		return nil, "", err
	}
	if a.o.Protected {
		return nil, "", fmt.Errorf("make a request: %w", ErrWriteProtected)
	}
	now, err := a.o.Ledger.Now()
	if err != nil {
		return nil, "", err
	}
	r.Store, r.Made = a.o.Store, now.UTC().Truncate(time.Second)
	signer, err := a.signer("")
	if err == nil {
		file, err = r.Sign(signer)
	}
	if err != nil {
		return nil, "", fmt.Errorf("make a request: %w", err)
	}
	_, err = a.o.Ledger.Append(ctx, ledger.Act{Actor: r.By, Purpose: r.Purpose, Action: ledger.RequestCase, Detail: map[string]string{"sha256": claims.Hash(file)}})
	if err != nil {
		return nil, "", err
	}
	return file, signer.Name(), nil
}

// Decision is the decision about a request.
type Decision struct {
	// Request is the SHA-256 of its file.
	Request string `json:"request"`
	Granted bool   `json:"granted"`
	// Authority is the one under which it was granted. Default: it was refused.
	Authority string `json:"authority,omitempty"`
	Reason    string `json:"reason,omitempty"`
	// By is who decided, and Entry the number of the entry in the ledger.
	By    string `json:"by"`
	Entry uint64 `json:"entry"`
}

// DecideRequest grants a request under an authority, or refuses it with a reason if number is
// 0. The last decision counts.
func (a *Admin) DecideRequest(ctx context.Context, actor string, file []byte, key string, number authority.Number, reason string) (d *Decision, err error) {
	if actor, err = a.may(ctx, actor, ledger.GrantCase); err != nil {
		return nil, err
	}
	if a.o.Protected {
		return nil, fmt.Errorf("decide about a request: %w", ErrWriteProtected)
	}
	r, err := exchange.OpenRequest(file, key)
	if err != nil {
		return nil, err
	}
	d = &Decision{Request: claims.Hash(file), Granted: number != 0, Reason: reason, By: actor}
	act := ledger.Act{Actor: actor, Action: ledger.RefuseCase, Subject: "request of store " + r.Store, Detail: map[string]string{"sha256": d.Request, "key": key, "reason": reason}}
	if d.Granted {
		if err := a.grantable(r, number); err != nil {
			return nil, fmt.Errorf("grant the request: %w", err)
		}
		d.Authority = number.String()
		act.Action, act.Authority = ledger.GrantCase, d.Authority
	}
	e, err := a.o.Ledger.Append(ctx, act)
	if err != nil {
		return nil, err
	}
	d.Entry = e.Seq
	return d, nil
}

// grantable returns why a request cannot be granted under an authority.
func (a *Admin) grantable(r *exchange.Request, number authority.Number) error {
	one, err := a.o.Authorities.Get(number)
	if err != nil {
		return err
	}
	now, err := a.o.Ledger.Now()
	if err != nil {
		return err
	}
	switch {
	case r.Store == a.o.Store:
		return fmt.Errorf("%w: it is a request of this store", argus.ErrRefused)
	case one.Revoked != nil, one.Suspended() != nil, now.Before(one.From), !one.Until.IsZero() && !now.Before(one.Until):
		return fmt.Errorf("%w: authority %s is not in force", argus.ErrRefused, number)
	case !one.Allows(ledger.SendTransfer):
		return fmt.Errorf("%w: authority %s does not allow %s", argus.ErrRefused, number, ledger.SendTransfer)
	case slices.Contains(one.Handling, "H2"):
		return fmt.Errorf("%w: authority %s has the handling code H2: its data are not passed on without the permission of their owner", argus.ErrRefused, number)
	}
	return nil
}

// Decided returns the last decision about a request. The error is argus.ErrRefused if there is
// none, or if it was refused.
func (a *Admin) Decided(ctx context.Context, file []byte) (*Decision, error) {
	d := &Decision{Request: claims.Hash(file)}
	for e, err := range a.o.Ledger.Sealed(ctx, 1, 0) {
		if err != nil {
			return nil, err
		}
		if (e.Action == ledger.GrantCase || e.Action == ledger.RefuseCase) && e.Detail["sha256"] == d.Request {
			d.Entry, d.Granted, d.Authority = e.Seq, e.Action == ledger.GrantCase, e.Authority
		}
	}
	switch {
	case d.Entry == 0:
		return nil, fmt.Errorf("%w: nobody granted the request", argus.ErrRefused)
	case !d.Granted:
		return nil, fmt.Errorf("%w: the request was refused, in entry %d of the ledger", argus.ErrRefused, d.Entry)
	}
	return d, nil
}

// Asked returns an error unless this store made a request, and its ledger has it.
func (a *Admin) Asked(ctx context.Context, file []byte, public string) error {
	r, err := exchange.OpenRequest(file, public)
	if err != nil {
		return err
	}
	hash := claims.Hash(file)
	for e, err := range a.o.Ledger.Sealed(ctx, 1, 0) {
		if err != nil {
			return err
		}
		if e.Action == ledger.RequestCase && e.Detail["sha256"] == hash && r.Store == a.o.Store {
			return nil
		}
	}
	return signed.Refuse("it answers a request that this store did not make")
}

// AskHits returns the signed file of a question about the accounts in a list, and the name of
// the key. The ledger has the SHA-256 of the file.
func (a *Admin) AskHits(ctx context.Context, actor, purpose string, secret exchange.Secret, accounts []byte) (file []byte, key string, err error) {
	if actor, err = a.may(ctx, actor, ledger.AskHits); err != nil {
		return nil, "", err
	}
	if a.o.Protected {
		return nil, "", fmt.Errorf("ask for hits: %w", ErrWriteProtected)
	}
	now, err := a.o.Ledger.Now()
	if err != nil {
		return nil, "", err
	}
	q := exchange.Question{Store: a.o.Store, By: actor, Made: now.UTC().Truncate(time.Second), Purpose: purpose}
	signer, err := a.signer("")
	if err == nil {
		err = q.Ask(secret, accounts)
	}
	if err == nil {
		file, err = q.Sign(signer)
	}
	if err != nil {
		return nil, "", fmt.Errorf("ask for hits: %w", err)
	}
	if _, err := a.o.Ledger.Append(ctx, ledger.Act{Actor: actor, Purpose: purpose, Action: ledger.AskHits, Detail: map[string]string{"sha256": claims.Hash(file)}}); err != nil {
		return nil, "", err
	}
	return file, signer.Name(), nil
}
