package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/index/indextest"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	indextest.Run(t, opened(Options{}), outdate)
}

// The suite runs with many small segments, constant merges and no cache.
func TestIndexOfSmallSegments(t *testing.T) {
	t.Parallel()
	indextest.Run(t, opened(Options{BatchBytes: 3000, SegmentDocs: 30, CacheBytes: 1}), outdate)
}

// opened opens indexes with some options of this package.
func opened(own Options) index.Open {
	return func(dir string, o index.Options) (index.Index, error) {
		own := own
		own.Evidence, own.Mark, own.ReadOnly, own.Rebuild = o.Evidence, o.Mark, o.ReadOnly, o.Rebuild
		ix, err := Open(dir, own)
		if err != nil {
			return nil, err
		}
		return ix, nil
	}
}

// outdate marks an index as made with another version of the text analysis.
func outdate(dir string) error {
	return writeManifest(durable.OS{}, dir, &manifest{Version: formatVersion, Analysis: "0"})
}

// texts is evidence that consists of records, numbered from 1.
type texts []*argus.Record

// Whole returns, for a sighting, the content of its message, with the receivers that the
// sighting states, if any.
func (t texts) Whole(_ context.Context, seq uint64) (*argus.Record, error) {
	r := *t[seq-1]
	if r.Kind == argus.KindSighting {
		m := *t[r.Of-1].Message
		if r.Message != nil {
			m.To = r.Message.To
		}
		r.Message = &m
	}
	return &r, nil
}

func (t texts) Copies(_ context.Context, id argus.ID) (seqs []uint64, err error) {
	for _, r := range t {
		if (r.Kind == argus.KindMessage || r.Kind == argus.KindSighting) && r.MessageID() == id {
			seqs = append(seqs, r.Seq)
		}
	}
	return seqs, nil
}

// sample returns records of every kind: messages in roughly chronological order, some
// seen again, some with other receivers, some in copies that differ.
func sample(n int) texts {
	c := newSmallCorpus()
	var records texts
	var messages []*argus.Record
	for i := range n {
		r := &argus.Record{Kind: argus.KindOriginal, Delivery: argus.DeliveryNumber(1 + i/20)}
		switch {
		case i%11 == 10:
			of := messages[i*7%len(messages)]
			r.Kind, r.Of, r.ID, r.Version = argus.KindSighting, of.Seq, of.ID, of.Version
			if i%2 == 0 {
				r.Message = &argus.Message{To: []string{"other receiver"}}
			}
		case i%17 == 16:
			of := messages[i*5%len(messages)]
			changed := *of.Message
			changed.Text += " changed"
			r.Kind, r.Message, r.Of = argus.KindMessage, &changed, of.Seq
			r.ID, r.Version = changed.Identity()
		case i%13 > 0:
			r.Kind, r.Message = argus.KindMessage, c.next().Message
			r.Message.ServiceID = fmt.Sprint(i)
			r.ID, r.Version = r.Message.Identity()
			messages = append(messages, r)
		}
		r.Seq = uint64(i + 1)
		records = append(records, r)
	}
	return records
}

// newSmallCorpus returns a corpus with few distinct words.
func newSmallCorpus() *corpus { return newCorpus(100, 10) }

// sampleRequests cover every section of a segment.
func sampleRequests() []index.Request {
	words := newSmallCorpus().vocabulary
	facets := []query.FieldName{query.From, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Entity}
	return []index.Request{
		{Limit: 1000, Facets: facets, FacetSize: 1000, Histogram: index.ByHour},
		{Query: query.Word{Term: words[0]}, Limit: 1000},
		{Query: query.Word{Term: words[90]}, Limit: 1000},
		{Query: query.Phrase{Terms: []string{words[0], words[1]}}, Limit: 1000},
		{Query: query.Prefix{Term: words[3][:1]}, Limit: 1000},
		{Query: query.Fuzzy{Term: words[3], Distance: 1}, Limit: 1000},
		{Query: query.Fuzzy{Term: words[5], Distance: 2}, Scope: query.Field{Name: query.Delivery, Value: "D-0002"}, Limit: 1000},
		{Query: query.Field{Name: query.Is, Value: "differs"}, Limit: 1000},
		{Query: query.And{Nodes: []query.Node{query.Word{Term: words[0]}, query.Not{Node: query.Regexp{Expr: words[1]}}}}, Limit: 1000},
		{Query: query.Field{Name: query.In, Value: "=G-", Prefix: true}, Facets: facets},
	}
}

