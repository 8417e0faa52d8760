package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/world"
)

// The measured feed: batches at an even pace.
const (
	liveRate  = 5000 // messages per second
	liveBatch = 100
)

// Live reports how soon new messages are found while they arrive at an even pace and a user
// searches without a pause.
type Live struct {
	PerSecond int           `json:"messages_per_second"`
	Messages  int           `json:"messages"`
	Median    time.Duration `json:"median_ns"` // from the acknowledgement of a batch to an answer that includes it
	P99       time.Duration `json:"p99_ns"`
	Most      time.Duration `json:"most_ns"`
	// Behind is the delay of the last batch's acknowledgement.
	Behind   time.Duration `json:"behind_ns"`
	Searches int           `json:"searches"` // answered during the feed
}

// acknowledged is the time at which the evidence acknowledged the first n messages.
type acknowledged struct {
	n  uint64
	at time.Time
}

// live feeds a store for the given number of seconds, and keeps asking the desk.
func live(ctx context.Context, dir, store string, o node.Options, seconds int) (*Live, error) {
	o.Write = true
	n, err := node.Open(ctx, store, o)
	if err != nil {
		return nil, err
	}
	l := &Live{PerSecond: liveRate, Messages: liveRate * seconds}
	return l, errors.Join(l.follow(ctx, n, o.Formats, dir), n.Close())
}

// follow feeds a node and searches it at the same time.
func (l *Live) follow(ctx context.Context, n *node.Node, formats reader.Formats, dir string) error {
	who, err := n.Who(ctx, desk.Who{})
	if err != nil {
		return err
	}
	return n.Ingest(ctx, who, intake.Options{}, func(ctx context.Context, o intake.Options) error {
		d, err := o.Store.Begin(ctx, argus.Opening{Source: "feed", Authority: o.Authority, Actor: o.Actor, Started: time.Now().UnixMicro()})
		if err != nil {
			return err
		}
		if err := intake.RecordOpening(ctx, o, d); err != nil {
			return err
		}
		batches, err := l.batches(ctx, formats, o.Store, filepath.Join(dir, "feed"), d)
		if err != nil {
			return err
		}
		acks := make(chan acknowledged, len(batches))
		work, both := errgroup.WithContext(ctx)
		work.Go(func() error {
			defer close(acks)
			return l.feed(both, o.Store, d, batches, acks)
		})
		work.Go(func() error { return l.ask(both, n.Desk, who, d, acks) })
		if err := work.Wait(); err != nil {
			return err
		}
		seal, err := o.Store.Seal(ctx, d, o.StoreID, o.Signer, time.Now(), "")
		if err != nil {
			return err
		}
		return intake.RecordSeal(ctx, o, seal)
	})
}

// batches invents the messages of the feed, different for each delivery, and stores them
// as an original.
func (l *Live) batches(ctx context.Context, formats reader.Formats, s *evidence.Store, name string, d argus.DeliveryNumber) ([][]*argus.Record, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close(); _ = os.Remove(name) }()
	if err := world.Bench(f, 1+uint64(d), l.Messages); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	kept, err := s.PutOriginal(ctx, f)
	if err != nil {
		return nil, err
	}
	kept.Path = filepath.Base(name)
	original := &argus.Record{Kind: argus.KindOriginal, Original: &kept}
	if err := s.Append(ctx, d, []*argus.Record{original}); err != nil {
		return nil, err
	}
	var records []*argus.Record
	format, _ := formats.ByName("jsonl")
	now := time.Now()
	for item, err := range format.Read(ctx, reader.Input{Name: name, Size: kept.Size, File: f}) {
		if err != nil {
			return nil, err
		}
		if m := item.Message; m != nil {
			m.Sent = argus.At(now.Add(time.Duration(len(records))*time.Second/liveRate), "", argus.ZoneStated, argus.Milli)
			r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: item.Where}
			r.Where.Original = original.Seq
			r.ID, r.Version = m.Identity()
			records = append(records, r)
		}
	}
	return slices.Collect(slices.Chunk(records, liveBatch)), nil
}

// feed appends the batches at an even pace.
func (l *Live) feed(ctx context.Context, s *evidence.Store, d argus.DeliveryNumber, batches [][]*argus.Record, acks chan<- acknowledged) error {
	started := time.Now()
	for i, batch := range batches {
		due := started.Add(time.Duration(i) * time.Second * liveBatch / liveRate)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.Append(ctx, d, batch); err != nil {
			return err
		}
		now := time.Now()
		l.Behind = now.Sub(due)
		acks <- acknowledged{uint64((i + 1) * liveBatch), now}
	}
	return nil
}

// ask repeatedly counts the messages that have arrived, until all are found. In between, it
// lists the newest messages with a common word.
func (l *Live) ask(ctx context.Context, d *desk.Desk, who desk.Who, number argus.DeliveryNumber, acks <-chan acknowledged) error {
	var waiting []acknowledged
	var lags []time.Duration
	for next := acks; next != nil || len(waiting) > 0; {
		for more := next != nil; more; {
			select {
			case a, open := <-next:
				if !open {
					next, more = nil, false
				} else {
					waiting = append(waiting, a)
				}
			default:
				more = false
			}
		}
		found, err := d.Search(ctx, who, desk.SearchRequest{Query: fmt.Sprintf("delivery:%s", number), Limit: 1})
		if err != nil {
			return err
		}
		for len(waiting) > 0 && waiting[0].n <= found.Total {
			lags = append(lags, time.Since(waiting[0].at))
			waiting = waiting[1:]
		}
		if _, err := d.Search(ctx, who, desk.SearchRequest{Query: commonWord, Limit: fetched}); err != nil {
			return err
		}
		l.Searches += 2
	}
	if len(lags) == 0 {
		return nil // feed returns the error
	}
	slices.Sort(lags)
	l.Median, l.P99, l.Most = lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1]
	return nil
}
