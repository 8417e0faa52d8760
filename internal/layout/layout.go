// Package layout says where everything in a store is.
//
// Whoever writes, reads or verifies a file of a store asks here for its name. Names are
// relative to the store's folder, with slashes; [File] makes them paths.
package layout

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// The parts of a store.
const (
	Evidence   = "evidence"
	Originals  = "originals"
	Deliveries = "deliveries"
)

// Files of the parts.
const (
	IDs              = Evidence + "/ids"
	EvidenceManifest = Evidence + "/manifest"
	Commit           = Evidence + "/commit"
	EvidenceLock     = Evidence + "/lock"
)

// File is the path of a file of the store in a folder.
func File(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

// Seal is the file of a delivery's seal.
func Seal(d argus.DeliveryNumber) string { return Deliveries + "/" + d.String() + ".seal" }

// Tree is the file of the hashes in a delivery's Merkle tree that are over full runs of 256
// records.
func Tree(d argus.DeliveryNumber) string { return Deliveries + "/" + d.String() + ".tree" }

// Segment is the file of a segment of evidence: the first one, or what an amendment
// wrote in its place.
func Segment(number, generation int) string {
	if generation == 0 {
		return fmt.Sprintf("%s/%08d.seg", Evidence, number)
	}
	return fmt.Sprintf("%s/%08d-%d.seg", Evidence, number, generation)
}

// ParseSegment reads the name of a file in the folder of evidence. ok is false if
// it is not that of a segment.
func ParseSegment(base string) (number, generation int, ok bool) {
	name, _ := strings.CutSuffix(base, ".seg")
	digits, suffix, rewritten := strings.Cut(name, "-")
	number, err := strconv.Atoi(digits)
	if err == nil && rewritten {
		generation, err = strconv.Atoi(suffix)
	}
	return number, generation, err == nil && path.Base(Segment(number, generation)) == base
}

// maxFile is the most bytes that [Read] reads: the hashes of a delivery of 2^31 records.
const maxFile = 256 << 20

// Read reads a small file whole. The error is argus.ErrDamaged if it is too large.
func Read(d durable.Disk, dir, name string) ([]byte, error) {
	f, err := d.OpenFile(File(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s has %d bytes, want at most %d", argus.ErrDamaged, path.Base(name), info.Size(), maxFile)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}
