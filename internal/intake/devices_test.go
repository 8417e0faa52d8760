package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/check"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// textReport writes a text report with the copies of several phones. skews are the errors of
// their clocks in seconds.
func textReport(all []chat, skews ...int) string {
	var s strings.Builder
	for i, skew := range skews {
		fmt.Fprintf(&s, "Conversations found on device 0%d Phone used by custodian %d\n", i+1, i+1)
		fmt.Fprintf(&s, "WhatsApp conversation about 31600000004 containing %d messages between 2 participants\n", len(all))
		for _, m := range all {
			from, to := "Anna", "Bert"
			if !m.byA {
				from, to = to, from
			}
			sent := argus.Time{Micros: (1613300000 + int64(m.second+skew)) * 1e6, Precision: argus.Second}
			fmt.Fprintf(&s, "%s | From: %s | To: %s | Message: %s\n", strings.TrimSuffix(sent.String(), "Z"), from, to, m.text)
		}
		s.WriteString("\n")
	}
	return s.String()
}

// TestDevicesOfAFileMeet takes in one report with copies from several phones: each message is
// stored once, whatever their clocks show, even if the part from one phone is taken in again on
// its own.
func TestDevicesOfAFileMeet(t *testing.T) {
	all := inventedChat()
	again := []chat{{100000, true, "ok"}, {100000, true, "ok"}} // twice in a second
	all = append(all, again...)
	want := map[string]int{}
	for _, m := range all {
		want[map[bool]string{true: "Anna", false: "Bert"}[m.byA]+" "+m.text]++
	}
	for _, skews := range [][]int{{0, 0}, {0, 1}, {0, -5, 5}, {0, 3, 3}} {
		b := newBench(t)
		first := b.ingest(t, write(t, t.TempDir(), "report.txt", textReport(all, skews...)))
		if first.Counts.Stored != uint64(len(all)) || first.Counts.Quarantined != 0 || first.Counts.Read != uint64(len(all)*len(skews)) {
			t.Errorf("clocks %v: %+v, want %d messages", skews, first.Counts, len(all))
		}
		part := b.ingest(t, write(t, t.TempDir(), "part.txt", textReport(all, skews[len(skews)-1])))
		if part.Counts.Stored != 0 {
			t.Errorf("clocks %v, a phone again: %+v, want sightings only", skews, part.Counts)
		}
		got := map[string]int{}
		for r, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Kind == argus.KindMessage {
				got[r.Message.From+" "+r.Message.Text]++
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("clocks %v: %s", skews, diff)
		}
		if _, err := check.Verify(t.Context(), b.dir, nil, func(f check.Finding) { t.Error(f) }, func(int64) {}, nil); err != nil {
			t.Error(err)
		}
	}
}

// TestDevicesOfAFileMeetAnEarlierDelivery has a file in which the copies from the first phone
// met messages of an earlier delivery: the copies from the second phone belong to the same
// messages.
func TestDevicesOfAFileMeetAnEarlierDelivery(t *testing.T) {
	all := inventedChat()
	b := newBench(t)
	b.ingest(t, write(t, t.TempDir(), "report.txt", textReport(all, 0, 2)))
	second := b.ingest(t, write(t, t.TempDir(), "second.txt", textReport(all, 2, 4)))
	if second.Counts.Stored != 0 {
		t.Errorf("%+v, want sightings only", second.Counts)
	}
	if _, err := check.Verify(t.Context(), b.dir, nil, func(f check.Finding) { t.Error(f) }, func(int64) {}, nil); err != nil {
		t.Error(err)
	}
}

// TestDevicesOfAFileGoOn interrupts the reading of a report from two phones at many points: the
// messages and the copies that met are the same.
func TestDevicesOfAFileGoOn(t *testing.T) {
	all := inventedChat()[:60]
	source := write(t, t.TempDir(), "report.txt", textReport(append(all, chat{9000, true, "ok"}, chat{9000, true, "ok"}), 0, 2))
	copies := func(b *bench) (list []string) {
		for r, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Message != nil {
				list = append(list, fmt.Sprint(r.Kind, r.ID, r.MessageID(), r.Message.Repeat))
			}
		}
		return list
	}
	whole := newBench(t)
	whole.ingest(t, source)
	stop := errors.New("stop here")
	for stopAfter := 1; stopAfter < 13; stopAfter += 3 {
		b := newBench(t)
		b.o.BatchRecords = 10
		batches := 0
		b.o.Pace = func(context.Context) error {
			if batches++; batches > stopAfter {
				return stop
			}
			return nil
		}
		if _, err := Ingest(t.Context(), b.o, source); !errors.Is(err, stop) {
			t.Fatal(err)
		}
		b.o.Pace = nil
		b.ingest(t, source)
		if diff := cmp.Diff(copies(whole), copies(b)); diff != "" {
			t.Errorf("interrupted after %d batches: %s", stopAfter, diff)
		}
	}
}

// TestDevicesOfAFileAreStrict takes in copies that must not meet.
func TestDevicesOfAFileAreStrict(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"one phone":           {textReport([]chat{{10, true, "ok"}, {12, true, "ok"}}, 0), 2},
		"too far apart":       {textReport([]chat{{10, true, "ok"}}, 0, meetSeconds+1), 2},
		"two on the other":    {textReport([]chat{{10, true, "ok"}}, 0) + strings.ReplaceAll(textReport([]chat{{11, true, "ok"}, {12, true, "ok"}}, 0), "device 01", "device 02"), 2},
		"another's":           {textReport([]chat{{10, true, "ok"}}, 0) + strings.ReplaceAll(textReport([]chat{{11, false, "ok"}}, 0), "device 01", "device 02"), 2},
		"a phone comes again": {textReport([]chat{{10, true, "ok"}}, 0) + strings.ReplaceAll(textReport([]chat{{11, true, "no"}}, 0), "device 01", "device 02") + textReport([]chat{{12, true, "ok"}}, 0), 3},
	} {
		b := newBench(t)
		if r := b.ingest(t, write(t, t.TempDir(), "f.txt", c.text)); r.Counts.Stored != uint64(c.want) {
			t.Errorf("%s: %+v, want %d messages", name, r.Counts, c.want)
		}
	}
}

// TestDevicesAreBounded adds copies from many devices and of many messages.
func TestDevicesAreBounded(t *testing.T) {
	d := newDevices(all.Formats(), "textdump/3")
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 3 * meetKept {
		m := &argus.Message{Service: "x", From: "a", Text: "ok", Sent: argus.Time{Micros: int64(random.IntN(1<<30)) * 1e6, Precision: argus.Second}}
		r := &argus.Record{Kind: argus.KindMessage, Message: m}
		r.ID, r.Version = d.hasher.Identity(m)
		d.meet(r, fmt.Sprint(n%(2*deviceLimit)))
	}
	if len(d.now) > meetKept || len(d.old) > meetKept || len(d.numbers) > deviceLimit {
		t.Errorf("%d, %d, %d are remembered", len(d.now), len(d.old), len(d.numbers))
	}
	if numbers := len(maps.Clone(d.numbers)); numbers != deviceLimit-1 {
		t.Errorf("%d devices have a number", numbers)
	}
}
