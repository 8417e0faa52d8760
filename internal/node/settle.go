package node

import (
	"context"
	"fmt"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/claims"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/ledger"
)

// settle compares the ledger with the evidence, and completes acts that a crash
// interrupted between the two. argus.ErrDamaged means that no crash can have caused the
// difference.
func (n *Node) settle(ctx context.Context) error {
	seal, err := n.evidence.LastSeal()
	if err != nil {
		return err
	}
	if seal != nil && seal.Ledger != (argus.LedgerHead{}) {
		if ok, err := n.ledger.Extends(seal.Ledger); err != nil {
			return err
		} else if !ok {
			return fmt.Errorf("%w: %s", argus.ErrDamaged, claims.OtherLedger(seal))
		}
	}
	if !n.o.Write {
		return nil
	}
	if err := n.settleOpenings(ctx); err != nil {
		return err
	}
	if seal == nil {
		return nil
	}
	// If a crash came right after sealing, the ledger may lack the seal.
	acts, err := n.actsOf(ctx, seal.Delivery)
	if err != nil || acts.Sealed {
		return err
	}
	return intake.RecordSeal(ctx, n.intakeOf(&seal.Opening), seal)
}

// intakeOf returns options with which an intake records acts in the name of the actor who
// opened a delivery.
func (n *Node) intakeOf(o *argus.Opening) intake.Options {
	return intake.Options{Store: n.evidence, Record: n.recorder(desk.Who{Actor: o.Actor, Authority: o.Authority})}
}

// settleOpenings ensures that the ledger records each open delivery as it was opened.
// After a crash, the ledger may lack the opening; in that case, no records follow those
// of the opening. A delivery without a seal must not be treated as interrupted if the
// ledger records that it was sealed.
func (n *Node) settleOpenings(ctx context.Context) error {
	list, err := n.evidence.Deliveries(ctx)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.Seal != nil {
			continue
		}
		with, err := n.evidence.Begun(d.Number)
		if err != nil {
			return err
		}
		acts, err := n.actsOf(ctx, d.Number)
		if err != nil {
			return err
		}
		if acts.Sealed {
			return fmt.Errorf("look for unfinished deliveries: %w: %s was sealed, but its seal is missing", argus.ErrDamaged, d.Number)
		}
		if problem := acts.Contradict(with); problem != "" {
			return fmt.Errorf("look for unfinished deliveries: %w: %s", argus.ErrDamaged, problem)
		}
		if acts.Opened {
			continue
		}
		err = intake.RecordOpening(ctx, n.intakeOf(&d.Opening), d.Number,
			argus.Field{Name: "completed", Value: "true"}, argus.Field{Name: "source", Value: d.Opening.Source})
		if err != nil {
			return err
		}
	}
	return nil
}

// actsOf finds the acts of a delivery in the ledger, searching backwards from the end.
func (n *Node) actsOf(ctx context.Context, d argus.DeliveryNumber) (*claims.Delivery, error) {
	of := &claims.Delivery{Number: d}
	size, err := n.ledger.Size()
	if err != nil {
		return nil, err
	}
	const step = 1000
	for end := int(size); end > 0 && !of.Opened; end -= step {
		for e, err := range n.ledger.Sealed(ctx, uint64(max(1, end-step+1)), min(step, end)) {
			if err != nil {
				return nil, err
			}
			if e.Subject == d.String() {
				of.Add(&e)
			}
		}
	}
	return of, nil
}

// recorder returns a function that records the acts of a delivery for an actor.
func (n *Node) recorder(who desk.Who) func(context.Context, string, argus.DeliveryNumber, []argus.Field) error {
	return func(ctx context.Context, action string, d argus.DeliveryNumber, details []argus.Field) error {
		n.o.failpoint("ledger." + action)
		act := ledger.Act{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: action, Subject: d.String(), Detail: map[string]string{}}
		for _, f := range details {
			act.Detail[f.Name] = f.Value
		}
		_, err := n.ledger.Ledger.Append(ctx, act)
		return err
	}
}
