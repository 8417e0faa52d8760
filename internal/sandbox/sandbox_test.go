//go:build unix

package sandbox

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
)

func TestMain(m *testing.M) {
	Main(slices.Concat(hostile, all.Formats()))
	os.Exit(m.Run())
}

// hostile lists formats whose readers do things that a reader should not do. Each first
// yields the first word of the file as a message.
var hostile = reader.Formats{
	spoiled("panics", func(reader.Input, string) string { panic("index out of range [7]\nwith a second line") }),
	spoiled("dies", func(reader.Input, string) string { os.Exit(7); return "" }),
	spoiled("grows", func(reader.Input, string) string {
		var held [][]byte
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = 1
			}
			held = append(held, b, slices.Concat(held...))
		}
	}),
	spoiled("recurses", func(reader.Input, string) string { return recurse(1) }),
	spoiled("loops", func(reader.Input, string) string {
		for {
			runtime.Gosched()
		}
	}),
	spoiled("babbles", nil),
	spoiled("tries", tries),
	spoiled("reaches", reaches),
	spoiled("asks again", func(in reader.Input, _ string) string {
		file, ok := in.File.(*received)
		for ok {
			_, err := file.group(0)
			ok = err == nil
		}
		return "nobody answers"
	}),
	spoiled("looks beside", func(in reader.Input, _ string) string {
		found := 0
		for n := range 3 * mostKept { // more than may be open at once
			name := fmt.Sprintf("names-%d", n)
			f, size, ok := in.Sibling(name)
			content, err := io.ReadAll(io.NewSectionReader(f, 0, size))
			if ok && err == nil && string(content) == strings.Repeat(name, 10_000) {
				found++
			}
		}
		return fmt.Sprintf("%d found", found)
	}),
}

func recurse(n int) string {
	if n == 0 {
		return ""
	}
	return recurse(n+1) + fmt.Sprint(n)
}

func spoiled(name string, do func(in reader.Input, text string) string) *reader.Format {
	return &reader.Format{
		Name: name, Version: 1,
		Detect: func(reader.Sample) int { return 0 }, // only who is named
		Read: func(_ context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
			return func(yield func(reader.Item, error) bool) {
				content, _ := io.ReadAll(in.Reader())
				text := string(content)
				say := func(s string) bool {
					at := argus.Where{Record: 1, Length: in.Size}
					return yield(reader.Item{Message: &argus.Message{Service: "test", From: "a", Text: s}, Where: at}, nil)
				}
				if !say(text) || strings.HasPrefix(text, "good") {
					return
				}
				if do == nil {
					for say(strings.Repeat("x", 1<<16)) {
					}
					return
				}
				say(do(in, text))
			}
		},
	}
}

