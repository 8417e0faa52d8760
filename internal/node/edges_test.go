package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/verify"
)

// TestMissingFolders removes each folder of a store, or puts a file in its place. Verify
// must report damage, and still check the rest.
func TestMissingFolders(t *testing.T) {
	o := testOptions(t)
	whole := filepath.Join(t.TempDir(), "s")
	makeStore(t, whole, o, `{"service":"sky","from":"a","text":"hello"}`+"\n")
	for _, folder := range []string{"keys", "evidence", "evidence/ids", "originals", "deliveries", "ledger", "ledger/tile", "authorities", "index"} {
		for _, file := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "s")
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			gone := filepath.Join(dir, filepath.FromSlash(folder))
			if err := os.RemoveAll(gone); err != nil {
				t.Fatal(err)
			}
			if file {
				if err := os.WriteFile(gone, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// Damage in other files must be found, too.
			other := "evidence/00000001.seg"
			if strings.HasPrefix(folder, "evidence") {
				other = "authorities/A-0001.json"
			}
			name := filepath.Join(dir, filepath.FromSlash(other))
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			var damaged []string
			result, err := Verify(t.Context(), dir, "", func(f verify.Finding) {
				if !f.Note {
					damaged = append(damaged, f.File)
				}
			}, func(int64) {})
			if err != nil || result == nil {
				t.Errorf("%s missing, a file %t: %v", folder, file, err)
				continue
			}
			found := func(name string) bool {
				for _, d := range damaged {
					if d == name || strings.HasPrefix(d, name+"/") {
						return true
					}
				}
				return false
			}
			if !found(folder) && (folder != "index" || file) {
				t.Errorf("%s missing, a file %t: the damage is in %q", folder, file, damaged)
			}
			if !found(other) {
				t.Errorf("%s missing, a file %t: %s is not checked: %q", folder, file, other, damaged)
			}
		}
	}
}
