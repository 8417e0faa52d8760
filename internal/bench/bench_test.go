package bench

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/reader/all"
)

// TestBench runs the measurement on a small corpus and checks that everything was
// ingested and found. With $ARGUS_BENCH_MESSAGES, as in CI, it also checks limits that
// leave room for a slow and busy machine.
func TestBench(t *testing.T) {
	o := Options{Formats: all.Formats(), Dir: t.TempDir(), Messages: 5000, Peer: true, Cold: runtime.GOOS == "linux", Rounds: 5, LiveSeconds: 2, Say: func(what string) { t.Log(what) }}
	bounds := os.Getenv("ARGUS_BENCH_MESSAGES")
	if bounds != "" {
		var err error
		if o.Messages, err = strconv.Atoi(bounds); err != nil {
			t.Fatalf("ARGUS_BENCH_MESSAGES: %v", err)
		}
	}
	if _, err := Run(t.Context(), Options{Formats: all.Formats(), Dir: o.Dir, Again: true, Peer: true}); err == nil {
		t.Error("a peer that has no corpus is measured")
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f messages/s, %.1f times SQLite FTS5; peak memory %d MB; bytes per message %v", r.Ingest.PerSecond, r.Ratio, r.Ingest.PeakBytes>>20, r.BytesPerMessage)
	for _, q := range r.Questions {
		t.Logf("%-5s %-26s %12s %12s, cold %12s, peer %12s %10d", q.Of, q.Name, q.Median, q.P99, q.Cold, q.Peer, q.Found)
		if q.Found == 0 {
			t.Errorf("%s finds nothing", q.Name)
		}
	}
	if r.BytesPerMessage["evidence"] <= 0 || r.BytesPerMessage["index"] <= 0 || r.Ratio <= 0 {
		t.Errorf("nothing was measured: %+v", r)
	}
	t.Logf("live: %+v", *r.Live)
	// Every message of the feed has been found; otherwise the search would still be running.
	if r.Live.Searches == 0 || r.Live.Most <= 0 {
		t.Errorf("nothing was measured: %+v", r.Live)
	}
	if bounds == "" {
		return
	}
	if r.Live.P99 > 3*time.Second {
		t.Errorf("99 of 100 batches are found within %s, want 1 s on a quiet machine", r.Live.P99)
	}
	// Compare CPU time, since a busy machine slows down programs that use both cores
	// more.
	if cpu := r.Peer.CPUSeconds / r.Ingest.CPUSeconds; cpu < 1.5 {
		t.Errorf("SQLite FTS5 needs %.2f times the CPU time of Argus, want 1.5 at least", cpu)
	}
	if r.Ingest.PeakBytes > 1<<30 {
		t.Errorf("peak memory is %d bytes, want 1 GiB at most", r.Ingest.PeakBytes)
	}
	show := r.Questions[slices.IndexFunc(r.Questions, func(q Question) bool { return q.Name == "show a message" })]
	if show.Median > 25*time.Millisecond {
		t.Errorf("%s takes %s, want 5 ms on a quiet machine", show.Name, show.Median)
	}
}
