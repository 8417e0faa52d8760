// Package validate runs reference files whose results are known, and reports the result
// for each reader.
//
// It is meant for a laboratory that has to show that its tool works as claimed (ISO/IEC
// 17025:2017, 7.2 and 7.7; SWGDE, Minimum Requirements for Testing Tools used in Digital and
// Multimedia Forensics). It calls the program on the command line, as a user does, so that the
// whole program is tested and not only its readers. docs/format/validation.md describes
// references and records.
package validate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

// A reference's folder has these two entries.
const (
	expectedName = "expected.json"
	inputName    = "input"
)

// mapName is the name of the file that holds a reference's map, next to its input.
const mapName = "reference.json"

// Options are the options of a run.
type Options struct {
	// Program is the path of the argus under test.
	Program string
	// Software names the version of the program; its file is hashed.
	Software string
	// Formats are the formats that the program reads, with their versions.
	Formats []Format
	// Temp is the folder for temporary stores. Default: the system's.
	Temp string
	// Timeout bounds each call of the program. Default ten minutes.
	Timeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Progress is called with each result. Default: it is not called.
	Progress func(Result)
}

// Format is a reader with the results of its references.
type Format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	// Passed, Failed and Known count the references that name the format, or in which its
	// reader found something; Known are those that fail because of a known error.
	Passed int `json:"passed"`
	Failed int `json:"failed"`
	Known  int `json:"known_errors"`
}

// Tested reports whether any tested reference is about the format.
func (f Format) Tested() bool { return f.Passed+f.Failed+f.Known > 0 }

// Set is the references in one folder.
type Set struct {
	// Name identifies the owner of the references.
	Name  string
	Files fs.FS
	// Examples holds the files that references name as "example" instead of having a folder
	// input. Default: none.
	Examples fs.FS
}

// Outcome is the result of a reference.
type Outcome string

const (
	// Passed: the result is as expected.
	Passed Outcome = "passed"
	// Failed: the result differs.
	Failed Outcome = "failed"
	// KnownError: it failed, and the reference names the error of this version.
	KnownError Outcome = "known error"
	// NotTested: nothing failed, and the reference either asks a person to look or expects
	// nothing.
	NotTested Outcome = "not tested"
)

// Result is the result of one reference.
type Result struct {
	Set       string  `json:"set"`
	Reference string  `json:"reference"`
	Outcome   Outcome `json:"outcome"`
	// Format is the format that the reference names.
	Format string `json:"format,omitempty"`
	// Readers are the readers that found something in the files, as name/version.
	Readers []string `json:"readers,omitempty"`
	Input   []File   `json:"input"`
	// Expected is the SHA-256 of expected.json.
	Expected argus.Hash `json:"expected_sha256"`
	// Differences describe the missing or wrong results in words.
	Differences []string `json:"differences,omitempty"`
	// Remark is the known error, or a note for the person who has to look.
	Remark string `json:"remark,omitempty"`
	Millis int64  `json:"ms"`
}

// File is an input file, identified by its hash.
type File struct {
	Path   string     `json:"path"`
	Size   int64      `json:"size"`
	SHA256 argus.Hash `json:"sha256"`
}

// Record is the result of a validation.
type Record struct {
	Software string `json:"software"`
	// Program is the SHA-256 of the program's file.
	Program   argus.Hash `json:"program_sha256"`
	System    string     `json:"system"`
	Began     time.Time  `json:"began"`
	Ended     time.Time  `json:"ended"`
	Passed    int        `json:"passed"`
	Failed    int        `json:"failed"`
	Known     int        `json:"known_errors"`
	NotTested int        `json:"not_tested"`
	Formats   []Format   `json:"formats"`
	Results   []Result   `json:"results"`
}

// Run tests the program with all references of the sets, in the order of their names. An error
// concerns the run itself, for example files that could not be read or a program that could not
// start. A reference that cannot be understood counts as failed.
func Run(ctx context.Context, sets []Set, system string, o Options) (*Record, error) {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Result) {}
	}
	record := &Record{Software: o.Software, System: system, Began: o.Now().UTC().Truncate(time.Second), Formats: slices.Clone(o.Formats)}
	var err error
	if record.Program, err = hashFile(o.Program); err != nil {
		return nil, err
	}
	for _, set := range sets {
		names, err := references(set.Files)
		if err != nil {
			return nil, fmt.Errorf("look for references in %s: %w", set.Name, err)
		}
		for _, name := range names {
			result, err := o.reference(ctx, set, name)
			if err != nil {
				return nil, fmt.Errorf("test %s of %s: %w", name, set.Name, err)
			}
			record.add(result)
			o.Progress(result)
		}
	}
	if len(record.Results) == 0 {
		return nil, fmt.Errorf("no reference was found; a reference is a folder that contains %s and a folder %s", expectedName, inputName)
	}
	record.Ended = o.Now().UTC().Truncate(time.Second)
	return record, nil
}

