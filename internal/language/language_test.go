package language

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus/internal/world"
)

// texts returns the texts in testdata with their languages.
func texts(t testing.TB) (list [][2]string) {
	t.Helper()
	b, err := os.ReadFile("testdata/texts.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			tag, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
			list = append(list, [2]string{tag, text})
		}
	}
	return list
}

// answers lists all the answers that Detect may give, except for the empty one.
func answers() []string {
	list := append(slices.Clone(tags[:]), Darija, Mixed, Unknown)
	for _, tag := range scriptTags {
		if tag != "" {
			list = append(list, tag)
		}
	}
	return list
}

func TestDetect(t *testing.T) {
	var d Detector
	for _, x := range texts(t) {
		if got := d.Detect(x[1]); got != x[0] {
			t.Errorf("%q: got %s, want %s", x[1], got, x[0])
		}
	}
	if got := d.Detect(""); got != "" {
		t.Errorf("no text: got %q", got)
	}
}

func TestEveryAnswerHasAName(t *testing.T) {
	for _, tag := range answers() {
		if Name(tag) == tag && tag != Unknown {
			t.Errorf("%s has no name", tag)
		}
	}
}

// The answer depends only on the text, not on the words that the detector has seen.
func TestOrderChangesNoAnswer(t *testing.T) {
	var used Detector
	all := texts(t)
	for _, list := range [][][2]string{all, slices.Collect(func(yield func([2]string) bool) {
		for _, x := range slices.Backward(all) {
			if !yield(x) {
				return
			}
		}
	})} {
		for _, x := range list {
			var fresh Detector
			if a, b := used.Detect(x[1]), fresh.Detect(x[1]); a != b {
				t.Errorf("%q: %s after others, %s alone", x[1], a, b)
			}
		}
	}
}

// A text of any size takes little time, because only its beginning is read.
func TestHugeTexts(t *testing.T) {
	var d Detector
	for _, part := range []string{"de ", "a", "7", "@", "x@y ", "é", "🙂", "字", "\xff", "e\u0301"} {
		text := strings.Repeat(part, (16<<20)/len(part))
		began := time.Now()
		d.Detect(text)
		if took := time.Since(began); took > time.Second {
			t.Errorf("16 MiB of %q take %v", part, took)
		}
	}
}

func TestTableFile(t *testing.T) {
	if !bytes.HasPrefix(tableFile, []byte(magic)) || len(tableFile) > 4_000_000 {
		t.Errorf("the table begins %q and has %d bytes", tableFile[:len(magic)], len(tableFile))
	}
	short, long := packedSections()
	for _, s := range []packedSection{short, long} {
		before := uint32(0)
		for bucket := range uint32(1<<s.bits + 1) {
			if at := three(s.starts, bucket); at < before || int(3*at) >= len(s.slots) {
				t.Fatalf("bucket %d begins at %d, after %d", bucket, at, before)
			} else {
				before = at
			}
		}
		for slot := range before {
			if l := three(s.slots, slot) >> 6 & 31; int(l) >= len(tags) {
				t.Fatalf("slot %d is of language %d", slot, l)
			}
		}
	}
}

