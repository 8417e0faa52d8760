package sheetdoc

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// rowsOf reads rows twice and checks that they are the same, and that each has cells or a
// problem. It returns how many bytes of the file they cover.
func rowsOf(t *testing.T, read func() iter.Seq2[*Row, error]) int64 {
	t.Helper()
	var told [2]strings.Builder
	covered := int64(0)
	for i := range told {
		covered = 0
		for row, err := range read() {
			if err != nil {
				told[i].WriteString(err.Error())
				break
			}
			if row.Problem != "" && len(row.Raw) > argus.QuarantineRaw {
				t.Fatalf("a problem holds %d raw bytes", len(row.Raw))
			}
			told[i].WriteString(row.Problem)
			for _, c := range row.Cells {
				told[i].WriteString("\x00" + c.Text + "\x00" + c.Formula)
			}
			covered += row.Where.Length
		}
	}
	if told[0].String() != told[1].String() {
		t.Fatal("read twice, the rows differ")
	}
	return covered
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n\"one\n\"\"two\"\"\",3\n"), byte(','))
	f.Add([]byte("a;\"b\nc\n"), byte(';'))
	f.Fuzz(func(t *testing.T, file []byte, delimiter byte) {
		if strings.IndexByte(",;\t|", delimiter) < 0 {
			return
		}
		in := readertest.Input("a.csv", file, reader.Options{MaxRecord: 1 << 10})
		if n := rowsOf(t, func() iter.Seq2[*Row, error] { return CSV(t.Context(), in, delimiter, 8, 2) }); n > in.Size {
			t.Fatalf("rows of %d bytes in a file of %d", n, in.Size)
		}
	})
}

func FuzzWorkbook(f *testing.F) {
	f.Add(`<sheet name="A" r:id="r1"/>`, `<si><t>one</t></si>`, `<row r="1"><c t="s"><v>0</v></c><c><f>1+1</f><v>2</v></c></row>`)
	f.Add(`<sheet name="A" r:id="r1"/><sheet name="B" r:id="r2"/>`, `<si><r><t>a`, `<row r="1048577"><c r="ZZZZ9"`)
	f.Fuzz(func(t *testing.T, sheets, shared, rows string) {
		file := readertest.Zipped(t, "xl/workbook.xml", `<workbook xmlns:r="r"><sheets>`+sheets+`</sheets></workbook>`,
			"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Target="worksheets/s1.xml"/></Relationships>`,
			"xl/sharedStrings.xml", `<sst>`+shared+`</sst>`, "xl/worksheets/s1.xml", `<worksheet><sheetData>`+rows+`</sheetData></worksheet>`)
		in := readertest.Input("a.xlsx", file, reader.Options{MaxRecord: 1 << 10})
		rowsOf(t, func() iter.Seq2[*Row, error] {
			rows, err := Workbook(t.Context(), in)
			if err != nil {
				return func(yield func(*Row, error) bool) { yield(nil, errors.New("no workbook: "+err.Error())) }
			}
			return rows
		})
	})
}
