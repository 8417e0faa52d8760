package reader

// Exports for the tests, which are in another package because they use the formats.
const (
	SpoolMemory   = spoolMemory
	SampleEntries = sampleEntries
	ZipCentral    = zipCentral
	ZipEnd        = zipEnd
	ZipLocal      = zipLocal
	Zip64End      = zip64End
	Zip64Locator  = zip64Locator
)

// Unfolds reports whether a file is compressed.
func Unfolds(head []byte) bool {
	p := packingOf(head)
	return p != nil && p.open != nil
}
