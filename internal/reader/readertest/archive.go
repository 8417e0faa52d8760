package readertest

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"
)

// Zipped makes an archive from alternating names and contents. A name that begins
// with "stored:" is not compressed.
func Zipped(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for i := 0; i < len(pairs); i += 2 {
		method := zip.Deflate
		name, stored := strings.CutPrefix(pairs[i], "stored:")
		if stored {
			method = zip.Store
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
