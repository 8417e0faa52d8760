package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

// spoken lists the examples of TestOneVoice, commands with their arguments, in the
// order in which they run. Every command that prints answers has one.
var spoken = [][]string{
	{"init"},
	{"init", "--store", "other.argus"},
	{"ingest", "--dry-run", "chats", "copies"},
	{"ingest", "chats", "copies"},
	{"ingest", "--resume"},
	{"ingest", "--abandon"},
	{"reread", "D-0001", "--timezone", "Europe/Brussels"},
	{"receipt"},
	{"receipt", "D-0001"},
	{"receipt", "D-0003"},
	{"quarantine", "D-0001"},
	{"quarantine", "D-0001", "--limit", "1"},
	{"search", "", "--facet", "from,in,is,pairs", "--histogram", "day"},
	{"search", "hello", "--limit", "1"},
	{"search", "", "--distinct", "--facet", "from", "--histogram", "day"},
	{"search", "nothing-like-it"},
	{"search", "hello", "--all"},
	{"show", "REF"},
	{"show", "REF", "--trace"},
	{"conversation", "REF", "--before", "1", "--after", "0"},
	{"list", "ls"},
	{"list", "add", "goods", "words.txt"},
	{"list", "add", "goods", "words.txt"},
	{"list", "ls"},
	{"list", "show", "goods"},
	{"map", "guessed.json"},
	{"map", "guessed.json", "--name", "guessed"},
	{"map"},
	{"authority", "add", "--basis", "Warrant 7", "--granted-by", "Judge B.", "--for", "the case", "--scope", "delivery:D-0001", "--end-wider", "--for-actor", "nobody"},
	{"authority", "add", "--basis", "Warrant 8", "--granted-by", "Judge B.", "--for", "the case", "--until", "2099-01-01T00:00:00Z"},
	{"ledger", "destroy", "4-5", "--order", "court 31/2026"},
	{"ledger", "--authority", "A-0003", "--limit", "500"},
	{"authority", "preview", "hello", "--authority", "A-0003"},
	{"authority", "beyond", "A-0003", "hello", "--authority", "A-0003"},
	{"authority", "extend", "A-0003", "--until", "2100-01-01T00:00:00Z", "--reason", "7 more"},
	{"authority", "export", "A-0003", "--out", "order.signed"},
	{"authority", "import", "order.signed", "--from", "case.argus/keys/store.pub", "--for-actor", "ann 5", "--store", "other.argus"},
	{"request", "new", "--words", "words.txt", "--period", "2021-02-14..2021-02-15", "--offence", "art. 3", "--purpose", "case 5", "--out", "case.request", "--store", "other.argus"},
	{"request", "show", "case.request", "--from", "other.argus/keys/store.pub"},
	{"request", "count", "case.request", "--from", "other.argus/keys/store.pub", "--authority", "A-0003"},
	{"request", "refuse", "case.request", "--from", "other.argus/keys/store.pub", "--reason", "too wide"},
	{"request", "grant", "case.request", "--from", "other.argus/keys/store.pub", "--authority", "A-0003"},
	{"transfer", "out", "case.request", "--from", "other.argus/keys/store.pub", "--authority", "A-0003", "--out", "case.package"},
	{"hits", "ask", "--accounts", "words.txt", "--secret", "shared.secret", "--purpose", "case 5", "--out", "case.question", "--store", "other.argus"},
	{"hits", "answer", "case.question", "--from", "other.argus/keys/store.pub", "--secret", "shared.secret", "--contact", "desk 5", "--authority", "A-0003", "--out", "case.answer"},
	{"hits", "show", "case.answer", "--from", "case.argus/keys/store.pub", "--question", "case.question", "--accounts", "words.txt", "--secret", "shared.secret"},
	{"authority", "revoke", "A-0001", "--reason", "1 is enough", "--store", "other.argus"},
	{"transfer", "in", "case.package", "--from", "case.argus/keys/store.pub", "--store", "other.argus", "--actor", "ann 5"},
	{"authority", "suspend", "A-0003", "--reason", "appeal 3"},
	{"authority", "resume", "A-0003", "--reason", "lost it"},
	{"authority", "revoke", "A-0003", "--reason", "over"},
	{"authority", "list", "--actor", "analyst"},
	{"reindex"},
	{"verify"},
	{"upgrade", "older.argus"},
	{"formats"},
	{"validate", "reference", "--without-built-in", "--out", "record.txt"},
	{"validate", "--check", "record.txt", "--key", "validation.pub"},
	{"world", "case", "--messages", "200"},
	{"bench", "--messages", "200", "--rounds", "1"},
	{"policy", "show", "nl"},
	{"policy", "test"},
	{"privilege", "init", "--judge", "judge.pub", "--second", "second.pub", "--key", "lent.key"},
	{"privilege", "directory", "lawyers.csv", "--privilege-key", "lent.key"},
	{"people"},
	{"people", "set", "analyst", "--name", "Ann 7", "--role", "custodian,analyst", "--user", admin.ActorName()},
	{"people", "set", "zoe2", "--role", "judge"},
	{"people", "end", "zoe2"},
	{"init", "--store", "court.argus"},
	{"privilege", "init", "--judge", "judge.pub", "--second", "second.pub", "--key", "court.key", "--store", "court.argus"},
	{"privilege", "directory", "lawyers.csv", "--privilege-key", "court.key", "--store", "court.argus"},
	{"ingest", "lawyer.jsonl", "--privilege-key", "court.key", "--store", "court.argus"},
	{"people", "set", "analyst", "--role", "custodian,judge", "--user", admin.ActorName(), "--store", "court.argus"},
	{"privilege", "list", "--identity", "judge.key", "--store", "court.argus"},
	{"privilege", "decide", "REF", "--verdict", "keep", "--reason", "it is about case 7", "--identity", "judge.key", "--store", "court.argus"},
	{"privilege", "log", "--store", "court.argus"},
	{"privilege", "show", "REF", "--identity", "judge.key", "--store", "court.argus"},
	{"people"},
}

