package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/ledger"
)

// shortestRef is the shortest piece of a message's id that is looked up.
const shortestRef = 6

// mostCandidates is how many messages a short reference may fit, in the whole
// evidence, before it is ambiguous without looking.
const mostCandidates = 1000

// Show returns a message with all its copies in the scope and where each was
// found. A reference is the message's id or at least its first six digits;
// argus.ErrAmbiguous if several messages in the scope begin so. Raw asks for
// the records as they stand in the originals, too.
func (d *Desk) Show(ctx context.Context, who Who, ref string, raw bool) (*Shown, error) {
	act := ledger.Act{Action: ledger.Show, Subject: subject(ref)}
	if raw {
		act.Detail = map[string]string{"raw": "yes"}
	}
	shown := new(Shown)
	err := d.act(ctx, who, act, func(p *permit) error {
		copies, err := d.resolve(ctx, p, ref)
		if err != nil {
			return err
		}
		shown.Ref, shown.Entry = copies[0].stored().ID, p.entry
		for _, c := range copies {
			one, err := d.show(ctx, p, c, raw)
			if err != nil {
				return err
			}
			shown.Copies = append(shown.Copies, one)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// resolve returns the copies in the scope of the one message that a reference
// names. Messages outside the scope do not count: they neither make it
// ambiguous nor change the error.
func (d *Desk) resolve(ctx context.Context, p *permit, ref string) ([]storedCopy, error) {
	digits := strings.ToLower(ref)
	if len(digits) < shortestRef || len(digits) > 2*len(argus.ID{}) || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%w: parse reference %q: want %d to %d hexadecimal digits", ErrRequest, ref, shortestRef, 2*len(argus.ID{}))
	}
	if err := d.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	ids, err := d.parts.Evidence.FindPrefix(digits, mostCandidates)
	if err != nil {
		return nil, err
	}
	if len(ids) == mostCandidates {
		return nil, fmt.Errorf("reference %s: %w: give more digits", digits, argus.ErrAmbiguous)
	}
	var found []storedCopy
	for _, id := range ids {
		copies, err := d.copies(ctx, id)
		if err != nil {
			return nil, err
		}
		in := p.covered(copies)
		if len(in) > 0 && found != nil {
			return nil, fmt.Errorf("reference %s: %w: give more digits", digits, argus.ErrAmbiguous)
		}
		if len(in) > 0 {
			found = in
		}
	}
	if found == nil {
		return nil, fmt.Errorf("reference %s: %w", digits, argus.ErrNotFound)
	}
	return found, nil
}

// show returns a copy with those of its sightings that may be shown.
func (d *Desk) show(ctx context.Context, p *permit, c storedCopy, raw bool) (Copy, error) {
	one := Copy{Version: c.stored().Version, Message: c.stored().Message, Entities: entity.Find(c.stored().Message.Text)}
	deliveries := p.seen(c.doc(forever))
	for _, r := range c.records {
		if !slices.Contains(deliveries, r.Delivery) {
			continue
		}
		s, err := d.sighting(ctx, r)
		if err != nil {
			return one, err
		}
		if r.Kind == argus.KindSighting {
			s.Adds = r.Message
		}
		if raw {
			if s.Raw, err = d.raw(ctx, s); err != nil {
				return one, err
			}
		}
		one.Sightings = append(one.Sightings, s)
	}
	return one, nil
}

func (d *Desk) sighting(ctx context.Context, r *argus.Record) (Sighting, error) {
	original, err := d.get(ctx, r.Where.Original)
	if err != nil {
		return Sighting{}, err
	}
	if original.Original == nil {
		return Sighting{}, fmt.Errorf("record %d names record %d as its original, which is none: %w", r.Seq, r.Where.Original, argus.ErrDamaged)
	}
	reader, err := d.reader(ctx, r)
	if err != nil {
		return Sighting{}, err
	}
	return Sighting{Seq: r.Seq, Delivery: r.Delivery, Reader: reader, Original: *original.Original, Where: r.Where}, nil
}

// reader names the reader that produced a record, or is empty for none.
func (d *Desk) reader(ctx context.Context, r *argus.Record) (string, error) {
	if r.Where.Reader == 0 {
		return "", nil
	}
	opening, err := d.opening(ctx, r.Delivery)
	if err != nil {
		return "", err
	}
	if int(r.Where.Reader) > len(opening.Readers) {
		return "", fmt.Errorf("record %d names reader %d, and delivery %s had %d: %w",
			r.Seq, r.Where.Reader, r.Delivery, len(opening.Readers), argus.ErrDamaged)
	}
	return opening.Readers[r.Where.Reader-1], nil
}

func (d *Desk) opening(ctx context.Context, n argus.DeliveryNumber) (argus.Opening, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if opening, ok := d.openings[n]; ok {
		return opening, nil
	}
	deliveries, err := d.parts.Evidence.Deliveries(ctx)
	if err != nil {
		return argus.Opening{}, err
	}
	for _, delivery := range deliveries {
		d.openings[delivery.Number] = delivery.Opening
	}
	opening, ok := d.openings[n]
	if !ok {
		return opening, fmt.Errorf("delivery %s is missing: %w", n, argus.ErrDamaged)
	}
	return opening, nil
}

// mostRaw is how much of a record is shown raw, in bytes.
const mostRaw = 64 << 10

// raw reads a record from its original.
func (d *Desk) raw(ctx context.Context, s Sighting) ([]byte, error) {
	if s.Where.Length == 0 || s.Where.Path != "" && d.parts.Inside == nil {
		return nil, nil
	}
	f, err := d.parts.Evidence.OpenOriginal(s.Original)
	if errors.Is(err, argus.ErrNotFound) {
		// The file was received, so its absence is damage.
		err = fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, min(s.Where.Length, mostRaw))
	if s.Where.Path != "" {
		if err := d.parts.Inside(ctx, s.Original, f, s.Where, data); err != nil {
			return nil, fmt.Errorf("read %q in original %s: %w", s.Where.Path, s.Original.Hash, err)
		}
		return data, nil
	}
	if _, err := io.ReadFull(io.NewSectionReader(f, s.Where.Offset, int64(len(data))), data); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", err, argus.ErrDamaged)
		}
		return nil, fmt.Errorf("read original %s at byte %d: %w", s.Original.Hash, s.Where.Offset, err)
	}
	return data, nil
}
