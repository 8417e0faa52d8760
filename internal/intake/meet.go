package intake

import (
	"context"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/reader"
)

// meetings finds the message that a copy belongs to if two different clocks stamped the copy
// and the message: that of the sender's phone, and that of the receiver's phone or of the
// service. A long enough id of the service names a message under any clock ([argus.LongID]);
// for the others the second is part of the identity.
//
// A copy belongs to a message of an earlier delivery if all parts of its identity except the
// second are equal; the seconds are at most meetSeconds apart; and their clocks are of
// different kinds: that of the sending device, that of the receiving device, that of the
// service. So two exports of one clock never meet, however many equal texts they have. The
// nearest of several messages is taken, and the earlier of two that are equally near; a
// delivery has copies of one message at one second only, so that two equal messages stay two.
//
// In a delivery that is open at the same time, only the copies that exist when the
// message is first looked for are examined; two copies that arrive at the same moment may
// stay two messages until one of the deliveries is read again.
//
// The copy keeps its own time and its own id. It becomes a sighting of that message, or a
// differing copy if its version differs. Whether the copies are one message does not depend on
// their order, except in two cases: if equal texts from one sender are closer together than the
// clocks, or if there are three clocks, only the middle one is near enough to both others, and
// its copy arrives last.
type meetings struct {
	store    *evidence.Current
	delivery argus.DeliveryNumber
	// first is the record that opens this delivery. The delivery's own records, which
	// enter the store at their own pace, are ignored; other open deliveries may have records
	// after it.
	first  uint64
	alone  bool // there are no other deliveries
	hasher argus.Hasher
	// devices is set if an earlier delivery may have copies of a device. If not, copies of
	// the service have none to meet. several is set if an earlier delivery may have files of
	// several devices, whose copies met each other.
	devices, several bool
	// taken holds the seconds of this delivery's copies of messages that met, or could have
	// met; old is the previous generation.
	taken, old map[argus.ID]int64
	// looked holds the copies in other deliveries of the messages that were looked for, which
	// this delivery does not change; lookedOld is the previous generation.
	looked, lookedOld map[argus.ID]earlier
	held              int // ids and copies in looked
}

// earlier holds the entries from other deliveries for an id: some copies of its message, and
// some that met another message.
type earlier struct{ of, met []evidence.Entry }

const (
	meetSeconds = 5
	// meetLook is the maximum number of copies of a message that are examined.
	meetLook = 16
	// meetKept is the maximum number of messages in a generation of taken, and of ids and
	// copies in a generation of looked.
	meetKept = 1 << 18
)

func newMeetings(ctx context.Context, formats reader.Formats, store *evidence.Current, d argus.DeliveryNumber, first uint64) (*meetings, error) {
	p := &meetings{store: store, delivery: d, first: first, alone: true, taken: map[argus.ID]int64{}, looked: map[argus.ID]earlier{}}
	deliveries, err := store.Deliveries(ctx)
	for _, d := range deliveries {
		may := func(is func(reader.Formats, string) bool) bool {
			read := func(by string) bool { return is(formats, by) }
			return d.Seal == nil || d.Seal.ReadBy == nil || slices.ContainsFunc(d.Seal.ReadBy, read)
		}
		if d.Number == p.delivery {
			continue
		}
		p.alone = false
		p.devices = p.devices || may(ofDevice) || d.Seal != nil && d.Seal.DeviceClocks
		p.several = p.several || may(ofDevices)
	}
	return p, err
}

// ofDevice reports whether a reader, named as in an opening, reads the data of one
// device.
func ofDevice(formats reader.Formats, name string) bool {
	format, ok := formatOf(formats, name)
	return ok && format.OfDevice
}

// ofDevices reports whether a reader, named as in an opening, reads the data of several
// devices.
func ofDevices(formats reader.Formats, name string) bool {
	format, ok := formatOf(formats, name)
	return ok && format.Devices
}

// clockOf returns the kind of clock that stamped a message found by a reader, named as
// in an opening. A message that a device received has the service's time, unless it has
// only the time of its receipt.
func clockOf(formats reader.Formats, name string, m *argus.Message) argus.Clock {
	switch {
	case !m.Sent.Known() || !ofDevice(formats, name):
		return m.Sent.Clock
	case !m.Received.Known():
		return argus.ClockSender
	case m.Received.Micros == m.Sent.Micros:
		return argus.ClockReceiver
	}
	return argus.ClockService
}