// references names the folders that contain an expected.json; "." is the set's own folder.
func references(files fs.FS) (names []string, err error) {
	err = fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if _, err := fs.Stat(files, join(name, expectedName)); err == nil {
			names = append(names, name)
			return fs.SkipDir
		}
		return nil
	})
	return names, err
}

func join(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
}

func (r *Record) add(result Result) {
	r.Results = append(r.Results, result)
	count := func(f *Format) {}
	switch result.Outcome {
	case Passed:
		r.Passed++
		count = func(f *Format) { f.Passed++ }
	case Failed:
		r.Failed++
		count = func(f *Format) { f.Failed++ }
	case KnownError:
		r.Known++
		count = func(f *Format) { f.Known++ }
	case NotTested:
		r.NotTested++
	}
	about := map[string]bool{result.Format: true} // also if its reader recognised nothing
	for _, reader := range result.Readers {
		name, _, _ := strings.Cut(reader, "/")
		about[name] = true
	}
	for name := range about {
		if i := slices.IndexFunc(r.Formats, func(f Format) bool { return f.Format == name }); i >= 0 {
			count(&r.Formats[i])
		}
	}
}

// maxExpected is the maximum size of the file expectedName, in bytes.
const maxExpected = 16 << 20

// reference tests the program with one reference.
func (o *Options) reference(ctx context.Context, set Set, name string) (Result, error) {
	result := Result{Set: set.Name, Reference: name}
	if name == "." {
		result.Reference = set.Name
	}
	began := o.Now()
	expected := join(name, expectedName)
	info, err := fs.Stat(set.Files, expected)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxExpected) {
		err = fmt.Errorf("%s must be a file of at most %d bytes", expected, maxExpected)
	}
	if err != nil {
		return result, err
	}
	text, err := fs.ReadFile(set.Files, expected)
	if err != nil {
		return result, err
	}
	result.Expected = sha256.Sum256(text)
	folder, err := os.MkdirTemp(o.Temp, "argus-validate-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(folder)
	// Some formats name a conversation by its file, so the delivery always has the same name.
	input := filepath.Join(folder, "in")
	want, err := parseExpected(text)
	if err == nil && want.Example != "" && set.Examples == nil {
		err = errors.New("only built-in references have examples")
	}
	files, copying := set.input(name, want, input)
	if copying != nil {
		return result, copying
	}
	result.Input = files
	if want != nil {
		result.Format = want.Format
	}
	if err == nil && !o.reads(result.Format) {
		err = fmt.Errorf("this Argus does not read the format %q", result.Format)
	}
	switch {
	case err != nil:
		result.Differences = []string{fmt.Sprintf("%s: %s", expectedName, err)}
	case want.empty():
		result.Outcome, result.Remark = NotTested, cmp.Or(want.Manual, "the reference expects nothing")
		return result, nil
	default:
		result.Readers, result.Differences, err = o.test(ctx, folder, input, want)
		if err != nil {
			return result, err
		}
	}
	result.judge(want)
	result.Millis = o.Now().Sub(began).Milliseconds()
	return result, nil
}

// reads reports whether the program reads a format; "" means any format.
func (o *Options) reads(format string) bool {
	return format == "" || slices.ContainsFunc(o.Formats, func(f Format) bool { return f.Format == format })
}

func hashFile(name string) (hash argus.Hash, err error) {
	f, err := os.Open(name)
	if err != nil {
		return hash, err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	sum.Sum(hash[:0])
	return hash, errors.Join(err, f.Close())
}

// judge sets the outcome from the differences.
func (r *Result) judge(want *expected) {
	switch {
	case len(r.Differences) > 0 && want != nil && want.KnownError != "":
		r.Outcome, r.Remark = KnownError, want.KnownError
	case len(r.Differences) > 0:
		r.Outcome = Failed
	case want.Manual != "":
		r.Outcome, r.Remark = NotTested, want.Manual
	default:
		r.Outcome = Passed
		if want.KnownError != "" {
			r.Remark = "the known error did not occur: " + want.KnownError
		}
	}
}

// input writes the input of a reference into a folder.
func (s Set) input(name string, want *expected, into string) ([]File, error) {
	if want == nil || want.Example == "" || s.Examples == nil {
		return copyInput(s.Files, join(name, inputName), into)
	}
	if err := os.Mkdir(into, 0o700); err != nil {
		return nil, err
	}
	file, err := copyFile(s.Examples, want.Example, filepath.Join(into, path.Base(want.Example)))
	file.Path = path.Base(want.Example)
	return []File{file}, err
}

// copyInput copies the files of a folder into another, with their hashes.
func copyInput(files fs.FS, from, into string) (list []File, err error) {
	err = fs.WalkDir(files, from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, from), "/")
		target := filepath.Join(into, filepath.FromSlash(rel))
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		file, err := copyFile(files, name, target)
		file.Path = rel
		list = append(list, file)
		return err
	})
	return list, err
}

