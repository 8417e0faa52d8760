package intake

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// Via is a program, chosen by the operator, that converts each file of a delivery into Argus
// JSON lines. It gets the file on its standard input and the file's path in the delivery as
// $ARGUS_FILE, and prints on its standard output.
//
// It runs as the user who runs Argus, outside the sandbox. It must print the same output for
// the same file each time.
type Via struct {
	program string // full path
	hash    argus.Hash
	args    []string
	folder  string   // where it runs; "" for the folder of this process
	environ []string // nil for the environment of this process
	// Output is the maximum number of bytes of its output that are read for one file.
	// Default: 1 GiB plus 100 times the size of the file.
	Output int64
}

// NewVia finds a program. The fields go into the delivery's record: the program's path and
// SHA-256, its arguments, and the SHA-256 of those that are files, such as a script for an
// interpreter.
func NewVia(program string, args []string) (*Via, []argus.Field, error) {
	return newVia(program, args, "", nil)
}

func newVia(program string, args []string, folder string, environ []string) (*Via, []argus.Field, error) {
	path, err := exec.LookPath(program)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find the program: %w", err)
	}
	v := &Via{program: path, args: args, folder: folder, environ: environ}
	if v.hash, err = hashFile(path); err != nil {
		return nil, nil, fmt.Errorf("read the program: %w", err)
	}
	names := []argus.Field{{Name: "via", Value: path}, {Name: "via-sha256", Value: v.hash.String()}}
	for _, arg := range args {
		names = append(names, argus.Field{Name: "via-arg", Value: arg})
		place := PathIn(folder, arg)
		if info, err := os.Stat(place); err == nil && info.Mode().IsRegular() {
			hash, err := hashFile(place)
			if err != nil {
				return nil, nil, fmt.Errorf("read an argument of the program: %w", err)
			}
			names = append(names, argus.Field{Name: "via-arg-sha256", Value: hash.String()})
		}
	}
	return v, names, nil
}

func hashFile(name string) (h argus.Hash, err error) {
	f, err := os.Open(name)
	if err != nil {
		return h, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	sum.Sum(h[:0])
	return h, err
}

// viaOf finds again the program with which a delivery was begun, or returns nil if there was
// none.
func (o Options) viaOf(settings []argus.Field) (*Via, []argus.Field, error) {
	var via, others []argus.Field
	var args []string
	for _, s := range settings {
		if !strings.HasPrefix(s.Name, "via") {
			others = append(others, s)
			continue
		}
		if via = append(via, s); s.Name == "via-arg" {
			args = append(args, s.Value)
		}
	}
	if len(via) == 0 {
		return nil, others, nil
	}
	v, now, err := newVia(via[0].Value, args, o.Folder, o.Environ)
	if err != nil || fmt.Sprint(now) != fmt.Sprint(via) {
		return nil, nil, fmt.Errorf("%w: %s has changed since", ErrOtherReaders, via[0].Value)
	}
	return v, others, nil
}

// name returns the name under which records cite the program; its version is its hash.
func (v *Via) name() string {
	return label("via:" + filepath.Base(v.program) + "/" + v.hash.String()[:12])
}

// run passes a file to the program, and the program's output to out. broke describes a fault in
// the program; err is a fault in this machine.
func (v *Via) run(ctx context.Context, of *argus.Original, file *os.File, out io.Writer, say func(line string)) (broke string, err error) {
	limit := cmp.Or(v.Output, 1<<30+100*of.Size)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	bounded := &boundedWriter{w: out, left: limit, over: stop}
	last := ""
	said := &lineWriter{say: func(line string) {
		last = line
		say(line)
	}}
	c := exec.CommandContext(ctx, v.program, v.args...)
	c.Stdin, c.Stdout, c.Stderr = file, bounded, said
	c.Dir, c.Env = v.folder, v.environ
	c.Env = append(c.Environ(), "ARGUS_FILE="+of.Path, "ARGUS_SIZE="+strconv.FormatInt(of.Size, 10))
	c.WaitDelay = 5 * time.Second // for processes that it started itself
	if err := c.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", v.program, err)
	}
	err = c.Wait()
	said.end()
	exit, isExit := errors.AsType[*exec.ExitError](err)
	switch {
	case bounded.err != nil:
		return "", fmt.Errorf("keep the output of %s: %w", v.program, bounded.err)
	case bounded.left < 0:
		return fmt.Sprintf("%s printed more than %d bytes and was stopped", filepath.Base(v.program), limit), nil
	case isExit:
		broke = fmt.Sprintf("%s ended with %s", filepath.Base(v.program), exit)
		if last != "" {
			broke += "; its last line was " + strconv.Quote(last[:min(len(last), 200)])
		}
		return broke, nil
	case errors.Is(err, exec.ErrWaitDelay):
		return fmt.Sprintf("%s ended but left a process running that still prints", filepath.Base(v.program)), nil
	}
	return "", err
}

// boundedWriter accepts as many bytes as are left, and calls over if more arrive.
type boundedWriter struct {
	w    io.Writer
	left int64
	over func()
	err  error
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	n := len(p)
	if b.left -= int64(n); b.left < 0 {
		b.over()
		p = p[:max(0, int64(n)+b.left)]
	}
	if len(p) > 0 && b.err == nil {
		_, b.err = b.w.Write(p)
	}
	return n, b.err
}

// lineWriter passes lines on, but only the beginning of long ones.
type lineWriter struct {
	say  func(string)
	line []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		l.line = append(l.line, part[:min(len(part), max(0, 4096-len(l.line)))]...)
		if p = rest; ended {
			l.end()
		}
	}
	return n, nil
}

func (l *lineWriter) end() {
	if len(l.line) > 0 {
		l.say(strings.ToValidUTF8(string(l.line), "\uFFFD"))
	}
	l.line = l.line[:0]
}

// runVia gives an original to the program as a plain file.
func (in *intake) runVia(ctx context.Context, record *argus.Record, out io.Writer) (broke string, err error) {
	file, err := in.plain(ctx, record)
	if err != nil {
		return "", err
	}
	defer file.Close()
	return in.o.Via.run(ctx, record.Original, file, out, in.o.Say)
}

// readVia has the program read an original. The position of a message is its line in the
// program's output. The output is not kept: the same program prints it again.
func (in *intake) readVia(ctx context.Context, record *argus.Record) error {
	of := record.Original
	temp := in.o.Limits.Temp
	if temp == nil {
		temp = reader.TempFile
	}
	out, err := temp()
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	broke, err := in.runVia(ctx, record, out)
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	size, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	at := reading{where: argus.Where{Original: record.Seq, Reader: 1}, name: of.Path, repeats: newRepeats(in.o.Formats, ""), devices: newDevices(in.o.Formats, "")}
	if size == 0 && broke == "" {
		in.strangers = append(in.strangers, stranger{where: at.where, name: of.Path})
		return nil
	}
	for e, err := range in.reading.Text(ctx, sandbox.Original{Name: of.Path, Size: size, File: out}, "jsonl") {
		if err != nil {
			return err
		}
		e.File, e.Item.Where = nil, argus.Where{Record: e.Item.Where.Record}
		if err := in.read(ctx, &at, record, e); err != nil {
			return err
		}
	}
	if broke == "" {
		return in.release(ctx, &at)
	}
	return in.read(ctx, &at, record, sandbox.Event{Item: reader.Item{Problem: broke}, Broke: true})
}
