package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/argus-evidence/argus"
)

// Conn is a connection to the server of a store.
type Conn struct {
	*link
	Hello Hello
}

// Dial connects to the server of a store. The error is [ErrNobody] if there is none that
// this user can reach, and [ErrCannot] if it is a different Argus from software, or does not
// answer.
func Dial(ctx context.Context, store, software string) (*Conn, error) {
	c, err := Ask(ctx, store)
	if err != nil {
		return nil, err
	}
	if c.Hello.Software != software || c.Hello.Protocol != protocol {
		return nil, errors.Join(fmt.Errorf("%w: it is %s, and this is %s", ErrCannot, c.Hello.Software, software), c.Close())
	}
	return c, nil
}

// Do has the server of a store do a job. The errors are those of [Dial] and [Conn.Do].
func Do(ctx context.Context, store, software string, job Job, tell func(Event) error) error {
	c, err := Dial(ctx, store, software)
	if err != nil {
		return err
	}
	return errors.Join(c.Do(ctx, job, tell), c.Close())
}

// Holder returns a sentence about the server that has the store open, or "" if there is
// none.
func Holder(ctx context.Context, store string) string {
	c, err := Ask(ctx, store)
	if err != nil {
		return ""
	}
	_ = c.Close()
	return fmt.Sprintf("%q (process %d) has the store open: stop it with Ctrl-C, and run this command again.", c.Hello.Command, c.Hello.Process)
}

// Ask connects to the server of a store, whatever its version. The errors are those of
// [Dial].
func Ask(ctx context.Context, store string) (*Conn, error) {
	if !canAsk {
		return nil, ErrNobody
	}
	var c net.Conn
	err := withAddress(store, func(path string) (err error) {
		c, err = (&net.Dialer{Timeout: forHello}).DialContext(ctx, "unix", path)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNobody
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	conn := &Conn{link: newLink(c)}
	if err = checkPeer(c.(*net.UnixConn)); err == nil { //nolint:forcetypeassert // of a Unix socket
		err = conn.hear()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrCannot, err), c.Close())
	}
	return conn, nil
}

// hear reads the server's Hello.
func (c *Conn) hear() error {
	line, err := c.next(forHello)
	if err != nil {
		return err
	}
	if len(line) > maxHello {
		return errors.New("it does not identify itself")
	}
	if err := json.Unmarshal(line, &c.Hello); err != nil || c.Hello.Protocol < 1 {
		return errors.New("it does not identify itself")
	}
	return nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.c.Close() }

// Do has the server do a job, and calls tell for each part of the answer, in order. When the
// context ends, or tell fails, it stops the job and waits until the job has ended. The error is
// [ErrCannot] if nothing was done, [ErrEnded] if the server ended before the job, or a
// [Failure].
func (c *Conn) Do(ctx context.Context, job Job, tell func(Event) error) error {
	if err := job.complete(); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if err := c.send(job); err != nil {
		return fmt.Errorf("%w: %w", ErrCannot, err)
	}
	defer context.AfterFunc(ctx, c.stop)()
	return c.listen(tell)
}

// complete adds everything that the server needs to read the same files as this process.
func (j *Job) complete() error {
	if !j.isText() {
		return errors.New("a name or an option is not valid UTF-8")
	}
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	j.Folder = []byte(folder)
	for _, e := range os.Environ() {
		j.Environ = append(j.Environ, []byte(e))
	}
	for _, path := range j.Paths {
		j.Files = append(j.Files, identity(path))
	}
	j.Groups, err = groups()
	return err
}

// stop asks the server to end the job, and does not wait forever for the answer.
func (c *Conn) stop() {
	_ = c.send(struct {
		Stop bool `json:"stop"`
	}{true}) // if this fails, the connection has already ended
	time.AfterFunc(forStop, func() { _ = c.Close() })
}

func (c *Conn) listen(tell func(Event) error) error {
	var files []argus.FileAccount
	var told error
	for {
		line, err := c.next(0)
		if err != nil {
			return errors.Join(told, ErrEnded)
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("understand the server: %w", err)
		}
		switch {
		case e.End != nil:
			if told != nil {
				return told
			}
			return e.End.err()
		case e.Files != nil:
			files = append(files, e.Files...)
			continue
		case e.Receipt != nil && len(files) > 0:
			e.Receipt.Files, files = files, nil
		}
		if told != nil {
			continue
		}
		if told = tell(e); told != nil {
			c.stop()
		}
	}
}

func (e *end) err() error {
	switch {
	case e.Cannot != "":
		return fmt.Errorf("%w: %s", ErrCannot, e.Cannot)
	case e.Ended:
		return ErrEnded
	case e.Failure != nil:
		return e.Failure
	}
	return nil
}
