package query

import (
	"bytes"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/same"
)

// SameKey returns the content key of a message as its asker sees it: the lowest key among
// the copies that have its sent time and some content.
func (d *Doc) SameKey() same.Key {
	var a Analyzer
	return a.sameKey(d)
}

func (a *Analyzer) sameKey(d *Doc) (least same.Key) {
	lead := &d.Lead().Message.Sent
	for i := range d.Sightings {
		m := d.Sightings[i].Message
		if m.Sent.Micros != lead.Micros || Quality(&m.Sent) != Quality(lead) {
			continue
		}
		if key := a.same.Key(m); key != (same.Key{}) && (least == same.Key{} || bytes.Compare(key.Sum[:], least.Sum[:]) < 0) {
			least = key
		}
	}
	return least
}

// HasSame reports whether a query asks for messages with the same content.
func HasSame(n Node) bool {
	return Any(n, func(n Node) bool { f, ok := n.(Field); return ok && f.Name == Same })
}

// The minimum and maximum number of digits in a reference.
const shortRef, longRef = 6, 2 * len(argus.ID{})

// same reads a reference to a message, or a key as it is printed in a query.
func (p *parser) same(w piece, exact bool) (string, error) {
	value := strings.ToLower(w.value)
	if exact {
		if _, ok := same.Parse(Exact + value); ok {
			return Exact + value, nil
		}
		return "", p.fail(w.start, w.end, "same:= takes a content key as an answer prints it").hint("to find the messages with the same content as another, write same:REF with its reference")
	}
	if len(value) < shortRef || len(value) > longRef || strings.Trim(value, "0123456789abcdef") != "" {
		return "", p.fail(w.start, w.end, "%q is not a reference to a message: want %d to %d hexadecimal digits", oneLine(cut(w.value, 40)), shortRef, longRef)
	}
	return value, nil
}
