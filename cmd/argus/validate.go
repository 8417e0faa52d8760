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

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/validate"
	"github.com/argus-evidence/argus/internal/voice"
)

// errValidation is returned after failed results have been printed.
var errValidation = errors.New("a reference failed")

type validateFlags struct {
	out, check, key string
	without         bool
}

func (a *app) validateCommand() *cobra.Command {
	var f validateFlags
	c := &cobra.Command{
		Use:   "validate [FOLDER...]",
		Short: "Test this Argus with reference files whose results are known",
		Long: `Ingest reference files, each into a store of its own, and compare the results with
the expected ones. The references are those built into Argus, and a laboratory's own
in the folders. A reference is a folder with expected.json and a folder named input;
docs/format/validation.md describes it.

For each format, Argus prints the version of the reader and the numbers of references
that passed, that failed, and that fail because of a known error of this version, which
the reference states. A reference is "not tested" if nothing failed and it expects
nothing or leaves a check to a person. A format is "not tested" if no tested reference
names it or was read by its reader.

--out writes a signed record: the software, the SHA-256 of its file, the system, the
SHA-256 of each input, and each result. The first use makes the key, in the folder of
private keys. --check reads a record and checks its signature with the key in --key.

Exit code 0: nothing failed. 1: something failed.`,
		Example: `  argus validate
  argus validate reference-2026 --out validation.txt
  argus validate --check validation.txt --key validation.pub`,
		Args: arguments(0, 1<<10),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case f.check != "" && (len(args) > 0 || f.out != "" || f.without || f.key == ""):
				return usageError{errors.New("--check needs --key, and excludes folders, --out and --without-built-in"), c.CommandPath()}
			case f.check != "":
				return a.checkValidation(f)
			case f.key != "":
				return usageError{errors.New("--key needs --check"), c.CommandPath()}
			case f.without && len(args) == 0:
				return usageError{errors.New("--without-built-in needs a folder"), c.CommandPath()}
			}
			return a.validate(c, args, f)
		},
	}
	c.Flags().StringVar(&f.out, "out", "", "write the signed record to this new `file`")
	c.Flags().BoolVar(&f.without, "without-built-in", false, "leave out the references that are built into Argus")
	c.Flags().StringVar(&f.check, "check", "", "check the signature of the record in this `file`, and show the record")
	c.Flags().StringVar(&f.key, "key", "", "the `file` with the public key of the record's signature")
	return c
}

