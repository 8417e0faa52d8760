package privilege

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// A Verdict is the decision of a judge about a suspected message, with its consequence.
type Verdict string

// The verdicts.
const (
	// ConfirmedKeep: it is protected and stays sealed.
	ConfirmedKeep Verdict = "confirmed, keep"
	// ConfirmedDestroy: it is protected and is destroyed.
	ConfirmedDestroy Verdict = "confirmed, destroy"
	// RejectedRelease: it is not protected and is released.
	RejectedRelease Verdict = "rejected, release"
)

var verdicts = []Verdict{ConfirmedKeep, ConfirmedDestroy, RejectedRelease}

// A Standing is the state of a message. Only Released messages may be read by others
// than the judge.
type Standing string

// The standings.
const (
	Suspected Standing = "suspected"
	Confirmed Standing = "confirmed"
	// Conflicting: judges decided differently. It stays sealed.
	Conflicting Standing = "conflicting"
	// ToDestroy and ToRelease are decided and not carried out; it stays sealed.
	ToDestroy Standing = "to destroy"
	ToRelease Standing = "to release"
	// Destroyed is final.
	Destroyed Standing = "destroyed"
	Released  Standing = "released"
)

// Sealed reports whether nobody but the judge may read a message of this standing.
func (s Standing) Sealed() bool { return s != Released }

// A Decision is one entry of the log.
type Decision struct {
	// Number counts entries from 1; Append sets it, and Previous.
	Number uint64 `json:"number"`
	// Items are the keyed ids of the sealed messages.
	Items []argus.ID `json:"items"`
	// Judge is who decides. An entry that says that something was carried out names who
	// did it.
	Judge   string  `json:"judge"`
	Verdict Verdict `json:"verdict"`
	// CarriedOut means that the verdict, which the judges gave before, is carried out now.
	CarriedOut bool   `json:"carried_out,omitempty"`
	Reason     string `json:"reason"`
	// Settles are the numbers of decisions of other judges that this one overrules.
	Settles []uint64  `json:"settles,omitempty"`
	Time    time.Time `json:"time"`
	// Previous is the SHA-256 of the line before, zero for the first.
	Previous argus.Hash `json:"previous"`
}

// Limits of one decision.
const (
	maxItems   = 1 << 16
	maxSettles = 64
	maxReason  = 64 << 10
	maxLogLine = 4 << 20
)

// A Log is the decisions of all judges, in order. It only grows. Its head belongs in the
// ledger: a log that was cut off at the end is whole in itself.
type Log struct {
	list []Decision
	text []byte
	head argus.Hash
	// byItem has the entries about each item, in order.
	byItem map[argus.ID][]int
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{byItem: map[argus.ID][]int{}} }

// Text is the log as a file of JSON lines.
func (l *Log) Text() []byte { return slices.Clone(l.text) }

// Head is the number of entries and the SHA-256 of the last line.
func (l *Log) Head() (entries uint64, last argus.Hash) { return uint64(len(l.list)), l.head }

// Decisions are the entries about an item.
func (l *Log) Decisions(item argus.ID) (list []Decision) {
	for _, i := range l.byItem[item] {
		list = append(list, l.list[i])
	}
	return list
}

// Append adds a decision, or refuses it with the reason.
func (l *Log) Append(d Decision) (Decision, error) {
	d.Number, d.Previous, d.Time = uint64(len(l.list)+1), l.head, d.Time.UTC().Truncate(time.Second)
	if err := l.check(&d); err != nil {
		return d, fmt.Errorf("decision %d: %w", d.Number, err)
	}
	line, err := json.Marshal(d)
	if err != nil {
		return d, fmt.Errorf("decision %d: %w", d.Number, err)
	}
	if len(line) > maxLogLine {
		return d, fmt.Errorf("decision %d takes %d bytes, at most %d are supported", d.Number, len(line), maxLogLine)
	}
	for _, item := range d.Items {
		l.byItem[item] = append(l.byItem[item], len(l.list))
	}
	l.list = append(l.list, d)
	l.text = append(append(l.text, line...), '\n')
	l.head = sha256.Sum256(line)
	return d, nil
}

