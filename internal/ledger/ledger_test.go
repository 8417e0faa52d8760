package ledger

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// TestMain lets the test binary act as a process that appends a number of acts and
// prints the number of each acknowledged one.
func TestMain(m *testing.M) {
	dir := os.Getenv("LEDGER_TEST_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	l, err := Open(dir, Options{PublicKey: os.Getenv("LEDGER_TEST_PUBLIC"), PrivateKey: os.Getenv("LEDGER_TEST_PRIVATE")})
	if err != nil {
		panic(err)
	}
	acts, err := strconv.Atoi(os.Getenv("LEDGER_TEST_ACTS"))
	if err != nil {
		panic(err)
	}
	for i := range acts {
		act := Act{Actor: "process " + os.Getenv("LEDGER_TEST_NAME"), Action: Search, Subject: strconv.Itoa(i)}
		e, err := l.Append(context.Background(), act)
		if err != nil {
			panic(err)
		}
		fmt.Println(e.Seq, e.Actor+"/"+e.Subject)
	}
}

type keys struct{ private, public string }

func (k keys) write() Options { return Options{PublicKey: k.public, PrivateKey: k.private} }
func (k keys) read() Options  { return Options{PublicKey: k.public} }

func newLedger(t testing.TB) (string, keys, *Ledger) {
	t.Helper()
	private, public, err := NewKey("example.org/case")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	k := keys{private, public}
	l, err := Create(dir, k.write())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return dir, k, l
}

func appendActs(t testing.TB, l *Ledger, n int) {
	t.Helper()
	for i := range n {
		if _, err := l.Append(t.Context(), Act{Actor: "anna", Authority: "A-0001", Purpose: "test", Action: Search, Subject: fmt.Sprintf("query %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

func readAll(t testing.TB, l *Ledger, from uint64, limit int) []Entry {
	t.Helper()
	var all []Entry
	for e, err := range l.Entries(t.Context(), from, limit) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// wantClean verifies a ledger and returns its size.
func wantClean(t testing.TB, dir, public string) uint64 {
	t.Helper()
	report, err := Verify(t.Context(), dir, public)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Damage {
			t.Errorf("verify: %v", f)
		}
	}
	return report.Entries
}

func TestRefusals(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 1)
	other, otherPublic, err := NewKey("example.org/case")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewKey("a name"); err == nil {
		t.Error("a key's name may have a space")
	}
	if _, err := Create(dir, k.write()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create over a ledger: %v", err)
	}
	if _, err := Create(filepath.Join(t.TempDir(), "new"), k.read()); err == nil {
		t.Error("create without a private key succeeds")
	}
	empty := t.TempDir()
	if _, err := Open(empty, k.write()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open nothing: %v", err)
	}
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("open without a public key succeeds")
	}
	if _, err := Open(dir, Options{PublicKey: k.public, PrivateKey: other}); err == nil {
		t.Error("open with keys that are not a pair succeeds")
	}
	if _, err := Open(dir, Options{PublicKey: otherPublic}); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("open with a stranger's key: %v", err)
	}
	reader, err := Open(dir, k.read())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Append(t.Context(), Act{Actor: "anna", Action: Search}); err == nil {
		t.Error("a ledger that is open for reading takes an entry")
	}
	if _, err := l.Append(t.Context(), Act{Action: Search, Subject: strings.Repeat("x", MaxEntry)}); err == nil {
		t.Error("an entry that is too long is taken")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), Act{Action: Search}); err == nil {
		t.Error("a closed ledger takes an entry")
	}
	if got := wantClean(t, dir, k.public); got != 1 {
		t.Errorf("%d entries after the refusals, want 1", got)
	}
}

func TestInterruptedCreate(t *testing.T) {
	dir, k, l := newLedger(t)
	l.Close()
	checkpoint := filepath.Join(dir, "checkpoint")
	if err := os.Remove(checkpoint); err != nil {
		t.Fatal(err)
	}
	l, err := Create(dir, k.write())
	if err != nil {
		t.Fatal(err)
	}
	appendActs(t, l, 1)
	l.Close()
	wantClean(t, dir, k.public)
	if err := os.Remove(checkpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir, k.write()); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("create where entries lost their checkpoint: %v", err)
	}
}

func TestAppendAndRead(t *testing.T) {
	dir, k, l := newLedger(t)
	now := time.Date(2026, 2, 3, 4, 5, 6, 7891, time.FixedZone("", 3600))
	l.now = func() time.Time { return now }
	act := Act{
		Actor: "anna", Authority: "A-0001", Purpose: "find <the> \"drop\" & more\u2028", Action: Search,
		Subject: "from:bob наркотик", Detail: map[string]string{"b": "2", "a": "1"},
	}
	got, err := l.Append(t.Context(), act)
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{Seq: 1, Time: time.Date(2026, 2, 3, 3, 5, 6, 7000, time.UTC), Act: act, Envelope: got.Envelope}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	broken, err := l.Append(t.Context(), Act{Actor: "a\xffb", Action: Show})
	if err != nil || broken.Actor != "a\ufffdb" {
		t.Errorf("invalid UTF-8 is recorded as %q, %v", broken.Actor, err)
	}
	appendActs(t, l, 2)

	reader, err := Open(dir, k.read())
	if err != nil {
		t.Fatal(err)
	}
	all := readAll(t, reader, 0, 0)
	if len(all) != 4 {
		t.Fatalf("%d entries, want 4", len(all))
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
	for i, e := range all {
		if e.Seq != uint64(i)+1 {
			t.Fatalf("entry %d has number %d", i+1, e.Seq)
		}
	}
	if got := wantClean(t, dir, k.public); got != 4 {
		t.Errorf("%d entries verified, want 4", got)
	}
}

func TestReadPieces(t *testing.T) {
	l, err := Open(filepath.Join("testdata", "v1"), testdataKeys.read())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from  uint64
		limit int
		want  [2]uint64 // first and last
	}{
		{0, 3, [2]uint64{1, 3}},
		{1, 0, [2]uint64{1, 258}},
		{255, 3, [2]uint64{255, 257}},
		{257, 0, [2]uint64{257, 258}},
		{258, 10, [2]uint64{258, 258}},
		{259, 10, [2]uint64{1, 0}},
		{1 << 62, 0, [2]uint64{1, 0}},
	} {
		var want []Entry
		for seq := test.want[0]; seq <= test.want[1]; seq++ {
			want = append(want, testdataEntry(seq))
		}
		if diff := cmp.Diff(want, readAll(t, l, test.from, test.limit)); diff != "" {
			t.Errorf("from %d, %d: %s", test.from, test.limit, diff)
		}
	}
}

// TestFiles: the ledger keeps only the files that a tree of its size needs.
func TestFiles(t *testing.T) {
	dir, _, l := newLedger(t)
	appendActs(t, l, 3)
	want := []string{"checkpoint", "envelopes/000", "lock", "tile/0/000.p/3", "tile/entries/000.p/3"}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestCancel(t *testing.T) {
	dir, k, l := newLedger(t)
	appendActs(t, l, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	unlock, err := l.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Open(dir, Options{PublicKey: k.public, PrivateKey: k.private, Wait: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Append(ctx, Act{Action: Show}); !errors.Is(err, context.Canceled) {
		t.Errorf("append with a cancelled context while another one writes: %v", err)
	}
	if _, err := other.Append(t.Context(), Act{Action: Show}); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("append while another one writes: %v", err)
	}
	unlock()
	if _, err := other.Append(t.Context(), Act{Action: Show}); err != nil {
		t.Error(err)
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	dir, k, first := newLedger(t)
	appendActs(t, first, 1)
	first.Close()
	time.Sleep(50 * time.Millisecond)
	before := runtime.NumGoroutine()
	for range 5 {
		l, err := Open(dir, k.write())
		if err != nil {
			t.Fatal(err)
		}
		appendActs(t, l, 1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// command starts a process that appends.
func command(t *testing.T, dir string, k keys, name string, acts int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), "LEDGER_TEST_DIR="+dir, "LEDGER_TEST_PUBLIC="+k.public,
		"LEDGER_TEST_PRIVATE="+k.private, "LEDGER_TEST_NAME="+name, "LEDGER_TEST_ACTS="+strconv.Itoa(acts))
	c.Stderr = os.Stderr
	return c
}

// TestManyProcesses: several processes and several goroutines with ledgers of their own
// append to one directory, while others read and verify it.
func TestManyProcesses(t *testing.T) {
	dir, k, first := newLedger(t)
	const processes, each, inside = 4, 40, 2
	var wg sync.WaitGroup
	for p := range processes {
		wg.Go(func() {
			out, err := command(t, dir, k, fmt.Sprint(p), each).Output()
			if lines := strings.Count(string(out), "\n"); err != nil || lines != each {
				t.Errorf("process %d: %d acts, %v", p, lines, err)
			}
		})
	}
	for range inside {
		wg.Go(func() {
			l, err := Open(dir, k.write())
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			appendActs(t, l, each)
		})
	}
	done := make(chan struct{})
	var watchers sync.WaitGroup
	watchers.Go(func() {
		for looked := 0; ; looked++ {
			select {
			case <-done:
				if looked == 0 {
					t.Error("nobody looked while others wrote")
				}
				return
			default:
			}
			wantClean(t, dir, k.public)
			for i, e := range readAll(t, first, 0, 0) {
				if e.Seq != uint64(i)+1 {
					t.Errorf("entry %d has number %d", i+1, e.Seq)
				}
			}
		}
	})
	wg.Wait()
	close(done)
	watchers.Wait()

	of := map[string]int{}
	for _, e := range readAll(t, first, 0, 0) {
		of[e.Actor]++
	}
	want := map[string]int{"process 0": each, "process 1": each, "process 2": each, "process 3": each, "anna": inside * each}
	if diff := cmp.Diff(want, of); diff != "" {
		t.Error(diff)
	}
	if got := wantClean(t, dir, k.public); got != (processes+inside)*each {
		t.Errorf("%d entries, want %d", got, (processes+inside)*each)
	}
}

// TestKill: a process that appends is killed again and again. The acts that it
// acknowledged are there, and nothing is damaged.
func TestKill(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 10
	}
	dir, k, l := newLedger(t)
	appendActs(t, l, 240) // so that the test crosses the edge of a bundle
	acknowledged := map[uint64]string{}
	ahead := 0
	for kill := range kills {
		c := command(t, dir, k, fmt.Sprint(kill), 1<<30)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		after := rand.IntN(3)
		for n := 0; lines.Scan(); n++ {
			seq, what, _ := strings.Cut(lines.Text(), " ")
			number, err := strconv.ParseUint(seq, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged[number] = what
			if n == after {
				time.AfterFunc(rand.N(6*time.Millisecond), func() { _ = c.Process.Kill() })
			}
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
		report, err := Verify(t.Context(), dir, k.public)
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Findings) > 0 {
			ahead++
		}
		wantClean(t, dir, k.public)
	}
	if ahead == 0 {
		t.Error("no kill hit a process while it wrote")
	}
	t.Logf("%d acknowledged entries, %d of %d kills left something", len(acknowledged), ahead, kills)
	for _, e := range readAll(t, l, 0, 0) {
		if what, ok := acknowledged[e.Seq]; ok && what != e.Actor+"/"+e.Subject {
			t.Errorf("entry %d is %s/%s, acknowledged was %s", e.Seq, e.Actor, e.Subject, what)
		}
		delete(acknowledged, e.Seq)
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged entries are lost", len(acknowledged))
	}
	appendActs(t, l, 1)
	wantClean(t, dir, k.public)
}

func BenchmarkAppend(b *testing.B) {
	_, _, l := newLedger(b)
	for b.Loop() {
		if _, err := l.Append(b.Context(), Act{Actor: "anna", Authority: "A-0001", Purpose: "benchmark", Action: Search, Subject: "from:bob hello"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOneAct measures the cost for a command line: open, append, close.
func BenchmarkOneAct(b *testing.B) {
	dir, k, _ := newLedger(b)
	for b.Loop() {
		l, err := Open(dir, k.write())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := l.Append(b.Context(), Act{Actor: "anna", Authority: "A-0001", Purpose: "benchmark", Action: Search, Subject: "from:bob hello"}); err != nil {
			b.Fatal(err)
		}
		l.Close()
	}
}
