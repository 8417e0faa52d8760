package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// TestPowerCut: after a power cut the ledger has each acknowledged act, verifies, and
// accepts the next act: in the middle of a bundle, at its end, and at the beginning of
// the next one.
func TestPowerCut(t *testing.T) {
	dir, k, l := newLedger(t)
	// Longer than a sector: a cut can leave the end of a line without its beginning.
	actor := string(slices.Repeat([]byte("a"), 2000))
	const before = 253
	for seq := range before {
		if _, err := l.Append(t.Context(), Act{Actor: "anna", Action: Search, Subject: fmt.Sprint(seq + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	start := map[string][]byte{}
	for _, name := range files(t, dir) {
		start[name] = read(t, dir, name)
	}
	h, err := l.head()
	if err != nil {
		t.Fatal(err)
	}
	// Until now, Tessera wrote the ledger.
	start[treeStateName] = fmt.Appendf(nil, `{"size":%d,"root":"%s"}`, h.size, base64.StdEncoding.EncodeToString(h.root[:]))
	start[".state/version"] = []byte("1")
	on := func(d durable.Disk) *Ledger {
		l := &Ledger{dir: "ledger", disk: d, now: time.Now, wait: time.Second, turn: make(chan struct{}, 1)}
		var err, notASigner error
		l.verifier, err = note.NewVerifier(k.public)
		l.signer, notASigner = note.NewSigner(k.private)
		if err = errors.Join(err, notASigner); err != nil {
			t.Fatal(err)
		}
		return l
	}
	works := 0
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		check := func(*durabletest.Disk) error { return nil }
		if works++; works%4 == 0 { // only sometimes, because it writes files
			check = func(d *durabletest.Disk) error { return verifyDisk(t, d, k.public) }
		}
		acknowledged := uint64(before)
		for name, data := range start {
			d.Put(filepath.Join("ledger", filepath.FromSlash(name)), data)
		}
		l := on(d)
		for seq := uint64(before + 1); seq < 260; seq++ {
			if _, err := l.Append(t.Context(), Act{Actor: actor, Action: Search, Subject: fmt.Sprint(seq)}); err != nil {
				break
			}
			acknowledged = seq
		}
		return func(after *durabletest.Disk) error {
			l := on(after)
			size, err := l.Size()
			if err != nil || size < acknowledged || size > acknowledged+1 {
				return fmt.Errorf("entry %d was acknowledged, but the checkpoint has %d: %w", acknowledged, size, err)
			}
			if err := check(after); err != nil {
				return fmt.Errorf("after the cut: %w", err)
			}
			if _, err := l.Append(t.Context(), Act{Actor: "anna", Action: Search, Subject: fmt.Sprint(size + 1)}); err != nil {
				return fmt.Errorf("after %d entries: %w", size, err)
			}
			for e, err := range l.Entries(t.Context(), before, 0) {
				if err != nil || e.Destroyed || e.Subject != fmt.Sprint(e.Seq) {
					return fmt.Errorf("entry %d: %+v: %w", e.Seq, e, err)
				}
			}
			if err := check(after); err != nil {
				return fmt.Errorf("after the next act: %w", err)
			}
			return nil
		}
	}
	seeds := 2
	if testing.Short() {
		seeds = 1
	}
	cuts, err := durabletest.EachCut(seeds, false, work)
	if err != nil || cuts < seeds*100 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(4, true, work); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

// verifyDisk verifies the ledger on a disk in memory.
func verifyDisk(t *testing.T, d *durabletest.Disk, public string) error {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, folder := range []string{"", ".state", "envelopes", "tile/0", "tile/0/000.p", "tile/0/001.p", "tile/1/000.p", "tile/entries", "tile/entries/000.p", "tile/entries/001.p"} {
		entries, err := d.ReadDir(filepath.Join("ledger", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := filepath.Join(folder, e.Name())
			data, err := durable.ReadFile(d, filepath.Join("ledger", name), longest)
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, name, data)
		}
	}
	for _, f := range verify(t, dir, public).Findings {
		if f.Damage {
			return errors.New(f.String())
		}
	}
	return nil
}
