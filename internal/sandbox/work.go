package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader"
)

// errStopped means that the receiver wants no more.
var errStopped = errors.New("stopped")

// job is the reading of one original.
type job struct {
	Name string
	Size int64
	// Skip is how many files in the original have already been read.
	Skip int `json:",omitempty"`
	// Hash means that the files are listed, not read.
	Hash bool `json:",omitempty"`
	// Format, if set, reads the original as a whole.
	Format string `json:",omitempty"`
	// Beside, if set, maps the files to read, by their path in the original, to the
	// format that reads their neighbours.
	Beside map[string]string `json:",omitempty"`
	// Kept describes the original if it is kept in blocks.
	Kept *keptFile `json:",omitempty"`
}

// reached is how far the reading of a file got.
type reached struct {
	items uint64
	where argus.Where // of the last item with a place
}

func (r *reached) add(i reader.Item) {
	if i.Message == nil && i.Problem == "" {
		return
	}
	r.items++
	if i.Where.Record > 0 || i.Where.Length > 0 {
		r.where = i.Where
	}
}

// item makes an item from the reason why reading a file ended. It says where, because
// the rest of the file is not kept.
func (r *reached) item(problem string, size int64) reader.Item {
	at := argus.Where{Offset: r.where.Offset + r.where.Length}
	if r.where.Record > 0 {
		at.Record = r.where.Record + 1
	}
	switch {
	case r.items == 0:
		problem += "; nothing of the file is kept"
	case at.Offset > 0:
		problem += fmt.Sprintf("; records before byte %d of %d are kept, the rest of the file is not", at.Offset, size)
	default:
		problem += fmt.Sprintf("; pieces of it that are kept: %d", r.items)
	}
	return reader.Item{Problem: problem, Where: at}
}

// work runs jobs. It is the same in both processes.
type work struct {
	format  string
	reading reader.Options
	limits  reader.Limits
	formats reader.Formats
	// begin, if set, is told of a file before its content is looked at, and of
	// nil when it has been read.
	begin func(*File) error
	give  func(Event) error
	ask   func(ctx context.Context, name string) (Beside, bool, error)

	giving   bool              // set while the receiver runs: its panics are not the reader's
	siblings map[string][]byte // neighbouring files, by path
	held     int               // bytes of siblings
	fault    error             // an error of this machine while looking for neighbours
	// retire means that this process should not continue after a panic, or after a database,
	// whose library is not memory safe by itself.
	retire bool
}

