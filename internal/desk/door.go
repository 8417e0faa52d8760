package desk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// ErrOver means that a permit was used after its act ended.
var ErrOver = errors.New("the act has ended, and so has its permit")

// Permit is an act that was allowed and recorded. It reads inside one scope until the act
// ends; from then on, its methods return ErrOver and no data. They are safe for
// concurrent use.
type Permit struct {
	desk      *Desk
	authority *authority.Authority
	scope     query.Node
	all       bool // the scope is everything
	matcher   *query.Matcher
	entry     uint64
	request   authority.Request // to decide again
	readings  argus.DeliveryNumber
	over      atomic.Bool
}

// Act decides, records, and only then calls read, with a permit that is valid until read
// returns. Before it returns, it decides again, so that nothing leaves after the
// authority has ended. If it returns an error, the caller must discard the data that read
// obtained.
func (d *Desk) Act(ctx context.Context, who Who, act ledger.Act, read func(*Permit) error) error {
	act = who.does(act)
	decision, err := d.allow(ctx, &act)
	if err != nil {
		return err
	}
	entry, err := d.parts.Ledger.Append(ctx, act)
	if err != nil {
		return err
	}
	return d.read(ctx, act, decision, entry.Seq, read)
}

// does returns the act with the asker filled in, and with the authority's number as the
// ledger writes it.
func (w Who) does(act ledger.Act) ledger.Act {
	act.Actor, act.Authority, act.Purpose = w.Actor, w.Authority, w.Purpose
	if number, err := authority.ParseNumber(w.Authority); err == nil {
		act.Authority = number.String()
	}
	return act
}

// allow decides whether an act is allowed, and sets its authority to the number in the
// form that the ledger uses.
func (d *Desk) allow(ctx context.Context, act *ledger.Act) (*authority.Decision, error) {
	decision, err := d.decide(requestOf(*act))
	if err != nil {
		return nil, d.refused(ctx, *act, err)
	}
	act.Authority = decision.Authority.Number.String()
	return decision, nil
}

// read calls read with a permit for an act that was allowed and recorded.
func (d *Desk) read(ctx context.Context, act ledger.Act, decision *authority.Decision, entry uint64, read func(*Permit) error) error {
	p := &Permit{
		desk: d, authority: decision.Authority, scope: decision.Scope, all: query.IsAll(decision.Scope), matcher: query.Compile(decision.Scope),
		entry: entry, request: requestOf(act), readings: d.parts.Evidence.Known(),
	}
	err := func() error {
		defer p.over.Store(true)
		return read(p)
	}()
	if err == nil {
		_, err = d.decide(p.request)
	} else if !errors.Is(err, argus.ErrRefused) {
		return fmt.Errorf("%s: %w", act.Action, err)
	}
	return d.refused(ctx, act, err)
}

func requestOf(act ledger.Act) authority.Request {
	return authority.Request{Actor: act.Actor, Authority: act.Authority, Purpose: act.Purpose, Action: act.Action}
}

func (d *Desk) decide(request authority.Request) (*authority.Decision, error) {
	now, err := d.parts.Ledger.Now()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.Action, err)
	}
	return d.parts.Authorities.Decide(request, now)
}

// refused returns the error of a decision, and records it if it is a refusal. A damaged
// authority counts as a refusal, too.
func (d *Desk) refused(ctx context.Context, act ledger.Act, err error) error {
	damaged := errors.Is(err, argus.ErrDamaged)
	if !damaged && !errors.Is(err, argus.ErrRefused) {
		return err
	}
	act.Detail = map[string]string{"action": act.Action, "reason": err.Error()}
	act.Action = ledger.Refused
	if _, bad := authority.ParseNumber(act.Authority); bad != nil {
		act.Authority = "" // the log holds no text that a person typed; the reason includes it
	}
	_, failed := d.parts.Ledger.Append(ctx, act)
	if damaged && errors.Is(failed, argus.ErrDamaged) {
		return err // it is the ledger that is damaged
	}
	return errors.Join(err, failed)
}