// silent lists the commands without an example, with the reason.
var silent = map[string]string{
	"argus serve":            "runs until it is stopped; TestBrowser reads its link",
	"argus demo":             "is serve with an invented case; TestREADME prints its receipts",
	"argus ledger correct":   "needs an entry of the future, which the ledger takes from the clock only; it prints as ledger does",
	"argus help":             "prints help",
	"argus completion":       "prints a script for a shell",
	"argus __complete":       "answers a shell",
	"argus __completeNoDesc": "answers a shell",
}

// testRecipient returns a new private key of age, and its public key.
func testRecipient(t *testing.T) (private, public string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String(), id.Recipient().String()
}

// TestOneVoice runs an example of every command and takes its answer both as text and as
// objects. Each word with a digit in the text (numbers, times, hashes, ids) must also be
// in the objects.
func TestOneVoice(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("runs every command; once, without -race, is enough")
	}
	older, err := filepath.Abs(olderStore)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := copyKeys(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("ARGUS_KEYS", filepath.Join(dir, "keys"))
	t.Setenv("ARGUS_ACTOR", "analyst")
	judge, judges := testRecipient(t)
	_, second := testRecipient(t)
	for name, text := range map[string]string{
		"chats/a.jsonl":                   spokenLines + "{\n{\n",
		"chats/call.jsonl":                `{"service":"sky","type":"call","from":"A","sent":"2021-02-14T13:00:00Z","id":"c","facts":{"call":{"direction":"out","seconds":65}}}` + "\n",
		"copies/b.jsonl":                  strings.Replace(spokenLines, "hello +32", "hello again +32", 1),
		"guessed.json":                    `[{"wie":"A","wat":"hallo daar","ts":1613304000000},{"wie":"B","wat":"ja hoor","ts":1613304001000},{"wie":"A","wat":"goed dan","ts":1613304002000}]`,
		"lawyers.csv":                     "name;phone\nNN 7;+31 6 12345678\nNN 8;\nNN 9;none\n",
		"judge.pub":                       judges,
		"judge.key":                       judge,
		"second.pub":                      second,
		"lawyer.jsonl":                    strings.ReplaceAll(spokenLines, `"A`, `"+31612345678`),
		"words.txt":                       "snow\nhello\n",
		"shared.secret":                   strings.Repeat("5", 40),
		"reference/one/input/a.jsonl":     spokenLines,
		"reference/one/expected.json":     `{"title":"lines","source":"invented","messages":[]}`,
		"reference/broken/expected.json":  `{}`,
		"reference/broken/input/none.txt": "x",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS("older.argus", os.DirFS(older+"/store")); err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cliTail, -1)
	ran := map[string]bool{}
	ref := ""
	for _, args := range spoken {
		name := strings.Join(args, " ")
		args = slices.Clone(args)
		for i := range args {
			args[i] = strings.Replace(args[i], "REF", ref, 1)
		}
		text, objects, command, err := both(t, args)
		ran[command] = true
		if err != nil && !strings.HasPrefix(name, "validate reference") {
			t.Errorf("argus %s: %v\n%s", name, err, text)
		}
		known := facts(t, objects)
		for _, missing := range unstated(text, known) {
			t.Errorf("argus %s prints %q as text, which its objects do not have", name, missing)
		}
		if t.Failed() {
			t.Fatalf("text:\n%s\nobjects:\n%s", text, objects)
		}
		if text == "" {
			t.Errorf("argus %s prints no text", name)
		}
		for line := range strings.Lines(objects) {
			var object struct{ Event, Ref, ID, Public string }
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(documented, func(m []string) bool { return m[1] == object.Event }) {
				t.Errorf("argus %s prints the event %q, which docs/cli.md does not list", name, object.Event)
			}
			if object.Event == "hit" {
				ref = object.Ref
			}
			if object.Event == "sealed" {
				ref = object.ID
			}
			if object.Event == "record" {
				var record signedRecord
				if err := json.Unmarshal([]byte(line), &record); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile("validation.pub", []byte(record.Key), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}

	root := new(app).root()
	root.InitDefaultHelpCmd()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		path := c.CommandPath()
		if leaf := !c.HasSubCommands() || path == "argus ledger" || path == "argus people"; leaf && ran[path] == (silent[path] != "") {
			t.Errorf("%s needs an example in this test, or a reason for having none", path)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

const spokenLines = `{"service":"sky","conversation":"A|B","from":"A","id":"1","sent":"2021-02-14T12:03:00Z","text":"hello +32 470 12 34 56"}
{"service":"sky","conversation":"A|B","from":"B","id":"2","sent":"2021-02-14T12:04:00Z","text":"hello yourself"}
{"service":"sky","conversation":"A|B","from":"B","id":"3","sent":"2021-02-18T12:04:00Z","text":"later","attachments":[{"name":"dock.jpg"}]}
`

// both runs a command once, and returns its answer as text and as objects.
func both(t *testing.T, args []string) (text, objects, command string, err error) {
	t.Helper()
	var people, programs, errors bytes.Buffer
	a := &app{out: voice.Both(&people, &programs), err: &errors}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(""))
	root.SetOut(&people)
	root.SetErr(io.Discard)
	c, err := root.ExecuteContextC(t.Context())
	if flushErr := a.out.Flush(); flushErr != nil {
		t.Fatal(flushErr)
	}
	return people.String(), programs.String(), c.CommandPath(), err
}

// facts returns the values of objects, in every form in which text shows them.
func facts(t *testing.T, objects string) map[string]bool {
	t.Helper()
	seen := map[string]bool{"SHA-256": true, "p99": true, "FTS5": true} // words
	number := func(n uint64) {
		seen[printable.Group(n)] = true
		seen[strconv.FormatUint(n, 10)] = true
		seen[printable.Size(int64(n))] = true
	}
	var add func(v any)
	add = func(v any) {
		switch v := v.(type) {
		case string:
			seen[v] = true
			seen[printable.OneLine(v)] = true
			if raw, err := base64.StdEncoding.DecodeString(v); err == nil {
				seen[string(raw)] = true
			}
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				seen[at.Format(time.RFC3339)] = true
				seen[at.Format("2006-01-02 15:04Z")] = true
				seen[at.Format(time.DateOnly)] = true
			}
		case json.Number:
			seen[v.String()] = true
			if n, err := strconv.ParseUint(v.String(), 10, 63); err == nil {
				number(n)
			}
			if f, err := v.Float64(); err == nil {
				seen[printable.Seconds(f)] = true
				seen[round(time.Duration(f))] = true
				for _, digits := range []int{0, 1, 2} {
					seen[strconv.FormatFloat(f, 'f', digits, 64)] = true
				}
				number(uint64(max(f, 0)))
			}
		case []any:
			number(uint64(len(v)))
			for _, one := range v {
				add(one)
			}
		case map[string]any:
			for name, one := range v {
				seen[name] = true
				add(one)
			}
			if format, ok := v["format"].(string); ok {
				seen[fmt.Sprintf("%s/%v", format, v["version"])] = true
			}
			var of struct {
				Offset, Length uint64
				Seconds        float64
				CPUSeconds     float64 `json:"cpu_seconds"`
				PerSecond      float64 `json:"messages_per_second"`
			}
			if again, err := json.Marshal(v); err == nil && json.Unmarshal(again, &of) == nil {
				number(of.Offset + of.Length) // the text gives the end
				seen[fmt.Sprintf("%.2f", of.CPUSeconds*1e6/(of.PerSecond*of.Seconds))] = true
			}
		}
	}
	for line := range strings.Lines(objects) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		var v map[string]any
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("not an object: %v: %s", err, line)
		}
		add(v)
	}
	return seen
}

// words returns the words of a text that contain a digit.
func words(text string) (list []string) {
	for _, word := range regexp.MustCompile(`[^\s()\[\]@▶]+( (?:KB|MB|GB)\b)?`).FindAllString(text, -1) {
		if word = strings.Trim(word, `",;:.?+=`); strings.ContainsFunc(word, unicode.IsDigit) {
			list = append(list, word)
		}
	}
	return list
}

// unstated returns the words of a text that are in no fact.
func unstated(text string, facts map[string]bool) (missing []string) {
	known := maps.Clone(facts)
	var all strings.Builder
	for fact := range facts {
		all.WriteString(fact + "\n")
		for _, word := range words(fact) {
			known[word] = true
		}
	}
	for _, word := range words(text) {
		// A longer word may be a part of a fact, such as the first digits of an id.
		if !known[word] && (len(word) < 8 || !strings.Contains(all.String(), word)) {
			missing = append(missing, word)
		}
	}
	return missing
}

// TestOneVoiceFails shows that the check finds a number that is only in the text.
func TestOneVoiceFails(t *testing.T) {
	known := facts(t, `{"event":"receipt","read":1234,"files":[1,2,3],"sealed":"2026-11-30T16:26:04Z","size":2500}`+"\n")
	for text, want := range map[string]string{
		"read 1,234 in 3 files, 2.5 KB; sealed 2026-11-30T16:26:04Z": "[]",
		"read 1,235":                  "[1,235]",
		"sealed 2026-11-30T16:26:05Z": "[2026-11-30T16:26:05Z]",
	} {
		if got := fmt.Sprint(unstated(text, known)); got != want {
			t.Errorf("%q states %s, want %s", text, got, want)
		}
	}
}
