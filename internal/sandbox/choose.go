package sandbox

import (
	"context"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
)

const (
	// mostHeld is the maximum number of problems that are held back until a reader is
	// chosen; a reader that finds a message after more problems starts again.
	mostHeld = 256
	// mostSuggested is the maximum number of problems before the first message in a format
	// that only the neighbouring files suggest.
	mostSuggested = 8
)

// choose reads a file with the first claimed format that finds a message in it: a format
// that finds only problems passes the file on to the next. If no format finds a message,
// the first that found a problem takes the file; but if only the neighbours suggest a
// format, the file is left without one.
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

// noteOf returns a note for the messages in a file if another format is equally sure of the
// file, and nil otherwise.
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
	return []argus.Field{argus.Assumed("format", claims[taken].Format.Name+"; equally sure of the file: "+strings.Join(others, ", "))}
}

// reading is the state of reading a file in one format.
type reading struct {
	*work
	e    *Event // its File is nil after it has been passed on
	got  *reached
	note []argus.Field // for each message
	most int           // problems before the first message, -1 for no limit

	taken    bool // the format has the file
	problems int  // before the format had it
	held     []reader.Item
}

// take passes on the file and the items that were held back.
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

// zeroIsNoTime removes times equal to 0 from a message: programs write 0 when a time is
// missing.
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

// read passes on the items of a format after the first message, with which the format takes
// the file.
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
