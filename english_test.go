package argus_test

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// draw prints texts to read aloud: go test -v -run TestPlainEnglish -draw "$(git rev-parse HEAD)" .
var draw = flag.String("draw", "", "print 30 comments and 30 messages drawn by this `seed`")

// notOurVoice lists the files whose texts are not sentences of Argus itself, with the
// reason. Their messages are not counted; their comments are.
var notOurVoice = map[string]string{
	"internal/world/speech.go": "phrases that invented people say",
}

// Words that force a reader to translate back into another language. "What" is fine in a
// question, so it has a rate; the others have better words in every sentence.
var (
	whatWord = regexp.MustCompile(`(?i)\bwhat\b`)
	clumsy   = regexp.MustCompile(`(?i)\bof which\b|\bstands\b|\bbesides\b|(?:^|[.,;:(]) ?else\b`)
)

// mostWhat is the maximum number of uses of "what" per 1,000 words. Well-kept Go projects
// have 0.05 to 0.4.
const mostWhat = 1.0

// tally counts the words of one kind of text.
type tally struct {
	words, what int
	clumsy      []string // "file:line: word"
	texts       []string // "file:line: text"
}

func (t *tally) add(at token.Position, text string) {
	text = strings.Join(strings.Fields(text), " ")
	t.words += len(strings.Fields(text))
	t.texts = append(t.texts, fmt.Sprintf("%s:%d: %s", at.Filename, at.Line, text))
	t.what += len(whatWord.FindAllString(text, -1))
	for _, word := range clumsy.FindAllString(text, -1) {
		t.clumsy = append(t.clumsy, fmt.Sprintf("%s:%d: %q", at.Filename, at.Line, word))
	}
}

func (t *tally) rate() float64 { return 1000 * float64(t.what) / float64(max(t.words, 1)) }

// TestPlainEnglish counts clumsy words in the comments of every package, and in the
// messages of its product code: string literals of four words or more. It holds every
// package to the bars.
func TestPlainEnglish(t *testing.T) {
	comments, messages, err := english(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(comments)) {
		c, m := comments[name], messages[name]
		t.Logf("%-22s comments: %6d words, what %5.1f per 1,000, clumsy %3d; messages: %5d words, what %5.1f per 1,000, clumsy %3d",
			name, c.words, c.rate(), len(c.clumsy), m.words, m.rate(), len(m.clumsy))
		for kind, found := range map[string]*tally{"comments": c, "messages": m} {
			if found.rate() > mostWhat {
				t.Errorf("the %s of %s have %.1f what per 1,000 words, want at most %.1f", kind, name, found.rate(), mostWhat)
			}
			for _, word := range found.clumsy {
				t.Errorf("%s in the %s: say it in plain words", word, kind)
			}
		}
	}
	for name := range notOurVoice {
		if _, err := os.Stat(name); err != nil {
			t.Errorf("an exception that is not needed: %v", err)
		}
	}
	if *draw == "" {
		return
	}
	for kind, units := range map[string]map[string]*tally{"comments": comments, "messages": messages} {
		for _, text := range drawn(units, *draw) {
			t.Logf("%s: %s", kind, text)
		}
	}
}

// drawn returns 30 texts, the same ones for the same seed.
func drawn(units map[string]*tally, seed string) []string {
	var texts []string
	for _, unit := range units {
		texts = append(texts, unit.texts...)
	}
	rank := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(seed+text))) }
	slices.SortFunc(texts, func(a, b string) int { return strings.Compare(rank(a), rank(b)) })
	return texts[:min(len(texts), 30)]
}

// english counts the comments and the messages of each package.
func english(tree fs.FS) (comments, messages map[string]*tally, err error) {
	comments, messages = map[string]*tally{}, map[string]*tally{}
	err = fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && notOurs(tree, name) {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		unit := unitName(path.Dir(name))
		if comments[unit] == nil {
			comments[unit], messages[unit] = &tally{}, &tally{}
		}
		for _, group := range file.Comments {
			comments[unit].add(files.Position(group.Pos()), group.Text()) // without directives
		}
		if strings.HasSuffix(name, "_test.go") || notOurVoice[name] != "" {
			return nil // the strings of tests are samples
		}
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(literal.Value); err == nil && len(strings.Fields(s)) >= 4 {
				messages[unit].add(files.Position(literal.Pos()), s)
			}
			return true
		})
		return nil
	})
	return comments, messages, err
}

// TestClumsyWords shows the words that are found, and those that are not.
func TestClumsyWords(t *testing.T) {
	for text, want := range map[string]string{
		"It says what was read.":                             "what 1 []",
		"Three files, of\nwhich two are read, and it stands": `what 0 ["of which" "stands"]`,
		"Else it is nil; else it fails. Besides, x":          `what 0 ["Else" "; else" "Besides"]`,
		"Nothing else is read, somewhat understands":         "what 0 []",
	} {
		var found tally
		found.add(token.Position{}, text)
		var words []string
		for _, word := range found.clumsy {
			words = append(words, strings.TrimPrefix(word, ":0: "))
		}
		if got := fmt.Sprintf("what %d %s", found.what, words); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
