package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
)

// The errors of a second reading that a caller may check for.
var (
	// ErrNotSealed means that a delivery cannot be read again before it is sealed.
	ErrNotSealed = errors.New("the delivery is not sealed")
	// ErrNotHandedOver means that a delivery has no originals of its own.
	ErrNotHandedOver = errors.New("the delivery was not handed over")
	// ErrGone means that an order removed records of a delivery, and a second reading would
	// bring them back.
	ErrGone = errors.New("an order removed records of the delivery, and reading it again would bring them back")
)

// Reread reads the kept originals of a sealed delivery again, as a new delivery, and seals
// that. The settings of o replace those with which the delivery was first read. An
// interrupted reading of the same delivery with the same settings is resumed.
func Reread(ctx context.Context, o Options, n argus.DeliveryNumber, reason string) (*argus.Receipt, error) {
	o = o.withDefaults()
	if !o.Covers(n) {
		return nil, fmt.Errorf("read %s again: %w", n, argus.ErrNotFound)
	}
	of, err := handedOver(ctx, o.Store, n)
	if err != nil {
		return nil, fmt.Errorf("read %s again: %w", n, err)
	}
	if o, err = o.With(settingsOver(of.Opening.Options, o.Settings())); err != nil {
		return nil, fmt.Errorf("read %s again: %w", n, err)
	}
	d, begun, err := o.beginReading(ctx, of, reason)
	if err != nil {
		return nil, fmt.Errorf("read %s again: %w", n, err)
	}
	defer o.Hands.leave(d.Number)
	if !begun {
		return resume(ctx, o, d, nil)
	}
	in := newIntake(o, d.Number)
	if err := in.recall(ctx); err != nil {
		return nil, err
	}
	if err := o.recordOpening(ctx, d.Number, in.about(of.Opening.Source)...); err != nil {
		return nil, fmt.Errorf("read %s again: %w", n, err)
	}
	return in.run(ctx, nil)
}

// beginReading resumes the interrupted reading of a delivery, or begins a new one. A
// delivery has at most one open reading, so that the newest one counts.
func (o Options) beginReading(ctx context.Context, of evidence.Delivery, reason string) (d evidence.Delivery, begun bool, err error) {
	o.Hands.mu.Lock()
	defer o.Hands.mu.Unlock()
	list, err := open(ctx, o.Store)
	if err != nil {
		return d, false, err
	}
	for _, d := range list {
		if d.Opening.Sort != argus.OpeningReading {
			continue
		}
		reads, err := o.Store.Get(ctx, d.First+1)
		switch {
		case err != nil:
			return d, false, err
		case reads.Reading == nil || reads.Reading.Of != of.Number:
		case o.Hands.held[d.Number]:
			return d, false, fmt.Errorf("%w: %s", ErrInHand, d.Number)
		case !slices.Equal(settingsOf(d.Opening.Options), o.Settings()):
			return d, false, fmt.Errorf("%w: %s reads it with different settings", ErrUnfinished, d.Number)
		default:
			o.Hands.take(d.Number)
			return d, false, nil
		}
	}
	if err := noneGone(ctx, o.Store, of.Number); err != nil {
		return d, false, err
	}
	if err := o.canRead(); err != nil {
		return d, false, err
	}
	d.Number, err = o.Store.Begin(ctx, argus.Opening{
		Source: of.Opening.Source, Place: of.Opening.Place, Authority: o.Authority, Actor: o.Actor, Started: o.Now().UnixMicro(),
		Software: o.Software, Readers: o.readerNames(), Options: o.recorded(), Sort: argus.OpeningReading,
	}, &argus.Record{Kind: argus.KindReading, Reading: &argus.Reading{Of: of.Number, Reason: reason}})
	if err == nil {
		o.Hands.begun(d.Number)
	}
	return d, true, err
}

// handedOver finds a delivery that can be read again.
func handedOver(ctx context.Context, s *evidence.Store, n argus.DeliveryNumber) (of evidence.Delivery, err error) {
	list, err := s.Deliveries(ctx)
	if err != nil {
		return of, err
	}
	at := slices.IndexFunc(list, func(d evidence.Delivery) bool { return d.Number == n })
	switch {
	case at < 0:
		return of, argus.ErrNotFound
	case list[at].Opening.Sort != argus.OpeningHandOver:
		return of, fmt.Errorf("%w: %s is of sort %s", ErrNotHandedOver, n, list[at].Opening.Sort)
	case list[at].Seal == nil:
		return of, ErrNotSealed
	}
	return list[at], nil
}

