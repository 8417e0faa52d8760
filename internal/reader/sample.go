package reader

import (
	"bytes"
	"fmt"
	"io"
)

// sampleEntries and sampleNames are how many names of an archive, and how many
// bytes of them, a Sample holds at most.
const (
	sampleEntries = 4096
	sampleNames   = 1 << 20
)

// NewSample looks at the beginning of a file and, if it is an archive, a database
// or a compound file, at what it says is in it.
func NewSample(name string, file io.ReaderAt, size int64) (Sample, error) {
	head := make([]byte, min(size, HeadSize))
	if n, err := file.ReadAt(head, 0); n < len(head) {
		return Sample{}, fmt.Errorf("read the beginning of %q: %w", name, err)
	}
	s := Sample{Name: name, Head: head}
	if bytes.HasPrefix(head, []byte(sqliteMagic)) {
		s.Schema = sqliteSchema(head, file, size)
		return s, nil
	}
	if bytes.HasPrefix(head, []byte(cfbMagic)) {
		s.Schema = cfbDirectory(head, file, size)
		return s, nil
	}
	if packed := packingOf(head); packed == nil {
		s.Text = SampleText(head)
		return s, nil
	} else if !isZip(head) {
		return s, nil
	}
	directory, err := openZipDirectory(file, size)
	if err != nil {
		return s, nil //nolint:nilerr // an archive that is damaged; the walk says how
	}
	for names := 0; len(s.Entries) < sampleEntries && names < sampleNames; {
		entry, err := directory.next()
		if err != nil {
			return s, nil //nolint:nilerr // as above, or the end
		}
		s.Entries = append(s.Entries, entry.name)
		names += len(entry.name)
	}
	return s, nil
}
