package form

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/hashed"
)

// Closed is a closed segment in the manifest.
type Closed struct {
	Generation int    // how often it was rewritten
	First      uint64 // the number of its first record
	Size       int64  // in bytes
}

const (
	manifestKind    = "argus evidence "
	manifestVersion = '2'
)

// Manifest returns the bytes of a manifest that lists the closed segments, numbered from
// 1.
func Manifest(closed []Closed) []byte {
	text := fmt.Appendf(nil, "%s%c\n", manifestKind, manifestVersion)
	for i, c := range closed {
		text = fmt.Appendf(text, "segment %d generation %d first %d bytes %d\n", i+1, c.Generation, c.First, c.Size)
	}
	return hashed.End(text)
}

// ParseManifest parses a manifest. The error is argus.ErrNewer or argus.ErrDamaged.
func ParseManifest(data []byte) ([]Closed, error) {
	version, lines, err := hashed.Open(data, manifestKind)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if version != manifestVersion {
		return nil, otherVersion("file", version, manifestVersion)
	}
	var list []Closed
	for line := range strings.Lines(lines) {
		var number int
		var c Closed
		if _, err := fmt.Sscanf(line, "segment %d generation %d first %d bytes %d\n", &number, &c.Generation, &c.First, &c.Size); err != nil || number != len(list)+1 {
			return nil, fmt.Errorf("%w: line %q", argus.ErrDamaged, line)
		}
		list = append(list, c)
	}
	return list, nil
}

// Unnamed describes the problem with a file that has the name of a later segment but that
// Argus did not begin.
const Unnamed = "the manifest does not list the segment, and Argus did not begin it: Argus lists a segment there before it writes records to it. " +
	"It is not part of the store; move the file away"

// Begun reports whether Argus may have begun a file that has the name of the segment
// after the active one: it contains the header, or as much of it as was written before a
// crash.
func Begun(file io.ReaderAt, size int64, number int) bool {
	got := make([]byte, min(size, HeaderSize))
	if _, err := file.ReadAt(got, 0); size > HeaderSize || err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	const known = 12 // the first record's number, which follows, is not known here
	for i, b := range AppendHeader(nil, uint32(number), 0)[:min(known, len(got))] {
		if got[i] != b && got[i] != 0 {
			return false
		}
	}
	return true
}

// CommitSlot is the size in bytes of each of the two slots of a commit file. They are
// written in turn, so that one is always whole.
const CommitSlot = 32

// Commit is the last acknowledgement.
type Commit struct {
	Counter uint64
	Seq     uint64
	Segment uint32
	Offset  uint32
	// Rewritings is the number of amendments that were carried out.
	Rewritings uint32
}

// Slot returns the bytes of a slot, and its offset in the commit file.
func (c Commit) Slot() (data []byte, offset int64) {
	b := binary.LittleEndian.AppendUint64(nil, c.Counter)
	b = binary.LittleEndian.AppendUint64(b, c.Seq)
	b = binary.LittleEndian.AppendUint32(b, c.Segment)
	b = binary.LittleEndian.AppendUint32(b, c.Offset)
	b = binary.LittleEndian.AppendUint32(b, c.Rewritings)
	return binary.LittleEndian.AppendUint32(b, checksum(b)), int64(c.Counter%2) * CommitSlot
}

// ParseCommit parses a commit file. It returns the newest whole slot and the numbers of
// the torn ones. A slot of zeros was never written, and counts as torn only if the other
// slot was written after it. The error is argus.ErrDamaged if no slot is whole.
func ParseCommit(data []byte) (newest Commit, torn []int, err error) {
	if len(data) != 2*CommitSlot {
		return newest, nil, fmt.Errorf("%w: %d bytes, want %d", argus.ErrDamaged, len(data), 2*CommitSlot)
	}
	zero := -1
	for i := range 2 {
		b := data[i*CommitSlot:][:CommitSlot]
		if !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
			zero = i
			continue
		}
		if binary.LittleEndian.Uint32(b[28:]) != checksum(b[:28]) {
			torn = append(torn, i)
			continue
		}
		c := Commit{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint32(b[16:]),
			binary.LittleEndian.Uint32(b[20:]), binary.LittleEndian.Uint32(b[24:])}
		if c.Counter > newest.Counter {
			newest = c
		}
	}
	if zero >= 0 && newest.Counter > 1 {
		torn = append(torn, zero)
	}
	if len(torn) == 2 {
		return newest, torn, fmt.Errorf("%w: neither slot matches its checksum", argus.ErrDamaged)
	}
	return newest, torn, nil
}
