package privilege

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
)

var (
	itemA = argus.ID{1}
	itemB = argus.ID{2}
)

func decide(judge string, v Verdict, items ...argus.ID) Decision {
	return Decision{Items: items, Judge: judge, Verdict: v, Reason: "read it", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func carriedOut(v Verdict, items ...argus.ID) Decision {
	d := decide("custodian", v, items...)
	d.CarriedOut = true
	return d
}

func settling(d Decision, numbers ...uint64) Decision {
	d.Settles = numbers
	return d
}

// TestStandings goes through the possible histories of a message.
func TestStandings(t *testing.T) {
	for name, one := range map[string]struct {
		entries []Decision
		want    Standing
	}{
		"nothing is decided":        {nil, Suspected},
		"about another message":     {[]Decision{decide("X", RejectedRelease, itemB)}, Suspected},
		"confirmed":                 {[]Decision{decide("X", ConfirmedKeep, itemA)}, Confirmed},
		"to be destroyed":           {[]Decision{decide("X", ConfirmedDestroy, itemA, itemB)}, ToDestroy},
		"destroyed":                 {[]Decision{decide("X", ConfirmedDestroy, itemA), carriedOut(ConfirmedDestroy, itemA)}, Destroyed},
		"to be released":            {[]Decision{decide("X", RejectedRelease, itemA)}, ToRelease},
		"released":                  {[]Decision{decide("X", RejectedRelease, itemA), carriedOut(RejectedRelease, itemA)}, Released},
		"released, then doubted":    {[]Decision{decide("X", RejectedRelease, itemA), carriedOut(RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA)}, Conflicting},
		"two judges agree":          {[]Decision{decide("X", RejectedRelease, itemA), decide("Y", RejectedRelease, itemA)}, ToRelease},
		"two judges differ":         {[]Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA)}, Conflicting},
		"keep against destroy":      {[]Decision{decide("X", ConfirmedDestroy, itemA), decide("Y", ConfirmedKeep, itemA)}, Conflicting},
		"the second gives in":       {[]Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA), decide("Y", RejectedRelease, itemA)}, ToRelease},
		"a third settles both":      {[]Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA), settling(decide("Z", ConfirmedKeep, itemA), 1, 2)}, Confirmed},
		"a third settles only one":  {[]Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA), settling(decide("Z", RejectedRelease, itemA), 1)}, Conflicting},
		"a judge repeats after it":  {[]Decision{decide("X", RejectedRelease, itemA), settling(decide("Z", ConfirmedKeep, itemA), 1), decide("X", RejectedRelease, itemA)}, Conflicting},
		"a judge changes his mind":  {[]Decision{decide("X", ConfirmedKeep, itemA), decide("X", RejectedRelease, itemA)}, ToRelease},
		"released, then kept again": {[]Decision{decide("X", RejectedRelease, itemA), carriedOut(RejectedRelease, itemA), decide("X", ConfirmedKeep, itemA)}, Confirmed},
	} {
		l := NewLog()
		for _, d := range one.entries {
			if _, err := l.Append(d); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got := l.Standing(itemA); got != one.want || got.Sealed() != (one.want != Released) {
			t.Errorf("%s: %s, want %s", name, got, one.want)
		}
		again, err := ParseLog(l.Text())
		if err != nil || again.Standing(itemA) != one.want {
			t.Errorf("%s: read again: %v", name, err)
		}
	}
}