// tries makes the attempts of a compromised reader, and lists those that succeeded.
func tries(_ reader.Input, text string) string {
	var done []string
	try := func(what string, err error) {
		if err == nil {
			done = append(done, what)
		}
	}
	f, err := os.Open("/etc/passwd")
	try("open a file", err)
	_ = f
	_, err = os.ReadDir("/")
	try("list a folder", err)
	try("write a file", os.WriteFile(text, []byte("x"), 0o600))
	_, err = os.Stat("/")
	try("look at a file", err)
	_, err = syscall.Open("/proc/self/fd/3", syscall.O_RDWR, 0)
	try("reopen a descriptor", err)
	_, err = net.Listen("tcp", "127.0.0.1:0")
	try("listen", err)
	_, err = net.Dial("udp", "127.0.0.1:53")
	try("send", err)
	_, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	try("make a socket", err)
	try("start a program", exec.Command("/bin/true").Run())
	try("signal another process", syscall.Kill(os.Getppid(), 0))
	_, err = syscall.Mmap(-1, 0, 4096, syscall.PROT_EXEC|syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	try("make memory that runs", err)
	_, err = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	if err == nil || errors.Is(err, syscall.ECHILD) {
		done = append(done, "wait for a child")
	}
	try("raise a limit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1 << 16, Max: 1 << 16}))
	return "done: " + strings.Join(done, ", ")
}

func handedOver(t *testing.T, name string, content []byte) Original {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Original{Name: name, Size: int64(len(content)), File: f}
}

func zipped(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, err := w.Create(pairs[i])
		if err == nil {
			_, err = io.WriteString(f, pairs[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shown returns a line for each event.
func shown(t *testing.T, r *Readers, of Original) []string {
	t.Helper()
	lines := []string{}
	for e, err := range r.Read(t.Context(), of) {
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		if e.File != nil {
			line = fmt.Sprintf("[%s %s%s]", e.File.Path, e.File.Reader, e.File.Problem)
		}
		if m := e.Item.Message; m != nil {
			line += " " + m.Text[:min(len(m.Text), 40)]
		}
		if e.Item.Problem != "" {
			line += " ! " + e.Item.Problem
		}
		if e.Broke {
			line += " (broke)"
		}
		lines = append(lines, line)
	}
	return lines
}

// TestBrokenReaders: whatever a reader does, only its file is lost. Everything read
// before remains, and later files are read.
func TestBrokenReaders(t *testing.T) {
	const kept = "; records before byte 3 of 3 are kept, the rest of the file is not"
	archive := zipped(t, "1.txt", "good one", "2.txt", "bad", "3.txt", "good three")
	for name, reason := range map[string]string{
		"panics":   "the reader crashed: index out of range [7]" + kept,
		"dies":     "the reader's process ended: exit status 7",
		"grows":    "the reader needed more than 128 MiB of memory",
		"recurses": "the reader crashed: its recursion was too deep",
		"loops":    "the reader sent nothing for 2s and was stopped" + kept,
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Apart: true, Format: name, Silence: 2 * time.Second}
			if name == "grows" {
				o.Memory = 128 << 20
			}
			r := New(o)
			defer r.Close()
			got := shown(t, r, handedOver(t, "a.zip", archive))
			if name == "grows" {
				// If the race detector runs out of memory first, it ends the
				// process in its own way.
				for i := range got {
					got[i] = strings.Replace(got[i], "the reader's process ended: exit status 66", reason, 1)
				}
			}
			reader := name + "/1"
			want := []string{
				"[1.txt " + reader + "]", " good one",
				"[2.txt " + reader + "]", " bad", " ! " + reason + " (broke)",
				"[3.txt " + reader + "]", " good three",
			}
			if !strings.HasSuffix(reason, kept) && len(got) == len(want) {
				// It took more than a second to break, on a busy machine.
				want[4] = " ! " + reason + kept + " (broke)"
			} else if !strings.HasSuffix(reason, kept) {
				// Items found less than a second before are lost with their process, and the
				// reason says that nothing is kept.
				want = slices.Delete(want, 2, 5)
				want = slices.Insert(want, 2, "[2.txt ] ! "+reason+"; nothing of the file is kept (broke)")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if got := shown(t, r, handedOver(t, "b.txt", []byte("good"))); len(got) != 2 {
				t.Errorf("the next original: %q", got)
			}
		})
	}
}

// The reason for an early end says how far the reading got.
func TestReached(t *testing.T) {
	var got reached
	want := func(reason string, at argus.Where) {
		t.Helper()
		if item := got.item("x", 90); item.Problem != reason || item.Where != at {
			t.Errorf("%q at %+v, want %q at %+v", item.Problem, item.Where, reason, at)
		}
	}
	want("x; nothing of the file is kept", argus.Where{})
	got.add(reader.Item{Message: new(argus.Message)})
	want("x; pieces of it that are kept: 1", argus.Where{})
	got.add(reader.Item{Problem: "y", Where: argus.Where{Record: 2, Offset: 30, Length: 12}})
	want("x; records before byte 42 of 90 are kept, the rest of the file is not", argus.Where{Record: 3, Offset: 42})
	got.add(reader.Item{Stated: &argus.Stated{Count: 9}, Where: argus.Where{Record: 3, Offset: 60}})
	want("x; records before byte 42 of 90 are kept, the rest of the file is not", argus.Where{Record: 3, Offset: 42})
}

func TestBabblingReader(t *testing.T) {
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "babbles", Output: 8 << 20})
	defer r.Close()
	n, broke := 0, ""
	for e, err := range r.Read(t.Context(), handedOver(t, "a.txt", []byte("bad"))) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if e.Broke {
			broke = e.Item.Problem
		}
	}
	if want := "the reader sent more than 8388608 bytes and was stopped; records before byte 3 of 3 are kept, the rest of the file is not"; broke != want || n > 130 {
		t.Errorf("%d events, %q; want %q", n, broke, want)
	}
}

// TestManyBroken checks that an archive that breaks one process after another is given up.
func TestManyBroken(t *testing.T) {
	var pairs []string
	for i := range 30 {
		pairs = append(pairs, fmt.Sprint(i, ".txt"), "bad")
	}
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "dies"})
	defer r.Close()
	got := shown(t, r, handedOver(t, "a.zip", zipped(t, pairs...)))
	if want := "[ ] ! 16 files crashed their readers; the rest is not read (broke)"; len(got) != 17 || got[16] != want {
		t.Errorf("%d: %q, want %q at last", len(got), got[len(got)-1], want)
	}
}