// answers holds the position of an index and its answers to the sample requests.
func answers(ix *Index) (position uint64, all []any, err error) {
	for _, req := range sampleRequests() {
		r, err := ix.Search(context.Background(), req)
		if err != nil {
			return 0, nil, err
		}
		all, position = append(all, r), r.Position
	}
	page, err := ix.Page(context.Background(), index.PageRequest{Service: "sky", Conversation: "G-0", Before: 1000})
	return position, append(all, page), err
}

// rebuilt returns the answers of an index that was built from the records in one go.
func rebuilt(t *testing.T, records texts) []any {
	t.Helper()
	ix := open(t, t.TempDir(), Options{Evidence: records})
	defer ix.Close()
	feed(t, ix, records)
	_, all, err := answers(ix)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func open(t *testing.T, dir string, o Options) *Index {
	t.Helper()
	ix, err := Open(dir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return ix
}

// feed adds the records that an index does not have yet.
func feed(t *testing.T, ix *Index, records texts) {
	t.Helper()
	if err := ix.Add(t.Context(), records[ix.Position():]); err != nil {
		t.Fatalf("add: %v", err)
	}
	if err := ix.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func expectEqual(t *testing.T, what string, got, want []any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// expectClean checks that nothing is damaged or left over. The merger removes merged
// segments a moment after the new one becomes visible.
func expectClean(t *testing.T, ix *Index) {
	t.Helper()
	for err := range ix.Check(t.Context()) {
		t.Errorf("check: %v", err)
	}
	want := ix.Stats().Segments + 2
	for patience := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		files, err := ix.disk.ReadDir(ix.dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == want {
			return
		}
		if time.Now().After(patience) {
			t.Errorf("%d files, want %d: %v", len(files), want, files)
			return
		}
	}
}

// The answers equal those of an index built in one go, however the records are divided
// into batches, and whether or not the index is merged or reopened.
func TestRebuiltIncrementalMerged(t *testing.T) {
	t.Parallel()
	records := sample(300)
	want := rebuilt(t, records)
	for _, batch := range []int{3, 20, 299} {
		for _, segmentDocs := range []int{20, 200, 1e6} {
			dir := t.TempDir()
			ix := open(t, dir, Options{Evidence: records, SegmentDocs: segmentDocs})
			for end := batch; ; end += batch {
				feed(t, ix, records[:min(end, len(records))])
				if end >= len(records) {
					break
				}
			}
			for _, what := range []string{"at once", "merged", "opened again"} {
				_, got, err := answers(ix)
				if err != nil {
					t.Fatal(err)
				}
				expectEqual(t, fmt.Sprintf("batches of %d, segments of %d, %s", batch, segmentDocs, what), got, want)
				switch what {
				case "at once":
					ix.settle(t)
				case "merged":
					ix.Close()
					ix = open(t, dir, Options{Evidence: records, SegmentDocs: segmentDocs})
				}
			}
			expectClean(t, ix)
			ix.Close()
		}
	}
}

// One process writes, and any number can read.
func TestProcesses(t *testing.T) {
	records := sample(300)
	dir := t.TempDir()
	if ix := open(t, filepath.Join(dir, "none"), Options{ReadOnly: true}); ix.Position() != 0 {
		t.Errorf("a missing index is at position %d", ix.Position())
	}
	writer := open(t, dir, Options{Evidence: records, SegmentDocs: 100})
	if _, err := Open(dir, Options{}); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("a second writer: %v", err)
	}
	var readers []*Index
	for n := 20; n <= len(records); n += 20 {
		reader := open(t, dir, Options{Evidence: records, ReadOnly: true})
		readers = append(readers, reader)
		if err := reader.Add(t.Context(), records[n:]); err == nil {
			t.Error("a read-only index accepted records")
		}
		feed(t, writer, records[:n])
		if got := reader.Position(); got != uint64(n-20) {
			t.Errorf("a reader that was not refreshed is at %d, want %d", got, n-20)
		}
	}
	writer.settle(t)
	for i, reader := range readers {
		// Its segments are gone from the directory by now.
		_, got, err := answers(reader)
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "a reader that was not refreshed", got, rebuilt(t, records[:20*i]))
		if err := reader.Refresh(); err != nil {
			t.Fatal(err)
		}
		_, got, err = answers(reader)
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "a refreshed reader", got, rebuilt(t, records))
		for err := range reader.Check(t.Context()) {
			t.Error(err)
		}
		reader.Close()
		if _, err := reader.Search(t.Context(), index.Request{}); err == nil {
			t.Error("a closed index answers")
		}
	}
	expectClean(t, writer)
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
	open(t, dir, Options{}).Close() // the lock is free
}

// Readers that open and refresh while segments come and go always get a complete answer.
func TestReadersDuringMerges(t *testing.T) {
	t.Parallel()
	records := sample(400)
	dir := t.TempDir()
	writer := open(t, dir, Options{Evidence: records, SegmentDocs: 60})
	defer writer.Close()
	done := make(chan error)
	for range 2 {
		go func() {
			for {
				reader, err := Open(dir, Options{ReadOnly: true})
				if err != nil {
					done <- err
					return
				}
				r, err := reader.Search(context.Background(), index.Request{})
				if err == nil {
					want := uint64(0)
					for _, record := range records[:r.Position] {
						if record.Kind == argus.KindMessage && record.Of == 0 {
							want++
						}
					}
					if r.Total != want {
						err = fmt.Errorf("%d messages at position %d, want %d", r.Total, r.Position, want)
					}
				}
				reader.Close()
				if err != nil || r.Position == uint64(len(records)) {
					done <- err
					return
				}
			}
		}()
	}
	for n := 2; n <= len(records); n += 2 {
		feed(t, writer, records[:n])
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRebuild(t *testing.T) {
	records := sample(100)
	for _, test := range []struct {
		name  string
		spoil func(dir string) error
		want  error
	}{
		{"nothing wrong", func(string) error { return nil }, nil},
		{"damaged manifest", func(dir string) error { return os.WriteFile(filepath.Join(dir, manifestName), []byte("?"), 0o600) }, argus.ErrDamaged},
		{"no manifest", func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) }, argus.ErrDamaged},
		{"no segment", func(dir string) error { return os.Remove(filepath.Join(dir, segmentName(0))) }, argus.ErrDamaged},
		{"empty segment", func(dir string) error { return os.WriteFile(filepath.Join(dir, segmentName(0)), nil, 0o600) }, argus.ErrDamaged},
		{"another version", func(dir string) error {
			return writeManifest(durable.OS{}, dir, &manifest{Version: formatVersion + 1, Analysis: query.AnalysisVersion})
		}, index.ErrOutdated},
		{"another analysis", func(dir string) error {
			return outdate(dir)
		}, index.ErrOutdated},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			ix := open(t, dir, Options{Evidence: sample(400)})
			feed(t, ix, records)
			ix.Close()
			if err := test.spoil(dir); err != nil {
				t.Fatal(err)
			}
			for _, o := range []Options{{}, {ReadOnly: true}} {
				ix, err := Open(dir, o)
				if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), "`argus reindex`") {
					t.Errorf("open: %v, want %v and what to do", err, test.want)
				}
				if err == nil {
					ix.Close()
				}
			}
			ix = open(t, dir, Options{Evidence: records, Rebuild: true})
			defer ix.Close()
			if ix.Position() != 0 || ix.Stats().Messages != 0 {
				t.Errorf("the rebuilt index is at %d with %d messages", ix.Position(), ix.Stats().Messages)
			}
			feed(t, ix, records)
			_, got, err := answers(ix)
			if err != nil {
				t.Fatal(err)
			}
			expectEqual(t, "rebuilt", got, rebuilt(t, records))
			expectClean(t, ix)
		})
	}
}