func (l *Log) check(d *Decision) error {
	switch {
	case !slices.Contains(verdicts, d.Verdict):
		return fmt.Errorf("the verdict is unknown; want one of %q", verdicts)
	case strings.TrimSpace(d.Judge) == "" || strings.TrimSpace(d.Reason) == "":
		return errors.New("it needs a judge and a reason")
	case len(d.Reason) > maxReason || !utf8.ValidString(d.Reason) || !utf8.ValidString(d.Judge):
		return fmt.Errorf("the reason has more than %d bytes, or is not UTF-8", maxReason)
	case len(d.Settles) > maxSettles:
		return fmt.Errorf("it settles %d decisions, at most %d are supported", len(d.Settles), maxSettles)
	case len(d.Items) == 0 || len(d.Items) > maxItems:
		return fmt.Errorf("it names %d messages, want 1 to %d", len(d.Items), maxItems)
	case d.Time.IsZero() || d.Time.Year() > 9999:
		return errors.New("it has no time")
	case len(l.list) > 0 && d.Time.Before(l.list[len(l.list)-1].Time):
		return errors.New("it is earlier than the decision before it; correct the clock")
	case d.CarriedOut && len(d.Settles) > 0:
		return errors.New("an entry that carries out a verdict settles nothing")
	}
	items := map[argus.ID]bool{}
	for _, item := range d.Items {
		if items[item] {
			return fmt.Errorf("it names message %s twice", item)
		}
		items[item] = true
		switch now := l.Standing(item); {
		case now == Destroyed:
			return fmt.Errorf("message %s is destroyed", item)
		case d.CarriedOut && (d.Verdict != ConfirmedDestroy || now != ToDestroy) && (d.Verdict != RejectedRelease || now != ToRelease):
			return fmt.Errorf("message %s is %s; only an agreed destruction or release is carried out", item, now)
		}
	}
	for _, n := range d.Settles {
		if n == 0 || n >= d.Number {
			return fmt.Errorf("it settles decision %d, which does not exist", n)
		}
		if other := &l.list[n-1]; other.Judge == d.Judge || other.CarriedOut || !slices.ContainsFunc(other.Items, func(item argus.ID) bool { return items[item] }) {
			return fmt.Errorf("it cannot settle decision %d: only another judge's about the same messages", n)
		}
	}
	return nil
}

// Standing returns the state of a message. The last decision of each judge counts unless a
// later one settles it; if those that count differ, the state is Conflicting.
func (l *Log) Standing(item argus.ID) Standing {
	position := map[string]*Decision{}
	settled := map[uint64]bool{}
	carried := Verdict("")
	for _, i := range l.byItem[item] {
		d := &l.list[i]
		if d.CarriedOut {
			if carried = d.Verdict; carried == ConfirmedDestroy {
				return Destroyed
			}
			continue
		}
		carried = "" // a later decision about a released message seals it again
		for _, n := range d.Settles {
			settled[n] = true
		}
		position[d.Judge] = d
	}
	agreed := Verdict("")
	for _, d := range position {
		if settled[d.Number] {
			continue
		}
		if agreed != "" && agreed != d.Verdict {
			return Conflicting
		}
		agreed = d.Verdict
	}
	switch {
	case agreed == ConfirmedKeep:
		return Confirmed
	case agreed == ConfirmedDestroy:
		return ToDestroy
	case agreed == RejectedRelease && carried == RejectedRelease:
		return Released
	case agreed == RejectedRelease:
		return ToRelease
	}
	return Suspected
}

// ParseLog reads a log. Damage is an error that wraps argus.ErrDamaged: a missing
// decision could release a message.
func ParseLog(text []byte) (*Log, error) {
	l := NewLog()
	fail := func(err error) error {
		return fmt.Errorf("read the decisions: line %d: %w: %w", len(l.list)+1, err, argus.ErrDamaged)
	}
	for line := range bytes.Lines(text) {
		bare, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole || len(bare) > maxLogLine {
			return nil, fail(errTruncated)
		}
		var d Decision
		dec := json.NewDecoder(bytes.NewReader(bare))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&d); err != nil {
			return nil, fail(errors.New("it is no decision"))
		}
		number, previous := d.Number, d.Previous
		if _, err := l.Append(d); err != nil {
			return nil, fail(err)
		}
		last := l.list[len(l.list)-1]
		if last.Number != number || last.Previous != previous || !bytes.HasSuffix(l.text, line) {
			return nil, fail(errors.New("it does not follow the line before"))
		}
	}
	return l, nil
}
