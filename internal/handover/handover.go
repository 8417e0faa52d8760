// Package handover hands deliveries to the server that has a store open, over a socket
// that only the store's user can reach.
//
// Each message of the protocol is a line of JSON of bounded length. The server sends a [Hello],
// the client sends one [Job], and the server answers with [Event]s. The last event ends the
// job. The client may ask the server to stop; a client that closes the connection, or does not
// read for a minute, stops the job too. Both ends must be the same version of Argus, run by the
// same user: the kernel names the user at the other end. Only Linux and macOS can do that, and
// other systems have no socket.
package handover

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
)

// protocol is the version of the messages after [Hello]. Every change raises it.
const protocol = 2

// The maximum size in bytes of a message, and of the first message.
const (
	maxMessage = 16 << 20
	maxHello   = 4096
)

// The longest time that each step may take. A job may take any length of time.
const (
	forHello = 5 * time.Second  // for the other end to identify itself, and to send its job
	forWrite = time.Minute      // for the other end to read a message
	forStop  = 30 * time.Second // for the server to end a job that the client stopped
)

// Hello identifies the server. Every version can read the Hello of every other version.
type Hello struct {
	Protocol int `json:"handover"`
	// Software is the name and version of the server's Argus, and Command is the command that
	// it runs, such as "argus serve".
	Software string `json:"software"`
	Command  string `json:"command"`
	Process  int    `json:"process"`
}

// The kinds of jobs.
const (
	Ingest  = "ingest"
	Resume  = "resume"
	Abandon = "abandon"
	Reread  = "reread"
)

// Job names the deliveries to take in, and their actor. Only [Conn.Do] sets the fields after
// Purpose.
type Job struct {
	// Do is one of the kinds above.
	Do string `json:"do"`
	// Paths are the paths for Ingest, as the operator wrote them. Deliveries are for the other
	// kinds: exactly one for Reread.
	Paths      []string               `json:"paths,omitempty"`
	Deliveries []argus.DeliveryNumber `json:"deliveries,omitempty"`
	// Reason is used by Abandon and Reread.
	Reason string `json:"reason,omitempty"`
	// Settings are those of intake.Options.Settings, Batch its BatchRecords.
	Settings []argus.Field `json:"settings,omitempty"`
	Batch    int           `json:"batch,omitempty"`

	// Lent is the key that the judge lent, as text; a secret.
	Lent string `json:"lent,omitempty"`

	Actor     string `json:"actor"`
	Authority string `json:"authority,omitempty"`
	Purpose   string `json:"purpose,omitempty"`

	// Folder is the client's working folder, from which relative paths start, and Environ is
	// its environment, for the program of --via. Neither need be UTF-8.
	Folder  []byte   `json:"folder,omitempty"`
	Environ [][]byte `json:"environ,omitempty"`
	// Groups are the client's groups, whose files it can read. Files identifies the file that
	// the client sees at each of Paths.
	Groups []int    `json:"groups,omitempty"`
	Files  []string `json:"files,omitempty"`
}

// decodeJob reads the message of a client.
func decodeJob(line []byte) (job Job, err error) {
	if err := json.Unmarshal(line, &job); err != nil {
		return job, err
	}
	if !slices.Contains([]string{Ingest, Resume, Abandon, Reread}, job.Do) {
		return job, fmt.Errorf("there is no job %q", job.Do)
	}
	if job.Do == Reread && len(job.Deliveries) != 1 {
		return job, fmt.Errorf("the job reads %d deliveries again, but can read only one", len(job.Deliveries))
	}
	return job, nil
}

// isText reports whether JSON, which holds only UTF-8, can hold a job.
func (j *Job) isText() bool {
	texts := append([]string{j.Reason, j.Actor, j.Authority, j.Purpose}, j.Paths...)
	for _, s := range j.Settings {
		texts = append(texts, s.Name, s.Value)
	}
	return !slices.ContainsFunc(texts, func(s string) bool { return !utf8.ValidString(s) })
}