// A phrase is found where its numbers occur whole and in sequence.
func TestHasVarints(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		number := rapid.SampledFrom([]uint64{1, 129, 128 * 128, 128 * 129})
		list := rapid.SliceOfN(number, 0, 8).Draw(r, "list")
		want := rapid.SliceOfN(number, 1, 3).Draw(r, "want")
		has := false
		for i := range list {
			has = has || slices.Equal(list[i:min(i+len(want), len(list))], want)
		}
		encode := func(list []uint64) (data []byte) {
			for _, n := range list {
				data = binary.AppendUvarint(data, n)
			}
			return data
		}
		if got := hasVarints(encode(list), encode(want)); got != has {
			r.Errorf("%d in %d: %v, want %v", want, list, got, has)
		}
	})
}

// The automaton of a word accepts exactly the words near it, of any length and with any
// characters.
func TestNearby(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		word := rapid.StringOfN(rapid.SampledFrom([]rune("abéж東")), 1, 60, 250)
		n := query.Fuzzy{Term: word.Draw(r, "word"), Distance: rapid.IntRange(0, 3).Draw(r, "distance")}
		near := []rune(n.Term)
		for range rapid.IntRange(0, 4).Draw(r, "edits") {
			at := rapid.IntRange(0, len(near)).Draw(r, "at")
			switch rapid.IntRange(0, 2).Draw(r, "edit") {
			case 0:
				near = slices.Insert(near, at, 'x')
			case 1:
				near = slices.Delete(near, at, min(at+1, len(near)))
			default:
				near[min(at, len(near)-1)] = 'y'
			}
			if len(near) == 0 {
				near = []rune{'b'}
			}
		}
		want := editDistance([]rune(n.Term), near) <= n.Distance
		if got := newNearby(n).accepts([]byte(string(near))); got != want {
			r.Errorf("%q within %d of %q: %v, want %v", string(near), n.Distance, n.Term, got, want)
		}
	})
}

