package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/exchange/transfer"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// asked reads a request for the desk.
func asked(file []byte, key string) (*exchange.Request, desk.CaseRequest, error) {
	r, err := exchange.OpenRequest(file, key)
	if err != nil {
		return nil, desk.CaseRequest{}, err
	}
	of, err := r.Query()
	return r, desk.CaseRequest{Request: claims.Hash(file), Query: of}, err
}

// CountRequest counts the messages that a request would get under the asker's authority. The
// holder of the public key has to have signed the request.
func (n *Node) CountRequest(ctx context.Context, who desk.Who, file []byte, key string) (*desk.CaseCounts, error) {
	_, req, err := asked(file, key)
	if err != nil {
		return nil, err
	}
	return n.Desk.CountCase(ctx, who, req)
}

// Sent describes a package that leaves.
type Sent struct {
	Messages uint64 `json:"messages"`
	Copies   int    `json:"copies"`
	// Left counts copies that are left out, because nothing proves them: their delivery is
	// not sealed, or a part of them is gone by an order.
	Left       uint64 `json:"left"`
	Deliveries int    `json:"deliveries"`
	transfer.Terms
}

// TransferOut makes the package of the messages that a granted request gets. The asker acts
// under the authority of the grant, whose conditions bind the receiver.
func (n *Node) TransferOut(ctx context.Context, who desk.Who, file []byte, key string) ([]byte, *Sent, error) {
	r, req, err := asked(file, key)
	if err != nil {
		return nil, nil, err
	}
	granted, err := n.Admin.Decided(ctx, file)
	if err == nil && who.Authority != granted.Authority {
		err = fmt.Errorf("%w: the request was granted under %s; act under that authority", argus.ErrRefused, granted.Authority)
	}
	if err != nil {
		return nil, nil, n.refusedIf(ctx, who, ledger.SendTransfer, err)
	}
	out, err := n.Desk.Transfer(ctx, who, req)
	if err != nil {
		return nil, nil, err
	}
	if len(out.Copies) == 0 {
		return nil, nil, fmt.Errorf("no record found that can be proved: %w", argus.ErrNotFound)
	}
	number, err := authority.ParseNumber(granted.Authority)
	if err != nil {
		return nil, nil, err
	}
	under, err := n.authorities.Get(number)
	if err != nil {
		return nil, nil, err
	}
	checkpoint, err := layout.Read(durable.OS{}, n.dir, layout.Checkpoint)
	if err != nil {
		return nil, nil, err
	}
	h := transfer.Head{
		Store: n.Info.Store, For: r.Store, Made: n.o.Now().UTC().Truncate(time.Second), Request: string(file), Authority: granted.Authority,
		Terms: termsOf(under), Checkpoint: string(checkpoint), Messages: out.Messages,
	}
	var copies []transfer.Copy
	for _, one := range out.Copies {
		if seal := string(out.Seals[one.Delivery]); len(h.Seals) == 0 || h.Seals[len(h.Seals)-1] != seal {
			h.Seals = append(h.Seals, seal)
		}
		copies = append(copies, transfer.Copy{Seal: len(h.Seals) - 1, Copy: one.Copy})
	}
	signer, err := note.NewSigner(n.keys.Private)
	if err != nil {
		return nil, nil, fmt.Errorf("read the private key: %w", err)
	}
	text, err := transfer.Sign(h, copies, signer)
	if err != nil {
		return nil, nil, err
	}
	return text, &Sent{out.Messages, len(copies), out.Left, len(h.Seals), h.Terms}, nil
}

// refusedIf records an error if it is a refusal, and returns it.
func (n *Node) refusedIf(ctx context.Context, who desk.Who, act string, err error) error {
	if errors.Is(err, argus.ErrRefused) {
		return n.refused(ctx, who, act, err)
	}
	return err
}

func termsOf(a *authority.Authority) transfer.Terms {
	return transfer.Terms{Basis: a.Basis, GrantedBy: a.GrantedBy, Conditions: a.Conditions, Handling: a.Handling, Retain: a.Retain, Until: a.Until}
}

