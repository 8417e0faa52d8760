package format1

import (
	"math"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor"
)

// Most messages and sightings are written and read here without reflection, with the
// same result as encoding and decoding (TestCodec). Those handle all other records.

// plain reports whether putRecord can write a record.
func plain(r *Record) bool {
	m := r.Message
	return (r.Kind == Message || r.Kind == Sighting) && m != nil && len(m.Attachments) == 0 && m.Locked == nil && len(m.Extra) == 0 &&
		r.Quarantine == nil && r.Original == nil && r.Opening == nil && r.Stated == nil
}

func putRecord(e *corecbor.Encoder, r *Record) {
	e.Begin()
	e.UintAt(1, uint64(r.Kind))
	if r.ID != (argus.ID{}) {
		e.BytesAt(2, r.ID[:])
	}
	if r.Version != (Version{}) {
		e.BytesAt(3, r.Version[:])
	}
	e.Key(4)
	putMessage(e, r.Message)
	e.UintAt(5, r.Of)
	if w := &r.Where; *w != (WhereForm{}) {
		e.Key(6)
		e.Begin()
		e.UintAt(1, w.Original)
		e.TextAt(2, w.Path)
		e.UintAt(3, w.Record)
		e.IntAt(4, w.Offset)
		e.IntAt(5, w.Length)
		e.UintAt(6, uint64(w.Reader))
		e.End()
	}
	e.End()
}

func putMessage(e *corecbor.Encoder, m *MessageForm) {
	e.Begin()
	e.Key(1)
	e.Text(m.Service)
	e.TextAt(2, m.Conversation)
	e.TextAt(3, m.Title)
	e.TextAt(4, m.From)
	e.TextAt(5, m.FromName)
	e.TextsAt(6, m.To)
	e.TextAt(7, m.ServiceID)
	e.UintAt(8, m.Sequence)
	for i, t := range [...]*TimeForm{&m.Sent, &m.Received, &m.Read} {
		if *t == (TimeForm{}) {
			continue
		}
		e.Key(uint64(9 + i))
		e.Begin()
		e.IntAt(1, t.Micros)
		e.TextAt(2, t.Raw)
		e.UintAt(3, uint64(t.Zone))
		e.UintAt(4, uint64(t.Precision))
		e.End()
	}
	e.TextAt(12, m.Text)
	e.TextAt(13, m.Lang)
	e.UintAt(14, uint64(m.State))
	e.TextAt(15, m.ReplyTo)
	e.TextAt(16, m.ForwardedFrom)
	e.UintAt(20, uint64(m.Repeat))
	e.End()
}

// getRecord reads a record written by putRecord, with its message in m. If it returns
// false, the record must be read again by general decoding.
func getRecord(data []byte, r *Record, m *MessageForm) bool {
	d := corecbor.NewDecoder(data)
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			r.Kind = Kind(d.Uint(math.MaxUint8))
		case 2:
			d.Fixed(r.ID[:])
		case 3:
			d.Fixed(r.Version[:])
		case 4:
			r.Message = m
			getMessage(d, m)
		case 5:
			r.Of = d.Uint(math.MaxUint64)
		case 6:
			getWhere(d, &r.Where)
		default:
			d.Fail()
		}
	}
	return d.Whole() && plain(r)
}

func getWhere(d *corecbor.Decoder, w *WhereForm) {
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			w.Original = d.Uint(math.MaxUint64)
		case 2:
			w.Path = d.Text()
		case 3:
			w.Record = d.Uint(math.MaxUint64)
		case 4:
			w.Offset = d.Int()
		case 5:
			w.Length = d.Int()
		case 6:
			w.Reader = uint8(d.Uint(math.MaxUint8))
		default:
			d.Fail()
		}
	}
}

func getMessage(d *corecbor.Decoder, m *MessageForm) {
	first := true
	for p := d.Map(); p.Next(); first = false {
		if first != (p.Key == 1) {
			d.Fail() // each message has a service
		}
		switch p.Key {
		case 1:
			m.Service = d.TextOrEmpty()
		case 2:
			m.Conversation = d.Text()
		case 3:
			m.Title = d.Text()
		case 4:
			m.From = d.Text()
		case 5:
			m.FromName = d.Text()
		case 6:
			m.To = d.Texts(argus.MaxList)
		case 7:
			m.ServiceID = d.Text()
		case 8:
			m.Sequence = d.Uint(math.MaxUint64)
		case 9:
			getTime(d, &m.Sent)
		case 10:
			getTime(d, &m.Received)
		case 11:
			getTime(d, &m.Read)
		case 12:
			m.Text = d.Text()
		case 13:
			m.Lang = d.Text()
		case 14:
			m.State = uint8(d.Uint(math.MaxUint8))
		case 15:
			m.ReplyTo = d.Text()
		case 16:
			m.ForwardedFrom = d.Text()
		case 20:
			m.Repeat = uint32(d.Uint(math.MaxUint32))
		default:
			d.Fail()
		}
	}
}

func getTime(d *corecbor.Decoder, t *TimeForm) {
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			t.Micros = d.Int()
		case 2:
			t.Raw = d.Text()
		case 3:
			t.Zone = uint8(d.Uint(math.MaxUint8))
		case 4:
			t.Precision = uint8(d.Uint(math.MaxUint8))
		default:
			d.Fail()
		}
	}
}
