package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/verify"
)

const olderStore = "../../internal/node/testdata/upgrade"

// copyKeys makes a folder with the key of the older store. In a checkout, others may be
// able to read the key, so Argus would refuse it there.
func copyKeys(dir string) error {
	const name = "4b4141f0518f0ddf.key"
	key, err := os.ReadFile(olderStore + "/keys/" + name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), key, 0o600)
}

// TestUpgradeSurvivesKills kills the real binary with SIGKILL at each named moment of an
// upgrade. At each moment, the name belongs to one whole store, and the next upgrade has
// the same result as an undisturbed one.
func TestUpgradeSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills the real binary; not with -short")
	}
	binary := build(t, "")
	keys := t.TempDir()
	if err := copyKeys(keys); err != nil {
		t.Fatal(err)
	}
	upgrade := func(dir, crash string) (string, error) {
		cmd := exec.CommandContext(t.Context(), binary, "upgrade", filepath.Join(dir, "s"), "--keys", keys)
		cmd.Env = append(os.Environ(), "ARGUS_ACTOR=crash", "ARGUS_CRASH_AT="+crash)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	killed := func(err error) bool {
		exit, ok := errors.AsType[*exec.ExitError](err)
		return ok && exit.ExitCode() == -1
	}
	// one returns which store has the name, and checks that it is whole.
	one := func(dir string) string {
		damage := ""
		v, err := node.Verify(t.Context(), filepath.Join(dir, "s"), "", func(f verify.Finding) {
			if !f.Note {
				damage += f.File + ": " + f.Problem + "\n"
			}
		}, func(int64) {})
		switch {
		case errors.Is(err, argus.ErrOlder):
			return "format 1"
		case err != nil:
			return err.Error()
		case damage != "":
			return damage
		}
		return fmt.Sprintf("format 2: %d records, %d sealed, %d of the ledger", v.Records, v.Sealed, v.Entries)
	}
	const upgraded = "format 2: 169 records, 5 sealed, 23 of the ledger"
	for name, times := range map[string]int{
		"append.before-write": 5, "append.before-sync": 5, "append.before-acknowledge": 5, "append.acknowledged": 5,
		"rotate.before-table": 1, "rotate.before-next": 1, "rotate.before-manifest": 1,
		"original.before-rename": 3, "seal.before-tree": 2, "seal.before-seal": 2, "seal.sealed": 2,
		"upgrade.checked": 1, "upgrade.appended": 2, "upgrade.converted": 1, "upgrade.compared": 1, "upgrade.before-ledger": 1,
		"upgrade.complete": 1, "upgrade.swapped": 1,
	} {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "s"), os.DirFS(olderStore+"/store")); err != nil {
			t.Fatal(err)
		}
		for n := 1; n <= times; n++ {
			crash := fmt.Sprintf("%s:%d", name, n)
			out, err := upgrade(dir, crash)
			if !killed(err) {
				if n == 1 {
					t.Fatalf("%s: it was not reached: %v\n%s", crash, err, out)
				}
				break // the earlier steps are done
			}
			if got := one(dir); got != "format 1" && (got != upgraded || name != "upgrade.swapped") {
				t.Fatalf("killed at %s: %s", crash, got)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "s.format-1")); err != nil {
			if out, err := upgrade(dir, ""); err != nil || !strings.Contains(out, "The older store is in") {
				t.Fatalf("after %s: %v\n%s", name, err, out)
			}
		}
		if got := one(dir); got != upgraded {
			t.Errorf("after %s: %s", name, got)
		}
		for _, left := range []string{"s.upgrading", "s.making"} {
			if _, err := os.Stat(filepath.Join(dir, left)); err == nil {
				t.Errorf("after %s: %s is left", name, left)
			}
		}
	}
}
