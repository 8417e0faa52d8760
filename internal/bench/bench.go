// Package bench measures Argus on the machine on which it runs.
//
// It takes the normal path, from a file of Argus JSON lines to an answer of the index and of
// the desk, including the ledger. Machines differ and measurements are noisy, so a quoted
// result should name the machine and the ratio to SQLite FTS5, the peer that is measured in the
// same run.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/world"
)

// Options select the measurements. The zero value works except for Formats and Dir.
type Options struct {
	// Dir is an empty folder for the corpus and the stores.
	Dir string
	// Formats are the formats that the store reads; one of them must be jsonl.
	Formats reader.Formats
	// Messages is the number of messages in the corpus. Default 1,000,000.
	Messages int
	// Peer also loads the same corpus into SQLite FTS5 and runs the same queries there. Default
	// false.
	Peer bool
	// Again queries the store that an earlier run left in Dir, and ingests nothing. It
	// excludes Peer. Default false.
	Again bool
	// Cold also asks each question once with none of the store cached in memory, if the
	// system supports that. Default false.
	Cold bool
	// Only restricts the run to questions whose names contain this text. Default all.
	Only string
	// Rounds is the number of times that each question is asked. Default 50.
	Rounds int
	// Apart runs the readers in a separate process, as in intake.Options. Default: in
	// this process.
	Apart bool
	// Overlap measures only ten deliveries that share messages: 4 in 10 messages are in two or
	// three of the deliveries. Default false.
	Overlap bool
	// LiveSeconds is the duration in seconds of a live feed that arrives after the questions,
	// while a user searches. It adds a delivery to the store. Default 0: no feed.
	LiveSeconds int
	// Say is called with a description of each step. Default: not called.
	Say func(string)
}

// Report is the result of a measurement.
type Report struct {
	CPUs        int     `json:"cpus"`
	Go          string  `json:"go"`
	Messages    int     `json:"messages"`
	CorpusBytes int64   `json:"corpus_bytes"`
	Ingest      Taken   `json:"ingest"`
	Peer        *Taken  `json:"peer,omitempty"`
	Ratio       float64 `json:"ratio,omitempty"` // of Argus to the peer, in messages/s
	// BytesPerMessage is the space on disk, by part of the store.
	BytesPerMessage map[string]float64 `json:"bytes_per_message"`
	Questions       []Question         `json:"questions"`
	Live            *Live              `json:"live,omitempty"`
	Overlap         *Overlap           `json:"overlap,omitempty"`
}

