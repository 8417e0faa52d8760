//go:build unix

package sandbox

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader"
)

// Main runs the readers, and does not return, if this process was started for that. A
// program that reads files calls it first, with the formats that it reads.
func Main(formats reader.Formats) {
	if len(os.Args) != 2 || os.Args[1] != mainArgument {
		return
	}
	if err := serve(formats); err != nil {
		fmt.Fprintln(os.Stderr, "argus: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// served is the reading process, seen from inside.
type served struct {
	work
	conn    *net.UnixConn
	answers chan answer

	asking sync.Mutex // one question at a time; also guards closed of the files
	mu     sync.Mutex
	out    *bufio.Writer
	events []byte // waiting to be sent
}

// answer is a frame from the program.
type answer struct {
	kind  frameKind
	body  []byte
	files []*os.File
}

func (a answer) close() {
	for _, f := range a.files {
		f.Close()
	}
}

// read decodes the answer, which must be of the given kind.
func (a answer) read(kind frameKind, into any) error {
	if a.kind != kind {
		return fmt.Errorf("%w: want %c, got %c", errFrame, kind, a.kind)
	}
	return json.Unmarshal(a.body, into)
}

func serve(formats reader.Formats) error {
	// The program decides when this process ends; Ctrl-C does not end it.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	f := os.NewFile(3, "program")
	c, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("%s is for Argus's own use: it reads files that Argus hands to it", mainArgument)
	}
	f.Close()
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("descriptor 3 is not a Unix socket")
	}
	s := &served{conn: conn, out: bufio.NewWriterSize(conn, frameEventsSize), answers: make(chan answer)}
	s.formats = formats
	go s.receive()
	hello := <-s.answers
	var set settings
	if err := hello.read(frameHello, &set); err != nil {
		return err
	}
	if err := s.take(set); err != nil {
		return err
	}
	debug.SetMemoryLimit(set.Memory / 8 * 3) // live memory may exceed it, garbage may not
	debug.SetGCPercent(800)                  // most of a reader's memory is short-lived garbage
	debug.SetMaxStack(64 << 20)
	if err := lockDown(set.Memory); err != nil {
		return fmt.Errorf("give up the rights that a reader does not need: %w", err)
	}
	if err := s.sayRaw(frameReady, nil); err != nil {
		return err
	}
	go func() {
		// A reader's findings are sent even if it finds nothing more. The next send returns an
		// error, if there was one.
		for range time.Tick(time.Second) {
			_ = s.flush()
		}
	}()
	for a := range s.answers {
		if err := s.job(a); err != nil {
			return err
		}
	}
	return nil
}

func (s *served) take(set settings) error {
	s.format, s.limits, s.reading = set.Format, set.Limits, set.Reading
	s.limits.Temp = s.temp
	if set.Zone != "" {
		zone, err := time.LoadLocation(set.Zone) // it could not be opened later
		if err != nil {
			return err
		}
		s.reading.Zone = zone
	}
	s.begin, s.give, s.ask = s.begins, s.gives, s.asks
	return nil
}

func (s *served) job(a answer) error {
	var j job
	if err := a.read(frameJob, &j); err != nil {
		return err
	}
	file, err := s.content(j.Kept, a)
	if err != nil {
		return err
	}
	var end doneFrame
	if err := s.do(context.Background(), j, file); err != nil {
		end.Error = err.Error()
	}
	_ = file.Close()
	end.Retire = s.retire
	return s.say(frameDone, end)
}

// receive takes frames from the program until the program is gone; then this process
// ends, whatever it is doing.
func (s *served) receive() {
	var files []*os.File
	in := bufio.NewReader(readerFunc(func(b []byte) (int, error) {
		rights := make([]byte, syscall.CmsgSpace(2*4))
		n, size, _, _, err := s.conn.ReadMsgUnix(b, rights)
		if n == 0 && err == nil {
			err = io.EOF
		}
		messages, parseErr := syscall.ParseSocketControlMessage(rights[:size])
		for i := range messages {
			fds, err := syscall.ParseUnixRights(&messages[i])
			if err != nil {
				return n, err
			}
			for _, fd := range fds {
				files = append(files, os.NewFile(uintptr(fd), "file"))
			}
		}
		return n, errors.Join(err, parseErr)
	}))
	for {
		kind, body, err := readFrame(in, nil)
		if err != nil {
			os.Exit(0)
		}
		a := answer{kind: kind, body: body}
		if kind != frameHello { // it it may have come together with the first file
			a.files, files = files, nil
		}
		s.answers <- a
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func (s *served) say(kind frameKind, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return s.sayRaw(kind, text)
}

// sayRaw sends a frame, after everything that is waiting.
func (s *served) sayRaw(kind frameKind, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.put(kind, body), s.out.Flush())
}

// put queues a frame after the waiting events, for the next send.
func (s *served) put(kind frameKind, body []byte) error {
	if events := s.taken(); len(events) > 0 {
		_, _ = s.out.Write(appendFrameHead(nil, frameEvents, len(events)))
		_, _ = s.out.Write(events)
	}
	_, _ = s.out.Write(appendFrameHead(nil, kind, len(body)))
	_, err := s.out.Write(body) // Write keeps an earlier error
	return err
}

// begins tells the program which file is next, so that the program can name the file that
// broke this process.
func (s *served) begins(f *File) error {
	var body []byte
	if f != nil {
		body = appendFile(nil, f)
	}
	return s.sayRaw(frameBegin, body)
}

func (s *served) gives(e Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.events)
	s.events = appendEvent(s.events, &e)
	if n := len(s.events) - before; n > eventLimit {
		e.Item = reader.Item{Problem: fmt.Sprintf("the message takes more than %d bytes", eventLimit), Where: e.Item.Where}
		s.events = appendEvent(s.events[:before:before], &e)
	}
	if len(s.events) < frameEventsSize {
		return nil
	}
	return s.send()
}

// flush sends the waiting events.
func (s *served) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send()
}