// fromUpgrade is the prefix of the options that an upgrade added to a delivery. These options
// are not settings.
const fromUpgrade = "format-"

// settingsOver returns settings in which the newer ones replace older ones with the same
// name; a format replaces a program.
func settingsOver(older, newer []argus.Field) []argus.Field {
	older = settingsOf(older)
	replaced := func(name string) bool {
		return slices.ContainsFunc(newer, func(f argus.Field) bool {
			return f.Name == name || f.Name == "format" && strings.HasPrefix(name, "via")
		})
	}
	var list []argus.Field
	for _, f := range slices.Concat(newer, older) {
		if len(list) < len(newer) || !replaced(f.Name) {
			list = append(list, f)
		}
	}
	// The format comes first, and a program last ([Options.Settings]).
	rank := func(f argus.Field) int {
		switch {
		case f.Name == "format":
			return 0
		case strings.HasPrefix(f.Name, "via"):
			return 2
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b argus.Field) int { return rank(a) - rank(b) })
	return list
}

// noneGone returns ErrGone if an order removed records of a delivery.
func noneGone(ctx context.Context, s *evidence.Store, n argus.DeliveryNumber) error {
	for r, err := range s.Records(ctx, n) {
		if err != nil {
			return err
		}
		if r.Gone != 0 {
			return ErrGone
		}
		if r.Kind != argus.KindOriginal {
			continue
		}
		f, err := s.OpenOriginal(*r.Original)
		if err != nil {
			return err
		}
		whole := f.Whole()
		if err := f.Close(); err != nil {
			return err
		}
		if !whole {
			return ErrGone
		}
	}
	return nil
}

// recallReading finds the originals of a reading.
func (in *intake) recallReading(ctx context.Context, reading *argus.Record) error {
	in.again = reading.Reading.Of
	view, err := in.view.Without(in.again)
	if err != nil {
		return err
	}
	in.meet = func() (*meetings, error) { return newMeetings(ctx, in.o.Formats, view, in.delivery, reading.Seq-1) }
	if in.meetings, err = in.meet(); err != nil {
		return err
	}
	for r, err := range in.o.Store.Records(ctx, in.again) {
		if err != nil {
			return err
		}
		switch r.Kind {
		case argus.KindOriginal:
			in.book.Add(r)
			in.originals = append(in.originals, r)
			if r.Original.Size == 0 {
				in.unread[r.Seq] = ""
			}
		case argus.KindQuarantined:
			if saysChanged(r) {
				in.changed[r.Where.Original] = r.Quarantine.Reason
				continue
			}
			// A file that could not be read when it was handed over was kept as an empty one.
			if why, empty := in.unread[r.Where.Original]; empty && why == "" && r.Where == (argus.Where{Original: r.Where.Original}) {
				in.unread[r.Where.Original] = r.Quarantine.Reason
			}
		case argus.KindOpening, argus.KindMessage, argus.KindSighting, argus.KindAttachment, argus.KindStated, argus.KindSealed, argus.KindKey,
			argus.KindOpened, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindDerived, argus.KindReading, argus.KindAmendment:
		}
	}
	return nil
}

// carry repeats the problems of the files that could not be read when they were handed over,
// and of those that changed while they were copied. No bytes of the former are kept.
func (in *intake) carry(ctx context.Context) error {
	var problems []*argus.Record
	for _, r := range in.originals {
		p := piece{r.Seq, ""}
		if why := in.unread[r.Seq]; why != "" && len(in.done[p]) == 0 {
			in.recallItem(p, false)
			problems = append(problems, &argus.Record{Kind: argus.KindQuarantined, Where: argus.Where{Original: r.Seq}, Quarantine: &argus.Quarantine{Reason: why}})
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(in.changed)) {
		problems = append(problems, &argus.Record{Kind: argus.KindQuarantined, Where: argus.Where{Original: seq}, Quarantine: &argus.Quarantine{Reason: in.changed[seq]}})
	}
	for part := range slices.Chunk(problems, keepTogether) {
		if err := in.append(ctx, part); err != nil {
			return err
		}
	}
	return nil
}