func (a *app) validate(c *cobra.Command, folders []string, f validateFlags) error {
	var sets []validate.Set
	if !f.without {
		sets = append(sets, validate.BuiltIn(reader.Examples))
	}
	for _, folder := range folders {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return errors.Join(fmt.Errorf("%s is not a folder", folder), err)
		}
		sets = append(sets, validate.Set{Name: filepath.Base(filepath.Clean(folder)), Files: os.DirFS(folder)})
	}
	var key *admin.ValidationKey
	if f.out != "" {
		if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s exists already", f.out), err)
		}
		var err error
		if key, err = admin.OpenValidationKey(a.keys); err != nil {
			return err
		}
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	record, err := validate.Run(c.Context(), sets, runtime.GOOS+"/"+runtime.GOARCH, validate.Options{
		Program: program, Software: testedSoftware(), Formats: formatsToTest(), Progress: a.validated,
	})
	if err != nil {
		return err
	}
	if err := a.sayRecord(record); err != nil {
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

// testedSoftware names this program for a record, and says so if it was built without a
// version.
func testedSoftware() string {
	if name := software(); name != "argus" && name != "argus devel" {
		return name
	}
	return "argus without a version"
}

func formatsToTest() (list []validate.Format) {
	for _, f := range all.Formats() {
		list = append(list, validate.Format{Format: f.Name, Version: f.Version})
	}
	return list
}

// validated prints a result as soon as there is one.
func (a *app) validated(r validate.Result) {
	a.complain(voice.Say(a.out, "reference", r, printReference))
}

func printReference(o *voice.Output, r validate.Result) {
	outcome := string(r.Outcome)
	switch r.Outcome {
	case validate.Passed:
		outcome = o.Style("32;1", outcome)
	case validate.Failed:
		outcome = o.Style("31;1", outcome)
	case validate.KnownError, validate.NotTested:
	}
	o.Linef("%s  %s: %s", outcome, printable.OneLine(r.Set+"/"+r.Reference), strings.Join(r.Readers, ", "))
	for _, d := range r.Differences {
		o.Linef("        %s", printable.OneLine(d))
	}
	if r.Remark != "" {
		o.Linef("        %s", printable.OneLine(r.Remark))
	}
}

func (a *app) sayRecord(r *validate.Record) error {
	short := *r
	short.Results = nil // each has been printed already
	return voice.Say(a.out, "validation", &short, printRecord)
}

func printRecord(o *voice.Output, r *validate.Record) {
	o.Linef("")
	o.Linef("%s on %s, %s", printable.OneLine(r.Software), r.System, r.Began.Format("2006-01-02 15:04Z"))
	o.Linef("  program SHA-256  %s", r.Program)
	tested := 0
	for _, f := range r.Formats {
		if f.Tested() {
			tested++
		}
		if !f.Tested() {
			o.Linef("  %-16s not tested", fmt.Sprintf("%s/%d", f.Format, f.Version))
			continue
		}
		o.Linef("  %-16s %d passed, %d failed, %s", fmt.Sprintf("%s/%d", f.Format, f.Version), f.Passed, f.Failed, printable.Count(uint64(f.Known), "known error", "known errors"))
	}
	o.Linef("%s: %d passed, %d failed, %s, %d not tested", printable.Count(uint64(r.Passed+r.Failed+r.Known+r.NotTested), "reference", "references"), r.Passed, r.Failed,
		printable.Count(uint64(r.Known), "known error", "known errors"), r.NotTested)
	o.Linef("%s: %d tested, %d not tested", printable.Count(uint64(len(r.Formats)), "format", "formats"), tested, len(r.Formats)-tested)
}

// signedRecord names a record on disk and its signature.
type signedRecord struct {
	Path    string `json:"path"`
	Key     string `json:"key"`
	MadeKey bool   `json:"made_key"`
	KeyPath string `json:"key_path"`
}

func (a *app) writeRecord(r *validate.Record, key *admin.ValidationKey, name string) error {
	text, err := r.Sign(key.Signer)
	if err != nil {
		return err
	}
	if err := durable.WriteNew(durable.OS{}, name, text); err != nil {
		return err
	}
	return voice.Say(a.out, "record", signedRecord{name, key.Public, key.Made, key.Path}, func(o *voice.Output, r signedRecord) {
		if r.MadeKey {
			o.Linef("Made the key %s: keep a copy elsewhere.", r.KeyPath)
		}
		o.Linef("The record is in %s, signed with %s.", r.Path, printable.OneLine(r.Key))
	})
}

func (a *app) checkValidation(f validateFlags) error {
	text, err := durable.ReadGiven(f.check, 16<<20)
	if err != nil {
		return err
	}
	key, wrong, err := admin.ReadPublicKey(f.key)
	if err == nil && wrong != "" {
		err = errors.New(wrong)
	}
	if err != nil {
		return fmt.Errorf("read the public key: %w", err)
	}
	record, err := validate.Check(text, key)
	if err != nil {
		return fmt.Errorf("%s: %w", f.check, err)
	}
	for _, r := range record.Results {
		a.validated(r)
	}
	if err := a.sayRecord(record); err != nil {
		return err
	}
	return voice.Say(a.out, "checked", checkedRecord{f.check, key}, func(o *voice.Output, c checkedRecord) {
		o.Linef("The record is signed by %s.", printable.OneLine(c.Key))
	})
}

// checkedRecord names a record whose signature is valid, and its key.
type checkedRecord struct {
	Path string `json:"path"`
	Key  string `json:"key"`
}
