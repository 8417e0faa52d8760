package node

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/verify"
)

// A sealed delivery stays sealed, even if somebody removes the seal.
func TestSealedStaysSealed(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 10))
	if err := os.Remove(filepath.Join(dir, "deliveries", "D-0001.seal")); err != nil {
		t.Fatal(err)
	}
	o.Write = true
	if n, err := Open(t.Context(), dir, o); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("opened for writing, to resume a sealed delivery: %v, %v, want ErrDamaged", n, err)
	}
	if damage, _, _ := verified(t, dir); len(damage) == 0 {
		t.Error("verify accepts a sealed delivery without a seal")
	}
}

// Verify finds no damage while an ingest is running.
func TestVerifyBesideAnIngest(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 100))
	if err := os.WriteFile("more.jsonl", []byte(lines(100, 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	done := false
	_, err := Verify(t.Context(), dir, "", func(f verify.Finding) {
		if !f.Note {
			t.Errorf("%+v", f)
		}
	}, func(int64) {
		if !done {
			done = true
			ingest(t, dir, o, "more.jsonl")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestHarmedStoresDoNotPanic changes bytes in copies of the store of format 2, and cuts
// and swaps their files. It sometimes fixes the checksums of segments, so that the change
// is not rejected early. Then it opens, reads and verifies the copies.
func TestHarmedStoresDoNotPanic(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 9))
		dir := copyStore(t)
		var names []string
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && !strings.Contains(path, "ledger") && !strings.Contains(path, "index") {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(3) {
			name := names[rng.IntN(len(names))]
			data, err := os.ReadFile(name)
			if err != nil || len(data) == 0 {
				continue
			}
			switch rng.IntN(4) {
			case 0:
				data = data[:rng.IntN(len(data))]
			case 1:
				data = append(data, data[rng.IntN(len(data)):]...)
			default:
				at := rng.IntN(len(data))
				for i := range min(len(data)-at, 1+rng.IntN(8)) {
					data[at+i] = byte(rng.IntN(256)) | byte(rng.IntN(2)*255)
				}
			}
			if filepath.Ext(name) == ".seg" {
				mend(data)
			}
			if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, data, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Verify(t.Context(), dir, "", func(verify.Finding) {}, func(int64) {}); err != nil {
			t.Logf("seed %d: %v", seed, err)
		}
		for _, readOnly := range []bool{true, false} {
			s, err := evidence.Open(dir, evidence.Options{ReadOnly: readOnly})
			if err != nil {
				continue
			}
			var book account.Bookkeeper
			for r, err := range s.From(t.Context(), 1) {
				if err == nil {
					book.Add(r)
				}
			}
			book.Receipt(nil)
			_, _ = s.Deliveries(t.Context())
			_, _ = s.FindPrefix("0", 100)
			_ = s.Refresh()
			s.Close()
		}
		os.RemoveAll(dir)
	}
}

// mend fixes the checksums of the block headers.
func mend(data []byte) {
	for at := 32; at+64 <= len(data); {
		if string(data[at:at+4]) != "BLK2" {
			return
		}
		length := func(field int) int { return min(int(binary.LittleEndian.Uint32(data[at+field:])), len(data)) }
		contents := min(at+64+length(48)+length(8), len(data))
		end := min(contents+length(16), len(data))
		binary.LittleEndian.PutUint32(data[at+52:], crc(data[at+64:contents]))
		binary.LittleEndian.PutUint32(data[at+56:], crc(data[contents:end]))
		binary.LittleEndian.PutUint32(data[at+60:], crc(data[at:at+60]))
		at = end
	}
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
