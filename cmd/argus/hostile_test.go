//go:build linux

package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The limits for one hostile file.
const (
	hostileTime  = 60 * time.Second
	hostileBytes = 512 << 20 // resident memory of the largest process
)

// TestHostileFiles ingests files made to break a reader: known files that are cut,
// changed, repeated or joined, bombs, deep nesting and odd names. For each file, the
// command ends within its limits, the account balances, nothing is written outside the
// store, and the store verifies. $ARGUS_HOSTILE is the number of files, by default one of
// each kind; file n is always the same.
func TestHostileFiles(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("builds the real binary; not with -short, nor with -race")
	}
	binary := build(t, "")
	seeds := samples(t)
	kinds := hostileKinds(seeds)
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	files := number(t, "ARGUS_HOSTILE", len(kinds))
	failed := 0
	var slowest time.Duration
	var largest int64
	for n := range files {
		kind := kinds[n%len(kinds)]
		h := &hostile{binary: binary, dir: t.TempDir()}
		in := filepath.Join(h.dir, "in")
		if err := os.Mkdir(in, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := kind.make(rand.New(rand.NewPCG(uint64(n), 11)), in); err != nil {
			t.Fatalf("make number %d, %s: %v", n, kind.name, err)
		}
		took, size, problem := h.takeIn(t, in)
		slowest, largest = max(slowest, took), max(largest, size)
		switch {
		case took > hostileTime:
			problem = fmt.Sprintf("took %s", took)
		case problem == "" && size > hostileBytes:
			problem = fmt.Sprintf("took %d MB of memory", size>>20)
		}
		if problem != "" {
			failed++
			t.Errorf("number %d, %s: %s", n, kind.name, problem)
		}
		if err := os.RemoveAll(h.dir); err != nil {
			t.Fatal(err)
		}
	}
	if slowest < 10*time.Millisecond || largest < 16<<20 {
		t.Errorf("%s and %d bytes at most: this test measures nothing", slowest, largest)
	}
	t.Logf("reliability: hostile files tried %d failed %d (slowest %s, largest %d MB; %d kinds: %s)",
		files, failed, slowest.Round(time.Millisecond), largest>>20, len(kinds), strings.Join(names, ", "))
}

type hostile struct{ binary, dir string }

// takeIn ingests a folder and describes every defect of the result.
func (h *hostile) takeIn(t *testing.T, in string) (took time.Duration, memory int64, problem string) {
	t.Helper()
	out, took, memory, err := h.run(t, "ingest", in)
	if took > hostileTime {
		return took, memory, ""
	}
	var receipt struct {
		Event  string
		Counts struct{ Read, Stored, Sightings, Quarantined uint64 }
	}
	for line := range bytes.Lines(out) {
		if jsonErr := json.Unmarshal(line, &receipt); jsonErr != nil {
			return took, memory, fmt.Sprintf("printed what is no JSON: %q", line)
		}
	}
	if c := receipt.Counts; err == nil && (receipt.Event != "receipt" || c.Read != c.Stored+c.Sightings+c.Quarantined) {
		return took, memory, fmt.Sprintf("the account does not balance: %+v", receipt)
	}
	left, listErr := os.ReadDir(h.dir)
	if listErr != nil {
		t.Fatal(listErr)
	}
	for _, e := range left {
		if !slices.Contains([]string{"in", "s", "k", "home"}, e.Name()) {
			return took, memory, e.Name() + " was written beside the store"
		}
	}
	// The folder was refused or ingested; in both cases the store is sound.
	if _, statErr := os.Stat(filepath.Join(h.dir, "s")); statErr == nil {
		if out, _, _, verifyErr := h.run(t, "verify"); verifyErr != nil {
			return took, memory, fmt.Sprintf("verify: %v\n%s", verifyErr, out)
		}
	} else if err == nil {
		return took, memory, "there is no store and no error"
	}
	return took, memory, ""
}