// Taken measures one way of ingesting the corpus, until it is durable and searchable.
type Taken struct {
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"messages_per_second"`
	CPUSeconds  float64 `json:"cpu_seconds"`
	PeakBytes   int64   `json:"peak_bytes"` // the process's peak memory so far
	DiskBytes   int64   `json:"disk_bytes"`
	DiskPerByte float64 `json:"disk_bytes_per_corpus_byte"`
}

// Question is a question that was asked Rounds times with warm caches. It was put either to the
// index and the evidence directly, or to the desk, which also checks the authority and writes
// to the ledger.
type Question struct {
	Of     string        `json:"of"` // "index" or "desk"
	Name   string        `json:"name"`
	Median time.Duration `json:"median_ns"`
	P99    time.Duration `json:"p99_ns"`
	// Cold is the duration of a single run with nothing cached in memory, or 0 if it was not
	// measured.
	Cold time.Duration `json:"cold_ns,omitempty"`
	// Peer is the peer's median for the same question, or 0 if there is none.
	Peer time.Duration `json:"peer_median_ns,omitempty"`
	// Found is the count in the last answer.
	Found uint64 `json:"found"`
}

// Run runs the selected measurements.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.Messages, o.Rounds = cmp.Or(o.Messages, 1_000_000), cmp.Or(o.Rounds, 50)
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Again && o.Peer {
		return nil, errors.New("the peer ingests the corpus together with Argus and cannot do so later; omit one of the two options")
	}
	r := &Report{CPUs: runtime.GOMAXPROCS(0), Go: runtime.Version(), Messages: o.Messages}
	if o.Overlap {
		var err error
		if r.Overlap, err = overlap(ctx, o); err != nil {
			return nil, fmt.Errorf("measure overlapping deliveries: %w", err)
		}
		return r, nil
	}
	store := filepath.Join(o.Dir, "bench.argus")
	nodeOptions := node.Options{Formats: o.Formats, KeyDir: filepath.Join(o.Dir, "keys")}
	if !o.Again {
		if err := r.takeIn(ctx, o, store, nodeOptions); err != nil {
			return nil, err
		}
	}
	a := asking{store: store, rounds: o.Rounds, cold: o.Cold, only: o.Only, say: o.Say}
	if err := a.index(ctx); err != nil {
		return nil, fmt.Errorf("ask the index: %w", err)
	}
	if err := a.desk(ctx, nodeOptions); err != nil {
		return nil, fmt.Errorf("ask the desk: %w", err)
	}
	r.Questions = a.answered
	if o.LiveSeconds > 0 {
		o.Say("search while a live feed arrives")
		var err error
		if r.Live, err = live(ctx, o.Dir, store, nodeOptions, o.LiveSeconds); err != nil {
			return nil, fmt.Errorf("follow a live feed: %w", err)
		}
	}
	if !o.Peer {
		return r, nil
	}
	return r, r.measurePeer(ctx, o)
}

// deliveryBytes is the size of one delivery of the corpus: ten million messages.
const deliveryBytes = 2_200_000_000

// takeIn writes the corpus, one delivery after the other, and measures the intake of
// each. A delivery is removed after its intake, unless the peer still needs it.
func (r *Report) takeIn(ctx context.Context, o Options, store string, nodeOptions node.Options) error {
	if err := node.Create(ctx, store, nodeOptions); err != nil {
		return err
	}
	c := corpus{dir: o.Dir, full: func(delivery string) error {
		o.Say("ingesting " + filepath.Base(delivery))
		if err := r.Ingest.add(func() error { return ingest(ctx, store, delivery, nodeOptions, o.Apart) }); err != nil || o.Peer {
			return err
		}
		return os.Remove(delivery)
	}}
	o.Say("writing the corpus")
	if err := errors.Join(world.Bench(&c, 1, o.Messages), c.close()); err != nil {
		return err
	}
	r.CorpusBytes = c.bytes
	var err error
	if r.BytesPerMessage, err = parts(store, o.Messages); err != nil {
		return err
	}
	for name, n := range r.BytesPerMessage {
		if name != "originals" {
			r.Ingest.DiskBytes += int64(n * float64(o.Messages))
		}
	}
	r.Ingest.sum(r)
	return nil
}

// measurePeer gives the peer the same corpus and asks it the same questions.
func (r *Report) measurePeer(ctx context.Context, o Options) error {
	o.Say("loading the corpus into SQLite FTS5")
	deliveries, err := filepath.Glob(filepath.Join(o.Dir, "*.jsonl"))
	if err != nil {
		return err
	}
	db := filepath.Join(o.Dir, "peer")
	r.Peer = &Taken{}
	if err := r.Peer.add(func() error { return ingestSQLite(ctx, o.Formats, db, deliveries) }); err != nil {
		return err
	}
	info, err := os.Stat(db)
	if err != nil {
		return err
	}
	r.Peer.DiskBytes = info.Size()
	r.Peer.sum(r)
	r.Ratio = r.Ingest.PerSecond / r.Peer.PerSecond
	o.Say("asking SQLite FTS5")
	return askSQLite(ctx, db, o.Rounds, r.Questions)
}

// corpus is a folder into which messages are written as deliveries, in whole lines. full
// is called for each complete delivery.
type corpus struct {
	dir       string
	full      func(delivery string) error
	f         *os.File
	delivered int
	size      int64 // of f
	bytes     int64 // of all
}

func (c *corpus) Write(lines []byte) (int, error) {
	if c.f == nil {
		c.delivered++
		var err error
		if c.f, err = os.Create(filepath.Join(c.dir, fmt.Sprintf("messages-%03d.jsonl", c.delivered))); err != nil {
			return 0, err
		}
	}
	n, err := c.f.Write(lines)
	c.size, c.bytes = c.size+int64(n), c.bytes+int64(n)
	if err == nil && c.size >= deliveryBytes {
		err = c.close()
	}
	return n, err
}

func (c *corpus) close() error {
	if c.f == nil {
		return nil
	}
	f := c.f
	c.f, c.size = nil, 0
	if err := f.Close(); err != nil {
		return err
	}
	return c.full(f.Name())
}

// add adds the measurements of one part of the intake.
func (t *Taken) add(work func() error) error {
	cpu, started := cpuTime(), time.Now()
	if err := work(); err != nil {
		return err
	}
	t.Seconds += time.Since(started).Seconds()
	t.CPUSeconds += (cpuTime() - cpu).Seconds()
	t.PeakBytes = peakMemory()
	return nil
}

// sum computes the totals of the parts.
func (t *Taken) sum(r *Report) {
	t.PerSecond = float64(r.Messages) / t.Seconds
	t.DiskPerByte = float64(t.DiskBytes) / float64(r.CorpusBytes)
}

func ingest(ctx context.Context, store, corpus string, o node.Options, apart bool) error {
	o.Write = true
	n, err := node.Open(ctx, store, o)
	if err != nil {
		return err
	}
	who, err := n.Who(ctx, desk.Who{})
	if err != nil {
		return errors.Join(err, n.Close())
	}
	err = n.Ingest(ctx, who, intake.Options{Apart: apart}, func(ctx context.Context, o intake.Options) error {
		_, err := intake.Ingest(ctx, o, corpus)
		return err
	})
	return errors.Join(err, n.Close())
}

// parts returns the bytes per message of each folder of a store.
func parts(store string, messages int) (map[string]float64, error) {
	sizes := map[string]float64{}
	err := filepath.WalkDir(store, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(store, path)
		if err != nil {
			return err
		}
		part := filepath.ToSlash(rel)
		if strings.HasPrefix(part, "evidence/ids/") {
			part = "ids"
		} else {
			part, _, _ = strings.Cut(part, "/")
		}
		sizes[part] += float64(info.Size()) / float64(messages)
		return nil
	})
	return sizes, err
}
