package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/verify"
)

// TestChangesSurviveKills kills the real binary with SIGKILL before and after the entry
// of each change of authorities and lists. The store is then undamaged: the next opening
// completes a change that has an entry, and undoes one that has none.
func TestChangesSurviveKills(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("builds and kills the real binary; not with -short, nor with -race")
	}
	binary := build(t, "")
	words := filepath.Join(t.TempDir(), "goods.txt")
	if err := os.WriteFile(words, []byte("snow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		args  []string
		ask   []string
		shows string
	}{
		{[]string{"authority", "add", "--basis", "warrant", "--granted-by", "judge", "--for", "x"}, []string{"authority", "list"}, "A-0002"},
		{[]string{"authority", "revoke", "1", "--reason", "over"}, []string{"authority", "list"}, "revoked"},
		{[]string{"list", "add", "goods", words}, []string{"list", "ls"}, "list:goods"},
	} {
		for moment, completed := range map[string]bool{"change.ready:1": false, "change.recorded:1": true} {
			dir := t.TempDir()
			argus := func(crash string, args ...string) (string, error) {
				cmd := exec.CommandContext(t.Context(), binary, append(args, "--store", filepath.Join(dir, "s"), "--keys", filepath.Join(dir, "keys"))...)
				cmd.Env = append(os.Environ(), "ARGUS_ACTOR=admin", "ARGUS_CRASH_AT="+crash)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			what := strings.Join(change.args[:2], " ") + " at " + moment
			if out, err := argus("", "init"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := argus(moment, change.args...)
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != -1 {
				t.Fatalf("%s: not killed: %v\n%s", what, err, out)
			}
			sound := func(when string, wantNotes int) {
				t.Helper()
				notes := 0
				_, err := node.Verify(t.Context(), filepath.Join(dir, "s"), "", func(f verify.Finding) {
					if notes++; !f.Note {
						t.Errorf("%s, %s: %s: %s", what, when, f.File, f.Problem)
					}
				}, func(int64) {})
				if err != nil || notes != wantNotes {
					t.Errorf("%s, %s: %d notes, %v", what, when, notes, err)
				}
			}
			sound("killed", 1)
			if out, err := argus("", change.ask...); err != nil || strings.Contains(out, change.shows) != completed {
				t.Errorf("%s: %v\n%s", what, err, out)
			}
			sound("opened again", 0)
			if completed {
				continue
			}
			if out, err := argus("", change.args...); err != nil {
				t.Errorf("%s: again: %v\n%s", what, err, out)
			}
			if out, err := argus("", change.ask...); err != nil || !strings.Contains(out, change.shows) {
				t.Errorf("%s: again: %v\n%s", what, err, out)
			}
			sound("again", 0)
		}
	}
}
