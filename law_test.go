package argus_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestLaw: docs/law.md has each demand once, in order, and each test that it names exists.
func TestLaw(t *testing.T) {
	text, err := os.ReadFile("docs/law.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range lawFaults(string(text), os.DirFS(".")) {
		t.Error(fault)
	}
}

// TestLawFails: a table with a fault does not pass.
func TestLawFails(t *testing.T) {
	text, err := os.ReadFile("docs/law.md")
	if err != nil {
		t.Fatal(err)
	}
	for change, want := range map[[2]string]string{
		{"`TestSeal`", "`TestSeals`"}:                "docs/law.md names TestSeals, which no test file has",
		{"**L17**", "**L18**"}:                       "row 17 of docs/law.md is about L18",
		{"| all of it |", "| |"}:                     "docs/law.md says of L28 neither a test nor what is missing",
		{"| not built | - |", "| built, said | - |"}: "L8 is built, according to docs/law.md, and no test holds it",
	} {
		faults := lawFaults(strings.Replace(string(text), change[0], change[1], 1), os.DirFS("."))
		if len(faults) != 1 || faults[0] != want {
			t.Errorf("%s: %q", change[1], faults)
		}
	}
}

// untested are the demands that are partly built and that no test can hold, or holds yet.
var untested = map[string]bool{"L16": true, "L30": true}

// lawFaults returns what is wrong with the table of the law.
func lawFaults(text string, tree fs.FS) (faults []string) {
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	tests, err := testsOf(tree)
	if err != nil {
		say("%v", err)
	}
	row := 0
	_, table, _ := strings.Cut(text, "|---|---|---|---|\n")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 {
			say("docs/law.md: want four cells: %.60s", line)
			continue
		}
		row++
		demand := strings.Trim(strings.Fields(cells[1])[0], "*")
		if demand != fmt.Sprintf("L%d", row) {
			say("row %d of docs/law.md is about %s", row, demand)
		}
		named := regexp.MustCompile("`(Test[^`]*)`").FindAllStringSubmatch(cells[3], -1)
		for _, name := range named {
			if !tests[name[1]] {
				say("docs/law.md names %s, which no test file has", name[1])
			}
		}
		built, missing := strings.TrimSpace(cells[2]) != "not built", strings.TrimSpace(cells[4]) != ""
		switch {
		case named != nil:
		case !missing:
			say("docs/law.md says of %s neither a test nor what is missing", demand)
		case built && !untested[demand]:
			say("%s is built, according to docs/law.md, and no test holds it", demand)
		}
	}
	if row != 39 {
		say("docs/law.md has %d rows, want 39", row)
	}
	return faults
}

// testsOf returns the names of all tests of the project.
func testsOf(tree fs.FS) (map[string]bool, error) {
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	return tests, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && notOurs(tree, name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path.Base(name), "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		for _, found := range declared.FindAllStringSubmatch(string(text), -1) {
			tests[found[1]] = true
		}
		return err
	})
}