// editDistance computes the Levenshtein distance by its definition.
func editDistance(a, b []rune) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// Removed messages also disappear from the files, with their words and accounts.
func TestRemovedLeavesTheFiles(t *testing.T) {
	records := sample(60)
	for _, i := range []int{3, 31, 40} {
		secret := *records[i]
		secret.Kind, secret.Of = argus.KindMessage, 0
		secret.Message = &argus.Message{Service: "test", Conversation: "secretroom", From: "secretsender", To: []string{"secretreceiver"}, Text: "secretword"}
		records[i] = &secret
	}
	dir := t.TempDir()
	ix := open(t, dir, Options{Evidence: records})
	feed(t, ix, records[:30])
	feed(t, ix, records)
	holds := func() bool {
		for _, data := range readDir(t, dir) {
			if bytes.Contains(data, []byte("ecretroom")) || bytes.Contains(data, []byte("ecretword")) {
				return true
			}
		}
		return false
	}
	if !holds() {
		t.Fatal("the files do not contain the words before the removal")
	}
	if err := ix.Remove(t.Context(), []uint64{4, 32, 41}); err != nil {
		t.Fatal(err)
	}
	ix.settle(t)
	expectClean(t, ix)
	for name, data := range readDir(t, dir) {
		for _, secret := range []string{"secret", "ecretroom", "ecretword", "ecretsender", "ecretreceiver"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s still holds %q", name, secret)
			}
		}
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	ix = open(t, dir, Options{Evidence: records})
	defer ix.Close()
	r, err := ix.Search(t.Context(), index.Request{Query: query.Word{Term: "secretword"}})
	if err != nil || r.Total != 0 {
		t.Errorf("found %+v, %v", r, err)
	}
}

// Different scopes have different names in the cache, whatever fields are added to nodes.
func TestScopesAreToldApart(t *testing.T) {
	nodes := []query.Node{
		query.All{}, query.Word{Term: "a"}, query.Word{Term: "b"}, query.Not{Node: query.Word{Term: "a"}},
		query.And{Nodes: []query.Node{query.Word{Term: "a"}, query.Word{Term: "b"}}},
		query.Or{Nodes: []query.Node{query.Word{Term: "a"}, query.Word{Term: "b"}}},
		query.And{Nodes: []query.Node{query.And{Nodes: []query.Node{query.Word{Term: "a"}}}, query.Word{Term: "b"}}},
		query.And{Nodes: []query.Node{query.And{Nodes: []query.Node{query.Word{Term: "a"}, query.Word{Term: "b"}}}}},
		query.Sent{From: time.Unix(1, 0)}, query.Sent{To: time.Unix(1, 0)}, query.Field{},
	}
	for i := range reflect.TypeFor[query.Field]().NumField() {
		var field query.Field
		switch v := reflect.ValueOf(&field).Elem().Field(i); v.Kind() {
		case reflect.String:
			v.SetString("x")
		case reflect.Bool:
			v.SetBool(true)
		default:
			t.Fatalf("a field of kind %s: extend appendNode and this test", v.Kind())
		}
		nodes = append(nodes, field)
	}
	seen := map[string]query.Node{}
	for _, n := range nodes {
		key := string(appendNode(nil, n))
		if other, known := seen[key]; known {
			t.Errorf("%#v and %#v are both %q", other, n, key)
		}
		seen[key] = n
	}
}

// A large index has more segments than may wait for a merge. A flush does not wait
// for large ones: they are final.
func TestLargeSegmentsDoNotWait(t *testing.T) {
	records := sample(600)
	ix := open(t, t.TempDir(), Options{Evidence: records, SegmentDocs: 8})
	defer ix.Close()
	for n := 4; n <= len(records); n += 4 {
		feed(t, ix, records[:n])
	}
	ix.settle(t)
	snapshot := ix.acquire()
	defer snapshot.release()
	if all, waiting := len(snapshot.segments), ix.waiting(snapshot.segments); all < maxWaiting || waiting > 2*mergeFactor {
		t.Errorf("%d of %d segments wait to be merged, want at most %d of %d or more", waiting, all, 2*mergeFactor, maxWaiting)
	}
}
