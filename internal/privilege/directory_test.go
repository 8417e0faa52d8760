package privilege

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// testRecipients makes the keys of a judge and of a second recipient.
func testRecipients(t testing.TB) (*Recipients, [2]age.Identity) {
	t.Helper()
	var ids [2]age.Identity
	var lines []string
	for i := range ids {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
		lines = append(lines, id.Recipient().String())
	}
	to, err := ParseRecipients(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return to, ids
}

const registerNL = "\ufeffNaam;Beroep;Telefoon;E-mailadres;Website;Beëdigd;Geschrapt;WhatsApp\r\n" +
	"Veld, Anna;advocaat;020 - 624 11 11 / +31 (0)6 24681012;A.Veld@Veld-Wijn.example.nl;https://www.veld-wijn.example.nl/contact;01-02-2010;;+31 6 24681012\r\n" +
	"Moor, B.;notaris;niet bekend;b.moor@gmail.com;gmail.com;2011;03/04/2019;\r\n" +
	";;;;;;;\r\n" +
	"Zonder, C.;advocaat;;;;;;\r\n" +
	"\"broken;advocaat;x\r\n" +
	"Laatste, D.;tovenaar;0031201234567;;nl;;;\r\n"

// TestReadDirectory reads a register as a bar association delivers it, with the usual
// mistakes.
func TestReadDirectory(t *testing.T) {
	d, report, err := ReadDirectory(t.Context(), []byte(registerNL), ReadOptions{Jurisdiction: "nl", Source: "register 1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Name: "Veld, Anna", Profession: Lawyer, From: "2010-01-02", Source: "register 1", Jurisdiction: "NL", Identifiers: []Identifier{
			{kindPhone, "", "+31206241111"}, {kindPhone, "", "+31624681012"}, {kindEmail, "", "a.veld@veld-wijn.example.nl"},
			{kindDomain, "", "veld-wijn.example.nl"}, {kindAccount, "whatsapp", "+31 6 24681012"}}},
		{Name: "Moor, B.", Profession: Notary, From: "2011-01-01", Until: "2019-04-03", Source: "register 1", Jurisdiction: "NL", Identifiers: []Identifier{
			{kindEmail, "", "b.moor@gmail.com"}}},
		{Name: "Laatste, D.", Profession: Unstated, Source: "register 1", Jurisdiction: "NL", Identifiers: []Identifier{{kindPhone, "", "+31201234567"}}},
	}
	if diff := cmp.Diff(want, d.Entries); diff != "" {
		t.Error(diff)
	}
	if report.Rows != report.Entries+report.Lost() || report.Entries != 3 || report.Lost() != 2 {
		t.Errorf("%d rows, %d entries, %d lost: %+v", report.Rows, report.Entries, report.Lost(), report.Problems)
	}
	for _, want := range []string{"a telephone number is not understood", "a provider that gives addresses", "cannot be used to recognise anyone", "the row is broken", "the profession is unknown", "anyone can register a name under it"} {
		if !slices.ContainsFunc(report.Problems, func(p Problem) bool { return strings.Contains(p.Reason, want) }) {
			t.Errorf("no problem says %q: %+v", want, report.Problems)
		}
	}
	for _, p := range report.Problems {
		if strings.Contains(p.Reason, "Moor") || strings.Contains(p.Reason, "gmail") {
			t.Errorf("a problem quotes the register: %s", p.Reason)
		}
	}
}

