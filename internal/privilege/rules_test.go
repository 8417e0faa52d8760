package privilege

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/argus-evidence/argus"
)

// talk makes the messages of a conversation between two people from the texts of their turns.
func talk(n int, turns string) (list []Sighting) {
	a, b := fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n)
	for i, text := range strings.Split(turns, " || ") {
		m := &argus.Message{Service: "test", Conversation: argus.DirectConversation(a, b), From: a, To: []string{b}, Text: text,
			Sent: argus.At(time.Date(2021, 3, 1, 12, i, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second)}
		if i%2 == 1 {
			m.From, m.To = b, []string{a}
		}
		id, _ := m.Identity()
		list = append(list, Sighting{Message: m, IDs: []argus.ID{id}})
	}
	return list
}

// TestContextByLanguage checks the rules of each language against conversations written
// by hand, and counts the results for docs/privilege.md. The rules were tuned using the
// first two files, but not the third.
func TestContextByLanguage(t *testing.T) {
	t.Run("seen", func(t *testing.T) { byLanguage(t, "testdata/context.txt", 0.95, 0.02) })
	t.Run("seen later", func(t *testing.T) { byLanguage(t, "testdata/blind.txt", 0.9, 0.02) })
	t.Run("blind", func(t *testing.T) { byLanguage(t, "testdata/blind2.txt", 0.75, 0.05) })
}

func byLanguage(t *testing.T, file string, recall, share float64) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type counts struct{ positive, found, negative, held int }
	by := map[string]*counts{}
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		lang, rest, _ := strings.Cut(line, " ")
		if by[lang] == nil {
			by[lang] = &counts{}
		}
		suspected := false
		if err := testRecogniser(t).Backwards(sightings(talk(n, rest[2:])), func(_ Sighting, f Finding) error {
			suspected = true
			t.Logf("%s %s: %+v", lang, rest, f.Reasons)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		switch c := by[lang]; {
		case rest[0] == '+' && suspected:
			c.positive, c.found = c.positive+1, c.found+1
		case rest[0] == '+':
			c.positive++
			t.Logf("missed: %s", line)
		case suspected:
			c.negative, c.held = c.negative+1, c.held+1
			t.Logf("held: %s", line)
		default:
			c.negative++
		}
	}
	var all counts
	for _, lang := range slices.Sorted(maps.Keys(by)) {
		c := by[lang]
		t.Logf("| %s | %d of %d | %d of %d |", lang, c.found, c.positive, c.held, c.negative)
		all = counts{all.positive + c.positive, all.found + c.found, all.negative + c.negative, all.held + c.held}
	}
	t.Logf("all: %d of %d found, %d of %d look-alikes held", all.found, all.positive, all.held, all.negative)
	if float64(all.found) < recall*float64(all.positive) || float64(all.held) > share*float64(all.negative) {
		t.Errorf("want at least %.2f of the protected and at most %.2f of the look-alikes", recall, share)
	}
	if len(by) != 13 {
		t.Errorf("%d languages, want 13", len(by))
	}
}

// TestRulesSayWhatIsWrong checks the errors for broken rules.
func TestRulesSayWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"protects":                          "a line needs a kind",
		"wish my lawyer":                    "a line needs a kind",
		"reports (my|our lawyer":            "is not closed",
		"reports (my|(our)) lawyer":         "inside another",
		"reports my) lawyer":                "outside a bracket",
		"reports (my|) lawyer":              "choice is empty",
		"reports ... lawyer":                "begins and ends",
		"reports my ...":                    "begins and ends",
		"reports ?":                         "begins and ends",
		"reports a* lawyer":                 "fewer than 3 bytes",
		"reports la*yer":                    "not a word",
		"reports --- lawyer":                "not a word",
		"reports a b c d e f g h i j k l m": "1 to 12 words",
		"reports (a|b|c|d|e|f|g|h) (a|b|c|d|e|f|g|h) (a|b|c|d|e|f|g|h) (a|b|c|d|e|f|g|h) (a|b|c|d)": "variants",
	} {
		_, err := ParseRules(fstest.MapFS{"xx.txt": {Data: []byte("# rules\n" + text + "\n")}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v, want %q in line 2", text, err, want)
		}
	}
	if _, err := ParseRules(fstest.MapFS{}); err == nil {
		t.Error("a folder without rules is read")
	}
}