func (w *work) do(ctx context.Context, j job, file Content) error {
	if j.Format != "" {
		input := reader.Input{Name: j.Name, Size: j.Size, File: file, Temp: w.limits.Temp}
		return w.file(ctx, j, reader.File{Input: input})
	}
	n := 0
	for f, err := range w.formats.Files(ctx, j.Name, file, j.Size, w.limits) {
		if _, ok := errors.AsType[*original.Unreadable](err); ok {
			// This is not an error of this machine: the beginning of the original was removed.
			return w.hand(Event{File: &File{Name: j.Name, Size: j.Size, Problem: "the file cannot be read: " + err.Error()}})
		}
		if err != nil {
			return err
		}
		if j.Beside != nil && (j.Beside[f.Path] == "" || f.Packed || f.Problem != "") {
			continue
		}
		if n++; n <= j.Skip {
			continue
		}
		if err := w.file(ctx, j, f); err != nil {
			return err
		}
		if w.begin != nil {
			if err := w.begin(nil); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// file reads one file. A reader that panics breaks only this file.
func (w *work) file(ctx context.Context, j job, f reader.File) (err error) {
	at := File{Path: f.Path, Name: f.Input.Name, Problem: f.Problem, Size: f.Input.Size}
	e := Event{File: &at}
	var got reached
	if w.begin != nil {
		if err := w.begin(&at); err != nil {
			return err
		}
	}
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if w.giving {
			panic(p) // not the reader's
		}
		w.retire = true
		e.Item, e.Broke = got.item("the reader crashed: "+firstLine(fmt.Sprint(p)), at.Size), true
		err = w.hand(e)
	}()
	if f.Packed && !j.Hash {
		return nil
	}
	var claims []reader.Claim
	if f.Problem == "" {
		if bytes.HasPrefix(f.Sample.Head, []byte("SQLite format 3")) {
			w.retire = true
		}
		if claims = w.claims(j, f); len(claims) > 0 && !f.Packed {
			at.Reader = claims[0].Format.String()
		} else {
			at.Looks = reader.LooksLike(f.Sample)
		}
		if j.Hash && at.Path != "" && (len(claims) == 0 || at.Size <= SiblingLimit) {
			sum := sha256.New()
			if _, err := io.Copy(sum, f.Input.Reader()); err != nil {
				return err
			}
			sum.Sum(at.Hash[:0])
		}
	}
	if len(claims) == 0 || j.Hash {
		return w.hand(e)
	}
	f.Input.Options = w.reading
	f.Input.Sibling = func(name string) (io.ReaderAt, int64, bool) { return w.sibling(ctx, name) }
	return w.choose(ctx, f.Input, claims, j.Beside != nil, &e, &got)
}

func (w *work) hand(e Event) error {
	w.giving = true
	err := w.give(e)
	w.giving = false
	return err
}

// firstLine is the beginning of a text that may be long and hostile.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s[:min(len(s), 300)], "\n")
	return strings.ToValidUTF8(s, "\uFFFD")
}

// claims returns the formats that may read a file, in the order in which they are tried. A
// format that the operator names is not forced on binary files, and the format of its
// neighbours is tried on a file that no format recognises.
func (w *work) claims(j job, f reader.File) []reader.Claim {
	name, beside := j.Format, j.Beside[f.Path]
	if name == "" && beside != "" {
		name = beside
	}
	if forced := w.byName(name); forced != nil {
		return []reader.Claim{{Format: forced}}
	}
	if forced := w.byName(w.format); forced != nil && (f.Sample.Text != nil || forced.Detect(f.Sample) > 0) {
		return []reader.Claim{{Format: forced}}
	}
	f.Sample.Map, f.Sample.MapText = w.reading.Map, w.reading.MapText
	return w.formats.Claims(f.Sample)
}

func (w *work) byName(name string) *reader.Format {
	f, _ := w.formats.ByName(name)
	return f
}

// SiblingLimit is the maximum size of a neighbouring file that is held, and siblingsLimit
// the maximum size of all that are held at once, in bytes.
const (
	SiblingLimit  = 64 << 20
	siblingsLimit = 2 * SiblingLimit
)

// sibling returns a file of the delivery for a reader that looks up names in other
// files.
func (w *work) sibling(ctx context.Context, name string) (io.ReaderAt, int64, bool) {
	content, ok := w.siblings[name]
	if !ok {
		var err error
		if content, ok, err = w.fetch(ctx, name); err != nil {
			w.fault = err
		}
		if !ok || err != nil {
			return nil, 0, false
		}
		if w.held += len(content); w.held > siblingsLimit || w.siblings == nil {
			w.siblings = map[string][]byte{}
			w.held = len(content)
		}
		w.siblings[name] = content
	}
	return bytes.NewReader(content), int64(len(content)), true
}

// fetch reads a file of the delivery, which may be in an archive.
func (w *work) fetch(ctx context.Context, name string) ([]byte, bool, error) {
	b, ok, err := w.ask(ctx, name)
	if err != nil || !ok {
		return nil, false, err
	}
	defer b.File.Close()
	if b.Name == name {
		content, err := io.ReadAll(io.NewSectionReader(b.File, 0, b.Size))
		return content, true, err
	}
	for f, err := range w.formats.Files(ctx, b.Name, b.File, b.Original.Size, w.limits) {
		if err != nil {
			return nil, false, err
		}
		if f.Problem == "" && f.Input.Name == name && f.Input.Size == b.Size {
			content, err := io.ReadAll(f.Input.Reader())
			return content, true, err
		}
	}
	return nil, false, fmt.Errorf("find %q in %q: %w", name, b.Name, argus.ErrNotFound)
}
