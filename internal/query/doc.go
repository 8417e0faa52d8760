package query

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// A Sighting is one copy of a message in one place.
type Sighting struct {
	// ID is the id of this copy. Copies have different ids if their clocks disagree.
	ID       argus.ID
	Version  argus.Version
	Delivery argus.DeliveryNumber
	// Message holds everything that this copy states, including the content.
	Message *argus.Message
}

// Doc is a message as its asker sees it: the union of the sightings that a scope
// selects ([Matcher.Select]). It has at least one.
type Doc struct {
	Sightings []Sighting
}

// One returns a message with one known copy, which was seen in the given deliveries.
func One(m *argus.Message, in ...argus.DeliveryNumber) *Doc {
	d := &Doc{Sightings: make([]Sighting, max(1, len(in)))}
	for i := range d.Sightings {
		d.Sightings[i].Message = m
	}
	for i, n := range in {
		d.Sightings[i].Delivery = n
	}
	return d
}

// ID returns the reference of the message: the lowest of its ids.
func (d *Doc) ID() argus.ID {
	least := d.Sightings[0].ID
	for i := range d.Sightings {
		if id := d.Sightings[i].ID; bytes.Compare(id[:], least[:]) < 0 {
			least = id
		}
	}
	return least
}

// Lead returns the sighting whose sent time is the message's: the most precise time, then
// one with a stated zone, then one from the service's clock, then the earliest.
func (d *Doc) Lead() *Sighting {
	lead := &d.Sightings[0]
	for i := range d.Sightings[1:] {
		if s := &d.Sightings[i+1]; compareLeads(s, lead) < 0 {
			lead = s
		}
	}
	return lead
}

// Sent returns the message's sent time, which is that of [Doc.Lead].
func (d *Doc) Sent() argus.Time { return d.Lead().Message.Sent }

func compareLeads(a, b *Sighting) int {
	x, y := &a.Message.Sent, &b.Message.Sent
	return cmp.Or(
		cmp.Compare(Quality(x), Quality(y)), cmp.Compare(x.Micros, y.Micros), cmp.Compare(a.Message.Sequence, b.Message.Sequence),
		bytes.Compare(a.ID[:], b.ID[:]), bytes.Compare(a.Version[:], b.Version[:]), compareSources(x, y))
}

// compareSources orders equal times by their sources.
func compareSources(x, y *argus.Time) int {
	return cmp.Or(cmp.Compare(x.Zone, y.Zone), cmp.Compare(x.Clock, y.Clock), strings.Compare(x.Raw, y.Raw))
}

// Quality ranks the sent times of copies of one message: by precision, by whether the
// time states its zone, and by whether the clock is the service's. The best time has the
// lowest rank. Ranks are less than 128.
func Quality(t *argus.Time) uint8 {
	quality := uint8(argus.Micro-min(t.Precision, argus.Micro)) << 2
	if t.Zone != argus.ZoneStated {
		quality |= 2
	}
	if t.Clock != argus.ClockService {
		quality |= 1
	}
	return quality
}

// First returns the sighting whose version is shown first: one that can be read before one
// that is locked, then the latest stated edit, then the lowest version.
func (d *Doc) First() *Sighting {
	first := &d.Sightings[0]
	for i := range d.Sightings[1:] {
		if s := &d.Sightings[i+1]; compareVersions(s, first) < 0 {
			first = s
		}
	}
	return first
}

func compareVersions(a, b *Sighting) int {
	locked := func(s *Sighting) int { return int(s.Message.State & argus.StateLocked) }
	edited := func(s *Sighting) int64 {
		if !s.Message.Edited.Known() {
			return 0
		}
		return s.Message.Edited.Micros
	}
	return cmp.Or(cmp.Compare(locked(a), locked(b)), cmp.Compare(edited(b), edited(a)), bytes.Compare(a.Version[:], b.Version[:]))
}

// Locked reports whether no copy can be read.
func (d *Doc) Locked() bool {
	return !slices.ContainsFunc(d.Sightings, func(s Sighting) bool { return s.Message.State&argus.StateLocked == 0 })
}

// Differs reports whether the copies differ.
func (d *Doc) Differs() bool {
	return slices.ContainsFunc(d.Sightings[1:], func(s Sighting) bool { return s.Version != d.Sightings[0].Version })
}