func TestReadDirectoryJSON(t *testing.T) {
	want := []Entry{{Name: "Anna Feld", Profession: Lawyer, Jurisdiction: "DE", Identifiers: []Identifier{
		{kindPhone, "", "+4930123456"}, {kindAccount, "threema", "abcd1234"}, {kindAccount, "signal", "+491701234567"}, {kindPhone, "", "+491701234567"}}}}
	list := `[{"Vorname":"Anna","Nachname":"Feld","Beruf":"Rechtsanwältin","Land":"de","Telefon":["030 / 123456"],
		"accounts":[{"service":"Threema","account":"ABCD1234"},{"service":"signal","account":"+491701234567"}]}]`
	for name, text := range map[string]string{"a list": list, "lines": strings.ReplaceAll(list[1:len(list)-1], "\n", " ") + "\n\nnonsense\n"} {
		d, report, err := ReadDirectory(t.Context(), []byte(text), ReadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, d.Entries); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if report.Rows != report.Entries+report.Lost() || name == "lines" && report.Lost() != 1 {
			t.Errorf("%s: %+v", name, report)
		}
	}
	for _, text := range []string{"", "a;b\nc;d\n", `{"x":1}`, `[{"phone":"1"},`, `[{"phone":"1"}] x`, "PK\x03\x04"} {
		if _, _, err := ReadDirectory(t.Context(), []byte(text), ReadOptions{}); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// TestReadWorkbook reads a register from the sheet of a workbook.
func TestReadWorkbook(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"xl/workbook.xml":            `<workbook xmlns:r="r"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="r1" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Register of lawyers</t></is></c></row>
			<row r="2"><c r="A2" t="inlineStr"><is><t>Name</t></is></c><c r="B2" t="inlineStr"><is><t>E-mail</t></is></c></row>
			<row r="3"><c r="A3" t="inlineStr"><is><t>A. Marsh</t></is></c><c r="B3" t="inlineStr"><is><t>a@marsh.example.com</t></is></c></row></sheetData></worksheet>`,
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	d, _, err := ReadDirectory(t.Context(), b.Bytes(), ReadOptions{Profession: Lawyer})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Entry{{Name: "A. Marsh", Profession: Lawyer, Identifiers: []Identifier{{kindEmail, "", "a@marsh.example.com"}}}}; !cmp.Equal(want, d.Entries) {
		t.Error(cmp.Diff(want, d.Entries))
	}
}

// TestSealedDirectory checks that each change to a sealed directory is detected, and who can
// read the directory.
func TestSealedDirectory(t *testing.T) {
	to, ids := testRecipients(t)
	d := NewDirectory([]Entry{{Name: "A", Profession: Doctor, Identifiers: []Identifier{{kindPhone, "", "+31206241111"}}}})
	sealed, err := d.Seal(to)
	if err != nil {
		t.Fatal(err)
	}
	version, err := d.Version()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		again, err := OpenDirectory(sealed, id)
		if err != nil || !cmp.Equal(d.Entries, again.Entries) {
			t.Fatalf("%+v, %v", again, err)
		}
		if v, err := again.Version(); err != nil || v != version {
			t.Errorf("version %s, want %s: %v", v, version, err)
		}
	}
	if bytes.Contains(sealed, []byte("31206241111")) {
		t.Error("the directory is readable")
	}
	other := NewDirectory(d.Entries)
	if v, err := other.Version(); err != nil || v == version {
		t.Errorf("two directories of the same entries have the version %s: a guess can be tested", v)
	}
	_, strangers := testRecipients(t)
	if _, err := OpenDirectory(sealed, strangers[0]); !errors.Is(err, ErrNoKey) {
		t.Errorf("a stranger: %v", err)
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if again, err := OpenDirectory(broken, ids[0]); err == nil && !cmp.Equal(d.Entries, again.Entries) {
			t.Fatalf("byte %d can be changed", i)
		} else if err != nil && again != nil {
			t.Fatalf("byte %d: an error and a directory", i)
		}
		if _, err := OpenDirectory(sealed[:i], ids[0]); err == nil {
			t.Fatalf("the directory can be cut at %d", i)
		}
	}
	if _, err := d.Seal(nil); err == nil {
		t.Error("it is sealed to nobody")
	}
}

// TestParseDirectoryRefuses reads directories that contradict themselves.
func TestParseDirectoryRefuses(t *testing.T) {
	head := `{"argus_directory":1,"salt":"` + strings.Repeat("0", 32) + `","entries":1}` + "\n"
	entry := `{"profession":"lawyer","identifiers":[{"kind":"phone","value":"+3120"}]}` + "\n"
	if _, err := parseDirectory(strings.NewReader(head + entry)); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", head, head + entry + entry, head + "{}\n", head + "x\n", strings.Replace(head, ":1,", ":2,", 1) + entry,
		strings.Replace(head, "salt", "pepper", 1) + entry, head + strings.Replace(entry, "phone", "fax", 1), head + strings.Replace(entry, "lawyer", "wizard", 1),
		head + strings.Replace(entry, "}]", `}],"from":"yesterday"`, 1), head + strings.Replace(entry, "}]", `}],"from":"2020-01-02","until":"2020-01-01"`, 1)} {
		if d, err := parseDirectory(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read as %+v", text, d)
		}
	}
}

