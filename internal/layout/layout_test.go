package layout

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

// Each segment has exactly one name, and no other name is parsed as that segment.
func TestSegmentNames(t *testing.T) {
	for _, of := range [][2]int{{1, 0}, {12, 3}, {123456789, 0}} {
		number, generation, ok := ParseSegment(path.Base(Segment(of[0], of[1])))
		if !ok || number != of[0] || generation != of[1] {
			t.Errorf("%v: %d, %d, %v", of, number, generation, ok)
		}
	}
	for _, name := range []string{"", "1.seg", "00000001.seg.tmp", "00000001-0.seg", "x.seg", "00000001-01.seg", "00000001-x.seg"} {
		if _, _, ok := ParseSegment(name); ok {
			t.Errorf("%q is read as a segment", name)
		}
	}
}

// Every file belongs to one of the parts.
func TestParts(t *testing.T) {
	for _, name := range append(Locks(), PublicKey, Checkpoint, LedgerLock, IndexManifest, IDs, EvidenceManifest, Commit, Segment(1, 0), Seal(1), Tree(1), KeptSeal(1)) {
		in := false
		for _, part := range Parts() {
			in = in || strings.HasPrefix(name, part+"/")
		}
		if !in {
			t.Errorf("%s is in no part", name)
		}
	}
}

// After a power cut, argus.json is whole: it is the version that was acknowledged last,
// or the one that was being written.
func TestPowerCutOfInfo(t *testing.T) {
	work := func(d *durabletest.Disk) func(*durabletest.Disk) error {
		at := -1
		put := durable.WriteNew
		for i := range 3 {
			info := StoreInfo{Format: Format, MinReader: MinReader, Store: strings.Repeat("s", 1+i), Created: time.Unix(0, 0)}
			text, err := info.Encode()
			if err == nil {
				err = put(d, "store/"+Info, text)
			}
			if err != nil {
				break
			}
			at, put = i, durable.Replace
		}
		return func(after *durabletest.Disk) error {
			info, err := readInfo(after, "store")
			if errors.Is(err, ErrNoStore) && at < 0 {
				return nil
			}
			if err == nil && len(info.Store) < at+1 {
				err = fmt.Errorf("an older file came back: %+v, want %d", info, at)
			}
			return err
		}
	}
	cuts, err := durabletest.EachCut(200, false, work)
	if err != nil || cuts < 200*10 {
		t.Errorf("%d cuts: %v", cuts, err)
	}
	if _, err := durabletest.EachCut(200, true, work); err == nil {
		t.Error("a disk that lies broke nothing")
	}
}

func TestReadInfo(t *testing.T) {
	for text, want := range map[string]error{
		`{"format":2,"min_reader":2}`:            nil,
		`{"format":3,"min_reader":2}`:            nil,
		`{"format":3,"min_reader":3}`:            argus.ErrNewer,
		`{"format":1}`:                           argus.ErrOlder,
		`{"format":0}`:                           argus.ErrDamaged,
		`{"format":2,"min_reader":3}`:            argus.ErrDamaged,
		`{"format":`:                             argus.ErrDamaged,
		`"` + strings.Repeat("x", maxInfo) + `"`: argus.ErrDamaged,
	} {
		d := durabletest.New(1)
		d.Put("s/argus.json", []byte(text))
		info, err := readInfo(d, "s")
		if !errors.Is(err, want) {
			t.Errorf("%.30s: %v, want %v", text, err, want)
		}
		if w := info.Writable(); (info.Format > Format) != errors.Is(w, argus.ErrNewer) {
			t.Errorf("%.30s: writable: %v", text, w)
		}
	}
	d := durabletest.New(1)
	if _, err := readInfo(d, "s"); !errors.Is(err, ErrNoStore) {
		t.Errorf("nothing: %v", err)
	}
	d.Put("s/ledger", nil)
	if _, err := readInfo(d, "s"); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("a ledger alone: %v", err)
	}
	if Exists(t.TempDir()) {
		t.Error("there is a store in an empty folder")
	}
}
