package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

const (
	manifestName = "manifest"
	lockName     = "lock"

	// formatVersion is the version of the manifest and of the files that it lists. 1 is
	// the first; 2 adds a column for the only receiver of a message, and removed
	// messages; 3 adds ids, and the copies of one message as a group; 4 names the
	// evidence, with the segments of 3; 5 names it with the trees of open deliveries; 6
	// adds the sums of contents.
	formatVersion = 6

	// maxManifest bounds the manifest's size in bytes.
	maxManifest = 16 << 20
)

// A manifest lists the files of an index. It is replaced as a whole; files that it
// does not list are ignored.
type manifest struct {
	Version  int    `json:"version"`
	Analysis string `json:"analysis"`
	// Position is the last record of the evidence in the segments.
	Position uint64 `json:"position"`
	// Readings is the newest reading that the evidence counted when it was followed.
	Readings argus.DeliveryNumber `json:"readings,omitempty"`
	// Evidence identifies the evidence up to Position.
	Evidence string `json:"evidence,omitempty"`
	// Next is the number of the next segment file.
	Next     uint64         `json:"next"`
	Segments []segmentEntry `json:"segments"`
}

type segmentEntry struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	// Sum is the checksum of the segment's directory, which holds those of
	// its sections.
	Sum uint32 `json:"sum"`
}

func segmentName(number uint64) string { return fmt.Sprintf("%010d.seg", number) }

var isSegmentName = regexp.MustCompile(`^[0-9]{10,20}\.seg$`).MatchString

// The manifest's file is a line of JSON and a line with its checksum.
const manifestSum = "crc32c %08x\n"

func (m *manifest) encode() ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	line = append(line, '\n')
	return fmt.Appendf(line, manifestSum, crc32.Checksum(line, castagnoli)), nil
}

func parseManifest(data []byte) (*manifest, error) {
	end := bytes.IndexByte(data, '\n') + 1
	if string(data[end:]) != fmt.Sprintf(manifestSum, crc32.Checksum(data[:end], castagnoli)) {
		return nil, malformed("the manifest does not match its checksum")
	}
	m := new(manifest)
	if err := json.Unmarshal(data[:end], m); err != nil {
		return nil, malformed("read manifest: %v", err)
	}
	if m.Version != formatVersion || m.Analysis != query.AnalysisVersion {
		return nil, index.ErrOutdated
	}
	for _, s := range m.Segments {
		if !isSegmentName(s.Name) {
			return nil, malformed("the manifest lists %q, which is not a segment", s.Name)
		}
	}
	return m, nil
}

// readManifest returns the manifest of an index, or an empty one if there is none yet:
// the writer makes it before the first segment.
func readManifest(d durable.Disk, dir string) (*manifest, error) {
	data, err := durable.ReadFile(d, filepath.Join(dir, manifestName), maxManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if entries, _ := d.ReadDir(dir); slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return isSegmentName(e.Name()) }) {
			return nil, damageOf(manifestName, 0, "the manifest is missing")
		}
		return &manifest{Version: formatVersion, Analysis: query.AnalysisVersion}, nil
	case errors.Is(err, durable.ErrUnfit):
		return nil, damageOf(manifestName, 0, "the manifest is too large")
	case err != nil:
		return nil, fmt.Errorf("open index: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", damaged(manifestName, 0, err))
	}
	return m, nil
}

// writeManifest replaces the manifest durably, together with the names of the
// segments that were written before it.
func writeManifest(d durable.Disk, dir string, m *manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := d.SyncDir(dir); err != nil {
		return fmt.Errorf("sync index: %w", err)
	}
	if err := durable.Replace(d, filepath.Join(dir, manifestName), data); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}
