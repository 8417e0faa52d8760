package all

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestFilesWhole checks that an archive that a format reads as a whole is not walked.
func TestFilesWhole(t *testing.T) {
	file := readertest.Zipped(t, "[Content_Types].xml", "<Types/>", "xl/workbook.xml", "<workbook/>", "xl/worksheets/sheet1.xml", "<worksheet/>")
	outer := readertest.Zipped(t, "list.xlsx", string(file), "b", "beta")
	var paths []string
	for f, err := range Formats().Files(t.Context(), "x.zip", bytes.NewReader(outer), int64(len(outer)), reader.Limits{}) {
		if err != nil || f.Problem != "" {
			t.Fatal(err, f.Problem)
		}
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"list.xlsx", "b"}, paths); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