// TestDecisionsRefused appends decisions that are invalid or would lose information.
func TestDecisionsRefused(t *testing.T) {
	l := NewLog()
	for _, d := range []Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA), decide("X", ConfirmedDestroy, itemB), carriedOut(ConfirmedDestroy, itemB)} {
		if _, err := l.Append(d); err != nil {
			t.Fatal(err)
		}
	}
	change := func(f func(*Decision)) Decision {
		d := decide("X", ConfirmedKeep, itemA)
		f(&d)
		return d
	}
	text := l.Text()
	for want, d := range map[string]Decision{
		"verdict is unknown":       decide("X", "forget", itemA),
		"a judge and a reason":     change(func(d *Decision) { d.Reason = "  " }),
		"a judge and a":            change(func(d *Decision) { d.Judge = "" }),
		"names 0 messages":         change(func(d *Decision) { d.Items = nil }),
		"twice":                    change(func(d *Decision) { d.Items = []argus.ID{itemA, itemA} }),
		"no time":                  change(func(d *Decision) { d.Time = time.Time{} }),
		"earlier than":             change(func(d *Decision) { d.Time = d.Time.Add(-time.Hour) }),
		"longer than":              change(func(d *Decision) { d.Reason = strings.Repeat("x", maxReason+1) }),
		"not valid UTF-8":          change(func(d *Decision) { d.Reason = "\xff" }),
		"has been destroyed":       decide("X", RejectedRelease, itemB),
		"is conflicting":           carriedOut(RejectedRelease, itemA),
		"does not exist":           settling(decide("Z", ConfirmedKeep, itemA), 9),
		"another judge's decision": settling(decide("X", ConfirmedKeep, itemA), 1),
		"cannot settle decision":   settling(decide("Z", ConfirmedKeep, itemA), 3),
		"cannot settle decisions":  settling(carriedOut(RejectedRelease, itemA), 1),
	} {
		if _, err := l.Append(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
	if !bytes.Equal(text, l.Text()) {
		t.Error("a refused decision changed the log")
	}
}

// TestLogFile checks that each change to a log is detected, except truncation between lines,
// which only the head shows.
func TestLogFile(t *testing.T) {
	l := NewLog()
	for _, d := range []Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA, itemB), settling(decide("Z", ConfirmedKeep, itemA), 1)} {
		if _, err := l.Append(d); err != nil {
			t.Fatal(err)
		}
	}
	text := l.Text()
	n, head := l.Head()
	for i := range text {
		broken := bytes.Clone(text)
		broken[i] ^= 1
		if again, err := ParseLog(broken); err == nil {
			if _, h := again.Head(); h == head {
				t.Fatalf("byte %d can be changed", i)
			}
		} else if !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
		again, err := ParseLog(text[:i])
		if err == nil {
			if m, h := again.Head(); m == n || h == head {
				t.Fatalf("the log can be cut at %d", i)
			}
		}
	}
	lines := bytes.SplitAfter(text, []byte("\n"))
	if _, err := ParseLog(bytes.Join([][]byte{lines[0], lines[2]}, nil)); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("a line is missing: %v", err)
	}
	if got := l.Decisions(itemB); len(got) != 1 || got[0].Judge != "Y" {
		t.Errorf("%+v", got)
	}
}

// TestReleasedOnlyIfAllAgree checks that no sequence of decisions releases a message
// against a judge's last decision, unless another judge settled it.
func TestReleasedOnlyIfAllAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLog()
		last := map[string]Verdict{}
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			d := decide(rapid.SampledFrom([]string{"X", "Y", "Z"}).Draw(t, "judge"), rapid.SampledFrom(verdicts).Draw(t, "verdict"), itemA)
			d.CarriedOut = rapid.Bool().Draw(t, "carried out")
			if _, err := l.Append(d); err == nil && !d.CarriedOut {
				last[d.Judge] = d.Verdict
			}
		}
		if s := l.Standing(itemA); s == Released || s == ToRelease {
			for judge, v := range last {
				if v != RejectedRelease {
					t.Fatalf("%s, but %s says %s", s, judge, v)
				}
			}
		}
	})
}

func FuzzParseLog(f *testing.F) {
	l := NewLog()
	for _, d := range []Decision{decide("X", RejectedRelease, itemA), decide("Y", ConfirmedKeep, itemA)} {
		if _, err := l.Append(d); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(l.Text())
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := ParseLog(data); err == nil && !bytes.Equal(l.Text(), data) {
			t.Fatal("the log is not canonical")
		}
	})
}
