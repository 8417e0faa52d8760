package follow

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// evidence is a source in memory. Reading the record with the number damaged fails.
type evidence struct {
	mu      sync.Mutex
	last    uint64
	damaged uint64
	skips   uint64 // skipped by mistake
}

var errRead = errors.New("the disk is on fire")

func (e *evidence) Last() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

func (e *evidence) append(n uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last += n
}

func (e *evidence) From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error] {
	last := e.Last()
	return func(yield func(*argus.Record, error) bool) {
		for ; seq <= last; seq++ {
			switch {
			case ctx.Err() != nil:
				yield(nil, ctx.Err())
				return
			case seq == e.damaged:
				yield(nil, errRead)
				return
			case seq == e.skips:
				continue
			}
			if !yield(&argus.Record{Seq: seq}, nil) {
				return
			}
		}
	}
}

// list is a follower that stores the sequence numbers. A crash loses the numbers that
// were not flushed.
type list struct {
	mu             sync.Mutex
	added, durable []uint64
	flushes        int
	refuses        uint64 // Add fails at this record
}

func (l *list) Position() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.durable))
}

func (l *list) Add(_ context.Context, records []*argus.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range records {
		if r.Seq == l.refuses {
			return errors.New("no room")
		}
		l.added = append(l.added, r.Seq)
	}
	return nil
}

func (l *list) Flush(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable = append(l.durable, l.added...)
	l.added = nil
	l.flushes++
	return nil
}

func (l *list) crash() { l.added, l.refuses = nil, 0 }

func numbers(n uint64) (all []uint64) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}

func TestCatchUp(t *testing.T) {
	for _, n := range []uint64{0, 1, 999, 1000, 1001, 2500} {
		source, follower := &evidence{last: n}, &list{}
		var reached []uint64
		err := CatchUp(t.Context(), source, follower, func(position, last uint64) {
			if last != n {
				t.Errorf("last is %d, want %d", last, n)
			}
			reached = append(reached, position)
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbers(n), follower.durable); diff != "" {
			t.Errorf("%d records (-want +got):\n%s", n, diff)
		}
		if !slices.IsSorted(reached) || n > 0 && reached[len(reached)-1] != n {
			t.Errorf("progress %d", reached)
		}
	}
}

// An error names the record, and the next run ends with the same data.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name     string
		source   *evidence
		follower *list
		want     string
	}{
		{"source", &evidence{last: 3000, damaged: 1234}, &list{}, "read record 1234: the disk is on fire"},
		{"gap", &evidence{last: 3000, skips: 7}, &list{}, "got record 8, want 7"},
		{"follower", &evidence{last: 3000}, &list{refuses: 2001}, "add records 2001 to 3000: no room"},
		{"ahead", &evidence{last: 3}, &list{durable: numbers(5)}, "the follower is at record 5, but the evidence ends at 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := CatchUp(t.Context(), test.source, test.follower, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if test.source.damaged != 0 && !errors.Is(err, errRead) {
				t.Errorf("%v does not wrap its cause", err)
			}
			if test.name == "ahead" {
				return
			}
			test.follower.crash()
			test.source.damaged, test.source.skips = 0, 0
			if err := CatchUp(t.Context(), test.source, test.follower, nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(numbers(3000), test.follower.durable); diff != "" {
				t.Errorf("after a restart (-want +got):\n%s", diff)
			}
		})
	}
}

// After any number of crashes, a follower has every record exactly once.
func TestCrashes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.Uint64Range(1, 200).Draw(r, "records")
		source, follower := &evidence{last: n}, &list{}
		for range rapid.IntRange(0, 5).Draw(r, "crashes") {
			follower.refuses = rapid.Uint64Range(1, n).Draw(r, "crash")
			o := Options{
				Batch:        rapid.IntRange(1, 20).Draw(r, "batch"),
				FlushRecords: rapid.IntRange(1, 50).Draw(r, "flush"),
			}
			run := newRun(source, follower, o, nil)
			_ = run.feed(context.Background()) // the crash
			follower.crash()
		}
		if err := CatchUp(context.Background(), source, follower, nil); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(numbers(n), follower.durable); diff != "" {
			r.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// At any rate of records, a record waits at most half a second, and there are at most two
// flushes a second.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, follower := &evidence{last: 10}, &list{}
		notify := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Run(ctx, source, follower, notify, Options{}) }()
		for range 1000 { // for 10 seconds
			time.Sleep(10 * time.Millisecond)
			source.append(3)
			select {
			case notify <- struct{}{}:
			default:
			}
		}
		if lag := source.Last() - follower.Position(); lag > 3*51 {
			t.Errorf("%d records are not flushed, and half a second has 150", lag)
		}
		time.Sleep(510 * time.Millisecond)
		synctest.Wait()
		if got, want := follower.Position(), source.Last(); got != want {
			t.Errorf("position %d at the end, want %d", got, want)
		}
		if follower.flushes > 22 {
			t.Errorf("%d flushes in 10 seconds", follower.flushes)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
		if diff := cmp.Diff(numbers(source.Last()), follower.durable); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A bulk is flushed every five seconds, and immediately at its end.
func TestBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, follower := &evidence{}, &list{}
		notify := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Run(ctx, source, follower, notify, Options{}) }()
		for range 1000 { // 100,000 a second for 10 seconds
			time.Sleep(10 * time.Millisecond)
			source.append(1000)
			select {
			case notify <- struct{}{}:
			default:
			}
		}
		time.Sleep(5010 * time.Millisecond)
		synctest.Wait()
		if got, want := follower.Position(), source.Last(); got != want {
			t.Errorf("position %d at the end, want %d", got, want)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
		if follower.flushes < 2 || follower.flushes > 5 {
			t.Errorf("%d flushes in 15 seconds", follower.flushes)
		}
	})
}

// Without a channel, a run polls. An error ends it.
func TestRunPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, follower := &evidence{}, &list{}
		done := make(chan error)
		go func() { done <- Run(t.Context(), source, follower, nil, Options{}) }()
		time.Sleep(time.Second)
		source.append(5)
		time.Sleep(time.Second)
		if follower.Position() != 5 {
			t.Errorf("position %d a second after 5 records came", follower.Position())
		}
		source.mu.Lock()
		source.damaged = 7
		source.mu.Unlock()
		source.append(5)
		if err := <-done; !errors.Is(err, errRead) {
			t.Errorf("run ended with %v", err)
		}
	})
}
