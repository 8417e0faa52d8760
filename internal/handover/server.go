package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/argus-evidence/argus/internal/intake"
)

// mostJobs is the maximum number of clients that are served at the same time; further ones
// wait.
const mostJobs = 64

// Take does a job. It calls tell, which may be called from several goroutines, for each part of
// the answer, and ends when the context does. A [Failure] is passed to the client as it is.
type Take func(ctx context.Context, job Job, tell func(Event) error) error

// Serve does the jobs of clients until the context ends, and then waits for the running
// ones.
func (l *Listener) Serve(ctx context.Context, hello Hello, take Take) error {
	hello.Protocol, hello.Process = protocol, os.Getpid()
	defer context.AfterFunc(ctx, func() { _ = l.socket.Close() })() // Accept returns an error
	var jobs sync.WaitGroup
	defer jobs.Wait()
	room := make(chan struct{}, mostJobs)
	for {
		c, err := l.socket.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // such as too many open files
			time.Sleep(100 * time.Millisecond)
			continue
		}
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			_ = c.Close()
			return nil
		}
		jobs.Go(func() {
			s := &session{link: newLink(c), conn: c, hello: hello, take: take}
			s.serve(ctx)
			_ = c.Close()
			<-room
		})
	}
}

// session serves one client.
type session struct {
	*link
	conn  *net.UnixConn // the same
	hello Hello
	take  Take
}

func (s *session) serve(ctx context.Context) {
	if err := checkPeer(s.conn); err != nil {
		return // the client is not told anything
	}
	if err := s.send(s.hello); err != nil {
		return
	}
	line, err := s.next(forHello)
	if err != nil {
		return // it only wanted the Hello
	}
	job, err := decodeJob(line)
	if err == nil {
		err = sameView(&job)
	}
	if err != nil {
		_ = s.send(Event{End: &end{Cannot: err.Error()}})
		return
	}
	_ = s.send(Event{End: s.do(ctx, job)}) // a client that is gone does not read it
}

// do does a job, and stops it when the client asks for that or goes away.
func (s *session) do(ctx context.Context, job Job) *end {
	working, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _ = s.next(0) // one message, or the end of the connection
		stop()
	}()
	err := s.take(working, job, func(e Event) error {
		err := s.tell(e)
		if err != nil {
			stop()
		}
		return err
	})
	_ = s.conn.CloseRead() // it ends next
	<-stopped
	failure := new(Failure)
	switch {
	case err == nil:
		return &end{}
	case ctx.Err() != nil:
		return &end{Ended: true}
	case errors.As(err, &failure):
		return &end{Failure: failure}
	}
	return &end{Failure: &Failure{Text: err.Error(), Code: 1}}
}

// filesTogether is the number of a receipt's files that are sent in one message.
const filesTogether = 64

// tell sends an event; a receipt is sent in parts.
func (s *session) tell(e Event) error {
	if e.Receipt == nil {
		return s.send(e)
	}
	r := *e.Receipt
	for part := range slices.Chunk(r.Files, filesTogether) {
		if err := s.send(Event{Files: part}); err != nil {
			return err
		}
	}
	r.Files = r.Files[:0]
	return s.send(Event{Receipt: &r})
}

// sameView returns an error if this process may see different files from the client's, for
// example in another container: then it would read different files, or fewer.
func sameView(job *Job) error {
	here, err := groups()
	if err != nil {
		return err
	}
	if !slices.Equal(here, job.Groups) {
		return fmt.Errorf("the server has the groups %d, but this command has %d, so the server may be unable to read the files", here, job.Groups)
	}
	for i, path := range job.Paths {
		if i >= len(job.Files) || identity(intake.PathIn(string(job.Folder), path)) != job.Files[i] {
			return fmt.Errorf("the server sees a different file, or none, at %s", path)
		}
	}
	return nil
}