// TestPatterns shows the forms of patterns, and how frames and longer matches remove
// others.
func TestPatterns(t *testing.T) {
	rules, err := ParseRules(fstest.MapFS{"xx.txt": {Data: []byte(`
reports [dear] my (lawyer|legal team) ... says
profession (lawyer|advoc*)
addresses ^ counsel
counsel stay silent $
matter court ? seven
not devil's advocate
not tennis court
not film ... lawyer
not lawyer ... film
not not my lawyer says
name ^ adv ?
`)}})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"My lawyer says no":                         "reports:My lawyer says",
		"DEAR my  legal-team always still says":     "reports:DEAR my  legal-team always still says",
		"my lawyer one two three four five says":    "profession:lawyer",
		"the advocaat and the Lawyer":               "profession:advocaat profession:Lawyer",
		"I am the devil's advocate here":            "",
		"Counsel, stay silent":                      "addresses:Counsel counsel:stay silent",
		"ask counsel, stay silent or not":           "",
		"court number seven, tennis court at seven": "matter:court number seven",
		"the film about a lawyer":                   "",
		"the lawyer was in a film":                  "",
		"my lawyer, about that film, says":          "reports:my lawyer, about that film, says",
		"he is not my lawyer says Bo":               "",
		"adv Jones":                                 "",
		"":                                          "",
	} {
		s := &scanner{rules: rules}
		s.read(text)
		var got []string
		for _, m := range s.scan() {
			for name, kind := range kindNames {
				if kind == rules.rules[m.rule].kind {
					got = append(got, name+":"+s.quote(m))
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, strings.Join(got, " "), want)
		}
	}
}

// TestNames checks names of contacts and conversations in several languages.
func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"Adv. De Wit": true, "Me Dupont": true, "avukat Mehmet": true, "Mehmet avukat": true, "RA Schulz": true, "Avv. Bianchi": true, "mecenas Nowak": true,
		"адвокат Иванов": true, "المحامي سعيد": true, "Lmou7ami Karim": true, "Kantoor Veld advocaten": true, "Abogada Ruiz": true, "advogado Silva": true, "Avokat Beni": true,
		"Me": false, "Jude Law": false, "Mec Paul": false, "Me gusta": false, "Me mobile": false, "Mama": false, "Advanced Auto": false, "Jan": false, "Doc": false, "Ravi": false, "Avocado": false, "Lawrence": false, "": false,
	} {
		r := testRecogniser(t)
		m := &argus.Message{Service: "test", Conversation: "x|y", From: "x", To: []string{"y"}, FromName: name, Text: "ok"}
		if got := r.Live(Sighting{Message: m}).Suspected(); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// TestHostileTexts scans texts made up of words from the rules, so that as many patterns
// as possible begin everywhere.
func TestHostileTexts(t *testing.T) {
	rules := testRules(t)
	var words []string
	for w := range rules.root.words {
		words = append(words, w)
	}
	slices.Sort(words)
	for name, text := range map[string]string{
		"all beginnings":   strings.Repeat(strings.Join(words, " ")+" ", 40),
		"one beginning":    strings.Repeat("my ", 200_000),
		"a frame's gap":    strings.Repeat("film x x x lawyer ", 50_000),
		"a single word":    strings.Repeat("x", 4<<20),
		"nothing but ends": strings.Repeat(". ", 1<<20),
		"quotations":       strings.Repeat("> my lawyer says\n", 50_000),
	} {
		begin := time.Now()
		m := note(1, "a", "b", text)
		testRecogniser(t).Live(seen(m))
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: %d bytes take %s", name, len(text), took)
		} else {
			t.Logf("%s: %d bytes take %s", name, len(text), took)
		}
	}
}

// TestRulesVersion checks that the version depends only on the text of the rules.
func TestRulesVersion(t *testing.T) {
	version := func(files fstest.MapFS) argus.Hash {
		r, err := ParseRules(files)
		if err != nil {
			t.Fatal(err)
		}
		return r.Version()
	}
	one := version(fstest.MapFS{"a.txt": {Data: []byte("profession lawyer\n")}, "b.txt": {Data: []byte("matter court\n")}})
	if again := version(fstest.MapFS{"b.txt": {Data: []byte("matter court\n")}, "a.txt": {Data: []byte("profession lawyer\n")}}); again != one {
		t.Errorf("the same rules have the versions %s and %s", one, again)
	}
	if other := version(fstest.MapFS{"a.txt": {Data: []byte("profession lawyer\n# x\n")}, "b.txt": {Data: []byte("matter court\n")}}); other == one {
		t.Error("other rules have the same version")
	}
}
