package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
)

// Hands lists the deliveries in hand in this process, so that no other caller resumes one of
// them: several may be read at the same time. Everyone who takes in deliveries through one
// store shares one Hands. The zero value is ready to use.
type Hands struct {
	mu   sync.Mutex
	held map[argus.DeliveryNumber]bool
	// unopened are the begun deliveries whose opening is not in the ledger yet.
	unopened map[argus.DeliveryNumber]bool

	// sealing puts seals in order: each is in the ledger before the next one is made. So the
	// ledger that a seal names contains all earlier seals, and a crash can lose only the
	// entry of the newest one.
	sealing sync.Mutex
	// unrecorded writes the last seal to the ledger, if that failed before.
	unrecorded func() error
}

// take takes a delivery in hand, and returns false if it already is in hand. The caller
// holds mu.
func (h *Hands) take(d argus.DeliveryNumber) bool {
	if h.held[d] {
		return false
	}
	if h.held == nil {
		h.held = map[argus.DeliveryNumber]bool{}
	}
	h.held[d] = true
	return true
}

// begun takes in hand a delivery that was just begun. The caller holds mu.
func (h *Hands) begun(d argus.DeliveryNumber) {
	h.take(d)
	if h.unopened == nil {
		h.unopened = map[argus.DeliveryNumber]bool{}
	}
	h.unopened[d] = true
}

// recordOpening writes the opening of a delivery to the ledger, unless that has been done.
// It continues even if ctx ends: no other record may follow the opening before that.
func (o Options) recordOpening(ctx context.Context, d argus.DeliveryNumber, details ...argus.Field) error {
	o.Hands.mu.Lock()
	unopened := o.Hands.unopened[d]
	o.Hands.mu.Unlock()
	if !unopened {
		return nil
	}
	if err := RecordOpening(context.WithoutCancel(ctx), o, d, details...); err != nil {
		return err
	}
	o.Hands.mu.Lock()
	defer o.Hands.mu.Unlock()
	delete(o.Hands.unopened, d)
	return nil
}

func (h *Hands) leave(d argus.DeliveryNumber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, d)
}

// seal makes a seal and writes it to the ledger.
func (h *Hands) seal(make func() (*argus.Seal, error), record func(*argus.Seal) error) (*argus.Seal, error) {
	h.sealing.Lock()
	defer h.sealing.Unlock()
	if h.unrecorded != nil {
		if err := h.unrecorded(); err != nil {
			return nil, fmt.Errorf("record the previous seal: %w", err)
		}
		h.unrecorded = nil
	}
	seal, err := make()
	if err != nil {
		return nil, err
	}
	if err := record(seal); err != nil {
		h.unrecorded = func() error { return record(seal) }
		return nil, err
	}
	return seal, nil
}

// Unfinished lists the open deliveries that are not in hand in this process.
func Unfinished(ctx context.Context, o Options) ([]evidence.Delivery, error) {
	o = o.withDefaults()
	o.Hands.mu.Lock()
	defer o.Hands.mu.Unlock()
	return o.unfinished(ctx)
}

// unfinished is Unfinished for a caller that holds the lock.
func (o Options) unfinished(ctx context.Context) ([]evidence.Delivery, error) {
	open, err := open(ctx, o.Store)
	return slices.DeleteFunc(open, func(d evidence.Delivery) bool { return o.Hands.held[d.Number] }), err
}

func open(ctx context.Context, s *evidence.Store) ([]evidence.Delivery, error) {
	list, err := s.Deliveries(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for unfinished deliveries: %w", err)
	}
	return slices.DeleteFunc(list, func(d evidence.Delivery) bool { return d.Seal != nil }), nil
}

// isSealed reports whether a delivery has a seal. A seal that cannot be read counts as none
// here.
func (o Options) isSealed(d argus.DeliveryNumber) bool {
	is, err := o.Store.Sealed(d)
	return is && err == nil
}

// takeNamed takes in hand the named deliveries, or the only unfinished one if none is
// named. The caller releases them.
func (o Options) takeNamed(ctx context.Context, which []argus.DeliveryNumber) ([]evidence.Delivery, error) {
	o.Hands.mu.Lock()
	defer o.Hands.mu.Unlock()
	list, err := o.unfinished(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case len(which) > 0:
		all := list
		list = nil
		for _, d := range slices.Compact(slices.Sorted(slices.Values(which))) {
			at := slices.IndexFunc(all, func(of evidence.Delivery) bool { return of.Number == d })
			switch {
			case at >= 0:
				list = append(list, all[at])
			case o.Hands.held[d]:
				return nil, fmt.Errorf("%w: %s", ErrInHand, d)
			case o.isSealed(d):
				return nil, fmt.Errorf("%s is sealed, so there is nothing to finish", d)
			default:
				return nil, fmt.Errorf("look for an unfinished delivery %s: %w", d, argus.ErrNotFound)
			}
		}
	case len(list) > 1:
		return nil, fmt.Errorf("%w: %s", ErrSeveral, names(list))
	}
	for _, d := range list {
		o.Hands.take(d.Number)
	}
	return list, nil
}

// names lists deliveries for people.
func names(list []evidence.Delivery) string {
	var all []string
	for _, d := range list {
		all = append(all, fmt.Sprintf("%s of %s", d.Number, d.Opening.Source))
	}
	return strings.Join(all, ", ")
}

// The errors about open deliveries that a caller may check for.
var (
	// ErrUnfinished means that the same delivery was begun and interrupted.
	ErrUnfinished = errors.New("a delivery is unfinished")
	// ErrSeveral means that several deliveries are unfinished, and none was named.
	ErrSeveral = errors.New("several deliveries are unfinished")
	// ErrInHand means that another caller is already taking the delivery in.
	ErrInHand = errors.New("the delivery is being taken in")
)
