package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/language"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// shortestRef is the shortest beginning of a message's id that is looked up.
const shortestRef = 6

// mostCandidates is the maximum number of messages in the whole evidence that a short
// reference may match. If there are more, the reference counts as ambiguous and they are
// not read.
const mostCandidates = 1000

// Show returns a message with all its copies in the scope and where each was found. A
// reference is the id of one of the copies, or at least its first six digits; the error
// is argus.ErrAmbiguous if it fits several messages in the scope. With raw, Show also
// returns the records as they are in the originals.
func (d *Desk) Show(ctx context.Context, who Who, ref string, raw bool) (*Shown, error) {
	act := ledger.Act{Action: ledger.Show, Subject: subject(ref)}
	if raw {
		act.Detail = map[string]string{"raw": "yes"}
	}
	return answer(ctx, d, who, act, func(p *Permit) (*Shown, error) { return p.Show(ctx, ref, raw) })
}

// Show does the same as [Desk.Show].
func (p *Permit) Show(ctx context.Context, ref string, raw bool) (*Shown, error) {
	return within(p, func() (*Shown, error) {
		s, err := p.resolve(ctx, ref)
		if err != nil {
			return nil, err
		}
		return p.show(ctx, s, raw)
	})
}

// show returns a message as an asker sees it, version by version.
func (p *Permit) show(ctx context.Context, s *seen, raw bool) (*Shown, error) {
	shown := &Shown{Ref: s.ID(), Message: s.Union(), Entry: p.entry}
	copies := map[argus.Version][]int{}
	for i := range s.Sightings {
		copies[s.Sightings[i].Version] = append(copies[s.Sightings[i].Version], i)
	}
	may := readable{}
	var detector language.Detector
	sealing, err := p.desk.sealing()
	if err != nil {
		return nil, err
	}
	for _, v := range s.Versions() {
		one := Version{Version: v.Version}
		var of query.Doc
		for _, i := range copies[v.Version] {
			r, copied := s.records[i], s.Sightings[i]
			of.Sightings = append(of.Sightings, copied)
			at, err := p.desk.sighting(ctx, r)
			if err != nil {
				return nil, err
			}
			states := copied.Message.Aside()
			at.ID, at.States = copied.ID, &states
			if raw {
				if at.RawWithheld = sealing; !sealing {
					if at.RawWithheld, err = p.holdsOthers(ctx, r, may); err != nil {
						return nil, err
					}
				}
				if !at.RawWithheld {
					if at.Raw, err = p.desk.raw(ctx, at); err != nil {
						return nil, err
					}
				}
			}
			one.Sightings = append(one.Sightings, at)
		}
		one.Message = of.Union()
		one.Entities = append(entity.Find(one.Message.Text), entity.National(one.Message, one.Message.Text)...)
		one.Countries = slices.Collect(entity.Countries(one.Message))
		if shown.Message.Lang == "" {
			one.Language = detector.Detect(one.Message.Text)
		}
		shown.Versions = append(shown.Versions, one)
	}
	return shown, p.showSame(ctx, s, shown)
}

// holdsOthers reports whether the raw part of a record that would be shown contains
// something that the asker may not read: a message outside the scope, or a quarantined
// piece.
func (p *Permit) holdsOthers(ctx context.Context, r *argus.Record, may readable) (bool, error) {
	if p.all || r.Where.Length == 0 {
		return false, nil
	}
	// Readers go through a file roughly in order, so a piece inside a record is near that
	// record in the evidence, before or after it.
	for _, step := range [...]int64{-1, 1} {
		beyond := 0
		// A reader that finds a piece inside a record without a place of its own, such as a
		// mail in a mail, yields it right after the record.
		follows := step > 0
		for seq := int64(r.Seq) + step; seq > 0; seq += step {
			other, err := p.desk.parts.Evidence.Get(ctx, uint64(seq))
			if errors.Is(err, argus.ErrNotFound) {
				break
			}
			if err != nil {
				return false, err
			}
			if other.Delivery != r.Delivery {
				continue
			}
			place := relate(other.Where, r.Where)
			if follows = follows && other.Where.Length == 0; follows && place == nowhere && (other.Message != nil || other.Quarantine != nil) {
				place = inside
			}
			if place == before && step < 0 || place == behind && step > 0 {
				beyond++
			}
			if place == elsewhere || beyond > lookBeyond {
				break
			}
			if place != inside {
				continue
			}
			if covered, err := p.covers(ctx, other, may); err != nil || !covered {
				return true, err
			}
		}
	}
	return false, nil
}