func TestParseRecipients(t *testing.T) {
	key := func() string {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id.Recipient().String()
	}
	hybrid := func() string {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		return id.Recipient().String()
	}
	one, pq := key(), hybrid()
	for _, lines := range []string{"", one, one + "\n" + one, "# judge\n" + one, one + "\n" + pq, one + "\nage1nonsense", pq, strings.Repeat(one+"\n", 40)} {
		if _, err := ParseRecipients(lines); err == nil {
			t.Errorf("%.80q is enough", lines)
		}
	}
	for _, lines := range []string{one + "\n" + key(), "# judge\n" + pq + "\n\n# second\n" + hybrid() + "\n"} {
		to, err := ParseRecipients(lines)
		if err != nil || len(to.Fingerprints()) != 2 {
			t.Errorf("%v", err)
		}
	}
}

// TestSet checks that people are found by each identifier, in any spelling and on the
// right days, and that each change of the file is refused.
func TestSet(t *testing.T) {
	d, _, err := ReadDirectory(t.Context(), []byte(registerNL), ReadOptions{Jurisdiction: "NL"})
	if err != nil {
		t.Fatal(err)
	}
	set, err := NewSet(d, testKey)
	if err != nil {
		t.Fatal(err)
	}
	data := set.Encode()
	set, err = ParseSet(data, testKey)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.Version(); err != nil || set.Version() != v || set.Len() != 7 {
		t.Errorf("%d identifiers of version %s, want 7 of %s", set.Len(), set.Version(), v)
	}
	m := NewMatcher(set, "NL")
	day := func(s string) argus.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return argus.At(at, s, argus.ZoneStated, argus.Day)
	}
	for _, one := range []struct {
		service, account, sent string
		want                   bool
	}{
		{"sms", "+31624681012", "2020-05-05", true},
		{"sms", "0031 6 2468 1012", "2020-05-05", true},
		{"sms", "0624681012", "2020-05-05", true},
		{"calls", "31624681012", "2020-05-05", true},
		{"telegram", "1624681012", "2020-05-05", false},
		{"sms", "020-6241111", "2020-05-05", true},
		{"mail", "a.veld@VELD-wijn.example.nl", "2020-05-05", true},
		{"mail", "secretary@mail.veld-wijn.example.nl", "2020-05-05", true},
		{"mail", "secretary@notveld-wijn.example.nl", "2020-05-05", false},
		{"mail", "veld-wijn.example.nl@example.com", "2020-05-05", false},
		{"mail", "somebody@gmail.com", "2015-05-05", false},
		{"mail", "b.moor@gmail.com", "2015-05-05", true},
		{"mail", "b.moor@gmail.com", "2019-04-03", true},
		{"mail", "b.moor@gmail.com", "2019-04-04", true}, // one day late, because of time zones
		{"mail", "b.moor@gmail.com", "2019-04-06", false},
		{"mail", "b.moor@gmail.com", "2010-12-31", true},
		{"mail", "b.moor@gmail.com", "2010-12-29", false},
		{"xmpp", "b.moor@gmail.com/phone", "2015-01-01", true},
		{"sms", "+31624681013", "2020-05-05", false},
		{"sms", "", "2020-05-05", false},
	} {
		if _, got := m.party(one.service, one.account).protectedOn(day(one.sent)); got != one.want {
			t.Errorf("%+v: %v", one, got)
		}
	}
	if _, ok := m.party("mail", "b.moor@gmail.com").protectedOn(argus.Time{}); !ok {
		t.Error("a message without a time is not protected")
	}
	for _, text := range []string{"moor", "24681012", "veld"} {
		if bytes.Contains(bytes.ToLower(data), []byte(text)) {
			t.Errorf("the set contains %q", text)
		}
	}
	for i := range data {
		broken := bytes.Clone(data)
		broken[i] ^= 0x10
		if _, err := ParseSet(broken, testKey); !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("byte %d can be changed: %v", i, err)
		}
		if _, err := ParseSet(data[:i], testKey); !errors.Is(err, argus.ErrDamaged) {
			t.Fatalf("the set can be cut at %d: %v", i, err)
		}
	}
	if _, err := ParseSet(data, NewKey()); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("another key: %v", err)
	}
	// Rows in the wrong order are damage, even if they were authenticated with the key.
	body := bytes.Clone(data[:len(data)-32])
	copy(body[setHead:], data[setHead+setRowSize:setHead+2*setRowSize])
	if _, err := ParseSet(testKey.authenticate("set", body), testKey); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("equal rows: %v", err)
	}
	binary.LittleEndian.PutUint32(body[setHead-4:], 1<<31)
	if _, err := ParseSet(testKey.authenticate("set", body), testKey); !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("a huge count: %v", err)
	}
}

