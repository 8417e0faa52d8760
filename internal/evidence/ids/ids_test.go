package ids

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// docs/format/segment.md states the first bytes of a run and of a manifest, and the size
// of a page.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../../docs/format/segment.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{runMagic, fmt.Sprintf("%s%c", manifestKind, manifestVersion), fmt.Sprintf("up to %d entries of %d bytes", pageEntries, entryBytes)} {
		if !strings.Contains(string(text), words) {
			t.Errorf("docs/format/segment.md does not name %q", words)
		}
	}
}

func FuzzIDs(f *testing.F) {
	dir := f.TempDir()
	r, err := writeRun(durable.OS{}, dir, 1, 0, 1, 200, 200, func(yield func(Entry, error) bool) {
		for n := range 200 {
			if !yield(Entry{ID: argus.ID{byte(n)}, Seq: uint64(n + 1)}, nil) {
				return
			}
		}
	})
	if err != nil {
		f.Fatal(err)
	}
	r.f.Close()
	data, err := os.ReadFile(filepath.Join(dir, r.name))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := durabletest.New(1)
		d.Put("ids/x.ids", data)
		r, err := openRun(d, "ids", "x.ids")
		if err != nil {
			return
		}
		for _, err := range r.all() {
			if err != nil {
				return
			}
		}
		r.mayHave([]argus.ID{{1}}, []uint64{0}, 0)
	})
}

// BenchmarkIDs adds entries like an ingest of new messages: it looks up each id first.
// $ARGUS_BENCH_IDS sets the number of entries (default 500,000).
func BenchmarkIDs(b *testing.B) {
	count := 500_000
	if text := os.Getenv("ARGUS_BENCH_IDS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		started := time.Now()
		x, err := Open(durable.OS{}, b.TempDir(), 256<<10)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			b.Fatal(err)
		}
		entries := make([]Entry, 0, 4096)
		for n := 1; n <= count; n++ {
			sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
			e := Entry{ID: argus.ID(sum[:16]), Version: argus.Version(sum[16:]), Seq: uint64(n)}
			if found, err := x.Find(e.ID); err != nil || len(found) != 0 {
				b.Fatalf("a new id is known: %v, %v", found, err)
			}
			if entries = append(entries, e); len(entries) == cap(entries) || n == count {
				if err := x.Add(entries, e.Seq); err != nil {
					b.Fatal(err)
				}
				entries = entries[:0]
			}
		}
		var bytes, memory int64
		if err := errors.Join(x.spill(), x.wait()); err != nil {
			b.Fatal(err)
		}
		for _, r := range x.runs {
			info, err := r.f.Stat()
			if err != nil {
				b.Fatal(err)
			}
			bytes += info.Size()
			memory += int64(8 * (len(r.filter) + len(r.fences)))
		}
		b.ReportMetric(float64(count)/time.Since(started).Seconds(), "ids/s")
		b.ReportMetric(float64(bytes)/float64(count), "disk-B/id")
		b.ReportMetric(float64(memory)/float64(count), "memory-B/id")
		b.ReportMetric(float64(len(x.runs)), "runs")
		if err := x.Close(false); err != nil {
			b.Fatal(err)
		}
	}
}
