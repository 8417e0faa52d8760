package intake

import (
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

// devices finds the message of a copy in a file with the copies of several devices,
// whose clocks differ. Within a file, it does the work that meetings does between
// deliveries: a copy belongs to a message of another device if everything except the second
// is equal, and the seconds are at most meetSeconds apart. The nearest message is taken, and
// the earlier of two that are equally near; a device has copies of one message at one second
// only.
//
// It remembers between meetKept and twice as many copies. It depends on
// the file alone, so that an interrupted reading gives the same result.
type devices struct {
	hasher   argus.Hasher
	numbers  map[string]uint32 // of devices, from 1; those beyond the limit share one
	now, old map[deviceCopy]copied
}

// deviceCopy identifies the first copy with an id, or the second at which a device has a
// copy.
type deviceCopy struct {
	id     argus.ID
	device uint32 // 0 for the first copy
}

// copied is a first copy: its device, and by how many seconds it was moved to its message.
// A later copy has only second.
type copied struct {
	device uint32
	moved  int64
	second int64
}

// deviceLimit is the maximum number of devices that are distinguished in a file.
const deviceLimit = 1 << 12

// newDevices returns the devices for a file that the given reader (name/version) reads, or nil
// if the file has only one device.
func newDevices(formats reader.Formats, by string) *devices {
	if !ofDevices(formats, by) {
		return nil
	}
	return &devices{numbers: map[string]uint32{}, now: map[deviceCopy]copied{}}
}

// meet looks for the message that a copy belongs to, and notes it in the record, unless the
// copy met a message of an earlier delivery.
func (d *devices) meet(r *argus.Record, device string) {
	m := r.Message
	if d == nil || device == "" || len(m.ServiceID) >= argus.LongID || m.Sent.Precision < argus.Second || m.State&argus.StateSystem != 0 {
		return
	}
	number, second := d.number(device), m.Sent.Micros/1e6
	if _, known := d.find(deviceCopy{r.ID, 0}); known {
		d.keep(deviceCopy{r.ID, number}, copied{second: second})
		return
	}
	for by := int64(1); r.Met == (argus.ID{}) && by <= meetSeconds; by++ {
		for _, seconds := range [...]int64{-by, by} {
			other, _ := d.hasher.Moved(m, seconds)
			first, known := d.find(deviceCopy{other, 0})
			if !known || first.device == number {
				continue
			}
			if taken, ok := d.find(deviceCopy{other, number}); ok && taken.second != second {
				continue
			}
			d.keep(deviceCopy{other, number}, copied{second: second})
			r.Moved = seconds + first.moved
			r.Met, r.Version = d.hasher.Moved(m, r.Moved)
			return
		}
	}
	d.keep(deviceCopy{r.ID, 0}, copied{device: number, moved: r.Moved})
}

// number returns the number of a device.
func (d *devices) number(device string) uint32 {
	n, ok := d.numbers[device]
	if !ok {
		n = uint32(min(len(d.numbers)+1, deviceLimit))
		if n < deviceLimit {
			d.numbers[device] = n
		}
	}
	return n
}

func (d *devices) find(key deviceCopy) (copied, bool) {
	if c, ok := d.now[key]; ok {
		return c, true
	}
	c, ok := d.old[key]
	return c, ok
}

func (d *devices) keep(key deviceCopy, c copied) {
	if len(d.now) >= meetKept {
		d.now, d.old = map[deviceCopy]copied{}, d.now
	}
	d.now[key] = c
}