// TransferIn takes a package in as a delivery. The holder of the public key has to have signed
// it, and it has to answer a request of this store. Every authority that would reach it has to
// be bound by its conditions. work takes in the path with the options; the reader proves
// each copy again. The error is [signed.ErrRefused] for a package that is not taken in: then
// no delivery is begun.
func (n *Node) TransferIn(ctx context.Context, who desk.Who, o intake.Options, path, key string, work func(context.Context, intake.Options) error) error {
	if err := n.may(who.Actor, ledger.ReceiveTransfer, nil); err != nil {
		return n.refusedIf(ctx, who, ledger.ReceiveTransfer, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := transfer.Open(f, info.Size(), key)
	if err != nil {
		return err
	}
	if err := n.receivable(ctx, p); err != nil {
		return fmt.Errorf("take in the package: %w", err)
	}
	o.Terms, o.Formats = termFields(p), n.o.Formats
	if o, err = o.With([]argus.Field{{Name: "format", Value: "argus-package"}, {Name: "package-key", Value: key}}); err != nil {
		return err
	}
	if _, err := n.ledger.Append(ctx, ledger.Act{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: ledger.ReceiveTransfer, Subject: "package of store " + p.Store,
		Detail: map[string]string{"sha256": p.Body.String(), "key": key}}); err != nil {
		return err
	}
	return n.Ingest(ctx, who, o, work)
}

// termFields are the conditions of a package in the record of its delivery.
func termFields(p *transfer.Package) (fields []argus.Field) {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, argus.Field{Name: intake.TermPrefix + name, Value: value})
		}
	}
	date := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	add("from", "store "+p.Store+" under "+p.Authority)
	add(bodyTerm, p.Body.String())
	add("basis", p.Basis+", granted by "+p.GrantedBy)
	add("conditions", p.Conditions)
	add("handling", strings.Join(p.Handling, ", "))
	add("retain_until", date(p.Retain))
	add("until", date(p.Until))
	return fields
}

// bodyTerm names the field with the SHA-256 of the lines of a package.
const bodyTerm = "lines"

// receivable returns why a package cannot be taken in.
func (n *Node) receivable(ctx context.Context, p *transfer.Package) error {
	if p.For != n.Info.Store {
		return signed.Refuse("it is for store %s, and this is store %s", p.For, n.Info.Store)
	}
	if err := n.Admin.Asked(ctx, []byte(p.Request), n.keys.Public); err != nil {
		return err
	}
	now, err := n.ledger.Now()
	if err != nil {
		return err
	}
	for _, end := range []time.Time{p.Until, p.Retain} {
		if !end.IsZero() && !now.Before(end) {
			return signed.Refuse("its use ended at %s", end.Format(time.RFC3339))
		}
	}
	deliveries, err := n.evidence.Deliveries(ctx)
	if err != nil {
		return err
	}
	next := argus.DeliveryNumber(1)
	for _, d := range deliveries {
		next = d.Number + 1
		if slices.Contains(d.Opening.Options, argus.Field{Name: intake.TermPrefix + bodyTerm, Value: p.Body.String()}) {
			return signed.Refuse("it was taken in before, as %s", d.Number)
		}
	}
	return n.bound(p.Terms, next, now)
}

// bound returns an error that names each authority in force that would reach a delivery without
// being bound by its terms.
func (n *Node) bound(terms transfer.Terms, next argus.DeliveryNumber, now time.Time) error {
	list, err := n.authorities.List()
	if err != nil {
		return err
	}
	var free []string
	for i := range list {
		a := &list[i]
		if a.Damage != "" || a.Revoked != nil || !a.Until.IsZero() && !now.Before(a.Until) {
			continue
		}
		scope, err := n.authorities.Scope(a.Number)
		if err != nil {
			return err
		}
		if why := looser(a, terms); why != "" && !query.IsNothing(query.For(scope, next)) {
			free = append(free, fmt.Sprintf("%s %s", a.Number, why))
		}
	}
	if free == nil {
		return nil
	}
	return signed.Refuse("its conditions bind whoever reads it, and not all authorities that would reach it have them: %s; end those, or add others with the conditions", strings.Join(free, "; "))
}

// looser says how an authority is looser than terms; "" if it is not.
func looser(a *authority.Authority, terms transfer.Terms) string {
	longer := func(own, most time.Time) bool { return !most.IsZero() && (own.IsZero() || own.After(most)) }
	for _, code := range terms.Handling {
		if !slices.Contains(a.Handling, code) {
			return "lacks the handling code " + code
		}
	}
	switch {
	case terms.Conditions != "" && !strings.Contains(a.Conditions, terms.Conditions):
		return fmt.Sprintf("lacks the conditions %q", terms.Conditions)
	case longer(a.Until, terms.Until):
		return "does not end by " + terms.Until.Format(time.RFC3339)
	case longer(a.Retain, terms.Retain):
		return "lets data be kept after " + terms.Retain.Format(time.RFC3339)
	}
	return ""
}
