package report

import (
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func FuzzETSI(f *testing.F) {
	f.Add(readertest.ReadFile(f, "../../testdata/etsi/handover.xml"))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, ETSI, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}
