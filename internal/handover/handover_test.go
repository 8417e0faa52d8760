package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
)

const software = "argus test"

func quiet(Event) error { return nil }

// serve serves a store until the test ends or stop is called. stop waits for the server to end.
func serve(t *testing.T, store, software string, take Take) (stop func()) {
	t.Helper()
	if !canAsk {
		t.Skip("this system has no socket that names its users")
	}
	l, err := Listen(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := errors.Join(l.Serve(ctx, Hello{Software: software, Command: "argus serve"}, take), l.Close()); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// do hands a job to the server.
func do(ctx context.Context, store string, job Job, tell func(Event) error) error {
	return Do(ctx, store, software, job, tell)
}

// TestDo: a job arrives as it was given, and the events of the answer arrive as they were
// told, in order, including a receipt with any number of files.
func TestDo(t *testing.T) {
	store := t.TempDir()
	path := filepath.Join(store, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	given := Job{
		Do: Ingest, Paths: []string{path, "none"}, Reason: "because", Settings: []argus.Field{{Name: "timezone", Value: "Europe/Brussels"}}, Batch: 7,
		Actor: "ann", Authority: "A-0002", Purpose: "test",
	}
	receipt := &argus.Receipt{Delivery: 7, Opening: argus.Opening{Source: "a"}, Seal: &argus.Seal{Delivery: 7, Root: argus.Hash{1}, Sealed: time.Unix(1e9, 0).UTC()}}
	for i := range 3*filesTogether + 1 {
		receipt.Files = append(receipt.Files, argus.FileAccount{Original: argus.Original{Path: fmt.Sprint(i), Hash: argus.Hash{9}}, Problems: []argus.Reason{{Value: "x", Count: 1}}})
	}
	want := []Event{
		{Progress: &intake.Progress{Delivery: 7, Phase: "reading", Acknowledged: 3}},
		{Receipt: &argus.Receipt{Delivery: 6, Files: []argus.FileAccount{}}},
		{Said: "a line"}, {Unfinished: &Unfinished{8, "a"}}, {None: Resume},
		{Receipt: receipt},
		{Difference: &intake.Difference{Of: 1, Then: 1, Now: 7, Conversations: []intake.ConversationChanges{{Service: "s", Changes: intake.Changes{New: 1}}}}},
	}
	var taken Job
	serve(t, store, software, func(_ context.Context, job Job, tell func(Event) error) error {
		taken = job
		for _, e := range want {
			if err := tell(e); err != nil {
				return err
			}
		}
		return fmt.Errorf("take it in: %w", &Failure{Text: "no", Code: 4, Hint: "ask"})
	})
	var got []Event
	err := do(t.Context(), store, given, func(e Event) error { got = append(got, e); return nil })
	failure := new(Failure)
	if !errors.As(err, &failure) || *failure != (Failure{Text: "no", Code: 4, Hint: "ask"}) {
		t.Errorf("the job ended with %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer differs:\n%s", diff)
	}
	o, err := taken.Options(intake.Options{}, quiet)
	folder, _ := os.Getwd()
	if err != nil || o.BatchRecords != 7 || o.Folder != folder || o.Reading.Zone.String() != "Europe/Brussels" || !cmp.Equal(o.Environ, os.Environ()) {
		t.Errorf("the options are %+v, %v", o, err)
	}
	taken.Folder, taken.Environ, taken.Groups, taken.Files = nil, nil, nil, nil
	if diff := cmp.Diff(given, taken); diff != "" {
		t.Errorf("the job differs:\n%s", diff)
	}
}

// TestStop: a job ends when its client stops it, cannot print its answer, or goes away.
func TestStop(t *testing.T) {
	store := t.TempDir()
	began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	serve(t, store, software, func(ctx context.Context, _ Job, tell func(Event) error) error {
		defer func() { ended <- struct{}{} }()
		err := tell(Event{Said: "begun"})
		began <- struct{}{}
		<-ctx.Done()
		return errors.Join(err, ctx.Err())
	})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-began; stop() }()
	failure := new(Failure)
	if err := do(ctx, store, Job{Do: Resume}, quiet); !errors.As(err, &failure) {
		t.Errorf("stopped: %v", err)
	}
	<-ended
	full := errors.New("the terminal has gone")
	if err := do(t.Context(), store, Job{Do: Resume}, func(Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("without a terminal: %v", err)
	}
	<-began
	<-ended
	c, err := Dial(t.Context(), store, software)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-began; _ = c.Close() }()
	if err := c.Do(t.Context(), Job{Do: Resume}, quiet); !errors.Is(err, ErrEnded) {
		t.Errorf("gone: %v", err)
	}
	<-ended
}

// TestServerEnds: a client learns that the server ended before its job did.
func TestServerEnds(t *testing.T) {
	store := t.TempDir()
	began := make(chan struct{})
	stop := serve(t, store, software, func(ctx context.Context, _ Job, _ func(Event) error) error {
		close(began)
		<-ctx.Done()
		return ctx.Err()
	})
	go func() { <-began; stop() }()
	if err := do(t.Context(), store, Job{Do: Resume}, quiet); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	if err := do(t.Context(), store, Job{Do: Resume}, quiet); !errors.Is(err, ErrNobody) {
		t.Errorf("after it: %v", err)
	}
}

// TestCannot: a job that this process would do differently from the server is not handed
// over.
func TestCannot(t *testing.T) {
	store := t.TempDir()
	serve(t, store, software, func(context.Context, Job, func(Event) error) error {
		t.Error("the job was begun")
		return nil
	})
	if _, err := Dial(t.Context(), store, "argus other"); !errors.Is(err, ErrCannot) || !strings.Contains(err.Error(), "it is argus test, and this is argus other") {
		t.Errorf("another version: %v", err)
	}
	if err := do(t.Context(), store, Job{Do: Ingest, Paths: []string{"a\xff"}}, quiet); !errors.Is(err, ErrCannot) || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("not UTF-8: %v", err)
	}
	if err := do(t.Context(), store, Job{Do: Ingest, Reason: strings.Repeat("x", maxMessage)}, quiet); !errors.Is(err, ErrCannot) {
		t.Errorf("a long message: %v", err)
	}
	here := Job{Do: Ingest, Paths: []string{"handover_test.go"}}
	if err := here.complete(); err != nil {
		t.Fatal(err)
	}
	raw := func(change func(j *Job)) string {
		job := here
		change(&job)
		c, err := Dial(t.Context(), store, software)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.send(job); err != nil {
			return err.Error()
		}
		return c.listen(quiet).Error()
	}
	for want, change := range map[string]func(j *Job){
		"sees a different file, or none, at handover_test.go": func(j *Job) { j.Folder = []byte("/") },
		"sees a different file, or none, at other":            func(j *Job) { j.Paths = []string{"handover_test.go", "other"} },
		"has the groups":                   func(j *Job) { j.Groups = append(j.Groups, 4242) },
		`there is no job "delete"`:         func(j *Job) { j.Do = "delete" },
		"the job reads 0 deliveries again": func(j *Job) { j.Do = Reread },
	} {
		if got := raw(change); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestNoServer: a program at the socket that speaks a different protocol, or none, is not a
// server.
func TestNoServer(t *testing.T) {
	for name, says := range map[string]string{
		"newer": `{"handover":99,"software":"argus test","process":1}` + "\n", "other": "220 mail\n", "empty": "{}\n", "closed": "",
		"long": strings.Repeat("x", maxMessage+1), "large": `{"handover":1,"command":"` + strings.Repeat("x", maxHello) + `"}` + "\n",
		"silent": "-",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			if err := os.Mkdir(layout.File(store, layout.Server), 0o700); err != nil {
				t.Fatal(err)
			}
			l, err := new(net.ListenConfig).Listen(t.Context(), "unix", layout.File(store, layout.Socket))
			if err != nil {
				t.Skip(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err == nil {
					defer c.Close()
					_, _ = c.Write([]byte(says))
				}
				if says == "-" {
					<-t.Context().Done()
				}
			}()
			if _, err := Dial(t.Context(), store, software); !errors.Is(err, ErrCannot) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestSocket: only this user can use the socket, whatever was in its place before, and the
// socket is gone afterwards.
func TestSocket(t *testing.T) {
	if !canAsk {
		t.Skip("this system has no socket that names its users")
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("long/", 60))
	for name, prepare := range map[string]func(store string) error{
		"new":         func(string) error { return nil },
		"open folder": func(store string) error { return os.Mkdir(layout.File(store, layout.Server), 0o777) },
		"stale": func(store string) error {
			l, err := Listen(t.Context(), store)
			if err != nil {
				return err
			}
			return errors.Join(l.socket.Close(), l.unlock()) // as kill -9 leaves it
		},
		"a link in its place": func(store string) error {
			return errors.Join(os.Mkdir(layout.File(store, layout.Server), 0o700), os.Symlink(long, layout.File(store, layout.Socket)))
		},
		"long path": func(string) error { return os.MkdirAll(long, 0o700) },
	} {
		store := t.TempDir()
		if name == "long path" {
			store = long
		}
		if err := prepare(store); err != nil {
			t.Fatal(name, err)
		}
		if err := do(t.Context(), store, Job{Do: Resume}, quiet); !errors.Is(err, ErrNobody) {
			t.Errorf("%s, before: %v", name, err)
		}
		stop := serve(t, store, software, func(context.Context, Job, func(Event) error) error { return nil })
		if _, err := Listen(t.Context(), store); !errors.Is(err, argus.ErrLocked) {
			t.Errorf("%s: a second server: %v", name, err)
		}
		for file, mode := range map[string]os.FileMode{layout.Server: os.ModeDir | 0o700, layout.Socket: os.ModeSocket | 0o600} {
			info, err := os.Lstat(layout.File(store, file))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s: %s is %v, %v; want %v", name, file, info, err, mode)
			}
		}
		// A store has one socket, by whatever name the store is reached.
		other := filepath.Join(t.TempDir(), "other")
		if err := os.Symlink(store, other); err != nil {
			t.Fatal(err)
		}
		if err := do(t.Context(), other, Job{Do: Resume}, quiet); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		stop()
		if layout.There(layout.File(store, layout.Socket)) {
			t.Errorf("%s: the socket is left behind", name)
		}
	}
	store := t.TempDir()
	if err := os.Symlink(t.TempDir(), layout.File(store, layout.Server)); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), store); err == nil || !strings.Contains(err.Error(), "is not a folder") {
		t.Errorf("a link in place of the folder: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "argus-*", "s")); len(left) > 0 {
		t.Errorf("links are left behind: %v", left)
	}
}

// TestOtherUser: neither end talks to another user, even if the modes allow it.
func TestOtherUser(t *testing.T) {
	const name = "HANDOVER_TEST_STORE"
	if store := os.Getenv(name); store != "" {
		_, err := Dial(t.Context(), store, software)
		fmt.Println("dial:", err)
		c, err := new(net.Dialer).DialContext(t.Context(), "unix", layout.File(store, layout.Socket))
		if err != nil {
			fmt.Println("connect:", err)
			return
		}
		var b [1]byte
		n, err := c.Read(b[:])
		fmt.Println("read:", n, err)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	store, err := os.MkdirTemp("/tmp", "argus-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(store) })
	if err := os.Chmod(store, 0o755); err != nil {
		t.Fatal(err)
	}
	serve(t, store, software, func(context.Context, Job, func(Event) error) error { return nil })
	asOther := func() string {
		c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestOtherUser$")
		c.Env = []string{name + "=" + store}
		c.Dir = "/"
		c.SysProcAttr = otherUser(65534)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Skipf("run as another user: %v: %s", err, out)
		}
		return string(out)
	}
	if got := asOther(); !strings.Contains(got, "dial: no server has the store open") || !strings.Contains(got, "connect: dial unix "+layout.File(store, layout.Socket)+": connect: permission denied") {
		t.Errorf("another user: %s", got)
	}
	if err := errors.Join(os.Chmod(layout.File(store, layout.Server), 0o777), os.Chmod(layout.File(store, layout.Socket), 0o777)); err != nil {
		t.Fatal(err)
	}
	if got := asOther(); !strings.Contains(got, "the other end belongs to another user (0)") || !strings.Contains(got, "read: 0 EOF") {
		t.Errorf("another user, with all rights: %s", got)
	}
}

// TestBounds: neither end reads or sends a message that is too long.
func TestBounds(t *testing.T) {
	store := t.TempDir()
	got := make(chan error, 1)
	serve(t, store, software, func(_ context.Context, _ Job, tell func(Event) error) error {
		err := tell(Event{Said: strings.Repeat("x", maxMessage)})
		got <- err
		return err
	})
	failure := new(Failure)
	if err := do(t.Context(), store, Job{Do: Resume}, quiet); !errors.As(err, &failure) || !strings.Contains(failure.Text, "too long") {
		t.Errorf("an event: %v", err)
	}
	if <-got == nil {
		t.Error("a long event was sent")
	}
	c, err := Dial(t.Context(), store, software)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.c.Write(bytes.Repeat([]byte{' '}, maxMessage)); err != nil {
		t.Log(err) // it may be refused before the end
	}
	if _, err := c.next(time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a long job: %v", err)
	}
}

// TestPatience: the server does not wait for a client that does not read, and does not serve
// clients beyond the maximum number.
func TestPatience(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	l := newLink(ours)
	l.patience = 10 * time.Millisecond
	if err := l.send(Event{Said: "x"}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nobody reads: %v", err)
	}
	store := t.TempDir()
	began := make(chan struct{}, mostJobs)
	serve(t, store, software, func(ctx context.Context, _ Job, _ func(Event) error) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for range mostJobs {
		go func() { _ = do(ctx, store, Job{Do: Resume}, quiet) }()
	}
	for range mostJobs {
		<-began
	}
	if _, err := Dial(t.Context(), store, software); !errors.Is(err, ErrCannot) {
		t.Errorf("one more: %v", err)
	}
}

func FuzzJob(f *testing.F) {
	full := Job{Do: Ingest, Paths: []string{"a"}, Deliveries: []argus.DeliveryNumber{1}, Settings: []argus.Field{{Name: "format", Value: "jsonl"}}, Folder: []byte("/\xff"), Environ: [][]byte{[]byte("A=B")}, Groups: []int{1}, Files: []string{"1:2"}}
	line, err := json.Marshal(full)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"do":"reread","deliveries":["D-0001"],"settings":[{"name":"country","value":"NL"}]}`))
	f.Add([]byte(`{"do":"x"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		job, err := decodeJob(line)
		if err != nil {
			return
		}
		_ = sameView(&job)
		for _, s := range job.Settings {
			if strings.HasPrefix(s.Name, "via") {
				return // the server would look for the program
			}
		}
		_, _ = job.Options(intake.Options{}, quiet)
		again, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeJob(again); err != nil || !same.isText() {
			t.Fatalf("%s: %v", again, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	for _, e := range []Event{
		{Progress: &intake.Progress{Delivery: 1}}, {Receipt: &argus.Receipt{Delivery: 1, Seal: &argus.Seal{}}}, {Files: []argus.FileAccount{{}}},
		{Difference: &intake.Difference{}}, {Said: "a"}, {End: &end{Failure: &Failure{Code: 1}}}, {End: &end{Cannot: "x"}},
	} {
		line, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(line, '\n'))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Write(stream)
			_ = theirs.Close()
		}()
		c := &Conn{link: newLink(ours)}
		_ = c.listen(quiet)
		_ = ours.Close()
	})
}
