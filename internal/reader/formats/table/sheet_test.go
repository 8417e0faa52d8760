package table

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
)

// MakeWorkbook makes a workbook of sheets given as SpreadsheetML rows.
func MakeWorkbook(t testing.TB, properties, shared string, sheets ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	part := func(name, content string) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(`<?xml version="1.0" encoding="UTF-8"?>` + content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	list, relations := "", ""
	for i, rows := range sheets {
		state := ""
		if i == 1 {
			state = ` state="hidden"`
		}
		list += fmt.Sprintf(`<sheet name="Sheet %d" sheetId="%d"%s r:id="rId%d"/>`, i+1, i+1, state, i+1)
		relations += fmt.Sprintf(`<Relationship Id="rId%d" Target="worksheets/s%d.xml"/>`, i+1, i+1)
		part(fmt.Sprintf("xl/worksheets/s%d.xml", i+1), `<worksheet><sheetData>`+rows+`</sheetData></worksheet>`)
	}
	part("xl/workbook.xml", `<workbook xmlns:r="r"><workbookPr `+properties+`/><sheets>`+list+`</sheets></workbook>`)
	part("xl/_rels/workbook.xml.rels", `<Relationships>`+relations+`</Relationships>`)
	if shared != "" {
		part("xl/sharedStrings.xml", `<sst>`+shared+`</sst>`)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func Text(s string) string { return `<c t="inlineStr"><is><t>` + s + `</t></is></c>` }

const SheetHead = `<row r="1"><c t="inlineStr"><is><t>Sent</t></is></c><c t="inlineStr"><is><t>From</t></is></c><c t="inlineStr"><is><t>To</t></is></c><c t="inlineStr"><is><t>Text</t></is></c></row>`

func TestWorkbookFrom1904(t *testing.T) {
	row := SheetHead + `<row><c><v>42779.5</v></c>` + Text("Q3XK9A") + Text("7B2FAA") + Text("x") + `</row>`
	items := readertest.Check(t, Sheet, readertest.Input("f", MakeWorkbook(t, `date1904="1"`, "", row), reader.Options{}))
	if got := items[0].Message.Sent.String(); got != "2021-02-14T12:00:00Z" {
		t.Error(got)
	}
}

func TestWorkbookDamaged(t *testing.T) {
	whole := MakeWorkbook(t, "", "", SheetHead)
	for name, file := range map[string][]byte{
		"the workbook: it names no sheet":              MakeWorkbook(t, "", ""),
		"the workbook: the archive has no directory":   whole[:len(whole)-30],
		"the workbook: read its shared texts: XML":     MakeWorkbook(t, "", "<si><t></ <", SheetHead),
		"the workbook: the part \"workbook.xml.rels\"": bytes.ReplaceAll(whole, []byte("workbook.xml.rels"), []byte("workbook.xml.reel")),
	} {
		var got error
		for _, err := range Sheet.Read(t.Context(), readertest.Input("f", file, reader.Options{})) {
			got = err
		}
		if got == nil || !strings.HasPrefix(got.Error(), "open "+name) {
			t.Errorf("got %v, want %s", got, name)
		}
	}
}

// TestWorkbookBounds reads a part that claims to have more than it has, and texts beyond the
// limit.
func TestWorkbookBounds(t *testing.T) {
	long := SheetHead + `<row>` + Text(strings.Repeat("x", 1<<20)) + `</row>`
	items := readertest.Check(t, Sheet, readertest.Input("f", MakeWorkbook(t, "", "", long), reader.Options{MaxRecord: 64 << 10}))
	if len(items) != 1 || !strings.HasPrefix(items[0].Problem, "read the rest of the sheet: ") {
		t.Errorf("%+v", items)
	}
	nested := SheetHead + strings.Repeat("<a>", 1<<20)
	items = readertest.Check(t, Sheet, readertest.Input("f", MakeWorkbook(t, "", "", nested), reader.Options{}))
	if len(items) != 0 {
		t.Errorf("%+v", items)
	}
}

// TestSheetBounds reads a quote that never ends, in a file of any size.
func TestSheetBounds(t *testing.T) {
	const head = "Sent,From,To,Text\n"
	const row = "2021-02-14 12:00:00,AAAAAA,BBBBBB,x\n"
	items := readertest.Check(t, Sheet, readertest.Input("f", []byte(head+"2021-02-14 12:00:00,A,B,\"open\n"+strings.Repeat(row, 20_000)), reader.Options{MaxRecord: 64 << 10}))
	if len(items) != 20_001 || items[0].Problem == "" || items[1].Message == nil {
		t.Errorf("%d items, %+v", len(items), items[0])
	}
	items = readertest.Check(t, Sheet, readertest.Input("f", []byte(head+strings.Repeat("y", 1<<20)+"\n"+row), reader.Options{MaxRecord: 64 << 10}))
	if len(items) != 2 || items[0].Problem == "" || items[1].Message == nil {
		t.Errorf("%d items", len(items))
	}
	// Each line opens the quote that the previous line left open.
	start := time.Now()
	readertest.Check(t, Sheet, readertest.Input("f", []byte(head+strings.Repeat("a\",,\"c\n", 50_000)), reader.Options{}))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("50,000 hostile lines took %s", took)
	}
}

// TestSheetHeaders has one header for each language.
func TestSheetHeaders(t *testing.T) {
	for _, header := range []string{
		"Message ID,Sent (UTC+01:00),Sender PIN,Sender Nickname,Recipient PIN,Chat ID,Group Name,Direction,Received,Read,Message,Attachment,Encrypted payload,Key ID",
		"Bericht-ID,Verzonden op,Afzender PIN,Bijnaam afzender,Ontvanger PIN,Gesprek ID,Groepsnaam,Richting,Ontvangen,Gelezen,Bericht,Bijlage,Versleutelde inhoud,Sleutel ID",
		"ID message,Date d'envoi,Expéditeur,Nom de l'expéditeur,Destinataire,ID groupe,Nom du groupe,Sens,Reçu le,Lu le,Texte,Pièce jointe,Contenu chiffré,ID de clé",
		"Nachrichten-ID,Gesendet am,Absender,Absender Name,Empfänger,Gruppen-ID,Gruppenname,Richtung,Empfangen am,Gelesen am,Nachricht,Anhang,Verschlüsselter Inhalt,Schlüssel-ID",
		"ID mensaje,Fecha y hora,Remitente,Apodo,Destinatario,ID grupo,Nombre del grupo,Dirección,Recibido,Leído,Texto,Adjunto,Contenido cifrado,ID clave",
		"ID messaggio,Data e ora,Mittente,Soprannome,Destinatario,ID gruppo,Nome gruppo,Direzione,Ricevuto,Letto,Testo,Allegato,Contenuto cifrato,ID chiave",
	} {
		var cells []sheetdoc.Cell
		for name := range strings.SplitSeq(header, ",") {
			cells = append(cells, sheetdoc.Cell{Text: name})
		}
		h := newSheetHeader(cells, sheetHeaders(), nil)
		if h == nil {
			t.Errorf("%s: no header", header)
			continue
		}
		want := []sheetField{fieldID, fieldSent, fieldFrom, fieldFromName, fieldTo, fieldConversation, fieldTitle, fieldDirection,
			fieldReceived, fieldRead, fieldText, fieldAttachment, fieldPayload, fieldKeyID}
		if diff := cmp.Diff(want, h.fields); diff != "" {
			t.Errorf("%s: %s", header, diff)
		}
	}
	// No phrase means two things.
	seen := map[string]int{}
	for f := range sheetWords {
		headers := map[string]sheetField{}
		for phrase := range strings.SplitSeq(sheetWords[f].words, ",") {
			addPhrase(headers, phrase, sheetField(f))
		}
		for phrase := range headers {
			seen[phrase]++
			if phrase != "" && phrase != plainHeader(phrase) {
				t.Errorf("%q is not written as headers are compared", phrase)
			}
			if seen[phrase] > 1 {
				t.Errorf("%q names two fields", phrase)
			}
		}
	}
}

func FuzzSheet(f *testing.F) {
	f.Add([]byte("Sent,From,To,Text\n2021-02-14 12:00:00,AAAAAA,BBBBBB,\"x\ny\"\n1,2,3,\"4\n"))
	f.Add([]byte("Datum;Zeit;Absender;Inhalt;Cifrado\n14/2/21;1:04 pm;12345;;AAAA\n;;;;\n"))
	f.Add([]byte("\xff\xfeS\x00e\x00n\x00t\x00"))
	f.Add(MakeWorkbook(f, "", `<si><t>x</t></si>`, SheetHead+`<row><c><v>1</v></c><c t="s"><v>0</v></c>`+Text("b")+Text("c")+`</row>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, err := range Sheet.Read(t.Context(), readertest.Input("f", file, reader.Options{MaxRecord: 1 << 16})) {
			if err != nil {
				return // not a workbook
			}
		}
		readertest.Check(t, Sheet, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 16}))
	})
}

// FuzzWorkbookSheet changes the contents of the archive.
func FuzzWorkbookSheet(f *testing.F) {
	f.Add(SheetHead+`<row r="2"><c r="A2"><v>44241.5</v></c><c r="B2" t="s"><v>0</v></c><c r="C2"/><c r="D2"><f>1+1</f><v>2</v></c></row>`, `<si><t>x</t></si>`)
	f.Fuzz(func(t *testing.T, rows, shared string) {
		file := MakeWorkbook(t, "", shared, rows, rows)
		for _, err := range Sheet.Read(t.Context(), readertest.Input("f", file, reader.Options{MaxRecord: 1 << 16})) {
			if err != nil {
				return
			}
		}
		readertest.Check(t, Sheet, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 16}))
	})
}

func BenchmarkSheetCSV(b *testing.B) {
	var file strings.Builder
	file.WriteString("Sent,From,Nickname,To,Chat,Message,Attachment,IMEI,Message ID\n")
	for i := range 50_000 {
		fmt.Fprintf(&file, "2021-02-14 12:%02d:%02d,Q3XK9A,kapper,7B2FAA,g-%d,\"Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet.\",,490154203237518,m-%d\n", i/60%60, i%60, i%50, i)
	}
	readertest.Benchmark(b, Sheet, []byte(file.String()), 50_000)
}

// TestSheetDocument checks docs/format/sheet.md against the table of words.
func TestSheetDocument(t *testing.T) {
	document, err := os.ReadFile("../../../../docs/format/sheet.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range sheetWords[1:] {
		if row := fmt.Sprintf("| `%s` | %s |\n", w.name, strings.ReplaceAll(w.words, ",", ", ")); !bytes.Contains(document, []byte(row)) {
			t.Errorf("docs/format/sheet.md lacks\n%s", row)
		}
	}
	for part, words := range sheetParts {
		if row := fmt.Sprintf("| {%s} | %s |\n", part, strings.ReplaceAll(words, ",", ", ")); !bytes.Contains(document, []byte(row)) {
			t.Errorf("docs/format/sheet.md lacks\n%s", row)
		}
	}
}
