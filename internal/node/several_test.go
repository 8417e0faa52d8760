package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/verify"
)

// A ring makes intakes take turns of one batch each.
type ring struct {
	mu    sync.Mutex
	moved sync.Cond
	live  []bool
	turn  int
	// stopped is set if nobody may continue.
	stopped bool
}

func newRing(n int) *ring {
	r := &ring{live: slices.Repeat([]bool{true}, n)}
	r.moved.L = &r.mu
	return r
}

// step waits for the turn of an intake, and passes it to the next.
func (r *ring) step(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.turn != i || r.stopped {
		r.moved.Wait()
	}
	r.next()
}

// leave removes an intake.
func (r *ring) leave(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live[i] = false
	if r.turn == i {
		r.next()
	}
}

func (r *ring) next() {
	for range r.live {
		if r.turn = (r.turn + 1) % len(r.live); r.live[r.turn] {
			break
		}
	}
	r.moved.Broadcast()
}

func (r *ring) stop(stopped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = stopped
	r.moved.Broadcast()
}

// source writes a file to be ingested.
func source(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openToWrite(t *testing.T, dir string, o Options) (*Node, desk.Who) {
	t.Helper()
	o.Write = true
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	who, err := n.Who(t.Context(), desk.Who{Actor: "tester", Authority: "A-0001"})
	if err != nil {
		t.Fatal(err)
	}
	return n, who
}

// take ingests one path.
func (n *Node) take(ctx context.Context, who desk.Who, path string, progress func(intake.Progress)) (receipt *argus.Receipt, err error) {
	err = n.Ingest(ctx, who, intake.Options{BatchRecords: 10, Progress: progress}, func(ctx context.Context, o intake.Options) (err error) {
		receipt, err = intake.Ingest(ctx, o, path)
		return err
	})
	return receipt, err
}

// sealsInOrder checks that each seal names a ledger that contains all earlier seals.
func sealsInOrder(t *testing.T, dir string, o Options, want int) {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	deliveries, err := n.evidence.Deliveries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var seals []*argus.Seal
	for _, d := range deliveries {
		if d.Seal != nil {
			seals = append(seals, d.Seal)
		}
	}
	slices.SortFunc(seals, evidence.CompareSeals)
	recorded := 0
	for e, err := range n.ledger.Entries(t.Context(), 1, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Action != ledger.SealDelivery {
			continue
		}
		if recorded >= len(seals) || seals[recorded].Delivery.String() != e.Subject || seals[recorded].Ledger.Entries >= e.Seq {
			t.Fatalf("seal %d in the ledger, entry %d, belongs to %s; seals %v", recorded, e.Seq, e.Subject, seals)
		}
		if recorded++; recorded < len(seals) && seals[recorded].Ledger.Entries < e.Seq {
			t.Errorf("the seal of %s does not know entry %d, the seal of %s", seals[recorded].Delivery, e.Seq, e.Subject)
		}
	}
	if recorded != want || len(seals) != want {
		t.Errorf("%d seals, %d in the ledger, want %d", len(seals), recorded, want)
	}
}

func wantClean(t *testing.T, dir string) {
	t.Helper()
	if damage, notes, _ := verified(t, dir); len(damage)+len(notes) != 0 {
		t.Errorf("damage %+v, notes %+v", damage, notes)
	}
}

// Two feeds and a phone are ingested at the same time, one batch each in turn. One is
// killed and blocks nobody. The index and verify always agree with the evidence.
func TestThreeDeliveriesAtOnce(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	n, who := openToWrite(t, dir, o)
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	paths := []string{source(t, "feed-1.jsonl", lines(0, 300)), source(t, "feed-2.jsonl", lines(200, 500)), source(t, "phone.jsonl", lines(400, 600))}
	const killed = 1
	r := newRing(len(paths))
	var all sync.WaitGroup
	receipts, errs := make([]*argus.Receipt, 3), make([]error, 3)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	for i, path := range paths {
		all.Go(func() {
			defer r.leave(i)
			of, batches := t.Context(), 0
			if i == killed {
				of = ctx
			}
			receipts[i], errs[i] = n.take(of, who, path, func(p intake.Progress) {
				if p.Phase != "reading" || p.Counts.Read == 0 {
					return
				}
				if batches++; i == killed && batches == 8 {
					kill()
				}
				if i == 0 && batches == 5 {
					// All the others wait here for this one.
					if damage, _, v := verified(t, dir); len(damage) != 0 || v.Deliveries-v.Sealed != 3 {
						t.Errorf("while three are open: %d open, damage %+v", v.Deliveries-v.Sealed, damage)
					}
				}
				r.step(i)
			})
		})
	}
	all.Wait()
	for i, err := range errs {
		if i == killed {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the one that was killed: %v", err)
			}
		} else if err != nil || !receipts[i].Counts.Balanced() || receipts[i].Counts.Read == 0 {
			t.Errorf("%s: %+v, %v", paths[i], receipts[i], err)
		}
	}
	changes, before := 0, argus.DeliveryNumber(0)
	for rec, err := range n.evidence.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Delivery != before {
			changes++
		}
		before = rec.Delivery
	}
	if changes < 30 {
		t.Errorf("the deliveries took turns only %d times", changes)
	}
	wantFound := func(least, most uint64) {
		t.Helper()
		if found := search(t, dir, o, "crates"); found.Total < least || found.Total > most || found.Behind != 0 {
			t.Errorf("found %d, %d behind, want %d to %d", found.Total, found.Behind, least, most)
		}
	}
	wantFound(500, 599)
	if damage, _, v := verified(t, dir); len(damage) != 0 || v.Sealed != 2 {
		t.Errorf("after the end of two: %d are sealed, damage %+v", v.Sealed, damage)
	}

	// It blocks nobody, but it must be named once two deliveries are open.
	ctx, kill = context.WithCancel(t.Context())
	second, err := n.take(ctx, who, source(t, "usb.jsonl", lines(600, 700)), func(p intake.Progress) {
		if p.Counts.Read >= 40 {
			kill()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, err := n.take(t.Context(), who, source(t, "more.jsonl", lines(700, 750)), nil); err != nil {
		t.Errorf("another one while two are open: %v", err)
	}
	list, err := intake.Unfinished(t.Context(), intake.Options{Store: n.evidence})
	if err != nil || len(list) != 2 {
		t.Fatalf("unfinished: %+v, %v", list, err)
	}
	err = n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
		for _, finish := range []func() ([]*argus.Receipt, error){
			func() ([]*argus.Receipt, error) { return intake.Resume(ctx, o) },
			func() ([]*argus.Receipt, error) { return intake.Abandon(ctx, o, "enough") },
		} {
			if got, err := finish(); !errors.Is(err, intake.ErrSeveral) || !strings.Contains(err.Error(), list[0].Number.String()) || len(got) != 0 {
				t.Errorf("unnamed: %v, %v", got, err)
			}
		}
		if _, err := intake.Resume(ctx, o, 1000); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("one that is not open: %v", err)
		}
		got, err := intake.Resume(ctx, o, list[0].Number)
		if err != nil || len(got) != 1 || got[0].Counts.Read != 300 {
			t.Errorf("resumed: %+v, %v", got, err)
		}
		if got, err = intake.Abandon(ctx, o, "enough"); err != nil || len(got) != 1 || got[0].Delivery != list[1].Number || got[0].Seal.Incomplete != "enough" {
			t.Errorf("abandoned: %+v, %v", got, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wantFound(690, 750)
	sealsInOrder(t, dir, o, 5)
	wantClean(t, dir)
}

// A crash while three deliveries are open leaves three that can be finished, in any order.
func TestCrashWhileThreeAreOpen(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	n, who := openToWrite(t, dir, o)
	r := newRing(3)
	var all sync.WaitGroup
	crashed := filepath.Join(t.TempDir(), "crashed")
	for i := range 3 {
		path := source(t, fmt.Sprintf("source-%d.jsonl", i), lines(i*150, i*150+200))
		all.Go(func() {
			defer r.leave(i)
			batches := 0
			receipt, err := n.take(t.Context(), who, path, func(p intake.Progress) {
				if p.Phase != "reading" || p.Counts.Read == 0 {
					return
				}
				if batches++; i == 2 && batches == 6 {
					r.stop(true)
					if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
						t.Error(err)
					}
					r.stop(false)
				}
				r.step(i)
			})
			if err != nil || receipt.Counts.Read != 200 {
				t.Errorf("%s: %+v, %v", path, receipt, err)
			}
		})
	}
	all.Wait()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	sealsInOrder(t, dir, o, 3)
	wantClean(t, dir)

	if damage, _, v := verified(t, crashed); len(damage) != 0 || v.Deliveries-v.Sealed != 3 {
		t.Fatalf("after the crash %d are open, damage %+v", v.Deliveries-v.Sealed, damage)
	}
	n, who = openToWrite(t, crashed, o)
	for _, d := range []argus.DeliveryNumber{2, 3, 1} {
		err := n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			got, err := intake.Resume(ctx, o, d)
			if err == nil && (len(got) != 1 || got[0].Counts.Read != 200) {
				t.Errorf("%s: %+v", d, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	sealsInOrder(t, crashed, o, 3)
	wantClean(t, crashed)
	if found := search(t, crashed, o, "crates"); found.Total != 500 {
		t.Errorf("%d messages, want 500", found.Total)
	}
}

// Nobody else can continue a delivery that is in progress.
func TestInHandOnce(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	n, who := openToWrite(t, dir, o)
	defer n.Close()
	path, tried := source(t, "a.jsonl", lines(0, 100)), false
	_, err := n.take(t.Context(), who, path, func(p intake.Progress) {
		if p.Counts.Read == 0 || tried {
			return
		}
		tried = true
		if _, err := n.take(t.Context(), who, path, nil); !errors.Is(err, intake.ErrInHand) {
			t.Errorf("the same path: %v", err)
		}
		err := n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			if got, err := intake.Resume(ctx, o); err != nil || len(got) != 0 {
				t.Errorf("resume: %v, %v", got, err)
			}
			_, err := intake.Abandon(ctx, o, "x", p.Delivery)
			return err
		})
		if !errors.Is(err, intake.ErrInHand) {
			t.Errorf("abandon it: %v", err)
		}
	})
	if err != nil || !tried {
		t.Fatalf("%v, %v", tried, err)
	}
	if r, err := n.take(t.Context(), who, path, nil); err != nil || r.Delivery != 2 {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

// After a crash, the ledger may lack the latest seal, whatever the number of its
// delivery. That is not damage: the seal is recorded when the store is next opened, or
// with the next seal of the same process.
func TestLastSealIsCompleted(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o)
		n, who := openToWrite(t, dir, o)
		crash := errors.New("a crash")
		inner, failed := false, false
		work := intake.Options{BatchRecords: 10, Progress: func(p intake.Progress) {
			if inner || p.Counts.Read == 0 {
				return
			}
			inner = true
			if r, err := n.take(t.Context(), who, source(t, "second.jsonl", lines(100, 200)), nil); err != nil || r.Delivery != 2 {
				t.Errorf("%+v, %v", r, err)
			}
		}}
		err := n.Ingest(t.Context(), who, work, func(ctx context.Context, o intake.Options) error {
			record := o.Record
			o.Record = func(ctx context.Context, action string, d argus.DeliveryNumber, details []argus.Field) error {
				if action == ledger.SealDelivery && !failed {
					failed = true
					return crash
				}
				return record(ctx, action, d, details)
			}
			_, err := intake.Ingest(ctx, o, source(t, "first.jsonl", lines(0, 100)))
			return err
		})
		if !errors.Is(err, crash) || !inner {
			t.Fatalf("%v, %v", inner, err)
		}
		damage, notes, _ := verified(t, dir)
		if len(damage) != 0 || !slices.ContainsFunc(notes, func(f verify.Finding) bool { return f.Delivery == 1 }) {
			t.Errorf("damage %+v, notes %+v", damage, notes)
		}
		want := 2
		if goesOn {
			if _, err := n.take(t.Context(), who, source(t, "third.jsonl", lines(200, 300)), nil); err != nil {
				t.Error(err)
			}
			want = 3
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n, _ = openToWrite(t, dir, o)
		if err := errors.Join(n.catchUp(t.Context()), n.Close()); err != nil {
			t.Fatal(err)
		}
		sealsInOrder(t, dir, o, want)
		wantClean(t, dir)
	}
}

// Readings count in the order of their seals: an interrupted reading counts once it is
// finished, even if a later one already counts.
func TestInterleavedReadings(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 200), lines(200, 300))
	n, who := openToWrite(t, dir, o)
	ctx, kill := context.WithCancel(t.Context())
	reread := func(ctx context.Context, d argus.DeliveryNumber, progress func(intake.Progress)) error {
		return n.Ingest(ctx, who, intake.Options{BatchRecords: 10, Progress: progress}, func(ctx context.Context, o intake.Options) error {
			_, err := intake.Reread(ctx, o, d, "")
			return err
		})
	}
	err := reread(ctx, 1, func(p intake.Progress) {
		if p.Counts.Read >= 30 {
			kill()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	known := func(want argus.DeliveryNumber) {
		t.Helper()
		if got, of := n.current.Known(), n.index.Readings(); got != want || of != want {
			t.Errorf("%s counts, the index has %s, want %s", got, of, want)
		}
		if found := search(t, dir, o, "crates"); found.Total != 300 {
			t.Errorf("found %d", found.Total)
		}
		if damage, _, _ := verified(t, dir); len(damage) != 0 {
			t.Errorf("damage %+v", damage)
		}
	}
	if err := reread(t.Context(), 2, nil); err != nil {
		t.Fatal(err)
	}
	known(4)
	if err := reread(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	known(3)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // from the disk, and again
		if n, err = Open(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
		known(3)
		list, err := n.current.Deliveries(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			if want := map[argus.DeliveryNumber]argus.DeliveryNumber{1: 3, 2: 4}[d.Number]; d.ReadAgain != want {
				t.Errorf("%s is read again by %s, want %s", d.Number, d.ReadAgain, want)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Following ends at the end of each delivery, but this interrupts neither an Add nor a
// Flush.
func TestFlushOutlivesFollowing(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n, _ := openToWrite(t, dir, o)
	defer n.Close()
	if err := n.index.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.keepIndex(t.Context(), filepath.Join(t.TempDir(), "index")); err != nil {
		t.Fatal(err)
	}
	var records []*argus.Record
	for r, err := range n.current.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	following, stop := context.WithCancel(t.Context())
	stop()
	p := newPaced(n.followers[0])
	if err := errors.Join(p.Add(following, records), p.Flush(following)); err != nil || p.Position() != n.evidence.Last() {
		t.Errorf("at record %d of %d: %v", p.Position(), n.evidence.Last(), err)
	}
}

// If an opening could not be recorded, it is recorded before the delivery continues in
// the same process.
func TestOpeningIsRecordedLater(t *testing.T) {
	for _, abandon := range []bool{false, true} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o)
		n, who := openToWrite(t, dir, o)
		full, path := errors.New("the ledger is busy"), source(t, "a.jsonl", lines(0, 50))
		err := n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
			o.Record = func(context.Context, string, argus.DeliveryNumber, []argus.Field) error { return full }
			_, err := intake.Ingest(ctx, o, path)
			return err
		})
		if !errors.Is(err, full) {
			t.Fatal(err)
		}
		err = n.Ingest(t.Context(), who, intake.Options{}, func(ctx context.Context, o intake.Options) (err error) {
			if abandon {
				_, err = intake.Abandon(ctx, o, "enough")
			} else {
				_, err = intake.Resume(ctx, o, 1)
			}
			return err
		})
		if err := errors.Join(err, n.Close()); err != nil {
			t.Fatal(err)
		}
		sealsInOrder(t, dir, o, 1)
		wantClean(t, dir)
	}
}
