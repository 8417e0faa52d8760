package reader

import "testing"

func FuzzETSI(f *testing.F) {
	f.Add(readFile(f, "testdata/etsi/handover.xml"))
	f.Fuzz(func(t *testing.T, file []byte) {
		checkReader(t, etsiFormat, input("f", file, Options{MaxRecord: 1 << 12}))
	})
}