// meet looks for the message that a copy belongs to, and notes it in the record. Without a
// store, a copy meets no message.
func (p *meetings) meet(ctx context.Context, r *argus.Record) error {
	m := r.Message
	if p == nil || p.alone || len(m.ServiceID) >= argus.LongID || m.Sent.Precision < argus.Second || m.State&argus.StateSystem != 0 {
		return nil
	}
	apart := p.devices || m.Sent.Clock != argus.ClockService
	if !apart && !p.several {
		return nil
	}
	known, err := p.before(ctx, r.ID)
	if err != nil {
		return err
	}
	if len(known.of) > 0 {
		p.take(r.ID, m)
		return nil
	}
	if followed, err := p.follow(ctx, r, known.met); followed || !apart || err != nil {
		return err
	}
	for d := int64(1); d <= meetSeconds; d++ {
		for _, by := range [...]int64{-d, d} {
			other, version := p.hasher.Moved(m, by)
			met, err := p.meets(ctx, r, other)
			if err != nil {
				return err
			}
			if met {
				p.take(other, m)
				r.Met, r.Version, r.Moved = other, version, by
				return nil
			}
		}
	}
	return nil
}

// follow notes that a copy belongs to the message that an equal copy met, one of an earlier
// delivery with the same kind of clock.
func (p *meetings) follow(ctx context.Context, copied *argus.Record, met []evidence.Entry) (bool, error) {
	for _, e := range met {
		r, err := p.store.Get(ctx, e.Seq)
		if err != nil {
			return false, err
		}
		of, err := p.store.Store.Get(ctx, r.Of) // a newer reading may have replaced it
		if err != nil {
			return false, err
		}
		if r.Message.Sent.Clock != copied.Message.Sent.Clock || of.Message == nil {
			continue
		}
		by := of.Message.Sent.Micros/1e6 - copied.Message.Sent.Micros/1e6
		if id, version := p.hasher.Moved(copied.Message, by); id == r.Met {
			p.take(id, copied.Message)
			copied.Met, copied.Version, copied.Moved = id, version, by
			return true, nil
		}
	}
	return false, nil
}

// before returns the entries from other deliveries for an id, the first meetLook of each sort.
// A message may arrive many times, but its copies are read only once.
func (p *meetings) before(ctx context.Context, id argus.ID) (earlier, error) {
	if known, ok := p.looked[id]; ok {
		return known, nil
	}
	known, ok := p.lookedOld[id]
	if !ok {
		copies, err := p.store.Find(id)
		if err != nil {
			return known, err
		}
		for _, e := range copies {
			list := known.list(e.Met)
			if len(*list) >= meetLook {
				continue
			}
			if e.Seq >= p.first {
				r, err := p.store.Store.Get(ctx, e.Seq)
				if err != nil {
					return known, err
				}
				if r.Delivery == p.delivery {
					continue
				}
			}
			*list = append(*list, e)
		}
	}
	if p.held >= meetKept {
		p.looked, p.lookedOld, p.held = map[argus.ID]earlier{}, p.looked, 0
	}
	p.looked[id] = known
	p.held += 1 + len(known.of) + len(known.met)
	return known, nil
}

func (e *earlier) list(met bool) *[]evidence.Entry {
	if met {
		return &e.met
	}
	return &e.of
}

// meets reports whether a copy belongs to a message.
func (p *meetings) meets(ctx context.Context, copied *argus.Record, id argus.ID) (bool, error) {
	known, err := p.before(ctx, id)
	if err != nil || len(known.of) == 0 {
		return false, err
	}
	at, ok := p.taken[id]
	if !ok {
		at, ok = p.old[id]
	}
	if ok && at != copied.Message.Sent.Micros/1e6 {
		return false, nil
	}
	stored, across := false, false
	for _, e := range known.of {
		r, err := p.store.Get(ctx, e.Seq)
		if err != nil {
			return false, err
		}
		if e.Sighting && !stored { // a newer reading may have replaced the record that it belongs to
			of, err := p.store.Store.Get(ctx, r.Of)
			if err != nil {
				return false, err
			}
			stored = of.Kind == argus.KindMessage
		}
		stored = stored || !e.Sighting
		across = across || r.Message.Sent.Clock != copied.Message.Sent.Clock
	}
	return stored && across, nil
}

func (p *meetings) take(id argus.ID, m *argus.Message) {
	if len(p.taken) >= meetKept {
		p.taken, p.old = map[argus.ID]int64{}, p.taken
	}
	p.taken[id] = m.Sent.Micros / 1e6
}