// TestTableIsMadeOfLingua makes the table again. It needs lingua's module and takes 30 s of
// CPU time. .ci/run runs it.
func TestTableIsMadeOfLingua(t *testing.T) {
	if os.Getenv("ARGUS_LANGUAGE_TABLE") == "" {
		t.Skip("ARGUS_LANGUAGE_TABLE is not set")
	}
	file := filepath.Join(t.TempDir(), "table.bin")
	if out, err := exec.CommandContext(t.Context(), "go", "-C", "../../tools", "run", "./language", file).CombinedOutput(); err != nil {
		t.Fatalf("make the table: %v: %s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, tableFile) {
		t.Error("tools/language makes another table")
	}
}

// TestLinguaTexts measures the answers on the texts that lingua is tested with: the folder
// cmd/language-testdata of its repository, which its module lacks.
func TestLinguaTexts(t *testing.T) {
	dir := os.Getenv("ARGUS_LINGUA_TEXTS")
	if dir == "" {
		t.Skip("ARGUS_LINGUA_TEXTS does not name the folder of lingua's texts")
	}
	for _, x := range []struct {
		kind           string
		guessed, right float64 // shares of the texts
		of             float64 // share of the answers that name a language
	}{{"sentences", 0.985, 0.96, 0.995}, {"word-pairs", 0.94, 0.87, 0.985}, {"single-words", 0.83, 0.66, 0.96}} {
		var guessed, right, named, mixed, n float64
		for _, tag := range answers() {
			files := []string{tag}
			switch tag {
			case Darija, Mixed, Unknown:
				continue
			case "sh":
				files = []string{"bs", "hr"}
			}
			for _, file := range files {
				f, err := os.Open(filepath.Join(dir, x.kind, file+".txt"))
				if err != nil {
					t.Fatal(err)
				}
				var d Detector
				lines := bufio.NewScanner(f)
				for lines.Scan() {
					n++
					switch got := d.Detect(lines.Text()); got {
					case tag:
						right++
						named++
					case Mixed:
						mixed++
					case Unknown:
					default:
						named++
					}
					if d.guess() == tag {
						guessed++
					}
				}
				if err := lines.Err(); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
		t.Logf("%s: %.0f texts, best guess right %.4f; answered right %.4f; of answers with a language right %.4f; mixed %.4f",
			x.kind, n, guessed/n, right/n, right/named, mixed/n)
		if guessed/n < x.guessed || right/n < x.right || right/named < x.of {
			t.Errorf("%s: worse than %+v", x.kind, x)
		}
	}
}

// guess returns the answer to the last text as if there were no Unknown and Mixed.
func (d *Detector) guess() string {
	main, _ := d.main()
	if main >= strange {
		return ""
	}
	if main >= han {
		return scriptTags[main]
	}
	first, _ := d.sum(main)
	return tags[models[main][0]+first]
}

func FuzzDetect(f *testing.F) {
	for _, x := range texts(f) {
		f.Add(x[1])
	}
	f.Add("\xff\xfe a\u0301\u200d ß@ www. ://")
	known := answers()
	var used Detector
	f.Fuzz(func(t *testing.T, text string) {
		var fresh Detector
		got := used.Detect(text)
		if again := fresh.Detect(text); again != got {
			t.Errorf("%q: %s after other texts, %s alone", text, got, again)
		}
		if (got == "") != (text == "") || got != "" && !slices.Contains(known, got) {
			t.Errorf("%q: %q", text, got)
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	list := texts(b)
	var d Detector
	i := 0
	for b.Loop() {
		d.Detect(list[i%len(list)][1])
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkMessages finds the languages of the messages of an invented case, which are in
// nine languages and Moroccan Arabic, and of the meaningless lines of argus bench, most
// of whose words occur only once.
func BenchmarkMessages(b *testing.B) {
	const n = 50_000
	for _, corpus := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{"case", func(w io.Writer) error {
			made, err := world.New(world.Options{Messages: n})
			if err != nil {
				return err
			}
			return made.WriteLines(b.Context(), w, io.Discard)
		}},
		{"bench", func(w io.Writer) error { return world.Bench(w, 1, n) }},
	} {
		b.Run(corpus.name, func(b *testing.B) {
			var lines bytes.Buffer
			if err := corpus.write(&lines); err != nil {
				b.Fatal(err)
			}
			var texts []string
			for line := range bytes.Lines(lines.Bytes()) {
				var m struct{ Text string }
				if err := json.Unmarshal(line, &m); err != nil {
					b.Fatal(err)
				}
				if m.Text != "" {
					texts = append(texts, m.Text)
				}
			}
			var d Detector
			i := 0
			for b.Loop() {
				d.Detect(texts[i%len(texts)])
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
