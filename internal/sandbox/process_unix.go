//go:build unix

package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader"
)

const canStart = true

// process is a reading process, seen from the program.
type process struct {
	cmd    *exec.Cmd
	conn   *net.UnixConn
	in     *bufio.Reader
	frame  []byte
	said   headBuffer // on its standard error
	ended  chan struct{}
	endErr error
}

// headBuffer keeps the beginning of its input.
type headBuffer struct{ bytes.Buffer }

func (h *headBuffer) Write(b []byte) (int, error) {
	h.Buffer.Write(b[:min(len(b), max(0, 4096-h.Len()))])
	return len(b), nil
}

// mainArgument is the only argument of a reading process.
const mainArgument = "run-readers"

func start(o Options) (*process, error) {
	ends, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer ends[1].Close()
	conn, err := net.FileConn(ends[0])
	ends[0].Close()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if runtime.GOOS == "linux" {
		self = "/proc/self/exe" // the same program, even if another was installed since
	}
	p := &process{conn: conn.(*net.UnixConn), ended: make(chan struct{})} //nolint:forcetypeassert // of a Unix socket
	p.in = bufio.NewReaderSize(p.conn, 64<<10)
	p.cmd = exec.CommandContext(context.Background(), self) // it may outlive one reading
	p.cmd.Args = []string{os.Args[0], mainArgument}
	p.cmd.Env = []string{"GOTRACEBACK=none"}
	p.cmd.Dir = "/"
	p.cmd.Stderr = &p.said
	p.cmd.ExtraFiles = []*os.File{ends[1]}
	err = p.cmd.Start()
	ends[1].Close() // from now on, only the process's end keeps it open
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.endErr = p.cmd.Wait()
	}()
	if err := p.greet(o); err != nil {
		p.end()
		if said := firstLine(p.said.String()); said != "" {
			err = errors.New(strings.TrimPrefix(said, "argus: "))
		}
		return nil, err
	}
	return p, nil
}

// greet sends the settings to the process, and waits until the kernel confines it.
func (p *process) greet(o Options) error {
	if err := p.send(frameHello, settingsOf(o)); err != nil {
		return err
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	kind, _, err := readFrame(p.in, nil)
	if err == nil && kind != frameReady {
		err = errFrame
	}
	return err
}

// socketPair makes two connected sockets. A child inherits only those that are passed
// to it.
func socketPair() (ends [2]*os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return ends, err
	}
	return [2]*os.File{os.NewFile(uintptr(fds[0]), "readers"), os.NewFile(uintptr(fds[1]), "program")}, nil
}

// end kills the process and waits until it has ended.
func (p *process) end() {
	_ = p.conn.Close()
	p.kill()
	<-p.ended
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
}

// why says in a few words why the process ended. The process must have ended.
func (p *process) why(o Options) string {
	<-p.ended
	said := p.said.String()
	tooMuch := fmt.Sprintf("the reader needed more than %d MiB of memory", o.Memory>>20)
	if strings.HasPrefix(said, "SIGSEGV") && strings.Contains(said, "\ngoroutine 0 ") {
		// The garbage collector of Go 1.26 does not check whether it was given memory.
		return tooMuch
	}
	for line := range strings.SplitSeq(said, "\n") {
		switch {
		case strings.Contains(line, "out of memory"), strings.Contains(line, "cannot allocate memory"), strings.Contains(line, "pthread_create failed"):
			return tooMuch
		case strings.Contains(line, "stack exceeds"):
			return "the reader crashed: its recursion was too deep"
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "), strings.HasPrefix(line, "argus: "):
			return "the reader crashed: " + firstLine(line)
		}
	}
	if p.endErr != nil {
		return "the reader's process ended: " + p.endErr.Error()
	}
	return "the reader's process ended"
}

// send sends a frame, with files if there are any.
func (p *process) send(kind frameKind, body any, files ...*os.File) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	frame := append(appendFrameHead(nil, kind, len(text)), text...)
	if err := p.conn.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if len(files) == 0 {
		_, err = p.conn.Write(frame)
		return err
	}
	var descriptors []int
	for _, f := range files {
		descriptors = append(descriptors, int(f.Fd()))
	}
	n, _, err := p.conn.WriteMsgUnix(frame, syscall.UnixRights(descriptors...), nil)
	runtime.KeepAlive(files)
	if err == nil && n < len(frame) {
		_, err = p.conn.Write(frame[n:])
	}
	return err
}

