package authority

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// Acknowledged changes survive a power cut, and once the folder is settled, it holds
// exactly the changes in the ledger.
func TestPowerCut(t *testing.T) {
	cuts, err := durabletest.EachCut(40, false, changes)
	if err != nil || cuts < 40*20 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(40, true, changes); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

// ledger is a file next to the folder, with a line for each change.
const ledger = "store/ledger"

func recorded(d durable.Disk) ([]string, error) {
	data, err := durable.ReadFile(d, ledger, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(data)), err
}

// changes adds two authorities and revokes the first.
func changes(d *durabletest.Disk) (check func(*durabletest.Disk) error) {
	var done []string
	check = func(after *durabletest.Disk) error { return settled(after, done) }
	s, err := openOn(d, "store/authorities")
	if err != nil {
		return check
	}
	record := func(hash argus.Hash) error {
		lines, err := recorded(d)
		if err != nil {
			return err
		}
		return durable.Replace(d, ledger, []byte(strings.Join(append(lines, hash.String()), "\n")))
	}
	added := func(_ Number, hash argus.Hash) error { return record(hash) }
	if _, err := s.Add(own(), now, added); err != nil {
		return check
	}
	done = append(done, "A-0001.json")
	if err := s.Revoke(1, "judge", "it was lifted", now, record); err != nil {
		return check
	}
	done = append(done, "A-0001.revoked.json")
	if _, err := s.Add(own(), now, added); err != nil {
		return check
	}
	done = append(done, "A-0002.json")
	return check
}

func settled(d *durabletest.Disk, done []string) error {
	lines, err := recorded(d)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, line := range lines {
		known[line] = true
	}
	err = durable.SettleRecords(d, "store/authorities", func(_ string, data []byte) bool { return known[argus.Hash(sha256.Sum256(data)).String()] })
	if err != nil {
		return err
	}
	s, err := openOn(d, "store/authorities")
	if err != nil {
		return err
	}
	hashes, err := s.Hashes()
	if err != nil {
		return err
	}
	for name, hash := range hashes {
		if !known[hash.String()] {
			return fmt.Errorf("the ledger has no entry for %s", name)
		}
	}
	if len(hashes) != len(known) {
		return fmt.Errorf("there are %d files, but the ledger has %d", len(hashes), len(known))
	}
	for _, name := range done {
		if _, ok := hashes[name]; !ok {
			return fmt.Errorf("%s was acknowledged but is missing", name)
		}
	}
	list, err := s.List()
	if err == nil && len(list) > 0 && (list[0].Revoked == nil) == (len(hashes) > 1) {
		err = fmt.Errorf("there are %d files, and the first authority is revoked: %v", len(hashes), list[0].Revoked != nil)
	}
	return err
}