func (s *served) send() error {
	events := s.taken()
	if len(events) == 0 {
		return nil
	}
	return errors.Join(s.put(frameEvents, events), s.out.Flush())
}

// taken removes and returns the waiting events.
func (s *served) taken() []byte {
	events := s.events
	if s.events = s.events[:0]; cap(s.events) > 4*frameEventsSize {
		s.events = nil
	}
	return events
}

// received is a file that came with a frame.
type received struct {
	Content
	close  func() error
	closed bool
	// group asks for the keys of a group of blocks.
	group func(group int) ([]byte, error)
}

func (r *received) Close() error { return r.close() }

// content makes a file from the descriptors that came with a frame.
func (s *served) content(kept *keptFile, a answer) (Content, error) {
	want := 1
	if kept != nil && kept.Rest {
		want = 2
	}
	if len(a.files) != want {
		return nil, errFrame
	}
	if kept == nil {
		return a.files[0], nil
	}
	r := new(received)
	var rest io.ReaderAt
	if kept.Rest {
		rest = a.files[1]
	}
	r.group = func(group int) ([]byte, error) { return s.group(r, kept.Number, group) }
	f, err := original.Receive(kept.Handed, a.files[0], rest, r.group)
	if err != nil {
		return nil, err
	}
	r.Content = f
	r.close = func() error {
		s.asking.Lock()
		defer s.asking.Unlock()
		r.closed = true
		a.close()
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.put(frameClose, binary.AppendUvarint(nil, kept.Number)) // not urgent
	}
	return r, nil
}

// group asks for a group of a kept file's blocks.
func (s *served) group(of *received, number uint64, group int) ([]byte, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	if of.closed {
		return nil, os.ErrClosed // a late reader is not waited for
	}
	a, err := s.exchange(frameAskGroup, binary.AppendUvarint(binary.AppendUvarint(nil, number), uint64(group)))
	if err != nil {
		return nil, err
	}
	var said groupAnswer
	if err := a.read(frameGroup, &said); err != nil {
		return nil, err
	}
	if said.Error != "" {
		return nil, errors.New(said.Error)
	}
	return said.Group, nil
}

// question asks the program something, and waits for its answer.
func (s *served) question(kind frameKind, body []byte) (answer, error) {
	s.asking.Lock()
	defer s.asking.Unlock()
	return s.exchange(kind, body)
}

func (s *served) exchange(kind frameKind, body []byte) (answer, error) {
	if err := s.sayRaw(kind, body); err != nil {
		return answer{}, err
	}
	return <-s.answers, nil
}

func (s *served) asks(_ context.Context, name string) (b Beside, ok bool, err error) {
	a, err := s.question(frameAskBeside, []byte(name))
	if err != nil {
		return b, false, err
	}
	var said besideAnswer
	if err := a.read(frameBeside, &said); err != nil {
		return b, false, err
	}
	if !said.OK {
		return b, false, nil
	}
	file, err := s.content(said.Kept, a)
	if err != nil {
		return b, false, err
	}
	return Beside{Original: Original{Name: said.Name, Size: said.Size, File: file}, Size: said.FileSize}, true, nil
}

func (s *served) temp() (*os.File, error) {
	a, err := s.question(frameAskTemp, nil)
	if err != nil {
		return nil, err
	}
	if err := a.read(frameTemp, new(struct{})); err != nil {
		return nil, err
	}
	if len(a.files) != 1 {
		return nil, errFrame
	}
	return a.files[0], nil
}