// TestLockedDown tries from within.
func TestLockedDown(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the kernel holds readers to this on Linux only")
	}
	target := filepath.Join(t.TempDir(), "written")
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "tries"})
	defer r.Close()
	got := shown(t, r, handedOver(t, "a.txt", []byte(target)))
	if len(got) != 3 || got[2] != " done: " {
		t.Errorf("%q, want nothing done", got)
	}
	// Without the lockdown, all attempts except the last ones succeed.
	if free := tries(reader.Input{}, target); !strings.Contains(free, "open a file, list a folder, write a file, look at a file") || !strings.Contains(free, "listen, send") {
		t.Errorf("outside: %q", free)
	}
}

// TestSameApart: a process yields the same as reading in this process, and messages
// lose nothing on the way.
func TestSameApart(t *testing.T) {
	list, err := filepath.Glob("../reader/testdata/*/*")
	if err != nil || len(list) < 20 {
		t.Fatalf("%d files of the readers: %v", len(list), err)
	}
	here, apart := New(Options{Formats: all.Formats()}), New(Options{Formats: all.Formats(), Apart: true})
	defer apart.Close()
	messages := 0
	for _, path := range list {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // a folder
		}
		all := func(r *Readers) (events []Event) {
			for e, err := range r.Read(t.Context(), handedOver(t, filepath.Base(path), content)) {
				if err != nil {
					t.Fatal(path, err)
				}
				if len(e.Item.Raw) == 0 {
					e.Item.Raw = nil
				}
				events = append(events, e)
			}
			return events
		}
		want := all(here)
		if diff := cmp.Diff(want, all(apart)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		for _, e := range want {
			if e.Item.Message != nil {
				messages++
			}
		}
	}
	if messages < 100 {
		t.Errorf("%d messages were compared", messages)
	}
}

// TestEveryField compares the wire format with the root package's types.
func TestEveryField(t *testing.T) {
	e := Event{File: new(File), Item: reader.Item{Message: new(argus.Message), Problem: "x"}, Broke: true}
	fill(reflect.ValueOf(&e).Elem(), new(int))
	e.Item.Where.Original, e.Item.Where.Path, e.Item.Where.Reader = 0, "", 0 // set by the receiver
	d := decoder{left: string(appendEvent(nil, &e))}
	got, err := d.event()
	if err != nil || d.left != "" {
		t.Fatal(err, len(d.left))
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Error(diff)
	}
}

// fill gives every field below v a different value.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64, reflect.Int, reflect.Int32:
		v.SetInt(-int64(*n))
	default:
		v.SetUint(uint64(*n % 200))
	}
}

// FuzzEvents: whatever a process sends, the program survives.
func FuzzEvents(f *testing.F) {
	e := Event{File: new(File), Item: reader.Item{Message: new(argus.Message)}}
	fill(reflect.ValueOf(&e).Elem(), new(int))
	f.Add(appendEvent(nil, &e))
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := decoder{left: string(frame)}
		for d.left != "" {
			if _, err := d.event(); err != nil {
				return
			}
		}
	})
}

// TestCancel ends a looping process at once.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "loops"})
	defer r.Close()
	time.AfterFunc(200*time.Millisecond, cancel)
	started := time.Now()
	for _, err := range r.Read(ctx, handedOver(t, "a.txt", []byte("bad"))) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if took := time.Since(started); took > 10*time.Second || ctx.Err() == nil {
		t.Errorf("took %s, %v", took, ctx.Err())
	}
}

// BenchmarkRead compares reading in this process with reading apart, in the
// simplest format: the overhead is the same for all.
func BenchmarkRead(b *testing.B) {
	var lines bytes.Buffer
	for i := range 200_000 {
		fmt.Fprintf(&lines, `{"service":"sky","conversation":"7B2FAA|Q3XK9A","from":"Q3XK9A","to":["7B2FAA"],"id":"m-%d","sent":"2021-02-14T12:03:%02d.250Z","text":"morgen om tien bij de loods, neem de sleutels mee %d"}`+"\n", i, i%60, i)
	}
	path := filepath.Join(b.TempDir(), "lines.jsonl")
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	for name, apart := range map[string]bool{"here": false, "apart": true} {
		b.Run(name, func(b *testing.B) {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			before := cpu(b)
			b.SetBytes(int64(lines.Len()))
			for b.Loop() {
				r := New(Options{Formats: all.Formats(), Apart: apart})
				n := 0
				for e, err := range r.Read(b.Context(), Original{Name: "lines.jsonl", Size: int64(lines.Len()), File: f}) {
					if err != nil || e.Item.Problem != "" {
						b.Fatal(err, e.Item.Problem)
					}
					n++
				}
				if r.Close(); n != 200_001 {
					b.Fatalf("%d events", n)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/200_000, "cpu-ns/message")
		})
	}
}

// cpu returns the time used by this process and those that it waited for, in ns.
func cpu(b *testing.B) (sum int64) {
	b.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += u.Utime.Nano() + u.Stime.Nano()
	}
	return sum
}
