package main

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main(all.Formats())
	testscript.Main(m, map[string]func(){"argus": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }})
}

// TestScripts runs the transcripts in testdata/script against the command.
// "ref NAME" sets NAME to the first message id that the last command printed.
func TestScripts(t *testing.T) {
	older, err := filepath.Abs(olderStore)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("ARGUS_KEYS", e.WorkDir+"/keys")
			e.Setenv("ARGUS_ACTOR", "analyst")
			e.Setenv("SYSTEM_USER", admin.ActorName())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ref": func(ts *testscript.TestScript, _ bool, args []string) {
				found := regexp.MustCompile(`\b[0-9a-f]{16}\b`).FindString(ts.ReadFile("stdout"))
				if found == "" || len(args) != 1 {
					ts.Fatalf("ref: no message id was printed")
				}
				ts.Setenv(args[0], found)
			},
			// zip ARCHIVE NAME FILE… packs each file under its name.
			"zip": func(ts *testscript.TestScript, _ bool, args []string) {
				f, err := os.Create(ts.MkAbs(args[0]))
				ts.Check(err)
				w := zip.NewWriter(f)
				for i := 1; i+1 < len(args); i += 2 {
					entry, err := w.Create(args[i])
					ts.Check(err)
					_, err = entry.Write([]byte(ts.ReadFile(args[i+1])))
					ts.Check(err)
				}
				ts.Check(errors.Join(w.Close(), f.Close()))
			},
			// older makes a copy of a store of format 1, older.argus, with its key in
			// keys.
			"older": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(os.CopyFS(ts.MkAbs("older.argus"), os.DirFS(older+"/store")))
				ts.Check(copyKeys(ts.MkAbs("keys")))
			},
			// damage FILE OFFSET flips a bit of the byte at OFFSET.
			"damage": func(ts *testscript.TestScript, _ bool, args []string) {
				name := ts.MkAbs(args[0])
				data, err := os.ReadFile(name)
				ts.Check(err)
				at, err := strconv.Atoi(args[1])
				ts.Check(err)
				data[at] ^= 4
				ts.Check(os.WriteFile(name, data, 0o600))
			},
			// holes FILE COUNT appends COUNT NUL bytes.
			"holes": func(ts *testscript.TestScript, _ bool, args []string) {
				count, err := strconv.Atoi(args[1])
				ts.Check(err)
				name := ts.MkAbs(args[0])
				data, err := os.ReadFile(name)
				ts.Check(err)
				ts.Check(os.WriteFile(name, append(data, make([]byte, count)...), 0o600))
			},
			// exits CODE COMMAND… checks the exit code.
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := "exit status 0"
				if err != nil {
					got = err.Error()
				}
				if !strings.HasSuffix(got, "exit status "+args[0]) {
					ts.Fatalf("%v: %s, want %s", args[1:], got, args[0])
				}
			},
		},
	})
}
