package reader

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

func TestWorkbook(t *testing.T) {
	first := sheetHead +
		`<row r="2"><c r="A2"><v>44241.502212</v></c><c r="B2" t="s"><v>0</v></c><c r="C2"><v>12345</v></c><c r="D2" t="str"><f>"a"&amp;"b"</f><v>ab</v></c></row>` +
		`<row r="3"><c r="A3"><v>44241</v></c><c r="C3" t="s"><v>1</v></c></row>` +
		`<row r="4"><c r="A4"><v>44242</v></c><c r="B4" t="s"><v>1</v></c><c r="D4" t="s"><v>9</v></c></row>` +
		`<row r="5"/><row r="6"><c r="A6"><v>44243.25</v></c><c r="B6" t="s"><v>1</v></c><c r="D6" t="s"><v>2</v></c></row>`
	hidden := sheetHead + `<row r="2"><c><v>0.5</v></c>` + text("Q3XK9A") + text("7B2FAA") + text("hid") + `</row>` +
		`<row r="3"><c><v>44243.25</v></c>` + text("Q3XK9A") + text("7B2FAA") + text("hidden") + `</row>`
	other := `<row>` + text("Totals") + text("3") + `</row><row>` + text("x") + `</row>`
	broken := sheetHead + `<row r="2"><c><v>44243.25</v></c>` + text("Q3XK9A") + text("7B2FAA") + text("good") + `</row><row><c t="inlineStr"><is><t>no end`
	file := makeWorkbook(t, "", `<si><t>Q3XK9A</t></si><si><r><t>7B</t></r><r><t>2FAA</t></r><rPh><t>x</t></rPh></si><si><t xml:space="preserve"> spaces </t></si>`,
		first, hidden, other, broken)
	amsterdam := time.FixedZone("", 3600)
	items := checkReader(t, sheetFormat, input("book.xlsx", file, Options{Zone: amsterdam}))
	checkGolden(t, "testdata/sheet/workbook.golden", items)
	sample, err := NewSample("book.xlsx", bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := All().Detect(sample); found != sheetFormat {
		t.Errorf("detected %v", found)
	}
}

func TestSheetMap(t *testing.T) {
	const file = "When,Who,Whom,Said,From\n2021-02-14 12:00:00,alfa,bravo,hi,somewhere\n"
	if _, sure := All().Detect(Sample{Text: []byte(file)}); sure != 0 {
		t.Errorf("detected without a map: %d", sure)
	}
	options := Options{Service: "encrochat", Map: map[string]string{"sent": "when", "from": "Who", "to": "Whom", "text": "Said"}}
	items := checkReader(t, sheetFormat, input("f", []byte(file), options))
	want := &argus.Message{Service: "encrochat", Conversation: "alfa|bravo", From: "alfa", To: []string{"bravo"}, Text: "hi",
		Sent:  argus.Time{Micros: 1613304000000000, Raw: "2021-02-14 12:00:00", Zone: argus.ZoneAssumed, Precision: argus.Second},
		Extra: []argus.Field{{Name: "From", Value: "somewhere"}}}
	if diff := cmp.Diff(want, items[0].Message); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range []map[string]string{{"sender": "Who"}, {"": "Who"}} {
		for _, err := range sheetFormat.Read(t.Context(), input("f", []byte(file), Options{Map: wrong})) {
			if err == nil || !strings.HasPrefix(err.Error(), "map a column: there is no field") {
				t.Errorf("%v: %v", wrong, err)
			}
		}
	}
	items = checkReader(t, sheetFormat, input("f", []byte(file), Options{Map: map[string]string{"sent": "Nowhere"}}))
	if len(items) != 1 || !strings.HasPrefix(items[0].Problem, "want a header") {
		t.Errorf("%+v", items)
	}
}