// Options returns o with the options that the job asks for, and with a Progress that calls
// tell.
func (j *Job) Options(o intake.Options, tell func(Event) error) (intake.Options, error) {
	o.BatchRecords, o.Folder, o.Lent = j.Batch, string(j.Folder), j.Lent
	o.Progress = func(p intake.Progress) { _ = tell(Event{Progress: &p}) } // a client that is gone stops the job
	o.Say = func(line string) { _ = tell(Event{Said: line}) }
	for _, e := range j.Environ {
		o.Environ = append(o.Environ, string(e))
	}
	return o.With(j.Settings)
}

// Event is a part of the answer to a job: one of its fields is set.
type Event struct {
	Progress   *intake.Progress   `json:"progress,omitempty"`
	Receipt    *argus.Receipt     `json:"receipt,omitempty"`
	Difference *intake.Difference `json:"difference,omitempty"`
	Unfinished *Unfinished        `json:"unfinished,omitempty"`
	// None is the kind of job for which there is no delivery.
	None string `json:"none,omitempty"`
	// Said is a line that the program of --via printed.
	Said string `json:"said,omitempty"`

	// Files precede a receipt, so that each message is short.
	Files []argus.FileAccount `json:"files,omitempty"`
	// End is the last event.
	End *end `json:"end,omitempty"`
}

// Unfinished is another delivery, which was interrupted.
type Unfinished struct {
	Delivery argus.DeliveryNumber `json:"delivery"`
	Source   string               `json:"source"`
}

// end describes how a job ended.
type end struct {
	Failure *Failure `json:"failure,omitempty"`
	// Cannot is the reason why the server did nothing; Ended is set if the server itself ended.
	Cannot string `json:"cannot,omitempty"`
	Ended  bool   `json:"ended,omitempty"`
}

// Failure is the error of a job, in the words in which the command explains it to the user.
type Failure struct {
	Text string `json:"text"`
	Code int    `json:"code"`
	Hint string `json:"hint,omitempty"`
}

func (f *Failure) Error() string { return f.Text }

// The errors that a caller may check for.
var (
	// ErrNobody means that no server takes in deliveries for the store.
	ErrNobody = errors.New("no server has the store open")
	// ErrCannot means that the server cannot do the job as this process would do it. The server
	// has done nothing.
	ErrCannot = errors.New("the server of the store cannot take this in")
	// ErrEnded means that the server ended before the job did.
	ErrEnded = errors.New("the server that took the delivery in has ended")
)

// link is one end of a connection.
type link struct {
	c     net.Conn
	lines *bufio.Scanner

	mu       sync.Mutex    // guards writing
	patience time.Duration // for each message
}

func newLink(c net.Conn) *link {
	l := &link{c: c, lines: bufio.NewScanner(c), patience: forWrite}
	l.lines.Buffer(nil, maxMessage)
	return l
}

// send writes a message.
func (l *link) send(message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(line) >= maxMessage {
		return fmt.Errorf("a message of %d bytes is too long for the other end", len(line))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.c.SetWriteDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	_, err = l.c.Write(append(line, '\n'))
	return err
}

// next returns the next message, which is valid until the next call. It waits at most for the
// duration within, or without a limit if within is 0.
func (l *link) next(within time.Duration) ([]byte, error) {
	var until time.Time
	if within > 0 {
		until = time.Now().Add(within)
	}
	if err := l.c.SetReadDeadline(until); err != nil {
		return nil, err
	}
	if l.lines.Scan() {
		return l.lines.Bytes(), nil
	}
	if err := l.lines.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("the connection was closed")
}

// checkPeer returns an error if the other end belongs to another user.
func checkPeer(c *net.UnixConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	uid := uint32(math.MaxUint32)
	if controlErr := raw.Control(func(fd uintptr) { uid, err = peer(int(fd)) }); controlErr != nil {
		return controlErr
	}
	if err != nil {
		return fmt.Errorf("find out which user has the other end: %w", err)
	}
	if int64(uid) != int64(os.Geteuid()) {
		return fmt.Errorf("the other end belongs to another user (%d)", uid)
	}
	return nil
}

// groups returns the groups of this process.
func groups() ([]int, error) {
	list, err := os.Getgroups()
	list = append(list, os.Getegid())
	slices.Sort(list)
	return slices.Compact(list), err
}
