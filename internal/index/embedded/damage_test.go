package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// damagedIndex is a directory with an index that has merged and other segments.
func damagedIndex(t testing.TB) (dir string, records texts) {
	t.Helper()
	dir, records = t.TempDir(), sample(260)
	ix, err := Open(dir, Options{Evidence: records, SegmentDocs: 300})
	if err != nil {
		t.Fatal(err)
	}
	for n := 20; n <= len(records); n += 20 {
		if err := ix.Add(t.Context(), records[n-20:n]); err != nil {
			t.Fatal(err)
		}
		if err := ix.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ix.settle(t)
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, records
}

// If any byte changes, Open or Check reports it and names the file; a search in between
// may be wrong or refused, but does not crash.
func TestEveryByteCounts(t *testing.T) {
	t.Parallel()
	dir, records := damagedIndex(t)
	step := 19
	if testing.Short() {
		step = 101
	}
	tried := 0
	for _, name := range fileNames(t, dir) {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := range whole {
			nearEnd := at < 16 || at > len(whole)-32
			if at%step != 0 && !nearEnd {
				continue
			}
			tried++
			changed := bytes.Clone(whole)
			changed[at] ^= 1 << (at % 8)
			rewrite(t, path, changed)
			expectDamage(t, dir, records, name, fmt.Sprintf("byte %d of %d changed", at, len(whole)))
		}
		for _, size := range []int{0, 1, len(whole) / 2, len(whole) - 1} {
			rewrite(t, path, whole[:size])
			expectDamage(t, dir, records, name, fmt.Sprintf("cut off at %d of %d", size, len(whole)))
		}
		rewrite(t, path, append(bytes.Clone(whole), 0))
		expectDamage(t, dir, records, name, "a byte too many")
		rewrite(t, path, whole)
	}
	t.Logf("changed %d bytes", tried)
	ix := open(t, dir, Options{ReadOnly: true, Evidence: records})
	defer ix.Close()
	expectClean(t, ix)
}

// rewrite replaces a file, so that a mapped file stays unchanged.
func rewrite(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func fileNames(t *testing.T, dir string) (names []string) {
	for name := range readDir(t, dir) {
		if name != lockName {
			names = append(names, name)
		}
	}
	if len(names) < 4 {
		t.Fatalf("only %v", names)
	}
	return names
}

func expectDamage(t *testing.T, dir string, records texts, name, how string) {
	t.Helper()
	ix, err := Open(dir, Options{ReadOnly: true, Evidence: records})
	if err == nil {
		defer ix.Close()
		_, _, _ = answers(ix)
		for found := range ix.Check(t.Context()) {
			if err == nil {
				err = found
			}
		}
	}
	var damage *index.Damage
	if !errors.As(err, &damage) || !errors.Is(err, argus.ErrDamaged) {
		t.Fatalf("%s, %s: not found, but %v", name, how, err)
	}
	if damage.File != name && damage.File != manifestName {
		t.Errorf("%s, %s: found in %s", name, how, damage.File)
	}
}

// Two segments are swapped, and a segment is missing.
func TestSegmentsOutOfPlace(t *testing.T) {
	dir, records := damagedIndex(t)
	var segments []string
	for _, name := range fileNames(t, dir) {
		if isSegmentName(name) {
			segments = append(segments, filepath.Join(dir, name))
		}
	}
	a, b := segments[0], segments[1]
	swap := func() {
		if err := errors.Join(os.Rename(a, a+".x"), os.Rename(b, a), os.Rename(a+".x", b)); err != nil {
			t.Fatal(err)
		}
	}
	swap()
	if _, err := Open(dir, Options{ReadOnly: true}); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("swapped segments: %v", err)
	}
	swap()
	ix := open(t, dir, Options{Evidence: records})
	defer ix.Close()
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}
	found := false
	for err := range ix.Check(t.Context()) {
		found = found || errors.Is(err, argus.ErrDamaged)
	}
	if !found {
		t.Error("check does not report the missing segment")
	}
}

// A merge refuses damaged segments.
func TestMergeRefusesDamage(t *testing.T) {
	dir, records := damagedIndex(t)
	for _, name := range fileNames(t, dir) {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if isSegmentName(name) {
			data[60] ^= 1 // in the first section
			rewrite(t, path, data)
		}
	}
	ix := open(t, dir, Options{Evidence: sample(400)})
	defer ix.Close()
	var err error
	for n := len(records); err == nil && n < len(records)+20; n++ {
		more := sample(n + 1)
		if err = ix.Add(t.Context(), more[n:]); err == nil {
			err = ix.Flush(t.Context())
		}
		ix.mu.Lock()
		if ix.mergeErr != nil {
			err = ix.mergeErr
		}
		ix.mu.Unlock()
	}
	if !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("damaged segments were merged: %v", err)
	}
}

// Reading any segment file ends without a panic. The checksum of the directory is
// corrected, so that the fuzzer gets past it.
func FuzzSegment(f *testing.F) {
	dir, _ := damagedIndex(f)
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < len(segmentMagic)+footerSize+trailerSize {
			return
		}
		footer := data[len(data)-footerSize-trailerSize:][:footerSize]
		binary.LittleEndian.PutUint32(data[len(data)-trailerSize:], crc32.Checksum(footer, castagnoli))
		s := &segment{name: "fuzzed", size: int64(len(data)), data: data}
		if err := s.parse(); err != nil {
			return
		}
		s.refs.Store(2) // never closed: there is no file
		ix := &Index{current: newSnapshot([]*segment{s}, 1, 0), cache: newCache(1 << 20)}
		for _, req := range sampleRequests() {
			req.Query = withoutRegexps(req.Query)
			_, _ = ix.Search(t.Context(), req)
		}
		_, _ = ix.Page(t.Context(), index.PageRequest{Service: "sky", Conversation: "G-0", Before: 10})
		_, _ = mergeContentOf(t, s)
	})
}

func withoutRegexps(n query.Node) query.Node {
	if and, ok := n.(query.And); ok {
		return and.Nodes[0]
	}
	return n
}

// mergeContentOf merges a segment with itself and discards the output.
func mergeContentOf(t *testing.T, s *segment) (n uint64, err error) {
	defer guard(s.name, &err, s)
	out := newOutput(discard{})
	err = newMerge(t.Context(), []*segment{s, s}, make([]*roaring.Bitmap, 2)).content().writeTo(out)
	return out.written, err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func FuzzManifest(f *testing.F) {
	dir, _ := damagedIndex(f)
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		line, _, _ := bytes.Cut(data, []byte{'\n'})
		line = append(bytes.Clone(line), '\n')
		for _, data := range [][]byte{data, fmt.Appendf(line, manifestSum, crc32.Checksum(line, castagnoli))} {
			m, err := parseManifest(data)
			if err != nil {
				continue
			}
			again, err := m.encode()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parseManifest(again); err != nil || !got.equal(m) {
				t.Errorf("a manifest that was written again is %+v, %v; was %+v", got, err, m)
			}
		}
	})
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by the segment's last reader
		}
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = data
	}
	return files
}