// TestKeyIsHidden formats a key in the ways that an error or a log would.
func TestKeyIsHidden(t *testing.T) {
	k := NewKey()
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, k, k, k)} {
		if strings.Contains(s, k.Text()) || strings.Contains(s, fmt.Sprint(k[0], " ", k[1])) {
			t.Errorf("the key is in %q", s)
		}
	}
	if again, err := ParseKey(k.Text() + "\n"); err != nil || again != k {
		t.Errorf("%v", err)
	}
	if _, err := ParseKey("secret but wrong"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// manyEntries returns n invented entries.
func manyEntries(n int) (list []Entry) {
	for i := range n {
		list = append(list, Entry{Name: fmt.Sprintf("Person %d", i), Profession: Lawyer, Jurisdiction: "NL", Source: "a register", From: "2001-02-03", Identifiers: []Identifier{
			{kindPhone, "", fmt.Sprintf("+3162%07d", i)}, {kindEmail, "", fmt.Sprintf("p%d@firm%d.example.nl", i, i/8)},
			{kindDomain, "", fmt.Sprintf("firm%d.example.nl", i/8)}, {kindAccount, "sky", fmt.Sprintf("p%05x", i)}}})
	}
	return list
}

func BenchmarkDirectory100k(b *testing.B) {
	d := NewDirectory(manyEntries(100_000))
	to, ids := testRecipients(b)
	sealed, err := d.Seal(to)
	if err != nil {
		b.Fatal(err)
	}
	set, err := NewSet(d, testKey)
	if err != nil {
		b.Fatal(err)
	}
	data := set.Encode()
	b.Run("open", func(b *testing.B) {
		b.ReportMetric(float64(len(sealed)), "file-B")
		for b.Loop() {
			if _, err := OpenDirectory(sealed, ids[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash", func(b *testing.B) {
		for b.Loop() {
			if _, err := NewSet(d, testKey); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("load", func(b *testing.B) {
		b.ReportMetric(float64(len(data)), "file-B")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseSet(data, testKey); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("account-new", func(b *testing.B) {
		m, n := NewMatcher(set), 0
		for b.Loop() {
			n++
			m.party("mail", fmt.Sprintf("u%d@host%d.example.com", n, n))
		}
	})
	b.Run("account-known", func(b *testing.B) {
		m := NewMatcher(set)
		for b.Loop() {
			m.party("mail", "u@host.example.com")
		}
	})
}