func (h *hostile) run(t *testing.T, args ...string) (out []byte, took time.Duration, memory int64, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), h.binary, append([]string{"--json", "--store", filepath.Join(h.dir, "s"), "--keys", filepath.Join(h.dir, "k")}, args...)...)
	c.Env = append(os.Environ(), "HOME="+filepath.Join(h.dir, "home"), "ARGUS_ACTOR=hostile")
	var errOut bytes.Buffer
	c.Stderr = &errOut
	timer := time.AfterFunc(2*hostileTime, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	began := time.Now()
	out, err = c.Output()
	took = time.Since(began)
	if usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		memory = usage.Maxrss << 10 // of the process or of its largest reader
	}
	if err != nil && (errOut.Len() == 0 || strings.Contains(errOut.String(), "panic: ")) {
		t.Errorf("argus %v: %v, and the reason is %q", args, err, errOut.String())
	}
	return out, took, memory, err
}

// samples returns the test files of the readers.
func samples(t *testing.T) (list [][]byte) {
	t.Helper()
	err := filepath.WalkDir("../../internal/reader/testdata", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(name, ".golden") || strings.Contains(name, "/fuzz/") {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil && len(data) > 16 {
			list = append(list, data)
		}
		return err
	})
	if err != nil || len(list) < 50 {
		t.Fatalf("%d samples, %v", len(list), err)
	}
	return list
}

type hostileKind struct {
	name string
	make func(rng *rand.Rand, dir string) error
}

