package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// TestLedgerCorrect corrects an entry written while the clock was ahead: the command names
// the authority that was added meanwhile, which begins only in the future, and how to use
// it earlier.
func TestLedgerCorrect(t *testing.T) {
	surroundings(t)
	store := filepath.Join(t.TempDir(), "s")
	tells(t, "init", "--store", store)
	ahead := time.Now().AddDate(0, 9, 0)
	n, err := node.Open(t.Context(), store, node.Options{Formats: all.Formats(), Now: func() time.Time { return ahead }})
	if err != nil {
		t.Fatal(err)
	}
	added, err := n.Admin.AddAuthority(t.Context(), "analyst", authority.Authority{Basis: "Warrant 7", GrantedBy: "Judge B.", Purpose: "the case"})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		added.Number.String() + " begins at " + ahead.UTC().Format("2006-01-02T"): nil,
		`"event":"begins_later"`: {"--json"},
	} {
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(store)); err != nil {
			t.Fatal(err)
		}
		if out, _ := tells(t, append([]string{"ledger", "correct", "3", "--store", copied, "--reason", "the clock was ahead"}, args...)...); !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