// turn is one attempt at a job.
type turn struct {
	r     *Readers
	p     *process
	j     job
	yield func(Event, error) bool

	at     File    // the current file
	begun  bool    // there is a current file
	file   *File   // the current file, once its reader is known
	got    reached // within it
	files  int     // begun in this turn
	bytes  int64   // of events
	retire bool

	// kept are the files in blocks that the process may ask about, including the
	// neighbours that this turn opened.
	kept    map[uint64]*original.File
	besides map[uint64]*original.File
	handed  uint64
}

// mostKept is how many files a process may have open apart from the original.
const mostKept = 16

// hand describes a file for the process, and returns its descriptors.
func (t *turn) hand(file Content) (*keptFile, []*os.File, error) {
	switch f := file.(type) {
	case *os.File:
		return nil, []*os.File{f}, nil
	case *original.File:
		h, data, rest, err := f.Hand()
		if err != nil {
			return nil, nil, err
		}
		t.handed++
		if t.kept == nil {
			t.kept = map[uint64]*original.File{}
		}
		t.kept[t.handed] = f
		k := &keptFile{Number: t.handed, Handed: h, Rest: rest != nil}
		if k.Rest {
			return k, []*os.File{data, rest}, nil
		}
		return k, []*os.File{data}, nil
	}
	return nil, nil, fmt.Errorf("a %T cannot be handed to another process", file)
}

// close closes the files opened for the process.
func (t *turn) close(number uint64) {
	if f := t.besides[number]; f != nil {
		delete(t.besides, number)
		delete(t.kept, number)
		_ = f.Close()
	}
}

// group answers with a group of blocks.
func (t *turn) group(body []byte) error {
	d := decoder{left: string(body)}
	number, group := d.uint(), d.uint()
	f := t.kept[number]
	if d.bad || f == nil || group > math.MaxInt32 {
		return errFrame
	}
	var answer groupAnswer
	var err error
	if answer.Group, err = f.Group(int(group)); err != nil {
		answer.Error = err.Error()
	}
	return gone(t.p.send(frameGroup, answer))
}

func (t *turn) do(ctx context.Context, file Content) (broke string, err error) {
	stop := context.AfterFunc(ctx, t.p.kill)
	defer stop()
	defer func() {
		for number := range t.besides {
			t.close(number)
		}
	}()
	kept, files, err := t.hand(file)
	if err != nil {
		return "", err
	}
	t.j.Kept = kept
	if err := t.p.send(frameJob, t.j, files...); err != nil {
		t.p.end()
		return t.p.why(t.r.o), nil
	}
	o := t.r.o
	silence := o.Silence + time.Duration(t.j.Size>>22)*time.Second
	output := o.Output
	if output <= 0 {
		output = 1<<30 + 100*t.j.Size
	}
	heard := time.Now()
	for {
		if err := t.p.conn.SetReadDeadline(heard.Add(silence)); err != nil {
			return "", err
		}
		var kind frameKind
		kind, t.p.frame, err = readFrame(t.p.in, t.p.frame)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.p.end()
			return fmt.Sprintf("the reader sent nothing for %s and was stopped", silence), nil
		case err != nil:
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.p.end()
				return "the reader crashed: " + err.Error(), nil
			}
			_ = t.p.conn.Close()
			return t.p.why(o), nil
		}
		if kind != frameAskGroup && kind != frameClose { // which happen only while reading
			heard = time.Now()
		}
		if t.bytes += int64(len(t.p.frame)); t.bytes > output {
			t.p.end()
			return fmt.Sprintf("the reader sent more than %d bytes and was stopped", output), nil
		}
		done, err := t.frame(ctx, kind, t.p.frame)
		if done || errors.Is(err, errFrame) {
			if err != nil {
				t.p.end()
				return "the reader crashed: " + err.Error(), nil
			}
			return "", nil
		}
		if err != nil {
			return "", err
		}
	}
}

