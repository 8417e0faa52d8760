package layout

import (
	"path"
	"testing"
)

// Each segment has one name, and no other name is read as it.
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
