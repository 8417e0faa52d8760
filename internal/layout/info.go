package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// ErrNoStore means that there is no store at the path.
var ErrNoStore = errors.New("there is no store")

// StoreInfo is the content of argus.json.
type StoreInfo struct {
	// Format is the version of the whole layout.
	Format int `json:"format"`
	// MinReader is the lowest format that a program must support to read the store.
	MinReader int       `json:"min_reader"`
	Store     string    `json:"store"`
	Created   time.Time `json:"created"`
	// SegmentBytes is the size at which a segment of evidence is closed, or 0 for the
	// default.
	SegmentBytes int64 `json:"segment_bytes,omitempty"`
	// Countries are the codes (ISO 3166) of the countries of the case, in the order in which
	// they were named. They are the setting "country" of each delivery that does not have that
	// setting.
	Countries []string `json:"countries,omitempty"`
}

// The versions of the store's layout. Every change raises Format, and also MinReader if an
// Argus that knows only the earlier format could misread the new one.
//
// 1: the first version.
// 2: records are proved by salted commitments; texts are stored apart; min_reader.
const (
	Format    = 2
	MinReader = 2
	// OldestFormat is the oldest format that can be read without an upgrade.
	OldestFormat = 2
)

// Encode returns the bytes of argus.json.
func (i *StoreInfo) Encode() ([]byte, error) {
	text, err := json.MarshalIndent(i, "", "  ")
	return append(text, '\n'), err
}

// Writable returns an error if this Argus can read the store but must not write to it.
func (i *StoreInfo) Writable() error {
	if i.Format > Format {
		return fmt.Errorf("%w: the store has format %d; this Argus can read it but writes only formats up to %d", argus.ErrNewer, i.Format, Format)
	}
	return nil
}

// maxInfo is the maximum size of an argus.json in bytes.
const maxInfo = 1 << 20

// ReadInfo reads the argus.json of the store in a folder. The error is [ErrNoStore] if
// there is no store, argus.ErrDamaged if the file is not in the form that Argus writes,
// argus.ErrOlder (together with the info) if the store must be upgraded first, and
// argus.ErrNewer if this Argus cannot read it.
func ReadInfo(dir string) (StoreInfo, error) { return readInfo(durable.OS{}, dir) }

func readInfo(d durable.Disk, dir string) (StoreInfo, error) {
	var info StoreInfo
	data, err := durable.ReadFile(d, File(dir, Info), maxInfo)
	if errors.Is(err, fs.ErrNotExist) {
		// A store is created completely or not at all: if there is a ledger, there must have
		// been an argus.json.
		if _, err := d.Stat(File(dir, Ledger)); err == nil {
			return info, fmt.Errorf("%w: the file is missing", argus.ErrDamaged)
		}
		return info, ErrNoStore
	}
	if errors.Is(err, durable.ErrUnfit) {
		return info, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return info, fmt.Errorf("%w: %w", argus.ErrDamaged, err)
	}
	switch {
	case info.Format <= 0 || info.MinReader > info.Format:
		return info, fmt.Errorf("%w: it states format %d, but also that any Argus that supports format %d can read it", argus.ErrDamaged, info.Format, info.MinReader)
	case info.Format < OldestFormat:
		return info, fmt.Errorf("the store has format %d, %w; \"argus upgrade %s\" converts it", info.Format, argus.ErrOlder, dir)
	case info.MinReader > Format:
		return info, fmt.Errorf("%w: the store has format %d, but this Argus reads only formats up to %d", argus.ErrNewer, info.Format, Format)
	}
	return info, nil
}

// Exists reports whether there is a store at a path.
func Exists(dir string) bool {
	_, err := os.Stat(File(dir, Info))
	return err == nil
}
