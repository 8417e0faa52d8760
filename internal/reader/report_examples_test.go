package reader

import (
	"bytes"
	"testing"
)

// TestUFDRArchive walks a .ufdr: the report is read at its exact place, and its
// attachments have the names of files beside it.
func TestUFDRArchive(t *testing.T) {
	archive := zipped(t, "report.xml", string(readFile(t, "testdata/ufdr/report.xml")), "files/Image/IMG-1.jpg", "invented")
	names := map[string]bool{}
	var items []Item
	for file, err := range All().Files(t.Context(), "phone.ufdr", bytes.NewReader(archive), int64(len(archive)), Limits{Temp: TempFile}) {
		if err != nil || file.Problem != "" {
			t.Fatal(err, file.Problem)
		}
		names[file.Input.Name] = true
		if format, _ := All().Detect(file.Sample); format == ufdrFormat {
			items = checkReader(t, format, file.Input)
		}
	}
	if len(items) == 0 {
		t.Fatal("no report in the archive")
	}
	found := 0
	for _, item := range items {
		if item.Message == nil {
			continue
		}
		for _, a := range item.Message.Attachments {
			if found++; !names["phone.ufdr!/"+a.Name] {
				t.Errorf("no file %q", a.Name)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d attachments, want 2", found)
	}
}
