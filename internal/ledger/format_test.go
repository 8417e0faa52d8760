package ledger

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

var update = flag.Bool("update", false, "write the ledger of this form of entries to testdata")

// The key of the ledgers in testdata. It signs nothing else.
var testdataKeys = keys{
	private: "PRIVATE+KEY+example.org/testdata+e2bc9bb9+AVOX0z77I6ZVVc8DdGNy7q67AY90/wUXoMafkaKUe8q8",
	public:  "example.org/testdata+e2bc9bb9+AU94QfEcKFYAIFfDqVQT3uML51FqHI0322ZU4fcJ4Wgg",
}

// testdataEntry is entry seq of the ledgers in testdata.
func testdataEntry(seq uint64) Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC).Add(time.Duration(seq) * time.Minute)
	if seq == 1 {
		return Entry{Seq: 1, Time: at, Act: Act{Actor: "anna", Action: Init, Detail: map[string]string{"store": "example", "z": "<&>"}}}
	}
	return Entry{Seq: seq, Time: at, Act: Act{Actor: "anna", Authority: "A-0001", Purpose: "an example", Action: Search, Subject: "from:bob \"привет\" -test"}}
}

// What any released version wrote stays readable, verifiable and open for more.
func TestFormatVersions(t *testing.T) {
	const size = 258 // a full bundle and a partial one
	v1, v2 := filepath.Join("testdata", "v1"), filepath.Join("testdata", "v2")
	if *update {
		if err := os.RemoveAll(v2); err != nil {
			t.Fatal(err)
		}
		l, err := Create(v2, testdataKeys.write())
		if err != nil {
			t.Fatal(err)
		}
		for seq := range uint64(size) {
			e := testdataEntry(seq + 1)
			l.now = func() time.Time { return e.Time }
			if _, err := l.Append(t.Context(), e.Act); err != nil {
				t.Fatal(err)
			}
		}
		l.Close()
	}
	for version, dir := range []string{v1, v2} {
		dir := copyDir(t, dir)
		if report := verify(t, dir, testdataKeys.public); report.Words != uint64(size*(1-version)) {
			t.Errorf("%s: %d entries hold words: %v", dir, report.Words, report.Findings)
		}
		if got := wantClean(t, dir, testdataKeys.public); got != size {
			t.Errorf("%s: %d entries, want %d", dir, got, size)
		}
		l, err := Open(dir, testdataKeys.write())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i, e := range readAll(t, l, 0, 0) {
			if version == 1 && e.Envelope == (argus.Hash{}) {
				t.Errorf("%s: entry %d has no envelope", dir, e.Seq)
			}
			e.Envelope = argus.Hash{}
			if diff := cmp.Diff(testdataEntry(uint64(i)+1), e); diff != "" {
				t.Fatalf("%s: %s", dir, diff)
			}
		}
		appendActs(t, l, 1)
		wantClean(t, dir, testdataKeys.public)
	}
}

// The examples of docs/format/ledger.md are of each other.
func TestDocumentExample(t *testing.T) {
	document, err := os.ReadFile("../../docs/format/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("```json\n(.*)\n```").FindAllSubmatch(document, -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples", len(examples))
	}
	e, err := decode(examples[0][1])
	if err != nil {
		t.Fatal(err)
	}
	of, ok := parseEnvelope(examples[1][1], 0)
	if err := e.open(map[uint64]envelope{of.entry: of}); err != nil || !ok || e.Actor != "anna" || e.Subject != "from:bob -test" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestDocumentNamesEveryAct compares the list of acts with docs/format/ledger.md.
func TestDocumentNamesEveryAct(t *testing.T) {
	source, err := os.ReadFile("ledger.go")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/format/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	_, acts, _ := strings.Cut(string(source), "// The acts that are recorded.\nconst (")
	acts, _, _ = strings.Cut(acts, "\n)")
	_, row, _ := strings.Cut(string(document), "| `action` |")
	row, _, _ = strings.Cut(row, "\n")
	want := regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(acts, -1)
	got := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1)
	words := func(found [][]string) (list []string) {
		for _, m := range found {
			list = append(list, m[1])
		}
		return list
	}
	if diff := cmp.Diff(words(want), words(got)); diff != "" || len(want) < 10 {
		t.Errorf("docs/format/ledger.md does not list the acts: %s", diff)
	}
}
