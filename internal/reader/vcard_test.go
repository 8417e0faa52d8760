package reader

import "testing"

func FuzzVCard(f *testing.F) {
	f.Add(readFile(f, "testdata/vcard/contacts.vcf"))
	f.Fuzz(func(t *testing.T, file []byte) {
		in := input("f", file, Options{MaxRecord: 1 << 12})
		checkReader(t, vcardFormat, in)
	})
}