// frame handles a frame and reports whether the job is done.
func (t *turn) frame(ctx context.Context, kind frameKind, body []byte) (done bool, err error) {
	switch kind {
	case frameBegin:
		if t.begun = len(body) > 0; !t.begun {
			return false, nil
		}
		d := decoder{left: string(body)}
		f := d.file()
		if d.bad {
			return false, errFrame
		}
		t.at, t.file, t.got = *f, nil, reached{}
		t.files++
	case frameEvents:
		for d := (decoder{left: string(body)}); d.left != ""; {
			e, err := d.event()
			if err != nil {
				return false, err
			}
			if e.File != nil {
				t.file = e.File
			}
			t.got.add(e.Item)
			if !t.yield(e, nil) {
				return false, errStopped
			}
		}
	case frameAskBeside:
		b, ok, err := t.r.o.Beside(ctx, string(body))
		if err != nil {
			return false, err
		}
		if !ok {
			return false, gone(t.p.send(frameBeside, besideAnswer{}))
		}
		return false, t.beside(b)
	case frameAskGroup:
		return false, t.group(body)
	case frameClose:
		d := decoder{left: string(body)}
		t.close(d.uint())
	case frameAskTemp:
		temp := t.r.o.Limits.Temp
		if temp == nil {
			temp = reader.TempFile
		}
		f, err := temp()
		if err != nil {
			return false, err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		return false, gone(t.p.send(frameTemp, struct{}{}, f))
	case frameDone:
		var end doneFrame
		if json.Unmarshal(body, &end) != nil {
			return false, errFrame
		}
		t.retire = end.Retire
		if end.Error != "" {
			return false, errors.New(end.Error)
		}
		return true, nil
	default:
		return false, errFrame
	}
	return false, nil
}

// beside hands over a file next to the one being read.
func (t *turn) beside(b Beside) error {
	kept, files, err := t.hand(b.File)
	if err == nil {
		answer := besideAnswer{OK: true, Name: b.Name, Size: b.Original.Size, FileSize: b.Size, Kept: kept}
		err = gone(t.p.send(frameBeside, answer, files...))
	}
	f, ok := b.File.(*original.File)
	if !ok || kept == nil {
		_ = b.File.Close()
		return err
	}
	if t.besides == nil {
		t.besides = map[uint64]*original.File{}
	}
	if t.besides[kept.Number] = f; len(t.besides) > mostKept {
		return errFrame
	}
	return err
}

// gone drops an error in sending to a process: the next receive shows why the process
// ended.
func gone(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// mostBroken is how often one original may break a process before the rest of the original
// is given up.
const mostBroken = 16

// apart runs a job in a process. If the process breaks, another process continues after
// the file that broke it.
func (r *Readers) apart(ctx context.Context, j job, file Content, yield func(Event, error) bool) {
	for broken := 1; ; broken++ {
		if err := r.Start(); err != nil {
			yield(Event{}, err)
			return
		}
		t := turn{r: r, p: r.process, j: j, yield: yield}
		broke, err := t.do(ctx, file)
		if broke != "" || err != nil || t.retire {
			r.Close()
		}
		if err == nil {
			err = ctx.Err() // then the process was ended for it
		}
		switch {
		case errors.Is(err, errStopped):
			return
		case err != nil:
			yield(Event{}, err)
			return
		case broke == "":
			return
		}
		if t.begun && !yield(t.event(t.got.item(broke, t.at.Size)), nil) {
			return
		}
		if !t.begun || broken == mostBroken {
			if t.begun {
				broke = fmt.Sprintf("%d files crashed their readers; the rest is not read", broken)
			}
			t.at, t.file = File{Name: j.Name, Size: j.Size}, nil
			yield(t.event(reader.Item{Problem: broke}), nil)
			return
		}
		j.Skip += t.files
	}
}

// event returns the event that says why the reading of the current file broke.
func (t *turn) event(broke reader.Item) Event {
	e := Event{Item: broke, Broke: true}
	if t.file == nil { // the file has not been reported yet
		e.File = &t.at
	}
	return e
}
