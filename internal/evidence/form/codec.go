package form

import (
	"math"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor"
)

// Nearly all records are messages and sightings. This file writes and reads their parts
// without reflection, exactly as partEncoding and partDecoding do (TestCodec, FuzzCodec).
// Those handle rare fields, such as facts, and everything that is not canonical.

// preallocated is the maximum number of list elements to allocate before reading them:
// data may claim more than it holds.
const preallocated = 64

// plain reports whether appendRecord can write a record.
func plain(r *argus.Record) bool {
	return (r.Kind == argus.KindMessage || r.Kind == argus.KindSighting) && r.Message != nil && r.Message.Facts == nil &&
		r.Quarantine == nil && r.Original == nil && r.Opening == nil && r.Stated == nil && r.Sealed == nil && r.Key == nil &&
		r.Opened == nil && r.Act == nil && r.Derived == nil && r.Reading == nil && r.Amendment == nil
}

func putRecord(e *corecbor.Encoder, r *argus.Record) {
	e.Begin()
	e.UintAt(1, uint64(r.Kind))
	if r.ID != (argus.ID{}) {
		e.BytesAt(2, r.ID[:])
	}
	if r.Version != (argus.Version{}) {
		e.BytesAt(3, r.Version[:])
	}
	e.Key(4)
	putMessage(e, r.Message)
	e.UintAt(5, r.Of)
	if w := &r.Where; *w != (argus.Where{}) {
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
	if r.Met != (argus.ID{}) {
		e.BytesAt(11, r.Met[:])
	}
	if r.Content != (argus.Hash{}) {
		e.BytesAt(12, r.Content[:])
	}
	e.IntAt(20, r.Moved)
	e.End()
}

func putMessage(e *corecbor.Encoder, m *argus.Message) {
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
	putTime(e, 9, &m.Sent)
	putTime(e, 10, &m.Received)
	putTime(e, 11, &m.Read)
	e.TextAt(12, m.Text)
	e.TextAt(13, m.Lang)
	e.UintAt(14, uint64(m.State))
	e.TextAt(15, m.ReplyTo)
	e.TextAt(16, m.ForwardedFrom)
	putAttachments(e, 17, m.Attachments)
	putLocked(e, 18, m.Locked)
	if len(m.Extra) > 0 {
		e.Key(19)
		e.Array(len(m.Extra))
		for i := range m.Extra {
			e.Begin()
			e.Key(1)
			e.Text(m.Extra[i].Name)
			e.Key(2)
			e.Text(m.Extra[i].Value)
			e.End()
		}
	}
	e.UintAt(20, uint64(m.Repeat))
	e.UintAt(21, uint64(m.Type))
	putTime(e, 23, &m.Edited)
	e.UintAt(24, uint64(m.AccountReach))
	e.UintAt(25, uint64(m.ConversationReach))
	e.End()
}

func putTime(e *corecbor.Encoder, key uint64, t *argus.Time) {
	if *t == (argus.Time{}) {
		return
	}
	e.Key(key)
	e.Begin()
	e.IntAt(1, t.Micros)
	e.TextAt(2, t.Raw)
	e.UintAt(3, uint64(t.Zone))
	e.UintAt(4, uint64(t.Precision))
	e.UintAt(5, uint64(t.Clock))
	e.End()
}

func putAttachments(e *corecbor.Encoder, key uint64, list []argus.Attachment) {
	if len(list) == 0 {
		return
	}
	e.Key(key)
	e.Array(len(list))
	for i := range list {
		a := &list[i]
		e.Begin()
		e.TextAt(1, a.Name)
		if !a.Missing() {
			e.BytesAt(2, a.Hash[:])
		}
		e.IntAt(3, a.Size)
		e.TextAt(4, a.Type)
		e.End()
	}
}

func putLocked(e *corecbor.Encoder, key uint64, l *argus.Locked) {
	if l == nil {
		return
	}
	e.Key(key)
	e.Begin()
	e.TextAt(1, l.KeyID)
	e.TextAt(2, l.Algorithm)
	e.BytesAt(3, l.Payload)
	e.End()
}

// putContent writes a content that has no facts.
func putContent(e *corecbor.Encoder, c *Content) {
	e.Begin()
	e.TextAt(1, c.Text)
	putAttachments(e, 3, c.Attachments)
	putLocked(e, 4, c.Locked)
	e.BytesAt(5, c.Raw)
	e.BytesAt(6, c.Sealed)
	e.End()
}

// getRecord reads a record that putRecord wrote. If it returns false, partDecoding must
// read the record again.
func getRecord(data []byte, r *argus.Record) bool {
	d := corecbor.NewDecoder(data)
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			r.Kind = argus.Kind(d.Uint(math.MaxUint8))
		case 2:
			d.Fixed(r.ID[:])
		case 3:
			d.Fixed(r.Version[:])
		case 4:
			r.Message = new(argus.Message)
			getMessage(d, r.Message)
		case 5:
			r.Of = d.Uint(math.MaxUint64)
		case 6:
			getWhere(d, &r.Where)
		case 11:
			d.Fixed(r.Met[:])
		case 12:
			d.Fixed(r.Content[:])
		case 20:
			r.Moved = d.Int()
		default:
			d.Fail()
		}
	}
	return d.Whole() && plain(r)
}

