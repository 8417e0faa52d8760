package evidence

import (
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

// slowDisk is a disk whose reads can be made slow.
type slowDisk struct {
	osDisk
	wait  atomic.Int64 // nanoseconds
	reads atomic.Int64 // reads that waited
	all   atomic.Int64 // all reads
}

type slowFile struct {
	file
	d *slowDisk
}

func (d *slowDisk) OpenFile(name string, flag int, mode fs.FileMode) (file, error) {
	f, err := d.osDisk.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return &slowFile{f, d}, nil
}

func (f *slowFile) ReadAt(p []byte, at int64) (int, error) {
	f.d.all.Add(1)
	if wait := f.d.wait.Load(); wait > 0 {
		f.d.reads.Add(1)
		time.Sleep(time.Duration(wait))
	}
	return f.file.ReadAt(p, at)
}

// TestSlowReads starts readers that wait for the disk, one for each way of reading. The
// writer must not wait for them (D11).
func TestSlowReads(t *testing.T) {
	d := &slowDisk{}
	o := Options{disk: d, Recent: 1, CacheBytes: 1, IDsInMemory: 100, SegmentBytes: 64 << 10}
	s, dir := createTest(t, o)
	delivery := begin(t, s)
	for n := 0; n < 4000; n += 100 {
		if err := s.Append(t.Context(), delivery, testBatch(n, n+100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil { // afterwards all ids are in runs
		t.Fatal(err)
	}
	s = openTest(t, dir, o)
	var batches [10][]*argus.Record
	for n := range batches {
		batches[n] = strangers(t, s, d, 10_000+100*n, 5) // too few for a run of ids, because merging runs reads
	}
	d.wait.Store(int64(300 * time.Millisecond))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i, read := range []func(n uint64) error{
		func(n uint64) error { _, err := s.Get(t.Context(), 2+n*67%3000); return err },
		func(n uint64) error {
			for _, err := range s.From(t.Context(), 2+n*71%3000) {
				return err
			}
			return nil
		},
		func(n uint64) error {
			id, _ := testMessage(int(n * 101 % 3000)).Identity()
			_, err := s.Find(id)
			return err
		},
		func(n uint64) error { _, err := s.FindPrefix("00", 10); return err },
		func(n uint64) error {
			for _, err := range s.Contents(t.Context(), 2+n*71%3000) {
				return err
			}
			return nil
		},
	} {
		readers.Go(func() {
			for n := uint64(i); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := read(n); err != nil && !strings.Contains(err.Error(), "context canceled") {
					t.Error(err)
					return
				}
			}
		})
	}
	for d.reads.Load() < 5 {
		time.Sleep(time.Millisecond)
	}
	late := 0
	for n, batch := range batches {
		started := time.Now()
		if err := s.Append(t.Context(), delivery, batch); err != nil {
			t.Fatal(err)
		}
		took := time.Since(started)
		if took > 250*time.Millisecond {
			t.Errorf("append %d took %v while slow readers were running", n, took)
		}
		if took > 50*time.Millisecond {
			late++ // other work may keep the disk busy
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	readers.Wait()
	if late > 2 {
		t.Errorf("%d of 10 appends took more than 50 ms", late)
	}
	if d.reads.Load() < 6 {
		t.Errorf("the readers read %d times: the test proves nothing", d.reads.Load())
	}
}

// strangers returns new messages that no filter of the ids contains, so looking them up
// reads nothing.
func strangers(t *testing.T, s *Store, d *slowDisk, from, count int) (batch []*argus.Record) {
	t.Helper()
	for n := from; len(batch) < count; n++ {
		r := testBatch(n, n+1)[0]
		id, _ := r.Message.Identity()
		before := d.all.Load()
		if found, err := s.Find(id); err != nil || len(found) > 0 {
			t.Fatal(found, err)
		}
		if d.all.Load() == before {
			batch = append(batch, r)
		}
	}
	return batch
}

// A reader keeps its files, however often the store is refreshed or closed.
func TestReadersKeepTheirFiles(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 4 << 10})
	d := begin(t, s)
	if err := s.Append(t.Context(), d, testBatch(0, 300)); err != nil {
		t.Fatal(err)
	}
	reader := openTest(t, dir, Options{ReadOnly: true, CacheBytes: 1})
	n := 0
	for r, err := range reader.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%64 == 10 {
			if err := s.Append(t.Context(), d, testBatch(300+n, 320+n)); err != nil {
				t.Fatal(err)
			}
			if err := reader.Refresh(); err != nil {
				t.Fatal(err)
			}
		}
		if r.Kind == argus.KindMessage && r.Message.Text == "" {
			t.Fatalf("record %d lost its text", r.Seq)
		}
	}
	if n < 400 {
		t.Errorf("%d records", n)
	}
}

// Contents yields the contents of the records and reads only those.
func TestContents(t *testing.T) {
	s, dir := createTest(t, Options{SegmentBytes: 16 << 10})
	d := begin(t, s)
	batch := append(testBatch(0, 200), testBatch(10, 20)...)
	batch = append(batch, &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "no sense", Raw: []byte("raw")}})
	if err := s.Append(t.Context(), d, batch); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{s, openTest(t, dir, Options{ReadOnly: true})} {
		texts := map[uint64]string{}
		for c, err := range store.Contents(t.Context(), 5) {
			if err != nil {
				t.Fatal(err)
			}
			texts[c.Seq] = c.Text
		}
		want := 0
		for _, r := range collect(t, store, 5) {
			if r.Kind == argus.KindMessage {
				if want++; texts[r.Seq] != r.Message.Text {
					t.Errorf("record %d: %q, want %q", r.Seq, texts[r.Seq], r.Message.Text)
				}
			}
		}
		if len(texts) != want || want != 197 {
			t.Errorf("%d contents, want %d", len(texts), want)
		}
	}
}