// Still returns an error if the act would no longer be allowed. A long-running reader
// calls it now and then, and stops if it returns an error.
func (p *Permit) Still(ctx context.Context) error {
	if p.over.Load() {
		return ErrOver
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := p.desk.decide(p.request)
	return err
}

// within calls read while a permit is valid. It discards an answer that comes after the
// permit has ended.
func within[T any](p *Permit, read func() (T, error)) (got T, err error) {
	var none T
	if p.over.Load() {
		return none, ErrOver
	}
	if got, err = read(); err == nil && p.over.Load() {
		err = ErrOver
	}
	if err != nil {
		return none, err
	}
	return got, nil
}

// answer performs an act that has one answer. If it returns an error, the answer is
// empty.
func answer[T any](ctx context.Context, d *Desk, who Who, act ledger.Act, read func(*Permit) (T, error)) (got T, err error) {
	err = d.Act(ctx, who, act, func(p *Permit) error {
		got, err = read(p)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return got, nil
}

// Standing is an act that continues without its asker, such as a watch. It reads in
// batches, and is decided anew before each batch.
type Standing struct {
	desk  *Desk
	act   ledger.Act
	since uint64 // number of its first entry
	over  atomic.Bool
}

// Found is a result of a standing act.
type Found struct {
	// Subject and Detail go into the ledger entry for the result.
	Subject string
	Detail  map[string]string
	// Leave hands out the result. It is called once the ledger holds an entry for the
	// result.
	Leave func(Entry) error
}

// Stand begins a standing act, and ends it when work returns. The ledger records the
// beginning before work is called, and the end before Stand returns. The entries have two
// details: standing, which is begins, found or ends, and since, which is the number of
// the first entry.
func (d *Desk) Stand(ctx context.Context, who Who, act ledger.Act, work func(*Standing) error) error {
	s := &Standing{desk: d, act: who.does(act)}
	if _, err := d.allow(ctx, &s.act); err != nil {
		return err
	}
	entry, err := s.record(ctx, "begins", s.act.Subject, s.act.Detail)
	if err != nil {
		return err
	}
	s.since = entry.Seq
	err = func() error {
		defer s.over.Store(true)
		return work(s)
	}()
	end := map[string]string{}
	if err != nil {
		end["reason"] = err.Error()
	}
	// The ledger records the end, whatever ended the act.
	_, failed := s.record(context.WithoutCancel(ctx), "ends", s.act.Subject, end)
	return errors.Join(err, failed)
}

// Batch decides again, and then calls read with a permit that is valid until read
// returns. Each result is recorded before it leaves, and none leaves after the authority
// has ended. If read returns an error, its results do not leave. A refusal ends the
// standing act. After a refusal, or once Stand has returned, Batch returns ErrOver.
func (s *Standing) Batch(ctx context.Context, read func(*Permit) ([]Found, error)) error {
	if s.over.Load() {
		return ErrOver
	}
	err := s.batch(ctx, read)
	if errors.Is(err, argus.ErrRefused) {
		s.over.Store(true)
	}
	return err
}

func (s *Standing) batch(ctx context.Context, read func(*Permit) ([]Found, error)) error {
	act := s.act
	decision, err := s.desk.allow(ctx, &act)
	if err != nil {
		return err
	}
	var found []Found
	err = s.desk.read(ctx, act, decision, s.since, func(p *Permit) (err error) {
		found, err = read(p)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if _, err := s.desk.allow(ctx, &act); err != nil {
			return err
		}
		entry, err := s.record(ctx, "found", f.Subject, f.Detail)
		if err != nil {
			return err
		}
		if err := f.Leave(entry); err != nil {
			return fmt.Errorf("%s: %w", act.Action, err)
		}
	}
	return nil
}

// record appends an event of a standing act.
func (s *Standing) record(ctx context.Context, becomes, subject string, detail map[string]string) (Entry, error) {
	act := s.act
	act.Subject, act.Detail = subject, map[string]string{}
	maps.Copy(act.Detail, detail)
	act.Detail["standing"] = becomes
	if s.since != 0 {
		act.Detail["since"] = strconv.FormatUint(s.since, 10)
	}
	return s.desk.parts.Ledger.Append(ctx, act)
}
