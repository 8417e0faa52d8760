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
	// ConfirmedKeep means that the message is protected and stays sealed.
	ConfirmedKeep Verdict = "confirmed, keep"
	// ConfirmedDestroy means that the message is protected and must be destroyed.
	ConfirmedDestroy Verdict = "confirmed, destroy"
	// RejectedRelease means that the message is not protected and must be released.
	RejectedRelease Verdict = "rejected, release"
)

var verdicts = []Verdict{ConfirmedKeep, ConfirmedDestroy, RejectedRelease}

// A Standing is the state of a message. Only Released messages may be read by anyone other than
// the judge.
type Standing string

// The standings.
const (
	Suspected Standing = "suspected"
	Confirmed Standing = "confirmed"
	// Conflicting means that judges decided differently. The message stays sealed.
	Conflicting Standing = "conflicting"
	// ToDestroy and ToRelease mean that the verdict has not been carried out yet. The
	// message stays sealed.
	ToDestroy Standing = "to destroy"
	ToRelease Standing = "to release"
	// Destroyed is final.
	Destroyed Standing = "destroyed"
	Released  Standing = "released"
)

// Sealed reports whether only the judge may read a message with this standing.
func (s Standing) Sealed() bool { return s != Released }

// A Decision is one entry of the log.
type Decision struct {
	// Number counts entries from 1. Append sets Number and Previous.
	Number uint64 `json:"number"`
	// Items are the keyed ids of the sealed messages.
	Items []argus.ID `json:"items"`
	// Judge is the person who decides. If CarriedOut is set, it is the person who carried
	// out the verdict.
	Judge   string  `json:"judge"`
	Verdict Verdict `json:"verdict"`
	// CarriedOut means that this entry carries out a verdict that the judges gave earlier.
	CarriedOut bool   `json:"carried_out,omitempty"`
	Reason     string `json:"reason"`
	// Settles holds the numbers of other judges' decisions that this one overrules.
	Settles []uint64  `json:"settles,omitempty"`
	Time    time.Time `json:"time"`
	// Previous is the SHA-256 of the previous line, and zero for the first line.
	Previous argus.Hash `json:"previous"`
}

// The limits of one decision.
const (
	maxItems   = 1 << 16
	maxSettles = 64
	maxReason  = 64 << 10
	maxLogLine = 4 << 20
)

// A Log holds the decisions of all judges, in order. It only grows. Its head belongs in the
// ledger, because a log itself does not show that it was truncated.
type Log struct {
	list []Decision
	text []byte
	head argus.Hash
	// byItem maps each item to its entries, in order.
	byItem map[argus.ID][]int
}

// NewLog returns an empty log.
func NewLog() *Log { return &Log{byItem: map[argus.ID][]int{}} }

// Text returns the log as a file of JSON lines.
func (l *Log) Text() []byte { return slices.Clone(l.text) }

// Head returns the number of entries and the SHA-256 of the last line.
func (l *Log) Head() (entries uint64, last argus.Hash) { return uint64(len(l.list)), l.head }

// Decisions returns the entries about an item.
func (l *Log) Decisions(item argus.ID) (list []Decision) {
	for _, i := range l.byItem[item] {
		list = append(list, l.list[i])
	}
	return list
}

// Append adds a decision, or returns an error with the reason for refusing it.
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
		return d, fmt.Errorf("decision %d has %d bytes, but at most %d are supported", d.Number, len(line), maxLogLine)
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
		return fmt.Errorf("the verdict is unknown; the verdicts are %q", verdicts)
	case strings.TrimSpace(d.Judge) == "" || strings.TrimSpace(d.Reason) == "":
		return errors.New("it must name a judge and a reason")
	case len(d.Reason) > maxReason || !utf8.ValidString(d.Reason) || !utf8.ValidString(d.Judge):
		return fmt.Errorf("the reason is longer than %d bytes, or is not valid UTF-8", maxReason)
	case len(d.Settles) > maxSettles:
		return fmt.Errorf("it settles %d decisions, but at most %d are supported", len(d.Settles), maxSettles)
	case len(d.Items) == 0 || len(d.Items) > maxItems:
		return fmt.Errorf("it names %d messages, want 1 to %d", len(d.Items), maxItems)
	case d.Time.IsZero() || d.Time.Year() > 9999:
		return errors.New("it has no time")
	case len(l.list) > 0 && d.Time.Before(l.list[len(l.list)-1].Time):
		return errors.New("its time is earlier than that of the previous decision; correct the clock")
	case d.CarriedOut && len(d.Settles) > 0:
		return errors.New("an entry that carries out a verdict cannot settle decisions")
	}
	items := map[argus.ID]bool{}
	for _, item := range d.Items {
		if items[item] {
			return fmt.Errorf("it names message %s twice", item)
		}
		items[item] = true
		switch now := l.Standing(item); {
		case now == Destroyed:
			return fmt.Errorf("message %s has been destroyed", item)
		case d.CarriedOut && (d.Verdict != ConfirmedDestroy || now != ToDestroy) && (d.Verdict != RejectedRelease || now != ToRelease):
			return fmt.Errorf("message %s is %s; only an agreed destruction or release can be carried out", item, now)
		}
	}
	for _, n := range d.Settles {
		if n == 0 || n >= d.Number {
			return fmt.Errorf("it settles decision %d, which does not exist", n)
		}
		if other := &l.list[n-1]; other.Judge == d.Judge || other.CarriedOut || !slices.ContainsFunc(other.Items, func(item argus.ID) bool { return items[item] }) {
			return fmt.Errorf("it cannot settle decision %d: it can only settle another judge's decision about the same messages", n)
		}
	}
	return nil
}

// Standing returns the state of a message. The last decision of each judge counts unless a
// later decision settles it. If the decisions that count differ, the state is Conflicting.
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
		carried = "" // a later decision about a released message seals the message again
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

// ParseLog reads a log. If the log is damaged, the error wraps argus.ErrDamaged, since a
// missing decision could release a message.
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
			return nil, fail(errors.New("it is not a decision"))
		}
		number, previous := d.Number, d.Previous
		if _, err := l.Append(d); err != nil {
			return nil, fail(err)
		}
		last := l.list[len(l.list)-1]
		if last.Number != number || last.Previous != previous || !bytes.HasSuffix(l.text, line) {
			return nil, fail(errors.New("it does not follow the previous line"))
		}
	}
	return l, nil
}
