package form

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

// TestDocumentNamesEveryKey checks that docs/format/segment.md names every key that is
// written, and docs/format/record.md every kind.
func TestDocumentNamesEveryKey(t *testing.T) {
	segment, err := os.ReadFile("../../../docs/format/segment.md")
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.ReadFile("../../../docs/format/record.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(segment), "| key | statement |")
	statements, rest, _ := strings.Cut(rest, "| key | content |")
	contents, rest, _ := strings.Cut(rest, "| key | message |")
	messages, _, _ := strings.Cut(rest, "\nTypes:")
	for _, part := range []struct {
		table string
		of    reflect.Type
	}{
		{statements, reflect.TypeFor[argus.Record]()},
		{contents, reflect.TypeFor[Content]()},
		{messages, reflect.TypeFor[argus.Message]()},
	} {
		for f := range part.of.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("cbor"), ",")
			if key != "" && key != "-" && !strings.Contains(part.table, "| "+key+" | ") {
				t.Errorf("docs/format/segment.md lacks key %s of %s, %s", key, part.of, f.Name)
			}
		}
	}
	for kind := argus.KindOpening; kind <= argus.KindAmendment; kind++ {
		if row := fmt.Sprintf("| %d | %s |", kind, kind); !strings.Contains(string(record), row) {
			t.Errorf("docs/format/record.md lacks the row %q", row)
		}
	}
	for _, words := range []string{segmentMagic, "BLK2", "FOT1", fmt.Sprintf("%s%c", manifestKind, manifestVersion)} {
		if !strings.Contains(string(segment), words) {
			t.Errorf("docs/format/segment.md does not name %q", words)
		}
	}
}
