package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/validate"
)

// errValidation says that the results have been printed, and that not all are good.
var errValidation = errors.New("a reference did not come out as expected")

type validateFlags struct {
	out, check, key string
	without         bool
}

func (a *app) validateCommand() *cobra.Command {
	var f validateFlags
	c := &cobra.Command{
		Use:   "validate [FOLDER...]",
		Short: "Test this Argus with reference files whose results are known",
		Long: `Take in reference files, each in a store of its own, and compare what comes out
with what is expected: those that are built into Argus, and those of a laboratory
in the folders. A reference is a folder with expected.json and a folder input;
docs/format/validation.md has its form.

For each format it prints the version of the reader and how many references
passed, failed, or fail by a known error of this version. A format without a
reference is "not tested". Known errors are stated in the references.

--out writes the record, signed: the software, the system, each input by its
SHA-256, each result. The key is made at the first use, in the folder of private
keys. --check reads a record and checks its signature with the key in --key.

Exit code 0: nothing failed. 1: something failed.`,
		Example: `  argus validate
  argus validate reference-2026 --out validation.txt
  argus validate --check validation.txt --key validation.pub`,
		Args: arguments(0, 1<<10),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.check != "" && (len(args) > 0 || f.out != "" || f.without || f.key == ""):
				return usageError{errors.New("--check wants --key, and nothing more"), c.CommandPath()}
			case f.check != "":
				return a.checkValidation(f)
			case f.key != "":
				return usageError{errors.New("--key goes with --check"), c.CommandPath()}
			case f.without && len(args) == 0:
				return usageError{errors.New("without the built-in references a folder is needed"), c.CommandPath()}
			}
			return a.validate(c, args, f)
		},
	}
	c.Flags().StringVar(&f.out, "out", "", "write the signed record to this `file`, which must not exist")
	c.Flags().BoolVar(&f.without, "without-built-in", false, "test with the references in the folders only")
	c.Flags().StringVar(&f.check, "check", "", "check the signature of this record, a `file`, and show it")
	c.Flags().StringVar(&f.key, "key", "", "the `file` with the public key that the record has to be signed with")
	return c
}

func (a *app) validate(c *cobra.Command, folders []string, f validateFlags) error {
	var sets []validate.Set
	if !f.without {
		sets = append(sets, validate.BuiltIn(reader.Examples))
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return errors.Join(fmt.Errorf("%s is no folder", folder), err)
		}
		sets = append(sets, validate.Set{Name: filepath.Base(filepath.Clean(folder)), Files: os.DirFS(folder)})
	}
	var key *node.ValidationKey
	if f.out != "" {
		if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there already", f.out), err)
		}
		var err error
		if key, err = node.OpenValidationKey(a.nodeOptions()); err != nil {
			return err
		}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	record, err := validate.Run(c.Context(), sets, runtime.GOOS+"/"+runtime.GOARCH, validate.Options{
		Program: program, Software: software(), Formats: formatsToTest(), Progress: a.validated,
	})
	if err != nil {
		return err
	}
	if err := a.printRecord(record); err != nil {
		return err
	}
	if key != nil {
		if err := a.writeRecord(record, key, f.out); err != nil {
			return err
		}
	}
	if record.Failed > 0 {
		return errValidation
	}
	return nil
}

func formatsToTest() (list []validate.Format) {
	for _, f := range all.Formats() {
		list = append(list, validate.Format{Format: f.Name, Version: f.Version})
	}
	return list
}

// validated prints a result as it comes.
func (a *app) validated(r validate.Result) {
	if a.json {
		if err := a.out.object("reference", r); err != nil {
			fmt.Fprintln(a.err, "argus: "+err.Error())
		}
		return
	}
	outcome := string(r.Outcome)
	switch r.Outcome {
	case validate.Passed:
		outcome = a.out.style("32;1", outcome)
	case validate.Failed:
		outcome = a.out.style("31;1", outcome)
	case validate.KnownError, validate.NotTested:
	}
	a.out.linef("%s  %s: %s", outcome, oneLine(r.Set+"/"+r.Reference), strings.Join(r.Readers, ", "))
	for _, d := range r.Differences {
		a.out.linef("        %s", oneLine(d))
	}
	if r.Remark != "" {
		a.out.linef("        %s", oneLine(r.Remark))
	}
	if err := a.out.flush(); err != nil {
		fmt.Fprintln(a.err, "argus: "+err.Error())
	}
}

func (a *app) printRecord(r *validate.Record) error {
	if a.json {
		short := *r
		short.Results = nil // each was printed
		return a.out.object("validation", short)
	}
	a.out.linef("")
	a.out.linef("%s on %s, %s", oneLine(r.Software), r.System, r.Began.Format("2006-01-02 15:04Z"))
	for _, f := range r.Formats {
		if !f.Tested() {
			a.out.linef("  %-16s not tested", fmt.Sprintf("%s/%d", f.Format, f.Version))
			continue
		}
		a.out.linef("  %-16s %d passed, %d failed, %s", fmt.Sprintf("%s/%d", f.Format, f.Version), f.Passed, f.Failed, count(uint64(f.Known), "known error", "known errors"))
	}
	a.out.linef("%s: %d passed, %d failed, %s, %d not tested", count(uint64(len(r.Results)), "reference", "references"), r.Passed, r.Failed,
		count(uint64(r.Known), "known error", "known errors"), r.NotTested)
	return a.out.flush()
}

func (a *app) writeRecord(r *validate.Record, key *node.ValidationKey, name string) error {
	text, err := r.Sign(key.Signer)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if a.json {
		return a.out.object("record", map[string]any{"path": name, "key": key.Public, "made_key": key.Made})
	}
	if key.Made {
		a.out.linef("The key %s was made: keep a copy elsewhere.", key.Path)
	}
	a.out.linef("The record is in %s, signed with %s.", name, oneLine(key.Public))
	return a.out.flush()
}

func (a *app) checkValidation(f validateFlags) error {
	text, err := os.ReadFile(f.check)
	if err != nil {
		return err
	}
	key, err := readPublicKey(f.key)
	if err != nil {
		return err
	}
	record, err := validate.Check(text, key)
	if err != nil {
		return fmt.Errorf("%s: %w", f.check, err)
	}
	for _, r := range record.Results {
		a.validated(r)
	}
	if err := a.printRecord(record); err != nil {
		return err
	}
	if a.json {
		return nil
	}
	a.out.linef("The signature is that of %s.", oneLine(key))
	return a.out.flush()
}

// readPublicKey reads a file with a public key, which may not be empty.
func readPublicKey(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the public key: %w", err)
	}
	key := strings.TrimSpace(string(data))
	if key == "" {
		return "", fmt.Errorf("read the public key: %s has none", name)
	}
	return key, nil
}
