package report_test

import (
	"bytes"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestUFDRArchive reads a .ufdr archive: the report is read at its exact place, and its
// attachments have the names of files next to it.
func TestUFDRArchive(t *testing.T) {
	archive := readertest.Zipped(t, "report.xml", string(readertest.ReadFile(t, "../../testdata/ufdr/report.xml")), "files/Image/IMG-1.jpg", "invented")
	names := map[string]bool{}
	var items []reader.Item
	for file, err := range all.Formats().Files(t.Context(), "phone.ufdr", bytes.NewReader(archive), int64(len(archive)), reader.Limits{Temp: reader.TempFile}) {
		if err != nil || file.Problem != "" {
			t.Fatal(err, file.Problem)
		}
		names[file.Input.Name] = true
		if format, _ := all.Formats().Detect(file.Sample); format == report.UFDR {
			items = readertest.Check(t, format, file.Input)
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