// Deliveries returns the deliveries of the sightings, in numerical order.
func (d *Doc) Deliveries() []argus.DeliveryNumber {
	var list []argus.DeliveryNumber
	for i := range d.Sightings {
		list = append(list, d.Sightings[i].Delivery)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Versions returns one sighting of each version, beginning with the version shown first.
func (d *Doc) Versions() []*Sighting {
	list := make([]*Sighting, 0, len(d.Sightings))
	for i := range d.Sightings {
		list = append(list, &d.Sightings[i])
	}
	// The rank of a version is that of its highest-ranking copy.
	slices.SortStableFunc(list, compareVersions)
	seen := map[argus.Version]bool{}
	return slices.DeleteFunc(list, func(s *Sighting) bool {
		again := seen[s.Version]
		seen[s.Version] = true
		return again
	})
}

// texts yields each distinct text once.
func (d *Doc) texts(yield func(string) bool) {
	seen := func(int) bool { return false }
	if len(d.Sightings) > 1 {
		before := map[string]bool{}
		seen = func(i int) bool {
			text := d.Sightings[i].Message.Text
			again := before[text]
			before[text] = true
			return again
		}
	}
	for i := range d.Sightings {
		if !seen(i) && !yield(d.Sightings[i].Message.Text) {
			return
		}
	}
}

// Union returns the message that is shown: the content of the first version, the sent
// time of the lead, all receivers and, for every other fact, the value that most
// sightings state. The order of the sightings does not matter.
func (d *Doc) Union() *argus.Message {
	if len(d.Sightings) == 1 {
		return d.Sightings[0].Message
	}
	lead := d.Lead().Message
	first := d.First()
	m := *first.Message
	m.Sent, m.Sequence = lead.Sent, lead.Sequence
	d.content(&m, first.Version)
	m.State &^= argus.StateDeleted | argus.StateEdited | argus.StateSystem
	for i := range d.Sightings {
		m.State |= d.Sightings[i].Message.State &^ argus.StateLocked
		m.AccountReach = max(m.AccountReach, d.Sightings[i].Message.AccountReach)
		m.ConversationReach = max(m.ConversationReach, d.Sightings[i].Message.ConversationReach)
	}
	m.To = d.union(func(m *argus.Message) []string { return m.To })
	m.Title = d.most(func(m *argus.Message) string { return m.Title })
	m.FromName = d.most(func(m *argus.Message) string { return m.FromName })
	m.Lang = d.most(func(m *argus.Message) string { return m.Lang })
	m.ServiceID = d.most(func(m *argus.Message) string { return m.ServiceID })
	m.ReplyTo = d.most(func(m *argus.Message) string { return m.ReplyTo })
	m.ForwardedFrom = d.most(func(m *argus.Message) string { return m.ForwardedFrom })
	m.Received = d.best(func(m *argus.Message) argus.Time { return m.Received })
	m.Read = d.best(func(m *argus.Message) argus.Time { return m.Read })
	m.Extra = d.extra()
	return &m
}

// content fills in m's content from the copies of a version. The copies are equal in the
// parts that define the version; the other parts are combined from all copies.
func (d *Doc) content(m *argus.Message, version argus.Version) {
	of := Doc{slices.DeleteFunc(slices.Clone(d.Sightings), func(s Sighting) bool { return s.Version != version })}
	m.Text = of.most(func(m *argus.Message) string { return m.Text })
	m.Edited = of.best(func(m *argus.Message) argus.Time { return m.Edited })
	m.Attachments = slices.Clone(m.Attachments)
	for i := range m.Attachments {
		a := &m.Attachments[i]
		at := func(field func(a argus.Attachment) string) string {
			return of.most(func(m *argus.Message) string {
				if i >= len(m.Attachments) {
					return ""
				}
				return field(m.Attachments[i])
			})
		}
		a.Name = at(func(a argus.Attachment) string { return a.Name })
		a.Type = at(func(a argus.Attachment) string { return a.Type })
		for j := range of.Sightings {
			if all := of.Sightings[j].Message.Attachments; i < len(all) {
				a.Size = max(a.Size, all[i].Size)
			}
		}
	}
	if m.Locked != nil {
		locked := *m.Locked
		field := func(of func(*argus.Locked) string) func(*argus.Message) string {
			return func(m *argus.Message) string {
				if m.Locked == nil {
					return ""
				}
				return of(m.Locked)
			}
		}
		locked.KeyID = of.most(field(func(l *argus.Locked) string { return l.KeyID }))
		locked.Algorithm = of.most(field(func(l *argus.Locked) string { return l.Algorithm }))
		m.Locked = &locked
	}
	m.Facts = cmp.Or(of.facts(), m.Facts)
	for i := range of.Sightings {
		m.Facts = cmp.Or(m.Facts, of.Sightings[i].Message.Facts) // facts that only count replies
	}
	if m.Facts != nil {
		facts := *m.Facts
		for i := range of.Sightings {
			if other := of.Sightings[i].Message.Facts; other != nil {
				facts.Replies = max(facts.Replies, other.Replies)
			}
		}
		if facts.Call != nil {
			call := *facts.Call
			call.Direction = of.direction()
			facts.Call = &call
		}
		m.Facts = &facts
	}
}

// facts returns the facts that most copies state. Copies may differ: some lack a card or a
// place that was sent with the text, and two sources may list people in different orders.
func (d *Doc) facts() *argus.Facts {
	stated := map[string]*argus.Facts{}
	most := d.most(func(m *argus.Message) string {
		if m.Facts == nil {
			return ""
		}
		f := *m.Facts
		f.Replies = 0
		if f.Call != nil {
			call := *f.Call
			call.Direction, f.Call = "", &call
		}
		if f == (argus.Facts{}) {
			return ""
		}
		key, err := json.Marshal(f)
		if err != nil {
			return ""
		}
		stated[string(key)] = m.Facts
		return string(key)
	})
	return stated[most]
}

// direction returns the direction of a call if all copies that state one agree. They may
// not, because the two parties to a call see opposite directions.
func (d *Doc) direction() (direction string) {
	for i := range d.Sightings {
		f := d.Sightings[i].Message.Facts
		if f == nil || f.Call == nil || f.Call.Direction == "" {
			continue
		}
		if direction != "" && direction != f.Call.Direction {
			return ""
		}
		direction = f.Call.Direction
	}
	return direction
}

// union returns the strings that the copies have, each once, sorted.
func (d *Doc) union(of func(*argus.Message) []string) (all []string) {
	for i := range d.Sightings {
		all = append(all, of(d.Sightings[i].Message)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// most returns the string that most copies state: if several are tied, the first of them.
func (d *Doc) most(of func(*argus.Message) string) (value string) {
	counts := map[string]int{}
	for i := range d.Sightings {
		if s := of(d.Sightings[i].Message); s != "" {
			counts[s]++
		}
	}
	for _, s := range slices.Sorted(maps.Keys(counts)) {
		if value == "" || counts[s] > counts[value] {
			value = s
		}
	}
	return value
}

// best returns the best of the times that copies state.
func (d *Doc) best(of func(*argus.Message) argus.Time) (best argus.Time) {
	for i := range d.Sightings {
		t := of(d.Sightings[i].Message)
		if c := cmp.Or(cmp.Compare(Quality(&t), Quality(&best)), cmp.Compare(t.Micros, best.Micros), compareSources(&t, &best)); c < 0 || i == 0 {
			best = t
		}
	}
	return best
}

// extra returns the extra fields of all copies, each once, sorted by name.
func (d *Doc) extra() (all []argus.Field) {
	for i := range d.Sightings {
		all = append(all, d.Sightings[i].Message.Extra...)
	}
	slices.SortFunc(all, func(a, b argus.Field) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	return slices.Compact(all)
}

// Compare orders messages as hits are ordered, oldest first: by sent time, with unknown
// times first, then by the service's sequence number, then by the id of the copy that has
// the time.
func Compare(a, b *Doc) int {
	x, y := a.Lead(), b.Lead()
	s, t := &x.Message.Sent, &y.Message.Sent
	known := func(t *argus.Time) int {
		if t.Known() {
			return 1
		}
		return 0
	}
	if c := cmp.Compare(known(s), known(t)); c != 0 || !s.Known() {
		return cmp.Or(c, cmp.Compare(x.Message.Sequence, y.Message.Sequence), bytes.Compare(x.ID[:], y.ID[:]))
	}
	return cmp.Or(cmp.Compare(s.Micros, t.Micros), cmp.Compare(x.Message.Sequence, y.Message.Sequence), bytes.Compare(x.ID[:], y.ID[:]))
}
