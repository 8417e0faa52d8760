package reader_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// zippedRaw makes an archive of stored entries whose sizes precede them.
func zippedRaw(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for i := 0; i < len(pairs); i += 2 {
		content := []byte(pairs[i+1])
		entry, err := w.CreateRaw(&zip.FileHeader{Name: pairs[i], Method: zip.Store, CRC32: checksum(content),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// walked returns a line for each file of a walk.
func walked(t testing.TB, name string, file []byte, limits reader.Limits) []string {
	t.Helper()
	folder := t.TempDir()
	limits.Temp = func() (*os.File, error) { return os.CreateTemp(folder, "") } // not removed yet
	shown := []string{}
	for f, err := range all.Formats().Files(t.Context(), name, bytes.NewReader(file), int64(len(file)), limits) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Packed {
			continue
		}
		if f.Problem != "" {
			shown = append(shown, f.Path+": "+f.Problem)
			continue
		}
		content, err := io.ReadAll(f.Input.Reader())
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(name+"!/"+f.Path, "!/")
		if reader.Unfolds(file) { // the file is beside the compressed one
			want = f.Path
		}
		if f.Input.Name != want {
			t.Errorf("the name of %q is %q, want %q", f.Path, f.Input.Name, want)
		}
		shown = append(shown, fmt.Sprintf("%s = %.40s", f.Path, content))
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) > 0 {
		t.Errorf("the temporary folder holds %d files: %v", len(left), err)
	}
	return shown
}

// tarred makes a tar from alternating names and contents; a name that ends with @ is a link.
func tarred(t testing.TB, pairs ...string) string {
	t.Helper()
	var file bytes.Buffer
	w := tar.NewWriter(&file)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Name: pairs[i], Mode: 0o600, Size: int64(len(pairs[i+1]))}
		if name, link := strings.CutSuffix(pairs[i], "@"); link {
			h = &tar.Header{Name: name, Linkname: pairs[i+1], Typeflag: tar.TypeSymlink}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, pairs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// oldTar is the first file of a tar in the form used before 1988.
func oldTar(file string) string {
	file = file[strings.Index(file, "./a/one.txt"):][:1024]
	head := []byte(file[:257] + strings.Repeat("\x00", 255))
	head[156] = 0
	sum := int(8 * ' ')
	for i, c := range head {
		if i < 148 || i >= 156 {
			sum += int(c)
		}
	}
	copy(head[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return string(head) + file[512:]
}

func gzipped(t testing.TB, content string) string {
	t.Helper()
	var file bytes.Buffer
	w := gzip.NewWriter(&file)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

func zstded(t testing.TB, content string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

// TestFilesPacked walks tar archives and compressed files.
func TestFilesPacked(t *testing.T) {
	chats := tarred(t, "./", "", "./a/one.txt", "alpha", "two.zip", string(readertest.Zipped(t, "b.txt", "beta")), "link@", "/etc/passwd", "../last", "gamma")
	inside := []string{"a/one.txt = alpha", "two.zip!/b.txt = beta", "link: the entry is no file of bytes but a link, a device or a file with holes (kind '2'); it is not read", "../last = gamma"}
	in := func(path string) (list []string) {
		for _, line := range inside {
			list = append(list, path+line)
		}
		return list
	}
	bzipped := "BZh91AY&SY\x19\x93\x9bk\x00\x00\x00\x01\x00 \x00 \x00!\x18F\x82\xeeH\xa7\n\x12\x032sm`"
	long := gzipped(t, strings.Repeat("\x00", 1<<20))
	for _, c := range []struct {
		name, file string
		limits     reader.Limits
		want       []string
	}{
		{"f.tar", chats, reader.Limits{}, inside},
		{"f.tar", oldTar(chats), reader.Limits{}, []string{"a/one.txt = alpha", ": the archive has no end: it may have been cut off after its last entry"}},
		{"f.tgz", gzipped(t, chats), reader.Limits{}, in("f.tar!/")},
		{"f.tar.gz", gzipped(t, chats), reader.Limits{}, in("f.tar!/")},
		{"f.json.gz", gzipped(t, "alpha"), reader.Limits{}, []string{"f.json = alpha"}},
		{"f", gzipped(t, "alpha") + gzipped(t, "beta"), reader.Limits{}, []string{"content = alphabeta"}},
		{"f.ZST", zstded(t, "alpha"), reader.Limits{}, []string{"f = alpha"}},
		{"f.bz2", bzipped, reader.Limits{}, []string{"f = a"}},
		{"f.txt", "BZhello", reader.Limits{}, []string{" = BZhello"}},
		{"f.tar", chats[:512+512+3], reader.Limits{}, []string{"a/one.txt: the entry is cut off: 3 of its 5 bytes are there; it is read as it is", "a/one.txt = alp",
			": the archive is cut off or damaged before byte 1028 (unexpected EOF); the rest of it is not read"}},
		{"f.tar", tarred(t, "1", "", "2", "", "3", ""), reader.Limits{Entries: 2}, []string{"1 = ", "2 = ", "3: the archive has more than 2 entries; the rest of it is not read"}},
		{"f.gz", gzipped(t, "alpha, beta, gamma")[:20], reader.Limits{}, []string{"f: the file is cut off: its compressed bytes end early, after 9 bytes of content; it is read as it is", "f = alpha, be"}},
		{"f.gz", "\x1f\x8b\x08\xff", reader.Limits{}, []string{"f: the file is damaged: it does not begin like a compressed file (unexpected EOF)"}},
		{"f.gz", long, reader.Limits{Ratio: 100, RatioFrom: 1 << 16}, []string{"f: the file unpacks to more than 100 times its stored size"}},
		{"f.gz", long, reader.Limits{Bytes: 1000}, []string{"f: the archive unpacks to more than 1000 bytes; the rest of it is not read"}},
		{"f.gz", gzipped(t, gzipped(t, "alpha")), reader.Limits{Depth: 1}, []string{"f: want archives nested at most 1 deep, found a deeper one"}},
	} {
		if diff := cmp.Diff(c.want, walked(t, c.name, []byte(c.file), c.limits)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestLooksLike(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"x.7z": {"7z\xBC\xAF\x27\x1C\x00", "a 7-Zip archive"}, "msgstore.db.crypt15": {"\x9a\x01\x0a\x10", "a WhatsApp backup, which is encrypted"},
		"signal-2024.backup": {"\x00\x00\x00\x2e\x0a", "a Signal backup, which is encrypted"}, "keys.txt": {"-----BEGIN MEGOLM SESSION DATA-----\nA", "Matrix keys"},
		"key": {"\xAC\xED\x00\x05ur", "WhatsApp's key file"}, "a.json": {"{\"a\":", "JSON in an unknown form"}, "load.dat": {"\xEF\xBB\xBF\xC3\xBEDOCID\xC3\xBE", "a load file of Concordance"}, "notes": {"hello\n", "text in an unknown form"}, "x": {"\x01\x02\x03\x00\xff", ""},
	} {
		sample, err := reader.NewSample(name, strings.NewReader(c.content), int64(len(c.content)))
		if err != nil {
			t.Fatal(err)
		}
		if got := reader.LooksLike(sample); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s looks like %q, want %q", name, got, c.want)
		}
	}
}

func checksumFlipped(file []byte, content string) []byte {
	file = bytes.Clone(file)
	file[bytes.Index(file, []byte(content))] ^= 1
	return file
}

func TestFiles(t *testing.T) {
	two := readertest.Zipped(t, "a.txt", "alpha", "stored:dir/b.txt", "beta")
	raw := zippedRaw(t, "a.txt", "alpha", "b.txt", "beta")
	zip64 := zip64Of(t, "a.txt", "alpha")
	encrypted := bytes.Clone(raw)
	encrypted[6] |= 1
	encrypted[bytes.Index(encrypted, []byte(reader.ZipCentral))+8] |= 1
	nested := string(readertest.Zipped(t, "inner.zip", string(two), "c.txt", "gamma"))
	many := readertest.Zipped(t, "1", "", "2", "", "3", "")
	zeros := strings.Repeat("\x00", 1<<20)
	for _, c := range []struct {
		name   string
		file   string
		limits reader.Limits
		want   []string
	}{
		{"plain", "alpha", reader.Limits{}, []string{" = alpha"}},
		{"empty file", "", reader.Limits{}, []string{" = "}},
		{"archive", string(two), reader.Limits{}, []string{"a.txt = alpha", "dir/b.txt = beta"}},
		{"empty archive", string(readertest.Zipped(t)), reader.Limits{}, []string{}},
		{"folders", string(readertest.Zipped(t, "d/", "", "d/a", "alpha")), reader.Limits{}, []string{"d/a = alpha"}},
		{"archive of 64-bit sizes", zip64, reader.Limits{}, []string{"a.txt = alpha"}},
		{"nested", nested, reader.Limits{}, []string{"inner.zip!/a.txt = alpha", "inner.zip!/dir/b.txt = beta", "c.txt = gamma"}},
		{"nested too deep", nested, reader.Limits{Depth: 1},
			[]string{"inner.zip: want archives nested at most 1 deep, found a deeper one", "c.txt = gamma"}},
		{"large entry", string(readertest.Zipped(t, "a", strings.Repeat("x", reader.SpoolMemory+1), "b", "beta")), reader.Limits{},
			[]string{"a = " + strings.Repeat("x", 40), "b = beta"}},
		{"hostile names", string(readertest.Zipped(t, "../../etc/passwd", "a", "/var/x", "b", "C:\\x\x1b[2J\u202etxt", "c", "caf\xe9", "d")), reader.Limits{},
			[]string{"../../etc/passwd = a", "/var/x = b", "C:\\x\uFFFD[2J\uFFFDtxt = c", "café = d"}},
		{"same name twice", string(zippedRaw(t, "a", "1", "a", "2")), reader.Limits{}, []string{"a = 1", "a = 2"}},
		{"checksum", string(checksumFlipped(raw, "alpha")), reader.Limits{},
			[]string{fmt.Sprintf("a.txt: the entry is damaged: its checksum is %08x and should be %08x; it is read as it is", checksum([]byte("`lpha")), checksum([]byte("alpha"))), "a.txt = `lpha", "b.txt = beta"}},
		{"encrypted", string(encrypted), reader.Limits{},
			[]string{"a.txt: the entry is encrypted, and no password is held", "b.txt = beta"}},
		{"too many entries", string(many), reader.Limits{Entries: 2},
			[]string{"1 = ", "2 = ", "3: the archive has more than 2 entries; the rest of it is not read"}},
		{"unfolds to too much", string(readertest.Zipped(t, "a", zeros, "b", zeros, "c", "")), reader.Limits{Bytes: 1<<20 + 1},
			[]string{"a = " + zeros[:40], "b: the archive unpacks to more than 1048577 bytes; the rest of it is not read"}},
		{"unfolds too much at once", string(readertest.Zipped(t, "a", zeros, "b", "beta")), reader.Limits{Ratio: 100, RatioFrom: 1 << 16},
			[]string{"a: the entry unpacks to more than 100 times its stored size", "b = beta"}},
		{"junk behind", string(two) + strings.Repeat("\n", 9), reader.Limits{}, []string{"a.txt = alpha", "dir/b.txt = beta"}},
		{"cut in the directory", string(raw[:len(raw)-30]), reader.Limits{},
			[]string{": the archive has no directory: it was cut off; its entries are searched for one by one", "a.txt = alpha", "b.txt = beta"}},
		{"cut in the directory, streamed", string(two[:len(two)-30]), reader.Limits{},
			[]string{": the archive has no directory: it was cut off; its entries are searched for one by one", "a.txt = alpha",
				"dir/b.txt: the entry is stored without its size, which only the missing directory states"}},
		{"cut in an entry", string(raw[:bytes.Index(raw, []byte("beta"))+2]), reader.Limits{},
			[]string{": the archive has no directory: it was cut off; its entries are searched for one by one", "a.txt = alpha",
				"b.txt: the entry is cut off: 2 of its 4 bytes are there; it is read as it is", "b.txt = be"}},
		{"cut in a streamed entry", string(two[:37]), reader.Limits{},
			[]string{": the archive has no directory: it was cut off; its entries are searched for one by one",
				"a.txt: the entry is cut off: its compressed bytes end early, after 1 bytes of content; it is read as it is", "a.txt = a"}},
		{"nested and cut", string(zippedRaw(t, "in.zip", string(raw[:len(raw)-30]), "c", "gamma")), reader.Limits{},
			[]string{"in.zip: the archive has no directory: it was cut off; its entries are searched for one by one",
				"in.zip!/a.txt = alpha", "in.zip!/b.txt = beta", "c = gamma"}},
		{"overlapping entries", string(overlapping(t)), reader.Limits{},
			[]string{"a = " + strings.Repeat("x", 40), ": the entries of the archive overlap: they claim more bytes than it has; the rest of it is not read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, walked(t, "case/file.zip", []byte(c.file), c.limits)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFilesStops(t *testing.T) {
	file := readertest.Zipped(t, "a", "alpha", "b", "beta")
	for f, err := range all.Formats().Files(t.Context(), "x.zip", bytes.NewReader(file), int64(len(file)), reader.Limits{}) {
		if err != nil || f.Path != "a" {
			t.Fatalf("first file %q: %v", f.Path, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range all.Formats().Files(ctx, "x.zip", bytes.NewReader(file), int64(len(file)), reader.Limits{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled walk yields %v", err)
		}
	}
}

// FuzzFiles checks that no archive makes the walk panic, hang or leave a file.
func FuzzFiles(f *testing.F) {
	two := readertest.Zipped(f, "a.txt", "alpha", "stored:dir/b.txt", "beta")
	f.Add(two)
	f.Add(two[:len(two)-30])
	f.Add(zippedRaw(f, "in.zip", string(two), "c", "gamma"))
	f.Add([]byte(zip64Of(f, "a", "alpha")))
	f.Add([]byte(gzipped(f, tarred(f, "a", "alpha", "l@", "b"))))
	f.Add([]byte(zstded(f, tarred(f, "a", "alpha"))))
	f.Fuzz(func(t *testing.T, file []byte) {
		walked(t, "x.zip", file, reader.Limits{Bytes: 1 << 20, Entries: 1000})
	})
}
