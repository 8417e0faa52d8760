package wordlist_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
	"github.com/argus-evidence/argus/internal/wordlist"
)

// kind is a kind of document, with the folder that holds such documents in a store, two
// versions of one document, and another document.
type kind struct {
	wordlist.Kind
	dir                  string
	first, second, other string
}

var kinds = []kind{
	{wordlist.Lists, "store/lists", "snow", "snow\nice", "dock"},
	{admin.MapKind, "store/maps", mapOf("a"), mapOf("b"), mapOf("c")},
}

// mapOf returns a map that reads texts from the given column.
func mapOf(column string) string {
	return `{"map":1,"kind":"sheet","fields":{"from":"who","sent":"when","text":"` + column + `"}}`
}

// Acknowledged changes survive a power cut, and the settled folder contains exactly the
// changes in the ledger.
func TestPowerCut(t *testing.T) {
	for _, k := range kinds {
		cuts, err := durabletest.EachCut(40, false, k.changes)
		if err != nil || cuts < 40*20 {
			t.Errorf("%ss: %d cuts: %v", k.Word, cuts, err)
		}
		if _, err := durabletest.EachCut(40, true, k.changes); err == nil {
			t.Errorf("%ss: a disk that lies broke nothing", k.Word)
		}
	}
}

// ledger is a file next to the folder that contains the file name of each change.
const ledger = "store/ledger"

func recorded(d durable.Disk) ([]string, error) {
	data, err := durable.ReadFile(d, ledger, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(data)), err
}

// changes adds two versions of one document, and another document.
func (k kind) changes(d *durabletest.Disk) (check func(*durabletest.Disk) error) {
	var done []wordlist.Version
	check = func(after *durabletest.Disk) error { return k.settled(after, done) }
	s, err := wordlist.OpenOn(d, k.dir, k.Kind)
	if err != nil {
		return check
	}
	for _, list := range [][2]string{{"goods", k.first}, {"goods", k.second}, {"places", k.other}} {
		v, _, err := s.Add(list[0], []byte(list[1]), func(v wordlist.Version) error {
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

func (k kind) settled(d *durabletest.Disk, done []wordlist.Version) error {
	lines, err := recorded(d)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, line := range lines {
		known[line] = true
	}
	if err := durable.SettleRecords(d, k.dir, func(name string, _ []byte) bool { return known[name] }); err != nil {
		return err
	}
	s, err := wordlist.OpenOn(d, k.dir, k.Kind)
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
