package reader

// What the tests, which lie outside of the package to use its formats, see of it.
const (
	SpoolMemory   = spoolMemory
	SampleEntries = sampleEntries
	ZipCentral    = zipCentral
	ZipEnd        = zipEnd
	ZipLocal      = zipLocal
	Zip64End      = zip64End
	Zip64Locator  = zip64Locator
)

// Unfolds says whether a file is one that is compressed.
func Unfolds(head []byte) bool {
	p := packingOf(head)
	return p != nil && p.open != nil
}