func getWhere(d *corecbor.Decoder, w *argus.Where) {
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

func getMessage(d *corecbor.Decoder, m *argus.Message) {
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
			m.State = argus.State(d.Uint(math.MaxUint8))
		case 15:
			m.ReplyTo = d.Text()
		case 16:
			m.ForwardedFrom = d.Text()
		case 17:
			m.Attachments = getAttachments(d)
		case 18:
			m.Locked = getLocked(d)
		case 19:
			m.Extra = getFields(d)
		case 20:
			m.Repeat = uint32(d.Uint(math.MaxUint32))
		case 21:
			m.Type = argus.Type(d.Uint(math.MaxUint8))
		case 23:
			getTime(d, &m.Edited)
		case 24:
			m.AccountReach = argus.Reach(d.Uint(math.MaxUint8))
		case 25:
			m.ConversationReach = argus.Reach(d.Uint(math.MaxUint8))
		default:
			d.Fail()
		}
	}
}

func getTime(d *corecbor.Decoder, t *argus.Time) {
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			t.Micros = d.Int()
		case 2:
			t.Raw = d.Text()
		case 3:
			t.Zone = argus.ZoneSource(d.Uint(math.MaxUint8))
		case 4:
			t.Precision = argus.Precision(d.Uint(math.MaxUint8))
		case 5:
			t.Clock = argus.Clock(d.Uint(math.MaxUint8))
		default:
			d.Fail()
		}
	}
}

func getAttachments(d *corecbor.Decoder) []argus.Attachment {
	n := d.Array(argus.MaxList)
	list := make([]argus.Attachment, 0, min(n, preallocated))
	for range n {
		var a argus.Attachment
		for p := d.Map(); p.Next(); {
			switch p.Key {
			case 1:
				a.Name = d.Text()
			case 2:
				d.Fixed(a.Hash[:])
			case 3:
				a.Size = d.Int()
			case 4:
				a.Type = d.Text()
			default:
				d.Fail()
			}
		}
		if list = append(list, a); !d.Sound() {
			return nil
		}
	}
	return list
}

func getLocked(d *corecbor.Decoder) *argus.Locked {
	l := new(argus.Locked)
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			l.KeyID = d.Text()
		case 2:
			l.Algorithm = d.Text()
		case 3:
			l.Payload = d.Bytes()
		default:
			d.Fail()
		}
	}
	return l
}

func getFields(d *corecbor.Decoder) []argus.Field {
	n := d.Array(argus.MaxList)
	list := make([]argus.Field, 0, min(n, preallocated))
	for range n {
		var f argus.Field
		pairs := 0
		for p := d.Map(); p.Next(); pairs++ {
			switch p.Key {
			case 1:
				f.Name = d.TextOrEmpty()
			case 2:
				f.Value = d.TextOrEmpty()
			default:
				d.Fail()
			}
		}
		if list = append(list, f); pairs != 2 {
			d.Fail()
			return nil
		}
	}
	return list
}

// getContent reads a content that putContent wrote. If it returns false, partDecoding must
// read the content again.
func getContent(data []byte, c *Content) bool {
	d := corecbor.NewDecoder(data)
	for p := d.Map(); p.Next(); {
		switch p.Key {
		case 1:
			c.Text = d.Text()
		case 3:
			c.Attachments = getAttachments(d)
		case 4:
			c.Locked = getLocked(d)
		case 5:
			c.Raw = d.Bytes()
		case 6:
			c.Sealed = d.Bytes()
		default:
			d.Fail()
		}
	}
	return d.Whole()
}
