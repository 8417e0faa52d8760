package reader

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFilesWhole checks that an archive that a format reads as a whole is not
// walked.
func TestFilesWhole(t *testing.T) {
	file := zipped(t, "[Content_Types].xml", "<Types/>", "xl/workbook.xml", "<workbook/>", "xl/worksheets/sheet1.xml", "<worksheet/>")
	outer := zipped(t, "list.xlsx", string(file), "b", "beta")
	var paths []string
	for f, err := range All().Files(t.Context(), "x.zip", bytes.NewReader(outer), int64(len(outer)), Limits{}) {
		if err != nil || f.Problem != "" {
			t.Fatal(err, f.Problem)
		}
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"list.xlsx", "b"}, paths); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}
