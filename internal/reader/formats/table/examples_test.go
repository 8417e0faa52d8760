package table_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

func TestWorkbook(t *testing.T) {
	first := table.SheetHead +
		`<row r="2"><c r="A2"><v>44241.502212</v></c><c r="B2" t="s"><v>0</v></c><c r="C2"><v>12345</v></c><c r="D2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c></row>` +
		`<row r="3"><c r="A3"><v>44241</v></c><c r="C3" t="s"><v>1</v></c></row>` +
		`<row r="4"><c r="A4"><v>44242</v></c><c r="B4" t="s"><v>1</v></c><c r="D4" t="s"><v>9</v></c></row>` +
		`<row r="5"/><row r="6"><c r="A6"><v>44243.25</v></c><c r="B6" t="s"><v>1</v></c><c r="D6" t="s"><v>2</v></c></row>`
	hidden := table.SheetHead + `<row r="2"><c><v>0.5</v></c>` + table.Text("Q3XK9A") + table.Text("7B2FAA") + table.Text("hid") + `</row>` +
		`<row r="3"><c><v>44243.25</v></c>` + table.Text("Q3XK9A") + table.Text("7B2FAA") + table.Text("hidden") + `</row>`
	other := `<row>` + table.Text("Totals") + table.Text("3") + `</row><row>` + table.Text("x") + `</row>`
	broken := table.SheetHead + `<row r="2"><c><v>44243.25</v></c>` + table.Text("Q3XK9A") + table.Text("7B2FAA") + table.Text("good") + `</row><row><c t="inlineStr"><is><t>no end`
	file := table.MakeWorkbook(t, "", `<si><t>Q3XK9A</t></si><si><r><t>7B</t></r><r><t>2FAA</t></r><rPh><t>x</t></rPh></si><si><t xml:space="preserve"> spaces </t></si>`,
		first, hidden, other, broken)
	amsterdam := time.FixedZone("", 3600)
	items := readertest.Check(t, table.Sheet, readertest.Input("book.xlsx", file, reader.Options{Zone: amsterdam}))
	readertest.CheckGolden(t, "../../testdata/sheet/workbook.golden", items)
	sample, err := reader.NewSample("book.xlsx", bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := all.Formats().Detect(sample); found != table.Sheet {
		t.Errorf("detected %v", found)
	}
}

func TestSheetMap(t *testing.T) {
	const file = "When,Who,Whom,Said,From\n2021-02-14 12:00:00,alfa,bravo,hi,somewhere\n"
	if _, sure := all.Formats().Detect(reader.Sample{Text: []byte(file)}); sure != 0 {
		t.Errorf("detected without a map: %d", sure)
	}
	options := reader.Options{Service: "encrochat", Map: map[string]string{"sent": "when", "from": "Who", "to": "Whom", "text": "Said"}}
	items := readertest.Check(t, table.Sheet, readertest.Input("f", []byte(file), options))
	want := &argus.Message{Service: "encrochat", Conversation: "alfa|bravo", From: "alfa", To: []string{"bravo"}, Text: "hi",
		Sent:  argus.Time{Micros: 1613304000000000, Raw: "2021-02-14 12:00:00", Zone: argus.ZoneAssumed, Precision: argus.Second},
		Extra: []argus.Field{{Name: "From", Value: "somewhere"}}}
	if diff := cmp.Diff(want, items[0].Message); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []map[string]string{{"sender": "Who"}, {"": "Who"}} {
		for _, err := range table.Sheet.Read(t.Context(), readertest.Input("f", []byte(file), reader.Options{Map: wrong})) {
			if err == nil || !strings.HasPrefix(err.Error(), "map a column: there is no field") {
				t.Errorf("%v: %v", wrong, err)
			}
		}
	}
	items = readertest.Check(t, table.Sheet, readertest.Input("f", []byte(file), reader.Options{Map: map[string]string{"sent": "Nowhere"}}))
	if len(items) != 1 || !strings.HasPrefix(items[0].Problem, "want a header") {
		t.Errorf("%+v", items)
	}
}
