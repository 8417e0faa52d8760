package main

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/validate"
)

// casesDir holds references in the layouts of real files, outside the project.
const casesDir = "../../../shared/cases"

// TestCases runs the references outside the project. testdata/cases-open.txt lists those
// that fail; a reference that passes must be removed from the list.
func TestCases(t *testing.T) {
	if underRace {
		t.Skip("runs the command as a process; once, without -race, is enough")
	}
	if _, err := os.Stat(casesDir); err != nil {
		t.Skip("needs references outside the project: ", err)
	}
	list, err := os.ReadFile("testdata/cases-open.txt")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			open = append(open, line)
		}
	}
	record, err := validate.Run(t.Context(), []validate.Set{{Name: "cases", Files: os.DirFS(withDatabases(t, casesDir))}}, "", validate.Options{
		Program: program(t), Formats: formatsToTest(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range record.Results {
		known := slices.Contains(open, r.Reference)
		open = slices.DeleteFunc(open, func(name string) bool { return name == r.Reference })
		switch {
		case r.Outcome == validate.Failed && !known:
			t.Errorf("%s:\n\t%s", r.Reference, strings.Join(r.Differences, "\n\t"))
		case r.Outcome == validate.Passed && known:
			t.Errorf("%s passes: remove it from the list", r.Reference)
		}
	}
	if len(open) > 0 {
		t.Errorf("the list names missing references: %s", open)
	}
	t.Logf("%d passed, %d open, %d not tested", record.Passed, record.Failed, record.NotTested)
}

// TestBuiltInReferences runs the built-in references: each format has one, and all pass.
func TestBuiltInReferences(t *testing.T) {
	if underRace {
		t.Skip("runs the command as a process; once, without -race, is enough")
	}
	if testing.Short() {
		t.Skip("makes a store for each reference; not with -short")
	}
	record, err := validate.Run(t.Context(), []validate.Set{validate.BuiltIn(reader.Examples)}, "", validate.Options{Program: program(t), Formats: formatsToTest()})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range record.Results {
		if r.Outcome != validate.Passed {
			t.Errorf("%s: %s\n\t%s", r.Reference, r.Outcome, strings.Join(r.Differences, "\n\t"))
		}
	}
	for _, f := range record.Formats {
		if !f.Tested() {
			t.Errorf("%s/%d has no reference", f.Format, f.Version)
		}
	}
	t.Logf("%d references", len(record.Results))
}

// program returns this test's binary, which TestMain turns into the command.
func program(t *testing.T) string {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// withDatabases returns a copy of a folder in which each X.sql is the database X.db.
func withDatabases(t *testing.T, dir string) string {
	t.Helper()
	into := t.TempDir()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(into, filepath.FromSlash(name))
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return err
		}
		base, isScript := strings.CutSuffix(target, ".sql")
		if !isScript {
			return os.WriteFile(target, data, 0o600)
		}
		ending := ".db"
		if filepath.Base(base) == "ChatStorage" {
			ending = ".sqlite" // its name on an iPhone
		}
		return makeDatabase(base+ending, string(data))
	})
	if err != nil {
		t.Fatal(err)
	}
	return into
}

func makeDatabase(name, script string) error {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	if _, err := db.Exec(script); err != nil {
		_ = db.Close()
		return err
	}
	return db.Close()
}
