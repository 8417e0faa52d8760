package wordlist

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// Acknowledged changes survive a power cut, and the settled folder has exactly the
// changes in the ledger.
func TestPowerCut(t *testing.T) {
	cuts, err := durabletest.EachCut(40, false, changes)
	if err != nil || cuts < 40*20 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(40, true, changes); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

// ledger is a file beside the folder, with the name of the file of each change.
const ledger = "store/ledger"

func recorded(d durable.Disk) ([]string, error) {
	data, err := durable.ReadFile(d, ledger, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(data)), err
}

// changes adds two versions of one list, and another list.
func changes(d *durabletest.Disk) (check func(*durabletest.Disk) error) {
	var done []Version
	check = func(after *durabletest.Disk) error { return settled(after, done) }
	s, err := openOn(d, "store/lists", lists)
	if err != nil {
		return check
	}
	for _, list := range [][2]string{{"goods", "snow"}, {"goods", "snow\nice"}, {"places", "dock"}} {
		v, _, err := s.Add(list[0], []byte(list[1]), func(v Version) error {
			lines, err := recorded(d)
			if err != nil {
				return err
			}
			return durable.Replace(d, ledger, []byte(strings.Join(append(lines, v.File()), "\n")))
		})
		if err != nil {
			return check
		}
		done = append(done, v)
	}
	return check
}

func settled(d *durabletest.Disk, done []Version) error {
	lines, err := recorded(d)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, line := range lines {
		known[line] = true
	}
	if err := durable.SettleRecords(d, "store/lists", func(name string, _ []byte) bool { return known[name] }); err != nil {
		return err
	}
	s, err := openOn(d, "store/lists", lists)
	if err != nil {
		return err
	}
	versions, err := s.List()
	if err != nil {
		return err
	}
	if len(versions) != len(known) {
		return fmt.Errorf("%d versions, and the ledger has %d", len(versions), len(known))
	}
	for _, v := range append(versions, done...) {
		if !known[v.File()] {
			return fmt.Errorf("the ledger does not have %s", v.File())
		}
		if _, err := s.Find(v.Name, v.Hash); err != nil {
			return err
		}
	}
	return nil
}
