package reader

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
)

// formats is the one table of formats. A new format is a file and a line here.
// Between formats that are equally sure of a file, the earlier wins.
var formats = []*Format{
	jsonlFormat,
	telegramFormat,
	telegramhtmlFormat,
	facebookFormat,
	discordFormat,
	discordpackageFormat,
	skypeFormat,
	slackFormat,
	matrixFormat,
	rocketchatFormat,
	signalFormat,
	signalbackupFormat,
	caseFormat,
	jabberFormat,
	whatsappFormat,
	lineFormat,
	ircFormat,
	textdumpFormat,
	sheetFormat,
	smsbackupFormat,
	ufdrFormat,
	xmppFormat,
	etsiFormat,
	rsmfFormat,
	emlFormat,
	mboxFormat,
	msgFormat,
	pstFormat,
	vcardFormat,
	whatsappdbFormat,
	whatsappiosFormat,
	imessageFormat,
	jsonrecordsFormat, // of no known program, and so the last
}

// Formats lists every format that can be read, in the order of preference.
func Formats() []*Format { return slices.Clone(formats) }

// ByName returns the format that --format names.
func ByName(name string) (*Format, bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return nil, false
}

// Claim is a format that recognises a file.
type Claim struct {
	Format *Format
	// Sure says how surely, from 1 to 100.
	Sure int
}

// Claims returns the formats that recognise a file, the surest first, those that are
// equally sure in the order of the table.
func Claims(s Sample) []Claim {
	var claims []Claim
	for _, f := range formats {
		if n := f.Detect(s); n > 0 {
			claims = append(claims, Claim{f, n})
		}
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return cmp.Compare(b.Sure, a.Sure) })
	return claims
}

// Detect returns the format that is surest of a file and how sure it is; nil and 0
// when none recognises it.
func Detect(s Sample) (*Format, int) {
	if claims := Claims(s); len(claims) > 0 {
		return claims[0].Format, claims[0].Sure
	}
	return nil, 0
}

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
