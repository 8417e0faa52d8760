package phone

import (
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func FuzzVCard(f *testing.F) {
	f.Add(readertest.ReadFile(f, "../../testdata/vcard/contacts.vcf"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12})
		readertest.Check(t, VCard, in)
	})
}
