// Package sandbox runs the readers of foreign files in a process that can do
// nothing but compute.
//
// The process is this program, started again. It gets one file at a time as an
// open descriptor, can open nothing and reach nobody, and is bounded in memory,
// silence and output. If it breaks, only the current file is lost. Its output is
// untrusted.
//
// On Linux the kernel enforces this (seccomp, rlimits). On other
// systems of the Unix family it is a separate process with fewer restrictions,
// and on Windows the readers run in the calling process: SECURITY.md lists the
// protections of each system.
package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader"
)

// Options control how files are read.
type Options struct {
	// Apart runs the readers in a separate process; the program must call
	// [Main] at its very beginning. Default: in this process.
	Apart bool
	// Formats are the formats that are read; a separate process has those that its [Main] was
	// given. Default: none, so that nothing is recognised.
	Formats reader.Formats
	// Format names the only format to use, on files that are text or that it recognises.
	// Default: the format is detected.
	Format  string
	Reading reader.Options
	Limits  reader.Limits
	// Memory is the maximum amount of memory of a process, in bytes. Default 1 GiB.
	Memory int64
	// Silence is how long a process may send nothing; one second is added for each 4 MB of
	// the file. Default 5 minutes.
	Silence time.Duration
	// Output is the maximum number of bytes of messages from one original. Default: 1 GiB
	// plus 100 times the size of the original.
	Output int64
	// Beside finds a file of the delivery by its path, for readers that look up
	// names in other files. Default: no file is found.
	Beside func(ctx context.Context, name string) (b Beside, ok bool, err error)
}

func (o Options) withDefaults() Options {
	o.Memory = cmp.Or(o.Memory, 1<<30)
	o.Silence = cmp.Or(o.Silence, 5*time.Minute)
	if o.Beside == nil {
		o.Beside = func(context.Context, string) (Beside, bool, error) { return Beside{}, false, nil }
	}
	return o
}

// Original is a file that was handed over.
type Original struct {
	// Name is its path in the delivery.
	Name string
	Size int64
	File Content
}

// Content is an open file that can be handed to a process: an *os.File, or an
// [original.File], whose descriptors are passed on and whose keys it asks for.
type Content interface {
	io.ReaderAt
	io.Closer
}

// Beside is an original or a file inside one. Its File is closed
// after reading.
type Beside struct {
	Original
	// Size counts the bytes of the file itself.
	Size int64
}

// Event is a result of reading an original: a file begins, or an item
// was found in it, or both.
type Event struct {
	File *File
	Item reader.Item
	// Broke means that the item is not a record of the file: it states why reading
	// ended early. The reason may differ the next time.
	Broke bool
}

// File is a file that is read: an original, or a member of an archive.
type File struct {
	// Path and Problem are those of [reader.File], and Name is that of its Input.
	Path, Name, Problem string
	Size                int64
	// Reader is the format that reads the file, as name/version, or empty if none
	// recognises it.
	Reader string
	// Looks describes a file that no format recognises ([reader.LooksLike]).
	Looks string
	// Hash is the SHA-256 of its bytes, for [Readers.Files] with hashes and for files
	// that others may refer to: unrecognised ones, and those of at most
	// SiblingLimit.
	Hash argus.Hash
}

// Readers read the originals of one delivery, one after the other.
type Readers struct {
	o       Options
	here    *work    // in this process
	process *process // waiting for a job, or nil
}

// New makes readers. The caller must close them.
func New(o Options) *Readers { return &Readers{o: o.withDefaults()} }

// ErrNotHeld means that no confined process could be started for the readers. Nothing
// was read.
var ErrNotHeld = errors.New("no process for the readers can be started and confined")

// Start starts the process for the first file, and returns once the system confines it.
// Reading does this by itself; calling Start before other work shows early if that is
// impossible (ErrNotHeld).
func (r *Readers) Start() error {
	if !r.o.Apart || !canStart || r.process != nil {
		return nil
	}
	p, err := start(r.o)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotHeld, err)
	}
	r.process = p
	return nil
}

// Close ends the process, if there is one.
func (r *Readers) Close() {
	if r.process != nil {
		r.process.end()
		r.process = nil
	}
}

// Read yields the files in an original, each followed by its items. An error from this
// machine, the store or the context ends it; damage in the file is never an error.
func (r *Readers) Read(ctx context.Context, of Original) iter.Seq2[Event, error] {
	return r.run(ctx, job{Name: of.Name, Size: of.Size}, of.File)
}

// Files yields the files in an archive without their items, with the hashes of those
// that others may refer to. If the original is not an archive, it yields nothing.
func (r *Readers) Files(ctx context.Context, of Original) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		head := make([]byte, reader.ArchiveHead)
		n, err := of.File.ReadAt(head, 0)
		_, gone := errors.AsType[*original.Unreadable](err)
		if err != nil && !gone && !errors.Is(err, io.EOF) {
			yield(File{}, fmt.Errorf("read the beginning of %q: %w", of.Name, err))
			return
		} else if !reader.IsArchive(head[:n]) {
			return
		}
		for e, err := range r.run(ctx, job{Name: of.Name, Size: of.Size, Hash: true}, of.File) {
			switch {
			case err != nil:
				yield(File{}, err)
				return
			case e.File != nil && !yield(*e.File, nil):
				return
			}
		}
	}
}

// Text yields the items that one format finds in a file of UTF-8 text.
func (r *Readers) Text(ctx context.Context, of Original, format string) iter.Seq2[Event, error] {
	return r.run(ctx, job{Name: of.Name, Size: of.Size, Format: format}, of.File)
}

// Suggested yields the files of an original listed in formats, with their items. Each is
// read in the given format, in which its neighbours are read; a file without a message in
// that format has no Reader, as in Read.
func (r *Readers) Suggested(ctx context.Context, of Original, formats map[string]string) iter.Seq2[Event, error] {
	return r.run(ctx, job{Name: of.Name, Size: of.Size, Beside: formats}, of.File)
}

func (r *Readers) run(ctx context.Context, j job, file Content) iter.Seq2[Event, error] {
	if r.o.Apart && canStart {
		return func(yield func(Event, error) bool) { r.apart(ctx, j, file, yield) }
	}
	return func(yield func(Event, error) bool) {
		if r.here == nil {
			r.here = &work{formats: r.o.Formats, format: r.o.Format, reading: r.o.Reading, limits: r.o.Limits, ask: r.o.Beside}
		}
		r.here.give = func(e Event) error {
			if !yield(e, nil) {
				return errStopped
			}
			return nil
		}
		err := r.here.do(ctx, j, file)
		if err != nil && !errors.Is(err, errStopped) {
			yield(Event{}, err)
		}
	}
}
