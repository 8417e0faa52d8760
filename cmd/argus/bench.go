package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/bench"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) benchCommand() *cobra.Command {
	o := bench.Options{Formats: all.Formats()}
	var profile string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure ingest and search on this machine",
		Long: `Write a corpus of invented messages, ingest it like any delivery, ask the index and the
desk typical questions, and print the times. Machines differ and measurements are noisy,
so --peer also measures SQLite FTS5 on the same corpus in the same run; compare the two.
docs/performance.md lists measured results.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			temporary := o.Dir == ""
			if temporary {
				if o.Dir, err = os.MkdirTemp("", "argus-bench-"); err != nil {
					return fmt.Errorf("make a folder for the measurement: %w", err)
				}
				defer os.RemoveAll(o.Dir)
			} else if err := os.MkdirAll(o.Dir, 0o700); err != nil {
				return fmt.Errorf("make a folder for the measurement: %w", err)
			}
			if profile != "" {
				f, err := os.Create(profile)
				if err != nil {
					return fmt.Errorf("write the profile: %w", err)
				}
				defer f.Close()
				if err := pprof.StartCPUProfile(f); err != nil {
					return fmt.Errorf("write the profile: %w", err)
				}
				defer pprof.StopCPUProfile()
			}
			started := time.Now()
			o.Say = func(step string) { fmt.Fprintf(a.err, "%6.1f s  %s\n", time.Since(started).Seconds(), step) }
			o.Apart = true
			tuneGC()
			report, err := bench.Run(c.Context(), o)
			if err != nil {
				return errors.Join(errors.New("measure"), err)
			}
			return voice.Say(a.out, "bench", report, printBench)
		},
	}
	c.Flags().IntVar(&o.Messages, "messages", 1_000_000, "the `number` of messages")
	c.Flags().IntVar(&o.Rounds, "rounds", 50, "the `number` of times to ask each question")
	c.Flags().StringVar(&o.Only, "only", "", "ask only the questions whose names contain this `text`")
	c.Flags().BoolVar(&o.Peer, "peer", false, "measure SQLite FTS5 on the same corpus as well")
	c.Flags().BoolVar(&o.Again, "again", false, "query the store that an earlier run left in --dir, without ingesting again")
	c.Flags().BoolVar(&o.Overlap, "overlap", false, "measure only ten overlapping deliveries: 40 % of the messages are in two or three of them")
	c.Flags().IntVar(&o.LiveSeconds, "live", 0, "search for this many `seconds` while 5,000 messages a second come in")
	c.Flags().BoolVar(&o.Cold, "cold", false, "also ask each question with none of the store cached in memory (Linux)")
	c.Flags().StringVar(&o.Dir, "dir", "", "an empty `folder` to work in and keep (default a temporary one)")
	c.Flags().StringVar(&profile, "cpuprofile", "", "the `file` for a CPU profile (default none)")
	return c
}

func printBench(o *voice.Output, r *bench.Report) {
	o.Linef("%d CPUs, %s", r.CPUs, r.Go)
	if r.Overlap != nil {
		printOverlap(o, r.Overlap)
		return
	}
	if r.Ingest.Seconds > 0 {
		o.Linef("%s messages, %s of Argus JSON lines\n", printable.Group(uint64(r.Messages)), printable.Size(r.CorpusBytes))
		printTaken(o, "Argus", r.Ingest)
		o.Linef("\nbytes per message on disk")
	}
	for _, name := range slices.Sorted(maps.Keys(r.BytesPerMessage)) {
		if r.BytesPerMessage[name] >= 0.05 {
			o.Linef("  %-26s %8.1f", name, r.BytesPerMessage[name])
		}
	}
	if r.Peer != nil {
		o.Linef("")
		printTaken(o, "SQLite FTS5", *r.Peer)
		o.Linef("Argus ingests %.1f times as many messages a second.", r.Ratio)
	}
	o.Linef("\n%-32s %10s %10s %10s %10s %12s", "asked", "median", "p99", "cold", "FTS5", "found")
	for _, q := range r.Questions {
		o.Linef("%-5s %-26s %10s %10s %10s %10s %12s", q.Of, q.Name, round(q.Median), round(q.P99), round(q.Cold), round(q.Peer), printable.Group(q.Found))
	}
	if l := r.Live; l != nil {
		o.Linef("\n%s messages came in at %s a second; an acknowledged message was found after %s (median), %s (p99), %s (maximum),", printable.Group(uint64(l.Messages)), printable.Group(uint64(l.PerSecond)),
			round(l.Median), round(l.P99), round(l.Most))
		o.Linef("while %s searches were answered; the last batch was acknowledged %s after it arrived.", printable.Group(uint64(l.Searches)), round(l.Behind))
	}
}

func printOverlap(o *voice.Output, r *bench.Overlap) {
	o.Linef("%s copies of %s messages in ten deliveries", printable.Group(r.Copies), printable.Group(r.Messages))
	o.Linef("ingest took %.1f CPU s per million messages, %.1f if each message occurs once", r.Overlapping.CPUSeconds*1e6/float64(r.Messages), r.Once.CPUSeconds*1e6/float64(r.Messages))
	o.Linef("index: %.1f bytes a message, %.2f times as many as if each message occurs once", float64(r.IndexBytes)/float64(r.Messages), float64(r.IndexBytes)/float64(r.IndexBytesOnce))
	o.Linef("\n%-26s %10s %10s %7s %10s %12s %12s", "asked", "no scope", "of three", "times", "once", "found", "of three")
	for _, q := range r.Questions {
		o.Linef("%-26s %10s %10s %7.1f %10s %12s %12s", q.Name, round(q.Median), round(q.InScope), float64(q.InScope)/float64(max(1, q.Median)), round(q.OnceMedian),
			printable.Group(q.Found), printable.Group(q.FoundInScope))
	}
	name, times := r.Slowest()
	o.Linef("The slowest question in the scope, %s, takes %.1f times as long as without the scope (times below 20 µs count as 20 µs).", name, times)
}

func printTaken(o *voice.Output, name string, t bench.Taken) {
	o.Linef("%-14s %s messages/s (%.1f s, %.2f CPU s per million), peak memory %s, on disk %s (%.2f × the input)", name, printable.Group(uint64(t.PerSecond)), t.Seconds,
		t.CPUSeconds*1e6/(t.PerSecond*t.Seconds), printable.Size(t.PeakBytes), printable.Size(t.DiskBytes), t.DiskPerByte)
}

// round formats a duration, or returns "-" if it was not measured.
func round(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	if d > time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
