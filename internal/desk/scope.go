package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// message is a message in the evidence, with all its copies.
type message struct {
	// records are the records of the copies, in order, and sightings are the
	// corresponding sightings.
	records   []*argus.Record
	sightings []query.Sighting
}

// message reads every copy of the message that was first stored with an id.
func (d *Desk) message(ctx context.Context, id argus.ID) (*message, error) {
	entries, err := d.parts.Evidence.Find(id)
	if err != nil {
		return nil, err
	}
	m := new(message)
	for _, entry := range entries {
		if entry.Met {
			continue // a copy of another message
		}
		r, err := d.get(ctx, entry.Seq)
		if err != nil {
			return nil, err
		}
		if r.Kind == 0 {
			continue // a newer reading has replaced it
		}
		if r.MessageID() != id || r.Message == nil {
			return nil, fmt.Errorf("record %d does not belong to message %s: %w", r.Seq, id, argus.ErrDamaged)
		}
		says, err := d.parts.Evidence.Whole(ctx, r.Seq)
		if err != nil {
			return nil, err
		}
		m.records = append(m.records, r)
		m.sightings = append(m.sightings, query.Sighting{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: says})
	}
	return m, nil
}

// first returns the message as it was when it had only its first n copies.
func (m *message) first(n int) *message { return &message{m.records[:n], m.sightings[:n]} }

// seen is a message as an asker sees it: the copies that the scope selects. A nil *seen
// is a message that has no such copy.
type seen struct {
	query.Doc
	records []*argus.Record // the records of the sightings, in order
}

func (p *Permit) sees(m *message) *seen {
	if len(m.sightings) == 0 {
		return nil
	}
	s := &seen{query.Doc{Sightings: m.sightings}, m.records}
	if p.all {
		s.nameVersions()
		return s
	}
	if s.Sightings = p.matcher.Select(m.sightings); len(s.Sightings) == 0 {
		return nil
	}
	s.records = nil
	at := 0
	for i := range m.sightings { // Select keeps the order
		if at < len(s.Sightings) && s.Sightings[at] == m.sightings[i] {
			s.records = append(s.records, m.records[i])
			at++
		}
	}
	s.nameVersions()
	return s
}

// nameVersions gives each version the lowest name that its copies have under their own
// ids. The record of a copy that was matched by its clock names the version under the id
// of the copy that came first, which may be outside the scope.
func (s *seen) nameVersions() {
	if !slices.ContainsFunc(s.records, func(r *argus.Record) bool { return r.Met != argus.ID{} }) {
		return
	}
	s.Sightings = slices.Clone(s.Sightings)
	names := map[argus.Version]argus.Version{}
	var hasher argus.Hasher
	for i, r := range s.records {
		id, own := hasher.Identity(s.Sightings[i].Message)
		if id != r.ID { // parts of the record are lost
			own = r.Version
		}
		if name, known := names[r.Version]; !known || bytes.Compare(own[:], name[:]) < 0 {
			names[r.Version] = own
		}
	}
	for i := range s.Sightings {
		s.Sightings[i].Version = names[s.Sightings[i].Version]
	}
}

// get reads a record that must exist; if it is absent, the evidence is damaged.
func (d *Desk) get(ctx context.Context, seq uint64) (*argus.Record, error) {
	r, err := d.parts.Evidence.Get(ctx, seq)
	if errors.Is(err, argus.ErrNotFound) {
		return nil, fmt.Errorf("record %d is missing: %w", seq, argus.ErrDamaged)
	}
	return r, err
}

// whole reports whether the scope covers everything in a delivery.
func (p *Permit) whole(n argus.DeliveryNumber) bool { return query.IsAll(query.For(p.scope, n)) }

// resolve returns the one message in the scope that a reference names. Messages and
// copies outside the scope do not count: they neither make a reference ambiguous nor
// change the error.
func (p *Permit) resolve(ctx context.Context, ref string) (*seen, error) {
	digits := strings.ToLower(ref)
	if len(digits) < shortestRef || len(digits) > 2*len(argus.ID{}) || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%w: parse reference %q: want %d to %d hexadecimal digits", ErrRequest, ref, shortestRef, 2*len(argus.ID{}))
	}
	if err := p.desk.parts.Evidence.Refresh(); err != nil {
		return nil, err
	}
	ids, err := p.desk.parts.Evidence.FindPrefix(digits, mostCandidates)
	if err != nil {
		return nil, err
	}
	if len(ids) == mostCandidates {
		return nil, fmt.Errorf("reference %s: %w: give more digits", digits, argus.ErrAmbiguous)
	}
	var found *seen
	looked := map[argus.ID]bool{}
	for _, id := range ids {
		of, err := p.desk.messagesOf(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, id := range of {
			if looked[id] {
				continue
			}
			looked[id] = true
			m, err := p.desk.message(ctx, id)
			if err != nil {
				return nil, err
			}
			s := p.sees(m)
			if s == nil || !s.named(digits) {
				continue
			}
			if found != nil {
				return nil, fmt.Errorf("reference %s: %w: give more digits", digits, argus.ErrAmbiguous)
			}
			found = s
		}
	}
	if found == nil {
		return nil, fmt.Errorf("reference %s: %w", digits, argus.ErrNotFound)
	}
	return found, nil
}

// messagesOf returns the messages that have a copy with the given id. Usually there is
// one, whose own id it is.
func (d *Desk) messagesOf(ctx context.Context, id argus.ID) (of []argus.ID, err error) {
	entries, err := d.parts.Evidence.Find(id)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		message := id
		if entry.Met {
			r, err := d.get(ctx, entry.Seq)
			if err != nil {
				return nil, err
			}
			message = r.MessageID()
		}
		of = append(of, message)
	}
	return of, nil
}

// named reports whether the id of a copy begins with the digits.
func (s *seen) named(digits string) bool {
	for i := range s.Sightings {
		if strings.HasPrefix(s.Sightings[i].ID.String(), digits) {
			return true
		}
	}
	return false
}
