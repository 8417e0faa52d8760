package sandbox

import (
	"context"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

const (
	// mostHeld is how many problems are held back until a reader is chosen; a reader
	// that finds a message after more of them begins again.
	mostHeld = 256
	// mostSuggested is how many problems may precede the first message of a format
	// that only the neighbouring files suggest.
	mostSuggested = 8
)

// choose reads a file with the first of its claims that finds a message in it: a format
// that finds only problems passes the file on to the next. If none finds a message, the
// first with a problem takes the file; but a file whose format only its neighbours suggest
// is then left without a format.
func (w *work) choose(ctx context.Context, in reader.Input, claims []reader.Claim, suggested bool, e *Event, got *reached) error {
	file, first := e.File, -1
	for i, c := range claims {
		if len(claims) == 1 && !suggested {
			break
		}
		file.Reader = c.Format.String()
		r := reading{work: w, e: e, got: got, note: noteOf(claims, i), most: -1}
		if suggested {
			r.most = mostSuggested
		}
		if err := r.read(ctx, in, c.Format); err != nil || r.taken {
			return err
		}
		if first < 0 && r.problems > 0 {
			first = i
		}
	}
	if suggested {
		file.Reader = ""
		return w.hand(*e)
	}
	format := claims[max(first, 0)].Format
	file.Reader = format.String()
	r := reading{work: w, e: e, got: got}
	if err := r.take(); err != nil {
		return err
	}
	return r.read(ctx, in, format)
}

// noteOf returns the note for the messages of a file if another format is as sure of
// it, or nil if none is.
func noteOf(claims []reader.Claim, taken int) []argus.Field {
	var others []string
	for i, c := range claims {
		if i != taken && c.Sure == claims[taken].Sure {
			others = append(others, c.Format.Name)
		}
	}
	if others == nil {
		return nil
	}
	return []argus.Field{argus.Assumed("format", claims[taken].Format.Name+"; as sure of the file: "+strings.Join(others, ", "))}
}

// reading is the state of reading a file in one format.
type reading struct {
	*work
	e    *Event // its File is nil once it has been passed on
	got  *reached
	note []argus.Field // for each message
	most int           // problems before the first message, -1 for no limit

	taken    bool // the format has the file
	problems int  // before the format had it
	held     []reader.Item
}

// take passes on the file and the items held back.
func (r *reading) take() error {
	r.taken = true
	if err := r.hand(*r.e); err != nil {
		return err
	}
	r.e.File = nil
	for _, item := range r.held {
		if err := r.item(item); err != nil {
			return err
		}
	}
	r.held = nil
	return nil
}

func (r *reading) item(item reader.Item) error {
	if m := item.Message; m != nil {
		zeroIsNoTime(m)
		m.Extra = append(m.Extra, r.note...)
	}
	return r.hand(Event{Item: item})
}

// zeroIsNoTime removes the moment 0, which programs write when a time is missing, from
// the times of a message.
func zeroIsNoTime(m *argus.Message) {
	for _, t := range [...]struct {
		name string
		time *argus.Time
	}{{"sent", &m.Sent}, {"received", &m.Received}, {"read", &m.Read}, {"edited", &m.Edited}} {
		if t.time.Known() && t.time.Micros == 0 {
			m.Extra = append(m.Extra, argus.Unread(t.name, t.time.Raw+" is not a time"))
			*t.time = argus.Time{}
		}
	}
}

// read passes on the items of a format, once it has taken the file with its first
// message.
func (r *reading) read(ctx context.Context, in reader.Input, format *reader.Format) error {
	*r.got = reached{}
	for item, err := range format.Items(ctx, in) {
		if r.fault != nil {
			return r.fault
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			item = r.got.item("the file cannot be read further: "+err.Error(), in.Size)
		}
		r.got.add(item)
		switch {
		case r.taken:
			err = r.item(item)
		case item.Message == nil:
			if r.problems++; r.problems == r.most+1 && r.most >= 0 {
				return nil
			}
			if r.problems <= mostHeld {
				r.held = append(r.held, item)
			}
			continue
		case r.problems > mostHeld:
			r.held = nil // not all
			if err = r.take(); err == nil {
				err = r.read(ctx, in, format)
			}
			return err
		default:
			if err = r.take(); err == nil {
				err = r.item(item)
			}
		}
		if err != nil {
			return err
		}
	}
	return r.fault
}