func copyFile(files fs.FS, name, target string) (file File, err error) {
	in, err := files.Open(name)
	if err != nil {
		return file, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return file, err
	}
	sum := sha256.New()
	file.Size, err = io.Copy(io.MultiWriter(out, sum), in)
	sum.Sum(file.SHA256[:0])
	return file, errors.Join(err, out.Close())
}

// test runs intake on the input, asks all questions, and compares.
func (o *Options) test(ctx context.Context, folder, input string, want *expected) (readers, differences []string, err error) {
	p := &program{o: o, folder: folder}
	options := want.Options
	if want.Map != nil {
		name := filepath.Join(folder, mapName)
		if err := os.WriteFile(name, want.Map, 0o600); err != nil {
			return nil, nil, err
		}
		options = slices.Concat(options, []string{"--map", name})
	}
	events, err := p.events(ctx, slices.Concat([]string{"ingest"}, options, []string{input}))
	if err != nil {
		return nil, nil, err
	}
	var receipt struct {
		Seal struct {
			ReadBy []string `json:"read_by"`
		}
		Counts       map[string]any
		Completeness map[string]any
	}
	at := slices.IndexFunc(events, func(e event) bool { return e.Event == "receipt" })
	if at < 0 {
		return nil, []string{"there is no receipt: " + p.said}, nil
	}
	if err := unmarshal(events[at].line, &receipt); err != nil {
		return nil, nil, fmt.Errorf("parse the receipt: %w", err)
	}
	found, err := p.messages(ctx, []string{"search", "--all", "--", ""})
	if err != nil {
		return nil, nil, err
	}
	differences = want.compare(found)
	differences = append(differences, numbers("account", want.Account, receipt.Counts)...)
	differences = append(differences, numbers("completeness", want.Completeness, receipt.Completeness)...)
	for _, ask := range want.Asks {
		bad, err := p.ask(ctx, ask)
		if err != nil {
			return nil, nil, err
		}
		differences = append(differences, bad...)
	}
	return receipt.Seal.ReadBy, differences, nil
}

// program is the argus under test, with its own store.
type program struct {
	o      *Options
	folder string
	said   string // the first line that the last call wrote to standard error
}

// outputBytes is the limit for the output of one call of the program, in bytes.
const outputBytes = 256 << 20

// call runs the program. An exit code other than 0 is not an error.
func (p *program) call(ctx context.Context, args []string) (out, errOut string, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	c := exec.CommandContext(ctx, p.o.Program, args...)
	c.Args[0] = "argus"
	c.Dir = p.folder
	c.Env = []string{
		"HOME=" + p.folder, "XDG_CONFIG_HOME=" + filepath.Join(p.folder, "config"), "TMPDIR=" + p.folder, "PATH=" + os.Getenv("PATH"), "TZ=UTC",
		"ARGUS_KEYS=" + filepath.Join(p.folder, "keys"), "ARGUS_STORE=" + filepath.Join(p.folder, "case"), "ARGUS_ACTOR=validation", "ARGUS_PURPOSE=validation",
	}
	var o, e limited
	c.Stdout, c.Stderr = &o, &e
	err = c.Run()
	p.said, _, _ = strings.Cut(strings.TrimSpace(e.String()), "\n")
	if _, exited := errors.AsType[*exec.ExitError](err); exited && ctx.Err() == nil {
		err = nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("argus %s took more than %s", strings.Join(args, " "), p.o.Timeout)
	}
	return o.String(), e.String(), err
}

// limited keeps the first bytes of an output.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if l.Len()+len(b) > outputBytes {
		return 0, fmt.Errorf("it printed more than %d bytes", outputBytes)
	}
	return l.Buffer.Write(b)
}

// event is a line of JSON from the program.
type event struct {
	Event string `json:"event"`
	line  []byte
}

func (p *program) events(ctx context.Context, args []string) (list []event, err error) {
	out, _, err := p.call(ctx, append([]string{"--json"}, args...))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(out) {
		e := event{line: []byte(line)}
		if err := json.Unmarshal(e.line, &e); err != nil {
			return nil, fmt.Errorf("argus %s printed a line that is not JSON: %w", args[0], err)
		}
		list = append(list, e)
	}
	return list, nil
}

// message is a message as the program prints it.
type message = map[string]any

// messages returns the messages of a search.
func (p *program) messages(ctx context.Context, args []string) (list []message, err error) {
	events, err := p.events(ctx, args)
	for _, e := range events {
		if e.Event != "hit" {
			continue
		}
		var hit struct{ Message message }
		if err := unmarshal(e.line, &hit); err != nil {
			return nil, err
		}
		list = append(list, hit.Message)
	}
	return list, err
}

func unmarshal(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// numbers compares counts by name.
func numbers(of string, want map[string]int64, got map[string]any) (bad []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !equal(got[name], want[name]) {
			bad = append(bad, fmt.Sprintf("%s: %s is %s, want %d", of, name, short(got[name]), want[name]))
		}
	}
	return bad
}