// lookBeyond is the number of records that are examined on either side of a place.
const lookBeyond = 1000

// relation is the position of a place relative to a record that is shown raw.
type relation uint8

const (
	elsewhere relation = iota // in another file
	nowhere                   // has no place, or surrounds the record
	before
	behind // after the part that is shown
	inside
)

func relate(at, r argus.Where) relation {
	end := r.Offset + min(r.Length, mostRaw)
	switch {
	case at.Original != r.Original || at.Path != r.Path:
		return elsewhere
	case at.Length == 0 || at.Offset <= r.Offset && at.Offset+at.Length >= r.Offset+r.Length && at.Length > r.Length:
		return nowhere
	case at.Offset+at.Length <= r.Offset:
		return before
	case at.Offset >= end:
		return behind
	}
	return inside
}

// readable holds the copies that the asker may read, keyed by message. It is filled as
// messages are looked up, once for each.
type readable map[argus.ID]map[uint64]bool

// covers reports whether the asker may read a record.
func (p *Permit) covers(ctx context.Context, r *argus.Record, may readable) (bool, error) {
	if r.Message == nil {
		return p.whole(r.Delivery), nil
	}
	id := r.MessageID()
	if may[id] == nil {
		m, err := p.desk.message(ctx, id)
		if err != nil {
			return false, err
		}
		may[id] = map[uint64]bool{}
		if s := p.sees(m); s != nil {
			for _, o := range s.records {
				may[id][o.Seq] = true
			}
		}
	}
	return may[id][r.Seq], nil
}

func (d *Desk) sighting(ctx context.Context, r *argus.Record) (Sighting, error) {
	original, err := d.get(ctx, r.Where.Original)
	if err != nil {
		return Sighting{}, err
	}
	if original.Original == nil {
		return Sighting{}, fmt.Errorf("record %d names record %d as its original, but that record is not an original: %w", r.Seq, r.Where.Original, argus.ErrDamaged)
	}
	reader, err := d.reader(ctx, r)
	if err != nil {
		return Sighting{}, err
	}
	sealed, err := d.isSealed(r.Delivery)
	if err != nil {
		return Sighting{}, err
	}
	return Sighting{Seq: r.Seq, Delivery: r.Delivery, Unsealed: !sealed, ReadIn: r.ReadIn, Reader: reader, Original: *original.Original, Where: r.Where}, nil
}

// reader names the reader that produced a record. It returns "" if there is none.
func (d *Desk) reader(ctx context.Context, r *argus.Record) (string, error) {
	if r.Where.Reader == 0 {
		return "", nil
	}
	in := cmp.Or(r.ReadIn, r.Delivery)
	opening, err := d.opening(ctx, in)
	if err != nil {
		return "", err
	}
	if int(r.Where.Reader) > len(opening.Readers) {
		return "", fmt.Errorf("record %d names reader %d, but delivery %s had only %d: %w",
			r.Seq, r.Where.Reader, in, len(opening.Readers), argus.ErrDamaged)
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

// mostRaw is the maximum number of bytes of a record that are shown raw.
const mostRaw = 64 << 10

// raw reads a record from its original.
func (d *Desk) raw(ctx context.Context, s Sighting) ([]byte, error) {
	if s.Where.Length == 0 || s.Where.Path != "" && d.parts.Inside == nil {
		return nil, nil
	}
	f, err := d.parts.Evidence.OpenOriginal(s.Original)
	if errors.Is(err, argus.ErrNotFound) {
		// The file was received, so its absence is damage, and never "not found".
		err = fmt.Errorf("%w: the original with the SHA-256 %s is missing", argus.ErrDamaged, s.Original.Hash)
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
