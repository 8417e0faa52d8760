package ledger

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

// The key of the ledgers in testdata. It signs nothing else.
var testdataKeys = keys{
	private: "PRIVATE+KEY+example.org/testdata+e2bc9bb9+AVOX0z77I6ZVVc8DdGNy7q67AY90/wUXoMafkaKUe8q8",
	public:  "example.org/testdata+e2bc9bb9+AU94QfEcKFYAIFfDqVQT3uML51FqHI0322ZU4fcJ4Wgg",
}

// testdataEntry returns the entry numbered seq of the ledgers in testdata.
func testdataEntry(seq uint64) Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC).Add(time.Duration(seq) * time.Minute)
	if seq == 1 {
		return Entry{Seq: 1, Time: at, Act: Act{Actor: "anna", Action: Init, Detail: map[string]string{"store": "example", "z": "<&>"}}}
	}
	return Entry{Seq: seq, Time: at, Act: Act{Actor: "anna", Authority: "A-0001", Purpose: "an example", Action: Search, Subject: "from:bob \"привет\" -test"}}
}

// TestFormatVersions: ledgers of any released version stay readable and verifiable, and
// accept more acts.
func TestFormatVersions(t *testing.T) {
	const size = 258 // a full bundle and a partial one
	v1, v2 := filepath.Join("testdata", "v1"), filepath.Join("testdata", "v2")
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

// appendRaw appends a test's own encoding of an entry.
func appendRaw(t testing.TB, l *Ledger, data []byte) {
	t.Helper()
	last, err := l.head()
	if err != nil {
		t.Fatal(err)
	}
	next, err := l.grow(last, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.publish(next); err != nil {
		t.Fatal(err)
	}
	l.prune(last.size)
}

// TestAsTessera: Tessera wrote the ledgers in testdata. The same entries give the same
// files.
func TestAsTessera(t *testing.T) {
	from := filepath.Join("testdata", "v2")
	dir := t.TempDir()
	l, err := Create(dir, testdataKeys.write())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, bundle := range []struct {
		name  string
		count int
	}{{"tile/entries/000", 256}, {"tile/entries/001.p/2", 2}} {
		spans, err := parseBundle(read(t, from, bundle.name), bundle.count)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spans {
			appendRaw(t, l, s.data)
		}
	}
	compared := 0
	for _, name := range files(t, from) {
		if strings.HasPrefix(name, "tile/") || name == checkpointName {
			compared++
			if !bytes.Equal(read(t, dir, name), read(t, from, name)) {
				t.Errorf("%s differs", name)
			}
		}
	}
	if compared != 6 || len(files(t, dir)) != compared+1 {
		t.Errorf("compared %d files with %v", compared, files(t, dir))
	}
}

// TestTesseraState: the state that Tessera kept next to its tiles may be one entry ahead. It is
// not needed, and the next act removes it; other files in its folder stay.
func TestTesseraState(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		dir := copyDir(t, filepath.Join("testdata", version))
		state := func() (found []string) {
			for _, f := range verify(t, dir, testdataKeys.public).Findings {
				if f.Damage {
					t.Errorf("%s: %v", version, f)
				}
				if strings.HasPrefix(f.File, ".state") {
					found = append(found, f.File)
				}
			}
			return found
		}
		if found := state(); found != nil {
			t.Errorf("%s: %v", version, found)
		}
		ahead := bytes.Replace(read(t, dir, treeStateName), []byte("258"), []byte("259"), 1)
		write(t, dir, treeStateName, ahead)
		if diff := cmp.Diff([]string{treeStateName}, state()); diff != "" {
			t.Errorf("%s, one ahead: %s", version, diff)
		}
		l, err := Open(dir, testdataKeys.write())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		write(t, dir, ".state/notes", []byte("nobody knows of whom"))
		appendActs(t, l, 1)
		if diff := cmp.Diff([]string{".state/notes"}, state()); diff != "" {
			t.Errorf("%s, after an act: %s", version, diff)
		}
		write(t, dir, treeStateName, ahead) // a tree of 259 entries, but not with this root
		damageIn(t, verify(t, dir, testdataKeys.public), "another root", treeStateName)
		if err := os.Remove(filepath.Join(dir, ".state/notes")); err != nil {
			t.Fatal(err)
		}
		appendActs(t, l, 1)
		if _, err := os.Stat(filepath.Join(dir, ".state")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want that the folder is gone", version, err)
		}
	}
}

// TestDocumentExample: the examples in docs/format/ledger.md are consistent with each
// other.
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