func hostileKinds(samples [][]byte) []hostileKind {
	pick := func(rng *rand.Rand) []byte { return slices.Clone(samples[rng.IntN(len(samples))]) }
	// put writes one file, named like a file of one of many formats.
	endings := []string{"txt", "json", "jsonl", "xml", "csv", "log", "eml", "mbox", "html", "db", "bin", "zip"}
	put := func(rng *rand.Rand, dir string, data []byte) error {
		return os.WriteFile(filepath.Join(dir, "f."+endings[rng.IntN(len(endings))]), data, 0o600)
	}
	return []hostileKind{
		{"flipped", func(rng *rand.Rand, dir string) error {
			data := pick(rng)
			for range 1 + rng.IntN(40) {
				data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			}
			return put(rng, dir, data)
		}},
		{"cut", func(rng *rand.Rand, dir string) error {
			data := pick(rng)
			from := rng.IntN(len(data))
			return put(rng, dir, data[from:from+rng.IntN(len(data)-from)])
		}},
		{"glued", func(rng *rand.Rand, dir string) error {
			a, b := pick(rng), pick(rng)
			return put(rng, dir, append(a[:rng.IntN(len(a))], b[rng.IntN(len(b)):]...))
		}},
		{"repeated", func(rng *rand.Rand, dir string) error {
			data := pick(rng)
			from := rng.IntN(len(data))
			piece := data[from : from+1+rng.IntN(len(data)-from)]
			return put(rng, dir, slices.Concat(data[:from], bytes.Repeat(piece, 1+(4<<20)/len(piece)), data[from:]))
		}},
		{"bytes replaced by others of the file", func(rng *rand.Rand, dir string) error {
			data := pick(rng)
			for range 1 + rng.IntN(20) {
				n := 1 + rng.IntN(min(len(data), 64))
				copy(data[rng.IntN(len(data)-n+1):], data[rng.IntN(len(data)-n+1):][:n])
			}
			return put(rng, dir, data)
		}},
		{"deep", func(rng *rand.Rand, dir string) error {
			open := []string{"[", `{"a":`, "<a>", "(", "\n>", "--b\nContent-Type: multipart/mixed; boundary=b\n\n"}[rng.IntN(6)]
			head := []string{"", `{"messages":`, "<?xml version=\"1.0\"?>", "From: a@b\nContent-Type: multipart/mixed; boundary=b\n\n"}[rng.IntN(4)]
			return put(rng, dir, []byte(head+strings.Repeat(open, 1+(1<<20)/len(open))))
		}},
		{"entities", func(rng *rand.Rand, dir string) error {
			var b strings.Builder
			b.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE r [<!ENTITY x SYSTEM \"file:///etc/passwd\"><!ENTITY e0 \"ha\">")
			for i := range 30 {
				fmt.Fprintf(&b, "<!ENTITY e%d \"%s\">", i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
			}
			root := []string{"smses", "project", "iq", "r"}[rng.IntN(4)]
			fmt.Fprintf(&b, "]><%s><sms body=\"&e30;\" address=\"&x;\"/>&e30;</%s>", root, root)
			return put(rng, dir, []byte(b.String()))
		}},
		{"one long line", func(rng *rand.Rand, dir string) error {
			head := []string{"", `{"service":"sky","text":"`, "date,from,text\n2020-01-01,a,\"", "From: a@b\nSubject: ", "[1/2/20, 10:00:00] A: "}[rng.IntN(5)]
			return put(rng, dir, append([]byte(head), bytes.Repeat([]byte{"ax \x00\xff"[rng.IntN(5)]}, 48<<20)...))
		}},
		{"the same message many times", func(rng *rand.Rand, dir string) error {
			line := `{"service":"sky","from":"a","to":["b"],"id":"g9","sent":"2021-02-14T12:03:11Z","text":"good"}` + "\n"
			if rng.IntN(2) == 0 {
				line = "[14/02/2021, 12:03:11] A: good\n"
			}
			return put(rng, dir, bytes.Repeat([]byte(line), 40_000))
		}},
		{"absurd values", func(rng *rand.Rand, dir string) error {
			times := []string{"1e309", "-1", "9223372036854775808", `"99999-12-31T23:59:59Z"`, `"0000-00-00"`, `"2021-02-30T25:61:61Z"`, "null", "[]", `"\ud800"`, "1e-320"}
			var b strings.Builder
			for range 2000 {
				fmt.Fprintf(&b, `{"service":"sky","from":"a","sequence":%s,"sent":%s,"received":%s,"text":"x"}`+"\n",
					times[rng.IntN(len(times))], times[rng.IntN(len(times))], times[rng.IntN(len(times))])
			}
			return put(rng, dir, []byte(b.String()))
		}},
		{"many columns", func(rng *rand.Rand, dir string) error {
			row := strings.Repeat("text,", 200_000) + "date\n"
			return os.WriteFile(filepath.Join(dir, "f.csv"), []byte(strings.Repeat(row, 1+rng.IntN(8))), 0o600)
		}},
		{"many heads", func(rng *rand.Rand, dir string) error {
			piece := []string{"From a@b Thu Jan  1 00:00:00 2020\n", "X-A: b\n", "BEGIN:VCARD\n", "--- Log opened Thu Jan 01 00:00:00 2020\n", "* * *\n"}[rng.IntN(5)]
			return put(rng, dir, []byte(strings.Repeat(piece, 200_000)))
		}},
		{"odd encodings", func(rng *rand.Rand, dir string) error {
			bom := []string{"\xff\xfe", "\xfe\xff", "\xef\xbb\xbf", "\x00\x00\xfe\xff", "+/v8"}[rng.IntN(5)]
			data := pick(rng)
			for i := range data {
				if rng.IntN(3) == 0 {
					data[i] = byte(0xd8 + rng.IntN(8))
				}
			}
			return put(rng, dir, append([]byte(bom), data...))
		}},
		{"zip of paths", func(rng *rand.Rand, dir string) error {
			names := []string{"../../../escaped.txt", "/escaped.txt", `..\..\escaped.txt`, "a\x00b", strings.Repeat("d/", 400) + "f.txt", strings.Repeat("n", 300), "con.txt", "\u202egnp.txt", "\x1b]0;x\a.txt", "a\xff.txt", "", "."}
			return writeZip(filepath.Join(dir, "f.zip"), func(w *zip.Writer) error {
				for range 40 {
					if err := zipEntry(w, names[rng.IntN(len(names))], bytes.NewReader(pick(rng))); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{"zip bomb", func(rng *rand.Rand, dir string) error {
			return writeZip(filepath.Join(dir, "f.zip"), func(w *zip.Writer) error {
				return zipEntry(w, "bomb."+endings[rng.IntN(len(endings))], io.LimitReader(zeros{}, 1<<30))
			})
		}},
		{"zip of many entries", func(_ *rand.Rand, dir string) error {
			return writeZip(filepath.Join(dir, "f.zip"), func(w *zip.Writer) error {
				for i := range 20_000 {
					if err := zipEntry(w, fmt.Sprintf("d%d/f%d.txt", i%100, i), strings.NewReader("x")); err != nil {
						return err
					}
				}
				return nil
			})
		}},
		{"zips in zips", func(rng *rand.Rand, dir string) error {
			data := pick(rng)
			for range 40 {
				var b bytes.Buffer
				w := zip.NewWriter(&b)
				for i := range 2 {
					if err := zipEntry(w, fmt.Sprintf("%d.zip", i), bytes.NewReader(data)); err != nil {
						return err
					}
				}
				if err := w.Close(); err != nil {
					return err
				}
				if data = b.Bytes(); len(data) > 1<<20 {
					break
				}
			}
			return os.WriteFile(filepath.Join(dir, "f.zip"), data, 0o600)
		}},
		{"broken zip", func(rng *rand.Rand, dir string) error {
			name := filepath.Join(dir, "f.zip")
			if err := writeZip(name, func(w *zip.Writer) error { return zipEntry(w, "a.txt", bytes.NewReader(pick(rng))) }); err != nil {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			for range 1 + rng.IntN(10) {
				data[rng.IntN(len(data))] = byte(rng.Uint32())
			}
			return os.WriteFile(name, data, 0o600)
		}},
		{"gzip bomb", func(_ *rand.Rand, dir string) error {
			f, err := os.Create(filepath.Join(dir, "f.jsonl.gz"))
			if err != nil {
				return err
			}
			w := gzip.NewWriter(f)
			if _, err := io.Copy(w, io.LimitReader(zeros{}, 1<<30)); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
			return f.Close()
		}},
		{"tar of links", func(rng *rand.Rand, dir string) error {
			f, err := os.Create(filepath.Join(dir, "f.tar"))
			if err != nil {
				return err
			}
			w := tar.NewWriter(f)
			for i, h := range []tar.Header{
				{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, {Name: "l/x.txt", Typeflag: tar.TypeReg, Size: 1},
				{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"}, {Name: "dev", Typeflag: tar.TypeChar}, {Name: "fifo", Typeflag: tar.TypeFifo},
				{Name: "../out.txt", Typeflag: tar.TypeReg, Size: 1}, {Name: strings.Repeat("p/", 2000) + "x", Typeflag: tar.TypeReg, Size: 1},
			} {
				h.Mode = 0o600
				if err := w.WriteHeader(&h); err != nil {
					return fmt.Errorf("%d: %w", i, err)
				}
				if h.Size > 0 {
					if _, err := w.Write([]byte{byte(rng.Uint32())}); err != nil {
						return err
					}
				}
			}
			if err := w.Close(); err != nil {
				return err
			}
			return f.Close()
		}},
		{"names", func(rng *rand.Rand, dir string) error {
			for _, name := range []string{"\u202egpj.exe", "a\nb.txt", "\x1b[2J.txt", strings.Repeat("x", 250), "-rf", "$(id).json", "<img src=x onerror=alert(1)>.txt", " "} {
				if err := os.WriteFile(filepath.Join(dir, name), pick(rng), 0o600); err != nil {
					return err
				}
			}
			return os.Symlink("/etc/passwd", filepath.Join(dir, "link.txt"))
		}},
		{"nothing but holes", func(_ *rand.Rand, dir string) error {
			f, err := os.Create(filepath.Join(dir, "f.db"))
			if err != nil {
				return err
			}
			if err := f.Truncate(256 << 20); err != nil {
				return err
			}
			return f.Close()
		}},
		{"database of nonsense", func(rng *rand.Rand, dir string) error {
			data := make([]byte, 64<<10)
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			copy(data, "SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20")
			return os.WriteFile(filepath.Join(dir, "msgstore.db"), data, 0o600)
		}},
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
